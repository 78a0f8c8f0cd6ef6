"""A page held to the model in a real browser, driven by playwright, which is for those who test."""

import csv
import io
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fieldmark.machine import is_installed

MOST = 100  # images
PATIENCE = 600_000  # ms


def no_browser() -> str:
    """Why a page cannot be tried here, and what to do; "" where it can."""
    if not is_installed("playwright"):
        return "needs playwright: pip install playwright; or leave it out"
    if shutil.which("chromium") is None:
        return "needs Debian's chromium: apt-get install chromium; or leave it out"
    return ""
