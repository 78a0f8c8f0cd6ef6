"""Every image once through the frozen part of a network, and never again: features in the cache.

Features are known by the image's content and by all that made them (`_origin`), so that a data
set with ten new images passes ten. They do not depend on an image's neighbours in its batch, nor
on the number of workers: batches all have one size, the last one filled up, and on a processor
each is computed by one thread.

There the workers that decode also compute, a batch at a time each. Nobody waits for anybody at
every layer, as threads that share one batch do: on two cores that was two to four times as
fast, and most so with small batches, whose layers stay in the processor's own memory.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np
import PIL
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fieldmark.cache import Cache, address
from fieldmark.console import Bar, Console
from fieldmark.data import stored as stored_images
from fieldmark.data.loader import Augmenting, Batch, Batches, Images, Key
from fieldmark.errors import StoppedError, WeightsError, counted
from fieldmark.machine import threads
from fieldmark.models import engines, precision
from fieldmark.models.bundle import Classifier
from fieldmark.models.bundle_info import BundleInfo
from fieldmark.models.engines import Engine
from fieldmark.models.infer import evaluating
from fieldmark.records import InputSpec, Samples

VERSION = 1  # of how features are made: a change makes every old one unused
VIEWS = 2  # of how views are drawn: the same for them alone
FILES = 1  # of the files: a change makes every old one unused
KIND = "features"  # the cache's word for them
KEY = 32  # letters of an image's key
PACK = 4096  # most images in a file, which is what a kill may cost


@dataclass(frozen=True)
class Pass:
    """How images pass.

    body: prepared images (n, 3, H, W) float -> features (n, ...); it is on `device`, its
    weights channels last. name: what it is besides its weights, such as network and options.
    engine: what computes it (`models/engines.py`); others than torch want the processor.
    workers: processes beside this one, by default as many as torch has threads; on an
    accelerator they only decode. stop_asked: says that the user wants to stop.
    """

    body: nn.Module
    name: str
    spec: InputSpec
    precision: str
    device: torch.device
    engine: str = engines.TORCH
    workers: int | None = None
    stop_asked: Callable[[], bool] = lambda: False

    @property
    def batch_size(self) -> int:
        """Images in each batch."""
        return 8 if self.device.type == "cpu" else 128


def body_name(info: BundleInfo) -> str:
    """What the body of a bundle's network is, besides its weights: the `name` of a Pass."""
    keeps_own = info.head == "after"  # all that features know of the head's kind
    return repr((info.model, dict(info.options), info.resizer, keeps_own, info.pool, info.mirror))


@dataclass(frozen=True)
class Views:
    """`count` augmented views of some rows; view v is what training would see in epoch v.

    name: of the augmentation, with its options.
    """

    count: int
    rows: np.ndarray
    augmenting: Augmenting
    name: str


@dataclass(frozen=True)
class Features:
    """plain: of every row of the samples as evaluation sees it, (N, ...). views: (k, n, ...).

    On the processor, in the body's own dtype. seconds: of the images' way through the body, what
    an engine needs to get ready apart.
    """

    plain: Tensor
    views: Tensor | None = None
    seconds: float = 0.0


class FeatureCache:
    """Features of one origin in the cache: files that are numbered one after another.

    A file that has gone leaves a gap, which the next one fills; what came after it is then
    found again. Until then it is only computed anew.
    """

    def __init__(self, cache: Cache, origin: str):
        self._cache, self._origin, self._next = cache, origin, 0

    def find(self, keys: set[str]) -> dict[str, Tensor]:
        """What is kept of `keys`: each one's features."""
        found: dict[str, Tensor] = {}
        while (path := self._cache.get(KIND, self._key(self._next))) is not None:
            self._next += 1
            try:
                with safe_open(path, framework="pt") as pack:
                    letters = pack.get_tensor("keys").numpy()
                    names = letters.view(f"S{KEY}").astype(str).tolist()
                    wanted = [place for place, name in enumerate(names) if name in keys]
                    if wanted:  # one tensor of their own, not the whole file's
                        features = pack.get_tensor("features")[torch.tensor(wanted)]
                        found |= {names[at]: row for at, row in zip(wanted, features, strict=True)}
            except (SafetensorError, OSError, ValueError):  # deleted this moment, or damaged
                continue
        return found

    def add(self, keys: Sequence[str], features: Tensor) -> None:
        """Keep the features of `keys`, (n, ...), in a file of their own."""
        letters = np.array(keys, f"S{KEY}").view(np.uint8)
        pack = {"keys": torch.from_numpy(letters), "features": features.contiguous()}
        while self._cache.get(KIND, self._key(self._next)) is not None:
            self._next += 1  # found again behind a gap, or another process was faster
        self._cache.put(KIND, self._key(self._next), lambda draft: save_file(pack, draft))
        self._next += 1

    def _key(self, number: int) -> str:
        return address(FILES, self._origin, number)


@dataclass(frozen=True)
class _Job:
    """Rows to be passed as `images` gives them in `epoch`, and the key of each."""

    images: Images
    epoch: int
    rows: np.ndarray
    keys: list[str]


def embed(
    passing: Pass,
    samples: Samples,
    *,
    cache: Cache,
    console: Console,
    stored: stored_images.Stored | None = None,
    views: Views | None = None,
) -> Features:
    """Features of every row, and of the views; what the cache has is not computed.

    The same image twice passes once. A pass that is stopped or killed goes on, the next time,
    near where it was. Raises DataError for an image that cannot be read, StoppedError,
    WeightsError for features that are no numbers, and SettingsError for an engine that cannot
    take the body or whose features are not torch's.
    """
    jobs = _jobs(passing, samples, stored, views)
    kept = FeatureCache(cache, _origin(passing))
    known = kept.find({key for job in jobs for key in job.keys})
    missing = [_without(job, known) for job in jobs]
    seconds = 0.0
    if total := sum(len(job.rows) for job in missing):
        model = _Model(passing)
        if model.engine is not None:
            few = _few(next(job for job in missing if len(job.rows)))
            console.say(engines.compared(model.engine, *_both_ways(passing, model, few)))
        begun = time.monotonic()
        new, kept_already = len(missing[0].rows), len(set(jobs[0].keys) & known.keys())
        if new and kept_already:
            console.say(f"{counted(new, 'image')} to embed; features of {kept_already} are at hand")
        with console.bar("embedding images", total) as bar:
            for job in missing:
                for part in _parts(job, passing.batch_size):
                    known |= _pass(passing, model, part, kept, bar)
        seconds = time.monotonic() - begun
    plain, *others = (torch.stack([known[key] for key in job.keys]) for job in jobs)
    _refuse_not_finite(passing, samples, plain)
    return Features(plain, torch.stack(others) if others else None, seconds)


def _refuse_not_finite(passing: Pass, samples: Samples, plain: Tensor) -> None:
    """Raise WeightsError where an image has features that are nan or infinite."""
    rows = torch.nonzero(~plain.flatten(1).isfinite().all(dim=1)).flatten().tolist()
    if not rows:
        return
    more = f", and those of {counted(len(rows) - 1, 'image')} more" if rows[1:] else ""
    remedy = "" if passing.precision == "float32" else ", or run.precision=float32"
    raise WeightsError(
        f"{samples.frame['path'][rows[0]]}: its features are nan or infinite{more}; "
        f"take other weights{remedy}"
    )


def _jobs(
    passing: Pass, samples: Samples, stored: stored_images.Stored | None, views: Views | None
) -> list[_Job]:
    """Every row as evaluation sees it, then each view. Raises ValueError for an unknown content."""
    contents: list[str] = samples.frame["hash"].to_list()
    if None in contents:
        raise ValueError("the samples have no content hashes yet; scan them first")
    classes, spec = samples.classes, passing.spec
    plain = Images(samples, classes, spec, stored=stored)
    jobs = [_Job(plain, 0, np.arange(len(samples)), [address(content) for content in contents])]
    if views is not None:
        augmented = Images(samples, classes, spec, views.augmenting, stored=stored)
        name, seed = f"{VIEWS} {views.name}", views.augmenting.seed
        for view in range(views.count):
            keys = [address(contents[row], name, seed, view, row) for row in views.rows.tolist()]
            jobs.append(_Job(augmented, view, views.rows, keys))
    return jobs


def _without(job: _Job, known: dict[str, Tensor]) -> _Job:
    """The rows that are not known, each content once."""
    rows: dict[str, int] = {}
    for key, row in zip(job.keys, job.rows.tolist(), strict=True):
        if key not in known:
            rows.setdefault(key, row)
    return _Job(job.images, job.epoch, np.array(list(rows.values()), np.int64), list(rows))


def _parts(job: _Job, batch_size: int) -> Iterator[_Job]:
    """The job in parts of a file each, of whole batches as far as there are."""
    size = max(1, PACK // batch_size) * batch_size
    for start in range(0, len(job.rows), size):
        end = start + size
        yield _Job(job.images, job.epoch, job.rows[start:end], job.keys[start:end])


def _few(job: _Job) -> _Job:
    """Some of the job's rows, spread over all of them."""
    places = np.unique(np.linspace(0, len(job.rows) - 1, engines.COMPARED).astype(int))
    return _Job(job.images, job.epoch, job.rows[places], [job.keys[place] for place in places])


def _both_ways(passing: Pass, model: "_Model", job: _Job) -> tuple[Tensor, Tensor]:
    """Features of the job's rows by the model, and by torch in float32."""
    in_torch = replace(passing, engine=engines.TORCH, precision="float32")
    found = torch.cat(list(_batches(passing, model, job)))
    return found, torch.cat(list(_batches(in_torch, _Model(in_torch), job)))


def _pass(
    passing: Pass, model: "_Model", job: _Job, kept: FeatureCache, bar: Bar
) -> dict[str, Tensor]:
    """Features of a job's rows by key, which are kept even where it ends before its time."""
    found: list[Tensor] = []
    try:
        for features in _batches(passing, model, job):
            found.append(features)
            bar.advance(len(features))
            if passing.stop_asked():
                raise StoppedError("stopped while the images were embedded; what was is kept")
    finally:
        if found:
            whole = torch.cat(found)
            kept.add(job.keys[: len(whole)], whole)
    return dict(zip(job.keys, whole, strict=True))


def _batches(passing: Pass, model: "_Model", job: _Job) -> Iterator[Tensor]:
    """Features of the job's rows, (n, ...) a batch, on the processor."""
    size, left, rows = passing.batch_size, len(job.rows), job.rows
    if left % size == 1 and left > 1:
        rows = np.append(rows, rows[-1])  # the loader would join a last one to the batch before
    in_workers = passing.device.type == "cpu"
    images = _Embedded(job.images, model) if in_workers else job.images
    workers = torch.get_num_threads() if passing.workers is None else passing.workers
    workers = min(workers, len(rows) // size)
    if in_workers and workers == 1:
        workers = 0  # it would do all the work, and this process would wait
    batches = Batches(images, rows, batch_size=size, seed=None, workers=workers)
    with evaluating(model.classifier):
        for batch, _ in batches.epoch(job.epoch):
            features = batch if in_workers else model(batch).cpu()
            count = min(size, left)
            left -= count
            yield features[:count].clone()  # what a worker sent holds a file open


class _Model:
    """The body as a function of images as the loader gives them."""

    def __init__(self, passing: Pass):
        self.classifier = Classifier(passing.body, passing.spec).to(passing.device)
        self._device, self._size = passing.device, passing.batch_size
        self._autocast = precision.autocast(passing.precision, passing.device)
        self.engine: Engine | None = None
        if passing.engine != engines.TORCH:
            self.engine = Engine(
                passing.engine, self.classifier, passing.spec.size, precision=passing.precision
            )

    def __call__(self, images: Tensor) -> Tensor:
        """At most a batch, (n, 3, H, W) of 0 to 255 -> features of a whole batch, on the device."""
        if self.engine is not None:
            return self._filled(self.engine(images))
        whole = self._filled(images).to(
            self._device, memory_format=torch.channels_last, non_blocking=True
        )
        with torch.inference_mode(), self._autocast():
            features: Tensor = self.classifier(whole)
        return features.clone()  # made outside, so that it is a tensor as any other

    def _filled(self, some: Tensor) -> Tensor:
        """A batch's worth, (batch size, ...), the last one repeated."""
        return torch.cat([some, *[some[-1:]] * (self._size - len(some))])


class _Embedded(Images):
    """Images that a worker has passed through the model already."""

    def __init__(self, images: Images, model: _Model):
        self.targets, self._images, self._model = images.targets, images, model

    def __getitems__(self, keys: list[Key]) -> Batch:
        """-> (batch size, ...) features, of which the first ones count; (n,) targets"""
        images, targets = self._images.__getitems__(keys)
        with threads(1):
            return self._model(images), targets


def _origin(passing: Pass) -> str:
    """The address of all that makes features, besides the image."""
    body, device = passing.body, passing.device
    # how images are evaluated follows from the spec, by a rule that may change
    spec = json.dumps([passing.spec.to_json(), passing.spec.evaluated_form])
    decoding = (stored_images.VERSION, PIL.__version__)
    computing: tuple[str | int, ...] = (passing.precision, passing.batch_size)
    if passing.engine != engines.TORCH:
        computing += (engines.described(passing.engine),)
    machine = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else torch.backends.cpu.get_cpu_capability()
    )
    made_of = tuple(version(package) for package in ("torch", "torchvision", "timm"))
    network = (passing.name, made_of, weights_hash(body))
    return address(VERSION, network, spec, decoding, computing, device.type, machine)


def weights_hash(body: nn.Module) -> str:
    """An address of a network's weights, by their names and values."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in body.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
