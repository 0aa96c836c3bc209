"""Cases that went wrong elsewhere: returns and refunds. Numbers as in test_edge_numbers.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

from dolisync.errors import UnknownOutcome
from dolisync.ledger.engine import reading
from dolisync.ledger.store import Transaction
from dolisync.model import DiscountKind, Payment
from dolisync.program.surroundings import Surroundings
from dolisync.sync import redeem
from dolisync.sync.judge import judge_family
from tests.builders import NOON, credit_note, line, program, sale
from tests.fakes import Shop, reopened, reward

Open = Callable[..., Shop]
AROUND = Surroundings(points_payment_mode="LOY")
BOUGHT = line(-5, None, rowid=2, discount=DiscountKind.FIXED, text="DS-ABC")


def test_edge_01_buying_and_returning_again_and_again_gives_nothing(shop: Shop) -> None:
    for n in range(1, 10, 2):
        shop.take(sale(n, 50), credit_note(n + 1, 50, n))
    assert shop.balance() == 0


def test_edge_02_a_threshold_is_judged_on_the_sale_not_on_its_return(open_shop: Open) -> None:
    shop = open_shop(program(earn={"amount": {"per": "50", "points": 50}}))
    shop.take(sale(1, 50))
    shop.take(credit_note(2, 10, 1))
    assert shop.balance() == 0


def test_edge_03_the_return_of_a_sale_paid_with_points_takes_no_points_again(
    open_shop: Open,
) -> None:
    shop = open_shop(program(), around=AROUND)
    shop.take(sale(9, 30), sale(1, 50, payments=[Payment("LOY", Decimal(50), NOON)]))
    shop.take(credit_note(2, 50, 1))
    assert shop.balance() == 30


def test_edge_04_a_return_without_the_discount_line_takes_only_what_its_goods_earned(
    shop: Shop,
) -> None:
    shop.take(sale(1, lines=[line(50, rowid=1), BOUGHT]))
    shop.take(credit_note(2, 20, 1))
    assert shop.moves() == [("earn", 45), ("reversal", -20)]


def test_edge_05_a_return_and_a_purchase_on_one_ticket_are_set_against_each_other(
    shop: Shop,
) -> None:
    shop.take(sale(1, lines=[line(30, 1, rowid=1), line(-20, 2, -1, rowid=2)]))
    assert shop.balance() == 10


def test_edge_06_what_points_paid_is_not_taken_off_twice(open_shop: Open) -> None:
    shop = open_shop(program(), around=AROUND)
    half = [Payment("LOY", Decimal(6), NOON), Payment("LIQ", Decimal(6), NOON)]
    shop.take(sale(1, 12, payments=half))
    shop.take(credit_note(2, 12, 1))
    assert shop.moves() == [("earn", 6), ("reversal", -6)]


def test_edge_07_half_a_return_gives_half_of_the_spent_points_back(open_shop: Open) -> None:
    shop = open_shop(program(earn={"amount": {"per": 10}}, reward=[reward(30)]))
    shop.put(sale(1, 500))
    shop.redeem("DS-ABC")
    shop.put(sale(2, lines=[line(50, rowid=1), BOUGHT]))
    shop.put(credit_note(3, 25, 2))
    assert shop.view().redeemed == 15
    shop.put(credit_note(4, 25, 2))
    assert shop.view().redeemed == 0
    assert shop.breaches() == []


def test_edge_08_a_return_after_its_points_were_spent_is_booked_as_debt(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(50)]))
    shop.take(sale(1, 50))
    shop.redeem()
    shop.take(credit_note(2, 50, 1))
    assert (shop.view().balance, shop.view().debt, shop.view().available) == (-50, 50, 0)


def test_edge_09_a_lot_drawn_on_and_then_returned_never_makes_points(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(40), reward(10, name="small")]))
    shop.take(sale(1, 50))
    shop.redeem()
    shop.take(credit_note(2, 30, 1))
    shop.take(sale(3, 40))
    shop.redeem("DS-2", reward=1)
    assert shop.balance() == 50 - 40 - 30 + 40 - 10
    assert shop.breaches() == []


def test_edge_11_a_return_takes_points_although_the_account_is_empty(shop: Shop) -> None:
    shop.take(credit_note(2, 20, None))
    assert shop.balance() == -20


def test_edge_12_a_return_is_taken_off_never_added(shop: Shop) -> None:
    shop.take(sale(1, lines=[line(50, rowid=1), BOUGHT]), credit_note(2, 45, 1))
    assert shop.balance() == 0


def test_edge_13_returning_a_product_without_points_takes_none(open_shop: Open) -> None:
    shop = open_shop(program(earn={"product": {}}))
    special = replace(line(10, 1, rowid=1), product_points=Decimal(70))
    plain = replace(line(10, 2, rowid=2), product_points=Decimal(0))
    shop.take(sale(1, lines=[special, plain]))
    shop.take(credit_note(2, 0, 1, lines=[line(-10, 2, -1, rowid=3)]))
    assert shop.balance() == 70


def test_edge_14_the_last_of_many_returns_takes_the_rest_and_no_more(shop: Shop) -> None:
    shop.take(sale(1, 10), sale(5, 0))
    for n in range(2, 5):
        shop.take(credit_note(n, "3.34", 1))
    shop.take(credit_note(6, 0, 5))
    assert shop.balance() == 0


def test_edge_15_a_whole_return_after_a_partial_one_takes_what_is_left(shop: Shop) -> None:
    shop.take(sale(1, 50), credit_note(2, 20, 1), credit_note(3, 50, 1))
    assert shop.moves() == [("earn", 50), ("reversal", -20), ("reversal", -30)]


def test_edge_16_earning_and_returning_count_the_same_amounts(open_shop: Open) -> None:
    shop = open_shop(program(earn={"amount": {"basis": "excluding_tax"}}))
    shop.take(sale(1, 120), credit_note(2, 60, 1))
    assert shop.moves() == [("earn", 100), ("reversal", -50)]


def test_edge_17_set_back_to_draft_and_validated_again_it_earns_again(shop: Shop) -> None:
    for state in (sale(1, 50), reopened(sale(1, 50)), sale(1, 50)):
        shop.take(state)
    assert shop.balance() == 50


def test_edge_18_cancelling_several_times_gives_back_once(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(30)]))
    shop.take(sale(1, 50))
    shop.redeem()
    for _ in range(3):
        redeem.give_back(shop.engine, shop.clock, shop.by_name, "DS-TEST", "revoked", "cancelled")
    assert shop.balance() == 50


def test_edge_19_points_move_on_the_account_of_the_documents_customer_only(shop: Shop) -> None:
    shop.take(sale(1, 50, buyer=7), sale(2, 9, buyer=1))
    shop.take(credit_note(3, 50, 1, buyer=7))
    assert (shop.balance(7), shop.balance(1)) == (0, 9)


def test_edge_20_points_of_a_payment_that_fell_through_come_back_once(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(30)]))
    shop.take(sale(1, 50))
    shop.redeem()
    shop.publish()
    redeem.wish_revoke(shop.engine, shop.clock, "DS-TEST")
    shop.sink.after = [UnknownOutcome("the answer was lost")]
    shop.publish_all()
    assert shop.moves().count(("return", 30)) == 1


def test_edge_21_a_sale_that_used_points_still_earns_on_the_rest(shop: Shop) -> None:
    shop.take(sale(1, lines=[line(50, rowid=1), BOUGHT]))
    assert shop.balance() == 45


def test_edge_22_points_given_back_keep_their_last_day(open_shop: Open) -> None:
    shop = open_shop(program(validity={"months": 1}, reward=[reward(30)]))
    shop.take(sale(1, 50, day=date(2026, 11, 1)))
    shop.redeem()
    redeem.give_back(shop.engine, shop.clock, shop.by_name, "DS-TEST", "revoked", "cancelled")
    assert [(lot.remaining, lot.expires_on) for lot in shop.view().lots] == [
        (50, date(2026, 12, 1))
    ]


def test_edge_23_one_sale_can_be_returned_in_many_parts(shop: Shop) -> None:
    shop.take(sale(1, 50), *(credit_note(n, 10, 1) for n in range(2, 6)))
    assert shop.moves()[1:] == [("reversal", -10)] * 4


def test_edge_67_a_return_without_origin_from_the_till_takes_its_worth(shop: Shop) -> None:
    shop.take(sale(1, 50), credit_note(2, "0.80", None, terminal=""), credit_note(3, 5, None))
    assert shop.balance() == 45


def test_edge_71_a_return_that_names_a_strangers_or_unknown_sale_says_so(shop: Shop) -> None:
    shop.take(sale(1, 50), sale(2, 50, buyer=8))
    shop.take(credit_note(3, 10, 1, buyer=8), credit_note(4, 5, 99, buyer=8))
    assert (shop.balance(7), shop.balance(8)) == (50, 40)
    assert _reasons(shop, 1, 3) == ["FA2611-0001 belongs to another customer"]
    assert shop.moves(8) == [("earn", 50), ("reversal", -10)]


def _reasons(shop: Shop, *rowids: int) -> list[object]:
    """Say why the last of these sales was judged by itself."""
    keys = [sale(rowid).key for rowid in rowids]
    with reading(shop.engine) as connection:
        transaction = Transaction(connection, NOON)
        transaction.load_sales(keys)
        family = [transaction.sales[key] for key in keys]
        verdict = judge_family(transaction, shop.program, shop.around, family)[-1]
    values = [pair for reason in verdict.reasons for pair in reason.values]
    return [value for name, value in values if name == "because"]
