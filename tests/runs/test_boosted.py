"""A head of boosted trees: whole runs, alone and beside others."""

import json
import signal
import sys

import numpy as np
import polars as pl
import pytest
from PIL import Image
from smallruns import QUIET, exact, exact_and_die, in_process, resume, same_results

from fieldmark.errors import RunError, SettingsError
from fieldmark.machine import INSTALL, is_installed
from fieldmark.models import bundle
from fieldmark.models.heads import head_of
from fieldmark.models.trees import Trees
from fieldmark.records import Predictions
from fieldmark.rundir import RunDir
from fieldmark.runs import checks
from fieldmark.runs.concrete import gather
from fieldmark.runs.preview import find_rates
from fieldmark.runs.run import train_run
from fieldmark.settings.texts import read_yaml
from fieldmark.use.predictor import Predictor

pytestmark = pytest.mark.skipif(not is_installed("lightgbm"), reason="lightgbm is not installed")
FROZEN = ("model.freeze=true", "model.width=4", "run.workers=0")
BOOSTED = (*FROZEN, "head.name=boosted", "head.trees=30", "head.share=0.5")
MIXED = (*FROZEN, "features.heads=[linear, mlp, boosted]", "train.epochs=3")


@pytest.fixture(scope="module")
def boosted(photos, weights, tmp_path_factory):
    return exact(photos, tmp_path_factory.mktemp("boosted"), "run", weights, *BOOSTED)


@pytest.fixture(scope="module")
def mixed(photos, weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("mixed")
    return exact(photos, out, "run", weights, *MIXED, page=True)


def trees_in(run):
    """The trees of a run's bundle."""
    model, info = bundle.load(run.path)
    (found,) = [m for m in head_of(model.network)[1].modules() if isinstance(m, Trees)]
    return found, info


def test_the_bundle_predicts_as_the_run_did_without_lightgbm(photos, boosted, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)  # to import it fails from here on
    table = Predictions.read(boosted.predictions).of_split("test")
    answers = Predictor(boosted.path).predict([photos / path for path in table.frame["path"]])
    for answer, row in zip(answers, table.scores(boosted.read_temperature()), strict=True):
        assert list(answer.scores.values()) == pytest.approx(row, abs=1e-4)


def test_as_many_trees_as_folds_chose_are_in_the_bundle_and_as_text_beside_it(boosted):
    import lightgbm

    trees, info = trees_in(boosted)
    assert info.head == "boosted"
    assert trees.value.shape == (3, info.head_options["trees"], 4)
    assert 1 <= info.head_options["trees"] <= 30
    assert (boosted.path / "head.txt").read_text() == trees.text()
    theirs = lightgbm.Booster(model_file=str(boosted.path / "head.txt"))
    assert theirs.num_trees() == 3 * info.head_options["trees"]
    assert len(Predictions.read(boosted.predictions).of_split("val")) == 42  # each out of fold


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "count"),
    [
        ("fieldmark.fit.checkpoint:Checkpoints.write", 1),
        ("fieldmark.models.bundle:save", 1),
    ],
)
def test_a_killed_run_goes_on_to_the_same_bits(photos, weights, boosted, tmp_path, point, count):
    code = in_process(exact_and_die, point, count, photos, tmp_path, "killed", weights, BOOSTED)
    assert code == -signal.SIGKILL
    run = resume(RunDir(tmp_path / "killed"))
    assert same_results(run, boosted)
    assert (run.path / "head.txt").read_text() == (boosted.path / "head.txt").read_text()


@pytest.mark.slow
def test_heads_of_every_way_are_judged_by_the_same_folds_and_the_best_is_kept(mixed):
    tried = mixed.read_metrics().about.heads_tried
    assert {each["head"] for each in tried} == {"linear", "mlp", "boosted"}
    assert len(tried) == 3
    (kept,) = [each for each in tried if each["kept"]]
    assert kept["val_macro_f1"] == max(each["val_macro_f1"] for each in tried)
    info = json.loads((mixed.path / "model.json").read_text())
    assert info["head"] == kept["head"]
    settings = read_yaml(mixed.settings.read_text(encoding="utf-8"), "settings.yaml")
    assert settings["features"]["solver"] == "exact"
    assert settings["train"]["epochs"] == 3  # of the mlp
    page = mixed.report.read_text()
    assert "How it was made" in page
    assert "of at most 4 leaves" in page
    assert "chosen of" in page


@pytest.mark.slow
def test_a_linear_head_beside_others_is_the_one_that_is_solved_alone(
    photos, weights, mixed, tmp_path
):
    alone = exact(photos, tmp_path, "alone", weights, *FROZEN)
    (linear,) = [t for t in mixed.read_metrics().about.heads_tried if t["head"] == "linear"]
    ways = alone.read_metrics().about.heads_tried
    (kept,) = [way for way in ways if way["kept"]]
    assert (linear["scaling"], linear["penalty"]) == (kept["scaling"], kept["penalty"])
    assert linear["ways"] == len(ways)
    row = pl.read_csv(alone.history).row(0, named=True)
    assert linear["val_macro_f1"] == row["val_macro_f1"]


@pytest.mark.slow
def test_its_settings_repeat_a_run_of_several_heads(mixed, tmp_path):
    words = {"run.out": str(tmp_path), "run.name": "again"}
    again = train_run(gather(None, words, {}, config=str(mixed.settings)), QUIET, "a test")
    assert same_results(mixed, again)


def draw_labels(root):
    """Pictures with a band for each colour that they have. -> a table of their labels"""
    random = np.random.default_rng(0)
    root.mkdir()
    rows = []
    for number in range(40):
        pixels = random.integers(0, 100, size=(16, 16, 3))
        has = random.random(3) < 0.5
        pixels[4:10, :, has] += 120
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"{number:02}.png")
        labels = " ".join(str(channel + 1) for channel in np.flatnonzero(has))
        rows.append({"ImageID": f"{number:02}.png", "Labels": labels})
    pl.DataFrame(rows).write_csv(root / "table.csv")
    return root / "table.csv"


def test_of_several_labels_the_shift_of_the_calibration_is_in_bundle_and_text(weights, tmp_path):
    table = draw_labels(tmp_path / "bands")
    words = (*BOOSTED, "loss.pos_weight=balanced", "head.leaves=2")
    run = exact(table, tmp_path, "run", weights, *words)
    told = Predictions.read(run.predictions).of_split("test")
    answers = Predictor(run.path).predict([table.parent / path for path in told.frame["path"]])
    for answer, row in zip(answers, told.scores(run.read_temperature()), strict=True):
        assert list(answer.scores.values()) == pytest.approx(row, abs=1e-4)
    trees, info = trees_in(run)
    assert set(info.thresholds) == set(info.classes)
    assert (run.path / "head.txt").read_text() == trees.text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("head.name=boosted",),
            "--head: 'boosted' is grown on the features of a network that stays as it is; "
            "take --freeze",
        ),
        (
            ("features.heads=[linear, boosted]", "model.unfreeze=last:1"),
            "features.heads: 'boosted' is grown on the features of a network that stays as it is; "
            "take --freeze",
        ),
        (
            (*BOOSTED, "loss.name=focal"),
            "--head: 'boosted' makes a cross-entropy small, not 'focal'; take loss.name=auto",
        ),
        (
            (*BOOSTED, "penalty.l2=0.1"),
            "--head: 'boosted' has no weights for a penalty; leave penalty.l1 and penalty.l2 out",
        ),
        (
            (*BOOSTED, "features.views=2", "augment.name=light"),
            "--head: 'boosted' sees each image once, not in augmented views; "
            "leave features.views out",
        ),
        (
            (*BOOSTED, "features.seeds=[0, 1]"),
            "--head: 'boosted' has nothing of features.seeds, which epochs try; leave it out",
        ),
        (
            (*BOOSTED, "train.epochs=3"),
            "train.epochs: changes nothing where the head is of boosted trees; leave it out",
        ),
        (
            (*BOOSTED, "features.solver=epochs"),
            "features.solver: changes nothing where the head is of boosted trees; leave it out",
        ),
        (
            (*BOOSTED, "features.penalties=[0.1]"),
            "features.penalties: is of a head that is solved exactly, and this one is of boosted "
            "trees; leave it out",
        ),
        ((*BOOSTED, "head.leaves=1"), "head.leaves: must be more than 1, not 1"),
    ],
)
def test_what_stands_against_it_is_told(photos, weights, tmp_path, words, sentence):
    with pytest.raises(SettingsError) as caught:
        exact(photos, tmp_path, "run", weights, *words)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("words", "where"),
    [(("head.name=boosted",), "--head"), (("features.heads=[linear, boosted]",), "features.heads")],
)
def test_without_lightgbm_it_says_what_to_install(
    photos, weights, tmp_path, monkeypatch, words, where
):
    monkeypatch.setattr(checks, "is_installed", lambda package: package != "lightgbm")
    with pytest.raises(SettingsError) as caught:
        exact(photos, tmp_path, "run", weights, *FROZEN, *words)
    assert str(caught.value) == (
        f"{where}: 'boosted' needs 'lightgbm', which is not installed; install it with: "
        f"{INSTALL} 'fieldmark[boosted]'"
    )


def test_more_epochs_of_trees_and_rates_for_them_are_refused(photos, weights, boosted, tmp_path):
    with pytest.raises(RunError) as caught:
        resume(boosted, epochs=9)
    assert str(caught.value) == (
        "--epochs 9: the head is of boosted trees, which have no epochs; for more trees start "
        f"anew with: fieldmark train --config {boosted.settings} head.trees=1000"
    )
    resolved = gather(str(photos), [*weights[:2], *BOOSTED], {"out": str(tmp_path)})
    with pytest.raises(SettingsError) as refused:
        find_rates(resolved, QUIET)
    what = "is for rates that epochs have, and boosted trees have none; leave it out"
    assert str(refused.value) == f"--find-lr: {what}"
