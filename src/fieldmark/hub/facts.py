"""What a card is written from: a run's records, read by their own readers."""

from dataclasses import dataclass, field
from typing import Any

from fieldmark.data.intake import Dataset
from fieldmark.errors import RunError
from fieldmark.insight.label_names import ShownNames, kept_names
from fieldmark.metrics_json import Figures, Metrics
from fieldmark.models import published
from fieldmark.models.bundle_info import BundleInfo, read_info
from fieldmark.report.measures import NONE
from fieldmark.rundir import INFO, RunDir, source_name

HERE = "OWNER/NAME"  # in a card that was not pushed yet


@dataclass(frozen=True)
class Stated:
    """What a person says of the model and no file does: its licence, and its images on the hub."""

    licence: str | None = None
    dataset: str | None = None


@dataclass(frozen=True)
class Facts:
    """A run, read from its folder. info: of the bundle as it lies in the card's folder.

    split: which side the figures are of: "test", "val" where there is no test, or None.
    architecture: timm's name of the network, None where timm cannot load it, for `why_not`.
    """

    name: str
    source: str
    metrics: Metrics
    info: BundleInfo
    data: Dataset
    settings: dict[str, Any]
    command: str
    history: list[dict[str, float]]
    names: ShownNames = field(default_factory=ShownNames)
    stated: Stated = Stated()
    architecture: str | None = None
    why_not: str = ""
    base_model: str | None = None

    @property
    def split(self) -> str | None:
        """The side that the figures are of."""
        return next((side for side in ("test", "val") if side in self.metrics.sides), None)

    @property
    def figures(self) -> Figures:
        """Those of that side."""
        return self.metrics.sides[self.split] if self.split else NONE


def read_facts(run: RunDir, stated: Stated) -> Facts:
    """Everything that is known of a run. Raises RunError where it has no weights or figures yet."""
    if not run.has_bundle or not run.metrics.is_file():
        lacking = "figures" if run.has_bundle else "weights"
        raise RunError(
            f"{run.path}: has no {lacking} yet, so there is nothing to write a card of; go on with "
            f"it: fieldmark train --resume {run.path}"
        )
    metrics, settings, info = run.read_metrics(), run.read_settings(), read_info(run.path / INFO)
    return Facts(
        name=run.name,
        source=source_name(str(settings["data"]["source"])),
        metrics=metrics,
        info=info,
        data=Dataset.read(run.samples),
        settings=settings,
        command=run.read_command(),
        history=run.read_history(),
        names=kept_names(run.label_names, metrics.classes),
        stated=stated,
        base_model=base_model(info),
    )


def base_model(info: BundleInfo) -> str | None:
    """The model of the hub that training began with, as timm/resnet18.a1_in1k; None where none."""
    for each in published.weights_of(info.model):
        if each.kept == "hub" and info.weights == each.version:
            return each.place
    return None
