"""Five plain blocks and one dense layer, every part of them an option: for photos of nature.

Reading the options and the arithmetic of the sides needs no torch; building does.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator

from fieldmark.errors import Mistake, SettingsError, listed, nearest

BLOCKS = 5
PADDING = 1  # px at each border before a convolution, whatever its kernel
KERNEL, POOL, SIDE = 3, 2, 224  # what the options are where nobody says otherwise
ACTIVATIONS = (  # those of torch.nn that need no argument and work on each value by itself
    *("CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU"),
    *("LogSigmoid", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid"),
    *("Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink"),
)


def _read_kernels(value: Any) -> int | tuple[int, ...]:
    """A number, or BLOCKS of them as a list or as "5,5,3,3,3"; ValueError for anything else."""
    numbers = value
    if isinstance(value, str):
        words = value.strip().strip("[]()").split(",")
        numbers = [int(w) if w.strip().isdecimal() else w for w in words]
        numbers = numbers[0] if len(numbers) == 1 else numbers
    if _is_count(numbers):
        return int(numbers)
    if isinstance(numbers, list | tuple) and [*map(_is_count, numbers)] == [True] * BLOCKS:
        return tuple(map(int, numbers))
    raise ValueError(
        f"must be one whole number of at least 1, or {BLOCKS} separated by commas, such as "
        f"5,5,3,3,3, not {value}"
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _check_activation(name: str) -> str:
    """The name, where it is one of ACTIVATIONS; ValueError for anything else."""
    if name not in ACTIVATIONS:
        hint = nearest(name, ACTIVATIONS) or f"; there are {listed(ACTIVATIONS, len(ACTIVATIONS))}"
        raise ValueError(f"torch.nn has no activation '{name}' that can stand here{hint}")
    return name


Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Kernels = Annotated[int | tuple[int, ...], PlainValidator(_read_kernels)]
Activation = Annotated[str, AfterValidator(_check_activation)]
Organisation = Literal["const", "half", "double"]


def final_side(image_size: int, kernels: int | Sequence[int], pool_size: int = POOL) -> int:
    """Side of the maps after the five blocks, pixels; 0 where the image is too small for them.

    Each convolution (stride 1) and each pooling (stride pool_size) gives
    floor((side + 2 padding - kernel) / stride) + 1.
    """
    side = image_size
    for kernel in _each(kernels):
        side = max(side + 2 * PADDING - kernel + 1, 0) // pool_size
        if not side:  # the next block's padding would make something of nothing
            break
    return side


def smallest_side(kernels: int | Sequence[int], pool_size: int = POOL) -> int:
    """The smallest image, pixels a side, of which the five blocks leave something."""
    side = 1
    for kernel in reversed(_each(kernels)):
        side = max(side * pool_size + kernel - 1 - 2 * PADDING, 1)
    return side


def widths(filters: int, organisation: Organisation = "const") -> tuple[int, ...]:
    """Filters of each block: all alike, or half or double those of the block before."""
    if organisation == "half":
        return tuple(max(filters // 2**place, 1) for place in range(BLOCKS))
    factor = 2 if organisation == "double" else 1
    return tuple(filters * factor**place for place in range(BLOCKS))


def nature_cnn(
    num_classes: int,
    *,
    filters: Count = 32,
    organisation: Organisation = "const",
    kernel_size: Kernels = KERNEL,
    activation: Activation = "ReLU",
    dropout: Share = 0.3,
    batch_norm: bool = False,
    pool_size: Count = POOL,
    image_size: Count = SIDE,
) -> Any:  # an nn.Module: with that name here, reading the options would need torch
    """Five blocks, then one dense layer: (N, 3, image_size, image_size) -> (N, num_classes).

    A block is a convolution (stride 1, padding 1), the activation, max-pooling, then dropout
    where it is more than 0, and batch norm where it is wanted. filters: of the first block, and
    of all where the organisation is "const"; "half" and "double" halve or double them from
    block to block, "half" never below 1. kernel_size: one for all blocks, or one a block.
    activation: a class of torch.nn by its name, with that class's own defaults. With 10 classes
    and no other option: 53,578 parameters.

    Raises SettingsError where the image is too small for the five blocks.
    """
    from torch import nn

    given = {"kernel_size": kernel_size, "pool_size": pool_size}
    mistake = side_mistake(given, image_size)
    if mistake is not None:
        raise SettingsError([Mistake("model.image_size", mistake)])
    layers, channels = OrderedDict[str, nn.Module](), 3
    blocks = zip(widths(filters, organisation), _each(kernel_size), strict=True)
    for place, (width, kernel) in enumerate(blocks, start=1):
        layers[f"conv{place}"] = nn.Conv2d(channels, width, kernel, padding=PADDING)
        layers[f"activation{place}"] = getattr(nn, activation)()
        layers[f"pool{place}"] = nn.MaxPool2d(pool_size)
        if dropout:
            layers[f"dropout{place}"] = nn.Dropout(dropout)
        if batch_norm:
            layers[f"norm{place}"] = nn.BatchNorm2d(width)
        channels = width
    side = final_side(image_size, kernel_size, pool_size)
    layers["flatten"] = nn.Flatten()
    layers["head"] = nn.Linear(channels * side**2, num_classes)
    return nn.Sequential(layers)


def side_mistake(options: Mapping[str, Any], side: int) -> str | None:
    """What stands against images of `side` pixels with these options; None if nothing."""
    kernels, pool = options.get("kernel_size", KERNEL), options.get("pool_size", POOL)
    least = smallest_side(kernels, pool)
    if side >= least:
        return None
    shape = f"kernels {','.join(map(str, _each(kernels)))}" + (
        "" if pool == POOL else f" and pools of {pool}"
    )
    return f"'nature_cnn' with {shape} needs images of {least} px or more, not {side}"


def _each(kernels: int | Sequence[int]) -> tuple[int, ...]:
    """The kernel of each block."""
    return (kernels,) * BLOCKS if isinstance(kernels, int) else tuple(kernels)
