import os
import re
import shutil
import signal
import subprocess
import sys
import types
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scannedsource import read_source

from fieldmark import streams
from fieldmark.data.augment import AUGMENTS, centre_crop
from fieldmark.data.loader import Augmenting, Batches, Images, Tally
from fieldmark.data.sources import read_pixels
from fieldmark.errors import DataError, WorkError
from fieldmark.records import InputSpec
from fieldmark.streams import Stream

SPEC = InputSpec("square:8", 8)


@pytest.fixture(scope="module")
def digits():
    return read_source("digits").samples


@pytest.fixture
def photos(tmp_path):
    """Five images in two classes, in a folder."""
    for place in ("cat/0", "cat/1", "cat/2", "dog/0", "dog/1"):
        path = tmp_path / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(list(place.encode())).integers(0, 256, (20, 30, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return read_source(str(tmp_path)).samples


def images(samples, name="light", seed=7, spec=SPEC):
    augmenting = None if name is None else Augmenting(AUGMENTS.build(name, {}, spec), seed)
    return Images(samples, samples.classes, spec, augmenting)


def batches(samples, rows=21, *, name="light", **options):
    return Batches(
        images(samples, name),
        np.arange(rows) * 3,
        **{"batch_size": 4, "seed": 7, "workers": 0, **options},
    )


def bits(found):
    return [(pixels.numpy().tobytes(), targets.tolist()) for pixels, targets in found]


def steps(found):
    return [targets.tolist() for _, targets in found]


def order(found):
    return list(chain.from_iterable(steps(found)))


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_are_the_same_bit_for_bit_with_any_number_of_workers(digits, workers):
    alone, helped = batches(digits), batches(digits, workers=workers)
    for epoch in (0, 1, 0):
        assert bits(helped.epoch(epoch)) == bits(alone.epoch(epoch))


def test_a_batch_is_bytes_and_classes(digits):
    pixels, targets = next(batches(digits).epoch(0))
    assert (pixels.shape, pixels.dtype) == ((4, 3, 8, 8), torch.uint8)
    assert (targets.shape, targets.dtype) == ((4,), torch.int64)


def test_another_epoch_or_seed_has_another_order_of_the_same_images(digits):
    orders = [
        order(batches(digits, 60, seed=seed, name=None).epoch(epoch))
        for seed, epoch in ((7, 0), (7, 1), (8, 0))
    ]
    assert orders[0] != orders[1]
    assert orders[0] != orders[2]
    assert len({tuple(sorted(each)) for each in orders}) == 1


def test_every_image_comes_once_an_epoch_with_its_own_class(digits):
    rows = np.arange(21) * 3
    found = batches(digits, name=None).epoch(5)
    pictures = {
        (pixels.numpy().tobytes(), int(target))
        for several, targets in found
        for pixels, target in zip(several, targets, strict=True)
    }
    targets = digits.targets(digits.classes)
    wanted = set()
    for row in rows:
        pixels = torch.from_numpy(read_pixels(".", "digits", int(row), ("square", 8)).copy())
        wanted.add((pixels.permute(2, 0, 1).numpy().tobytes(), int(targets[row])))
    assert pictures == wanted


def test_without_a_seed_the_order_is_that_of_the_rows(digits):
    found = batches(digits, seed=None)
    wanted = digits.targets(digits.classes)[np.arange(21) * 3].tolist()
    assert order(found) == order(found.epoch(3)) == wanted


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_from_a_step_on_is_the_tail_of_the_whole(digits, workers):
    found = batches(digits, workers=workers)
    whole = bits(found.epoch(1))
    for start in (0, 2, len(whole) - 1, len(whole)):
        assert bits(found.epoch(1, start=start)) == whole[start:]


@pytest.fixture(scope="module")
def uneven(digits):
    """Rows of three classes: 60 of 0, 20 of 1 and 4 of 2."""
    targets = digits.targets(digits.classes)
    rows = [np.flatnonzero(targets == k)[:n] for k, n in ((0, 60), (1, 20), (2, 4))]
    return np.random.default_rng(0).permutation(np.concatenate(rows))


def balanced(digits, rows, **options):
    options = {"batch_size": 16, "seed": 7, "workers": 0, **options}
    return Batches(images(digits, "light"), rows, sampling="balanced", **options)


def test_balanced_sampling_draws_each_class_as_often(digits, uneven):
    found = balanced(digits, uneven)
    classes = np.concatenate([order(found.epoch(epoch)) for epoch in range(12)])
    assert len(classes) == 12 * len(uneven)
    shares = np.bincount(classes, minlength=3) / len(classes)
    assert shares == pytest.approx([1 / 3] * 3, abs=0.05)


def test_balanced_sampling_draws_each_row_of_a_class_as_often(digits, uneven):
    keys = balanced(digits, uneven)._keys
    rows = []
    for keys.epoch in range(40):
        rows += [row for step in keys for _, row, _ in step]
    targets = digits.targets(digits.classes)
    assert set(rows) == set(uneven)
    rare = [rows.count(row) for row in uneven if targets[row] == 2]
    assert min(rare) > 0.8 * np.mean(rare)


@pytest.mark.parametrize("workers", [1, 2])
def test_balanced_batches_are_the_same_with_any_number_of_workers(digits, uneven, workers):
    alone, helped = balanced(digits, uneven), balanced(digits, uneven, workers=workers)
    for epoch in (0, 1, 0):
        assert bits(helped.epoch(epoch)) == bits(alone.epoch(epoch))
    assert bits(helped.epoch(1, start=3)) == bits(alone.epoch(1))[3:]


def test_balanced_sampling_is_addressed_by_seed_and_epoch(digits, uneven):
    first = bits(balanced(digits, uneven).epoch(0))
    assert bits(balanced(digits, uneven).epoch(0)) == first
    assert bits(balanced(digits, uneven, seed=8).epoch(0)) != first
    assert bits(balanced(digits, uneven).epoch(1)) != first


def test_a_row_that_comes_again_in_an_epoch_is_another_draw(digits, uneven):
    drawn = [key for step in balanced(digits, uneven)._keys for key in step]
    assert len(set(drawn)) == len(drawn) == len(uneven)
    for row in set(uneven):
        draws = [draw for _, each, draw in drawn if each == row]
        assert draws == list(range(len(draws)))
    assert max(draw for _, _, draw in drawn) > 3  # the four rows of class 2


def test_without_balance_every_row_is_its_first_draw(digits):
    assert {draw for step in batches(digits)._keys for _, _, draw in step} == {0}


def test_balanced_sampling_of_no_rows_has_no_steps(digits):
    assert bits(balanced(digits, np.zeros(0, int))) == []


def test_balanced_sampling_wants_a_seed(digits, uneven):
    with pytest.raises(ValueError, match="needs a seed"):
        balanced(digits, uneven, seed=None)


def test_what_stands_before_the_start_is_not_even_read(photos):
    found = Batches(images(photos, None), np.arange(5), batch_size=2, seed=None, workers=0)
    whole = bits(found.epoch(0))
    Path(photos.root, "cat", "0.png").unlink()
    assert bits(found.epoch(0, start=1)) == whole[1:]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_that_was_left_early_does_not_disturb_the_next(digits, workers):
    found = batches(digits, workers=workers)
    whole = bits(found.epoch(1))
    next(found.epoch(0))
    assert bits(found.epoch(1)) == whole


def test_an_epoch_is_settled_when_it_is_asked_for(digits):
    found = batches(digits)
    wanted = [bits(found.epoch(epoch)) for epoch in (0, 1)]
    first, second = found.epoch(0), found.epoch(1, start=0)
    assert [bits(first), bits(second)] == wanted


@pytest.mark.parametrize(
    ("rows", "batch_size", "sizes"),
    [
        (5, 2, [2, 3]),
        (4, 2, [2, 2]),
        (6, 4, [4, 2]),
        (9, 4, [4, 5]),
        (1, 4, [1]),
        (3, 4, [3]),
        (5, 4, [5]),
        (3, 1, [1, 2]),
        (0, 4, []),
    ],
)
@pytest.mark.parametrize("seed", [3, None])
def test_a_last_batch_of_one_joins_the_one_before(digits, rows, batch_size, sizes, seed):
    found = batches(digits, rows, batch_size=batch_size, seed=seed)
    assert found.sizes == sizes
    assert len(found) == len(sizes)
    assert [len(targets) for targets in steps(found.epoch(2))] == sizes


def test_an_image_differs_by_seed_epoch_row_and_draw_alone(digits):
    changed = images(digits, "standard")
    first = changed[(0, 5, 0)][0]
    assert torch.equal(changed[(0, 5, 0)][0], first)
    assert not torch.equal(changed[(1, 5, 0)][0], first)
    assert not torch.equal(images(digits, "standard", seed=8)[(0, 5, 0)][0], first)
    assert not torch.equal(changed[(0, 5, 1)][0], first)
    assert torch.equal(changed[(0, 5, 1)][0], changed[(0, 5, 1)][0])
    both = changed.__getitems__([(0, 6, 0), (0, 5, 0)])[0]
    assert torch.equal(both[1:], first)
    same = [row for row in (5, 15) if digits.targets(digits.classes)[row] == 5]
    assert same == [5, 15]
    assert not torch.equal(changed[(0, 15, 0)][0], first)


def test_the_first_draw_is_addressed_by_seed_stream_epoch_and_row(digits):
    seen = []
    watch = Augmenting(lambda image, draw: seen.append(draw.random(3)) or image, seed=9)
    Images(digits, digits.classes, SPEC, watch)[(4, 6, 0)]
    assert seen[0].tolist() == streams.draw(Stream.AUGMENT, 9, 4, 6, 0).random(3).tolist()


def test_two_rows_of_the_same_image_are_changed_differently(photos):
    shutil.copy(Path(photos.root, "cat", "0.png"), Path(photos.root, "cat", "0 copy.png"))
    samples = read_source(photos.root).samples
    plain, changed = images(samples, None), images(samples, "standard")
    assert torch.equal(plain[(0, 0, 0)][0], plain[(0, 1, 0)][0])
    assert not torch.equal(changed[(0, 0, 0)][0], changed[(0, 1, 0)][0])


@pytest.mark.parametrize(
    ("stored", "trained", "evaluated"),
    [
        ("shorter:12", ("shorter", 12), ("shorter", 12)),
        ("square:10", ("square", 10), ("square", 10)),
        ("original", None, ("shorter", 9)),
    ],
)
def test_training_starts_from_the_stored_form_and_evaluation_crops_its_own(
    photos, stored, trained, evaluated
):
    spec = InputSpec(stored, 8)
    path = photos.frame["path"][0]

    def seen(form):
        pixels = torch.from_numpy(read_pixels(photos.root, path, None, form).copy())
        return pixels.permute(2, 0, 1)

    kept = []
    watch = Augmenting(lambda image, _: kept.append(image) or centre_crop(image, 8), 0)
    Images(photos, photos.classes, spec, watch)[(0, 0, 0)]
    assert torch.equal(kept[0], seen(trained))
    found = images(photos, None, spec=spec)[(0, 0, 0)][0][0]
    assert torch.equal(found, centre_crop(seen(evaluated), 8))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_vanished_is_told_in_one_sentence(photos, workers):
    found = Batches(images(photos, None), np.arange(5), batch_size=2, seed=None, workers=workers)
    assert len(bits(found)) == 2
    path = Path(photos.root, "dog", "0.png")
    content = path.read_bytes()
    path.unlink()
    sentence = f"{path}: cannot be read (No such file or directory)"
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        bits(found)
    path.write_bytes(content)
    assert len(bits(found)) == 2


def test_a_worker_that_was_killed_is_told_in_one_sentence(photos):
    parent = os.getpid()

    def die(image, _):
        assert os.getpid() != parent
        os.kill(os.getpid(), signal.SIGKILL)

    dying = Images(photos, photos.classes, SPEC, Augmenting(die, 0))
    found = Batches(dying, np.arange(5), batch_size=2, seed=None, workers=1)
    with pytest.raises(WorkError, match=r"^DataLoader worker .*; .*, try --workers 0$"):
        next(found.epoch(0))


def test_an_error_of_the_program_itself_is_not_hidden(digits):
    def fail(image, _):
        raise RuntimeError("a mistake of ours")

    failing = Images(digits, digits.classes, SPEC, Augmenting(fail, 0))
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        next(Batches(failing, np.arange(5), batch_size=2, seed=None, workers=0).epoch(0))


def test_loading_leaves_the_global_generators_and_the_threads_as_they_were(digits):
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    bits(batches(digits).epoch(0))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert torch.get_num_threads() == 3
    torch.set_num_threads(threads)


def test_polars_never_enters_a_worker(photos):
    found = Batches(images(photos), np.arange(5), batch_size=2, seed=0, workers=0)
    seen, pending = set(), [found]
    kinds = set()
    while pending:
        thing = pending.pop()
        if id(thing) in seen or isinstance(thing, (type, types.ModuleType)):
            continue
        seen.add(id(thing))
        kinds.add(f"{type(thing).__module__}.{type(thing).__qualname__}")
        if isinstance(thing, (list, tuple, set)):
            pending += thing
        elif isinstance(thing, dict):
            pending += thing.values()
        pending += getattr(thing, "__dict__", {}).values()
        pending += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
    assert "fieldmark.data.loader.Images" in kinds
    assert "numpy.ndarray" in kinds
    tables = ("polars", "fieldmark.records.Samples", "fieldmark.records.Predictions")
    assert not {kind for kind in kinds if kind.startswith(tables)}


LEFT_BEHIND = """
import sys
import numpy as np
from fieldmark.data.loader import Batches, Images
from fieldmark.data.sources import read_listing
from fieldmark.records import InputSpec
from fieldmark.streams import Stream
samples = read_listing("digits").samples
images = Images(samples, samples.classes, InputSpec("square:8", 8))
sys.kept = Batches(images, np.arange(99), batch_size=4, seed=0, workers=1)
sys.steps = sys.kept.epoch(0)
next(sys.steps)
"""


@pytest.mark.slow
def test_a_process_does_not_wait_for_workers_that_an_error_left_behind():
    done = subprocess.run([sys.executable, "-c", LEFT_BEHIND], timeout=60, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_what_was_told_is_not_told_again():
    tally = Tally(0)
    tally.add(1.0, 2.0)
    tally.add(0.5, 0.25)
    assert tally.spent() == {"reading": 1.5, "augmenting": 2.25}
    tally.add(0.0, 4.0)
    assert tally.spent() == {"reading": 0.0, "augmenting": 4.0}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_the_seconds_of_loading_are_those_of_the_processes_that_load(workers, monkeypatch):
    ticks = iter(range(10_000))  # every look at the time takes a second
    monkeypatch.setattr("fieldmark.data.loader.time.perf_counter", lambda: float(next(ticks)))
    samples = read_source("digits").samples
    spec = InputSpec("square:8", 8)
    augmenting = Augmenting(AUGMENTS.build("none", {}, spec), 0)
    images = Images(samples, samples.classes, spec, augmenting)
    found = Batches(images, np.arange(12), batch_size=4, seed=0, workers=workers)
    for epoch in (0, 1):
        assert len(list(found.epoch(epoch))) == 3
        place = "workers_" if workers else ""
        # of a batch of 4: one second of reading an image, and all that lies between
        assert found.spent() == {f"{place}reading": 12.0, f"{place}augmenting": 15.0}
