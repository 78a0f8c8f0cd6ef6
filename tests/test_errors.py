import errno
from pathlib import Path

import pytest

from fieldmark import errors
from fieldmark.errors import (
    DiskError,
    FieldmarkError,
    Mistake,
    SettingsError,
    StoppedError,
    UserError,
    WorkError,
    disk_error,
    listed,
    nearest,
    nearest_path,
    writing,
)

TREE = [each for each in vars(errors).values() if isinstance(each, type)]
ERRORS = [each for each in TREE if issubclass(each, FieldmarkError)]


@pytest.mark.parametrize("error", ERRORS)
def test_every_exit_code_is_that_of_its_branch(error):
    if issubclass(error, UserError):
        assert error.exit_code == 2
    elif issubclass(error, StoppedError):
        assert error.exit_code == 130
    else:
        assert issubclass(error, WorkError) or error is FieldmarkError
        assert error.exit_code == 1


@pytest.mark.parametrize("error", ERRORS)
def test_the_tree_in_the_docstring_names_every_error(error):
    assert error.__name__ in errors.__doc__


def test_mistakes_in_the_settings_are_a_line_each():
    error = SettingsError([Mistake("--lr", "must be more than 0"), Mistake("data", "is missing")])
    assert str(error) == "--lr: must be more than 0\ndata: is missing"
    assert [mistake.where for mistake in error.mistakes] == ["--lr", "data"]


def test_a_misspelt_name_is_told_the_nearest_as_it_is_written():
    assert nearest("huskey", ["Husky", "poodle"]) == "; did you mean 'Husky'?"
    assert nearest("POODEL", ["Husky", "poodle"]) == "; did you mean 'poodle'?"


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("patas", ["patas_monkey", "red_monkey"], "; did you mean 'patas_monkey'?"),
        ("Howler", ["mantled_howler", "patas_monkey"], "; did you mean 'mantled_howler'?"),
        ("patas", ["monkey_patas", "patas_monkey"], "; did you mean 'patas_monkey'?"),  # begins it
        ("monkey", ["patas_monkey_of_africa", "night_monkey_of_peru"], ""),  # which of the two?
        ("atas", ["patas_monkey_of_africa"], ""),  # no word begins so
        ("pat", ["patas_monkey_of_africa"], ""),  # too few letters to say anything
    ],
)
def test_the_beginning_of_a_name_or_of_a_word_in_it_is_near(name, known, hint):
    assert nearest(name, known) == hint


def test_endings_alone_make_no_file_alike_another(tmp_path):
    for name in ("test.csv", "labels.tsv"):
        (tmp_path / name).touch()
    hints = [nearest_path(tmp_path / name, Path.is_file) for name in ("gone.csv", "tests.csv")]
    assert hints == ["", f"; did you mean '{tmp_path}/test.csv'?"]
    assert "labels.tsv" in nearest_path(tmp_path / "labels.csv", Path.is_file)


def test_a_name_like_no_other_gets_no_hint():
    assert nearest("zebra", ["husky", "poodle"]) == ""
    assert nearest("zebra", []) == ""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("fotos5", "photos5"),
        ("../here/fotos5", "../here/photos5"),
        ("./fotos5/cat", "photos5/cat"),
        ("fotos5/dog", None),
        ("photos5/cats", "photos5/cat"),
        ("noets.txt", None),
        ("photos5", None),
        ("zebra/cat", None),
        ("x" * 5000, None),
        ("nul\0", None),
    ],
)
def test_a_misspelt_path_is_answered_by_one_that_can_be_typed(typed, meant, tmp_path, monkeypatch):
    (tmp_path / "here/photos5/cat").mkdir(parents=True)
    (tmp_path / "here/notes.txt").touch()
    monkeypatch.chdir(tmp_path / "here")
    hint = nearest_path(typed, Path.is_dir)
    assert hint == (f"; did you mean '{meant}'?" if meant else "")
    assert meant is None or Path(meant).is_dir()


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([], ""),
        (["a"], "'a'"),
        (["a", "b"], "'a' and 'b'"),
        (["a", "b", "c"], "'a', 'b' and 'c'"),
        (["a", "b", "c", "d", "e"], "'a', 'b', 'c' and 2 more"),
    ],
)
def test_names_are_listed_as_in_a_sentence(names, sentence):
    assert listed(names, most=3) == sentence


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_apart(number):
    error = disk_error(Path("runs/a"), OSError(number, "No space"))
    assert str(error) == "runs/a: the disk is full; free some space and try again"


def test_other_reasons_not_to_write_are_named():
    error = disk_error(Path("runs/a"), PermissionError(errno.EACCES, "Permission denied"))
    assert str(error) == ("runs/a: cannot be written (Permission denied); choose another place")
    assert "(of some kind)" in str(disk_error(Path("a"), OSError("of some kind")))


def test_only_errors_of_the_system_become_disk_errors():
    with pytest.raises(DiskError, match="a: the disk is full"), writing(Path("a")):
        raise OSError(errno.ENOSPC, "No space")
    with pytest.raises(KeyError), writing(Path("a")):
        raise KeyError("a")
