import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fieldmark.data.channels import channels, channels_of
from fieldmark.data.sources import read_listing, read_source
from fieldmark.errors import DataError
from fieldmark.records import InputSpec


def drawn(shapes, seed=0):
    draw = np.random.default_rng(seed)
    return [draw.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=6))
def test_they_are_those_of_all_pixels_together(shapes):
    images = drawn(shapes)
    pixels = np.concatenate([image.reshape(-1, 3) for image in images]) / 255
    mean, std = channels(images)
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-9, atol=1e-12)


def test_the_order_of_the_images_does_not_matter_to_the_last_bit():
    images = drawn([(7, 9), (30, 11), (2, 2), (16, 16)])
    assert channels(images) == channels(images[::-1])


def test_white_images_have_a_mean_of_one_and_no_deviation():
    white = np.full((300, 300, 3), 255, np.uint8)
    assert channels([white] * 3) == ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def test_a_view_of_pixels_that_lie_otherwise_counts_the_same():
    image = drawn([(8, 12)])[0]
    turned = image[::-1, ::2]
    assert channels([turned]) == channels([turned.copy()])


def test_no_image_has_no_mean():
    with pytest.raises(DataError, match="no training image"):
        channels([])


def test_only_the_rows_that_are_asked_for_are_read_and_in_the_form_of_evaluation(tmp_path):
    for number, image in enumerate(drawn([(20, 30), (40, 10), (16, 16)])):
        (tmp_path / "cat").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "cat" / f"{number}.png")
    samples, told = read_source(str(tmp_path)).samples, []
    found = channels_of(samples, np.array([2, 0]), InputSpec("square:8", 8), told.append)
    pictures = [Image.open(tmp_path / "cat" / f"{n}.png").resize((8, 8), 2) for n in (0, 2)]
    assert found == channels(np.asarray(picture) for picture in pictures)
    assert told == [1, 1]
    full = channels_of(samples, np.array([2]), InputSpec("original", 14))
    assert full == channels([np.asarray(Image.open(tmp_path / "cat" / "2.png"))])


def test_an_image_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "cat").mkdir()
    path = tmp_path / "cat" / "0.png"
    Image.fromarray(drawn([(9, 9)])[0]).save(path)
    samples = read_listing(str(tmp_path)).samples
    path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"0\.png"):
        channels_of(samples, np.array([0]), InputSpec("square:8", 8))
