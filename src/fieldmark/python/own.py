"""Code of the caller's own in a run: a network, a loss, an augmentation, figures.

What is given is lent to the catalogs for as long as the call lasts, under a name that says what it
is: own/NAME@HASH, NAME of the function or class, HASH the first eight letters of the SHA-256 of its
source. That name stands in the settings and in model.json; the code does not, so that whoever opens
the run runs nothing, and is told what is missing.
"""

import functools
import hashlib
import inspect
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from fieldmark.catalog import OWN
from fieldmark.errors import Mistake, refuse
from fieldmark.judge.metrics import METRICS as FIGURES
from fieldmark.judge.metrics import Metric, of_function

KINDS = {"model": "model.name", "loss": "loss.name", "augment": "augment.name"}
METRICS = "metrics"
PLAIN = (str, int, float, bool, tuple, type(None))
UNKNOWN = "nosource"  # in place of a hash, where Python knows no source


def is_own(value: object) -> bool:
    """Whether a setting is code: something that can be called, and no name."""
    return callable(value) and not isinstance(value, str)


def name_of(given: Any) -> str:
    """own/NAME@HASH of a function, a class or an object of one."""
    code = given.func if isinstance(given, functools.partial) else given
    named = code if hasattr(code, "__name__") else type(code)
    try:
        source = textwrap.dedent(inspect.getsource(named))
    except (OSError, TypeError):
        return f"{OWN}{_word(named)}@{UNKNOWN}"
    parts = [source]
    if named is not code:  # an object: what it is set to, too
        kept = {
            k: v
            for k, v in getattr(code, "__dict__", {}).items()
            if isinstance(v, PLAIN) and k != "training"
        }
        parts += [repr(sorted(kept.items())), re.sub(r" at 0x\w+", "", repr(code))]
    if isinstance(given, functools.partial):
        parts.append(repr((given.args, sorted(given.keywords.items()))))
    return f"{OWN}{_word(named)}@{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:8]}"


@contextmanager
def lending(settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Inside, the catalogs have what the settings give as code. -> the settings with its names

    Raises SettingsError for code that cannot be what it is given as.
    """
    found = dict(settings)
    figures = found.pop(METRICS, None)
    figures = [figures] if is_own(figures) else list(figures or ())
    refuse(_mistakes(found, figures))
    with ExitStack() as stack:
        for option, key in KINDS.items():
            for place in (option, key):
                if is_own(found.get(place)):
                    given, found[place] = found[place], name_of(found[place])
                    stack.enter_context(_lent(option, found[place], given))
        if figures:
            names = stack.enter_context(counted_with(figures))
            hashes = [name_of(each).removeprefix(OWN) for each in figures]
            found["train.own_figures"] = tuple(hashes)
            found["train.figures"] = (*_names(found.get("train.figures")), *names)
        yield found


@contextmanager
def lending_again(
    recorded: Mapping[str, str],
    given: Mapping[str, Any],
    *,
    figures_then: Iterable[str] = (),
    same: bool = False,
) -> Iterator[None]:
    """Inside, the catalogs have code under the names that a run recorded for it.

    recorded: of each kind, its name in the run. given: the code. figures_then: the run's own
    figures, as NAME@HASH. Where a source is another than it was, that is a warning, or with `same`
    an error. Raises SettingsError for that, and where
    the run has none of a kind.
    """
    own = {kind: code for kind, code in given.items() if code is not None}
    figures = own.pop(METRICS, None)
    figures = [figures] if is_own(figures) else list(figures or ())
    refuse(
        Mistake(kind, f"this run has '{recorded.get(kind)}', which needs no code; leave it out")
        for kind in own
        if not recorded.get(kind, "").startswith(OWN)
    )
    refuse(_mistakes(own, figures))
    _tell_other_figures(figures, figures_then, same=same)
    with ExitStack() as stack:
        if figures:
            stack.enter_context(counted_with(figures))
        for kind, code in own.items():
            name = name_of(code)
            if name != recorded[kind]:
                _tell_other(kind, recorded[kind], name, same=same)
            stack.enter_context(_lent(kind, recorded[kind], code))
        yield


@contextmanager
def with_model(path: Path, model: Any) -> Iterator[None]:
    """Inside, the bundle in a folder finds the network that was given, if any was."""
    if model is None:
        yield
        return
    from fieldmark.use.asked import info_of_any

    with lending_again({"model": info_of_any(path).model}, {"model": model}):
        yield


@contextmanager
def counted_with(given: Sequence[Callable[..., Any]]) -> Iterator[tuple[str, ...]]:
    """Inside, the table of metrics has these functions under their names. -> the names

    A function takes the truth, (N,) places of classes or of several labels (N, C) of 0 and 1, and
    the scores (N, C), and gives a number; more is better, but where its attribute `better` is
    "min". Its attribute `within`, such as (0, 1), says between which ends it lies. Raises
    SettingsError for a name that is taken or is none.
    """
    names = tuple(str(getattr(each, "__name__", type(each).__name__)) for each in given)
    what = "must be functions with plain names that no other figure has; rename"
    refuse(
        Mistake("metrics", f"{what} '{name}'")
        for place, name in enumerate(names)
        if not name.isidentifier() or name in (*FIGURES, "loss", *names[:place])
    )
    table = cast(dict[str, Metric], FIGURES)
    table.update(
        {
            name: of_function(each, "of the caller's own")
            for name, each in zip(names, given, strict=True)
        }
    )
    try:
        yield names
    finally:
        for name in names:
            del table[name]


def _tell_other_figures(figures: Iterable[Any], then: Iterable[str], *, same: bool) -> None:
    """As `_tell_other`, of each figure that the run had one of the same name of."""
    known = {each.partition("@")[0]: each for each in then}
    for figure in figures:
        now = name_of(figure).removeprefix(OWN)
        was = known.get(now.partition("@")[0], now)
        if was != now:
            _tell_other(METRICS, was, now, same=same)


def _tell_other(kind: str, recorded: str, given: str, *, same: bool) -> None:
    """Warn, or raise SettingsError, where code is not what a run was made with."""
    was, now = recorded.removeprefix(OWN), given.removeprefix(OWN)
    what = f"the run was made with {was}, and {now} was given, whose source is another"
    refuse([Mistake(kind, f"{what}; give the one that it was begun with")] if same else [])
    warnings.warn(f"{kind}: {what}", stacklevel=6)


def _mistakes(found: Mapping[str, Any], figures: Iterable[Any]) -> list[Mistake]:
    """Code in the place of settings that take none, and networks that cannot be built."""
    known = {*KINDS, *KINDS.values()}
    wrong = [
        Mistake(name, f"takes no code, and {value!r} is; {', '.join(KINDS)} and {METRICS} do")
        for name, value in found.items()
        if is_own(value) and name not in known
    ]
    wrong += [
        Mistake(METRICS, f"must be functions of (truth, scores), not {each!r}")
        for each in figures
        if not is_own(each)
    ]
    model = found.get("model", found.get("model.name"))
    if is_own(model) and not _is_module(model) and not _takes_classes(model):
        what = "is called with the number of classes, and takes no such argument; give one that"
        wrong.append(Mistake("model", f"{_word(model)} {what} does, or a network that is built"))
    return wrong


def _takes_classes(build: Callable[..., Any]) -> bool:
    try:
        inspect.signature(build).bind(2)
    except (TypeError, ValueError):
        return False
    return True


@contextmanager
def _lent(kind: str, name: str, given: Any) -> Iterator[None]:
    """Inside, the catalog of a kind builds what was given."""
    about = "given from Python"
    if kind == "model":
        from fieldmark.models.catalog import MODELS
        from fieldmark.models.copied import copies_of

        build = copies_of(given) if _is_module(given) else given
        with MODELS.lent(name, build, about):
            yield
    elif kind == "loss":
        from fieldmark.fit.losses import LOSSES, own_loss

        with LOSSES.lent(name, own_loss(given), about):
            yield
    else:
        from fieldmark.data.augment import AUGMENTS, own_transform

        with AUGMENTS.lent(name, own_transform(given), about):
            yield


def _is_module(given: Any) -> bool:
    """Whether this is a network that is built, and no class of networks."""
    if isinstance(given, type):
        return False
    from torch import nn

    return isinstance(given, nn.Module)


def _names(given: Any) -> tuple[str, ...]:
    """Names in a list, or in a text with commas between."""
    if isinstance(given, str):
        return tuple(part.strip() for part in given.strip("[]").split(",") if part.strip())
    return tuple(given or ())


def _word(named: Any) -> str:
    """A function's or class's name as a part of a setting: `<lambda>` is lambda."""
    return str(getattr(named, "__name__", type(named).__name__)).strip("<>")
