"""Take a picture of a run's report: the top of the page, as a browser shows it.

    uv run python benchmarks/report_picture.py RUN docs/images/report.png

RUN is a run's folder. It needs Chromium (`apt install chromium`, or Google Chrome) and shows
the page in a window of 1200 x 1400 px, without network. The picture has at most 256 colours,
which a page of text and charts does not miss, so that it stays small in a repository.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

WIDTH, HEIGHT = 1200, 1400
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 60


def main(words: list[str]) -> None:
    """Read the command line, take the picture, say where it is."""
    if len(words) != 2:
        sys.exit("usage: report_picture.py RUN PICTURE.png")
    page, picture = Path(words[0], "report.html"), Path(words[1])
    if not page.is_file():
        sys.exit(f"{page}: there is no such report; name the folder of a run that is done")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder, "shot.png")
        photograph(page, shot, Path(folder, "profile"))
        picture.parent.mkdir(parents=True, exist_ok=True)
        shrink(shot, picture)
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


def photograph(page: Path, shot: Path, profile: Path) -> None:
    """Let a browser without a window draw the page's top into `shot`."""
    command = [
        browser(),
        "--headless",
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        f"--user-data-dir={profile}",  # else it waits for a browser that is open
        f"--window-size={WIDTH},{HEIGHT}",
        f"--screenshot={shot}",
        page.resolve().as_uri(),
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.insert(1, "--no-sandbox")  # the sandbox refuses to start for root
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        sys.exit(f"{command[0]} did not answer within {SECONDS} s; try again")
    if not shot.is_file():
        sys.exit(f"{command[0]} took no picture:\n{done.stderr[-2000:]}")


def browser() -> str:
    """The first browser of BROWSERS that is installed."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is installed; try: apt install chromium")
    return found


def shrink(shot: Path, picture: Path) -> None:
    """The same picture in 256 colours without dithering, which would blur text."""
    with Image.open(shot) as image:
        few = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
