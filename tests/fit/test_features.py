"""Features: of the image alone, once, and kept."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from enginesthere import ENGINES, KINDS, QUICK
from PIL import Image
from scannedsource import read_source
from torch import nn
from torchvision.models import mobilenet_v2

from fieldmark.cache import Cache
from fieldmark.console import Console
from fieldmark.data.augment import AUGMENTS
from fieldmark.data.loader import Augmenting, Images
from fieldmark.errors import DataError, SettingsError, StoppedError, WeightsError
from fieldmark.fit.features import Pass, Views, embed
from fieldmark.models import engines
from fieldmark.models.bundle import Classifier
from fieldmark.records import InputSpec, Samples

CPU = torch.device("cpu")
SPEC = InputSpec("square:16", 16)


class Body(nn.Sequential):
    """A small backbone that counts the batches it was shown."""

    def __init__(self, seed=0):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            super().__init__(
                nn.Conv2d(3, 32, 3, padding=1),
                nn.BatchNorm2d(32),
                nn.ReLU(),
                nn.Conv2d(32, 24, 3, groups=8),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
            )
        self.to(memory_format=torch.channels_last)
        self.batches = 0

    def forward(self, images):
        self.batches += 1
        return super().forward(images)


@pytest.fixture
def photos(tmp_path):
    """21 different images in two classes."""
    for place in range(21):
        draw_photo(tmp_path / ("cat" if place % 2 else "dog") / f"{place:02}.png", place)
    return read_source(str(tmp_path)).samples


def draw_photo(path, seed):
    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def passing(body, **changes):
    return replace(Pass(body, "body", SPEC, "float32", CPU, workers=0), **changes)


def features(how, samples, cache=None, **more):
    return embed(how, samples, cache=cache or Cache(None), console=Console(quiet=True), **more)


def some(samples, rows):
    return Samples(samples.frame[rows], samples.root)


def quick_mobilenet():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = mobilenet_v2().to(memory_format=torch.channels_last)
    return nn.Sequential(network.features, nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize(
    ("make", "kind"), [(Body, "float32"), (Body, QUICK), (quick_mobilenet, QUICK)]
)
def test_an_images_features_do_not_depend_on_its_neighbours(photos, make, kind):
    how = passing(make(), precision=kind, spec=InputSpec("square:32", 32))
    whole = features(how, photos).plain
    order = np.random.default_rng(0).permutation(21)
    assert torch.equal(features(how, some(photos, order)).plain, whole[order])
    for row in (0, 7, 20):
        assert torch.equal(features(how, some(photos, [row])).plain[0], whole[row])


def test_features_are_what_the_body_gives_in_eval_mode(photos):
    body = Body().train()
    images, _ = Images(photos, photos.classes, SPEC).__getitems__([(0, r, 0) for r in range(21)])
    found = features(passing(body), photos)
    assert found.views is None
    assert body.training
    with torch.inference_mode():
        wanted = Classifier(body, SPEC).eval()(images)
    torch.testing.assert_close(found.plain, wanted)


@pytest.mark.parametrize(
    ("kind", "remedy"), [("float32", ""), ("bf16", ", or run.precision=float32")]
)
def test_features_that_are_no_numbers_are_refused_from_the_cache_too(
    photos, tmp_path, kind, remedy
):
    body, cache = Body(), Cache(tmp_path / "cache")
    body[1].bias.data[0] = float("nan")
    told = "cat/01.png: its features are nan or infinite"
    for rows, more in (([0], ""), ([0, 1], ", and those of 1 image more")) * 2:
        with pytest.raises(WeightsError) as caught:
            features(passing(body, precision=kind), some(photos, rows), cache)
        assert str(caught.value) == f"{told}{more}; take other weights{remedy}"


def test_workers_change_nothing(photos):
    alone = features(passing(Body(), precision=QUICK), photos).plain
    assert torch.equal(features(passing(Body(), precision=QUICK, workers=2), photos).plain, alone)


def test_features_keep_the_dtype_in_which_the_body_computed(photos, tmp_path):
    cache = Cache(tmp_path / "cache")
    how = passing(nn.Sequential(Body(), nn.Linear(24, 5)), precision=QUICK)
    kind = torch.bfloat16 if QUICK == "bf16" else torch.float32
    cold, warm = features(how, photos, cache).plain, features(how, photos, cache).plain
    assert cold.dtype == warm.dtype == kind
    assert torch.equal(cold, warm)


def test_only_images_that_are_new_pass(photos, tmp_path):
    cache, body = Cache(tmp_path / "cache"), Body()
    few = features(passing(body), some(photos, range(12)), cache).plain
    assert body.batches == 2  # of eight
    whole = features(passing(body), photos, cache).plain
    assert body.batches == 2 + 2
    assert torch.equal(whole[:12], few)
    assert torch.equal(features(passing(body), photos, cache).plain, whole)
    assert body.batches == 4
    assert torch.equal(whole, features(passing(Body()), photos).plain)


def test_the_same_content_twice_passes_once(photos):
    body = Body()
    twice = features(passing(body), some(photos, [*range(8), *range(8)])).plain
    assert body.batches == 1
    assert torch.equal(twice[:8], twice[8:])


@pytest.mark.parametrize(
    "changes",
    [
        {"body": Body(seed=1)},
        {"name": "another"},
        {"spec": InputSpec("square:16", 16, mean=(0.1, 0.2, 0.3))},
        {"precision": "bf16"},
        *(pytest.param({"engine": each.values[0]}, marks=each.marks) for each in ENGINES),
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_other_features_have_another_place_in_the_cache(photos, tmp_path, changes):
    cache = Cache(tmp_path / "cache")
    features(passing(Body()), photos, cache)
    body = changes.get("body") or Body()
    features(passing(body, **{k: v for k, v in changes.items() if k != "body"}), photos, cache)
    assert body.batches == 3


def test_a_change_in_how_images_are_evaluated_leaves_old_features_unused(
    photos, tmp_path, monkeypatch
):
    cache, body = Cache(tmp_path / "cache"), Body()
    how = passing(body, spec=InputSpec("original", 14))
    features(how, photos, cache)
    assert body.batches == 3
    monkeypatch.setattr(InputSpec, "around", property(lambda self: self.size + 1))
    features(how, photos, cache)
    assert body.batches == 6


def test_a_view_is_what_training_would_see_in_that_epoch(photos):
    augmenting = Augmenting(AUGMENTS.build("standard", {}, SPEC), seed=5)
    rows = np.array([3, 0, 11])
    views = Views(2, rows, augmenting, "standard")
    how = passing(Body())
    found = features(how, photos, views=views)
    assert found.views is not None
    assert found.views.shape == (2, 3, 24)
    images = Images(photos, photos.classes, SPEC, augmenting)
    for view in range(2):
        pixels, _ = images.__getitems__([(view, int(row), 0) for row in rows])
        with torch.inference_mode():
            wanted = Classifier(how.body, SPEC).eval()(pixels)
        torch.testing.assert_close(found.views[view], wanted)
    assert torch.equal(found.plain, features(how, photos).plain)


def test_views_are_kept_by_their_augmentation(photos, tmp_path):
    cache, body, rows = Cache(tmp_path / "cache"), Body(), np.arange(8)

    def pass_views(name, seed):
        augmenting = Augmenting(AUGMENTS.build("light", {}, SPEC), seed)
        features(passing(body), photos, cache, views=Views(1, rows, augmenting, name))
        return body.batches

    assert pass_views("light", 1) == 3 + 1
    assert pass_views("light", 1) == 4
    assert pass_views("light", 2) == 5
    assert pass_views("other", 1) == 6


def test_a_pass_that_was_stopped_goes_on(photos, tmp_path):
    cache, body = Cache(tmp_path / "cache"), Body()
    with pytest.raises(StoppedError, match="images were embedded"):
        features(passing(body, stop_asked=lambda: body.batches == 2), photos, cache)
    assert body.batches == 2
    found = features(passing(body), photos, cache).plain
    assert body.batches == 3
    assert torch.equal(found, features(passing(Body()), photos).plain)


def test_damaged_and_lost_files_of_the_cache_are_made_anew(photos, tmp_path):
    cache, body = Cache(tmp_path / "cache"), Body()
    for last in (8, 16, 21):
        features(passing(body), some(photos, range(last)), cache)
    first, second, third = sorted(
        (tmp_path / "cache").rglob("*/??/*"), key=lambda path: path.stat().st_ctime_ns
    )
    second.write_bytes(b"no tensors")
    wanted = features(passing(Body()), photos).plain
    assert torch.equal(features(passing(body), photos, cache).plain, wanted)
    assert body.batches == 3 + 1
    first.unlink()
    content = third.read_bytes()
    assert torch.equal(features(passing(body), photos, cache).plain, wanted)
    assert third.read_bytes() == content
    before = body.batches
    assert torch.equal(features(passing(body), photos, cache).plain, wanted)
    assert body.batches == before


def test_an_image_that_cannot_be_read_is_named(photos, tmp_path):
    (tmp_path / "cat" / "01.png").write_bytes(io.BytesIO(b"nothing").getvalue())
    with pytest.raises(DataError, match=r"01\.png"):
        features(passing(Body(), workers=2), photos)


def test_images_without_a_content_hash_are_refused():
    samples = Samples.from_columns({"path": ["a.png"], "labels": [["a"]]})
    with pytest.raises(ValueError, match="scan"):
        features(passing(Body()), samples)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.slow
def test_an_engines_features_depend_on_no_neighbour_no_worker_and_no_moment(photos, engine):
    body = nn.Sequential(*Body())
    how = passing(body, engine=engine, precision=KINDS[engine])
    whole = features(how, photos).plain
    torch.testing.assert_close(
        whole, features(passing(body), photos).plain, rtol=0, atol=whole.norm(dim=1).mean() / 10
    )
    order = np.random.default_rng(0).permutation(21)
    assert torch.equal(features(how, some(photos, order)).plain, whole[order])
    assert torch.equal(features(how, some(photos, [20])).plain[0], whole[20])
    for workers in (1, 2):
        assert torch.equal(features(replace(how, workers=workers), photos).plain, whole)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_is_asked_only_for_images_that_are_new(photos, tmp_path, engine, monkeypatch):
    how, cache = passing(nn.Sequential(*Body()), engine=engine), Cache(tmp_path / "cache")
    whole = features(how, photos, cache).plain
    monkeypatch.setattr(engines, "as_onnx", None)
    assert torch.equal(features(how, photos, cache).plain, whole)
    monkeypatch.setattr(engines, "described", lambda engine: f"another {engine}")
    with pytest.raises(TypeError):  # of another version all are new
        features(how, photos, cache)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.slow
def test_an_engine_that_is_far_from_torch_is_refused_and_nothing_kept(
    photos, tmp_path, engine, monkeypatch
):
    monkeypatch.setattr(engines, "FARTHEST", {"float32": 0.0, "bf16": 0.0})
    how = passing(quick_mobilenet(), engine=engine, precision=KINDS[engine])
    with pytest.raises(SettingsError, match=r"^--engine: features of 21 images by .* at most 0 "):
        features(replace(how, spec=InputSpec("square:32", 32)), photos, Cache(tmp_path / "cache"))
    assert not list((tmp_path / "cache").rglob("*"))
