"""Discounts: each exists once, whatever answer is lost, and no point is lost with it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from dolisync.errors import RefusedError, TransientError, UnknownOutcome
from dolisync.ledger import outbox
from dolisync.ledger.engine import write
from dolisync.sync import redeem
from tests.builders import program, sale
from tests.fakes import Shop, reward

TOKEN = "DS-TEST"


@pytest.fixture
def rich(open_shop: Callable[..., Shop]) -> Shop:
    """A shop whose customer has 150 points and spends 100 of them."""
    shop = open_shop(program(reward=[reward(100, "5", tax_rate="10")]))
    shop.take(sale(1, 150))
    shop.publish_all()
    shop.redeem(TOKEN)
    return shop


def state(shop: Shop) -> str:
    return redeem.by_token(shop.engine, TOKEN).state


def creations(shop: Shop) -> int:
    return shop.sink.calls.count("create_discount")


def test_a_reward_becomes_a_discount_on_the_card(rich: Shop) -> None:
    report = rich.publish()
    discount, placed = rich.sink.discounts[TOKEN]
    assert (report.created, state(rich), placed.used) == (1, "open", False)
    assert (discount.amount_incl, discount.tax_rate) == (Decimal(5), Decimal(10))
    assert TOKEN in discount.text


def test_it_is_looked_for_before_it_is_created(rich: Shop) -> None:
    rich.sink.calls.clear()
    rich.publish()
    calls = [call for call in rich.sink.calls if "discount" in call]
    assert calls == ["find_discount", "create_discount"]


def test_a_lost_answer_leads_to_looking_not_to_a_second_discount(rich: Shop) -> None:
    rich.sink.after = [UnknownOutcome("connection reset")]
    report = rich.publish()
    assert (report.failed, state(rich)) == (1, "wanted")
    rich.clock.tick(1000)
    rich.publish()
    assert (creations(rich), state(rich), len(rich.sink.discounts)) == (1, "open", 1)


def test_after_a_lost_answer_nobody_looks_before_the_call_can_have_ended(rich: Shop) -> None:
    rich.sink.after = [UnknownOutcome("connection reset")]
    rich.publish()
    rich.clock.tick(outbox.LEASE.total_seconds() - 1)
    assert rich.publish().created == 0
    rich.clock.tick(1)
    assert rich.publish().created == 1


def test_a_crash_after_the_call_leads_to_looking_too(rich: Shop) -> None:
    class PowerCut(BaseException):
        pass

    def cut() -> None:
        rich.sink.on_write = None
        raise PowerCut

    rich.sink.on_write = cut
    with pytest.raises(PowerCut):
        rich.publish()
    rich.adopt(*rich.programs)
    rich.publish()
    assert state(rich) == "wanted"
    rich.clock.tick(1000)
    rich.publish()
    assert (creations(rich), state(rich)) == (1, "open")


def test_of_two_workers_one_creates(rich: Shop) -> None:
    item = next(item for item in rich.outbox() if item.target.kind == "discount")
    now = rich.clock.now()
    taken = [write(rich.engine, lambda c: outbox.claim(c, item, now)) for _ in range(2)]
    assert taken == [True, False]
    rich.publish()
    assert creations(rich) == 0


def test_a_discount_that_the_customer_used_at_once_is_known_as_used(rich: Shop) -> None:
    rich.sink.after = [UnknownOutcome("connection reset")]
    rich.publish()
    rich.sink.use(TOKEN)
    rich.clock.tick(1000)
    rich.publish()
    assert state(rich) == "used"


def test_a_refused_discount_gives_its_points_back(rich: Shop) -> None:
    rich.sink.before = [TransientError("first look")]
    rich.publish()
    rich.clock.tick(1000)
    rich.sink.on_write = None

    def refuse(_discount: object) -> None:
        raise RefusedError("the total does not match")

    rich.sink.create_discount = refuse  # type: ignore[assignment, method-assign]
    report = rich.publish()
    assert (report.dead, state(rich), rich.balance()) == (1, "refused", 150)
    assert rich.moves()[-1] == ("return", 100)
    assert [lot.remaining for lot in rich.view().lots] == [150]
    assert rich.breaches() == []


def test_a_revived_row_of_a_refused_discount_creates_nothing(rich: Shop) -> None:
    test_a_refused_discount_gives_its_points_back(rich)
    write(rich.engine, lambda c: outbox.retry_dead(c, None, rich.clock.now()))
    rich.publish_all()
    assert (state(rich), rich.balance(), rich.sink.discounts) == ("refused", 150, {})


def test_failures_of_a_discount_are_counted_one_by_one(rich: Shop) -> None:
    for attempt in range(1, 4):
        rich.sink.before = [TransientError("503")]
        rich.publish()
        item = next(item for item in rich.outbox() if item.target.kind == "discount")
        assert item.attempts == attempt
        rich.clock.tick(1000)


def test_a_discount_that_our_own_code_cannot_place_is_tried_three_times(rich: Shop) -> None:
    for tried in range(1, 4):
        assert state(rich) == "wanted"
        rich.sink.before = [ZeroDivisionError("oops")]
        assert rich.publish().dead == (tried == 3)
        rich.clock.tick(1000)
    assert rich.balance() == 50


def revoke(shop: Shop) -> None:
    redeem.wish_revoke(shop.engine, shop.clock, TOKEN)
    shop.publish()


def test_an_unused_discount_can_be_revoked(rich: Shop) -> None:
    rich.publish()
    revoke(rich)
    assert (state(rich), rich.balance(), rich.sink.discounts) == ("revoked", 150, {})
    assert rich.breaches() == []


def test_a_used_discount_cannot(rich: Shop) -> None:
    rich.publish()
    rich.sink.use(TOKEN)
    revoke(rich)
    assert (state(rich), rich.balance()) == ("used", 50)
    assert rich.breaches() == []


def test_a_discount_that_is_gone_already_gives_its_points_back_once(rich: Shop) -> None:
    rich.publish()
    rich.sink.discounts.clear()
    revoke(rich)
    assert (state(rich), rich.balance()) == ("revoked", 150)


def test_a_lost_answer_to_a_revocation_gives_back_once(rich: Shop) -> None:
    rich.publish()
    rich.sink.after = [UnknownOutcome("reset")]
    revoke(rich)
    assert rich.balance() == 50
    rich.clock.tick(1000)
    rich.publish()
    assert (state(rich), rich.balance()) == ("revoked", 150)
    assert rich.breaches() == []


def test_a_discount_that_will_not_go_is_tried_again(rich: Shop) -> None:
    rich.publish()
    rich.sink.revoke_discount = lambda _token: False  # type: ignore[method-assign]
    revoke(rich)
    assert (state(rich), rich.balance()) == ("open", 50)
    assert "could not be removed" in rich.outbox()[-1].last_error


def test_a_discount_still_being_placed_is_not_revoked_under_its_feet(rich: Shop) -> None:
    rich.sink.after = [UnknownOutcome("reset")]
    rich.publish()
    revoke(rich)
    assert (state(rich), rich.balance()) == ("wanted", 50)
    rich.clock.tick(1000)
    rich.publish()
    rich.clock.tick(1000)
    rich.publish()
    assert (state(rich), rich.balance(), rich.sink.discounts) == ("revoked", 150, {})
