"""When not to answer, on the screen and on the page."""

from fieldmark.metrics_json import Figures, SetFigures, Share, UnlikeFigures
from fieldmark.report.caution_words import caution_lines, caution_part
from fieldmark.report.skeleton import environment

UNLIKE = UnlikeFigures(
    200,
    Share(0.035, (0.017, 0.0705)),
    {"distance": Share(0.015, (0.005, 0.043)), "scores": Share(0.02, (0.008, 0.05))},
)
SETS = (SetFigures(0.9, 200, 1.123, Share(0.915, (0.868, 0.946))),)
FOUND = Figures(200, {"accuracy": 0.85}, unlike=UNLIKE, sets=SETS)


def test_the_lines_say_how_often_and_by_what():
    assert caution_lines(FOUND) == [
        "  told unlike the training images: 3.5 % (1.7 to 7.0 %); by distance 1.5 %, scores 2.0 %",
        "  sets of 90 % hold the truth of 91.5 % (86.8 to 94.6 %); 1.12 classes on average",
    ]
    assert caution_lines(Figures(200, {})) == []


def test_the_page_has_a_panel_where_there_is_something_to_say():
    assert caution_part({"test": Figures(200, {})}) is None
    assert caution_part({"val": FOUND}) is None
    part = caution_part({"test": FOUND})
    assert part == {"images": "200 test images", "unlike": UNLIKE, "sets": SETS}


def test_of_several_labels_one_sign_has_its_own_share_and_nothing_abstains():
    template = environment().get_template("when_not.html")
    by_one = UnlikeFigures(200, UNLIKE.flagged, {"distance": UNLIKE.by["distance"]})
    one, two = (
        template.render(caution=caution_part({"test": Figures(200, {}, unlike=each)}))
        for each in (by_one, UNLIKE)
    )
    assert "told unlike in at most 2.5&nbsp;% of the cases, by choice; with fewer" in one
    assert "--abstain" not in one
    assert "in at most 5&nbsp;% of the cases, by choice: each of the two signs may be wrong" in two
    assert "and so does <code>--abstain</code>" in two
