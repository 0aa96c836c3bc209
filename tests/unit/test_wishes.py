"""What staff type into request fields, and what it means."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dolisync import answers
from dolisync.program.wishes import (
    Part,
    Refusal,
    RefusedWish,
    acting,
    wanted_reward,
    wanted_units,
    wants_off,
    wants_part,
)
from tests.builders import program

D = Decimal
WORTH = {"reward": [{"name": "small", "title": "Little thanks", "points": 100, "amount": "5"}]}


@pytest.mark.parametrize(
    ("text", "units"), [("10", 10), ("+10", 10), ("-3", -3), ("1 000", 1000), ("10.00", 10)]
)
def test_numbers_as_people_write_them(text: str, units: int) -> None:
    assert wanted_units(program(), text, "x") == units


def test_points_with_decimals() -> None:
    assert wanted_units(program(decimals=2), "2,5", "x") == 250


@pytest.mark.parametrize(
    ("text", "reason", "why"),
    [
        ("0", "x", Refusal.NOTHING),
        ("5", "", Refusal.NO_REASON),
        ("2.5", "x", Refusal.FRACTION),
        ("many", "x", Refusal.UNCLEAR),
        ("1e400", "x", Refusal.UNCLEAR),
        ("NaN", "x", Refusal.UNCLEAR),
    ],
)
def test_numbers_that_are_none(text: str, reason: str, why: Refusal) -> None:
    with pytest.raises(RefusedWish) as refused:
        wanted_units(program(), text, reason)
    assert refused.value.why is why


@pytest.mark.parametrize(
    ("terms", "text", "available", "points", "amount"),
    [
        ({}, "max", 37, 37, "1.85"),
        ({}, "MAXIMUM", 1, 1, "0.05"),
        # A third of a cent is worth nothing, and takes no point.
        ({"point_value": "0.0033"}, "max", 100, 100, "0.33"),
        ({"point_value": "0.0033"}, "max", 102, 100, "0.33"),
        ({"point_value": "0.0033"}, "102", 500, 100, "0.33"),
        ({"point_value": "0.0033", "decimals": 2}, "max", "101.5", "100", "0.33"),
    ],
)
def test_points_without_a_name_cost_no_more_than_their_amount(
    terms: dict[str, Any], text: str, available: Any, points: Any, amount: str
) -> None:
    found = wanted_reward(program(**WORTH, **terms), text, D(available))
    assert (found.points, found.amount) == (D(points), D(amount))


def test_less_than_a_cent_is_nothing() -> None:
    with pytest.raises(RefusedWish) as refused:
        wanted_reward(program(**WORTH, point_value="0.0033"), "max", D(3))
    assert refused.value.why is Refusal.TOO_SMALL


def test_without_a_reward_no_number_is_worth_anything() -> None:
    with pytest.raises(RefusedWish) as refused:
        wanted_reward(program(), "max", D(100))
    assert refused.value.why is Refusal.NO_VALUE


@pytest.mark.parametrize(
    ("text", "takes_part"), [("Oui", True), ("sì", True), ("0", False), ("opt out", False)]
)
def test_whether_to_take_part(text: str, takes_part: bool) -> None:
    assert wants_part(text) is takes_part


@pytest.mark.parametrize("text", ["0", "-", "no", "No", "non", "NEIN", "off"])
def test_a_discount_is_taken_off_a_draft_again(text: str) -> None:
    assert wants_off(text)


@pytest.mark.parametrize("text", ["", "00", "1", "max", "offer", "now"])
def test_and_stays_on_it_for_any_other_wish(text: str) -> None:
    assert not wants_off(text)


def test_letters_that_the_form_wrote_by_their_names() -> None:
    found = acting({Part.REDEEM: " &Eacute;t&eacute;  &amp; co ", Part.REASON: "x", "other": 1})
    assert found == {Part.REDEEM: "Été & co"}


def test_every_sentence_is_there_in_every_language_with_the_same_blanks() -> None:
    english = answers._SENTENCES["en"]
    for language in answers.LANGUAGES:
        spoken = answers._SENTENCES[language]
        assert spoken.keys() == english.keys()
        for name, text in spoken.items():
            assert _blanks(text) == _blanks(english[name]), (language, name)
            assert len(text) < 100
    assert {str(why) for why in Refusal} <= english.keys()


def _blanks(text: str) -> set[str]:
    return {part.partition("}")[0] for part in text.split("{")[1:]}
