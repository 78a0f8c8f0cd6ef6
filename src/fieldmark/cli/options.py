"""`fieldmark options`: what is chosen by name, and what each choice takes, with its defaults."""

import shutil
import textwrap
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from fieldmark.catalog import Catalog, Entry
from fieldmark.errors import Mistake, SettingsError, counted, listed, nearest, refuse

PLAIN_WIDTH = 100  # columns, where there is no terminal
TIMM = "timm/"
ALSO = {  # what a catalog finds beyond its own lines
    "model": f"any network of timm, too, as {TIMM}NAME: `fieldmark models {TIMM}PART` lists",
    "optimizer": f"any optimizer of timm, too, as {TIMM}NAME: "
    f"`fieldmark options optimizer {TIMM}PART` lists",
}


def command(
    section: Annotated[str, typer.Argument(help="Such as optimizer; without it, all.")] = "",
    name: Annotated[
        str, typer.Argument(help="One choice; optimizer timm/PART for those of timm.")
    ] = "",
) -> int:
    """List what is chosen by name, and the options of each choice with their defaults."""
    from fieldmark.runs.checks import CATALOGS

    if not section:
        print_sections(CATALOGS)
        return 0
    if section not in CATALOGS:
        hint = nearest(section, CATALOGS) or f"; there are {listed(CATALOGS)}"
        raise SettingsError([Mistake("SECTION", f"'{section}' is no section of choices{hint}")])
    if not name:
        print_choices(section, CATALOGS[section].values())
        print_wrapped(ALSO.get(section, ""))
    elif section == "optimizer" and name.startswith(TIMM):
        print_timm_optimizers(name)
    else:
        refuse(Mistake("NAME", each.what) for each in CATALOGS[section].read(name, {})[1])
        print_choices(section, [CATALOGS[section][name]])
    return 0


def print_sections(catalogs: Mapping[str, Catalog]) -> None:
    """The sections, each with the names to choose from."""
    wide = max(map(len, catalogs)) + 2
    for section, catalog in catalogs.items():
        names = [*catalog, f"{TIMM}NAME"] if section in ALSO else [*catalog]
        many = f"{len(catalog)} networks and those of timm: `fieldmark models` lists them"
        print_wrapped(many if section == "model" else ", ".join(names), f"{section:<{wide}}")
    print_wrapped(
        "what they take: `fieldmark options SECTION`; one: `fieldmark options SECTION NAME`"
    )


def print_choices(section: str, entries: Iterable[Entry]) -> None:
    """Each choice with its description, and beneath it what it takes, as `train` reads it."""
    entries = list(entries)
    wide = max((len(entry.name) for entry in entries), default=0) + 2
    for entry in entries:
        print_wrapped(entry.about, f"{entry.name:<{wide}}")
        taken = [f"{section}.{o.name}={_typed(o.default)}" for o in entry.options().values()]
        print_wrapped("  ".join(taken) or "no options", "    ")


def print_timm_optimizers(pattern: str) -> None:
    """timm's optimisers whose names hold what follows timm/; the one of this very name first.

    Those that cannot be chosen are only counted, with the reasons. Raises SettingsError where
    none is found, or where `pattern` is the whole name of one that cannot be chosen.
    """
    from fieldmark.fit import timm_optimizers

    part = pattern.removeprefix(TIMM).casefold()
    found = {TIMM + bare for bare in timm_optimizers.names() if part in bare}
    refusal = timm_optimizers.refusal(pattern)
    if refusal is not None and (not found or pattern in found):
        raise SettingsError([Mistake("NAME", refusal)])
    refusals = {name: what for name in sorted(found) if (what := timm_optimizers.refusal(name))}
    chosen = sorted(found - refusals.keys(), key=lambda name: (name != pattern, name))
    print_choices("optimizer", map(timm_optimizers.entry, chosen))
    if refusals:
        what = f"{counted(len(refusals), 'optimizer')} of timm left out"
        print_wrapped(f"{what}: {'; '.join(_reasons(refusals))}")


def print_wrapped(text: str, begin: str = "") -> None:
    """The text behind `begin`, in lines of the terminal's width that start below each other."""
    if not text:
        return
    width = shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns
    lines = textwrap.wrap(
        text, max(1, width - len(begin)), break_long_words=False, break_on_hyphens=False
    )
    print(begin + f"\n{' ' * len(begin)}".join(lines))


def _reasons(refusals: Mapping[str, str]) -> list[str]:
    """Each reason once, behind the first name that it stands against."""
    names: dict[str, list[str]] = {}
    for name, refusal in refusals.items():
        reason = refusal.removeprefix(f"'{name}' ").partition(";")[0]
        names.setdefault(reason, []).append(name)
    return [
        f"{first} {reason}{f' ({len(others)} more, too)' if others else ''}"
        for reason, (first, *others) in names.items()
    ]


def _typed(value: Any) -> str:
    """A default as a word of the command line, without spaces."""
    if isinstance(value, (tuple, list)):
        return f"[{','.join(map(_typed, value))}]"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
