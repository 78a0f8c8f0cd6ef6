"""Every option of every network changes it, and torchvision's are what its constructors take."""

import inspect
import types
import typing
from typing import Any

import pytest
import torch
import torchvision.models
from torch import nn

from fieldmark.models.catalog import MODELS, NETWORKS, OWN, outline
from fieldmark.models.memory import _TensorsOnMeta

OURS_TO_SET = {"num_classes", "aux_logits", "dropout_aux", "init_weights"}
FROM_ELSEWHERE = {"image_size", "width_mult", "reduced_tail", "dilated", "aux_logits"}  # builders
OF_BEGINNINGS = {"zero_init_residual", "layer_scale"}  # only in the values that weights begin with
THEIRS = sorted(set(MODELS) - set(OWN))
LEAST_OF_ITS_CODE = {  # by constructor and options
    (
        torchvision.models.get_model_builder(name).__annotations__["return"],
        frozenset(MODELS[name].options()),
    ): name
    for name in sorted(THEIRS, key=lambda name: -NETWORKS[name].parameters)
    if MODELS[name].options()
}
IN_FULL = {  # px; small enough to be run
    "small_cnn": 32,
    "nature_cnn": 96,
    "attention_cnn": 32,
    "cifar_fast": 32,
}
CHOSEN = {  # others would not fit together
    "image_size": 448,
    "pool_size": 1,
    "kernel_size": 5,
    "widths": (8, 8, 8, 8, 8),
}


def traits(network: nn.Module) -> dict[str, Any]:
    """All that an option could change, but for the values of the weights."""
    plain = {
        f"{name}.{key}": value
        for name, module in network.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, (bool, int, float, tuple))
    }
    kinds = {f"{name}:": type(module) for name, module in network.named_modules()}
    return plain | kinds | {name: tuple(t.shape) for name, t in network.state_dict().items()}


def another(name: str, default: Any, annotation: Any = None) -> Any:
    """A value that the option may have and that is not its default, by what kind it is."""
    if isinstance(default, bool):
        return not default
    if name in CHOSEN:
        return CHOSEN[name]
    if isinstance(default, str):
        return next((word for word in typing.get_args(annotation) if word != default), "GELU")
    if default is None or default is inspect.Parameter.empty:
        return 16
    return default * 3 if isinstance(default, int) else default / 2 + 0.03


def others(name: str) -> dict[str, Any]:
    """Each option of a network with another value than its default."""
    build: Any = MODELS[name].builder()
    hints = typing.get_type_hints(build.__init__ if isinstance(build, type) else build)
    return {
        option: another(option, parameter.default, hints.get(option))
        for option, parameter in MODELS[name].options().items()
    }


def is_number_or_flag(annotation: Any) -> bool:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    kinds = typing.get_args(annotation) if union else (annotation,)
    return bool({bool, int, float} & set(kinds))


def assert_every_option_is_seen(name: str) -> None:
    plain = traits(outline(name, 7))
    for option, value in others(name).items():
        if option not in OF_BEGINNINGS:
            assert MODELS.read(name, {option: value}) == ({option: value}, []), option
            assert traits(outline(name, 7, {option: value})) != plain, option


def begun(name: str, options: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The values that a network's weights begin with."""
    torch.manual_seed(0)
    network: nn.Module = MODELS.build(name, options, 7)
    return network.state_dict()


def trained_once(name: str, options: dict[str, Any]) -> list[torch.Tensor]:
    """What a network gives in training mode and then as it is used, and what it then holds."""
    torch.manual_seed(0)
    network = MODELS.build(name, options, 7)
    images = torch.rand(4, 3, options.get("image_size", IN_FULL[name]), IN_FULL[name])
    given = network.train()(images)
    return [given, network.eval()(images), *network.state_dict().values()]


@pytest.mark.parametrize("name", [n for n in OWN if MODELS[n].options()])
def test_every_option_changes_our_own_networks(name):
    assert_every_option_is_seen(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAST_OF_ITS_CODE.values())
def test_every_option_changes_networks_of_all_other_code_too(name):
    assert_every_option_is_seen(name)


@pytest.mark.parametrize("name", IN_FULL)
def test_every_option_changes_what_our_own_networks_give_or_learn(name):
    fixed = {"image_size": IN_FULL[name]} if "image_size" in MODELS[name].options() else {}
    plain = trained_once(name, fixed)
    for option, value in others(name).items():
        if option != "image_size":
            found = trained_once(name, {**fixed, option: value})
            same = len(found) == len(plain) and all(map(torch.equal, found, plain))
            assert not same, option


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in THEIRS if OF_BEGINNINGS & set(MODELS[n].options())])
def test_the_options_of_the_beginning_change_what_the_weights_begin_with(name):
    if NETWORKS[name].parameters > 60e6:
        pytest.skip("its smaller kin has the same code")
    plain = begun(name, {})
    for option in OF_BEGINNINGS & set(MODELS[name].options()):
        found = begun(name, {option: others(name)[option]})
        assert any(not torch.equal(found[key], plain[key]) for key in plain), option


@pytest.mark.slow
@pytest.mark.parametrize("name", THEIRS)
def test_the_defaults_are_what_torchvision_does_without_them(name):
    assert traits(outline(name, 7, NETWORKS[name].defaults())) == traits(outline(name, 7))


@pytest.mark.slow
@pytest.mark.parametrize("name", THEIRS)
def test_every_number_and_flag_that_the_constructor_lets_through_is_an_option(name):
    build = torchvision.models.get_model_builder(name)
    constructor = inspect.signature(build.__annotations__["return"]).parameters
    let_through = set()
    for option, parameter in constructor.items():
        if option in OURS_TO_SET or not is_number_or_flag(parameter.annotation):
            continue
        value = another(option, NETWORKS[name].defaults().get(option, parameter.default))
        try:
            outline_of_theirs(name, {option: value})
        except (TypeError, ValueError):
            continue
        let_through.add(option)
    assert let_through - FROM_ELSEWHERE == set(MODELS[name].options()) - FROM_ELSEWHERE


def outline_of_theirs(name: str, options: dict[str, Any]) -> nn.Module:
    fixed = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    with _TensorsOnMeta():
        network: nn.Module = torchvision.models.get_model(name, **fixed, **options)
    return network
