"""The test of an earlier run, as data.test=RUN takes it."""

import polars as pl
import pytest
from scenes import photo
from smallruns import QUIET, draw_photos

from fieldmark.data.intake import take_in
from fieldmark.errors import DataError
from fieldmark.records import Samples
from fieldmark.rundir import RunDir
from fieldmark.settings.data import DataSettings


@pytest.fixture
def photos(tmp_path):
    return draw_photos(tmp_path / "photos", each=12, side=80)


def lending(path, samples):
    """A run's folder, as far as its test goes."""
    run = RunDir(path)
    run.path.mkdir(parents=True)
    run.settings.touch()
    samples.write(run.samples)
    return run


def test_more_photos_are_judged_by_the_test_of_an_earlier_run(photos, tmp_path):
    first = take_in(DataSettings(source=str(photos)), QUIET).samples
    run = lending(tmp_path / "a", first)
    for name in ("red", "blue"):
        for number in range(4):
            photo([number, ord(name[0])], 80, 80).save(photos / name / f"more{number}.png")
    more = take_in(DataSettings(source=str(photos), test=str(run.path)), QUIET)
    its, now = (set(s.frame["hash"].gather(s.rows("test"))) for s in (first, more.samples))
    assert its == now
    assert f"the {len(its)} images of the test are those of {run.path}" in more.notes
    assert len(more.samples) == len(first) + 8
    assert "leakage" not in {each.kind for each in more.findings}
    assert not any("copies of images that are judged" in note for note in more.notes)
    drawn = take_in(DataSettings(source=str(photos)), QUIET).samples
    assert set(drawn.frame["hash"].gather(drawn.rows("test"))) != its  # what it is for


def test_an_earlier_test_has_the_labels_groups_and_captions_of_today(photos, tmp_path):
    run = lending(tmp_path / "a", take_in(DataSettings(source=str(photos)), QUIET).samples)
    kept = Samples.read(run.samples)
    test = {kept.frame["path"][int(row)] for row in kept.rows("test")}
    relabelled = min(test)
    table = tmp_path / "table.csv"
    lines = [
        f"{path},{'new' if path == relabelled else label},site{number % 3},words {number}"
        for number, (path, [label]) in enumerate(kept.frame.select("path", "labels").rows())
    ]
    table.write_text("\n".join(["image,label,site,caption", *lines]))
    given = DataSettings(
        source=str(table), images=str(photos), group_column="site", test=str(run.path)
    )
    now = take_in(given, QUIET)
    frame = now.samples.frame.filter(pl.col("split") == "test")
    assert set(frame["path"]) == test
    assert frame.filter(pl.col("path") == relabelled)["labels"].to_list() == [["new"]]
    assert frame["group"].null_count() == frame["caption"].null_count() == 0
    assert any("groups stand on more than one side" in note for note in now.notes)


def test_an_earlier_test_that_is_not_all_among_the_images_is_refused(photos, tmp_path):
    run = lending(tmp_path / "a", take_in(DataSettings(source=str(photos)), QUIET).samples)
    many = len(Samples.read(run.samples).rows("test"))
    moved = photos.rename(tmp_path / "moved")
    with pytest.raises(DataError) as caught:
        take_in(DataSettings(source=str(moved), test=str(run.path)), QUIET)
    told = str(caught.value)
    assert told.startswith(
        f"data.test={run.path}: {many} of its {many} test images are not among these images ('"
    )
    assert told.endswith(
        "'); name a DATA that has them where they were, or a folder or a table as the test"
    )


def test_an_earlier_test_of_a_built_in_set_is_one_too(tmp_path):
    first = take_in(DataSettings(source="digits", split_seed=1), QUIET).samples
    run = lending(tmp_path / "a", first)
    now = take_in(DataSettings(source="digits", test=str(run.path)), QUIET).samples
    rows = [set(each.frame["row"].gather(each.rows("test"))) for each in (first, now)]
    assert rows[0] == rows[1]


def test_a_run_without_test_images_has_none_to_lend(photos, tmp_path):
    whole = take_in(DataSettings(source=str(photos), test="none"), QUIET).samples
    run = lending(tmp_path / "a", whole)
    with pytest.raises(DataError, match=r"a: this run has no test images; name another run"):
        take_in(DataSettings(source=str(photos), test=str(run.path)), QUIET)
