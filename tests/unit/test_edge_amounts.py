"""Cases that went wrong elsewhere: amounts, rounding, tax, endless loops."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from dolisync.config import Settings
from dolisync.display import requirements
from dolisync.errors import RefusedError
from dolisync.model import DiscountKind, Payment
from dolisync.program.surroundings import Surroundings
from tests.builders import NOON, credit_note, line, program, sale
from tests.fakes import Shop, reward

Open = Callable[..., Shop]


def with_reward(open_shop: Open, amount: str = "10", **more: str) -> Shop:
    shop = open_shop(program(reward=[reward(100, amount, **more)]))
    shop.put(sale(1, 300))
    shop.publish_all()
    shop.redeem()
    return shop


def test_edge_39_ten_euros_of_reward_are_ten_euros_of_discount(open_shop: Open) -> None:
    shop = with_reward(open_shop, "10.00")
    shop.publish()
    assert shop.sink.discounts["DS-TEST"][1].amount_incl == Decimal("10.00")


def test_edge_40_a_reward_costs_its_price_not_all_that_is_held(open_shop: Open) -> None:
    assert with_reward(open_shop).balance() == 200


@pytest.mark.parametrize(("left_out", "points"), [(True, 45), (False, 50)])
def test_edge_41_whether_a_reward_lowers_the_points_is_a_setting(
    open_shop: Open, left_out: bool, points: int
) -> None:
    shop = open_shop(program(earn={"amount": {}, "leave_out_paid_with_points": left_out}))
    bought = line(-5, None, rowid=2, discount=DiscountKind.FIXED, text="DS-ABC")
    shop.put(sale(1, lines=[line(50, rowid=1), bought]))
    assert shop.balance() == points


@pytest.mark.parametrize("rounding", ["down", "half_up", "up"])
def test_edge_42_what_was_rounded_one_way_is_taken_back_the_same(
    open_shop: Open, rounding: str
) -> None:
    terms = {"per": "3", "counting": "proportional", "rounding": rounding}
    shop = open_shop(program(earn={"amount": terms}, decimals=2))
    shop.put(sale(1, 1))
    shop.put(credit_note(2, 1, None))
    assert shop.balance() == 0


def test_edge_43_a_bill_paid_in_two_halves_is_one_amount(open_shop: Open) -> None:
    shop = open_shop(program(earn={"amount": {"per": "50"}}))
    halves = [Payment("LIQ", Decimal(25), NOON), Payment("CB", Decimal(25), NOON)]
    shop.put(sale(1, 50, payments=halves))
    assert shop.balance() == 1


def test_edge_44_the_payment_mode_of_points_is_a_code_of_the_shops_own() -> None:
    place = {"url": "http://x", "api_key": {"env": "K"}, "points_payment_mode": "PTS"}
    settings = Settings.model_validate({"source": [place], "program": [{"point_value": "0.1"}]})
    modes = requirements(settings, settings.source[0]).payment_modes
    assert [mode.code for mode in modes] == ["PTS"]


def test_edge_47_a_discount_carries_the_tax_rate_of_what_it_is_for(open_shop: Open) -> None:
    shop = with_reward(open_shop, tax_rate="8.5")
    shop.publish()
    assert shop.sink.discounts["DS-TEST"][0].tax_rate == Decimal("8.5")


def test_edge_49_a_discount_read_back_otherwise_gives_its_points_back(open_shop: Open) -> None:
    shop = with_reward(open_shop)

    def mismatch(_discount: object) -> None:
        raise RefusedError("read back 0.00, wanted 10.00")

    shop.sink.create_discount = mismatch  # type: ignore[assignment, method-assign]
    shop.publish()
    assert shop.balance() == 300
    assert shop.outbox("dead")[0].last_error == "read back 0.00, wanted 10.00"


def test_edge_50_points_do_not_buy_points(open_shop: Open) -> None:
    terms = {"amount": {}, "product": {}, "visit": {}}
    shop = open_shop(program(earn=terms), around=Surroundings(points_payment_mode="LOY"))
    shop.put(sale(1, 50, payments=[Payment("LOY", Decimal(50), NOON)]))
    assert shop.balance() == 0
