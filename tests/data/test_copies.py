import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageEnhance

from fieldmark.cache import Cache
from fieldmark.data import copies
from fieldmark.data.copies import copy_groups, exact_groups, near_pairs, perceptual_hash
from fieldmark.data.facts import SCHEMA
from fieldmark.data.scan import scan
from fieldmark.data.sources import read_listing
from fieldmark.records import Samples

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def photo(seed, width=160, height=120):
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(0, 256, size=(7, 9, 3), dtype=np.uint8))
    return blobs.resize((width, height), Image.Resampling.BICUBIC)


def scanned(folder, images):
    """The facts about images, {name: image}, that were saved into a folder."""
    for name, image in images.items():
        image.save(folder / name)
    return scan(Samples.from_columns({"path": list(images)}, str(folder)), Cache(None))


def invented(thumbs, hashes=None):
    """Facts about small gray pictures (n, 32, 32), each of a content of its own."""
    return pl.DataFrame(
        {
            "hash": [str(number) for number in range(len(thumbs))] if hashes is None else hashes,
            "phash": [perceptual_hash(thumb) for thumb in thumbs],
            "thumb": [thumb.tobytes() for thumb in thumbs],
        },
        {name: SCHEMA[name] for name in ("hash", "phash", "thumb")},
    ).with_columns(problem=pl.lit(None, pl.String))


def seen(count, seed=0):
    """Small gray pictures of strangers. -> (count, 32, 32) uint8"""
    return np.stack([np.asarray(photo([seed, k], 32, 32).convert("L")) for k in range(count)])


def test_the_hash_is_the_signs_of_the_low_frequencies_against_their_median():
    thumb = seen(1)[0].astype(float)
    spectrum = np.zeros((9, 9))
    for down in range(9):
        for across in range(9):
            wave = np.outer(
                [np.cos(np.pi * down * (2 * y + 1) / 64) for y in range(32)],
                [np.cos(np.pi * across * (2 * x + 1) / 64) for x in range(32)],
            )
            spectrum[down, across] = (thumb * wave).sum()
    low = spectrum[1:, 1:].ravel()
    bits = "".join("1" if value > np.median(low) else "0" for value in low)
    assert perceptual_hash(thumb) == int(bits, 2)


def test_the_hash_does_not_depend_on_brightness_and_has_half_its_bits_set():
    for thumb in seen(5):
        code = perceptual_hash(thumb)
        assert perceptual_hash(thumb // 2) ^ code < 2**64
        assert (perceptual_hash(thumb.astype(float) * 0.5 + 9) ^ code).bit_count() <= 1
        assert code.bit_count() == 32


ALTERED = {
    "as a JPEG of low quality": lambda image, path: image.save(path, quality=20),
    "half as large": lambda image, path: image.resize((80, 64)).save(path),
    "larger": lambda image, path: image.resize((400, 300)).save(path),
    "gray": lambda image, path: image.convert("L").save(path),
    "brighter": lambda image, path: ImageEnhance.Brightness(image).enhance(1.15).save(path),
    "paler": lambda image, path: ImageEnhance.Contrast(image).enhance(0.6).save(path),
    "turned by EXIF alone": lambda image, path: image.transpose(Image.Transpose.ROTATE_90).save(
        path, exif=turned(6), quality=95
    ),
}


def turned(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


@pytest.mark.parametrize("how", ALTERED)
def test_a_photo_that_was_saved_again_is_found(tmp_path, how):
    ALTERED[how](photo(0), tmp_path / "again.jpg")
    again = Image.open(tmp_path / "again.jpg")
    again.load()
    if how == "turned by EXIF alone":
        again.save(tmp_path / "again.jpg", exif=turned(6), quality=95)
    samples = Samples.from_columns(
        {"path": ["stranger.png", "first.png", "again.jpg"]}, str(tmp_path)
    )
    photo(1).save(tmp_path / "stranger.png")
    photo(0).save(tmp_path / "first.png")
    facts = scan(samples, Cache(None))
    ((one, other, correlation),) = near_pairs(facts)
    assert (one, other) == (1, 2)
    assert 0.95 <= correlation <= 1
    assert copy_groups(facts).tolist() == [0, 1, 1]
    assert exact_groups(facts).tolist() == [0, 1, 2]


def test_a_mirrored_photo_and_one_cropped_by_a_fifth_are_other_photos(tmp_path):
    image = photo(0)
    facts = scanned(
        tmp_path,
        {
            "0.png": image,
            "1.png": image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
            "2.png": image.crop((32, 24, 160, 120)),
        },
    )
    assert near_pairs(facts) == []
    assert copy_groups(facts).tolist() == [0, 1, 2]


def test_exact_copies_are_found_whatever_their_size(tmp_path):
    names = ("0.png", "1.png", "2.png", "3.png")
    facts = scanned(tmp_path, dict(zip(names, map(photo, (0, 1, 0, 0)), strict=True)))
    assert copy_groups(facts).tolist() == exact_groups(facts).tolist() == [0, 1, 0, 0]
    assert near_pairs(facts) == []
    tiny = {name: photo(seed, 8, 8) for name, seed in zip(names, (0, 1, 1, 2), strict=True)}
    assert copy_groups(scanned(tmp_path, tiny)).tolist() == [0, 1, 1, 3]


def test_small_images_are_never_near_copies(tmp_path):
    for side, found in ((63, []), (64, [(0, 1)])):
        image = photo(0, side, side)
        facts = scanned(tmp_path, {"0.png": image, "1.bmp": image})
        assert [pair[:2] for pair in near_pairs(facts)] == found


def test_flat_pictures_are_no_copies_of_one_another(tmp_path):
    images = {f"{level}.png": Image.new("L", (80, 80), level) for level in (0, 1, 128, 255)}
    images["noise.png"] = Image.fromarray(
        np.random.default_rng(0).integers(127, 130, (80, 80), dtype=np.uint8)
    )
    assert copy_groups(scanned(tmp_path, images)).tolist() == [0, 1, 2, 3, 4]


def test_a_faint_shade_that_two_pictures_share_makes_them_no_copies():
    shade = np.tile(np.arange(32, dtype=np.uint8), (32, 1))
    assert copy_groups(invented([128 + shade // 11, 128 + shade // 11])).tolist() == [0, 1]
    assert copy_groups(invented([128 + shade, 128 + shade])).tolist() == [0, 0]


def test_files_that_cannot_be_read_are_copies_of_none(tmp_path):
    for name in ("0.png", "1.png", "2.png"):
        (tmp_path / name).write_bytes(b"")
    photo(0).save(tmp_path / "3.png")
    samples = Samples.from_columns({"path": [f"{k}.png" for k in (0, 1, 2, 3, 9)]}, str(tmp_path))
    facts = scan(samples, Cache(None))
    assert copy_groups(facts).tolist() == exact_groups(facts).tolist() == [0, 1, 2, 3, 4]
    assert near_pairs(facts) == []


def test_a_near_copy_of_a_near_copy_is_a_copy():
    one, stranger = seen(2)
    chain = [one]
    for _ in range(8):
        mixed = 0.93 * chain[-1] + 0.07 * stranger
        chain.append(np.clip(np.rint(mixed), 0, 255).astype(np.uint8))
    facts = invented([stranger, *chain, chain[3]], [*map(str, range(10)), "4"])
    ends = invented([chain[0], chain[-1]])
    assert near_pairs(ends) == []
    assert copy_groups(facts).tolist() == [0] + [1] * 10
    pairs = near_pairs(facts)
    assert len(pairs) == 8
    assert all(one < other and correlation >= 0.95 for one, other, correlation in pairs)


def test_the_groups_are_those_of_comparing_everybody_with_everybody():
    rng = np.random.default_rng(3)
    strangers = seen(40, seed=3)
    thumbs = [
        np.clip(strangers[who] + rng.normal(0, spread, (32, 32)), 0, 255).astype(np.uint8)
        for who, spread in zip(rng.integers(0, 40, 150), rng.choice([2, 20, 40], 150), strict=True)
    ]
    facts = invented(thumbs)
    codes = [perceptual_hash(thumb) for thumb in thumbs]
    groups = list(range(150))
    for one in range(150):
        for other in range(one + 1, 150):
            likeness = np.corrcoef(thumbs[one].ravel(), thumbs[other].ravel())[0, 1]
            if (codes[one] ^ codes[other]).bit_count() <= 8 and likeness >= 0.95:
                ends = groups[one], groups[other]
                groups = [min(ends) if group in ends else group for group in groups]
    assert copy_groups(facts).tolist() == groups
    assert 40 <= len(set(groups)) < 150


def test_many_are_compared_in_steps_and_joined_alike(monkeypatch):
    one, stranger = seen(2)
    facts = invented([one, stranger] * 12 + [one])
    whole = near_pairs(facts)
    monkeypatch.setattr(copies, "AT_ONCE", 3)
    assert near_pairs(facts) == [(*pair[:2], pytest.approx(pair[2])) for pair in whole]
    assert len(whole) == 23
    assert copy_groups(facts).tolist() == [0, 1] * 12 + [0]


def test_no_images_have_no_copies():
    assert copy_groups(invented([])).tolist() == []
    assert near_pairs(invented([])) == []


beside = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared photos do not lie beside the checkout"
)


@beside
def test_all_copies_of_the_monkeys_are_found_and_nothing_else(tmp_path):
    words = (SHARED / "SOURCE.md").read_text(encoding="utf-8")
    told = {frozenset(pair) for pair in re.findall(r"^- (\S+\.jpg) = (\S+\.jpg)$", words, re.M)}
    samples = read_listing(str(SHARED / "monkeys10")).samples
    facts = scan(samples, Cache(tmp_path))
    groups = copy_groups(facts)
    paths = samples.frame["path"]
    found = {
        frozenset(paths.filter(pl.Series(groups == group)).to_list())
        for group in np.unique(groups)
        if (groups == group).sum() > 1
    }
    assert len(told) == 15
    assert found == told
    assert len(near_pairs(facts)) == 10


@beside
@pytest.mark.slow
@pytest.mark.parametrize("name", ["imagenette10", "captions18", "cifar10"])
def test_photos_without_copies_have_none(name, tmp_path):
    if name == "captions18":
        paths = sorted(path.name for path in (SHARED / name / "images").iterdir())
        samples = Samples.from_columns({"path": paths}, str(SHARED / name / "images"))
    else:
        samples = read_listing(str(SHARED / name)).samples
    facts = scan(samples, Cache(tmp_path))
    assert copy_groups(facts).tolist() == list(range(len(samples)))


def test_the_digits_have_no_copies(tmp_path):
    samples = read_listing("digits").samples
    assert copy_groups(scan(samples, Cache(tmp_path))).tolist() == list(range(1797))
