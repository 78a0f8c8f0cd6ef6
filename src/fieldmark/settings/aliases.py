"""Foreign names for settings: a recipe brings them, and words are rewritten before parsing.

`aliases:` of a recipe or of a settings file is a table of flags and the settings that they mean,
or the name of the recipe that has it. Each flag takes a value. Where a flag means several
settings, the first has the value and the others are fixed:

    aliases:
      -bn: model.batch_norm
      -wp: [track.project, track.to=wandb]

A name that does not begin with "-" is one for `name=value` words.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fieldmark import recipes
from fieldmark.errors import Mistake, SettingsError, nearest, refuse
from fieldmark.settings.layers import setting_of
from fieldmark.settings.options import FLAGS, OPTIONS
from fieldmark.settings.texts import config_text, read_table

Aliases = dict[str, tuple[str, ...]]
KEYS = {flag: key for key, flag in FLAGS.items()}  # of fieldmark's own flags
IMAGES = "data.source"


@dataclass(frozen=True)
class Rewritten:
    """Words without aliases, and for each setting the flag that it was typed as.

    images: how the images are named, where those of the recipe are not there.
    """

    words: list[str]
    typed: dict[str, str] = field(default_factory=dict)
    images: str = "DATA"

    def as_typed(self, error: SettingsError) -> SettingsError:
        """The same mistakes, told under the flags as they were typed."""
        return SettingsError(map(self._as_typed, error.mistakes))

    def _as_typed(self, mistake: Mistake) -> Mistake:
        where, what = mistake.where, mistake.what
        if where.endswith(f": {IMAGES}"):  # the recipe's or the file's, which nobody typed
            return Mistake(where, f"{what}; name your images as {self.images}")
        return Mistake(self.typed.get(where, where), what)


def rewrite(words: Sequence[str]) -> Rewritten:
    """The words of `train` with each alias as `key=value`, where --recipe or --config has any.

    "-bn true" and "-bn=true" become "model.batch_norm=true". Of two aliases for one setting the
    last holds, but images are named once. What is no alias stays as it is. Raises SettingsError
    for a recipe or file that cannot be read, for a flag without a value, and beside an option or
    a `key=value` word that sets the same.
    """
    aliases = _of_words(words)
    naming = [alias for alias, targets in aliases.items() if targets[0] == IMAGES]
    done = Rewritten([], images=" or with ".join(["DATA", *naming[:1]]))
    own: dict[str, str] = {}  # what words of the user's own set
    rest = iter(words)
    for word in rest:
        alias, equals, value = word.partition("=")
        if word == "--":
            behind = [*rest]
            done.words.extend([word, *behind])
            own |= {key: each for other in behind for key, each in _set_by(other).items()}
        elif alias not in aliases or not (equals or alias.startswith("-")):
            done.words.append(word)
            own |= _set_by(word)
        else:
            _put(done, alias, value if equals else next(rest, ""), aliases[alias])
    refuse(  # of a word of the user's own beside an alias it would be unclear which holds
        Mistake(alias, f"sets {key}, and so does {own[key]}; leave one out")
        for key, alias in done.typed.items()
        if key in own
    )
    return done


def unknown(words: Sequence[str], told: str) -> str:
    """The flag that the parser does not know: of "-nf" it tells no more than "-n"."""
    aliases = _of_words(words)
    flags = [word.partition("=")[0] for word in words if word.startswith(told)]
    return next((each for each in flags if each not in aliases), told)


def hint(words: Sequence[str], strange: str, alike: Iterable[str] = ()) -> str:
    """What to do about a flag that there is not, where --recipe or --config has aliases; or "".

    alike: options of fieldmark's own that may have been meant.
    """
    aliases = _of_words(words)
    if not aliases:
        return ""
    recipe, config = (_value_of(words, option) for option in ("--recipe", "--config"))
    lists = f"`fieldmark recipes cat {recipe}`" if recipe and of_recipe(recipe) else str(config)
    near = nearest(strange, [*aliases, *alike]).removeprefix("; ").replace("'", "")
    if near:
        return f"{near} {lists} lists them"
    return f"`fieldmark train --help` and {lists} list them"


def _of_words(words: Sequence[str]) -> Aliases:
    """The aliases of the recipe and of the file that are named. Raises SettingsError."""
    aliases: Aliases = {}
    for option, read in (("--recipe", of_recipe), ("--config", of_config)):
        named = _value_of(words, option)
        aliases |= read(named) if named else {}
    return aliases


def of_recipe(name: str) -> Aliases:
    """A recipe's aliases. Raises SettingsError where there is no such recipe."""
    return _read(recipes.text(name), f"recipe {name}")


def of_config(path: str) -> Aliases:
    """A settings file's aliases. Raises SettingsError."""
    return _read(config_text(path), path)


def recipe_with(alias: str) -> str | None:
    """The first recipe that knows this flag."""
    return next((name for name in recipes.names() if alias in of_recipe(name)), None)


def _read(text: str, name: str) -> Aliases:
    table = read_table(text, name).get("aliases") or {}
    if isinstance(table, str):
        return of_recipe(table)
    pairs = table.items() if isinstance(table, Mapping) else ()
    lists = {str(alias): each if isinstance(each, list) else [each] for alias, each in pairs}
    targets = {alias: tuple(map(str, each)) for alias, each in lists.items()}
    wrong = [alias for alias, each in targets.items() if not _is_right(each)]
    if wrong or not isinstance(table, Mapping):
        what = "must be a flag and its setting, such as -e: train.epochs"
        raise SettingsError([Mistake(f"{name}: aliases{f', {wrong[0]}' if wrong else ''}", what)])
    return targets


def _is_right(targets: tuple[str, ...]) -> bool:
    """One setting that has the value, then only settings with values of their own."""
    return bool(targets) and "=" not in targets[0] and all("=" in each for each in targets[1:])


def _value_of(words: Sequence[str], option: str) -> str | None:
    """The last value of one of fieldmark's own options, as the parser will find it."""
    found = None
    for word, following in zip(words, [*words[1:], None], strict=True):
        name, equals, value = word.partition("=")
        if word == "--":
            break
        if name == option:
            found = value if equals else following
    return found


def _set_by(word: str) -> dict[str, str]:
    """The setting that an option or a `key=value` word sets, and how that is told; or none."""
    name, equals, _ = word.partition("=")
    if name in KEYS:
        return {KEYS[name]: name}
    return {setting_of(name): word} if name and equals else {}


def _put(done: Rewritten, alias: str, value: str, targets: tuple[str, ...]) -> None:
    """Add the words that an alias with its value means. Raises SettingsError without a value."""
    if not value or re.match(r"-[^0-9.]", value):  # no value of ours begins as a flag does
        raise SettingsError([Mistake(alias, f"needs a value, as in {alias} VALUE")])
    for word in (f"{targets[0]}={value}", *targets[1:]):
        done.words.append(word)
        key = word.partition("=")[0]
        if key == IMAGES and key in done.typed:
            raise SettingsError([Mistake(alias, "names the images a second time; leave one out")])
        done.typed[OPTIONS.get(key, key)] = alias
