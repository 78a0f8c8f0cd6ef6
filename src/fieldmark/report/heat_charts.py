"""Charts of whether heat maps are true: the hottest first against any order, and drawn weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fieldmark.errors import counted
from fieldmark.report.curves import INK, VAL, Curve, drawing, empty_axes, shortened, themed_svg

FEW = 4  # images with both maps; of fewer it is not said whether maps are to be believed
STAYS = 0.5  # a rank correlation above which a map has hardly changed
TICKS = 7  # layers that are named on the axis
LETTERS = 14  # of a layer's name on an axis


@dataclass(frozen=True)
class Proof:
    """Whether the maps are true, over all of them.

    deletion, insertion: (N, K) scores by the share of the picture that is gone, or there, in K even
    steps from none to all, the hottest first; random_...: in any order. drawn: by layer, from the
    head backwards, the mean rank correlation of maps with those of a network whose weights are
    drawn anew from there on, and of how many images.
    """

    deletion: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    insertion: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    random_deletion: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    random_insertion: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    drawn: Sequence[tuple[str, float, int]] = ()


def proof_charts(proof: Proof) -> list[Curve]:
    """Deletion, insertion and drawn weights, those of them that were looked at."""
    found = []
    if len(proof.deletion):
        title = "Score as the hottest parts go first"
        found.append(_order_chart(title, proof.deletion, proof.random_deletion, "blurred"))
        title = "Score as the hottest parts come first"
        found.append(_order_chart(title, proof.insertion, proof.random_insertion, "shown"))
    if proof.drawn:
        found.append(_drawn_chart(proof.drawn))
    return found


def proof_words(proof: Proof) -> list[str]:
    """What the charts say, a sentence each."""
    told = []
    if len(proof.deletion):
        gone, any_gone = proof.deletion.mean(), proof.random_deletion.mean()
        come, any_come = proof.insertion.mean(), proof.random_insertion.mean()
        told.append(
            f"Over all shares of the picture the mean score is {gone:.2f} where the hottest parts "
            f"are blurred first and {any_gone:.2f} where any are; {come:.2f} where the hottest are "
            f"shown first and {any_come:.2f} where any are ({counted(len(proof.deletion), 'map')})."
        )
    if proof.drawn:
        told.append(drawn_words(proof.drawn))
    return told


def drawn_words(drawn: Sequence[tuple[str, float, int]]) -> str:
    """Whether maps change where the network's weights are drawn anew, in a sentence."""
    known = [each for each in drawn if each[2]]
    if not known:
        return (
            "Where the network's weights are drawn anew, its maps are flat, so they depend on them."
        )
    (first, alone, images), (last, whole, _) = known[0], known[-1]
    at = f"on {counted(images, 'image')} their rank correlation with the maps here is"
    by_layer = f"{alone:.2f} with {first} drawn anew and {whole:.2f} with all down to {last}"
    if images < FEW:
        return (
            f"Where the network's weights are drawn anew, {at} {by_layer}; of so few images "
            "nothing follows."
        )
    if whole < STAYS:
        return f"The maps change where the network's weights are drawn anew: {at} {by_layer}."
    return (
        f"The maps hardly change where the network's weights are drawn anew: {at} {by_layer}; they "
        "show the picture more than what the network learned, so do not believe them."
    )


def _order_chart(title: str, hottest: np.ndarray, random: np.ndarray, verb: str) -> Curve:
    shares = np.linspace(0, 1, hottest.shape[1])
    ours, theirs = hottest.mean(axis=0), random.mean(axis=0)
    with drawing():
        found, axes = empty_axes(200, f"share of the picture that is {verb}")
        axes.plot(shares, theirs, color=INK, alpha=0.6, linewidth=1.6, linestyle=(0, (4, 2)))
        axes.plot(shares, ours, color=VAL, linewidth=2.2)
        axes.set(xlim=(0, 1), ylim=(0, max(1e-3, *ours, *theirs) * 1.05))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value * 100:.4g} %")
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        half = 0.5 / (len(shares) - 1)
        hover = [
            (
                s - half,
                s + half,
                f"{s * 100:.0f} % {verb}: hottest first {a:.2f}, any order {b:.2f}",
            )
            for s, a, b in zip(shares, ours, theirs, strict=True)
        ]
        svg = themed_svg(found, f"heat-{verb}", hover=hover)
    middle = len(shares) // 2
    words = (
        f"at half of the picture {ours[middle]:.2f} hottest first, {theirs[middle]:.2f} any order"
    )
    return Curve(svg, title, f"{title}: {words}")


def _drawn_chart(drawn: Sequence[tuple[str, float, int]]) -> Curve:
    title = "Maps of a network whose weights are drawn anew"
    places = list(range(len(drawn)))
    values = [value for _, value, _ in drawn]
    known = [value for value in values if np.isfinite(value)]
    with drawing():
        found, axes = empty_axes(230, "")
        axes.axhline(STAYS, color=INK, alpha=0.45, linewidth=1, linestyle=(0, (2, 3)))
        axes.plot(places, values, "o-", color=VAL, linewidth=2.2, markersize=6)
        axes.set(xlim=(-0.3, len(drawn) - 0.7), ylim=(min([0.0, *known]) - 0.05, 1))
        every = -(-len(drawn) // TICKS)
        names = [shortened(name, LETTERS) for name, _, _ in drawn][::every]
        axes.set_xticks(places[::every], names, rotation=30, ha="right")
        hover = [(k - 0.5, k + 0.5, _hover(*each)) for k, each in enumerate(drawn)]
        svg = themed_svg(found, "heat-drawn", hover=hover)
    return Curve(svg, title, "; ".join(_hover(*each) for each in drawn))


def _hover(name: str, value: float, images: int) -> str:
    return f"drawn anew to {name}: rank correlation {value:.2f} ({counted(images, 'image')})"
