"""A part of the tree of settings: frozen, closed, and read from texts as well as from values."""

import contextlib
import types
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A part of the tree. Texts from a command line are read as the field's type wants them."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _read_texts(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        fields = cls.model_fields
        return {
            key: _from_text(value, fields[key].annotation) if key in fields else _frozen(value)
            for key, value in values.items()
        }


class Choice(Section):
    """A line of a catalog, by name, with that line's own options beside the name."""

    model_config = ConfigDict(extra="allow")
    with_choice: ClassVar[tuple[str, ...]] = ()  # fields that are for the chosen line alone

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """What is set beside the name; the catalog knows which there may be."""
        return dict(self.model_extra or {})


def _from_text(value: Any, annotation: Any) -> Any:
    """Text as a command line gives it: "none" for None, YAML where a list is wanted."""
    is_union = get_origin(annotation) in (Union, types.UnionType)
    whole = get_args(annotation) if is_union else (annotation,)
    kinds = [get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in whole]
    if isinstance(value, bool) and not {bool, str} & set(kinds):
        return str(value)  # pydantic would take True for 1
    if not isinstance(value, str):
        return value
    if type(None) in kinds and value.strip().casefold() in ("none", "null"):
        return None
    if any(get_origin(kind) in (list, tuple, dict) for kind in kinds):
        with contextlib.suppress(yaml.YAMLError, ValueError):  # then the text itself is refused
            return yaml.safe_load(value)
    return value


def _frozen(value: Any) -> Any:
    """An option that only a catalog knows, with lists as tuples: YAML reads back what it wrote."""
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value


def in_words(problem: Mapping[str, Any]) -> str:
    """What is wrong with a value, without saying where: "must be at least 1, not 0"."""
    given, about = problem.get("input"), problem.get("ctx", {})
    about = {k: f"{v:g}" if isinstance(v, float) else v for k, v in about.items()}
    kind = problem["type"]
    if kind == "missing" and isinstance(problem["loc"][-1], int):  # of a list of a fixed length
        return f"has too few values: {list(given or ())}"
    if kind == "too_long":
        return f"has too many values: {list(given or ())}"
    wanted = {
        "missing": "is missing; name a folder of class folders, or a built-in set such as digits",
        "greater_than_equal": "must be at least {ge}",
        "greater_than": "must be more than {gt}",
        "less_than_equal": "must be at most {le}",
        "less_than": "must be less than {lt}",
        "literal_error": "must be {expected}",
        **dict.fromkeys(("int_parsing", "int_from_float", "int_type"), "must be a whole number"),
        **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
        "finite_number": "must be a finite number",
        **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
        "tuple_type": "must be a list such as [0.9, 0.99]",
        "list_type": "must be a list such as [1, 2]",
        "string_type": "must be a text",
    }.get(kind)
    if wanted is None:
        return str(problem["msg"]).removeprefix("Value error, ")
    return wanted.format(**about) if kind == "missing" else f"{wanted.format(**about)}, not {given}"
