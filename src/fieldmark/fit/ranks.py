"""What several processes that train one network must agree on, lest they part ways.

Today there is one process, which agrees with itself. With several, `any_of` and `of_first` are
where they wait for each other: each must ask them at the same places, in the same order.
"""

from typing import TypeVar

T = TypeVar("T")


class Ranks:
    """This process among those that train together: alone, all is as it says."""

    rank = 0

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def any_of(self, mine: bool) -> bool:
        """Whether it is so in any process."""
        return mine

    def of_first(self, mine: T) -> T:
        """What the first one found: clocks and last bits may differ."""
        return mine


ALONE = Ranks()
