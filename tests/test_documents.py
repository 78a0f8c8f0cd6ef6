"""The documents are true: their commands are read, their snippets put in place and used."""

import importlib.util
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from smallruns import draw_photos

from fieldmark.catalog import Catalog, Entry
from fieldmark.cli import typed
from fieldmark.cli.main import app, run
from fieldmark.cli.page import page
from fieldmark.errors import SettingsError
from fieldmark.judge.metrics import METRICS, Metric
from fieldmark.models import series
from fieldmark.models.catalog import MODELS, NETWORKS, outline
from fieldmark.runs.concrete import gather
from fieldmark.settings.aliases import rewrite
from fieldmark.settings.layers import read
from fieldmark.settings.options import OPTIONS
from fieldmark.settings.texts import pairs_of, read_given
from fieldmark.study.varied import read_space
from fieldmark.study.wandb_file import read_sweep

HERE = Path(__file__).parents[1]
SOURCE = HERE / "src/fieldmark"
BEGINS = ("fieldmark ", "uv run fieldmark ")
MISSING = re.compile(
    r"there is no (folder or )?file|nor is it a file|cannot be read: No such file|is not installed"
)


def blocks(name):
    """The fenced blocks of a document: the language, the text, and what stands above it."""
    text = (HERE / name).read_text(encoding="utf-8")
    parts = re.split(r"^```(\w*)\n(.*?)^```\n", text, flags=re.M | re.S)
    return list(zip(parts[1::3], parts[2::3], parts[0::3], strict=False))


def commands():
    """Every command of the documents, in a block or a line of text, as words."""
    for name in ("README.md", "CONTRIBUTING.md", "docs/guide.md", "docs/results.md"):
        text = (HERE / name).read_text(encoding="utf-8")
        lines = [line for _, block, _ in blocks(name) for line in block.splitlines()]
        for line in [*lines, *re.findall(r"`([^`\n]+)`", text)]:
            for each in line.split(" && "):
                if each.startswith(BEGINS):
                    yield shlex.split(each.partition(" fieldmark ")[2] or each[10:], comments=True)


COMMANDS = sorted(set(map(tuple, commands())))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_of_the_documents_is_one(words, added):
    """But for the images and files that it names, which are not here."""
    try:
        look_at(list(words))
        wrong = []
    except SettingsError as error:
        wrong = [each for each in error.mistakes if not MISSING.search(each.what)]
    assert wrong == []


def look_at(words):
    """As far as the settings, where the verb has any."""
    given = parsed(rewrite(words).words if words[0] == "train" else words)
    if "words" not in given or words[0] == "models":  # which has a few settings, and no data
        return
    data, rest = typed.data_and_rest(given["words"])
    options = {name: given[name] for name in OPTIONS if given.get(name) not in (None, "auto")}
    if words[0] != "train":
        read([read_given(rest, options, data or "photos/")])
    elif given["resume"] is None:
        gather(data, rest, options, recipe=given["recipe"], config=given["config"])


def parsed(words):
    """What the verb is given; an option that there is not, or a word too many, is an error."""
    command, rest = whole_command(), words
    while hasattr(command, "commands"):
        assert rest[0] in command.commands
        command, rest = command.commands[rest[0]], rest[1:]
    return command.make_context("", rest).params if rest and "--help" not in rest else {}


@cache
def whole_command():
    import typer

    return typer.main.get_command(app)


def test_the_commands_are_found():
    assert ("train", "digits") in COMMANDS
    assert ("recipes", "cp", "photos-scratch", "mine.yaml") in COMMANDS
    assert len(COMMANDS) > 50


def test_the_cheap_ones_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in ("recipes ls", "recipes cat photos-scratch", "models resnet", "options"):
        assert run(words.split()) == 0
    assert run(["recipes", "cp", "photos-scratch", "mine.yaml"]) == 0
    draw_photos(tmp_path / "photos", each=2)
    assert run(["inspect", "photos/", "--json"]) == 0


def test_the_page_of_the_command_line_is_that_of_the_commands():
    """Else make it anew: python -m fieldmark.cli.page > docs/cli.md"""
    assert (HERE / "docs" / "cli.md").read_text(encoding="utf-8") == page()


def test_settings_files_of_the_guide_are_read(tmp_path):
    pytest.importorskip("optuna")  # which the sweep among them asks for
    for number, (language, text, _) in enumerate(blocks("docs/guide.md")):
        if language == "yaml" and "method:" in text:
            (tmp_path / "sweep.yaml").write_text(text)
            space = read_space(
                read_sweep(str(tmp_path / "sweep.yaml")),
                {},
                lambda *layers: gather("digits", [], {}, new=False, more=layers),
            )
            assert list(space.varied) == ["lr", "optimizer", "head.dropout"]
        elif language == "yaml" and "aliases:" not in text:
            (tmp_path / f"{number}.yaml").write_text(text)
            data = [] if "data:" in text else ["data=photos/"]
            with pytest.raises(SettingsError) as caught:
                gather(None, pairs_of(data), {}, config=str(tmp_path / f"{number}.yaml"))
            assert [bool(MISSING.search(each.what)) for each in caught.value.mistakes] == [True]


@pytest.fixture(scope="module")
def added():
    """CONTRIBUTING's snippets, each in its place. -> their names"""
    names, place = [], {}
    with pytest.MonkeyPatch.context() as patch:
        for language, text, above in blocks("CONTRIBUTING.md"):
            if found := re.findall(r"`(?:src/fieldmark/)?(\w+/\w+)\.py`", above):
                place = place_of(found[0].replace("/", "."), patch)
            if language == "python" and text.startswith("  "):
                [(name, line)] = eval("{" + text + "}", place).items()
                put(patch, place, name, line)
                names.append(name)
            elif language == "python":
                exec(text, place)
        yield names


def place_of(name, patch):
    """What a module holds, to add to; of one that there is not, an empty one."""
    name = f"fieldmark.{name}"
    if importlib.util.find_spec(name) is not None:
        return {**vars(series), **vars(importlib.import_module(name))}
    patch.setitem(sys.modules, name, ModuleType(name))
    return vars(sys.modules[name])


def put(patch, place, name, line):
    """A line into the table that it is for."""
    if isinstance(line, series.Network):
        patch.setitem(NETWORKS, name, line)
    elif isinstance(line, str):
        patch.setitem(MODELS._entries, name, Entry(name, line, NETWORKS[name].about))
    elif isinstance(line, Metric):
        patch.setitem(METRICS, name, line)
    else:
        [table] = [each for each in place.values() if isinstance(each, Catalog)]
        patch.setitem(table._entries, name, Entry(name, *line))


def test_what_is_added_as_contributing_says_is_trained_with(added, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["train", "odd_even", "--model", "linear", "--head", "twice", "--loss", "squares"]
    words += ["--optimizer", "nadam", "optimizer.weight_decay=0.01", "--schedule", "linear"]
    words += ["--augment", "erase", "augment.side=0.2", "train.monitor=kappa", "--epochs", "1"]
    words += ["run.workers=0", "head.width=8", "model.pool=4", "schedule.floor=0.1"]
    assert [name for name in added if name not in [*words, "kappa"]] == []
    assert run(words) == 0
    said = capsys.readouterr().out
    assert "odd_even: 1797 images in 2 classes" in said
    assert "val kappa 0." in said


def test_the_numbers_of_an_added_network_are_its_own(added):
    parameters = sum(each.numel() for each in outline("linear").parameters())
    assert NETWORKS["linear"].parameters == parameters


def test_every_file_of_the_map_is_there():
    text = (HERE / "README.md").read_text(encoding="utf-8").partition("## What is where")[2]
    places = re.split(r"^(\S+)", text.split("```")[1], flags=re.MULTILINE)[1:]
    named = dict(zip(places[::2], places[1::2], strict=True))
    for folder, words in named.items():
        inside = SOURCE / ("" if folder == "(top)" else folder)
        for sentence in " ".join(words.split()).split(". "):
            names, colon, _ = sentence.partition(":")
            assert colon, f"no file in {sentence!r}"
            for name in names.split(", "):
                assert (inside / f"{name}.py").is_file(), f"{folder} {name}"
    rooms = {f"{each.parent.name}/" for each in SOURCE.glob("*/__init__.py")}
    assert named.keys() == rooms - {"recipes/"} | {"(top)"}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/design.md"])
def test_every_file_that_a_document_names_is_there(name):
    text = (HERE / name).read_text(encoding="utf-8")
    inside = "|".join(each.parent.name for each in SOURCE.glob("*/__init__.py"))
    of_today = "\n".join(line for line in text.splitlines() if not line.startswith("Planned"))
    for place in re.findall(rf"`(?:src/fieldmark/)?((?:{inside})/\w+)(?:\.py)?`", of_today):
        to_be_added = place == "models/linear"
        assert to_be_added or (SOURCE / f"{place}.py").is_file(), place


def test_the_guides_list_of_contents_has_all_its_parts_in_order():
    text = (HERE / "docs" / "guide.md").read_text(encoding="utf-8")
    contents, parts = text.partition("\n## ")[0], re.findall(r"^## (.+)$", text, re.MULTILINE)
    links = [f"[{name}](#{_anchor(name)})" for name in parts]
    assert re.findall(r"\[[^]]+\]\(#[^)]+\)", contents) == links


def _anchor(heading):
    """What GitHub calls a heading in a link."""
    return re.sub(r"[^a-z -]", "", heading.lower()).replace(" ", "-")
