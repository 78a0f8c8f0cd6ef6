"""What a person's folders and files are called stays at home: texts that others may read."""

import re
from dataclasses import replace
from typing import Any

from fieldmark.machine import INSTALL
from fieldmark.metrics_json import Metrics
from fieldmark.models.at_home import FOLDERS, public

COUNTED = re.compile(r"\d[\d,]* (image|row|file|picture|video)s?\b")
EXAMPLES = re.compile(rf"(, e\.g\.|:| \()?\s*'.*|; (`|{INSTALL}).*", re.DOTALL)


def public_values(value: Any) -> Any:
    """The same of every text in plain values."""
    if isinstance(value, dict):
        return {name: public_values(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [public_values(each) for each in value]
    return public(value) if isinstance(value, str) else value


def public_metrics(metrics: Metrics) -> Metrics:
    """metrics.json without where things lie; figures by a column's values stay at home too."""
    about = replace(metrics.about, command=public(metrics.about.command), run=None, data=None)
    return replace(metrics, about=about, by=None)


def without_names(sentence: str) -> str:
    """A sentence that begins with a number of images, without the examples it gives; else "".

    "2 images left out ('a.jpg' and 'b.jpg'); they ..." -> "2 images left out".
    """
    if not COUNTED.match(sentence):
        return ""
    kept = EXAMPLES.sub("", sentence)
    return "" if FOLDERS.search(kept) else kept
