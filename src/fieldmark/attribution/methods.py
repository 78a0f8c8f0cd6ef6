"""Where an image speaks for a class, by any of the methods."""

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from fieldmark.attribution.cam import enlarged
from fieldmark.attribution.catalog import METHODS, method_mistakes
from fieldmark.captioned import Seen, pixels_of
from fieldmark.errors import refuse
from fieldmark.models.maps import handovers
from fieldmark.models.precision import Autocast

FLAT = 1e-6  # of the largest value; what differs by less is flat


def heat(
    classifier: nn.Module,
    images: Seen,
    classes: np.ndarray,
    *,
    method: str = "auto",
    layer: str | None = None,
    autocast: Autocast = nullcontext,
) -> np.ndarray:
    """Where each image speaks for its class. -> (N, H, W) float32, 0 to 1, or nan where flat

    classifier: as `bundle.Classifier`. images: (N, 3, H, W) uint8, or Captioned. classes: (N,) int;
    an image of several labels is given once for each. The largest value of each image is 1; what
    speaks against the class is 0. An image without anything for it, or with the same everywhere, is
    nan throughout. layer: whose output is looked at in place of the last maps.

    What it takes, in passes of the same network, as measured on one thread (efficientnet_lite0 in
    bf16, 8 photos of 224 px, a pass 13 ms of processor time an image): grad-cam 1.7, layer-cam
    1.2, occlusion 44, integrated-gradients 110.

    Always in eval mode; modes, hooks, parameters and their gradients stay as they were.

    Raises SettingsError for a method or a layer that there is not, UserError where the network has
    no maps or no gradients.
    """
    device = next((each.device for each in classifier.parameters()), torch.device("cpu"))
    refuse(method_mistakes(method, layer))
    options = {} if layer is None else {"layer": layer}
    values: Tensor = METHODS[method].builder()(
        classifier, images.to(device), classes, autocast=autocast, **options
    )
    return shares(values.clamp(min=0), pixels_of(images).shape[-2:]).cpu().numpy()


def usual_method(
    classifier: nn.Module,
    image: Seen,
    *,
    layer: str | None,
    autocast: Autocast,
) -> str:
    """The name of the method that "auto" is for this network. image: any one, as `heat` takes it.

    Raises as `heat`.
    """
    places = handovers(classifier, image, layer=layer, autocast=autocast)
    return "hires-cam" if any(place.attended for place in places) else "grad-cam"


def shares(values: Tensor, sides: tuple[int, int] | torch.Size) -> Tensor:
    """(N, h, w) of 0 and more -> (N, H, W) float32 with maximum 1, or nan where flat"""
    wide = values.float()
    if values.shape[-2:] != sides:
        wide = enlarged(wide, sides)
    least, most = wide.amin(dim=(1, 2), keepdim=True), wide.amax(dim=(1, 2), keepdim=True)
    is_drawn = torch.isfinite(most) & (most - least > FLAT * most) & (most > 0)
    return torch.where(is_drawn, wide / most, torch.nan)
