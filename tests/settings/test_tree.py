import pytest
from pydantic import ValidationError

from fieldmark.settings.options import OPTIONS, flag
from fieldmark.settings.tree import (
    Choice,
    OptimizerSettings,
    Settings,
    TrainSettings,
    known_keys,
    sections,
)


def test_settings_are_frozen():
    settings = Settings(data={"source": "digits"})
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.epochs = 3
    with pytest.raises(ValidationError, match="frozen"):
        settings.optimizer.lr = 3


def test_a_section_refuses_unknown_keys_and_a_choice_keeps_them_as_options():
    with pytest.raises(ValidationError, match="epoch"):
        TrainSettings(epoch=3)
    choice = OptimizerSettings(name="sgd", lr="0.1", betas=[0.9, [1]])
    assert choice.options == {"lr": "0.1", "betas": (0.9, (1,))}


def test_every_choice_has_a_name_and_other_sections_none_but_the_run():
    named = {name for name, section in sections().items() if "name" in section.model_fields}
    choices = {name for name, section in sections().items() if issubclass(section, Choice)}
    assert named == choices | {"run"}


def test_every_setting_says_what_it_is():
    for name, section in sections().items():
        for key, field in section.model_fields.items():
            assert field.description, f"{name}.{key}"


def test_the_known_keys_are_those_of_the_sections_in_order():
    dumped = Settings(data={"source": "digits"}).model_dump()
    assert known_keys() == [f"{name}.{key}" for name, part in dumped.items() for key in part]


@pytest.mark.parametrize("stored", ["auto", "original", "shorter:1", "shorter:256", "square:8"])
def test_a_stored_form_is_a_word_and_a_side(stored):
    assert Settings(data={"source": "d"}, input={"stored": stored}).input.stored == stored


@pytest.mark.parametrize("stored", ["", "shorter", "shorter:0", "square:-1", "longer:8", "auto "])
def test_another_stored_form_is_refused(stored):
    with pytest.raises(ValidationError):
        Settings(data={"source": "d"}, input={"stored": stored})


@pytest.mark.parametrize("naming", ["{x}", "{model", "{}", "{model!r}", "{lr:.2f}", "a{{b}}"])
def test_what_runs_are_called_after_has_known_words_in_its_braces(naming):
    known = "{data}, {model}, {optimizer}, {lr}, {seed}"
    with pytest.raises(ValidationError) as caught:
        Settings(data={"source": "d"}, run={"naming": naming})
    assert f"must have nothing in braces but {known}, not {naming}" in str(caught.value)
    kept = Settings(data={"source": "d"}, run={"naming": "my_{model}_{lr}"})
    assert kept.run.naming == "my_{model}_{lr}"


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu:0"])
def test_another_device_is_refused(device):
    with pytest.raises(ValidationError):
        Settings(data={"source": "d"}, run={"device": device})


@pytest.mark.parametrize("number", ["nan", "inf", float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(number):
    for key in ("clip_norm", "checkpoint_minutes", "ema"):
        with pytest.raises(ValidationError, match="finite"):
            TrainSettings(**{key: number})


def test_options_are_short_names_for_settings():
    choices = {name for name, section in sections().items() if issubclass(section, Choice)}
    for option, key in OPTIONS.items():
        assert key in known_keys() or key.partition(".")[0] in choices
        assert flag(option) == "--" + option.replace("_", "-")
    assert len(set(OPTIONS.values())) == len(OPTIONS)
