"""What is too large for the machine is refused before an image is decoded for training."""

import pytest
from smallruns import QUIET

from fieldmark.errors import SettingsError
from fieldmark.runs import network
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import prepare


def refusal(photos, **options):
    with pytest.raises(SettingsError) as caught:
        prepare(gather(str(photos), ["model.name=small_cnn"], options), QUIET)
    return str(caught.value)


def test_images_of_more_pixels_than_are_opened_are_refused(photos):
    assert refusal(photos, image_size="20000") == (
        "--image-size: photos of 22857 x 22857 px are more than is opened; take 12374 or less"
    )


def test_a_batch_that_does_not_fit_is_refused_with_what_does(photos, monkeypatch):
    monkeypatch.setattr(network, "available", lambda device="cpu": 4_000_000_000)
    said = refusal(photos, image_size="3000")
    assert said.startswith("--image-size: 36 images of 3000 x 3000 px take 340.")
    assert said.endswith("and 4.0 GB are free; take 324 or less, or a smaller --batch-size")
    said = refusal(photos, image_size="500", batch_size="100000")
    assert said.startswith("--batch-size: 36 images of 500 x 500 px take 9.")
    assert said.endswith("and 4.0 GB are free; take 15 or less, or a smaller --image-size")
