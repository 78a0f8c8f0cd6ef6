"""What is refused before any work is done, and the table of formats."""

import json

import pytest
from tinybundles import one_label

from fieldmark.cli.main import run as fieldmark
from fieldmark.errors import RunError, SettingsError
from fieldmark.export import formats
from fieldmark.export.formats import Asked, refuse_before_work
from fieldmark.machine import INSTALL
from fieldmark.use.ensemble import Joining, Member


def refused(path, to, place, asked=Asked(), *, overwrite=False):  # noqa: B008
    with pytest.raises((RunError, SettingsError)) as told:
        refuse_before_work(path, to, place, asked, overwrite=overwrite)
    return str(told.value)


def test_a_format_that_there_is_not_is_answered_by_what_is_meant(tmp_path):
    assert refused(tmp_path, "h5", tmp_path / "out").startswith(
        "--to: there is no format 'h5'; there are 'onnx'"
    )
    told = refused(tmp_path, "state_dict", tmp_path / "out")
    assert told == "--to: there is no format 'state_dict'; did you mean 'pth'?"


def test_a_package_that_is_lacking_is_told_with_what_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "is_installed", lambda name: name != "onnxscript")
    assert refused(tmp_path, "onnx", tmp_path / "out") == (
        "--to: 'onnxscript' is not installed, which onnx needs; install it with: "
        f"{INSTALL} 'fieldmark[onnx]'"
    )


def test_weights_alone_have_no_third_output(tmp_path):
    told = refused(tmp_path, "pth", tmp_path / "out", Asked(embedding=True))
    assert told == "--embedding: pth holds weights and no outputs; leave it out"


@pytest.mark.parametrize(
    ("to", "given", "told"),
    [
        (
            "onnx",
            {"precision": "int4"},
            "--precision: there is no precision 'int4'; did you mean 'int8'?",
        ),
        (
            "onnx",
            {"precision": "half"},
            "--precision: there is no precision 'half'; did you mean 'float16'?",
        ),
        (
            "pth",
            {"precision": "int8"},
            "--precision: pth is written in 'float32' alone; leave it out, or take '--to onnx'",
        ),
        (
            "pth",
            {"precision": "float16"},
            "--precision: pth is written in 'float32' alone; leave it out, or take '--to onnx' "
            "and '--to openvino'",
        ),
        (
            "onnx",
            {"precision": "int8", "at_most_worse": -1.0},
            "--at-most-worse: -1 is no number of points; give 0 or more",
        ),
        (
            "onnx",
            {"at_most_worse": 2.0},
            "--at-most-worse: float32 is held to every decision; leave it out, or add --precision",
        ),
        (
            "onnx",
            {"precision": "int8", "images": ("photos",)},
            "--images: int8 is judged by labels, on the run's own images; leave it out",
        ),
    ],
)
def test_what_stands_against_fewer_bits_is_told_before_any_work(tmp_path, to, given, told):
    if to == "onnx":
        pytest.importorskip("onnxscript")
    assert refused(tmp_path, to, tmp_path / "out", Asked(**given)) == told


def test_what_several_models_cannot_have_is_told_before_any_work(tmp_path):
    pytest.importorskip("onnxscript")
    place, classes = tmp_path / "out", ("a", "b")
    for name in classes:
        one_label(tmp_path / name, ("a", "b"))
    what = f"{tmp_path}: is 2 models that answer as one"
    members = tuple(Member(name, label=name) for name in classes)
    Joining(classes, members, "one-vs-rest").write(tmp_path)
    assert refused(tmp_path, "pth", place) == (
        f"{what}, and pth holds the weights of one; name one of them, such as {tmp_path / 'a'}"
    )
    assert refused(tmp_path, "onnx", place, Asked(embedding=True)) == (
        f"{what}, so that it has no one embedding; leave --embedding out"
    )
    assert refused(tmp_path, "onnx", place, Asked(precision="int8")) == (
        f"{what}, and the images of each are of one class and of the rest, so that int8 cannot be "
        "judged by all classes; leave --precision out"
    )
    Joining(classes, members).write(tmp_path)
    assert refuse_before_work(
        tmp_path, "onnx", place, Asked(precision="int8"), overwrite=False
    ).classes


def test_a_file_in_fewer_bits_has_a_folder_of_its_own(tmp_path):
    assert formats.place_of(tmp_path, "onnx", None, "int8") == tmp_path / "exports" / "onnx-int8"


def test_a_folder_without_a_model_is_told(tmp_path):
    assert refused(tmp_path / "no", "pth", tmp_path / "out") == (
        f"{tmp_path / 'no'}: there is no such folder; name one that holds a trained model"
    )


def test_a_place_that_is_taken_stays_unless_it_is_an_export_and_may_go(tmp_path):
    bundle, place = one_label(tmp_path / "run"), tmp_path / "mine"
    place.mkdir()
    taken = f"{place}: exists already; choose another --out, or add --overwrite"
    assert refused(bundle, "pth", place) == taken
    stays = f"{place}: is no export (export.json), so it stays; choose another --out"
    assert refused(bundle, "pth", place, overwrite=True) == stays
    (place / "export.json").write_text("{}")
    assert refuse_before_work(bundle, "pth", place, Asked(), overwrite=True).classes


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--format pth", "there is no option --format; did you mean --to?"),
        ("--include onnx", "there is no option --include; did you mean --to?"),
        ("--onnx", "there is no option --onnx; did you mean --to onnx?"),
        (
            "--opset 17",
            "there is no option --opset; the exporter chooses, and the file says it in export.json",
        ),
        ("--half", "there is no option --half; did you mean --precision float16?"),
        ("--int8", "there is no option --int8; did you mean --precision int8?"),
        ("--quantize", "there is no option --quantize; did you mean --precision int8?"),
        (
            "--imgsz 320",
            "there is no option --imgsz; images of any size are taken, and resized inside; "
            "leave it out",
        ),
        ("--dynamic", "there is no option --dynamic; the number of images is free; leave it out"),
        (
            "--simplify",
            "there is no option --simplify; the file stays as torch's exporter makes it; "
            "leave it out",
        ),
    ],
)
def test_words_of_other_tools_are_answered(words, told, capsys):
    assert fieldmark(["export", "runs/first", *words.split()]) == 2
    assert capsys.readouterr().err == f"fieldmark: {told}\n"


def test_the_formats_are_listed_with_what_they_need(capsys):
    assert fieldmark(["options", "export"]) == 0
    told = capsys.readouterr().out
    for name, form in formats.FORMATS.items():
        assert f"\n{name} " in f"\n{told}"
        assert form.about in " ".join(told.split())
    assert fieldmark(["options", "export", "pth", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert row == {"name": "pth", "about": formats.FORMATS["pth"].about, "extra": ""}
    assert fieldmark(["options", "export", "h5"]) == 2
    assert "NAME: there is no format 'h5'" in capsys.readouterr().err
