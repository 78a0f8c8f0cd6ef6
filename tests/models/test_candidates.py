"""The table of networks worth a try: each can be had as it is written there."""

import pytest

from fieldmark.models.candidates import CANDIDATES, TERMS, Candidate, named
from fieldmark.models.catalog import FOR_PHOTOS, MODELS, side_mistake
from fieldmark.settings.texts import read_given


@pytest.mark.parametrize("each", CANDIDATES, ids=lambda each: f"{each.name}-{each.weights}")
def test_each_has_its_network_its_weights_its_options_and_a_licence(each):
    values = read_given(each.words, {}, None).values
    options = {
        key.removeprefix("model."): value
        for key, value in values.items()
        if key.startswith("model.")
    }
    read, mistakes = MODELS.read(each.name, options)
    assert mistakes == []
    if each.file_only:
        assert each.published is None
        assert each.licence
        return
    side = int(values.get("input.size", each.published.rule.size))
    assert side_mistake(each.name, read, side) is None
    assert each.published.licence
    assert each.licence is None  # no second word on what the publisher says


def test_a_restrictive_licence_is_told_in_words():
    meta = [each for each in CANDIDATES if "dinov3" in f"{each.name}{each.weights}"]
    assert {each.published.licence for each in meta} == {"dinov3-license"}
    assert "no military use" in TERMS["dinov3-license"]


def test_the_first_is_what_is_taken_where_none_is_named():
    assert CANDIDATES[0].name == FOR_PHOTOS


def test_a_name_has_what_is_known_of_it_and_none_without_weights():
    found = list(named(["small_cnn", "timm/vit_small_patch14_dinov2", "resnet18"]))
    assert found == [CANDIDATES[6], Candidate("resnet18")]
    assert found[1].published.top1 == 69.758
