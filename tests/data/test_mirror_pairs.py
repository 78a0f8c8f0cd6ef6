import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw
from scenes import arrow, glyph, photo

from fieldmark.cache import Cache
from fieldmark.data import mirror_pairs as mirror
from fieldmark.data.images import thumb_of
from fieldmark.data.mirror_pairs import mirror_findings, mirror_pairs

NONE = Cache(None)


def pairs(classes, cache=NONE):
    """The classes that a mirror exchanges of {name: images}."""
    images = [image for its in classes.values() for image in its]
    names = [name for name, its in classes.items() for _ in its]
    facts = pl.DataFrame(
        {
            "hash": [str(number) for number in range(len(images))],
            "thumb": [thumb_of(image.convert("RGB")).tobytes() for image in images],
        }
    )
    labels = pl.Series([[name] for name in names], dtype=pl.List(pl.String))
    return [(pair.one, pair.other) for pair in mirror_pairs(facts, labels, cache)]


def ball(seed, *, left):
    """A ball at the left or the right edge of a wide photo."""
    rng = np.random.default_rng([seed, left])
    image = photo([seed, 9], 200, 80)
    x = rng.uniform(0, 30) if left else rng.uniform(150, 180)
    ImageDraw.Draw(image).ellipse((x, 30, x + 20, 50), fill=(250, 30, 30))
    return image


SIDES = ("left", "right")
KINDS = {
    "arrows": {side: [arrow(k, left=side == "left") for k in range(30)] for side in SIDES},
    "edges": {side: [ball(k, left=side == "left") for k in range(30)] for side in SIDES},
    "letters": {letter: [glyph(k, letter) for k in range(30)] for letter in "pq"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_two_classes_that_a_mirror_exchanges_are_found_among_others(kind):
    one, other = KINDS[kind]
    assert pairs(KINDS[kind]) == [(one, other)]
    scenes = {"scenes": [photo(k) for k in range(30)]}
    assert pairs({**KINDS[kind], **scenes}) == [(one, other)]


def test_classes_that_stay_themselves_in_a_mirror_are_no_pair():
    photos = {name: [photo([k, seed]) for k in range(20)] for seed, name in enumerate("ab")}
    letters = {letter: [glyph(k, letter) for k in range(20)] for letter in "ocAGR"}
    colours = {
        name: [Image.new("RGB", (64, 64), (level, 4 * k, 60)) for k in range(20)]
        for name, level in (("dark", 20), ("light", 220))
    }
    up = [arrow(k, left=True).transpose(Image.Transpose.ROTATE_270) for k in range(30)]
    down = [arrow(k, left=True).transpose(Image.Transpose.ROTATE_90) for k in range(30)]
    for classes in (photos, letters, colours, {"up": up, "down": down}):
        assert pairs(classes) == []


def test_few_images_one_class_and_none_are_no_pair():
    assert pairs({name: its[:9] for name, its in KINDS["arrows"].items()}) == []
    assert pairs({"left": KINDS["arrows"]["left"]}) == []
    assert pairs({}) == []


def test_of_many_classes_those_that_speak_of_sides_are_looked_at(monkeypatch):
    monkeypatch.setattr(mirror, "CLASSES", 2)
    more = {name: [photo([k, seed]) for k in range(40)] for seed, name in enumerate("ab")}
    assert pairs({**more, **KINDS["arrows"]}) == [("left", "right")]
    assert pairs({**more, "x": KINDS["arrows"]["left"], "y": KINDS["arrows"]["right"]}) == []


def test_what_was_found_is_remembered(tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    assert pairs(KINDS["arrows"], cache) == [("left", "right")]
    monkeypatch.setattr(mirror, "exchanged", None)
    assert pairs(KINDS["arrows"], cache) == [("left", "right")]


def test_the_finding_names_both_classes_and_the_setting():
    assert mirror_findings(()) == []
    [found] = mirror_findings((mirror.MirrorPair("left", "right", 0.9, 30),))
    assert (found.kind, found.severity, found.files) == (
        "mirrored-classes",
        "warning",
        ("left", "right"),
    )
    assert found.sentence == (
        "mirror images exchange 'left' and 'right': those of the one look like the other, so that "
        "training on mirrored images would teach that they are the same; images are mirrored in "
        "training only where you say augment.flip=true"
    )
