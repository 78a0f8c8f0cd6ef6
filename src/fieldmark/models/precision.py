"""In which precision a network computes: a fixed table, never a measurement."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from fieldmark.errors import Mistake

Autocast = Callable[[], AbstractContextManager[object]]
SMALL = ("small",)  # networks too small to gain from less than float32 on a processor
FLOAT32_ONLY = ("onnxruntime",)  # engines without bf16 on a processor


def choose(device: torch.device, family: str, engine: str = "torch") -> str:
    """The table: (processor, model family, engine) -> float32, bf16 or 16-mixed."""
    if engine in FLOAT32_ONLY:
        return "float32"
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    if device.type == "cpu" and has_fast_bf16() and family not in SMALL:
        return "bf16"
    return "float32"


def has_fast_bf16() -> bool:
    """Whether this processor multiplies bf16 in hardware (AVX512-BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def check(precision: str, device: torch.device, engine: str = "torch") -> list[Mistake]:
    """What stands against this precision on this device, in this engine."""
    if engine in FLOAT32_ONLY and precision not in ("float32", "auto"):
        return [Mistake("run.precision", f"{engine} has float32 alone; take float32 or auto")]
    if precision == "16-mixed" and device.type != "cuda":
        return [Mistake("run.precision", "16-mixed needs a CUDA GPU; take bf16, float32 or auto")]
    if precision == "bf16" and device.type == "cpu" and not has_fast_bf16():
        return [
            Mistake("run.precision", "this processor has no bf16 in hardware; take float32 or auto")
        ]
    return []


def here(trained: str, device: torch.device, family: str, engine: str = "torch") -> str:
    """In which precision a network answers that was trained and measured in `trained`: in the same,
    where this device and engine have it."""
    return choose(device, family, engine) if check(trained, device, engine) else trained


def autocast(precision: str, device: torch.device) -> Autocast:
    """A context, made anew for each use, in which the network computes in this precision."""
    if precision == "float32":
        return nullcontext
    kind = torch.bfloat16 if precision == "bf16" else torch.float16
    return lambda: torch.autocast(device.type, dtype=kind)


def pick_device(wanted: str) -> torch.device:
    """`auto` is a CUDA GPU, else an Apple one, else the processor."""
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def check_device(wanted: str) -> list[Mistake]:
    """What stands against this device."""
    kind, _, number = wanted.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and not number.isdecimal()):
        return [Mistake("run.device", f"must be auto, cpu, cuda, cuda:N or mps, not {wanted}")]
    if kind == "mps" and not torch.backends.mps.is_available():
        return [Mistake("run.device", "there is no mps device here; take cpu or auto")]
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        there = torch.cuda.device_count()
        what = f"there is no {wanted}, only {there}" if there else "there is no CUDA GPU here"
        return [Mistake("run.device", f"{what}; take cpu or auto")]
    return []
