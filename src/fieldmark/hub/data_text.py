"""The card's parts on images: which there were, how they were split, and what nobody tested."""

from fieldmark.data.finding import LEFT_OUT, PROBLEMS
from fieldmark.data.told import group_sides
from fieldmark.errors import counted, listed
from fieldmark.hub.facts import Facts
from fieldmark.hub.markdown import bullets, code, paragraphs, plain, table
from fieldmark.hub.public import without_names
from fieldmark.records import SPLITS
from fieldmark.report.words import SPLIT_WORDS, count, percent

FEW = 30  # images of a class in the test; below, its interval is wide
MOST = 100  # classes in the table of images
WEAK = 0.5  # F1 of a class that is not to be relied on


def data_text(facts: Facts) -> list[str]:
    """What it was trained, validated and tested on."""
    samples = facts.data.samples
    name = code(facts.source)
    dataset = facts.stated.dataset
    known = f", published as [{dataset}](https://huggingface.co/datasets/{dataset})"
    total = f"{count(len(samples))} images, called {name} here{known if dataset else ''}."
    split = bullets(facts.data.split_notes)
    return paragraphs(
        total,
        _counts(facts),
        _left_out(facts),
        ["How they came to their sides:", "", *split] if split else "",
        _groups(facts),
    )


def _counts(facts: Facts) -> list[str]:
    """Images by class and split; of very many classes the totals alone."""
    samples, counts = facts.data.samples, facts.data.samples.counts()
    there = [side for side in SPLITS if len(samples.rows(side))]
    heads = ["class", *(SPLIT_WORDS[side] for side in there)]
    rows = [
        [plain(facts.names.shown(name)), *(count(by_side[side]) for side in there)]
        for name, by_side in (counts.items() if len(counts) <= MOST else ())
    ]
    label = "all images" if facts.metrics.of_task.several else "all"
    totals = [f"**{label}**", *(f"**{count(len(samples.rows(side)))}**" for side in there)]
    return table(heads, [*rows, totals])


def _left_out(facts: Facts) -> list[str]:
    """What was not used, counted; which files these are stays at home."""
    kinds = {*PROBLEMS, *LEFT_OUT}
    found = [each.sentence for each in facts.data.findings if each.kind in kinds]
    told = [without_names(each) for each in (*facts.data.notes, *found)]
    kept = list(dict.fromkeys(f"{plain(each)}." for each in told if each))
    return ["Left out, or to be known of them:", "", *bullets(kept)] if kept else []


def _groups(facts: Facts) -> str:
    """How many groups there are on each side; their names stay at home."""
    sides = group_sides(facts.data.samples)
    by_side = {side: sum(side in its for its in sides.values()) for side in SPLITS}
    there = [f"{count(n)} in {SPLIT_WORDS[side]}" for side, n in by_side.items() if n]
    return f"Groups of images that belong together: {', '.join(there)}." if there else ""


def limits_text(facts: Facts) -> list[str]:
    """What it was not tested on, and what it is not good for."""
    return bullets(filter(None, [*_unseen(facts), *_weak(facts), *_ended(facts)]))


def _unseen(facts: Facts) -> list[str]:
    """What no test image can say."""
    sides = group_sides(facts.data.samples)
    apart = sides and all(len(its) == 1 for its in sides.values())
    places = f"Every image is from {code(facts.source)}"
    if apart:
        places += (
            "; no group of images is on two sides, so the figures hold for other groups of the "
            "same kind, and not for what is unlike all of them."
        )
    else:
        places += (
            ", those of the test too, so the figures say nothing of images that others took "
            "elsewhere: expect less there, and measure it (`fieldmark evaluate`)."
        )
    several = facts.metrics.of_task.several
    nothing = (
        "**Pictures of none of these classes.** None was tested. "
        + ("It may give them labels" if several else "It gives them one of its labels")
        + " all the same."
    )
    changed = (
        "**Images changed on purpose, or badly:** drawings, screenshots, blur, dark or cropped "
        "pictures were tested only as far as the test images have them."
    )
    use = "**Decisions about people, or about safety.** It was made and measured for none of these."
    return [f"**Other places, cameras, seasons or collections.** {places}", nothing, changed, use]


def _weak(facts: Facts) -> list[str]:
    """Classes that the figures say little of, or little good of."""
    found, shown = facts.figures, facts.names.shown
    if facts.split is None:
        return []
    told = []
    if found.absent:
        names = listed(map(shown, found.absent)).replace("'", "")
        told.append(
            f"**{plain(names)}:** no image of the figures shows it; nothing is known of it."
        )
    few = [name for name, row in found.per_class.items() if 0 < row.support < FEW]
    if few:
        which = "every class" if len(few) == len(found.per_class) else counted(len(few), "class")
        told.append(
            f"**Single classes.** Of {which} fewer than {FEW} images were tested, so the intervals "
            "of a class are wide."
        )
    weak = {name: row["f1"] for name, row in found.per_class.items() if row.support}
    low = [name for name, value in weak.items() if value is not None and value < WEAK]
    if low:
        names = plain(listed(map(shown, low)).replace("'", ""))
        told.append(f"**Classes that it often gets wrong** (F1 below {percent(WEAK)}): {names}.")
    return told


def _ended(facts: Facts) -> list[str]:
    """That training did not come to its end."""
    if facts.metrics.about.whole is not False:
        return []
    return ["**Training was stopped before its end**, so more of it might be better."]
