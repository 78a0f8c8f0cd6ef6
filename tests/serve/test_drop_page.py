"""The page that pictures are dropped on, in a real browser, spoken to by a real server."""

import csv
import io
import os
import shutil
from dataclasses import replace

import pytest
from servers import held, picture, serving, wait_until
from tinybundles import one_label, with_known

import fieldmark
from fieldmark.serve import drop_page
from fieldmark.serve.limits import Limits
from fieldmark.use.info import info_of

CHROMIUM = shutil.which("chromium")
PHONE, DESK = 390, 1200  # px
if CHROMIUM is None and os.environ.get("FIELDMARK_BROWSER") != "required":
    pytest.skip("there is no chromium on this machine", allow_module_level=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    photo = tmp_path_factory.mktemp("photo") / "a.png"
    photo.write_bytes(picture())
    classes = ("a_class_of_a_long_name", "b", "c")
    return with_known(one_label(tmp_path_factory.mktemp("one") / "run", classes), photo, most=0.01)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def opened(browser, served, width):
    """The page, and a list of what goes wrong in it, or leaves the server."""
    address, wrong = f"http://127.0.0.1:{served.port}", []
    tab = browser.new_page(viewport={"width": width, "height": 800})
    tab.on("console", lambda message: wrong.append(f"console: {message.text}"))  # also of a 422
    tab.on("pageerror", lambda error: wrong.append(f"exception: {error}"))

    def asked(request):
        if not request.url.startswith((address, "data:", "blob:")):
            wrong.append(f"request: {request.url}")

    tab.on("request", asked)
    tab.goto(address)
    return tab, wrong


def files(*named):
    return [{"name": n, "mimeType": "image/png", "buffer": content} for n, content in named]


@pytest.mark.slow
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_pictures_that_are_dropped_get_their_labels_and_a_table(browser, folder, width):
    from playwright.sync_api import expect

    page = drop_page.render(folder, info_of(folder), Limits())
    photos = [picture(0), picture(250)]
    wanted = fieldmark.load(folder).predict(photos)
    with serving(folder, page=page) as served:
        tab, wrong = opened(browser, served, width)
        given = files(*((f"{n}.png", each) for n, each in enumerate(photos)), ("b.png", b"none"))
        tab.set_input_files("input[type=file]", given)
        cards = tab.locator(".answers li")
        expect(cards).to_have_count(3)
        expect(tab.locator(".answers .waiting")).to_have_count(0)
        expect(tab.get_by_role("status")).to_have_text("3 photos done, 1 without an answer")
        labels = [each.replace("\u200b", "") for each in cards.locator(".label").all_inner_texts()]
        assert labels == [wanted[0].label, wanted[1].label, "no answer"]
        assert "unlike the training images" in cards.nth(1).inner_text()
        assert "is not a picture that can be read" in cards.nth(2).inner_text()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.locator(".answers .zoom").first.click()
        expect(tab.locator("dialog figcaption")).to_have_text("0.png")
        tab.keyboard.press("Escape")
        with tab.expect_download() as saved:
            tab.get_by_text("Save as CSV").click()
        rows = list(csv.DictReader(io.StringIO(saved.value.path().read_text())))
        assert [each["image"] for each in rows] == ["0.png", "1.png", "b.png"]
        assert [each["label"] for each in rows] == [wanted[0].label, wanted[1].label, ""]
        tab.get_by_text("Clear").click()
        expect(cards).to_have_count(0)
        tab.close()
        assert wrong == []


@pytest.mark.slow
def test_what_is_dropped_after_clear_is_answered_when_what_was_cleared_has_come(browser, folder):
    from playwright.sync_api import expect

    limits = Limits(images=1)
    page = drop_page.render(folder, info_of(folder), limits)
    with serving(folder, limits, page=page) as served, held(served.desk.predictor) as go:
        tab, wrong = opened(browser, served, DESK)
        two = files(("a.png", picture()), ("b.png", picture(250)))
        tab.set_input_files("input[type=file]", two)
        wait_until(lambda: served.desk.images == 2)  # as many requests as the page has at once
        tab.get_by_text("Clear").click()
        tab.set_input_files("input[type=file]", files(("c.png", picture())))
        expect(tab.locator(".answers li")).to_have_count(1)
        go.set()
        expect(tab.get_by_role("status")).to_have_text("1 photo done")
        tab.close()
        assert wrong == []


@pytest.mark.slow
def test_where_a_token_is_needed_the_page_tells_nothing_and_asks_for_it(browser, folder):
    from playwright.sync_api import expect

    page = drop_page.render_closed(Limits())
    assert not [name for name in info_of(folder).classes if f">{name}<" in page]
    with serving(folder, page=page, token=b"s3cret") as served:
        tab, wrong = opened(browser, served, DESK)
        tab.set_input_files("input[type=file]", files(("a.png", picture())))
        expect(tab.get_by_role("status")).to_have_text("Type the token first.")
        tab.fill("#token", "s3cret")
        tab.set_input_files("input[type=file]", files(("a.png", picture())))
        expect(tab.get_by_role("status")).to_have_text("1 photo done")
        tab.close()
        assert wrong == []


def test_the_page_names_the_classes_and_is_whole(folder):
    page = drop_page.render(folder, info_of(folder), Limits())
    assert "Tells 3 classes apart" in page
    assert "a_class_of_a_long_name" in page.replace("<wbr>", "")
    assert "connect-src 'self'" in page
    assert 'src="http' not in page
    assert "At most 64 pictures and 32 MiB at once." in page


def test_of_several_labels_it_says_which_an_image_has(folder):
    info = replace(info_of(folder), task="multi-label")
    page = drop_page.render(folder, info, Limits())
    assert "Says which of 3 labels an image has" in page
    assert "apart" not in page
