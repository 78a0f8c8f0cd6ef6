"""Files of Weights & Biases are read as they are; what is wrong is told with its place."""

import pytest
from sweeps import PUBLISHED, sweep_file

from fieldmark.errors import SettingsError

HEAD = "method: random\nparameters: {lr: {values: [1, 2]}}\n"


def mistakes(folder, text):
    with pytest.raises(SettingsError) as caught:
        sweep_file(folder, text)
    return [f"{each}".removeprefix(f"{folder}/") for each in caught.value.mistakes]


def test_the_published_file_is_read_whole(tmp_path):
    found = sweep_file(tmp_path, PUBLISHED)
    assert (found.method, found.metric) == ("bayes", {"name": "val_accuracy", "goal": "maximize"})
    assert found.ignored == ("program",)
    assert found.about == {"name": "complete-sweep"}
    assert {name: each.values() for name, each in found.parameters.items()} == {
        "lr": [0.001, 0.0001],
        "activation": ["SiLU", "LeakyReLU", "ReLU", "GELU"],
        "batch_norm": [True, False],
        "dropout": [0.3, 0.5],
        "filter_org": ["half", "double", "const"],
        "filter_size": ["3", "5,5,3,3,3", "5"],
        "num_filters": [16, 32, 64],
    }


def test_what_means_nothing_here_is_told(tmp_path):
    more = "metric: {name: val_loss, impute: worst}\ncommand: [a]\ncontroller: {type: local}\n"
    assert sweep_file(tmp_path, HEAD + more).ignored == ("command", "controller", "metric impute")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("{value: 3}", "constant"),
        ("{values: [1, 2]}", "categorical"),
        ("{values: [1, 2], probabilities: [0.3, 0.7]}", "categorical_w_probabilities"),
        ("{min: 1, max: 9}", "int_uniform"),
        ("{min: 1, max: 9.0}", "uniform"),
        ("{min: 1e-4, max: 9.0}", "uniform"),  # YAML takes 1e-4 for a text
        ("{min: 0, max: 9, q: 3}", "q_uniform"),
        ("{mu: 1, sigma: 2}", "normal"),
        ("{distribution: log_uniform, min: -5, max: -1}", "log_uniform"),
        ("{distribution: beta, a: 1, b: 2}", "beta"),
    ],
)
def test_a_distribution_is_told_by_what_is_given(tmp_path, given, kind):
    found = sweep_file(tmp_path, f"method: random\nparameters: {{x: {given}}}\n")
    assert found.parameters["x"].distribution == kind


def test_a_number_with_an_exponent_is_one_though_yaml_takes_it_for_a_text(tmp_path):
    text = "method: grid\nparameters: {x: {values: [1e-4, 2.5e3, '3', 3e]}}\n"
    assert sweep_file(tmp_path, text).parameters["x"].values() == [0.0001, 2500.0, "3", "3e"]


def test_nested_parameters_have_dotted_names(tmp_path):
    nested = "{optimizer: {parameters: {lr: {value: 1}, name: {values: [sgd, adam]}}}}"
    found = sweep_file(tmp_path, f"method: grid\nparameters: {nested}\n")
    assert list(found.parameters) == ["optimizer.lr", "optimizer.name"]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ("3", "must be value, values, min and max, or a distribution with its numbers; write "
         "{value: 3}"),
        ("{}", "must be value, values, min and max, or a distribution with its numbers"),
        ("{distribution: uniforn, min: 0, max: 1}",
         "there is no distribution 'uniforn'; did you mean 'uniform'?"),
        ("{distribution: uniform, min: 0}", "uniform needs 'max'"),
        ("{min: 3, max: 1}", "min must be less than max, and 3 is not less than 1"),
        ("{min: 0, max: 1, a: 2}", "int_uniform takes no 'a'; it takes 'min' and 'max'"),
        ("{values: []}", "values must be a list of one or more"),
        ("{values: [1, 2], probabilities: [0.3, 0.3]}",
         "probabilities must be 0 or more and add up to 1, not to 0.6"),
        ("{distribution: log_uniform_values, min: 0, max: 1}",
         "min must be more than 0 for log_uniform_values, not 0"),
        ("{distribution: normal, sigma: 0}", "sigma must be more than 0, not 0"),
        ("{min: a, max: 1}", "min must be a number, not a"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_told_with_its_name(tmp_path, given, what):
    found = mistakes(tmp_path, f"method: random\nparameters: {{x: {given}}}\n")
    assert found == [f"sweep.yaml: parameters, x: {what}"]


def test_a_grid_over_what_never_ends_is_refused(tmp_path):
    found = mistakes(tmp_path, "method: grid\nparameters: {x: {min: 0.0, max: 1.0}}\n")
    assert found == [
        "sweep.yaml: parameters, x: a grid over uniform never ends; give values, or take "
        "method: random"
    ]


def test_what_optuna_has_not_is_refused_for_bayes_by_name(tmp_path):
    text = "method: bayes\nparameters: {x: {mu: 0}, y: {values: [1, 2], probabilities: [1, 0]}}\n"
    ends = (
        "take method: random, or one of 'categorical', 'int_uniform', 'uniform', 'q_uniform', "
        "'log_uniform' and 'log_uniform_values'"
    )
    assert mistakes(tmp_path, text) == [
        f"sweep.yaml: parameters, x: bayes has no normal; {ends}",
        f"sweep.yaml: parameters, y: bayes has no categorical_w_probabilities; {ends}",
    ]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("methods: grid", "methods: a sweep has no such key; did you mean 'method'?"),
        ("scheduler: {engine: ax}",
         "scheduler: is of Weights & Biases' own servers; leave it out"),
        ("run_cap: 0", "run_cap: must be a whole number of at least 1, not 0"),
        ("metric: accuracy", "metric: must be a table with a name, such as {name: val_accuracy}"),
        ("metric: {name: val_loss, goal: min}",
         "metric, goal: must be 'minimize' and 'maximize', not min"),
        ("metric: {name: val_loss, target_value: 3}",
         "metric: has no 'target_value'; it has 'name', 'goal', 'target', 'impute' and "
         "'impute_while_running'"),
        ("early_terminate: {type: hyperband}",
         "early_terminate: takes min_iter, or max_iter and s"),
        ("early_terminate: {type: hyperband, min_iter: 3, max_iter: 9}",
         "early_terminate: takes min_iter, or max_iter and s"),
        ("early_terminate: {type: hyperband, min_iter: 3, eta: 1}",
         "early_terminate, eta: must be more than 1, not 1"),
        ("early_terminate: {type: median}", "early_terminate: must be a table of type: hyperband"),
    ],
)  # fmt: skip
def test_what_is_wrong_beside_the_parameters_is_told(tmp_path, more, what):
    assert mistakes(tmp_path, f"{HEAD}{more}\n") == [f"sweep.yaml: {what}"]


def test_all_that_is_wrong_is_told_together(tmp_path):
    found = mistakes(tmp_path, "method: best\nrun_cap: x\n")
    assert [each.split(": ")[1] for each in found] == ["method", "run_cap", "parameters"]
