"""Answers so far, a line each beside the table that they become: a kill leaves what is done.

    {"model": "5f...", "images": "9a...", "options": {"abstain": 0.95}}     what was asked
    {"image": "a.jpg", "label": "cat", "score": 0.98, ...}                  an answer
    {"image": "b.jpg", "failure": "b.jpg: is empty (0 bytes); ..."}         why there is none

Numbers are written whole, so the table of a command that went on is that of one never stopped.
What a finished table answers is kept in the cache, under its content.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from fieldmark.cache import open_cache
from fieldmark.errors import Mistake, counted, refuse, writing
from fieldmark.stopping import undoing
from fieldmark.use.predictor import Answer, Failure, Prediction

Asked = dict[str, Any]
OTHER = {
    "model": "another model was asked",
    "images": "other images were named",
    "options": "other options were given",
}
OF_TABLE = {**OTHER, "columns": "other columns were asked for"}
KIND = "questions"  # in the cache


def beside(out: Path) -> Path:
    """Where the answers of an unfinished table are kept."""
    return out.with_name(f"{out.name}.unfinished.jsonl")


def refuse_unfinished(out: Path, *, goes_on: bool, overwrite: bool) -> None:
    """Raise SettingsError where answers of before would be lost unasked."""
    kept = beside(out)
    if kept.exists() and not goes_on and not overwrite:
        what = f"was begun before, and {kept} has its answers so far; go on with them by adding "
        refuse([Mistake(f"--out {out}", f"{what}--continue, or begin anew with --overwrite")])


def may_replace(out: Path) -> bool:
    """Whether the command that left answers here had leave to replace the table."""
    path = beside(out)
    return whole_lines(path) > 0 and bool(_question(path).get("overwrite"))


def refuse_other(out: Path, asked: Asked, option: str = "--continue") -> None:
    """Raise SettingsError where the answers that are kept are those to another question.

    option: by which the user goes on with them.
    """
    path = beside(out)
    if whole_lines(path):
        _refuse(f"{path} cannot be gone on with", _question(path), asked, OTHER, option)


def told_done(out: Path, asked: Asked) -> str:
    """What to say of a table that is there whole. Raises SettingsError as `refuse_other` does."""
    kept = open_cache().get(KIND, _content(out))
    if kept is None:
        return f"{out} is done, for which images and options is known no longer"
    _refuse(f"{out} is done", _question(kept), asked, OF_TABLE)
    return f"{out} is done"


def _refuse(
    what: str, before: Asked, asked: Asked, other: Mapping[str, str], option: str = "--continue"
) -> None:
    why = next((why for key, why in other.items() if before.get(key) != asked[key]), None)
    if why is not None:
        do = "ask as before, or begin anew with --overwrite"
        refuse([Mistake(option, f"{what}, for {why}; {do}")])


def _content(out: Path) -> str:
    with out.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _question(path: Path) -> Asked:
    with path.open(encoding="utf-8") as stream:
        return dict(json.loads(stream.readline()))


def question(model: Any, images: Iterable[object], options: dict[str, Any]) -> Asked:
    """What was asked, as plain values: answers are gone on with only where this is the same.

    What OTHER does not name may differ, such as whether the table may be replaced ("overwrite"),
    or, until the table is there, its columns.
    """
    digest = hashlib.blake2b(digest_size=16)
    for image in images:
        digest.update(repr(image).encode("utf-8", "backslashreplace") + b"\n")
    known = hashlib.blake2b(json.dumps(model, sort_keys=True).encode(), digest_size=16)
    return {"model": known.hexdigest(), "images": digest.hexdigest(), "options": options}


def answered(out: Path) -> list[str]:
    """The images that have their answers beside a table that is unfinished, in order."""
    path = beside(out)
    return [answer.image for answer in _read(path)] if whole_lines(path) else []


def kept_answers(
    out: Path,
    asked: Asked,
    images: Sequence[Any],
    look: Callable[[Sequence[Any]], Iterator[Answer]],
    *,
    goes_on: bool,
) -> Iterator[Answer]:
    """The answers of all images, in order: those kept by a command of before, then new ones.

    asked: see `question`, and `refuse_other` first; look: the answers of the images that are left.
    Each is kept before it is given, until `conclude` is called. Raises DiskError.
    """
    path = beside(out)
    done = whole_lines(path) if goes_on else 0
    if done:
        yield from _read(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a" if done else "w", encoding="utf-8")
    count = max(0, done - 1)  # the first line is the question

    def stopped() -> str:
        so_far = f"{count} of {counted(len(images), 'image')}"
        return f"stopped; {so_far} have their answers in {path}: add --continue to go on"

    with stream, undoing(stopped):
        if not done:
            keep(path, stream, asked)
        for answer in look(images[count:]):
            keep(path, stream, _as_json(answer))
            count += 1
            yield answer


def conclude(out: Path, asked: Asked) -> None:
    """The table is there: what was kept on the way to it goes, and what it answers is kept."""
    beside(out).unlink(missing_ok=True)
    if out.is_file():  # of no answers there is none
        text = json.dumps(asked) + "\n"
        open_cache().put(KIND, _content(out), lambda draft: draft.write_text(text, "utf-8"))


def keep(path: Path, stream: IO[str], values: dict[str, Any]) -> None:
    """One line more. Raises DiskError."""
    with writing(path):
        stream.write(json.dumps(values) + "\n")
        stream.flush()


def whole_lines(path: Path) -> int:
    """How many lines a file has, if it is there; a last one that a kill has torn goes."""
    if not path.exists():
        return 0
    lines, end = 0, 0
    with writing(path), path.open("rb+") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                lines, end = lines + 1, end + len(line)
        stream.truncate(end)
    return lines


def _read(path: Path) -> Iterator[Answer]:
    with path.open(encoding="utf-8") as stream:
        next(stream)
        yield from (_of_json(json.loads(line)) for line in stream)


def _as_json(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Failure):
        return {"image": answer.image, "failure": answer.reason}
    return asdict(answer)


def _of_json(values: dict[str, Any]) -> Answer:
    if "failure" in values:
        return Failure(values["image"], values["failure"])
    lists = {name: tuple(values[name]) for name in ("labels", "set")}
    return Prediction(**{**values, **lists})
