"""The sale on a ticket is found, booked there and then, and its points are the ledger's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from dolisync.config import Settings
from dolisync.errors import RefusedError, TransientError
from dolisync.ledger.rulesets import RuleBook
from dolisync.model import SaleStatus
from dolisync.ports import SaleSource
from dolisync.sync.intake import Intake
from dolisync.sync.judge import Rules
from dolisync.sync.tickets import LOOKED_UP_MAX, TicketDesk, amounts_of, numbers_in
from tests.builders import SOURCE, HandClock, line, program, sale
from tests.fakes import FakeSource, Shop

TICKET = "Épicerie du Marché\n75011 Paris 01 44 55 66 77\nDate 20/11/2026\n{}\nCafé 2 12,00 24,00"


def settings() -> Settings:
    source = {"name": SOURCE, "url": "http://x", "api_key": "k"}
    return Settings.model_validate({"source": [source], "program": [program().model_dump()]})


def desk(shop: Shop, *sources: SaleSource) -> TicketDesk:
    def rules(book: RuleBook) -> Rules:
        return Rules(book, {SOURCE: shop.around}, {SOURCE: shop.showing})

    def intake(_source: SaleSource, rules: Rules) -> Intake:
        return shop.new_intake(book=rules.book)

    return TicketDesk(shop.engine, shop.clock, settings(), sources or (shop.source,), rules, intake)


def test_a_sale_that_nobody_read_yet_is_booked_by_its_ticket(shop: Shop) -> None:
    sold = shop.source.put(sale(1, 24))
    found = desk(shop).look_up(TICKET.format(sold.ref))
    assert found is not None
    (points,) = found.receipt.points
    assert (points.earned, points.balance) == (24, 24)
    assert shop.balance() == 24
    # The daemon sees the sale a second later, and finds nothing to do.
    assert shop.poll().postings == 0
    assert shop.balance() == 24
    assert shop.breaches() == []


def test_a_ticket_printed_again_says_what_it_said(shop: Shop) -> None:
    first, second = shop.source.put(sale(1, 24)), shop.source.put(sale(2, 10))
    said = [desk(shop).look_up(TICKET.format(one.ref)) for one in (first, second, first)]
    balances = [found.receipt.points[0].balance for found in said if found]
    assert balances == [24, 34, 24]


def test_a_sale_that_changed_since_it_was_read_is_booked_as_it_is(shop: Shop) -> None:
    shop.put(sale(1, 24, status=SaleStatus.VALIDATED, payments=()))
    shop.source.put(sale(1, 24))
    found = desk(shop).look_up(TICKET.format("FA2611-0001"))
    assert found is not None
    assert found.receipt.points[0].earned == 24


@pytest.mark.parametrize(
    "text",
    [
        TICKET.format("FA2611-0099"),
        TICKET.format("Terminal 1 Place 0"),
        "",
        "Place 5 Pizza 2",
        "(PROV-POS1-0)",
    ],
)
def test_without_a_sale_there_is_nothing_to_say(shop: Shop, text: str) -> None:
    shop.source.put(sale(1, 24))
    shop.source.put(replace(sale(2, 24), ref="(PROV-POS1-0)", status=SaleStatus.DRAFT))
    shop.source.put(replace(sale(3, 24), ref="PROV-POS1-0", status=SaleStatus.DRAFT))
    assert desk(shop).look_up(text) is None
    assert shop.balance() == 0


def test_a_sale_of_two_shops_is_nobodys(shop: Shop) -> None:
    sold = shop.source.put(sale(1, 24))
    other = FakeSource(shop.clock, name="other")
    other.sales[1] = sold
    with pytest.raises(RefusedError, match="FA2611-0001 is a sale of several sources: shop, other"):
        desk(shop, shop.source, other).look_up(TICKET.format(sold.ref))
    assert shop.balance() == 0


def test_a_dolibarr_that_does_not_answer_is_said(shop: Shop) -> None:
    class Down(FakeSource):
        def find(self, ref: str) -> Any:
            raise TransientError(f"no answer for {ref}")

    with pytest.raises(TransientError):
        desk(shop, Down(shop.clock)).look_up(TICKET.format("FA2611-0001"))


def test_before_the_daemon_ran_no_rules_are_in_force(ledger: Engine) -> None:
    clock = HandClock()
    source = FakeSource(clock)
    sold = source.put(sale(1, 24))
    empty = TicketDesk(ledger, clock, settings(), [source], pytest.fail, pytest.fail)
    with pytest.raises(RefusedError, match="the daemon has not run"):
        empty.look_up(TICKET.format(sold.ref))


def test_the_rules_are_those_of_the_ledger(open_shop: Callable[..., Shop]) -> None:
    """Whatever configuration the print server read when it started."""
    shop = open_shop(program(earn={"amount": {"points": 2}}))
    sold = shop.source.put(sale(1, 24))
    found = desk(shop).look_up(TICKET.format(sold.ref))
    assert found is not None
    assert found.receipt.points[0].earned == 48


def test_numbers_that_look_like_dolibarrs_come_first() -> None:
    text = "SIRET 123 456 789 00012 FR76123456 26/11/2026 ticket_77 TC1-2611-0042 7,50"
    assert numbers_in(text)[0] == "TC1-2611-0042"
    assert "26/11/2026" in numbers_in(text)
    assert "7" not in numbers_in(text)
    assert len(numbers_in(" ".join(str(n) for n in range(1000, 2000)))) == LOOKED_UP_MAX


@pytest.mark.parametrize(
    "number",
    [
        "TC1-2611-0042",
        "FA2611-0042",
        "AV2611-0042",
        "TC12-2611-12345",
        "INV/2026/00042",
        "202600042",
    ],
)
def test_any_way_of_numbering_is_found(shop: Shop, number: str) -> None:
    shop.source.put(replace(sale(1, 24), ref=number))
    assert desk(shop).look_up(TICKET.format(number)) is not None


def test_the_amounts_of_a_ticket_are_sums_and_taxes_by_rate() -> None:
    low = replace(line(22), tax_rate=Decimal("5.5"), total_excl=Decimal("20.85"))
    amounts = amounts_of(sale(1, lines=[line(12), low, line(6)]))
    assert amounts == (
        *(Decimal("35.85"), Decimal(40), Decimal("4.15")),
        *(Decimal(3), Decimal("1.15")),
    )
