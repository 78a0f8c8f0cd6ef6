"""The head, the layer that gives the classes: finding it, and training it alone."""

from torch import nn

from fieldmark.errors import UserError


def head_of(network: nn.Module) -> tuple[str, nn.Module]:
    """The name and the module of the layer that gives the classes.

    It is the last nn.Linear, or where there is none (squeezenet) the last nn.Conv2d, in the
    order in which the network was put together. Raises UserError where there is neither.
    """
    for kind in (nn.Linear, nn.Conv2d):
        found = [
            (name, layer) for name, layer in network.named_modules() if isinstance(layer, kind)
        ]
        if found:
            return found[-1]
    raise UserError(
        f"{type(network).__name__} has no nn.Linear and no nn.Conv2d that could give the "
        "classes; end it with one"
    )


def freeze(network: nn.Module) -> None:
    """Let only the head's parameters be trained; call `set_training` to train it so."""
    network.requires_grad_(False)
    head_of(network)[1].requires_grad_(True)


def set_training(network: nn.Module, *, frozen: bool) -> None:
    """What the loop calls instead of `network.train()`.

    frozen=False is `network.train()`. frozen=True leaves the backbone in eval mode, so that
    its batch norm statistics stay as they are and its own dropout is off; the head, and the
    dropout just before it (see `head_dropouts`), are in training mode.
    """
    network.train(not frozen)
    if frozen:
        for module in (head_of(network)[1], *head_dropouts(network)):
            module.train()


def head_dropouts(network: nn.Module) -> tuple[nn.Module, ...]:
    """The dropout layers between the last layer that has weights and the head.

    They regularise the head, so a frozen backbone does not switch them off: they act on the
    backbone's features, which stay the same from epoch to epoch. Dropout further back
    would change the features themselves.
    """
    layers = [layer for layer in network.modules() if not any(layer.children())]
    before = layers[: layers.index(head_of(network)[1])]
    found: list[nn.Module] = []
    for layer in reversed(before):
        if any(True for _ in layer.parameters()) or any(True for _ in layer.buffers()):
            break
        if isinstance(layer, nn.Dropout):
            found.append(layer)
    return tuple(reversed(found))
