"""Recommendations (B7): points for both, by what the new customer's first purchase is now."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, update

from commands.terminal import plain_value
from dolisync.ledger import privacy, referrals, tables
from dolisync.ledger.engine import reading
from dolisync.ledger.referrals import Referral
from dolisync.phrases import LANGUAGES
from dolisync.program.referral_terms import ReferralTerms
from dolisync.program.referrals import Edge, Purchase, Void, brought, rewarded, voids
from dolisync.program.terms import Program
from dolisync.sync import merge_by_hand, recommend, undo
from dolisync.sync.explain import explain
from dolisync.sync.recommend import NotReferable, Refusal, Wish
from tests.builders import credit_note, customer, line, program, sale
from tests.fakes import Shop, reopened, reward
from tests.unit.test_merge import Merging
from tests.unit.test_privacy import erase, everything
from tests.unit.test_recompute import again, run, since

OpenShop = Callable[..., Shop]
TODAY = date(2026, 11, 20)
NEW, BY, THIRD, FOURTH = 7, 8, 9, 10


def with_referral(**terms: Any) -> Program:
    more = {name: terms.pop(name) for name in list(terms) if name in Program.model_fields}
    return program(referral={"points": 100, "new_points": 50, **terms}, **more)


def refer(shop: Shop, new: int = NEW, by: int = BY, *, day: date | None = None) -> Referral:
    said_on = day or shop.today
    wish = Wish(shop.program, customer(new), customer(by), said_on, "jeanne")
    token = secrets.token_hex(6)
    return recommend.refer(shop.engine, shop.clock, shop.rules, wish, token=token)


def withdraw(shop: Shop, new: int = NEW) -> Referral:
    since = shop.clock.now()
    return recommend.withdraw(
        shop.engine, shop.clock, shop.rules, shop.program, customer(new), since=since
    )


def points(shop: Shop, *buyers: int) -> tuple[int, ...]:
    """Return what these customers have, the new one and who recommended him unless told."""
    assert shop.breaches() == []
    return tuple(shop.balance(buyer) for buyer in buyers or (NEW, BY))


def standing(shop: Shop, new: int = NEW) -> list[str]:
    with reading(shop.engine) as connection:
        found = referrals.of_new(connection, [customer(new)])
        return [
            str(recommend.standing_of(connection, shop.rules, one, shop.today)[0]) for one in found
        ]


def refused(shop: Shop, new: int = NEW, by: int = BY) -> Refusal:
    with pytest.raises(NotReferable) as caught:
        refer(shop, new, by)
    for language in LANGUAGES:
        assert caught.value.said(language)
    return caught.value.why


# --- both sides -----------------------------------------------------------------------------------


def test_the_first_purchase_gives_both_their_points(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(),))
    refer(shop)
    assert (points(shop), standing(shop)) == ((0, 0), ["waiting"])
    shop.put(sale(1, 10))
    assert (points(shop), standing(shop)) == ((60, 100), ["given"])
    shop.put(sale(2, 10))
    assert points(shop) == (70, 100)
    assert shop.postings(NEW)[1].reason == "Welcome, you were recommended"
    assert shop.postings(BY)[0].reason == "Thank you for recommending us"
    # It is no sale of theirs: it counts for no tier.
    assert (shop.view(NEW).earned, shop.view(BY).earned) == (20, 0)
    shown = {item.target.rowid for item in shop.outbox() if item.target.kind == "customer"}
    assert shown == {NEW, BY}


def test_said_after_the_purchase_it_gives_the_same(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(),))
    shop.put(sale(1, 10, day=TODAY - timedelta(days=7)))
    assert refer(shop).held_by_new.units == 50
    assert points(shop) == (60, 100)
    shop.clock.tick(60)
    # The same words once more are no second recommendation.
    refer(shop)
    assert points(shop) == (60, 100)


@pytest.mark.parametrize(("given", "new", "ends"), [(0, 5, (15, 0)), (5, 0, (10, 5))])
def test_one_of_both_may_have_nothing(
    open_shop: OpenShop, given: int, new: int, ends: tuple[int, int]
) -> None:
    shop = open_shop(with_referral(points=given, new_points=new))
    refer(shop)
    shop.put(sale(1, 10))
    assert (points(shop), standing(shop)) == (ends, ["given"])


@pytest.mark.parametrize(
    ("amount", "returned", "ends"),
    [(19, 0, (19, 0)), (20, 0, (70, 100)), (30, 10, (70, 100)), (30, 11, (19, 0))],
)
def test_a_purchase_must_be_large_enough_after_its_returns(
    open_shop: OpenShop, amount: int, returned: int, ends: tuple[int, int]
) -> None:
    shop = open_shop(with_referral(minimum=20))
    refer(shop)
    shop.put(sale(1, amount))
    if returned:
        shop.put(credit_note(2, returned, 1))
    assert points(shop) == ends


@pytest.mark.parametrize(
    ("days", "ends"), [(0, (60, 100)), (90, (60, 100)), (91, (10, 0)), (-7, (60, 100))]
)
def test_a_purchase_counts_within_its_days(
    open_shop: OpenShop, days: int, ends: tuple[int, int]
) -> None:
    shop = open_shop(with_referral())
    refer(shop)
    shop.clock.tick(86400 * 100)
    shop.put(sale(1, 10, day=TODAY + timedelta(days=days)))
    assert points(shop) == ends
    assert standing(shop) == ["given" if ends[1] else "over"]


def test_what_earns_nothing_brings_nothing(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral(start=TODAY))
    refer(shop)
    shop.put(sale(1, 10, day=TODAY - timedelta(days=1)))
    shop.put(sale(2, lines=[line(0)]))
    assert points(shop) == (0, 0)
    shop.put(sale(3, 10))
    assert points(shop) == (60, 100)


def test_the_points_wait_and_end_as_it_is_said(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral(wait_days=14, valid_days=60, validity={"months": 24}))
    refer(shop)
    shop.put(sale(1, 10, day=TODAY - timedelta(days=2)))
    (lot,) = shop.view(BY).lots
    assert (lot.available_from, lot.expires_on) == (date(2026, 12, 2), date(2027, 1, 17))
    assert (shop.view(NEW).balance, shop.view(NEW).available) == (60, 10)


def test_without_days_of_their_own_they_live_as_earned_ones(open_shop: OpenShop) -> None:
    earn = {"amount": {}, "wait_days": 3}
    shop = open_shop(with_referral(earn=earn, validity={"days": 30}))
    refer(shop)
    shop.put(sale(1, 10))
    lots = {(lot.available_from, lot.expires_on) for lot in shop.view(NEW).lots}
    assert lots == {(date(2026, 11, 23), date(2026, 12, 20))}


def test_a_program_without_recommendations_knows_none(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    assert refused(shop) is Refusal.NO_PROGRAM


@pytest.mark.parametrize(
    "wrong",
    [
        {"points": 0, "new_points": 0},
        {"points": "0.5"},
        {"wait_days": 30, "valid_days": 10},
        {"max_ever": 0},
    ],
)
def test_what_cannot_be_is_refused_in_the_file(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        with_referral(**wrong)


# --- what becomes of the purchase -----------------------------------------------------------------


def test_a_purchase_that_goes_takes_the_points_and_another_brings_them(
    ledger_engine: Engine,
) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(),))
    refer(shop)
    shop.put(sale(1, 10))
    shop.put(credit_note(2, 10, 1))
    assert (points(shop), standing(shop)) == ((0, 0), ["waiting"])
    assert shop.postings(BY)[-1].reason == "Thank you for recommending us: taken back"
    shop.put(sale(3, 20))
    assert points(shop) == (70, 100)
    shop.source.remove(3)
    shop.reconcile(allow_mass_reversal=True)
    assert points(shop) == (0, 0)
    # The return is deleted: the first purchase stands again.
    shop.source.remove(2)
    shop.reconcile(allow_mass_reversal=True)
    assert points(shop) == (60, 100)


def test_a_purchase_set_back_to_draft_and_validated_again(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    refer(shop)
    bought = sale(1, 10)
    for now, ends in ((bought, (60, 100)), (reopened(bought), (0, 0)), (bought, (60, 100))):
        shop.put(now)
        assert points(shop) == ends


def test_the_next_purchase_takes_its_place(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(validity={"days": 30}),))
    refer(shop)
    shop.put(sale(1, 10), sale(2, 10, day=TODAY + timedelta(days=3)))
    shop.put(credit_note(3, 10, 1))
    assert points(shop) == (60, 100)
    assert [lot.expires_on for lot in shop.view(BY).lots if lot.remaining] == [date(2026, 12, 23)]
    # As it would be if the first had never been.
    other = {lot.expires_on for lot in shop.view(NEW).lots if lot.remaining}
    assert other == {date(2026, 12, 23)}


def test_a_purchase_given_to_another_is_not_his(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    refer(shop)
    shop.put(sale(1, 10))
    shop.put(sale(1, 10, buyer=THIRD))
    assert points(shop, NEW, BY, THIRD) == (0, 0, 10)


@pytest.mark.parametrize(("shortfall", "ends"), [("debt", (0, 0)), ("clamp", (0, 100))])
def test_what_was_spent_of_it_is_treated_as_the_program_says(
    ledger_engine: Engine, shortfall: str, ends: tuple[int, int]
) -> None:
    terms = with_referral(returns={"shortfall": shortfall}, reward=[reward(100)])
    shop = Shop(ledger_engine, programs=(terms,))
    refer(shop)
    shop.put(sale(1, 10))
    shop.redeem("DS-A", buyer=BY)
    shop.put(credit_note(2, 10, 1))
    assert points(shop) == (0, -100 if shortfall == "debt" else 0)
    # It comes again with another purchase, once: what was forgiven is no longer.
    shop.put(sale(3, 20))
    assert points(shop) == (70, 0)
    assert shop.view(BY).available == 0


def test_it_settles_debt_and_leaves_it_again(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral(returns={"shortfall": "clamp"}))
    shop.adjust(-30, BY, into_debt=True)
    refer(shop)
    shop.put(sale(1, 10))
    assert points(shop) == (60, 70)
    shop.put(credit_note(2, 10, 1))
    assert points(shop) == (0, -30)


def test_what_had_expired_is_not_taken_twice(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral(valid_days=5))
    refer(shop)
    shop.put(sale(1, 10))
    shop.clock.tick(86400 * 10)
    shop.expire()
    assert points(shop) == (10, 0)
    shop.put(credit_note(2, 10, 1))
    assert points(shop) == (0, 0)


# --- who can be recommended -----------------------------------------------------------------------


def test_nobody_recommends_himself_nor_in_a_circle(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    assert refused(shop, NEW, NEW) is Refusal.ONESELF
    refer(shop, NEW, BY)
    assert refused(shop, BY, NEW) is Refusal.CIRCLE
    refer(shop, BY, THIRD)
    refer(shop, THIRD, FOURTH)
    assert refused(shop, FOURTH, NEW) is Refusal.CIRCLE
    assert refused(shop, NEW, FOURTH) is Refusal.TWICE


def test_who_bought_before_is_not_new(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral(new_for_days=0))
    shop.put(sale(1, 10, day=TODAY - timedelta(days=1)))
    with pytest.raises(NotReferable, match="bought here on 19/11/2026"):
        refer(shop)
    # What he bought may have been before the program began, or be returned since.
    shop.put(credit_note(2, 10, 1))
    assert refused(shop) is Refusal.NOT_NEW
    shop.put(sale(3, 10, buyer=THIRD, status=sale(1).status.DRAFT, day=TODAY - timedelta(days=9)))
    refer(shop, THIRD)


def test_a_purchase_of_before_that_comes_to_light_takes_the_points(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    refer(shop)
    shop.put(sale(5, 10))
    shop.put(sale(1, 10, day=TODAY - timedelta(days=8)))
    assert (points(shop), standing(shop)) == ((20, 0), ["not_new"])


def test_old_customers_where_that_is_allowed(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral(only_new=False))
    shop.put(sale(1, 10, day=TODAY - timedelta(days=1)))
    refer(shop)
    assert points(shop) == (10, 0)
    shop.put(sale(2, 10))
    assert points(shop) == (70, 100)


@pytest.mark.parametrize("pair", [(NEW, 1), (1, BY), (NEW, 2), (2, BY)])
def test_who_takes_no_part_neither_recommends_nor_is(
    open_shop: OpenShop, pair: tuple[int, int]
) -> None:
    shop = open_shop(with_referral(excluded_customers=[1]))
    around = next(iter(shop.rules.around.values()))
    shop.around = type(around)(pos_customers=frozenset({2}))
    shop.adopt(*shop.programs)
    assert refused(shop, *pair) is Refusal.NO_MEMBER


def test_who_is_left_out_since_has_nothing_of_later_purchases(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    refer(shop)
    shop.adopt(with_referral(excluded_customers=[BY]))
    shop.clock.tick(86400)
    shop.put(sale(1, 10, day=shop.today))
    assert points(shop) == (60, 0)


# --- limits ---------------------------------------------------------------------------------------


def test_only_so_many_are_rewarded_and_the_next_moves_up(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(max_a_year=2, max_ever=3),))
    friends = range(20, 24)
    for friend in friends:
        shop.clock.tick()
        refer(shop, friend)
    for place, friend in enumerate(friends):
        shop.put(sale(friend, 10, buyer=friend, day=TODAY + timedelta(days=place)))
    assert points(shop, BY, *friends) == (200, 60, 60, 60, 60)
    assert [standing(shop, friend) for friend in friends] == [["given"]] * 2 + [["beyond"]] * 2
    shop.put(credit_note(30, 10, 20, buyer=20))
    assert points(shop, BY, *friends) == (200, 0, 60, 60, 60)
    assert standing(shop, 22) == ["given"]
    # Another year, and all that he can ever have.
    for friend in range(24, 27):
        shop.clock.tick()
        refer(shop, friend)
        shop.put(sale(friend, 10, buyer=friend, day=date(2027, 1, friend)))
    assert points(shop, BY) == (300,)


@pytest.mark.parametrize("first", [20, 21])
def test_limits_follow_the_days_of_the_purchases(open_shop: OpenShop, first: int) -> None:
    shop = open_shop(with_referral(max_a_year=1))
    refer(shop, 20)
    refer(shop, 21)
    bought = {
        20: sale(1, 10, buyer=20, day=TODAY + timedelta(days=1)),
        21: sale(2, 10, buyer=21),
    }
    shop.put(bought[first])
    shop.put(bought[41 - first])
    assert points(shop, BY) == (100,)
    assert (standing(shop, 20), standing(shop, 21)) == (["beyond"], ["given"])


# --- taking back ----------------------------------------------------------------------------------


def test_a_wrong_word_is_taken_back_and_the_right_one_said(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(),))
    shop.put(sale(1, 10))
    refer(shop)
    with pytest.raises(NotReferable):
        refer(shop, NEW, THIRD)
    withdraw(shop)
    assert (points(shop), standing(shop)) == ((10, 0), ["withdrawn"])
    # Done already: the same request after a crash.
    withdraw(shop)
    shop.clock.tick()
    with pytest.raises(NotReferable, match="no recommendation"):
        withdraw(shop)
    refer(shop, NEW, THIRD)
    assert points(shop, NEW, BY, THIRD) == (60, 0, 100)


# --- other rules ----------------------------------------------------------------------------------


def test_a_purchase_is_judged_by_the_rules_of_its_day(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    refer(shop)
    refer(shop, THIRD)
    shop.put(sale(1, 10))
    shop.clock.tick(86400)
    shop.adopt(with_referral(points=7, new_points=3))
    shop.put(sale(2, 10, buyer=THIRD, day=shop.today))
    assert points(shop, NEW, BY, THIRD) == (60, 107, 13)
    shop.clock.tick(86400)
    shop.adopt(program())
    refer_again = shop.balance(BY)
    shop.put(sale(3, 10, day=shop.today))
    shop.put(credit_note(4, 10, 2, buyer=THIRD))
    assert points(shop, NEW, BY, THIRD) == (70, refer_again - 7, 0)


def test_past_purchases_judged_again_give_what_today_s_rules_say(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(max_ever=1),))
    refer(shop)
    refer(shop, THIRD)
    shop.put(sale(1, 10), sale(2, 10, buyer=THIRD))
    assert points(shop, NEW, BY, THIRD) == (60, 100, 60)
    shop.clock.tick(86400)
    since(shop, None, with_referral(points=70, new_points=20))
    outcome = run(shop)
    assert points(shop, NEW, BY, THIRD) == (30, 140, 30)
    gains = {who.rowid: units for who, units in outcome.gains[shop.program.name]}
    assert gains == {NEW: -30, BY: 40, THIRD: -30}
    again(shop).undo(outcome.batch, lambda _: None)
    assert points(shop, NEW, BY, THIRD) == (60, 100, 60)


def test_explain_says_what_a_purchase_brought(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    refer(shop)
    shop.put(sale(1, 10))
    with reading(shop.engine) as connection:
        ((found,),) = explain(connection, shop.clock.now(), shop.rules, [sale(1).key])
    said = [str(reason) for reason in found.judgements[0].verdict.reasons]
    assert said[-1] == (
        "it brought a recommendation: 50 points for this customer, 100 for who recommended"
    )


@pytest.mark.parametrize("column", ["new_units", "by_units"])
def test_verify_sees_what_is_booked_wrong(open_shop: OpenShop, column: str) -> None:
    shop = open_shop(with_referral())
    refer(shop)
    shop.put(sale(1, 10))
    with shop.engine.begin() as connection:
        connection.execute(update(tables.referral).values({column: 1}))
    noted, judged = shop.breaches()
    assert "1 noted, " in noted
    assert "holds 1 for sale 1, the rules give" in judged


def test_verify_sees_what_was_never_booked(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    refer(shop)
    shop.put(sale(1, 10))
    with shop.engine.begin() as connection:
        connection.execute(tables.referral.delete())
    assert len(shop.breaches()) == 2


# --- merges ---------------------------------------------------------------------------------------


@pytest.fixture
def place(ledger_engine: Engine) -> Merging:
    return Merging(Shop(ledger_engine, programs=(with_referral(),)))


def by_hand(shop: Shop, old: int, into: int) -> str:
    batch = merge_by_hand.merge_by_hand(
        shop.engine,
        shop.clock,
        shop.rules,
        customer(old),
        customer(into),
        token=f"B-{old}-{into}",
        reason="the same person",
    )
    return batch.token


def unmerge(shop: Shop, token: str) -> None:
    undo.undo(shop.engine, shop.clock, shop.rules, token)


def test_who_recommended_is_merged_and_one_again(place: Merging) -> None:
    shop = place.shop
    refer(shop)
    shop.put(sale(1, 10), sale(2, 1, buyer=BY), sale(3, 2, buyer=THIRD))
    token = by_hand(shop, BY, THIRD)
    assert points(shop, NEW, BY, THIRD) == (60, 0, 103)
    shop.put(credit_note(4, 10, 1))
    assert points(shop, NEW, BY, THIRD) == (0, 0, 3)
    unmerge(shop, token)
    assert points(shop, NEW, BY, THIRD) == (0, 1, 2)
    shop.put(sale(5, 20))
    assert points(shop, NEW, BY, THIRD) == (70, 101, 2)


def test_given_after_a_merge_it_goes_back_with_it(place: Merging) -> None:
    shop = place.shop
    refer(shop)
    shop.put(sale(2, 1, buyer=BY), sale(3, 2, buyer=THIRD))
    token = by_hand(shop, BY, THIRD)
    shop.put(sale(1, 10))
    assert points(shop, NEW, BY, THIRD) == (60, 0, 103)
    unmerge(shop, token)
    assert points(shop, NEW, BY, THIRD) == (60, 101, 2)
    shop.put(credit_note(4, 10, 1))
    assert points(shop, NEW, BY, THIRD) == (0, 1, 2)


def test_the_pair_becomes_one_and_loses_both(place: Merging) -> None:
    shop = place.shop
    refer(shop)
    shop.put(sale(1, 10), sale(2, 1, buyer=BY))
    place.merge(NEW, BY)
    assert (points(shop), standing(shop, BY)) == ((0, 11), ["oneself"])


def test_the_pair_becomes_two_again(place: Merging) -> None:
    shop = place.shop
    refer(shop)
    shop.put(sale(1, 10), sale(2, 1, buyer=BY))
    token = by_hand(shop, NEW, BY)
    assert points(shop) == (0, 11)
    unmerge(shop, token)
    assert points(shop) == (60, 101)
    assert standing(shop) == ["given"]


def test_one_new_customer_who_was_two_brings_once(place: Merging) -> None:
    shop = place.shop
    refer(shop, NEW, THIRD)
    refer(shop, BY, FOURTH)
    shop.put(sale(1, 10), sale(2, 20, buyer=BY))
    assert points(shop, NEW, BY, THIRD, FOURTH) == (60, 70, 100, 100)
    token = by_hand(shop, BY, NEW)
    assert points(shop, NEW, BY, THIRD, FOURTH) == (80, 0, 100, 0)
    assert standing(shop) == ["given", "twice"]
    unmerge(shop, token)
    assert points(shop, NEW, BY, THIRD, FOURTH) == (60, 70, 100, 100)


def test_an_old_customer_with_a_new_card_was_none(place: Merging) -> None:
    shop = place.shop
    refer(shop)
    shop.put(sale(1, 10), sale(2, 5, buyer=THIRD, day=TODAY - timedelta(days=300)))
    token = by_hand(shop, NEW, THIRD)
    assert points(shop, NEW, BY, THIRD) == (0, 0, 15)
    unmerge(shop, token)
    assert points(shop, NEW, BY, THIRD) == (60, 100, 5)


def test_a_circle_that_a_merge_closes_is_broken_where_it_was_closed(place: Merging) -> None:
    shop = place.shop
    refer(shop, NEW, BY)
    refer(shop, THIRD, FOURTH)
    shop.put(sale(1, 10), sale(2, 10, buyer=THIRD), sale(3, 1, buyer=BY), sale(4, 1, buyer=FOURTH))
    # Who recommended the second was recommended by nobody, now by the first: no circle yet.
    by_hand(shop, FOURTH, NEW)
    assert points(shop, NEW, BY, THIRD) == (161, 101, 60)
    token = by_hand(shop, BY, THIRD)
    assert standing(shop, THIRD) == ["circle"]
    assert points(shop, NEW, BY, THIRD) == (61, 0, 111)
    unmerge(shop, token)
    assert points(shop, NEW, BY, THIRD) == (161, 101, 60)


def test_merges_on_merges_come_apart_again(place: Merging) -> None:
    shop = place.shop
    refer(shop)
    shop.put(sale(1, 10), sale(2, 1, buyer=BY), sale(3, 2, buyer=THIRD), sale(4, 3, buyer=FOURTH))
    first = by_hand(shop, BY, THIRD)
    second = by_hand(shop, THIRD, FOURTH)
    assert points(shop, NEW, BY, THIRD, FOURTH) == (60, 0, 0, 106)
    shop.put(credit_note(5, 10, 1))
    shop.put(sale(6, 20))
    assert points(shop, NEW, BY, THIRD, FOURTH) == (70, 0, 0, 106)
    unmerge(shop, second)
    assert points(shop, NEW, BY, THIRD, FOURTH) == (70, 0, 103, 3)
    unmerge(shop, first)
    assert points(shop, NEW, BY, THIRD, FOURTH) == (70, 101, 2, 3)
    shop.put(credit_note(7, 20, 6))
    assert points(shop, NEW, BY, THIRD, FOURTH) == (0, 1, 2, 3)


N, W, S, T, C = Void.NONE, Void.WITHDRAWN, Void.ONESELF, Void.TWICE, Void.CIRCLE


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([Edge(1, 7, 8), Edge(2, 8, 9)], [N, N]),
        ([Edge(1, 7, 7), Edge(2, 7, 8)], [S, N]),
        ([Edge(1, 7, 8), Edge(2, 7, 9)], [N, T]),
        ([Edge(1, 7, 8, is_withdrawn=True), Edge(2, 7, 9)], [W, N]),
        ([Edge(1, 7, 8), Edge(2, 8, 7), Edge(3, 8, 9)], [N, C, N]),
        ([Edge(1, 7, 8), Edge(2, 8, 9), Edge(3, 9, 10), Edge(4, 10, 7)], [N, N, N, C]),
        # The first is withdrawn: what it barred counts.
        ([Edge(1, 7, 8, is_withdrawn=True), Edge(2, 8, 7)], [W, N]),
        # Of erased customers it stays what it was.
        ([Edge(1, None, 8, void=T), Edge(2, None, 8)], [T, N]),
        ([Edge(1, 7, None, void=C), Edge(2, 8, None, void=T)], [C, N]),
        ([Edge(1, 7, None), Edge(2, 7, None)], [N, T]),
        ([Edge(1, 7, None), Edge(2, 8, 7)], [N, N]),
    ],
)
def test_which_recommendations_bring_nothing(edges: list[Edge], expected: list[Void]) -> None:
    for order in (edges, edges[::-1]):
        assert [found for _, found in sorted(voids(order).items())] == expected


def purchase(
    day: int, amount: str | int = 10, units: int = 1, terms: ReferralTerms | None = ReferralTerms()
) -> Purchase:
    return Purchase(day, TODAY + timedelta(days=day), Decimal(amount), units, terms)


@pytest.mark.parametrize(
    ("purchases", "sale_id"),
    [
        ([purchase(0), purchase(1)], 0),
        # A purchase of a time when nothing was given for recommendations.
        ([purchase(0, terms=None), purchase(1)], 1),
        ([purchase(0, amount=0), purchase(1, amount="0.50")], 1),
        ([purchase(0, units=0), purchase(1)], 1),
        ([purchase(0, units=0)], None),
    ],
)
def test_which_purchase_a_recommendation_brought(
    purchases: list[Purchase], sale_id: int | None
) -> None:
    found = brought(TODAY, TODAY, purchases)
    assert (found and found.sale_id) == sale_id


def test_so_many_a_year_and_so_many_in_all() -> None:
    terms = ReferralTerms(max_a_year=2, max_ever=5)
    years = [2026, 2026, 2026, 2026, 2027, 2027, 2027, 2028, 2028]
    made = [(id_, date(year, 5, 1), terms) for id_, year in enumerate(years)]
    assert rewarded(made) == {0, 1, 4, 5, 7}


# --- beside other processes -----------------------------------------------------------------------


def test_a_sale_booked_meanwhile_is_found_with_the_next_turn(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    refer(shop)
    with mock.patch("dolisync.sync.judge.follow_referrals", return_value=[]):
        # As if the sale was booked by a process that could not see the word yet.
        shop.put(sale(1, 10))
    turn = recommend.Recommendations(shop.engine, shop.clock, shop.rules)
    assert turn.run_once() == 1
    assert points(shop) == (60, 100)
    shop.clock.tick(61)
    assert (turn.run_once(), turn.run_once()) == (1, 0)
    assert points(shop) == (60, 100)


def test_without_recommendations_nothing_is_looked_for(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    assert recommend.Recommendations(shop.engine, shop.clock, shop.rules).run_once() == 0


def test_who_bought_nothing_yet_is_merged_with_what_was_said(place: Merging) -> None:
    shop = place.shop
    refer(shop)
    token = by_hand(shop, NEW, THIRD)
    shop.put(sale(1, 10, buyer=THIRD))
    assert points(shop, NEW, BY, THIRD) == (0, 100, 60)
    unmerge(shop, token)
    # What the kept one bought himself stays his, and brings nothing.
    assert points(shop, NEW, BY, THIRD) == (0, 0, 10)


# --- privacy --------------------------------------------------------------------------------------


def test_nothing_of_the_one_remains_with_the_other(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(),))
    refer(shop, NEW, 4711)
    shop.put(sale(1, 10))
    with reading(shop.engine) as connection:
        found = privacy.export(connection, customer(NEW), shop.by_name)
        giver = privacy.export(connection, customer(4711), shop.by_name)
    assert "4711" not in json.dumps(found, default=plain_value)
    assert (found["recommendations"][0]["part"], found["recommendations"][0]["units"]) == (
        "recommended",
        50,
    )
    assert giver["recommendations"][0]["part"] == "recommends"
    erase(shop, 4711)
    assert "4711" not in everything(shop)
    # The new customer keeps his, and loses it with his purchase.
    assert points(shop, NEW) == (60,)
    shop.put(credit_note(2, 10, 1))
    assert points(shop, NEW) == (0,)


def test_what_an_erased_customer_brought_stays(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(max_ever=1),))
    refer(shop, 4711)
    shop.put(sale(1, 10, buyer=4711))
    erase(shop, 4711)
    assert points(shop, BY) == (100,)
    # It counts for what he can have.
    refer(shop, NEW)
    shop.put(sale(2, 10))
    assert points(shop) == (60, 100)
    # Who comes again is somebody new, and may be recommended by somebody else.
    shop.clock.tick(86400)
    refer(shop, 4711, THIRD)
    shop.put(sale(3, 10, buyer=4711, day=shop.today))
    assert points(shop, 4711, THIRD) == (60, 100)


def test_what_was_void_when_he_was_erased_stays_void(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(with_referral(),))
    refer(shop, NEW, THIRD)
    refer(shop, BY, FOURTH)
    shop.put(sale(1, 10), sale(2, 20, buyer=BY))
    by_hand(shop, BY, NEW)
    erase(shop, NEW)
    assert points(shop, THIRD, FOURTH) == (100, 0)
    shop.clock.tick()
    refer(shop, 20, 21)
    withdraw(shop, 20)
    shop.put(sale(3, 10, buyer=22))
    assert points(shop, THIRD, FOURTH) == (100, 0)


def test_who_only_was_recommended_can_be_erased(open_shop: OpenShop) -> None:
    shop = open_shop(with_referral())
    refer(shop, 4711, 4712)
    with reading(shop.engine) as connection:
        assert privacy.export(connection, customer(4711), shop.by_name)["recommendations"]
    erase(shop, 4711, "B-ONE")
    erase(shop, 4712, "B-TWO")
    assert "471" not in everything(shop)
