import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fieldmark.insight import pictures
from fieldmark.insight.pictures import encoded, galleries
from fieldmark.records import Predictions, Samples

CLASSES = ("cat", "dog")
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
    (pair,) = found.pairs
    assert (pair.truth, pair.guess, pair.count, pair.support) == ("cat", "dog", 1, 2)
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
    plain = pictures.read_pixels
    monkeypatch.setattr(
        pictures,
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
