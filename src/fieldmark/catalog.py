"""A printable table of named builders. A builder's signature is its options.

Models, optimisers, schedules, losses, augmentations and data sources are each one Catalog: to
add one is one function and one line. What a builder takes after `*`, keyword-only, are the
options that the settings may give it (`optimizer.momentum`); an option it does not take is a
mistake. A Catalog holds the builders themselves, or "module:function" names that are imported
when first asked for.

Beside its lines a Catalog has what a caller lends it in Python, as own/NAME@HASH, and what
installed packages offer, as PACKAGE/NAME (plugins.py); neither is listed.
"""

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from fieldmark import plugins
from fieldmark.errors import Mistake, SettingsError, listed, nearest
from fieldmark.settings.meant import of_choice, of_choice_option
from fieldmark.settings.section import in_words
from fieldmark.settings.tree import known_keys

OWN = "own/"  # begins the names of what a caller lent


@dataclass(frozen=True)
class Entry:
    """One line of a catalog."""

    name: str
    build: Callable[..., Any] | str
    about: str
    point: EntryPoint | None = None  # of the package that offers it

    def builder(self) -> Callable[..., Any]:
        """The function itself, imported where only its name is known.

        Raises SettingsError where a package that offers it does not have it.
        """
        if not isinstance(self.build, str):
            return self.build
        module, _, function = self.build.partition(":")
        with plugins.blamed(self.point):
            return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]

    def options(self) -> dict[str, inspect.Parameter]:
        """The keyword-only parameters: what the settings may say."""
        with plugins.blamed(self.point):
            parameters = inspect.signature(self.builder(), eval_str=True).parameters
        return {n: p for n, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def with_options(
    build: Callable[..., Any], options: Iterable[inspect.Parameter]
) -> Callable[..., Any]:
    """`build`, which takes what it is given, with the options that a catalog may give it.

    For networks and optimisers of other libraries, whose options are read off their constructors.
    """
    first = inspect.Parameter("given", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    build.__signature__ = inspect.Signature([first, *options])  # type: ignore[attr-defined]
    return build


class Catalog(Mapping[str, Entry]):
    """Names to builders; `kind` is the word that error texts use ("model").

    group: of entry points, in which installed packages offer builders; "" for none. also: what
    else may be named, for the sentence on a name that is not there.
    """

    def __init__(
        self,
        kind: str,
        entries: dict[str, tuple[Callable[..., Any] | str, str]],
        *,
        group: str = "",
        also: str = "",
    ):
        self.kind, self._group, self._also = kind, group, also
        self._entries = {n: Entry(n, build, about) for n, (build, about) in entries.items()}
        self._lent: dict[str, Entry] = {}

    def __getitem__(self, name: str) -> Entry:
        found = self._lent.get(name) or self._entries.get(name) or self._offered(name)
        if found is None:
            raise KeyError(name)
        return found

    @contextmanager
    def lent(self, name: str, build: Callable[..., Any], about: str) -> Iterator[None]:
        """Inside, the catalog has this builder too, under a name that begins with OWN."""
        before = dict(self._lent)
        self._lent[name] = Entry(name, build, about)
        try:
            yield
        finally:
            self._lent = before

    def _offered(self, name: str) -> Entry | None:
        """What an installed package offers under PACKAGE/NAME, where it may be run."""
        point = plugins.offered(self._group, name) if plugins.is_allowed(name) else None
        return None if point is None else Entry(name, point.value, "of a package", point)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def read(self, name: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
        """Options as the builder's annotations want them, and what is wrong with them.

        A mistake's `where` is "" for the name itself, else the option's name.
        """
        if name not in self:
            return {}, [Mistake("", self.unknown(name))]
        try:
            known = self[name].options()
        except SettingsError as error:
            return {}, [Mistake("", str(error))]
        values, mistakes = {}, []
        for option, value in options.items():
            if option not in known:
                near = of_choice_option(self.kind, option, known) or nearest(
                    option, [*known, *self._beside()]
                )
                hint = near or f"; it takes {listed(known) or 'no options'}"
                mistakes.append(
                    Mistake(option, f"the {self.kind} '{name}' takes no such option{hint}")
                )
                continue
            try:
                values[option] = _convert(value, known[option].annotation)
            except ValidationError as error:
                mistakes.append(Mistake(option, in_words(error.errors()[0])))
        return values, mistakes

    def _beside(self) -> list[str]:
        """The settings of the section that choices of this kind stand in."""
        section = f"{WORDS.get(self.kind, self.kind)}."
        return [key.removeprefix(section) for key in known_keys() if key.startswith(section)]

    def unknown(self, name: str) -> str:
        """What to say of a name that is not there."""
        if name.startswith(OWN):
            return lost(name, self.kind)
        if plugins.offered(self._group, name) is not None:
            return plugins.not_allowed(name)
        hint = of_choice(self.kind, name, self)
        if not hint and self._group and (lacking := plugins.not_here(name)):
            return f"the {self.kind} {lacking}"
        most = len(self) if self._also else 12
        hint = hint or nearest(name, self) or f"; there are {listed(self, most=most)}{self._also}"
        return f"there is no {self.kind} '{name}'{hint}"

    def build(self, name: str, options: Mapping[str, Any], *args: Any) -> Any:
        """Call the builder with `args` and the options, which `read` has found to be right.

        Raises SettingsError where the builder is a package's and fails.
        """
        entry = self[name]
        with plugins.blamed(entry.point):
            return entry.builder()(*args, **options)


def lost(name: str, kind: str) -> str:
    """What to say of own/NAME@HASH where nobody lent it."""
    stem, _, version = name.removeprefix(OWN).partition("@")
    word = WORDS.get(kind, kind)
    return (
        f"the {kind} '{stem}' is code of whoever trained the run (its source has the hash "
        f"{version or 'unknown'}), and no file holds it; give it in Python: {word}={stem}"
    )


WORDS = {"augmentation": "augment", "figure": "metrics"}  # how Python's options call a kind


def _convert(value: Any, annotation: Any) -> Any:
    """A value, or its text as a command line gives it, as the annotation's type."""
    adapter = TypeAdapter(Any if annotation is inspect.Parameter.empty else annotation)
    try:
        return adapter.validate_python(value)
    except ValidationError as unread:
        if not isinstance(value, str):
            raise
        try:
            read = None if value.strip().casefold() == "none" else yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):  # ValueError: a date that there is not
            raise unread from None
        return adapter.validate_python(read)
