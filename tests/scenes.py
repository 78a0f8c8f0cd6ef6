"""Pictures that look alike, drawn in code: of a fixed camera, of parts on a line, saved again."""

import io

import numpy as np
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
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue()))


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
