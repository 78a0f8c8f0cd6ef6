"""`fieldmark inspect`: what it prints, writes and answers."""

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from smallruns import draw_photos

from fieldmark.cli.main import run as fieldmark


@pytest.fixture
def photos(tmp_path):
    return draw_photos(tmp_path / "photos", each=12, side=80)


def inspect(capsys, *words):
    code = fieldmark(["inspect", *map(str, words)])
    return code, capsys.readouterr().out


def test_sound_images_are_said_to_be(capsys, photos, tmp_path):
    code, said = inspect(capsys, photos, "--strict")
    assert code == 0
    assert said.splitlines()[:2] == ["class     all", "blue       12"]
    assert said.splitlines()[-2:] == [
        "36 images in 3 classes: nothing to mend was found",
        "page     inspect-photos.html",
    ]
    page = (tmp_path / "inspect-photos.html").read_text()
    assert "http:" not in page
    assert "https:" not in page


def test_findings_are_told_and_strict_fails(capsys, photos, tmp_path):
    (photos / "red" / "zero.png").touch()
    shutil.copy(photos / "red" / "00.png", photos / "blue" / "copy.png")
    code, said = inspect(capsys, photos)
    assert code == 0
    assert "error    zero-byte: " in said
    assert "error    conflicting-labels: " in said
    assert inspect(capsys, photos, "--strict")[0] == 2
    code, said = inspect(capsys, photos, "--strict", "--json")
    found = json.loads(said)
    assert code == 2
    kinds = {each["kind"]: each["files"] for each in found["findings"]}
    assert kinds["zero-byte"] == ["red/zero.png"]
    assert set(kinds["conflicting-labels"]) == {"red/00.png", "blue/copy.png"}
    assert found["images"] == 38


def test_of_many_images_that_are_left_out_the_rest_is_counted(capsys, photos):
    for place in range(23):
        (photos / "red" / f"{place:02}.jxl").touch()
    lines = inspect(capsys, photos)[1].splitlines()
    assert [line for line in lines if ".jxl" in line] == [
        "error    foreign-format: 23 files are of formats not read and are left out ("
        "'red/00.jxl', 'red/01.jxl', 'red/02.jxl' and 20 more); each is JPEG XL: it is not read; "
        "save it as JPEG or PNG"
    ]
    assert lines[-3] == "--json names all that is left out"
    found = json.loads(inspect(capsys, photos, "--json")[1])["findings"]
    assert [len(each["files"]) for each in found if each["kind"] == "foreign-format"] == [23]


@pytest.mark.parametrize("kind", ["row", "label", "jxl"])
def test_what_is_left_out_stands_in_the_verdict_the_page_and_json_and_strict_fails(
    capsys, photos, tmp_path, kind
):
    source, said = photos, "36 images in 3 classes and 1 left out: 1 error"
    rows = [f"{name}/{k:02}.png,{name}" for name in ("red", "blue") for k in range(12)]
    if kind == "jxl":
        (photos / "red" / "x.jxl").touch()
    else:
        source = photos / "t.csv"
        rows += ["red/77.png,red"] if kind == "row" else []
        table = "\n".join(["image,label", *rows])
        source.write_text(table if kind == "row" else table.replace("00.png,red", "00.png,"))
        said = f"{24 - (kind == 'label')} images in 2 classes and 1 left out: 1 error"
    code, lines = inspect(capsys, source, "--strict")
    assert code == 2
    assert lines.splitlines()[-2] == said
    assert "--json" not in lines
    assert said in next(tmp_path.glob("inspect-*.html")).read_text()
    code, told = inspect(capsys, source, "--strict", "--json")
    assert code == 2
    assert json.loads(told)["verdict"] == said
    assert len(json.loads(told)["left_out"]) == 1


def test_a_folder_of_which_no_picture_can_be_read_has_its_page(capsys, photos, tmp_path):
    for picture in photos.rglob("*.png"):
        picture.write_bytes(b"")
    code, said = inspect(capsys, photos, "--strict")
    assert code == 2
    assert said.splitlines()[-2] == "0 images in 3 classes and 36 left out: 2 errors"
    assert "labels  " not in said
    assert "36 files are empty" in (tmp_path / "inspect-photos.html").read_text()


def test_pictures_whose_names_begin_with_labels_are_told_how_to_be_read(capsys, tmp_path):
    (tmp_path / "flat").mkdir()
    for k in range(8):
        Image.new("RGB", (70, 70), (k, 9, 9)).save(tmp_path / f"flat/{'ab'[k % 2]}_{k}.png")
    said = inspect(capsys, tmp_path / "flat")[1]
    assert (
        "note: there are no class folders: the pictures have no labels; where names of files are "
        "labels ('a' and 'b'), add data.pattern='{label}_{}.png'"
    ) in said.splitlines()


def test_images_without_labels_are_told_how_labels_are_given(capsys, photos):
    (photos / "red").rename("flat")
    code, said = inspect(capsys, "flat", "--strict")
    assert code == 0
    assert "class" not in said.splitlines()[0]
    assert said.splitlines()[-4:] == [
        "warning  unlabelled: no image has a label, and training needs them: put those of a class "
        "into a folder of its own, such as flat/cat/1.jpg, or name a table with their labels; a "
        "trained model gives them: fieldmark predict RUN flat",
        "",
        "12 images, none with a label: 1 warning",
        "page     inspect-flat.html",
    ]
    Path("t.csv").write_text("file\n" + "\n".join(map(str, Path("flat").iterdir())))
    said = inspect(capsys, "t.csv")[1]
    assert (
        "no image has a label, and training needs them: give the table a column of labels, and "
        "name it with data.label_column=NAME; a trained model gives them: fieldmark predict RUN "
        "t.csv"
    ) in said


def test_a_place_is_printed_once(capsys, photos):
    (photos / "red" / "x.jxl").touch()
    (photos / "t.csv").write_text("image,label\nred/00.png,red\nblue/00.png,blue\nred/99.png,red\n")
    for source, place in ((photos, "red/x.jxl"), (photos / "t.csv", "line 4")):
        assert inspect(capsys, source)[1].count(place) == 1


def test_the_part_that_is_seen_is_told_of_large_images_alone(capsys, photos, tmp_path):
    assert "seen      the square in the middle is 77 % of the median picture (80 x 80 pixels)" in (
        inspect(capsys, photos)[1].splitlines()
    )
    assert "77 % of the median picture" in (tmp_path / "inspect-photos.html").read_text()
    small = draw_photos(tmp_path / "small", each=12, side=16)
    assert "seen  " not in inspect(capsys, small)[1]
    for picture in photos.rglob("*.png"):
        Image.open(picture).resize((240, 70)).save(picture)
    assert (
        "seen      all, squeezed to a square: the square in the middle is 22 % of the median "
        "picture (240 x 70 pixels)"
    ) in inspect(capsys, photos)[1].splitlines()


def test_the_page_of_the_same_images_is_the_same(capsys, tmp_path):
    photos = tmp_path / "photos"
    for side in range(20, 60):
        draw_photos(photos / f"{side}", each=1, side=side)
    for place, picture in enumerate(sorted(photos.rglob("*.png"))):
        if ending := (".png", ".bmp", ".gif", ".webp", ".tif")[place % 5]:
            Image.open(picture).save(picture.with_name(f"{place}{ending}"))
            picture.unlink()
    texts = set()
    for _ in range(3):
        inspect(capsys, photos, "data.levels=class", "--page", "p.html")
        texts.add(re.sub(r"<dd>[^<]*</dd>", "", (tmp_path / "p.html").read_text()))
    assert len(texts) == 1


def test_augmented_images_are_shown_on_the_page(capsys, photos, tmp_path):
    assert inspect(capsys, photos, "--augment", "standard", "--page", "p.html")[0] == 0
    page = (tmp_path / "p.html").read_text()
    assert "as evaluated" in page
    assert "draw 5" in page


def test_a_table_of_labels_is_inspected(capsys, photos, tmp_path):
    rows = ["filename,species,site"]
    rows += [f"{name}/0{k}.png,{name},{k}" for name in ("red", "blue") for k in range(3)]
    (photos / "labels.csv").write_text("\n".join(rows) + "\nred/77.png,red,1\n")
    table, column = photos / "labels.csv", "data.label_column=species"
    code, said = inspect(capsys, table, column, "--json")
    found = json.loads(said)
    assert code == 0
    assert {name: sum(sides.values()) for name, sides in found["classes"].items()} == {
        "red": 3,
        "blue": 3,
    }
    assert "red/77.png" in json.dumps(found)


@pytest.mark.parametrize("words", [(), ("--page", "inspect-photos.html")])
def test_a_page_never_takes_another_files_place_and_nothing_is_looked_at(
    capsys, photos, tmp_path, monkeypatch, words
):
    (tmp_path / "inspect-photos.html").write_text("mine")
    monkeypatch.setattr("fieldmark.reviews.inspect.look", None)
    assert fieldmark(["inspect", str(photos), *words]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: --page inspect-photos.html: is no page of Fieldmark's, so it stays; choose "
        "another name\n"
    )
    assert (tmp_path / "inspect-photos.html").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere"], "nowhere"),
        ([], "DATA: is missing; name a folder of class folders"),
        (["digits", "--augment", "huge"], "--augment: there is no augmentation 'huge'"),
    ],
)
def test_a_mistake_is_one_sentence(capsys, tmp_path, words, line):
    assert fieldmark(["inspect", *words]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert line in said[0]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def several(photos):
    """A table of the photos: labels 1, 2 and 4, some photos with two, a caption each."""
    rows = ["image,labels,caption"]
    for k in range(12):
        rows.append(f'red/{k:02}.png,1 4,"Red is the ball, {k % 3} of them."')
        rows.append(f"green/{k:02}.png,2,the green fire hydrant")
        rows.append(f"blue/{k:02}.png,4,the sea has a ball")
    (photos / "labels.csv").write_text("\n".join(rows) + "\n")
    return photos / "labels.csv"


def test_several_labels_are_studied_and_names_proposed(capsys, several, tmp_path):
    code, said = inspect(capsys, several)
    assert code == 0
    lines = said.splitlines()
    assert lines[:5] == [
        "class     all",
        "1          12",
        "2          12",
        "4          24",
        "all        36",
    ]
    for line in (
        "labels    of an image: one 24, two 12",
        "absent    3 is never a label, though the labels run from 1 to 4",
        "together  '1' with '4': 12 of 12 (100 %; of all images 67 %), 1.5 times as often",
        "may mean  1 red, 2 fire hydrant, 4 ball",
        "names    inspect-labels-names.csv: change what is wrong, and accept with "
        "data.label_names=inspect-labels-names.csv",
    ):
        assert line in lines
    page = (tmp_path / "inspect-labels.html").read_text()
    assert "<b><bdi>1, 4</bdi></b>Red is the ball, 0 of them." in page


def test_the_task_and_files_without_a_row_are_told(capsys, photos, several):
    rows = several.read_text().splitlines()
    rows = [row for row in rows if not row.startswith("red/03.png")] + ["green/00.png,,nothing"]
    several.write_text("\n".join(row for row in rows if "green/00.png,2" not in row) + "\n")
    said = inspect(capsys, several)[1]
    notes = [line for line in said.splitlines() if line.startswith("note: ")]
    assert notes[-3:] == [
        "note: several labels an image were found (11 of 35 images have two or more), so each "
        "label is a question of its own: multi-label; data.task=single-label refuses them",
        "note: 1 image has no label: none of the classes",
        f"note: 1 file in {photos / 'red'} has no row and is not used ('03.png')",
    ]
    assert json.loads(inspect(capsys, several, "--json")[1])["notes"][-3:] == [
        line.removeprefix("note: ") for line in notes[-3:]
    ]
    assert "1 image has no label: none of the classes" in (Path("inspect-labels.html").read_text())


def test_names_that_a_person_changed_are_shown_and_stay(capsys, several, tmp_path):
    names = tmp_path / "inspect-labels-names.csv"
    inspect(capsys, several)
    names.write_text(names.read_text().replace("1,red,", "1,big ball,"))
    kept = names.read_text()
    said = inspect(capsys, several)[1]
    assert said.endswith("names    inspect-labels-names.csv is there already and stays\n")
    assert names.read_text() == kept
    code, said = inspect(capsys, several, f"data.label_names={names}")
    assert code == 0
    assert said.splitlines()[1:4] == [
        "big ball          12",
        "fire hydrant      12",
        "ball              24",
    ]
    assert "names    " not in said
    assert "<bdi>big ball, ball</bdi>" in (tmp_path / "inspect-labels.html").read_text()
    found = json.loads(inspect(capsys, several, "--json", f"data.label_names={names}")[1])
    assert list(found["classes"]) == ["1", "2", "4"]
    assert found["label_counts"]["names"] == {"1": "big ball", "2": "fire hydrant", "4": "ball"}


def test_a_mistake_in_the_names_is_one_sentence(capsys, several, tmp_path):
    (tmp_path / "names.csv").write_text("label,name\n3,sign\n")
    assert fieldmark(["inspect", str(several), "data.label_names=names.csv"]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: names.csv, line 2: there is no label '3' in the images; there are '1', '2' "
        "and '4'\n"
    )


def test_a_file_of_names_that_is_not_there_is_told_before_any_image_is_read(
    capsys, several, monkeypatch
):
    monkeypatch.setattr("fieldmark.reviews.inspect.listed_of", None)
    assert fieldmark(["inspect", str(several), "data.label_names=gone.csv"]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: data.label_names=gone.csv: cannot be read (No such file or directory); name a "
        "file as `fieldmark inspect` writes one\n"
    )


def test_names_are_written_where_they_are_asked_for(capsys, several, tmp_path):
    inspect(capsys, several, "--names", "new/n.csv")
    assert (tmp_path / "new" / "n.csv").read_text().startswith("label,name,")
    assert not list(tmp_path.glob("*-names.csv"))


def test_classes_with_names_of_their_own_get_none(capsys, photos, tmp_path):
    assert "names    " not in inspect(capsys, photos)[1]
    assert not list(tmp_path.glob("*-names.csv"))
    assert inspect(capsys, photos, "--names", "n.csv")[1].endswith(
        "names    n.csv is not written: names are for labels that are numbers, from captions\n"
    )
    assert not (tmp_path / "n.csv").exists()


def test_images_that_cannot_be_read_are_not_studied(capsys, several):
    (several.parent / "red" / "00.png").write_bytes(b"no picture")
    found = json.loads(inspect(capsys, several, "--json")[1])
    assert found["label_counts"]["images"] == 35
    assert found["label_counts"]["labels"] == {"1": 11, "2": 12, "4": 23}
    assert found["label_counts"]["captions"]["images"] == 35
    assert sum(n for _, _, n in found["sizes"]) == 35


def test_rows_without_a_label_are_counted(capsys, several):
    text = several.read_text()
    several.write_text(text.replace("green/00.png,2,", "green/00.png,,"))
    said = inspect(capsys, several)[1]
    assert "labels    of an image: none 1, one 23, two 12" in said.splitlines()
