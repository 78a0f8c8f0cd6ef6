"""The ways to say which places of an image speak for a class, as a printable table. No torch."""

from collections.abc import Iterator

from fieldmark.catalog import Catalog
from fieldmark.errors import Mistake

METHODS = Catalog(
    "method",
    {
        "auto": (
            "fieldmark.attribution.cam:usual_cam",
            "hires-cam where places count by attention (class tokens), else grad-cam",
        ),
        "grad-cam": (
            "fieldmark.attribution.cam:grad_cam",
            "the last maps, each channel weighted by its mean gradient",
        ),
        "hires-cam": (
            "fieldmark.attribution.cam:hires_cam",
            "the last maps, each place weighted by its own gradients",
        ),
        "layer-cam": (
            "fieldmark.attribution.cam:layer_cam",
            "hires-cam of the gradients above 0, for early layers, too",
        ),
        "occlusion": (
            "fieldmark.attribution.occlusion:occlusion",
            "what the logit loses with each of 7 x 7 cells; any model",
        ),
        "integrated-gradients": (
            "fieldmark.attribution.integrated:integrated_gradients",
            "what each pixel adds to the logit",
        ),
    },
)
OF_PIXELS = ("occlusion", "integrated-gradients")  # which look at no layer


def method_mistakes(method: str, layer: str | None) -> Iterator[Mistake]:
    """What is wrong with a method's name, or with a layer that it is to look at."""
    if method not in METHODS:
        yield from (Mistake("--method", each.what) for each in METHODS.read(method, {})[1])
    elif layer is not None and method in OF_PIXELS:
        yield Mistake("--layer", f"'{method}' looks at no layer; leave it out")
