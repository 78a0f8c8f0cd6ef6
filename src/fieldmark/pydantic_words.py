"""What pydantic finds wrong with a value, in this project's words."""

from collections.abc import Mapping
from typing import Any


def in_words(problem: Mapping[str, Any]) -> str:
    """What is wrong with a value, without saying where: "must be at least 1, not 0"."""
    given, about = problem.get("input"), problem.get("ctx", {})
    about = {k: f"{v:g}" if isinstance(v, float) else v for k, v in about.items()}
    kind = problem["type"]
    wanted = {
        "missing": "is missing; name a folder of class folders, or a built-in set such as digits",
        "greater_than_equal": "must be at least {ge}",
        "greater_than": "must be more than {gt}",
        "less_than_equal": "must be at most {le}",
        "less_than": "must be less than {lt}",
        "literal_error": "must be {expected}",
        "int_parsing": "must be a whole number",
        "int_from_float": "must be a whole number",
        "int_type": "must be a whole number",
        "float_parsing": "must be a number",
        "float_type": "must be a number",
        "finite_number": "must be a finite number",
        "bool_parsing": "must be true or false",
        "bool_type": "must be true or false",
        "tuple_type": "must be a list such as [0.9, 0.99]",
        "list_type": "must be a list such as [1, 2]",
        "string_type": "must be a text",
    }.get(kind)
    if wanted is None:
        return str(problem["msg"]).removeprefix("Value error, ")
    return wanted.format(**about) if kind == "missing" else f"{wanted.format(**about)}, not {given}"
