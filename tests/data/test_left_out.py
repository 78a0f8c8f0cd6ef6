"""What is left out is counted and told, each kind in its own finding."""

import shutil

import pytest
from scenes import photo
from smallruns import QUIET

from fieldmark.data import kinds
from fieldmark.data.finding import KINDS, LEFT_OUT
from fieldmark.data.intake import take_in
from fieldmark.data.left_out import left_out_findings, left_out_notes
from fieldmark.data.sources import read_listing
from fieldmark.machine import INSTALL
from fieldmark.settings.data import DataSettings


@pytest.fixture
def photos(tmp_path):
    for number in range(12):
        for name in ("cat", "dog"):
            (tmp_path / name).mkdir(exist_ok=True)
            photo([number, len(name), ord(name[0])], 20, 20).save(tmp_path / name / f"{number}.png")
    return tmp_path


def notes(source):
    """What training says of files that it leaves out."""
    data = take_in(DataSettings(source=str(source)), QUIET)
    return [note for note in data.notes if "left out" in note]


def table(folder, *more):
    rows = [f"{name}/{number}.png,{name}" for name in ("cat", "dog") for number in range(12)]
    (folder / "t.csv").write_text("\n".join(["image,label", *rows, *more]) + "\n")
    return folder / "t.csv"


def told(source, *, labelled=False):
    found = [*left_out_findings(read_listing(str(source), labelled=labelled))]
    assert all(each.severity == KINDS[each.kind] for each in found)
    return {each.kind: each.sentence for each in found}


@pytest.mark.parametrize(
    ("row", "kind", "sentence"),
    [
        (
            "cat/77.png,cat",
            "no-file",
            "1 row has no file and is left out ({t}, 'line 26'); there is no file 'cat/77.png' in "
            "{root}; add it, or take the row out",
        ),
        (
            "cat/3.png,cat",
            "repeated-row",
            "1 row repeats another and is left out ({t}, 'line 26'); 'cat/3.png' stands in line 5 "
            "already; take one of the two out",
        ),
        (
            "cat/3.png,dog",
            "conflicting-rows",
            "2 rows give images two labels and are left out ({t}, 'line 5' and 'line 26'); "
            "'cat/3.png' is 'cat' here and 'dog' in line 26; keep one of the two",
        ),
        (
            "cat/3.png,cat,cat,cat",
            "broken-row",
            "1 row has cells too many or too few and is left out ({t}, 'line 26'); has 4 cells and "
            "the first line has 2; put texts that hold commas between quotation marks",
        ),
    ],
)
def test_each_kind_of_row_that_is_left_out_is_an_error_with_its_line_once(
    photos, row, kind, sentence
):
    source = table(photos, row)
    assert told(source) == {kind: sentence.format(t=source, root=photos)}
    assert told(source)[kind].count(str(source)) == 1


def test_rows_without_a_label_count_though_inspect_lists_them(photos):
    source = table(photos)
    source.write_text(source.read_text().replace("cat/3.png,cat", "cat/3.png,"))
    assert told(source) == {
        "no-label": "1 image has no label and is left out ('cat/3.png'); give each image a label, "
        "or take it out"
    }
    sentence = told(source, labelled=True)["no-label"]
    assert sentence.startswith(f"1 image has no label and is left out ({source}, 'line 5'); ")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((f"cat/a{end}", "foreign-format") for end in (".jxl", ".CR2", ".dcm", ".pdf", ".nrw")),
        *((f"dog/a{end}", "video") for end in (".mp4", ".MOV", ".avi")),
    ],
)
def test_files_of_foreign_formats_and_videos_in_a_folder_are_errors(photos, name, kind):
    (photos / name).write_bytes(b"" if kind == "video" else b"II*\0 as in raw files of cameras")
    assert list(told(photos)) == [kind]
    assert name in told(photos)[kind]


@pytest.mark.parametrize("zipped", [False, True])
def test_a_foreign_file_is_what_its_content_says_and_the_ending_only_where_that_says_nothing(
    photos, tmp_path, zipped
):
    (photos / "cat/a.jp2").write_bytes(b"PK\x03\x04 and more")
    (photos / "cat/b.mp4").write_bytes(b"\x00\x00\x00\x0cjP  \r\n\x87\n and more")
    (photos / "cat/c.psd").write_bytes(b"")
    source = shutil.make_archive(f"{tmp_path}-z", "zip", photos) if zipped else photos
    listing = read_listing(str(source))
    assert {name: why.rpartition(": is ")[2] for name, why in listing.left_out.items()} == {
        "cat/a.jp2": "an archive: unpack it",
        "cat/b.mp4": "JPEG 2000: it is not read; save it as JPEG or PNG",
        "cat/c.psd": "a Photoshop file: it is not read; save it as JPEG or PNG",
    }
    assert set(told(source)) == {"foreign-format"}


def test_several_reasons_are_counted_in_one_sentence_with_where_each_is_named(photos):
    (photos / "cat/a.jp2").write_bytes(b"PK\x03\x04 and more")
    for name in ("b.mp4", "c.mov"):
        (photos / "cat" / name).touch()
    (photos / "cat/d.png").touch()
    (photos / "cat/e.png").write_bytes((photos / "cat/1.png").read_bytes()[:200])
    (photos / "cat/f.png").write_bytes(b"a text")
    assert notes(photos) == [
        "6 images left out: 2 are each a video, 1 is an archive, 1 is empty, 1 ends too early, 1 "
        f"cannot be read; `fieldmark inspect {photos} --json` names each"
    ]


def test_six_of_one_reason_hide_no_name(photos):
    for name in range(6):
        (photos / f"cat/z{name}.png").touch()
    assert notes(photos) == [
        f"6 images left out: 6 are empty; `fieldmark inspect {photos} --json` names each"
    ]
    (photos / "cat/z5.png").unlink()
    [note] = notes(photos)
    assert note.startswith("5 images left out ('cat/z0.png', 'cat/z1.png', 'cat/z2.png', ")
    assert note.endswith(f"{photos}/cat/z0.png: is empty (0 bytes); copy it anew or take it out")


def test_what_can_be_installed_is_told_once():
    reason = f"is HEIC: {INSTALL} 'fieldmark[heic]' lets it be read; or save it as JPEG or PNG"
    left_out = {name: f"x/{name}: {reason}" for name in ("a.heic", "b.heic")}
    left_out["c.jpg"] = "x/c.jpg: is empty (0 bytes)"
    kinds_of = dict.fromkeys(("a.heic", "b.heic"), "foreign-format") | {"c.jpg": "zero-byte"}
    assert left_out_notes(left_out, kinds_of, {}, "fieldmark inspect x --json") == [
        f"3 images left out: 2 are HEIC, 1 is empty; {INSTALL} 'fieldmark[heic]' lets HEIC be "
        "read, and `fieldmark inspect x --json` names each"
    ]


@pytest.mark.skipif(kinds.READS_HEIF, reason="HEIC is read where fieldmark[heic] is installed")
def test_many_are_counted_and_three_are_named(photos):
    for number in range(6):
        (photos / "cat" / f"{number}.heic").touch()
    assert told(photos) == {
        "foreign-format": "6 files are of formats not read and are left out ('cat/0.heic', "
        "'cat/1.heic', 'cat/2.heic' and 3 more); each is HEIC: " + f"{INSTALL} "
        "'fieldmark[heic]' lets it be read; or save it as JPEG or PNG"
    }


def test_pictures_outside_of_class_folders_and_beside_splits_are_a_warning(photos):
    photo(1, 20, 20).save(photos / "loose.png")
    assert told(photos) == {
        "not-used": "pictures outside of class folders are not used: 'loose.png'"
    }
    for side in ("train", "test"):
        (photos / "split" / side).mkdir(parents=True)
        for name in ("cat", "dog"):
            (photos / "split" / side / name).mkdir()
            photo([len(side), ord(name[0])], 20, 20).save(photos / "split" / side / name / "1.png")
    (photos / "split" / "more").mkdir()
    photo(2, 20, 20).save(photos / "split" / "more" / "1.png")
    place = photos / "split"
    assert told(place) == {"not-used": f"beside the split folders, 'more' in {place} is not used"}
    [found] = left_out_findings(read_listing(str(place)))
    assert found.files == ("more/1.png",)


def test_whole_tables_and_folders_without_labels_leave_nothing_out(photos, tmp_path):
    assert told(photos) == told(table(photos)) == {}
    (tmp_path / "flat").mkdir()
    photo(1, 20, 20).save(tmp_path / "flat" / "1.png")
    assert told(tmp_path / "flat") == {}


def test_a_run_keeps_these_findings_for_its_report_and_tells_each_once(photos):
    data = take_in(DataSettings(source=str(table(photos, "cat/77.png,cat"))), QUIET)
    assert [each.kind for each in data.findings if each.kind in LEFT_OUT] == ["no-file"]
    assert len([note for note in data.notes if "cat/77.png" in note]) == 1
