from types import SimpleNamespace

import pytest

from fieldmark.metrics_json import Figures
from fieldmark.records import InputSpec, Samples
from fieldmark.runs.hints import hints


def told(confusion, *, low=0.9, flip=False, stored="shorter:256", size=(400, 300)):
    """What is said of a run with these figures on pictures of one size."""
    names = ("left", "none", "right")[: len(confusion)]
    columns = {"path": [str(k) for k in range(9)], "width": [size[0]] * 9, "height": [size[1]] * 9}
    prepared = SimpleNamespace(
        samples=Samples.from_columns({**columns, "split": ["train"] * 9}),
        spec=InputSpec(stored, 224),
        classes=names,
        settings=SimpleNamespace(augment=SimpleNamespace(options={"flip": flip})),
    )
    images = sum(map(sum, confusion))
    figures = Figures(images, {}, intervals={"accuracy": (low, 1.0)}, confusion=confusion)
    return list(hints(prepared, figures))


GOOD = [[9, 0, 0], [0, 9, 0], [0, 0, 9]]
SWAPPED = [[5, 0, 4], [0, 9, 0], [5, 0, 4]]
ONE_SIDED = [[9, 0, 0], [0, 9, 0], [9, 0, 0]]


def test_a_good_score_has_no_hint():
    assert told(GOOD, flip=True, size=(480, 135)) == []


@pytest.mark.parametrize("confusion", [SWAPPED, ONE_SIDED])
def test_classes_that_are_taken_for_each_other_are_named_where_training_mirrored(confusion):
    assert told(confusion, flip=True) == [
        "'left' and 'right' are often taken for each other: where one looks like the other's "
        "mirror image, training on mirrored images makes them one; augment.flip=false leaves that "
        "out"
    ]
    assert told(confusion, flip=False) == []


def test_what_may_be_guessing_speaks_of_the_part_that_is_seen():
    guessing = [[5, 5], [5, 5]]
    assert told(guessing, low=0.3, size=(480, 135)) == [
        "this may be guessing, and the network sees 22 % of the median picture (480 x 135 pixels), "
        "the square in the middle; input.stored=square:224 shows all of each"
    ]
    assert told(guessing, low=0.3) == []
    assert told(guessing, low=0.3, size=(480, 135), stored="square:224") == []
    assert told(guessing, low=0.6, size=(480, 135)) == []
