"""The store: kept, found, made room for, shared."""

import os
import subprocess
import sys

import numpy as np
import pytest

from fieldmark.cache import Cache, address, open_cache
from fieldmark.errors import UserError


def keep(cache, key, text):
    return cache.put("kind", key, lambda draft: draft.write_text(text))


def test_what_was_put_is_there(tmp_path):
    cache = Cache(tmp_path)
    assert cache.get("kind", "aa") is None
    path = keep(cache, "aa", "one")
    assert cache.get("kind", "aa") == path
    assert path.read_text() == "one"
    assert cache.get("other", "aa") is None


@pytest.mark.parametrize("content", [b"", b"no array"], ids=["empty", "damaged"])
def test_an_array_that_cannot_be_read_is_found_anew_and_kept(tmp_path, content):
    cache = Cache(tmp_path)
    cache.put("kind", "aa", lambda draft: draft.write_bytes(content))
    found = [cache.array("kind", "aa", lambda n=n: np.arange(n)).tolist() for n in (3, 4)]
    assert found == [[0, 1, 2], [0, 1, 2]]


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    cache = Cache(tmp_path, most_bytes=250)
    for number, key in enumerate(("aa", "bb")):
        os.utime(keep(cache, key, "x" * 100), (number, number))
    assert cache.get("kind", "aa") is not None  # now the last used
    keep(cache, "cc", "x" * 100)
    assert [cache.get("kind", key) is not None for key in ("aa", "bb", "cc")] == [True, False, True]


def test_one_thing_larger_than_the_store_is_kept_alone(tmp_path):
    cache = Cache(tmp_path, most_bytes=50)
    keep(cache, "aa", "x")
    keep(cache, "bb", "x" * 100)
    assert cache.get("kind", "aa") is None
    assert cache.get("kind", "bb") is not None


def test_a_store_that_cannot_be_written_costs_only_time(tmp_path):
    (tmp_path / "file").touch()
    assert keep(Cache(tmp_path / "file"), "aa", "x") is None
    assert keep(Cache(None), "aa", "x") is None
    assert Cache(None).get("kind", "aa") is None


def test_a_failed_write_keeps_nothing(tmp_path):
    def write(draft):
        draft.write_text("half")
        raise OSError(28, "No space left on device")

    assert Cache(tmp_path).put("kind", "aa", write) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


WRITER = """
import sys
from pathlib import Path
from fieldmark.cache import Cache
for _ in range(200):
    Cache(Path(sys.argv[1])).put("kind", "aa", lambda draft: draft.write_text("a" * 100_000))
"""


def test_two_processes_at_once_never_show_half_a_file(tmp_path):
    cache, seen = Cache(tmp_path), set()
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)]) as other:
        while other.poll() is None:
            path = cache.get("kind", "aa")
            if path is not None:
                seen.add(path.read_text())
            keep(cache, "aa", "b" * 100_000)
    assert other.returncode == 0
    assert seen == {"a" * 100_000, "b" * 100_000}


def test_the_environment_names_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDMARK_CACHE", str(tmp_path))
    assert keep(open_cache(), "aa", "x").is_relative_to(tmp_path)
    monkeypatch.setenv("FIELDMARK_CACHE", "off")
    assert keep(open_cache(), "aa", "x") is None


@pytest.mark.parametrize("size", ["many", "nan", "-1", "inf", ""])
def test_what_is_no_size_is_refused(size, monkeypatch):
    monkeypatch.setenv("FIELDMARK_CACHE_GB", size)
    with pytest.raises(UserError) as caught:
        open_cache()
    said = f"FIELDMARK_CACHE_GB: must be a number of gigabytes, 0 or more, not '{size}'"
    assert str(caught.value) == said


def test_an_address_follows_every_part():
    keys = {address("a", 1), address("a", 2), address("b", 1), address("a1")}
    assert len(keys) == 4
    assert address("a", 1) == address("a", 1)
