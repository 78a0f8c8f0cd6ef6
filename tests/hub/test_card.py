"""A run's card: what the hub reads, what a reader is told, and what stays at home."""

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from smallruns import train

import fieldmark
from fieldmark.cli.main import run as typed
from fieldmark.data.finding import Finding
from fieldmark.errors import DiskError, RunError
from fieldmark.hub.card import card_text, write_card
from fieldmark.hub.data_text import data_text, limits_text
from fieldmark.hub.facts import Stated, read_facts
from fieldmark.hub.front_matter import front_matter
from fieldmark.hub.measured_text import measured_text, sureness_text
from fieldmark.hub.place import DRAFT
from fieldmark.metrics_json import Calibration
from fieldmark.models.bundle_info import SetRow, Sets
from fieldmark.study.folder import StudyDir
from fieldmark.use.ensemble import Joining, Member


@pytest.fixture
def facts(run):
    return read_facts(run, Stated())


def written(run, **stated):
    write_card(run, run.card, read_facts(run, Stated(**stated)))
    return run.card


def text_of(facts):
    return card_text(facts, ["model.safetensors", "model.json"])


def test_the_front_matter_has_the_test_figures_with_their_intervals(run):
    folder = written(run, licence="CC-BY-4.0", dataset="me/colours")
    data = ModelCard((folder / "README.md").read_text()).data
    figures = run.read_metrics().sides["test"]
    assert (data.pipeline_tag, data.library_name) == ("image-classification", "fieldmark")
    assert (data.license, data.datasets) == ("cc-by-4.0", ["me/colours"])
    assert data.tags == ["fieldmark", "small_cnn"]
    assert data.metrics[0] == "accuracy"
    first = data.eval_results[0]
    low, high = (100 * bound for bound in figures.interval("accuracy"))
    assert first.metric_value == round(figures["accuracy"], 4)
    assert first.metric_name.startswith(f"accuracy (95 % interval {low:.1f} to {high:.1f}")
    assert first.metric_name.endswith(f", {figures.n} test images)")
    assert (first.dataset_name, first.dataset_split) == ("my-photos", "test")


def test_a_licence_that_the_hub_does_not_list_is_other_by_its_name(facts):
    stated = front_matter(replace(facts, stated=Stated(licence="ask-me-first")))
    assert (stated.license, stated.license_name) == ("other", "ask-me-first")
    assert front_matter(facts).license is None
    assert "Not stated. Ask before you use it." in text_of(facts)


def test_no_file_has_a_folder_or_a_picture_of_the_person_in_it(run):
    folder = written(run)
    private = [b"secret-home", os.fsencode(run.path), b"00.png", b"blue/"]
    for file in folder.iterdir():
        content = file.read_bytes()
        assert not [each for each in private if each in content], file.name
    assert "`my-photos`" in (folder / "README.md").read_text()


def test_the_cards_bundle_answers_as_the_run(run, trained):
    folder = written(run)
    photo = trained.path.parents[1] / "my-photos" / "red" / "00.png"
    one, other = (fieldmark.load(each).predict(photo) for each in (trained.path, folder))
    assert (one.label, one.score) == (other.label, other.score)
    own = json.loads((folder / "model.json").read_text())
    assert own["weights_sha256"] in (folder / "README.md").read_text()


def test_figures_stand_beside_their_intervals_by_class_too(facts):
    told = "\n".join(measured_text(facts))
    found = facts.metrics.sides["test"]
    assert f"The {found.n} test images were looked at once, after training" in told
    assert "| figure | test | 95 % interval | validation |" in told
    for name, row in found.per_class.items():
        assert f"| {name} | {row.support} | " in told
    assert "The intervals" not in told  # of no groups


def test_a_run_without_a_test_says_that_its_figures_flatter(facts):
    alone = replace(facts.metrics, sides={"val": facts.metrics.sides["val"]})
    told = text_of(replace(facts, metrics=alone))
    assert (
        "The test images have not been looked at. These figures are of the validation images, by "
        "which the model was chosen, so they flatter it." in told
    )
    none = text_of(replace(facts, metrics=replace(facts.metrics, sides={})))
    assert "How good it is has not been measured: no image was kept for it." in none
    assert "**How good it is has not been measured**." in none


def test_a_stopped_run_says_so(facts):
    metrics = replace(facts.metrics, about=replace(facts.metrics.about, whole=False))
    told = limits_text(replace(facts, metrics=metrics))
    assert "- **Training was stopped before its end**, so more of it might be better." in told


def test_groups_are_counted_and_not_named(facts):
    frame = facts.data.samples.frame
    named = facts.data.samples.frame.with_columns(group=frame["split"] + "-river-site")
    data = replace(facts.data, samples=replace(facts.data.samples, frame=named))
    found = replace(facts, data=data)
    told = "\n".join(data_text(found))
    assert (
        "Groups of images that belong together: 1 in training, 1 in validation, 1 in test." in told
    )
    assert "river-site" not in text_of(found)
    assert "no group of images is on two sides" in "\n".join(limits_text(found))


def test_what_was_left_out_is_counted(facts):
    found = Finding(
        "truncated", "error", "2 images end too early ('a.jpg' and 'b.jpg')", ("a", "b")
    )
    told = "\n".join(data_text(replace(facts, data=replace(facts.data, findings=(found,)))))
    assert "- 2 images end too early." in told


def test_when_not_to_answer_is_told_as_validation_has_it(facts):
    answers = ((0.9, 80, 80), (0.5, 100, 96))
    info = replace(facts.info, answers=answers, sets=Sets((SetRow(0.9, 0.5, 1.0),), 100))
    known = replace(facts, info=replace(info, unlike=None))
    told = "\n".join(sureness_text(known))
    assert "| 98.0 % | 0.9 | 80.0 % | 100 % |" in told
    assert "a picture of something else gets a label as well" in told
    rough = replace(known, metrics=replace(facts.metrics, calibration=None))
    assert "They were not calibrated, so a score is no probability." in "\n".join(
        sureness_text(rough)
    )
    assert isinstance(facts.metrics.calibration, Calibration)


def test_a_class_without_a_test_image_is_named(facts):
    test = replace(facts.metrics.sides["test"], absent=("green",))
    metrics = replace(facts.metrics, sides={"test": test})
    told = "\n".join(limits_text(replace(facts, metrics=metrics)))
    assert "**green:** no image of the figures shows it; nothing is known of it." in told


def test_a_run_without_figures_is_refused_and_nothing_is_made(run):
    run.metrics.unlink()
    with pytest.raises(RunError) as told:
        read_facts(run, Stated())
    assert str(told.value) == (
        f"{run.path}: has no figures yet, so there is nothing to write a card of; go on with it: "
        f"fieldmark train --resume {run.path}"
    )
    assert typed(["card", str(run.path)]) == 2
    assert not run.card.exists()


def test_what_is_there_stays(run, capsys):
    run.card.mkdir()
    (run.card / "mine.txt").write_text("mine")
    assert typed(["card", str(run.path)]) == 2
    assert capsys.readouterr().err == (
        f"fieldmark: {run.card}: exists already; choose another --out, or add --overwrite\n"
    )
    assert typed(["card", str(run.path), "--overwrite"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"card    {run.card / 'README.md'}"
    assert told[1:] == [
        "note: timm and transformers cannot load it, for timm has no network 'small_cnn'",
        "note: it has no licence, so nobody may use it; state one with --licence ID",
    ]
    assert (run.card / "mine.txt").read_text() == "mine"
    assert typed(["card", str(run.path), "--out", str(run.path), "--overwrite"]) == 2
    assert "is the run's own folder; name another one" in capsys.readouterr().err


def test_a_folder_that_could_not_be_filled_is_gone_again(run, facts, monkeypatch):
    def full(folder, *rest):
        raise DiskError(f"{folder}: the disk is full; free some space and try again")

    monkeypatch.setattr("fieldmark.hub.card._write_readme", full)
    told = f"{run.card}: the disk is full; free some space and try again"
    with pytest.raises(DiskError, match=f"^{re.escape(told)}$"):
        write_card(run, run.card, facts)
    assert not run.card.exists()


def test_a_card_that_was_there_stays_where_the_new_one_could_not_be_written(
    run, facts, monkeypatch
):
    write_card(run, run.card, facts)
    before = {path.name: path.read_bytes() for path in run.card.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr("fieldmark.hub.card._write_readme", lambda *parts: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_card(run, run.card, facts)
    assert {path.name: path.read_bytes() for path in run.card.iterdir()} == before
    (run.card / DRAFT).mkdir()  # as a kill leaves it
    (run.card / DRAFT / "model.json").touch()
    write_card(run, run.card, facts)
    assert {path.name: path.read_bytes() for path in run.card.iterdir()} == before


def test_a_card_that_was_whole_when_a_kill_came_is_put_in_its_place_by_the_next(
    run, facts, monkeypatch
):
    write_card(run, run.card, facts)
    (run.card / "config.json").write_text("of the old card alone")
    before = {path.name for path in run.card.iterdir()} - {"config.json"}
    other, plain = replace(facts, name="another"), Path.rename
    for many in range(1, len(before) + 2):  # the draft whole, then each file in its place
        done = []

        def killed(old, new, done=done, many=many):
            done.append(old)
            if len(done) > many:
                raise KeyboardInterrupt
            return plain(old, new)

        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(Path, "rename", killed)
            write_card(run, run.card, other)
        assert len(done) == min(many, len(before)) + 1
        assert typed(["card", str(run.path)]) == 2  # it stays; but what a kill has left is finished
        assert {path.name for path in run.card.iterdir()} == before
        assert (run.card / "README.md").read_text().count("# another\n") == 1


def test_a_study_of_several_models_is_refused_and_one_of_one_is_its_cards(
    trained, tmp_path, capsys
):
    study = StudyDir(tmp_path / "study")
    study.prepare()
    study.ask({"command": "fieldmark cross-validate photos"})
    for name in ("x", "y"):
        shutil.copytree(trained.path, study.run(name).path)
    Joining(("a", "b"), (Member("runs/x"), Member("runs/y"))).write(study.path)
    assert typed(["card", str(study.path)]) == 2
    assert capsys.readouterr().err == (
        f"fieldmark: {study.path}: is 2 models that answer as one, and no network is the whole of "
        f"it; name one of them, such as {study.path}/runs/x\n"
    )
    Joining(("a", "b"), (Member("runs/y"),)).write(study.path)
    assert typed(["card", str(study.path)]) == 0
    assert (study.run("y").card / "README.md").is_file()


def test_intervals_by_groups_say_so(facts):
    test = replace(facts.metrics.sides["test"], groups=2)
    found = replace(facts, metrics=replace(facts.metrics, sides={"test": test}))
    told = "\n".join(measured_text(found))
    assert (
        "it goes by the differences of 2 groups of images that belong together, which are so few "
        "that they tell nearly nothing." in told
    )


@pytest.mark.slow
def test_a_run_of_several_labels_and_captions_has_a_card_of_its_own(tmp_path):
    """Thresholds by label, a table with captions to use it, and no word of timm's."""
    captioned = draw_captioned(tmp_path / "pictures")
    run = train(captioned, tmp_path / "runs", "words", "model.captions=true", epochs="2")
    folder = written(run)
    card = ModelCard((folder / "README.md").read_text())
    assert "multi-label" in card.data.tags
    assert card.data.library_name == "fieldmark"
    assert "says which of 2 labels an image has." in card.text
    assert "it wants a table with a column of captions" in card.text
    assert "fieldmark predict model photos.csv --images photos/" in card.text
    assert "cannot load it, for timm has no network 'small\\_cnn'" in card.text
    assert "| threshold |" in card.text
    assert "a small sun" not in card.text


def draw_captioned(folder):
    """A table of drawn pictures with two labels, none, or both, and a caption each. -> the table"""
    import numpy as np
    from PIL import Image

    folder.mkdir()
    draw, rows = np.random.default_rng(0), ["image,labels,caption"]
    for number in range(60):
        labels = [name for k, name in enumerate(("sea", "sun")) if number >> k & 1]
        pixels = draw.integers(0, 120, size=(16, 16, 3))
        pixels[..., 0] += 100 * ("sun" in labels)
        pixels[..., 2] += 100 * ("sea" in labels)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:02}.png")
        rows.append(f"{number:02}.png,{' '.join(labels)},a small {' '.join(labels)}")
    table = folder / "labels.csv"
    table.write_text("\n".join(rows) + "\n")
    return table
