import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.insight import album as insight
from fieldmark.insight.album import encoded
from fieldmark.insight.answered import Shown
from fieldmark.insight.galleries import chosen, galleries
from fieldmark.judge.figures import ConfusedPair
from fieldmark.records import Predictions, Samples

CLASSES = ("cat", "dog")


def predictions(rows: list[tuple[str, list[float]]]) -> Predictions:
    """Rows of (truth, logits), in files 0.png, 1.png, ..."""
    samples = Samples.from_columns(
        {"path": [f"{k}.png" for k in range(len(rows))], "labels": [[truth] for truth, _ in rows]}
    )
    logits = np.array([row for _, row in rows], dtype=np.float32)
    return Predictions.of(samples, np.arange(len(rows)), logits, classes=CLASSES)


def surest_mistakes(table, **how):
    return chosen(table, **how)[0]


def least_sure_hits(table, **how):
    return chosen(table, **how)[1]


def confused_pairs(table, **how):
    return chosen(table, **how)[2]


def test_the_surest_mistake_comes_first_and_right_guesses_do_not_come():
    table = predictions([("cat", [0, 1]), ("cat", [5, 0]), ("dog", [3, 0]), ("cat", [0, 2])])
    shown = surest_mistakes(table)
    assert [item.path for item in shown] == ["2.png", "3.png", "0.png"]
    assert [(item.truth, item.guess) for item in shown] == [("dog", "cat"), *[("cat", "dog")] * 2]
    assert shown[0].score == pytest.approx(1 / (1 + np.exp(-3)))
    assert shown[0].truth_score == pytest.approx(1 / (1 + np.exp(3)))


def test_equally_sure_mistakes_keep_the_order_of_the_table():
    table = predictions([("cat", [0, 1])] * 30)
    assert [item.path for item in surest_mistakes(table, most=3)] == ["0.png", "1.png", "2.png"]


def test_unknown_truths_and_logits_that_are_not_finite_are_left_out():
    table = predictions(
        [("fox", [0, 9]), ("cat", [0, np.nan]), ("cat", [0, np.inf]), ("cat", [-np.inf, 0])]
    )
    assert surest_mistakes(table) == []


def test_a_temperature_changes_scores_but_neither_guess_nor_length():
    table = predictions([("cat", [0, 4]), ("dog", [1, 0])])
    cool, warm = surest_mistakes(table), surest_mistakes(table, temperature=2.0)
    assert [item.guess for item in warm] == [item.guess for item in cool]
    assert warm[0].score == pytest.approx(1 / (1 + np.exp(-2)))


def test_an_image_inside_a_file_keeps_its_row():
    samples = Samples.from_columns({"path": ["digits"], "row": [41], "labels": [["cat"]]})
    table = Predictions.of(samples, np.array([0]), np.array([[0.0, 1.0]]), classes=CLASSES)
    (found,) = surest_mistakes(table)
    assert isinstance(found, Shown)
    assert (found.path, found.row) == ("digits", 41)


def test_no_mistakes_give_an_empty_gallery():
    assert surest_mistakes(predictions([("cat", [1, 0])])) == []


def test_the_least_sure_hit_comes_first_and_mistakes_do_not_come():
    table = predictions([("cat", [5, 0]), ("dog", [0, 1]), ("dog", [2, 0]), ("cat", [1, 0])])
    shown = least_sure_hits(table, most=2)
    assert [item.path for item in shown] == ["1.png", "3.png"]  # equal scores: as in the table
    assert shown[0].score == shown[0].truth_score == pytest.approx(1 / (1 + np.exp(-1)))


def test_hits_without_a_known_truth_or_a_finite_logit_are_left_out():
    table = predictions([("fox", [9, 0]), ("cat", [np.inf, 0]), ("cat", [0, -np.inf])])
    assert least_sure_hits(table) == []


def test_confused_pairs_show_who_was_taken_and_what_is_typical_the_surest_first():
    table = predictions(
        [("cat", [0, 1]), ("cat", [0, 3]), ("dog", [0, 2]), ("dog", [0, 4]), ("cat", [1, 0])]
    )
    (found,) = confused_pairs(table)
    assert found.pair == ConfusedPair("cat", "dog", 2, 3)
    assert [item.path for item in found.taken] == ["1.png", "0.png"]
    assert [item.path for item in found.typical] == ["3.png", "2.png"]
    assert [item.path for item in confused_pairs(table, each=1)[0].typical] == ["3.png"]


def test_a_class_that_is_never_recognised_has_nothing_typical():
    (found,) = confused_pairs(predictions([("cat", [0, 1]), ("cat", [1, 0])]))
    assert found.pair == ConfusedPair("cat", "dog", 1, 2)
    assert found.typical == ()


def test_the_pair_that_is_confused_most_often_comes_first():
    table = predictions([("cat", [0, 1]), ("dog", [1, 0]), ("dog", [2, 0])])
    assert [found.pair.truth for found in confused_pairs(table)] == ["dog", "cat"]
    assert [found.pair.truth for found in confused_pairs(table, pairs=1)] == ["dog"]
    assert confused_pairs(predictions([("cat", [1, 0])])) == []


LOGITS = {"a.jpg": ("cat", [0, 3]), "b.jpg": ("cat", [1, 0]), "c.jpg": ("dog", [0, 2])}


def photo(width: int = 60, height: int = 40) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=2).astype(np.uint8)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def tables(root: Path, **columns: list[int]) -> tuple[Predictions, Samples]:
    """A mistake and two hits, whose images lie in `root`."""
    labels = [[truth] for truth, _ in LOGITS.values()]
    samples = Samples.from_columns({"path": list(LOGITS), "labels": labels, **columns}, str(root))
    logits = np.array([row for _, row in LOGITS.values()], dtype=np.float32)
    return Predictions.of(samples, np.arange(len(samples)), logits, classes=CLASSES), samples


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in LOGITS:
        Image.fromarray(photo()).save(tmp_path / name)
    return tmp_path


def test_mistakes_hits_and_pairs_carry_their_images_and_words(root):
    found = galleries(*tables(root))
    assert [(each.caption, each.truth, each.guess) for each in found.mistakes] == [
        ("a.jpg", "cat", "dog")
    ]
    assert [each.caption for each in found.hits] == ["b.jpg", "c.jpg"]
    assert [each.caption for each in galleries(*tables(root), temperature=0.5).hits] == ["b.jpg"]
    (pair,) = found.pairs
    assert pair.pair == ConfusedPair("cat", "dog", 1, 2)
    assert [each.caption for each in (*pair.taken, *pair.typical)] == ["a.jpg", "c.jpg"]
    assert pair.taken == found.mistakes
    assert opened(found.mistakes[0].content).size == (60, 40)
    assert found.notes == ()


def test_scores_are_those_at_the_temperature(root):
    (mistake,) = galleries(*tables(root), temperature=3.0).mistakes
    assert mistake.score == pytest.approx(1 / (1 + np.exp(-1)))


def test_an_image_that_is_gone_is_left_out_and_noted_once(root):
    (root / "a.jpg").unlink()
    found = galleries(*tables(root))
    assert found.mistakes == ()
    assert found.pairs == ()
    (note,) = found.notes
    assert note.startswith("not shown among the pictures: ")
    assert "a.jpg" in note


def test_of_many_that_cannot_be_read_one_is_named_and_the_others_are_counted(root):
    for path in LOGITS:
        (root / path).unlink()
    (note,) = galleries(*tables(root)).notes
    assert note.endswith(f"; nor are {len(LOGITS) - 1} more")


def test_each_image_is_read_once_however_often_it_is_shown(root, monkeypatch):
    read: list[str] = []
    plain = insight.read_pixels
    monkeypatch.setattr(
        insight,
        "read_pixels",
        lambda top, path, *more: read.append(path) or plain(top, path, *more),
    )
    galleries(*tables(root))
    assert sorted(read) == sorted(LOGITS)


def test_a_large_photo_is_decoded_small_where_its_size_is_known(root):
    Image.fromarray(photo(900, 700)).save(root / "a.jpg")
    sizes = {"width": [900, 60, 60], "height": [700, 40, 40]}
    for columns in (sizes, {}):
        (mistake,) = galleries(*tables(root, **columns)).mistakes
        assert opened(mistake.content).size == (411, 320)


def test_a_small_image_keeps_every_pixel():
    content, mime = encoded(photo(20, 12))
    assert mime == "image/png"
    assert (np.asarray(opened(content)) == photo(20, 12)).all()


@pytest.mark.parametrize(
    ("size", "shown"), [((64, 64), (64, 64)), ((900, 700), (411, 320)), ((4000, 50), (960, 12))]
)
def test_a_larger_one_is_a_webp_within_limits(size, shown):
    content, mime = encoded(photo(*size))
    assert mime == "image/webp"
    assert opened(content).size == shown
