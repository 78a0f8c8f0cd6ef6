"""Answers so far, a line each beside the table that they become: a kill leaves what is done.

    {"model": "5f...", "images": "9a...", "options": {"abstain": 0.95}}     what was asked
    {"image": "a.jpg", "label": "cat", "score": 0.98, ...}                  an answer
    {"image": "b.jpg", "failure": "b.jpg: is empty (0 bytes); ..."}         why there is none

Numbers are written whole, so the table of a command that went on is that of one never stopped.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from fieldmark.errors import Mistake, counted, refuse, writing
from fieldmark.stopping import undoing
from fieldmark.use.predictor import Failure, Prediction

Answer = Prediction | Failure
OTHER = {
    "model": "another model was asked",
    "images": "other images were named",
    "options": "other options were given",
}


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
    return _whole_lines(path) > 0 and bool(_question(path).get("overwrite"))


def refuse_other(out: Path, asked: dict[str, Any]) -> None:
    """Raise SettingsError where the answers that are kept are those to another question."""
    path = beside(out)
    if not _whole_lines(path):
        return
    before = _question(path)
    other = next((why for key, why in OTHER.items() if before.get(key) != asked[key]), None)
    if other is not None:
        what = f"{path} cannot be gone on with, for {other}; ask as before, or begin anew with "
        refuse([Mistake("--continue", f"{what}--overwrite")])


def _question(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as stream:
        return dict(json.loads(stream.readline()))


def question(model: Any, images: Iterable[object], options: dict[str, Any]) -> dict[str, Any]:
    """What was asked, as plain values: answers are gone on with only where this is the same.

    What OTHER does not name may differ, such as whether the table may be replaced ("overwrite").
    """
    digest = hashlib.blake2b(digest_size=16)
    for image in images:
        digest.update(repr(image).encode("utf-8", "backslashreplace") + b"\n")
    known = hashlib.blake2b(json.dumps(model, sort_keys=True).encode(), digest_size=16)
    return {"model": known.hexdigest(), "images": digest.hexdigest(), "options": options}


def kept_answers(
    out: Path,
    asked: dict[str, Any],
    images: Sequence[Any],
    look: Callable[[Sequence[Any]], Iterator[Answer]],
    *,
    goes_on: bool,
) -> Iterator[Answer]:
    """The answers of all images, in order: those kept by a command of before, then new ones.

    asked: see `question`, and `refuse_other` first; look: the answers of the images that are left.
    Each is kept before it is given, until `forget` is called. Raises DiskError.
    """
    path = beside(out)
    done = _whole_lines(path) if goes_on else 0
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
            _keep(path, stream, asked)
        for answer in look(images[count:]):
            _keep(path, stream, _as_json(answer))
            count += 1
            yield answer


def forget(out: Path) -> None:
    """The table is there: what was kept on the way to it goes."""
    beside(out).unlink(missing_ok=True)


def _keep(path: Path, stream: IO[str], values: dict[str, Any]) -> None:
    with writing(path):
        stream.write(json.dumps(values) + "\n")
        stream.flush()


def _whole_lines(path: Path) -> int:
    """How many lines there are; a last one that a kill has torn is taken away."""
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
