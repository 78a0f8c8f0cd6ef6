"""On what a number was seen: versions and machine."""

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import PathFinder
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fieldmark import plugins

if TYPE_CHECKING:
    import torch

SHARERS = "FIELDMARK_SHARERS"  # processes of a study that share this machine
# Environments that uv makes have no pip of their own. It is looked for on the paths alone: asked of
# all finders, setuptools takes it for a build by pip, and torch can compile nothing afterwards.
INSTALL = f"{'pip' if PathFinder.find_spec('pip') else 'uv pip'} install"
PACKAGES = ("fieldmark", "torch", "torchvision", "timm", "numpy", "pillow", "polars")


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Python and the packages that decide a result, those whose builders may be run too."""
    own = {name: version(name) for name in packages}
    return {"python": platform.python_version(), **own, **plugins.versions()}


def is_installed(package: str) -> bool:
    """Whether there is such a package, and not merely a folder of that name."""
    found = find_spec(package)
    return found is not None and found.origin is not None


def machine(device: "torch.device | None" = None) -> dict[str, str]:
    """The processor, its cores and the accelerator, in words. Only with a device is torch asked."""
    about = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": str(os.cpu_count()),
    }
    if device is None:
        return about
    import torch

    about |= {"threads": str(torch.get_num_threads()), "device": str(device)}
    if device.type == "cuda":
        about["accelerator"] = torch.cuda.get_device_name(device)
    return about


def cores() -> int:
    """Processor cores that this process may use; its share, where it is one of several."""
    known = getattr(os, "sched_getaffinity", None)
    mine = len(known(0)) if known else os.cpu_count() or 1
    return max(1, mine // int(os.environ.get(SHARERS, 1)))


def loaders() -> int:
    """Processes that load images beside one that computes."""
    return max(1, min(4, cores() - 1))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many processor threads compute inside; afterwards, whatever happens, as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def generators_kept(device: "torch.device") -> Iterator[None]:
    """The global generators, which training seeds at each step, are afterwards as they were."""
    import random

    import numpy as np
    import torch

    before = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        np.random.set_state(before[0])  # noqa: NPY002
        random.setstate(before[1])


def processor() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
