import math
import os
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from report.conftest import SETTINGS, calibrated, changed, picture_of, with_class

from fieldmark.data.finding import Finding
from fieldmark.insight.album import encoded
from fieldmark.insight.galleries import Confused
from fieldmark.judge.figures import ConfusedPair
from fieldmark.report import page as module
from fieldmark.report.curves import curves
from fieldmark.report.page import RunPage, render

DASH = "\N{EN DASH}"
DRAWN = {}  # charts, by what they are of


@pytest.fixture(autouse=True)
def _charts_are_drawn_once(monkeypatch):
    """Nearly all of these pages have the same charts, which are most of what a page costs."""

    def drawn(*asked, **how):
        if repr((asked, how)) not in DRAWN:
            DRAWN[repr((asked, how))] = curves(*asked, **how)
        return DRAWN[repr((asked, how))]

    monkeypatch.setattr(module, "curves", drawn)


class Reader(HTMLParser):
    """The tags with their attributes, the text that is read, and the scripts."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style":
            self.words += data

    @property
    def text(self) -> str:
        return " ".join(self.words.split())  # a no-break space counts as a space


def test_the_headline_says_how_good_it_is_with_its_interval(make_page):
    text = Reader(render(make_page())).text
    assert "Right on 93.3 % of 30 test images (95 % interval 80.0 to 96.0 %)" in text
    assert "tells 3 classes apart" in text


def test_two_classes_are_told_by_name(make_page):
    text = Reader(render(make_page(("cat", "dog")))).text
    assert "tells \N{LEFT SINGLE QUOTATION MARK}cat\N{RIGHT SINGLE QUOTATION MARK} from" in text


def test_nothing_in_the_file_points_outside_it(make_page):
    html = render(make_page())
    reader = Reader(html)
    addresses = [
        value or ""
        for _, attributes in reader.tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "action", "data")
    ]
    assert addresses
    assert all(address.startswith(("#", "data:image/")) for address in addresses)
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    assert not {"link", "iframe", "object", "base"} & {tag for tag, _ in reader.tags}


def test_ids_are_unique_and_every_reference_is_met(make_page):
    tags = Reader(render(make_page())).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    used = [attributes["href"] for _, attributes in tags if "href" in attributes]
    assert len(ids) == len(set(ids))
    assert used
    assert {address.removeprefix("#") for address in used} <= set(ids)


def val_only(page: RunPage) -> RunPage:
    sides = {"val": page.metrics.sides["val"]}
    return replace(page, metrics=replace(page.metrics, sides=sides))


NASTY = '<script>alert("x")</script>'


@pytest.mark.parametrize("count", [2, 3, 40])
def test_class_names_are_escaped_wherever_they_stand(make_page, picture, count):
    names = (NASTY, 'it\'s "quoted", {{ 7 * 7 }} & co', *(f"Käfer {k}" for k in range(2, count)))
    page = make_page(
        names,
        title=NASTY,
        command=NASTY,
        about={
            "ending": NASTY,
            "whole": False,
            "versions": {NASTY: NASTY},
        },
        settings=SETTINGS.replace("digits", f"'{NASTY}'").replace("small", f"'{NASTY}'"),
        told={
            "notes": (NASTY,),
            "findings": (Finding(NASTY, "error", NASTY, (NASTY,)),),
            "split_notes": (NASTY,),
        },
        mistakes=(replace(picture(*names[:2]), path='" onerror="alert(1)'),),
    )
    reader = Reader(render(page))
    assert len(reader.scripts) == 1
    assert "alert" not in reader.scripts[0]
    assert not any("onerror" in attributes for _, attributes in reader.tags)
    assert names[1] in reader.text
    assert NASTY in reader.text


def test_a_stopped_run_says_that_the_test_images_have_not_been_looked_at(make_page):
    stopped = {"ending": "stopped after epoch 3 of 20", "whole": False}
    text = Reader(render(val_only(make_page(about=stopped)))).text
    assert "Stopped after epoch 3 of 20. The test images have not been looked at." in text
    assert "Right on 93.3 % of 30 validation images" in text
    assert "test images (" not in text


def test_a_run_without_any_figures_says_that_it_was_not_measured(make_page):
    page = make_page(sides={}, mistakes=(), history=[], about={"best_epoch": None})
    text = Reader(render(page)).text
    assert "How good it is has not been measured" in text
    assert "The test images have not been looked at." in text
    assert "Confusion matrix" not in text


def test_a_run_without_a_test_split_says_so(make_page):
    page = val_only(make_page(counts={"train": 70, "val": 15}))
    assert "No images were kept for testing" in Reader(render(page)).text


def test_a_finished_run_with_test_figures_has_no_warning(make_page):
    assert 'class="banner"' not in render(make_page())


def test_an_empty_test_split_is_drawn_without_figures(make_page):
    page = changed(make_page(), n=0, accuracy=None, intervals={}, confusion=[[0] * 3] * 3)
    assert "has not been measured" in Reader(render(page)).text


def test_a_figure_that_is_not_defined_is_a_dash_that_explains_itself(make_page):
    none = {"precision": None, "recall": float("nan"), "f1": None, "average_precision": None}
    reader = Reader(render(with_class(make_page(), "2", none)))
    dashes = [a["title"] for tag, a in reader.tags if tag == "abbr"]
    assert dashes.count("not defined: no test image is of this class") == 4  # and its precision
    assert "not defined for these images" in dashes  # the ROC-AUC
    assert "nan" not in reader.text.casefold().split()
    assert "none" not in reader.text.casefold().split()
    assert f"{DASH} ROC-AUC" in reader.text


def test_few_classes_are_a_table_with_headers_and_many_a_picture(make_page):
    few = Reader(render(make_page(tuple(f"c{k}" for k in range(30)))))
    many = Reader(render(make_page(tuple(f"c{k}" for k in range(31)))))
    cells = [a for tag, a in few.tags if tag == "td" and a.get("class", "").startswith("right")]
    assert len(cells) == 30
    assert {a.get("scope") for tag, a in few.tags if tag == "th"} <= {"col", "row", None}
    alternatives = [a["alt"] for tag, a in many.tags if tag == "img"]
    assert any(alt.startswith("Confusion matrix of 31 classes") for alt in alternatives)
    assert "c0 taken for c1: 1 of 10" in many.text


def test_the_number_of_mistakes_in_all_is_told_beside_those_shown(make_page):
    text = Reader(render(make_page())).text
    assert "2 mistakes on 30 test images in all. The one that the model was surest of" in text


def test_an_image_without_a_guess_is_a_mistake_outside_the_matrix(make_page):
    page = changed(make_page(), n=31, accuracy=28 / 31, no_guess=1)
    text = Reader(render(page)).text
    assert "28 right 3 wrong" in text
    assert "1 image got no guess, since the scores are not finite; it counts as wrong" in text
    assert "3 mistakes on 31 test images" in text


def test_no_mistakes_are_told_in_words(make_page):
    page = changed(make_page(mistakes=()), accuracy=1.0)
    assert "There are no mistakes on the test images." in Reader(render(page)).text


def test_only_small_pictures_are_shown_with_hard_edges(make_page, picture):
    html = render(make_page(mistakes=(picture(side=8), picture(side=160))))
    classes = [a.get("class") for tag, a in Reader(html).tags if tag == "img"]
    assert classes == ["small", None]


def test_bytes_that_are_no_image_do_not_break_the_page(make_page, picture):
    broken = replace(picture(), content=b"not an image")
    assert "data:image/png;base64,bm90" in render(make_page(mistakes=(broken,)))


def test_counts_by_class_and_split_have_their_sums(make_page):
    text = Reader(render(make_page())).text
    assert "All 210 45 30 285" in text
    assert "285: 210 training, 45 validation, 30 test" in text


def test_tables_sort_by_buttons_and_missing_values_have_no_key(make_page):
    reader = Reader(render(with_class(make_page(), "2", {"recall": None})))
    kinds = [a.get("class") for tag, a in reader.tags if tag == "th" and a.get("scope") == "col"]
    assert sum(kind is not None for kind in kinds) == 4 + 6 + 5  # all figures, classes, images
    keys = [a["data-value"] for tag, a in reader.tags if tag == "td" and a.get("class") == "recall"]
    assert keys == ["0.9", "", "0.9"]


def test_the_command_the_settings_and_the_circumstances_are_there(make_page):
    text = Reader(render(make_page())).text
    assert "fieldmark train digits --model small" in text
    assert "model: name: small weights: a.pth" in text
    assert "1 min 23 s" in text
    assert text.count("Training1 min 23 s") == 2  # in short, and among the circumstances
    assert "1 March 2026, 14:05" in text
    assert "38.3 thousand, all trained" in text


def test_sections_fold_and_stand_in_the_contents(make_page):
    html = render(make_page())
    reader = Reader(html)
    sections = [a for tag, a in reader.tags if tag == "details" and a.get("class") == "section"]
    links = [a["href"] for tag, a in reader.tags if tag == "a"]
    assert [f"#{each['id']}" for each in sections] == links
    assert all("open" in each for each in sections)
    assert html.count("<summary><h2>") == len(sections) >= 7


def test_every_figure_stands_in_a_folded_table_and_what_is_not_defined_is_left_out(make_page):
    html = render(make_page())
    table = html[html.index("All figures") :]
    text = Reader(table[: table.index("</table>")]).text
    assert "Matthews correlation" in text
    assert "0.901" in text
    assert "ROC-AUC" not in text


def test_every_figure_of_a_class_stands_beside_its_interval(make_page):
    page = with_class(make_page(), "2", {"roc_auc": 0.987}, {"roc_auc": (0.934, 0.998)})
    html = render(page)
    table = html[html.index('id="classes"') :]
    text = Reader(table[: table.index("</table>")]).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "The small numbers are 95 % intervals" in text
    assert (
        "2 10 90.0 % 58.7 to 98.1 % 90.0 % 59.6 to 98.2 % 90.0 % 66.0 to 97.0 % "
        "0.987 0.934 to 0.998 92.5 % 71.0 to 98.5 %"
    ) in text
    assert table.count('class="whisker"') == 3  # the recall of each class


def test_classes_without_intervals_have_no_words_for_them(make_page):
    text = Reader(render(val_only(make_page()))).text
    assert "1 10 90.0 % 90.0 % 90.0 % 92.5 %" in text
    assert "The small numbers" not in text


def test_a_page_full_of_large_noisy_photos_can_be_mailed(make_page):
    draw = np.random.default_rng(0)
    photos = [encoded(draw.integers(0, 256, (320, 320, 3), np.uint8)) for _ in range(6)]
    shown = tuple(replace(picture_of(), content=content, mime=mime) for content, mime in photos * 2)
    pair = Confused(ConfusedPair("1", "2", 4, 10), shown[:3], shown[3:6])
    page = make_page(mistakes=shown, hits=shown, pairs=(pair,) * 5)
    html = render(page)
    megabytes = len(html.encode()) / 1e6
    print(f"{html.count('data:image/')} noisy photos of 320 pixels: {megabytes:.1f} MB")
    assert html.count("data:image/") == 54
    assert megabytes < 9


def test_areas_under_curves_are_columns_only_where_a_class_has_one(make_page):
    page = make_page()
    text = Reader(render(page)).text
    assert "Average precision" in text
    assert "92.5 %" in text
    for name in "123":
        page = with_class(page, name, {"average_precision": None})
    assert "Average precision" not in Reader(render(page)).text


def test_least_sure_hits_say_their_truth_once(make_page, picture):
    html = render(make_page(mistakes=(), hits=(picture("3", "3"),)))
    hits = html[html.index('id="hits"') :]
    assert hits[: hits.index("</ul>")].count('class="right"') == 1
    assert 'class="wrong"' not in hits[: hits.index("</ul>")]
    assert 'id="hits"' not in render(make_page())


def test_confused_classes_stand_side_by_side_with_their_counts(make_page, picture):
    pair = Confused(ConfusedPair("1", "2", 4, 10), (picture("1", "2"),), (picture("2", "2"),))
    text = Reader(render(make_page(pairs=(pair,)))).text
    assert "1 taken for 2 4 of 10 is 1 is 2" in text
    none_typical = replace(pair, typical=())
    assert "no image of 2 was recognised" in Reader(render(make_page(pairs=(none_typical,)))).text


def test_the_findings_are_told_and_so_is_that_there_are_none(make_page):
    told = {"findings": (Finding("small", "warning", "2 images are small.", ("a.png",)),)}
    text = Reader(render(make_page(told=told))).text
    assert "1 warning before the training." in text
    assert "2 images are small." in text
    assert "Nothing to mend was found" in render(make_page())


def test_calibration_is_shown_where_there_is_a_reliability_diagram(make_page):
    page = make_page()
    assert 'id="calibration"' not in render(page)
    drawn = calibrated(page.metrics.sides["test"])
    page = changed(page, reliability=drawn.reliability, answers=drawn.answers)
    assert 'id="calibration"' in render(page)


def test_how_the_split_was_made_is_told(make_page):
    told = {"split_notes": ("One in seven.",)}
    assert "One in seven." in Reader(render(make_page(told=told))).text


def test_the_time_is_told_in_shares_the_longest_first(make_page):
    times = {"forward": 1.0, "reading": 3.0, "waiting": 3.0, "heads": 0.0, "whole": 4.0}
    text = Reader(render(make_page(about={"times": times})).replace("><", "> <")).text
    assert "little to gain. reading images 75.0 % 3.0 s forward 25.0 % 1.0 s" in text
    assert "training heads" not in text


def test_seconds_an_epoch_stand_beside_the_time(make_page):
    history = [{"epoch": k, "seconds": k, "stage": 1 + (k > 1)} for k in (1, 2, 3)]
    text = Reader(render(make_page(history=history))).text
    assert "1 min 23 s, 2.5 s an epoch" in text  # the median of the last stage
    history[-1]["seconds"] = math.nan  # a cell that is empty on disk
    text = Reader(render(make_page(history=history))).text
    assert "1 min 23 s, 2.0 s an epoch" in text


def test_notes_are_shown(make_page):
    html = render(make_page(told={"notes": ("2 files could not be read.",)}))
    assert "Worth knowing 2 files could not be read." in Reader(html).text


def test_file_names_in_no_encoding_leave_a_page_that_can_be_written(make_page, picture):
    odd = replace(picture(), path=os.fsdecode(b"bad-\xff.png"), row=None)
    assert "bad-?.png" in render(make_page(mistakes=(odd,))).encode("utf-8").decode()


def test_the_same_page_gives_the_same_text(make_page, monkeypatch):
    monkeypatch.setattr(module, "curves", curves)
    assert render(make_page()) == render(make_page())


def test_a_hundred_classes_are_drawn_fast_and_small(make_page):
    page: RunPage = make_page(tuple(f"a rather long class name, number {k}" for k in range(100)))
    render(page)  # imports are not what is measured
    start = time.process_time()
    html = render(page)
    assert time.process_time() - start < 2
    assert len(html.encode()) < 500_000


def test_a_thousand_classes_are_drawn_fast_and_their_worst_hundred_in_a_table(make_page):
    names = tuple(f"class {k:03}" for k in range(1000))
    page = make_page(names, counts={"train": 2, "val": 1, "test": 1})
    page = with_class(page, "class 700", {"f1": 0.1})
    start = time.process_time()
    html = render(page)
    assert time.process_time() - start < 5
    assert len(html.encode()) < 1_000_000
    table = html[html.index('id="classes"') :]
    table = table[: table.index("</table>")]
    assert "The 100 classes of 1,000 with the lowest F1, the lowest first" in table
    rows = re.findall(r'<th scope="row"><bdi>([^<]+)', table)
    assert (len(rows), rows[0]) == (100, "class 700")
