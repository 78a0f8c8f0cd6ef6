"""Law 1: imports run down the layers only. Read from the source, transitively."""

import ast
from functools import cache
from pathlib import Path

import pytest

import fieldmark

ROOT = Path(fieldmark.__file__).parent
LAYERS = (
    ("",),
    ("data", "models"),
    ("fit", "judge", "attribution"),
    ("insight", "use"),
    ("report",),
    ("track",),
    ("export", "serve", "hub"),
    ("runs", "reviews"),
    ("study",),
    ("cli", "python"),
)
# root: files beside the package's own, and folders of plain data and settings
AT_ROOT = ("settings", "recipes")
HEAVY = ("torch", "torchvision", "sklearn", "matplotlib")
PACKAGES = ("fieldmark", "fieldmark.__main__")  # faces of what lies below them
VAGUE = ("utils", "common", "helpers", "base", "core", "manager", "misc")


@cache
def modules():
    return {_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def _name(path):
    parts = ("fieldmark", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path, *, lazy):
    """Names that a module imports; with `lazy` also those inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree) if lazy else _at_import(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def _at_import(tree):
    """Nodes that run when the module is imported: not in functions, not for types only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _at_import(node)


def folder(name):
    """The folder of a module, "" for those at the root."""
    parts = name.split(".")
    first = parts[1] if len(parts) > 1 else ""
    return first if any(first in layer for layer in LAYERS) else ""


def layer(name):
    return next(number for number, names in enumerate(LAYERS) if folder(name) in names)


@cache
def own(name):
    """The module of this package that an imported name is or is in, else None."""
    known = modules()
    while name.startswith("fieldmark"):
        if name in known:
            return name
        name = name.rpartition(".")[0]
    return None


@cache
def reached(start):
    """Every module and outside package that an import of `start` brings in."""
    known, seen, queue = modules(), set(), [start]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        if name not in known:
            continue
        for found in imports(known[name], lazy=False):
            mine = own(found)
            queue.append(mine or found.split(".")[0])
            if mine:
                parts = mine.split(".")
                queue += [".".join(parts[:k]) for k in range(1, len(parts))]
    return seen


@pytest.mark.parametrize(
    "name", [n for n in modules() if n not in ("fieldmark", "fieldmark.__main__")]
)
def test_imports_run_down_only(name):
    for found in imports(modules()[name], lazy=True):
        target = own(found)
        if target is None or target == "fieldmark":
            continue
        if folder(target) != folder(name):
            assert layer(target) < layer(name), f"{name} imports {target}"


def test_every_folder_has_a_layer():
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders == {name for names in LAYERS for name in names if name} | set(AT_ROOT)


@pytest.mark.parametrize(
    "name",
    [
        "fieldmark",
        "fieldmark.cli.main",
        "fieldmark.recipes",
        "fieldmark.reviews.stored",
        "fieldmark.reviews.compare",
        "fieldmark.reviews.compare_page",
        "fieldmark.reviews.evaluated",
        "fieldmark.report.page",
        "fieldmark.reviews.inspect",
        "fieldmark.reviews.suspects",
    ],
)
def test_what_needs_no_network_reaches_no_torch(name):
    assert reached(name).isdisjoint(HEAVY)


def test_a_command_takes_signals_before_it_imports_what_takes_time():
    light = {"collections", "contextlib", "os", "signal", "sys", "time", "types", "__future__"}
    light |= {"_signal", "atexit", "gc"}
    own = {"fieldmark", "fieldmark.__main__", "fieldmark.stopping"}
    assert reached("fieldmark.__main__") <= own | light


@pytest.mark.parametrize("name", ["fieldmark.runs.run", "fieldmark.use.predictor"])
def test_a_second_of_imports_is_left_to_what_needs_them(name):
    assert reached(name).isdisjoint({"torchvision", "timm", "scipy", "sklearn", "matplotlib"})


def test_the_arrays_of_judge_are_free_of_torch():
    for name in modules():
        if folder(name) in ("judge", "insight", "report"):
            assert "torch" not in reached(name), name


def test_images_are_decoded_without_torch():
    assert "torch" not in reached("fieldmark.data.images") | reached("fieldmark.data.sources")


def test_no_file_has_a_name_that_says_nothing():
    assert not [name for name in modules() if name.rpartition(".")[2] in VAGUE]


def test_no_folder_bears_the_name_of_a_public_function():
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders.isdisjoint(fieldmark.__all__)


def test_imports_run_one_way_inside_a_folder_too():
    """Also late ones, in functions: those that a circle is often hidden with."""
    beside = {
        name: {
            target
            for found in imports(path, lazy=True)
            if (target := own(found)) not in (None, name) and target not in PACKAGES
        }
        for name, path in modules().items()
        if name not in PACKAGES
    }
    free = True
    while free:  # take away what imports nothing that is left, or is imported by nothing
        imported = set().union(*beside.values())
        free = {name for name, others in beside.items() if not others or name not in imported}
        beside = {name: others - free for name, others in beside.items() if name not in free}
    assert beside == {}  # else these are the circles


def test_no_file_is_too_long_to_read():
    assert not [name for name, path in modules().items() if len(lines_of(path)) > 400]


def test_no_function_is_too_long_to_read():
    long = [
        f"{name}:{node.name}"
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= 60
    ]
    assert long == []


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_an_export_is_served_without_torch():
    served = ("cli.serve", "serve.app", "serve.connections", "serve.drop_page", "serve.server")
    for name in (*served, "use.predictor"):
        assert "torch" not in reached(f"fieldmark.{name}"), name
