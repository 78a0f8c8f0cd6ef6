"""Heads of a frozen network, of every class and fold, solved over one pass of the images."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from smallruns import QUIET
from tinybundles import one_label

import fieldmark
from fieldmark.console import Console
from fieldmark.errors import SettingsError
from fieldmark.records import Predictions
from fieldmark.rundir import WEIGHTS
from fieldmark.runs.concrete import gather
from fieldmark.study import one_vs_rest as ovr
from fieldmark.study import solved_rest as module
from fieldmark.study.ovr_answers import Asked, read_answers

WAY = ("features.scalings=[plain]", "features.penalties=[0.01]")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return one_label(tmp_path_factory.mktemp("tiny") / "bundle") / "model.safetensors"


def solve(photos, weights, out, *words, name="solved", name_of=None, folds=3, console=QUIET):
    given = {"out": str(out), "name": name, "freeze": True, "model": "small_cnn"}
    words = ("model.width=4", f"model.weights={weights}", "run.workers=0", *words)
    resolved = gather(str(photos), words, given, new=False)
    wanted = Asked(folds, 0.5, name_of)
    study = ovr.one_vs_rest(resolved, console, "fieldmark one-vs-rest", wanted)
    assert ovr.tell(study, console) == 0
    return study


@pytest.fixture(scope="module")
def solved(photos, weights, tmp_path_factory):
    """The study, and the features (N, D) that it was solved on."""
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        real = module.embed
        patch.setattr(module, "embed", lambda *a, **k: seen.append(real(*a, **k)) or seen[-1])
        study = solve(photos, weights, tmp_path_factory.mktemp("out"), *WAY)
    assert len(seen) == 1  # one pass for all classes, folds and the softmax heads
    return study, seen[0].plain.numpy().astype(np.float64)


def test_each_head_is_the_logistic_regression_on_its_own_rows(solved):
    study, features = solved
    answers = read_answers(study)
    scale = np.sqrt((features**2).sum(axis=1).mean())  # of all rows; a fold's is its own
    for place in range(3):
        own, rows = answers.own[place], answers.own[place] | answers.taken[place]
        for out in range(3):
            train, test = rows & (answers.fold != out), answers.fold == out
            of_fold = features[answers.fold != out]
            scale = np.sqrt((of_fold**2).sum(axis=1).mean())
            theirs = LogisticRegression(C=100, tol=1e-10, max_iter=10_000)
            theirs.fit(features[train] / scale, own[train])
            odds = theirs.decision_function(features[test] / scale)
            assert np.allclose(answers.margins[test, place], odds, atol=0.02)


def test_the_folder_is_one_bundle_of_the_heads_of_all_images(solved, photos):
    study, features = solved
    answers, results = read_answers(study), json.loads(study.results.read_text())
    predictor = fieldmark.load(study.path)
    images = [photos / path for path in answers.samples.frame["path"].to_list()]
    found = predictor.predict(images)
    scale = np.sqrt((features**2).sum(axis=1).mean())
    logits = np.zeros((len(images), 3))
    for place in range(3):
        own = answers.own[place]
        rows = own | answers.taken[place]
        theirs = LogisticRegression(C=100, tol=1e-10, max_iter=10_000)
        theirs.fit(features[rows] / scale, own[rows])
        shift = np.log(answers.taken[place].sum() / (~own).sum())
        logits[:, place] = theirs.decision_function(features / scale) + shift
    powers = np.exp(logits / results["temperature"])
    scores = powers / powers.sum(axis=1, keepdims=True)
    mine = np.array([[each.scores[name] for name in answers.names] for each in found])
    assert np.allclose(mine, scores, atol=0.01)


def test_a_class_alone_is_what_it_is_beside_others(solved, photos, weights, tmp_path):
    study, _ = solved
    alone = solve(photos, weights, tmp_path, *WAY, name_of="red")
    assert np.array_equal(read_answers(alone).margins, read_answers(study).margins[:, 2:])


def test_where_a_fold_leaves_one_group_its_heads_are_solved_without_a_judge(
    photos, weights, tmp_path, monkeypatch
):
    fit, made = module.fit_exact, []
    monkeypatch.setattr(module, "fit_exact", lambda *a, **k: made.append(fit(*a, **k)) or made[-1])
    rows = ["image,label,site"]
    for label in ("blue", "green", "red"):
        for number, path in enumerate(sorted((photos / label).iterdir())):
            rows.append(f"{path},{label},site{min(number // 5, 2)}")
    table = photos.parent / "three_sites.csv"
    table.write_text("\n".join(rows) + "\n")
    study = solve(table, weights, tmp_path, "data.group_column=site", folds=2)
    assert np.isfinite(read_answers(study).margins).all()
    judged = [not np.isnan(each.tried[0].loss) for each in made]
    assert judged == [True, False, True] * 2  # without each fold, of all; then the softmax


@pytest.mark.slow
def test_no_image_of_a_fold_takes_part_in_what_answers_it(photos, weights, tmp_path, monkeypatch):
    real, fit, heads = module.embed, module.fit_exact, []
    monkeypatch.setattr(
        module, "fit_exact", lambda *a, **k: heads.append(fit(*a, **k)) or heads[-1]
    )
    few = ("features.scalings=[plain,length]", "features.penalties=[1,0.01,1.0e-4]")
    fold = read_answers(solve(photos, weights, tmp_path, *few, name="before")).fold
    before, heads[:] = list(heads), []

    def other(*args, **kwargs):
        found = real(*args, **kwargs)
        moved = found.plain.clone()
        moved[torch.from_numpy(fold == 0)] = 7.0
        return replace(found, plain=moved)

    monkeypatch.setattr(module, "embed", other)
    solve(photos, weights, tmp_path, *few, name="after")
    assert len(heads) == len(before) == 8  # without each fold and of all, twice
    for place, (one, two) in enumerate(zip(before, heads, strict=True)):
        same = torch.equal(one.weights, two.weights)
        assert same == (place in (0, 4))  # fold 0's heads
    assert [each.penalty for each in heads[::4]] == [each.penalty for each in before[::4]]


def test_a_study_that_is_done_or_was_killed_keeps_its_images_and_its_bits(
    photos, weights, tmp_path, monkeypatch, capsys
):
    source = tmp_path / "photos"
    shutil.copytree(photos, source)
    calls, real = [], ovr.solve_all
    monkeypatch.setattr(ovr, "solve_all", lambda *a: calls.append(a) or real(*a))

    def kept():
        study = solve(source, weights, tmp_path, *WAY, console=Console())
        made = (study.predictions, study.run("one-vs-rest").path / WEIGHTS)
        return study, [path.read_bytes() for path in made]

    study, before = kept()
    for solved in (1, 2):
        capsys.readouterr()
        assert kept()[1] == before
        assert len(calls) == solved
        said = capsys.readouterr().out
        assert f"study   {study.path}" in said
        assert "done before" not in said
        study.solved.unlink()
    table = Predictions.read(study.predictions)
    assert len(table) == 48
    assert table.folds == 3


@pytest.mark.parametrize(
    "word",
    [
        "loss.label_smoothing=0.1",
        "budget.max_hours=1",
        "head.name=boosted",
        "features.heads=[linear, boosted]",
        "input.normalize=dataset",
        "data.val=hold",
        "data.val=none",
        "train.test_flip=true",
        "train.figures=[mcc]",
        f"data.label_names={__file__}",
        "head.dropout=0.1",
        "head.norm=true",
    ],
)
def test_what_is_of_single_runs_is_left_to_single_runs(word, photos, weights, tmp_path):
    if "boosted" in word:
        pytest.importorskip("lightgbm")
    given = {"out": str(tmp_path), "name": "runs", "freeze": True, "model": "small_cnn"}
    words = ("model.width=4", f"model.weights={weights}", "loss.name=cross_entropy", word)
    resolved = gather(str(photos), words, given, new=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ovr, "run_all", lambda *_, **__: None)
        study = ovr.one_vs_rest(resolved, QUIET, "a test", Asked(2, 0.5, softmax=False))
    assert len(study.plans()) == 6


def test_a_figure_that_would_choose_nothing_is_refused(photos, weights, tmp_path):
    with pytest.raises(SettingsError) as told:
        solve(photos, weights, tmp_path, "train.monitor=accuracy")
    assert str(told.value) == (
        "train.monitor: chooses nothing where all heads are solved side by side, their penalty by "
        "the loss; leave it out"
    )
