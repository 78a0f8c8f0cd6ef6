"""The one model that a study came to, if it did: a sweep's winner, a grid's best cell."""

from fieldmark.errors import RunError
from fieldmark.rundir import RunDir
from fieldmark.study.folder import StudyDir
from fieldmark.use.ensemble import Joining, Member, is_ensemble, read_joining


def stand_for(study: StudyDir, run: RunDir, classes: tuple[str, ...]) -> None:
    """Say that a study's model is that of one of its runs, so that what takes a run takes it."""
    member = Member(run.path.relative_to(study.path).as_posix())
    Joining(classes, (member,), thresholds=run.read_thresholds()).write(study.path)


def one_model(study: StudyDir) -> RunDir:
    """The run that stands for a study. Raises RunError where it came to none, or to several."""
    if is_ensemble(study.path):
        members = [study.path / each.run for each in read_joining(study.path).members]
        if len(members) == 1:
            return RunDir(members[0])
        raise RunError(
            f"{study.path}: is {len(members)} models that answer as one, and no network is the "
            f"whole of it; name one of them, such as {members[0]}"
        )
    if not study.results.is_file():
        raise RunError(
            f"{study.path}: has not come to its end; go on with it: {study.question['command']}"
        )
    such = study.finished()[0][1].path
    raise RunError(f"{study.path}: none of its models is the best; name one, such as {such}")
