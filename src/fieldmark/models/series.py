"""The series that networks come in: one a paper, with its idea and what its networks share.

Plain records, so that listing networks and checking settings need no torch.
"""

from dataclasses import dataclass, field

Default = bool | int | float | str | None


@dataclass(frozen=True)
class Series:
    """Networks of one paper, or of none. `family` is coarser: what computes alike.

    options: of torchvision's networks, with their defaults; our own builders say theirs, but for
    the side of the images where a network is made for one.
    """

    family: str
    idea: str
    year: int | None = None
    paper: str = ""
    options: dict[str, Default] = field(default_factory=dict)
    smallest: int = 1  # px: with this side every network of the series works


@dataclass(frozen=True)
class Network:
    """One line of the catalog.

    parameters: for 1000 classes. multiply_adds: for one image of `size` x `size` pixels, the
    size that its published weights are for. options: where it differs from its series.
    multiple: the image's side must be a multiple of so many pixels.
    """

    series: Series
    variant: str
    parameters: int
    multiply_adds: int
    size: int = 224
    options: dict[str, Default] = field(default_factory=dict)
    multiple: int = 1

    @property
    def about(self) -> str:
        """Idea and variant in one line."""
        return f"{self.series.idea}; {self.variant}"

    def defaults(self) -> dict[str, Default]:
        """Every option with its default: the series', then what this network has otherwise."""
        return self.series.options | self.options
