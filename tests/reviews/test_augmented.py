import os

import numpy as np
import pytest
from PIL import Image

from fieldmark.cache import Cache
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.scan import scan
from fieldmark.data.sources import read_listing
from fieldmark.errors import SettingsError
from fieldmark.reviews.augmented import DRAWS, augmented_sheets

OWN = [name for name in AUGMENTS if "albumentations" not in name]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Three images in two classes. -> listing, facts"""
    root = tmp_path_factory.mktemp("photos")
    for place in ("cat/0", "cat/1", "dog/0"):
        path = root / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(list(place.encode())).integers(0, 256, (40, 90, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    listing = read_listing(str(root))
    return listing, scan(listing.samples, Cache(root / "cache"))


@pytest.mark.parametrize("name", OWN)
def test_every_augmentation_is_shown_beside_the_image_as_evaluated(seen, name):
    sheets = augmented_sheets(*seen, name)
    assert [sheet.title.split("/")[-1] for sheet in sheets] == ["0.png", "1.png", "0.png"]
    for sheet in sheets:
        assert [words for *_, words in sheet.pictures][:2] == ["as evaluated", "draw 1"]
        assert (len({picture[0] for picture in sheet.pictures}) > 2) == (name != "none")
        assert len(sheet.pictures) == DRAWS + 1


def test_a_users_own_pipeline_is_shown_whatever_it_normalises_with(seen, tmp_path):
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # importing it would ask a server
    package = pytest.importorskip("albumentations")
    steps = [package.HorizontalFlip(p=0.5), package.Normalize((0.1,) * 3, (0.3,) * 3)]
    path = tmp_path / "mine.yaml"
    package.save(package.Compose(steps), str(path), data_format="yaml")
    for sheet in augmented_sheets(*seen, str(path)):
        plain, *others = (picture[0] for picture in sheet.pictures)
        assert 1 <= len({plain, *others}) <= 2  # the image, or its mirror image


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("standrad", "--augment: there is no augmentation 'standrad'; did you mean 'standard'?"),
        ("none.yaml", "--augment: none.yaml: cannot be read (No such file or directory)"),
        ("albumentations", "--augment: the pipeline is not given"),
    ],
)
def test_a_mistake_is_told_under_the_option(seen, name, said):
    with pytest.raises(SettingsError) as caught:
        augmented_sheets(*seen, name)
    assert str(caught.value).startswith(said)
