"""The command line, in this process: what it says, and the exit codes of law 7."""

import subprocess
import sys
from pathlib import Path

import pytest
from smallruns import FAST

from fieldmark.cli.main import run as fieldmark


def check(capsys, words, code, *lines):
    """Run it; hold the exit code and every line of standard error; nothing else is written."""
    assert fieldmark(words) == code
    assert capsys.readouterr().err.splitlines() == [f"fieldmark: {line}" for line in lines]


def test_all_mistakes_are_told_together(capsys, tmp_path):
    words = ["train", "digits", "--model", "small_cn", "--epochs", "0", "--lr", "-1"]
    words += ["train.epoch=3", "schedule.pct_start=1", "--precision", "fp8", "--seed", "x"]
    check(
        capsys,
        words,
        2,
        "train.epoch: there is no such setting; did you mean 'train.epochs'?",
        "--epochs: must be at least 1, not 0",
        "--seed: must be a whole number, not x",
        "--precision: must be 'auto', 'float32', 'bf16' or '16-mixed', not fp8",
        "--model: there is no model 'small_cn'; did you mean 'small_cnn'?",
        "--lr: must be more than 0, not -1",
        "schedule.pct_start: the schedule 'cosine' takes no such option; "
        "it takes 'warmup_epochs' and 'floor'",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["train", "digits", "model.widht=3", "--model", "small_cnn"],
            "model.widht: the model 'small_cnn' takes no such option; did you mean 'width'?",
        ),
        (
            ["train", "digit"],
            "DATA: there is no folder or file 'digit'; did you mean 'digits'?",
        ),
        (
            ["train"],
            "DATA: is missing; name a folder of class folders, or a built-in set such as digits",
        ),
        (
            ["train", "digits", "--weights", "nowhere.pth"],
            "--weights: there is no file 'nowhere.pth'; name a .safetensors or .pth file",
        ),
        (
            ["train", "digits", "--model", "inception_v3"],
            "--image-size: 'inception_v3' needs images of 75 px or more, not 8",
        ),
        (
            ["train", "digits", "train.monitor=accurracy"],
            "train.monitor: there is no figure 'accurracy'; did you mean 'accuracy'?",
        ),
        (
            ["train", "--resume", "nowhere"],
            "nowhere: there is no such run folder; `ls runs` shows those of this folder",
        ),
        (
            ["train", "--resume", "."],
            ".: is no run (it has no settings.yaml); name a run's folder",
        ),
        (
            ["train", "digits", "--resume", "."],
            "DATA: does not go with --resume; leave it out, or, where its photos moved, write "
            "data.source=NEW",
        ),
        (
            ["train", "digits", "--recipe", "digit"],
            "--recipe: there is no recipe 'digit'; did you mean 'digits'?",
        ),
        (
            ["train", "digits", "more"],
            "more: is not key=value, nor images that exist; write for example lr=0.01",
        ),
        (
            ["train", "digits", "--name", "a/b"],
            "--name a/b: is not a plain folder name; put its folder into --out",
        ),
        (
            ["train", "digits", "input.stored=big"],
            "input.stored: must be auto, original, square, shorter:N or square:N (:bicubic behind "
            "it), not big",
        ),
        (
            ["train", "digits", "input.stored=square:6"],
            "input.stored: square:6 is smaller than the 8 px the network sees",
        ),
        (
            ["train", "digits", "input.stored=original", "--augment", "light"],
            "input.stored: original needs an augmentation that resizes, which 'light' does not; "
            "take shorter:8, or --augment standard",
        ),
        (
            ["train", "digits", "--device", "gpu"],
            "--device: must be auto, cpu, cuda, cuda:N or mps, not gpu",
        ),
        (
            ["train", "digits", "optimizer.betas=0.9"],
            "optimizer.betas: must be a list such as [0.9, 0.99], not 0.9",
        ),
        (
            ["train", "digits", "augment.alternate=true"],
            "augment.alternate: no augmentation that may be chosen takes this option; "
            "'crop' does: add --augment crop",
        ),
        (
            ["train", "digits", "augment.hole=3"],
            "augment.hole: no augmentation that may be chosen takes this option; "
            "'crop', 'cifar' and 'cifar-albumentations' do: add --augment crop",
        ),
        (
            ["train", "digits", "model.filters=3"],
            "model.filters: no model that may be chosen takes this option; "
            "'nature_cnn' does: add --model nature_cnn",
        ),
        (
            ["train", "digits", "model.xyzzy=3"],
            "model.xyzzy: no model that may be chosen takes this option",
        ),
        (
            ["train", "digits", "--augment", "huge"],
            "--augment: there is no augmentation 'huge'; there are 'none', 'light', 'standard', "
            "'crop', 'cifar', 'contrast', 'nature', 'scenes', 'strong', 'randaugment', "
            "'trivialaugment', 'cifar-albumentations', 'contrast-albumentations' and "
            "'albumentations', and .yaml or .json files that Albumentations saved",
        ),
        (
            ["train", "digits", "--track", "neptune"],
            "--track: must be tensorboard, wandb, mlflow, or several with commas between such as "
            "tensorboard,mlflow, not neptune",
        ),
        (
            ["train", "photos"],
            "DATA: there is no folder or file 'photos', and no built-in set of that name "
            "(there are 'digits' and 'cifar10')",
        ),
        (
            ["train", "digits", "data=photos"],
            "data.source: names the images, and so does DATA; leave one out",
        ),
        (["evaluate", "."], ".: is no run (it has no settings.yaml); name a run's folder"),
        (
            ["models", "nonsense"],
            "nonsense: no network's name holds this; leave it out, "
            "or look in timm with timm/nonsense",
        ),
        (
            ["models", "--summary", "resnet19"],
            "--summary: there is no model 'resnet19'; did you mean 'resnet18'?",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(capsys, tmp_path, words, line):
    check(capsys, words, 2, line)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("predict r i --top three", "--top: must be a whole number, not three"),
        ("predict r i --batch-size 0", "--batch-size: must be at least 1, not 0"),
        ("predict r i --abstain 90%", "--abstain: must be a number, not 90%; did you mean 0.9?"),
        ("predict r i --abstain high", "--abstain: must be a number, not high"),
        (
            "predict r",
            "INPUTS... is missing; write for example `fieldmark predict runs/first new/ --out "
            "labels.csv`",
        ),
        (
            "grid digits",
            "--over is missing; write for example `fieldmark grid photos/ --over lr=0.01,0.001`",
        ),
        (
            "predict r i --out",
            "--out: has no value behind it; `fieldmark predict --help` shows which",
        ),
        (
            "train digits --freeze=1",
            "--freeze: takes no value; write --freeze alone, or leave it out",
        ),
        ("recipes nope", "No such command 'nope'; `fieldmark recipes --help` shows how"),
    ],
)
def test_words_that_the_parser_refuses_are_told_as_settings_are(capsys, words, line):
    check(capsys, words.split(), 2, line)


def test_help_has_the_whole_sentence_of_each_verb(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert fieldmark(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "..." not in said.partition("Commands:")[2]
    assert "inspect Look at DATA: counts, broken files, copies, odd labels; a table here" in said


def test_an_option_that_no_network_takes_is_told_with_the_others(capsys):
    check(
        capsys,
        ["train", "digits", "--epochs", "0", "model.widht=3"],
        2,
        "--epochs: must be at least 1, not 0",
        "model.widht: no model that may be chosen takes this option; did you mean 'width'?",
    )


def test_a_run_folder_that_exists_is_left_alone(capsys, a_run, photos):
    before = sorted((p, p.stat().st_mtime_ns) for p in a_run.rglob("*"))
    words = ["train", str(photos), *FAST, "--out", str(a_run.parent), "--name", "a"]
    check(
        capsys,
        words,
        2,
        f"{a_run}: exists already; choose another --name, "
        f"or go on with it: fieldmark train --resume {a_run}",
    )
    assert sorted((p, p.stat().st_mtime_ns) for p in a_run.rglob("*")) == before


def test_weights_of_another_network_and_damaged_ones_are_one_sentence(capsys, a_run, tmp_path):
    weights = a_run / "model.safetensors"
    code = fieldmark(["train", "digits", "--weights", str(weights), "--model", "squeezenet1_1",
                      "--image-size", "32"])  # fmt: skip
    said = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(said) == 1
    assert "are of another network" in said[0]
    (tmp_path / "cut.safetensors").write_bytes(weights.read_bytes()[:500])
    code = fieldmark(["train", "digits", "--weights", "cut.safetensors"])
    said = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(said) == 1
    assert "is damaged or cut short" in said[0]
    assert not (tmp_path / "runs").exists()


def test_train_says_what_it_did(capsys, photos, tmp_path):
    assert fieldmark(["train", str(photos), *FAST, "--name", "b"]) == 0
    said = capsys.readouterr().out
    assert "photos: 24 images in 3 classes (18 train, 3 val, 3 test)" in said
    assert "small_cnn: " in said
    assert "epoch 1/1" in said
    assert "the 1 epoch is done; training took" in said
    assert "test, 3 images                95 % interval" in said
    size = (tmp_path / "runs" / "b" / "model.safetensors").stat().st_size / 1e6
    assert said.splitlines()[-3:] == [
        "run     runs/b",
        "report  runs/b/report.html",
        f"model   runs/b/model.safetensors, {size:.3f} MB",
    ]
    first = (tmp_path / "runs" / "b" / "settings.yaml").read_text().splitlines()[0]
    assert first == f"# repeat: fieldmark train {photos} {' '.join(FAST)}"


@pytest.mark.parametrize("layers", [[], ["--summary"]])
def test_dry_run_shows_everything_and_writes_nothing(capsys, photos, tmp_path, layers):
    words = ["train", str(photos), *FAST, "--recipe", "digits", "--dry-run", *layers]
    assert fieldmark(words) == 0
    said = capsys.readouterr().out
    begun = [line.split()[0] for line in said.splitlines() if line and line[0].isalpha()]
    parts = [word for word in begun if word in ("images", "time", "model", "settings")]
    assert parts == ["images", "time", "model", "settings"]
    assert ("Conv2d: " in said) == bool(layers)
    lines = [line.split() for line in said.splitlines()]
    assert ["train.epochs", "1", "command", "line"] in lines
    assert ["augment.name", "light", "recipe", "digits"] in lines
    assert ["train.patience", "10", "chosen", "for", "this", "data", "and", "machine"] in lines
    assert ["red", "6", "1", "1", "8"] in lines
    assert ["all", "18", "3", "3", "24"] in lines
    assert "  their shorter sides are 16 px; the network sees 16 x 16 px" in said.splitlines()
    assert " parameters" in said
    assert "s a step" in said
    assert said.splitlines()[-1] == "nothing was trained; leave --dry-run out to train"
    assert list(tmp_path.iterdir()) == []


def test_layers_are_shown_by_a_dry_run_alone(capsys):
    line = "--summary: shows layers and trains nothing; add --dry-run"
    check(capsys, ["train", "digits", "--summary"], 2, line)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--name", "a/b"], "--name a/b: is not a plain folder name; put its folder into --out"),
        (["--out", "file"], "--out file: is a file; name a folder"),
        (
            ["--batch-size", "1"],
            "--batch-size: 1 is too few for the batch norm of 'small_cnn'; take 2 or more",
        ),
        (
            ["--optimizer", "sgd", "optimizer.nesterov=true", "optimizer.momentum=0"],
            "optimizer sgd: Nesterov momentum requires a momentum and zero dampening",
        ),
        (
            ["--seed", "18446744073709551616"],
            "--seed: must be at most 9223372036854775807, not 18446744073709551616",
        ),
    ],
)
def test_dry_run_checks_what_the_run_would_refuse(capsys, tmp_path, words, line):
    (tmp_path / "file").touch()
    check(capsys, ["train", "digits", "--dry-run", *words], 2, line)
    check(capsys, ["train", "digits", *words], 2, line)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_recipes_are_listed_printed_and_copied(capsys, tmp_path):
    assert fieldmark(["recipes", "ls"]) == 0
    assert "digits" in capsys.readouterr().out
    assert fieldmark(["recipes", "cat", "digits"]) == 0
    text = capsys.readouterr().out
    assert fieldmark(["recipes", "cp", "digits", "mine.yaml"]) == 0
    assert (tmp_path / "mine.yaml").read_text() == text


@pytest.mark.parametrize(
    "words", [[], ["train"], ["train", "--recipe", "digits"], ["recipes"], ["study", "work"]]
)
def test_h_is_help_of_every_verb(words, capsys):
    assert fieldmark([*words, "--help"]) == 0
    whole = capsys.readouterr().out
    assert fieldmark([*words, "-h"]) == 0
    assert capsys.readouterr().out == whole


def test_help_and_version(capsys):
    assert fieldmark(["--help"]) == 0
    said = capsys.readouterr().out
    for verb in ("train", "evaluate", "predict", "models", "recipes"):
        assert verb in said
    assert fieldmark(["--version"]) == 0
    assert capsys.readouterr().out.startswith("fieldmark ")


def test_a_verb_or_option_that_is_not_there_is_one_line(capsys):
    check(
        capsys,
        ["trian"],
        2,
        "there is no verb 'trian'; did you mean `fieldmark train`?",
    )


def test_what_was_not_foreseen_is_one_line_and_a_traceback_only_with_debug(capsys, monkeypatch):
    def fails(*_, **__):
        raise ValueError("odd")

    monkeypatch.setattr("fieldmark.runs.concrete.gather", fails)
    check(
        capsys,
        ["train", "digits"],
        1,
        "unexpected: ValueError: odd; run it again with --debug and report what it shows",
    )
    with pytest.raises(ValueError, match="odd"):
        fieldmark(["train", "digits", "--debug"])


def test_a_full_disk_behind_the_output_is_one_line():
    said = "fieldmark: the system refused (No space left on device); free what it lacks, "
    for words in (["recipes", "ls"], ["--help"]):  # written at the end, for it is short
        with open("/dev/full", "w") as full:  # noqa: PTH123
            done = subprocess.run(
                [sys.executable, "-m", "fieldmark", *words],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert (done.returncode, done.stderr.startswith(said)) == (1, True)
        assert done.stderr.count("\n") == 1


def test_a_system_error_without_a_file_is_one_line(capsys, monkeypatch):
    def fails(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("fieldmark.runs.concrete.gather", fails)
    check(
        capsys,
        ["train", "digits"],
        1,
        "the system refused (Cannot allocate memory); free what it lacks, or see with --debug "
        "where it was lacking",
    )


@pytest.mark.parametrize("more", [["digits"], ["--config", "mine.yaml"]])
def test_a_long_setting_is_no_path_before_the_data_or_without_any(tmp_path, more):
    (tmp_path / "mine.yaml").write_text("data: digits\n")
    long = f"train.stages=[{{train: all}}{' ' * 300}]"
    assert fieldmark(["train", long, *more, "--dry-run"]) == 0


@pytest.mark.parametrize("kind", [Path.touch, Path.mkdir])
def test_files_named_as_words_are_change_nothing(tmp_path, kind, capsys):
    words = ["train", "digits", "--dry-run", "--model", "auto", "data.test=none"]
    for name in ("auto", "none", "default", "IMAGENET1K_V2"):
        kind(tmp_path / name)
    assert fieldmark([*words, "--weights", "auto"]) == 0
    said = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert ["data.test", "none", "command"] in said
    assert ["model.name", "small_cnn", "chosen"] in said
    assert ["model.weights", "none", "chosen"] in said


def test_a_file_named_default_is_not_taken_for_the_published_weights(tmp_path, capsys, monkeypatch):
    def refuse(*_):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    (tmp_path / "default").touch()
    words = ["train", "digits", "--model", "squeezenet1_1", "--image-size", "64"]
    assert fieldmark([*words, "--weights", "default"]) == 2
    assert "could not be fetched (no route to host)" in capsys.readouterr().err
    assert fieldmark([*words, "--weights", "default", "--dry-run"]) == 2
    said = capsys.readouterr()  # what the images are is shown all the same
    assert said.out.startswith("images\n  class  train  val  test  all\n  0 ")
    assert "could not be fetched (no route to host)" in said.err


def test_a_second_interrupt_ends_with_130(capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fieldmark.runs.concrete.gather", interrupted)
    check(capsys, ["train", "digits"], 130, "stopped")


def test_the_module_is_the_command(monkeypatch, capsys):
    import runpy

    monkeypatch.setattr("fieldmark.stopping.take_over", lambda: None)  # the tests' own process
    monkeypatch.setattr("_signal.signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["fieldmark", "--version"])
    with pytest.raises(SystemExit) as ending:
        runpy.run_module("fieldmark", run_name="__main__")
    assert ending.value.code == 0
