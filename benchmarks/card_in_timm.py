"""A model card's folder in timm and transformers: do they decide as Fieldmark does?

python benchmarks/card_in_timm.py PHOTOS RUN...: runs in float32, whose cards lie in RUN/card.
transformers is no part of Fieldmark's environment; where it cannot be imported its column is left.
"""

import json
import sys
from pathlib import Path

import timm
import torch
from PIL import Image, ImageOps

import fieldmark


def by_timm(card: Path, photos: list[Path]) -> list[dict[str, float]]:
    """The scores of each photo, prepared by timm, of timm's network, at the card's temperature."""
    network = timm.create_model(f"local-dir:{card}", pretrained=True).eval()
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    temperature = json.loads((card / "model.json").read_text())["temperature"]
    names, found = network.pretrained_cfg["label_names"], []
    for photo in photos:
        image = ImageOps.exif_transpose(Image.open(photo)).convert("RGB")
        with torch.inference_mode():
            scores = (network(prepare(image)[None]) / temperature).softmax(-1)[0].tolist()
        found.append(dict(zip(names, scores, strict=True)))
    return found


def by_transformers(card: Path, photos: list[Path]) -> list[str] | None:
    """The label of each photo; None where transformers is not installed."""
    try:
        from transformers import pipeline
    except ImportError:
        return None
    answers = pipeline("image-classification", model=str(card))([str(each) for each in photos])
    return [each[0]["label"] for each in answers]


def row(run: Path, photos: list[Path]) -> str:
    own = fieldmark.load(run).predict(photos)
    scores, labels = by_timm(run / "card", photos), by_transformers(run / "card", photos)
    pairs = list(zip(own, scores, strict=True))
    other = sum(max(its, key=its.get) != answer.label for answer, its in pairs)
    most = max(abs(its[k] - answer.scores[k]) for answer, its in pairs for k in its)
    named = "" if labels is None else sum(a.label != b for a, b in zip(own, labels, strict=True))
    return f"| {run.name} | {len(photos)} | {other} | {most:.1e} | {named} |"


def main() -> None:
    photos = sorted(Path(sys.argv[1]).rglob("*.jpg"))
    print("| run | photos | decided otherwise by timm | most of a score | by transformers |")
    print("|---|---:|---:|---:|---:|")
    for run in map(Path, sys.argv[2:]):
        print(row(run, photos), flush=True)


if __name__ == "__main__":
    main()
