"""What a server takes, and the sentence and status by which it refuses the rest."""

from collections.abc import Iterator
from dataclasses import dataclass

from fieldmark.errors import Mistake, counted

MIB = 1 << 20
HELD = 16  # largest requests whose bytes are in memory at once


@dataclass(frozen=True)
class Limits:
    """What is taken at most.

    megabytes: of a request (MiB). megapixels: of an image. images: of a request. queue: images
    that are not answered yet. seconds: that an answer takes. batch_size: images that the network
    sees at once; wait_ms: how long the first of them waits for others that are on their way.
    """

    megabytes: float = 32
    megapixels: float = 50
    images: int = 64
    queue: int = 256
    seconds: float = 30
    batch_size: int = 8
    wait_ms: float = 5

    @property
    def bytes(self) -> int:
        """Of a request."""
        return int(self.megabytes * MIB)

    @property
    def held(self) -> int:
        """Bytes of all requests that are not answered yet."""
        return HELD * self.bytes

    @property
    def pixels(self) -> int:
        """Of an image."""
        return int(self.megapixels * 1_000_000)


def mistakes(limits: Limits) -> Iterator[Mistake]:
    """What does not fit together."""
    if limits.queue < limits.images:
        what = (
            f"is less than the {counted(limits.images, 'image')} of a request (--max-images), "
            "which could never be taken; ask for more, or for fewer of those"
        )
        yield Mistake(f"--queue {limits.queue}", what)


class RefusalError(Exception):
    """A request that is refused. status: of HTTP; sentence: what is wrong, and what to do."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None):
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers or {}


def full(seconds: float) -> RefusalError:
    """More than the queue holds; seconds: after which there is room again."""
    after = str(max(1, round(seconds)))
    sentence = f"more is waiting than is taken; come back in {after} s"
    return RefusalError(429, sentence, {"Retry-After": after})


def too_large(limits: Limits) -> RefusalError:
    """More bytes than a request may have."""
    sentence = f"has more than {limits.megabytes:g} MiB; send fewer or smaller pictures at once"
    return RefusalError(413, f"the request {sentence}")


def too_many(limits: Limits) -> RefusalError:
    """More images than a request may have."""
    sentence = f"has more than {counted(limits.images, 'image')}; send fewer at once"
    return RefusalError(413, f"the request {sentence}")
