"""The state of training on disk: one safetensors file, whole or not at all, that runs no code.

Tensors are stored as tensors; the rest of the tree (counters, history, the optimiser's groups)
as JSON in the file's own header. The best weights have a file of their own, named by epoch, and
so has what an epoch's steps gave since the checkpoint before, named by its place. They are
written before the state that names them, so that no kill can part the two.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from fieldmark.errors import RunError
from fieldmark.files import write_whole

Tensors = dict[str, torch.Tensor]
START = "start.safetensors"
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class Checkpoints:
    """The checkpoint folder of one run."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._state = folder / "state.safetensors"

    @property
    def is_there(self) -> bool:
        """Whether a state was ever written."""
        return self._state.is_file()

    def write(self, state: dict[str, Any]) -> None:
        """Put `state`, a tree of tensors and plain values, in the place of the last one."""
        tensors: Tensors = {}
        about = json.dumps(_take_tensors(state, tensors))
        self._save(self._state, tensors, about)
        self._forget_all_but(self._best(state.get("best_epoch") or 0), state.get("running", []))

    def read(self) -> dict[str, Any] | None:
        """The state last written, or None where there is none yet. Raises RunError."""
        if not self._state.is_file():
            return None
        try:
            with safe_open(self._state, framework="pt") as stream:
                about = json.loads(stream.metadata()["state"])
            return dict(_put_tensors(about, load_file(self._state)))
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{self._state}: is damaged; delete {self._folder} to train from the beginning"
            ) from error

    def write_best(self, epoch: int, weights: Tensors) -> None:
        """Keep the weights of `epoch`, the best so far."""
        self._save(self._best(epoch), weights)

    def write_running(self, epoch: int, step: int, chunk: tuple[torch.Tensor, torch.Tensor]) -> str:
        """Keep logits and targets of an epoch's steps up to `step`. -> the name that finds them"""
        name = f"running-{epoch:05d}-{step:07d}.safetensors"
        self._save(self._folder / name, dict(zip(("logits", "targets"), chunk, strict=True)))
        return name

    def read_running(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """What `write_running` kept. Raises RunError."""
        found = self._read(self._folder / name)
        return found["logits"], found["targets"]

    def read_best(self, epoch: int) -> Tensors:
        """The weights that `write_best` kept. Raises RunError."""
        return self._read(self._best(epoch))

    def write_start(self, weights: Tensors) -> None:
        """Keep the weights with which the tuning began."""
        self._save(self._folder / START, weights)

    def read_start(self) -> Tensors:
        """The weights that `write_start` kept. Raises RunError."""
        return self._read(self._folder / START)

    def _save(self, path: Path, tensors: Tensors, about: str = "{}") -> None:
        self._folder.mkdir(exist_ok=True)
        laid_out = {name: tensor.contiguous() for name, tensor in tensors.items()}
        write_whole(path, lambda draft: save_file(laid_out, draft, {"state": about}))

    def _read(self, path: Path) -> Tensors:
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise RunError(f"{path}: cannot be read ({error})") from error

    def _best(self, epoch: int) -> Path:
        return self._folder / f"best-{epoch:05d}.safetensors"

    def _forget_all_but(self, best: Path, running: Collection[str]) -> None:
        for path in self._folder.glob("best-*.safetensors"):
            if path != best:
                path.unlink()
        for path in self._folder.glob("running-*.safetensors"):
            if path.name not in running:
                path.unlink()


def _take_tensors(value: Any, tensors: Tensors) -> Any:
    """The tree with a name in each tensor's place; the tensors go into `tensors`.

    A dict becomes a list of pairs, for JSON has only texts as keys; a dtype, which some
    optimisers keep in their groups, its name.
    """
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().clone()
        return {"tensor": name}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, dict):
        return {"dict": [[key, _take_tensors(each, tensors)] for key, each in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_take_tensors(each, tensors) for each in value]
    return value


def _put_tensors(value: Any, tensors: Tensors) -> Any:
    """The reverse of `_take_tensors`; tuples have become lists."""
    if isinstance(value, dict) and "tensor" in value:
        return tensors[value["tensor"]]
    if isinstance(value, dict) and "dtype" in value:
        return DTYPES[value["dtype"]]
    if isinstance(value, dict):
        return {key: _put_tensors(each, tensors) for key, each in value["dict"]}
    if isinstance(value, list):
        return [_put_tensors(each, tensors) for each in value]
    return value
