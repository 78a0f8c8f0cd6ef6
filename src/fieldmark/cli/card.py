"""`fieldmark card`: a run's model card, and the run on the hub of Hugging Face."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldmark.cli.typed import flag, named

if TYPE_CHECKING:
    from fieldmark.hub.facts import Facts
    from fieldmark.rundir import RunDir


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or a study.")],
    out: Annotated[Path | None, named("DIR", "The folder to write; else card in RUN's.")] = None,
    licence: Annotated[str | None, named("ID", "Of the model: apache-2.0, cc-by-4.0, ...")] = None,
    dataset: Annotated[str | None, named("ID", "The images, where the hub has them.")] = None,
    push: Annotated[str | None, named("REPO", "Upload the folder to OWNER/NAME.")] = None,
    private: Annotated[bool, flag("--private", "REPO is for you alone.")] = False,
    overwrite: Annotated[bool, flag("--overwrite", "Write the card's files anew.")] = False,
) -> int:
    """Write a run's model card, its weights beside it, as the Hugging Face hub reads them.

    Where timm has the network, timm, transformers and the hub's widget load the folder too.
    Nothing is uploaded without --push. A folder that is there is then pushed as it stands, with
    what you have changed in README.md, unless --overwrite.
    """
    from fieldmark.errors import Mistake, refuse
    from fieldmark.hub.facts import Stated, read_facts
    from fieldmark.hub.place import finish, holds_card, refuse_place, refuse_stale

    if private and push is None:
        refuse([Mistake("--private", "is for --push REPO; add that, or leave it out")])
    if push is not None:
        from fieldmark.hub.push import refuse_push

        refuse_push(push)
    stated, place = Stated(licence, dataset), _run(run)
    facts, folder = read_facts(place, stated), out or place.card
    finish(folder)
    if push is not None and not overwrite and holds_card(folder):
        refuse_stale(folder, facts, stated)
        print(f"card    {folder}, as it stands")
    else:
        refuse_place(place, folder, overwrite=overwrite)
        _write(place, folder, facts)
    if push is not None:
        _push(place, folder, push, private=private)
    return 0


def _run(run: str) -> "RunDir":
    """The run, or the one that a study came to."""
    from fieldmark.rundir import is_study, open_run

    if not is_study(run):
        return open_run(run)
    from fieldmark.study.folder import StudyDir
    from fieldmark.study.one_model import one_model

    return one_model(StudyDir(Path(run)))


def _write(run: "RunDir", folder: Path, facts: "Facts") -> None:
    """Write the folder and say what is in it, and what is yours to see to."""
    from fieldmark.hub.card import write_card

    why_not = write_card(run, folder, facts)
    print(f"card    {folder / 'README.md'}")
    if why_not:
        print(f"note: timm and transformers cannot load it, for {why_not}")
    began = facts.info.licence
    if facts.stated.licence is None and began is None:
        print("note: it has no licence, so nobody may use it; state one with --licence ID")
    elif facts.stated.licence is None:
        print(f"note: its licence is that of the weights it began with, {began}; or --licence ID")


def _push(run: "RunDir", folder: Path, repo: str, *, private: bool) -> None:
    """Upload the folder, and the run's exports, and say what stays."""
    from fieldmark.errors import listed
    from fieldmark.hub.push import exported, push

    goes, stays = exported(run.exports)
    if stays:
        names = listed(each.relative_to(run.exports) for each in stays)
        print(
            f"note: {names} of {run.exports} may show your pictures or their names, and stay here"
        )
    print(f"pushed  {push(folder, goes, run.exports, repo, private=private)}")
