import pytest
import torch
from safetensors.torch import save_file

from fieldmark.errors import WeightsError
from fieldmark.models import memory, weights
from fieldmark.models.memory import available, refuse_large_file, refuse_large_network
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


def test_reading_weights_asks_first(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    save_file({"weight": torch.zeros(1000)}, path)
    monkeypatch.setattr(weights, "available", lambda: 1000)
    monkeypatch.setattr(weights, "read_safetensors", lambda path: pytest.fail("it was read"))
    with pytest.raises(WeightsError, match="too large for the memory"):
        read_weights(path)


def test_a_network_larger_than_the_memory_is_refused_before_it_is_built():
    with pytest.raises(WeightsError) as caught:
        refuse_large_network("regnet_y_128gf", {}, 2_000_000_000)
    said = str(caught.value)
    assert "'regnet_y_128gf' is too large" in said
    assert "its weights alone take 2.6 GB, and 2.0 GB are free" in said
    refuse_large_network("regnet_y_128gf", {}, 3_000_000_000)
    refuse_large_network("regnet_y_128gf", {}, None)


def test_options_count_for_the_size_of_a_network():
    refuse_large_network("mobilenet_v2", {}, 100_000_000)
    with pytest.raises(WeightsError):
        refuse_large_network("mobilenet_v2", {"width_mult": 8.0}, 100_000_000)


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
