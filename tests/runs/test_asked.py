"""What is told of settings before torch: the same sentences, and all or nothing."""

import pytest

from fieldmark.errors import SettingsError
from fieldmark.runs import asked
from fieldmark.runs.checks import CATALOGS
from fieldmark.runs.concrete import gather


def early(*words, **options):
    """The mistakes that are told without torch."""
    try:
        asked.refuse_early(asked.layers_of("digits", words, options))
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("section", asked.IN_SOURCE)
def test_names_read_off_the_source_are_the_catalogs(section):
    assert [*asked.in_source(section)] == [*CATALOGS[section]]
    assert asked.in_source(section).kind == CATALOGS[section].kind


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("foo=1", "train.epoch=3"), {"epochs": "0", "seed": "x"}),
        ((), {"model": "resnet81", "optimizer": "adamx"}),
        ((), {"model": "resnet81", "lr": "-1"}),
        (("train.monitor=acuracy", "budget.target=acuracy=0.5"), {"loss": "ce"}),
        ((), {"weights": "nofile.pth", "lr": "x"}),
    ],
)
def test_what_is_told_early_is_what_all_checks_tell(words, options):
    told = early(*words, **options)
    with pytest.raises(SettingsError) as caught:
        gather("digits", words, options)
    assert sorted(told.splitlines()) == sorted(str(caught.value).splitlines())


@pytest.mark.parametrize(
    "words", [("schedule.pct_start=1",), ("run.precision=fp8",), ("optimizer.momentun=1",)]
)
def test_nothing_is_told_early_where_something_wants_torch_to_be_judged(words):
    assert early("foo=1", epochs="0").count("\n") == 1
    assert early("foo=1", *words, epochs="0") == ""


def test_what_is_right_passes(tmp_path):
    assert early("train.patience=none", model="resnet18", optimizer="timm/lamb", lr="1e-3") == ""
    assert early(augment="standard", model="small_cnn+resnet18", optimizer="sgd", lr="0.1") == ""
