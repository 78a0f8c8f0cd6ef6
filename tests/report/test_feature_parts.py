"""What a page shows of a network's inside: its words, and a picture for each thing told."""

import numpy as np

from fieldmark.insides import AttentionMap, FeatureMaps, Filters, Inside
from fieldmark.report.feature_parts import Panels, feature_panels
from fieldmark.report.skeleton import environment

PHOTO = np.full((64, 64, 3), 100, np.uint8)


def attention(pooling, shares):
    shares = np.array(shares, np.float32)
    return AttentionMap(pooling, shares, np.ones((64, 64), np.float32))


def layer(name, channels, side, shown):
    maps = np.linspace(0, 1, shown * side**2, dtype=np.float32).reshape(shown, side, side)
    return FeatureMaps(name, (channels, side, side), tuple(range(shown)), maps, np.eye(side))


def drawn(panels):
    return environment().from_string('{% include "features.html" %}').render(inside=panels)


def text(html):
    plain = html.replace("<wbr>", "").replace("\N{NO-BREAK SPACE}", " ")
    return " ".join(plain.replace("\N{MULTIPLICATION SIGN}", "x").split())


def test_the_share_of_the_hottest_places_is_told_of_each_image_and_of_all():
    one = Inside("a.jpg", PHOTO, (attention("pool3", [[0.7, 0.3], [0, 0]]),))
    other = Inside("b.jpg", PHOTO, (attention("pool3", [[0.4, 0.3], [0.2, 0.1]]),))
    panels = feature_panels([one, other])
    assert [row.over[0].words for row in panels.attention] == [
        "70.0 % on the hottest of 4 places",
        "40.0 % on the hottest of 4 places",
    ]
    assert panels.attention_words == (
        "On 2 images the hottest tenth of the places has 55.0 % of the attention on pool3 (of an "
        "even one 25.0 %)."
    )
    found = drawn(panels)
    assert found.count("<img") == 4  # a photo and a map an image
    assert panels.attention_words in text(found)
    assert 'title="b.jpg, pool3: 40.0 % on the hottest of 4 places"' in found
    assert 'id="features"' not in found
    assert 'id="filters"' not in found


def test_of_each_layer_there_is_a_map_over_the_image_and_a_sheet_of_channels():
    layers = (layer("stem", 1200, 8, 16), layer("body.1", 4, 2, 0))
    found = drawn(feature_panels([Inside("a.jpg", PHOTO, layers=layers)]))
    assert found.count("<img") == 1 + 2 + 1  # of the second no channel varies
    assert "<b><bdi>stem</bdi></b> 1,200 channels of 8 x 8" in text(found)
    assert 'title="a.jpg, body.1"' in found


def test_it_is_told_where_some_filters_are_not_shown():
    pictures = np.zeros((2, 48, 48, 3), np.uint8)
    of_both = [Filters("conv1", 2, (7, 7), pictures), Filters("conv2", 9, (3, 5), pictures)]
    words = [text(each.words) for each in feature_panels([], of_both).filters]
    assert words == ["2 filters of 7 x 7", "2 of 9 filters of 3 x 5, the strongest"]
    assert drawn(feature_panels([], of_both)).count("<img") == 2


def test_without_anything_there_is_no_panel():
    assert feature_panels([Inside("a.jpg", PHOTO)]) == Panels((), "", (), ())
    assert drawn(feature_panels([])).strip() == ""
