from datetime import datetime, timedelta

import polars as pl
import pytest
from heics import with_exif
from PIL import Image
from scenes import photo
from smallruns import QUIET

from fieldmark.data import kinds
from fieldmark.data.exif_groups import with_exif_groups
from fieldmark.data.group_columns import group_findings, group_word, likely_groups, proposal
from fieldmark.data.intake import take_in
from fieldmark.data.listing import Listing
from fieldmark.errors import DataError, SettingsError
from fieldmark.records import Samples
from fieldmark.runs.concrete import gather
from fieldmark.settings.data import DataSettings


def table(split=None, group=None, **columns):
    """24 images of two classes, with the user's own columns."""
    own = {"path": [f"{k}.png" for k in range(24)], "labels": [["ab"[k % 2]] for k in range(24)]}
    own |= {"split": split} if split else {}
    return Samples.from_columns({**own, **({"group": group} if group else {}), **columns})


SIX = [f"v{k % 6}" for k in range(24)]
SIDES = ["train"] * 16 + ["test"] * 8


@pytest.mark.parametrize(
    ("name", "word"),
    [
        *(
            ("site", "site"),
            ("Site_ID", "site"),
            ("locationID", "location"),
            ("cameraid", "camera"),
        ),
        *(("seq_id", "seq"), ("sequenceID", "sequence"), ("burst", "burst"), ("event id", "event")),
        *(("patient", "patient"), ("PatientID", "patient"), ("animal_name", "animal")),
        *(("individual_id", "individual"), ("deployment", "deployment"), ("study_site", "site")),
        *(("patient_age", None), ("site_description", None), ("camera_model", None)),
        *(("width", None), ("opposite", None), ("id", None), ("", None), ("website", None)),
    ],
)
def test_a_column_is_a_group_by_its_last_word_but_id(name, word):
    assert group_word(name) == word


def test_a_column_of_groups_is_proposed_the_largest_groups_first():
    found = table(seq_id=[k // 3 for k in range(24)], location=SIX, patient_age=SIX)
    assert list(likely_groups(found)) == ["location", "seq_id"]
    assert proposal(found) == [
        "the column 'location' says which of the images belong together (6 values), and a split "
        "that is drawn parts them: what they have in common would count as known; "
        "data.group_column=location keeps them on one side (as would 'seq_id')"
    ]
    two = proposal(table(site=["n", "s", "s"] * 8))
    assert "data.group_column=site data.val=none keeps" in two[0]


@pytest.mark.parametrize(
    "values",
    [
        [str(k) for k in range(24)],  # one image each
        ["one"] * 24,
        [k % 3 == 0 for k in range(24)],
        [[0, 0, 1][k % 3] for k in range(24)],
        ["the a", "the b"] * 12,  # other names of the labels
        [None] * 24,
    ],
)
def test_a_column_that_groups_nothing_is_not_proposed(values):
    assert proposal(table(animal=values)) == []


def test_nothing_is_proposed_where_the_images_have_groups():
    assert proposal(table(site=SIX, group=SIX)) == []


def test_groups_on_two_sides_of_a_given_split_are_an_error_and_proposed_ones_a_warning():
    [given] = group_findings(table(split=SIDES, group=SIX))
    [proposed] = group_findings(table(split=SIDES, site=SIX))
    assert (given.severity, proposed.severity) == ("error", "warning")
    assert given.kind == proposed.kind == "group-leakage"
    assert given.sentence == (
        "6 groups stand on more than one side of the given split ('v0', 'v1', 'v2' and 3 more; 24 "
        "images), so the figures may flatter: what they have in common counts as known; give no "
        "split, and whole groups are drawn"
    )
    assert proposed.sentence == (
        "6 values of 'site' stand on more than one side of the given split ('v0', 'v1', 'v2' and 3 "
        "more; 24 images), so the figures may flatter: what they have in common counts as known; "
        "give no split and data.group_column=site, and whole ones are drawn"
    )
    assert proposal(table(split=SIDES, site=SIX)) == []
    apart = [f"{side}{k % 3}" for k, side in enumerate(SIDES)]
    assert [*group_findings(table(split=SIDES, group=apart))] == []
    assert [*group_findings(table(group=SIX))] == []


def test_training_says_both(tmp_path):
    for k in range(24):
        photo(k, 20, 20).save(tmp_path / f"{k}.png")
    frame = pl.DataFrame(
        {"image": [f"{k}.png" for k in range(24)], "label": ["a", "b"] * 12, "site": SIX}
    )
    frame.write_csv(tmp_path / "t.csv")
    frame.with_columns(split=pl.Series(SIDES)).write_csv(tmp_path / "s.csv")
    assert any("data.group_column=site keeps" in each for each in notes(tmp_path / "t.csv"))
    assert any(each.startswith("6 values of 'site' stand") for each in notes(tmp_path / "s.csv"))


def notes(source):
    return take_in(DataSettings(source=str(source)), QUIET).notes


def taken(folder, name, when, camera="Trap 1"):
    exif = Image.Exif()
    exif[271], exif[272] = camera.split()
    if when is not None:
        exif.get_ifd(0x8769)[0x9003] = f"{when:%Y:%m:%d %H:%M:%S}"
    if name.lower().endswith(".heic"):
        (folder / name).write_bytes(with_exif(exif))
    else:
        photo(3, 20, 20).save(folder / name, exif=exif)


def test_exif_groups_what_one_camera_took_within_half_an_hour_of_the_one_before(tmp_path):
    start = datetime(2024, 5, 1, 22, 0, 0)
    for name, minutes, camera in (
        *(("a.jpg", 0, "Trap 1"), ("b.jpg", 20, "Trap 1"), ("c.jpg", 45, "Trap 1")),
        *(("d.jpg", 90, "Trap 1"), ("e.jpg", 1, "Trap 2")),
    ):
        taken(tmp_path, name, start + timedelta(minutes=minutes), camera)
    taken(tmp_path, "f.jpg", None)
    (tmp_path / "g.jpg").write_bytes(b"no picture")
    samples = Samples.from_columns({"path": [f"{each}.jpg" for each in "abcdefg"]}, str(tmp_path))
    found = with_exif_groups(Listing(samples))
    one, other = "Trap 1, 2024-05-01 22:00:00", "Trap 2, 2024-05-01 22:01:00"
    later = "Trap 1, 2024-05-01 23:30:00"
    assert found.samples.frame["group"].to_list() == [one, one, one, later, other, None, None]
    assert found.notes == (
        "5 images of 2 cameras in 3 groups by their EXIF: taken by one camera, each at most 30 "
        "minutes after the one before; 2 images without a time in no group",
    )


@pytest.mark.skipif(not kinds.READS_HEIF, reason="fieldmark[heic] is not installed")
def test_exif_of_a_heic_is_read_as_that_of_a_jpeg(tmp_path):
    start = datetime(2024, 5, 1, 22, 0, 0)
    for name, minutes in (("a.heic", 0), ("b.HEIC", 20), ("c.jpg", 40), ("d.heic", 90)):
        taken(tmp_path, name, start + timedelta(minutes=minutes))
    files = sorted(path.name for path in tmp_path.iterdir())
    samples = Samples.from_columns({"path": files}, str(tmp_path))
    one, later = "Trap 1, 2024-05-01 22:00:00", "Trap 1, 2024-05-01 23:30:00"
    assert with_exif_groups(Listing(samples)).samples.frame["group"].to_list() == [
        *(one, one, one),
        later,
    ]


def test_exif_without_any_time_and_beside_a_column_is_refused(tmp_path):
    taken(tmp_path, "f.jpg", None)
    samples = Samples.from_columns({"path": ["f.jpg"]}, str(tmp_path))
    with pytest.raises(DataError) as told:
        with_exif_groups(Listing(samples))
    assert str(told.value) == (
        f"{tmp_path}: no image has a time in its EXIF (data.group=exif); leave it out, or name a "
        "column: data.group_column=NAME"
    )
    for other, value in (("group_column", "site"), ("levels", "group/class")):
        with pytest.raises(SettingsError, match=f"group=exif and {other} both say what belongs"):
            gather("digits", ["data.group=exif", f"data.{other}={value}"], {})
