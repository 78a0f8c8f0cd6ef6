"""A run as people work with it: made of what is in memory, its tables, what it says of others."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from smallruns import draw_photos, given_and_die, in_process

import fieldmark
from fieldmark.data.images import decode
from fieldmark.errors import DataError, RunError, SettingsError
from fieldmark.records import Predictions

SMALL = {"model": "small_cnn", "epochs": 2, "batch_size": 16, "lr": 0.01, "workers": 0}
DOTTED = {"model.width": 4}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos", each=12)


@pytest.fixture(scope="module")
def pairs(photos):
    return [(path, path.parent.name) for path in sorted(photos.rglob("*.png"))]


@pytest.fixture(scope="module")
def run(pairs, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    frame = pl.DataFrame(
        {"image": [str(path) for path, _ in pairs], "label": [name for _, name in pairs]}
    )
    return fieldmark.train(frame, out=out, quiet=True, **SMALL, **DOTTED)


def test_a_data_frame_of_paths_trains_as_the_folder_does(run, photos, tmp_path):
    same = fieldmark.train(photos, out=tmp_path, quiet=True, **SMALL, **DOTTED)
    weights = [(each.path / "model.safetensors").read_bytes() for each in (run, same)]
    assert weights[0] == weights[1]
    assert run.path.parent / "given" in (run.path.parent).iterdir()
    assert run.metrics["about"]["command"].startswith(f"fieldmark.train('{run.path.parent}/given/t")
    told = fieldmark.compare(run, same)
    assert repr(told).splitlines()[0].startswith("run")
    assert "are one model: their weights are the same" in repr(told)
    assert told["metric"] == "accuracy"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"learning_rate": 0.1}, "learning_rate: there is no such setting; did you mean lr=...?"),
        (
            {"patience": 3},
            'patience: there is no such setting; did you mean **{"train.patience": ...}?',
        ),
        (
            {"pretrained": True},
            'pretrained: there is no such setting; did you mean weights="default"?',
        ),
    ],
)
def test_an_unknown_keyword_is_answered_by_what_python_can_write(photos, given, said):
    with pytest.raises(SettingsError) as caught:
        fieldmark.train(photos, quiet=True, **given)
    assert str(caught.value) == said


@pytest.mark.parametrize("given", [{"epochs": "x"}, {"learning_rate": 1}, {"model": "resnet-1"}])
def test_data_that_is_refused_is_not_kept(tmp_path, given):
    pixels = np.zeros((4, 8, 8), np.uint8)
    with pytest.raises(SettingsError):
        fieldmark.train((pixels, list("abab")), out=tmp_path, quiet=True, **given)
    assert list(tmp_path.iterdir()) == []


def test_data_of_one_class_is_not_kept_and_what_was_there_stays(tmp_path):
    pixels = np.zeros((4, 8, 8), np.uint8)
    fieldmark.inspect(pixels, ["a"] * 4, out=tmp_path)
    kept = list((tmp_path / "given").iterdir())
    for labels, left in (("aaaa", kept), ("bbbb", kept)):
        with pytest.raises(DataError):
            fieldmark.train(pixels, list(labels), out=tmp_path, quiet=True, model="small_cnn")
        assert list((tmp_path / "given").iterdir()) == left


def test_a_run_shows_its_figures(run):
    shown, metrics = repr(run).splitlines(), run.metrics["test"]
    assert shown[0] == f"Run('{run.path}')"
    assert re.fullmatch(r"small_cnn, 3 classes, epoch [12] of 2 kept", shown[1])
    assert shown[2].startswith(f"test, {metrics['n']} images")
    assert any(f"accuracy           {metrics['accuracy']:.4f}" in line for line in shown)
    table = run._repr_html_()
    assert table.startswith(f"<table><caption>{run.path.name}: {shown[1]}</caption>")
    assert str(run.path.parent) not in table
    assert repr(fieldmark.Run("nowhere")) == "Run('nowhere'): has no figures yet"


def test_its_tables_are_data_frames(run):
    history, found = run.history, run.predictions
    assert history["epoch"].to_list() == [1, 2]
    stored = pl.read_parquet(run.path / "predictions.parquet")
    assert stored["guess"].to_list() == found["guess"].to_list()
    assert stored["score"].to_list() == found["score"].to_list()
    test = found.filter(split="test")
    right = (test["guess"] == test["truth"]).mean()
    assert right == pytest.approx(run.metrics["test"]["accuracy"])
    answers = run.predict(_places(run, test))
    assert [each.label for each in answers] == test["guess"].to_list()
    np.testing.assert_allclose([e.score for e in answers], test["score"].to_list(), atol=1e-5)
    assert "guess" not in Predictions.read(run.path / "predictions.parquet").frame.columns


def _places(run, frame):
    root = pl.read_parquet_metadata(run.path / "samples.parquet")["root"]
    return [Path(root, path) for path in frame["path"]]


def test_its_curves_are_a_figure_that_a_notebook_shows(run, tmp_path):
    chart = run.plot()
    assert [axes.get_title(loc="left") for axes in chart.axes] == ["Loss", "Macro F1, %"]
    chart.savefig(tmp_path / "a.png")
    assert "<svg" in chart._repr_svg_()


def test_figures_are_found_on_others_in_memory_too(run, pairs):
    own = run.evaluate()
    assert own["test"] == {**run.metrics["test"], "intervals": own["test"]["intervals"]}
    images = [decode(path.read_bytes(), path.name) for path, _ in pairs]
    found = run.evaluate(images, [name for _, name in pairs])
    assert found["test"]["n"] == len(pairs)
    assert found["test"]["accuracy"] == run.evaluate(pairs)["test"]["accuracy"]
    with pytest.raises(SettingsError, match=r"^images: is for other images; name them, or leave"):
        run.evaluate(images="photos")


def test_what_is_not_there_is_told(tmp_path, run):
    (tmp_path / "settings.yaml").write_text("train: {monitor: accuracy}\n")
    bare = fieldmark.Run(tmp_path)
    with pytest.raises(RunError, match=r": has no history yet; train it, or go on with it$"):
        bare.plot()
    with pytest.raises(RunError, match=r": has no predictions yet; go on with it: fieldmark.res"):
        bare.predictions  # noqa: B018
    with pytest.raises(SettingsError) as caught:
        fieldmark.train("digits", [1, 2])
    assert str(caught.value) == (
        "labels: are for images that are an array or a list; a folder or a table has its own; "
        "leave them out"
    )


def test_images_in_memory_are_looked_at_before_anything_is_trained(pairs, tmp_path):
    page = tmp_path / "look.html"
    told = fieldmark.inspect(pairs, page=page, out=tmp_path)
    assert told["images"] == len(pairs)
    assert repr(told).splitlines()[-1].startswith(f"{len(pairs)} images in 3 classes")
    assert page.is_file()
    assert told.page == page
    assert told._repr_html_().startswith("<pre>class")


def test_a_killed_run_on_arrays_goes_on_to_the_same_bits(pairs, tmp_path):
    pixels = np.stack([decode(path.read_bytes(), path.name) for path, _ in pairs])
    labels = [name for _, name in pairs]
    whole = fieldmark.train(pixels, labels, out=tmp_path / "a", quiet=True, **SMALL, **DOTTED)
    killed = {"out": tmp_path / "b", "name": "run", **SMALL, **DOTTED}
    point = "fieldmark.fit.checkpoint:Checkpoints.write"
    assert in_process(given_and_die, point, 2, pixels, labels, killed) == -9
    done = fieldmark.resume(tmp_path / "b" / "run", quiet=True)
    weights = [(each.path / "model.safetensors").read_bytes() for each in (whole, done)]
    assert weights[0] == weights[1]
    further = fieldmark.resume(done, epochs=3, quiet=True)
    assert further.history["epoch"].to_list() == [1, 2, 3]


def test_a_test_set_in_memory_is_the_test(pairs, tmp_path):
    pixels = np.stack([decode(path.read_bytes(), path.name) for path, _ in pairs])
    labels = [name for _, name in pairs]
    test = {"data.test": (255 - pixels[::3], labels[::3])}
    run = fieldmark.train(pixels, labels, out=tmp_path, quiet=True, **SMALL, **DOTTED, **test)
    assert run.metrics["test"]["n"] == len(pixels[::3])
    assert len(list((tmp_path / "given").iterdir())) == 2
    elsewhere = tmp_path / "a" / "red"
    elsewhere.mkdir(parents=True)
    (elsewhere / "1.png").write_bytes(pairs[0][0].read_bytes())
    with pytest.raises(SettingsError) as caught:
        fieldmark.train(pairs, out=tmp_path, **{"data.test": [(elsewhere / "1.png", "red")]})
    root = pairs[0][0].parent.parent
    assert str(caught.value) == (
        f"data.test: its images begin in {elsewhere}, and those of the training in {root}; name "
        "the folder that holds both: images=DIR"
    )
