"""Units of images that must stay together, dealt to sides so that each side has its share.

A unit is an image with its copies or, where there are groups, all images that groups and copies
link. Single images are dealt by the iterative stratification of Sechidis, Tsoumakas and Vlahavas,
"On the stratification of multi-label data", ECML PKDD 2011; units of several images by a greedy
search for the least chi-square. The sides are numbers: split and folds say what they stand for.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np

from fieldmark.records import Samples


class Unit(NamedTuple):
    """Images that stay together. Copies of one image count as one image."""

    rows: list[int]  # positions in the table
    images: int  # different ones
    held: dict[int, int]  # label -> how many of the images have it
    clear: bool  # no image stands under several, conflicting sets of labels


def units_of(samples: Samples, among: np.ndarray) -> list[Unit]:
    """What must stay together of the rows `among`, in the order of each unit's first row.

    Rows outside `among` link too: two rows that are tied to a third one stay together without it.
    A label is its position in `samples.classes`; images without any share the number after.
    """
    frame = samples.frame
    same = frame["copy_of"].to_list()
    if None in same:
        same = _numbered(frame["hash"].to_list())
    linked = joined(same, _numbered(frame["group"].to_list()))
    place = {name: number for number, name in enumerate(samples.classes)}
    labels = _label_sets(frame["labels"].to_list(), place)
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row in among.tolist():
        rows_of[linked[row]].append(row)
    return [_unit(rows, same, labels) for rows in rows_of.values()]


def joined(*numberings: Sequence[int | str]) -> list[int]:
    """Rows that share a number in any numbering, or are linked by a chain of such rows.

    Each numbering has a number a row. -> for each row the first row that it is linked to.
    """
    first = list(range(len(numberings[0])))

    def find(row: int) -> int:
        while first[row] != row:
            first[row] = first[first[row]]
            row = first[row]
        return row

    for numbers in (each for each in numberings if len(set(each)) < len(each)):
        met: dict[int | str, int] = {}
        for row, number in zip(range(len(first)), numbers, strict=True):
            one, other = find(met.setdefault(number, row)), find(row)
            first[max(one, other)] = min(one, other)
    return [find(row) for row in range(len(first))]


def stratified(
    units: Sequence[Unit],
    shares: Sequence[float],
    draw: np.random.Generator,
    *,
    training_first: bool = False,
) -> list[int]:
    """A side for each unit, so that each side has its share of every label. -> numbers of sides

    `shares` sum to 1. With `training_first`, side 0 is for training: units that are not clear
    go there, every label is there at least once, and a label with few units is then in side 1
    before it is in side 2. One label an image: each side has its share of every label to within
    one image (but for training, where a label of few images must be on every side).
    """
    dealing = Dealing(units, shares, training_first)
    order = [int(number) for number in draw.permutation(len(units))]
    if training_first:
        for number in order:
            if not units[number].clear:
                dealing.put(number, 0)
    if all(unit.images == 1 for unit in units):
        _deal_rarest_label_first(dealing, order)
    else:
        _deal_largest_unit_first(dealing, order)
    return dealing.side


class Dealing:
    """What each side still wants, while units are put on sides one by one."""

    def __init__(self, units: Sequence[Unit], shares: Sequence[float], training_first: bool):
        self.units, self.shares = units, shares
        self.side = [-1] * len(units)
        self.total: Counter[int] = Counter()  # label -> images
        self.left: Counter[int] = Counter()  # label -> units without a side
        for unit in units:
            self.total.update(unit.held)
            self.left.update(unit.held.keys())
        images = sum(unit.images for unit in units)
        self.room = [share * images for share in shares]
        self.want = {n: [share * count for share in shares] for n, count in self.total.items()}
        sides = range(len(shares)) if training_first else ()
        self.lacking = {label: list(sides) for label in self.total}

    def put(self, number: int, side: int) -> None:
        """Give a unit its side."""
        unit = self.units[number]
        self.side[number] = side
        self.room[side] -= unit.images
        for label, count in unit.held.items():
            self.want[label][side] -= count
            self.left[label] -= 1
            if side in self.lacking[label]:
                self.lacking[label].remove(side)

    def allowed(self, number: int) -> Sequence[int]:
        """The sides that a unit may go to: all, unless one of its labels runs out of units.

        A label with no more units than sides that lack it sends them to those, in order. The
        last unit of a label that training lacks goes before all else, so training lacks none.
        """
        due = [
            (self.left[label], self.lacking[label][0], label)
            for label in self.units[number].held
            if self.left[label] <= len(self.lacking[label])
        ]
        if not due:
            return range(len(self.shares))
        left, _, label = min(due)
        return self.lacking[label][:left]

    def wanted(self, number: int, side: int) -> float:
        """How much a side wants a unit's labels, each by what part of it is still to come."""
        held = self.units[number].held.items()
        return sum(count * self.want[label][side] / self.total[label] for label, count in held)

    def chi_square(self, number: int, side: int) -> float:
        """What a unit adds to a side's sum over labels of (part - share)^2 / share.

        The part is what the side holds of a label's images, out of 1, so that the common labels
        do not drown the rare ones.
        """
        held = self.units[number].held.items()
        more = sum(n * (n - 2 * self.want[i][side]) / self.total[i] ** 2 for i, n in held)
        return more / self.shares[side]


def _deal_rarest_label_first(dealing: Dealing, order: Iterable[int]) -> None:
    """Single images: the label with the fewest left is dealt, to the side that wants it most.

    Where sides want it equally (the paper goes by room, then draws), the image's other labels
    decide, then room; chance is in the order of the images.
    """
    having: dict[int, list[int]] = defaultdict(list)
    for number in order:
        for label in dealing.units[number].held:
            having[label].append(number)
    queue = [(left, label) for label, left in dealing.left.items()]
    heapify(queue)
    while queue:
        left, label = heappop(queue)
        if left != dealing.left[label]:  # fewer by now, which stands in the queue too
            continue
        want, touched = dealing.want[label], set[int]()
        for number in having[label]:
            if dealing.side[number] < 0:
                side = max(
                    dealing.allowed(number),
                    key=lambda s: (want[s], dealing.wanted(number, s), dealing.room[s]),
                )
                dealing.put(number, side)
                touched |= dealing.units[number].held.keys()
        for other in touched:
            heappush(queue, (dealing.left[other], other))


def _deal_largest_unit_first(dealing: Dealing, order: Iterable[int]) -> None:
    """Units of several images: the one that holds most of its labels' images goes first.

    So large units and rare labels are dealt while every side has room, and small units even out
    what those left uneven. Each goes to the side where it adds least to the chi-square.
    """

    def held_part(number: int) -> float:
        held = dealing.units[number].held.items()
        return sum(count / dealing.total[label] for label, count in held)

    for number in sorted(order, key=held_part, reverse=True):
        if dealing.side[number] < 0:
            side = min(
                dealing.allowed(number),
                key=lambda s: (dealing.chi_square(number, s), -dealing.room[s]),
            )
            dealing.put(number, side)


def _label_sets(
    labels: Sequence[Sequence[str] | None], place: Mapping[str, int]
) -> list[frozenset[int]]:
    """Each row's labels as their places; the same labels are the same object."""
    known: dict[tuple[str, ...], frozenset[int]] = {}
    found = []
    for names in map(tuple, (each or () for each in labels)):
        if names not in known:
            known[names] = frozenset(place[name] for name in names) or frozenset({len(place)})
        found.append(known[names])
    return found


def _numbered(names: Sequence[str | None]) -> list[int | str]:
    """Names as numbers; a row without a name has a number of its own."""
    return [row if name is None else name for row, name in enumerate(names)]


def _unit(rows: list[int], same: Sequence[int | str], labels: list[frozenset[int]]) -> Unit:
    if len(rows) == 1:  # as nearly all are
        return Unit(rows, 1, dict.fromkeys(labels[rows[0]], 1), clear=True)
    stands: dict[int | str, set[frozenset[int]]] = defaultdict(set)
    for row in rows:
        stands[same[row]].add(labels[row])
    held: Counter[int] = Counter()
    for under in stands.values():
        held.update(frozenset().union(*under))
    return Unit(
        rows, len(stands), dict(held), clear=all(len(under) == 1 for under in stands.values())
    )
