"""Heat maps of what a run's page shows, made once when the run is done, and kept in its folder."""

from collections.abc import Sequence

from fieldmark.console import Console
from fieldmark.errors import UserError
from fieldmark.heats import Heat, Heats, Wanted, Way
from fieldmark.insight.worth import worth_explaining
from fieldmark.judge.figures import by_split
from fieldmark.judge.thresholds import in_order
from fieldmark.records import Predictions, Samples
from fieldmark.rundir import RunDir
from fieldmark.runs.stages import BOOSTED
from fieldmark.settings.tree import Settings
from fieldmark.use.explained import batches_of, concrete, explained
from fieldmark.use.opened import Opened, open_bundle

MASKS = 3  # random parts that each map is held against; `fieldmark explain` takes 20
BATCH = 16
SHARE = 0.15  # of a run's images: so many passes of one image the maps may cost
FEWEST = 60  # passes that they may cost however few images there are
PASSES = MASKS + 4  # of an image: its map, and what its score comes to with parts blurred


def explain_run(run: RunDir, settings: Settings, console: Console, *, ends: bool) -> None:
    """Write the run's heat maps, or why there are none; a pure function of what the run kept.

    ends: whether the run has come to its end and is judged; else nothing is spent on maps.

    Raises DiskError; whatever else stands against maps is no reason to end a run, and is kept.
    """
    if not settings.run.explain:
        run.heat.unlink(missing_ok=True)
        return
    try:
        if settings.head.name == BOOSTED:
            raise UserError(NO_GRADIENTS.format(run=run.path))
        if not ends:
            raise UserError(NOT_ENDED.format(run=run.path))
        found = heats_of_run(run, open_bundle(run.path, settings.run.device), console)
    except UserError as error:
        found = Heats(reason=str(error))
    found.write(run.heat)


NO_GRADIENTS = (
    "a head of boosted trees has no gradients that Grad-CAM could go by; these need none: "
    "fieldmark explain {run} --method occlusion"
)
NOT_ENDED = "they come with the test at a run's end; now by: fieldmark explain {run}"


def heats_of_run(run: RunDir, opened: Opened, console: Console) -> Heats:
    """Maps of what the page shows and of what is drawn for the mean map of each class, each held
    against a few random parts. Fewer of them where the run has few images."""
    tables, info = by_split(Predictions.read(run.predictions)), opened.info
    samples = Samples.read(run.samples)
    shown = tables.get("test", tables.get("val"))
    if shown is None:
        return Heats(weights=info.weights_sha256, reason="no images were kept to look at")
    least = in_order(info.thresholds, info.classes)
    worth = worth_explaining(shown, temperature=info.temperature, thresholds=least)
    wanted = affordable(worth, len(samples))
    way = concrete(Way(masks=MASKS, steps=1), opened)
    found: list[Heat] = []
    with console.bar("heat maps", len(wanted)) as bar:
        for images, its in batches_of(samples, wanted, opened, BATCH, []):
            found += explained(opened, images, its, way)[0]
            bar.advance(len(its))
    return Heats(tuple(found), way.method, weights=info.weights_sha256)


def affordable(wanted: Sequence[Wanted], images: int) -> Sequence[Wanted]:
    """The first of them, as many as the run may spend its passes on."""
    return wanted[: max(FEWEST, round(SHARE * images)) // PASSES]
