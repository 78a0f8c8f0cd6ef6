"""A run whose photos moved goes on where they are the same, to the bits of one never moved."""

import shutil
import zipfile

import pytest
from smallruns import (
    QUIET,
    draw_photos,
    in_process,
    pages,
    same_results,
    train,
    train_and_die,
)

from fieldmark.cli.main import run as fieldmark
from fieldmark.data.intake import Dataset
from fieldmark.errors import DataError, RunError
from fieldmark.rundir import RunDir
from fieldmark.runs.concrete import make_paths_absolute
from fieldmark.runs.moved import _refuse_test_elsewhere, named_anew
from fieldmark.runs.resume import resume_run
from fieldmark.settings.layers import Layer
from fieldmark.settings.texts import read_file, read_given
from fieldmark.settings.tree import Settings

WORDS = ("train.batch_size=8", "train.checkpoint_minutes=1e-9", "augment=standard")


def go_on(run, *words):
    with pages(False):
        return resume_run(str(run.path), read_given(words, {}, None), QUIET)


def test_a_table_in_a_zip_is_where_it_was_and_its_path_holds_from_any_folder(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "t3.zip", "w") as archive:
        archive.writestr("labels.csv", "image,label\n")
    source, run = f"{tmp_path}/t3.zip/labels.csv", RunDir(tmp_path / "run")
    run.path.mkdir()
    run.settings.write_text(f"data:\n  source: {source}\n")
    monkeypatch.chdir(tmp_path)
    assert named_anew(run, Layer("typed", {})).values == {}
    layer = Layer("typed", {"data.source": "t3.zip/labels.csv"})
    assert named_anew(run, layer).values == {"data.source": source}
    (tmp_path / "md.json").write_text("[]")
    settings = Settings(data={"source": "t3.zip/labels.csv", "crops": "md.json"})
    values = settings.model_dump()
    make_paths_absolute(values)
    assert values["data"]["source"] == source
    assert values["data"]["crops"] == f"{tmp_path}/md.json"


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    return train(photos, tmp_path_factory.mktemp("whole"), "whole", *WORDS)


@pytest.mark.slow
def test_a_killed_run_goes_on_with_moved_photos_to_the_bits_of_one_never_moved(
    whole, photos, tmp_path
):
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(photos, here)
    in_process(train_and_die, "fieldmark.fit.loop:step", 7, here, tmp_path, "run", WORDS)
    run = RunDir(tmp_path / "run")
    here.rename(there)
    with pytest.raises(RunError) as caught:
        go_on(run)
    assert str(caught.value) == (
        f"{run.path}: its photos are no longer in {here}; put them back, or name where they are: "
        f"fieldmark train --resume {run.path} data.source=NEW"
    )
    settings = run.settings.read_bytes()
    other = there / "red" / "00.png"
    kept = other.read_bytes()
    other.write_bytes((there / "red" / "01.png").read_bytes())
    with pytest.raises(DataError) as refused:
        go_on(run, f"data.source={there}")
    assert str(refused.value) == (
        f"data.source={there}: 1 of 48 images of the run are not there as they were ('red/00.png' "
        "is one); name the place that holds them all, or start a new run"
    )
    assert run.settings.read_bytes() == settings  # nothing is written
    other.write_bytes(kept)
    assert same_results(go_on(run, f"data.source={there}"), whole)
    assert Dataset.read(run.samples).samples.root == str(there)
    assert read_file(run.settings).values["data.source"] == str(there)
    assert run.read_command() == f"fieldmark train --config {run.settings}"


def test_a_finished_run_knows_its_photos_where_they_are_now(whole, photos, tmp_path, capsys):
    run = RunDir(tmp_path / "run")
    shutil.copytree(whole.path, run.path)
    there = tmp_path / "there"
    shutil.copytree(photos, there)
    weights = (run.path / "model.safetensors").read_bytes()
    assert fieldmark(["train", "--resume", str(run.path), f"data.source={there}"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"48 images found again in {there}, each the same"
    assert Dataset.read(run.samples).samples.root == str(there)
    assert (run.path / "model.safetensors").read_bytes() == weights
    assert run.is_done
    assert run.read_manifest()["files"]["settings.yaml"] == run.settings.stat().st_size


@pytest.mark.parametrize(
    ("key", "old"), [("data.test", "auto"), ("data.images", "none"), ("data.source", "digits")]
)
def test_a_place_that_the_run_has_not_cannot_be_named_anew(tmp_path, key, old):
    run = RunDir(tmp_path)
    run.settings.write_text("data: {source: digits, test: auto, images: null}\n")
    with pytest.raises(RunError) as caught:
        named_anew(run, read_given([f"{key}={tmp_path}"], {}, None))
    assert str(caught.value) == (
        f"{key}: has no place in this run (it is {old}), so there is none to name anew; leave it "
        "out, or start a new run with --config"
    )


def test_a_finished_run_is_done_without_its_photos_and_a_kill_between_the_files_is_mended(
    whole, photos, tmp_path, capsys
):
    run, here, there = RunDir(tmp_path / "run"), tmp_path / "here", tmp_path / "there"
    shutil.copytree(whole.path, run.path)
    shutil.copytree(photos, here)
    go_on(run, f"data.source={here}")
    settings = run.settings.read_bytes()
    here.rename(there)
    assert fieldmark(["train", "--resume", str(run.path)]) == 0
    assert f"{run.path} is done" in capsys.readouterr().out
    with pytest.raises(RunError, match="its photos are no longer in"):
        go_on(run, "train.epochs=9")
    go_on(run, f"data.source={there}")
    run.settings.write_bytes(settings)  # as a kill between the two files leaves them
    go_on(run, f"data.source={there}")
    assert Dataset.read(run.samples).samples.root == str(there)
    assert read_file(run.settings).values["data.source"] == str(there)


def test_a_test_set_is_named_where_its_images_are(tmp_path):
    def check(at):
        before = Layer("", {"data.source": "/a/train", "data.test": "/a/test"})
        _refuse_test_elsewhere("/a", "/b", before, Layer("", {"data.test": at}))

    check("/b/test")
    with pytest.raises(DataError) as caught:
        check("/c/test")
    assert str(caught.value) == (
        "data.test=/c/test: the test images of this run are not there but in /b/test; name that, "
        "or start a new run"
    )


def test_photos_named_as_data_are_told_how_they_are_named(whole, photos, capsys):
    assert fieldmark(["train", str(photos), "--resume", str(whole.path)]) == 2
    assert capsys.readouterr().err == (
        "fieldmark: DATA: does not go with --resume; leave it out, or, where its photos moved, "
        "write data.source=NEW\n"
    )


@pytest.mark.slow
def test_a_tables_images_are_found_where_they_lie_to_it_as_before(tmp_path):
    photos = draw_photos(tmp_path / "old" / "pictures", each=6)
    names = sorted(path.relative_to(photos) for path in photos.rglob("*.png"))
    rows = "".join(f"{name},{name.parent}\n" for name in names)
    (tmp_path / "old" / "labels").mkdir()
    table = tmp_path / "old" / "labels" / "t.csv"
    table.write_text(f"image,label\n{rows}")
    run = train(table, tmp_path, "run", f"data.images={photos}", epochs="1")
    (tmp_path / "old").rename(tmp_path / "new")
    moved = tmp_path / "new"
    go_on(run, f"data.source={moved}/labels/t.csv", f"data.images={moved}/pictures")
    assert Dataset.read(run.samples).samples.root == str(moved / "pictures")
