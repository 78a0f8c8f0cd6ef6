"""The page of doubtful labels in a real browser: marks are kept, saved, and taken by a training."""

from dataclasses import replace

import numpy as np
import pytest
from pictures import encoded
from PIL import Image

from fieldmark.data.corrections import correct, read_corrections
from fieldmark.insight.label_names import ShownNames
from fieldmark.insight.nearness import Maps
from fieldmark.insight.suspects import Found, Suspect
from fieldmark.records import Samples
from fieldmark.report.suspects_page import (
    Mapped,
    Pictured,
    SuspectsPage,
    Twins,
    headline,
    limits,
    render,
)
from fieldmark.report.thumbs import data_address
from fieldmark.task import SEVERAL_LABELS

CLASSES = ("ape", "bear, brown", "a_class_whose_name_is_long_and_has_no_space")
SIX = [f"{number}.png" for number in range(6)]


def picture():
    return encoded(Image.new("RGB", (90, 70), (60, 90, 120))), "image/png"


def suspect(path, label, suggested, kind="wrong", split="val"):
    return Suspect(path, None, label, suggested, kind, 0.02, 0.9, True, split)


def page_of(*suspects, several=False, mapped=True, before=(), **given):
    found = Found(suspects, 6, 6, 0, several)
    shown = [Pictured(path, None, (CLASSES[0],), "train", *picture()) for path in SIX]
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5], [0.3, 0.6]])
    places = Mapped(
        Maps(corners, 0.4, corners[::-1]),
        [(path, None) for path in SIX],
        [(CLASSES[number % 3],) for number in range(6)],
        {number: each.words for number, each in enumerate(suspects)},
        {0: data_address(*picture())},
        [5],
    )
    values = {
        "title": "monkeys",
        "key": "a",
        "source": "All 6 images were judged.",
        "again": "fieldmark train photos --corrections corrections.csv",
        "before": before,
        "classes": CLASSES,
        "found": found,
        "suspects": [(each, *picture()) for each in suspects],
        "pairs": [Twins(shown[4], replace(shown[5], labels=(CLASSES[1],)), 0.1)],
        "strange": [shown[5]],
        "more": dict.fromkeys(("suspects", "pairs", "strange", "thumbs"), ""),
        "mapped": places if mapped else None,
        "names": ShownNames({"ape": "great ape"}),
        "notes": ("One image has gone.",),
        "command": "fieldmark suspects run",
        "about": {"seed": "0"},
        "table": "suspects.csv",
    }
    return SuspectsPage(**(values | given))


ONE = (suspect("0.png", "ape", CLASSES[1]), suspect("1.png", CLASSES[1], "ape", split="test"))


def test_what_was_found_is_the_headline():
    none = Found((), 40, 50, 0, False)
    assert headline(none) == ("No label is doubtful", "of 40 images that were judged")
    assert headline(replace(none, suspects=ONE[:1])) == (
        "1 label is worth a look",
        "of 40 images that were judged",
    )
    unsure = replace(ONE[0], sure=False)
    assert headline(replace(none, suspects=(*ONE, unsure)))[1] == (
        "2 of them clearly, of 40 images that were judged"
    )


def test_what_is_not_shown_is_said():
    assert limits(60, 60, "pair", "t.csv") == ""
    assert limits(60, 214, "pair", "t.csv") == "The first 60 of 214 pairs are shown; t.csv has all."


def test_correcting_the_test_has_a_warning_and_nothing_else_has():
    assert "1 of these is of the test." in render(page_of(*ONE))
    assert "of the test." not in render(page_of(ONE[0]))


def test_where_nothing_was_found_the_page_says_so():
    text = render(page_of(pairs=[], strange=[]))
    for sentence in ("agrees with every label", "No two pictures that", "No picture is far out"):
        assert sentence in text
    assert 'id="map"' not in render(page_of(*ONE, mapped=False))


def test_names_that_would_break_the_page_are_text():
    evil = "</script><script>alert(1)</script>"
    text = render(page_of(suspect(evil, "ape", CLASSES[1]), classes=(evil, *CLASSES)))
    assert evil not in text


@pytest.fixture
def visit(opened, tmp_path):
    """Open a page; what goes wrong while the test uses it fails the test."""

    def go(page, width=1200):
        file = tmp_path / "page.html"
        file.write_text(render(page), encoding="utf-8")
        return opened(file, width)

    return go


def saved(tab, folder):
    """What the page saves."""
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save corrections.csv").click()
    assert download.value.suggested_filename == "corrections.csv"
    download.value.save_as(folder / "saved.csv")
    return (folder / "saved.csv").read_text(encoding="utf-8")


def card(tab, path, section="#suspects"):
    return tab.locator(f'{section} .verdict[data-path="{path}"]')


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_opens_without_an_error_and_never_scrolls_sideways(visit, width):
    tab = visit(page_of(*ONE), width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")


def test_marks_are_kept_by_the_browser_and_saved_as_training_takes_them(visit, tmp_path):
    from playwright.sync_api import expect

    page = page_of(*ONE, before=[("3.png", "", "right", "")])
    tab = visit(page)
    expect(tab.get_by_role("button", name="Save corrections.csv")).to_be_disabled()
    card(tab, "0.png").get_by_label("is", exact=True).check()
    card(tab, "1.png").get_by_label("remove").check()
    card(tab, "4.png", "#alike").get_by_label("right", exact=True).check()
    select = card(tab, "5.png", "#strange").get_by_role("combobox")
    select.focus()
    select.select_option(label="great ape")
    expect(card(tab, "5.png", "#alike").get_by_label("is", exact=True)).to_be_checked()
    tab.reload()
    expect(tab.locator("[data-marked]")).to_have_text("4")
    card(tab, "4.png", "#alike").get_by_role("button", name="undo").click()
    expect(tab.locator("[data-marked]")).to_have_text("3")
    text = saved(tab, tmp_path)
    assert text == (
        "path,row,action,label\n3.png,,right,\n"
        '0.png,,label,"bear, brown"\n1.png,,remove,\n5.png,,label,ape\n'
    )
    labels = [[name] for name in (*CLASSES, *CLASSES)]
    samples = Samples.from_columns({"path": SIX, "labels": labels})
    done = correct(samples, read_corrections(str(tmp_path / "saved.csv"), samples))
    assert done.samples.frame["labels"].to_list() == [
        [CLASSES[1]], [CLASSES[2]], [CLASSES[0]], [CLASSES[1]], [CLASSES[0]],
    ]  # fmt: skip
    tab.once("dialog", lambda dialog: dialog.accept())
    tab.get_by_role("button", name="Forget").click()
    expect(tab.locator("[data-marked]")).to_have_text("0")


def test_of_several_labels_each_is_marked_by_itself_and_a_removed_image_has_one_line(
    visit, tmp_path
):
    questions = (
        suspect("0.png", "ape", ""),
        suspect("0.png", "", CLASSES[1], "missing"),
        suspect("1.png", "", "ape", "missing"),
        suspect("1.png", CLASSES[1], ""),
    )
    tab = visit(page_of(*questions, several=True))
    card(tab, "0.png").nth(0).get_by_label("has no great ape").check()
    card(tab, "0.png").nth(1).get_by_label("right", exact=True).check()
    card(tab, "1.png").nth(0).get_by_label("has great ape").check()
    card(tab, "1.png").nth(1).get_by_label("remove").check()
    assert saved(tab, tmp_path) == (
        'path,row,action,label\n0.png,,drop,ape\n0.png,,right,"bear, brown"\n1.png,,remove,\n'
    )
    samples = Samples.from_columns({"path": SIX, "labels": [list(CLASSES)] * 6})
    samples = replace(samples, task=SEVERAL_LABELS)
    assert len(read_corrections(str(tmp_path / "saved.csv"), samples).lines) == 3


def test_a_picture_of_the_map_is_pointed_at_by_mouse_and_by_keyboard(visit):
    from playwright.sync_api import expect

    tab = visit(page_of(*ONE))
    canvas, told = tab.locator(".map canvas"), tab.locator("#pointed")
    canvas.scroll_into_view_if_needed()
    tab.get_by_label("by principal directions").check()
    box = canvas.bounding_box()
    canvas.hover(position={"x": 14, "y": box["height"] - 14})
    expect(told.locator("img")).to_have_attribute("alt", "0.png")
    expect(told).to_contain_text("great ape")
    expect(told).to_contain_text("labelled 'ape' (2%), taken for 'bear, brown' (90%)")
    canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    expect(told).to_contain_text("4.png")
    expect(told).to_contain_text("Its picture is not on this page.")
    canvas.focus()
    tab.keyboard.press("ArrowRight")
    expect(told).to_contain_text("0.png")
    tab.keyboard.press("ArrowRight")
    expect(told).to_contain_text("1.png")
    tab.keyboard.press("ArrowLeft")
    expect(told).to_contain_text("0.png")


def test_a_class_is_seen_alone_and_only_its_pictures_are_pointed_at(visit):
    from playwright.sync_api import expect

    tab = visit(page_of(*ONE))
    canvas, told = tab.locator(".map canvas"), tab.locator("#pointed")
    tab.get_by_label("by principal directions").check()
    button = tab.get_by_role("button", name="bear, brown", exact=True)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    canvas.click(position={"x": 14, "y": box["height"] - 14})  # an ape
    expect(told).to_contain_text("Nothing is pointed at.")
    canvas.click(position={"x": box["width"] - 14, "y": box["height"] - 14})
    expect(told).to_contain_text("1.png")


@pytest.mark.slow
def test_thirty_thousand_pictures_are_drawn_at_once(visit):
    draw, count = np.random.default_rng(0), 30_000
    found = page_of(*ONE)
    many = replace(
        found.mapped,
        maps=Maps(draw.random((count, 2)), 0.4, None),
        places=[(f"folder/{number:06}.jpg", None) for number in range(count)],
        labels=[(CLASSES[number % 3],) for number in range(count)],
    )
    page = replace(found, mapped=many)
    assert len(render(page)) < 8_000_000
    tab = visit(page)
    tab.locator(".map canvas").focus()
    tab.keyboard.press("ArrowRight")
    assert "folder/000001.jpg" in tab.locator("#pointed").inner_text()
