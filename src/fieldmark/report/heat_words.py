"""What is said of heat maps, on pages and on the screen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fieldmark.errors import counted
from fieldmark.heats import Heat, Heats, Standing, Way
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
        return "Unchecked: not held against random parts."
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
    """How many maps there are, and how many of them can be believed; the parts add up to them.

    "18 heat maps: 10 beat random parts and are drawn; 5 do not; 3 cannot be judged (no blurring
    moves their score)"
    """
    if not heats:
        return "no heat map was made"
    count = Counter(each.standing for each in heats)
    parts = [f"{count[its]} {_standing(its, count)}" for its in STANDINGS if count[its]]
    return f"{counted(len(heats), 'heat map')}: {'; '.join(parts)}"


STANDINGS: tuple[Standing, ...] = ("true", "untrue", "still", "flat", "unchecked")


def _standing(standing: Standing, count: Mapping[Standing, int]) -> str:
    """What so many maps do, or are."""
    one = count[standing] == 1
    match standing:
        case "true":
            return f"{'beats' if one else 'beat'} random parts and {_are(one)} drawn"
        case "untrue" if count["true"]:
            return f"{_do(one)} not"
        case "untrue":
            return f"{_do(one)} no better than random parts"
        case "still":
            return f"cannot be judged (no blurring moves {'its' if one else 'their'} score)"
        case "flat":
            return f"{_are(one)} flat"
        case _:
            return f"{_are(one)} unchecked"


def _do(one: bool) -> str:
    return "does" if one else "do"


def _are(one: bool) -> str:
    return "is" if one else "are"


def advice(heats: Heats) -> list[str]:
    """What to try where fewer than half of the maps beat random parts, a sentence; else none."""
    standings = [each.standing for each in heats.rows]
    true, untrue = standings.count("true"), standings.count("untrue")
    if true >= untrue:
        return []
    other = "occlusion" if heats.method != "occlusion" else "integrated-gradients"
    layer = ", or an earlier --layer," if heats.method.endswith("-cam") else ""
    return [
        f"{counted(untrue, 'heat map')} {_do(untrue == 1)} no better than random parts, and "
        f"{true or 'none'} {_do(true == 1)}, so the maps say little of where the model looks; "
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
    masks = max(len(each.random) for each in heats.rows)
    return {
        "reason": "",
        "seen": seen(spec),
        "made": made(heats),
        "told": told(heats.rows),
        "masks": masks,
        "more": Way().masks if masks < Way().masks else 0,
        "falls": fall_words(heats.rows),
        "classes": class_looks([each for each in heats.rows if each.sampled], classes),
    }
