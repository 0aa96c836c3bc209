"""A sale that the rules cannot digest is parked; everything else goes on."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from dolisync.sync.intake import Intake
from tests.builders import credit_note, sale
from tests.fakes import Shop, broken_total


def test_one_bad_sale_does_not_hold_up_the_others(shop: Shop) -> None:
    shop.put(sale(1, 50), broken_total(sale(2, 5)), sale(3, 7))
    assert shop.balance() == 57
    assert [row.rowid for row in shop.parked()] == [2]
    assert "InvalidOperation" in shop.parked()[0].reason


def test_the_cursor_goes_past_a_bad_sale(shop: Shop) -> None:
    shop.put(broken_total(sale(1, 5)))
    shop.clock.tick(10)
    assert shop.poll().read == 1
    cursor = shop.intake.load_cursor()
    assert cursor is not None
    assert cursor.changed_at is not None
    assert cursor.changed_at > shop.source.sales[1].changed_at


def test_attempts_are_counted(shop: Shop) -> None:
    shop.put(broken_total(sale(1, 5)))
    shop.poll()
    assert shop.parked()[0].attempts == 2


def test_a_mended_sale_leaves_the_parking_place_by_itself(shop: Shop) -> None:
    shop.put(broken_total(sale(1, 5)))
    shop.put(sale(1, 5))
    assert shop.balance() == 5
    assert shop.parked() == []


def test_a_known_sale_mended_to_what_it_was_leaves_it_too(shop: Shop) -> None:
    shop.put(sale(1, 5))
    shop.put(broken_total(sale(1, 5)))
    assert len(shop.parked()) == 1
    shop.put(sale(1, 5))
    assert shop.parked() == []
    assert shop.balance() == 5


def test_reconcile_tries_parked_sales_again(shop: Shop) -> None:
    shop.put(broken_total(sale(1, 5)))
    shop.clock.tick(86400)
    shop.poll()
    shop.source.put(sale(1, 5), silently=True)
    shop.reconcile()
    assert shop.balance() == 5
    assert shop.parked() == []


def test_a_parked_sale_that_is_gone_waits_no_longer(shop: Shop) -> None:
    shop.put(broken_total(sale(1, 5)))
    shop.source.remove(1)
    shop.reconcile()
    assert shop.parked() == []


def test_a_return_whose_sale_cannot_be_digested_waits_for_it(shop: Shop) -> None:
    shop.source.put(broken_total(sale(1, 50)))
    shop.intake.take([credit_note(2, 20, 1)])
    assert [row.rowid for row in shop.parked()] == [1]
    assert shop.balance() == 0, "it waits for its sale"
    shop.take(sale(1, 50))
    assert shop.balance() == 30
    assert shop.parked() == []
    assert shop.breaches() == []


@pytest.mark.parametrize("ref", ["F" * 200, "\ud800"])
def test_what_the_database_itself_refuses_is_parked(ledger_engine: Engine, ref: str) -> None:
    shop = Shop(ledger_engine)
    shop.put(sale(1, 50), sale(2, 5, ref=ref), sale(3, 7))
    # SQLite keeps texts of any length.
    is_kept = ledger_engine.dialect.name == "sqlite" and len(ref) > 60
    assert [row.rowid for row in shop.parked()] == ([] if is_kept else [2])
    assert shop.balance() == (62 if is_kept else 57)


def test_an_amount_beyond_all_columns_is_parked(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine)
    shop.put(sale(1, 50), sale(2, "1e20"))
    assert shop.balance() == 50
    assert [row.rowid for row in shop.parked()] == [2]


def test_two_sources_park_apart(shop: Shop) -> None:
    shop.put(broken_total(sale(1, 5)))
    other = Intake(shop.engine, shop.clock, shop.intake.rules, shop.source, "other")
    other.run_once()
    assert shop.parked()[0].attempts == 2
