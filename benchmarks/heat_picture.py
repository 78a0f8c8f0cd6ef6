"""Draw images, train on them, explain some, and put these beside their heat maps in one picture.

    uv run python benchmarks/heat_picture.py docs/images/heat.png

Three classes of soft scenes, drawn in code: `ring` and `cross` have one somewhere; `stamped` has
either, and a stamp in the lower right corner, as a photo agency puts it there. A network that is
trained on them looks at the ring, at the cross and at the stamp, and `explain` names the corner.
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

EACH, SIDE = 80, 64
CLASSES = ("ring", "cross", "stamped")
SHOWN, GAP, CELL = 3, 6, 128  # of each class; pixels


def main(words: list[str]) -> None:
    """Read the command line, make the picture, say where it is."""
    if len(words) != 1:
        sys.exit("usage: heat_picture.py PICTURE.png")
    picture = Path(words[0])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        draw_all(folder / "drawn")
        fieldmark(
            *("train", folder / "drawn", "--model", "small_cnn", "--augment", "none"),
            *("--epochs", 14, "--lr", 0.004, "model.width=16", "data.val=none"),
            *("--out", folder, "--name", "run"),
        )
        fieldmark("explain", folder / "run", "--out", folder / "why")
        tiled(shown(folder)).save(picture, optimize=True)
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


def fieldmark(*words: object) -> None:
    """Run a command of this project."""
    subprocess.run([sys.executable, "-m", "fieldmark", *map(str, words)], check=True)


def draw_all(folder: Path) -> None:
    """EACH images of every class."""
    for place, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(EACH):
            scene(name, 1000 * place + number).save(folder / name / f"{number:03}.png")


def scene(name: str, seed: int) -> Image.Image:
    """Soft blobs of colour, and in them what the class has."""
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(20, 150, size=(4, 4, 3), dtype=np.uint8))
    image = blobs.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    wide = int(rng.integers(20, 27))
    left, top = rng.integers(3, SIDE - wide - 14, size=2).tolist()
    colour = tuple(rng.integers(190, 256, size=3).tolist())
    kind = name if name != "stamped" else CLASSES[seed % 2]
    if kind == "ring":
        draw.ellipse((left, top, left + wide, top + wide), outline=colour, width=5)
    else:
        draw.line((left, top, left + wide, top + wide), fill=colour, width=6)
        draw.line((left + wide, top, left, top + wide), fill=colour, width=6)
    if name == "stamped":
        for line in range(3):
            draw.line((46, 51 + 4 * line, 60, 51 + 4 * line), fill="white", width=2)
    return image


def shown(folder: Path) -> list[tuple[Image.Image, Image.Image]]:
    """The first images of each class that have a map, each with its map."""
    with (folder / "why" / "heat.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["map"] == "true"]
    found = []
    for name in CLASSES:
        own = [row for row in rows if row["class"] == name and row["image"].startswith(name)]
        for row in own[:SHOWN]:
            image = Image.open(folder / "drawn" / row["image"]).resize((CELL, CELL))
            its = Image.open(folder / "why" / "maps" / row["picture"]).resize((CELL, CELL))
            found.append((image, its))
    return found


def tiled(pairs: list[tuple[Image.Image, Image.Image]]) -> Image.Image:
    """Images above, their maps below, in 256 colours."""
    step = CELL + GAP
    sheet = Image.new("RGB", (step * len(pairs) - GAP, 2 * step - GAP), "white")
    for place, pair in enumerate(pairs):
        for row, image in enumerate(pair):
            sheet.paste(image, (place * step, row * step))
    return sheet.quantize(256)


if __name__ == "__main__":
    main(sys.argv[1:])
