"""How a network's random weights begin, by name: a function that draws them anew, in place."""

from collections.abc import Callable

from torch import nn

from fieldmark.catalog import Catalog

Initialise = Callable[[nn.Module], None]
NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
LINEAR_STD = 0.01


def pytorch() -> Initialise:
    """Nothing is changed: each weight is as the network's own builder drew it."""
    return lambda network: None


def kaiming() -> Initialise:
    """The start that He et al., "Delving Deep into Rectifiers", 2015, gives convolutions.

    Convolutions: normal with variance 2 / (outputs x kernel), bias 0. Norms (batch, group and
    layer): weight 1, bias 0. Linear layers: normal with standard deviation 0.01, bias 0. All is
    drawn from torch's global generator, in the order of the modules.

    What is none of these stays as it was: transposed convolutions, the joint projection inside
    nn.MultiheadAttention, tokens and position embeddings, layer scales, a PReLU's slope, and
    every buffer (running statistics, the whitening layer of cifar_fast). A start that a network
    gives its convolutions otherwise (cifar_fast's identities) is lost.
    """
    return _kaiming


def _kaiming(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, CONVOLUTIONS):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=LINEAR_STD)
        elif isinstance(layer, NORMS) and isinstance(layer.weight, nn.Parameter):
            nn.init.ones_(layer.weight)
        if isinstance(layer, (*CONVOLUTIONS, nn.Linear, *NORMS)) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


INITS = Catalog(
    "initialisation",
    {
        "pytorch": (pytorch, "as the network's own builder draws its weights"),
        "kaiming": (kaiming, "Kaiming normal for convolutions, small normal for linear layers"),
    },
)
