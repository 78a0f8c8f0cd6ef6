"""Recipes and documents: they hold what they promise, and say what the code says."""

import ast
import re
from pathlib import Path

import pytest
from smallruns import QUIET, draw_photos

import fieldmark
from fieldmark import recipes
from fieldmark.cli import main
from fieldmark.judge.metrics import METRICS
from fieldmark.models.catalog import MODELS
from fieldmark.runs.checks import CATALOGS
from fieldmark.runs.concrete import gather
from fieldmark.runs.run import prepare
from fieldmark.settings.options import OPTIONS, flag
from fieldmark.settings.tree import known_keys, sections

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/guide.md", "docs/design.md")
HEADER = ("command", "data", "hardware", "measured", "score", "time")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("drawn") / "photos", each=8, side=72)


@pytest.fixture(scope="module")
def several(photos):
    """A table of the photos, every third with one label, with two and with none."""
    labels = ("blue", "blue green", "")
    names = sorted(str(path) for path in photos.rglob("*.png"))
    rows = [f"{name},{labels[place % 3]}" for place, name in enumerate(names)]
    path = photos.parent / "several.csv"
    path.write_text("\n".join(["image,labels", *rows]) + "\n")
    return path


def data_of(name, photos, several):
    """Images that a recipe may be tried with."""
    if name == "digits":
        return None
    return several if name == "multilabel-transfer" else photos


def settled(*words, data=None, **options):
    return prepare(gather(data and str(data), words, {}, **options), QUIET, load=False).settings


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_resolves_without_mistakes(name, photos, several):
    settings = settled(recipe=name, data=data_of(name, photos, several))
    assert "auto" not in {settings.model.name, settings.input.size, settings.run.precision}


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_begins_with_what_it_is_for_and_what_was_measured(name):
    text = recipes.text(name)
    assert re.match(r"# \S.{20,98}\n#\n", text)
    heads = re.findall(r"^# (\w+) ", text.partition("\n")[2], re.MULTILINE)
    assert tuple(head for head in heads if head in HEADER) == HEADER
    assert f"--recipe {name}" in text
    assert "n = " in text
    assert "95 % interval" in text


@pytest.mark.parametrize("name", recipes.names())
def test_no_line_of_a_recipe_waits_for_a_measurement(name):
    waiting = [line for line in recipes.text(name).splitlines() if "MEASURE-ME" in line]
    assert waiting == []


def test_the_digits_recipe_is_what_train_digits_does():
    assert settled(recipe="digits") == settled(data="digits")


def test_ls_lists_every_recipe_with_its_first_line(capsys):
    assert main.run(["recipes", "ls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == recipes.names()
    for line, name in zip(lines, recipes.names(), strict=True):
        assert line.removeprefix(name).strip() == recipes.about(name) != ""


def test_cat_prints_a_recipe_as_it_is_written(capsys):
    assert main.run(["recipes", "cat", "digits"]) == 0
    assert capsys.readouterr().out == recipes.text("digits")


def test_cp_gives_a_file_that_config_reads_and_never_overwrites(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    assert main.run(["recipes", "cp", "digits", str(path)]) == 0
    assert settled(config=str(path)) == settled(recipe="digits")
    path.write_text("data: digits\n")
    capsys.readouterr()
    assert main.run(["recipes", "cp", "photos-scratch", str(path)]) == 2
    assert path.read_text() == "data: digits\n"
    assert f"{path}: exists already" in capsys.readouterr().err


def test_a_misspelt_recipe_names_the_nearest(capsys):
    assert main.run(["recipes", "cat", "digit"]) == 2
    assert "there is no recipe 'digit'; did you mean 'digits'?" in capsys.readouterr().err


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def settings_table():
    """The guide's table of all settings; where it is out of date, put this in its place."""
    short = {key: flag(option) for option, key in OPTIONS.items()}
    rows = ["| setting | option | default | meaning |", "|---|---|---|---|"]
    for section, part in sections().items():
        for name, field in part.model_fields.items():
            key = f"{section}.{name}"
            default = "none" if field.default is None else str(field.default).lower()
            default = "" if field.is_required() else f"`{default}`"
            option = f"`{short[key]}`" if key in short else ""
            rows.append(f"| `{key}` | {option} | {default} | {field.description} |")
    return "\n".join(rows)


def options_table():
    """The guide's table of what each choice takes beside its name, with defaults."""
    rows = ["| choice | what | options and their defaults |", "|---|---|---|"]
    for section, catalog in CATALOGS.items():
        for name in catalog if section != "model" else ["small_cnn"]:
            options = catalog[name].options().values()
            taken = ", ".join(f"`{section}.{o.name}={_plain(o.default)}`" for o in options)
            rows.append(f"| `{section}={name}` | {catalog[name].about} | {taken} |")
    return "\n".join(rows)


def _plain(value):
    return str(list(value) if isinstance(value, tuple) else value).lower()


def metrics_table():
    rows = ["| name | meaning | better | labels an image |", "|---|---|---|---|"]
    words, labels = {"max": "more", "min": "less"}, {(False,): "one", (True,): "several"}
    rows += [
        f"| `{name}` | {row.meaning} | {words[row.better]} | "
        f"{labels.get(tuple(each.several for each in row.tasks), 'one, several')} |"
        for name, row in METRICS.items()
    ]
    return "\n".join(rows)


@pytest.mark.parametrize("table", [settings_table, options_table, metrics_table])
def test_the_guide_has_the_tables_of_the_code(table):
    assert table() in read("docs/guide.md")


def test_the_guide_names_every_setting():
    guide = read("docs/guide.md")
    assert [key for key in known_keys() if f"`{key}`" not in guide] == []


def test_the_guide_quotes_errors_that_there_are():
    """Each quoted sentence is one of the code's; a placeholder there is "..." here."""
    section = read("docs/guide.md").partition("## Troubleshooting")[2].partition("\n## ")[0]
    quoted = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    known = set().union(
        *(_sentences(path) for path in Path(fieldmark.__file__).parent.rglob("*.py"))
    )
    assert len(quoted) > 10
    assert [text for text in quoted if not any(text in sentence for sentence in known)] == []


def _sentences(path):
    """A module's texts; what an f-string puts in is "..."."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "..." for p in node.values)
            yield "".join(map(str, parts))


def test_the_readme_has_the_two_commands():
    blocks = re.findall(r"^```\w*\n(.*?)^```", read("README.md"), re.MULTILINE | re.DOTALL)
    lines = blocks[0].splitlines()
    assert [line.partition("#")[0].strip() for line in lines] == [
        "pip install uv && uv run fieldmark train digits",
        "uv run pytest",
    ]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    text = read(name)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.is_file(), link
        if anchor:
            assert anchor in _anchors(path.read_text(encoding="utf-8")), link


def _anchors(text):
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_settings_and_networks_that_documents_name_exist(name):
    starts = "|".join(sections())
    for key in re.findall(
        rf"`((?:{starts})\.(?!safetensors|json|txt|onnx|pth|pt2|xml|bin)[a-z_0-9]+)", read(name)
    ):
        section, _, option = key.partition(".")
        catalog = CATALOGS.get(section, {})
        taken = {o for each in catalog.values() for o in each.options()} if catalog else set()
        assert key in known_keys() or option in taken, key
    for model in re.findall(r"--(?:model|summary) (\w+)", read(name)):
        assert model in MODELS or model.isupper(), model


def test_the_picture_of_the_report_is_small():
    assert 10_000 < (ROOT / "docs/images/report.png").stat().st_size < 300_000


def test_nature_transfer_is_what_was_published_and_what_is_marked_as_ours(photos):
    settings = settled(data=photos, recipe="nature-transfer")
    assert (settings.model.name, settings.model.weights) == ("resnet50", "IMAGENET1K_V1")
    assert (settings.model.freeze, settings.train.epochs) == (True, 10)
    assert (settings.input.size, settings.input.stored) == (224, "square:224")
    assert settings.head.name == "mlp"
    assert settings.head.options["sizes"] == (2048,)
    assert (settings.head.options["activation"], settings.head.options["dropout"]) == ("relu", 0.3)
    assert settings.features.rates == (1e-3, 1e-4, 1e-5)
    assert (settings.optimizer.name, settings.train.batch_size) == ("adam", 64)
    lines = recipes.text("nature-transfer").partition("\nmodel:")[2].splitlines()
    values = [line for line in lines if re.search(r": \S", line.partition("#")[0])]
    assert [line for line in values if not re.search("# (published|our choice)", line)] == []


def test_nature_transfer_takes_random_crops_by_option(photos):
    words = ("input.stored=shorter:256", "augment=standard", "features.views=10")
    settings = settled(*words, data=photos, recipe="nature-transfer")
    assert settings.features.views == 10
    assert settings.augment.name == "standard"


def lines_of(name):
    """The lines of a recipe that set something."""
    body = re.sub(r"^#.*\n", "", recipes.text(name), flags=re.MULTILINE)
    return [line for line in body.splitlines() if re.search(r": \S", line.partition("#")[0])]


def test_multilabel_transfer_is_what_was_published_and_what_is_marked_as_ours(several):
    settings = settled(recipe="multilabel-transfer", data=several)
    assert (settings.data.task, settings.data.val_fraction) == ("multi-label", 0.2)
    assert (settings.input.size, settings.input.stored) == (224, "square:256")
    assert settings.augment.name == "scenes"
    assert settings.augment.options == {
        "brightness": 0.5,
        "angle": 45.0,
        "flip": True,
        "horizontal": 0.5,
        "vertical": 0.05,
        "grayscale": 0.2,
    }
    assert (settings.model.name, settings.model.weights) == ("regnet_x_3_2gf", "IMAGENET1K_V2")
    assert (settings.head.name, settings.head.pool, settings.loss.name) == ("linear", "mean", "bce")
    assert (settings.optimizer.name, settings.optimizer.options["lr"]) == ("adadelta", 1.0)
    assert settings.schedule.name == "plateau"
    assert settings.schedule.options == {"by": "loss", "factor": 0.1, "wait": 2, "threshold": 1e-4}
    train = settings.train
    assert [stage.train for stage in train.stages] == [("all",)]
    assert (train.epochs, train.batch_size, train.monitor) == (60, 32, "macro_f1")
    assert (train.validate_every, train.patience, train.min_delta) == (2, 6, 0.001)
    assert (train.ema, train.layer_decay, train.norm_frozen, train.wise) == (None, 1, False, False)
    unmarked = [
        x for x in lines_of("multilabel-transfer") if not re.search("# (published|our choice)", x)
    ]
    assert unmarked == []


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (("optimizer=sgd", "optimizer.lr=1e-2"), ("sgd", 1e-2, "plateau")),
        (("optimizer=adam", "optimizer.lr=1e-4", "schedule=none"), ("adam", 1e-4, "none")),
    ],
)
def test_multilabel_transfer_takes_the_other_networks_and_optimisers(several, words, chosen):
    words = ("model=googlenet", "model.aux_logits=true", *words)
    settings = settled(*words, recipe="multilabel-transfer", data=several)
    optimizer = settings.optimizer
    assert (optimizer.name, optimizer.options["lr"], settings.schedule.name) == chosen
    assert settings.model.options["aux_logits"] is True
