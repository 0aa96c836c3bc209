"""One path from a changed sale to the difference it posts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from dolisync.ledger.engine import write
from dolisync.ledger.store import Transaction
from dolisync.model import SaleKind, SaleStatus
from dolisync.program.surroundings import Surroundings
from dolisync.sync.judge import Showing, vanish
from tests.builders import SOURCE, credit_note, customer, line, program, sale
from tests.fakes import Shop, reopened, reward

Open = Callable[..., Shop]


def test_a_sale_earns_once_however_often_it_is_seen(shop: Shop) -> None:
    for _ in range(3):
        shop.take(sale(1, 50))
    assert shop.moves() == [("earn", 50)]


def test_what_moved_nothing_is_remembered_and_asks_for_nothing(shop: Shop) -> None:
    tally = shop.take(sale(1, 50, status=SaleStatus.VALIDATED))
    assert (tally.read, tally.changed, tally.postings) == (1, 1, 0)
    assert shop.outbox() == []


def test_an_edited_sale_posts_the_difference_only(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.take(sale(1, 80))
    shop.take(sale(1, 30))
    assert shop.moves() == [("earn", 50), ("earn", 30), ("reversal", -50)]
    assert shop.breaches() == []


def test_a_reopened_invoice_loses_its_points_and_gets_them_again(shop: Shop) -> None:
    sold = sale(1, 50)
    for state in (sold, reopened(sold), sold):
        shop.take(state)
    assert shop.moves() == [("earn", 50), ("reversal", -50), ("earn", 50)]
    assert shop.breaches() == []


def test_points_earned_again_keep_the_day_on_which_they_end(open_shop: Open) -> None:
    shop = open_shop(program(validity={"months": 1}))
    sold = sale(1, 50, day=date(2026, 11, 1))
    for state in (sold, reopened(sold), sold):
        shop.take(state)
    assert [lot.expires_on for lot in shop.view().lots] == [date(2026, 12, 1)]


@pytest.mark.parametrize(
    "change",
    [
        {"status": SaleStatus.ABANDONED},
        {"kind": SaleKind.PROFORMA},
        {"customer": customer(99)},
        {"date": date(2025, 12, 1)},
    ],
)
def test_a_sale_that_no_longer_counts_gives_its_points_back(
    open_shop: Open, change: dict[str, object]
) -> None:
    shop = open_shop(program(), around=Surroundings(pos_customers=frozenset({99})))
    shop.take(sale(1, 50))
    shop.take(replace(sale(1, 50), **change))
    assert shop.balance() == shop.balance(99) == 0
    assert shop.breaches() == []


def test_a_sale_moved_to_another_customer_takes_its_points_along(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.take(sale(1, 50, buyer=8))
    assert (shop.balance(7), shop.balance(8)) == (0, 50)
    shop.take(sale(1, 50, buyer=7))
    assert (shop.balance(7), shop.balance(8)) == (50, 0)
    assert shop.breaches() == []


def test_a_sale_moved_with_its_return_leaves_nothing_behind(open_shop: Open) -> None:
    shop = open_shop(program(returns={"shortfall": "clamp"}))
    shop.take(sale(1, 50), credit_note(2, 20, 1))
    shop.take(sale(1, 50, buyer=8), credit_note(2, 20, 1, buyer=8))
    assert (shop.balance(7), shop.balance(8)) == (0, 30)
    assert "adjust" not in dict(shop.moves(7))
    assert shop.breaches() == []


def test_two_programs_are_kept_apart(open_shop: Open) -> None:
    second = program(name="visits", field_prefix="vis", earn={"visit": {}})
    shop = open_shop(program(), second)
    tally = shop.take(sale(1, 50))
    assert (shop.balance(), shop.balance(program="visits")) == (50, 1)
    assert tally.given == {"loyalty": 50, "visits": 1}
    assert shop.breaches() == []


def test_a_product_keeps_the_points_it_had_when_the_sale_was_first_read(open_shop: Open) -> None:
    shop = open_shop(program(earn={"product": {}}))

    def sold(points: int, quantity: int) -> None:
        goods = replace(line(10 * quantity, 1, quantity), product_points=Decimal(points))
        shop.take(sale(1, lines=[goods]))

    sold(points=5, quantity=1)
    sold(points=9, quantity=2)
    assert shop.balance() == 10


def test_the_first_sale_of_the_day_is_the_visit_and_a_later_one_takes_over(open_shop: Open) -> None:
    shop = open_shop(program(earn={"visit": {"points": 3}}))
    shop.take(sale(1, 10), sale(2, 10), sale(3, 10, day=date(2026, 11, 21)))
    assert shop.balance() == 6
    shop.take(reopened(sale(1, 10)))
    assert shop.balance() == 6
    assert shop.breaches() == []


def test_visits_of_a_day_count_each_where_the_program_says_so(open_shop: Open) -> None:
    shop = open_shop(program(earn={"visit": {"once_a_day": False}}))
    shop.take(sale(1, 10), sale(2, 10))
    assert shop.balance() == 2


def test_two_customers_on_a_day_are_two_visits(open_shop: Open) -> None:
    shop = open_shop(program(earn={"visit": {}}))
    shop.take(sale(1, 10), sale(2, 10, buyer=8))
    assert (shop.balance(7), shop.balance(8)) == (1, 1)


def test_rules_changed_later_change_no_sale_of_before(open_shop: Open) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 50))
    shop.clock.tick(86400)
    shop.adopt(program(earn={"amount": {"points": 2}}))
    shop.take(sale(1, 60), sale(2, 10, day=date(2026, 11, 21)))
    assert shop.balance() == 60 + 20
    shop.take(credit_note(3, 60, 1, day=date(2026, 11, 22)))
    assert shop.balance() == 20
    assert shop.breaches() == []


def test_a_rule_set_that_another_process_adopted_parks_the_sale_and_says_why(shop: Shop) -> None:
    old = shop.intake
    shop.adopt(program(earn={"amount": {"points": 2}}))
    shop.take(sale(1, 50))
    shop.intake = old
    shop.take(sale(1, 60))
    assert "rules" in shop.parked()[0].reason


def test_every_posting_asks_for_the_card_and_the_invoice(shop: Shop) -> None:
    shop.take(sale(1, 50), sale(2, 5, buyer=8))
    assert [item.target.key for item in shop.outbox()] == [
        "customer:shop:1:7",
        "sale:shop:1:1",
        "customer:shop:1:8",
        "sale:shop:1:2",
    ]


def test_in_shadow_mode_nothing_is_asked_for(open_shop: Open) -> None:
    shop = open_shop(program(), showing=Showing(customers=False, sales=False))
    shop.take(sale(1, 50))
    assert shop.balance() == 50
    assert shop.outbox() == []


def test_a_reversal_is_dated_today_and_an_earning_as_its_sale(shop: Shop) -> None:
    shop.take(sale(1, 50, day=date(2026, 11, 3)))
    shop.take(reopened(sale(1, 50)))
    assert [posting.occurred_on for posting in shop.postings()] == [date(2026, 11, 3), shop.today]


def test_a_vanished_sale_that_comes_back_earns_again(shop: Shop) -> None:
    sold = sale(1, 50)
    shop.take(sold)
    rules = shop.intake.rules
    write(shop.engine, lambda c: vanish(Transaction(c, shop.clock.now()), rules, [sold.key]))
    assert shop.balance() == 0
    shop.take(sold)
    assert shop.balance() == 50
    assert shop.breaches() == []


def test_vanishing_twice_takes_once(shop: Shop) -> None:
    sold = sale(1, 50)
    shop.take(sold, sale(2, 5))
    for _ in range(2):
        write(
            shop.engine,
            lambda c: vanish(Transaction(c, shop.clock.now()), shop.intake.rules, [sold.key]),
        )
    assert shop.balance() == 5


def test_what_was_forgiven_is_owed_again_when_the_sale_counts_again(open_shop: Open) -> None:
    shop = open_shop(program(returns={"shortfall": "clamp"}, reward=[reward(30)]))
    sold = sale(1, 50)
    shop.take(sold)
    shop.redeem()
    shop.take(reopened(sold))
    assert shop.balance() == 0
    shop.take(sold)
    assert shop.balance() == 20
    assert shop.breaches() == []


def test_a_batch_with_the_same_sale_twice_books_its_last_state(shop: Shop) -> None:
    first, second = sale(1, 50), sale(1, 60)
    shop.intake.take([first, second])
    assert shop.balance() == 60
    assert shop.breaches() == []


def test_a_number_reused_by_another_document_is_another_sale(shop: Shop) -> None:
    shop.take(sale(1, 50, ref="FA2611-0001"))
    shop.take(sale(2, 7, ref="FA2611-0001"))
    assert shop.balance() == 57


def test_sources_are_kept_apart_though_their_rowids_are_alike(shop: Shop) -> None:
    shop.take(sale(1, 50))
    elsewhere = replace(
        sale(1, 20),
        key=replace(sale(1).key, entity=2),
        customer=replace(customer(7), entity=2),
    )
    shop.intake.take([elsewhere])
    assert shop.balance() == 50
    assert elsewhere.key.source == SOURCE


def test_a_sale_dated_tomorrow_earns_points_that_wait_for_tomorrow(shop: Shop) -> None:
    tomorrow = shop.today + timedelta(days=1)
    shop.take(sale(1, 50, day=tomorrow))
    assert (shop.view().balance, shop.view().available) == (50, 0)
    shop.clock.tick(86400)
    assert shop.view().available == 50
