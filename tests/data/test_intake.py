"""From a source to a split: nothing leaks, nothing vanishes in silence."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scenes import SAVED_AGAIN, part, photo
from scenes import seen_by_a_fixed_camera as scene_of_camera
from smallruns import QUIET, draw_photos, train

from fieldmark.cache import Cache
from fieldmark.data.finding import Finding
from fieldmark.data.intake import FILES, Dataset, changed_images, take_in
from fieldmark.data.scan import scan, with_facts
from fieldmark.data.sources import read_listing
from fieldmark.data.splits import folds
from fieldmark.data.told import few_groups_note, few_images_note, group_note, split_notes
from fieldmark.errors import DataError
from fieldmark.records import Samples
from fieldmark.settings.data import DataSettings
from fieldmark.use.predictor import Failure, Predictor

MONKEYS = Path(__file__).parents[2].parent / "shared" / "data" / "monkeys10"


@pytest.fixture
def photos(tmp_path):
    return draw_photos(tmp_path / "photos", each=12, side=80)


def parted(photos, split, side):
    """The photos in folders, eight of each class for training and the others for `side`."""
    for folder, numbers in (("train", range(8)), (side, range(8, 12))):
        for name in ("blue", "green", "red"):
            (split / folder / name).mkdir(parents=True)
            for number in numbers:
                shutil.copy(photos / name / f"{number:02}.png", split / folder / name)
    return split


def test_copies_of_test_images_are_taken_out_of_training_and_named(photos, tmp_path):
    split = parted(photos, tmp_path / "split", "val")
    shutil.copy(split / "val" / "red" / "08.png", split / "train" / "red" / "copy.png")
    intake = take_in(DataSettings(source=str(split)), QUIET)
    assert "train/red/copy.png" not in intake.samples.frame["path"].to_list()
    assert (
        "1 image taken out of training or validation, being copies of images that are judged: "
        "'train/red/copy.png = val/red/08.png'"
    ) in intake.notes
    kept = take_in(DataSettings(source=str(split), copies="show"), QUIET)
    assert "train/red/copy.png" in kept.samples.frame["path"].to_list()
    assert any("so the figures flatter" in note for note in kept.notes)


def test_photos_saved_again_are_taken_out_of_training_unless_only_equal_ones_count(
    photos, tmp_path
):
    split = parted(photos, tmp_path / "split", "val")
    with Image.open(split / "val" / "red" / "08.png") as image:
        image.save(split / "train" / "red" / "copy.jpg", quality=90)
    paths, notes = {}, {}
    for what in ("near", "equal", "show"):
        taken_in = take_in(DataSettings(source=str(split), copies=what), QUIET)
        paths[what] = taken_in.samples.frame["path"].to_list()
        notes[what] = [each for each in taken_in.notes if "copy.jpg" in each]
    assert "train/red/copy.jpg" not in paths["near"]
    assert notes["near"][0].startswith("1 image taken out of training or validation, ")
    assert "train/red/copy.jpg" in paths["equal"]
    assert paths["show"] == paths["equal"]
    assert notes["show"] == notes["equal"] == []
    (told,) = [each for each in taken_in.findings if each.severity == "error"]
    assert told.files == ("train/red/copy.jpg", "val/red/08.png")


@pytest.fixture(scope="module")
def saved_twice(tmp_path_factory):
    folder, again = tmp_path_factory.mktemp("saved-twice"), SAVED_AGAIN["larger"]
    for number in range(30):
        label, image = "ab"[number % 2], photo(number)
        (folder / label).mkdir(exist_ok=True)
        image.save(folder / label / f"{number}.png")
        again(image).save(folder / label / f"{number}.jpg")
    return folder


def parted_pairs(samples, by):
    """Of how many photos the two files lie in two parts. by: (N,)"""
    of_photo = samples.frame.with_columns(by=pl.Series(by)).group_by(pl.col("path").str.head(-4))
    return (of_photo.agg(pl.col("by").n_unique())["by"] > 1).sum()


def test_what_counts_as_a_copy_is_one_setting_for_drawn_splits_too(saved_twice):
    parted = {}
    for what in ("near", "equal"):
        samples = take_in(DataSettings(source=str(saved_twice), copies=what), QUIET).samples
        parted[what] = parted_pairs(samples, samples.frame["split"])
    assert parted["near"] == 0
    assert parted["equal"] > 0


def test_folds_that_are_dealt_later_know_what_is_a_copy_too(saved_twice, tmp_path):
    parted, file = {}, tmp_path / "samples.parquet"
    for what in ("near", "equal"):
        data = DataSettings(source=str(saved_twice), copies=what, val="none")
        take_in(data, QUIET).samples.write(file)
        samples = Samples.read(file)
        samples = replace(samples, frame=samples.frame.filter(pl.col("split") == "train"))
        parted[what] = parted_pairs(samples, folds(samples, k=5, seed=0))
    assert parted["near"] == 0
    assert parted["equal"] > 0


@pytest.mark.parametrize("classes", [1, 2])
def test_photos_of_one_fixed_camera_or_line_are_split_like_any_others(tmp_path, classes):
    for number in range(40):
        label = "even" if number % 2 == 0 else "odd"
        (tmp_path / label).mkdir(exist_ok=True)
        picture = part(number, scratched=number % 2) if classes == 2 else scene_of_camera(number)
        picture.save(tmp_path / label / f"{number:02}.png")
    taken_in = take_in(DataSettings(source=str(tmp_path)), QUIET)
    for counts in taken_in.samples.counts().values():
        assert counts == {"train": 14, "val": 3, "test": 3}
    assert [each for each in taken_in.findings if each.severity == "error"] == []


def test_a_given_split_of_one_fixed_camera_loses_no_image(tmp_path):
    for number in range(80):
        side = "train" if number < 60 else "test"
        folder = tmp_path / side / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        part(number, scratched=number % 2).save(folder / f"{number:02}.png")
    assert len(take_in(DataSettings(source=str(tmp_path)), QUIET).samples) == 80


@pytest.mark.skipif(not MONKEYS.is_dir(), reason="the shared photos do not lie beside the checkout")
def test_the_monkeys_are_split_as_ever():
    samples = take_in(DataSettings(source=str(MONKEYS)), QUIET).samples
    assert samples.hash() == "576ca91b50968bad704321f1558e2ac9"
    kept = take_in(DataSettings(source=str(MONKEYS), copies="equal"), QUIET).samples
    assert len(kept) == len(samples) + 10


def test_nothing_is_said_of_validation_where_there_is_none(photos, tmp_path):
    split = parted(photos, tmp_path / "split", "test")
    with_val = take_in(DataSettings(source=str(split)), QUIET).notes
    without = take_in(DataSettings(source=str(split), val="none"), QUIET).notes
    note = "the folder 'test' is the test set"
    assert with_val == (f"{note}; validation images are taken out of train",)
    assert without == (note,)


def test_a_given_validation_side_that_is_dealt_into_folds_is_told(tmp_path):
    for side, each in (("train", 6), ("val", 2), ("test", 3)):
        draw_photos(tmp_path / side, each=each, seed=each)
    found = take_in(DataSettings(source=str(tmp_path), val="cross"), QUIET)
    assert found.samples.frame["split"].value_counts(name="n").filter(split="val").is_empty()
    assert found.notes == (
        "6 images that the source has for validation are in the folds with those for training "
        "(data.val=cross), so the head that is kept is trained on all of them",
    )
    assert take_in(DataSettings(source=str(tmp_path), val="hold"), QUIET).notes == ()


def test_near_copies_are_on_one_side(photos):
    from PIL import Image

    for number in range(12):  # saved again, smaller: other bytes, the same picture
        with Image.open(photos / "red" / f"{number:02}.png") as image:
            image.resize((72, 72)).save(photos / "red" / f"again-{number:02}.jpg", quality=90)
    frame = take_in(DataSettings(source=str(photos)), QUIET).samples.frame
    sides = dict(frame.select("path", "split").iter_rows())
    for number in range(12):
        assert sides[f"red/{number:02}.png"] == sides[f"red/again-{number:02}.jpg"]


def test_bad_files_stop_the_run_where_that_is_asked(photos):
    (photos / "red" / "zero.png").touch()
    with pytest.raises(DataError, match=r"1 image cannot be used and data.on_bad=error; 'red/zero"):
        take_in(DataSettings(source=str(photos), on_bad="error"), QUIET)


def test_a_table_with_groups_is_trained_on_and_goes_on(photos, tmp_path):
    rows = [
        {"file": f"{name}/{k:02}.png", "label": name, "site": f"s{k // 2}", "note": f"n{k}"}
        for name in ("red", "blue")
        for k in range(12)
    ]
    pl.DataFrame(rows).write_csv(photos / "labels.csv")
    words = ("data.group_column=site", "input.size=16")
    options = {"epochs": "1", "model": "small_cnn"}
    run = train(photos / "labels.csv", tmp_path, "run", *words, **options)
    samples = Samples.read(run.samples)
    assert samples.frame["note"].to_list() == [row["note"] for row in rows]
    sides = samples.frame.group_by("group").agg(pl.col("split").n_unique())
    assert sides["split"].to_list() == [1] * 6
    assert samples.classes == ("blue", "red")


def test_odd_files_are_refused_alike_by_training_and_prediction(photos, tmp_path):
    odd = Path(__file__).parents[2].parent / "shared" / "data" / "odd_files"
    if not odd.is_dir():
        pytest.skip("the corpus of odd files does not lie beside the checkout")
    with (odd / "MANIFEST.csv").open(encoding="utf-8") as stream:
        expected = {row["file"]: row["expected"] for row in csv.DictReader(stream)}
    shown = {name for name in expected if not name.startswith(".")}  # hidden files are passed over
    for name in shown:
        shutil.copy(odd / name, photos / "red")
    listing = read_listing(str(photos))
    samples, unread = with_facts(listing.samples, scan(listing.samples, Cache(None)))
    used = {Path(path).name for path in samples.frame["path"]} & shown
    assert used == {name for name in shown if expected[name] == "ok"}
    assert {Path(name).name for name in {**listing.left_out, **unread}} <= shown - used
    run = train(photos, tmp_path, "run", "input.size=16", model="small_cnn", epochs="1")
    answers = Predictor(run.path).stream(photos / "red" / name for name in sorted(shown))
    failed = {Path(answer.image).name for answer in answers if isinstance(answer, Failure)}
    assert failed == shown - used


def test_a_class_that_a_side_lacks_is_told_once(photos):
    lacking = {"train": "blue", "val": "green", "test": "none"}
    rows = [
        {"file": f"{name}/{k:02}.png", "label": name, "split": side}
        for k, side in enumerate(("train", "train", "val", "test"))
        for name in ("blue", "green", "red")
        if lacking[side] != name
    ]
    pl.DataFrame(rows).write_csv(photos / "labels.csv")
    notes = take_in(DataSettings(source=str(photos / "labels.csv")), QUIET).notes
    assert [note for note in notes if "no image" in note] == [
        "'blue' has no image in train and cannot be learned",
        "'green' has no image in val",
    ]


def test_names_that_differ_only_in_case_stay_apart_and_are_told_once(photos):
    (photos / "blue").rename(photos / "Red")
    data = take_in(DataSettings(source=str(photos)), QUIET)
    assert data.classes == ("Red", "green", "red")
    assert [note for note in data.notes if "'red'" in note] == [
        "the labels 'Red' (12) and 'red' (12) are spelt nearly alike; where they mean the same "
        "class, spell them alike"
    ]


def test_images_that_changed_or_vanished_are_named(photos):
    data = take_in(DataSettings(source=str(photos)), QUIET)
    assert changed_images(data.samples) == []
    draw_photos(photos / "other", each=1, seed=9)
    shutil.copy(photos / "other" / "red" / "00.png", photos / "blue" / "03.png")
    (photos / "green" / "05.png").unlink()
    assert changed_images(data.samples) == ["blue/03.png", "green/05.png"]
    digits = take_in(DataSettings(source="digits"), QUIET)
    assert changed_images(digits.samples) == []


def samples(sides, groups=None):
    columns = {"path": [f"{k}.png" for k in range(len(sides))], "split": sides}
    return Samples.from_columns(columns | ({"group": groups} if groups else {}))


def words(sides, *, listed=None, groups=None, copies=None, **data):
    table = samples(sides, groups).with_copies(np.array(copies or np.arange(len(sides))))
    settings = DataSettings(source="photos", **data)
    return list(split_notes(settings, listed or [None] * len(sides), table))


def test_a_drawn_split_says_shares_and_seed():
    assert words(["train", "val", "test"], split_seed=3) == [
        "Shares of the images were drawn, 0.15 for validation and 0.15 for test, of each class "
        "alike, by data.split_seed 3; --seed does not move them."
    ]


def test_a_given_split_says_what_was_given_and_what_was_drawn():
    sides = ["train", "val", "test"]
    assert words(sides, listed=["train", "train", "test"]) == [
        "The source says which images are for training and test.",
        "Shares of the training images were drawn, 0.15 for validation, of each class alike, by "
        "data.split_seed 0; --seed does not move them.",
    ]
    assert words(sides, listed=sides) == [
        "The source says which images are for training, validation and test."
    ]


def test_no_validation_and_no_test_are_said():
    assert words(["train"], val="none", test="none") == [
        "There is no validation (data.val=none): its images were trained on.",
        "There is no test (data.test=none).",
    ]


def test_copies_and_whole_groups_are_counted():
    said = words(["train", "train", "test"], copies=[0, 0, 2], groups=["a", "a", "b"])
    assert said[1:] == [
        "1 picture stands there more than once, also saved again; copies share a side.",
        "2 groups: none is on two sides.",
    ]


def test_groups_that_a_given_split_parts_are_told_twice():
    sides, groups = ["train", "test", "test"], ["a", "a", "b"]
    said = words(sides, listed=sides, groups=groups, group_column="site")
    assert said[-1] == "2 groups (site): 1 on more than one side."
    assert group_note(samples(sides, groups)) == [
        "1 group stands on more than one side of the given split ('a'), so the figures may "
        "flatter; give no split, and whole groups are drawn"
    ]
    assert group_note(samples(sides)) == []


def test_what_is_told_comes_back_from_the_samples_table(tmp_path):
    files = tuple(f"{k}.png" for k in range(FILES + 9))
    finding = Finding("blurred", "warning", "many look blurred", files, (files[:2],))
    told = ("a note",), (finding,), ("a sentence",)
    Dataset(samples(["train"]), *told, mirrored=False, embedded=True).write(tmp_path / "s.parquet")
    back = Dataset.read(tmp_path / "s.parquet")
    assert (back.notes, back.split_notes) == (("a note",), ("a sentence",))
    assert (back.mirrored, back.embedded) == (False, True)
    assert back.samples.frame.equals(samples(["train"]).frame)
    assert back.findings[0].sentence == "many look blurred"
    assert back.findings[0].files == files[:FILES]


def test_samples_of_an_older_run_tell_nothing(tmp_path):
    samples(["train"]).frame.write_parquet(tmp_path / "samples.parquet", metadata={"root": "."})
    back = Dataset.read(tmp_path / "samples.parquet")
    assert (back.notes, back.findings, back.split_notes) == ((), (), ())


def test_files_that_are_left_out_are_among_the_findings(photos):
    (photos / "red" / "empty.png").touch()
    told = take_in(DataSettings(source=str(photos)), QUIET)
    assert [each.kind for each in told.findings if each.severity == "error"] == ["zero-byte"]
    assert "drawn" in told.split_notes[0]


def test_classes_of_next_to_no_images_are_told():
    few, uneven, half, enough = (
        Samples.from_columns(
            {
                "path": [f"{k}" for k in range(len(names))],
                "labels": [[name] for name in names],
                "split": ["train"] * len(names),
            }
        )
        for names in ("ababab", "abababc", "ababcccc", "abababab")
    )
    what = "of which little can be learned and nothing proved; add images, 20 or more a class"
    assert few_images_note(few) == [f"each class has 3 images, {what}"]
    assert few_images_note(uneven) == [f"the classes have 3 images or fewer, {what}"]
    assert few_images_note(half) == [f"half of the classes have 2 images or fewer, {what}"]
    assert few_images_note(enough) == []
    assert few_images_note(samples(["train"])) == []


def test_a_test_of_few_groups_is_told():
    many = samples(["test"] * 3, ["a", "b", "c"])
    assert few_groups_note(many) == []
    assert few_groups_note(samples(["train", "test"], ["a", "b"])) == [
        "the test images are of 1 group only ('b'), so the figures say little of other groups; "
        "gather more groups, or raise data.test_fraction"
    ]
    assert few_groups_note(samples(["train", "test"])) == []
