import pytest
import torch
from safetensors.torch import save, save_file

from fieldmark.errors import WeightsError
from fieldmark.models import memory, weights
from fieldmark.models.catalog import MODELS, NETWORKS, outline
from fieldmark.models.memory import (
    MOST_OF_AN_IMAGE,
    available,
    file_bytes,
    image_bytes,
    large_batch,
    refuse_large_file,
    refuse_large_network,
)
from fieldmark.models.own_networks import SmallCnn
from fieldmark.models.stages import chosen, set_trained
from fieldmark.models.weights import read_weights


def test_a_file_larger_than_the_memory_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError) as caught:
        refuse_large_file(path, 70_000_000_000, 8_000_000_000)
    assert str(caught.value) == (
        f"{path}: is too large for the memory of this machine (70.0 GB, and 8.0 GB are free); "
        "take smaller weights, or a machine with more memory"
    )
    refuse_large_file(path, 8, 8)
    refuse_large_file(path, 10**15, None)  # a system that does not say


@pytest.mark.parametrize("name", ["small_cnn", "mobilenet_v3_small", "vit_b_16"])
def test_the_size_of_a_file_of_weights_is_known_without_any(name):
    without = outline(name, 7).state_dict()
    small = {name: tensor for name, tensor in without.items() if tensor.numel() < 1e6}
    there = {name: torch.zeros(each.shape, dtype=each.dtype) for name, each in small.items()}
    assert file_bytes(small) == len(save(there))
    assert file_bytes({}) == len(save({}))


def test_reading_weights_asks_first(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    save_file({"weight": torch.zeros(1000)}, path)
    monkeypatch.setattr(weights, "available", lambda: 1000)
    monkeypatch.setattr(weights, "read_safetensors", lambda path: pytest.fail("it was read"))
    with pytest.raises(WeightsError, match="too large for the memory"):
        read_weights(path)


def test_a_network_larger_than_the_memory_is_refused_before_it_is_built():
    network = outline("regnet_y_128gf")
    with pytest.raises(WeightsError) as caught:
        refuse_large_network("regnet_y_128gf", network, 2_000_000_000)
    said = str(caught.value)
    assert "'regnet_y_128gf' is too large" in said
    assert "its weights alone take 2.6 GB, and 2.0 GB are free" in said
    refuse_large_network("regnet_y_128gf", network, 3_000_000_000)
    refuse_large_network("regnet_y_128gf", network, None)


def test_a_batch_larger_than_the_memory_is_refused_with_the_size_that_fits():
    network = outline("mobilenet_v2", 2)
    [mistake] = large_batch(network, 224, 100_000, 8_000_000_000, training=True)
    assert str(mistake) == (
        "--batch-size: 100000 images of 224 x 224 px take 7827.8 GB or more in training, and "
        "8.0 GB are free; take 102 or less, or a smaller --image-size"
    )
    assert not large_batch(network, 224, 102, 8_000_000_000, training=True)
    assert not large_batch(network, 224, 100_000, None, training=True)


def test_images_of_which_no_batch_fits_are_refused_with_a_side_that_does():
    [mistake] = large_batch(outline("small_cnn", 2), 20000, 64, 8_000_000_000, training=True)
    assert mistake.where == "--image-size"
    assert "64 images of 20000 x 20000 px take 26931.2 GB or more in training" in mistake.what
    assert mistake.what.endswith("take 344 or less, or a smaller --batch-size")
    assert not large_batch(outline("small_cnn", 2), 344, 64, 8_000_000_000, training=True)


def test_small_images_are_let_through_without_a_look_at_the_network():
    assert not large_batch(None, 8, 1000, 8_000_000_000, training=True)


def test_a_frozen_part_keeps_nothing_for_gradients():
    network = outline("resnet18", 2)
    whole = image_bytes(network, 224, training=True)
    set_trained(network, chosen(network, ["head"]))
    alone = image_bytes(network, 224, training=True)
    assert alone < whole / 100
    assert image_bytes(network, 224, training=False) < whole / 2


@pytest.mark.parametrize("training", [True, False])
def test_what_an_image_takes_is_the_same_without_memory_and_grows_with_its_pixels(training):
    found = [
        image_bytes(network, side, training=training)
        for network in (outline("small_cnn", 3), SmallCnn(3))
        for side in (32, 64)
    ]
    assert found[0] == found[2]
    assert found[1] == found[3]
    assert found[1] == pytest.approx(4 * found[0], rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if not name.endswith("128gf")])
def test_no_network_takes_so_much_that_large_images_pass_unseen(name):
    side = NETWORKS[name].size
    for training, most in MOST_OF_AN_IMAGE.items():
        assert image_bytes(outline(name, 2), side, training=training) < most * 12 * side**2


def test_what_linux_calls_available_is_taken(tmp_path, monkeypatch):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 2000 kB\nMemFree: 3 kB\nMemAvailable:  1500 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    monkeypatch.setattr(memory, "GROUP", tmp_path / "none")
    assert available() == 1500 * 1024


def test_a_containers_limit_counts_without_its_cached_files(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.stat").write_text("anon 300000\nfile 690000\n")
    assert available() == 700_000


def test_a_container_without_a_limit_changes_nothing(tmp_path, monkeypatch):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemAvailable: 1500 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.stat").write_text("anon 300000\n")
    assert available() == 1500 * 1024


def test_where_the_system_says_nothing_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    monkeypatch.setattr(memory, "_all_of_machine", lambda: None)
    assert available() is None
