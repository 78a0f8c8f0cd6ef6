"""What is said of heat maps, on pages and on the screen."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fieldmark.errors import counted
from fieldmark.heats import Heat, Heats
from fieldmark.insight.looks import ClassLook, class_looks
from fieldmark.judge.places import FEW, Part
from fieldmark.records import InputSpec
from fieldmark.report.words import percent, whole_percent

METHODS = {
    "grad-cam": "Grad-CAM",
    "hires-cam": "HiResCAM",
    "layer-cam": "LayerCAM",
    "occlusion": "occlusion",
    "integrated-gradients": "integrated gradients",
}


def seen(spec: InputSpec) -> str:
    """What a heat map lies on, and how it is read."""
    squared = spec.evaluated_form[0] == "square"
    part = "all of it, made square" if squared else "the square in its middle, nothing beside that"
    return (
        f"A heat map lies on what the network saw of the picture: {part}. Bright is where the "
        "score of the class comes from; the line is around the hottest fifth."
    )


def said(heat: Heat) -> str:
    """One map in a sentence or two: what its hottest fifth does to the score, or why it is none."""
    if heat.standing == "unchecked":
        return "Not held against random parts."
    fall = falls(heat) if heat.standing in ("true", "untrue") else ""
    return " ".join(filter(None, (reason(heat), fall)))


def reason(heat: Heat) -> str:
    """Why a map is not drawn; "" where it is."""
    reasons = {
        "flat": "No map: no place speaks for the class more than another.",
        "still": f"No map: the score stays at {percent(heat.score)} whichever fifth is blurred.",
        "untrue": "No map: it does no better than random parts.",
    }
    return reasons.get(heat.standing, "")


def falls(heat: Heat) -> str:
    """What blurring its hottest fifth does to the score, and what random parts do."""
    verb = "falls" if heat.blurred < heat.score else "goes"
    random = np.array(heat.random)
    ends = f"{percent(random.min(), sign='')} to {percent(random.max())}"
    return (
        f"Score {verb} from {percent(heat.score)} to {percent(heat.blurred)} when the hottest "
        f"fifth is blurred; random parts: to {percent(random.mean())} ({ends})."
    )


def told(heats: Sequence[Heat]) -> str:
    """How many maps there are, and how many of them can be believed.

    "21 of 24 heat maps beat random parts; 2 do not and are not drawn; 1 is flat, not drawn"
    """
    count = Counter(each.standing for each in heats)
    judged = count["true"] + count["untrue"]
    parts = []
    if judged:
        parts.append(beaten(count["true"], judged))
    if count["untrue"]:
        parts.append(f"{count['untrue']} {_do(count['untrue'])} not and {_are(count['untrue'])}")
    if count["still"]:
        have = "has a score" if count["still"] == 1 else "have scores"
        parts.append(f"{count['still']} {have} that no blurring moves and {_are(count['still'])}")
    if count["flat"]:
        parts.append(f"{count['flat']} {'is' if count['flat'] == 1 else 'are'} flat, not drawn")
    if count["unchecked"]:
        kind = "more" if parts else counted(count["unchecked"], "heat map").partition(" ")[2]
        parts.append(f"{count['unchecked']} {kind}, not held against random parts")
    return "; ".join(parts) or "no heat map was made"


def beaten(true: int, judged: int) -> str:
    """ "21 of 24 heat maps beat random parts" """
    verb = "beats" if true == 1 else "beat"
    return f"{true} of {counted(judged, 'heat map')} {verb} random parts"


def _do(n: int) -> str:
    return "does" if n == 1 else "do"


def _are(n: int) -> str:
    return "is not drawn" if n == 1 else "are not drawn"


def advice(heats: Heats) -> list[str]:
    """What to try where fewer than half of the maps beat random parts, a sentence; else none."""
    standings = [each.standing for each in heats.rows]
    true, judged = standings.count("true"), standings.count("true") + standings.count("untrue")
    if not judged or 2 * true >= judged:
        return []
    other = "occlusion" if heats.method != "occlusion" else "integrated-gradients"
    layer = ", or an earlier --layer," if heats.method.endswith("-cam") else ""
    return [
        f"{beaten(true, judged)}, so the maps say little of where the model looks; "
        f"--method {other}{layer} may say more"
    ]


def unsuspected(found: Sequence[ClassLook]) -> str:
    """What to say where no class is suspicious."""
    judged = sum(look.images >= FEW for look in found)
    if not judged:
        return f"With fewer than {FEW} maps of a class nothing is said of its corners and edges."
    those = "class" if judged == len(found) else f"class with {FEW} maps or more"
    return f"No {those} has clearly more heat in a corner or along an edge than an even map would."


def suspicion(label: str, found: Sequence[Part]) -> str:
    """What to say of a class whose heat lies in a corner or along an edge."""
    first = found[0]
    more = f" (and the {' and the '.join(each.name for each in found[1:])})" if found[1:] else ""
    return (
        f"for '{label}' the model looks at the {first.name}{more}: {whole_percent(first.share)} of "
        f"the heat lies there, where an even map has {whole_percent(first.even)}; a watermark, a "
        "stamp or a border may give the class away"
    )


def made(heats: Heats) -> str:
    """How the maps were made, in words."""
    at = f" at the layer {heats.layer}" if heats.layer else ""
    return f"{METHODS.get(heats.method, heats.method)}{at}"


def fallen(heats: Sequence[Heat]) -> tuple[float, float] | None:
    """The mean fall of the score by the hottest fifth, and by random parts; None without any."""
    known = [each for each in heats if each.random]
    if not known:
        return None
    by_heat = np.mean([each.score - each.blurred for each in known])
    by_chance = np.mean([each.score - np.mean(each.random) for each in known])
    return float(by_heat), float(by_chance)


def fall_words(heats: Sequence[Heat]) -> str:
    """What blurring takes off the score, or adds to it; "" where no map was checked."""
    found = fallen(heats)
    if found is None:
        return ""
    known = sum(bool(each.random) for each in heats)
    by_heat, by_chance = (round(100 * each) for each in found)
    return (
        f"On average, blurring the hottest fifth {_does(counted(abs(by_heat), 'point'), by_heat)} "
        f"the score, and blurring random parts of the same shape "
        f"{_does(f'{abs(by_chance)}', by_chance)} it ({counted(known, 'map')})."
    )


def _does(points: str, fall: float) -> str:
    return f"takes {points} off" if fall >= 0 else f"adds {points} to"


def heat_part(
    heats: Heats, classes: Sequence[str], spec: InputSpec | None
) -> dict[str, Any] | None:
    """What heat.html says of a run's maps; None where nobody asked for any."""
    if not heats.rows or spec is None:
        return {"reason": heats.reason} if heats.reason else None
    judged = [each for each in heats.rows if each.standing != "unchecked"]
    return {
        "reason": "",
        "seen": seen(spec),
        "made": made(heats),
        "told": told(heats.rows),
        "unchecked": len(heats.rows) - len(judged),
        "falls": fall_words(judged),
        "classes": class_looks([each for each in heats.rows if each.sampled], classes),
    }
