"""What goes by on the way to a table of predictions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fieldmark.use.predictor import Failure, Prediction


@dataclass
class Tally:
    """How many images had an answer, how many of these no label, and those without an answer."""

    seen: int = 0
    unlabelled: int = 0
    failures: list[Failure] = field(default_factory=list)

    def watch(self, answers: Iterable[Prediction | Failure]) -> Iterator[Prediction | Failure]:
        """The answers, of which the failures are kept."""
        for answer in answers:
            if isinstance(answer, Failure):
                self.failures.append(answer)
            else:
                self.seen += 1
                self.unlabelled += answer.label is None
            yield answer

    def answered(self, answers: Iterable[Prediction | Failure]) -> Iterator[Prediction]:
        """The answers but the failures."""
        return (each for each in self.watch(answers) if isinstance(each, Prediction))
