"""Other engines than torch for a network that is only looked through: onnxruntime and OpenVINO.

The network is written as ONNX once, in memory, by torch's exporter. Each process compiles that
for itself at its first image, for the threads of an engine do not come through a fork.

Batches all have one size, the last one filled up, so that an image's numbers do not depend on
its neighbours. The first images also pass torch in float32, and what is too far from that is
refused (`FARTHEST`).
"""

import contextlib
import io
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fieldmark.captioned import Captioned, Seen, pixels_of
from fieldmark.errors import Mistake, UserError, refuse
from fieldmark.machine import INSTALL, is_installed
from fieldmark.models.body import body_and_head
from fieldmark.models.bundle import Classifier
from fieldmark.models.infer import evaluating
from fieldmark.models.joined import Joined

TORCH = "torch"
PACKAGES = {  # what each engine needs, which an extra of its name installs
    TORCH: (),
    "onnxruntime": ("onnxruntime", "onnxscript"),
    "openvino": ("openvino", "onnxscript"),
}
COMPARED = 32  # of the first images, with what torch makes of them
FARTHEST = {"float32": 1e-3, "bf16": 0.1}  # from torch's features, of their mean length
AT_ONCE = 8  # images in a batch

Compiled = Callable[[np.ndarray], np.ndarray]  # (AT_ONCE, 3, H, W) float32 -> (AT_ONCE, ...)


def check(engine: str, device: torch.device) -> list[Mistake]:
    """What stands against this engine on this device; nothing is imported.

    A name that there is not is told by the settings' own reading.
    """
    if engine == TORCH or engine not in PACKAGES:
        return []
    if device.type != "cpu":
        what = f"{engine} computes on the processor, and this is on {device}; take the device cpu"
        return [Mistake("--engine", f"{what}, or the engine torch")]
    missing = [package for package in PACKAGES[engine] if not is_installed(package)]
    if missing:
        what = f"'{missing[0]}' is not installed; install it with: {INSTALL} 'fieldmark[{engine}]'"
        return [Mistake("--engine", what)]
    return []


def described(engine: str) -> str:
    """The engine and all that decides its numbers besides the network: names and versions."""
    return ", ".join(f"{package} {version(package)}" for package in (engine, *PACKAGES[engine][1:]))


class Engine:
    """A network that another engine computes on the processor."""

    def __init__(
        self, name: str, network: nn.Module, side: int, *, precision: str, threads: int = 1
    ):
        """network: (n, 3, side, side) float32 -> (n, ...), in eval mode whatever mode it is in.

        Raises SettingsError where the network cannot be written as ONNX.
        """
        self.name, self.precision = name, precision
        self._threads = threads
        self._onnx = as_onnx(network, side, engine=name)
        self._compiled: Compiled | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """(n, 3, side, side), uint8 or float32 -> (n, ...) float32, on the processor."""
        return torch.cat([self._whole(part)[: len(part)] for part in torch.split(images, AT_ONCE)])

    def _whole(self, images: Tensor) -> Tensor:
        filling = images[-1:].expand(AT_ONCE - len(images), -1, -1, -1)
        whole = torch.cat([images, filling])
        whole = whole.to(torch.float32, memory_format=torch.contiguous_format)
        if self._compiled is None:
            self._compiled = COMPILERS[self.name](self._onnx, self.precision, self._threads)
            COMPILED.add(self)
        return torch.from_numpy(self._compiled(whole.numpy()))

    def __getstate__(self) -> dict[str, Any]:
        """Without what is compiled, which a process that is spawned makes anew."""
        return {**self.__dict__, "_compiled": None}


COMPILED: "weakref.WeakSet[Engine]" = weakref.WeakSet()
OF_THE_PARENT: list[Compiled | None] = []


def _leave_to_the_parent() -> None:
    """In a process that was forked: forget what is compiled, but never end it.

    Its threads are the parent's, and to end it here would wait for them for ever.
    """
    for engine in tuple(COMPILED):
        OF_THE_PARENT.append(engine._compiled)
        engine._compiled = None


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_leave_to_the_parent)


class InEngine(nn.Module):
    """A classifier whose body another engine computes, and whose head torch does, in float32.

    name: of the engine. told: what computes and how far it is from torch, in words; "" before the
    first images.
    """

    def __init__(self, classifier: Classifier, name: str, *, precision: str, threads: int):
        """Raises SettingsError where the network has no one head, or cannot be written as ONNX."""
        super().__init__()
        self.name, side = name, classifier.spec.size
        try:
            body, self.head = body_and_head(classifier.network, side)
        except UserError as error:
            what = f"the network cannot be parted for {name} ({error}); take the engine torch"
            refuse([Mistake("--engine", what)])
        network = classifier.network
        self._words = network.words if isinstance(network, Joined) else None
        self._body = Classifier(body, replace(classifier.spec, words=0))
        self._engine = Engine(name, self._body, side, precision=precision, threads=threads)
        self.told = ""

    def forward(self, seen: Seen) -> Tensor:
        """Logits (n, C) float32 of images as Classifier takes them.

        The first call compares up to 32 of its images; raises SettingsError where they are far.
        """
        batch = pixels_of(seen)
        features = self._engine(batch)
        if not self.told:
            with evaluating(self._body):
                parts = torch.split(batch[:COMPARED], AT_ONCE)
                wanted = torch.cat([self._body(part) for part in parts])
            self.told = compared(self._engine, features[:COMPARED], wanted)
        if self._words is not None and isinstance(seen, Captioned):
            features = self._words(features, seen.words)
        logits: Tensor = self.head(features)
        return logits


def compared(engine: Engine, found: Tensor, wanted: Tensor) -> str:
    """What computes and how far it is from torch, in words. Raises SettingsError: too far.

    found, wanted: (n, ...), of the same images by the engine, and by torch in float32.
    """
    length = wanted.flatten(1).norm(dim=1).mean()
    apart = float((found.float() - wanted).flatten(1).norm(dim=1).max() / length)
    broken = not torch.equal(found.isfinite(), wanted.isfinite())
    most = FARTHEST[engine.precision]
    if broken or apart > most:
        far = "not finite where torch's are" if broken else f"{apart:.2g} of their length off"
        what = (
            f"features of {len(found)} images by {engine.name} in {engine.precision} are {far}, "
            f"and at most {most:g} is taken; take the engine torch"
        )
        refuse([Mistake("--engine", what)])
    return (
        f"{engine.name} {version(engine.name)} computes the features, in {engine.precision}; those "
        f"of {len(found)} images are within {apart:.2g} of their length of torch's in float32"
    )


def as_onnx(network: nn.Module, side: int, *, engine: str) -> bytes:
    """An ONNX file, in memory, of the network on AT_ONCE images. Raises SettingsError."""
    images = torch.zeros(AT_ONCE, 3, side, side)
    screen = io.StringIO()  # it prints what it does
    try:
        with (
            evaluating(network),
            torch.no_grad(),
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stdout(screen),
            contextlib.redirect_stderr(screen),
        ):
            program: Any = torch.onnx.export(network, (images,), dynamo=True, verbose=False)
            content: bytes = program.model_proto.SerializeToString()
    except Exception as error:  # of torch, onnxscript or protobuf, and of no common kind
        reason = str(error).strip().partition("\n")[0]
        what = f"the network cannot be written as ONNX, which {engine} needs ({reason})"
        refuse([Mistake("--engine", f"{what}; take the engine torch")])
        raise
    return content


def _in_onnxruntime(onnx: bytes, precision: str, threads: int) -> Compiled:
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # which its build for Windows has
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others decode
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()

    def compute(images: np.ndarray) -> np.ndarray:
        found: np.ndarray = session.run(None, {taken.name: images})[0]
        return found

    return compute


def _in_openvino(onnx: bytes, precision: str, threads: int) -> Compiled:
    # else importing it sends word of that to its makers; without the package it does not
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    core = openvino.Core()
    hints = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bf16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # several processes would share the first core
    }
    compiled = core.compile_model(core.read_model(onnx), "CPU", hints)
    own = threading.local()  # a request is for one thread at a time

    def compute(images: np.ndarray) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        found: np.ndarray = own.request.infer([images], share_inputs=True)[0]  # a copy
        return found

    return compute


COMPILERS = {"onnxruntime": _in_onnxruntime, "openvino": _in_openvino}
