from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageFilter

from fieldmark.cache import Cache
from fieldmark.data.copies import Copies, exact_groups, find_copies
from fieldmark.data.finding import KINDS, SEVERITIES
from fieldmark.data.health import findings
from fieldmark.data.scan import SCHEMA, scan
from fieldmark.data.sources import read_listing
from fieldmark.records import Samples

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
beside = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared photos do not lie beside the checkout"
)
NONE = Cache(None)
PLAIN = {"width": 100, "height": 100, "format": "JPEG", "misnamed": False, "frames": 1}
PLAIN |= {"mean": 120.0, "contrast": 50.0, "sharpness": 900.0}


def told(*rows, near=None, alike=()):
    """The findings about images that are (labels, facts that differ from a plain photo's)."""
    samples, facts = invented(*rows)
    equal = exact_groups(facts)
    pairs = np.array(alike, np.int64).reshape(-1, 2)
    copies = Copies(equal, equal if near is None else near, pairs)
    return {finding.kind: finding for finding in findings(samples, facts, copies)}


def looked_at(samples, facts, cache=NONE):
    """The findings about images that were scanned."""
    return findings(samples, facts, find_copies(facts, samples.frame["labels"], cache, root=None))


def invented(*rows):
    paths = [f"{number}.jpg" for number in range(len(rows))]
    splits = [about.get("split") for _, about in rows]
    columns = {"path": paths, "labels": [labels for labels, _ in rows], "split": splits}
    samples = Samples.from_columns(columns, "root")
    facts = [
        {"path": path, "hash": path} | PLAIN | {k: v for k, v in about.items() if k != "split"}
        for path, (_, about) in zip(paths, rows, strict=True)
    ]
    return samples, pl.DataFrame(facts, SCHEMA)


def some(count, label, **about):
    return [([label], about)] * count


def photo(seed, width=300, height=260):
    """Blobs with fine grain: sharp."""
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(0, 256, size=(7, 9, 3), dtype=np.uint8))
    soft = np.asarray(blobs.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    grain = rng.integers(-25, 26, (height, width, 1))
    return Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8))


def test_good_images_give_no_finding():
    assert told(*some(10, "cat"), *some(12, "dog")) == {}


def test_every_kind_has_its_severity_and_the_gravest_come_first():
    samples, facts = invented(
        *some(1, "cat", misnamed=True, frames=3),
        *some(20, "dog"),
        *some(1, "dog", problem="truncated", reason="root/21.jpg: is damaged", hash=None),
    )
    found = looked_at(samples, facts)
    assert [finding.kind for finding in found] == [
        "truncated",
        "few-images",
        "misnamed",
        "animated",
    ]
    assert all(finding.severity in KINDS[finding.kind].split(" or ") for finding in found)
    ranks = [SEVERITIES.index(finding.severity) for finding in found]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("missing", "2 files are not there"),
        ("zero-byte", "2 files are empty"),
        ("truncated", "2 files end too early"),
        ("unreadable", "2 files cannot be read"),
        ("bomb", "2 files have too many pixels"),
    ],
)
def test_files_that_are_left_out_are_errors_and_the_first_has_its_reason(problem, words):
    bad = [
        (["cat"], {"problem": problem, "reason": f"root/{at}.jpg: cannot be found"})
        for at in (20, 21)
    ]
    found = told(*some(10, "cat"), *some(10, "dog"), *bad)
    assert list(found) == [problem]
    assert found[problem].severity == "error"
    them = "and are left out ('20.jpg' and '21.jpg')"
    assert found[problem].sentence == f"{words} {them}; '20.jpg' cannot be found"
    assert found[problem].files == ("20.jpg", "21.jpg")


def test_files_that_cannot_be_read_are_told_by_why():
    reasons = [
        "is an archive: unpack it",
        "is damaged (at 7); mend it",
        "is damaged (at 9); mend it",
    ]
    bad = [
        (["cat"], {"problem": "unreadable", "reason": f"root/{20 + at}.jpg: {reason}"})
        for at, reason in enumerate(reasons)
    ]
    images = [*some(10, "cat"), *some(10, "dog"), *bad]
    assert [each.sentence for each in looked_at(*invented(*images))] == [
        "1 file cannot be read and is left out: '20.jpg' is an archive: unpack it",
        "2 files cannot be read and are left out ('21.jpg' and '22.jpg'); '21.jpg' is damaged "
        "(at 7); mend it",
    ]


def test_one_file_that_is_left_out():
    bad = (["cat"], {"problem": "zero-byte", "reason": "root/20.jpg: is empty; copy it anew"})
    found = told(*some(10, "cat"), *some(10, "dog"), bad)
    assert found["zero-byte"].sentence == (
        "1 file is empty and is left out: '20.jpg' is empty; copy it anew"
    )


def test_a_class_with_few_images_is_a_warning_and_with_one_or_none_an_error():
    samples, facts = invented(
        *some(10, "ant"),
        *some(9, "bee"),
        *some(2, "cat"),
        *some(1, "dog"),
        *some(5, "eel", problem="zero-byte", reason="root/22.jpg: is empty"),
    )
    found = [each for each in looked_at(samples, facts) if each.kind == "few-images"]
    assert [(each.severity, each.files) for each in found] == [
        ("error", ("dog", "eel")),
        ("warning", ("bee", "cat")),
    ]
    assert found[0].sentence == (
        "2 classes have fewer than 2 images ('dog' and 'eel'); add images, or merge the class "
        "with another"
    )


def test_one_class_is_no_task():
    found = told(*some(10, "cat"))
    assert found["one-class"].sentence == (
        "there is only the class 'cat'; a classifier needs at least two"
    )
    assert found["one-class"].severity == "error"


def test_images_without_labels_have_no_classes():
    assert told(*[(None, {})] * 3, *[([], {})] * 3) == {}


def test_copies_across_splits_are_leakage_and_the_sentence_says_what_is_taken_out():
    found = told(
        *some(9, "cat", split="train"),
        (["cat"], {"hash": "x", "split": "train"}),
        (["cat"], {"hash": "x", "split": "train"}),
        (["cat"], {"hash": "x", "split": "test"}),
        *some(9, "dog", split="test"),
        (["dog"], {"hash": "y", "split": "test"}),
        (["dog"], {"hash": "y", "split": "val"}),
        *[(["cat"], {"split": "val"}), (["cat"], {"split": "test"})],
        *[(["dog"], {"split": "val"}), (["dog"], {"split": "train"})],
    )
    assert list(found) == ["leakage"]
    assert found["leakage"].severity == "error"
    assert found["leakage"].sentence == (
        "2 images stand in more than one split, e.g. '9.jpg' (train) = '11.jpg' (test); what is "
        "learned by heart would count as known: the copies in train (2) and val (1) are taken out "
        "before training"
    )
    assert found["leakage"].groups == (("9.jpg", "10.jpg", "11.jpg"), ("21.jpg", "22.jpg"))
    assert found["leakage"].files == ("9.jpg", "10.jpg", "11.jpg", "21.jpg", "22.jpg")


def test_copies_under_different_labels_are_an_error():
    found = told(
        *some(9, "cat"), *some(9, "dog"), (["cat"], {"hash": "x"}), (["dog"], {"hash": "x"})
    )
    assert list(found) == ["conflicting-labels"]
    assert found["conflicting-labels"].severity == "error"
    assert found["conflicting-labels"].sentence == (
        "1 image stands under different labels, e.g. '18.jpg' (cat) = '19.jpg' (dog); keep the "
        "copies whose labels are right"
    )


def test_the_same_labels_in_another_order_are_no_conflict_and_no_label_is_none():
    same = told(
        *some(10, "cat"),
        *some(10, "dog"),
        (["cat", "dog"], {"hash": "x"}),
        (["dog", "cat"], {"hash": "x"}),
        (None, {"hash": "x"}),
    )
    assert list(same) == ["exact-copies"]
    other = told(
        *some(10, "cat"),
        *some(10, "dog"),
        (["cat", "dog"], {"hash": "x"}),
        (["cat"], {"hash": "x"}),
    )
    assert list(other) == ["conflicting-labels"]


def test_copies_inside_a_class_are_a_warning():
    found = told(*some(8, "cat"), *some(2, "cat", hash="x"), *some(10, "dog"))
    assert list(found) == ["exact-copies"]
    assert found["exact-copies"].severity == "warning"
    assert found["exact-copies"].groups == (("8.jpg", "9.jpg"),)
    assert found["exact-copies"].sentence.startswith(
        "1 image stands more than once, e.g. '8.jpg' = '9.jpg'; "
    )


def test_near_copies_are_told_apart_from_exact_ones():
    rows = [*some(7, "cat"), *some(2, "cat", hash="x"), (["cat"], {}), *some(10, "dog")]
    copies = np.arange(20)
    copies[7:10] = 7
    found = told(*rows, near=copies, alike=[(7, 9)])
    assert list(found) == ["exact-copies", "near-copies"]
    assert found["exact-copies"].groups == (("7.jpg", "8.jpg"),)
    assert found["near-copies"].groups == (("7.jpg", "9.jpg"),)
    assert found["near-copies"].sentence.startswith("1 photo stands more than once, e.g. '7.jpg' =")


def test_near_copies_across_splits_are_told_apart_from_equal_ones():
    rows = [
        *some(10, "cat", split="train"),
        *some(10, "dog", split="train"),
        *[(["cat"], {"split": "test"}), (["dog"], {"split": "test"})],
    ]
    copies = np.arange(22)
    copies[[0, 20]] = 0
    found = told(*rows, near=copies, alike=[(0, 20)])
    assert [(each.kind, each.severity) for each in found.values()] == [("near-leakage", "error")]
    assert found["near-leakage"].groups == (("0.jpg", "20.jpg"),)
    assert found["near-leakage"].sentence == (
        "1 image stands in more than one split, as it seems saved again, e.g. '0.jpg' (train) = "
        "'20.jpg' (test); what is learned by heart would count as known: the copies in train (1) "
        "are taken out before training; data.copies=equal keeps them"
    )


def test_look_alikes_that_are_no_copies_are_shown_and_those_of_two_classes_first():
    rows = [*some(10, "cat"), *some(10, "dog")]
    found = told(*rows, alike=[(0, 1), (0, 2), (3, 12)])
    assert [(each.kind, each.severity) for each in found.values()] == [("look-alikes", "warning")]
    assert found["look-alikes"].groups == (("3.jpg", "12.jpg"), ("0.jpg", "1.jpg"))
    assert set(found["look-alikes"].files) == {"0.jpg", "1.jpg", "2.jpg", "3.jpg", "12.jpg"}
    assert found["look-alikes"].sentence.startswith(
        "5 images look like others and are taken for no copies, e.g. '3.jpg' (cat) and '12.jpg' "
        "(dog); "
    )
    assert told(*rows, alike=[(0, 1)])["look-alikes"].severity == "note"


def test_bad_files_are_no_copies_of_one_another():
    bad = some(3, "cat", problem="zero-byte", reason="root/20.jpg: is empty", hash="e")
    assert list(told(*some(10, "cat"), *some(10, "dog"), *bad)) == ["zero-byte"]


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("nearly-black", {"mean": 9.0, "contrast": 10.0}),
        ("nearly-white", {"mean": 246.0, "contrast": 10.0}),
        ("blurred", {"sharpness": 20.0}),
        ("tiny", {"width": 31, "height": 31}),
        ("hdr", {"profile": "HLG"}),
        ("panorama", {"width": 500, "height": 100}),
        ("panorama", {"width": 100, "height": 301}),
        ("misnamed", {"misnamed": True}),
        ("animated", {"frames": 2}),
    ],
)
def test_an_image_that_is_odd_is_named(kind, about):
    found = told(*some(10, "cat"), *some(10, "dog"), (["dog"], about))
    assert list(found) == [kind]
    assert found[kind].severity == KINDS[kind] != "error"
    assert found[kind].files == ("20.jpg",)
    assert "('20.jpg')" in found[kind].sentence


@pytest.mark.parametrize(
    "about",
    [
        {"mean": 9.0, "contrast": 27.0},  # lights in the night
        {"mean": 238.0, "contrast": 15.0},  # a golf ball on white
        {"sharpness": 140.0},
        {"width": 63, "sharpness": 20.0},
        {"width": 32, "height": 32},
    ],
)
def test_an_image_that_is_a_little_odd_is_not(about):
    assert told(*some(10, "cat"), *some(10, "dog"), (["dog"], about)) == {}


def test_where_a_class_is_soft_by_nature_none_of_it_is_blurred():
    clouds = some(20, "clouds", sharpness=30.0)
    assert told(*some(20, "dog"), *clouds, (["clouds"], {"sharpness": 20.0})) == {}
    assert list(told(*some(20, "dog"), (["dog"], {"sharpness": 20.0}), *clouds)) == ["blurred"]


def test_where_all_images_are_tiny_none_is():
    assert told(*some(10, "0", width=8, height=8), *some(10, "1", width=8, height=8)) == {}


def test_where_all_images_are_strips_none_is_a_panorama():
    assert told(*some(10, "0", width=500), *some(10, "1", width=500)) == {}


def test_black_white_and_blurred_photos_are_found_by_their_pixels(tmp_path):
    for number in range(8):
        photo(number).save(tmp_path / f"{number}.png")
    photo(8).filter(ImageFilter.GaussianBlur(3)).save(tmp_path / "8.png")
    dark, bright = (np.asarray(photo(9)) // 20, 255 - np.asarray(photo(10)) // 20)
    Image.fromarray(dark).save(tmp_path / "9.png")
    Image.fromarray(bright).save(tmp_path / "10.png")
    paths = [f"{number}.png" for number in range(11)]
    samples = Samples.from_columns({"path": paths}, str(tmp_path))
    found = {each.kind: each.files for each in looked_at(samples, scan(samples, NONE))}
    assert found == {
        "nearly-black": ("9.png",),
        "nearly-white": ("10.png",),
        "blurred": ("8.png",),
    }


@pytest.mark.parametrize(
    ("label", "count"),
    [("dog", 12), ("dog ", 12), ("DOG", 10), ("Dgo", 1), ("Dogs", 1), ("Dig", 1)],
)
def test_a_label_that_is_spelt_in_two_ways_is_told(label, count):
    found = told(*some(20, "Dog"), *some(20, "horse"), *some(count, label))
    assert set(found["label-spelling"].files) == {"Dog", label}
    assert found["label-spelling"].severity == "warning"
    assert f"'{label}' ({count})" in found["label-spelling"].sentence
    assert "'Dog' (20)" in found["label-spelling"].sentence


@pytest.mark.parametrize(
    ("label", "other", "count"),
    [
        ("black bear", "Black_Bear", 12),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}t", "e\N{COMBINING ACUTE ACCENT}t", 12),
        ("husky, grey", "husky, gray", 1),
    ],
)
def test_labels_with_spaces_commas_and_accents_are_compared_too(label, other, count):
    found = told(*some(20, label), *some(20, "cat"), *some(count, other))
    assert set(found["label-spelling"].files) == {label, other}


@pytest.mark.parametrize(
    ("label", "other", "count"),
    [
        ("site 1", "site 2", 1),
        ("cat", "rat", 10),
        ("dog", "do", 1),
        ("cat", "dog", 1),
        ("horse", "house cat", 1),
    ],
)
def test_labels_that_mean_two_things_are_left_alone(label, other, count):
    assert "label-spelling" not in told(*some(20, label), *some(20, "xyz"), *some(count, other))


def test_a_class_that_a_split_lacks_is_told():
    samples, facts = invented(
        *some(10, "ant", split="train"),
        *some(10, "ant", split="test"),
        *some(10, "bee", split="train"),
        *some(10, "cat", split="test"),
        *some(10, "dog", split="train"),
        *some(1, "dog", split="test", problem="zero-byte", reason="root/50.jpg: is empty"),
    )
    found = [each for each in looked_at(samples, facts) if each.kind == "class-missing-in-split"]
    assert [(each.severity, each.files) for each in found] == [
        ("error", ("cat",)),
        ("warning", ("bee", "dog")),
    ]
    assert found[0].sentence == (
        "1 class has no image in train ('cat') and cannot be learned; add images, or take the "
        "class out"
    )


def test_where_no_split_is_given_no_class_is_missing():
    assert told(*some(10, "ant"), *some(10, "bee")) == {}


@pytest.mark.parametrize(("large", "kinds"), [(500, []), (501, ["imbalance"])])
def test_classes_more_uneven_than_one_to_fifty_are_noted(large, kinds):
    found = told(*some(10, "rare"), *some(large, "common"))
    assert list(found) == kinds
    if kinds:
        assert found["imbalance"].severity == "note"
        assert found["imbalance"].sentence.startswith(
            "the classes are uneven: 'common' has 501 images, 'rare' 10; "
        )


def test_rows_of_a_file_that_holds_many_are_named_with_their_row():
    samples, facts = invented(*some(10, "cat"), *some(10, "dog"), (["dog"], {"sharpness": 20.0}))
    rows = pl.Series("row", range(21), pl.Int64)
    one_file = pl.lit("train.parquet").alias("path")
    samples = Samples(samples.frame.with_columns(rows, one_file), "root")
    (found,) = looked_at(samples, facts.with_columns(rows, one_file))
    assert found.files == ("train.parquet, row 20",)


def test_an_empty_table_has_no_findings():
    samples, facts = invented((["cat"], {}))
    assert looked_at(Samples(samples.frame.clear(), "root"), facts.clear()) == []


def test_the_digits_have_no_findings():
    samples = read_listing("digits").samples
    assert looked_at(samples, scan(samples, NONE)) == []


@beside
@pytest.mark.slow
@pytest.mark.parametrize("name", ["imagenette10", "cifar10"])
def test_good_photos_give_no_finding(name, tmp_path):
    samples = read_listing(str(SHARED / name)).samples
    assert looked_at(samples, scan(samples, Cache(tmp_path))) == []


@beside
@pytest.mark.slow
def test_the_photos_of_captions_have_one_panorama_and_give_no_other_finding(tmp_path):
    paths = sorted(path.name for path in (SHARED / "captions18" / "images").iterdir())
    samples = Samples.from_columns({"path": paths}, str(SHARED / "captions18" / "images"))
    [found] = looked_at(samples, scan(samples, Cache(tmp_path)))
    assert (found.kind, found.files) == ("panorama", ("12281.jpg",))  # 320 x 99 px


@beside
def test_the_monkeys_have_leaks_and_copies_and_nothing_else(tmp_path):
    samples = read_listing(str(SHARED / "monkeys10")).samples
    facts = scan(samples, Cache(tmp_path))
    found = looked_at(samples, facts)
    assert [(each.kind, len(each.groups)) for each in found] == [
        ("near-leakage", 10),
        ("exact-copies", 5),
    ]
