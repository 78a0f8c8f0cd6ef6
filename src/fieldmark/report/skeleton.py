"""What every page has in common: the templates' words, one style, one script, no network."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from fieldmark.console import duration
from fieldmark.errors import counted
from fieldmark.metrics_json import About
from fieldmark.report import heat_words, words
from fieldmark.report.figure_lines import is_below
from fieldmark.report.thumbs import thumb

TEMPLATES = Path(__file__).parent / "templates"
SECTION = re.compile(r'<details class="section" id="([^"]+)".*?<h2>(.*?)</h2>', re.DOTALL)


def render_page(
    template: str,
    values: dict[str, Any],
    *,
    sheets: tuple[str, ...] = (),
    scripts: tuple[str, ...] = (),
) -> str:
    """The whole HTML text of a page that extends `skeleton.html`. It is safe to write as UTF-8.

    `sheets` and `scripts` are names of further style sheets and scripts among the templates, such
    as "calibration.css".
    """
    inside = style_and_script(sheets, scripts)
    text: str = environment().get_template(template).render(**values, **inside)
    return text.encode("utf-8", "replace").decode()  # file names may hold bytes of no encoding


def sections(body: str) -> list[tuple[str, Markup]]:
    """The id and the title of every section of a page's body, in order: its contents."""
    return [(name, Markup(title)) for name, title in SECTION.findall(body)]


FILTERS: dict[str, Any] = {
    "breaks": words.breaks,
    "capital": words.capital,
    "count": words.count,
    "decimal": words.decimal,
    "duration": duration,
    "figure": words.figure,
    "heat_falls": heat_words.falls,
    "heat_reason": heat_words.reason,
    "heat_said": heat_words.said,
    "interval": words.interval,
    "is_share": words.is_share,
    "made_words": words.made_words,
    "maps": lambda number: counted(number, "map"),
    "metric_name": words.metric_name,
    "metric_words": words.metric_words,
    "millions": lambda count: f"{count / 1e6:,.3g}" if count < 1e9 else f"{count / 1e6:,.0f}",
    "named": lambda name: Markup(f"<bdi>{words.breaks(name)}</bdi>"),
    "percent": words.percent,
    "quoted": words.quoted,
    "rate": "{:g}".format,
    "suspicion": lambda look: heat_words.suspicion(look.label, look.suspects),
    "kept": lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%"),  # on one line with its number
    "sections": sections,
    "unsuspected": heat_words.unsuspected,
    "sort_key": lambda value: value if words.defined(value) else "",
    "markup": Markup,
}
WORDS = {
    "images": words.images,
    "missing": words.MISSING,
    "no_test_sentence": words.no_test_sentence,
    "split_words": words.SPLIT_WORDS,
    "thumb": thumb,
}


@cache
def environment() -> Any:
    """The templates, jinja2's, with the words they use; all pages share it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only where one is drawn

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.tests["known"] = words.defined
    environment.tests["below"] = is_below
    environment.globals.update(WORDS)
    return environment


def style_and_script(sheets: tuple[str, ...], scripts: tuple[str, ...]) -> dict[str, str]:
    """Both go into the page as they are; no script but the one of this hash may run in it."""
    script = "".join(
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.js", *scripts)
    )
    styles = [(TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", *sheets)]
    return {
        "style": Markup("".join(styles)),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }


def about_words(about: dict[str, str], **named: str) -> dict[str, str]:
    """The list of versions and circumstances, with time and date in words.

    named: what an entry is called, where not by its own name: seconds="Training".
    """
    readers = {"seconds": lambda text: duration(float(text)), "finished": words.moment}
    names = {"seconds": "Time", **named}
    return {
        names.get(key, words.metric_name(key)): readers.get(key, str)(value)
        for key, value in about.items()
        if value
    }


def about_texts(about: About, **more: str | None) -> dict[str, str]:
    """Versions, machine and circumstances as a list of texts."""
    machine = dict(about.machine)
    processor, cores = machine.pop("processor", ""), machine.pop("cores", "")
    found = {
        "finished": about.finished,
        "seconds": None if about.seconds is None else f"{about.seconds:.1f}",
        "machine": f"{processor}, {cores} cores" if processor else "",
        **machine,
        "seed": about.seed,
        **more,
        **about.versions,
    }
    return {name: str(value) for name, value in found.items() if value not in (None, "")}
