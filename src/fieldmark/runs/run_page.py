"""A finished run as what its report draws."""

import statistics
from dataclasses import dataclass
from typing import Any

from fieldmark.fit.state import State
from fieldmark.insight.pictures import galleries
from fieldmark.judge.selective import curve_of
from fieldmark.models.stages import chosen
from fieldmark.records import Predictions
from fieldmark.report.findings import Note
from fieldmark.report.page import RunPage, Timing
from fieldmark.rundir import RunDir
from fieldmark.runs.network import Prepared
from fieldmark.runs.timing import where_time_went
from fieldmark.settings.texts import to_yaml


@dataclass(frozen=True)
class Ending:
    """How training ended: in words, whether it came to its own end, seconds, the command."""

    reason: str
    whole: bool
    seconds: float
    command: str


def run_page(
    run: RunDir,
    prepared: Prepared,
    state: State,
    ending: Ending,
    predictions: Predictions,
    found: dict[str, Any],
) -> RunPage:
    """Everything that the report says.

    prepared: with the calibrated bundle's info. found: metrics.json.
    """
    settings, about = prepared.settings, found["about"]
    shown = predictions.of_split("test" if "test" in found else "val")
    temperature = found.get("calibration", {}).get("temperature", 1.0)
    pictures = galleries(shown, prepared.samples, temperature=temperature)
    return RunPage(
        title=run.name,
        status="done" if ending.whole else ending.reason,
        data=settings.data.source,
        classes=prepared.classes,
        counts=prepared.samples.counts(),
        figures={side: found[side] for side in ("val", "test") if side in found},
        calibration=found.get("calibration"),
        answers={
            "val": prepared.info.answers,
            "test": curve_of(predictions.of_split("test"), temperature),
        },
        history=state.history,
        best_epoch=state.best_epoch,
        monitor=settings.train.monitor,
        mistakes=pictures.mistakes,
        hits=pictures.hits,
        pairs=pictures.pairs,
        model=model_facts(prepared, state),
        settings=to_yaml(settings),
        command=ending.command,
        about={
            "finished": about["finished"],
            "seconds": f"{ending.seconds:.1f}",
            "machine": f"{about['machine']['processor']}, {about['machine']['cores']} cores",
            **{k: v for k, v in about["machine"].items() if k not in ("processor", "cores")},
            "seed": str(about["seed"]),
            "precision": settings.run.precision,
            **about["versions"],
        },
        notes=(*prepared.data.notes, *pictures.notes),
        findings=tuple(
            Note(each.kind, each.severity, each.sentence, each.files)
            for each in prepared.data.findings
        ),
        split_words=prepared.data.split_notes,
        timing=timing(prepared, about["times"]),
        trials=tuple(state.trials),
        drawn=settings.train.figures,
        flipped=found.get("test_flip"),
    )


def timing(prepared: Prepared, times: dict[str, float]) -> Timing:
    """Where the time of the run went, and what to do about it."""
    settings = prepared.settings
    return where_time_went(
        times,
        workers=None if settings.augment.by == "batch" else int(settings.run.workers),
        device=settings.run.device,
        has_weights=settings.model.weights != "none",
    )


def model_facts(prepared: Prepared, state: State) -> dict[str, Any]:
    """What the network is, and what an epoch of the last stage took (median)."""
    parameters = sum(p.numel() for p in prepared.model.parameters())
    last = [row for row in state.history if row["stage"] == state.history[-1]["stage"]]
    size = prepared.spec.size
    return {
        "name": prepared.settings.model.name,
        "parameters": parameters,
        "trainable": trained_parameters(prepared, state),
        "megabytes": parameters * 4 / 1e6,
        "input": f"{size} x {size} px, RGB",
        "weights": prepared.info.weights,
        "seconds_an_epoch": statistics.median(row["seconds"] for row in last),
    }


def trained_parameters(prepared: Prepared, state: State) -> int:
    """How many of the parameters were trained on the way to the weights that are kept."""
    network, stages = prepared.model.network, prepared.settings.train.stages
    best = state.history[(state.best_epoch or 1) - 1]
    names = {
        name for stage in stages[: int(best["stage"])] for name in chosen(network, stage.train)
    }
    return sum(p.numel() for name, p in network.named_parameters() if name in names)
