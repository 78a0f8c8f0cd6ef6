"""The places of a map are those of the image: what changes in a corner changes the map there."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from patches import classifier_of, drawn

from fieldmark.attribution.cam import maps_and_gradients
from fieldmark.models.maps import handovers

SIDE = 64
NETWORKS = {
    "vit": (8, lambda tv: tv.vision_transformer.VisionTransformer(SIDE, 8, 1, 2, 16, 32)),
    "swin": (
        4,
        lambda tv: tv.swin_transformer.SwinTransformer([4, 4], 8, [1, 1, 1], [1, 1, 2], [4, 4]),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_changes_at_a_place_of_the_image_changes_that_place_of_the_map(name):
    models = pytest.importorskip("torchvision.models")
    side, build = NETWORKS[name]
    classifier = classifier_of(drawn(lambda: build(models)), SIDE)
    images = torch.full((4, 3, SIDE, SIDE), 128, dtype=torch.uint8)
    corners = [(0, 0), (0, side - 1), (side - 1, 0)]
    cell = SIDE // side
    for row, (down, right) in enumerate(corners, start=1):
        images[row, 0, cell * down : cell * (down + 1), cell * right : cell * (right + 1)] = 255
    places = handovers(classifier, images[:1])
    ((maps, gradients),) = maps_and_gradients(
        classifier, images, torch.zeros(4, dtype=torch.int64), places, nullcontext
    )
    assert maps.shape == gradients.shape
    assert maps.shape[2:] == (side, side)
    changed = (maps[1:] - maps[:1]).abs().sum(dim=1)
    for row, corner in enumerate(corners):
        assert np.unravel_index(int(changed[row].argmax()), (side, side)) == corner
