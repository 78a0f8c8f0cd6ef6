"""Pictures that look alike, drawn in code: of a fixed camera, of parts on a line, saved again."""

import io

import numpy as np
from pictures import encoded
from PIL import Image, ImageDraw, ImageEnhance


def photo(seed, width=160, height=120):
    """Soft blobs of colour: every seed another scene."""
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(0, 256, size=(7, 9, 3), dtype=np.uint8))
    return blobs.resize((width, height), Image.Resampling.BICUBIC)


def grained(image, rng, most):
    """The noise of a camera."""
    pixels = np.asarray(image).astype(int)
    noise = rng.integers(-most, most + 1, (*pixels.shape[:2], 1))
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def seen_by_a_fixed_camera(seed, background=None):
    """One background, and a small animal somewhere in it, in an eighth to a fifth of the width."""
    rng = np.random.default_rng(seed)
    scene = (photo(7, 320, 240) if background is None else background).copy()
    width, height = scene.size
    side = width * rng.uniform(0.12, 0.2)
    left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
    fill = tuple(rng.integers(0, 256, 3).tolist())
    ImageDraw.Draw(scene).ellipse((left, top, left + side, top + side * 0.8), fill=fill)
    return grained(scene, rng, 4)


def part(seed, *, scratched):
    """A washer under a fixed lamp, the same to a pixel but for noise and a scratch."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (200, 200), (70, 70, 74))
    draw = ImageDraw.Draw(image)
    draw.ellipse((30, 20, 160, 150), fill=(170, 168, 160))
    draw.ellipse((75, 65, 115, 105), fill=(70, 70, 74))
    draw.rectangle((120, 160, 190, 180), fill=(200, 190, 60))
    if scratched:
        left, top = rng.uniform(50, 90, 2)
        draw.line((left, top, left + 12, top + 5), fill=(60, 50, 50), width=2)
    return grained(image, rng, 6)


def as_jpeg(image, quality):
    """Saved as a JPEG and opened again."""
    return Image.open(io.BytesIO(encoded(image.convert("RGB"), "JPEG", quality=quality)))


def smaller(image, factor):
    """Resized and saved again."""
    return as_jpeg(image.resize([max(64, round(side * factor)) for side in image.size]), 85)


SAVED_AGAIN = {
    "as a JPEG of low quality": lambda image: as_jpeg(image, 30),
    "as a JPEG of middling quality": lambda image: as_jpeg(image, 60),
    "half as large": lambda image: smaller(image, 0.5),
    "three quarters as large": lambda image: smaller(image, 0.75),
    "larger": lambda image: smaller(image, 1.5),
    "gray": lambda image: as_jpeg(image.convert("L"), 85),
    "darker": lambda image: as_jpeg(ImageEnhance.Brightness(image).enhance(0.85), 85),
    "brighter": lambda image: as_jpeg(ImageEnhance.Brightness(image).enhance(1.1), 85),
    "paler": lambda image: as_jpeg(ImageEnhance.Contrast(image).enhance(0.6), 85),
}


def burst(seed, frame):
    """A frame of a burst: one sharp scene, and a small animal that has moved on a little."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    scene = Image.fromarray(pixels).resize((320, 240), Image.Resampling.BICUBIC)
    left, top = rng.uniform(60, 200), rng.uniform(60, 180)
    place = (left + 9 * frame, top, left + 9 * frame + 8, top + 6)
    ImageDraw.Draw(scene).ellipse(place, fill=(20, 20, 20))
    return grained(scene, np.random.default_rng([seed, frame]), 4)


def x_ray(seed):
    """Two lungs, a spine and ribs, a little other in everybody, under the grain of the film."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:256, 0:256] / 256
    gray = np.full(x.shape, 150.0)
    for middle in (0.32, 0.68):
        wide, high = rng.normal(0.15, 0.004), rng.normal(0.3, 0.0056)
        across = (x - middle - rng.normal(0, 0.0056)) / wide
        gray -= 90 / (1 + np.exp((across**2 + ((y - 0.5) / high) ** 2 - 1) * 12))
    gray += 40 * np.exp(-(((x - 0.5) / 0.05) ** 2)) + 8 * np.sin(y * 60 + rng.normal(0, 0.3))
    gray += rng.normal(0, 4, x.shape)
    return Image.fromarray(np.clip(gray, 0, 255).astype(np.uint8)).convert("RGB")


def form(template, seed):
    """A printed form with boxes, and what somebody wrote into them."""
    image = Image.new("RGB", (200, 280), (250, 250, 250))
    draw, printed = ImageDraw.Draw(image), np.random.default_rng(template)
    written = np.random.default_rng([template, seed])
    for top in range(16, 260, 22):
        draw.rectangle((12, top, 12 + printed.integers(20, 70), top + 5), fill=(40, 40, 40))
        draw.rectangle((96, top - 4, 188, top + 12), outline=(90, 90, 90))
        for left in np.flatnonzero(written.random(20) < 0.5).tolist():
            draw.line((100 + 4 * left, top, 102 + 4 * left, top + 8), fill=(60, 60, 130))
    return grained(image, written, 2)


def night(seed, camera=0):
    """Nearly black: a lamp's circle on one background, and something faint in it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:120, 0:160]
    ground = np.asarray(photo(camera).convert("L")).astype(float)
    light = np.exp(-(((x - 80) / 60) ** 2 + ((y - 60) / 45) ** 2))
    left, top = rng.uniform(20, 140), rng.uniform(20, 100)
    faint = rng.uniform(2, 4) * np.exp(-(((x - left) / 9) ** 2 + ((y - top) / 6) ** 2))
    dark = ground * light * 0.12 + 2 + faint + rng.normal(0, 2, x.shape)
    return Image.fromarray(np.clip(dark, 0, 255).astype(np.uint8)).convert("RGB")


def glyph(seed, letter):
    """A letter in black on white, a little turned and moved."""
    rng = np.random.default_rng([seed, ord(letter)])
    image = Image.new("L", (96, 96), 255)
    ImageDraw.Draw(image).text((48, 48), letter, font_size=64, fill=0, anchor="mm")
    moved = tuple(rng.uniform(-2, 2, 2).tolist())
    turned = image.rotate(
        rng.uniform(-6, 6), Image.Resampling.BICUBIC, translate=moved, fillcolor=255
    )
    return turned.convert("RGB")


def arrow(seed, *, left):
    """An arrow somewhere on white, in some colour and length."""
    rng = np.random.default_rng([seed, left])
    image = Image.new("RGB", (128, 128), "white")
    draw, long = ImageDraw.Draw(image), rng.uniform(40, 75)
    start, y = rng.uniform(8, 120 - long), rng.uniform(30, 98)
    colour = tuple(rng.integers(0, 160, 3).tolist())
    draw.line((start, y, start + long, y), fill=colour, width=6)
    tip, way = (start, 1) if left else (start + long, -1)
    side = 0.3 * long
    draw.polygon([(tip, y), (tip + way * side, y - side), (tip + way * side, y + side)], colour)
    return image
