"""What people call the parts of a split, folds and groups: in folders' names and in tables."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

TRAIN = ("train", "training", "trainval", "trn")
VAL = ("val", "valid", "validation", "validate", "dev", "eval", "evaluation")
TEST = ("test", "testing", "tst", "holdout")
SIDES = {
    word: side for side, its in (("train", TRAIN), ("val", VAL), ("test", TEST)) for word in its
}
# letters that stand for a side only where all names beside them do
SHORT = {"tr": "train", "va": "val", "vl": "val", "te": "test", "ts": "test"}
# words that say nothing more of a side: "Train_Images", "test_set"
FILLING = (
    *("set", "sets", "data", "dataset", "datasets", "image", "images", "img", "imgs", "photo"),
    *("photos", "picture", "pictures", "pic", "pics", "folder", "dir", "split", "subset"),
    *("public", "private", "files", "jpg", "jpeg", "png", "partition", "only", "samples"),
)
LABELLED = ("labeled", "labelled", "annotated", "sorted")  # for training, beside what is not
UNLABELLED = ("unlabeled", "unlabelled", "unannotated", "unsorted")
FOLD = ("fold", "folds", "kfold", "cvfold", "cv")
GLUED = re.compile(rf"({'|'.join(sorted(SIDES, key=len, reverse=True))})({'|'.join(FILLING)})")
JOINT = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
HELD_OUT = re.compile(r"(hold|held)[\s_-]?out")
# what images have in common that belong together
PLACES = (
    *("site", "location", "loc", "locality", "station", "deployment", "camera", "cam", "trap"),
    *("plot", "transect", "farm", "hospital", "clinic", "institution", "scanner", "plate"),
)
BEINGS = (  # which may also be the classes
    *("patient", "animal", "individual", "subject", "person", "participant", "identity"),
    *("specimen", "donor", "plant", "lesion", "case", "writer", "volunteer"),
)
EVENTS = ("sequence", "seq", "burst", "event", "session", "visit", "survey")
VIEWS = ("series", "video", "clip", "track", "scene", "slide", "study", "exam", "observation")
GROUPS = (*PLACES, *BEINGS, *EVENTS, *VIEWS, "group")  # the largest groups first


def split_of(name: str | None) -> str | None:
    """The split that a name stands for ("Validation", "test_set" -> "val", "test"), or None."""
    if not name:
        return None
    sides, rest = _parts(name, SIDES)
    return _one(sides) if not rest else None


def sides_of(names: Iterable[str]) -> dict[str, str]:
    """Which of the names beside one another are splits, and of what; none without training.

    A name is one by itself ("test_set"), or where what it adds is the same for training and
    another side ("seg_train", "seg_test"), or by two letters ("tr", "te") where all names are.
    """
    names = list(names)
    alone = {name: side for name in names if (side := split_of(name))}
    if any(word in UNLABELLED for name in names for word in _words(name)):
        alone |= {name: "train" for name in names if set(_words(name)) & set(LABELLED)}
    if "train" in alone.values():
        return alone
    by_rest: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in names:
        sides, rest = _parts(name, SIDES)
        side = _one(sides)
        if side:
            by_rest[rest][name] = side
    shared = [its for its in by_rest.values() if _is_split(its)]
    if shared:
        return shared[0] if len(shared) == 1 else {}
    short = {}
    for name in names:
        sides, rest = _parts(name, SHORT)
        side = _one(sides)
        if side and not rest:
            short[name] = side
    return short if len(short) == len(names) and _is_split(short) else {}


def split_like(names: Iterable[str]) -> list[str]:
    """Names of which no class is likely, since they speak of sides or of folds: all such, where
    training and another side are among them, or two numbered folds; else none."""
    names = list(names)
    speak = {name: sides for name in names if (sides := _parts(name, SIDES)[0])}
    if "train" in set().union(*speak.values()) and len(set().union(*speak.values())) > 1:
        return list(speak)
    folds = [name for name in names if is_fold(name)]
    return folds if len(folds) > 1 else []


def is_fold(name: str) -> bool:
    """Whether a name is that of a fold: "fold0", "Fold_3", "kfold 1"."""
    words = _words(name)
    return len(words) > 1 and words[-1].isdigit() and any(word in FOLD for word in words)


def _is_split(sides: dict[str, str]) -> bool:
    return "train" in sides.values() and len(set(sides.values())) > 1


def _one(sides: set[str]) -> str | None:
    """The side that a name's words speak of; training and validation together are training."""
    if sides == {"train", "val"}:
        return "train"
    return next(iter(sides)) if len(sides) == 1 else None


def _parts(name: str, known: dict[str, str]) -> tuple[set[str], tuple[str, ...]]:
    """The sides that a name's words speak of, and the words that it has beyond."""
    sides, rest = set(), []
    for word in _words(name):
        glued = GLUED.fullmatch(word)
        side = known.get(glued[1] if glued else word)
        if side:
            sides.add(side)
        elif word not in FILLING and not word.isdigit():
            rest.append(word)
    return sides, tuple(rest)


def _words(name: str) -> list[str]:
    """ "TrainImages_2" -> ["train", "images", "2"]."""
    text = JOINT.sub(" ", unicodedata.normalize("NFC", name)).casefold()
    return [word for word in re.split(r"[\W_]+", HELD_OUT.sub("holdout", text)) if word]
