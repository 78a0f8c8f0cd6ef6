"""The settings of a run around its training: what it may come to, where its figures are sent, where
and on what it runs."""

from typing import Annotated, Literal

from pydantic import Field

from fieldmark.settings.section import Section
from fieldmark.settings.values import Auto, Device, Listed, Naming, Rate, Target


class BudgetSettings(Section):
    """What a run may come to. It decides nothing of the training but when it ends."""

    max_size_mb: Rate | None = Field(
        None, description="MiB that the file of weights may have; a network with more is refused"
    )
    max_hours: Rate | None = Field(
        None,
        description="device hours (hours times devices) that the run may take with all its "
        "resumes; when they are used up, training ends with what it has reached",
    )
    target: Annotated[tuple[Target, ...], Listed] = Field(
        (),
        description="METRIC=VALUE, several with commas between: what the figures of the test have "
        "to reach, or of validation where there is no test",
    )

    @property
    def targets(self) -> dict[str, float]:
        """The value that is asked for of each metric."""
        pairs = (each.partition("=") for each in self.target)
        return {name: float(value) for name, _, value in pairs}


class TrackSettings(Section):
    """Where figures are sent besides the run folder."""

    to: Annotated[tuple[Literal["tensorboard", "wandb", "mlflow"], ...], Listed] = Field(
        (), description="tensorboard, wandb, mlflow, with commas between"
    )
    project: str = Field("fieldmark", description="the project, or MLflow's experiment")
    entity: str | None = Field(None, description="the team or user, of wandb")
    group: str | None = Field(
        None,
        description="what runs that belong together are told under: wandb's group, MLflow's tag "
        "fieldmark.group; those of a study have its name",
    )


class RunSettings(Section):
    """Where and on what it runs."""

    seed: int = Field(0, ge=0, le=2**63 - 1, description="decides weights, order and augmentation")
    precision: Literal["auto", "float32", "bf16", "16-mixed"] = Field(
        "auto", description="auto follows a fixed table of processor, model and engine"
    )
    engine: Literal["torch", "onnxruntime", "openvino"] = Field(
        "torch",
        description="what computes a frozen network's features; onnxruntime and openvino are "
        "extras, on a processor",
    )
    device: Device = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    workers: Auto | Annotated[int, Field(ge=0, le=64)] = Field(
        "auto", description="processes that load images; they change no result"
    )
    threads: Auto | Annotated[int, Field(ge=1, le=256)] = Field(
        "auto", description="processor threads that compute; they may change the last bits"
    )
    compile: bool = Field(False, description="compile the network for training (torch.compile)")
    explain: Auto | bool = Field(
        "auto",
        description="heat maps beside the pictures of the report; auto: where the network sees 64 "
        "px or more and can give them, but not in studies",
    )
    out: str = Field("runs", description="the folder that run folders are made in")
    name: str | None = Field(None, description="the run folder's name")
    naming: Naming | None = Field(
        None,
        description="what a run that is given no name is called after, such as "
        "{model}_{optimizer}_{lr}: {data}, {model}, {optimizer}, {lr} and {seed} are known; the "
        "second of a name ends in -2; none: {data}-{model}, numbered from 1",
    )
    tag: str | None = Field(None, description="a word in the name of a run that is given none")
