"""`fieldmark inspect`: what it prints, writes and answers."""

import json
import re
import shutil

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
        (photos / "red" / f"{place:02}.heic").touch()
    lines = inspect(capsys, photos)[1].splitlines()
    left_out = [line for line in lines if line.startswith("left out: ")]
    assert len(left_out) == 21
    assert left_out[0].startswith("left out: red/00.heic: ")
    assert left_out[-1] == "left out: 3 more; --json names all"


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
        inspect(capsys, photos, "--page", "p.html")
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
