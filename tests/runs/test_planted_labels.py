"""Wrong labels that were planted among real photos are found, and corrected they are forgotten."""

import csv
from pathlib import Path

import captions18
import numpy as np
import pytest
from smallruns import QUIET

from fieldmark import streams
from fieldmark.judge.suspects import suspects, suspects_of_several
from fieldmark.records import Predictions
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import train_run
from fieldmark.streams import Stream

MONKEYS = Path(__file__).parents[2].parent / "shared" / "data" / "monkeys10"
SHARE = 0.05  # of the labels that are planted, and of the ranking that is looked at

pytestmark = pytest.mark.slow


def frozen(table, images, folder, name, *words):
    """Answers out of fold of heads on a frozen network. -> their table, the temperature"""
    given = {"images": str(images), "freeze": "true", "out": str(folder), "name": name}
    run = train_run(gather(str(table), words, given), QUIET, "a test")
    return Predictions.read(run.predictions).of_split("val"), run.read_temperature()


def monkeys(folder, seed):
    """A table of photos in which one training label in twenty is wrong. -> it, and which ones"""
    if not MONKEYS.is_dir():
        pytest.skip("needs shared/data/monkeys10 beside the checkout")
    files = sorted(MONKEYS.glob("*/*/*.jpg"))
    classes = sorted({path.parent.name for path in files})
    training = [path for path in files if path.parent.parent.name == "train"]
    draw = streams.draw(Stream.PROBE, seed, 0)
    chosen = draw.choice(len(training), round(SHARE * len(training)), replace=False)
    wrong = {training[place] for place in chosen.tolist()}
    rows = []
    for path in files:
        label = path.parent.name
        if path in wrong:
            step = int(draw.integers(1, len(classes)))
            label = classes[(classes.index(label) + step) % len(classes)]
        side = "train" if path.parent.parent.name == "train" else "test"
        rows.append((path.relative_to(MONKEYS).as_posix(), label, side))
    table = folder / f"planted-{seed}.csv"
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows([("image", "label", "split"), *rows])
    return table, {path.relative_to(MONKEYS).as_posix() for path in wrong}


@pytest.mark.parametrize("seed", range(3))
def test_the_first_five_percent_of_the_ranking_hold_most_of_the_planted(tmp_path, seed):
    table, wrong = monkeys(tmp_path, seed)
    answers, temperature = frozen(table, MONKEYS, tmp_path, "run")
    paths = answers.frame["path"].to_list()
    planted = np.array([path in wrong for path in paths])
    looked_at = round(SHARE * len(paths))
    ranked = suspects(answers.scores(temperature), answers.targets)
    found = planted[ranked.places[:looked_at]].sum() / planted.sum()
    flagged = ranked.places[ranked.flagged]
    print(seed, found, f"flagged {len(flagged)}, of them planted {planted[flagged].sum()}")
    assert found >= 0.7
    assert planted[flagged].mean() >= 0.7


def test_of_several_labels_flipped_ones_come_up_far_more_often_than_by_chance(tmp_path):
    labels, _ = captions18.read("subset_train.csv")
    names = [line.partition(",")[0] for line in _lines("subset_train.csv")]
    classes = sorted({name for its in labels for name in its}, key=int)
    draw, flipped = streams.draw(Stream.PROBE, 0, 1), set()
    for number, at in enumerate(
        draw.choice(len(labels), round(SHARE * len(labels)), False).tolist()
    ):
        among = [c for c in classes if (c in labels[at]) == (number % 2 == 0)]
        name = among[int(draw.integers(len(among)))]
        labels[at] = [c for c in classes if (c in labels[at]) != (c == name)]
        flipped.add((names[at], name))
    table = tmp_path / "flipped.csv"
    with table.open("w", newline="") as stream:
        rows = [(name, " ".join(its)) for name, its in zip(names, labels, strict=True)]
        csv.writer(stream).writerows([("image", "labels"), *rows])
    words = ("data.test=none", "data.task=multi-label", "data.label_separator=space")
    answers, temperature = frozen(table, captions18.PHOTOS, tmp_path, "run", *words)
    ranked = suspects_of_several(answers.scores(temperature), answers.targets)
    asked = [
        (answers.frame["path"][int(place)], answers.classes[label])
        for place, label in zip(ranked.places, ranked.label, strict=True)
    ]
    first = sum(each in flipped for each in asked[: len(flipped)]) / len(flipped)
    print(f"of {len(flipped)} flipped labels among {len(asked)}, in the first as many: {first:.2f}")
    assert first >= 0.15  # by chance 0.003


def _lines(name):
    """The lines of a published table that begin with an image."""
    lines = (captions18.FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.partition(".jpg,")[0].isdigit()]
