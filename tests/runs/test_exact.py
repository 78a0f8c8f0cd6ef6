"""A head solved exactly, and validated by folds: whole runs."""

import re
import signal

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from smallruns import (
    QUIET,
    draw_photos,
    exact,
    exact_and_die,
    history,
    in_process,
    points,
    predictions,
    resume,
    same_results,
)

from fieldmark.data.intake import Dataset, take_in
from fieldmark.errors import RunError, SettingsError
from fieldmark.fit.checkpoint import Checkpoints
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.intervals import intervals
from fieldmark.records import Predictions, Samples
from fieldmark.reviews.evaluate import evaluate_new
from fieldmark.reviews.evaluated import Asked
from fieldmark.rundir import RunDir
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import train_run
from fieldmark.settings.data import DataSettings
from fieldmark.settings.texts import read_yaml

FROZEN = ("model.freeze=true", "model.width=4", "run.workers=0")
TUNED = ("model.width=4", "run.workers=0", "train.epochs=2", "train.batch_size=16")


@pytest.fixture(scope="module")
def frozen(photos, weights, tmp_path_factory):
    return exact(photos, tmp_path_factory.mktemp("exact"), "frozen", weights, *FROZEN)


@pytest.fixture(scope="module")
def tuned(photos, weights, tmp_path_factory):
    return exact(photos, tmp_path_factory.mktemp("exact"), "tuned", weights, *TUNED)


def settings_of(run):
    return read_yaml(run.settings.read_text(encoding="utf-8"), "settings.yaml")


def test_images_are_validated_by_folds_and_the_head_is_solved(frozen):
    settings = settings_of(frozen)
    assert settings["data"]["val"] == "cross"
    assert settings["features"]["solver"] == "exact"
    samples = Samples.read(frozen.samples)
    assert len(samples.rows("val")) == 0
    assert len(samples.rows("test")) == 6
    assert samples.folds.shape == (5, 48)  # so few that they are drawn five times
    assert (samples.folds[:, samples.rows("test")] == -1).all()
    assert history(frozen).height == 1
    assert history(frozen)["val_accuracy"][0] > 0.8


def test_every_image_for_training_is_answered_once_by_a_head_without_it(frozen):
    table = Predictions.read(frozen.predictions).of_split("val")
    samples = Samples.read(frozen.samples)
    assert len(table) == 42
    assert table.folds == 5
    at = {path: row for row, path in enumerate(samples.frame["path"].to_list())}
    rows = [at[path] for path in table.frame["path"].to_list()]
    assert sorted(rows) == samples.rows("train").tolist()
    assert table.frame["fold"].to_list() == samples.folds[0][rows].tolist()
    found = frozen.read_metrics().sides["val"]
    assert found.folds == 5
    assert found["accuracy"] == pytest.approx((table.logits.argmax(1) == table.targets).mean())
    low, high = found.interval("accuracy")
    unwidened = intervals(Evidence.on(table, 1.0)).overall["accuracy"]
    assert 0 <= low < unwidened[0] < unwidened[1] <= high <= 1


@pytest.mark.parametrize(("each", "folds"), [(2, 2), (3, 3), (8, 5)])
def test_there_are_no_more_folds_than_a_class_has_images(tmp_path, each, folds):
    photos = draw_photos(tmp_path / "photos", each=each)
    data = take_in(DataSettings(source=str(photos), test="none", val="cross"), QUIET)
    assert [each.max() + 1 for each in data.samples.folds] == [folds] * 5


def test_what_was_tried_is_kept_and_the_way_taken_has_the_scaling_of_the_least_loss(frozen):
    tried = frozen.read_metrics().about.heads_tried
    assert {way["scaling"] for way in tried} == {"plain", "length", "standard"}
    [kept] = [way for way in tried if way["kept"]]
    least = min(tried, key=lambda way: way["val_loss"])
    assert kept["scaling"] == least["scaling"]
    assert kept["penalty"] >= least["penalty"]


def test_the_bundle_predicts_as_the_run_did(photos, frozen):
    evaluate_new(str(frozen.path), DataSettings(source=str(photos)), Asked(), QUIET)
    [file] = (frozen.path / "evaluations").glob("*/predictions.parquet")
    own, again = Predictions.read(frozen.predictions).of_split("test"), Predictions.read(file)
    joined = own.frame.join(again.frame, on="hash", suffix="_again")
    assert joined.height == 6
    for name in own.classes:
        wanted, got = joined[f"logit:{name}"], joined[f"logit:{name}_again"]
        assert np.allclose(wanted, got, atol=1e-3)


@pytest.mark.parametrize("scaling", ["plain", "length", "standard"])
def test_each_scaling_can_be_asked_for_and_stands_in_the_bundle(photos, weights, tmp_path, scaling):
    words = (*FROZEN, f"features.scalings={scaling}", "features.penalties=[0.01]")
    run = exact(photos, tmp_path, "run", weights, *words)
    assert run.read_metrics().sides["test"]["accuracy"] > 0.6
    info = read_yaml((run.path / "model.json").read_text(), "model.json")
    assert info["head_options"]["length"] == (scaling == "length")
    assert settings_of(run)["features"]["scalings"] == [scaling]


def test_the_seed_changes_no_bit_of_an_exact_head(photos, weights, frozen, tmp_path):
    other = exact(photos, tmp_path, "run", weights, *FROZEN, "run.seed=7")
    assert same_results(other, frozen)


@pytest.mark.parametrize(
    ("point", "count"),
    points(
        ("fieldmark.fit.exact:solve", 9),
        ("fieldmark.fit.checkpoint:Checkpoints.write_best", 1),
        ("fieldmark.fit.checkpoint:Checkpoints.write", 1),
        ("fieldmark.models.bundle:save", 1),
    ),
)
def test_a_killed_run_goes_on_to_the_same_bits(photos, weights, frozen, tmp_path, point, count):
    code = in_process(exact_and_die, point, count, photos, tmp_path, "killed", weights, FROZEN)
    assert code == -signal.SIGKILL
    there = RunDir(tmp_path / "killed")
    run = resume(there) if there.settings.is_file() else None
    run = run or exact(photos, tmp_path, "killed", weights, *FROZEN)
    assert same_results(run, frozen)


@pytest.mark.parametrize(
    ("point", "count"),
    points(
        ("fieldmark.fit.checkpoint:Checkpoints.write_start", 1),  # before the tuning
        ("fieldmark.fit.checkpoint:Checkpoints.write", 2),  # its start is kept, it is not begun
        ("fieldmark.fit.loop:step", 4),
        ("fieldmark.runs.tuning:mean_of", 3),
        ("fieldmark.fit.checkpoint:Checkpoints.write", 5),  # the mean is chosen, not kept
        ("fieldmark.models.bundle:save", 1),
    ),
)
def test_a_killed_tuning_after_folds_goes_on_to_the_same_bits(
    photos, weights, tuned, tmp_path, point, count
):
    code = in_process(exact_and_die, point, count, photos, tmp_path, "killed", weights, TUNED)
    assert code == -signal.SIGKILL
    assert same_results(resume(RunDir(tmp_path / "killed")), tuned)


def test_the_tuning_never_sees_what_validates_it_and_the_mean_is_told(tuned):
    about = tuned.read_metrics().about
    shares = about.shares
    assert [row["share"] for row in shares] == [0, 0.25, 0.5, 0.75, 1]
    [kept] = [row for row in shares if row["kept"]]
    assert kept["val_loss"] == min(row["val_loss"] for row in shares)
    table = Predictions.read(tuned.predictions).of_split("val")
    samples = Samples.read(tuned.samples)
    held = int((samples.folds[0] == 0).sum())
    assert len(table) == (held if kept["share"] else 42)


def test_the_change_of_the_tuning_is_added_to_the_head_of_all_images(photos, weights, tmp_path):
    slow = ("optimizer.lr=0.001", "train.epochs=3", "features.penalties=[1]", "augment=none")
    run = exact(photos, tmp_path, "run", weights, *TUNED, *slow)
    [kept] = [row for row in run.read_metrics().about.shares if row["kept"]]
    assert kept["share"] > 0  # else this shows nothing
    checkpoints = Checkpoints(run.checkpoint)
    start, tree = checkpoints.read_start(), checkpoints.read()
    best = checkpoints.read_best(tree["best_epoch"])
    found = load_file(run.path / "model.safetensors")
    held = {name: tensor for name, tensor in tree["held_out"].items() if tensor.ndim == 2}
    [(_, without)] = held.items()
    [head] = [n for n, each in found.items() if each.shape == without.shape and "head" in n]
    all_images = start[f"network.{head}"]
    wanted = all_images + kept["share"] * (best[f"network.{head}"] - without)
    torch.testing.assert_close(found[head], wanted)
    assert not torch.equal(all_images, without)
    val = Predictions.read(run.predictions).of_split("val")
    assert np.array_equal(val.logits, tree["tuned"].numpy())


@pytest.mark.parametrize("words", [FROZEN, TUNED], ids=["frozen", "tuned"])
def test_the_labels_of_the_test_change_nothing_but_its_own_figures(
    photos, weights, tmp_path, words
):
    data = take_in(DataSettings(source=str(photos)), QUIET)
    moved = with_moved_test(data)
    one = exact(photos, tmp_path, "one", weights, *words, data=data)
    other = exact(photos, tmp_path, "other", weights, *words, data=moved)
    for file in ("model.safetensors",):
        assert (one.path / file).read_bytes() == (other.path / file).read_bytes()
    assert history(one).equals(history(other))
    val = [predictions(run).filter(pl.col("split") == "val") for run in (one, other)]
    assert val[0].equals(val[1])
    infos = [read_yaml((run.path / "model.json").read_text(), "model.json") for run in (one, other)]
    assert infos[0]["temperature"] == infos[1]["temperature"]
    assert infos[0]["answers"] == infos[1]["answers"]
    accuracy = [run.read_metrics().sides["test"]["accuracy"] for run in (one, other)]
    assert accuracy[0] != accuracy[1]


def with_moved_test(data):
    """The same images; each test image has the label of the next class."""
    names = dict(zip(data.classes, [*data.classes[1:], data.classes[0]], strict=True))

    def moved(one: Dataset) -> Dataset:
        frame = one.samples.frame
        labels = [
            [names[each[0]]] if side == "test" else each
            for each, side in zip(frame["labels"].to_list(), frame["split"].to_list(), strict=True)
        ]
        column = pl.Series("labels", labels, frame.schema["labels"])
        changed = Samples(frame.with_columns(column), one.samples.root)
        return Dataset(**{**vars(one), "samples": changed})

    return Dataset(**{**vars(moved(data)), "in_folds": moved(data.in_folds)})


def test_a_cold_a_warm_and_no_cache_give_the_same_bits(
    photos, weights, frozen, tmp_path, monkeypatch
):
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    cold = exact(photos, tmp_path, "cold", weights, *FROZEN)
    warm = exact(photos, tmp_path, "warm", weights, *FROZEN)
    monkeypatch.setenv("FIELDMARK_CACHE", "off")
    none = exact(photos, tmp_path, "none", weights, *FROZEN)
    assert same_results(cold, frozen)
    assert same_results(warm, frozen)
    assert same_results(none, frozen)


def test_groups_and_copies_are_in_one_fold(weights, photos, tmp_path):
    root = photos.parent / "grouped.csv"
    rows = ["image,label,site"]
    for label in ("blue", "green", "red"):
        for number, path in enumerate(sorted((photos / label).iterdir())):
            rows.append(f"{path},{label},site{number // 2}")
    root.write_text("\n".join(rows) + "\n")
    run = exact(root, tmp_path, "run", weights, *FROZEN, "data.group_column=site")
    samples = Samples.read(run.samples)
    for repeat in samples.folds:
        folds = pl.DataFrame({"group": samples.frame["group"], "fold": repeat})
        assert folds.group_by("group").agg(pl.col("fold").n_unique())["fold"].max() == 1
    assert run.read_metrics().sides["val"].groups


@pytest.mark.parametrize("heads", ["mlp", "linear,mlp"])
def test_heads_by_epochs_are_validated_by_folds_too(photos, weights, tmp_path, heads):
    words = (*FROZEN, f"features.heads={heads}", "train.epochs=4", "train.batch_size=16")
    run = exact(photos, tmp_path, "run", weights, *words)
    assert settings_of(run)["data"]["val"] == "cross"
    table = Predictions.read(run.predictions).of_split("val")
    assert len(table) == 42
    rows = history(run)
    best = run.read_metrics().about.best_epoch
    assert rows["val_macro_f1"][best - 1] == rows["val_macro_f1"].max()
    assert rows["train_loss"].is_not_null().all()
    assert rows["val_accuracy"][best - 1] == pytest.approx(
        (table.logits.argmax(1) == table.targets).mean()
    )
    assert len(run.read_metrics().about.heads_tried) == (0 if heads == "mlp" else 2)


def test_hold_puts_images_aside_and_none_does_without(photos, weights, tmp_path):
    hold = exact(photos, tmp_path, "hold", weights, *FROZEN, "data.val=hold")
    assert len(Predictions.read(hold.predictions).of_split("val")) == 6
    assert Predictions.read(hold.predictions).folds is None
    none = exact(photos, tmp_path, "none", weights, *FROZEN, "data.val=none", page=True)
    assert list(none.read_metrics().sides) == ["test"]
    assert none.read_metrics().sides["test"]["accuracy"] > 0.6
    log, page = (each.read_text(encoding="utf-8") for each in (none.log, none.report))
    assert re.search(r"penalty \S+, chosen of \d+ ways  out-of-fold loss \d\.\d{4}\n", log)
    assert "Out-of-fold loss" in page
    assert "val loss" not in (log + page).lower()


def test_one_image_a_class_is_trained_on(weights, photos, tmp_path):
    few = tmp_path / "few"
    for label in ("blue", "green", "red"):
        (few / label).mkdir(parents=True)
        (few / label / "a.png").write_bytes((photos / label / "00.png").read_bytes())
    run = exact(few, tmp_path, "run", weights, *FROZEN, f"data.test={photos}", "data.copies=show")
    assert list(run.read_metrics().sides) == ["test"]
    assert run.read_metrics().sides["test"]["accuracy"] > 1 / 3


def test_a_length_that_is_asked_for_is_the_only_scaling(photos, weights, tmp_path):
    run = exact(photos, tmp_path, "run", weights, *FROZEN, "head.length=true", page=True)
    assert settings_of(run)["features"]["scalings"] == ["length"]
    tried = run.read_metrics().about.heads_tried
    assert {way["scaling"] for way in tried} == {"length"}
    told = f"in {len(tried)} ways: features divided by their length, and with penalties"
    assert told in run.report.read_text(encoding="utf-8")


def test_without_validation_few_images_and_groups_are_enough(weights, photos, tmp_path):
    few = tmp_path / "few"
    for label in ("blue", "green"):
        (few / label).mkdir(parents=True)
        for number in (0, 1):
            file = few / label / f"{number}.png"
            file.write_bytes((photos / label / f"0{number}.png").read_bytes())
    words = (*FROZEN, "data.val=none", "data.test=none")
    run = exact(few, tmp_path, "run", weights, *words)
    assert run.read_metrics().sides == {}


def test_no_share_for_validation_trains_a_network_from_scratch_as_before(photos, tmp_path):
    words = ["data.val_fraction=0", "model.width=4", "train.epochs=1", "run.workers=0"]
    given = {"out": str(tmp_path), "name": "run"}
    run = train_run(gather(str(photos), words, given), QUIET, "a test")
    assert settings_of(run)["data"]["val"] == "hold"


def test_a_head_after_others_is_trained_by_epochs(photos, weights, tmp_path):
    words = ("train.stages=[{train: all, epochs: 1}, {train: head}]", "model.width=4")
    run = exact(photos, tmp_path, "run", weights, *words, "run.workers=0", "train.epochs=2")
    assert settings_of(run)["features"]["solver"] == "epochs"
    assert settings_of(run)["data"]["val"] == "hold"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("model.freeze=true", "features.solver=exact", "optimizer.lr=0.1"),
            "optimizer.lr: changes nothing where the head is solved exactly; leave it out, or "
            "leave features.solver out",
        ),
        (
            ("model.freeze=true", "features.solver=exact", "head.name=mlp"),
            "features.solver: exact is for a linear head without norm and dropout; take epochs",
        ),
        (
            ("model.freeze=true", "features.solver=exact", "loss.name=focal"),
            "features.solver: exact makes a cross-entropy small, with a penalty that it finds; "
            "take epochs",
        ),
        (
            ("model.freeze=true", "train.epochs=1", "features.penalties=[0.1]"),
            "features.penalties: is of a head that is solved exactly, and this one is trained by "
            "epochs; leave it out",
        ),
        (
            ("model.freeze=true", "train.wise=true"),
            "train.wise: is of what is trained after a head, and validated; leave it out",
        ),
        (
            ("model.freeze=true", "head.length=true", "features.scalings=plain"),
            "head.length: divides the features by their length; leave it or features.scalings out",
        ),
        (
            ("model.freeze=true", "features.scalings=none"),
            "features.scalings: must be a list of plain, standard and length; plain takes features "
            "as they are",
        ),
        (
            ("train.stages=[{train: all}]", "data.val=cross"),
            "data.val: is for a head that is trained on features before all else, and this run "
            "does not do that; take hold, with enough images that some can be put aside, or none",
        ),
    ],
)
def test_what_stands_against_it_is_told(photos, weights, tmp_path, words, sentence):
    with pytest.raises(SettingsError) as caught:
        exact(photos, tmp_path, "run", weights, *words)
    assert str(caught.value) == sentence


def test_where_the_head_makes_few_mistakes_nothing_is_trained_after_it(weights, tmp_path):
    plain, photos = ("model.width=4", "run.workers=0"), draw_photos(tmp_path / "photos", each=30)
    run = exact(photos, tmp_path, "run", weights, *plain, page=True)
    settings = settings_of(run)["train"]
    assert [stage["train"] for stage in settings["stages"]] == [["head"], ["all"]]
    assert settings["least_mistakes"] == 5
    assert history(run).height == 1
    ending = run.read_manifest()["ending"]
    assert ending.startswith("only the head was trained: it is wrong on ")
    assert "too few to see whether training more of the network helps" in ending
    assert ending[:60] in run.report.read_text(encoding="utf-8").replace("Only the", "only the")
    asked = exact(photos, tmp_path, "asked", weights, *plain, "train.epochs=1", page=True)
    assert settings_of(asked)["train"]["least_mistakes"] == 0
    assert history(asked).height == 2


def test_what_validates_more_than_the_head_is_said_with_what_the_head_has_there(
    weights, photos, tmp_path
):
    words = ("model.width=4", "run.workers=0", "data.val=cross", "train.epochs=1")
    run = exact(photos, tmp_path, "run", weights, *words, page=True)
    one = int((Dataset.read(run.samples).samples.folds[0] == 0).sum())
    said = f"what follows is validated on the first fold, {one} images; the head without them: val"
    assert said in run.log.read_text()
    page = run.report.read_text(encoding="utf-8")
    assert page.count(f"validated on the first fold alone, {one} images; the head itself") == 2


def test_with_one_image_a_class_nothing_is_trained_after_the_head(weights, photos, tmp_path):
    few = tmp_path / "few"
    for label in ("blue", "green", "red"):
        (few / label).mkdir(parents=True)
        (few / label / "a.png").write_bytes((photos / label / "00.png").read_bytes())
    words = ("model.width=4", "run.workers=0", f"data.test={photos}", "data.copies=show")
    run = exact(few, tmp_path, "run", weights, *words)
    assert history(run).height == 1
    assert run.read_manifest()["ending"].startswith(
        "only the head was trained: no image could be spared to see"
    )
    said = run.log.read_text()
    assert "no class has images in two folds of the training images, so nothing can be" in said
    assert "48 test; no validation)" in said


def test_more_epochs_of_an_exact_head_are_refused(frozen):
    with pytest.raises(RunError, match="the head is solved exactly, so more epochs would change"):
        resume(frozen, epochs="5")
