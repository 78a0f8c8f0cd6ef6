"""Runs whose tests are not the same images: when they are paired, and what is said."""

import json

import numpy as np
import polars as pl
import pytest
from comparedruns import NEITHER, compared, table_of, write_evaluation

from fieldmark.judge.evidence import Evidence
from fieldmark.judge.figures import SEED
from fieldmark.judge.paired import differences
from fieldmark.records import Predictions
from fieldmark.reviews.compare import as_lines


def with_new(table, number):
    """The same predictions, the first of them of other images."""
    new = pl.int_range(pl.len()) < number
    return table.with_columns(
        hash=pl.when(new).then(pl.lit("new-") + "hash").otherwise("hash"),
        path=pl.when(new).then(pl.lit("new-") + "path").otherwise("path"),
    )


def test_runs_with_few_test_images_in_common_are_not_paired_and_the_way_out_is_named(pair_of):
    first, second = pair_of(table_of(200), with_new(table_of(200, seed=1), 181))
    found = compared(first, second)
    assert found.sentences() == [
        "b and a: 19 of 200 test images are shared: not paired; train b again with the test of a: "
        f"`fieldmark train photos data.test={first.path}`; or {NEITHER}"
    ]
    lines = as_lines(found)
    assert lines[0].split()[:3] == ["run", "model", "images"]
    assert lines[2].startswith("b ")
    assert " to " in lines[2]


@pytest.mark.parametrize(
    "typed", ["", "fieldmark train --resume b", "fieldmark train x data.test=y"]
)
def test_a_command_that_cannot_take_the_test_is_not_repeated(pair_of, typed):
    first, second = pair_of(table_of(60), with_new(table_of(60, seed=1), 50))
    about = json.loads(second.metrics.read_text())
    about["about"]["command"] = typed
    second.metrics.write_text(json.dumps(about))
    (sentence,) = compared(first, second).sentences()
    assert f"the test of a: `fieldmark train DATA data.test={first.path}`; or " in sentence


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (with_new(table_of(200, seed=1, right=0.99), 180), "20 of 200"),
        (table_of(200, seed=1, right=0.99)[30:], "170 of 200 and 170"),
    ],
)
def test_runs_are_compared_on_the_test_images_that_both_have(pair_of, second, said):
    rows = np.arange(180, 200) if said == "20 of 200" else np.arange(30, 200)
    first = table_of(200, right=0.5)
    found = compared(*pair_of(first, second))
    assert found.notes()[0] == (
        f"b and a: {said} test images are in both tests, and these alone count here"
    )
    (pairing,) = found.pairings
    assert pairing.images == len(rows)
    theirs = second[rows] if len(second) == 200 else second
    alone = [Evidence.on(Predictions(each)) for each in (first[rows], theirs)]
    assert pairing.differences == differences(*alone, seed=SEED)


def test_which_of_two_runs_is_named_first_does_not_decide_whether_they_are_paired(pair_of):
    once = table_of(60)
    twice = pl.concat([once, once.with_columns(path=pl.lit("copy-") + "path")])
    first, second = pair_of(table_of(100), twice)
    for runs in ((first, second), (second, first)):
        assert compared(*runs).pairings[0].images == 60


def test_runs_whose_training_may_hold_the_test_are_not_compared_on_a_part_of_it(pair_of):
    other = with_new(table_of(200, seed=1), 50)
    (said,) = compared(*pair_of(table_of(200), other, data__copies="show")).sentences()
    assert said.startswith("b and a: 150 of 200 test images are shared: not paired; ")


def test_an_evaluation_is_not_compared_on_a_part_of_its_images(pair_of):
    first, second = pair_of(table_of(200), table_of(200, seed=1))
    other = write_evaluation(second, "more-1", with_new(table_of(200, seed=1), 50))
    assert compared(first, other).sentences() == [
        f"b/more-1 and a: 150 of 200 test images are shared: not paired; {NEITHER}"
    ]
