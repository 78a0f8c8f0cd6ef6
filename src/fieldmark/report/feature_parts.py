"""What goes on inside a network, as a page shows it: its attention, its layers, its filters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fieldmark.insides import AttentionMap, FeatureMaps, Filters, Inside
from fieldmark.insight.album import encoded
from fieldmark.insight.sheets import Encoded, map_sheet, over_photo, picture_sheet
from fieldmark.report.thumbs import Thumb, thumb
from fieldmark.report.words import count, images, percent

FILTER_COLUMNS = 8
FILTER_TILE = 48  # pixels
TIMES = "\N{NO-BREAK SPACE}\N{MULTIPLICATION SIGN}\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Labelled:
    """A picture with the name of its layer, and what is said of it."""

    picture: Thumb
    name: str
    words: str


@dataclass(frozen=True)
class Row:
    """An image, and what belongs to it: pictures over it, and sheets of single channels."""

    photo: Thumb
    over: tuple[Labelled, ...]
    sheets: tuple[Labelled, ...] = ()


@dataclass(frozen=True)
class Panels:
    """What `features.html` draws; a panel without rows is left out."""

    attention: tuple[Row, ...]
    attention_words: str
    layers: tuple[Row, ...]
    filters: tuple[Labelled, ...]


NOTHING = Panels((), "", (), ())


def feature_panels(shown: Sequence[Inside], filters: Sequence[Filters] = ()) -> Panels:
    """The panels of some images, and of the network's filters."""
    return Panels(
        attention=tuple(_attention(each) for each in shown if each.attention),
        attention_words=_attention_words([each for each in shown if each.attention]),
        layers=tuple(_layers(each) for each in shown if each.layers),
        filters=tuple(_filters(each) for each in filters),
    )


def _attention(image: Inside) -> Row:
    over = [
        _labelled(over_photo(image.photo, each.heat), image, each.pooling, _share_words(each))
        for each in image.attention
    ]
    return Row(_photo(image), tuple(over))


def _share_words(found: AttentionMap) -> str:
    share, even = found.hottest
    hottest, places = round(even * found.shares.size), count(found.shares.size)
    those = f"{count(hottest)} of {places}" if hottest > 1 else f"of {places}"
    return f"{percent(share)} on the hottest {those} places"


def _attention_words(shown: Sequence[Inside]) -> str:
    """How concentrated each attention is, on average: one sentence."""
    if not shown:
        return ""
    hottest: dict[str, list[tuple[float, float]]] = {}
    for image in shown:
        for each in image.attention:
            hottest.setdefault(each.pooling, []).append(each.hottest)
    parts = []
    for pooling, pairs in hottest.items():
        share, even = np.mean(pairs, axis=0)
        parts.append(
            f"{percent(share)} of the attention on {pooling} (of an even one {percent(even)})"
        )
    return f"On {images(len(shown))} the hottest tenth of the places has {' and '.join(parts)}."


def _layers(image: Inside) -> Row:
    over = [
        _labelled(over_photo(image.photo, each.mean), image, each.layer) for each in image.layers
    ]
    sheets = [
        _labelled(map_sheet(each.maps), image, each.layer, _shape_words(each))
        for each in image.layers
        if len(each.maps)
    ]
    return Row(_photo(image), tuple(over), tuple(sheets))


def _shape_words(maps: FeatureMaps) -> str:
    channels, height, width = maps.shape
    return f"{count(channels)} channels of {height}{TIMES}{width}"


def _filters(filters: Filters) -> Labelled:
    sheet = picture_sheet(list(filters.pictures), FILTER_COLUMNS, FILTER_TILE)
    height, width = filters.sides
    words = f"{count(filters.count)} filters of {height}{TIMES}{width}"
    if len(filters.pictures) < filters.count:
        words = f"{count(len(filters.pictures))} of {words}, the strongest"
    return Labelled(thumb(*sheet, f"{filters.layer}: {words}"), filters.layer, words)


def _photo(image: Inside) -> Thumb:
    return thumb(*encoded(image.photo), image.caption)


def _labelled(picture: Encoded, image: Inside, name: str, words: str = "") -> Labelled:
    said = f"{image.caption}, {name}" + (f": {words}" if words else "")
    return Labelled(thumb(*picture, said), name, words)
