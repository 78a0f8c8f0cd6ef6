"""A sweep's names are settings, short names or aliases; what would change nothing is refused."""

import pytest
from smallruns import QUIET
from sweeps import PUBLISHED, sweep_file

from fieldmark.errors import SettingsError
from fieldmark.runs.concrete import gather
from fieldmark.settings.aliases import of_recipe
from fieldmark.study.names import figure_of, names_of
from fieldmark.study.sweep import sweep
from fieldmark.study.varied import read_space


def at(*layers, data="digits", recipe=None, words=()):
    return gather(data, words, {}, recipe=recipe, new=False, more=layers)


def space(folder, parameters, *, head="method: random\n", aliases=None, words=()):
    file = sweep_file(folder, f"{head}parameters: {parameters}\n")
    return read_space(file, aliases or {}, lambda *layers: at(*layers, words=words))


def refused(folder, *args, **more):
    with pytest.raises(SettingsError) as caught:
        space(folder, *args, **more)
    return [f"{each}".removeprefix(f"{folder}/") for each in caught.value.mistakes]


def test_the_published_names_are_the_recipes_aliases(tmp_path):
    pytest.importorskip("optuna")
    file = sweep_file(tmp_path, PUBLISHED)
    names = names_of(file, of_recipe("nature-cnn"))
    assert names.targets == {
        "lr": ("optimizer.lr",),
        "activation": ("model.activation",),
        "batch_norm": ("model.batch_norm",),
        "dropout": ("model.dropout",),
        "filter_org": ("model.organisation",),
        "filter_size": ("model.kernel_size",),
        "num_filters": ("model.filters",),
    }
    assert figure_of(file) == "accuracy"
    found = read_space(
        file, of_recipe("nature-cnn"), lambda *layers: at(*layers, recipe="nature-cnn")
    )
    point = {name: each.values()[-1] for name, each in file.parameters.items()}
    settings = found.settings(point).settings
    assert settings.train.monitor == "accuracy"
    assert settings.model.options == {
        "filters": 64,
        "organisation": "const",
        "kernel_size": "5",
        "activation": "GELU",
        "dropout": 0.5,
        "batch_norm": False,
        "pool_size": 2,
    }
    assert settings.optimizer.options == {"lr": 0.0001}


def test_short_names_sections_and_dotted_names_are_settings(tmp_path):
    nested = "{optimizer: {values: [sgd, adam]}, batch_size: {values: [8, 16]}, "
    nested += "train: {parameters: {epochs: {values: [1, 2]}}}, mix: {values: [none, mixup]}}"
    assert space(tmp_path, nested).names.targets == {
        "optimizer": ("optimizer.name",),
        "batch_size": ("train.batch_size",),
        "train.epochs": ("train.epochs",),
        "mix": ("mix.name",),
    }


def test_a_name_that_is_nothing_is_told_with_the_nearest(tmp_path):
    given = "{batch_sise: {value: 1}, qqq: {value: 1}, weight_decay: {value: 1}, config.epochs: "
    given += "{value: 1}}"
    assert refused(tmp_path, given) == [
        "sweep.yaml: parameters, batch_sise: there is no such setting; did you mean 'batch_size'?",
        "sweep.yaml: parameters, qqq: there is no such setting; write a setting as `fieldmark "
        "options train` lists them",
        "sweep.yaml: parameters, weight_decay: there is no such setting; did you mean "
        "'optimizer.weight_decay'?",
        "sweep.yaml: parameters, config.epochs: there is no such setting; did you mean "
        "'train.epochs'?",
    ]


def test_what_the_model_does_not_use_is_refused(tmp_path):
    given = "{model.filters: {values: [8, 16]}, model: {value: small_cnn}}"
    [found] = refused(tmp_path, given)
    assert found.startswith(
        "sweep.yaml: parameters, model.filters: the model 'small_cnn' takes no such option"
    )


def test_what_only_one_of_the_models_uses_is_refused(tmp_path):
    given = "{model: {values: [nature_cnn, small_cnn]}, model.filters: {values: [8, 16]}}"
    [found] = refused(tmp_path, given)
    assert "the model 'small_cnn' takes no such option" in found


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("data.val_fraction", "data.val_fraction says which images there are, so scores would be "
         "of different ones; give it one value"),
        ("run.workers", "run.workers changes no figure; give it one value"),
        ("budget.max_hours",
         "budget.max_hours says when a run ends, not how it is trained; give it one value"),
        ("train.steps_every", "train.steps_every changes no weights; give it one value"),
    ],
)  # fmt: skip
def test_what_changes_no_figure_may_not_vary(tmp_path, name, why):
    assert refused(tmp_path, f"{{{name}: {{values: [0.1, 0.2]}}}}") == [
        f"sweep.yaml: parameters, {name}: {why}"
    ]


def test_what_is_typed_as_well_is_refused(tmp_path):
    found = refused(tmp_path, "{lr: {values: [0.1, 0.2]}}", words=["optimizer.lr=0.1"])
    assert found == [f"--lr: is set by {tmp_path}/sweep.yaml too, as lr; leave one out"]


def test_images_without_labels_are_for_the_winner(tmp_path):
    (tmp_path / "new.csv").write_text("image\na.png\n")
    (tmp_path / "a.png").touch()
    found = refused(tmp_path, "{lr: {values: [1, 2]}}", words=[f"data.predict={tmp_path}/new.csv"])
    assert found == [
        "--predict: would be done by every trial; leave it out, and let fieldmark predict STUDY "
        "do it"
    ]


def test_two_names_of_one_setting_are_refused(tmp_path):
    found = refused(tmp_path, "{lr: {values: [0.1, 0.2]}, optimizer.lr: {value: 1}}")
    assert found == [
        "sweep.yaml: parameters, optimizer.lr: sets optimizer.lr, and so does lr; leave one out"
    ]


def test_every_wrong_value_is_told_before_any_work(tmp_path):
    given = "{lr: {values: [0.1, -1]}, optimizer: {values: [adam, adom]}}"
    assert refused(tmp_path, given) == [
        "sweep.yaml: parameters, lr: must be more than 0, not -1",
        "sweep.yaml: parameters, optimizer: there is no optimizer 'adom'; did you mean 'adam'?",
    ]


def test_where_nothing_varies_there_is_nothing_to_try(tmp_path):
    assert refused(tmp_path, "{lr: {value: 0.1}}") == [
        "sweep.yaml: parameters: every parameter has one value, so there is nothing to try; give "
        "one several"
    ]


@pytest.mark.parametrize(
    ("metric", "what"),
    [
        ("{name: test_accuracy, goal: maximize}", "metric, name: 'test_accuracy' is not of "
         "validation, by which a sweep chooses; take val_accuracy"),
        ("{name: val_acuracy, goal: maximize}", "metric, name: there is no figure 'val_acuracy'; "
         "did you mean 'val_accuracy'?"),
        ("{name: val_accuracy}", "metric, goal: without one Weights & Biases minimizes, which "
         "looks for the worst accuracy; write goal: maximize"),
        ("{name: val_loss, goal: maximize}", "metric, goal: maximize looks for the worst loss; "
         "write goal: minimize"),
    ],
)  # fmt: skip
def test_a_metric_that_would_choose_wrong_is_refused(tmp_path, metric, what):
    head = f"method: random\nmetric: {metric}\n"
    found = refused(tmp_path, "{lr: {values: [0.1, 0.2]}}", head=head)
    assert found == [f"sweep.yaml: {what}"]


@pytest.mark.parametrize("name", ["val_loss", "val/loss", "loss"])
def test_a_loss_is_made_small_without_a_word(tmp_path, name):
    head = f"method: random\nmetric: {{name: {name}}}\n"
    assert space(tmp_path, "{lr: {values: [0.1, 0.2]}}", head=head).figure == "loss"


def test_how_many_trials_must_be_said(tmp_path):
    found = space(tmp_path, "{lr: {min: 0.1, max: 0.2}}")
    with pytest.raises(SettingsError) as caught:
        sweep(found, QUIET, "a test")
    assert str(caught.value) == (
        f"--trials: say how many, as in --trials 20: {tmp_path}/sweep.yaml has no run_cap, and "
        "random never ends by itself"
    )


def test_what_only_the_images_can_tell_is_told_with_the_values(tmp_path):
    file = sweep_file(tmp_path, "method: grid\nparameters: {fs: {values: [3, 5]}}\n")
    words = ["model=nature_cnn", "input.size=32", f"run.out={tmp_path}"]
    found = read_space(
        file, {"fs": ("model.kernel_size",)}, lambda *layers: at(*layers, words=words)
    )
    with pytest.raises(SettingsError) as caught:
        sweep(found, QUIET, "a test")
    assert str(caught.value) == (
        f"{tmp_path}/sweep.yaml: fs 5: --image-size: 'nature_cnn' with kernels 5,5,5,5,5 needs "
        "images of 94 px or more, not 32"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.yaml"]
