"""What customer cards say is read with the sale, remembered a while, and kept for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine

from dolisync.ledger.documents import fingerprint, from_document, to_document
from dolisync.model import Buyer, Sale
from dolisync.ports import BuyerFact, BuyerQuestion
from dolisync.sync.buyers import (
    REMEMBERED,
    Buyers,
    CardFields,
    buyer_question_of,
    with_first_buyer,
)
from tests.builders import HandClock, customer, program, sale
from tests.fakes import Shop

ALICE = Buyer(
    "TE_PRIVATE", ("Gold", "Members"), "Café d'Ain", "01", "Ain", "", "FR", date(1972, 2, 29)
)
FIELDS = CardFields("birthday", "no_loyalty")
TAGS = BuyerQuestion(frozenset({BuyerFact.TAGS}))


@dataclass
class FakeCards:
    """Cards in memory; notes who was asked for."""

    known: dict[int, Buyer] = field(default_factory=dict)
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def buyers(self, rowids: Sequence[int], question: BuyerQuestion) -> dict[int, Buyer]:
        assert not question.is_empty
        self.asked.append(tuple(rowids))
        return {rowid: self.known[rowid] for rowid in rowids if rowid in self.known}

    def customer_tags(self) -> frozenset[str]:
        return frozenset()

    def buyer_gaps(self, question: BuyerQuestion) -> tuple[str, ...]:
        return ()


def campaign(**terms: Any) -> dict[str, Any]:
    return {"campaign": [{"bonus": 1, **terms}]}


@pytest.mark.parametrize(
    ("terms", "facts", "birthday"),
    [
        ({}, set(), None),
        ({"earn": {"amount": {}, "only_customers": {"tags": ["A"]}}}, {"tags"}, None),
        (
            {"earn": {"amount": {}, "leave_out_customers": [{"types": ["A"]}]}},
            {"kind"},
            None,
        ),
        (campaign(customers={"towns": ["A"], "regions": ["B"]}), {"town", "region"}, None),
        (campaign(customers={"departments": ["1"]}), {"department"}, None),
        (campaign(customers={"countries": ["FR"]}), {"country"}, None),
        (campaign(birthday="month"), set(), "birthday"),
    ],
)
def test_only_what_programs_need_is_asked(
    terms: dict[str, Any], facts: set[str], birthday: str | None
) -> None:
    found = buyer_question_of([program(), program(**terms)], FIELDS)
    assert found == BuyerQuestion(frozenset(map(BuyerFact, facts)), birthday, "no_loyalty")
    assert buyer_question_of([program()], CardFields()).is_empty


def test_without_a_question_nothing_is_read() -> None:
    cards = FakeCards({7: ALICE})
    sales = [sale(1, 10)]
    assert Buyers(cards, HandClock(), BuyerQuestion()).complete(sales) == sales
    assert cards.asked == []


def test_each_customer_is_read_once_and_again_after_a_while() -> None:
    cards, clock = FakeCards({7: ALICE}), HandClock()
    buyers = Buyers(cards, clock, TAGS)
    found = buyers.complete([sale(1, 10), sale(2, 10), sale(3, 10, buyer=8)])
    assert [one.buyer for one in found] == [ALICE, ALICE, None]
    buyers.complete([sale(4, 10)])
    assert cards.asked == [(7, 8)]
    clock.tick(REMEMBERED.total_seconds())
    buyers.complete([sale(4, 10)])
    assert cards.asked == [(7, 8), (7,)]


@pytest.mark.parametrize("buyer", [ALICE, Buyer(), Buyer(opted_out=True)])
def test_a_buyer_survives_the_ledger_and_changes_no_fingerprint(buyer: Buyer) -> None:
    plain = sale(1, 10)
    known = replace(plain, buyer=buyer)
    assert from_document(known.key, to_document(known)) == known
    assert from_document(plain.key, to_document(plain)).buyer is None
    assert fingerprint(known) == fingerprint(plain)


def of(sold: Sale, *tags: str) -> Sale:
    return replace(sold, buyer=Buyer(tags=tags))


def gold_shop(engine: Engine) -> Shop:
    return Shop(engine, programs=(program(**campaign(bonus=50, customers={"tags": ["Gold"]})),))


def test_a_tag_taken_away_later_changes_no_sale_of_the_past(ledger_engine: Engine) -> None:
    shop = gold_shop(ledger_engine)
    shop.take(of(sale(1, 10), "Gold"))
    assert shop.balance() == 60
    shop.take(of(sale(1, 12), "Silver"))
    assert shop.balance() == 62
    shop.take(of(sale(2, 10), "Silver"))
    assert shop.balance() == 72


def test_a_sale_given_to_another_customer_has_that_ones_card(ledger_engine: Engine) -> None:
    shop = gold_shop(ledger_engine)
    shop.take(of(sale(1, 10), "Gold"))
    shop.take(of(sale(1, 10, buyer=8), "Silver"))
    assert (shop.balance(), shop.balance(8)) == (0, 10)


def test_who_opts_out_keeps_what_he_has_earned(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(program(),))
    shop.take(sale(1, 10))
    shop.take(replace(sale(1, 12), buyer=Buyer(opted_out=True)))
    shop.take(replace(sale(2, 10), buyer=Buyer(opted_out=True)))
    assert shop.balance() == 12


def test_a_sale_read_before_anybody_asked_has_the_card_of_today(ledger_engine: Engine) -> None:
    shop = gold_shop(ledger_engine)
    shop.take(sale(1, 10))
    assert shop.balance() == 10
    shop.take(of(sale(1, 12), "Gold"))
    assert shop.balance() == 62


def test_a_sale_of_a_merged_customer_keeps_his_card() -> None:
    kept = with_first_buyer(
        of(sale(1, 10), "Gold"), of(sale(1, 10, buyer=8), "Silver"), customer(8)
    )
    assert kept.buyer == Buyer(tags=("Gold",))
    given = with_first_buyer(of(sale(1, 10), "Gold"), of(sale(1, 10, buyer=8), "Silver"), None)
    assert given.buyer == Buyer(tags=("Silver",))
