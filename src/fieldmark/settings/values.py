"""The kinds of values that settings have, beside plain ones."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Auto = Literal["auto"]
PIPELINES = (".yaml", ".yml", ".json")  # endings of files that say how images are changed
Channels = tuple[float, float, float, Rate, Rate, Rate]


def _like(pattern: str, words: str) -> AfterValidator:
    """A text that fits the pattern, which a user is told in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"must be {words}, not {value}")
        return value

    return AfterValidator(check)


def as_names(value: Any) -> Any:
    """One name or number, or names with commas between, as a list of them."""
    if isinstance(value, str):
        return value.replace(" ", "").split(",")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return [value] if is_number else value


NAMING = ("data", "model", "optimizer", "lr", "seed")  # words that a run's name is made of


def _named_by(value: str) -> str:
    """A text with words of NAMING in braces."""
    if set("{}") & set(re.sub("|".join(f"{{{word}}}" for word in NAMING), "", value)):
        known = ", ".join(f"{{{word}}}" for word in NAMING)
        raise ValueError(f"must have nothing in braces but {known}, not {value}")
    return value


def _pattern(value: str) -> str:
    """A text with {label}, {}, and other words in braces, each once."""
    names = re.findall(r"\{(\w*)\}", value)
    named = [name for name in names if name]
    if set("{}") & set(re.sub(r"\{(\w*)\}", "", value)) or any(name[0].isdigit() for name in named):
        raise ValueError(f"must have words or nothing between its braces, not {value}")
    if "label" not in named or len(set(named)) < len(named):
        raise ValueError(f"must have {{label}}, and each word in braces once, not {value}")
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]
Naming = Annotated[str, AfterValidator(_named_by)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Listed = BeforeValidator(as_names)  # a,b,c is a list, too
Stored = Annotated[
    str,
    _like(
        r"auto|original|square|(shorter|square):[1-9][0-9]*(:bicubic)?",
        "auto, original, square, shorter:N or square:N (:bicubic behind it)",
    ),
]
Target = Annotated[
    str,
    _like(r"\w+=(0?\.\d+|0|1|1\.0+)", "METRIC=VALUE with a value from 0 to 1"),
]
Device = Annotated[str, _like(r"auto|cpu|mps|cuda(:[0-9]+)?", "auto, cpu, cuda, cuda:N or mps")]
