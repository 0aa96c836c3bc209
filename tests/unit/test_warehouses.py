"""Sales chosen by the warehouses from which their goods were taken."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import Engine

from dolisync.ledger.documents import fingerprint, from_document, to_document
from dolisync.model import Sale, SaleKind, Warehouse
from dolisync.program.assess import Family, assess, assess_alone
from dolisync.program.before import NOTHING_BEFORE
from dolisync.program.reasons import Reason, Why
from dolisync.program.surroundings import Surroundings
from dolisync.program.unmatched import without_effect
from dolisync.sync.warehouses import Warehouses, are_asked, with_first_names
from tests.builders import HandClock, credit_note, line, program, sale
from tests.fakes import Shop

NORTH, SOUTH = Warehouse(1, "Shop Nord"), Warehouse(2, "Réserve")
AROUND = Surroundings()


@dataclass
class FakeStock:
    """Movements in memory; notes what was asked for."""

    known: dict[int, tuple[Warehouse, ...]] = field(default_factory=dict)
    asked: list[Mapping[int, Collection[int]]] = field(default_factory=list)

    def warehouses_of(
        self, goods: Mapping[int, Collection[int]]
    ) -> dict[int, tuple[Warehouse, ...]]:
        self.asked.append(goods)
        return {rowid: self.known[rowid] for rowid in goods if rowid in self.known}

    def warehouse_names(self) -> frozenset[str]:
        return frozenset()


def from_(*warehouses: Warehouse) -> Sale:
    return sale(1, 10, warehouses=warehouses)


def judged(earn: dict[str, Any], sold: Sale, **terms: Any) -> tuple[int, tuple[Reason, ...]]:
    terms = {"earn": {"amount": {}, **earn}, **terms}
    verdict = assess(program(**terms), AROUND, Family(sold))[0]
    return verdict.units, verdict.reasons


@pytest.mark.parametrize(
    ("earn", "warehouses", "earns"),
    [
        ({"warehouses": ["Shop Nord"]}, (NORTH,), True),
        ({"warehouses": [" shop nord "]}, (NORTH,), True),
        ({"warehouses": ["Shop"]}, (NORTH,), False),
        ({"warehouses": ["Shop*"]}, (NORTH,), False),
        ({"warehouses": ["RÉSERVE", "other"]}, (SOUTH,), True),
        ({"warehouses": ["Shop Nord"]}, (SOUTH,), False),
        ({"warehouses": ["Shop Nord"]}, (NORTH, SOUTH), True),
        ({"warehouses": ["Shop Nord"]}, (), False),
        ({"leave_out_warehouses": ["Réserve"]}, (NORTH,), True),
        ({"leave_out_warehouses": ["Réserve"]}, (SOUTH,), False),
        ({"leave_out_warehouses": ["Réserve"]}, (NORTH, SOUTH), False),
        ({"leave_out_warehouses": ["Réserve"]}, (), True),
        ({"warehouses": ["Shop Nord"], "leave_out_warehouses": ["Réserve"]}, (NORTH,), True),
    ],
)
def test_where_a_sale_must_be_from(
    earn: dict[str, Any], warehouses: tuple[Warehouse, ...], earns: bool
) -> None:
    units, reasons = judged(earn, from_(*warehouses))
    assert units == (10 if earns else 0)
    assert earns or [reason.why for reason in reasons] == [Why.WAREHOUSE_OUT]
    assert "Shop Nord, Réserve" in str(judged({"warehouses": ["x"]}, from_(NORTH, SOUTH))[1])
    assert "none" in str(judged({"warehouses": ["x"]}, from_())[1])


@pytest.mark.parametrize(
    ("warehouses", "units", "against"),
    [
        ((NORTH,), 15, False),
        ((SOUTH, NORTH), 15, False),
        ((SOUTH,), 10, True),
        ((), 10, True),
    ],
)
def test_a_campaign_in_one_of_the_shops(
    warehouses: tuple[Warehouse, ...], units: int, against: bool
) -> None:
    campaign = {"title": "Opening", "bonus": 5, "warehouses": ["Shop Nord"]}
    earned, reasons = judged({}, from_(*warehouses), campaign=[campaign])
    assert earned == units
    told = [str(reason) for reason in reasons if reason.why is Why.CAMPAIGN_WAREHOUSE]
    named = ", ".join(one.name for one in warehouses) or "none"
    assert told == ([f"Opening: not from these warehouses ({named})"] if against else [])


def test_one_program_tells_its_shops_apart_on_one_day() -> None:
    terms = program(campaign=[{"bonus": 5, "warehouses": ["Shop Nord"]}])
    sold = [from_(NORTH), from_(SOUTH), from_(), from_(NORTH, SOUTH)]
    assert [assess(terms, AROUND, Family(one))[0].units for one in sold] == [15, 10, 10, 15]


def test_a_return_is_taken_back_wherever_its_goods_come() -> None:
    terms = program(earn={"amount": {}, "warehouses": ["Shop Nord"]})
    back = replace(credit_note(2, 4, 1), warehouses=(SOUTH,))
    first, second = assess(terms, AROUND, Family(from_(NORTH), (back,)))
    assert (first.units, second.units) == (10, -4)
    assert assess_alone(terms, AROUND, back, "because").units == 0
    assert assess_alone(terms, AROUND, replace(back, warehouses=(NORTH,)), "b").units == -4


def test_who_asks_is_told_that_it_counted() -> None:
    terms = program(earn={"amount": {}, "leave_out_warehouses": ["Réserve"]})
    found = without_effect(terms, AROUND, from_(NORTH), NOTHING_BEFORE, ())
    assert [reason.why for reason in found] == [Why.WAREHOUSE_IN]
    assert "Shop Nord" in str(found)


def test_who_asks_for_warehouses() -> None:
    by_campaign = program(campaign=[{"bonus": 1, "warehouses": ["A"]}], sources=["shop"])
    assert are_asked([program(), by_campaign], "shop")
    assert not are_asked([by_campaign], "other")
    assert not are_asked([program()], "shop")
    for option in ("warehouses", "leave_out_warehouses"):
        assert program(earn={"amount": {}, option: ["A"]}).warehouses_named == {"A"}


def test_a_document_keeps_them_and_a_renamed_one_is_no_change() -> None:
    sold = from_(NORTH, SOUTH)
    assert from_document(sold.key, to_document(sold)) == sold
    assert fingerprint(sold) != fingerprint(from_(NORTH)) != fingerprint(from_())
    assert fingerprint(from_(replace(NORTH, name="X"))) == fingerprint(from_(NORTH))
    assert "warehouses" not in to_document(from_())
    before = "d19b4631f2d00b72d9cf1287a55fa263de79016d18b2377fef29521f1186cfdc"
    assert fingerprint(sale(1, 50)) == before


def test_warehouses_keep_the_names_they_had_first() -> None:
    renamed = replace(NORTH, name="Shop Sud")
    assert with_first_names(from_(NORTH), from_(renamed, SOUTH)).warehouses == (NORTH, SOUTH)
    assert with_first_names(from_(), from_(renamed)).warehouses == (renamed,)
    assert with_first_names(from_(NORTH), from_(SOUTH)).warehouses == (SOUTH,)
    assert with_first_names(from_(NORTH), from_()).warehouses == ()


def test_only_documents_with_products_are_asked_for() -> None:
    stock = FakeStock({1: (NORTH,)})
    sales = [
        sale(1, lines=[line(5, product=3), line(5, product=3), line(1, product=None)]),
        sale(2, lines=[line(5, product=None)]),
        sale(3, 5, kind=SaleKind.DEPOSIT),
        credit_note(4, 5, 1),
    ]
    found = Warehouses(stock, HandClock()).complete(sales)
    assert stock.asked == [{1: {3}, 4: {1}}]
    assert [one.warehouses for one in found] == [(NORTH,), (), (), ()]
    assert Warehouses(stock, HandClock()).complete(sales[1:3]) == sales[1:3]
    assert len(stock.asked) == 1


def open_shop(engine: Engine) -> tuple[Shop, FakeStock]:
    shop = Shop(engine, programs=(program(earn={"amount": {}, "warehouses": ["Shop Nord"]}),))
    stock = FakeStock()
    shop.intake.warehouses = Warehouses(stock, shop.clock)
    return shop, stock


def test_a_movement_that_comes_after_the_document_is_seen_soon(ledger_engine: Engine) -> None:
    shop, stock = open_shop(ledger_engine)
    shop.put(sale(1, 50))
    assert shop.balance() == 0
    # The till moves lots and serial numbers after the payment, in a transaction of its own.
    stock.known[1] = (NORTH,)
    for _ in range(20):
        shop.poll()
    assert len(stock.asked) == 2, "what is new is not asked for at each look"
    assert shop.moves() == [("earn", 50)]
    stock.known[1] = (replace(NORTH, name="Shop Sud"),)
    shop.clock.tick(30)
    shop.reconcile()
    assert shop.moves() == [("earn", 50)]


def test_validated_again_from_elsewhere(ledger: Engine) -> None:
    shop, stock = open_shop(ledger)
    stock.known[1] = (NORTH,)
    shop.put(sale(1, 50))
    stock.known[1] = (SOUTH,)
    shop.put(sale(1, 50))
    assert shop.balance() == 0
