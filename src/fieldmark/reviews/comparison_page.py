"""What the page of a comparison says, from the comparison."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fieldmark.files import write_text
from fieldmark.report.compare_page import Against, ComparePage, Side, State, render
from fieldmark.report.verdicts import amount, direction, needed_words
from fieldmark.reviews.compare import Comparison, Pairing, columns, machine, versions
from fieldmark.reviews.contender import Contender

OWN = ("run.name", "run.out")  # settings that differ by nature


def write_page(found: Comparison, path: Path, command: str) -> None:
    """The page, one file of HTML, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, render(page_of(found, command)))


def page_of(found: Comparison, command: str) -> ComparePage:
    """Everything that the page says."""
    first = found.contenders[0]
    return ComparePage(
        title=f"{len(found.contenders)} runs compared",
        metrics=columns(found.metric),
        sides=tuple(_side(each) for each in found.contenders),
        pairs=tuple(_against(found, pairing) for pairing in found.pairings),
        notes=tuple(found.notes()),
        monitor=str(first.setting("train.monitor") or "accuracy"),
        settings=unlike(found.contenders),
        command=command,
        about={"seed": str(found.seed), **versions(), **machine()},
    )


def unlike(contenders: tuple[Contender, ...]) -> dict[str, list[str]]:
    """Settings, versions and machines that are not the same for all: name -> a text a run."""
    told = [dict(_told(each)) for each in contenders]
    names = list(dict.fromkeys(name for each in told for name in each))
    table = {name: [each.get(name, "") for each in told] for name in names}
    return {name: texts for name, texts in table.items() if len(set(texts)) > 1}


def _told(each: Contender) -> Iterator[tuple[str, str]]:
    for name, value in _flat(each.settings):
        if name not in OWN:
            yield name, _text(value)
    about = each.about
    for name, text in (about.get("versions") or {}).items():
        yield f"version of {name}", str(text)
    for name in ("processor", "accelerator"):
        yield name, str((about.get("machine") or {}).get(name, ""))


def _text(value: Any) -> str:
    """A value as the settings file has it."""
    plain = {None: "none", True: "true", False: "false"}
    return plain[value] if value is None or isinstance(value, bool) else str(value)


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted name."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _side(each: Contender) -> Side:
    return Side(
        name=each.name,
        model=str(each.setting("model.name") or ""),
        split=each.split,
        images=each.figures["n"],
        figures=each.figures,
        intervals=each.figures["intervals"],
        history=each.history,
        best_epoch=each.about.get("best_epoch"),
        command="" if each.is_evaluation else str(each.about.get("command") or ""),
    )


def _against(found: Comparison, pairing: Pairing) -> Against:
    state: State = "unpaired"
    words, differences = pairing.refusal, pairing.differences or {}
    if differences:
        difference = differences[found.metric]
        state = "close"
        if difference.is_clear:
            state = "better" if direction(difference) == "better" else "worse"
        words = ""
        if difference.value == difference.value:  # not nan
            enough = "" if difference.is_clear else needed_words(difference, pairing.images)
            words = "; ".join(filter(None, [amount(difference), enough]))
    return Against(
        name=pairing.second,
        state=state,
        sentence=found.sentence(pairing),
        amount=words,
        differences={n: (d.value, d.low, d.high) for n, d in differences.items()},
    )
