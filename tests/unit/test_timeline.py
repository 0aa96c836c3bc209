"""Sales that depend on a member's other sales: judged again when these change, and cheaply."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, select, update

from dolisync.errors import UserError
from dolisync.ledger import store, tables
from dolisync.ledger.courses import TierSetting
from dolisync.ledger.engine import reading, write
from dolisync.ledger.outbox import Target
from dolisync.ledger.redemptions import Redemption
from dolisync.model import SaleStatus
from dolisync.program.terms import Program
from dolisync.program.tiers import SetByHand
from dolisync.sync import redeem
from dolisync.sync.judge import judge_again
from dolisync.sync.merge_by_hand import merge_by_hand
from dolisync.sync.redeem import NotInTier
from dolisync.sync.tiers import review, set_tier, tiers_of
from dolisync.sync.undo import undo
from tests.builders import SOURCE, credit_note, customer, program, sale
from tests.fakes import Shop, reopened, reward
from tests.unit.test_caps import held, why
from tests.unit.test_merge import Merging

OpenShop = Callable[..., Shop]
DAY = date(2026, 11, 1)
TIERS = [
    {"name": "silver", "title": "Silver", "at_least": 100, "multiplier": 2},
    {"name": "gold", "title": "Gold", "at_least": 300, "multiplier": 3},
]


def tiered(**more: Any) -> Program:
    return program(tier=TIERS, **more)


def on(number: int) -> date:
    return DAY + timedelta(days=number)


def by_hand(
    shop: Shop, tier: str, day: date, *, lock: bool = True, buyer: int = 7, token: str = ""
) -> None:
    setting = SetByHand(day.toordinal(), tier, lock)
    entry = TierSetting(customer(buyer), setting, "anna", "because")
    token = token or f"{tier}{day}{buyer}"
    set_tier(shop.engine, shop.clock, shop.intake.rules, shop.program, entry, token)


def tier(shop: Shop, buyer: int = 7) -> str | None:
    with reading(shop.engine) as connection:
        found = tiers_of(connection, shop.program, [customer(buyer)], shop.today)
    held = found[customer(buyer)].tier
    return held.name if held else None


@pytest.mark.parametrize("terms", [{"moment": "paid"}, {"moment": "validated"}])
def test_sales_in_any_order_on_both_databases(ledger_engine: Engine, terms: dict[str, str]) -> None:
    caps = {"per_day": 200, "per_month": 500, "per_member": 5000}
    shop = Shop(
        ledger_engine, programs=(tiered(earn={"amount": {}, **terms, "caps": caps}),), page_size=2
    )
    shop.take(sale(5, 50, day=on(9)))
    shop.take(sale(1, 110, day=on(0)), sale(4, 60, day=on(9), buyer=8))
    assert held(shop, 1, 5) == [110, 100]
    shop.take(sale(3, 200, day=on(5)), credit_note(6, 50, 3, day=on(9)))
    assert held(shop, 1, 3, 5) == [110, 200, 100]
    shop.take(credit_note(7, 20, 1, day=on(12)))
    assert held(shop, 1, 3, 5) == [110, 200, 100]
    shop.take(sale(2, 20, day=on(2)))
    assert held(shop, 1, 2, 3, 5) == [110, 20, 200, 100]
    assert shop.breaches() == []


def test_a_correction_of_an_old_sale_is_posted_to_the_later_ones(open_shop: OpenShop) -> None:
    shop = open_shop(tiered())
    shop.take(sale(1, 100, day=on(0)), sale(2, 10, day=on(1)), sale(3, 10, day=on(2)))
    assert held(shop, 1, 2, 3) == [100, 20, 20]
    shop.take(reopened(shop.source.sales[1]))
    assert held(shop, 1, 2, 3) == [0, 10, 10]
    assert [posting.reason for posting in shop.postings()[-2:]] == [
        "sale FA2611-0002: what was before it changed",
        "sale FA2611-0003: what was before it changed",
    ]
    shop.take(sale(1, 100, day=on(0)))
    assert held(shop, 1, 2, 3) == [100, 20, 20]
    assert shop.breaches() == []


def test_two_programs_look_back_each_in_its_own_way(open_shop: OpenShop) -> None:
    second = program(
        name="stamps",
        field_prefix="stamp",
        earn={"amount": {"points": 2}, "caps": {"per_month": 300}},
    )
    shop = open_shop(tiered(), second)
    shop.take(sale(1, 90, day=on(0)), sale(2, 10, day=on(1)), sale(3, 40, day=on(2)))
    assert (shop.balance(), shop.balance(program="stamps")) == (180, 280)
    # Raises the tier before the third, and cuts it in the other program.
    shop.take(sale(1, 120, day=on(0)))
    assert (shop.balance(), shop.balance(program="stamps")) == (120 + 20 + 80, 300)
    # Only the other program finds another sale.
    shop.take(sale(1, 140, day=on(0)))
    assert (shop.balance(), shop.balance(program="stamps")) == (140 + 20 + 80, 300)
    assert shop.breaches() == []


def test_a_sale_that_crosses_no_more_is_kept_so(open_shop: OpenShop) -> None:
    shop = open_shop(tiered())
    shop.take(sale(1, 60, day=on(0)), sale(2, 50, day=on(1)))
    assert tier(shop) == "silver"
    # The second is not judged otherwise, but what is held after it is another tier.
    shop.take(sale(1, 40, day=on(0)))
    assert tier(shop) is None
    assert shop.breaches() == []


def test_members_of_one_page_are_looked_back_on_each_from_his_own_day(open_shop: OpenShop) -> None:
    shop = open_shop(tiered(start=date(2020, 1, 1), tiers={"window": "lifetime"}))
    shop.take(sale(1, 100, day=on(-400), buyer=8), sale(2, 10, day=on(-200), buyer=8))
    shop.take(sale(3, 10, day=on(0), buyer=8))
    shop.take(sale(1, 90, day=on(-400), buyer=8), sale(4, 10, day=on(10)))
    assert held(shop, 1, 2, 3, 4) == [90, 10, 20, 10]
    assert shop.breaches() == []


def test_only_documents_that_must_be_judged_are_loaded(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(tiered(earn={"amount": {}, "caps": {"per_month": 100_000}}), page_size=1000)
    days = [sale(n, 1, day=DAY - timedelta(days=300 - n)) for n in range(1, 301)]
    shop.take(*days)
    loaded = []
    plain = store.known_sale
    monkeypatch.setattr(store, "known_sale", lambda row: loaded.append(row.rowid) or plain(row))
    # Nothing of what follows is judged otherwise: a little more, on no threshold.
    shop.take(sale(301, 1, day=DAY))
    assert loaded == []
    shop.take(sale(10, "1.50", day=days[9].date))
    assert loaded.count(10) >= 1
    assert set(loaded) == {10}


def test_a_program_that_does_not_look_back_asks_nothing_more(shop: Shop) -> None:
    asked: list[str] = []
    event.listen(shop.engine, "before_cursor_execute", lambda *got: asked.append(got[2]))
    shop.take(sale(1, 10), credit_note(2, 5, 1))
    assert not [statement for statement in asked if "counted" in statement]
    with reading(shop.engine) as connection:
        assert connection.execute(select(tables.counted)).all() == []


def test_rules_that_begin_to_look_back_know_what_was_before(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 100, day=on(0)), sale(2, 60, buyer=8, day=on(0)))
    shop.take(credit_note(3, 10, 2, buyer=8, day=on(1)))
    shop.clock.tick(86_400)
    shop.adopt(tiered())
    today = shop.clock.now().date()
    shop.take(sale(4, 10, day=today), sale(5, 50, buyer=8, day=today))
    shop.take(sale(6, 10, buyer=8, day=today))
    assert held(shop, 4, 5, 6) == [20, 50, 20]
    assert held(shop, 1, 2, 3) == [100, 60, -10]
    assert shop.breaches() == []


def test_verify_sees_a_row_that_is_not_what_the_sale_counts(open_shop: OpenShop) -> None:
    shop = open_shop(tiered())
    shop.take(sale(1, 90), sale(2, 10, buyer=8))
    row = tables.counted
    with shop.engine.begin() as connection:
        connection.execute(update(row).where(row.c.rowid == 1).values(spent_minor=1))
        connection.execute(delete(row).where(row.c.rowid == 2))
    first, second = shop.breaches()
    assert "FA2611-0001" in first
    assert "what is kept of a sale for rules that look back is what it counts" in first
    assert "FA2611-0002" in second


def test_a_merge_joins_the_timelines_and_what_staff_set(ledger: Engine) -> None:
    merging = Merging(Shop(ledger, programs=(tiered(reward=[reward(1000)]),)))
    shop = merging.shop
    shop.put(sale(1, 60, day=on(0)), sale(2, 60, buyer=8, day=on(1)), sale(3, 10, day=on(2)))
    assert merging.balances() == (70, 60)
    merging.merge()
    assert merging.balances() == (0, 140)
    by_hand(shop, "gold", on(2), buyer=8)
    shop.put(sale(4, 10, buyer=9, day=on(3)))
    merging.merge(8, 9)
    assert shop.balance(9) == 60 + 60 + 30 + 30
    assert shop.breaches() == []


def test_a_tier_set_by_hand_holds_from_its_day_on(open_shop: OpenShop) -> None:
    shop = open_shop(tiered())
    shop.take(sale(1, 10, day=on(0)), sale(2, 10, day=on(2)))
    by_hand(shop, "gold", on(1))
    by_hand(shop, "gold", on(1))
    assert held(shop, 1, 2) == [10, 30]
    assert tier(shop) == "gold"
    assert "30 points in the tier Gold: times 3" in why(shop, 2)
    by_hand(shop, "", on(3), lock=False)
    shop.take(sale(3, 10, day=on(3)))
    assert held(shop, 2, 3) == [30, 10]
    assert shop.breaches() == []
    assert Target("customer", SOURCE, 1, 7) in [item.target for item in shop.outbox()]


def test_a_tier_that_is_not_there_cannot_be_set(open_shop: OpenShop, shop: Shop) -> None:
    with pytest.raises(UserError, match="no tier is named 'iron'"):
        by_hand(open_shop(tiered()), "iron", DAY)
    with pytest.raises(UserError, match="has no tiers"):
        by_hand(Shop(shop.engine), "gold", DAY)


def test_rewards_of_a_tier_are_for_its_members(open_shop: OpenShop) -> None:
    terms = {"tiers": ["gold"], "title": "Dinner", "automatic": True}
    shop = open_shop(tiered(reward=[reward(50, **terms)]))
    shop.take(sale(1, 100, day=on(0)))
    with pytest.raises(NotInTier, match="'Dinner' is for members in Gold"):
        shop.redeem("DS-A")
    assert issued(shop) == []
    shop.publish_all()
    assert shop.sink.cards[customer()]["loynext"] is None
    shop.take(sale(2, 200, day=on(1)))
    assert [one.points for one in issued(shop)] == [50] * 10
    shop.take(sale(3, 20, day=on(2)))
    assert shop.redeem("DS-A").points == 50


def issued(shop: Shop) -> list[Redemption]:
    return redeem.issue_automatic(shop.engine, shop.clock, shop.by_name, {SOURCE: shop.showing})


def test_the_card_shows_the_tier_and_what_is_missing(open_shop: OpenShop) -> None:
    shop = open_shop(tiered())
    shop.take(sale(1, 120))
    shop.publish_all()
    assert shop.sink.cards[customer()]["loytier"] == "Silver (€180.00 to go until Gold)"
    by_hand(shop, "gold", shop.today)
    shop.publish_all()
    assert shop.sink.cards[customer()]["loytier"] == "Gold"


def test_a_card_follows_a_tier_that_moves_no_points(open_shop: OpenShop) -> None:
    shop = open_shop(tiered(earn={"visit": {"points": 5}}))
    shop.take(sale(1, 90))
    shop.publish_all()
    shop.take(sale(1, 100))
    shop.publish_all()
    assert shop.sink.cards[customer()]["loytier"] == "Silver (€200.00 to go until Gold)"


def test_the_night_shows_tiers_that_were_lost_without_a_sale(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(tiered(tiers={"months": 1}),))
    shop.take(sale(1, 120, day=on(10)), sale(2, 5, day=on(10), buyer=8))
    by_hand(shop, "gold", on(10), buyer=9)
    shop.publish_all()
    shown = []
    for day in ("2026-11-30", "2026-12-01", "2026-12-11", "2026-12-12", "2027-01-01"):
        shop.clock.moment = datetime.fromisoformat(f"{day}T00:05:00+01:00")
        wished = review(shop.engine, shop.clock, shop.by_name, {SOURCE: shop.showing})
        shop.publish_all()
        shown.append((wished, shop.sink.cards[customer()]["loytier"]))
    assert shown == [
        (0, "Silver (€180.00 to go until Gold)"),
        (0, "Silver (€180.00 to go until Gold)"),
        # The window has left the sale behind; the tier stays until the review.
        (2, "Silver (€300.00 to go until Gold)"),
        (0, "Silver (€300.00 to go until Gold)"),
        (1, "€100.00 to go until Silver"),
    ]


def test_what_is_pending_is_counted_in_its_tier(open_shop: OpenShop) -> None:
    shop = open_shop(tiered())
    shop.take(sale(1, 100, day=on(0)), sale(2, 10, day=on(1), status=SaleStatus.VALIDATED))
    assert "not paid in full yet: 20 points are pending" in why(shop, 2)


def test_a_merge_by_hand_undone_parts_timelines_and_settings_again(open_shop: OpenShop) -> None:
    shop = open_shop(tiered())
    shop.take(sale(1, 100, day=on(0)), sale(2, 10, buyer=8, day=on(1)), sale(3, 10, day=on(1)))
    by_hand(shop, "gold", on(1), buyer=7)
    before = held(shop, 1, 2, 3)
    assert before == [100, 10, 30]
    rules = shop.intake.rules
    batch = merge_by_hand(
        shop.engine, shop.clock, rules, customer(7), customer(8), token="B-1", reason="twins"
    )
    assert held(shop, 1, 2, 3) == [100, 30, 30]
    assert shop.breaches() == []
    undo(shop.engine, shop.clock, rules, batch.token)
    assert held(shop, 1, 2, 3) == before
    assert (tier(shop, 7), tier(shop, 8)) == ("gold", None)
    assert shop.breaches() == []


def test_a_sale_set_aside_with_its_backfill_counts_for_no_tier(open_shop: OpenShop) -> None:
    shop = open_shop(tiered())
    shop.take(sale(1, 100, day=on(0)), sale(2, 10, day=on(1)))
    assert held(shop, 1, 2) == [100, 20]

    def set_aside(connection: Connection) -> None:
        transaction = store.Transaction(connection, shop.clock.now())
        transaction.load_sales([shop.source.sales[1].key])
        known = transaction.sales[shop.source.sales[1].key]
        transaction.set_aside(known)
        judge_again(transaction, shop.intake.rules, [known.sale])

    write(shop.engine, set_aside)
    assert held(shop, 1, 2) == [0, 10]
    assert tier(shop) is None
    assert shop.breaches() == []
