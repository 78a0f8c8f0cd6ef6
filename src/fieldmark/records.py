"""What travels between the stages: two tables and a few frozen records. No torch here."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from fieldmark.errors import DataError
from fieldmark.files import write_whole
from fieldmark.task import HALF, NO_GUESS, ONE_LABEL, TASKS, Task

SPLITS = ("train", "val", "test")
SAMPLE_COLUMNS: dict[str, Any] = {
    "path": pl.String,  # relative to the root, or the name of a built-in data set
    "row": pl.Int64,  # the row inside a file that holds many images, else null
    "hash": pl.String,  # of the image's content
    "labels": pl.List(pl.String),
    "split": pl.String,  # train, val, test, or null while undecided
    "group": pl.String,  # what must not straddle a split (site, animal, patient), or null
    "copy_of": pl.Int64,  # the same number: one picture, on one side; null: where hashes are equal
    "folds": pl.List(pl.Int64),  # that hold it out, one a repeat; null where none does
    "caption": pl.String,
    "width": pl.Int64,
    "height": pl.Int64,
}
YOUNG = ("copy_of", "folds")  # columns that runs from before there were any have not
LOGIT, DISTANCE = "logit:", "distance"
GUESS, SCORE = "guess", "score"  # in files for people, derived anew from the logits when read
GIVEN_LABELS = "given_labels"  # as the source has them, where a person has looked at an image
MARKED_LABELS = "marked_labels"  # of several labels, those that a person has decided on there


@dataclass(frozen=True)
class Samples:
    """One row an image: SAMPLE_COLUMNS and the user's own columns. `root` is where paths begin."""

    frame: pl.DataFrame
    root: str = "."
    task: Task = ONE_LABEL

    @classmethod
    def from_columns(cls, columns: dict[str, Any], root: str = ".") -> Self:
        """A table from columns; those of SAMPLE_COLUMNS that are left out are null."""
        frame = pl.DataFrame(columns)
        typed = {
            name: (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind)
            for name, kind in SAMPLE_COLUMNS.items()
        }
        return cls(frame.with_columns(**typed), root)

    def __len__(self) -> int:
        return self.frame.height

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Every label of the table, in order; of several labels an image, numbers as numbers."""
        found = self.frame["labels"].explode().drop_nulls().unique().sort().to_list()
        if self.task.several and all(name.isascii() and name.isdigit() for name in found):
            found.sort(key=int)
        return tuple(found)

    def rows(self, split: str) -> np.ndarray:
        """Positions of a split's rows in the table. -> (n,) int64"""
        return np.flatnonzero((self.frame["split"] == split).fill_null(False).to_numpy())

    @cached_property
    def folds(self) -> np.ndarray | None:
        """The fold that holds each row out, -1 where none does. -> (repeats, N); None without."""
        known = self.frame["folds"].drop_nulls()
        if not len(known):
            return None
        lists = self.frame["folds"].fill_null([-1] * len(known[0])).to_list()
        return np.array(lists, np.int64).T

    def with_folds(self, folds: np.ndarray) -> "Samples":
        """The same images with the folds that hold each one out, (repeats, N); -1 for none."""
        lists = [row if min(row) >= 0 else None for row in folds.T.tolist()]
        column = pl.Series("folds", lists, SAMPLE_COLUMNS["folds"])
        return replace(self, frame=self.frame.with_columns(column))

    def with_copies(self, numbers: np.ndarray) -> "Samples":
        """The same images, those of the same number copies of one picture. numbers: (N,)"""
        column = pl.Series("copy_of", numbers, SAMPLE_COLUMNS["copy_of"])
        return replace(self, frame=self.frame.with_columns(column))

    def held_out(self, fold: int) -> "Samples":
        """The same images, those that this fold of the first repeat holds out for validation."""
        assert self.folds is not None
        sides = self.frame["split"].to_list()
        held = (self.folds[0] == fold).tolist()
        return self.with_splits(
            ["val" if out else side for out, side in zip(held, sides, strict=True)]
        )

    def targets(self, classes: Sequence[str]) -> np.ndarray:
        """What each row is trained to give: see `Task.targets`."""
        return self.task.targets(self.frame["labels"].to_list(), classes)

    def places(self) -> list[tuple[str, int | None]]:
        """Where each image is, as plain values that a loader's worker may hold."""
        return list(zip(self.frame["path"].to_list(), self.frame["row"].to_list(), strict=True))

    def with_splits(self, splits: Sequence[str | None]) -> "Samples":
        """The same images with the split of each."""
        return replace(self, frame=self.frame.with_columns(pl.Series("split", splits, pl.String)))

    def counts(self) -> dict[str, dict[str, int]]:
        """Images by class and split: {class: {split: n}}."""
        table = {name: dict.fromkeys(SPLITS, 0) for name in self.classes}
        grouped = self.frame.explode("labels").group_by("labels", "split").len()
        for label, split, count in grouped.iter_rows():
            if label is not None and split is not None:
                table[label][split] = count
        return table

    def hash(self) -> str:
        """A hash of content, labels and sides: the same images on the same sides give the same."""
        digest = hashlib.blake2b(digest_size=16)
        columns = self.frame.select("path", "row", "hash", "labels", "split")
        for row in sorted(map(repr, columns.iter_rows())):
            digest.update(row.encode() + b"\n")
        return digest.hexdigest()

    def write(self, path: Path, about: dict[str, Any] | None = None) -> None:
        """The table as Parquet; the root, and plain values about the images, in its metadata."""
        kept = {"root": self.root, "about": json.dumps(about or {}), **_told(self.task)}
        self.frame.write_parquet(path, metadata=kept)

    @staticmethod
    def read_about(path: Path) -> dict[str, Any]:
        """The plain values that `write` was given."""
        return dict(json.loads(pl.read_parquet_metadata(path).get("about", "{}")))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        frame = _read_table(path, [name for name in SAMPLE_COLUMNS if name not in YOUNG])
        lacking = [name for name in YOUNG if name not in frame.columns]
        frame = frame.with_columns(
            pl.lit(None, SAMPLE_COLUMNS[name]).alias(name) for name in lacking
        )
        kept = pl.read_parquet_metadata(path)
        return cls(frame, kept.get("root", "."), TASKS[kept.get("task", ONE_LABEL.name)])


@dataclass(frozen=True)
class Predictions:
    """One row an image and model: path, row, hash, split, group, fold, model, truth, and logits.

    The logits are columns named `logit:CLASS`, float32, in the order of the classes. A column
    `distance`, where there is one, says how far the image is from those of the training.
    """

    frame: pl.DataFrame
    task: Task = ONE_LABEL

    @classmethod
    def of(cls, samples: Samples, rows: np.ndarray, logits: np.ndarray, **about: Any) -> Self:
        """From logits (n, C) of the samples at `rows` (n,).

        about: classes, model; of images that folds held out, their folds (n,); distances (n,).
        """
        classes: Sequence[str] = about["classes"]
        if not len(rows):  # a model that was shown nothing cannot say how many classes it has
            logits = np.zeros((0, len(classes)), dtype=np.float32)
        taken = samples.frame[rows]
        columns = {f"{LOGIT}{name}": logits[:, k] for k, name in enumerate(classes)}
        folds = about.get("folds")
        frame = taken.select(
            "path",
            "row",
            "hash",
            pl.col("split") if folds is None else pl.lit("val").alias("split"),
            "group",
            pl.lit(None if folds is None else pl.Series(folds), pl.Int64).alias("fold"),
            pl.lit(about.get("model"), pl.String).alias("model"),
            pl.col("labels").alias("truth"),
        )
        if about.get("distances") is not None:
            columns = {DISTANCE: about["distances"], **columns}
        table = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float32))
        return cls(frame.hstack(table), samples.task)

    def __len__(self) -> int:
        return self.frame.height

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes that there are logits for."""
        return tuple(c.removeprefix(LOGIT) for c in self.frame.columns if c.startswith(LOGIT))

    @cached_property
    def logits(self) -> np.ndarray:
        """-> (N, C) float32"""
        columns = [f"{LOGIT}{name}" for name in self.classes]
        return self.frame.select(columns).to_numpy().reshape(len(self), len(columns))

    @cached_property
    def targets(self) -> np.ndarray:
        """The truth of each row: see `Task.targets`."""
        return self.task.targets(self.frame["truth"].to_list(), self.classes)

    @property
    def distances(self) -> np.ndarray | None:
        """How far each image is from those of the training. -> (N,) float32; None: not measured"""
        return self.frame[DISTANCE].to_numpy() if DISTANCE in self.frame.columns else None

    @property
    def known(self) -> np.ndarray:
        """Whether each row's truth is among the classes. -> (N,) bool"""
        return self.task.known(self.targets)

    @property
    def folds(self) -> int | None:
        """How many folds gave these answers, each to images that it held out; None for a network
        that is one and the same for all."""
        there = "fold" in self.frame.columns and self.frame["fold"].count()
        return self.frame["fold"].n_unique() if there else None

    @cached_property
    def groups(self) -> np.ndarray | None:
        """Each row's group as a number from 0; a row without one is a group of its own. -> (N,)

        None where no row has a group: then every image stands for itself.
        """
        if "group" not in self.frame.columns or not self.frame["group"].count():
            return None
        own = pl.int_range(pl.len()).cast(pl.String)
        name = pl.when(pl.col("group").is_null()).then(own).otherwise("g" + pl.col("group"))
        numbers: np.ndarray = self.frame.select(name.rank("dense") - 1).to_series().to_numpy()
        return numbers.astype(np.int64)

    def scores(self, temperature: float = 1.0) -> np.ndarray:
        """Probabilities: see `Task.scores`. -> (N, C) float64"""
        return self.task.scores(self.logits, temperature)

    def answers(
        self, temperature: float = 1.0, thresholds: dict[str, float] | None = None
    ) -> pl.DataFrame:
        """The table with what people read before its logits: `guess`, and `score` of it.

        guess: the class, of several labels a list of those that reach their thresholds (0.5 where
        there are none), the likeliest first; null without finite scores. score: float32, of the
        likeliest class.
        """
        scores, order = self.scores(temperature), np.array(self.classes, object)
        if self.task.several:
            own = dict.fromkeys(self.classes, HALF) | (thresholds or {})
            there = self.task.decide(scores, np.array([own[name] for name in self.classes]))
            ranked = np.argsort(-scores, axis=1, kind="stable")
            found = [order[r[has[r]]].tolist() for r, has in zip(ranked, there, strict=True)]
        else:
            guesses = self.task.decide(scores, None) if len(self) else np.zeros(0, int)
            found = [None if each == NO_GUESS else order[each] for each in guesses]
        kind = pl.List(pl.String) if self.task.several else pl.String
        best = scores.max(axis=1) if scores.size else np.zeros(len(scores))
        told = [pl.Series(GUESS, found, kind), pl.Series(SCORE, best, pl.Float32)]
        logits = [f"{LOGIT}{name}" for name in self.classes]
        return self.frame.drop(logits).with_columns(told).hstack(self.frame.select(logits))

    def of_split(self, split: str) -> "Predictions":
        """The rows of one split."""
        return replace(self, frame=self.frame.filter(pl.col("split") == split))

    def without(self, names: Sequence[str]) -> "Predictions":
        """The table without the answers on these of several labels."""
        return replace(self, frame=self.frame.drop([f"{LOGIT}{name}" for name in names]))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        table = _read_table(path, ("path", "split", "truth")).drop(GUESS, SCORE, strict=False)
        return cls(table, TASKS[pl.read_parquet_metadata(path).get("task", ONE_LABEL.name)])

    def write(
        self,
        path: Path,
        temperature: float | None = None,
        thresholds: dict[str, float] | None = None,
    ) -> None:
        """The table as Parquet, whole or not at all, with the task in its metadata.

        With its `answers` where the temperature is known.
        """
        kept = _told(self.task) or None
        frame = self.frame if temperature is None else self.answers(temperature, thresholds)
        write_whole(path, lambda place: frame.write_parquet(place, metadata=kept))


@dataclass(frozen=True)
class InputSpec:
    """How an image becomes a network's input: stored form, then a centre crop, then normalised.

    stored: `square:N` (both sides N, the shape is not kept), `shorter:N` (the shorter side N)
            or `original` (resized only after augmentation; evaluated as `shorter:around`);
            bilinear, or with `:bicubic` behind it bicubic.
    size:   side of the square that the network sees, pixels.
    mean, std: of RGB in 0..1, a number a channel.
    words: of a network that reads captions, the buckets that their words fall into; 0: it does not.
    """

    stored: str
    size: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    words: int = 0

    @property
    def form(self) -> tuple[str, int] | tuple[str, int, str]:
        """Word, pixels, and a filter that is not bilinear: ("shorter", 256, "bicubic")."""
        word, side, smooth = [*self.stored.split(":"), "", ""][:3]
        pixels = int(side) if side else self.size
        return (word, pixels, smooth) if smooth else (word, pixels)

    @property
    def around(self) -> int:
        """The shorter side that a centre crop of `size` is usually taken from: 256 for 224."""
        return round(self.size * 8 / 7)

    @property
    def evaluated_form(self) -> tuple[str, int] | tuple[str, int, str]:
        """The form of an image that is not augmented, before its centre crop."""
        return ("shorter", self.around) if self.stored == "original" else self.form

    def to_json(self) -> dict[str, Any]:
        """Plain values for model.json; words only where there are any."""
        values = asdict(self)
        return values if self.words else {k: v for k, v in values.items() if k != "words"}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The reverse of `to_json`."""
        three = {key: tuple(values[key]) for key in ("mean", "std")}
        return cls(**{**values, **three})


def _told(task: Task) -> dict[str, str]:
    """The task in a table's metadata, where it is not the usual one."""
    return {} if task is ONE_LABEL else {"task": task.name}


def _read_table(path: Path, needed: Sequence[str] | dict[str, Any]) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from error
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise DataError(f"{path}: the column '{missing[0]}' is missing; is this Fieldmark's table?")
    return frame
