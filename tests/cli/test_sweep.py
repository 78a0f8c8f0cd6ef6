"""What `fieldmark sweep` says where it cannot begin."""

import pytest

from fieldmark.cli.main import run

FILE = "method: random\nparameters: {lr: {values: [0.1, 0.2]}}\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "--sweep: name a file with method and parameters, such as {method: random, "
         "parameters: {lr: {values: [0.001, 0.0001]}}}"),
        ("--sweep absent.yaml",
         "--sweep absent.yaml: cannot be read: No such file or directory; check the path"),
        ("--sweep s.yaml --prune best", "--prune: must be median or hyperband, not best"),
        ("--sweep s.yaml --prune median --no-prune",
         "--prune: does not go with --no-prune; leave one out"),
        ("--sweep early.yaml --prune median",
         "--prune: early.yaml has its own early_terminate; leave one out"),
        ("--sweep s.yaml --lr 0.1", "--lr: is set by s.yaml too, as lr; leave one out"),
    ],
)  # fmt: skip
def test_a_sweep_that_cannot_begin_says_why(tmp_path, monkeypatch, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(FILE)
    early = "early_terminate: {type: hyperband, min_iter: 1}\n"
    (tmp_path / "early.yaml").write_text(FILE + early)
    assert run(["sweep", "digits", *words.split()]) == 2
    assert capsys.readouterr().err.splitlines() == [f"fieldmark: {told}"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["early.yaml", "s.yaml"]
