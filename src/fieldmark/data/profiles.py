"""Colours of other spaces to sRGB, by the ICC profile that lies in a file, as browsers do it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

SAME = 2  # of 255: a profile that moves no colour by more is sRGB itself, rounded in its own way
KNOWN = 256  # profiles that are remembered; a camera has one for all of its photos
Change = Callable[[Image.Image], Image.Image]
SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}  # of modes, as profiles call them


@dataclass(frozen=True)
class Profile:
    """What a profile makes of the colours of a mode.

    name: its description. change: from an image of the mode to RGB; None where it moves nothing,
    is damaged or fits no such mode. is_broken: whether it is one of the last two.
    """

    name: str
    mode: str
    change: Change | None
    is_broken: bool = False

    @property
    def moves(self) -> bool:
        """Whether colours are changed."""
        return self.change is not None

    def applied(self, image: Image.Image) -> Image.Image:
        """An image -> RGB in sRGB."""
        if self.change is None:
            return image if image.mode == "RGB" else image.convert("RGB")
        done = self.change(image if image.mode == self.mode else image.convert(self.mode))
        done.info.pop("icc_profile", None)
        return done


OF_SRGB = Profile("sRGB", "RGB", None)


def profile_of(content: bytes, mode: str) -> Profile:
    """The profile for images of a mode, L, RGB or CMYK. It is read once for all images.

    A gray image may have a profile for RGB: gray is then red, green and blue alike.
    """
    return _read(bytes(content), mode)


@lru_cache(KNOWN)
def _read(content: bytes, mode: str) -> Profile:
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(content))
        space = given.profile.xcolor_space
        name = " ".join((given.profile.profile_description or "").split()) or "no name"
        if mode == "L" and space == "RGB ":
            of_rgb = _read(content, "RGB")
            return Profile(of_rgb.name, "RGB", of_rgb.change, of_rgb.is_broken)
        if space != SPACES[mode]:
            return Profile(name, mode, None, is_broken=True)
        made = ImageCms.buildTransform(
            *(given, ImageCms.createProfile("sRGB"), mode, "RGB"),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            # what lcms makes quicker of dark grays was up to 10 of 255 away
            ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE,
        )
        change = _by_table(made) if mode == "L" else made.apply
        return Profile(name, mode, change if _moves(change, mode) else None)
    except Exception:  # ImageCms raises what it likes on damaged bytes
        return Profile("damaged", mode, None, is_broken=True)


def _by_table(transform: ImageCms.ImageCmsTransform) -> Change:
    """The same for all of 256 grays at once."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(1, 256))
    tables = np.asarray(transform.apply(ramp))[0].T.tolist()
    return lambda gray: Image.merge("RGB", [gray.point(table) for table in tables])


def _moves(change: Change, mode: str) -> bool:
    """Whether any colour of a fine grid becomes one that is more than SAME away."""
    if mode == "CMYK":
        return True
    steps = np.linspace(0, 255, 16).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(64, 64, 3)
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 256)
    found = [ramp] if mode == "L" else [grid, ramp[:, :, None].repeat(3, axis=2)]
    for pixels in found:
        moved = np.asarray(change(Image.fromarray(pixels))).astype(int)
        before = pixels if mode == "RGB" else pixels[:, :, None]
        if np.abs(moved - before).max() > SAME:
            return True
    return False
