"""Redeeming: who may spend what, once, and what comes back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import pytest

from dolisync.errors import NotFound, UserError
from dolisync.ledger import redemptions
from dolisync.ledger.book import NotEnoughPoints
from dolisync.sync import redeem
from dolisync.sync.judge import Showing
from tests.builders import customer, program, sale
from tests.fakes import Shop, reward

Open = Callable[..., Shop]


@pytest.fixture
def rich(open_shop: Open) -> Shop:
    shop = open_shop(program(reward=[reward(100)], validity={"months": 1}))
    shop.take(sale(1, 80, day=date(2026, 11, 1)), sale(2, 80, day=date(2026, 11, 10)))
    return shop


def test_points_leave_with_the_wish_for_the_discount(rich: Shop) -> None:
    done = rich.redeem("DS-A")
    assert (done.state, done.points, rich.balance()) == ("wanted", 100, 60)
    assert rich.postings()[-1].key == "redeem:DS-A"
    assert [item.target.key for item in rich.outbox() if item.target.token] == ["discount:DS-A"]
    assert rich.breaches() == []


def test_the_soonest_to_expire_are_spent_first(rich: Shop) -> None:
    rich.redeem("DS-A")
    assert [(lot.ref, lot.remaining) for lot in rich.view().lots] == [("FA2611-0002", 60)]


def test_too_few_points_are_refused_and_nothing_is_written(rich: Shop) -> None:
    rich.redeem("DS-A")
    with pytest.raises(NotEnoughPoints, match="costs 100 points; 60 are available"):
        rich.redeem("DS-B")
    assert rich.balance() == 60
    with pytest.raises(NotFound):
        redeem.by_token(rich.engine, "DS-B")


def test_somebody_without_account_has_nothing_to_spend(rich: Shop) -> None:
    with pytest.raises(NotEnoughPoints, match="0 are available"):
        rich.redeem("DS-A", buyer=99)
    assert rich.view(99).member_id is None


def test_the_same_token_spends_once_though_its_answer_was_lost(rich: Shop) -> None:
    first = rich.redeem("DS-A")
    assert rich.redeem("DS-A") == first
    assert rich.balance() == 60


def test_given_back_points_keep_their_lots_and_their_last_day(rich: Shop) -> None:
    before = rich.view().lots
    rich.redeem("DS-A")
    for _ in range(2):
        redeem.give_back(rich.engine, rich.clock, rich.by_name, "DS-A", "revoked", "because")
    assert rich.view().lots == before
    assert [kind for kind, _ in rich.moves()] == ["earn", "earn", "redeem", "return"]
    assert rich.breaches() == []


def test_points_given_back_after_their_last_day_cannot_be_spent_and_expire(rich: Shop) -> None:
    rich.redeem("DS-A")
    rich.clock.tick(60 * 86400)
    redeem.give_back(rich.engine, rich.clock, rich.by_name, "DS-A", "revoked", "because")
    assert (rich.view().balance, rich.view().available) == (160, 0)
    assert rich.expire() == 2
    assert rich.balance() == 0
    assert rich.breaches() == []


def test_points_of_a_program_that_is_gone_come_back_too(rich: Shop) -> None:
    rich.redeem("DS-A")
    redeem.give_back(rich.engine, rich.clock, {}, "DS-A", "revoked", "because")
    assert rich.balance() == 160


@pytest.mark.parametrize("state", ["used", "revoked", "refused"])
def test_only_an_open_discount_can_be_revoked(rich: Shop, state: str) -> None:
    done = rich.redeem("DS-A")
    with rich.engine.begin() as connection:
        redemptions.set_state(connection, done, state)
    with pytest.raises(UserError, match=f"DS-A is {state} already"):
        redeem.wish_revoke(rich.engine, rich.clock, "DS-A")


def test_rewards_are_chosen_by_name_or_by_being_the_only_one() -> None:
    one = program(reward=[reward()])
    two = program(reward=[reward(name="small"), reward(200, name="large")])
    assert redeem.choose_reward(one, None).name == "discount"
    assert redeem.choose_reward(two, "large").points == 200
    with pytest.raises(UserError, match="no reward is named 'x'") as caught:
        redeem.choose_reward(two, "x")
    assert caught.value.remedy == "name one of: small, large"
    with pytest.raises(UserError, match="several rewards"):
        redeem.choose_reward(two, None)
    with pytest.raises(UserError, match="has no reward"):
        redeem.choose_reward(program(), None)


def test_tokens_are_long_legible_and_never_the_same() -> None:
    tokens = {redeem.new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(re.fullmatch(r"DS-[2-9A-HJ-NP-Z]{12}", token) for token in tokens)


def automatic(shop: Shop, showing: Showing | None = None) -> int:
    shown = {"shop": showing or Showing()}
    return len(redeem.issue_automatic(shop.engine, shop.clock, shop.by_name, shown))


def test_automatic_rewards_are_issued_as_often_as_the_points_suffice(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(100, automatic=True), reward(10, name="by_hand")]))
    shop.take(sale(1, 250), sale(2, 99, buyer=8))
    assert automatic(shop) == 2
    assert automatic(shop) == 0
    assert (shop.balance(7), shop.balance(8)) == (50, 99)
    assert shop.breaches() == []


def test_none_is_issued_where_discounts_cannot_be_made(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(100, automatic=True)]))
    shop.take(sale(1, 250))
    assert automatic(shop, Showing(discounts=False)) == 0


def test_after_a_refusal_none_is_issued_for_a_day(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(100, automatic=True)]))
    shop.take(sale(1, 150))
    assert automatic(shop) == 1
    token = shop.outbox()[-1].target.token or shop.outbox()[-2].target.token
    assert token is not None
    redeem.give_back(shop.engine, shop.clock, shop.by_name, token, "refused", "no")
    assert automatic(shop) == 0
    shop.clock.tick(86401)
    assert automatic(shop) == 1


def test_points_that_wait_or_have_lapsed_buy_no_automatic_reward(open_shop: Open) -> None:
    shop = open_shop(program(reward=[reward(100, automatic=True)], validity={"months": 1}))
    shop.take(sale(1, 150, day=date(2026, 9, 1)), sale(2, 150, day=date(2026, 12, 1), buyer=8))
    assert automatic(shop) == 0


def test_a_redemption_names_its_customer_and_amount(rich: Shop) -> None:
    done = rich.redeem("DS-A")
    assert (done.customer, str(done.amount), str(done.tax_rate)) == (customer(7), "5", "20")
