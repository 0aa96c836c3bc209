"""Reconcile: what polling cannot see, and the stop when too much is gone at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from dolisync.errors import TransientError, UserError
from dolisync.model import SaleStatus
from dolisync.sync.discounts import Followed, follow_discounts
from dolisync.sync.judge import Showing
from dolisync.sync.reconcile import MassVanishing, RestoredSource
from dolisync.sync.turn import recognise
from tests.builders import NOON, customer, program, sale
from tests.fakes import Shop, reward

Open = Callable[..., Shop]


def filled(shop: Shop, count: int) -> None:
    shop.take(*(sale(n, 1) for n in range(1, count + 1)))


def test_a_deleted_sale_loses_its_points(shop: Shop) -> None:
    filled(shop, 3)
    shop.source.remove(2)
    result = shop.reconcile()
    assert (result.compared, result.vanished, shop.balance()) == (3, 1, 2)
    assert shop.breaches() == []


def test_a_change_that_left_no_trace_is_found(shop: Shop) -> None:
    filled(shop, 2)
    shop.source.put(sale(1, 10), silently=True)
    assert shop.reconcile().tally.changed == 1
    assert shop.balance() == 11


def test_nothing_is_compared_twice_and_the_gone_are_not_asked_for_again(shop: Shop) -> None:
    filled(shop, 3)
    shop.source.remove(2)
    shop.reconcile()
    result = shop.reconcile()
    assert (result.compared, result.vanished) == (2, 0)


def test_when_too_much_is_gone_nothing_is_reversed(shop: Shop) -> None:
    filled(shop, 20)
    for n in range(1, 8):
        shop.source.remove(n)
    with pytest.raises(MassVanishing, match="7 of 20 known sales") as caught:
        shop.reconcile()
    assert shop.balance() == 20
    assert "--allow-mass-reversal" in caught.value.remedy


def test_what_merely_changed_is_taken_in_although_too_much_is_gone(shop: Shop) -> None:
    filled(shop, 20)
    for n in range(1, 8):
        shop.source.remove(n)
    shop.source.put(sale(20, 11), silently=True)
    with pytest.raises(MassVanishing):
        shop.reconcile()
    assert shop.balance() == 30


def test_on_purpose_much_may_go(shop: Shop) -> None:
    filled(shop, 20)
    for n in range(1, 8):
        shop.source.remove(n)
    shop.reconcile(allow_mass_reversal=True)
    assert shop.balance() == 13


@pytest.mark.parametrize(
    ("gone", "settings", "stops"),
    [
        (5, {}, False),
        (6, {}, True),
        (6, {"max_vanished": 6}, False),
        (10, {"max_vanished": 0, "max_vanished_share": 0.5}, False),
        (11, {"max_vanished": 0, "max_vanished_share": 0.5}, True),
        (1, {"max_vanished": 0, "max_vanished_share": 0}, True),
        (20, {"max_vanished": 100}, True),
    ],
)
def test_how_much_is_too_much(
    shop: Shop, gone: int, settings: dict[str, float], stops: bool
) -> None:
    filled(shop, 20)
    for n in range(1, gone + 1):
        shop.source.remove(n)
    if stops:
        with pytest.raises(MassVanishing):
            shop.reconcile(**settings)
    else:
        shop.reconcile(**settings)
    assert shop.balance() == (20 if stops else 20 - gone)


def test_an_empty_source_is_never_believed(shop: Shop) -> None:
    filled(shop, 2)
    shop.source.sales.clear()
    with pytest.raises(MassVanishing, match="2 of 2"):
        shop.reconcile()


def test_a_source_that_does_not_answer_reverses_nothing(shop: Shop) -> None:
    filled(shop, 3)
    shop.source.broken = TransientError("HTML instead of JSON")
    with pytest.raises(TransientError):
        shop.reconcile()
    assert shop.balance() == 3


def test_a_sale_deleted_and_put_back_earns_again(shop: Shop) -> None:
    filled(shop, 3)
    kept = shop.source.sales[2]
    shop.source.remove(2)
    shop.reconcile()
    shop.put(replace(kept, changed_at=kept.changed_at + timedelta(days=1)))
    assert shop.balance() == 3


def test_a_draft_that_was_a_sale_once_is_not_gone(shop: Shop) -> None:
    filled(shop, 2)
    shop.source.put(replace(sale(1, 1), status=SaleStatus.DRAFT), silently=True)
    result = shop.reconcile()
    assert (result.vanished, shop.balance()) == (0, 1)


def test_every_members_card_is_written_anew(shop: Shop) -> None:
    shop.take(sale(1, 5), sale(2, 5, buyer=8))
    shop.publish_all()
    shop.sink.cards[customer(8)]["loybalance"] = 999
    shop.reconcile()
    shop.publish_all()
    assert shop.sink.cards[customer(8)]["loybalance"] == 5


def test_in_shadow_mode_no_card_is_asked_for(open_shop: Open) -> None:
    shop = open_shop(program(), showing=Showing(customers=False, sales=False))
    shop.take(sale(1, 5))
    shop.reconcile()
    assert shop.outbox() == []


def with_discount(open_shop: Open) -> Shop:
    shop = open_shop(program(reward=[reward(30)]))
    shop.take(sale(1, 50))
    shop.redeem()
    shop.publish_all()
    return shop


def test_a_discount_deleted_in_dolibarr_gives_its_points_back(open_shop: Open) -> None:
    shop = with_discount(open_shop)
    shop.sink.discounts.clear()
    assert follow_discounts(shop.publisher, shop.sink).returned == ("DS-TEST",)
    assert shop.balance() == 50
    assert follow_discounts(shop.publisher, shop.sink) == Followed()
    assert shop.breaches() == []


def test_a_used_discount_is_noted_and_keeps_its_points(open_shop: Open) -> None:
    shop = with_discount(open_shop)
    shop.sink.use("DS-TEST")
    assert follow_discounts(shop.publisher, shop.sink) == Followed()
    shop.sink.discounts.clear()
    assert follow_discounts(shop.publisher, shop.sink) == Followed()
    assert shop.balance() == 20


def test_an_open_discount_stays_open(open_shop: Open) -> None:
    shop = with_discount(open_shop)
    assert follow_discounts(shop.publisher, shop.sink) == Followed()
    assert shop.balance() == 20


# --- a restored, older source --------------------------------------------------------------------


def test_an_older_copy_of_the_source_is_recognised_and_nothing_reversed(shop: Shop) -> None:
    filled(shop, 20)
    for n in (18, 19, 20):
        shop.source.remove(n)
    with pytest.raises(RestoredSource, match="the 3 newest sales"):
        shop.reconcile()
    assert shop.balance() == 20
    shop.reconcile(allow_mass_reversal=True)
    assert shop.balance() == 17
    assert shop.breaches() == []


@pytest.mark.parametrize("gone", [(19, 20), (2, 19, 20), (1, 2, 3)])
def test_documents_deleted_by_hand_are_no_older_copy(shop: Shop, gone: tuple[int, ...]) -> None:
    filled(shop, 20)
    for n in gone:
        shop.source.remove(n)
    shop.reconcile()
    assert shop.balance() == 20 - len(gone)


def test_payments_are_followed_again_from_the_newest_that_is_left(shop: Shop) -> None:
    waiting = sale(1, 50, status=SaleStatus.VALIDATED)
    shop.source.put(waiting)
    shop.source.payments[900] = 1
    shop.poll()
    del shop.source.payments[900]
    shop.reconcile()
    shop.source.pay(5, sale(1, 50), silently=True)
    shop.poll()
    assert shop.balance() == 50


def test_a_rowid_used_again_is_another_document(open_shop: Open) -> None:
    shop = open_shop(program())
    made = NOON - timedelta(days=2)
    shop.take(sale(1, 50, created_at=made))
    shop.adopt(program(earn={"amount": {"points": 2}}))
    shop.clock.tick(2 * 86400)
    other = sale(1, 30, buyer=8, day=shop.today, created_at=made + timedelta(days=3))
    shop.take(other)
    assert (shop.balance(), shop.balance(8)) == (0, 60)
    shop.take(replace(other, total_incl=other.total_incl, close_code="x"))
    assert shop.balance(8) == 60
    assert shop.breaches() == []


def test_the_hour_that_comes_twice_a_year_makes_no_other_document(open_shop: Open) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 50, created_at=NOON))
    shop.adopt(program(earn={"amount": {"points": 2}}))
    shop.take(sale(1, 60, created_at=NOON + timedelta(hours=1)))
    assert shop.balance() == 60


# --- another database ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known_days_ago", "is_other"), [((9, 8), True), ((5, 8), False), ((5, 4), False)]
)
def test_a_source_whose_oldest_sales_were_made_at_other_times_is_another(
    shop: Shop, known_days_ago: tuple[int, int], is_other: bool
) -> None:
    made = [NOON - timedelta(days=days) for days in known_days_ago]
    shop.take(*(sale(n, 1, created_at=moment) for n, moment in enumerate(made, start=1)))
    for n, days in ((1, 5), (2, 4)):
        there = sale(n, 1, created_at=NOON - timedelta(days=days))
        shop.source.put(there, silently=True)
    if not is_other:
        recognise(shop.engine, shop.source)
        return
    with pytest.raises(UserError, match="is not the Dolibarr that this ledger knows") as caught:
        recognise(shop.engine, shop.source)
    assert "database_url" in caught.value.remedy


def test_a_source_without_any_known_sale_is_left_to_the_count(shop: Shop) -> None:
    recognise(shop.engine, shop.source)
    shop.take(sale(1, 1, created_at=NOON))
    shop.source.sales.clear()
    recognise(shop.engine, shop.source)
