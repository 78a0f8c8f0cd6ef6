"""From words to a run: the data is taken in once, and the process stays as it was found."""

import torch
from smallruns import QUIET, SMALL, draw_photos, history, predictions, same_results, train

from fieldmark.data.intake import take_in
from fieldmark.runs.begin import gather, preview, try_rates
from fieldmark.runs.run import prepare, train_run


def test_a_look_before_training_leaves_the_threads_as_they_were(tmp_path):
    photos = draw_photos(tmp_path / "photos")
    given = {"out": str(tmp_path), "name": "run"}
    words = [*SMALL, f"run.threads={torch.get_num_threads() + 1}"]
    before = torch.get_num_threads()
    try_rates(gather(str(photos), words, given), QUIET)
    preview(gather(str(photos), words, {}), QUIET)
    assert torch.get_num_threads() == before


def test_digits_that_are_handed_in_have_no_mirror_images():
    resolved = gather("digits", ["augment=light"], {})
    data = take_in(resolved.settings.data, QUIET)
    handed, read = (prepare(resolved, QUIET, each).settings for each in (data, None))
    assert handed == read
    assert handed.augment.options["flip"] is False


def test_data_is_taken_in_once_for_several_runs(tmp_path, monkeypatch):
    photos = draw_photos(tmp_path / "photos")
    alone = train(photos, tmp_path, "alone", "run.seed=1")
    data = take_in(gather(str(photos), [], {}).settings.data, QUIET)
    monkeypatch.setattr("fieldmark.runs.run.take_in", None)
    words = [*SMALL, "train.epochs=3", f"run.out={tmp_path}"]
    runs = [
        train_run(gather(str(photos), [*words, f"run.seed={seed}"], {}), QUIET, "a test", data)
        for seed in (0, 1)
    ]
    assert same_results(alone, runs[1])
    assert not history(alone).equals(history(runs[0]))


def test_a_study_may_leave_the_test_unseen(tmp_path):
    photos = draw_photos(tmp_path / "photos")
    words = [*SMALL, "train.epochs=1", f"run.out={tmp_path}"]
    run = train_run(gather(str(photos), words, {}), QUIET, "a test", sides=["val"])
    assert run.is_done
    assert set(predictions(run)["split"]) == {"val"}
    assert run.report.is_file()
