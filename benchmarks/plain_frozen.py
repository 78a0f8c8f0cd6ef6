"""The script that people write to train a new last layer on a frozen backbone.

    uv run python benchmarks/plain_frozen.py DATA --weights FILE [--rates 1e-2 3e-3 1e-3]
        [--without NAMES | --only NAMES] [--seed N] [--epochs N] [--json]

What Fieldmark's `--freeze` is held against, so nothing here is Fieldmark's. It is as torchvision's
tutorials on transfer have it: ImageFolder, RandomResizedCrop and a mirror image for training,
Resize and CenterCrop for validation, float32, two workers, batches of 32, `requires_grad = False`
for all but a new last layer, Adam at 1e-3 on that, `train()` and `eval()` in turns, and validation
after each epoch, of which the best counts.

DATA holds train/CLASS/ and val/CLASS/. FILE: a safetensors file of torchvision's mobilenet_v2.
--rates: the whole training once a rate, as one has to. NAMES: a text file, a line an image of
DATA, such as val/cat/1.jpg; --without says the accuracy also without these (copies of training
images, say), --only validates on nothing else. Seconds count from the end of the imports.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

BATCH, WORKERS = 32, 2
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def loaders(data, only):
    """Batches to train on and to validate on, and the names of the latter's images."""
    to_floats = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    train_change = transforms.Compose(
        [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), *to_floats]
    )
    val_change = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), *to_floats]
    )
    train_set = datasets.ImageFolder(data / "train", train_change)
    val_set = datasets.ImageFolder(data / "val", val_change)
    names = [Path(path).relative_to(data).as_posix() for path, _ in val_set.samples]
    if only:
        rows = [row for row, name in enumerate(names) if name in only]
        names, val_set = [names[row] for row in rows], Subset(val_set, rows)
    train = DataLoader(train_set, BATCH, shuffle=True, num_workers=WORKERS)
    val = DataLoader(val_set, BATCH, num_workers=WORKERS)
    return train, val, names, len(train_set.classes)


def pretrained(weights, classes):
    """mobilenet_v2 with a new last layer, and nothing else to train."""
    network = torchvision.models.mobilenet_v2()
    tensors = load_file(weights)
    floats = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    network.load_state_dict(floats)
    for parameter in network.parameters():
        parameter.requires_grad = False
    network.classifier[1] = nn.Linear(network.last_channel, classes)
    return network


def train_epoch(network, loader, optimizer):
    network.train()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()


@torch.no_grad()
def validate(network, loader):
    """Whether each image was told right, in order. -> (n,) bool"""
    network.eval()
    return torch.cat([network(images).argmax(1) == labels for images, labels in loader])


def run(args, rate):
    """The whole training at one rate. -> its figures"""
    begun = time.perf_counter()
    torch.manual_seed(args.seed)
    train, val, names, classes = loaders(args.data, read_names(args.only))
    network = pretrained(args.weights, classes)
    optimizer = torch.optim.Adam(network.classifier.parameters(), rate)
    best = torch.zeros(len(names), dtype=torch.bool)
    for epoch in range(args.epochs):
        train_epoch(network, train, optimizer)
        right = validate(network, val)
        if not args.json:
            print(f"epoch {epoch + 1}/{args.epochs}  val accuracy {share(right):.4f}", flush=True)
        if right.sum() > best.sum():
            best = right
    seconds = time.perf_counter() - begun
    copies = read_names(args.without)
    others = best[[name not in copies for name in names]]
    return {
        "rate": rate,
        "seconds": seconds,
        "images_a_second": args.epochs * (len(train.dataset) + len(names)) / seconds,
        "accuracy": share(best),
        "n": len(best),
        "accuracy_without": share(others),
        "n_without": len(others),
    }


def share(right):
    return right.float().mean().item()


def read_names(path):
    return set(path.read_text().split("\n")) - {""} if path else set()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3])
    names = parser.add_mutually_exclusive_group()
    names.add_argument("--without", type=Path)
    names.add_argument("--only", type=Path)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="only the figures, a line a rate")
    args = parser.parse_args()
    if not args.json:
        print(f"{os.cpu_count()} cores; Python {platform.python_version()}, torch", end=" ")
        print(f"{torch.__version__}, torchvision {torchvision.__version__}; load", end=" ")
        print(f"{os.getloadavg()[0]:.1f}; seed {args.seed}, {args.epochs} epochs, one run a rate")
    found = []
    for rate in args.rates:
        found.append(run(args, rate))
        if args.json:
            print(json.dumps(found[-1]), flush=True)
    if args.json:
        return
    print(f"{'rate':<8}{'seconds':>9}{'images/s':>10}   best val accuracy (n)")
    for one in found:
        line = f"{one['rate']:<8g}{one['seconds']:>9.1f}{one['images_a_second']:>10.1f}"
        line += f"   {one['accuracy']:.4f} ({one['n']})"
        if args.without:
            line += f", without the named ones {one['accuracy_without']:.4f} ({one['n_without']})"
        print(line)
    print(f"all     {sum(one['seconds'] for one in found):>9.1f}")


if __name__ == "__main__":
    main()
