"""The page of predictions: pictures by their label, of many those that say most."""

import re

import pytest
from smallruns import draw_photos

from fieldmark.report import answers_page
from fieldmark.report.answers_page import Groups, render
from fieldmark.use.predictor import UNSURE, Failure, Prediction


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = draw_photos(tmp_path_factory.mktemp("drawn") / "photos", each=3)
    return sorted((folder / "red").iterdir())


def answer(image, label, score):
    labels = () if label is None else (label,)
    scores = {"red": score, "<b>blue": 1 - score}
    return Prediction(str(image), label, score, scores, labels, reason="" if label else UNSURE)


def page_of(answers, images):
    groups = Groups()
    assert list(groups.watch(iter(answers), images)) == answers
    return render(groups, "run", ["a note"], {"Model": "small_cnn"})


def test_pictures_stand_under_their_label_with_the_score(photos):
    answers = [answer(photos[0], "red", 0.9), answer(photos[1], "<b>blue", 0.25)]
    answers += [answer(photos[2], None, 0.5), Failure("x.jpg", "x.jpg: is empty")]
    page = page_of(answers, [*photos, None])
    assert "2 images labelled" in page
    assert "1 without a label, 1 without an answer" in page
    assert "<b>blue" not in page
    assert re.findall(r'id="(label-\d)"', page) == ["label-1", "label-2", "label-3"]
    assert page.count("data:image/png;base64,") == 3
    assert "red (90.0" in page
    assert "&lt;b&gt;blue (75.0" in page
    assert "X.jpg: is empty" in page or "x.jpg: is empty" in page
    assert UNSURE in page


def test_of_many_the_least_and_the_most_sure_are_shown(photos, monkeypatch):
    monkeypatch.setattr(answers_page, "MOST", 4)
    scores = [0.5, 0.9, 0.6, 0.8, 0.7, 0.99, 0.51]
    page = page_of([answer(photos[0], "red", each) for each in scores], [photos[0]] * 7)
    assert re.findall(r"red \((\d\d\.\d) %\):", page.replace("\xa0", " ")) == [
        "50.0",
        "51.0",
        "90.0",
        "99.0",
    ]
    assert "4 of 7 are shown" in page


def test_a_picture_that_is_gone_is_left_out_and_no_answers_are_a_page_too(photos, tmp_path):
    page = page_of([answer("gone.png", "red", 0.5)], [tmp_path / "gone.png"])
    assert "base64," not in page.split("<main>")[1]
    assert "0 images labelled" in page_of([], [])
