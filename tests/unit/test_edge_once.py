"""Cases that went wrong elsewhere: counted twice, lost between two, spent twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from dolisync.ledger.book import NotEnoughPoints
from dolisync.model import Payment, SaleStatus
from tests.builders import NOON, program, sale
from tests.fakes import Shop, reward

Open = Callable[..., Shop]


def test_edge_26_a_till_that_sends_again_earns_once(shop: Shop) -> None:
    shop.put(sale(1, 50, terminal="1"))
    shop.put(sale(1, 50, terminal="1"))
    assert shop.balance() == 50


def test_edge_27_a_redemption_asked_twice_after_a_network_fault_spends_once(
    open_shop: Open,
) -> None:
    shop = open_shop(program(reward=[reward(20)]))
    shop.take(sale(1, 50))
    shop.redeem("DS-SAME")
    shop.redeem("DS-SAME")
    assert shop.balance() == 30


def test_edge_28_parts_paid_late_award_once(shop: Shop) -> None:
    for paid in (0, 20, 50, 50):
        payments = [Payment("LIQ", Decimal(paid), NOON)]
        status = SaleStatus.PAID if paid == 50 else SaleStatus.VALIDATED
        shop.put(sale(1, 50, status=status, payments=payments))
    assert shop.moves() == [("earn", 50)]


def test_edge_29_a_document_that_changes_its_number_is_the_same_sale(shop: Shop) -> None:
    shop.put(sale(1, 50, ref="TC1-0001"))
    shop.put(sale(1, 50, ref="TC1-0002"))
    assert shop.balance() == 50


def test_edge_30_office_and_till_share_one_account(shop: Shop) -> None:
    shop.put(sale(1, 50), sale(2, 10, terminal="1"))
    assert shop.balance() == 60


def test_edge_31_a_ticket_opened_at_another_till_is_not_doubled(shop: Shop) -> None:
    shop.put(sale(1, 50, terminal="1"))
    shop.put(sale(1, 50, terminal="2"))
    assert shop.moves() == [("earn", 50)]


def test_edge_32_a_replay_gives_no_credit_a_second_time(shop: Shop) -> None:
    shop.put(sale(1, 50))
    shop.intake.backfill(date(2026, 1, 1), date(2027, 1, 1))
    shop.reconcile()
    shop.poll()
    assert shop.moves() == [("earn", 50)]


def test_edge_33_points_of_the_till_are_used_up_wherever_they_are_spent(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(60)]))
    shop.put(sale(1, 30, terminal="1"), sale(2, 30))
    shop.redeem("DS-1")
    with pytest.raises(NotEnoughPoints):
        shop.redeem("DS-2")
    assert shop.view().lots == ()


def test_edge_34_what_a_till_believed_does_not_count_the_ledger_does(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(50)]))
    shop.put(sale(1, 50))
    believed = shop.view().available
    shop.redeem("DS-1")
    assert believed == 50
    with pytest.raises(NotEnoughPoints):
        shop.redeem("DS-2")


def test_edge_35_no_redemption_ever_overdraws(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(51)]))
    shop.put(sale(1, 50))
    with pytest.raises(NotEnoughPoints):
        shop.redeem()
    assert shop.balance() == 50


def test_edge_36_history_taken_in_after_the_fact_knows_what_is_there(shop: Shop) -> None:
    shop.put(sale(2, 10))
    shop.source.put(replace(sale(1, 50), date=date(2026, 2, 1)))
    shop.intake.backfill(date(2026, 1, 1), date(2027, 1, 1))
    assert shop.balance() == 60


def test_edge_45_a_crash_between_the_call_and_the_note_makes_no_second_discount(
    open_shop: Open,
) -> None:
    class PowerCut(BaseException):
        pass

    def cut() -> None:
        shop.sink.on_write = None
        raise PowerCut

    shop = open_shop(program(reward=[reward(50)]))
    shop.put(sale(1, 50))
    shop.publish_all()
    shop.redeem()
    shop.sink.on_write = cut
    with pytest.raises(PowerCut):
        shop.publish()
    shop.adopt(*shop.programs)
    shop.publish_all()
    assert len(shop.sink.discounts) == 1
    assert shop.balance() == 0
    assert shop.breaches() == []
