"""`fieldmark models`: which networks there are, and how one is built."""

from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.typed import Text, data_and_rest, flag, named, refuse_given
from fieldmark.errors import Mistake, SettingsError, counted, refuse

if TYPE_CHECKING:
    from fieldmark.models.catalog import ModelRow


Pattern = typer.Argument(
    metavar="[PATTERN] [KEY=VALUE ...]",
    help="Only names that hold this, or that fit 'resnet*'; timm/PART for timm's.",
)


def command(
    words: Annotated[list[str] | None, Pattern] = None,
    summary: Annotated[Text, named("NAME", "The layers of one network.")] = None,
    num_classes: Annotated[int, named(None, "Classes, for --summary.", min=1)] = 1000,
    image_size: Annotated[int, named(None, "Pixels a side, for --summary.", min=1)] = 224,
    data: Annotated[
        Text, typer.Option("--for", metavar="DATA", help="Measure and rank those worth a try.")
    ] = None,
    max_minutes: Annotated[
        float | None, named("N", "With --for: those done, frozen, in N minutes.", min=0)
    ] = None,
    weights: Annotated[
        list[str] | None, named("FILE", "With --for: these too, or NAME=FILE; repeatable.")
    ] = None,
    fetch: Annotated[bool, flag("--fetch", "With --for: download what is not here.")] = False,
) -> int:
    """List the networks, show one layer by layer, or measure which to take for DATA.

    KEY=VALUE, with --for, reaches every setting: data.label_column=species, run.device=cpu.
    """
    pattern, rest = data_and_rest(words)
    if data is not None:
        refuse_given({"--summary": summary}, "does not go with --for; leave one out")
        from fieldmark.cli.afford import print_afforded

        print_afforded(
            data, pattern or "", rest, weights or (), fetch=fetch, most_minutes=max_minutes
        )
        return 0
    alone = {"--max-minutes": max_minutes, "--weights": weights, "--fetch": fetch}
    alone |= dict.fromkeys(rest, True)
    refuse_given(alone, "is of no use here; name the images, with --for DATA")
    if summary is not None:
        print_summary(summary, num_classes, image_size)
    else:
        print_rows(pattern or "")
    return 0


def print_rows(pattern: str) -> None:
    """The networks with `pattern` in their name, a line each. Raises SettingsError for none."""
    from fieldmark.models.catalog import MOST_COUNTED, rows
    from fieldmark.models.timm_networks import PREFIX

    found = rows(pattern)
    if not found:
        raise SettingsError([Mistake(pattern, _nothing(pattern, PREFIX))])
    counted_rows = [row for row in found if row.parameters is not None]
    if counted_rows:
        print_table(counted_rows)
    names = [row.name for row in found if row.parameters is None]
    if names:
        print(*names, sep="\n")
        print(
            f"{counted(len(names), 'network')} of timm by name only; parameters, megabytes and "
            f"multiply-adds are told where a pattern leaves at most {MOST_COUNTED}"
        )
    elif not pattern.startswith(PREFIX):
        print(f"any network of timm, too, as {PREFIX}NAME: `fieldmark models {PREFIX}PART` lists")


def print_table(rows: "list[ModelRow]") -> None:
    """A line a network, with what it costs, MB (1e6 bytes) in float32; all have their numbers."""
    wide = max(22, *(len(row.name) + 1 for row in rows))
    print(f"{'name':<{wide}}{'parameters':>13}{'MB':>8}{'GMACs':>8}  {'year':<6}about (paper)")
    for row in rows:
        megabytes = (row.parameters or 0) * 4 / 1e6
        work = "" if row.multiply_adds is None else f"{row.multiply_adds / 1e9:.2f}"
        paper = f" ({row.paper})" if row.paper else ""
        print(
            f"{row.name:<{wide}}{row.parameters:>13,}{megabytes:>8.1f}{work:>8}  "
            f"{row.year or '':<6}{row.about}{paper}"
        )


def print_summary(name: str, num_classes: int, image_size: int) -> None:
    """The layers of one network, which is never given memory. Raises SettingsError."""
    from fieldmark.models.catalog import MODELS, side_mistake

    refuse(Mistake("--summary", each.what) for each in MODELS.read(name, {})[1])
    built_for_a_size = "image_size" in MODELS[name].options()
    options = {"image_size": image_size} if built_for_a_size else {}
    what = side_mistake(name, options, image_size)
    if what is not None:
        raise SettingsError([Mistake("--image-size", what)])
    from fieldmark.models.catalog import outline
    from fieldmark.models.summary import summarise, text

    print(text(summarise(outline(name, num_classes, options), image_size)))


def _nothing(pattern: str, prefix: str) -> str:
    if pattern.startswith(prefix):
        return f"no network of timm holds this in its name; `fieldmark models {prefix}` lists them"
    return f"no network's name holds this; leave it out, or look in timm with {prefix}{pattern}"
