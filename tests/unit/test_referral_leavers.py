"""Who recommended somebody and opted out before it brought anything has nothing of it."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from dolisync.ledger import referrals, schema
from dolisync.ledger.engine import reading
from dolisync.model import Buyer
from dolisync.ports import BuyerQuestion
from dolisync.sync.buyers import REMEMBERED, Buyers
from tests.builders import credit_note, customer, program, sale
from tests.fakes import Shop
from tests.unit.test_buyers import FakeCards
from tests.unit.test_referrals import BY, NEW, THIRD, points, refer, standing, with_referral
from tests.unit.test_whatif import simulated

OpenShop = Callable[..., Shop]
OUT = Buyer(opted_out=True)


def watched(shop: Shop) -> FakeCards:
    """Let the cards of customers be read, with who wants no part."""
    cards = FakeCards()
    shop.intake.buyers = Buyers(cards, shop.clock, BuyerQuestion(opt_out_field="no_loyalty"))
    return cards


def leave(shop: Shop, cards: FakeCards, who: int) -> None:
    cards.known[who] = OUT
    shop.clock.tick(REMEMBERED.total_seconds())


def test_who_left_before_the_purchase_has_nothing_and_the_new_customer_his(
    ledger_engine: Engine,
) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(),))
    cards = watched(shop)
    refer(shop)
    leave(shop, cards, BY)
    shop.put(sale(1, 10))
    assert (points(shop), standing(shop)) == ((60, 0), ["left"])


def test_who_leaves_after_it_keeps_what_he_has(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    cards = watched(shop)
    refer(shop)
    shop.put(sale(1, 10))
    leave(shop, cards, BY)
    shop.put(sale(2, 10))
    assert (points(shop), standing(shop)) == ((70, 100), ["given"])


def test_what_was_seen_holds_when_he_comes_back(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral(minimum=20))
    cards = watched(shop)
    refer(shop)
    leave(shop, cards, BY)
    # Too small to bring anything; his card is seen all the same.
    shop.put(sale(1, 10))
    cards.known.clear()
    shop.clock.tick(REMEMBERED.total_seconds())
    shop.put(sale(2, 30))
    assert (points(shop), standing(shop)) == ((90, 0), ["left"])
    # A return and a new purchase are judged as before.
    shop.put(credit_note(3, 30, 2), sale(4, 40))
    assert points(shop) == (100, 0)


def test_his_limit_is_not_used_up_by_it(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral(max_ever=1))
    cards = watched(shop)
    refer(shop, NEW)
    refer(shop, THIRD)
    leave(shop, cards, BY)
    shop.put(sale(1, 10, buyer=NEW))
    cards.known.clear()
    shop.clock.tick(REMEMBERED.total_seconds())
    shop.put(sale(2, 10, buyer=THIRD))
    assert points(shop, NEW, THIRD, BY) == (60, 60, 100)


def test_only_cards_of_those_who_still_wait_are_read(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    cards = watched(shop)
    refer(shop)
    shop.put(sale(1, 10))
    assert cards.asked == [(NEW,), (BY,)]
    shop.clock.tick(REMEMBERED.total_seconds())
    shop.put(sale(2, 10), sale(3, 10, buyer=THIRD))
    assert cards.asked[2:] == [(NEW, THIRD)]


def test_without_recommendations_no_other_card_is_read(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    cards = watched(shop)
    shop.put(sale(1, 10))
    assert cards.asked == [(NEW,)]


def test_other_rules_give_him_nothing_either(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    cards = watched(shop)
    refer(shop)
    leave(shop, cards, BY)
    shop.put(sale(1, 10))
    found = simulated(shop)
    assert found.today.recommended == found.then.recommended == {"loyalty": 50}


def test_an_older_ledger_has_seen_nobody_leave(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(),))
    refer(shop)
    schema.downgrade(ledger_engine, "0023")
    schema.upgrade(ledger_engine)
    shop.put(sale(1, 10))
    assert points(shop) == (60, 100)
    with reading(ledger_engine) as connection:
        assert [one.by_left_at for one in referrals.of_new(connection, [customer(NEW)])] == [None]
