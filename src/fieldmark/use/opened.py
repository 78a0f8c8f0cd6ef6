"""An opened bundle: the network on its device, and how an image becomes what it looks at."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fieldmark.captioned import Captioned, Seen
from fieldmark.data.images import Content, seen
from fieldmark.data.inside import content_at
from fieldmark.data.tables import Named
from fieldmark.data.words import counted
from fieldmark.errors import Mistake, listed, refuse
from fieldmark.models import bundle, engines, precision
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.catalog import family
from fieldmark.models.engines import InEngine
from fieldmark.models.infer import infer
from fieldmark.models.known import watched
from fieldmark.models.memory import available, large_batch
from fieldmark.use.info import info_of
from fieldmark.use.reading import Read, batches


@dataclass(frozen=True)
class Opened:
    """A bundle that is ready to look at images.

    autocast: a context, made anew for each use, in the precision that it was measured in.
    in_engine: what computes in place of the network, where another engine than torch does.
    """

    network: bundle.Classifier
    info: BundleInfo
    device: torch.device
    autocast: precision.Autocast
    in_engine: InEngine | None = None

    @property
    def packages(self) -> tuple[str, ...]:
        """Of another engine than torch."""
        return engines.PACKAGES[self.in_engine.name] if self.in_engine else ()

    @property
    def told(self) -> list[str]:
        """What another engine than torch has computed, in words; [] where torch computes."""
        return [self.in_engine.told] if self.in_engine and self.in_engine.told else []

    def read(self, image: Path | Content, name: str) -> torch.Tensor:
        """A picture file, its bytes or pixels -> (3, size, size) uint8. Raises DataError."""
        content = content_at(image) if isinstance(image, Path) else image
        return torch.from_numpy(seen(content, self.info.spec, name)).permute(2, 0, 1)

    def batches(self, images: Iterable[Path | Content | Named], size: int) -> Iterator[list[Read]]:
        """As `reading.batches`. Raises SettingsError: too little memory for one of them."""
        side, free = self.info.spec.size, available(str(self.device))

        def check(number: int) -> None:
            refuse(large_batch(self.network.network, side, number, free, training=False))

        return batches(images, size, self.read, self.info.spec, check)

    def together(self, read: Iterable[Read]) -> list[Seen]:
        """Those of the images that could be read as one batch, [] without any."""
        there = [each for each in read if isinstance(each.seen, torch.Tensor)]
        if not there:
            return []
        images = torch.stack([torch.as_tensor(each.seen) for each in there])
        if not self.info.spec.words:
            return [images]
        words = counted([each.caption for each in there], self.info.spec.words)
        return [Captioned(images, torch.from_numpy(words))]

    def logits(
        self, batches: Iterable[Any], advance: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """-> (N, C) float32 of batches as `infer` takes them."""
        if self.in_engine is not None:
            return infer(self.in_engine, batches, device=self.device, advance=advance)
        return infer(
            self.network, batches, device=self.device, autocast=self.autocast, advance=advance
        )

    def look(
        self,
        batches: Iterable[Any],
        see: Callable[[np.ndarray], np.ndarray],
        advance: Callable[[int], None] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """-> logits (N, C), and (N,) what `see` makes of the images' features, in one pass."""
        with watched(self.network.network, self.info.spec.words, see) as seen:
            logits = self.logits(batches, advance)
        return logits, np.concatenate(seen) if seen else np.full(len(logits), np.nan, np.float32)


def open_bundle(path: str | Path, device: str = "auto", engine: str = engines.TORCH) -> Opened:
    """The bundle in a folder (a run's, or one that holds its two files), opened on a device.

    Raises RunError where there is none, WeightsError where it is damaged, SettingsError for a
    device that there is not, and for an engine that there is not or that cannot take the network.
    """
    info_of(path)
    refuse(Mistake("--device", each.what) for each in precision.check_device(device))
    place = precision.pick_device(device)
    if engine not in engines.PACKAGES:
        what = f"there is no engine '{engine}'; there are {listed(engines.PACKAGES)}"
        refuse([Mistake("--engine", what)])
    refuse(engines.check(engine, place))
    network, info = bundle.load(Path(path))
    network.to(place).to(memory_format=torch.channels_last)
    measured = precision.here(info.precision, place, family(info.model), engine)
    autocast = precision.autocast(measured, place)
    if engine == engines.TORCH:
        return Opened(network, info, place, autocast)
    threads = torch.get_num_threads()
    computing = InEngine(network, engine, precision=measured, threads=threads)
    return Opened(network, info, place, autocast, computing)
