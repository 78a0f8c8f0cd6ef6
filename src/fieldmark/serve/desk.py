"""Where requests meet the model: what is taken, what waits, and what becomes of it."""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from fieldmark.data.opening import at_most
from fieldmark.machine import cores
from fieldmark.serve.batcher import Batcher
from fieldmark.serve.counts import Counts
from fieldmark.serve.decoders import Decoders
from fieldmark.serve.limits import Limits, RefusalError, full
from fieldmark.use.predictor import Failure, Prediction, Predictor

if TYPE_CHECKING:
    from fieldmark.serve.received import Picture
    from fieldmark.use.reading import Read

Answer = Prediction | Failure
MOST_DECODERS = 4
BATCHES = 2  # that are computed at once
REMEMBERED = 10  # pictures, or batches, that a step's pace is of
PATIENCE = 10.0  # seconds at one picture, after which a thread is given up
HUNG = "too many pictures have hung here, and none is taken any more; start the server anew"
STOPPING = "the server is stopping; ask another one, or come back"


@dataclass(eq=False)
class Job:
    """A picture on its way, and the place that waits for its answer."""

    picture: "Picture | None"
    answer: "asyncio.Future[Answer]"
    read: "Read | None" = None


class Desk:
    """Takes pictures, has threads decode them and two compute, and counts what went by.

    All but the threads' own steps is called from the event loop.
    """

    def __init__(self, predictor: Predictor, limits: Limits, seconds_an_image: float = 0.1):
        """seconds_an_image: how long the network took for one so far."""
        self.predictor, self.limits, self.counts = predictor, limits, Counts()
        self.is_stopping = False
        self.requests = self.images = self.held = 0  # that are taken and not answered yet
        self._paces = {"decoding": 0.0, "computing": seconds_an_image}
        self._lock = Lock()
        self._patience, self._readers = (
            min(PATIENCE, limits.seconds / 2),
            min(cores(), MOST_DECODERS),
        )
        self._decoders = Decoders(self._decode, self._readers, self._patience)
        self._batcher: Batcher[Job] = Batcher(
            self._compute,
            size=limits.batch_size,
            wait=limits.wait_ms / 1000,
            coming=lambda: self._decoders.unread,
            threads=BATCHES,
        )

    @property
    def why_not(self) -> str:
        """Why nothing is taken now; "" where something is."""
        return STOPPING if self.is_stopping else HUNG if self._decoders.is_stuck else ""

    @property
    def hung(self) -> int:
        """Threads that hang at a picture."""
        return self._decoders.hung

    def close(self) -> None:
        """Let the threads end."""
        self._decoders.close()
        self._batcher.close()

    @contextlib.contextmanager
    def taking(self) -> Iterator["Taken"]:
        """A request that is taken, whose parts are counted inside. Raises RefusalError."""
        if self.why_not:
            raise RefusalError(503, self.why_not, {"Retry-After": "5"})
        self.refuse_full(1)
        taken = Taken(self)
        self.requests += 1
        try:
            yield taken
        finally:
            self.requests -= 1
            self.images -= taken.images
            self.held -= taken.held

    @property
    def pace(self) -> float:
        """The seconds from one answer to the next, of many: those of the slower step."""
        return max(self._paces.values())

    @property
    def wait(self) -> float:
        """Seconds until what is taken has its answers, by the pace so far."""
        return self.images * self.pace

    def refuse_full(self, more: int) -> None:
        """Raise RefusalError where so many more images are too many, or would wait too long."""
        is_late = self.images > 0 and self.wait + more * self.pace > self.limits.seconds
        if self.images + more > self.limits.queue or is_late:
            raise full(self.wait)

    def begun(self, pictures: Sequence["Picture"]) -> "list[asyncio.Future[Answer]]":
        """The answers that the pictures will have; one that is cancelled is not computed."""
        loop = asyncio.get_running_loop()
        jobs = [Job(picture, loop.create_future()) for picture in pictures]
        for job in jobs:
            self._decoders.put(job)
        return [job.answer for job in jobs]

    def replace_hung(self) -> None:
        """Look for threads that hang at a picture."""
        self._decoders.replace_hung()

    def _decode(self, job: Job) -> None:
        """In a thread of the decoders."""
        picture, job.picture = job.picture, None
        if picture is None or job.answer.done():
            return
        begun = time.monotonic()
        try:
            with at_most(self.limits.pixels):
                job.read = self.predictor.read(picture.content, picture.name, picture.caption)
        except Exception as error:  # whatever it is, it is this picture's alone
            what = f"{picture.name}: cannot be read ({type(error).__name__}: {error})"
            _settle([job], [Failure(picture.name, what)])
            return
        if (seconds := time.monotonic() - begun) < self._patience:  # else it was given up
            self._took("decoding", seconds / self._readers)
        if isinstance(job.read.seen, str):
            _settle([job], [Failure(job.read.name, job.read.seen)])
        else:
            self._batcher.put(job)

    def _compute(self, jobs: Sequence[Job]) -> None:
        """In a thread of the batcher."""
        wanted = [job for job in jobs if not job.answer.done()]
        if not wanted:
            return
        begun = time.monotonic()
        answers = self._answers(wanted)
        self._took("computing", (time.monotonic() - begun) / len(wanted) / BATCHES)
        with self._lock:
            self.counts.batches.add(len(wanted))
        _settle(wanted, answers)

    def _took(self, step: str, pace: float) -> None:
        with self._lock:
            self._paces[step] += (pace - self._paces[step]) / REMEMBERED

    def _answers(self, jobs: Sequence[Job]) -> list[Answer | Exception]:
        """One for each; where a batch comes to none, its images are asked one by one, so that a
        request does not pay for another's picture."""
        try:
            return [*self.predictor.answers([job.read for job in jobs if job.read is not None])]
        except Exception as error:  # such as too little memory, which the next batch may have
            if len(jobs) == 1:
                return [error]
        return [answer for job in jobs for answer in self._answers([job])]


class Taken:
    """What a request that is taken holds, which is given back at its end."""

    def __init__(self, desk: Desk):
        self._desk, self.images, self.held = desk, 0, 0

    def bytes(self, number: int) -> None:
        """Take as many bytes into memory. Raises RefusalError."""
        desk = self._desk
        if desk.held + number > desk.limits.held:
            raise full(desk.wait)
        desk.held, self.held = desk.held + number, self.held + number

    def pictures(self, number: int) -> None:
        """Take as many images into the queue. Raises RefusalError."""
        self._desk.refuse_full(number)
        self._desk.images, self.images = self._desk.images + number, self.images + number


def _settle(jobs: Sequence[Job], answers: Sequence[Answer | Exception]) -> None:
    """Hand the answers over to who waits for them, from a thread."""
    with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
        jobs[0].answer.get_loop().call_soon_threadsafe(_tell, jobs, answers)


def _tell(jobs: Sequence[Job], answers: Sequence[Answer | Exception]) -> None:
    for job, answer in zip(jobs, answers, strict=True):
        if job.answer.done():
            continue
        if isinstance(answer, Exception):
            job.answer.set_exception(answer)
        else:
            job.answer.set_result(answer)
