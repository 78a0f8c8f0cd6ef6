"""Whether maps are true, as charts and in a sentence each."""

import numpy as np

from fieldmark.report.heat_charts import Proof, drawn_words, proof_charts, proof_words

DOWN, UP = np.linspace(0.9, 0.1, 11) ** 2, np.linspace(0.1, 0.9, 11)
TRUE = Proof(
    np.stack([DOWN] * 3),
    np.stack([UP] * 3),
    np.stack([UP[::-1]] * 3),
    np.stack([UP] * 3),
    [("head", 0.3, 8), ("features.1", 0.04, 8)],
)


def test_each_proof_has_its_chart_and_its_sentence():
    deletion, insertion, drawn = proof_charts(TRUE)
    assert deletion.title == "Score as the hottest parts go first"
    assert insertion.title == "Score as the hottest parts come first"
    assert "drawn anew to features.1: rank correlation 0.04 (8 images)" in drawn.words
    assert "50 % blurred: hottest first 0.25, any order 0.50" in deletion.svg
    first, second = proof_words(TRUE)
    assert first == (
        "Over all shares of the picture the mean score is 0.31 where the hottest parts are blurred "
        "first and 0.50 where any are; 0.50 where the hottest are shown first and 0.50 where any "
        "are (3 maps)."
    )
    assert second == (
        "The maps change where the network's weights are drawn anew: on 8 images their rank "
        "correlation with the maps here is 0.30 with head drawn anew and 0.04 with all down to "
        "features.1."
    )


def test_maps_that_stay_as_they_were_are_not_to_be_believed():
    assert drawn_words([("head", 0.9, 4), ("stem", 0.8, 4)]).endswith(
        "they show the picture more than what the network learned, so do not believe them."
    )


def test_of_few_images_it_is_not_said_whether_maps_are_to_be_believed():
    for last in (0.8, 0.1):
        assert drawn_words([("head", 0.9, 3), ("stem", last, 3)]) == (
            "Where the network's weights are drawn anew, on 3 images their rank correlation with "
            f"the maps here is 0.90 with head drawn anew and {last:.2f} with all down to stem; of "
            "so few images nothing follows."
        )


def test_maps_that_go_flat_depend_on_the_weights():
    nothing = [("head", float("nan"), 0)]
    assert drawn_words(nothing) == (
        "Where the network's weights are drawn anew, its maps are flat, so they depend on them."
    )
    (chart,) = proof_charts(Proof(drawn=nothing))
    assert "<svg" in chart.svg


def test_without_proof_nothing_is_drawn_or_said():
    assert (proof_charts(Proof()), proof_words(Proof())) == ([], [])
