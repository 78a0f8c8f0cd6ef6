"""What looks alike and is no copy, by kind; and what is one photo saved again."""

from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scenes import SAVED_AGAIN, burst, form, glyph, grained, night, photo, x_ray

from fieldmark.cache import Cache
from fieldmark.data import saved_again
from fieldmark.data.copies import find_copies
from fieldmark.data.saved_again import is_saved_again
from fieldmark.data.scan import scan
from fieldmark.records import Samples

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
NONE = Cache(None)


def found_among(folder, images, *, closer=True):
    """The number of each image of one class, saved into a folder; the same: one photo."""
    names = [f"{number}.png" for number in range(len(images))]
    for name, image in zip(names, images, strict=True):
        image.save(folder / name)
    samples = Samples.from_columns({"path": names, "labels": [["a"]] * len(names)}, str(folder))
    root = str(folder) if closer else None
    return find_copies(scan(samples, NONE), samples.frame["labels"], NONE, root=root).near.tolist()


def seen(image, side=128):
    return np.asarray(image.convert("RGB").resize((side, side)), np.float32)


LOOK_ALIKES = {
    "frames of a burst": [burst(scene, frame) for scene in range(5) for frame in range(2)],
    "X-rays": [x_ray(who) for who in range(12)],
    "forms of one print": [form(template, who) for template in range(5) for who in range(2)],
    "nearly black nights": [night(5 * k + 1, camera) for camera in range(5) for k in range(2)],
    "letters of one font": [glyph(k, letter) for letter in "oceaq" for k in range(4)],
}


@pytest.mark.parametrize("kind", LOOK_ALIKES)
def test_what_looks_alike_is_no_copy_though_small_pictures_do_not_tell(tmp_path, kind):
    images = LOOK_ALIKES[kind]
    assert found_among(tmp_path, images) == list(range(len(images)))
    assert len(set(found_among(tmp_path, images, closer=False))) < len(images)


@pytest.mark.parametrize("how", SAVED_AGAIN)
def test_each_way_of_saving_a_sharp_or_a_smooth_picture_again_is_seen_through(how):
    for image in (burst(3, 0), burst(4, 1), photo(5), photo(6)):
        again = SAVED_AGAIN[how](image)
        side = min(128, *image.size, *again.size)
        assert is_saved_again(seen(image, side), seen(again, side))


def test_two_of_each_kind_are_told_apart_and_each_is_itself():
    for images in LOOK_ALIKES.values():
        for one, other in combinations(images[:4], 2):
            assert not is_saved_again(seen(one), seen(other))
    for kind in ("frames of a burst", "X-rays", "forms of one print"):
        assert is_saved_again(seen(LOOK_ALIKES[kind][0]), seen(LOOK_ALIKES[kind][0]))


def test_what_is_too_faint_is_never_said_to_be_one_photo():
    dark = night(0)
    assert not is_saved_again(seen(dark), seen(grained(dark, np.random.default_rng(1), 1)))


def test_a_photo_whose_edge_was_cut_by_half_a_per_cent_is_one_and_by_three_is_another():
    image = burst(8, 0).resize((400, 400))
    cut = [image.crop((by, by, 400 - by, 400 - by)) for by in (0, 1, 6)]
    assert [is_saved_again(seen(image), seen(each)) for each in cut] == [True, True, False]


def test_pairs_are_remembered_by_content_and_an_unreadable_file_is_no_copy(tmp_path, monkeypatch):
    burst(1, 0).save(tmp_path / "a.png")
    burst(1, 0).save(tmp_path / "b.bmp")
    samples = Samples.from_columns({"path": ["a.png", "b.bmp"]}, str(tmp_path))
    facts, cache = scan(samples, NONE), Cache(tmp_path / "cache")
    labels = pl.Series([["a"]] * 2)
    for _ in range(2):
        assert find_copies(facts, labels, cache, root=str(tmp_path)).near.tolist() == [0, 0]
        monkeypatch.setattr(saved_again, "saved_again", None)
    monkeypatch.undo()
    (tmp_path / "b.bmp").unlink()
    found = saved_again.saved_again(np.array([[0, 1]]), facts, str(tmp_path))
    assert found.tolist() == [False]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos do not lie beside the checkout")
@pytest.mark.slow
@pytest.mark.parametrize("how", SAVED_AGAIN)
def test_real_photos_that_were_saved_again_are_copies(tmp_path, how):
    images = []
    for path in sorted((SHARED / "monkeys10" / "val").rglob("*.jp*g"))[::12]:
        with Image.open(path) as image:
            images += [image.convert("RGB"), SAVED_AGAIN[how](image.convert("RGB"))]
    assert found_among(tmp_path, images) == [at - at % 2 for at in range(len(images))]
