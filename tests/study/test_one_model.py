"""Which one model a study stands for, or why none."""

import pytest

from fieldmark.errors import RunError
from fieldmark.study.folder import StudyDir
from fieldmark.study.one_model import one_model
from fieldmark.use.ensemble import Joining, Member


@pytest.fixture
def study(tmp_path):
    made = StudyDir(tmp_path / "s")
    made.prepare()
    made.ask({"command": "fieldmark grid photos --over lr=1,2"})
    return made


def test_a_study_with_one_member_is_that_and_one_with_several_is_refused(study):
    Joining(("a", "b"), (Member("runs/x"),)).write(study.path)
    assert one_model(study).path == study.path / "runs" / "x"
    Joining(("a", "b"), (Member("runs/x"), Member("runs/y"))).write(study.path)
    with pytest.raises(RunError) as told:
        one_model(study)
    assert str(told.value) == (
        f"{study.path}: is 2 models that answer as one, and no network is the whole of it; name "
        f"one of them, such as {study.path}/runs/x"
    )


def test_a_grid_without_validation_has_none(study, monkeypatch):
    study.results.write_text("{}")
    monkeypatch.setattr(StudyDir, "finished", lambda self: [(None, self.run("c"))])
    with pytest.raises(RunError) as told:
        one_model(study)
    assert str(told.value) == (
        f"{study.path}: none of its models is the best; name one, such as {study.path}/runs/c"
    )


def test_a_study_that_goes_on_has_none_yet(study):
    with pytest.raises(RunError) as told:
        one_model(study)
    assert str(told.value) == (
        f"{study.path}: has not come to its end; go on with it: fieldmark grid photos --over lr=1,2"
    )
