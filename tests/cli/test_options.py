import json
import subprocess
import sys

import pytest

from fieldmark.cli.main import COMMANDS, run
from fieldmark.fit import timm_optimizers
from fieldmark.runs.checks import CATALOGS
from fieldmark.settings.layers import layer, read
from fieldmark.settings.tree import known_keys, sections

NATURE = """\
nature  mirrored, turned any way, cropped, a box of noise
    augment.flip=true  augment.horizontal=0.5  augment.vertical=0.5  augment.angle=180.0
    augment.erasing=0.4
"""
NATURE_NARROW = """\
nature  mirrored, turned any way, cropped, a box of noise
    augment.flip=true  augment.horizontal=0.5
    augment.vertical=0.5  augment.angle=180.0
    augment.erasing=0.4
"""
STANDARD_NARROW = """\
standard  random resized crop,
          mirrored, colours varied
    augment.least_area=0.35
    augment.flip=true
    augment.colour=0.2
"""


@pytest.fixture(autouse=True)
def _a_terminal_of_100_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def printed(capsys, *words):
    assert run(["options", *words]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def choices(text):
    """What was printed, read back: each choice's name with its options as texts."""
    found = {}
    for line in text.partition("each with what it takes:\n")[2].splitlines() or text.splitlines():
        begin, *_ = words = line.split()
        if not line.startswith(" "):
            found[begin] = {}
        elif "=" in begin and line.startswith("    ") and line[4] != " ":
            found[next(reversed(found))] |= dict(
                word.partition(".")[2].split("=") for word in words
            )
    return found


def test_the_sections_are_listed_with_the_names_of_their_choices(capsys):
    text = printed(capsys)
    lines = text.splitlines()
    begun = {line.split()[0]: at for at, line in enumerate(lines) if line[0] != " "}
    assert list(begun)[:-1] == list(sections())
    beneath = {name: lines[begun[name] + 1].strip() for name in CATALOGS}
    assert beneath["model"].endswith("networks and those of timm: `fieldmark models` lists them")
    assert beneath["optimizer"] == "adamw, adam, sgd, lion, adadelta, rmsprop, timm/NAME"
    names = set(text.replace(",", " ").split())
    assert {name for s, catalog in CATALOGS.items() if s != "model" for name in catalog} <= names


@pytest.mark.parametrize("section", CATALOGS)
def test_what_is_printed_of_a_choice_is_what_train_reads_as_its_defaults(section, capsys):
    catalog, rows = CATALOGS[section], choices(printed(capsys, section))
    assert [name for name in catalog if name not in rows] == []
    for name, entry in catalog.items():
        defaults = {option: each.default for option, each in entry.options().items()}
        assert catalog.read(name, rows[name]) == (defaults, [])


def test_every_description_is_printed(capsys):
    text = " ".join(printed(capsys, "augment").split())
    assert [e.name for e in CATALOGS["augment"].values() if e.about not in text] == []


def test_one_choice_is_a_row_and_its_options(capsys):
    assert printed(capsys, "augment", "nature") == NATURE
    assert printed(capsys, "mix", "none") == "none  every image by itself\n    no options\n"
    assert printed(capsys, "model", "resnet18") == (
        "resnet18  Each block adds to its input, so that very deep stacks can be trained; "
        "18 layers\n    model.zero_init_residual=false\n"
    )


def test_lines_are_broken_for_the_terminal_and_never_inside_an_option(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert printed(capsys, "augment", "nature") == NATURE_NARROW
    monkeypatch.setenv("COLUMNS", "34")
    assert printed(capsys, "augment", "standard") == STANDARD_NARROW
    monkeypatch.setenv("COLUMNS", "5")
    assert choices(printed(capsys, "optimizer", "adam"))["adam"]["betas"] == "[0.9,0.999]"


def test_where_there_is_no_terminal_a_line_has_100_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS")
    code = "from fieldmark.cli.options import print_wrapped; print_wrapped('word ' * 50)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert [len(line) for line in done.stdout.splitlines()] == [99, 99, 49]


def test_the_rows_end_with_where_those_of_timm_are(capsys):
    assert printed(capsys, "optimizer").splitlines()[-1] == (
        "any optimizer of timm, too, as timm/NAME: `fieldmark options optimizer timm/PART` lists"
    )
    assert printed(capsys, "model").splitlines()[-1].endswith("`fieldmark models timm/PART` lists")
    assert "timm" not in printed(capsys, "schedule")


def test_optimisers_of_timm_are_those_that_hold_the_part_the_named_one_first(capsys):
    text = printed(capsys, "optimizer", "timm/lamb")
    lines = text.splitlines()
    assert lines[0].startswith("timm/lamb ")
    assert lines[-1] == (
        "1 optimizer of timm left out: timm/fusedlamb is of the package apex, not timm's own"
    )
    held = [name for name in timm_optimizers.names() if "lamb" in name and name != "fusedlamb"]
    rows = choices(text)
    assert sorted(rows) == ["1", *(f"timm/{name}" for name in sorted(held))]
    assert rows["timm/lamb"]["betas"] == "[0.9,0.999]"


def test_all_of_timms_optimisers_are_printed_or_counted_with_the_reason(capsys):
    text = printed(capsys, "optimizer", "timm/")
    rows = choices(text)
    names = [f"timm/{name}" for name in timm_optimizers.names()]
    refused = [name for name in names if timm_optimizers.refusal(name)]
    assert {name for name in rows if name.startswith("timm/")} >= set(names) - set(refused)
    closing = " ".join(text[text.rindex(f"\n{len(refused)} optimizers") :].split())
    assert closing.startswith(
        f"{len(refused)} optimizers of timm left out: timm/adahessian needs second derivatives, "
        "which training here does not compute; timm/bnbadam is of the package bitsandbytes"
    )
    more = [int(part.split()[0]) for part in closing.split(" (")[1:]]
    assert sum(more) + len(more) + 1 == len(refused)
    for name in set(names) - set(refused):
        defaults = {o: each.default for o, each in CATALOGS["optimizer"][name].options().items()}
        assert CATALOGS["optimizer"].read(name, rows[name]) == (defaults, [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["optimiser"],
            "SECTION: 'optimiser' is no section of settings; did you mean 'optimizer'?",
        ),
        (
            ["zzz"],
            "SECTION: 'zzz' is no section of settings; there are 'data', 'input', 'augment', "
            "'model', 'head', 'features', 'optimizer', 'schedule', 'loss', 'mix', 'penalty', "
            "'train', 'budget', 'track' and 'run'",
        ),
        (
            ["augment", "natur"],
            "NAME: there is no augmentation 'natur'; did you mean 'nature'?",
        ),
        (
            ["mix", "x"],
            "NAME: there is no mix 'x'; there are 'none', 'mixup', 'cutmix' and 'either'",
        ),
        (
            ["model", "timm/resnet5O"],
            "NAME: timm has no network 'resnet5O'; did you mean 'timm/resnet50'?",
        ),
        (
            ["optimizer", "timm/adahessian"],
            "NAME: 'timm/adahessian' needs second derivatives, which training here does not "
            "compute; take another, such as timm/adamw",
        ),
        (
            ["optimizer", "timm/zzz"],
            "NAME: timm has no optimizer 'zzz'; there is timm/adamw, for one",
        ),
    ],
)
def test_what_there_is_not_is_one_sentence_and_exit_code_2(words, said, capsys):
    assert run(["options", *words]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"fieldmark: {said}\n")


def test_help_and_the_sentences_of_the_command_line_know_the_verb(capsys):
    assert "options" in COMMANDS
    assert run(["--help"]) == 0
    assert "List a section's settings" in capsys.readouterr().out
    assert run(["options", "--all"]) == 2
    assert "`fieldmark options --help` lists them" in capsys.readouterr().err


def settings(text):
    """The settings that were printed, read back: each with its default as a text."""
    rows = text.partition("\n\n")[0].splitlines()[1:]
    words = [line.split()[0] for line in rows if line[0] != " "]
    return dict(word.split("=", 1) for word in words)


@pytest.mark.parametrize("section", ["data", "train", "run", "schedule"])
def test_a_section_has_every_setting_with_its_default_and_what_it_is(section, capsys):
    text = printed(capsys, section)
    given = settings(text)
    fields = sections()[section].model_fields
    assert list(given) == [f"{section}.{name}" for name in fields]
    words = " ".join(text.split())
    assert [name for name, each in fields.items() if each.description not in words] == []
    assert given.pop("data.source", "") == ""  # it has none
    read([layer("", {"data.source": "x", **given})])  # each is read as it is printed
    assert all(len(line) <= 100 for line in text.splitlines())


def test_the_settings_as_json_are_those_of_the_tree(capsys):
    (train,) = json.loads(printed(capsys, "train", "--json"))
    assert train["section"] == "train"
    assert {key: value for key, value in train["settings"][3].items() if key != "about"} == {
        "setting": "train.accumulate",
        "default": 1,
    }
    found = json.loads(printed(capsys, "--json"))
    keys = [row["setting"] for each in found for row in each["settings"]]
    assert keys == known_keys()
    assert {each["section"] for each in found if "choices" in each} == {*CATALOGS} - {"model"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["epochs"],
            "SECTION: 'epochs' is no section of settings; did you mean `fieldmark options train`?",
        ),
        (["tran"], "SECTION: 'tran' is no section of settings; did you mean 'train'?"),
        (["train", "x"], "NAME: train has settings alone, and no choices; leave it out"),
    ],
)
def test_what_is_no_section_is_told_with_what_may_be_meant(words, told, capsys):
    assert run(["options", *words]) == 2
    assert capsys.readouterr().err == f"fieldmark: {told}\n"
