"""torchvision's networks: the table, a YAML file, and the function that builds a line of it.

The tests hold every number against the network itself, and every option against what its
constructor really takes.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from fieldmark.catalog import with_options
from fieldmark.models.series import Default, Network, Series

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]
SHARES = ("dropout", "attention_dropout", "mlp_dropout", "drop_rate", "stochastic_depth_prob")

AUXILIARY = ("googlenet", "inception")  # families with classifiers on the way


def _read() -> dict[str, Network]:
    """torchvision_networks.yaml: every network, and its series with what its others share."""
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    found: dict[str, Network] = {}
    for about in yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)).values():
        networks = about.pop("networks")
        series = Series(**about)
        found |= {name: Network(series, **line) for name, line in networks.items()}
    return found


NETWORKS = _read()


def builder(name: str) -> Callable[..., Any]:
    """The function that builds this network; its keyword-only parameters are the options.

    Options that are not given are left to torchvision. googlenet and inception_v3 are built
    without their auxiliary classifiers, so that they too give one logit a class in training;
    googlenet with them by `aux_logits`: in training it then gives three tables of logits.
    """
    network = NETWORKS[name]

    def build(num_classes: int, **options: Any) -> Any:
        from torchvision.models import get_model

        if network.series.family in AUXILIARY:
            options = {"aux_logits": False, "init_weights": True, **options}
        if network.series.family == "maxvit" and "image_size" in options:
            options["input_size"] = (options.pop("image_size"),) * 2
        return get_model(name, weights=None, num_classes=num_classes, **options)

    options = [_option(option, default) for option, default in network.defaults().items()]
    return with_options(build, options)


def _option(name: str, default: Default) -> inspect.Parameter:
    """A keyword-only parameter, its kind read off the name and the default."""
    kind: Any = Share if name in SHARES else Positive
    if isinstance(default, bool):
        kind = bool
    elif isinstance(default, int):
        kind = Count
    elif default is None:
        kind = Count | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
