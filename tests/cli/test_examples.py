"""The examples with which --help ends: each verb has two, they fit, and they work."""

import shlex
import shutil

import pytest
import typer
from smallruns import draw_photos

from fieldmark.cli.examples import EXAMPLES
from fieldmark.cli.main import app
from fieldmark.cli.main import run as fieldmark

STUDIES = ("cross-validate", "one-vs-rest", "grid", "sweep")
TYPED = [
    each
    for verb, both in EXAMPLES.items()
    if verb not in ("study work", "serve")  # one has a study of its own, and one never ends
    for each in both
]


def verbs(command=None, name=""):
    """Every verb, with those of groups as "recipes ls"."""
    command = command or typer.main.get_command(app)
    below = getattr(command, "commands", {})
    if not below:
        return {name: command}
    return {k: v for n, c in below.items() for k, v in verbs(c, f"{name} {n}".strip()).items()}


def test_every_verb_ends_in_two_examples_within_80_columns(capsys):
    assert set(verbs()) == set(EXAMPLES)
    for verb, both in EXAMPLES.items():
        assert fieldmark([*verb.split(), "--help"]) == 0
        lines = capsys.readouterr().out.rstrip().splitlines()
        assert lines[-3:] == ["  Examples:", *(f"    fieldmark {each}" for each in both)]
        assert max(map(len, lines)) <= 80


def test_examples_have_options_that_there_are():
    known = verbs()
    for example in [each for both in EXAMPLES.values() for each in both]:
        verb = next(each for each in known if f"{example} ".startswith(f"{each} "))
        context = known[verb].make_context(verb, shlex.split(example.removeprefix(verb)))
        assert context.args == []  # what no option and no argument takes


@pytest.fixture
def places(tmp_path):
    """The folders and tables that the examples name."""
    photos = draw_photos(tmp_path / "photos", each=20)
    (photos / "blue").rename(photos / "cat")
    shutil.copytree(photos, tmp_path / "others")
    shutil.copytree(photos / "cat", tmp_path / "new")
    shutil.copy(photos / "cat" / "01.png", tmp_path / "new" / "1.jpg")
    rows = [f"{each.relative_to(tmp_path)},{each.parent.name}\n" for each in photos.rglob("*.png")]
    (tmp_path / "labels.csv").write_text(f"image,species\n{''.join(rows)}")
    rates = "lr: {distribution: log_uniform_values, min: 0.001, max: 0.01}"
    sweep = f"{{method: random, parameters: {{epochs: {{value: 1}}, {rates}}}}}"
    (tmp_path / "sweep.yaml").write_text(sweep)


@pytest.mark.slow
def test_examples_work_when_they_are_typed_one_after_the_other(places, tmp_path, capsys):
    typed = [each for each in TYPED if not each.startswith(STUDIES)]
    for example in sorted(typed, key=lambda each: not each.startswith(("inspect", "train"))):
        if "--out labels.csv" in example:
            (tmp_path / "labels.csv").unlink()
        assert fieldmark(shlex.split(example)) == 0, (example, capsys.readouterr().err)


@pytest.mark.slow
@pytest.mark.parametrize("example", [each for each in TYPED if each.startswith(STUDIES)])
def test_an_example_of_many_runs_works(places, example, capsys):
    assert fieldmark(shlex.split(example)) == 0, capsys.readouterr().err
