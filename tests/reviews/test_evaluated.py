"""The page of an evaluation: what it shows, and that nothing in a name can break it."""

import re
from dataclasses import replace

import pytest
from report.conftest import figures_of, picture_of

from fieldmark.insight.galleries import Galleries
from fieldmark.metrics_json import About, Figures, Metrics
from fieldmark.records import Predictions, Samples
from fieldmark.report.figure_lines import is_below
from fieldmark.reviews.evaluated import Evaluated, Unknown, render

CLASSES = ("1", "2", "3")
PICTURES = Galleries((picture_of(),), (picture_of("1", "1"),))
NO_PICTURES = Galleries()


def of_value(n=10, accuracy=0.5, low=0.3, high=0.6):
    values = {"accuracy": accuracy, "balanced_accuracy": None, "macro_f1": accuracy}
    return Figures(n, values, intervals={"accuracy": (low, high), "macro_f1": (low, high)})


BY = {"site": {"north": of_value(), "(none)": of_value(20, 0.95, 0.8, 1.0)}}
ABOUT = About(seconds=12.5, finished="2026-03-01T14:05:09", machine={"device": "cpu"}, seed=0)


def found_of():
    """What is found of new images, with everything on it."""
    samples = Samples.from_columns({"path": ["a"], "labels": [["1"]], "split": ["test"]})
    sides = {side: figures_of(CLASSES, test=side == "test") for side in ("val", "test")}
    return Evaluated(
        title="digits-small-1",
        data="others/labels.csv",
        side="test",
        name="others",
        metrics=Metrics(classes=CLASSES, sides=sides, by=BY, about=ABOUT),
        predictions=Predictions.of(samples, [], None, classes=CLASSES),
        samples=samples,
        temperature=1.0,
        answers=(),
        command="fieldmark evaluate runs/a others/labels.csv --by site",
        unknown=(Unknown("seven", 5, (("1", 4), ("2", 1))),),
        banner="3 images of these 30 took part in training, so the figures flatter",
        notes=("site north: 50 % (30 to 60 %) of 10 images, below the 93 % overall",),
    )


@pytest.fixture
def found():
    return found_of()


def html_of():
    return render(found_of(), PICTURES)


def words_of(found, pictures=PICTURES):
    """What a reader reads, without the style, the script and the marks."""
    text = re.sub(r"<(style|script|svg).*?</\1>", " ", render(found, pictures), flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", " ", text).replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\s+", " ", text.replace("&nbsp;", " "))


def test_the_first_sentence_is_how_good_it_is_on_the_new_images(found):
    words = words_of(replace(found, banner=""))
    assert "Right on 93.3 % of 30 new images (95 % interval 80.0 to 96.0 %)" in words
    assert "looked at others/labels.csv, images that are not its own." in words


def test_images_that_partly_took_part_in_training_are_not_called_new(found):
    words = words_of(found)
    assert "Right on 93.3 % of 30 labelled images" in words
    assert "looked at others/labels.csv." in words


def test_new_images_are_never_called_a_test(found):
    assert "test" not in words_of(replace(found, banner="", notes=())).replace("greatest", "")


def test_own_images_are_called_by_their_split(found):
    words = words_of(replace(found, name="test"))
    assert "Right on 93.3 % of 30 test images" in words
    assert "these are its own test images" in words


def test_training_images_unknown_classes_and_notes_are_told(found):
    words = words_of(found)
    assert "3 images of these 30 took part in training, so the figures flatter." in words
    assert "below the 93 % overall" in words
    assert "seven 5 1 4 , 2 1" in words


def test_a_column_has_a_table_with_all_its_values(found):
    words = words_of(found)
    assert "By site" in words
    assert "north 10 50.0 % 30.0 to 60.0 %" in words
    assert "(none) 20 95.0 %" in words


def test_values_wholly_below_all_images_are_marked(found):
    low, high = BY["site"].values()
    assert is_below(low, Figures(1, {"accuracy": 0.93}))
    assert not is_below(high, Figures(1, {"accuracy": 0.93}))
    assert not is_below(low, Figures(0, {}))
    assert render(found, PICTURES).count('<tr class="below">') == 1


def with_by(found, by):
    return replace(found, metrics=replace(found.metrics, by=by))


def test_a_value_without_a_figure_is_an_en_dash(found):
    empty = of_value(0, None, None, None)
    words = words_of(with_by(found, {"site": {"north": empty}}))
    assert "north 0 \N{EN DASH} \N{EN DASH} \N{EN DASH}" in words


def test_the_command_and_circumstances_stand_at_the_end(found):
    words = words_of(found)
    assert "fieldmark evaluate runs/a others/labels.csv --by site" in words
    assert "12 s" in words


def test_time_and_versions_of_a_stored_run_are_called_those_of_its_training(found):
    words = words_of(replace(found, name="test"))
    assert "Trained with cpu Training 12 s" in words
    assert "How the run was trained Trained 1 March 2026, 14:05" in words.replace(
        "Training 12 s Trained", "Trained"
    )
    assert "Time" not in words
    assert "Finished" not in words
    new = words_of(found)
    assert "Hardware cpu Time 12 s" in new
    assert "Finished 1 March 2026" in new
    assert "Train" not in new


def test_what_there_is_not_has_no_section(found):
    words = words_of(replace(with_by(found, None), unknown=(), banner="", notes=()), NO_PICTURES)
    for title in ("By site", "Unknown classes", "Least sure hits", "Worth knowing"):
        assert title not in words


def test_a_page_without_any_figure_can_be_drawn(found):
    words = words_of(replace(found, metrics=Metrics(classes=CLASSES), unknown=()), NO_PICTURES)
    assert "How good it is has not been measured" in words


def test_names_cannot_break_the_page(found):
    evil = "<script>alert(1)</script>"
    by = {evil: {evil: of_value()}}
    changed = replace(with_by(found, by), unknown=(Unknown(evil, 1, ()),), data=evil, notes=(evil,))
    text = render(changed, PICTURES)
    assert evil not in text
    assert text.count("<script>") == 1


def test_the_page_carries_all_it_needs(found):
    text = render(found, PICTURES)
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "http" not in text.replace("http-equiv", "")
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert text == render(found, PICTURES)
