from report.test_inspect_page import page_of, read, shot
from report.test_label_counts_words import seen, shown

from fieldmark.insight.label_counts import count_labels
from fieldmark.report.inspect_page import TIMES, Sheet, render, size_words
from fieldmark.report.label_counts_page import MATRIX, label_counts_values
from fieldmark.report.words import quoted


def test_the_matrix_has_the_shares_of_the_rows():
    matrix = label_counts_values(seen(), shown)["matrix"]
    assert matrix["names"] == ["person", "fire hydrant", "dog"]
    percents = [[cell and cell.percent for cell in row] for row in matrix["rows"]]
    assert percents == [[None, "", "50"], ["", None, ""], ["100", "", None]]
    assert matrix["rows"][0][2].title == f"30 of 60 {quoted('person')} have {quoted('dog')} too"
    assert matrix["all"] == ["75", "19", "38"]


def test_of_many_labels_those_on_most_images_stand_in_the_matrix():
    rows = [[str(k), "0"] for k in range(1, 50) for _ in range(k)]
    matrix = label_counts_values(
        count_labels(rows, [None] * len(rows), [str(k) for k in range(50)]), str
    )["matrix"]
    assert matrix["names"] == ["0", *[str(k) for k in range(50 - MATRIX + 1, 50)]]
    assert matrix["left_out"] == 50 - MATRIX
    html = render(
        page_of(label_counts=count_labels(rows, [None] * len(rows), [str(k) for k in range(50)]))
    )
    assert "The 30 labels on most images are shown; 20 more are not." in read(html).text


def test_a_share_below_half_a_percent_is_not_nothing():
    rows = [["a"]] * 999 + [["a", "b"]]
    matrix = label_counts_values(count_labels(rows, [None] * 1000, ["a", "b"]), str)["matrix"]
    assert [cell and cell.percent for cell in matrix["rows"][0]] == [None, "<1"]


def test_the_page_shows_labels_together_captions_and_proposals():
    html = render(page_of(label_counts=seen(), counts={"1": {"all": 60}, "2": {"all": 15}}))
    text = " ".join(read(html).text.split())
    for words in (
        "The largest is 4.0 times the smallest. 3 is never a label",
        "none 5 one 45 two 30",
        "4 with 1 30 of 30 (100 %; of all images 75 %), 1.3 times as often",
        "75 of 80 images have one, of 4 words (2 to 5).",
        "The first is proposed as the label",
        "2 15 fire hydrant",
    ):
        assert words in text
    assert 'title="in 15 of 15 captions, weight 0.' in html


def test_names_that_were_accepted_stand_on_the_page_and_no_proposals():
    text = " ".join(read(render(page_of(label_counts=seen(), shown=shown))).text.split())
    assert "dog with person 30 of 30" in text
    assert "proposed" not in text


def test_one_label_an_image_has_no_sections_of_several():
    found = count_labels([["cat"]] * 3 + [["dog"]], [None] * 4, ["cat", "dog"])
    html = render(page_of(label_counts=found))
    assert "The largest is 3.0 times the smallest." in read(html).text
    for name in ("labels", "together", "captions"):
        assert f'id="{name}"' not in html


def test_samples_have_their_labels_and_captions_below_them():
    pictures = (shot("a.jpg"), shot("b.jpg"))
    words = (("dog, <b>", "A dog & a ball. " + "So long. " * 40), ("dog", ""))
    html = render(page_of(sheets=(Sheet("dog", 2, pictures, words),)))
    assert "<b><bdi>dog, &lt;b&gt;</bdi></b>A dog &amp; a ball. So long." in html
    assert "…</p>" in html
    assert 'title="dog"' in html


def test_a_photo_of_several_labels_stands_in_the_collage_once():
    same = tuple(shot(f"{k}.jpg") for k in range(5))
    html = render(page_of(sheets=(Sheet("a", 5, same), Sheet("b", 5, same))))
    collage = html.partition('<ul class="collage">')[2].partition("</ul>")[0]
    assert collage.count("<img") == 5


def test_sizes_are_told_in_a_line():
    found = size_words([(640, 480, 70), (480, 640, 25), (64, 64, 5)])
    assert found.replace(TIMES, "x") == (
        "64 x 64 to 640 x 480 pixels, most common 640 x 480 (70); 25 portrait, 5 square, "
        "70 landscape"
    )
    assert size_words([(8, 8, 1_797)]).replace(TIMES, "x") == "8 x 8 pixels; 1,797 square"
    assert size_words([]) == ""
