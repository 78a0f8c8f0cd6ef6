"""A page held to the model in Chromium, which playwright drives; imported where it is asked for."""

import csv
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fieldmark.data.images import seen
from fieldmark.errors import DataError, RunError, counted
from fieldmark.export.parity import Shown, differing, torch_scores
from fieldmark.export.whole import Source

MOST = 100  # images
AT_MOST = 0.01  # of the images may be decided otherwise
PATIENCE = 600_000  # ms
LOCAL = ("file:", "blob:", "data:")


@dataclass(frozen=True)
class InBrowser:
    """What came of giving images to the page, beside torch in float32.

    browser: its name and version. differ: the images that are decided otherwise. largest, mean: by
    how much scores differ. start: seconds until the page had the network ready. seconds: an image,
    with decoding and drawing. requests: addresses that were asked for, but its own.
    """

    browser: str
    images: int
    of: str
    differ: tuple[str, ...]
    largest: float
    mean: float
    start: float
    seconds: float
    check: str
    requests: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether no more than 1 % of the images is decided otherwise, and nothing asked for."""
        return len(self.differ) <= AT_MOST * self.images and not self.requests

    def words(self) -> str:
        """In a sentence."""
        differ = f"{len(self.differ)} decided otherwise" if self.differ else "decided alike"
        asked = f"; it asked for {self.requests[0]}" if self.requests else ""
        return (
            f"{self.browser}, {counted(self.images, 'image')} of {self.of}: {differ}, scores "
            f"within {self.largest:.2g} (mean {self.mean:.2g}); {self.start:.1f} s to start, "
            f"{1000 * self.seconds:.3g} ms an image{asked}"
        )


@contextmanager
def opened(file: Path, **how: Any) -> Iterator[tuple[Any, Any, list[str]]]:
    """A page in Chromium without a network. -> the browser, the page, what it asked for"""
    from playwright.sync_api import sync_playwright

    requests: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        try:
            page = browser.new_page(offline=True, **how)
            page.set_default_timeout(PATIENCE)
            page.on("request", lambda each: requests.append(each.url))
            page.goto(file.as_uri())
            page.wait_for_selector("body[data-ready]")
            yield browser, page, requests
        finally:
            browser.close()


def in_browser(file: Path, source: Source, shown: Shown) -> InBrowser:
    """Give the images to the page, as files, and hold its table to torch's scores.

    Raises RunError where the page does not start.
    """
    with tempfile.TemporaryDirectory() as name, opened(file) as (browser, page, requests):
        if page.locator("body").get_attribute("data-ready") != "yes":
            raise RunError(f"{file}: does not start in Chromium ({page.inner_text('.state')})")
        names, wanted = _laid_out(Path(name), source, shown)
        began = time.perf_counter()
        page.set_input_files("#files", [str(Path(name, each)) for each in names])
        page.wait_for_selector(f'body[data-looked="{len(names)}"]')
        seconds = time.perf_counter() - began
        answers = table_of(page)
        version, check = browser.version, page.inner_text('[data-part="check"]')
        started = float(page.locator("body").get_attribute("data-started")) / 1000
    differ, apart = _apart(source, answers, names, wanted)
    return InBrowser(
        browser=f"Chromium {version}",
        images=len(names),
        of=shown.of,
        differ=tuple(differ),
        largest=float(apart.max()),
        mean=float(apart.mean()),
        start=started,
        seconds=seconds / len(names),
        check=check,
        requests=tuple(each for each in requests if not each.startswith(LOCAL)),
    )


def table_of(page: Any) -> list[dict[str, str]]:
    """The rows that "Save as CSV" gives."""
    with page.expect_download() as download:
        page.click('[data-part="save"]')
    with Path(download.value.path()).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _laid_out(folder: Path, source: Source, shown: Shown) -> tuple[dict[str, str], np.ndarray]:
    """The images as files there. -> {file name: the image's name}, and torch's scores (n, C)"""
    score, names, found = torch_scores(source), {}, []
    for place, read in enumerate(shown.pictures):
        try:
            name, content = read()
            found.append(score(seen(content, source.info.spec, name))[0])
        except DataError:
            continue
        suffix = Path(name).suffix if isinstance(content, bytes) else ".png"
        file = folder / f"{place:04d}{suffix}"
        names[file.name] = name
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            Image.fromarray(np.asarray(content)).save(file)
    if not found:
        raise RunError(f"{source.path}: none of the images to hold the page to can be read")
    return names, np.stack(found)


def _apart(
    source: Source, answers: list[dict[str, str]], names: dict[str, str], wanted: np.ndarray
) -> tuple[list[str], np.ndarray]:
    """The images that are decided otherwise, and how far scores are apart (n, C)."""
    rows = {each["image"]: each for each in answers}
    classes = source.info.classes
    lacking = dict.fromkeys((f"score:{name}" for name in classes), "nan")
    given = np.array(
        [[float(rows.get(name, lacking)[f"score:{each}"]) for each in classes] for name in names]
    )
    others, _ = differing(given, wanted, source.info)
    differ = [name for name, other in zip(names.values(), others, strict=True) if other]
    return differ, np.where(np.isnan(given), np.inf, np.abs(given - wanted))
