"""Every page in a real browser: nothing goes wrong in it, and what it promises can be used."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report.conftest import calibrated, figures_of, picture_of, run_page_of
from report.test_inspect_page import note, page_of, sheet, shot
from reviews import test_compare_page, test_evaluated

from fieldmark.cli.main import run as fieldmark
from fieldmark.data.finding import Finding
from fieldmark.heats import Heat, Heats
from fieldmark.insight.answered import Picture
from fieldmark.insight.galleries import Confused
from fieldmark.insight.looks import Look
from fieldmark.judge.figures import ConfusedPair
from fieldmark.report import inspect_page, page

PHONE, DESK = 390, 1200  # px
WIDE = "a_class_whose_name_is_long_and_has_no_space_at_all"


def heat_of(label: str, *, drawn: bool) -> Heat:
    """A map that was held against random parts, and beats them or not."""
    cells = np.arange(16, dtype=np.uint8).reshape(4, 4)
    return Heat("digits", 7, label, 0.9, cells, 0.3, (0.8, 0.85), drawn, sampled=True)


def with_look(picture: Picture, *, drawn: bool) -> Picture:
    """The same with where the network looked."""
    heat = heat_of(picture.guess, drawn=drawn)
    look = Look(heat, picture.content, picture.mime) if drawn else Look(heat)
    return replace(picture, look=look)


def run_report() -> str:
    """A run's report with every section there is, and a name that is hard to lay out."""
    shown = tuple(picture_of(WIDE, "2", side) for side in (8, 120, 200))
    classes = (WIDE, "2", "3")
    found = run_page_of(
        classes,
        sides={side: calibrated(figures_of(classes, test=True)) for side in ("val", "test")},
        about={"times": {"waiting": 30.0, "forward": 10.0, "whole": 40.0}},
        mistakes=shown,
        ordinary={WIDE: tuple(with_look(shown[1], drawn=drawn) for drawn in (True, False))},
        heats=Heats((heat_of(WIDE, drawn=True),)),
        hits=(picture_of("3", "3"),),
        pairs=(Confused(ConfusedPair(WIDE, "2", 1, 10), shown[:2], (picture_of("2", "2"),)),),
        told={
            "notes": ("2 files could not be read.",),
            "findings": (Finding("small", "warning", "2 images are small.", ("a/b.png",) * 30),),
            "split_notes": ("15 % were taken for validation.",),
        },
    )
    return page.render(found)


def inspection() -> str:
    """The first look at data: findings with pictures, folded files, sheets."""
    pictures = (shot("cat/1.jpg"), shot("cat/2.jpg"))
    notes = (note(n=40, pictures=pictures, paired=True), note("note", n=3))
    sheets = (sheet("cat"), sheet(WIDE, width=9, height=9))
    return inspect_page.render(page_of(notes=notes, sheets=sheets, augmented=(sheet("one"),)))


PAGES: dict[str, Callable[[], str]] = {
    "run": run_report,
    "inspect": inspection,
    "evaluate": test_evaluated.html_of,
    "compare": test_compare_page.html_of,
}


REAL = ("trained", "inspected", "evaluated", "compared", "explained")
REAL_TOO = [pytest.param(name, marks=pytest.mark.slow) for name in REAL]
ALL = (*PAGES, *REAL_TOO)
VERBS = {
    "trained": "train",
    "evaluated": "evaluate",
    "compared": "compare",
    "explained": "explain",
}


def make_real(folder: Path) -> dict[str, Path]:
    """Pages that the commands themselves make, of the smallest training there is."""
    small = ("digits", "--epochs", "1", "model.width=4", "run.workers=0", "--out", folder)
    for name, seed in (("a", 0), ("b", 1)):
        command("train", *small, "--name", name, "--seed", seed)
    pages = {name: folder / f"{name}.html" for name in REAL}
    pages["trained"] = folder / "a" / "report.html"
    command("inspect", "digits", "--page", pages["inspected"])
    command("evaluate", folder / "a", "digits", "--page", pages["evaluated"])
    command("compare", folder / "a", folder / "b", "--page", pages["compared"])
    command("explain", folder / "b", "--out", folder / "why")
    pages["explained"] = folder / "why" / "explain.html"
    return pages


def command(*words: object) -> None:
    assert fieldmark([str(word) for word in words]) == 0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Where a page lies; it is made when it is first asked for, the real ones together."""
    folder = tmp_path_factory.mktemp("pages")
    made: dict[str, Path] = {}

    def file_of(name: str) -> Path:
        if name in REAL and name not in made:
            made.update(make_real(folder))
        elif name not in made:
            made[name] = folder / f"{name}.html"
            made[name].write_text(PAGES[name](), encoding="utf-8")
        return made[name]

    return file_of


@pytest.fixture
def visit(opened: Callable[..., Any], files: Callable[[str], Path]) -> Callable[..., Any]:
    """Open a page of ALL; what goes wrong while the test uses it fails the test."""
    return lambda name, width=DESK: opened(files(name), width)


def test_what_leaves_the_file_would_be_seen(browser):
    tab, asked = browser.new_page(), []
    tab.on("request", lambda request: asked.append(request.url))
    tab.set_content('<img src="http://127.0.0.1:9/x.png">', wait_until="domcontentloaded")
    tab.close()
    assert "http://127.0.0.1:9/x.png" in asked


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("name", ALL)
def test_a_page_opens_without_an_error_and_never_scrolls_sideways(visit, name, width):
    tab = visit(name, width)
    tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")


@pytest.mark.parametrize("name", ["run", "compare"])
def test_light_and_dark_follow_the_system_and_paper_is_light(visit, name):
    tab = visit(name)
    ground = []
    for media, scheme in (("screen", "light"), ("screen", "dark"), ("print", "dark")):
        tab.emulate_media(media=media, color_scheme=scheme)
        ground.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert ground == ["rgb(251, 251, 250)", "rgb(20, 24, 26)", "rgb(255, 255, 255)"]


@pytest.mark.parametrize("name", PAGES)
def test_every_section_is_in_the_contents_and_can_be_jumped_to_even_if_folded(visit, name):
    tab = visit(name)
    titles = tab.locator("details.section > summary > h2").all_inner_texts()
    links = tab.locator("nav.contents a")
    assert links.all_inner_texts() == titles
    last = tab.locator("details.section").last
    tab.get_by_role("button", name="Fold all").click()
    assert tab.locator("details.section[open]").count() == 0
    links.last.click()
    assert last.get_attribute("open") == ""
    assert last.locator("h2").evaluate("each => each.getBoundingClientRect().top") < 800


@pytest.mark.parametrize("name", REAL_TOO)
def test_a_real_page_says_what_was_found_and_shows_its_command(visit, name):
    tab = visit(name)
    assert tab.locator("h1").inner_text().strip()
    if name != "inspected":
        verb = VERBS[name]
        assert tab.locator("#command").inner_text().startswith(f"fieldmark {verb} ")


@pytest.mark.parametrize("name", ["run", REAL_TOO[0], REAL_TOO[2]])
def test_on_a_phone_the_class_stays_in_sight_beside_its_figures(visit, name):
    box = visit(name, PHONE).locator("#classes .scroll")
    box.evaluate("each => { each.scrollLeft = 1000; }")
    left = box.evaluate("each => each.getBoundingClientRect().left")
    first = box.locator("tbody th").first
    assert box.evaluate("each => each.scrollLeft") > 0
    assert first.evaluate("each => each.getBoundingClientRect().left") == left


@pytest.mark.parametrize("name", ["run"])
def test_a_section_folds_by_keyboard(visit, name):
    tab = visit(name)
    section = tab.locator("details.section").first
    section.locator("> summary").focus()
    tab.keyboard.press("Enter")
    assert section.get_attribute("open") is None
    assert not section.locator(".inside").is_visible()
    tab.keyboard.press("Space")
    assert section.locator(".inside").is_visible()


def test_on_a_phone_the_contents_are_away(visit):
    assert not visit("run", PHONE).locator("nav.contents").is_visible()


@pytest.mark.parametrize("press", [None, "Enter", "Space"])
def test_a_table_sorts_by_click_and_by_key(visit, press):
    tab = visit("run")
    table = tab.locator("#classes table")
    header = table.locator("th", has_text="Images")

    def sort() -> list[str]:
        button = header.locator("button")
        if press is None:
            button.click()
        else:
            button.focus()
            tab.keyboard.press(press)
        return table.locator("tbody th").all_inner_texts()

    table.locator("tbody tr").first.locator("td").first.evaluate("c => { c.dataset.value = 99; }")
    table.locator("tbody tr").last.locator("td").first.evaluate("c => { c.dataset.value = ''; }")
    assert sort() == ["2", WIDE, "3"]
    assert header.get_attribute("aria-sort") == "ascending"
    assert sort() == [WIDE, "2", "3"]  # what has no value stays last
    assert header.get_attribute("aria-sort") == "descending"
    table.locator("th", has_text="Class").locator("button").click()
    assert table.locator("tbody th").all_inner_texts() == ["2", "3", WIDE]
    assert header.get_attribute("aria-sort") is None


@pytest.mark.parametrize("name", ["run", "inspect", "evaluate"])
def test_a_picture_enlarges_by_key_and_escape_gives_the_focus_back(visit, name):
    tab = visit(name)
    dialog, first = tab.locator("dialog"), tab.locator("button.zoom").first
    first.focus()
    tab.keyboard.press("Enter")
    assert dialog.is_visible()
    assert dialog.locator("img").get_attribute("alt") == first.locator("img").get_attribute("alt")
    assert dialog.locator("figcaption").inner_text() == first.get_attribute("title")
    tab.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert first.evaluate("each => each === document.activeElement")


def test_arrow_keys_go_round_the_pictures_of_the_section(visit):
    tab = visit("run")
    tab.locator("#mistakes button.zoom").first.click()
    place = tab.locator("dialog span")
    places = [place.inner_text()]
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        tab.keyboard.press(key)
        places.append(place.inner_text())
    assert places == ["1 of 3", "2 of 3", "3 of 3", "1 of 3", "3 of 3"]
    tab.get_by_role("button", name="Previous picture").click()
    assert place.inner_text() == "2 of 3"
    tab.keyboard.press("Escape")
    second = tab.locator("#mistakes button.zoom").nth(1)
    assert second.evaluate("each => each === document.activeElement")


def test_a_click_closes_the_large_picture_and_a_lone_one_has_no_arrows(visit):
    tab = visit("run")
    tab.locator("#hits button.zoom").click()
    assert not tab.get_by_role("button", name="Next picture").is_visible()
    tab.locator("dialog img").click()
    assert not tab.locator("dialog").is_visible()


@pytest.mark.parametrize("name", ["run", "compare"])
def test_on_paper_everything_is_open_and_afterwards_as_it_was(visit, name):
    from playwright.sync_api import expect

    tab = visit(name)
    tab.locator("details.section > summary").first.click()
    folded = tab.locator("details:not([open])")
    before = folded.count()
    assert before > 0
    tab.emulate_media(media="print")
    expect(folded).to_have_count(0)
    assert not tab.locator("nav.contents").is_visible()
    tab.emulate_media(media="screen")
    expect(folded).to_have_count(before)


def test_a_pdf_of_folded_sections_has_them_open(visit):
    tab = visit("run")
    whole = len(tab.pdf())
    tab.get_by_role("button", name="Fold all").click()
    assert len(tab.pdf()) == pytest.approx(whole, rel=0.02)
    assert tab.locator("details.section[open]").count() == 0


def test_the_command_is_copied_or_marked(visit):
    from playwright.sync_api import expect

    button = visit("run").locator("button[data-copies]")
    button.click()
    expect(button).to_have_text(re.compile("Copied|Selected"))


def test_a_chart_tells_an_epoch_where_the_pointer_rests(visit):
    column = visit("run").locator("#learning .hover").nth(2)
    column.hover()
    title = "epoch 3: training 0.667, validation 0.733"
    assert column.locator("title").text_content() == title
