"""A program's terms: units and points, what is refused, what a point is worth."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from dolisync.program.terms import Program, RewardTerms
from tests.builders import program
from tests.fakes import reward


def test_whole_points_are_the_ledgers_units() -> None:
    terms = program()
    assert (terms.units(Decimal("7.9")), terms.points_of(7)) == (7, Decimal(7))


def test_with_decimals_a_unit_is_a_hundredth() -> None:
    terms = program(decimals=2)
    assert (terms.units(Decimal("7.25")), terms.points_of(725)) == (725, Decimal("7.25"))


def test_all_sources_take_part_unless_some_are_named() -> None:
    assert program().takes("any")
    assert program(sources=("a",)).takes("a")
    assert not program(sources=("a",)).takes("b")


@pytest.mark.parametrize(
    ("terms", "value"),
    [
        ({}, None),
        ({"reward": [reward(200, "5")]}, Decimal("0.025")),
        ({"reward": [reward(200, "5")], "point_value": "0.10"}, Decimal("0.10")),
    ],
)
def test_a_point_is_worth_what_is_set_or_what_the_first_reward_says(
    terms: dict[str, Any], value: Decimal | None
) -> None:
    assert program(**terms).value_of_point == value


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"decimals": 1}, "decimals is 0 or 2"),
        ({"reward": [reward(), reward()]}, "two rewards have the name 'discount'"),
        ({"reward": [reward("1.5")]}, "costs parts of a point"),
        ({"reward": [reward(100, "0.005")]}, "more than two decimals"),
        ({"earn": {"visit": {"points": "0.5"}}}, "parts of a point"),
        ({"earn": {"amount": {"per": 0}}}, "greater than 0"),
        ({"earn": {"amount": {"points": -1}}}, "greater than 0"),
        ({"earn": {"amount": {"per": "NaN"}}}, "finite number"),
        ({"validity": {"months": 0}}, "greater than or equal to 1"),
        ({"timezone": "Paris"}, "not a time zone"),
        ({"nonsense": 1}, "Extra inputs"),
        ({"name": "Ünï"}, "should match pattern"),
    ],
)
def test_terms_that_cannot_hold_are_refused(terms: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        program(**terms)


def test_parts_of_a_point_are_fine_where_points_have_decimals() -> None:
    terms = program(decimals=2, reward=[reward("1.50")], earn={"visit": {"points": "0.5"}})
    assert terms.units(terms.reward[0].points) == 150


def test_terms_never_change_once_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        program().title = "other"  # type: ignore[misc]


def test_a_reward_is_for_its_tiers_or_for_all() -> None:
    for_all, for_gold = RewardTerms(), RewardTerms(tiers=("gold",))
    assert for_all.is_for("") is True
    assert for_all.is_for("gold") is True
    assert for_gold.is_for("gold") is True
    assert for_gold.is_for("silver") is False
    assert for_gold.is_for("") is False


@pytest.mark.parametrize("terminal", [1.5, True, ["1"]])
def test_a_terminal_is_a_number_or_a_text(terminal: object) -> None:
    with pytest.raises(ValidationError):
        Program.model_validate({"earn": {"terminals": [terminal]}})
    whole = Program.model_validate({"earn": {"terminals": [1, "2"]}})
    assert whole.earn.terminals == ("1", "2")
