"""An exported ONNX file at work in onnxruntime, as an `Opened` is; without torch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fieldmark.data.images import Content, seen, uncropped
from fieldmark.data.inside import content_at
from fieldmark.data.tables import Named
from fieldmark.errors import Mistake, WeightsError, refuse
from fieldmark.machine import INSTALL, cores, is_installed
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.use.exported_info import drift, exported_info, metadata, onnx_file
from fieldmark.use.reading import Read, batches
from fieldmark.use.unlike import Check, check_of

LOGITS, EMBEDDING = "logits", "embedding"  # names of outputs


@dataclass(frozen=True)
class Exported:
    """A file that is ready to look at images, one at a time.

    run: (1, H, W, 3) uint8 and names of outputs -> these outputs. resizes: whether H and W may be
    any, else they are the network's.
    """

    info: BundleInfo
    run: Callable[[np.ndarray, Sequence[str]], list[np.ndarray]]
    outputs: tuple[str, ...]
    told: list[str]
    resizes: bool = True

    def check(self, path: str | Path) -> Check | str:
        """What the export holds images against, or in a sentence why it cannot.

        path: its own. Raises WeightsError.
        """
        if self.info.unlike is not None and EMBEDDING not in self.outputs:
            return (
                f"{path}: has no output '{EMBEDDING}', by which images unlike the training ones "
                "are told; export it with --embedding, or name the run"
            )
        return check_of(self.info, onnx_file(path).parent)

    def read(self, image: Path | Content, name: str) -> np.ndarray:
        """A picture file, its bytes or pixels -> (H, W, 3) uint8. Raises DataError.

        It is resized here, by threads, as the graph would to the last bit: pictures of their whole
        size would fill the memory of who decodes more of them than are computed.
        """
        content = content_at(image) if isinstance(image, Path) else image
        return (uncropped if self.resizes else seen)(content, self.info.spec, name)

    def batches(self, images: Iterable[Path | Content | Named], size: int) -> Iterator[list[Read]]:
        """As `reading.batches`."""
        return batches(images, size, self.read, self.info.spec)

    def together(self, read: Iterable[Read]) -> list[np.ndarray]:
        """Those of the images that could be read, (1, H, W, 3) uint8 each."""
        return [each.seen[None] for each in read if isinstance(each.seen, np.ndarray)]

    def logits(
        self, images: Iterable[np.ndarray], advance: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """-> (N, C) float32 of images as `together` gives them."""
        return self._rows(images, (LOGITS,), advance)[0]

    def look(
        self,
        images: Iterable[np.ndarray],
        see: Callable[[np.ndarray], np.ndarray],
        advance: Callable[[int], None] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """-> logits (N, C), and (N,) what `see` makes of the images' embeddings, in one pass."""
        logits, features = self._rows(images, (LOGITS, EMBEDDING), advance)
        return logits, see(features)

    def _rows(
        self,
        images: Iterable[np.ndarray],
        names: Sequence[str],
        advance: Callable[[int], None] | None,
    ) -> list[np.ndarray]:
        found = []
        for image in images:
            found.append(self.run(image, names))
            if advance:
                advance(1)
        if not found:
            return [np.zeros((0, 0), np.float32) for _ in names]
        return [np.concatenate(rows).astype(np.float32) for rows in zip(*found, strict=True)]


def open_export(path: str | Path, device: str, engine: str) -> Exported:
    """An export, opened on the processor. engine: "torch" is what nobody has asked for here.

    Raises RunError where it is none, WeightsError where it is damaged, SettingsError for what an
    export cannot do.
    """
    info = exported_info(path)
    refuse(_mistakes(path, device, engine))
    file = onnx_file(path)
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = cores(), 1
    options.log_severity_level = 3  # errors; it warns of constants that it folds
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others decode
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # of its own kinds, which have no common root
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"{file}: cannot be opened by onnxruntime ({reason}); export it anew"
        ) from error
    (taken,) = session.get_inputs()

    def run(image: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
        found: list[Any] = session.run(list(names), {taken.name: image})
        return found

    said = metadata(file)
    outputs = tuple(each.name for each in session.get_outputs())
    return Exported(info, run, outputs, drift(file, said), said.get("resizes") != "false")


def _mistakes(path: str | Path, device: str, engine: str) -> Iterator[Mistake]:
    if device not in ("auto", "cpu"):
        what = f"{path} is an export, which is computed on the processor"
        what += "; leave it out, or name the run"
        yield Mistake(f"--device {device}", what)
    if engine not in ("torch", "onnxruntime"):
        what = f"{path} is an export, which onnxruntime computes; leave it out, or name the run"
        yield Mistake(f"--engine {engine}", what)
    if not is_installed("onnxruntime"):
        what = "is an export, which 'onnxruntime' computes, and that is not installed; install it"
        yield Mistake(str(path), f"{what} with: {INSTALL} onnxruntime")
