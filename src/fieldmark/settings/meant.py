"""What words of other tools mean here: options, settings, verbs, choices and names of networks.

Meaning goes before letters: `--gpu` has nearly the letters of `--out`, and means `--device`.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from fieldmark.errors import nearest
from fieldmark.settings.options import FLAGS, OPTIONS
from fieldmark.settings.other_words import CHOICES, FOR_VERBS, MEANT, OF_TIMM, SIZES, VERBS
from fieldmark.settings.tree import known_keys


def plain(word: str) -> str:
    """A word as the tables have it: "--Batch_Size" -> "batch-size"."""
    return word.lstrip("-").casefold().replace("_", "-")


def of_option(verb: str, typed: str, own: Collection[str], value: str | None, trains: bool) -> str:
    """The ending of the sentence on an option that the verb has not; "" where nothing is meant.

    own: the verb's options, as "--batch-size"; value: what stood behind the typed one; trains:
    whether the verb takes settings.
    """
    word = plain(typed)
    target = FOR_VERBS.get(verb, {}).get(word) or MEANT.get(word) or _only_one(word)
    if target.startswith("--"):
        return f"; did you mean {target}?"
    if " " in target:
        return f"; {target}" if trains or verb in FOR_VERBS else ""
    key, _, fixed = target.partition("=")
    short = FLAGS.get(key, "")
    if short == "--out" not in own and "--page" in own:
        short = "--page"
    if short in own:
        return f"; did you mean {_with(short, fixed)}?"
    if key and trains:
        return f"; did you mean {key}={fixed or value or 'VALUE'}?"
    return f"; it is asked of `fieldmark train`, as {short or key}" if key else ""


def _only_one(word: str) -> str:
    """The one setting that is called so in its section, as penalty.l2; or ""."""
    found = [key for key in known_keys() if plain(key.partition(".")[2]) == word]
    return found[0] if len(found) == 1 else ""


SWITCHES = ("--freeze",)


def _with(option: str, fixed: str) -> str:
    return option if not fixed or option in SWITCHES else f"{option} {fixed}"


def of_setting(key: str) -> str:
    """The same of a setting that there is not, such as `train.learning_rate` or `gpus`."""
    section, _, last = key.rpartition(".")
    target = OPTIONS.get(last) if section else None
    target = target or MEANT.get(plain(last)) or _only_one(plain(last))
    if " " in target:
        return f"; {target}"
    return f"; did you mean '{target}'?" if target else ""


def of_choice_option(section: str, option: str, known: Iterable[str]) -> str:
    """The same of an option that a choice does not take: learning_rate of adamw is lr."""
    target = MEANT.get(plain(option), "").partition("=")[0].removeprefix(f"{section}.")
    return f"; did you mean '{target}'?" if target in known else ""


def of_choice(kind: str, name: str, known: Iterable[str]) -> str:
    """The same of a name that a catalog has not, such as the loss CrossEntropyLoss.

    A name that differs in signs alone is meant, then what others call it.
    """
    known = [*known]
    bare = {_squeezed(each): each for each in known}
    found = bare.get(_squeezed(name)) or CHOICES.get(kind, {}).get(_squeezed(name))
    if kind == "model" and found not in known:
        return of_model(name, bare)
    return f"; did you mean '{found}'?" if found else ""


def of_model(name: str, bare: Mapping[str, str]) -> str:
    """The same of a network: vit_base_patch16_224, microsoft/resnet-50, yolov8n-cls.

    bare: the names that there are by their letters and digits alone.
    """
    own = name.rpartition("/")[2].casefold()
    if own.startswith("yolo"):
        quick, good = "mobilenet_v3_small", "convnext_tiny"
        return f", since YOLO's are not here; a quick network is '{quick}', a good one '{good}'"
    if family := next((each for each in OF_TIMM if each in own), ""):
        return f"; networks of this kind are timm's: `fieldmark models timm/{family}` lists them"
    shape = re.match(r"(vit|swin|swinv2|deit|maxvit)[_-](\w+?)[_-](?:patch|window)?(\d+)", own)
    parts = [shape[1], SIZES.get(shape[2], shape[2]), shape[3]] if shape else []
    tried = [_squeezed(own), "".join(parts).replace("deit", "vit"), "".join(parts[:2])]
    tried += [_squeezed(own.removeprefix("tf_"))]
    begins = [
        bare[each]
        for word in tried
        for each in sorted(bare, key=len, reverse=True)
        if len(each) >= 5 and word.startswith(each)
    ]
    found = next((bare[word] for word in tried if word in bare), None) or next(iter(begins), None)
    is_timms = re.search(r"_patch\d|_window\d|^tf_|\.\w+_in|_in1k|_in22k|^deit", own)
    of_timm = f"'timm/{own}'" if is_timms and "/" not in name else ""
    if found:
        return f"; did you mean '{found}'{f', or of timm {of_timm}' if of_timm else ''}?"
    if of_timm:
        return f"; did you mean {of_timm}, of timm?"
    begun = [bare[each] for each in bare if len(tried[0]) > 2 and each.startswith(tried[0])]
    return _of_series(begun)


def _of_series(found: Sequence[str]) -> str:
    """The same of a name that several networks begin with; the first of a series is the smallest.

    "" where none or only one does, which is near by its letters.
    """
    if len(found) < 2:
        return ""
    begin = found[0]
    while not all(each.startswith(begin) for each in found):
        begin = begin[:-1]
    all_of_it = f"`fieldmark models {begin.rstrip('_')}` lists all {len(found)}"
    return f"; did you mean '{found[0]}', the first of its kind? {all_of_it}"


def of_verb(word: str, verbs: Iterable[str]) -> str:
    """The same of a verb that there is not: fit, test, classify."""
    target = VERBS.get(plain(word)) or next(
        (verb for verb in verbs if _squeezed(verb) == _squeezed(word)), ""
    )
    return (
        f"; did you mean `fieldmark {target}`?"
        if target
        else nearest(word, verbs).replace("'", "`fieldmark ", 1).replace("'", "`")
    )


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
