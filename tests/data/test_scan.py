import io
import os
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pictures import encoded
from PIL import Image
from pngs import png_head

from fieldmark.cache import Cache
from fieldmark.data import scan as scan_module
from fieldmark.data.images import PictureError, decode, examine
from fieldmark.data.scan import SCHEMA, scan, sharpness, with_facts
from fieldmark.data.sources import read_listing
from fieldmark.errors import DataError
from fieldmark.records import Samples

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def photo(seed=0, width=120, height=90):
    """Soft blobs with some fine grain, as a camera gives."""
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(0, 256, size=(7, 9, 3), dtype=np.uint8))
    soft = np.asarray(blobs.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray(np.clip(soft + rng.integers(-8, 9, soft.shape), 0, 255).astype("uint8"))


def keep(path, content):
    """A file that was changed long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(10**18, 10**18))


def table(root, *paths, **columns):
    return Samples.from_columns({"path": list(paths), **columns}, str(root))


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.fixture
def data(tmp_path):
    """Three photos: a/0.jpg, a/1.png and b/2.webp."""
    root = tmp_path / "data"
    for number, (name, kind) in enumerate((("a/0.jpg", "JPEG"), ("a/1.png", "PNG"))):
        keep(root / name, encoded(photo(number), kind))
    keep(root / "b/2.webp", encoded(photo(2), "WEBP"))
    return table(root, "a/0.jpg", "a/1.png", "b/2.webp", labels=[["a"], ["a"], ["b"]])


@pytest.fixture
def work(monkeypatch):
    """What is read and what is decoded, by name."""
    done = {"read": [], "decoded": []}
    read, look = scan_module.content_of, scan_module.examine

    def noted_read(root, path, row):
        done["read"].append(path)
        return read(root, path, row)

    def noted_look(content, name):
        done["decoded"].append(Path(name).name)
        return look(content, name)

    monkeypatch.setattr(scan_module, "content_of", noted_read)
    monkeypatch.setattr(scan_module, "examine", noted_look)
    return done


def test_a_scan_has_a_row_a_sample_in_its_order(data, cache):
    facts = scan(data, cache)
    assert dict(facts.schema) == SCHEMA
    assert facts["path"].to_list() == ["a/0.jpg", "a/1.png", "b/2.webp"]
    assert facts["format"].to_list() == ["JPEG", "PNG", "WEBP"]
    backwards = Samples(data.frame.reverse(), data.root)
    assert scan(backwards, cache).equals(facts.reverse())


def test_the_facts_of_a_photo(data, cache):
    found = scan(data, cache).row(1, named=True)
    content = Path(data.root, "a/1.png").read_bytes()
    gray = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
    assert (found["width"], found["height"], found["frames"]) == (120, 90, 1)
    assert (found["bytes"], found["modified"]) == (len(content), 10**18)
    assert (found["problem"], found["reason"], found["misnamed"]) == (None, None, False)
    assert found["mean"] == pytest.approx(gray.mean())
    assert found["contrast"] == pytest.approx(gray.std())
    assert found["sharpness"] == pytest.approx(sharpness(gray))
    assert len(found["thumb"]) == 16 * 16 * 3
    small = np.frombuffer(found["thumb"], np.uint8).reshape(-1, 3)
    assert (small @ [0.299, 0.587, 0.114]).mean() == pytest.approx(gray.mean(), abs=1)


def test_the_hash_is_that_of_the_content_wherever_it_lies(tmp_path, cache):
    for name in ("one.png", "two.png"):
        keep(tmp_path / name, encoded(photo(), "PNG"))
    keep(tmp_path / "other.png", encoded(photo(1), "PNG"))
    one, two, other = scan(table(tmp_path, "one.png", "two.png", "other.png"), cache)["hash"]
    assert one == two != other
    assert len(one) == 32


@pytest.mark.parametrize(
    ("name", "content", "problem", "words"),
    [
        ("x.png", b"", "zero-byte", "is empty"),
        ("x.png", b"<html>404</html>", "unreadable", "is a web page"),
        ("x.png", encoded(photo(), "PNG")[:5000], "truncated", "is damaged"),
        ("x.jpg", encoded(photo(), "JPEG")[:-900], "truncated", "is damaged"),
        ("x.webp", encoded(photo(), "WEBP")[:-900], "truncated", "is damaged"),
        ("x.gif", encoded(photo(), "GIF")[:-900], "truncated", "is damaged"),
        ("x.png", png_head(20_001, 10_000), "bomb", "more than the 200"),
        ("x.png", png_head(30_000, 30_000), "bomb", "too many pixels"),
    ],
)
def test_a_bad_file_is_told_with_its_problem_and_reason(
    tmp_path, cache, name, content, problem, words
):
    keep(tmp_path / name, content)
    found = scan(table(tmp_path, name), cache).row(0, named=True)
    assert found["problem"] == problem
    assert found["reason"].startswith(f"{tmp_path / name}: ")
    assert words in found["reason"]
    assert found["width"] is found["phash"] is found["thumb"] is None


def test_a_file_that_is_missing_is_told(data, cache):
    Path(data.root, "a/1.png").unlink()
    found = scan(data, cache).row(1, named=True)
    reason = f"{Path(data.root, 'a/1.png')}: cannot be read (No such file or directory)"
    assert (found["problem"], found["reason"]) == ("missing", reason)


def test_a_folder_a_loop_of_links_and_a_pipe_are_no_pictures(tmp_path, cache):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    facts = scan(table(tmp_path, "folder.png", "loop.png", "pipe.png"), cache)
    assert facts["problem"].to_list() == ["unreadable"] * 3
    assert "is a pipe or a device" in facts["reason"][2]


def test_a_suffix_that_belies_the_content_is_told_and_an_odd_suffix_is_not(tmp_path, cache):
    names = ["a.png", "a.jpg", "a.JPEG", "a", "a.jfif", "a.jpg.png"]
    for name in names:
        keep(tmp_path / name, encoded(photo(), "JPEG"))
    facts = scan(table(tmp_path, *names), cache)
    assert facts["misnamed"].to_list() == [True, False, False, False, False, True]
    assert facts["problem"].null_count() == len(names)


@pytest.mark.parametrize(("kind", "frames"), [("GIF", 3), ("TIFF", 3), ("PNG", 3), ("MPO", 1)])
def test_frames_are_counted_but_the_second_picture_of_a_phone_is_none(
    tmp_path, cache, kind, frames
):
    others = [Image.new("RGB", (80, 80), colour) for colour in ("lime", "blue")]
    first = Image.new("RGB", (80, 80), "red")
    keep(tmp_path / "x", encoded(first, kind, save_all=True, append_images=others))
    found = scan(table(tmp_path, "x"), cache).row(0, named=True)
    assert found["frames"] == frames
    assert found["format"] == ("JPEG" if kind == "MPO" else kind)
    assert found["mean"] == pytest.approx(76, abs=1)  # red


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_size_is_upright_also_where_a_large_jpeg_is_decoded_small(turn):
    exif = Image.Exif()
    exif[274] = turn
    large = examine(encoded(photo(0, 1201, 1200), "JPEG", exif=exif), "x")
    assert (large.width, large.height) == ((1201, 1200) if turn < 5 else (1200, 1201))
    assert large.gray.shape[0 if turn < 5 else 1] == 256
    small = examine(encoded(photo(0, 61, 60), "JPEG", exif=exif), "x")
    assert (small.width, small.height) == ((61, 60) if turn < 5 else (60, 61))


def test_a_large_jpeg_is_decoded_small_and_yet_refused_where_it_is_cut():
    content = encoded(photo(0, 1600, 1200), "JPEG", quality=80)
    examine(content, "x")
    for share in (0.05, 0.5, 0.9, 0.99):
        cut = content[: int(share * len(content))]
        for look in (examine, decode):
            with pytest.raises(PictureError) as caught:
                look(cut, "x")
            assert caught.value.problem == "truncated"


@pytest.mark.parametrize(("width", "height", "known"), [(64, 64, True), (63, 400, False)])
def test_small_images_have_no_perceptual_hash(tmp_path, cache, width, height, known):
    keep(tmp_path / "x.png", encoded(photo(0, width, height), "PNG"))
    assert scan(table(tmp_path, "x.png"), cache)["phash"].is_not_null().item() == known


def test_pixels_that_were_never_a_file_are_scanned_too(cache):
    samples = read_listing("digits").samples
    facts = scan(Samples(samples.frame.head(5), samples.root), cache)
    assert facts["row"].to_list() == [0, 1, 2, 3, 4]
    assert facts["width"].to_list() == facts["height"].to_list() == [8] * 5
    assert facts["problem"].null_count() == facts["format"].null_count() == 5
    assert facts["hash"].n_unique() == 5


def test_pixels_that_come_with_a_package_are_looked_at_every_time(cache, monkeypatch):
    samples = read_listing("digits").samples
    samples = Samples(samples.frame.head(2), samples.root)
    scan(samples, cache)
    white = np.full((8, 8, 3), 255, dtype=np.uint8)
    monkeypatch.setattr(scan_module, "raw_pixels", lambda *place: white)
    assert scan(samples, cache)["mean"].to_list() == [255, 255]


def test_a_known_file_is_not_read_again(data, cache, work):
    first = scan(data, cache)
    assert sorted(work["read"]) == ["a/0.jpg", "a/1.png", "b/2.webp"]
    assert len(work["decoded"]) == 3
    assert scan(data, cache).equals(first)
    assert len(work["read"]) == len(work["decoded"]) == 3


def test_without_a_cache_everything_is_read_again_and_found_alike(data, cache, work):
    assert scan(data, Cache(None)).equals(scan(data, Cache(None)))
    assert len(work["read"]) == 6


def test_a_changed_file_is_read_again(data, cache, work):
    first = scan(data, cache)
    path = Path(data.root, "a/1.png")
    size = path.stat().st_size
    path.write_bytes(encoded(photo(7), "BMP").ljust(size, b"\0")[:size])
    os.utime(path, ns=(10**18, 10**18 + 1))
    again = scan(data, cache)
    assert work["read"][3:] == ["a/1.png"]
    assert again["hash"][1] != first["hash"][1]
    keep(path, b"shorter")  # the old time, another size
    assert scan(data, cache)["problem"].to_list() == [None, "unreadable", None]


def test_a_file_that_was_changed_just_before_is_read_once_more(data, cache, work):
    path = Path(data.root, "a/1.png")
    os.utime(path, ns=(time.time_ns(), time.time_ns()))
    scan(data, cache)
    scan(data, cache)
    assert work["read"][3:] == ["a/1.png"]
    assert len(work["decoded"]) == 3


def test_a_file_that_was_moved_is_read_but_not_decoded(data, cache, work):
    first = scan(data, cache)
    Path(data.root, "a/1.png").rename(Path(data.root, "b/new.jpg"))
    moved = scan(table(data.root, "b/new.jpg"), cache)
    assert work["read"][3:] == ["b/new.jpg"]
    assert len(work["decoded"]) == 3
    same = ["hash", "width", "height", "format", "phash", "thumb", "sharpness"]
    assert moved.select(same).equals(first.select(same)[1])
    assert moved["misnamed"].to_list() == [True]


def test_a_bad_file_is_remembered_but_one_that_cannot_be_read_is_tried_again(tmp_path, cache, work):
    keep(tmp_path / "bad.png", b"junk")
    samples = table(tmp_path, "bad.png", "late.png")
    assert scan(samples, cache)["problem"].to_list() == ["unreadable", "missing"]
    keep(tmp_path / "late.png", encoded(photo(), "PNG"))
    again = scan(samples, cache)
    assert again["problem"].to_list() == ["unreadable", None]
    assert "bad.png: is not a picture" in again["reason"][0]
    assert work["read"].count("bad.png") == 1


def test_what_may_have_been_the_fault_of_the_machine_is_not_remembered(data, cache, monkeypatch):
    kinds = iter(["bomb", "unreadable", "unreadable"])

    def refuse(root, path, row):
        raise PictureError(f"{path}: no memory, or no permission", next(kinds))

    with monkeypatch.context() as patched:
        patched.setattr(scan_module, "content_of", refuse)
        assert scan(data, cache)["problem"].null_count() == 0
    assert scan(data, cache)["problem"].null_count() == 3


def test_a_bomb_is_looked_at_every_time(tmp_path, cache, work):
    keep(tmp_path / "x.png", png_head(20_001, 10_000))
    for _ in range(2):
        assert scan(table(tmp_path, "x.png"), cache)["problem"].item() == "bomb"
    assert len(work["decoded"]) == 2


def test_rows_of_vanished_files_are_dropped_and_those_of_another_table_stay(data, cache):
    scan(data, cache)
    Path(data.root, "a/0.jpg").unlink()
    keep(Path(data.root, "a/3.png"), encoded(photo(), "PNG"))
    scan(table(data.root, "a/3.png"), cache)
    (stored,) = [path for path in Path(cache._root).rglob("*") if path.is_file()]
    assert sorted(pl.read_parquet(stored)["path"]) == ["a/1.png", "a/3.png", "b/2.webp"]


def test_an_image_that_stands_twice_in_a_table_is_read_once(data, cache, work):
    facts = scan(table(data.root, "a/0.jpg", "a/1.png", "a/0.jpg"), cache)
    assert facts["path"].to_list() == ["a/0.jpg", "a/1.png", "a/0.jpg"]
    assert facts[0].equals(facts[2])
    assert len(work["read"]) == 2


def test_progress_counts_known_images_at_once(data, cache):
    calls = []
    scan(data, cache, lambda *call: calls.append(call))
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]
    calls.clear()
    scan(data, cache, lambda *call: calls.append(call))
    assert calls == [(3, 3)]


def test_a_scan_that_was_stopped_goes_on_where_it_was(data, cache, work):
    def stop(done, _):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(data, cache, stop)
    reached = len(work["read"])
    assert scan(data, cache)["problem"].null_count() == 3
    assert len(work["read"]) <= reached + 1


def test_two_scans_at_once_find_the_same(data, cache):
    found = []
    threads = [threading.Thread(target=lambda: found.append(scan(data, cache))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(facts.equals(found[0]) for facts in found)
    assert scan(data, cache).equals(found[0])


def test_a_damaged_memory_costs_only_time(data, cache, work):
    first = scan(data, cache)
    for path in Path(cache._root).rglob("*"):
        if path.is_file():
            path.write_bytes(b"no table")
    assert scan(data, cache).equals(first)
    assert len(work["read"]) == 6


def test_no_images_give_no_facts(tmp_path, cache):
    samples = Samples(table(tmp_path, "a").frame.clear(), str(tmp_path))
    facts = scan(samples, cache)
    assert facts.height == 0
    assert with_facts(samples, facts)[1] == {}


def test_bad_files_are_taken_out_by_name(data, cache):
    Path(data.root, "a/1.png").write_bytes(b"")
    samples, left_out = with_facts(data, scan(data, cache))
    assert samples.frame["path"].to_list() == ["a/0.jpg", "b/2.webp"]
    assert samples.frame["labels"].to_list() == [["a"], ["b"]]
    assert samples.frame["width"].to_list() == [120, 120]
    assert samples.frame["hash"].null_count() == 0
    assert list(left_out) == ["a/1.png"]
    assert "is empty (0 bytes)" in left_out["a/1.png"]


def test_a_set_of_which_nothing_can_be_read_is_refused(tmp_path, cache):
    keep(tmp_path / "x.png", b"")
    samples = table(tmp_path, "x.png")
    with pytest.raises(DataError, match=r"none of its 1 images can be read; .*x\.png: is empty"):
        with_facts(samples, scan(samples, cache))


def test_what_pillow_warns_of_stays_quiet_in_every_thread_and_other_warnings_do_not():
    exif = b"Exif\0\0II*\0\x08\0\0\0\x09\0\x0f\x01\x02\0\xff\0\0\0\xff\0\0\0"
    content = encoded(photo(), "JPEG", exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=r"Tag data|Corrupt EXIF"):
            Image.open(io.BytesIO(content)).getexif()
        with ThreadPoolExecutor(4) as threads:
            looks = list(threads.map(lambda _: examine(content, "x"), range(20)))
        assert len(looks) == 20
        with pytest.raises(UserWarning, match="own"):
            warnings.warn("own", stacklevel=1)


def test_a_picture_is_as_sharp_as_its_sharpest_part():
    flat = np.full((90, 120), 128, dtype=np.uint8)
    assert sharpness(flat) == 0
    flat[40:44, 50:54] = 255  # a bird in the sky
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (90, 60))
    assert 500 < sharpness(flat) < sharpness(stripes)
    assert sharpness(flat[:2]) is None


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photos do not lie beside the checkout")
def test_the_odd_files_are_read_or_refused_as_their_manifest_expects(cache):
    manifest = pl.read_csv(SHARED / "odd_files" / "MANIFEST.csv")
    facts = scan(table(SHARED / "odd_files", *manifest["file"]), cache)
    refused = facts["problem"].is_not_null()
    assert refused.to_list() == (manifest["expected"] == "refuse").to_list()
    sizes = manifest["note"].str.extract_groups(r"size=(\d+)x(\d+)").struct.unnest()
    good = facts.filter(~refused).select(pl.col("width", "height").cast(pl.String))
    assert good.rows() == sizes.filter(~refused).rows()
    misnamed = facts.filter("misnamed")["path"].to_list()
    assert sorted(misnamed) == ["gif_named.jpg", "png_named.jpg"]
