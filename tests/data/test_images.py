import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pictures import encoded
from PIL import Image
from pngs import png_head

from fieldmark.data.images import centre_crop, decode, from_array, read_bytes, to_form
from fieldmark.data.opening import FORMATS
from fieldmark.errors import DataError

TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
EXACT = ("PNG", "BMP", "TIFF", "GIF", "WEBP")


def quarters(width=64, height=48):
    """Red, green, blue and yellow: no turn of it looks like another."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = (255, 255, 0)
    return pixels


def photo(width, height, seed=0):
    """Soft blobs with some fine grain, as a camera gives."""
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(0, 256, size=(9, 12, 3), dtype=np.uint8))
    soft = np.asarray(blobs.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray(np.clip(soft + rng.integers(-8, 9, soft.shape), 0, 255).astype("uint8"))


def refusal(content, name="x.png", form=None):
    with pytest.raises(DataError) as caught:
        decode(content, name, form)
    return str(caught.value)


@pytest.mark.parametrize("kind", EXACT)
def test_every_format_gives_the_pixels_that_went_in(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    found = decode(encoded(Image.fromarray(quarters()), kind, **options), "x")
    assert found.dtype == np.uint8
    assert np.array_equal(found, quarters())


def test_a_jpeg_gives_nearly_the_pixels_that_went_in():
    content = encoded(Image.fromarray(quarters()), "JPEG", quality=95, subsampling=0)
    found = decode(content, "x")
    assert found.shape == (48, 64, 3)
    assert np.abs(found.astype(int) - quarters()).mean() < 2


def test_a_file_is_known_by_its_content_and_not_by_its_name():
    content = encoded(Image.fromarray(quarters()), "PNG")
    assert np.array_equal(decode(content, "été 海.jpg"), quarters())


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *[("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "P")],
        *[("PNG", "LA"), ("PNG", "I;16"), ("WEBP", "RGB"), ("TIFF", "RGB"), ("TIFF", "I;16")],
    ],
)
def test_every_exif_orientation_gives_the_same_upright_picture(kind, mode, turn):
    image = Image.fromarray(quarters()).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    upright = decode(encoded(image, kind, quality=95), "x")
    turned = image if TURNS[turn] is None else image.transpose(TURNS[turn])
    exif = Image.Exif()
    exif[274] = turn
    found = decode(encoded(turned, kind, exif=exif, quality=95), "x")
    assert found.shape == upright.shape == (48, 64, 3)
    assert np.abs(found.astype(int) - upright).mean() < (0.1 if kind == "TIFF" else 3)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_garbage_in_exif_leaves_the_pixels():
    image = Image.fromarray(quarters())
    for garbage in (b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"):
        found = decode(encoded(image, "JPEG", exif=garbage), "x")
        assert np.array_equal(found, decode(encoded(image, "JPEG"), "x"))


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_gray_and_palette_become_rgb(mode):
    image = Image.fromarray(quarters()).convert(mode)
    found = decode(encoded(image, "PNG"), "x")
    assert np.array_equal(found, np.asarray(image.convert("RGB")))


def test_what_is_transparent_lies_over_white():
    pixels = np.dstack([quarters(), np.full((48, 64), 255, dtype=np.uint8)])
    pixels[:24, :32, 3] = 0
    pixels[24:, 32:, 3] = 128
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})):
        found = decode(encoded(Image.fromarray(pixels), kind, **options), "x")
        assert (found[:24, :32] == 255).all()
        assert (found[:24, 32:] == (0, 255, 0)).all()
        assert np.abs(found[24:, 32:].astype(int) - (255, 255, 127)).max() <= 1


def test_transparent_gray_and_a_transparent_colour_of_a_palette_lie_over_white():
    gray = Image.new("LA", (4, 4), (100, 0))
    gray.putpixel((0, 0), (100, 255))
    found = decode(encoded(gray, "PNG"), "x")
    assert (found[0, 0].tolist(), found[3, 3].tolist()) == ([100] * 3, [255] * 3)
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((0, 0), 1)
    for kind in ("PNG", "GIF"):
        found = decode(encoded(palette, kind, transparency=0), "x")
        assert (found[0, 0].tolist(), found[3, 3].tolist()) == ([40, 50, 60], [255] * 3)


def test_a_cmyk_jpeg_is_not_a_negative():
    found = decode(encoded(Image.fromarray(quarters()).convert("CMYK"), "JPEG", quality=95), "x")
    assert np.abs(found.astype(int) - quarters()).mean() < 3


@pytest.mark.parametrize(("kind", "order"), [("PNG", "<u2"), ("TIFF", "<u2"), ("TIFF", ">u2")])
def test_16_bits_are_scaled_to_8_and_not_cut(kind, order):
    values = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(order)
    found = decode(encoded(Image.fromarray(values), kind), "x")
    assert found.shape == (48, 64, 3)
    assert (found == np.rint(values.astype(float) / 257)[:, :, None]).all()


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_of_several_frames_the_first_is_taken(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert (decode(content, "x") == (255, 0, 0)).all()


def test_a_picture_for_programs_that_show_no_animation_is_no_frame_of_it():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    more = {"save_all": True, "append_images": frames[1:], "default_image": True}
    content = encoded(frames[0], "PNG", **more)
    assert (decode(content, "x") == (0, 255, 0)).all()
    assert (decode(content, "x", ("square", 4)) == (0, 255, 0)).all()


@pytest.mark.parametrize(
    ("size", "form", "shape"),
    [
        ((64, 48), ("original", 16), (48, 64, 3)),
        ((64, 48), ("square", 16), (16, 16, 3)),
        ((64, 48), ("shorter", 16), (16, 21, 3)),
        ((48, 64), ("shorter", 16), (21, 16, 3)),
        ((64, 48), ("shorter", 48), (48, 64, 3)),
        ((5, 3), ("shorter", 16), (16, 27, 3)),
        ((1, 1), ("shorter", 16), (16, 16, 3)),
        ((1, 1), ("square", 3), (3, 3, 3)),
        ((1000, 1), ("shorter", 2), (2, 32, 3)),
    ],
)
def test_a_form_decides_the_size(size, form, shape):
    for kind in ("PNG", "JPEG"):
        assert decode(encoded(photo(*size), kind), "x", form).shape == shape


def test_an_image_of_the_size_wanted_is_left_as_it_is():
    content = encoded(photo(24, 16), "PNG")
    assert np.array_equal(decode(content, "x", ("shorter", 16)), decode(content, "x"))


def test_shrinking_averages_and_does_not_skip():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[::2] = 255
    found = decode(encoded(Image.fromarray(stripes), "PNG"), "x", ("square", 8))
    assert np.abs(found.astype(int) - 127).max() < 8


@pytest.mark.parametrize("form", [("shorter", 64), ("square", 64)])
def test_a_large_jpeg_is_decoded_small_and_looks_nearly_the_same(form):
    content = encoded(photo(800, 600), "JPEG", quality=90)
    found = decode(content, "x", form).astype(int)
    slow = np.asarray(to_form(Image.fromarray(decode(content, "x")), form)).astype(int)
    assert found.shape == slow.shape
    assert 0 < np.abs(found - slow).mean() < 0.4
    assert np.abs(found - slow).max() < 4


def test_a_small_jpeg_is_decoded_whole():
    content = encoded(photo(80, 60), "JPEG")
    slow = to_form(Image.fromarray(decode(content, "x")), ("shorter", 32))
    assert np.array_equal(decode(content, "x", ("shorter", 32)), slow)


def test_the_pixels_depend_on_the_file_and_the_form_alone():
    contents = [encoded(photo(800, 600, seed), "JPEG") for seed in range(3)]
    forms = [("shorter", 64), ("square", 48), None]
    places = [(content, form) for content in contents for form in forms] * 3
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda place: decode(place[0], "x", place[1]), places))
    for (content, form), found in zip(places, together, strict=True):
        assert np.array_equal(found, decode(content, "another name", form))


@pytest.mark.parametrize("pixels", [quarters(), quarters()[:, :, 0]])
def test_pixels_that_were_never_a_file_take_the_same_way(pixels):
    file = encoded(Image.fromarray(pixels), "PNG")
    for form in (None, ("shorter", 16), ("square", 8), ("original", 5)):
        assert np.array_equal(from_array(pixels, form), decode(file, "x", form))


def test_an_empty_file_is_refused():
    assert refusal(b"", "a/x.png") == ("a/x.png: is empty (0 bytes); copy it anew or take it out")


@pytest.mark.parametrize("content", [b"plain text", b"\0" * 100, b"RIFF\x10\0\0\0WAVEfmt "])
def test_a_file_that_is_no_picture_is_refused(content):
    assert refusal(content) == (
        f"x.png: is not a picture that can be read ({', '.join(FORMATS)}); take it out"
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_that_was_cut_off_is_refused(kind, share):
    content = encoded(photo(120, 90), kind)
    words = refusal(content[: int(share * len(content))])
    assert words.startswith("x.png: is damaged (")
    assert words.endswith("); copy it anew or take it out")
    assert "\n" not in words


def test_what_pillow_says_of_a_file_that_was_cut_off_is_passed_on():
    content = encoded(photo(120, 90), "PNG")
    assert refusal(content[: len(content) // 2]) == (
        "x.png: is damaged (image file is truncated); copy it anew or take it out"
    )


def test_a_png_whose_pixels_were_changed_is_refused():
    content = bytearray(encoded(photo(300, 200), "PNG"))
    chunks = [at for at in range(len(content)) if content[at : at + 4] == b"IDAT"]
    assert len(chunks) > 1
    assert decode(bytes(content), "x").shape == (200, 300, 3)
    content[chunks[1] + 5000] ^= 1
    assert refusal(bytes(content)).startswith("x.png: is damaged (")
    content[chunks[1] + 5000] ^= 1
    content[chunks[1] - 5] ^= 1  # the last byte of the checksum before it
    assert refusal(bytes(content)) == (
        "x.png: is damaged (a checksum of its pixels is wrong); copy it anew or take it out"
    )


def test_what_stands_after_the_end_of_a_picture_does_no_harm():
    junk = struct.pack(">I", 4) + b"IDAT" + b"no checksum"
    for kind in ("PNG", "JPEG"):
        content = encoded(Image.fromarray(quarters()), kind)
        assert np.array_equal(decode(content + junk, "x"), decode(content, "x"))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_of_too_many_pixels_is_refused_by_its_header_alone():
    assert refusal(png_head(20_001, 10_000)) == (
        "x.png: has 20001 x 10000 pixels, more than the 200 million that are opened; "
        "make it smaller"
    )
    assert refusal(png_head(2_000_000, 10_000)) == (
        "x.png: claims too many pixels to be opened safely; make it smaller or take it out"
    )


def test_a_picture_of_a_hundred_million_pixels_is_opened_without_a_warning():
    assert "bomb" not in refusal(png_head(10_000, 10_000))


@pytest.mark.parametrize("size", [(6000, 20), (20, 6000), (4001, 2)])
def test_of_a_strip_the_middle_is_resized_and_no_more(size):
    strip = photo(*size)
    found = decode(encoded(strip, "PNG"), "x", ("shorter", 64))
    shorter = min(size)
    assert found.shape == ((64, 1024, 3) if size[0] > size[1] else (1024, 64, 3))
    whole = tuple(round(64 * length / shorter) for length in size)
    slow = np.asarray(strip.resize(whole, Image.Resampling.BILINEAR))
    differing = centre_crop(found, 64).astype(int) - centre_crop(slow, 64)
    assert np.abs(differing).max() <= 2
    assert decode(encoded(strip, "PNG"), "x").shape == (size[1], size[0], 3)


def test_a_picture_whose_form_would_fill_the_memory_is_refused():
    content = encoded(photo(4000, 2), "PNG")
    assert refusal(content, form=("shorter", 4000)) == (
        "x.png: is so narrow, 4000 x 2, that it would be resized to 64000 x 4000 pixels, "
        "more than 200 million; cut it or take it out"
    )


def test_floats_are_refused_for_nobody_knows_their_white():
    content = encoded(
        Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)), "TIFF"
    )
    assert refusal(content) == (
        "x.png: holds 32-bit floats, of which nobody knows what is white; save it with 8 or 16 bits"
    )


def test_a_path_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(DataError) as caught:
        read_bytes(tmp_path / "a.png")
    assert str(caught.value) == f"{tmp_path / 'a.png'}: cannot be read (No such file or directory)"
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        read_bytes(tmp_path)
