"""`fieldmark options`: every setting, and what each choice by name takes, with the defaults."""

import json
import shutil
import textwrap
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from fieldmark.catalog import Catalog, Entry
from fieldmark.cli.typed import flag
from fieldmark.errors import Mistake, SettingsError, counted, listed, nearest, refuse
from fieldmark.machine import INSTALL
from fieldmark.settings.options import OPTIONS as SHORT
from fieldmark.settings.section import Choice
from fieldmark.settings.texts import as_typed
from fieldmark.settings.tree import known_keys, sections

SOURCE = "data.source"  # the one setting that has to be given
WIDEST = 36  # columns of a setting with its default, for what it is to stand beside it
PLAIN_WIDTH = 100  # columns, where there is no terminal
TIMM = "timm/"
EXPORT = "export"  # whose formats are no settings
ALSO = {  # what a catalog finds beyond its own lines
    "model": f"any network of timm, too, as {TIMM}NAME: `fieldmark models {TIMM}PART` lists",
    "optimizer": f"any optimizer of timm, too, as {TIMM}NAME: "
    f"`fieldmark options optimizer {TIMM}PART` lists",
}


def command(
    section: Annotated[str, typer.Argument(help="Such as train; without it, all.")] = "",
    name: Annotated[
        str, typer.Argument(help="One choice; optimizer timm/PART for those of timm.")
    ] = "",
    as_json: Annotated[bool, flag("--json", "Print them as JSON.")] = False,
) -> int:
    """List a section's settings with their defaults, and the choices by name with theirs.

    `fieldmark options export` lists the formats of `fieldmark export`.
    """
    if section == EXPORT:
        print_formats(name, as_json=as_json)
        return 0
    refuse_unknown(section, name)
    catalogs = catalogs_of(section)
    if as_json:
        print(json.dumps(as_plain(section, name, catalogs), indent=2, ensure_ascii=False))
    elif not section:
        print_sections(catalogs)
    elif not name:
        print_settings(section)
        if section in catalogs:
            print(f"\n{section}.name is one of these, each with what it takes:")
            print_choices(section, catalogs[section].values())
            print_wrapped(ALSO.get(section, ""))
    elif section == "optimizer" and name.startswith(TIMM):
        print_timm_optimizers(name)
    else:
        print_choices(section, [choice_of(section, name, catalogs)])
    return 0


def refuse_unknown(section: str, name: str) -> None:
    """Raise SettingsError for a section or a choice that there is not, where no torch is needed."""
    from fieldmark.runs.asked import IN_SOURCE, in_source

    if section in IN_SOURCE and name and "/" not in name and name not in in_source(section):
        refuse(Mistake("NAME", each.what) for each in in_source(section).read(name, {})[1])
    if section and section not in sections():
        its = SHORT.get(section, section if section in known_keys() else "").partition(".")[0]
        hint = f"; did you mean `fieldmark options {its}`?" if its else nearest(section, sections())
        hint = hint or f"; there are {listed(sections(), most=20)}"
        refuse([Mistake("SECTION", f"'{section}' is no section of settings{hint}")])


def catalogs_of(section: str) -> Mapping[str, Catalog]:
    """The catalogs by section; {} for a section that has none, and then no torch is imported."""
    if section and not issubclass(sections()[section], Choice):
        return {}
    from fieldmark.runs.checks import CATALOGS

    return CATALOGS


def choice_of(section: str, name: str, catalogs: Mapping[str, Catalog]) -> Entry:
    """The line of a choice. Raises SettingsError where there is none, or no choices."""
    if section not in catalogs:
        refuse([Mistake("NAME", f"{section} has settings alone, and no choices; leave it out")])
    refuse(Mistake("NAME", each.what) for each in catalogs[section].read(name, {})[1])
    return catalogs[section][name]


def settings_of(section: str) -> dict[str, tuple[Any, str]]:
    """The settings of a section by dotted name, each with its default and what it is.

    The default of one that has to be given is None.
    """
    fields = sections()[section].model_fields
    return {
        f"{section}.{key}": (
            None if field.is_required() else field.default,
            field.description or "",
        )
        for key, field in fields.items()
    }


def as_plain(section: str, name: str, catalogs: Mapping[str, Catalog]) -> list[dict[str, Any]]:
    """What is printed as plain values: a table a section, with its choices."""
    if name:
        return [_as_plain(section, choice_of(section, name, catalogs))]
    found = []
    for each in [section] if section else sections():
        rows = [
            {"setting": key, "default": default, "about": about}
            for key, (default, about) in settings_of(each).items()
        ]
        table: dict[str, Any] = {"section": each, "about": _about(each), "settings": rows}
        if each in catalogs and each != "model":  # whose options are read network by network
            table["choices"] = [_as_plain(each, entry) for entry in catalogs[each].values()]
        found.append(table)
    return found


def _as_plain(section: str, entry: Entry) -> dict[str, Any]:
    taken = {f"{section}.{o.name}": o.default for o in entry.options().values()}
    return {"name": entry.name, "about": entry.about, "options": taken}


def _about(section: str) -> str:
    return (sections()[section].__doc__ or "").partition("\n")[0]


def print_settings(section: str) -> None:
    """A section's settings: as it is typed with its default, and beside it what it is."""
    print_wrapped(_about(section))
    rows = {
        f"{key}={'' if default is None and key == SOURCE else as_typed(default)}": about
        for key, (default, about) in settings_of(section).items()
    }
    wide = min(max(map(len, rows)), WIDEST) + 2
    for typed, about in rows.items():
        if len(typed) + 2 > wide:
            print(typed)
            typed = ""
        print_wrapped(about, f"{typed:<{wide}}")


def print_sections(catalogs: Mapping[str, Catalog]) -> None:
    """The sections, each with what it is for and the names to choose from."""
    wide = max(map(len, sections())) + 2
    for section in sections():
        print_wrapped(_about(section), f"{section:<{wide}}")
        if section == "model":
            many = f"{len(catalogs[section])} networks and those of timm"
            print_wrapped(f"{many}: `fieldmark models` lists them", " " * wide)
        elif section in catalogs:
            names = [*catalogs[section], f"{TIMM}NAME"] if section in ALSO else catalogs[section]
            print_wrapped(", ".join(names), " " * wide)
    print_wrapped(
        "their settings: `fieldmark options SECTION`; one choice: `fieldmark options SECTION NAME`"
    )


def print_choices(section: str, entries: Iterable[Entry]) -> None:
    """Each choice with its description, and beneath it what it takes, as `train` reads it."""
    entries = list(entries)
    wide = max((len(entry.name) for entry in entries), default=0) + 2
    for entry in entries:
        print_wrapped(entry.about, f"{entry.name:<{wide}}")
        taken = [f"{section}.{o.name}={as_typed(o.default)}" for o in entry.options().values()]
        print_wrapped("  ".join(taken) or "no options", "    ")


def print_formats(name: str, *, as_json: bool) -> None:
    """The formats of `fieldmark export`, or one of them, and what each needs.

    Raises SettingsError for one that there is not.
    """
    from fieldmark.export.formats import FORMATS, unknown

    if name and name not in FORMATS:
        refuse([Mistake("NAME", unknown(name))])
    found = {each: FORMATS[each] for each in ([name] if name else FORMATS)}
    if as_json:
        rows = [
            {"name": key, "about": form.about, "extra": form.extra} for key, form in found.items()
        ]
        print(json.dumps(rows, indent=2))
        return
    wide = max(map(len, found)) + 2
    for key, form in found.items():
        print_wrapped(form.about, f"{key:<{wide}}")
        needs = f"{INSTALL} 'fieldmark[{form.extra}]'" if form.extra else "nothing more to install"
        print_wrapped(needs, " " * wide)


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
