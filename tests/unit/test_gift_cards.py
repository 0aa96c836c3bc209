"""Gift cards that are sold: made when paid, taken off when they come back, never earning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select
from structlog.testing import capture_logs

from dolisync.codes import new_code
from dolisync.config import Settings
from dolisync.errors import UserError
from dolisync.ledger import tables, vouchers
from dolisync.ledger.engine import reading, write
from dolisync.ledger.vouchers import State, Voucher
from dolisync.model import DiscountKind, Sale, SaleLine, SaleStatus
from dolisync.program.assess import Family, assess
from dolisync.program.gift_cards import pieces
from dolisync.program.surroundings import SoldCards, Surroundings
from dolisync.receipt import ReceiptCode
from dolisync.sync.receipts import build_receipt
from dolisync.sync.vouchers import Vouchers
from tests.builders import SOURCE, credit_note, customer, line, program, sale
from tests.examples import by_default_and_long
from tests.fakes import Shop, reopened

Open = Callable[..., Shop]
CARDS = SoldCards(date(2026, 11, 1), months=24)
AROUND = Surroundings(pos_customers=frozenset({99}), gift_cards=CARDS)
ZONE = ZoneInfo("Europe/Paris")


def card_line(amount: str | int, quantity: int = 1, **more: Any) -> SaleLine:
    """A line of the product that is sold as gift cards, without tax."""
    total = Decimal(amount)
    given = {"product_ref": "GIFT", "tax_rate": Decimal(0), "total_excl": total, "rowid": 9}
    kind = DiscountKind.GIFT_CARD
    return line(total, 5, quantity, **{**given, "discount": kind, **more})


def sold(rowid: int = 1, *lines: SaleLine, **more: Any) -> Sale:
    return sale(rowid, lines=list(lines) or [card_line(50)], **more)


@pytest.fixture
def shop(open_shop: Open) -> Shop:
    return open_shop(program(), around=AROUND)


def office_of(shop: Shop) -> Vouchers:
    return Vouchers(shop.engine, shop.clock, ZONE)


def cards(shop: Shop) -> list[Voucher]:
    with reading(shop.engine) as connection:
        return vouchers.read(connection, tables.voucher.c.sale_id.is_not(None))


def amounts(shop: Shop) -> list[Decimal]:
    return [card.balance for card in cards(shop)]


# --- made when paid ------------------------------------------------------------------------------


def test_a_card_is_made_when_all_is_paid_and_once(shop: Shop) -> None:
    shop.put(sold(status=SaleStatus.VALIDATED, payments=()))
    assert cards(shop) == []
    for _ in range(2):
        shop.put(sold())
    (card,) = cards(shop)
    assert (card.balance, card.tax_rate, card.kind) == (50, 0, "gift_card")
    assert (card.valid_until, card.customer) == (date(2028, 11, 20), customer())
    assert shop.breaches() == []


def test_each_piece_is_a_card_and_no_cent_is_lost(shop: Shop) -> None:
    shop.take(sold(1, card_line("100", 3), card_line("20", rowid=10)))
    assert sorted(amounts(shop)) == [20, Decimal("33.33"), Decimal("33.33"), Decimal("33.34")]
    assert len({card.code for card in cards(shop)}) == 4
    assert shop.breaches() == []


def test_a_card_sold_to_nobody_belongs_to_who_holds_it(shop: Shop) -> None:
    shop.take(sold(buyer=99))
    assert cards(shop)[0].customer is None


def test_sales_from_before_make_none(shop: Shop) -> None:
    shop.take(sold(day=date(2026, 10, 31)))
    assert cards(shop) == []
    assert shop.breaches() == []


def test_a_bar_code_in_the_field_of_the_quantity_makes_none(shop: Shop) -> None:
    shop.take(sold(1, card_line("9001234567890", 201)))
    assert cards(shop) == []


@pytest.mark.parametrize(("amount", "quantity"), [("0", 3), ("-10", 3)])
def test_a_line_given_away_or_brought_back_makes_none(amount: str, quantity: int) -> None:
    assert pieces(CARDS, sold(1, card_line(amount, quantity))) == ()


def test_where_none_are_sold_nothing_is_made(open_shop: Open) -> None:
    plain = open_shop(program())
    plain.take(sold())
    assert cards(plain) == []


# --- never earning -------------------------------------------------------------------------------


def earned(*lines: SaleLine, returned: tuple[SaleLine, ...] = (), **earn: Any) -> int:
    terms = program(earn={"amount": {}, "visit": {"points": 3}, **earn})
    credit = credit_note(2, 0, 1, lines=list(returned))
    family = Family(sold(1, *lines), (credit,) if returned else ())
    return sum(verdict.units for verdict in assess(terms, AROUND, family))


def test_buying_a_card_earns_nothing_and_is_no_visit() -> None:
    assert earned(card_line(50)) == 0
    assert earned(card_line(50), line(10)) == 13
    assert earned(card_line(50), line(10), returned=(card_line(-50),)) == 13
    reasons = assess(program(), AROUND, Family(sold(1, card_line(50), line(10))))[0].reasons
    assert "50 of gift cards that were sold earn nothing" in [str(reason) for reason in reasons]


def used_line(amount: str | int) -> SaleLine:
    return card_line(amount, text="Gift card ...4HTR DG-7KQ2M9XW4HTR", product_rowid=None)


def test_what_a_card_paid_earns_as_money_does_or_not_as_set() -> None:
    assert earned(line(50), used_line(-30)) == 53
    assert earned(line(50), used_line(-30), leave_out_gift_cards=True) == 23
    assert earned(line(50), used_line(-50)) == 53
    # All of it paid so that nothing earns: no visit either.
    assert earned(line(50), used_line(-50), leave_out_gift_cards=True) == 0
    terms = program(earn={"amount": {}, "leave_out_gift_cards": True})
    reasons = assess(terms, AROUND, Family(sold(1, line(50), used_line(-50))))[0].reasons
    assert str(reasons[0]) == "a gift card paid all 50 of it, so it earns nothing"


# --- what comes back -----------------------------------------------------------------------------


def test_a_returned_card_is_taken_off_and_paid_again_it_holds_again(shop: Shop) -> None:
    shop.take(sold())
    code = cards(shop)[0].code
    shop.take(credit_note(2, 0, 1, lines=[card_line(-50)]))
    assert amounts(shop) == [0]
    shop.source.remove(2)
    shop.reconcile()
    assert [(card.code, card.balance) for card in cards(shop)] == [(code, 50)]
    assert shop.breaches() == []


def test_edge_24_a_returned_gift_card_is_of_no_use_any_more(shop: Shop) -> None:
    shop.take(sold())
    shop.take(credit_note(2, 0, 1, lines=[card_line(-50)]))
    with pytest.raises(UserError, match=r"holds 0\.00 EUR"):
        office_of(shop).use(cards(shop)[0].code, Decimal("0.01"), "stall", token="U")


def test_one_of_three_comes_back(shop: Shop) -> None:
    shop.take(sold(1, card_line(150, 3)))
    shop.take(credit_note(2, 0, 1, lines=[card_line(-50)]))
    assert amounts(shop) == [50, 50, 0]
    assert shop.breaches() == []


def test_a_reopened_sale_holds_nothing_until_it_is_paid_again(shop: Shop) -> None:
    shop.take(sold())
    shop.take(reopened(sold()))
    assert amounts(shop) == [0]
    shop.take(sold(1, card_line(60)))
    assert amounts(shop) == [50, 10]
    assert shop.breaches() == []


def test_a_deleted_sale_leaves_no_money(shop: Shop) -> None:
    shop.put(sold())
    shop.source.remove(1)
    shop.reconcile()
    assert amounts(shop) == [0]
    assert shop.breaches() == []


def test_a_used_card_that_comes_back_loses_what_is_left_and_it_is_told(shop: Shop) -> None:
    shop.take(sold())
    office_of(shop).use(cards(shop)[0].code, Decimal(30), "stall", token="U")
    with capture_logs() as logs:
        shop.take(credit_note(2, 0, 1, lines=[card_line(-50)]))
    assert amounts(shop) == [0]
    (told,) = [entry for entry in logs if entry["event"] == "a gift card came back that was used"]
    assert told["lacking"] == "30.00"
    assert (cards(shop)[0].state, shop.breaches()) == (State.BLOCKED, [])
    # Returned after all, the card is as it was.
    shop.source.remove(2)
    shop.reconcile()
    assert (cards(shop)[0].state, amounts(shop), shop.breaches()) == (State.OPEN, [20], [])


def test_a_replaced_card_is_taken_off_too(shop: Shop) -> None:
    shop.take(sold())
    office_of(shop).replace(cards(shop)[0].code, "lost", new_code=new_code())
    shop.take(credit_note(2, 0, 1, lines=[card_line(-50)]))
    assert amounts(shop) == [0, 0]
    assert [card.state for card in cards(shop)] == [State.REPLACED, State.OPEN]
    assert shop.breaches() == []


HISTORY = st.lists(
    st.tuples(
        st.sampled_from(["pay", "reopen", "return", "unreturn", "use", "vanish"]),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=8,
)


@by_default_and_long(7, 20, history=HISTORY)
def test_whatever_happens_cards_hold_what_the_sale_says(
    ledger_of_its_own: Callable[[], Engine], history: list[tuple[str, int]]
) -> None:
    shop = Shop(ledger_of_its_own(), programs=(program(),), around=AROUND)
    shop.put(sold(1, card_line(90, 3)))
    used = Decimal(0)
    for act, number in history:
        if act == "pay":
            shop.put(sold(1, card_line(30 * number, number)))
        elif act == "reopen" and 1 in shop.source.sales:
            shop.put(reopened(shop.source.sales[1]))
        elif act == "return":
            shop.put(credit_note(2, 0, 1, lines=[card_line(-30 * number)]))
        elif act == "unreturn":
            shop.put(credit_note(2, 0, 1, status=SaleStatus.ABANDONED, lines=[card_line(-30)]))
        elif act == "vanish" and 1 in shop.source.sales:
            shop.source.remove(1)
            shop.reconcile(max_vanished=10)
        elif act == "use":
            usable = [card for card in cards(shop) if card.balance >= 10]
            for card in usable[:1]:
                office_of(shop).use(card.code, Decimal(10), "x", token=f"U{used}")
                used += 10
        assert shop.breaches() == []
    shop.engine.dispose()


def test_verify_finds_a_card_that_was_never_made(shop: Shop) -> None:
    shop.take(sold())
    with shop.engine.begin() as connection:
        connection.execute(delete(tables.voucher_movement))
        connection.execute(delete(tables.voucher))
    assert any("were given 0, the sale says 50" in found for found in shop.breaches())


# --- on paper, and since when --------------------------------------------------------------------


def test_the_receipt_bears_the_code_until_it_is_empty(shop: Shop) -> None:
    shop.take(sold())
    (card,) = cards(shop)
    configured = {
        "source": [{"name": SOURCE, "url": "http://x", "api_key": "k"}],
        "program": [{"name": "loyalty"}],
    }
    given = Settings.model_validate(configured)

    def codes() -> tuple[ReceiptCode, ...]:
        things = (shop.engine, shop.rules, given, shop.clock)
        return build_receipt(*things, sold().key, None).codes

    (shown,) = codes()
    assert (shown.code.replace("-", ""), shown.amount, shown.is_sold) == (card.code, 50, True)
    office_of(shop).use(card.code, Decimal(50), "x", token="U")
    assert codes() == ()


def test_since_when_a_product_is_sold_is_remembered(shop: Shop) -> None:
    write(shop.engine, lambda c: vouchers.begin_to_sell(c, "GIFT", shop.clock.now()))
    shop.clock.tick(5 * 86400)
    since = write(shop.engine, lambda c: vouchers.begin_to_sell(c, "GIFT", shop.clock.now()))
    assert since == date(2026, 11, 20)
    with reading(shop.engine) as connection:
        assert vouchers.sold_since(connection, "OTHER") is None
        assert connection.execute(select(tables.stream.c.name)).first() is not None


def test_lines_that_sell_no_card_are_goods(shop: Shop) -> None:
    shop.take(sold(1, replace(card_line(50), discount=None)))
    assert cards(shop) == []
    assert shop.balance() == 50
