"""Zips of photos, read in place: layouts, tables inside, what is damaged, hostile or locked."""

import multiprocessing
import tracemalloc
import zipfile

import numpy as np
import pytest
from pictures import encoded
from PIL import Image
from tablerows import labels_of, refusal, rows_of

from fieldmark.cache import Cache
from fieldmark.data import inside
from fieldmark.data.images import PictureError
from fieldmark.data.inside import content_at, size_and_time
from fieldmark.data.scan import scan, with_facts
from fieldmark.data.sources import Reading, gone, read_listing, read_pixels
from fieldmark.data.tables import named_images
from fieldmark.use.inputs import find_images


def picture(shade):
    return encoded(Image.new("RGB", (8, 6), (shade, 0, 0)))


@pytest.fixture
def packed(tmp_path):
    """Writes a zip of members, {name: bytes}."""

    def write(members, name="photos.zip"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return tmp_path / name

    return write


PHOTOS = {"all/cat/1.png": picture(10), "all/cat/2.png": picture(20), "all/dog/1.png": picture(30)}


def test_a_zip_is_read_as_the_folder_that_it_holds(packed, tmp_path):
    source = packed({**PHOTOS, "__MACOSX/all/cat/._1.png": b"x", "all/readme.md": b"x"})
    listing = read_listing(str(source))
    assert rows_of(listing) == [
        ("all/cat/1.png", ["cat"], None),
        ("all/cat/2.png", ["cat"], None),
        ("all/dog/1.png", ["dog"], None),
    ]
    with zipfile.ZipFile(source) as archive:
        archive.extractall(tmp_path / "folder")
    (tmp_path / "folder" / "__MACOSX").rename(tmp_path / "away")
    assert rows_of(read_listing(str(tmp_path / "folder"))) == rows_of(listing)
    assert listing.notes == (
        "class folders are those in 'all'",
        "1 hidden file or folder is passed over: '__MACOSX'",
        "1 file is passed over: no pictures (.md)",
    )


def test_the_levels_of_a_zip_are_said_as_those_of_a_folder(packed):
    places = ("north/cat/1.png", "north/dog/1.png", "south/cat/1.png", "south/dog/1.png")
    source = packed({place: picture(shade) for shade, place in enumerate(places)})
    samples = read_listing(str(source), Reading(levels="group/class")).samples
    assert samples.classes == ("cat", "dog")
    assert samples.frame["group"].unique().sort().to_list() == ["north", "south"]


def test_a_tables_images_are_found_by_the_ends_of_their_paths_in_a_zip(packed):
    rows = [f"C:\\me\\{path.removeprefix('all/')},{path.split('/')[1]}" for path in PHOTOS]
    source = packed({**PHOTOS, "labels.csv": "\n".join(["image,label", *rows]).encode()})
    listing = read_listing(f"{source}/labels.csv")
    assert [path for path, _, _ in rows_of(listing)] == list(PHOTOS)
    [note] = listing.notes
    assert note.startswith(f"{source}/labels.csv: 3 images are found by the ends of their paths: ")


def test_pixels_and_facts_come_out_of_the_zip_without_unpacking(packed, tmp_path):
    source = packed(PHOTOS)
    samples = read_listing(str(source)).samples
    facts = scan(samples, Cache(None))
    good, unread = with_facts(samples, facts)
    assert unread == {}
    assert good.frame["width"].to_list() == [8, 8, 8]
    assert good.frame["hash"].n_unique() == 3
    assert facts["bytes"].to_list() == [len(content) for content in PHOTOS.values()]
    pixels = read_pixels(samples.root, "all/cat/2.png", None, None)
    assert np.array_equal(pixels, np.full((6, 8, 3), (20, 0, 0)))
    assert list(tmp_path.iterdir()) == [source]


def read_one(root):
    return int(read_pixels(root, "all/dog/1.png", None, None)[0, 0, 0])


def test_a_forked_process_opens_the_zip_itself(packed):
    source = packed(PHOTOS)
    assert read_one(str(source)) == 30
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(read_one, [str(source)] * 20) == [30] * 20


def test_a_table_in_a_zip_finds_its_images_there(packed):
    table = b"image,label\n1.png,a\nsub/2.png,b\n"
    source = packed({"d/t.csv": table, "d/1.png": picture(1), "d/images/sub/2.png": picture(2)})
    listing = read_listing(str(source / "d" / "t.csv"))
    assert rows_of(listing) == [("1.png", ["a"], None), ("images/sub/2.png", ["b"], None)]
    apart = packed({"all/1.png": picture(1), "all/sub/2.png": picture(2)}, "apart.zip")
    source.parent.joinpath("t.csv").write_bytes(table)
    listing = read_listing(str(source.parent / "t.csv"), Reading(images=f"{apart}/all"))
    assert rows_of(listing) == [("1.png", ["a"], None), ("sub/2.png", ["b"], None)]
    flat = packed({"t.csv": b"image,label\n1.png,a\n", "1.png": picture(1)}, "flat.zip")
    assert refusal(flat).endswith(f"; or name the table that holds the labels: {flat}/t.csv")
    assert rows_of(read_listing(f"{flat}/t.csv")) == [("1.png", ["a"], None)]


def test_prediction_looks_at_the_pictures_of_a_zip(packed):
    source = packed({**PHOTOS, "notes.md": b"x"})
    found = find_images([str(source)])
    assert [str(path) for path in found.images] == [f"{source}/{name}" for name in PHOTOS]
    assert found.notes == (f"{source}: 1 file is passed over: no pictures (.md)",)
    single = find_images([str(source / "all/cat/1.png")])
    assert content_at(single.images[0]) == PHOTOS["all/cat/1.png"]


def test_names_that_lead_out_are_passed_over_and_nothing_is_written(packed, tmp_path):
    source = packed({**PHOTOS, "../evil.png": picture(1), "/etc/x.png": picture(2)})
    listing = read_listing(str(source))
    assert len(listing.samples) == 3
    assert listing.notes[1] == (
        "2 files are passed over, as named to lie outside of the zip: '../evil.png' and "
        "'/etc/x.png'"
    )
    assert list(tmp_path.iterdir()) == [source]


def test_a_member_that_claims_to_be_huge_is_refused_before_it_is_read(packed, monkeypatch):
    source = packed({**PHOTOS, "all/dog/bomb.png": bytes(5000)})
    monkeypatch.setattr(inside, "MOST_BYTES", 4000)
    with pytest.raises(PictureError) as caught:
        content_at(source / "all/dog/bomb.png")
    assert caught.value.problem == "bomb"
    assert str(caught.value) == (
        f"{source}/all/dog/bomb.png: claims 5e-06 GB unpacked, more than the 4e-06 that are read "
        "of one file; take it out"
    )


def test_a_member_that_is_more_than_the_zip_says_is_refused_after_one_byte_more(packed):
    source = packed({**PHOTOS, "all/dog/bomb.png": bytes(50_000_000)})
    packed_as = source.read_bytes()
    said, whole = (5000).to_bytes(4, "little"), (50_000_000).to_bytes(4, "little")
    assert packed_as.count(whole) == 2
    source.write_bytes(packed_as.replace(whole, said))
    tracemalloc.start()
    with pytest.raises(PictureError) as caught:
        content_at(source / "all/dog/bomb.png")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.problem == "bomb"
    assert most < 5_000_000
    assert str(caught.value) == (
        f"{source}/all/dog/bomb.png: unpacks to more than the 5,000 bytes that the zip says of it; "
        "take it out"
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_is_packed_in_another_way_is_refused(tmp_path, method):
    source = tmp_path / "p.zip"
    with zipfile.ZipFile(source, "w", method) as archive:
        archive.writestr("a/1.png", picture(1))
    with pytest.raises(PictureError) as caught:
        content_at(source / "a/1.png")
    assert str(caught.value) == (
        f"{source}/a/1.png: is packed by a method other than stored or deflated; unpack the zip, "
        "and name the folder"
    )


def test_a_damaged_member_is_left_out_and_the_others_stay(packed):
    source = packed(PHOTOS)
    content = bytearray(source.read_bytes())
    at = content.index(b"all/dog/1.png") + len("all/dog/1.png") + 20
    content[at] ^= 0xFF
    source.write_bytes(content)
    samples = read_listing(str(source)).samples
    good, unread = with_facts(samples, scan(samples, Cache(None)))
    assert len(good) == 2
    assert list(unread) == ["all/dog/1.png"]
    assert "is damaged in the zip (" in unread["all/dog/1.png"]


def test_what_is_no_whole_zip_is_refused(packed, tmp_path):
    source = packed(PHOTOS)
    source.write_bytes(source.read_bytes()[:-40])
    assert refusal(source) == (
        f"{source}: cannot be read as a zip (File is not a zip file); copy or download it anew"
    )
    empty = packed({"a.md": b"x"}, "empty.zip")
    assert refusal(empty) == (
        f"{empty}: holds no class folders with pictures; it should look like "
        "empty.zip/cat/1.jpg, empty.zip/dog/2.jpg"
    )


def test_a_locked_member_is_told(packed):
    source = packed(PHOTOS)
    content = source.read_bytes()
    for head, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(head) + flags
        content = content[:at] + b"\x01" + content[at + 1 :]
    source.write_bytes(content)
    with pytest.raises(PictureError) as caught:
        content_at(source / "all/cat/1.png")
    assert str(caught.value) == (
        f"{source}/all/cat/1.png: is locked by a password; unpack the zip, and name the folder"
    )


def test_a_zip_that_changes_is_opened_anew_and_one_that_is_gone_is_told(packed):
    source = packed(PHOTOS)
    samples = read_listing(str(source)).samples
    assert gone(samples) == ""
    packed({"all/cat/1.png": picture(99)})
    assert content_at(source / "all/cat/1.png") == picture(99)
    assert size_and_time(f"{source}/all/cat/2.png") is None
    source.unlink()
    assert gone(samples) == f"the photos are no longer in {source}"


def test_a_folder_may_be_named_as_a_zip(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "p.zip" / name).mkdir(parents=True)
        (tmp_path / "p.zip" / name / "1.png").write_bytes(picture(1))
    assert labels_of(read_listing(str(tmp_path / "p.zip"))) == [["cat"], ["dog"]]
    table = tmp_path / "p.zip" / "t.csv"
    table.write_text("image\ncat/1.png\n")
    assert [row.path for row in named_images(table).rows] == [tmp_path / "p.zip/cat/1.png"]
