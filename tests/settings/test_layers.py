import pytest

from fieldmark.errors import Mistake, SettingsError
from fieldmark.settings.layers import Layer, layer, read

DATA = layer("command line", {"data": "digits"})

NORMALIZE = (
    "input.normalize: must be auto, imagenet, half, dataset, or six numbers "
    "[mean, mean, mean, std, std, std], each std above 0"
)
TRACK = (
    "track.to: must be tensorboard, wandb, mlflow, or several with commas between such as "
    "tensorboard,mlflow, not neptune"
)


def mistakes_of(nested, prefix=""):
    with pytest.raises(SettingsError) as caught:
        read([DATA, layer("x", nested, prefix=prefix)])
    return str(caught.value)


def test_without_a_word_every_setting_has_its_default():
    settings = read([DATA]).settings
    assert settings.data.source == "digits"
    assert (settings.train.epochs, settings.optimizer.name, settings.run.name) == (
        "auto",
        "adamw",
        None,
    )


def test_a_later_layer_outdoes_an_earlier_one():
    recipe = layer("recipe r", {"train": {"epochs": 2, "batch_size": 3, "patience": 4}})
    config = layer("file f", {"train": {"batch_size": 30, "patience": 40}})
    words = layer("command line", {"train.patience": "400"})
    found = read([DATA, recipe, config, words])
    train = found.settings.train
    assert (train.epochs, train.batch_size, train.patience) == (2, 30, 400)
    assert train.accumulate == 1
    assert found.origins == {
        "data.source": "command line",
        "train.epochs": "recipe r",
        "train.batch_size": "file f",
        "train.patience": "command line",
    }


def test_a_section_given_a_plain_value_takes_it_as_its_name():
    settings = read([layer("x", {"data": "photos", "optimizer": "sgd", "model": "m"})]).settings
    assert settings.data.source == "photos"
    assert settings.optimizer.name == "sgd"
    assert settings.model.name == "m"


def test_a_section_with_nothing_under_it_says_nothing():
    assert read([DATA, layer("x", {"train": None, "optimizer": None})]) == read([DATA])


def test_the_name_of_another_choice_drops_the_options_of_the_earlier_one():
    recipe = layer("recipe r", {"optimizer": {"name": "sgd", "lr": 0.5, "momentum": 0.9}})
    found = read([DATA, recipe, layer("command line", {"optimizer": "adam"})])
    assert found.settings.optimizer.options == {}
    assert found.settings.optimizer.name == "adam"
    assert "optimizer.lr" not in found.origins


def test_the_name_of_the_same_choice_keeps_its_options():
    recipe = layer("recipe r", {"optimizer": {"name": "sgd", "lr": 0.5}})
    words = layer("command line", {"optimizer": {"name": "sgd", "momentum": 0.8}})
    options = read([DATA, recipe, words]).settings.optimizer.options
    assert options == {"lr": 0.5, "momentum": 0.8}


def test_the_default_choice_by_name_keeps_the_options_that_were_given_without_one():
    recipe = layer("recipe r", {"optimizer": {"lr": 0.5}})
    kept = read([DATA, recipe, layer("command line", {"optimizer": "adamw"})]).settings
    assert kept.optimizer.options == {"lr": 0.5}
    dropped = read([DATA, recipe, layer("command line", {"optimizer": "adam"})]).settings
    assert dropped.optimizer.options == {}


def test_what_stands_beside_the_name_of_another_choice_stays():
    recipe = layer("recipe r", {"model": {"name": "a", "freeze": True, "dropout": 0.5}})
    words = layer("command line", {"model": {"name": "b", "width": 3}})
    model = read([DATA, recipe, words]).settings.model
    assert model.freeze is True
    assert model.options == {"width": 3}


def test_dotted_and_nested_keys_are_the_same():
    nested = layer("x", {"train": {"epochs": 3}, "model": {"dropout": 0.5}})
    dotted = layer("x", {"train.epochs": 3, "model.dropout": 0.5})
    assert nested == dotted


@pytest.mark.parametrize(
    ("nested", "text"),
    [
        ({"train": {"epochs": 0}}, "train.epochs: must be at least 1, not 0"),
        ({"train": {"epochs": "x"}}, "train.epochs: must be a whole number, not x"),
        ({"train": {"epochs": 1.5}}, "train.epochs: must be a whole number, not 1.5"),
        ({"train": {"epochs": True}}, "train.epochs: must be a whole number, not True"),
        ({"run": {"workers": False}}, "run.workers: must be a whole number, not False"),
        ({"train": {"clip_norm": "-1"}}, "train.clip_norm: must be more than 0, not -1"),
        ({"train": {"clip_norm": "much"}}, "train.clip_norm: must be a number, not much"),
        ({"train": {"clip_norm": "inf"}}, "train.clip_norm: must be a finite number, not inf"),
        ({"train": {"ema": 1}}, "train.ema: must be less than 1, not 1"),
        ({"data": {"val_fraction": -0.1}}, "data.val_fraction: must be at least 0, not -0.1"),
        ({"data": {"source": 3}}, "data.source: must be a text, not 3"),
        (
            {"data": {"val": "some"}},
            "data.val: must be 'auto', 'cross', 'hold' or 'none', not some",
        ),
        ({"model": {"freeze": "perhaps"}}, "model.freeze: must be true or false, not perhaps"),
        ({"run": {"workers": 65}}, "run.workers: must be at most 64, not 65"),
        ({"run": {"workers": -1}}, "run.workers: must be at least 0, not -1"),
        ({"input": {"normalize": "datasets"}}, f"{NORMALIZE}; did you mean 'dataset'?"),
        ({"input": {"normalize": "imagenette"}}, f"{NORMALIZE}; did you mean 'imagenet'?"),
        ({"input": {"normalize": [0.5, 0.5, 0.5, 1, 1]}}, NORMALIZE),
        ({"input": {"normalize": "[0.5, 0.5, 0.5, 1, 1, 0]"}}, NORMALIZE),
        ({"track": {"to": "neptune"}}, TRACK),
        ({"track": {"to": "wandb,neptune"}}, TRACK),
        ({"input": {"size": "big"}}, "input.size: must be a whole number, not big"),
        (
            {"data": {"val_fraction": 0.6, "test_fraction": 0.4}},
            "data: val_fraction and test_fraction leave nothing to train on; "
            "their sum must be less than 1",
        ),
    ],
)
def test_a_mistake_is_one_sentence(nested, text):
    assert mistakes_of(nested) == text


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("trian.epochs", "; did you mean 'train.epochs'?"),
        ("train.epoch", "; did you mean 'train.epochs'?"),
        ("patience", "; did you mean 'train.patience'?"),
        ("epoch", "; did you mean 'train.epochs'?"),
        ("lr", "; did you mean 'optimizer.lr'?"),
        ("epochs", "; did you mean 'train.epochs'?"),
        ("xyzzy", "; `fieldmark options train` lists them all"),
        ("model.head.dropout", "; did you mean 'head.dropout'?"),
    ],
)
def test_an_unknown_key_is_told_the_nearest(key, hint):
    assert mistakes_of({key: 1}) == f"{key}: there is no such setting{hint}"


def test_channels_and_trackers_are_read_as_they_are_offered():
    six = (0.5, 0.5, 0.5, 1, 1, 1)
    for given, wanted in (("dataset", "dataset"), (str(list(six)), six)):
        words = layer("x", {"input.normalize": given, "track.to": "tensorboard,mlflow"})
        settings = read([DATA, words]).settings
        assert settings.input.normalize == wanted
        assert settings.track.to == ("tensorboard", "mlflow")


def test_without_images_there_is_no_run():
    with pytest.raises(SettingsError) as caught:
        read([])
    assert str(caught.value) == (
        "DATA: is missing; name a folder of class folders, or a built-in set such as digits"
    )


def test_all_mistakes_are_told_at_once_each_with_its_place():
    config = layer("file f", {"train": {"epochs": 0, "bogus": 1}}, prefix="f.yaml: ")
    words = Layer("command line", {"run.seed": "-1", "optimizer.lr": "-1"}, {"run.seed": "--seed"})

    def check(raw):
        assert raw["train"] == {"epochs": 0}
        assert raw["optimizer"] == {"lr": "-1"}
        return [Mistake("optimizer.lr", "is odd"), Mistake("elsewhere", "is odd too")]

    with pytest.raises(SettingsError) as caught:
        read([DATA, config, words], [check])
    assert str(caught.value).splitlines() == [
        "f.yaml: train.bogus: there is no such setting; `fieldmark options train` lists them all",
        "f.yaml: train.epochs: must be at least 1, not 0",
        "--seed: must be at least 0, not -1",
        "optimizer.lr: is odd",
        "elsewhere: is odd too",
    ]


def test_a_mistake_points_at_the_layer_that_won():
    config = layer("file f", {"train": {"epochs": 3}}, prefix="f.yaml: ")
    words = Layer("command line", {"train.epochs": "0"}, {"train.epochs": "--epochs"})
    with pytest.raises(SettingsError, match=r"^--epochs: must be at least 1, not 0$"):
        read([DATA, config, words])
    with pytest.raises(SettingsError, match=r"^f\.yaml: train\.epochs: must be"):
        read([DATA, words, layer("f", {"train": {"epochs": -1}}, prefix="f.yaml: ")])


def test_a_mistake_of_a_check_is_told_though_the_types_are_right():
    with pytest.raises(SettingsError, match=r"^data\.source: is odd$"):
        read([DATA], [lambda raw: [Mistake("data.source", "is odd")]])
