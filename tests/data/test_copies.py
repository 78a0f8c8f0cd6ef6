import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scenes import SAVED_AGAIN, part, photo, seen_by_a_fixed_camera

from fieldmark.cache import Cache
from fieldmark.data import copies
from fieldmark.data.copies import alike_pairs, exact_groups, find_copies, perceptual_hash
from fieldmark.data.scan import SCHEMA, scan
from fieldmark.data.sources import read_listing
from fieldmark.records import Samples

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
NONE = Cache(None)


def scanned(folder, images):
    """The facts about images, {name: image}, that were saved into a folder."""
    for name, image in images.items():
        image.save(folder / name)
    return scan(Samples.from_columns({"path": list(images)}, str(folder)), NONE)


def near(facts, labels=None, root=None):
    """The numbers of images, the same where they are taken for one; of one class, if not told."""
    given = [["one"]] * facts.height if labels is None else [each and [each] for each in labels]
    return find_copies(
        facts, pl.Series(given, dtype=pl.List(pl.String)), NONE, root=root
    ).near.tolist()


def pairs(facts):
    return alike_pairs(facts, NONE).tolist()


def invented(pictures, hashes=None):
    """Facts about pictures (n, 32, 32, 3), each of a content of its own."""
    small = [Image.fromarray(each) for each in pictures]
    return pl.DataFrame(
        {
            "hash": [str(number) for number in range(len(small))],
            "phash": [perceptual_hash(np.asarray(each.convert("L"))) for each in small]
            if hashes is None
            else hashes,
            "thumb": [each.resize((16, 16), Image.Resampling.BOX).tobytes() for each in small],
        },
        {name: SCHEMA[name] for name in ("hash", "phash", "thumb")},
    ).with_columns(problem=pl.lit(None, pl.String))


def seen(count, seed=0):
    """Small pictures of strangers. -> (count, 32, 32, 3) uint8"""
    return np.stack([np.asarray(photo([seed, k], 32, 32)) for k in range(count)])


def by_brute_force(facts):
    """All pairs that look alike, each image compared with each."""
    first = exact_groups(facts) == np.arange(facts.height)
    rows = np.flatnonzero(first & facts["phash"].is_not_null().to_numpy()).tolist()
    hashes, thumbs = facts["phash"].to_list(), facts["thumb"]
    found = []
    for at, one in enumerate(rows):
        close = [row for row in rows[at + 1 :] if (hashes[one] ^ hashes[row]).bit_count() <= 4]
        if close:
            mine = copies._pixels(thumbs.gather([one] * len(close)))
            alike = copies._look_alike(mine, copies._pixels(thumbs.gather(close)))
            found += [[one, row] for row, is_alike in zip(close, alike, strict=True) if is_alike]
    return found


def test_the_hash_is_the_signs_of_the_low_frequencies_against_their_median():
    thumb = seen(1)[0, :, :, 0].astype(float)
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
    for thumb in seen(5)[..., 0]:
        code = perceptual_hash(thumb)
        assert perceptual_hash(thumb // 2) ^ code < 2**64
        assert (perceptual_hash(thumb.astype(float) * 0.5 + 9) ^ code).bit_count() <= 1
        assert code.bit_count() == 32


@pytest.mark.parametrize("how", SAVED_AGAIN)
def test_a_photo_that_was_saved_again_is_found(tmp_path, how):
    images = {}
    for number in range(6):
        images[f"{number}.png"] = photo(number)
        images[f"{number}-again.png"] = SAVED_AGAIN[how](photo(number))
    facts = scanned(tmp_path, images)
    assert pairs(facts) == [[at, at + 1] for at in range(0, 12, 2)]
    assert near(facts) == [at - at % 2 for at in range(12)]
    assert exact_groups(facts).tolist() == list(range(12))


def test_a_photo_that_exif_turns_is_the_upright_one(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    turned = photo(0).transpose(Image.Transpose.ROTATE_90)
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    photo(0).save(tmp_path / "upright.png")
    samples = Samples.from_columns({"path": ["upright.png", "turned.jpg"]}, str(tmp_path))
    assert pairs(scan(samples, NONE)) == [[0, 1]]


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
    assert pairs(facts) == []
    assert near(facts) == [0, 1, 2]


def test_photos_of_a_fixed_camera_are_no_copies_of_one_another(tmp_path):
    facts = scanned(tmp_path, {f"{k}.png": seen_by_a_fixed_camera(k) for k in range(42)})
    assert pairs(facts) == []
    assert near(facts) == list(range(42))


def test_the_same_shape_in_other_colours_is_no_copy(tmp_path):
    shades = [(200, 40, 40), (40, 120, 40), (110, 80, 120), (60, 60, 255)]
    images = {}
    for number, shade in enumerate(shades):
        whole = np.asarray(photo(3)).astype(float).mean(axis=2, keepdims=True) / 255
        images[f"{number}.png"] = Image.fromarray((whole * np.array(shade)).astype(np.uint8))
    assert pairs(scanned(tmp_path, images)) == []


@pytest.mark.parametrize("classes", [1, 2])
def test_parts_on_a_line_look_alike_and_are_no_copies(tmp_path, classes):
    images = {f"{k}.png": part(k, scratched=k % 2 == 1) for k in range(16)}
    facts = scanned(tmp_path, images)
    labels = ["sound" if classes == 1 or k % 2 == 0 else "scratched" for k in range(16)]
    assert len(pairs(facts)) > 100
    assert near(facts, labels) == list(range(16))


def test_what_looks_alike_under_another_label_is_no_copy_and_nor_is_what_looks_like_both():
    one, stranger, third = seen(3)
    facts = invented([one, stranger, third, one, third, third])
    assert near(facts, "aaaba" + "a") == [0, 1, 2, 3, 4, 5]  # a third of the class looks alike
    assert near(facts, ["a", "a", "c", "b", "c", None]) == [0, 1, 2, 3, 4, 5]
    many = invented([one, stranger, third, one, third, *seen(7, seed=1)])
    assert near(many, ["a"] * 3 + ["b"] + ["a"] * 8) == [0, 1, 2, 3, 2, *range(5, 12)]
    assert near(many, ["a"] * 3 + [None] + ["a"] * 8) == [0, 1, 2, 0, 2, *range(5, 12)]


def test_of_several_labels_a_photo_saved_again_is_one_whatever_its_labels():
    one, other, *strangers = seen(14)
    facts = invented([one, other, one, other, one, *strangers])
    rare = [["a"], ["a", "b"], ["b", "c"], ["c"], []]
    labels = pl.Series([*rare, *[["a", "b", "c"]] * 9, *[[]] * 3], dtype=pl.List(pl.String))
    single, several = (
        find_copies(facts, labels, NONE, root=None, several=each).near for each in (0, 1)
    )
    assert single.tolist() == list(range(17))
    assert several.tolist() == [
        0,
        1,
        0,
        1,
        4,
        *range(5, 17),
    ]  # 4 is like two of four without labels


def test_copies_of_another_label_say_nothing_for_images_that_do_not_look_like_them():
    pictures = seen(20)
    facts = invented([*pictures, pictures[0], pictures[1]])
    labels = ["a"] * 20 + ["b", "a"]
    assert near(facts, labels) == [*range(20), 20, 1]


def test_more_than_a_crowd_that_looks_like_one_are_of_one_scene():
    one, *strangers = seen(60)
    for count, joined in ((copies.CROWD + 1, True), (copies.CROWD + 2, False)):
        facts = invented([one] * count + strangers * 2)
        groups = near(facts)[:count]
        assert groups == ([0] * count if joined else list(range(count)))


def test_a_crowd_is_found_among_many_more_than_are_compared(monkeypatch):
    one, other = seen(2)
    monkeypatch.setattr(copies, "WINDOW", 30)
    facts = invented([one, other] * 60)
    partners = np.bincount(alike_pairs(facts, NONE).ravel(), minlength=120)
    assert (partners > copies.CROWD).all()
    assert near(facts) == list(range(120))


def test_a_chain_of_near_copies_joins_no_two_that_do_not_look_alike():
    one, stranger, *others = seen(30)
    chain = [
        (one.astype(float) * (1 - share) + share * stranger).astype(np.uint8)
        for share in np.linspace(0, 0.3, 9)
    ]
    facts = invented([*chain, *others])
    found = {tuple(pair) for pair in pairs(facts)}
    groups = near(facts)
    assert (0, 8) not in found
    assert {(at, at + 1) for at in range(8)} <= found
    assert 1 < len(set(groups[:9])) < 9
    for at in range(9):
        for before in range(at):
            assert groups[before] != groups[at] or (before, at) in found


def test_exact_copies_are_found_whatever_their_size(tmp_path):
    names = ("0.png", "1.png", "2.png", "3.png")
    facts = scanned(tmp_path, dict(zip(names, map(photo, (0, 1, 0, 0)), strict=True)))
    assert near(facts) == exact_groups(facts).tolist() == [0, 1, 0, 0]
    assert pairs(facts) == []
    tiny = {name: photo(seed, 8, 8) for name, seed in zip(names, (0, 1, 1, 2), strict=True)}
    assert near(scanned(tmp_path, tiny)) == [0, 1, 1, 3]


def test_small_images_are_never_near_copies(tmp_path):
    for side, found in ((63, []), (64, [[0, 1]])):
        image = photo(0, side, side)
        facts = scanned(tmp_path, {"0.png": image, "1.bmp": image})
        assert pairs(facts) == found


def test_flat_pictures_are_no_copies_of_one_another(tmp_path):
    images = {f"{level}.png": Image.new("L", (80, 80), level) for level in (0, 1, 128, 255)}
    images["red.png"] = Image.new("RGB", (80, 80), (255, 0, 0))
    images["nearly.png"] = Image.new("RGB", (80, 80), (254, 0, 0))
    images["noise.png"] = Image.fromarray(
        np.random.default_rng(0).integers(127, 130, (80, 80), dtype=np.uint8)
    )
    assert pairs(scanned(tmp_path, images)) == []


def test_a_faint_shade_that_two_pictures_share_makes_them_no_copies():
    shade = np.tile(np.arange(32, dtype=np.uint8)[:, None], (32, 1, 3))
    assert pairs(invented([128 + shade // 11, 128 + shade // 11])) == []
    assert pairs(invented([128 + shade, 128 + shade])) == [[0, 1]]


def test_files_that_cannot_be_read_are_copies_of_none(tmp_path):
    for name in ("0.png", "1.png", "2.png"):
        (tmp_path / name).write_bytes(b"")
    photo(0).save(tmp_path / "3.png")
    samples = Samples.from_columns({"path": [f"{k}.png" for k in (0, 1, 2, 3, 9)]}, str(tmp_path))
    facts = scan(samples, NONE)
    assert near(facts) == exact_groups(facts).tolist() == [0, 1, 2, 3, 4]
    assert pairs(facts) == []


@pytest.mark.parametrize("bits", range(8))
def test_hashes_may_differ_in_four_bits_and_no_more_wherever_these_are(bits):
    picture = seen(1)[0]
    code = perceptual_hash(np.asarray(Image.fromarray(picture).convert("L")))
    rng = np.random.default_rng(bits)
    for _ in range(20):
        other = code
        for place in rng.choice(64, bits, replace=False).tolist():
            other ^= 1 << place
        found = pairs(invented([picture, picture], [code, other]))
        assert found == ([[0, 1]] if bits <= 4 else [])


@pytest.mark.parametrize("level", [15, 17])
def test_one_tile_of_another_colour_makes_another_picture(level):
    whole = np.repeat(np.repeat(np.asarray(photo(0, 16, 16)) // 2 + 60, 2, axis=0), 2, axis=1)
    changed = whole.copy()
    changed[20:22, 10:12] += np.array([0, level, 0], np.uint8)
    code = [perceptual_hash(np.asarray(Image.fromarray(whole).convert("L")))] * 2
    assert pairs(invented([whole, changed], code)) == ([[0, 1]] if level < 16 else [])


def test_the_pairs_are_those_of_comparing_everybody_with_everybody():
    rng = np.random.default_rng(3)
    strangers = seen(60, seed=3)
    pictures = [
        np.clip(strangers[who] + rng.normal(0, spread, (32, 32, 1)), 0, 255).astype(np.uint8)
        for who, spread in zip(rng.integers(0, 60, 200), rng.choice([2, 6, 14], 200), strict=True)
    ]
    facts = invented(pictures)
    found = pairs(facts)
    assert found == by_brute_force(facts)
    assert len(found) > 100


def test_strangers_are_not_compared_each_with_each(monkeypatch):
    compared, bits = [], np.bitwise_count
    monkeypatch.setattr(np, "bitwise_count", lambda each: compared.append(each.size) or bits(each))
    hashes = np.random.default_rng(0).integers(0, 2**64, 2000, dtype=np.uint64)
    assert pairs(invented(list(seen(1)) * 2000, hashes.tolist())) == []
    assert sum(compared) < 10 * 2000  # of two million pairs


def test_what_was_found_is_remembered_for_the_same_images_and_made_again_where_damaged(
    tmp_path, monkeypatch
):
    facts = invented([*seen(3), *seen(2)])
    cache = Cache(tmp_path)
    found = alike_pairs(facts, cache)
    assert found.tolist() == [[0, 3], [1, 4]]
    search, searched = copies._search, []
    monkeypatch.setattr(copies, "_search", lambda f: searched.append(1) or search(f))
    assert alike_pairs(facts, cache).tolist() == found.tolist()
    assert searched == []
    assert alike_pairs(facts[:4], cache).tolist() == [[0, 3]]
    assert len(searched) == 1
    for file in tmp_path.rglob("*"):
        if file.is_file():
            file.write_bytes(b"spoilt")
    assert alike_pairs(facts, cache).tolist() == found.tolist()
    assert len(searched) == 2


def test_no_images_have_no_copies():
    assert near(invented([])) == []
    assert pairs(invented([])) == []


beside = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared photos do not lie beside the checkout"
)


@beside
def test_all_copies_of_the_monkeys_are_found_and_nothing_else(tmp_path):
    words = (SHARED / "SOURCE.md").read_text(encoding="utf-8")
    told = {frozenset(pair) for pair in re.findall(r"^- (\S+\.jpg) = (\S+\.jpg)$", words, re.M)}
    samples = read_listing(str(SHARED / "monkeys10")).samples
    facts = scan(samples, Cache(tmp_path))
    groups = find_copies(facts, samples.frame["labels"], NONE, root=samples.root).near
    paths = samples.frame["path"]
    found = {
        frozenset(paths.filter(pl.Series(groups == group)).to_list())
        for group in np.unique(groups)
        if (groups == group).sum() > 1
    }
    assert len(told) == 15
    assert found == told
    assert len(pairs(facts)) == 10
    assert pairs(facts) == by_brute_force(facts)


@beside
@pytest.mark.parametrize("how", SAVED_AGAIN)
def test_real_photos_that_were_saved_again_are_found(tmp_path, how):
    paths = sorted((SHARED / "imagenette10" / "val").rglob("*.jp*g"))[::25]
    images = {}
    for number, path in enumerate(paths):
        with Image.open(path) as image:
            images[f"{number}.png"] = image.convert("RGB")
        images[f"{number}-again.png"] = SAVED_AGAIN[how](images[f"{number}.png"])
    found = pairs(scanned(tmp_path, images))
    assert all(pair in [[at, at + 1] for at in range(0, len(images), 2)] for pair in found)
    assert len(found) >= 0.9 * len(paths)
    assert len(paths) == 20


@beside
def test_real_scenes_of_a_fixed_camera_are_no_copies(tmp_path):
    path = sorted((SHARED / "imagenette10" / "val").rglob("*.jp*g"))[40]
    with Image.open(path) as image:
        scene = image.convert("RGB").resize((320, 240))
    facts = scanned(tmp_path, {f"{k}.png": seen_by_a_fixed_camera(k, scene) for k in range(30)})
    assert near(facts) == list(range(30))


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
    assert pairs(facts) == []


def test_the_digits_have_no_copies(tmp_path):
    samples = read_listing("digits").samples
    facts = scan(samples, Cache(tmp_path))
    found = find_copies(facts, samples.frame["labels"], NONE, root=samples.root)
    assert found.near.tolist() == found.equal.tolist() == list(range(1797))
