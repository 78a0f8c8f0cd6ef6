"""Pillow's resize as nodes of ONNX: the same pixels to the last bit."""

import numpy as np
import pytest
from enginesthere import needs

from fieldmark.data.images import seen
from fieldmark.export.pillow import goes_down_first
from fieldmark.records import InputSpec

pytestmark = needs("onnxruntime")
FORMS = {
    "square": InputSpec("square:48", 48),
    "shorter": InputSpec("shorter:48", 40),
    "bicubic": InputSpec("shorter:48:bicubic", 40),
    "original": InputSpec("original", 48),
    "below the crop": InputSpec("shorter:40", 48),
    "in blocks of unequal size": InputSpec("shorter:24", 20),
    "of few pixels": InputSpec("square:5", 5),
}
SIZES = {
    "of its size": (48, 48),
    "landscape": (60, 81),
    "portrait": (200, 61),
    "small": (10, 7),
    "one pixel": (1, 1),
    "narrow": (1000, 33),
    "long": (31, 1000),
    "half a pixel beside the middle": (12, 397),
    "sums between two whole numbers": (42, 42),
}


def drawn(shape):
    """Smooth colours under noise, for a filter's rounding shows on both."""
    height, width = shape
    draw = np.random.default_rng(0)
    steps = np.linspace(0, 160, height)[:, None, None] + np.linspace(0, 60, width)[:, None]
    return (steps + draw.integers(0, 36, (height, width, 3))).astype(np.uint8)


@pytest.fixture(scope="module", params=FORMS)
def form(request):
    import onnxruntime

    from fieldmark.export.resizing import resizing

    spec = FORMS[request.param]
    session = onnxruntime.InferenceSession(resizing(spec).SerializeToString())
    return spec, session


@pytest.mark.parametrize("size", SIZES)
def test_the_nodes_give_what_pillow_gives(form, size):
    spec, session = form
    image = drawn(SIZES[size])
    [found] = session.run(None, {"images": image[None]})
    assert np.array_equal(found[0], seen(image, spec, size))


def test_sums_of_many_bright_pixels_are_exact():
    """Of some 800 pixels each: in the upper and lower halves of the weights' bits they were not."""
    import onnxruntime

    from fieldmark.export.resizing import resizing

    spec = InputSpec("square:48", 48)
    image = np.random.default_rng(1).integers(250, 256, (48, 20000, 3), np.uint8)
    session = onnxruntime.InferenceSession(resizing(spec).SerializeToString())
    [found] = session.run(None, {"images": image[None]})
    assert np.array_equal(found[0], seen(image, spec, "bright"))


def test_images_of_a_batch_are_resized_alike(form):
    session = form[1]
    images = np.stack([drawn((60, 81)), 255 - drawn((60, 81))])
    [both] = session.run(None, {"images": images})
    for image, found in zip(images, both, strict=True):
        assert np.array_equal(session.run(None, {"images": image[None]})[0][0], found)


def test_the_order_of_pillows_passes_is_this_pillows():
    from PIL import Image

    draw = np.random.default_rng(1)
    smooth = Image.Resampling.BICUBIC
    for height, width, to in ((300, 250, (20, 240)), (90, 300, (60, 100)), (300, 90, (60, 80))):
        image = Image.fromarray(draw.integers(0, 256, (height, width, 3), np.uint8))
        down = goes_down_first() and height - to[0] > 2 * max(0, width - to[1])
        first = (width, to[0]) if down else (to[1], height)
        both = image.resize(first, smooth).resize(to[::-1], smooth)
        assert np.array_equal(np.asarray(both), np.asarray(image.resize(to[::-1], smooth)))
