"""Gift cards, codes and discounts on one document: each cent of them, in tables."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import DiscountKind, Sale, SaleLine
from dolisync.program.code_shares import came_back, shares_of, taken_by
from dolisync.program.draft_bills import bill_of
from dolisync.program.draft_shares import Share, has_other_taxes, rooms, shared
from dolisync.program.gift_cards import PIECES_MAX, Piece, missing, pieces, sells_cards
from dolisync.program.gift_cards import came_back as cards_back
from dolisync.program.surroundings import Surroundings
from tests.builders import credit_note, line, sale
from tests.unit.test_draft_shares import priced
from tests.unit.test_gift_cards import CARDS, card_line, sold

D = Decimal
TOKEN = "DS-CODE"


def amounts(*lines: SaleLine) -> list[str]:
    return [f"{piece.amount}" for piece in pieces(CARDS, sold(1, *lines))]


@pytest.mark.parametrize(
    ("amount", "quantity", "made"),
    [
        ("50", 1, ["50.00"]),
        ("50", 2, ["25.00", "25.00"]),
        # A part of a piece is one card; the first of several get the cents that are over.
        ("50", "0.5", ["50.00"]),
        ("50", "1.5", ["50.00"]),
        ("10", 3, ["3.34", "3.33", "3.33"]),
        ("20", 3, ["6.67", "6.67", "6.66"]),
        ("0.50", 1, ["0.50"]),
        ("0.01", 2, ["0.01"]),
        ("0", 1, []),
        ("-50", -1, []),
        ("200", PIECES_MAX, ["1.00"] * PIECES_MAX),
        ("402", PIECES_MAX + 1, []),
    ],
)
def test_each_piece_sold_is_a_card(amount: str, quantity: Any, made: list[str]) -> None:
    assert amounts(card_line(amount, D(quantity))) == made


def test_a_sale_of_the_first_day_makes_cards_and_other_lines_are_none() -> None:
    assert len(pieces(CARDS, sold(1, day=CARDS.since))) == 1
    fixed = line(-5, discount=DiscountKind.FIXED, product_rowid=None)
    used = card_line(-5, product_rowid=None)
    assert not sells_cards(sale(1, lines=[line(10), fixed, used]))
    assert sells_cards(sale(1, lines=[line(10), card_line(50)]))


def test_cards_come_back_where_the_product_does() -> None:
    back = credit_note(
        2, 10, 1, lines=[card_line(-20, -1), line(-7), card_line("0.50"), card_line(0)]
    )
    assert cards_back([back]) == 20


def test_cards_that_are_missing_are_made_until_all_is_given() -> None:
    made = [Piece(D(amount), D(0)) for amount in (20, 20, 30)]
    assert missing(made, [D(20)], D("30.50")) == [Piece(D(20), D(0)), Piece(D("10.50"), D(0))]
    assert missing(made, [], D(20)) == [Piece(D(20), D(0))]
    assert missing(made, [], D("0.40")) == [Piece(D("0.40"), D(0))]


def used(amount: Any, rate: Any = 20, **more: Any) -> SaleLine:
    return line(D(amount), tax_rate=D(rate), text=f"Voucher {TOKEN}", **more)


def goods(*lines: SaleLine) -> Sale:
    return sale(1, lines=list(lines))


def test_what_stands_there_of_a_code_adds_up_by_rate() -> None:
    lines = [used(-3), used(-4), used("-2.50", 10), line(-9)]
    assert taken_by(lines, TOKEN) == (Share(D(10), D("2.50")), Share(D(20), D(7)))


@pytest.mark.parametrize(
    ("sale", "most", "rate", "shares"),
    [
        # A voucher goes over all rates, a gift card only over its own, one without tax over all.
        (goods(priced(60, 20), priced(40, 10)), 10, None, {10: 4, 20: 6}),
        (goods(priced(60, 20), priced(40, 10)), 50, 10, {10: 40}),
        (goods(priced(60, 20), priced(40, 10)), 15, 10, {10: 15}),
        (goods(priced(60, 20), priced(40, 10)), 200, 0, {0: 100}),
        (goods(priced(60, 20)), 15, 10, {}),
        # What another card paid is paid already.
        (goods(priced(60, 20), card_line(-50, product_rowid=None)), 30, 20, {20: 10}),
        (goods(priced(60, 20), card_line(-50, product_rowid=None)), 30, None, {20: 10}),
        (goods(priced(60, 20), card_line(-60, product_rowid=None)), 30, None, {}),
        # Its own lines and gift cards that are sold do not count.
        (goods(priced(60, 20), used(-5)), 100, None, {20: 60}),
        (goods(priced(3, 20), card_line(50)), 100, None, {20: 3}),
        (goods(priced("0.60", 20)), 100, None, {20: "0.60"}),
        (goods(priced("0.60", 20)), 100, 20, {20: "0.60"}),
        # Something below zero at one rate lowers what is to be paid, not the room at the other.
        (goods(priced(60, 20), priced(-20, 10)), 100, None, {20: 40}),
        (goods(priced(60, 20), priced(-20, 10)), 100, 20, {20: 40}),
        (goods(), 100, None, {}),
        # Net and tax are of odd cents: one of them would fall below zero.
        (goods(line(D("1.35"), tax_rate=D(20), total_excl=D("1.12"))), 9, None, {20: "1.34"}),
    ],
)
def test_a_code_takes_off_what_there_is_room_for(
    sale: Sale, most: Any, rate: Any, shares: dict[int, Any]
) -> None:
    found = shares_of(sale, TOKEN, D(most), None if rate is None else D(rate))
    assert {share.tax_rate: share.amount for share in found} == {
        D(rate): D(amount) for rate, amount in shares.items()
    }


def test_what_returns_give_back_to_a_code() -> None:
    assert came_back([credit_note(2, 10, 1, lines=[used(3), used(-1), line(8)])], TOKEN) == 3


def test_other_taxes_begin_above_two_cents() -> None:
    at_the_edge = line(D("12.02"), tax_rate=D(20), total_excl=D(10))
    assert not has_other_taxes([at_the_edge])
    assert has_other_taxes([line(D("12.03"), tax_rate=D(20), total_excl=D(10))])


def test_room_is_in_whole_cents_and_no_more_than_net_and_tax_allow() -> None:
    assert rooms([line(D("1.006"), tax_rate=D(0), total_excl=D("1.006"))]) == {D(0): D("1.00")}
    # 0.03 at 20 %: the net part of 0.02 and of 0.03 rounds half up to 0.02 and 0.03.
    assert rooms([line(D("0.03"), tax_rate=D(20), total_excl=D("0.02"))]) == {D(20): D("0.02")}
    # 2.25 net of 2.70: 1.125 of 1.35 goes up to 1.13, which leaves 0.22 of tax.
    assert rooms([line(D("1.35"), tax_rate=D(20), total_excl=D("1.12"))]) == {D(20): D("1.34")}


def test_cents_that_are_over_go_where_most_was_cut_then_where_most_was_bought() -> None:
    room = {D(10): D("10.00"), D(20): D("30.00"), D(5): D("10.00")}
    assert shared(D("0.04"), room) == (
        Share(D(5), D("0.01")),
        Share(D(10), D("0.01")),
        Share(D(20), D("0.02")),
    )
    equal = {D(5): D("1.00"), D(10): D("3.00")}
    assert shared(D("0.02"), equal) == (Share(D(10), D("0.02")),)
    full = {D(5): D("0.01"), D(20): D("1.00")}
    assert shared(D("1.01"), full) == (Share(D(5), D("0.01")), Share(D(20), D("1.00")))


def test_a_bill_tells_whether_it_is_reduced_already() -> None:
    assert not bill_of(Surroundings(), sale(1, lines=[priced(10, 20)])).bill.has_discounts
    fixed = line(-5, discount=DiscountKind.FIXED, product_rowid=None)
    assert bill_of(Surroundings(), sale(1, lines=[priced(10, 20), fixed])).bill.has_discounts
