"""An opened bundle: every kind of image becomes the very bits that training's loader gives."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from fieldmark.data.loader import Images
from fieldmark.errors import DataError, RunError, SettingsError
from fieldmark.models.bundle import save
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.own_networks import SmallCnn
from fieldmark.records import InputSpec, Samples
from fieldmark.use.opened import open_bundle
from fieldmark.use.predictor import Predictor

SPECS = [
    InputSpec("square:16", 16),
    InputSpec("shorter:18", 16),
    InputSpec("shorter:12:bicubic", 16),
    InputSpec("original", 16),
]


def photo(width, height):
    blobs = np.random.default_rng(0).integers(0, 256, size=(7, 9, 3), dtype=np.uint8)
    return Image.fromarray(blobs).resize((width, height), Image.Resampling.BICUBIC)


def with_alpha(image):
    return Image.merge("RGBA", [*image.split(), image.convert("L")])


def turned(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return {"exif": exif, "quality": 90}


DRAWN = {
    "photo.jpg": (photo(90, 60), {"quality": 90}),
    "narrow.jpg": (photo(200, 9), {"quality": 90}),
    "turned.jpg": (photo(90, 60), turned(6)),
    "photo.png": (photo(90, 60), {}),
    "tiny.png": (photo(5, 3), {}),
    "grey.png": (photo(90, 60).convert("L"), {}),
    "alpha.png": (with_alpha(photo(90, 60)), {}),
    "deep.png": (Image.fromarray(np.asarray(photo(90, 60).convert("L")).astype("<u2") * 257), {}),
    "palette.gif": (photo(90, 60).convert("P"), {}),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    for name, (image, options) in DRAWN.items():
        image.save(folder / name, **options)
    return folder


def bundle(folder, spec=SPECS[1]):
    torch.manual_seed(0)
    save(folder, SmallCnn(2).state_dict(), BundleInfo("small_cnn", ("a", "b"), spec))
    return folder


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stored)
def test_a_path_and_its_bytes_are_seen_as_the_loader_sees_them(drawn, tmp_path, spec):
    opened = open_bundle(bundle(tmp_path, spec), "cpu")
    samples = Samples.from_columns({"path": list(DRAWN)}, str(drawn))
    loaded = Images(samples, ("a",), spec)
    for row, name in enumerate(DRAWN):
        wanted = loaded[(0, row, 0)][0][0]
        found = opened.read(drawn / name, name)
        assert found.dtype == torch.uint8
        assert torch.equal(found, wanted), name
        assert torch.equal(opened.read((drawn / name).read_bytes(), name), wanted), name


@pytest.mark.parametrize("name", [name for name in DRAWN if not name.endswith(".jpg")])
def test_pixels_are_seen_as_the_file_that_holds_them(drawn, tmp_path, name):
    opened = open_bundle(bundle(tmp_path), "cpu")
    wanted = opened.read(drawn / name, name)
    with Image.open(drawn / name) as image:
        assert torch.equal(opened.read(image, name), wanted)
        if image.mode in ("L", "RGB"):
            assert torch.equal(opened.read(np.asarray(image), name), wanted)


def test_a_turned_picture_of_pillows_is_seen_upright_and_stays_as_it_is(drawn, tmp_path):
    opened = open_bundle(bundle(tmp_path), "cpu")
    with Image.open(drawn / "turned.jpg") as image:
        found = opened.read(image, "it")
        assert image.size == (90, 60)
    far = (found.int() - opened.read(drawn / "turned.jpg", "it").int()).abs()
    assert far.max() <= 4  # the file is decoded small


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.full((4, 4, 3), np.nan, np.float32), "shape (4, 4, 3) and float32"),
        (np.zeros((4, 4, 2), np.uint8), "shape (4, 4, 2) and uint8"),
        (np.zeros((1, 4, 4, 3), np.uint8), "shape (1, 4, 4, 3) and uint8"),
        (np.zeros((0, 4), np.uint8), "shape (0, 4) and uint8"),
        (np.zeros(4, np.uint8), "shape (4,) and uint8"),
    ],
)
def test_an_array_that_is_no_image_is_refused_in_a_sentence(tmp_path, pixels, words):
    predictor = Predictor(bundle(tmp_path), device="cpu")
    sentence = f"is an array of {words}; give (height, width) or (height, width, 3) of uint8"
    with pytest.warns(UserWarning, match=r"^1 of 2 images got no answer; the first: image 2: "):
        _, failure = predictor.predict([np.zeros((4, 4), np.uint8), pixels])
    assert failure.reason == f"image 2: {sentence}"


def test_transparent_pixels_lie_over_white(tmp_path):
    predictor = Predictor(bundle(tmp_path), device="cpu")
    clear, white = np.zeros((4, 4, 4), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert predictor.predict(clear) == predictor.predict(white)


def test_floats_are_refused_of_pillows_images_too_and_a_strip_is_seen_by_its_middle(tmp_path):
    opened = open_bundle(bundle(tmp_path), "cpu")
    with pytest.raises(DataError, match="it: holds 32-bit floats"):
        opened.read(Image.new("F", (4, 4)), "it")
    strip = Image.new("L", (20_000_000, 1), 255)
    assert opened.read(strip, "it").unique().tolist() == [255]
    with pytest.raises(DataError, match="it: has 20000000 x 11 pixels, more than the 200 million"):
        opened.read(Image.new("L", (20_000_000, 11), None), "it")


def test_paths_bytes_and_pixels_get_the_same_answer(drawn, tmp_path):
    predictor = Predictor(bundle(tmp_path), device="cpu")
    path = drawn / "photo.png"
    with Image.open(path) as image:
        given = [str(path), path.read_bytes(), image, np.asarray(image)]
        answers = predictor.predict(given)
    assert [answer.image for answer in answers] == [str(path), "image 2", "image 3", "image 4"]
    assert len({(answer.label, answer.score) for answer in answers}) == 1
    assert predictor.predict(path.read_bytes()).image == "image 1"


def test_bytes_that_are_no_picture_are_named_by_their_place(tmp_path):
    with pytest.raises(DataError, match="image 1: is not a picture that can be read"):
        Predictor(bundle(tmp_path), device="cpu").predict(io.BytesIO(b"no picture").getvalue())


def test_a_device_that_is_not_there_and_a_folder_without_a_bundle_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="--device: must be auto, cpu"):
        open_bundle(bundle(tmp_path), "tpu")
    (tmp_path / "model.json").unlink()
    with pytest.raises(RunError, match="holds no trained model"):
        open_bundle(tmp_path)
