import os
import re
from typing import Any

import pytest
from pictures import encoded
from PIL import Image
from report.test_page import NASTY, Reader

from fieldmark.report.findings import Note
from fieldmark.report.inspect_page import InspectPage, Sheet, render

CLASSES = {"cat": {"train": 60, "val": 20}, "dog": {"train": 15, "val": 5}}


def shot(caption: str, width: int = 120, height: int = 96) -> tuple[bytes, str, str]:
    return encoded(Image.new("RGB", (width, height), (90, 120, 60)), "JPEG"), "image/jpeg", caption


def sheet(title: str, n: int = 3, **size: int) -> Sheet:
    return Sheet(title, 50, tuple(shot(f"{title}/{k}.jpg", **size) for k in range(n)))


def page_of(**changed: Any) -> InspectPage:
    facts: dict[str, Any] = {
        "title": "pets",
        "data": "photos/pets",
        "verdict": "100 photos in 2 classes: 1 thing to mend before training",
        "counts": CLASSES,
        "sizes": [(640, 480, 70), (480, 640, 25), (64, 64, 5)],
        "formats": {"PNG": 4, "JPEG": 96},
        "megabytes": 12.34,
        "notes": (),
        "sheets": (sheet("cat"), sheet("dog")),
        "augmented": (),
        "about": {"fieldmark": "0.1.0", "seconds": "83.2"},
        "command": "fieldmark inspect photos/pets",
    }
    return InspectPage(**(facts | changed))


def reader(**changed: Any) -> Reader:
    return read(render(page_of(**changed)))


def read(html: str) -> Reader:
    """Texts of neighbouring cells are words of their own."""
    return Reader(html.replace("><", "> <"))


def note(severity: str = "error", sentence: str = "It is so.", n: int = 0, **more: Any) -> Note:
    return Note("some-kind", severity, sentence, tuple(f"dir/{k}.jpg" for k in range(n)), **more)


def shown_and_folded(html: str) -> tuple[str, str]:
    """The text that is seen at once, and the source of what a click unfolds."""
    html = html.replace('<details class="section"', "<section").replace("</div>\n</details>", "")
    folded = " ".join(re.findall(r"<details.*?</details>", html, re.DOTALL))
    return read(re.sub(r"<details.*?</details>", "", html, flags=re.DOTALL)).text, folded


def test_the_verdict_is_the_headline_and_the_title():
    verdict = page_of().verdict
    html = render(page_of())
    assert f'<h1 class="verdict">{verdict}</h1>' in html
    assert f"<title>pets: {verdict}</title>" in html
    assert "A first look at photos/pets" in Reader(html).text


def test_nothing_in_the_file_points_outside_it():
    html = render(page_of(notes=(note(pictures=(shot("a"),)),), augmented=(sheet("one"),)))
    addresses = [
        value or ""
        for _, attributes in Reader(html).tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data")
    ]
    assert len(addresses) >= 10
    assert all(address.startswith(("#", "data:image/")) for address in addresses)
    assert "http:" not in html
    assert "https:" not in html


def test_names_are_escaped_wherever_they_stand():
    odd = "a\"b'{{ 7 * 7 }} & <b>_/c"
    found = reader(
        title=NASTY,
        data=NASTY,
        verdict=NASTY,
        counts={NASTY: {NASTY: 3}, odd: {NASTY: 1, "all": 2}},
        formats={NASTY: 6},
        notes=(Note(NASTY, "note", NASTY, (NASTY, odd), (shot(NASTY),)),),
        sheets=(Sheet(NASTY, 3, (shot('" onerror="alert(1)'),)),),
        augmented=(Sheet(odd, 1, (shot(odd),)),),
        about={NASTY: NASTY},
        command=NASTY,
    )
    assert len(found.scripts) == 1
    assert "alert" not in found.scripts[0]
    assert not any("onerror" in attributes for _, attributes in found.tags)
    assert not any(tag == "b" for tag, _ in found.tags)
    assert odd in found.text
    assert NASTY in found.text


def test_findings_are_ordered_by_severity_and_counted_in_words():
    notes = (
        note("note", "Third."),
        note("warning", "Second."),
        note("error", "First."),
        note("note", "Fourth."),
    )
    text = reader(notes=notes).text
    assert "1 error, 1 warning and 2 notes in 100 images." in text
    places = [text.index(word) for word in ("First.", "Second.", "Third.", "Fourth.")]
    assert places == sorted(places)


def test_one_severity_alone_is_counted_without_and():
    assert "2 warnings in 100 images." in reader(notes=(note("warning"),) * 2).text


def test_an_unknown_severity_is_refused():
    with pytest.raises(ValueError, match="fatal"):
        render(page_of(notes=(note("fatal"),)))


def test_without_findings_the_page_says_in_how_many_images_nothing_was_found():
    assert "Nothing to mend was found in 100 images." in reader().text
    assert "Nothing to mend" not in reader(notes=(note("note"),)).text


def test_the_first_twenty_files_are_shown_and_all_others_folded():
    shown, folded = shown_and_folded(render(page_of(notes=(note(n=300),))))
    assert [f"dir/{k}.jpg" in shown for k in (0, 19, 20, 299)] == [True, True, False, False]
    folded_text = read(folded).text
    assert "280 more" in folded_text
    assert all(f"dir/{k}.jpg" in folded_text for k in range(20, 300))


def test_twenty_files_are_not_folded_and_one_more_is_one_file():
    assert " 1 more " not in reader(notes=(note(n=20),)).text
    assert " 1 more " in reader(notes=(note(n=21),)).text


def test_a_file_whose_picture_is_shown_is_named_once():
    text = reader(notes=(note(n=3, pictures=(shot("dir/0.jpg"), shot("dir/2.jpg"))),)).text
    assert [text.count(f"dir/{k}.jpg") for k in range(3)] == [1, 1, 1]


def test_paired_pictures_stand_in_twos():
    pictures = tuple(shot(str(k)) for k in range(5))
    html = render(page_of(notes=(note(pictures=pictures, paired=True),)))
    twins = html[html.index('class="twins"') :]
    pairs = re.findall(r"<li>\s*<div>(.*?)</div>", twins[: twins.index("</ul>")], re.DOTALL)
    assert [re.findall('alt="(.*?)"', pair) for pair in pairs] == [["0", "1"], ["2", "3"], ["4"]]


def test_many_findings_of_one_severity_are_folded_after_ten():
    notes = tuple(note("warning", f"Sentence {k}.") for k in range(300))
    shown, folded = shown_and_folded(render(page_of(notes=notes)))
    assert "Sentence 9." in shown
    assert "Sentence 10." not in shown
    assert "290 more warnings" in folded
    assert "Sentence 299." in folded


def test_each_class_has_a_bar_in_parts_of_the_largest():
    parts = [
        (attributes["class"], attributes["style"])
        for tag, attributes in reader(sizes=[(9, 9, 100)]).tags
        if tag == "i"
    ]
    assert parts == [
        ("part0", "--n:0.75"),
        ("part1", "--n:0.25"),
        ("part0", "--n:0.1875"),
        ("part1", "--n:0.0625"),
    ]


def test_counts_have_their_sums_and_the_balance_is_told():
    text = reader().text
    assert "All 75 25 100" in text
    assert "2 classes, from 20 images (\N{LEFT SINGLE QUOTATION MARK}dog" in text


def test_a_split_that_a_class_lacks_is_marked():
    found = reader(counts={"cat": {"train": 9, "val": 1}, "dog": {"val": 2}})
    cells = [a for tag, a in found.tags if tag == "td" and "data-value" in a]
    assert [cell["data-value"] for cell in cells] == ["9", "1", "10", "0", "2", "2"]
    assert [cell.get("class") for cell in cells] == [None, None, None, "lacking", None, None]


def test_images_with_several_labels_have_no_sum():
    counts = {"cat": {"all": 80}, "dog": {"all": 70}}
    html = render(page_of(counts=counts))
    assert "<tfoot>" not in html
    assert "<tfoot>" in render(page_of(counts={"cat": {"all": 80}, "dog": {"all": 20}}))


def test_without_splits_there_is_one_column():
    found = reader(counts={"cat": {"all": 80}})
    headers = [a for tag, a in found.tags if tag == "th" and a.get("scope") == "col"]
    assert len(headers) == 2  # the class, its images


def test_one_class_is_named():
    text = reader(counts={"cat": {"all": 80}}, sheets=(sheet("cat"),)).text
    assert "One class, \N{LEFT SINGLE QUOTATION MARK}cat\N{RIGHT SINGLE QUOTATION MARK}." in text


def test_equal_classes_are_told_in_one_number():
    text = reader(counts={"cat": {"all": 50}, "dog": {"all": 50}}).text
    assert "Each of the 2 classes has 50 images." in text


def test_many_classes_are_drawn_in_order_of_size_and_their_table_folded():
    counts = {f"c{k}": {"all": k} for k in range(1, 51)}
    html = render(page_of(counts=counts))
    titles = [a["title"] for tag, a in Reader(html).tags if tag == "i" and "title" in a]
    assert titles == [f"c{k}: {k}" for k in range(50, 0, -1)]
    _, folded = shown_and_folded(html)
    assert "50 classes in a table" in folded
    assert folded.count("<tr>") == 51


def test_sheets_beyond_twenty_classes_are_folded():
    sheets = tuple(sheet(f"class {k}", n=1) for k in range(50))
    shown, folded = shown_and_folded(render(page_of(sheets=sheets)))
    assert "class 19 50 images" in shown
    assert "class 20" not in shown
    assert "30 more classes" in folded
    assert "class 49" in read(folded).text


def test_only_small_pictures_are_shown_with_hard_edges():
    found = reader(sheets=(sheet("8 px", 2, width=8, height=8), sheet("large", 2)))
    small = [a["alt"] for tag, a in found.tags if tag == "img" and a.get("class") == "small"]
    assert small == ["8 px/0.jpg", "8 px/1.jpg"]


def test_pictures_keep_their_shape_within_limits():
    sheets = (Sheet("c", 3, (shot("a"), shot("b", 900, 20), shot("c", 20, 900))),)
    shapes = [a["style"] for tag, a in reader(sheets=sheets).tags if tag == "img"]
    assert shapes == ["--r:1.25", "--r:3.0", "--r:0.4"]


def test_the_collage_takes_a_photo_of_each_class_in_turn_and_whole_rows():
    html = render(page_of(sheets=(sheet("cat"), sheet("dog", 4))))
    collage = html[html.index('class="collage"') : html.index("</header>")]
    assert re.findall('alt="(.*?)"', collage) == [
        "cat/0.jpg",
        "dog/0.jpg",
        "cat/1.jpg",
        "dog/1.jpg",
        "cat/2.jpg",
    ]
    assert 'class="collage"' not in render(page_of(sheets=(sheet("cat", 4),)))


def test_the_collage_has_two_rows_at_most():
    html = render(page_of(sheets=tuple(sheet(f"c{k}", 2) for k in range(30))))
    assert html[: html.index("</header>")].count("<img") == 10


def test_bytes_that_are_no_image_do_not_break_the_page():
    broken = Sheet("cat", 1, ((b"not an image", "image/png", "broken"),))
    assert "data:image/png;base64,bm90" in render(page_of(sheets=(broken,)))


def test_augmented_samples_are_shown_with_their_captions_where_there_are_any():
    assert "Augmented" not in reader().text
    text = reader(augmented=(Sheet("cat/7.jpg", 1, (shot("as it is"), shot("epoch 1"))),)).text
    assert "cat/7.jpg as it is epoch 1" in text


def test_sizes_formats_and_weight_are_told():
    text = reader().text
    assert "Smallest 64 \N{MULTIPLICATION SIGN} 64 (5 images)" in text
    assert "Largest, most common 640 \N{MULTIPLICATION SIGN} 480 (70 images)" in text
    assert "Formats 96 JPEG, 4 PNG" in text
    assert "On disk 12.3 MB" in text


@pytest.mark.parametrize(
    ("megabytes", "words"), [(0.25, "250 KB"), (1, "1.0 MB"), (12345.6, "12.3 GB")]
)
def test_weights_have_the_unit_that_suits_them(megabytes, words):
    assert f"On disk {words}" in reader(megabytes=megabytes).text


def test_shapes_are_counted():
    sizes = [(100, 300, 1), (300, 400, 2), (104, 100, 3), (400, 300, 4), (900, 300, 5)]
    found = reader(sizes=sizes)
    assert "tall 1 portrait 2 square 3 landscape 4 wide 5" in found.text


def test_a_dot_is_drawn_to_scale_at_the_upper_right_corner():
    html = render(page_of(sizes=[(760, 100, 9), (380, 500, 1)]))
    circles = re.findall(r'<circle cx="([\d.]+)" cy="(-[\d.]+)" r="([\d.]+)"', html)
    assert circles == [("380.0", "-50.0", "7.5"), ("190.0", "-250.0", "3.5")]


def test_a_hundred_thousand_sizes_make_a_picture_of_bounded_weight():
    sizes = [(100 + k % 317, 100 + k // 317, 1) for k in range(100_000)]
    assert len(render(page_of(sizes=sizes)).encode()) < 600_000


def test_one_size_is_a_sentence_without_a_picture():
    html = render(page_of(sizes=[(8, 8, 100)]))
    assert "Every image is 8 \N{MULTIPLICATION SIGN} 8 pixels." in Reader(html).text
    assert "<svg" not in html


def test_a_table_without_images_speaks_of_rows_and_shows_no_sizes():
    found = reader(sizes=[], formats={}, megabytes=0.0, sheets=(), data="labels.csv")
    assert "Nothing to mend was found in labels.csv." in found.text
    assert "from 20 rows" in found.text
    assert "Sizes and shapes" not in found.text
    assert "Samples" not in found.text


def test_data_without_anything_in_it_still_makes_a_page():
    found = reader(counts={}, sizes=[], formats={}, megabytes=0.0, sheets=(), about={})
    assert "Classes" not in found.text
    assert "fieldmark inspect photos/pets" in found.text


def test_the_command_and_the_circumstances_are_there():
    text = reader().text
    assert "fieldmark inspect photos/pets" in text
    assert "1 min 23 s" in text


def test_file_names_in_no_encoding_leave_a_page_that_can_be_written():
    odd = os.fsdecode(b"bad-\xff.png")
    html = render(page_of(notes=(Note("k", "error", "It is so.", (odd,)),)))
    assert "bad-?.png" in html.encode("utf-8").decode()


def test_the_same_page_gives_the_same_text():
    assert render(page_of()) == render(page_of())


def test_only_the_script_of_the_page_may_run():
    html = render(page_of())
    assert "default-src 'none'; img-src data:;" in html
    assert re.search(r"script-src 'sha256-[\w+/]{43}='", html)
