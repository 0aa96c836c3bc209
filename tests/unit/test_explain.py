"""Looking without touching: explanations, pending points, receipts, and rules not in force yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from dolisync.config import Settings
from dolisync.errors import UserError
from dolisync.ledger import tables
from dolisync.ledger.engine import reading
from dolisync.ledger.rulesets import NOT_IN_FORCE, consult
from dolisync.model import Customer, Sale, SaleStatus
from dolisync.program.reasons import Why
from dolisync.receipt import Receipt
from dolisync.sync.explain import (
    Explanation,
    Found,
    all_vanished,
    explain,
    look_up_known,
    with_origins,
)
from dolisync.sync.judge import Rules
from dolisync.sync.pending import pending_units
from dolisync.sync.receipts import build_receipt
from tests.builders import credit_note, customer, line, program, sale
from tests.fakes import SOURCE, Shop, broken_total
from tests.unit.test_timeline import by_hand

SETTINGS = Settings.model_validate(
    {
        "source": [{"name": "shop", "url": "http://x", "api_key": "k", "language": "it"}],
        "program": [{}],
        "receipts": {"shop_name": "Forno"},
    }
)


def explained(shop: Shop, text: str, *live: Sale) -> list[Explanation]:
    with reading(shop.engine) as connection:
        found = look_up_known(connection, text)
        keys = [*found.keys, *(one.key for one in live if one.key not in found.keys)]
        families = explain(connection, shop.clock.now(), shop.intake.rules, keys, live)
    return [one for family in families for one in family]


def rows(shop: Shop, table: Any) -> int:
    with reading(shop.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar() or 0)


def pending(shop: Shop) -> int:
    with reading(shop.engine) as connection:
        return pending_units(
            connection, shop.clock.now(), shop.intake.rules, customer(), shop.program.name
        )


# --- explain -------------------------------------------------------------------------------------


def test_a_return_is_explained_with_its_sale(shop: Shop) -> None:
    shop.put(sale(1, 40), credit_note(2, 10, origin=1), sale(3, 5))
    told = explained(shop, "FA2611-0002")
    assert [one.sale.key.rowid for one in told] == [1, 2]
    assert [one.judgements[0].verdict.units for one in told] == [40, -10]
    assert [one.judgements[0].held[0].units for one in told] == [40, -10]
    assert all(one.in_ledger and not one.is_live and not one.differs for one in told)


def test_a_tier_set_by_hand_is_named_until_a_review_ends_it(ledger: Engine) -> None:
    tiers = [{"name": "gold", "title": "Gold", "at_least": 900, "multiplier": 2}]
    shop = Shop(ledger, programs=(program(tier=tiers),))
    first = date(2026, 10, 2)
    by_hand(shop, "gold", first, lock=False)
    shop.put(sale(1, 40, day=first), sale(2, 40, day=date(2026, 11, 2)))
    said = [
        [
            str(reason)
            for reason in explained(shop, f"FA2611-000{n}")[0].judgements[0].verdict.reasons
        ]
        for n in (1, 2)
    ]
    assert said[0][-1] == "the tier Gold was set by hand on 2026-10-02"
    assert not any("by hand" in text for text in said[1])


def test_a_sale_read_live_is_judged_in_memory(shop: Shop) -> None:
    (told,) = explained(shop, "nothing", sale(1, 40))
    assert (told.in_ledger, told.is_live, told.judgements[0].held) == (False, True, ())
    assert told.judgements[0].verdict.units == 40
    assert rows(shop, tables.sale) == 0


def test_a_sale_that_changed_since_it_was_read(shop: Shop) -> None:
    shop.put(sale(1, 40))
    (told,) = explained(shop, "FA2611-0001", sale(1, 50))
    assert (told.differs, told.judgements[0].verdict.units) == (True, 50)
    assert told.judgements[0].held[0].units == 40
    assert shop.balance() == 40


def test_what_was_moved_to_another_customer_and_what_was_forgiven(open_shop: Any) -> None:
    shop = open_shop(program(returns={"shortfall": "clamp"}, reward=[{"points": 40, "amount": 5}]))
    shop.put(sale(1, 40))
    shop.redeem()
    shop.put(sale(1, 40, buyer=8))
    (told,) = explained(shop, "1")
    held = {one.customer.rowid: (one.units, one.forgiven) for one in told.judgements[0].held}
    assert held == {7: (0, 40), 8: (40, 0)}


def test_what_could_not_be_taken_in_says_why(shop: Shop) -> None:
    broken = broken_total(sale(1, 40))
    shop.put(broken)
    (told,) = explained(shop, "FA2611-0001", replace(sale(1, 40)))
    assert told.parked


def test_a_source_that_is_gone_cannot_be_judged(shop: Shop) -> None:
    shop.put(sale(1, 40))
    rules = Rules(shop.intake.rules.book, {}, {})
    with reading(shop.engine) as connection, pytest.raises(UserError, match="not in the conf"):
        explain(connection, shop.clock.now(), rules, look_up_known(connection, "1").keys)
    with reading(shop.engine) as connection:
        now = shop.clock.now()
        assert pending_units(connection, now, rules, customer(), "loyalty") == 0


def test_looking_up_by_number_and_by_id(shop: Shop) -> None:
    shop.source.put(sale(1, 40))
    by_number, by_id, neither = Found(), Found(), Found()
    by_number.look_up(shop.source, "FA2611-0001")
    by_id.look_up(shop.source, "1")
    neither.look_up(shop.source, "FA9")
    assert by_number.keys == by_id.keys == [sale(1).key]
    assert (neither.keys, neither.live) == ([], [])


def test_origins_that_the_ledger_does_not_know_are_fetched(shop: Shop) -> None:
    shop.source.put(sale(1, 40))
    note = credit_note(2, 10, origin=1)
    now = shop.clock.now()
    fetched = with_origins(shop.engine, now, shop.source, [note])
    assert [one.key.rowid for one in fetched] == [1, 2]
    shop.poll()
    assert with_origins(shop.engine, now, shop.source, [note]) == [note]
    assert with_origins(shop.engine, now, shop.source, [sale(3, 5)]) == [sale(3, 5)]


# --- pending -------------------------------------------------------------------------------------


def test_pending_is_what_unpaid_sales_will_earn(shop: Shop) -> None:
    shop.put(sale(1, 40, status=SaleStatus.VALIDATED), sale(2, 7), sale(3, 9, buyer=8))
    assert pending(shop) == 40
    shop.put(sale(1, 40))
    assert pending(shop) == 0


def test_pending_is_less_what_was_returned_before_it_was_paid(shop: Shop) -> None:
    shop.put(sale(1, 40, status=SaleStatus.VALIDATED), credit_note(2, 15, origin=1))
    assert pending(shop) == 25


def test_nothing_is_pending_where_validated_sales_earn(open_shop: Any) -> None:
    shop = open_shop(program(earn={"moment": "validated", "amount": {}}))
    shop.put(sale(1, 40, status=SaleStatus.VALIDATED))
    assert (shop.balance(), pending(shop)) == (40, 0)


# --- receipts ------------------------------------------------------------------------------------


def receipt(shop: Shop, rowid: int = 1, language: str | None = None, speaks: str = "") -> Receipt:
    buyer = Customer(customer(), "Anna", language=speaks)
    return build_receipt(
        shop.engine,
        shop.intake.rules,
        SETTINGS,
        shop.clock,
        sale(rowid).key,
        buyer,
        language,
    )


def test_a_receipt_says_the_balance_right_after_its_sale(open_shop: Any) -> None:
    shop = open_shop(program(reward=[{"points": 100, "amount": 5}], validity={"months": 6}))
    shop.put(sale(1, lines=[line(40, text=""), line(2, text="Tea", product=2)]))
    shop.put(sale(2, 5))
    made = receipt(shop)
    (points,) = made.points
    assert (points.earned, points.balance, points.pending) == (42, 42, 0)
    assert (points.rule_points, points.rule_amount) == (100, 5)
    assert points.last_day is not None
    assert (made.shop_name, made.customer_name, made.total) == ("Forno", "Anna", 42)
    assert [entry.text for entry in made.lines] == ["P1", "Tea"]
    assert made.payments[0].amount == Decimal(42)


@pytest.mark.parametrize(
    ("asked", "speaks", "language"),
    [(None, "de", "de"), (None, "pt", "it"), (None, "", "it"), ("fr", "de", "fr")],
)
def test_a_receipt_speaks_to_its_customer(
    shop: Shop, asked: str | None, speaks: str, language: str
) -> None:
    shop.put(sale(1, 40))
    assert receipt(shop, language=asked, speaks=speaks).language == language


def test_a_receipt_of_a_sale_that_moved_nothing_says_the_balance_of_today(shop: Shop) -> None:
    shop.put(sale(1, 40), sale(2, 30, status=SaleStatus.VALIDATED))
    (points,) = receipt(shop, 2).points
    assert (points.earned, points.pending, points.balance) == (0, 30, 40)
    assert points.last_day is None


def test_who_takes_no_part_reads_nothing_of_points(open_shop: Any) -> None:
    shop = open_shop(program(excluded_customers=[7]))
    shop.put(sale(1, 40))
    assert receipt(shop).points == ()


# --- rules not in force yet ----------------------------------------------------------------------


def test_to_consult_rules_puts_none_into_force(shop: Shop) -> None:
    changed = program(earn={"amount": {"points": 3}})
    book = consult(shop.engine, [changed], shop.clock.now())
    assert book.current.id == NOT_IN_FORCE
    assert book.current.programs == (changed,)
    assert rows(shop, tables.rule_set) == 1
    same = consult(shop.engine, shop.programs, shop.clock.now())
    assert same.sets == shop.intake.rules.book.sets


def test_reasons_are_kept(shop: Shop) -> None:
    shop.put(sale(1, 40, status=SaleStatus.ABANDONED))
    (told,) = explained(shop, "1")
    assert [reason.why for reason in told.judgements[0].verdict.reasons] == [Why.ABANDONED]
    assert told.sale.key.source == SOURCE


def test_each_program_tells_what_it_holds(open_shop: Any) -> None:
    shop = open_shop(program(), program(name="gold", field_prefix="gold", earn={"visit": {}}))
    shop.put(sale(1, 40))
    (told,) = explained(shop, "1")
    assert [one.held[0].units for one in told.judgements] == [40, 1]


def test_whether_all_that_bear_a_number_are_gone(shop: Shop) -> None:
    shop.put(sale(1, 40), sale(2, 5))
    shop.source.remove(1)
    shop.reconcile()
    with reading(shop.engine) as connection:
        now = shop.clock.now()
        assert all_vanished(connection, now, [sale(1).key])
        assert not all_vanished(connection, now, [sale(1).key, sale(2).key])
        assert all_vanished(connection, now, [])
