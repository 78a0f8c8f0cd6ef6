"""Every option of every torchvision network, against what its constructor really takes."""

import inspect
import types
import typing
from typing import Any

import pytest
import torchvision.models
from torch import nn

from fieldmark.models.catalog import MODELS, NETWORKS
from fieldmark.models.outline import _TensorsOnMeta, outline

OURS_TO_SET = {"num_classes", "aux_logits", "dropout_aux", "init_weights"}
FROM_ELSEWHERE = {"image_size", "width_mult", "reduced_tail", "dilated"}  # taken by the builders
pytestmark = pytest.mark.slow
THEIRS = sorted(set(MODELS) - {"small_cnn"})


def traits(network: nn.Module) -> dict[str, Any]:
    """All that an option could change, but for the values of the weights."""
    plain = {
        f"{name}.{key}": value
        for name, module in network.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, (bool, int, float, tuple))
    }
    return plain | {name: tuple(t.shape) for name, t in network.state_dict().items()}


def another(name: str, default: Any) -> Any:
    if isinstance(default, bool):
        return not default
    if name == "image_size":
        return 448
    if default is None or default is inspect.Parameter.empty:
        return 16
    return default * 3 if isinstance(default, int) else default / 2 + 0.03


def is_number_or_flag(annotation: Any) -> bool:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    kinds = typing.get_args(annotation) if union else (annotation,)
    return bool({bool, int, float} & set(kinds))


@pytest.mark.parametrize("name", THEIRS)
def test_the_defaults_are_what_torchvision_does_without_them(name):
    assert traits(outline(name, 7, NETWORKS[name].defaults())) == traits(outline(name, 7))


@pytest.mark.parametrize("name", THEIRS)
def test_every_option_changes_the_network(name):
    plain = traits(outline(name, 7))
    for option, default in NETWORKS[name].defaults().items():
        if option in ("zero_init_residual", "layer_scale"):
            continue  # these change only the values that the weights begin with
        changed = traits(outline(name, 7, {option: another(option, default)}))
        assert changed != plain, option


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
