"""The card's parts on use and making: commands, how it was trained, versions, files."""

from typing import Any

import yaml

from fieldmark.console import duration
from fieldmark.hub.facts import HERE, Facts
from fieldmark.hub.markdown import block, bullets, code, paragraphs, plain
from fieldmark.hub.place import FILES
from fieldmark.hub.public import public_values
from fieldmark.models.at_home import public
from fieldmark.report.skeleton import about_texts
from fieldmark.report.words import capital, epoch_words, moment, size
from fieldmark.rundir import INFO

FOLDER = "model"  # what the folder is called in the examples
SHOWN = (
    *("input", "augment", "model", "head", "features", "optimizer", "schedule", "loss", "mix"),
    *("penalty", "train"),
)
DRAWN = ("random", "random weights", "as its code gives them")  # what a bundle calls them


def use_text(facts: Facts) -> list[str]:
    """How to use it: by Fieldmark, from Python, by timm where that has the network."""
    reads_words = bool(facts.info.spec.words)
    fetched = f"hf download {HERE} --local-dir {FOLDER}"
    given = "photos.csv --images photos/" if reads_words else "photos/"
    lines = [fetched, f"fieldmark predict {FOLDER} {given} --out labels.csv"]
    words = (
        "It reads the words of each image's caption beside its pixels, so it wants a table with a "
        "column of captions."
    )
    several = facts.metrics.of_task.several
    python = ["import fieldmark", "", f'found = fieldmark.load("{FOLDER}").predict("photo.jpg")']
    python += ["found.labels, found.scores" if several else "found.label, found.score"]
    return paragraphs(
        _input(facts),
        words if reads_words else "",
        f"With Fieldmark ({HERE} is where this folder lies on the hub):",
        block("\n".join(lines)),
        "" if reads_words else ["From Python:", "", *block("\n".join(python), "python")],
        _timm(facts),
    )


def _input(facts: Facts) -> str:
    """What becomes of a picture before the network sees it."""
    spec = facts.info.spec
    word, side = spec.evaluated_form[:2]
    how = f"each side brought to {side} px" if word == "square" else f"the shorter side {side} px"
    crop = f", the central {spec.size} x {spec.size} px" if side != spec.size else ""
    crop = crop or ("" if word == "square" else ", the central square")
    return (
        f"Pictures of any size go in as they come from a camera. `{INFO}` says what becomes of "
        f"them (turned upright, {how}{crop}), and Fieldmark does it."
    )


def _timm(facts: Facts) -> list[str]:
    """How timm loads it, or why it does not."""
    if facts.architecture is None:
        return [f"timm and transformers cannot load it, for {plain(facts.why_not)}."]
    several = facts.metrics.of_task.several
    end = ".sigmoid()" if several else ".softmax(-1)"
    divided = f" / {facts.info.temperature:.6g}" if facts.info.temperature != 1 else ""
    text = f"""
import timm, torch
from PIL import Image, ImageOps

model = timm.create_model("hf-hub:{HERE}", pretrained=True).eval()
prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
image = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
with torch.inference_mode():
    scores = (model(prepare(image)[None]){divided}){end}[0]
print(model.pretrained_cfg["label_names"][scores.argmax()], scores.max())
"""
    told = (
        f"With timm, as its `{facts.architecture}`, without Fieldmark (transformers and the hub's "
    )
    told += "own widget load it too):"
    lacks = []
    if divided:
        lacks.append("The temperature is Fieldmark's: others give scores without it.")
    if facts.info.thresholds:
        lacks.append(f"The thresholds of the labels stand in `{INFO}`; others take 0.5.")
    return paragraphs([told, "", *block(text, "python")], " ".join(lacks))


def training_text(facts: Facts) -> list[str]:
    """How it was made: the network, where it began, how it ended, on what, with which settings."""
    about, history = facts.metrics.about, facts.history
    texts = about_texts(about)
    epoch = epoch_words(history, about.best_epoch) if about.best_epoch and len(history) > 1 else ""
    kept = f", the weights of {epoch} are kept" if epoch else ""
    took = f"; it took {duration(about.seconds)}" if about.seconds is not None else ""
    machine = ", ".join(filter(None, (texts.get("device"), texts.get("machine"))))
    parameters = f"{size(about.parameters)} parameters" if about.parameters else ""
    trained = f"{size(about.trained)} of them trained" if about.trained else ""
    name = code(facts.settings["model"]["name"])
    timms = f"here as {code(facts.info.model)}, by timm's names of its tensors"
    renamed = "" if code(facts.info.model) == name else timms
    network = ", ".join(filter(None, (name, parameters, trained, renamed)))
    rows = {
        "Network": network,
        "Began with": _began(facts),
        "Ended": f"{capital(public(about.ending))}{took}{kept}" if about.ending else "",
        "On": f"{machine}, in {facts.info.precision}" if machine else facts.info.precision,
        "Seeds": f"{about.seed}, split {about.split_seed}" if about.seed is not None else "",
        "Finished": moment(about.finished) if about.finished else "",
        "Versions": ", ".join(f"{name} {number}" for name, number in about.versions.items()),
    }
    settings = {name: facts.settings[name] for name in SHOWN if facts.settings.get(name)}
    return paragraphs(
        bullets(f"{name}: {text}" for name, text in rows.items() if text),
        ["Repeated, with the same images, by:", "", *block(public(facts.command))]
        if facts.command
        else "",
        _folded("All settings of the training", _yaml(public_values(settings))),
    )


def _began(facts: Facts) -> str:
    """The weights that training began with, and their licence."""
    if facts.info.weights in DRAWN:
        return "random weights"
    weights = code(public(facts.info.weights))
    return f"{weights}, licence {facts.info.licence or 'not known'}"


def licence_text(facts: Facts) -> str:
    """Under which licence it is, or that somebody must say so."""
    stated, began = facts.stated.licence, facts.info.licence
    if stated:
        return f"{stated}."
    if began:
        return f"Of the weights that training began with: {began}. Of the images nothing is said."
    return "Not stated. Ask before you use it."


def files_text(names: list[str], facts: Facts) -> list[str]:
    """What each file of the folder is."""
    told = [f"{code(name)}: {FILES[name]}" for name in names if FILES[name]]
    sha = facts.info.weights_sha256
    return paragraphs(bullets(told), f"SHA-256 of the weights: {code(sha)}" if sha else "")


def _folded(title: str, text: str) -> list[str]:
    """A long block that is shown when it is asked for."""
    return [f"<details><summary>{title}</summary>", "", *block(text, "yaml"), "", "</details>"]


def _yaml(values: dict[str, Any]) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
