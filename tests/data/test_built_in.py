"""Data sets by name: the digits, and CIFAR-10 from a copy in any of its forms."""

import io
import pickle
import socket
import struct
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scannedsource import read_source
from tablerows import refusal

from fieldmark.data import built_in
from fieldmark.data.sources import BUILT_IN, Reading, content_of, read_listing, read_pixels
from fieldmark.errors import DataError


def batch(seed, count=10):
    """Class numbers, and pixels as the authors lay them: (n, 3072), all red, green, blue."""
    rng = np.random.default_rng(seed)
    labels = [int(label) for label in rng.permutation(10)[:count]]
    return labels, rng.integers(0, 256, (count, 3072), dtype=np.uint8)


def as_python_2_wrote_it(labels, pixels):
    """The bytes of one of the published pickles, which hold Python 2's texts."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    minus = b"J" + struct.pack("<i", -1)
    size = b"(M" + struct.pack("<H", len(pixels)) + b"M" + struct.pack("<H", 3072) + b"t"
    kind = b"cnumpy\ndtype\n(" + text(b"u1") + b"K\0K\1tR(K\3" + text(b"|") + b"NNN"
    kind += minus + minus + b"K\0tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0t" + text(b"b") + b"tR"
    content = b"T" + struct.pack("<I", pixels.size) + pixels.tobytes()
    state = b"(K\1" + size + kind + b"\x89" + content + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    pairs = text(b"batch_label") + text(b"training batch 1 of 5") + text(b"labels") + numbers
    return b"\x80\2}(" + pairs + text(b"data") + array + state + b"u."


def as_python_3_writes_it(labels, pixels):
    return pickle.dumps({b"labels": labels, b"data": pixels, b"batch_label": b"x"}, protocol=2)


def as_binary(labels, pixels):
    return np.column_stack([np.array(labels, np.uint8), pixels]).tobytes()


FORMS = {
    "python 2": ("cifar-10-batches-py/{}", as_python_2_wrote_it),
    "python 3": ("cifar-10-batches-py/{}", as_python_3_writes_it),
    "binary": ("cifar-10-batches-bin/{}.bin", as_binary),
    "flat": ("{}.bin", as_binary),
}


def copy_of_cifar(folder, form):
    """Two small batches for training and one for the test, in one of the published forms."""
    place, write = FORMS[form]
    for seed, name in enumerate(("data_batch_1", "data_batch_2", "test_batch")):
        path = folder / place.format(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(write(*batch(seed)))
    return place


def test_digits_are_listed_with_nothing_opened():
    listing = read_listing("digits")
    assert (len(listing.samples), listing.mirrored, listing.embedded) == (1797, False, True)
    assert listing.samples.frame["hash"].null_count() == 1797
    assert len(content_of(".", "digits", 5)) == 8 * 8 * 3


@pytest.mark.parametrize("form", FORMS)
def test_a_copy_of_cifar10_is_read_in_any_of_its_forms(tmp_path, form):
    place = copy_of_cifar(tmp_path, form)
    listing = read_listing("cifar10", Reading(data_dir=str(tmp_path)))
    samples = listing.samples
    labels = [built_in.CLASSES[label] for seed in range(3) for label in batch(seed)[0]]
    assert samples.frame["labels"].to_list() == [[label] for label in labels]
    assert samples.frame["split"].to_list() == ["train"] * 20 + ["test"] * 10
    assert samples.places()[11] == (place.format("data_batch_2"), 1)
    pixels = read_pixels(samples.root, *samples.places()[11], None)
    assert pixels.shape == (32, 32, 3)
    assert (pixels == batch(1)[1][1].reshape(3, 32, 32).transpose(1, 2, 0)).all()
    assert listing.notes == (
        "the split 'test' is the test set; validation images are taken out of train",
        "cifar10: only 3 of its 6 batches are there",
    )


def test_an_image_of_cifar10_is_as_good_as_a_file(tmp_path):
    place = copy_of_cifar(tmp_path, "binary")
    content = content_of(str(tmp_path), place.format("test_batch"), 2)
    assert Image.open(io.BytesIO(content)).size == (32, 32)
    assert content == content_of(str(tmp_path), place.format("test_batch"), 2)


class Hostile:
    """Writes a file when it is unpickled the usual way."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "gotcha")


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    copy_of_cifar(tmp_path, "python 3")
    path = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    target = tmp_path / "written"
    path.write_bytes(pickle.dumps({b"labels": [], b"data": Hostile(target)}))
    sentence = refusal("cifar10", data_dir=str(tmp_path))
    assert sentence.startswith(f"{path}: is no batch of CIFAR-10 (it wants to run ")
    assert sentence.endswith("); download it anew")
    assert not target.exists()
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(target).encode() + b"'\ntR.")
    assert refusal("cifar10", data_dir=str(tmp_path)) == (
        f"{path}: is no batch of CIFAR-10 (it wants to run os.system); download it anew"
    )
    assert not target.exists()


@pytest.mark.parametrize(
    ("form", "content", "reason"),
    [
        ("binary", b"x" * 100, "100 bytes are no whole number of images"),
        ("binary", b"", "0 bytes are no whole number of images"),
        ("binary", as_binary([3, 11], batch(0)[1][:2]), "a label is not 0 to 9"),
        ("python 3", as_python_3_writes_it([1], batch(0)[1]), "1 labels for 10 images"),
        ("python 3", as_python_3_writes_it([], batch(0)[1].T), "an array is stored by columns"),
        ("python 3", as_python_3_writes_it(*batch(0))[:5000], "pickle data was truncated"),
    ],
)  # fmt: skip
def test_a_batch_that_is_damaged_is_refused(tmp_path, form, content, reason):
    path = tmp_path / copy_of_cifar(tmp_path, form).format("data_batch_1")
    path.write_bytes(content)
    assert refusal("cifar10", data_dir=str(tmp_path)) == (
        f"{path}: is no batch of CIFAR-10 ({reason}); download it anew"
    )


def test_a_row_that_is_not_there_is_told(tmp_path):
    place = copy_of_cifar(tmp_path, "binary").format("test_batch")
    with pytest.raises(DataError) as caught:
        content_of(str(tmp_path), place, 10)
    assert str(caught.value) == (
        f"{tmp_path}/{place}: has no row 10, only 10 rows; list the images anew"
    )


@pytest.fixture
def torchvision_that(monkeypatch):
    """Puts a function in the place of torchvision's download, which would need the network."""

    def use(download):
        datasets, utils = types.ModuleType("datasets"), types.ModuleType("utils")
        datasets.CIFAR10 = types.SimpleNamespace(filename="cifar.tar.gz", tgz_md5="c58f")
        utils.download_and_extract_archive = download
        monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
        monkeypatch.setitem(sys.modules, "torchvision.datasets", datasets)
        monkeypatch.setitem(sys.modules, "torchvision.datasets.utils", utils)

    return use


def test_without_a_network_cifar10_says_the_two_ways_out(tmp_path, torchvision_that, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    def unreachable(*_, **__):
        raise OSError("no route to host")

    torchvision_that(unreachable)
    assert refusal("cifar10") == (
        f"cifar10: is not in {tmp_path}/fieldmark/cifar10 and cannot be downloaded (no route to "
        "host); name the folder of a copy (batches or Parquet) with --data-dir, or unpack "
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz there"
    )


def test_with_a_network_cifar10_is_fetched_once(tmp_path, torchvision_that, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    before, fetched = socket.getdefaulttimeout(), []

    def fetch(address, folder, *, filename, md5):
        fetched.append((address, filename, md5, socket.getdefaulttimeout()))
        copy_of_cifar(Path(folder), "python 2")

    torchvision_that(fetch)
    first, second = (read_source("cifar10") for _ in range(2))
    assert len(fetched) == 1
    assert fetched[0] == (built_in.ADDRESS, "cifar.tar.gz", "c58f", built_in.PATIENCE)
    assert socket.getdefaulttimeout() == before
    note = f"cifar10 was downloaded to {tmp_path}/fieldmark/cifar10"
    assert note in first.notes
    assert note not in second.notes
    assert first.samples.hash() == second.samples.hash()


def test_data_dir_is_for_what_is_downloaded(tmp_path):
    assert refusal("digits", data_dir=str(tmp_path)) == (
        f"--data-dir {tmp_path}: the built-in data set 'digits' takes no such option; it takes "
        "no options"
    )
    assert refusal(str(tmp_path), data_dir="x") == (
        "--data-dir x: is for 'digits' and 'cifar10' by name; name one, or take it away"
    )
    assert list(BUILT_IN) == ["digits", "cifar10"]
