"""python predict.py PICTURES > labels.csv, by model.onnx; onnxruntime, numpy and Pillow do it."""

import contextlib
import csv
import json
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageCms, ImageOps

MODEL = onnxruntime.InferenceSession(str(Path(__file__).with_name("model.onnx")))
ABOUT = {key: json.loads(text) for key, text in MODEL.get_modelmeta().custom_metadata_map.items()}
CLASSES, SIZE, LEAST = (ABOUT[key] for key in ("classes", "input", "thresholds"))


def read(path: str) -> np.ndarray:
    """A picture file -> (1, H, W, 3) uint8: upright, in sRGB, over white, of 8 bits."""
    image: Image.Image = Image.open(path)
    if image.format in ("JPEG", "MPO") and SIZE["resize"] != "original":
        scale = 2 * SIZE["to"] / min(image.size)  # finer detail would be lost anyway
        image.draft("RGB", (round(image.width * scale), round(image.height * scale)))
    image.load()
    with contextlib.suppress(Exception):  # EXIF that is garbage
        image = ImageOps.exif_transpose(image)
    profile, is_clear = image.info.get("icc_profile", b""), image.has_transparency_data
    alpha = image.convert("RGBA").getchannel("A") if is_clear else Image.new("L", image.size, 255)
    if image.mode.startswith("I;16"):
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.mode not in ("L", "CMYK") or not profile:
        image = image.convert("RGB")
    with contextlib.suppress(Exception):  # a profile that is damaged, or of another kind
        given, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        if "sRGB" not in ImageCms.getProfileDescription(given):
            flags = ImageCms.Flags.NOOPTIMIZE if image.mode == "L" else ImageCms.Flags.NONE
            how = (image.mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC, flags)
            image = ImageCms.buildTransform(given, srgb, *how).apply(image)
    image = Image.merge("RGBA", (*image.convert("RGB").split(), alpha))
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image).convert("RGB"))[None]


paths = sys.argv[1:] or sys.exit("no picture; write: python predict.py PICTURES > labels.csv")
failed = 0
out = csv.writer(TextIOWrapper(sys.stdout.buffer, "utf-8", "backslashreplace"), lineterminator="\n")
out.writerow(["image", "labels" if LEAST else "label", "score"])
for path in paths:
    try:
        values = MODEL.run(["scores"], {"images": read(path)})[0][0]
    except Exception as error:
        print(f"{path}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        failed = 1
        continue
    scores = dict(sorted(zip(CLASSES, values, strict=True), key=lambda pair: -pair[1]))
    labels = [name for name in scores if scores[name] >= LEAST[name]] if LEAST else [*scores][:1]
    out.writerow([path, "|".join(labels), f"{values.max():.6g}"])
sys.exit(failed)
