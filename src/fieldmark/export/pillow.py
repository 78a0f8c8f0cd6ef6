"""Which way Pillow goes when it resizes, for what does the same without it."""

from functools import cache

import numpy as np
from PIL import Image

from fieldmark.data.images import made_up


@cache
def goes_down_first() -> bool:
    """Whether this Pillow begins with the height where that loses more than twice what the width
    does, as 13 does; 11 always begins with the width."""
    image, smooth = Image.fromarray(made_up(40, 20, 3)), Image.Resampling.BILINEAR
    down = image.resize((20, 10), smooth).resize((16, 10), smooth)
    return np.array_equal(np.asarray(image.resize((16, 10), smooth)), np.asarray(down))
