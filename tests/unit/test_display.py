"""What Dolibarr shows: on the card and on the invoice, in the shop's language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from dolisync.config import Settings, Source
from dolisync.display import customer_values, requirements, till_text
from dolisync.ledger.views import MemberView, PostingView
from dolisync.phrases import LANGUAGES, day_text, money, number, phrase
from dolisync.program.terms import Program
from tests.builders import NOON, customer, program, sale
from tests.fakes import Shop, reward

TODAY = date(2026, 11, 20)
TWO_REWARDS = program(reward=[reward(300, "3"), reward(1000, "12", name="large")])


def source(language: str = "en") -> Source:
    return Source.model_validate({"url": "http://x", "api_key": {"env": "K"}, "language": language})


def values(terms: Program, language: str = "en", **view: Any) -> dict[str, Any]:
    account = MemberView(1, terms.name, customer(), **view)
    return customer_values(terms, account, source(language), TODAY)


@pytest.mark.parametrize(
    ("available", "text"),
    [
        (0, "300 points to go until €3.00"),
        (299, "1 point to go until €3.00"),
        (300, "€3.00 can be redeemed now (300 points); 700 points to go until €12.00"),
        (999, "€3.00 can be redeemed now (300 points); 1 point to go until €12.00"),
        (1000, "€12.00 can be redeemed now (1,000 points); also: Loyalty discount (300 points)"),
    ],
)
def test_the_best_reward_reached_the_others_and_the_next_one(available: int, text: str) -> None:
    assert values(TWO_REWARDS, available=available)["loynext"] == text


def test_debt_is_shown_in_place_of_the_next_reward() -> None:
    shown = values(TWO_REWARDS, balance=-50, debt=50)
    assert (shown["loybalance"], shown["loynext"]) == (-50, "50 points owed")
    assert shown["loyvalue"] == Decimal("0.00")


def test_without_rewards_there_is_no_next_one_and_no_value() -> None:
    shown = values(program(), balance=50, available=50)
    assert (shown["loynext"], shown["loyvalue"]) == (None, None)


def test_the_value_is_of_what_can_be_spent_in_whole_cents() -> None:
    assert values(TWO_REWARDS, balance=500, available=250)["loyvalue"] == Decimal("2.50")
    assert values(TWO_REWARDS, available=7)["loyvalue"] == Decimal("0.07")


def test_points_with_decimals_are_shown_with_them() -> None:
    shown = values(program(decimals=2, point_value="0.10"), balance=1234, available=1234)
    assert (shown["loybalance"], shown["loyvalue"]) == (Decimal("12.34"), Decimal("1.23"))


def test_what_expires_next_is_told_with_its_day() -> None:
    shown = values(program(), expiring=40, expires_on=date(2026, 12, 1))
    assert shown["loyexpiring"] == "40 points on 01/12/2026"
    assert values(program())["loyexpiring"] is None
    assert values(program(), expiring=40, expires_on=date(2026, 11, 19))["loyexpiring"] is None


@pytest.mark.parametrize(
    ("points", "ref", "text"),
    [(50, "FA1", "+50 on 20/11/2026 (FA1)"), (-20, "", "-20 on 20/11/2026 (because)")],
)
def test_the_last_movement_names_its_document_or_its_reason(
    points: int, ref: str, text: str
) -> None:
    last = PostingView("k", "earn", points, 0, TODAY, NOON, "because", ref)
    assert values(program(), last=last)["loylast"] == text


def test_a_long_text_is_cut_to_what_the_field_holds() -> None:
    last = PostingView("k", "earn", 1, 0, TODAY, NOON, "x" * 400, "")
    assert len(values(program(), last=last)["loylast"]) == 255


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", "3,00\xa0€ utilisables maintenant (300 points)"),
        ("it", "3,00\xa0€ utilizzabili ora (300 punti)"),
        ("de", "3,00\xa0€ jetzt einlösbar (300 Punkte)"),
        ("es", "3,00\xa0€ canjeables ahora (300 puntos)"),
    ],
)
def test_the_card_speaks_the_shops_language(language: str, text: str) -> None:
    only = program(reward=[reward(300, "3")])
    assert values(only, language, available=300)["loynext"] == text


def test_a_list_of_rewards_is_cut_to_what_the_field_holds() -> None:
    many = [reward(n, "3", name=f"r{n}", title=f"Reward number {n}") for n in range(1, 30)]
    shown = values(program(reward=many), available=29)["loynext"]
    assert shown.startswith("€3.00 can be redeemed now (29 points); also: Reward number 28 (28")
    assert len(shown) == 255


def test_a_ticket_names_the_best_reward_only() -> None:
    view = MemberView(1, "loyalty", customer(), available=1000)
    text = till_text(TWO_REWARDS, view, source(), TODAY)
    assert text == "Loyalty points: 1,000 - €12.00 can be redeemed now (1,000 points)"


def test_every_language_has_every_sentence_with_the_same_blanks() -> None:
    blanks = {"points": "1", "amount": "2", "day": "3", "reason": "4", "names": "5"}
    names = (
        "next",
        "ready",
        "also",
        "expiring",
        "last",
        "debt",
        "balance",
        "value",
        "earned",
        "after",
    )
    for name in names:
        told = {language: phrase(language, name, **blanks) for language in LANGUAGES}
        digits = {language: sorted(filter(str.isdigit, text)) for language, text in told.items()}
        assert len({tuple(found) for found in digits.values()}) == 1, told


def test_an_unknown_language_falls_back_to_english() -> None:
    assert phrase("xx", "balance") == "Loyalty points"


def test_numbers_money_and_days_as_each_language_writes_them() -> None:
    assert number("de", Decimal("1234.5")) == "1.234,5"
    assert number("en", Decimal(0), signed=True) == "0"
    assert money("en", Decimal("1.5"), "USD") == "$1.50"
    assert day_text("de", TODAY) == "20.11.2026"
    assert day_text("it", TODAY) == "20/11/2026"


def test_what_must_exist_in_dolibarr_is_named_once_per_field() -> None:
    settings = Settings.model_validate(
        {
            "source": [{"url": "http://x", "api_key": {"env": "K"}, "points_payment_mode": "PTS"}],
            "program": [
                {"earn": {"product": {}}, "point_value": "0.05"},
                {"name": "b", "field_prefix": "bb", "decimals": 2, "earn": {"product": {}}},
                {"name": "c", "field_prefix": "cc"},
            ],
        }
    )
    needed = requirements(settings, settings.source[0])
    names = [(spec.element, spec.name) for spec in needed.fields]
    assert len(set(names)) == len(names)
    assert ("product", "loypoints") in names
    kinds = {spec.name: spec.kind for spec in needed.fields}
    assert (kinds["loybalance"], kinds["bbbalance"]) == ("integer", "amount")
    assert [mode.code for mode in needed.payment_modes] == ["PTS"]


def test_no_till_has_a_button_for_points_that_no_account_pays() -> None:
    source = {"url": "http://x", "api_key": {"env": "K"}}
    for terms in ({}, {"point_value": "0.05", "redeem": {"payments": False}}):
        settings = Settings.model_validate({"source": [source], "program": [terms]})
        assert requirements(settings, settings.source[0]).payment_modes == ()


def test_every_value_that_is_shown_has_a_field_that_is_asked_for(
    open_shop: Callable[..., Shop],
) -> None:
    shop = open_shop(TWO_REWARDS)
    shop.take(sale(1, 50))
    shop.publish()
    settings = Settings(source=(source(),), program=(TWO_REWARDS,))
    asked = {(spec.element, spec.name) for spec in requirements(settings, source()).fields}
    shown = {("customer", name) for name in shop.sink.cards[customer()]}
    shown |= {("sale", name) for name in shop.sink.invoices[sale(1).key]}
    assert shown == asked
