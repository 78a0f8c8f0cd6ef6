"""A card's folder onto the hub of Hugging Face: in one commit, and only when it is asked for."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    disable_progress_bars,
    validate_repo_id,
)

from fieldmark.errors import FieldmarkError, Mistake, RunError, WorkError, refuse
from fieldmark.files import write_text
from fieldmark.hub.facts import HERE
from fieldmark.hub.place import FILES, README

EXPORTS = "exports"
AT_HOME = (".html", ".json")  # exports that carry pictures, or the names of some
BAD_TOKEN, NOT_ALLOWED = 401, 403


def refuse_push(repo: str) -> None:
    """Tell what stands against a push before any work: a wrong name, or no token. SettingsError."""
    mistakes = []
    try:
        validate_repo_id(repo)
    except HFValidationError:
        what = "is no name of a repository; write OWNER/NAME, of letters, digits, '-', '_' and '.'"
        mistakes.append(Mistake(f"--push {repo}", what))
    if huggingface_hub.get_token() is None:
        what = (
            "needs a token of the Hugging Face hub that may write; keep one with `hf auth login`, "
            "or set HF_TOKEN"
        )
        mistakes.append(Mistake("--push", what))
    refuse(mistakes)


def exported(place: Path) -> tuple[list[Path], list[Path]]:
    """The files of a folder of exports that go along, and those that stay, in order.

    What stays may carry pictures: pages, and reports that name images.
    """
    found = sorted(each for each in place.rglob("*") if each.is_file())
    inside = [each.relative_to(place) for each in found]  # hidden is what a kill left half written
    seen = [place / each for each in inside if not any(p.startswith(".") for p in each.parts)]
    stays = [each for each in seen if each.suffix.lower() in AT_HOME]
    return [each for each in seen if each not in stays], stays


def push(folder: Path, exports: list[Path], root: Path, repo: str, *, private: bool) -> str:
    """Upload a card's folder, and exports that lie below `root`. -> the address of the model

    private: of a repository that is made now; one that is public already is refused then.
    Raises WorkError in one sentence for whatever the hub says no to, or where it is not reached.
    """
    if not sys.stderr.isatty():
        disable_progress_bars()
    api = huggingface_hub.HfApi(library_name="fieldmark")
    with _one_sentence(folder, repo):
        made = api.create_repo(repo, private=private or None, exist_ok=True)
        _refuse_public(api, made.repo_id, private)
        _name_it(folder / README, made.repo_id)
        files = {name: folder / name for name in FILES if (folder / name).is_file()}
        files |= {f"{EXPORTS}/{each.relative_to(root).as_posix()}": each for each in exports}
        adds = [huggingface_hub.CommitOperationAdd(name, str(at)) for name, at in files.items()]
        with warnings.catch_warnings():  # of metadata that the hub would like to have beside ours
            warnings.simplefilter("ignore")
            api.create_commit(made.repo_id, adds, commit_message="A classifier and its card")
    return str(made)


def _refuse_public(api: huggingface_hub.HfApi, repo: str, private: bool) -> None:
    if private and not api.model_info(repo).private:
        raise RunError(
            f"--private: {repo} is there already, and public; make it private on the hub, or name "
            "another repository"
        )


def _name_it(readme: Path, repo: str) -> None:
    """Write the repository's name where the card had none to write."""
    text = readme.read_text(encoding="utf-8")
    note = f" ({HERE} is where this folder lies on the hub)"
    write_text(readme, text.replace(note, "").replace(HERE, repo))


@contextmanager
def _one_sentence(folder: Path, repo: str) -> Iterator[None]:
    """One sentence for whatever comes between the hub and this machine."""
    kept = f"{folder} stays as it is, and --push without --overwrite pushes it"
    try:
        yield
    except FieldmarkError:
        raise
    except (OSError, HTTPError, RuntimeError, ValueError) as error:  # of the library and below it
        raise WorkError(f"--push {repo}: {_reason(error)}; {kept}") from error


def _reason(error: Exception) -> str:
    """What went wrong and what to do."""
    asked = error.__cause__ if isinstance(error.__cause__, HfHubHTTPError) else error
    if isinstance(asked, HfHubHTTPError) and asked.response is not None:
        code = asked.response.status_code
        if code == BAD_TOKEN:
            return "the hub does not take the token (401); keep another with `hf auth login`"
        if code == NOT_ALLOWED:
            return (
                "the token may not write there (403); take a token that may, or a name of your own"
            )
        if isinstance(asked, RepositoryNotFoundError):
            return "the hub has no such repository (404), or not for this token; check the name"
        return f"the hub answered {code}; try again later"
    if isinstance(error, ValueError):
        return f"the hub does not take the card ({_first_line(error)})"
    where = os.environ.get("HF_ENDPOINT", "the hub")
    return f"{where} cannot be reached ({_first_line(error)}); try again when it can"


def _first_line(error: Exception) -> str:
    """The first line of an error's text, or its kind."""
    text = " ".join(str(error).strip().split("\n\n")[0].split())[:120].rstrip(". ")
    return text or type(error).__name__
