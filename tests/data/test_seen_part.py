import numpy as np
import pytest
from PIL import Image
from smallruns import QUIET

from fieldmark.data.intake import take_in
from fieldmark.data.seen_part import seen_notes, seen_words, shares_seen, squeezed
from fieldmark.records import InputSpec
from fieldmark.runs.concrete import gather, make_concrete
from fieldmark.runs.run import prepare
from fieldmark.runs.sight import notes_of_sight, small_note
from fieldmark.settings.data import DataSettings

MIDDLE = InputSpec("shorter:256", 224)


@pytest.mark.parametrize(
    ("size", "stored", "share"),
    [
        ((300, 300), "shorter:256", (224 / 256) ** 2),
        ((480, 135), "shorter:256", 224 / 256 * 224 / (480 * 256 / 135)),
        ((135, 480), "shorter:256", 224 / 256 * 224 / (480 * 256 / 135)),
        ((480, 135), "square:224", 1.0),
        ((480, 135), "square:256", (224 / 256) ** 2),
        ((480, 240), "original", 224 / 256 * 224 / 512),
        ((480, 240), "shorter:224", 0.5),
        ((480, 240), "shorter:200:bicubic", 224 / 400),
    ],
)
def test_the_share_that_is_seen_follows_from_the_sizes(size, stored, share):
    assert shares_seen(np.array([size]), InputSpec(stored, 224)) == pytest.approx([share])


def test_pictures_are_squeezed_where_less_than_half_of_the_median_one_is_seen():
    wide, usual = [480, 135], [400, 300]
    assert squeezed(np.array([wide, wide, usual]), MIDDLE).stored == "square:224"
    assert squeezed(np.array([wide, usual, usual]), MIDDLE) == MIDDLE
    assert squeezed(np.array([[1920, 1080]]), MIDDLE).stored == "square:224"
    assert squeezed(np.array([[3000, 2000]]), MIDDLE) == MIDDLE
    bicubic = InputSpec("shorter:256:bicubic", 224)
    assert squeezed(np.array([wide]), bicubic).stored == "square:224:bicubic"
    assert squeezed(np.empty((0, 2), np.int64), MIDDLE) == MIDDLE
    assert squeezed(np.array([wide]), InputSpec("square:256", 224)).stored == "square:256"


def test_what_is_not_seen_is_said_where_it_is_so_of_a_tenth_of_the_images():
    wide, usual = [480, 135], [400, 300]
    assert seen_notes(np.array([usual] * 10 + [wide]), MIDDLE, None) == []
    assert seen_notes(np.array([usual] * 8 + [wide]), MIDDLE, None) == [
        "of 11 % of the training images less than half is seen, the square in the middle: 57 % of "
        "the median picture (400 x 300 pixels); input.stored=square:224 shows all of each, squeezed"
    ]
    assert seen_words(np.empty((0, 2), np.int64), MIDDLE) == ""


def drawn(folder, size, each=12):
    for name, level in (("a", 40), ("b", 200)):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            Image.new("RGB", size, (level, number, 0)).save(folder / name / f"{number}.png")
    return str(folder)


@pytest.mark.parametrize(
    ("size", "words", "stored", "said"),
    [
        (
            (240, 70),
            (),
            "square:96",
            [
                "pictures are squeezed to a square, so that all of each is seen: the square in the "
                "middle would be 22 % of the median picture (240 x 70 pixels); "
                "input.stored=shorter:110 takes that"
            ],
        ),
        (
            (240, 70),
            ("input.stored=shorter:110",),
            "shorter:110",
            [
                "of 100 % of the training images less than half is seen, the square in the middle: "
                "22 % of the median picture (240 x 70 pixels); input.stored=square:96 shows all of "
                "each, squeezed"
            ],
        ),
        ((240, 70), ("input.stored=square",), "square:96", []),
        ((120, 100), (), "shorter:110", []),
        ((60, 12), ("input.size=32",), "square:32", []),
    ],
)
def test_the_settings_hold_the_form_that_the_sizes_ask_for(tmp_path, size, words, stored, said):
    source = drawn(tmp_path / "photos", size)
    given = ["model=small_cnn", "epochs=1", "input.size=96", *words]
    data = take_in(DataSettings(source=source, val="hold"), QUIET)
    concrete = make_concrete(gather(source, given, {}), data, QUIET)
    assert concrete.settings.input.stored == stored
    assert notes_of_sight(concrete.settings, concrete.origins, data) == said


def test_images_far_smaller_than_the_weights_have_learned_from_are_told():
    assert small_note(75, 224) == []
    assert small_note(74, 224) == [
        "the network sees 74 x 74 px, and its weights have learned from 224 x 224 px: at so small "
        "a size they know little; --image-size 224 costs more time, and is mostly more exact"
    ]


def test_a_run_says_what_is_seen_of_its_pictures(tmp_path):
    source = drawn(tmp_path / "photos", (240, 70))
    given = ["model=small_cnn", "epochs=1", "input.size=96"]
    notes = prepare(gather(source, given, {}), QUIET).data.notes
    assert [note for note in notes if note.startswith("pictures are squeezed to a square")]
