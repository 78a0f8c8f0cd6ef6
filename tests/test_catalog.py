import sys
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from fieldmark.catalog import Catalog
from fieldmark.errors import Mistake


def bake(
    flour: int,
    *,
    heat: Annotated[float, Field(gt=0, le=300)] = 180.0,
    crust: Literal["Thin", "thick"] = "Thin",
    times: tuple[float, float] = (0.5, 1.0),
    salted: bool = True,
    loaves: Annotated[int, Field(ge=1)] = 1,
    sugar: float | None = None,
    note: str = "",
    anything=None,
) -> dict[str, Any]:
    return {"flour": flour, "heat": heat, "times": times, "loaves": loaves}


def boil(water: int) -> int:
    return water


OVENS = Catalog("oven", {"bake": (bake, "dry heat"), "boil": (boil, "wet heat")})


def read_one(option, value):
    values, mistakes = OVENS.read("bake", {option: value})
    assert mistakes == []
    return values[option]


def mistake_of(option, value):
    values, mistakes = OVENS.read("bake", {option: value})
    assert values == {}
    assert [mistake.where for mistake in mistakes] == [option]
    return mistakes[0].what


def test_options_are_the_keyword_only_parameters():
    assert "flour" not in OVENS["bake"].options()
    assert list(OVENS["bake"].options())[:3] == ["heat", "crust", "times"]
    assert OVENS["bake"].options()["heat"].default == 180.0
    assert OVENS["boil"].options() == {}


def test_a_catalog_is_a_mapping_in_the_order_it_is_written():
    assert list(OVENS) == ["bake", "boil"]
    assert len(OVENS) == 2
    assert "bake" in OVENS
    assert "grill" not in OVENS
    assert OVENS["boil"].about == "wet heat"


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("heat", "0.9", 0.9),
        ("heat", "1e2", 100.0),
        ("heat", "90", 90.0),
        ("times", "[0.9, 0.999]", (0.9, 0.999)),
        ("salted", "false", False),
        ("salted", "yes", True),
        ("loaves", "3", 3),
        ("crust", "thick", "thick"),
        ("sugar", "0.5", 0.5),
        ("sugar", "none", None),
        ("sugar", "null", None),
        ("note", "5", "5"),
        ("note", "none", "none"),
        ("note", "[1", "[1"),
        ("anything", "0.5", "0.5"),
    ],
)
def test_text_becomes_what_the_annotation_says(option, text, value):
    found = read_one(option, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("option", "value"),
    [("heat", 90), ("times", [0.1, 0.2]), ("times", (0.1, 0.2)), ("sugar", None), ("loaves", 2)],
)
def test_values_of_python_and_of_yaml_are_read_too(option, value):
    found = read_one(option, value)
    assert found == (tuple(value) if option == "times" else value)


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("heat", "0", "must be more than 0, not 0"),
        ("heat", "301", "must be at most 300, not 301"),
        ("heat", -1.5, "must be more than 0, not -1.5"),
        ("heat", "warm", "must be a number, not warm"),
        ("heat", "2020-13-45", "must be a number, not 2020-13-45"),
        ("heat", "[1", "must be a number, not [1"),
        ("loaves", "0", "must be at least 1, not 0"),
        ("loaves", "1.5", "must be a whole number, not 1.5"),
        ("salted", "perhaps", "must be true or false, not perhaps"),
        ("crust", "THIN", "must be 'Thin' or 'thick', not THIN"),
        ("times", "[0.9, much]", "must be a number, not much"),
    ],
)
def test_a_value_that_does_not_fit_is_told_in_one_sentence(option, value, what):
    assert mistake_of(option, value) == what


@pytest.mark.parametrize("text", ["0.9", "[0.9, 0.99", "[0.9]", "{a: 1}"])
def test_a_tuple_that_is_none_is_a_mistake_and_no_crash(text):
    assert mistake_of("times", text)


def test_an_unknown_name_is_told_the_nearest_or_all_of_them():
    assert OVENS.read("bakee", {}) == (
        {},
        [Mistake("", "there is no oven 'bakee'; did you mean 'bake'?")],
    )
    assert OVENS.read("grill", {}) == (
        {},
        [Mistake("", "there is no oven 'grill'; there are 'bake' and 'boil'")],
    )


def test_an_unknown_option_is_told_the_nearest_or_all_of_them():
    assert mistake_of("haet", "3") == ("the oven 'bake' takes no such option; did you mean 'heat'?")
    assert mistake_of("wood", "3") == (
        "the oven 'bake' takes no such option; it takes 'heat', 'crust', 'times', 'salted', "
        "'loaves', 'sugar', 'note' and 'anything'"
    )
    _, mistakes = OVENS.read("boil", {"heat": 3})
    assert mistakes == [
        Mistake("heat", "the oven 'boil' takes no such option; it takes no options")
    ]


def test_the_positional_parameters_are_no_options():
    assert mistake_of("flour", "3").startswith("the oven 'bake' takes no such option")


def test_all_mistakes_come_together_beside_what_is_right():
    values, mistakes = OVENS.read("bake", {"heat": "x", "loaves": "2", "wood": 1, "salted": "?"})
    assert values == {"loaves": 2}
    assert [mistake.where for mistake in mistakes] == ["heat", "wood", "salted"]


def test_what_was_read_builds():
    values, _ = OVENS.read("bake", {"heat": "200", "times": "[1, 2]"})
    assert OVENS.build("bake", values, 500) == {
        "flour": 500,
        "heat": 200.0,
        "times": (1.0, 2.0),
        "loaves": 1,
    }


def test_a_builder_named_by_its_module_is_imported_when_first_asked_for(tmp_path, monkeypatch):
    module = "ovens_of_this_test"
    (tmp_path / f"{module}.py").write_text(
        "def steam(water, *, pressure: float = 1.0):\n    return water * pressure\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    ovens = Catalog("oven", {"steam": (f"{module}:steam", "wet"), "boil": (boil, "wetter")})
    assert list(ovens) == ["steam", "boil"]
    assert ovens.read("boil", {}) == ({}, [])
    assert module not in sys.modules
    assert list(ovens["steam"].options()) == ["pressure"]
    assert module in sys.modules
    assert ovens.read("steam", {"pressure": "2.5"}) == ({"pressure": 2.5}, [])
    assert ovens.build("steam", {"pressure": 2.5}, 2) == 5.0
    monkeypatch.delitem(sys.modules, module)
