"""Heat maps at the end of a run: kept in its folder, made again after a kill, and their cost."""

import shutil
from dataclasses import replace

import pytest
from smallruns import QUIET, SMALL, exact, in_process, pages, same_results, train, train_and_die
from smallruns import resume as go_on

from fieldmark.heats import Heats, Wanted
from fieldmark.report.page import report
from fieldmark.rundir import RunDir
from fieldmark.runs.concrete import gather
from fieldmark.runs.explaining import FEWEST, MASKS, PASSES, SHARE, affordable
from fieldmark.runs.run import train_run

WORDS = ("run.explain=true",)


@pytest.fixture(scope="module")
def explained(photos, tmp_path_factory):
    return train(photos, tmp_path_factory.mktemp("explained"), "e", *WORDS, page=True)


def test_the_page_has_maps_beside_its_pictures_and_each_is_held_against_random_parts(explained):
    heats = Heats.read(explained.heat)
    assert heats.method == "grad-cam"
    assert {len(each.random) for each in heats.rows if each.cells is not None} == {MASKS}
    page = explained.report.read_text()
    assert "Where it looks" in page
    assert "hottest fifth" in page
    assert f"Each map here is held against {MASKS} random parts." in page


def test_a_map_that_nobody_judged_is_not_drawn(explained, tmp_path):
    copied = RunDir(shutil.copytree(explained.path, tmp_path / "c"))
    heats = Heats.read(copied.heat)
    rows = [replace(each, blurred=float("nan"), random=(), beats=None) for each in heats.rows]
    replace(heats, rows=tuple(rows)).write(copied.heat)
    report(copied)
    assert "where the model looked for" not in copied.report.read_text()
    assert "mean heat map of" not in copied.report.read_text()


def test_weights_are_the_same_with_and_without_maps(explained, photos, tmp_path):
    plain = train(photos, tmp_path, "p", "run.explain=false")
    assert not plain.heat.exists()
    assert same_results(explained, plain)


def test_images_of_few_pixels_have_none_unasked(photos, tmp_path):
    run = train(photos, tmp_path, "p", epochs="1")
    assert "explain: false" in run.settings.read_text()
    assert not run.heat.exists()


def test_after_a_kill_the_maps_are_those_of_the_run_that_was_never_killed(
    explained, photos, tmp_path
):
    point = "fieldmark.runs.run:report"
    assert in_process(train_and_die, point, 1, photos, tmp_path, "e", WORDS) == -9
    run = RunDir(tmp_path / "e")
    run.heat.unlink()
    go_on(run)
    assert run.heat.read_bytes() == explained.heat.read_bytes()


def test_a_trial_whose_test_is_not_looked_at_spends_nothing_on_maps(photos, tmp_path):
    given = {"out": str(tmp_path), "name": "t", "epochs": "1"}
    with pages(False):
        run = train_run(gather(str(photos), [*SMALL, *WORDS], given), QUIET, "", sides=("val",))
    found = Heats.read(run.heat)
    assert found.rows == ()
    assert found.reason == (
        f"they come with the test at a run's end; now by: fieldmark explain {run.path}"
    )


def test_maps_of_other_weights_are_not_drawn(explained, tmp_path):
    copied = RunDir(shutil.copytree(explained.path, tmp_path / "c"))
    heats = Heats.read(copied.heat)
    Heats(heats.rows, weights="of others").write(copied.heat)
    report(copied)
    assert "Where it looks" not in copied.report.read_text()


def test_a_head_of_trees_says_what_makes_maps_without_gradients(photos, weights, tmp_path):
    pytest.importorskip("lightgbm")
    words = ("model.width=4", "model.freeze=true", "head.name=boosted", "head.trees=3", *WORDS)
    run = exact(photos, tmp_path, "b", weights, *words, page=True)
    reason = (
        "a head of boosted trees has no gradients that Grad-CAM could go by; these need none: "
        f"fieldmark explain {run.path} --method occlusion"
    )
    assert Heats.read(run.heat).reason == reason
    assert f"No heat maps: {reason}." in run.report.read_text()


@pytest.mark.parametrize("images", [30, 800, 100_000])
def test_maps_cost_a_share_of_the_run_and_what_matters_most_comes_first(images):
    worth = [Wanted(f"{k}", None, "cat") for k in range(120)]
    wanted = affordable(worth, images)
    assert len(wanted) * PASSES <= max(FEWEST, SHARE * images)
    assert wanted == worth[: len(wanted)]
    assert wanted
    if images == 100_000:
        assert wanted == worth
