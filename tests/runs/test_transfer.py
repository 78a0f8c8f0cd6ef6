"""Training in stages: what each trains, at which rate, in which order, and after a kill."""

import json
import signal
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import save_file
from smallruns import (
    QUIET,
    SMALL,
    draw_photos,
    further_and_die,
    in_process,
    resume,
    same_results,
    train,
    train_and_die,
)

from fieldmark.console import Console
from fieldmark.errors import (
    NotFiniteError,
    RunError,
    SettingsError,
    StoppedError,
    WeightsError,
)
from fieldmark.fit import features
from fieldmark.models import bundle
from fieldmark.models.catalog import MODELS
from fieldmark.records import Predictions
from fieldmark.rundir import RunDir
from fieldmark.runs.begin import gather, go_on
from fieldmark.runs.parts import make_plan, new_state
from fieldmark.runs.prepare import prepare
from fieldmark.runs.run import train_run
from fieldmark.use.predictor import Predictor

HEAD = {"head.weight", "head.bias"}
STAGED = ("train.stages=[{train: head, epochs: 3}, {train: all}]", "train.epochs=2")


@pytest.fixture(scope="module")
def weights(photos, tmp_path_factory):
    """The words for a network that was trained on other classes."""
    others = draw_photos(tmp_path_factory.mktemp("others"), seed=5)
    (others / "red").rename(others / "rot")
    (others / "grey").mkdir()
    for place, path in enumerate(sorted((others / "blue").iterdir())[:8]):
        path.rename(others / "grey" / f"{place}.png")
    run = train(others, tmp_path_factory.mktemp("weights"), "run", epochs="2")
    return ("model.name=small_cnn", f"model.weights={run.path / 'model.safetensors'}")


@pytest.fixture(scope="module")
def unbroken(photos, weights, tmp_path_factory):
    return train(
        photos, tmp_path_factory.mktemp("unbroken"), "whole", *weights, *STAGED, epochs=None
    )


def prepared(photos, *words, **options):
    return prepare(gather(str(photos), [*SMALL, *words], options), QUIET)


def stages_of(photos, *words):
    """Of each stage: the trained parameters' stages with their rates, and its epochs."""
    run, found = prepared(photos, *words), []
    for index in range(len(run.settings.train.stages)):
        state = new_state(run, index)
        names = {id(p): name for name, p in run.model.network.named_parameters()}
        rates = {
            names[id(p)]: group["lr"]
            for group in state.optimizer.param_groups
            for p in group["params"]
        }
        found.append((rates, make_plan(run, state).epochs))
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
    plans = [make_plan(run, new_state(run, index)) for index in (0, 1)]
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


def test_a_second_stage_begins_with_the_best_of_the_first(photos, weights, unbroken):
    table = pl.read_csv(unbroken.history)
    assert table["stage"].to_list() == [1, 1, 1, 2, 2]
    assert table["epoch"].to_list() == [1, 2, 3, 4, 5]
    network = bundle.load(unbroken.path)[0].network
    before = prepared(photos, *weights).model.network.state_dict()
    best = unbroken.read_manifest()["best_epoch"]
    same = torch.equal(network.state_dict()["stage1.0.weight"], before["stage1.0.weight"])
    assert same == (best <= 3)


@pytest.mark.parametrize(
    ("point", "count"),
    [
        ("fieldmark.fit.bank:Bank.predict", 1),  # in the head's stage
        ("fieldmark.fit.loop:update", 5),
        ("fieldmark.fit.checkpoint:Checkpoints.write_best", 1),  # before the head is kept
        ("fieldmark.fit.checkpoint:Checkpoints.write", 1),  # the head is kept, its stage not
        ("fieldmark.fit.checkpoint:Checkpoints.write", 2),  # between the two stages
        ("fieldmark.fit.loop:step", 1),  # the second stage has begun
        ("fieldmark.fit.loop:step", 4),  # inside it
        ("fieldmark.models.bundle:save", 1),  # trained, not concluded
    ],
)
def test_a_run_killed_around_a_change_of_stage_goes_on_to_the_same_bits(
    photos, weights, unbroken, tmp_path, point, count
):
    words = (*weights, *STAGED, "optimizer.lr=0.01")
    code = in_process(train_and_die, point, count, photos, tmp_path, "killed", words)
    assert code == -signal.SIGKILL
    run = resume(RunDir(tmp_path / "killed"))
    assert run.is_done
    assert same_results(run, unbroken)
    assert run.steps.read_text() == unbroken.steps.read_text()


def test_a_checkpoint_needs_the_weights_that_training_began_with_no_more(
    photos, weights, unbroken, tmp_path
):
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(Path(weights[1].partition("=")[2]).read_bytes())
    words = (weights[0], f"model.weights={mine}", *STAGED)
    in_process(train_and_die, "fieldmark.fit.loop:step", 2, photos, tmp_path, "killed", words)
    mine.unlink()
    assert same_results(resume(RunDir(tmp_path / "killed")), unbroken)


def test_features_are_the_same_with_and_without_the_cache(photos, weights, tmp_path, monkeypatch):
    frozen = (*weights, "model.freeze=true")
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    cold = train(photos, tmp_path, "cold", *frozen)
    warm = train(photos, tmp_path, "warm", *frozen)
    monkeypatch.setenv("FIELDMARK_CACHE", "off")
    without = train(photos, tmp_path, "without", *frozen)
    assert same_results(cold, warm)
    assert same_results(cold, without)
    assert list((tmp_path / "cache" / "features").rglob("*"))


def test_a_frozen_run_can_be_trained_further_as_if_planned_so(photos, weights, tmp_path):
    frozen = (*weights, "model.freeze=true", "train.patience=none")
    whole = train(photos, tmp_path, "whole", *frozen, epochs="6")
    part = train(photos, tmp_path, "part", *frozen, epochs="3")
    assert same_results(resume(part, epochs="6"), whole)


def test_predictions_of_a_frozen_network_are_those_of_the_bundle(photos, weights, tmp_path):
    run = train(photos, tmp_path, "run", *weights, "model.freeze=true")
    table = Predictions.read(run.predictions)
    answers = Predictor(run.path).predict([photos / path for path in table.frame["path"]])
    for answer, row in zip(answers, table.scores(), strict=True):
        assert list(answer.scores.values()) == pytest.approx(row, abs=1e-5)


def test_several_heads_are_tried_and_the_best_by_validation_is_kept(photos, weights, tmp_path):
    words = ("features.rates=[1e-5, 1e-2]", "features.seeds=[0, 1]", "features.heads=[linear, mlp]")
    run = train(photos, tmp_path, "run", *weights, "model.freeze=true", *words)
    tried = run.read_metrics()["about"]["heads_tried"]
    assert [(t["head"], t["seed"], t["lr"]) for t in tried] == [
        (head, seed, lr) for head in ("linear", "mlp") for seed in (0, 1) for lr in (1e-5, 1e-2)
    ]
    (kept,) = [each for each in tried if each.get("kept")]
    assert kept["val_macro_f1"] == max(each["val_macro_f1"] for each in tried)
    assert json.loads((run.path / "model.json").read_text())["head"] == kept["head"]
    assert "Heads tried" in run.report.read_text()
    again = train_from(run, tmp_path)
    assert same_results(run, again)


def test_a_stop_in_the_heads_stage_leaves_a_run_that_goes_on(
    photos, weights, unbroken, tmp_path, monkeypatch
):
    def stop(*_, **__):
        raise StoppedError("stopped")

    monkeypatch.setattr("fieldmark.runs.frozen.fit_heads", stop)
    with pytest.raises(StoppedError, match="go on with: fieldmark train --resume"):
        train(photos, tmp_path, "run", *weights, *STAGED, epochs=None)
    monkeypatch.undo()
    assert same_results(resume(RunDir(tmp_path / "run")), unbroken)


@pytest.mark.parametrize("point", ["bank:Bank.predict", "checkpoint:Checkpoints.write"])
def test_a_frozen_run_killed_while_it_is_trained_again_goes_on(photos, weights, tmp_path, point):
    frozen = (*weights, "model.freeze=true", "train.patience=none")
    whole = train(photos, tmp_path, "whole", *frozen, epochs="4")
    part = train(photos, tmp_path, "part", *frozen, epochs="2")
    code = in_process(further_and_die, f"fieldmark.fit.{point}", 1, part)
    assert code == -signal.SIGKILL
    assert same_results(resume(part), whole)


@pytest.mark.parametrize(
    "words",
    [
        ("features.heads=[linear, mlp]", "features.rates=[1e-7, 1e-2]"),
        ("head.name=after",),
    ],
)
def test_a_frozen_run_with_another_head_killed_at_its_end_goes_on(photos, weights, tmp_path, words):
    words = (*weights, "model.freeze=true", *words)
    whole = train(photos, tmp_path, "whole", *words)
    in_process(train_and_die, "fieldmark.models.bundle:save", 1, photos, tmp_path, "cut", words)
    assert same_results(resume(RunDir(tmp_path / "cut")), whole)


def test_each_head_stage_has_its_own_rate(photos, weights, tmp_path):
    stages = "train.stages=[{train: head, epochs: 2, lr: 0.1}, {train: head}]"
    words = (*weights, stages, "optimizer.lr=1e-5", "schedule.name=none")
    run = train(photos, tmp_path, "run", *words, epochs="2")
    assert pl.read_csv(run.history)["lr"].to_list() == [0.1, 0.1, 1e-5, 1e-5]


def test_a_head_whose_loss_runs_away_ends_the_run_with_one_sentence(photos, weights, tmp_path):
    with pytest.raises(NotFiniteError, match="try a lower --lr"):
        train(photos, tmp_path, "run", *weights, "model.freeze=true", "optimizer.lr=1e38")


def test_a_head_that_was_trained_to_its_end_goes_before_one_that_ran_away(
    photos, weights, tmp_path
):
    words = (*weights, "model.freeze=true", "features.rates=[1e38, 1e-6]")
    run = train(photos, tmp_path, "run", *words)
    tried = run.read_metrics()["about"]["heads_tried"]
    assert [each["kept"] for each in tried] == [False, True]
    assert "lower --lr" in tried[0]["error"]


@pytest.fixture
def passes(monkeypatch):
    """How many images pass a backbone, by batch."""
    real, found = features._batches, []

    def counted(passing, job):
        found.append(len(job.rows))
        return real(passing, job)

    monkeypatch.setattr(features, "_batches", counted)
    return found


def test_another_head_rate_or_seed_finds_the_features_that_are_there(
    photos, weights, tmp_path, monkeypatch, passes
):
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path / "cache"))
    words = (*weights, "model.freeze=true")
    train(photos, tmp_path, "first", *words)
    assert passes == [48]
    train(photos, tmp_path, "mlp", *words, "head.name=mlp")
    train(photos, tmp_path, "both", *words, "features.heads=[linear, mlp]", seed="3")
    train(photos, tmp_path, "dropout", *words, "head.dropout=0.5", "optimizer.lr=1e-3")
    assert passes == [48]


def test_without_a_cache_every_image_passes_once(photos, weights, tmp_path, monkeypatch, passes):
    monkeypatch.setenv("FIELDMARK_CACHE", "off")
    train(photos, tmp_path, "run", *weights, "model.freeze=true")
    assert passes == [48]


def test_one_rate_on_the_command_line_takes_the_place_of_a_recipes_several():
    given = gather("digits", [], {"lr": "0.5"}, recipe="nature-transfer").settings
    assert given.features.rates is None
    assert given.optimizer.options["lr"] == "0.5"


@pytest.mark.slow
def test_a_compiled_network_learns_what_the_plain_one_does(photos, tmp_path):
    words = ("model.dropout=0",)  # compiled, it is drawn in another way
    plain = train(photos, tmp_path, "plain", *words)
    compiled = train(photos, tmp_path, "compiled", *words, "run.compile=true")
    one, other = (pl.read_csv(run.history)["train_loss"].to_numpy() for run in (plain, compiled))
    assert other == pytest.approx(one, rel=1e-2)


def train_from(run, tmp_path):
    """The run that its own settings.yaml gives."""
    words = {"run.out": str(tmp_path), "run.name": "again"}
    return train_run(gather(None, words, {}, config=str(run.settings)), QUIET, "a test")


def test_a_head_in_a_list_is_the_head_alone(photos, weights, tmp_path):
    frozen = (*weights, "model.freeze=true")
    alone = train(photos, tmp_path, "alone", *frozen, "optimizer.lr=0.01")
    listed = train(photos, tmp_path, "listed", *frozen, "features.rates=[0.01, 1e-9]")
    one, other = bundle.load(alone.path)[0], bundle.load(listed.path)[0]
    for name, tensor in one.network.state_dict().items():
        assert torch.allclose(tensor, other.network.state_dict()[name], atol=1e-6)


def test_a_staged_run_goes_on_with_another_head_after_a_kill(photos, weights, tmp_path):
    words = (*weights, *STAGED, "features.heads=[linear, mlp]", "features.rates=[1e-7, 1e-2]")
    whole = train(photos, tmp_path, "whole", *words, epochs=None)
    for point, count in (
        ("fieldmark.fit.checkpoint:Checkpoints.write", 1),
        ("fieldmark.fit.loop:step", 2),
    ):
        in_process(train_and_die, point, count, photos, tmp_path, f"killed{count}", words)
        assert same_results(resume(RunDir(tmp_path / f"killed{count}")), whole)


def test_views_are_augmented_and_addressed(photos, weights, tmp_path):
    words = (*weights, "model.freeze=true")
    one = train(photos, tmp_path, "one", *words)
    several = train(photos, tmp_path, "several", *words, "features.views=2")
    again = train(photos, tmp_path, "again", *words, "features.views=2")
    assert same_results(several, again)
    assert not same_results(one, several)


@pytest.mark.parametrize("name", ["mlp", "after"])
def test_a_run_with_another_head_can_be_loaded_and_predicts_the_same(
    photos, weights, tmp_path, name
):
    run = train(photos, tmp_path, "run", *weights, *STAGED, f"head.name={name}", epochs=None)
    table = Predictions.read(run.predictions)
    answers = Predictor(run.path).predict([photos / path for path in table.frame["path"]])
    for answer, row in zip(answers, table.scores(), strict=True):
        assert list(answer.scores.values()) == pytest.approx(row, abs=1e-5)


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


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("model.freeze=true", "model.unfreeze=last:1"),
            "model.unfreeze: does not go with --freeze; leave one out",
        ),
        (
            ("model.freeze=true", "train.stages=[{train: all}]"),
            "--freeze: says what is trained, and so does train.stages; leave one of them out",
        ),
        (
            ("model.unfreeze=last:9",),
            "--unfreeze: 'last:9': there are 3 stages before the head; "
            "give a whole number up to that, such as last:2",
        ),
        (
            ("train.stages=[{train: stage9}]",),
            "train.stages: 'stage9' fits no part of the network that has weights; "
            "did you mean 'stage3'?",
        ),
        (
            ("train.stages=[{train: all, epochs: 2}]", "train.epochs=3"),
            "train.epochs: is 3, and the last of train.stages says 2; leave one of them out",
        ),
        (
            ("model.freeze=true", "features.heads=[linear, after]"),
            "features.heads: 'after' works on other features; train it by itself with --head after",
        ),
        (
            ("model.freeze=true", "features.heads=[linear]", "head.name=after"),
            "features.heads: 'after' works on other features; train it by itself with --head after",
        ),
        (
            ("model.freeze=true", "train.batch_size=1", "head.norm=true"),
            "--batch-size: 1 is too few for the batch norm of 'small_cnn'; take 2 or more",
        ),
        (
            ("model.freeze=true", "model.resizer=16", "input.size=24"),
            "model.resizer: a resizer has to be trained, and --freeze does not; "
            "leave one of them out",
        ),
        (
            ("model.freeze=true", "augment.name=light"),
            "augment.name: changes nothing where each image is seen once, as evaluation sees it; "
            "give features.views=10, or leave --freeze or this out",
        ),
        (
            ("model.freeze=true", "features.views=3", "augment.name=none"),
            "features.views: all views of an image are the same without augmentation; "
            "give --augment standard",
        ),
        (
            ("train.stages=[{train: head, epoch: 3}]",),
            "train.stages: stage 1 has no 'epoch'; it takes train, epochs and lr",
        ),
        (
            ("features.rates=[]",),
            "features.rates: must be a list of rates above 0 such as [1e-3, 1e-2]",
        ),
        (
            ("model.freeze=true", "features.heads=[linaer]"),
            "features.heads: there is no head 'linaer'; did you mean 'linear'?",
        ),
        (
            ("model.freeze=true", "features.rates=[1e-3, 1e-2]", "data.val=none"),
            "features: to choose among several heads needs validation images; "
            "leave data.val=none out, or name one rate, seed and head",
        ),
        (
            ("model.freeze=true", "mix.name=mixup"),
            "mix.name: mixes pictures, and a head alone is trained on features; "
            "leave it out, or leave --freeze out",
        ),
        (
            ("loss.class_weights=[1, 2]",),
            "loss.class_weights: there are 2 numbers for 3 classes; "
            "give one a class, in the order of the classes",
        ),
    ],
)
def test_what_does_not_go_together_is_told_in_one_sentence(photos, weights, words, sentence):
    with pytest.raises(SettingsError) as caught:
        prepare(gather(str(photos), ["model.width=4", *weights, *words], {}), QUIET)
    assert str(caught.value) == sentence


def test_a_finished_run_whose_last_stage_is_a_head_after_others_is_not_trained_further(
    photos, tmp_path
):
    words = ("train.stages=[{train: all, epochs: 1}, {train: head}]",)
    run = train(photos, tmp_path, "run", *words, epochs="2")
    with pytest.raises(RunError) as caught:
        resume(run, epochs="4")
    assert str(caught.value) == (
        f"{run.path}: ends with a stage on features after others, which cannot be trained "
        "further; start a new run with --config"
    )


def test_weights_of_another_known_network_are_named(photos, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(MODELS.build("squeezenet1_1", {}, 1000).state_dict(), path)
    words = ["model.name=resnet18", f"model.weights={path}"]
    with pytest.raises(WeightsError) as caught:
        prepare(gather(str(photos), words, {}), QUIET)
    assert str(caught.value) == (
        f"{path}: these are weights of squeezenet1_1, not of resnet18; "
        "take --model squeezenet1_1, or leave it out"
    )


def test_a_run_that_patience_ended_is_not_told_to_train_more_epochs(photos, weights, tmp_path):
    said = []
    words = (*weights, "model.freeze=true", "train.patience=1")
    run = train(photos, tmp_path, "run", *words, epochs="30")
    console = Console(quiet=True)
    console.say = lambda text="": said.append(text)
    go_on(str(run.path), [], {}, console)
    assert said[0].startswith(f"{run.path} is done (no better macro_f1 for 1 epochs)")
    assert "train.patience=none" in said[0]


def test_the_hub_out_of_reach_is_one_sentence_with_two_ways_out(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    photos = draw_photos(tmp_path / "large", each=8, side=80)
    with pytest.raises(WeightsError) as caught:
        prepare(gather(str(photos), [], {}), QUIET)
    text = str(caught.value)
    assert "mobilenet_v2" in text
    assert "--weights FILE" in text
    assert "--weights none" in text
    assert "\n" not in text
    with pytest.raises(WeightsError) as caught:  # which a frozen network cannot do
        prepare(gather(str(photos), [], {"freeze": "true"}), QUIET)
    assert "--weights none" not in str(caught.value)
