"""Code of the caller's own in a run: what it is recorded as, and that nothing else runs it."""

import random
import sys

import numpy as np
import pytest
import torch
from smallruns import draw_photos
from torch import nn

import fieldmark
from fieldmark import plugins
from fieldmark.cli.main import run as cli
from fieldmark.data.augment import AUGMENTS, own_transform
from fieldmark.errors import SettingsError, WeightsError
from fieldmark.fit.losses import LOSSES
from fieldmark.fit.optimizers import OPTIMIZERS
from fieldmark.fit.schedules import SCHEDULES
from fieldmark.judge import metrics
from fieldmark.judge.evidence import Evidence
from fieldmark.judge.intervals import intervals
from fieldmark.judge.metrics import METRICS
from fieldmark.models.catalog import MODELS
from fieldmark.models.heads import HEADS
from fieldmark.python.own import counted_with, name_of
from fieldmark.records import InputSpec
from fieldmark.rundir import RunDir
from fieldmark.runs.asked import check_words
from fieldmark.runs.checks import check
from fieldmark.settings.tree import sections

SMALL = {"epochs": 2, "batch_size": 16, "lr": 0.01, "workers": 0, "quiet": True}


CATALOGS_OF = (MODELS, HEADS, LOSSES, AUGMENTS, OPTIMIZERS, SCHEDULES)


class Net(nn.Module):
    """A small network of somebody's own."""

    def __init__(self, classes, *, width: int = 4):
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
        self.last = nn.Linear(4 * width, classes)

    def forward(self, images):
        return self.last(self.maps(images).flatten(1))


def squares(logits, targets):
    """Brier's."""
    return ((logits.softmax(1) - nn.functional.one_hot(targets, 3)) ** 2).sum(1).mean()


def turned(image):
    """Mirrored by half."""
    return image.flip(2) if torch.rand(()) < 0.5 else image


def share_right(truth, scores):
    """Share of the images that are right."""
    return (scores.argmax(axis=1) == truth).mean()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos", each=12)


EMPTY = {section: {} for section in sections()}
OWN = {"model": Net, "loss": squares, "augment": turned, "metrics": share_right}


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    before = len(MODELS), len(LOSSES), len(AUGMENTS), len(METRICS)
    done = fieldmark.train(
        photos, out=tmp_path_factory.mktemp("runs"), **SMALL, **OWN, **{"model.width": 5}
    )
    assert (len(MODELS), len(LOSSES), len(AUGMENTS), len(METRICS)) == before  # lent, and no more
    return done


def test_what_was_given_stands_in_the_settings_by_name_and_hash(run):
    settings = run.settings
    assert settings["model"]["name"] == name_of(Net)
    assert settings["model"]["width"] == 5  # an option of its own, as of any network
    assert settings["loss"]["name"] == name_of(squares)
    assert settings["augment"]["name"] == name_of(turned)
    assert settings["train"]["own_figures"] == [name_of(share_right).removeprefix("own/")]
    assert run.metrics["test"]["share_right"] == run.metrics["test"]["accuracy"]
    assert run.history["val_share_right"].to_list() == run.history["val_accuracy"].to_list()
    assert name_of(Net).startswith("own/Net@")
    assert len(name_of(Net)) == len("own/Net@") + 8
    assert (run.path / "report.html").is_file()


def test_a_run_of_own_code_answers_only_where_the_code_is_given(run, photos, capsys):
    image = photos / "red" / "00.png"
    found = run.predict(image)
    assert fieldmark.load(run, model=Net).predict(image) == found
    assert run.evaluate(photos)["test"]["n"] == 36
    with pytest.raises(WeightsError) as caught:
        fieldmark.load(run)
    assert str(caught.value) == (
        f"{run.path}/model.json: the model 'Net' is code of whoever trained the run (its source "
        f"has the hash {name_of(Net)[-8:]}), and no file holds it; give it in Python: model=Net"
    )
    assert cli(["predict", str(run.path), str(image)]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.strip()) == ("", f"fieldmark: {caught.value}")


class Other(Net):
    """The same layers, another source."""


def test_code_with_another_source_is_told(run, photos):
    with pytest.warns(UserWarning, match="whose source is another") as told:
        fieldmark.load(run, model=Other)
    was, now = (name_of(each).removeprefix("own/") for each in (Net, Other))
    sentence = f"the run was made with {was}, and {now} was given, whose source is another"
    assert [str(each.message) for each in told] == [f"model: {sentence}"]
    with pytest.raises(SettingsError) as caught:
        fieldmark.resume(run.path, epochs=3, **{**OWN, "model": Other})
    assert str(caught.value) == f"model: {sentence}; give the one that it was begun with"
    with pytest.raises(SettingsError) as caught:
        fieldmark.resume(run.path, epochs=3)
    where = f"{run.path}/settings.yaml"
    assert [str(each).partition(" (")[0] for each in caught.value.mistakes] == [
        f"{where}: model.name: the model 'Net' is code of whoever trained the run",
        f"{where}: augment.name: the augmentation 'turned' is code of whoever trained the run",
        f"{where}: loss.name: the loss 'squares' is code of whoever trained the run",
        f"{where}: train.own_figures: the figure 'share_right' is code of whoever trained the run",
    ]


def test_a_figure_with_another_source_is_refused(run):
    def share_right(truth, scores):
        return 1.0

    with pytest.raises(SettingsError) as caught:
        fieldmark.resume(run.path, epochs=3, **{**OWN, "metrics": share_right})
    (was,) = run.settings["train"]["own_figures"]
    now = name_of(share_right).removeprefix("own/")
    assert str(caught.value) == (
        f"metrics: the run was made with {was}, and {now} was given, whose source is another; give "
        "the one that it was begun with"
    )


def test_the_figure_to_watch_may_be_ones_own():
    raw = {"train": {"monitor": "share_right", "own_figures": ("share_right@00000000",)}}
    for said in (check({"data": {}, **raw}), check_words({**EMPTY, **raw})):
        assert not [each for each in said if each.where == "train.monitor"]


def test_a_run_of_own_code_goes_on_with_it(run, photos, tmp_path):
    whole = fieldmark.train(photos, out=tmp_path, **SMALL, **OWN, **{"model.width": 5})
    weights = [(each.path / "model.safetensors").read_bytes() for each in (run, whole)]
    assert weights[0] == weights[1]
    dotted = {"model.name": Net, "loss.name": squares, "augment.name": turned}
    further = fieldmark.resume(whole, epochs=3, quiet=True, metrics=[share_right], **dotted)
    assert further.history["epoch"].to_list() == [1, 2, 3]
    assert further.model is Net


def test_a_network_that_is_built_keeps_its_weights_but_for_a_last_layer_that_does_not_fit(
    photos, tmp_path
):
    torch.manual_seed(3)
    given = Net(7)
    body = given.maps[0].weight.detach().clone()
    run = fieldmark.train(photos, model=given, out=tmp_path, freeze=True, quiet=True)
    (classifier,) = (run._predictor._opened.network,)
    torch.testing.assert_close(classifier.network.maps[0].weight, body)
    assert classifier.network.last.out_features == 3
    assert given.last.out_features == 7  # what was given is not touched
    assert run._predictor.info.weights == "as its code gives them"


def test_objects_are_told_apart_by_what_they_are_set_to():
    smooth = [nn.CrossEntropyLoss(label_smoothing=each) for each in (0.1, 0.1, 0.2)]
    names = [name_of(each) for each in smooth]
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("own/CrossEntropyLoss@")
    scope = {}
    exec("def made(truth, scores): return 1.0", scope)
    assert name_of(scope["made"]) == "own/made@nosource"


def test_what_a_transform_draws_is_addressed_and_leaves_the_generators_alone():
    def drawn(image):
        return image + int(torch.randint(0, 99, ())) + random.randrange(9) + np.random.randint(9)  # noqa: NPY002

    change = own_transform(drawn)(InputSpec("square:4", 4))
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    state = torch.get_rng_state()
    once, again, other = (change(image, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert torch.equal(torch.get_rng_state(), state)


def none_of_it():
    """Takes no number of classes."""


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"model": none_of_it},
            "model: none_of_it is called with the number of classes, and takes no such argument; "
            "give one that does, or a network that is built",
        ),
        ({"metrics": ["f2"]}, "metrics: must be functions of (truth, scores), not 'f2'"),
        (
            {"metrics": lambda truth, scores: 1.0},
            "metrics: must be functions with plain names that no other figure has; rename "
            "'<lambda>'",
        ),
        (
            {"model": lambda classes: nn.Conv2d(3, classes, 1)},
            f"--image-size: '{name_of(lambda classes: nn.Conv2d(3, classes, 1))}' gives",
        ),
    ],
)
def test_code_that_cannot_be_used_is_told_before_any_work(photos, tmp_path, settings, sentence):
    with pytest.raises(SettingsError) as caught:
        fieldmark.train(photos, out=tmp_path, **SMALL, **settings)
    assert sentence.split("'own/")[0] in str(caught.value)
    assert not list(tmp_path.iterdir())


OFFERED = {
    "models": "tiny = fieldnets:tiny",
    "heads": "flat = fieldnets:flat",
    "losses": "zero = fieldnets:zero",
    "augments": "bare = fieldnets:bare",
    "optimizers": "plain = fieldnets:plain",
    "schedules": "still = fieldnets:still",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that offers a network and a loss."""
    (tmp_path / "fieldnets.py").write_text(
        "from torch import nn\n"
        "def tiny(classes, *, width: int = 2):\n"
        "    maps = nn.Sequential(nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "    return nn.Sequential(maps, nn.Linear(width, classes))\n"
        "flat = zero = bare = plain = still = tiny\n"
    )
    about = tmp_path / "field_nets-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: field-nets\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(
        "".join(f"[fieldmark.{group}]\n{line}\n" for group, line in OFFERED.items())
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "fieldnets", raising=False)


def test_what_a_package_offers_runs_only_where_the_environment_names_it(
    package, photos, tmp_path, monkeypatch
):
    sentence = (
        "'field-nets/tiny' is of the package field-nets, whose code runs only where you say so; "
        "set FIELDMARK_PLUGINS=field-nets in the environment"
    )
    with pytest.raises(SettingsError) as caught:
        fieldmark.train(photos, model="field-nets/tiny", out=tmp_path / "a", **SMALL)
    assert str(caught.value) == f"--model: {sentence}"
    assert "fieldnets" not in sys.modules
    monkeypatch.setenv(plugins.ALLOWED, "other, field_nets")
    options = {"model": "field-nets/tiny", "out": tmp_path / "a", "model.width": 3}
    run = fieldmark.train(photos, **SMALL, **options)
    assert run.settings["model"]["width"] == 3
    assert run._predictor.info.versions["field-nets"] == "1.2"
    answer = run.predict(photos / "red" / "00.png")
    del sys.modules["fieldnets"]
    monkeypatch.delenv(plugins.ALLOWED)
    with pytest.raises(WeightsError) as caught:
        fieldmark.load(run)
    assert str(caught.value) == f"{run.path}/model.json: {sentence}"
    assert "fieldnets" not in sys.modules
    monkeypatch.setenv(plugins.ALLOWED, "field-nets")
    assert fieldmark.load(run).predict(photos / "red" / "00.png") == answer
    assert "there is no model 'field-nets/huge'" in MODELS.unknown("field-nets/huge")
    assert RunDir(run.path).is_done


def test_a_packages_figure_is_a_metric_where_the_environment_names_the_package(
    package, tmp_path, monkeypatch
):
    place = tmp_path / "field_nets-1.2.dist-info" / "entry_points.txt"
    place.write_text("[fieldmark.metrics]\nsure = fieldnets:sure\n")
    (tmp_path / "fieldnets.py").write_text(
        "def sure(truth, scores):\n    return scores.max(axis=1).mean()\n"
    )
    assert metrics._of_packages(METRICS) == {}
    assert "fieldnets" not in sys.modules
    monkeypatch.setenv(plugins.ALLOWED, "field-nets")
    (row,) = metrics._of_packages(METRICS).values()
    logits = np.log(np.array([[0.9, 0.1], [0.3, 0.7]]))
    assert row.figure(Evidence.of(logits, np.array([0, 0]))) == pytest.approx(0.8)
    with pytest.raises(SettingsError) as caught:
        metrics._of_packages([*METRICS, "sure"])
    assert str(caught.value) == (
        "the package field-nets: cannot give 'sure' (entry point fieldmark.metrics: "
        "fieldnets:sure): ValueError: a figure wants a plain name that no other has; mend the "
        "package, or take another"
    )


def test_a_function_of_the_callers_own_has_an_interval():
    def right(truth, scores):
        return (scores.argmax(axis=1) == truth).mean()

    def fails_without_one(truth, scores):
        if len(truth) < 150:
            raise ValueError
        return right(truth, scores)

    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 150)
    logits = 2.0 * np.eye(3)[truth] + rng.normal(size=(150, 3))
    evidence = Evidence.of(logits, truth)

    def found(figure):
        with counted_with([figure]) as (name,):
            return intervals(evidence).overall[name]

    low, high = intervals(evidence).overall["accuracy"]
    own = found(right)
    assert own == pytest.approx((low, high), abs=0.03)
    figure = right(truth, evidence.scores)
    assert figure - own[0] == pytest.approx(own[1] - figure)  # nothing says where it ends
    right.within = (0, 1)
    assert found(right) == pytest.approx((low, high), abs=0.01)
    assert np.isnan(found(fails_without_one)).all()


def test_a_packages_own_fault_is_told_by_its_name(package, tmp_path, monkeypatch):
    monkeypatch.setenv(plugins.ALLOWED, "field-nets")
    (tmp_path / "fieldnets.py").write_text("def tiny(classes):\n    return 1 // 0\n")
    start = "the package field-nets: cannot give"
    rest = "mend the package, or take another"
    values, (mistake,) = HEADS.read("field-nets/flat", {})
    assert (values, mistake.what) == (
        {},
        f"{start} 'flat' (entry point fieldmark.heads: fieldnets:flat): AttributeError: module "
        f"'fieldnets' has no attribute 'flat'; {rest}",
    )
    with pytest.raises(SettingsError) as caught:
        MODELS.build("field-nets/tiny", {}, 3)
    assert str(caught.value) == (
        f"{start} 'tiny' (entry point fieldmark.models: fieldnets:tiny): ZeroDivisionError: "
        f"integer division or modulo by zero; {rest}"
    )
    assert MODELS.unknown("no-such-nets/tiny") == (
        "the model 'no-such-nets/tiny' is of the package no-such-nets, which is not installed "
        "here; install it"
    )


def test_packages_offer_what_every_catalog_has(package, monkeypatch):
    monkeypatch.setenv(plugins.ALLOWED, "field-nets")
    for group, catalog in zip(OFFERED, CATALOGS_OF, strict=True):
        name = OFFERED[group].partition(" ")[0]
        assert catalog.read(f"field-nets/{name}", {"width": "3"}) == ({"width": 3}, []), group
        assert f"field-nets/{name}" not in list(catalog)
