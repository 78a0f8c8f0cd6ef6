"""Training in stages: what each trains, at which rate, in which order."""

import re

import polars as pl
import pytest
import torch
from smallruns import (
    QUIET,
    SMALL,
    STAGED,
    same_results,
    train,
)

from fieldmark.models import bundle
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import prepare
from fieldmark.runs.stages import stage_of
from fieldmark.runs.training import new_state, trainers_of

HEAD = {"head.weight", "head.bias"}


def prepared(photos, *words, **options):
    return prepare(gather(str(photos), [*SMALL, *words], options), QUIET)


def stages_of(photos, *words):
    """Of each stage: the trained parameters' stages with their rates, and its epochs."""
    run, found = prepared(photos, *words), []
    trainers = trainers_of(run, QUIET, decode=False)
    for index in range(len(run.settings.train.stages)):
        state = new_state(run, trainers, index)
        parameters, stage = run.model.network.named_parameters(), stage_of(run.settings, index)
        names = {id(p): name for name, p in parameters if p.requires_grad}
        rates = dict.fromkeys(names.values(), stage.lr)
        if not stage.head_alone:  # its heads, on features, have their own optimisers
            groups = state.optimizer.param_groups
            rates = {names[id(p)]: group["lr"] for group in groups for p in group["params"]}
        found.append((rates, trainers[index].plan(state).epochs))
    return found


def rounded(rates):
    """One rate for each layer that is trained."""
    return {name.partition(".")[0]: float(f"{rate:.3g}") for name, rate in rates.items()}


def test_a_frozen_network_trains_the_head_alone_at_a_rate_of_its_own(photos, weights):
    run = prepare(gather(str(photos), ["model.width=4", *weights], {"freeze": "true"}), QUIET)
    assert [stage.train for stage in run.settings.train.stages] == [("head",)]
    assert (run.settings.optimizer.options["lr"], run.settings.train.epochs) == (1e-2, 30)
    ((rates, epochs),) = stages_of(photos, *weights, "model.freeze=true", "optimizer.lr=0.02")
    assert (set(rates), epochs) == (HEAD, 30)
    assert set(rates.values()) == {0.02}


@pytest.mark.parametrize(
    ("name", "head", "rest"),
    [
        ("adamw", 1e-2, 3e-5),
        ("lion", 1e-3, 3e-6),
        ("rmsprop", 1e-2, 3e-5),
        ("sgd", 0.05, 0.01),
        ("timm/sgd", 0.05, 0.01),
        ("timm/lamb", 1e-2, 3e-5),
        ("timm/lion", 1e-3, 3e-6),
        ("timm/rmsprop", 1e-2, 3e-5),
    ],
)
def test_a_head_and_tuned_weights_have_rates_in_proportion_to_the_optimizers_own(
    photos, weights, name, head, rest
):
    words = ["model.width=4", *weights, f"optimizer.name={name}"]
    settings = prepare(gather(str(photos), words, {}), QUIET).settings
    assert settings.train.stages[0].lr == pytest.approx(head)
    assert settings.optimizer.options["lr"] == pytest.approx(rest)
    frozen = prepare(gather(str(photos), words, {"freeze": "true"}), QUIET).settings
    assert frozen.optimizer.options["lr"] == pytest.approx(head)


def test_with_weights_the_head_comes_first_and_then_all_with_falling_rates(photos, weights):
    run = prepare(gather(str(photos), ["model.width=4", *weights], {}), QUIET)
    (head, _), (whole, epochs) = stages_of(photos, *weights)
    assert set(head) == HEAD
    assert set(whole) == {name for name, _ in run.model.network.named_parameters()}
    assert rounded(whole) == {"head": 0.01, "stage3": 0.009, "stage2": 0.0081, "stage1": 0.00729}
    assert epochs == 5
    assert run.settings.optimizer.options["lr"] < 1e-3
    assert run.settings.train.norm_frozen is True


def test_a_head_that_others_follow_is_given_more_patience(photos, weights):
    run = prepared(photos, *weights)
    trainers = trainers_of(run, QUIET, decode=False)
    plans = [each.plan(new_state(run, trainers, k)) for k, each in enumerate(trainers)]
    assert [plan.patience for plan in plans] == [10, 2]
    (alone,) = stages_of(photos, *weights, "model.freeze=true", "train.patience=3")
    assert alone[1] == 30


def test_the_rates_fall_by_the_factor_that_is_given_and_the_head_has_its_own(photos, weights):
    words = ("train.layer_decay=0.5", "train.head_factor=3", "train.stages=[{train: all}]")
    ((rates, _),) = stages_of(photos, *weights, *words)
    assert rounded(rates) == {"head": 0.03, "stage3": 0.005, "stage2": 0.0025, "stage1": 0.00125}


def test_the_last_stages_are_trained_after_the_head(photos, weights):
    (head, _), (rest, _) = stages_of(photos, *weights, "model.unfreeze=last:1")
    assert set(head) == HEAD
    assert set(rounded(rest)) == {"stage3", "head"}


def test_layers_are_named_by_patterns(photos, weights):
    (_, _), (rest, _) = stages_of(photos, *weights, "model.unfreeze=stage2*, head")
    assert set(rounded(rest)) == {"stage2", "head"}


def test_gradual_unfreezing_adds_a_stage_an_epoch_at_lower_and_lower_rates(photos, weights):
    found = stages_of(photos, *weights, "model.unfreeze=gradual", "train.layer_decay=1")
    trained = [set(rounded(rates)) for rates, _ in found]
    assert trained == [
        {"head"},
        {"head", "stage3"},
        {"head", "stage3", "stage2"},
        {"head", "stage3", "stage2", "stage1"},
    ]
    assert [epochs for _, epochs in found] == [30, 1, 1, 1]
    rates = [next(iter(rates.values())) for rates, _ in found[1:]]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0.01


def test_stages_say_what_is_trained_for_how_long_and_at_which_rate(photos, weights):
    words = "train.stages=[{train: 'last:2', epochs: 2, lr: 3e-3}, {train: [head, stage1.*]}]"
    (first, epochs), (second, last) = stages_of(photos, *weights, words, "train.layer_decay=1")
    assert set(rounded(first)) == {"head", "stage3", "stage2"}
    assert (set(first.values()), epochs) == ({3e-3}, 2)
    assert set(rounded(second)) == {"head", "stage1"}
    assert (set(second.values()), last) == ({0.01}, 5)


def test_a_resizer_is_trained_alone_after_the_head_and_before_all(photos, weights):
    words = (*weights, "model.resizer=16", "input.size=24")
    found = stages_of(photos, *words)
    assert [{name.partition(".")[0] for name in rates} for rates, _ in found] == [
        {"network"},
        {"resizer"},
        {"network", "resizer"},
    ]
    assert {name.removeprefix("network.") for name in found[0][0]} == HEAD
    assert set(found[1][0].values()) == {1e-3}  # it is new, and has the rate of what is


def test_the_best_head_is_kept_where_the_rest_does_not_help(photos, weights, tmp_path):
    words = (*weights, "train.stages=[{train: head, epochs: 3, lr: 0.01}, {train: all}]")
    run = train(photos, tmp_path, "run", *words, "optimizer.lr=0.5", epochs="1")
    table = pl.read_csv(run.history)
    assert table["stage"].to_list()[-1] == 2
    best = run.read_manifest()["best_epoch"]
    assert table["stage"][best - 1] == 1
    after, _ = bundle.load(run.path)
    before = prepared(photos, *weights).model.network.state_dict()
    changed = {n for n, t in after.network.state_dict().items() if not torch.equal(t, before[n])}
    assert changed <= HEAD


def test_that_the_head_alone_was_kept_is_said_on_the_screen_and_in_the_report(
    photos, weights, tmp_path
):
    words = (*weights, "train.stages=[{train: head, epochs: 3, lr: 0.01}, {train: all}]")
    run = train(photos, tmp_path, "run", *words, "optimizer.lr=0.5", epochs="1", page=True)
    sentence = (
        "he head alone was kept: the weights of stage 1, on a body as it was; training more of the "
        "network did no better on validation"
    )
    assert f"the{sentence.removeprefix('he')}" in run.log.read_text()
    assert f"T{sentence}." in run.report.read_text()


def test_few_validation_images_end_no_stage_while_their_loss_falls(photos, weights, tmp_path):
    words = (*weights, "train.stages=[{train: head, epochs: 9, lr: 0.05}, {train: all}]")
    words += ("train.patience=1", "optimizer.lr=1e-5")
    table = pl.read_csv(train(photos, tmp_path, "run", *words, epochs="4").history)
    tuned = table.filter(pl.col("stage") == 2)
    assert tuned["val_macro_f1"].max() <= table.filter(pl.col("stage") == 1)["val_macro_f1"].max()
    assert tuned["val_loss"].to_list() == sorted(tuned["val_loss"], reverse=True)
    assert len(tuned) == 4


def test_a_second_stage_begins_with_the_best_of_the_first(photos, weights, unbroken):
    table = pl.read_csv(unbroken.history)
    assert table["stage"].to_list() == [1, 1, 1, 2, 2]
    assert table["epoch"].to_list() == [1, 2, 3, 4, 5]
    network = bundle.load(unbroken.path)[0].network
    before = prepared(photos, *weights).model.network.state_dict()
    best = unbroken.read_manifest()["best_epoch"]
    same = torch.equal(network.state_dict()["stage1.0.weight"], before["stage1.0.weight"])
    assert same == (best <= 3)


@pytest.mark.slow
def test_a_compiled_network_learns_what_the_plain_one_does(photos, tmp_path):
    words = ("model.dropout=0",)  # compiled, it is drawn in another way
    plain = train(photos, tmp_path, "plain", *words)
    compiled = train(photos, tmp_path, "compiled", *words, "run.compile=true")
    one, other = (pl.read_csv(run.history)["train_loss"].to_numpy() for run in (plain, compiled))
    assert other == pytest.approx(one, rel=1e-2)


def test_mixing_balanced_sampling_and_class_weights_train(photos, tmp_path):
    words = (
        "mix.name=either",
        "train.sampling=balanced",
        "loss.name=focal",
        "loss.class_weights=balanced",
    )
    run = train(photos, tmp_path, "run", *words)
    again = train(photos, tmp_path, "again", *words)
    assert same_results(run, again)
    plain = train(photos, tmp_path, "plain")
    assert not same_results(run, plain)


def test_epochs_are_counted_within_their_stage(photos, weights, tmp_path):
    run = train(photos, tmp_path, "run", *weights, *STAGED, epochs=None)
    lines = run.log.read_text()
    assert "stage 2, epoch 1 of 2  " in lines
    assert "stage 2, epoch 2 of 2  " in lines
    assert re.search(r"; the weights of stage [12], epoch [123] are kept", lines)
