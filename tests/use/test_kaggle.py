"""Tables in, tables and Kaggle files out: of several labels an image, and of one."""

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from smallruns import draw_photos
from tinybundles import one_label, several_labels, with_thresholds

import fieldmark
from fieldmark.data.columns import Columns, Reading
from fieldmark.data.tables import Named, read_rows
from fieldmark.errors import DataError, SettingsError
from fieldmark.use.inputs import Found, find_images
from fieldmark.use.kaggle import Kaggle, kaggle, once
from fieldmark.use.predictor import Answering, Failure, Prediction, Predictor

TASK = Reading(task="multi-label")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos", each=6) / "red"


@pytest.fixture(scope="module")
def bundle(photos, tmp_path_factory):
    return several_labels(tmp_path_factory.mktemp("bundles") / "b", photos)


@pytest.fixture
def table(photos, tmp_path):
    """Writes a table beside no image. -> its path"""

    def write(text, name="test.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def in_kaggles_form(predictor, path, photos):
    found = once(find_images([path], images=str(photos)))
    stream = io.StringIO()
    form = kaggle(found, predictor.classes, several=predictor.several)
    form.write(stream, predictor.stream(found.images))
    return stream.getvalue()


def test_the_labels_written_for_a_table_are_read_back_as_the_predicted_sets(
    bundle, photos, table, tmp_path
):
    predictor = Predictor(bundle)
    names = ["05.png", "00.png", "03.png", "01.png", "04.png", "02.png"]
    path = table("\n".join(["ImageID,Caption", *(f'{name},"a, b"' for name in names)]))
    text = in_kaggles_form(predictor, path, photos)
    assert text.startswith("ImageID,Labels\n05.png,")
    written = tmp_path / "submission.csv"
    written.write_text(text)
    samples, *_ = read_rows(written, TASK)
    assert samples.frame["path"].to_list() == names
    wanted = [predictor.predict(photos / name) for name in names]
    assert [set(its) for its in samples.frame["labels"]] == [set(each.labels) for each in wanted]
    assert {len(each.labels) for each in wanted} == {1, 2, 3}
    for answer in wanted:
        least = predictor.info.thresholds
        assert set(answer.labels) == {k for k in least if answer.scores[k] >= least[k]}


@pytest.mark.parametrize(
    "classes", [("a b", "c"), ("a b", "c|d"), ("x;y z|", "u"), ("plain", "other")]
)
def test_labels_are_read_back_whatever_their_names_hold(classes, tmp_path):
    form = kaggle(Found((), (), Columns("ImageID")), classes, several=True)
    answers = [Prediction(f"{k}.jpg", None, 0.5, {}, labels) for k, labels in enumerate(
        [classes, classes[:1], (), classes[1:], classes[::-1]]
    )]  # fmt: skip
    form.write(tmp_path / "s.csv", iter(answers))
    mark = {" ": "space", "|": "bar", ";": "semicolon", ",": "comma"}[form.mark]
    samples, *_ = read_rows(tmp_path / "s.csv", Reading(separator=mark, task="multi-label"))
    read = samples.frame["labels"].to_list()
    assert read == [[*classes], [classes[0]], [], [classes[1]], [*classes]]  # in their order
    assert bool(form.notes) == (" " in classes[0])


def test_what_divides_labels_with_spaces_is_told_and_where_nothing_can_that_is(table):
    columns = Columns("ImageID")
    assert kaggle(Found((), (), columns), ["bus", "stop sign"], several=True).notes == [
        "labels are divided by vertical bars, for 'stop sign' holds a space"
    ]
    with pytest.raises(SettingsError) as caught:
        kaggle(Found((), (), columns), ["a b", "c|d", "e;f", "g,h"], several=True)
    assert str(caught.value) == (
        "--format kaggle: each of spaces, vertical bars, semicolons and commas stands in some "
        "class, so that none can divide"
    )


def test_an_image_that_is_broken_or_missing_has_its_row_without_labels(bundle, photos, table):
    broken = photos / "broken.png"
    broken.write_bytes(b"no picture")
    predictor = Predictor(with_everything(bundle))
    path = table("ImageID\n01.png\nbroken.png\n9.png\n00.png\n")
    text = in_kaggles_form(predictor, path, photos)
    broken.unlink()
    assert text == "ImageID,Labels\n01.png,10 2 7\nbroken.png,\n9.png,\n00.png,10 2 7\n"


def with_everything(bundle, least=0.0):
    """A copy of a bundle whose thresholds every score reaches, or none."""
    copy = bundle.with_name(f"all{least}")
    copy.mkdir(exist_ok=True)
    for name in ("model.json", "model.safetensors"):
        (copy / name).write_bytes((bundle / name).read_bytes())
    return with_thresholds(copy, dict.fromkeys(("10", "2", "7"), least))


def test_an_image_that_is_named_twice_has_one_row_and_a_row_without_one_none(bundle, photos, table):
    path = table("ImageID,Caption\n01.png,a\n00.png,b\n01.png,c\n,d\n")
    found = find_images([path], images=str(photos))
    assert [each.name for each in found.images] == ["01.png", "00.png", "01.png", ""]
    single = once(found)
    assert [each.name for each in single.images] == ["01.png", "00.png", ""]
    assert single.notes == ("1 row of images that stand above already: one row an image",)
    rows = in_kaggles_form(Predictor(bundle), path, photos).splitlines()
    assert [row.partition(",")[0] for row in rows] == ["ImageID", "01.png", "00.png"]


def test_none_above_its_threshold_is_empty_or_the_likeliest_on_demand(bundle, photos, table):
    strict = with_everything(bundle, 0.999)
    path = table("ImageID\n01.png\n00.png\n")
    assert in_kaggles_form(Predictor(strict), path, photos) == "ImageID,Labels\n01.png,\n00.png,\n"
    some = fieldmark.load(strict, at_least_one=True)
    answers = some.predict([photos / "01.png", photos / "00.png"])
    best = [max(each.scores, key=each.scores.__getitem__) for each in answers]
    assert [each.labels for each in answers] == [(name,) for name in best]
    assert [each.label for each in answers] == best
    text = in_kaggles_form(some, path, photos)
    assert text == f"ImageID,Labels\n01.png,{best[0]}\n00.png,{best[1]}\n"
    whole = fieldmark.load(with_everything(bundle), at_least_one=True)
    assert {len(each.labels) for each in whole.predict(photos)} == {3}


def test_the_columns_are_called_as_in_the_table(bundle, photos, table):
    path = table("file;tags\n01.png;2\n00.png;7\n")
    text = in_kaggles_form(Predictor(bundle), path, photos)
    assert text.splitlines()[0] == "file,tags"
    path = table("what\n01.png\n")
    found = find_images([path], images=str(photos), column="what")
    assert kaggle(found, "ab", several=True).header == ("what", "Labels")


def test_of_one_label_an_image_it_is_written_as_it_is(photos, table, tmp_path):
    predictor = Predictor(one_label(tmp_path / "b", ("a b", "c", "d")))
    answers = predictor.predict([photos / "01.png", photos / "00.png"])
    found = find_images([table("id\n01.png\n9.png\n00.png\n")], images=str(photos), column="id")
    form, stream = kaggle(found, predictor.classes, several=False), io.StringIO()
    form.write(stream, predictor.stream(found.images))
    text = stream.getvalue()
    first, last = (answer.label for answer in answers)
    assert text == f"id,label\n01.png,{first}\n9.png,\n00.png,{last}\n"


def test_one_label_has_no_least_number_of_labels(tmp_path):
    with pytest.raises(SettingsError) as caught:
        Predictor(one_label(tmp_path / "b"), Answering(at_least_one=True))
    assert str(caught.value) == (
        "--at-least-one: is for several labels an image, and this model answers with one; leave "
        "it out"
    )


def test_a_table_is_answered_row_by_row_and_its_names_are_kept(bundle, photos, table):
    path = table("ImageID\n01\n8.png\n00.png\n01\n")
    found = find_images([path, photos / "02.png"], images=str(photos))
    assert found.columns is None  # there is more than the table
    answers = list(Predictor(bundle, batch_size=2).stream(found.images))
    names = ["01", "8.png", "00.png", "01", str(photos / "02.png")]
    assert [each.image for each in answers] == names
    assert answers[1] == Failure(
        "8.png",
        f"{path}, line 3: there is no file '8.png' in {photos}; add it, or take the row out",
    )
    assert answers[0].scores == pytest.approx(answers[3].scores, abs=1e-6)


def test_python_gives_a_list_for_a_table_with_labels_and_scores(bundle, photos, tmp_path):
    (photos / "t.csv").write_text("ImageID,Labels\n01.png,2\n")
    predictor = fieldmark.load(bundle)
    [answer] = predictor.predict(photos / "t.csv")
    (photos / "t.csv").unlink()
    alone = predictor.predict(photos / "01.png")
    assert (answer.image, answer.labels, answer.scores) == ("01.png", alone.labels, alone.scores)
    assert sorted(answer.labels, key=answer.scores.__getitem__, reverse=True) == [*answer.labels]
    assert set(answer.scores) == {"10", "2", "7"}


@pytest.mark.parametrize("options", [{"images": "there"}, {"column": "file"}])
def test_what_is_for_tables_is_refused_without_one(photos, options):
    with pytest.raises(DataError) as caught:
        find_images([photos], **options)
    where = "--images there" if "images" in options else "data.image_column=file"
    assert str(caught.value) == (
        f"{where}: is for a table of images (.csv, .tsv, .parquet, .xlsx, .json, .jsonl, .txt); "
        "name one, or leave it out"
    )


def test_without_a_single_table_there_are_no_rows(photos, table):
    path = table("ImageID\n01.png\n")
    for inputs in ([photos], [path, photos / "00.png"]):
        found = find_images(inputs, images=str(photos) if path in inputs else None)
        with pytest.raises(SettingsError) as caught:
            kaggle(found, ["a"], several=True)
        assert str(caught.value) == (
            "--format kaggle: is a row for each row of a table; name one table of images, and "
            "nothing else"
        )


def test_memory_grows_with_the_rows_as_names_do(bundle, tmp_path):
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "a.png")
    predictor = Predictor(bundle, batch_size=50)
    form = Kaggle(("ImageID", "Labels"), predictor.classes)

    def peak(count):
        rows = (Named(f"{k}", tmp_path / "a.png") for k in range(count))
        tracemalloc.start()
        form.write(tmp_path / "s.csv", predictor.stream(rows))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(50)
    few, many = peak(300), peak(1500)
    assert len(Path(tmp_path / "s.csv").read_text().splitlines()) == 1501
    assert many - few < 1200 * 300  # an answer has more bytes than that
