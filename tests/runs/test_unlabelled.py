"""A run that is given images without labels ends with NAME.csv, NAME.pth and NAME.log."""

import pytest
import torch
from smallruns import QUIET, in_process, resume, train, train_and_die

from fieldmark.cli.main import run as fieldmark
from fieldmark.errors import RunError, SettingsError, StoppedError
from fieldmark.fit.keeper import Keeper
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import train_run

ONE_EPOCH = {"epochs": "1"}


@pytest.fixture(scope="module")
def table(photos):
    """A table beside photos of all classes, out of order, one broken, one not there."""
    (photos.parent / "broken.png").write_bytes(b"no picture")
    names = ["photos/red/03.png", "broken.png", "photos/blue/00.png", "9.png", "photos/red/01.png"]
    path = photos.parent / "test.csv"
    path.write_text("\n".join(["ImageID", *names]) + "\n")
    return path


@pytest.fixture(scope="module")
def done(photos, table, tmp_path_factory):
    out = tmp_path_factory.mktemp("done")
    return train(photos, out, "a.b", f"data.predict={table}", **ONE_EPOCH)


def names_of(run):
    return {path.name for path in run.path.iterdir()}


def test_its_files_are_those_of_predict_and_of_export(done, table, tmp_path):
    assert {"a.b.csv", "a.b.pth", "a.b.log"} <= names_of(done)
    words = ["predict", str(done.path), str(table), "--format", "kaggle"]
    assert fieldmark([*words, "--out", str(tmp_path / "own.csv")]) == 1  # for those not read
    text = (done.path / "a.b.csv").read_text()
    assert text == (tmp_path / "own.csv").read_text()
    rows = [line.split(",") for line in text.splitlines()]
    assert rows[0] == ["ImageID", "label"]
    assert [name for name, _ in rows[1:]] == table.read_text().split()[1:]
    assert [bool(label) for _, label in rows[1:]] == [True, False, True, False, True]
    tensors = torch.load(done.path / "a.b.pth", weights_only=True)
    assert sum(each.numel() for each in tensors.values()) > 0


def test_the_log_says_which_images_have_no_label_how_long_it_took_and_what_the_model_weighs(
    done, table
):
    said = (done.path / "a.b.log").read_text()
    assert (
        f"WARNING  note: {table}: 2 images could not be read and have no label: 'broken.png' and "
        f"'9.png'; {table.parent / 'broken.png'}: "
    ) in said
    size = (done.path / "model.safetensors").stat().st_size / 1e6
    assert f"model   {done.path / 'model.safetensors'}, {size:.3f} MB\n" in said
    assert f"csv     {done.path / 'a.b.csv'}\n" in said
    assert f"pth     {done.path / 'a.b.pth'}\n" in said
    assert " s in all" in said


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_answers_writes_them_when_it_goes_on(
    done, photos, table, tmp_path
):
    point, words = "fieldmark.use.kaggle:Kaggle._write", (f"data.predict={table}", "train.epochs=1")
    assert in_process(train_and_die, point, 1, photos, tmp_path, "b", words) == -9
    run = type(done)(tmp_path / "b")
    assert not run.is_done
    assert not {"b.csv", "b.pth"} & names_of(run)
    resume(run)
    assert (run.path / "b.csv").read_text() == (done.path / "a.b.csv").read_text()
    assert (run.path / "b.pth").is_file()
    assert not [name for name in names_of(run) if name.endswith(".part")]


@pytest.mark.slow
def test_a_run_that_is_stopped_has_none_also_where_it_had_ended_before(
    photos, table, tmp_path, monkeypatch
):
    run = train(photos, tmp_path, "e", f"data.predict={table}", **ONE_EPOCH)
    assert {"e.csv", "e.pth"} <= names_of(run)
    real = Keeper.note_step

    def stopping(self, row):
        self.stop_asked = lambda: True
        real(self, row)

    monkeypatch.setattr(Keeper, "note_step", stopping)
    with pytest.raises(StoppedError):
        resume(run, epochs="4")
    assert not {"e.csv", "e.pth"} & names_of(run)
    monkeypatch.undo()
    resume(run)
    assert {"e.csv", "e.pth"} <= names_of(run)


def test_what_is_wrong_with_the_table_is_told_with_the_other_mistakes(photos, table, tmp_path):
    (tmp_path / "text.doc").write_text("a")
    (tmp_path / "no.csv").write_text("x,y\n1,2\n")
    cases = {
        tmp_path / "text.doc": "is no table; name a .csv, .tsv or .parquet file of images",
        tmp_path / "none.csv": "there is no file",
        tmp_path / "no.csv": "no column is of images by its name",
    }
    for path, what in cases.items():
        with pytest.raises(SettingsError) as caught:
            gather(str(photos), ["optimizer=adamm"], {"predict": str(path)})
        assert len(caught.value.mistakes) == 2
        assert what in str(caught.value)
    with pytest.raises(SettingsError, match="there is no such folder; name the one of the images"):
        gather(str(table), [], {"predict": str(table), "images": str(tmp_path / "nowhere")})


def test_a_run_goes_on_only_where_the_table_is_still_there(photos, table, tmp_path):
    copy = table.with_name("gone.csv")
    copy.write_text(table.read_text())
    run = train(photos, tmp_path, "c", f"data.predict={copy}", **ONE_EPOCH)
    copy.unlink()
    with pytest.raises(
        SettingsError,
        match=r"data\.predict: there is no file '.*gone\.csv'; name a table of images",
    ):
        resume(run, epochs="2")
    assert {"c.csv", "c.pth"} <= names_of(run)


def test_a_network_that_is_no_plain_state_dict_is_told_and_the_run_ends_well(
    photos, table, weights, tmp_path
):
    words = ("run.naming={data}_{model}_{optimizer}_{lr}_{seed}", "run.tag=t")
    words = (*words, "features.solver=exact", "features.scalings=[length]", "model.freeze=true")
    words = (*words, "model.width=4", "run.workers=0", f"data.predict={table}")
    resolved = gather(str(photos), [*weights[:2], *words], {"out": str(tmp_path)})
    run = train_run(resolved, QUIET, "a test")
    assert run.is_done
    assert run.name == "photos_small_cnn_adamw_0.01_0-t"
    assert {f"{run.name}.csv", f"{run.name}.log"} <= names_of(run)
    assert f"{run.name}.pth" not in names_of(run)
    assert (
        f"note: no {run.name}.pth: has the head 'linear' with length=true, which 'small_cnn' of "
        "its library has not, so that no plain state dict is the whole of it; train with "
        "head.name=linear, head.pool=mean and features.scalings='[plain, standard]'\n"
    ) in run.log.read_text()


def test_a_name_whose_table_would_be_another_file_of_the_run_is_refused(photos, tmp_path):
    with pytest.raises(RunError) as caught:
        gather(str(photos), [], {"out": str(tmp_path), "name": "history"})
    assert str(caught.value) == (
        "--name history: history.csv is another file of a run; choose another name"
    )
