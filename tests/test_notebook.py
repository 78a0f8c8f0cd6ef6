"""The notebook of the documents: its cells run in order, in one process, and it has no outputs."""

import ast
import json
import linecache
from pathlib import Path

import pytest

import fieldmark

NOTEBOOK = Path(__file__).parents[1] / "docs" / "python.ipynb"


def cells():
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return found, ["".join(c["source"]) for c in found["cells"] if c["cell_type"] == "code"]


def run(source, scope):
    """Run a cell. -> the value of its last line, as a notebook shows it; None without one

    Its lines are kept where Python looks for source, as notebooks keep them.
    """
    name = f"cell {len(linecache.cache)}"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), scope)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), name, "eval"), scope)


def test_it_is_a_notebook_without_outputs_or_places_of_a_machine():
    found, sources = cells()
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    code = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len({cell["id"] for cell in found["cells"]}) == len(found["cells"])
    assert all(len(line) <= 100 for source in sources for line in source.splitlines())
    assert not [word for word in ("/home", "/tmp", "/root", "C:\\") if word in str(found)]
    for name in fieldmark.__all__:
        assert name == "Run" or any(f"fieldmark.{name}(" in source for source in sources), name


@pytest.mark.slow
def test_its_cells_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "__main__"}
    shown = [run(source, scope) for source in cells()[1]]
    assert "1200 images in 10 classes" in repr(shown[1]).replace(",", "")
    run_of_it, (accuracy, (low, high)) = shown[2], shown[3]
    assert repr(run_of_it).startswith("Run('runs/first')\nsmall_cnn, 10 classes, epoch ")
    assert low < accuracy < high
    assert "<svg" in shown[4]._repr_svg_()
    assert shown[5].columns == ["row", "truth", "guess", "score"]
    assert len(shown[6][0]) == 5
    assert 0.5 < shown[7] <= 1
    name, worst = shown[8]
    assert name.startswith("own/small@")
    assert name != "own/small@nosource"
    assert 0 <= worst <= 1
    assert shown[9] in "0123456789"
    assert "mine" in repr(shown[10])
    assert shown[11]["epoch"].to_list() == [6, 7, 8]
