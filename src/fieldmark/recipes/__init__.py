"""Recipes: settings with a story, as YAML beside this file. Data, not code."""

from importlib.resources import files

from fieldmark.errors import Mistake, SettingsError, listed, nearest


def names() -> list[str]:
    """Every recipe's name."""
    here = files(__package__)
    return sorted(f.name.removesuffix(".yaml") for f in here.iterdir() if f.name.endswith(".yaml"))


def text(name: str) -> str:
    """A recipe as it is written, comments included. Raises SettingsError."""
    if name not in names():
        hint = nearest(name, names()) or f"; there are {listed(names(), most=20)}"
        raise SettingsError([Mistake("--recipe", f"there is no recipe '{name}'{hint}")])
    return files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def about(name: str) -> str:
    """A recipe's first line: what it is for."""
    return text(name).partition("\n")[0].removeprefix("#").strip()
