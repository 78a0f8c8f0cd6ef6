"""What goes by on the way to a table of predictions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fieldmark.data.seen_part import LITTLE
from fieldmark.use.predictor import Answer, Failure, Prediction


@dataclass
class Tally:
    """How many images had an answer, how many of these no label, and those without an answer.

    unlike: how many were unlike those of the training, with a label or without; in_sets: classes in
    all sets together; little: the images of which hardly any is seen.
    """

    seen: int = 0
    unlabelled: int = 0
    unlike: int = 0
    sets: int = 0
    in_sets: int = 0
    failures: list[Failure] = field(default_factory=list)
    little: list[str] = field(default_factory=list)

    def watch(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """The answers, of which the failures are kept."""
        for answer in answers:
            if isinstance(answer, Failure):
                self.failures.append(answer)
            else:
                self.seen += 1
                self.unlabelled += answer.label is None
                self.unlike += answer.is_unlike
                self.sets += bool(answer.set)
                self.in_sets += len(answer.set)
                if answer.part < LITTLE:
                    self.little.append(answer.image)
            yield answer

    def answered(self, answers: Iterable[Answer]) -> Iterator[Prediction]:
        """The answers but the failures."""
        return (each for each in self.watch(answers) if isinstance(each, Prediction))
