"""timm's networks as timm/NAME: looked up in timm itself, which is imported only then."""

import inspect
import math
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Annotated, Any

from pydantic import Field

from fieldmark.catalog import Entry, with_options
from fieldmark.errors import nearest

PREFIX = "timm/"
Share = Annotated[float, Field(ge=0, le=1)] | None
Count = Annotated[int, Field(gt=0)] | None
OPTIONS: dict[str, Any] = {"drop_rate": Share, "drop_path_rate": Share, "img_size": Count}


@cache
def names() -> tuple[str, ...]:
    """Every network of timm, without the prefix and without the tags of weights."""
    import timm

    return tuple(timm.list_models())


def entry(name: str) -> Entry:
    """The catalog's line of timm/NAME. Raises KeyError where timm has no such network."""
    bare = name.removeprefix(PREFIX)
    if bare not in names():
        raise KeyError(name)
    return Entry(name, builder(bare), about(bare))


def unknown(name: str) -> str:
    """What to say of timm/NAME where timm has no such network."""
    bare, _, tag = name.removeprefix(PREFIX).partition(".")
    if tag and bare in names():
        return f"there is no model '{name}'; name the version apart: {PREFIX}{bare}, weights {tag}"
    near = nearest(bare, names()).replace("mean '", f"mean '{PREFIX}")
    return f"timm has no network '{bare}'{near or f'; `fieldmark models {PREFIX}` lists them'}"


def create(bare: str, num_classes: int, **options: Any) -> Any:
    """The network with random weights. Options that are None, or not given, are left to timm."""
    import timm

    return timm.create_model(bare, pretrained=False, num_classes=num_classes, **options)


@cache
def builder(bare: str) -> Callable[..., Any]:
    """The function that builds this network; its keyword-only parameters are the options.

    Those of OPTIONS that the network's constructor takes; None leaves one to timm. img_size is
    the side in pixels that a network of fixed size is built for.
    """

    only = inspect.Parameter.KEYWORD_ONLY
    options = [
        inspect.Parameter(name, only, default=None, annotation=OPTIONS[name])
        for name in OPTIONS
        if name in _taken(bare)
    ]
    return with_options(partial(create, bare), options)


def about(bare: str) -> str:
    """The first sentence that timm says of the network; its file's name where it says none."""
    lines = (inspect.getdoc(_entrypoint(bare)) or "").strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else f"of timm's {module(bare)}.py"


def module(bare: str) -> str:
    """The file of timm that the network is in, such as "vision_transformer"."""
    return str(_entrypoint(bare).__module__).rpartition(".")[2]


def side_mistake(name: str, options: Mapping[str, Any], side: int) -> str | None:
    """What stands against square images of `side` pixels, or against the network itself.

    Found by running one image through it on the meta device, since timm says of few networks
    which sides they take.
    """
    bare = name.removeprefix(PREFIX)
    height, width = input_size(bare)
    built = options.get("img_size") or (height if height == width else None)
    if _config(bare).fixed_input_size and side != built:
        own = f"{built} px" if built else f"{width} x {height} px"
        advice = f"set its img_size to {side}" if "img_size" in _taken(bare) else f"give it {own}"
        return f"'{name}' is built for {own}, not {side}; {advice}"
    given = _tried(bare, options, (side, side))
    if given is not None and len(given) == 2:
        return None
    if given is None and _tried(bare, {}, (height, width)) is not None:
        return f"'{name}' cannot take images of {side} px; give it {built or height} px"
    return f"'{name}' gives no logits of one image a class, so it cannot be a classifier here"


def input_size(bare: str) -> tuple[int, int]:
    """Height and width that the network is made for, pixels."""
    return tuple(_config(bare).input_size[1:])


def versions(bare: str) -> tuple[str, ...]:
    """The tags of the weights that timm publishes for this network; the first is its default."""
    from timm.models import list_models

    found = list_models(f"{bare}.*", pretrained=True)
    tags = [name.partition(".")[2] for name in found if name.partition(".")[0] == bare]
    first = _config(bare).tag
    return tuple(sorted(tags, key=lambda tag: tag != first))


def source(bare: str, tag: str) -> tuple[str | None, str | None]:
    """Where these weights are: a repository of the Hugging Face hub, and an address; or None."""
    config = _config(bare, tag)
    return config.hf_hub_id, config.url


def licence(bare: str, tag: str) -> str | None:
    """The licence that timm names for these weights."""
    named: str | None = _config(bare, tag).license
    return None if named == "unknown" else named


def numbers(bare: str) -> tuple[int, int | None]:
    """Parameters for 1000 classes; multiply-adds of one image, None where not to be counted."""
    from torch.utils.flop_counter import FlopCounterMode

    network = _outlined(bare, 1000, {}).requires_grad_(False)  # the counter trips over the others
    with FlopCounterMode(display=False) as counter:
        given = output_shape(network, input_size(bare))
    parameters = sum(weight.numel() for weight in network.parameters())
    return parameters, None if given is None else counter.get_total_flops() // 2


def paper(bare: str) -> str:
    """The papers of the network's default weights, as timm names them; "" for none."""
    named = _config(bare).paper_ids or ()
    return ", ".join([named] if isinstance(named, str) else named)


def preparation(bare: str, tag: str) -> dict[str, Any] | None:
    """How images were made ready for these weights: size, stored, mean, std; None where not square.

    As timm evaluates at the side of training: the shorter side (with crop_mode "squash", each
    side) becomes size / crop_pct pixels, then the centre is taken. Where timm would pad
    (crop_mode "border", six networks) the centre is taken too.
    """
    config = _config(bare, tag)
    size, width = config.input_size[1:]
    if size != width:
        return None
    word = "square" if config.crop_mode == "squash" else "shorter"
    bicubic = ":bicubic" if config.interpolation == "bicubic" else ""
    return {
        "size": size,
        "stored": f"{word}:{math.floor(size / config.crop_pct)}{bicubic}",
        "mean": tuple(config.mean),
        "std": tuple(config.std),
    }


def adapted(name: str, network: Any, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors as this network has them today, by timm's own conversion of its published files.

    Many of those bear older names or buffers that are no longer kept, and position embeddings
    may be of another image size. Tensors that the conversion cannot use come back unchanged.
    """
    bare = name.removeprefix(PREFIX)
    convert = getattr(sys.modules[_entrypoint(bare).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return dict(tensors)
    try:
        return dict(convert(dict(tensors), network))
    except Exception:  # they are of another network, which loading them will say in one sentence
        return dict(tensors)


def classifiers(bare: str) -> tuple[str, ...]:
    """The names of the layers that give the classes, several in networks made by distillation."""
    named = _config(bare).classifier or ()
    return (named,) if isinstance(named, str) else tuple(named)


def own_config(bare: str) -> dict[str, Any]:
    """What timm says of the network itself: its first and last layers, and whether its side is set.

    By the names of timm's own `PretrainedCfg`; what timm leaves open is None.
    """
    return dict(vars(_config(bare)))


def _entrypoint(bare: str) -> Any:
    from timm.models import model_entrypoint

    return model_entrypoint(bare)


def _config(bare: str, tag: str = "") -> Any:
    from timm.models import get_pretrained_cfg

    found = get_pretrained_cfg(f"{bare}.{tag}" if tag else bare, allow_unregistered=True)
    if found is None:  # a network that timm has no word on
        from timm.models import PretrainedCfg

        found = PretrainedCfg()
    return found


@cache
def _taken(bare: str) -> frozenset[str]:
    """Which of OPTIONS the network's constructor takes, or hands on to that of its base."""
    taken: set[str] = set()
    for kind in type(_outlined(bare, 1000, {})).__mro__:
        if "__init__" not in vars(kind):
            continue
        parameters = inspect.signature(vars(kind)["__init__"]).parameters
        taken |= OPTIONS.keys() & parameters.keys()
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    return frozenset(taken)


def _tried(bare: str, options: Mapping[str, Any], sides: tuple[int, int]) -> Any:
    """The shape of what the network gives, built so, for one image; None where it refuses."""
    try:
        network = _outlined(bare, 7, options)
    except Exception:  # each network refuses in its own way
        return None
    return output_shape(network, sides)


def output_shape(network: Any, sides: tuple[int, int]) -> tuple[int, ...] | None:
    """The shape of what a network on the meta device gives for one image; None: it refuses it."""
    import torch

    try:
        with torch.no_grad():
            return tuple(network.eval()(torch.empty(1, 3, *sides, device="meta")).shape)
    except Exception:  # each network refuses in its own way
        return None


def _outlined(bare: str, num_classes: int, options: Mapping[str, Any]) -> Any:
    from fieldmark.models.memory import on_meta

    return on_meta(lambda: create(bare, num_classes, **options))
