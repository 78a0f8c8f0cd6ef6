"""What others published stands in the recipes: every value, read from the settings as resolved."""

import re
from unittest.mock import ANY

import numpy as np
import pytest
import yaml
from PIL import Image
from smallruns import QUIET, draw_photos

from fieldmark import recipes
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import prepare
from fieldmark.settings.aliases import of_recipe, rewrite
from fieldmark.settings.layers import layer
from fieldmark.settings.texts import read_yaml

NATURE = {
    "data.val_fraction": 0.2,
    "input.size": 224,
    "input.stored": "original",
    "input.normalize": "half",
    "augment.name": "nature",
    "augment.horizontal": 0.5,
    "augment.vertical": 0.5,
    "augment.angle": 180.0,
    "augment.erasing": 0.4,
    "model.name": "nature_cnn",
    "model.weights": "none",
    "model.filters": 32,
    "model.organisation": "const",
    "model.kernel_size": 3,
    "model.activation": "ReLU",
    "model.dropout": 0.3,
    "model.batch_norm": False,
    "model.pool_size": 2,
    "optimizer.name": "adam",
    "optimizer.lr": 1e-3,
    "loss.name": "cross_entropy",
    "train.epochs": 10,
    "train.batch_size": 64,
    "track.project": "assignment2",
}
PUBLISHED = {
    "nature-cnn": NATURE,
    "nature-cnn-published": {
        **{key: value for key, value in NATURE.items() if key != "model.organisation"},
        "model.filters": 64,
        "model.kernel_size": (5, 5, 3, 3, 3),
        "model.activation": "LeakyReLU",
        "optimizer.lr": 1e-4,
        "train.epochs": 40,
    },
    "birds-alexnet": {
        "data.test": "none",
        "input.stored": "square:224",
        "input.normalize": ANY,  # "dataset" becomes six numbers: the last test
        "augment.name": "none",
        "model.name": "birds_alexnet",
        "model.weights": "none",
        "model.dropout": 0.1,
        "train.epochs": 10,
        "train.figures": (
            *("accuracy", "macro_precision", "macro_recall", "macro_f1", "roc_auc", "log_loss"),
        ),
        "train.steps_every": 1,
    },
    "cifar-resnet18": {
        "data.val": "none",
        "input.size": 32,
        "input.stored": "square:32",
        "augment.name": "cifar",
        "augment.flip": True,
        "model.name": "cifar_resnet18",
        "model.weights": "none",
        "optimizer.name": "sgd",
        "optimizer.lr": 0.5,
        "optimizer.momentum": 0.9,
        "schedule.div_factor": 50.0,
        "penalty.on": "all",
        "train.epochs": 20,
        "train.patience": None,
    },
    "cifar-fast": {
        "data.val": "none",
        "input.size": 32,
        "input.stored": "square:32",
        "input.normalize": (0.4914, 0.4822, 0.4465, 0.2470, 0.2435, 0.2616),
        "augment.name": "crop",
        "augment.by": "batch",
        "augment.pad": 2,
        "augment.padding": "reflect",
        "augment.flip": True,
        "augment.alternate": True,
        "augment.hole": 0,
        "model.name": "cifar_fast",
        "model.weights": "none",
        "model.width": 64,
        "model.scale": pytest.approx(1 / 9),
        "model.norm_momentum": 1 - 0.6,
        "optimizer.name": "sgd",
        "optimizer.lr": pytest.approx(11.5 / (1 + 1 / (1 - 0.85))),
        "optimizer.momentum": 0.85,
        "optimizer.weight_decay": pytest.approx(0.0153 / 11.5, rel=1e-3),
        "optimizer.nesterov": True,
        "schedule.name": "triangle",
        "schedule.start": 0.2,
        "schedule.peak": 0.23,
        "schedule.end": 0.07,
        "loss.name": "cross_entropy",
        "loss.label_smoothing": 0.2,
        "train.batch_size": 1024,
        "train.bias_factor": 64.0,
        "train.lookahead": 5,
        "train.patience": None,
        "train.test_flip": True,
    },
    "animals-ovr": {
        "input.size": 224,
        "input.normalize": "imagenet",
        "augment.name": "light",
        "augment.shift": 0.0,
        "augment.flip": True,
        "model.name": "attention_cnn",
        "model.weights": "none",
        "model.init": "kaiming_in",
        "model.attention": "softmax",
        "model.widths": (64, 128, 256, 512, 512),
        "optimizer.name": "adamw",
        "optimizer.lr": 1e-4,
        "optimizer.betas": (0.9, 0.99),
        "optimizer.weight_decay": 0.01,
        "loss.name": "cross_entropy",
        "train.epochs": 3,
        "train.batch_size": 32,
        "run.workers": 2,
    },
}
OURS = {
    "animals-ovr": {
        "data.test": "auto",
        "input.stored": "square:224",
        "schedule.name": "none",
        "train.patience": None,
        "train.monitor": "accuracy",
        "mix.name": "none",
        "train.ema": None,
    },
    "cifar-resnet18": {
        "augment.angle": 10.0,
        "augment.shift": 20.0,
        "augment.hole": 16,
        "penalty.l1": 0.0,
        "train.batch_size": 128,
        "optimizer.weight_decay": 0.0,
        "optimizer.nesterov": False,
        "schedule.name": "one-cycle",
    },
    "birds-alexnet": {
        "input.size": 224,
        "loss.name": "cross_entropy",
        "optimizer.name": "adam",
        "optimizer.lr": 1e-3,
        "train.batch_size": 64,
    },
}
BEST = {  # what is published of these is that of a faithful one
    "nature-cnn-best": ("nature-cnn", "nature-cnn-published"),
    "birds-alexnet-best": ("birds-alexnet",),
    "cifar-resnet18-best": ("cifar-resnet18",),
}
SCRATCH = (*PUBLISHED, *BEST)
SPELLINGS = 3
FLAGS = (  # of the published script, a value each, and what it sets
    (("-e", "--epochs"), "5", {"train.epochs": 5}),
    (("-b", "--batch_size"), "8", {"train.batch_size": 8}),
    (("-lr", "--lr"), "2e-4", {"optimizer.lr": 2e-4}),
    (("-nf", "--num_filters"), "16", {"model.filters": 16}),
    (("-fs", "--filter_size"), "5,5,3,3,3", {"model.kernel_size": (5, 5, 3, 3, 3)}),
    (("-fo", "--filter_org"), "half", {"model.organisation": "half"}),
    (("-a", "--activation"), "SiLU", {"model.activation": "SiLU"}),
    (("-d", "--dropout"), "0", {"model.dropout": 0.0}),
    (("-bn", "--batch_norm", "--bacth_norm"), "true", {"model.batch_norm": True}),
    (("-q", "--question"), "4", {"run.tag": "4"}),
    (("-wp", "--wandb_project"), "mine", {"track.project": "mine", "track.to": ("wandb",)}),
    (("-we", "--wandb_entity"), "me", {"track.entity": "me", "track.to": ("wandb",)}),
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return str(draw_photos(tmp_path_factory.mktemp("drawn") / "photos", each=8, side=72))


@pytest.fixture
def _every_tracker(monkeypatch):
    """As if all trackers were installed; nothing here imports one."""
    monkeypatch.setattr("fieldmark.track.trackers.is_installed", lambda package: True)


def settled(photos, *words):
    """Each setting of a run of the recipe, none left to be chosen, by its dotted name."""
    recipe, *rest = words
    settings = prepare(gather(photos, rest, {}, recipe=recipe), QUIET, load=False).settings
    return {
        f"{section}.{name}": value
        for section, part in settings.model_dump().items()
        for name, value in part.items()
    }


def lines_of(recipe):
    """(dotted name, remark) of each value in a recipe."""
    lines = recipes.text(recipe).partition("\naliases:")[0].splitlines()
    section = ""
    for line in lines:
        found = re.match(r"( *)(\w+):( \S[^#]*)?(?:#(.*))?$", line)
        if line.startswith("#") or found is None:
            continue
        indent, name, value, remark = found.groups()
        if not indent:
            section = name
        if value and value.strip():
            own = "source" if section == "data" else "name"
            yield f"{section}.{name if indent else own}", (remark or "").strip()


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_every_published_value_is_what_a_run_has(recipe, photos):
    settings = settled(photos, recipe)
    wanted = {**PUBLISHED[recipe], **OURS.get(recipe, {})}
    assert {key: settings[key] for key in wanted} == wanted


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_what_a_recipe_calls_published_is_what_is_tested_to_be(recipe):
    marked = {key for key, remark in lines_of(recipe) if remark.startswith("published")}
    assert marked - {"data.source"} == set(PUBLISHED[recipe])


@pytest.mark.parametrize("best", BEST)
def test_what_a_best_recipe_calls_published_is_what_a_faithful_one_has(best):
    marked = {key for key, remark in lines_of(best) if remark.startswith("published")}
    values, *faithful = (_as_written(recipe) for recipe in (best, *BEST[best]))
    other = {
        key: values[key]
        for key in marked
        if values[key] not in [twin.get(key) for twin in faithful]
    }
    assert len(marked) > 5
    assert other == {}


def _as_written(recipe):
    """Each value of a recipe, by its dotted name."""
    return layer("x", read_yaml(recipes.text(recipe), recipe)).values


@pytest.mark.parametrize("recipe", SCRATCH)
def test_each_value_is_marked_published_or_our_choice_with_the_reason(recipe):
    values = dict(lines_of(recipe))
    assert set(values) == set(_as_written(recipe))  # no value hides from the line below
    marked = re.compile(r"published|our choice: \S")
    assert [key for key, remark in values.items() if not marked.match(remark)] == []


@pytest.mark.parametrize("recipe", SCRATCH)
def test_what_is_not_published_says_so_in_the_header(recipe):
    header = recipes.text(recipe).partition("\ndata:")[0]
    assert re.search(r"^# source    \S", header, re.MULTILINE)
    assert re.search(
        rf"^# command   fieldmark (train|one-vs-rest) .*--recipe {recipe}$", header, re.MULTILINE
    )


def typed(photos, *words):
    """What the words of a command line set, with the images named by -p."""
    rewritten = rewrite(["train", "--recipe", "nature-cnn", "-p", photos, *words]).words[3:]
    return settled(None, "nature-cnn", *rewritten)


@pytest.mark.usefixtures("_every_tracker")
@pytest.mark.parametrize("spelling", range(SPELLINGS))
def test_each_flag_of_the_published_script_sets_what_it_set_there(spelling, photos):
    words, wanted = [], {}
    for flags, value, sets in FLAGS:
        words += [flags[min(spelling, len(flags) - 1)], value]
        wanted |= sets
    settings = typed(photos, *words)
    assert {key: settings[key] for key in wanted} == wanted


@pytest.mark.usefixtures("_every_tracker")
def test_a_flag_alone_leaves_all_else_as_the_recipe_has_it(photos):
    plain = settled(photos, "nature-cnn")
    for words, changed in (
        (["-bn", "false"], {}),
        (["-fs", "5"], {"model.kernel_size": 5}),
        (["-we", "me"], {"track.entity": "me", "track.to": ("wandb",)}),
    ):
        assert typed(photos, *words) == {**plain, **changed}


def test_every_flag_of_the_published_script_is_tested():
    tested = {flag for flags, _, _ in FLAGS for flag in flags}
    assert tested | {"-p", "--parent_dir"} == set(of_recipe("nature-cnn"))
    assert of_recipe("nature-cnn-published") == of_recipe("nature-cnn")


def test_the_images_of_the_published_script_are_where_it_looks_for_them():
    for recipe in ("nature-cnn", "nature-cnn-published"):
        assert yaml.safe_load(recipes.text(recipe))["data"]["source"] == "nature_12K"


def test_the_square_of_the_birds_follows_the_size(photos):
    settings = settled(photos, "birds-alexnet", "image_size=112")
    assert settings["input.stored"] == "square:112"


def test_the_birds_are_normalised_by_the_mean_of_their_own_training_images(photos):
    prepared = prepare(gather(photos, [], {}, recipe="birds-alexnet"), QUIET, load=False)
    samples = prepared.samples
    paths = [samples.places()[row][0] for row in samples.rows("train")]
    pixels = np.stack([np.asarray(Image.open(f"{samples.root}/{path}")) for path in paths])
    assert 0 < len(paths) < len(samples)
    assert prepared.spec.mean == pytest.approx(pixels.mean(axis=(0, 1, 2)) / 255, abs=1e-3)
