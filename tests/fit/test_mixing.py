import numpy as np
import pytest
import torch

from fieldmark.captioned import Captioned
from fieldmark.fit.mixing import MIXES, addressed, cutmix, either, mixup

NAMES = [name for name in MIXES if name != "none"]
CLASSES = 4
TARGETS = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])


def batch(side=10, seed=0):
    """Eight images of noise; no two pixels of one place are likely to be equal in all channels."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (8, 3, side, side), dtype=torch.uint8, generator=draw)


def mixed(name="mixup", images=None, seed=7, epoch=0, step=0, **options):
    function = addressed(MIXES.build(name, options), seed=seed, classes=CLASSES)
    return function(batch() if images is None else images, TARGETS, epoch, step)


def partners(found):
    """Each image's partner and how much of it was taken, solved from a blend of float images."""
    pixels = batch().float()
    for n, image in enumerate(found):
        fits = []
        for other in range(8):
            way = pixels[other] - pixels[n]
            taken = ((image - pixels[n]) * way).sum() / max(way.square().sum(), 1)
            fits.append(((pixels[n] + taken * way - image).abs().max(), other, taken))
        yield min(fits)


@pytest.mark.parametrize("name", NAMES)
def test_mixing_is_a_function_of_seed_epoch_and_step(name):
    again, same = mixed(name), mixed(name)
    assert all(torch.equal(one, other) for one, other in zip(again, same, strict=True))
    for place in ({"seed": 8}, {"epoch": 1}, {"step": 1}):
        assert not torch.equal(mixed(name, **place)[0], same[0])


@pytest.mark.parametrize("name", NAMES)
def test_mixing_touches_neither_the_batch_nor_the_global_generators(name):
    images = batch()
    torch.manual_seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    mixed(name, images)
    assert torch.equal(images, batch())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_images_keep_their_kind_and_shares_add_up_to_one(name, dtype):
    for step in range(20):
        images, shares = mixed(name, batch().to(dtype), step=step)
        assert (images.dtype, images.shape) == (dtype, (8, 3, 10, 10))
        assert (shares.dtype, shares.shape) == (torch.float32, (8, CLASSES))
        assert shares.sum(dim=1).tolist() == pytest.approx([1] * 8)
        assert (shares >= 0).all()


def test_a_blend_and_its_shares_take_the_same_of_the_partner():
    images, shares = mixed("mixup", batch().float(), alpha=1.0)
    for n, (miss, other, taken) in enumerate(partners(images)):
        assert miss < 1e-2
        wanted = torch.zeros(CLASSES)
        wanted[TARGETS[n]] += 1 - taken
        wanted[TARGETS[other]] += taken
        torch.testing.assert_close(shares[n], wanted, atol=1e-4, rtol=0)


def test_bytes_are_blended_to_the_nearest_byte():
    exact, _ = mixed("mixup", batch().float(), alpha=1.0)
    rounded, _ = mixed("mixup", alpha=1.0)
    assert (rounded.float() - exact).abs().max() <= 0.5
    assert (rounded.float() != exact).any()


def test_blends_take_as_much_as_beta_says():
    taken = [1 - shares.max().item() for shares in (_of_two(step) for step in range(400))]
    drawn = np.random.default_rng(0).beta(0.5, 0.5, 4000)
    wanted = np.minimum(drawn, 1 - drawn)
    assert np.mean(taken) == pytest.approx(wanted.mean(), abs=0.03)
    assert np.std(taken) == pytest.approx(wanted.std(), abs=0.03)


def _of_two(step):
    """Shares of a batch of eight, the row that has two classes most mixed."""
    _, shares = mixed("mixup", step=step, alpha=0.5)
    return shares[shares.max(dim=1).values.argmin()]


def test_a_box_is_the_partners_and_the_shares_are_its_area():
    smaller = larger = 0
    for step in range(30):
        images, shares = mixed("cutmix", step=step)
        originals = batch()
        changed = (images != originals).any(dim=1)  # (8, 10, 10)
        moved = [n for n in range(8) if changed[n].any()]
        for n in moved:
            inside = changed[n].nonzero()
            (top, left), (bottom, right) = inside.min(dim=0).values, inside.max(dim=0).values
            box = (slice(top, bottom + 1), slice(left, right + 1))
            area = changed[n][box].numel()
            assert len(inside) == area  # one whole box
            others = [o for o in range(8) if torch.equal(images[n][:, *box], originals[o][:, *box])]
            assert len(others) == 1
            wanted = torch.zeros(CLASSES)
            wanted[TARGETS[n]] += 1 - area / 100
            wanted[TARGETS[others[0]]] += area / 100
            torch.testing.assert_close(shares[n], wanted)
            smaller, larger = smaller + (area < 50), larger + (area >= 50)
    assert smaller > 10
    assert larger > 10


def test_a_box_is_as_large_as_beta_says_less_what_lies_over_the_edge():
    apart = torch.arange(8)  # a class each, so that the shares tell what was taken
    function = addressed(cutmix(alpha=1e6), seed=0, classes=8)  # half of the image, always
    areas = []
    for step in range(80):
        _, shares = function(batch(side=64), apart, 0, step)
        areas.append(1 - shares.diagonal().min().item())
    assert max(areas) == pytest.approx(0.5, abs=0.03)
    reach = 0.5**0.5 / 2
    assert np.mean(areas) == pytest.approx((2 * reach - reach**2) ** 2, abs=0.04)


def test_either_is_one_of_the_two_by_chance():
    def images(function, step):
        draw = np.random.default_rng(step)
        if function in (blend, paste):
            draw.random()  # the coin
        return function(batch().float(), TARGETS, CLASSES, draw)[0]

    blend, paste = mixup(alpha=1.0), cutmix(alpha=0.7)
    for share, least, most in ((0.0, 0, 0), (0.3, 4, 20), (1.0, 40, 40)):
        both = either(mixup_alpha=1.0, cutmix_alpha=0.7, cutmix_share=share)
        pasted = 0
        for step in range(40):
            found = images(both, step)
            is_pasted = torch.equal(found, images(paste, step))
            assert is_pasted or torch.equal(found, images(blend, step))
            pasted += is_pasted
        assert least <= pasted <= most


def test_a_batch_of_one_stays_as_it_is():
    function = addressed(mixup(alpha=1.0), seed=0, classes=CLASSES)
    images, shares = function(batch()[:1], TARGETS[:1], 0, 0)
    assert torch.equal(images, batch()[:1])
    assert shares.tolist() == [[1, 0, 0, 0]]


def test_none_mixes_nothing():
    assert MIXES.build("none", {}) is None


@pytest.mark.parametrize("name", NAMES)
def test_words_of_captions_are_mixed_in_the_shares_of_their_images(name):
    seen = Captioned(batch(), torch.nn.functional.one_hot(TARGETS, CLASSES).float())
    both, shares = mixed(name, images=seen)
    pixels, plain = mixed(name)
    assert torch.equal(both.images, pixels)
    assert torch.equal(shares, plain)
    assert torch.equal(both.words, shares)
