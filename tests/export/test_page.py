"""A page of one file that looks at photos: what lies in it, and what it does in Chromium."""

import csv
import json
import os
import re
import shutil

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx: pip install 'fieldmark[onnx]'")

from PIL import Image
from tinybundles import one_label, several_labels

from fieldmark.cli.main import run as fieldmark
from fieldmark.errors import RunError, SettingsError
from fieldmark.export import page as pages
from fieldmark.export.browser import in_browser, opened, table_of
from fieldmark.export.exported import export
from fieldmark.export.formats import Asked, least_score, refuse_before_work
from fieldmark.export.onnx_file import make_onnx
from fieldmark.export.page import FILE, PAGE, open_page, with_all
from fieldmark.export.parity import given_images, torch_scores
from fieldmark.export.runtime import HASHES, SCRIPT, read_runtime
from fieldmark.export.whole import read_source

NAMES = ("ant", 'bee, "the" <small> one', "cat|dog")
WIDTH, HEIGHT = 60, 40


def photo(path, seed, **how):
    """A drawn photo, left unlike right and top unlike bottom."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(rows / random.uniform(3, 9) + columns / random.uniform(3, 9)) for _ in "rgb"]
    picture = Image.fromarray((127 * (1 + np.stack(waves, -1))).astype(np.uint8))
    picture.save(path, **how)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve JPEGs, the second of which says by EXIF that it lies on its side."""
    folder = tmp_path_factory.mktemp("photos")
    about = Image.Exif()
    about[0x0112] = 6
    for place in range(12):
        photo(folder / f"{place:02}.jpg", place, quality=95, exif=about if place == 1 else b"")
    return folder


def sure_bundle(folder):
    """A bundle whose validation was right above a score of 0.34, and wrong below."""
    one_label(folder, NAMES)
    info = json.loads((folder / "model.json").read_text())
    info["answers"] = [[0.34, 10, 10], [0.1, 40, 12]]
    (folder / "model.json").write_text(json.dumps(info))
    return folder


@pytest.fixture
def runtime(monkeypatch):
    """No runtime, but as many files."""
    monkeypatch.setattr(pages, "read_runtime", lambda named: dict.fromkeys(HASHES, b"// runtime"))


def made(bundle, photos, folder, **how):
    """A page by torch's older exporter, which is quick. -> its text"""
    source = read_source(bundle)
    asked = Asked(images=(str(photos),), **how)
    text = with_all(make_onnx(source, "torchscript", False), source, asked)
    folder.mkdir(exist_ok=True)
    PAGE.save(text, {}, folder)
    return text


def block(text, name):
    return re.search(f'id="block-{name}">(.*?)</script>', text, re.DOTALL)[1]


@pytest.mark.usefixtures("runtime")
def test_a_page_holds_the_network_ten_pictures_and_what_it_decides_by(tmp_path, photos):
    bundle = sure_bundle(tmp_path / "run")
    text = made(bundle, photos, tmp_path / "page", abstain=0.9)
    facts = json.loads(block(text, "facts"))
    assert facts["classes"] == list(NAMES)
    assert (facts["least"], facts["several"], facts["thresholds"]) == (0.34, False, None)
    assert len(facts["pictures"]) == 10
    source, run = read_source(bundle), open_page(tmp_path / "page")
    [read] = given_images([str(photos / "00.jpg")]).pictures
    name, content = read()
    large, small = (each(content, source.info.spec, name) for each in (pages.unresized, pages.seen))
    assert np.abs(run(large[None])[0] - torch_scores(source)(small)).max() < 1e-3
    assert text.count("capture=") == 1
    assert "MIT License" in text
    assert "10 pictures of the data" in text
    assert "bee, &#34;the&#34; &lt;small&gt; one" in text


@pytest.mark.usefixtures("runtime")
def test_a_page_may_open_nothing_but_itself(tmp_path, photos):
    text = made(sure_bundle(tmp_path / "run"), photos, tmp_path / "page", pictures=False)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert re.fullmatch(
        r"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src "
        r"'sha256-[\w+/]{43}=' blob: 'wasm-unsafe-eval'; worker-src blob:; base-uri 'none'; "
        r"form-action 'none'",
        policy,
    )
    assert not re.search(r'(src|href)="(?!#)', text)
    assert json.loads(block(text, "facts"))["pictures"] == []
    assert "pictures of the data" not in text


@pytest.mark.usefixtures("runtime")
def test_several_labels_have_a_threshold_each(tmp_path, photos):
    files = [str(each) for each in sorted(photos.iterdir())]
    bundle = several_labels(tmp_path / "run", files, NAMES)
    facts = json.loads(block(made(bundle, photos, tmp_path / "page"), "facts"))
    wanted = json.loads((bundle / "model.json").read_text())["thresholds"]
    assert facts["several"]
    assert facts["thresholds"] == [wanted[name] for name in NAMES]


def refused(path, asked, to="page"):
    with pytest.raises((RunError, SettingsError)) as told:
        refuse_before_work(path, to, path / "exports", asked, overwrite=False)
    return str(told.value)


def test_what_a_page_cannot_do_is_told_before_any_work(tmp_path):
    bundle = sure_bundle(tmp_path / "run")
    assert refused(bundle, Asked(abstain=95)) == (
        "--abstain: must be more than 0 and at most 1, not 95; did you mean 0.95?"
    )
    assert refused(bundle, Asked(embedding=True)) == (
        "--embedding: page shows scores alone; leave it out"
    )
    assert refused(bundle, Asked(runtime=str(tmp_path))).startswith(
        f"--runtime: {tmp_path}: has no {SCRIPT}; get it by 'npm pack onnxruntime-web@"
    )
    assert least_score(bundle, read_source(bundle).info, Asked(abstain=0.9)).score == 0.34


def test_options_of_a_page_are_no_options_of_other_formats(tmp_path):
    asked = Asked(abstain=0.9, pictures=False, runtime="x", browser=True)
    assert refused(sure_bundle(tmp_path / "run"), asked, "pth").splitlines() == [
        f"{name}: is for a page; leave it out, or add --to page"
        for name in ("--abstain", "--no-pictures", "--runtime", "--browser")
    ]


# In Chromium, with the real runtime.

FIXED = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def real_page(tmp_path_factory, photos):
    """A page made by the command's own function, which tried it in Chromium. -> folder, bundle"""
    if shutil.which("chromium") is None and os.environ.get("FIELDMARK_BROWSER") != "required":
        pytest.skip("there is no chromium on this machine")
    read_runtime.cache_clear()
    try:
        read_runtime()
    except SettingsError as error:
        pytest.skip(f"onnxruntime-web cannot be had here: {error}")
    folder = tmp_path_factory.mktemp("real")
    bundle = sure_bundle(folder / "run")
    asked = Asked(images=(str(photos),), abstain=0.9, browser=True)
    place, parity = export(bundle, "page", folder / "page", asked)
    assert parity.holds
    return place, bundle


@pytest.mark.slow
def test_chromium_decides_as_the_model_and_the_export_says_so(real_page):
    told = json.loads((real_page[0] / "export.json").read_text())["browser"]
    assert told["browser"].startswith("Chromium ")
    assert (told["images"], told["differ"], told["requests"]) == (12, [], [])
    assert told["largest"] < 0.003
    assert told["check"].startswith(
        "Checked itself on 10 pictures: all decided as Fieldmark does, scores within 0.0"
    )


@pytest.mark.slow
def test_photos_get_rows_and_the_table_is_that_of_predict(real_page, photos, tmp_path, capsys):
    place, bundle = real_page
    files = [photos / "00.jpg", photos / "01.jpg", tmp_path / "no.jpg", tmp_path / "a,b.heic"]
    see_through = Image.new("RGBA", (30, 30), (200, 30, 30, 0))
    see_through.save(tmp_path / "clear.png")
    files[2].write_bytes(b"no picture")
    files[3].write_bytes(b"")
    files.append(tmp_path / "clear.png")
    with opened(place / FILE, **FIXED) as (_, page, requests):
        assert page.locator("body").get_attribute("data-where") == "worker"
        assert page.get_attribute("#camera", "capture") == "environment"
        page.set_input_files("#files", [str(each) for each in files])
        page.wait_for_selector('body[data-looked="5"]')
        rows = page.locator("[data-part=answers] > li")
        assert rows.count() == 5
        assert rows.locator("img").count() == 3
        assert (
            rows.nth(2)
            .inner_text()
            .startswith("Cannot be read: damaged, or no kind of picture that this browser opens.")
        )
        assert rows.nth(3).inner_text().startswith("A HEIC photo, which this browser cannot open.")
        counts = page.inner_text("[data-part=counts]")
        assert re.fullmatch(r"(\d \u00d7 \w+, )+2 that cannot be read", counts), counts
        answers = table_of(page)
        rows.nth(0).locator("button").click()
        assert page.locator("dialog.large").is_visible()
        page.keyboard.press("Escape")
        page.click("[data-part=clear]")
        assert rows.count() == 0
        dropped = page.evaluate_handle(
            """() => {
              const given = new DataTransfer();
              given.items.add(new File(["no picture"], "dropped.txt"));
              return given;
            }"""
        )
        page.dispatch_event("body", "drop", {"dataTransfer": dropped})
        page.wait_for_selector('body[data-looked="1"]')
        assert "dropped.txt" in rows.nth(0).inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert {each.partition(":")[0] for each in requests} <= {"file", "blob", "data"}
    words = [str(each) for each in (files[0], files[1], files[4])]
    command = ["predict", str(bundle), *words, "--abstain", "0.9", "--scores"]
    assert fieldmark(command) == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("image,"))
    wanted = list(csv.DictReader(lines[start:]))
    assert [list(each) for each in answers] == [list(each) for each in wanted]
    for its, theirs in zip(answers, wanted, strict=True):
        assert theirs["image"].endswith(its["image"])
        assert (its["label"], its["reason"]) == (theirs["label"], theirs["reason"])
        names = [name for name in its if name.startswith("score")]
        apart = [float(its[name]) - float(theirs[name]) for name in names]
        assert np.abs(apart).max() < 0.003


@pytest.mark.slow
def test_a_page_whose_scores_are_others_warns(real_page, tmp_path):
    text = (real_page[0] / FILE).read_text()
    facts = json.loads(block(text, "facts"))
    best = int(np.argmax(facts["pictures"][0]["scores"]))
    facts["pictures"][0]["scores"] = [float(place == (best + 1) % 3) for place in range(3)]
    changed = json.dumps(facts).replace("<", "\\u003c")
    (tmp_path / FILE).write_text(text.replace(block(text, "facts"), changed))
    with opened(tmp_path / FILE) as (_, page, _):
        check = page.locator("[data-part=check]")
        assert check.inner_text().startswith(
            "Do not trust the answers in this browser: 1 of 10 pictures is decided otherwise than "
            "by Fieldmark, and scores are off by up to 0."
        )
        assert check.get_attribute("class") == "wrong"


@pytest.mark.slow
def test_a_damaged_page_says_that_it_cannot_run(real_page, photos, tmp_path):
    text = (real_page[0] / FILE).read_text()
    (tmp_path / FILE).write_text(text.replace(block(text, "graph"), "AAAA"))
    with opened(tmp_path / FILE) as (_, page, _):
        assert page.inner_text("[data-part=state]").startswith(
            "This browser cannot run the network"
        )
        assert page.locator("body").get_attribute("data-ready") == "no"
    with pytest.raises(RunError, match="does not start in Chromium"):
        in_browser(tmp_path / FILE, read_source(real_page[1]), given_images([str(photos)]))


@pytest.mark.slow
def test_without_workers_the_page_looks_by_itself(real_page, photos):
    with opened(real_page[0] / FILE) as (_, page, _):
        page.add_init_script("delete globalThis.Worker")
        page.reload()
        page.wait_for_selector("body[data-ready]")
        assert page.locator("body").get_attribute("data-where") == "page (Worker is not defined)"
        page.set_input_files("#files", [str(photos / "00.jpg")])
        page.wait_for_selector('body[data-looked="1"]')
        assert len(table_of(page)) == 1


@pytest.mark.slow
def test_several_labels_are_those_that_reach_their_thresholds(real_page, photos, tmp_path):
    files = [str(each) for each in sorted(photos.iterdir())]
    bundle = several_labels(tmp_path / "run", files, NAMES)
    asked = Asked(images=(str(photos),), pictures=False, browser=True)
    place, _ = export(bundle, "page", tmp_path / "page", asked)
    assert json.loads((place / "export.json").read_text())["browser"]["differ"] == []
    with opened(place / FILE) as (_, page, _):
        assert page.inner_text("[data-part=check]") == (
            "This page carries no pictures, so it cannot check itself in this browser."
        )
        page.set_input_files("#files", files)
        page.wait_for_selector('body[data-looked="12"]')
        labels = [each["labels"].split("|") for each in table_of(page)]
    assert {len(each) for each in labels} > {1}
