"""Rules over time (L3): from a day on, and past sales judged again as one batch with an undo."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from dolisync.errors import UserError
from dolisync.ledger import batches, rulesets, tables
from dolisync.ledger.engine import open_engine, reading, write
from dolisync.ledger.rulesets import RuleBook
from dolisync.ledger.store import Transaction
from dolisync.model import Article, Sale, SaleStatus
from dolisync.program.differences import differences
from dolisync.program.terms import Program
from dolisync.sync import judge
from dolisync.sync import recompute as module
from dolisync.sync.judge import Rules
from dolisync.sync.recompute import Outcome, Recomputing, Wanted
from tests.builders import credit_note, customer, program, sale
from tests.examples import by_default_and_long
from tests.fakes import Shop, reward
from tests.unit.test_caps import held
from tests.unit.test_privacy import erase

OpenShop = Callable[..., Shop]
DAY = date(2026, 11, 20)
ALL = Wanted(date(2026, 1, 1), date(2026, 12, 31))
DOUBLE = {"earn": {"amount": {"points": 2}}}


def on(number: int) -> date:
    return DAY + timedelta(days=number)


def again(shop: Shop, complete: Any = None) -> Recomputing:
    return Recomputing(shop.engine, shop.clock, shop.rules, complete or (lambda sales: sales))


def run(shop: Shop, wanted: Wanted = ALL, token: str = "B-ONE", **more: Any) -> Outcome:
    told: list[int] = []
    return again(shop, **more).run(wanted, token=token, tell=told.append)


def since(shop: Shop, day: date | None, *programs: Program) -> RuleBook:
    """Put programs into force that hold from a day on."""
    book = rulesets.adopt(shop.engine, programs, shop.clock.now(), day)
    shop.programs = programs
    shop.intake.rules = Rules(book, shop.rules.around, shop.rules.showing)
    return book


# --- from a day on ---


def test_rules_of_a_day_to_come_judge_from_that_day_on(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine)
    book = since(shop, on(10), program(**DOUBLE))
    assert [one.first_day for one in book.sets] == [DAY, on(10)]
    shop.take(*(sale(n, 10, day=on(day)) for n, day in ((1, 0), (2, 9), (3, 10), (4, 30))))
    assert held(shop, 1, 2, 3, 4) == [10, 10, 20, 20]
    # Again the same file: no third version.
    assert len(since(shop, on(10), program(**DOUBLE)).sets) == 2
    # A correction is judged by what judged the sale first, a moved one too.
    shop.take(sale(2, 12, day=on(9)), credit_note(9, 5, 3, day=on(31)))
    assert held(shop, 2, 3, 9) == [12, 20, -10]
    assert shop.breaches() == []


def test_rules_of_a_day_that_is_past_judge_what_comes_late(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 10, day=on(-5)), sale(2, 10, day=on(-20)))
    since(shop, on(-10), program(**DOUBLE))
    shop.take(*(sale(n, 10, day=on(day)) for n, day in ((3, -11), (4, -10), (5, 0))))
    assert held(shop, 1, 2, 3, 4, 5) == [10, 10, 10, 20, 20]


def test_of_two_versions_the_one_that_was_stored_last_counts(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    since(shop, on(10), program(**DOUBLE))
    # The owner thinks better of it, before that day and for all days from now on.
    triple = program(earn={"amount": {"points": 3}})
    since(shop, None, triple)
    shop.take(*(sale(n, 10, day=on(n)) for n in (1, 11)))
    assert held(shop, 1, 11) == [30, 30]
    # The same rules with another day are a version of their own; without a day they stay.
    assert len(since(shop, on(20), triple).sets) == 4
    assert len(since(shop, None, triple).sets) == 4


def test_a_day_begins_where_the_shop_is(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    auckland = program(timezone="Pacific/Auckland")
    book = since(shop, date(2026, 12, 1), auckland)
    assert book.current.effective_from.isoformat() == "2026-11-30T11:00:00+00:00"
    assert book.current.first_day == date(2026, 12, 1)
    look = rulesets.consult(shop.engine, [program(**DOUBLE)], shop.clock.now(), date(2027, 1, 1))
    assert (look.current.first_day, len(look.sets)) == (date(2027, 1, 1), 3)


# --- judging again ---


def test_past_sales_are_judged_by_the_rules_of_today_and_taken_back(
    ledger_engine: Engine,
) -> None:
    shop = Shop(ledger_engine)
    shop.take(sale(1, 10, day=on(-40)), sale(2, 20, day=on(-5)), sale(3, 30, day=on(-5), buyer=8))
    shop.take(credit_note(4, 5, 2, day=on(-1)))
    shop.adopt(program(**DOUBLE))
    planned = again(shop).plan(Wanted(on(-10), DAY), lambda _: None)
    assert held(shop, 1, 2, 3, 4) == [10, 20, 30, -5], "a plan changes nothing"
    done = run(shop, Wanted(on(-10), DAY))
    assert replace(planned, batch=done.batch) == done
    assert held(shop, 1, 2, 3, 4) == [10, 40, 60, -10]
    assert (done.sales, done.debt) == (3, {})
    assert done.gains == {"loyalty": [(customer(8), 30), (customer(7), 15)]}
    (month,) = done.months
    assert (month.name, month.given, month.taken) == ("2026-11", {"loyalty": 50}, {"loyalty": 5})
    assert shop.breaches() == []
    # What comes after it is judged by what judged the sale last.
    shop.take(credit_note(5, 5, 3))
    assert held(shop, 5) == [-10]
    with pytest.raises(UserError, match="judged by the rules of today already"):
        run(shop, Wanted(on(-10), DAY), token="B-TWO")

    planned = again(shop).plan_undo(done.batch, lambda _: None)
    undone = again(shop).undo(done.batch, lambda _: None)
    assert held(shop, 1, 2, 3, 4, 5) == [10, 20, 30, -5, -5]
    # The return that came since follows too: it is another customer's, and stands by itself.
    assert (undone.sales, planned.gains) == (3, undone.gains)
    assert undone.gains == {"loyalty": [(customer(7), -10), (customer(8), -30)]}
    assert shop.breaches() == []
    with reading(shop.engine) as connection:
        assert batches.by_token(connection, "B-ONE").state == "undone"
        assert connection.execute(select(tables.recomputed)).all() == []


def test_a_batch_of_one_customer_forgets_him_when_he_is_erased(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 10), sale(2, 10, buyer=8))
    shop.adopt(program(**DOUBLE))
    run(shop, replace(ALL, customer=customer(8)))
    erase(shop, 8)
    with reading(shop.engine) as connection:
        batch = batches.by_token(connection, "B-ONE")
    assert (batch.title, batch.details) == ("recompute of a person who was erased", {})
    assert shop.breaches() == []


def test_a_return_of_a_return_is_judged_again_by_itself(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 20), credit_note(2, 8, 1), credit_note(3, 2, 2))
    before = held(shop, 1, 2, 3)
    shop.adopt(program(**DOUBLE))
    run(shop)
    assert held(shop, 1, 2, 3) == [2 * units for units in before]
    assert shop.breaches() == []


def test_the_first_rules_cannot_be_of_a_day_to_come(ledger: Engine) -> None:
    clock = Shop(ledger).clock
    with ledger.begin() as connection:
        connection.execute(delete(tables.rule_set))
    for look in (rulesets.adopt, rulesets.consult):
        with pytest.raises(UserError, match="no rules hold until 2026-11-30"):
            look(ledger, [program()], clock.now(), on(10))
    assert len(rulesets.adopt(ledger, [program()], clock.now(), on(-10)).sets) == 1


def test_one_customer_only(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 10), sale(2, 10, buyer=8))
    shop.adopt(program(**DOUBLE))
    done = run(shop, replace(ALL, customer=customer(8)))
    assert held(shop, 1, 2) == [10, 20]
    assert done.batch.title.startswith("sales of customer 8 of 2026-01-01")


def test_points_that_were_spent_become_debt_and_come_back(open_shop: OpenShop) -> None:
    shop = open_shop(program(reward=[reward(100)]))
    shop.take(sale(1, 100, day=on(-3)))
    shop.redeem("DS-1")
    shop.adopt(program(reward=[reward(100)], earn={"amount": {"points": "0.7"}}))
    done = run(shop)
    assert (done.debt, shop.balance(), shop.view().debt) == ({"loyalty": 30}, -30, 30)
    again(shop).undo(done.batch, lambda _: None)
    assert (shop.balance(), shop.view().debt) == (0, 0)
    assert shop.breaches() == []


def test_later_sales_follow_where_rules_look_back(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 60, day=on(-3)), sale(2, 60, day=on(-2)), sale(3, 60, day=on(-1)))
    shop.adopt(program(earn={"amount": {}, "caps": {"per_member": 100}}))
    done = run(shop, Wanted(on(-3), on(-2)))
    # The third one stays under the rules of its day.
    assert held(shop, 1, 2, 3) == [60, 40, 60]
    assert shop.breaches() == []
    run(shop, token="B-TWO")
    assert held(shop, 1, 2, 3) == [60, 40, 0]
    assert done.sales == 2
    assert shop.breaches() == []


def test_an_older_batch_waits_for_the_later_one(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 10))
    shop.adopt(program(**DOUBLE))
    first = run(shop)
    shop.adopt(program(earn={"amount": {"points": 3}}))
    second = run(shop, token="B-TWO")
    assert held(shop, 1) == [30]
    with pytest.raises(UserError, match="B-TWO judged some of these sales once more"):
        again(shop).undo(first.batch, lambda _: None)
    again(shop).undo(second.batch, lambda _: None)
    assert held(shop, 1) == [20]
    again(shop).undo(first.batch, lambda _: None)
    assert held(shop, 1) == [10]
    assert shop.breaches() == []


def test_stopped_it_goes_on(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    shop = open_shop(program())
    shop.take(*(sale(n, 10) for n in range(1, 8)))
    shop.adopt(program(**DOUBLE))

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(shop).run(ALL, token="B-ONE", tell=stop)
    assert held(shop, *range(1, 8)) == [20, 20, 10, 10, 10, 10, 10]
    assert shop.breaches() == []
    done = run(shop, token="B-OTHER")
    assert (done.batch.token, done.sales) == ("B-ONE", 7)
    assert held(shop, *range(1, 8)) == [20] * 7
    with pytest.raises(KeyboardInterrupt):
        again(shop).undo(done.batch, stop)
    assert held(shop, *range(1, 8)) == [10, 10, 20, 20, 20, 20, 20]
    again(shop).undo(done.batch, lambda _: None)
    assert held(shop, *range(1, 8)) == [10] * 7
    assert shop.breaches() == []


def test_rules_of_a_day_to_come_judge_nothing_again(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 10))
    since(shop, on(10), program(**DOUBLE))
    with pytest.raises(UserError, match="by the rules of today already"):
        run(shop)


def test_what_the_new_rules_ask_of_articles_is_kept(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 10), sale(2, 10))
    shop.adopt(program(earn={"amount": {}, "leave_out": [{"tags": ["Books"]}]}))

    def complete(sales: Sequence[Sale]) -> list[Sale]:
        return [
            replace(
                one,
                lines=tuple(
                    replace(line, article=Article(tags=("Books",) if one.key.rowid == 1 else ()))
                    for line in one.lines
                ),
            )
            for one in sales
        ]

    run(shop, complete=complete)
    assert held(shop, 1, 2) == [0, 10]
    assert shop.breaches() == []


def test_what_is_gone_is_not_judged_again(open_shop: OpenShop) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 10), sale(2, 10), sale(3, 10, status=SaleStatus.DRAFT))
    vanish(shop, 1)
    shop.adopt(program(**DOUBLE))
    run(shop)
    assert held(shop, 2, 3) == [20, 0]
    assert shop.balance() == 20
    assert shop.breaches() == []


def vanish(shop: Shop, rowid: int) -> None:
    key = shop.source.sales[rowid].key
    write(
        shop.engine,
        lambda c: judge.vanish(Transaction(c, shop.clock.now()), shop.rules, [key]),
    )


CAMPAIGN = {"name": "x", "title": "X", "bonus": 3, "budget": {"points": 7}}
VERSIONS: list[dict[str, Any]] = [
    {},
    DOUBLE,
    {"earn": {"amount": {}, "caps": {"per_month": 30, "per_member": 55}}},
    {"tier": [{"name": "gold", "title": "Gold", "at_least": 20, "multiplier": 2}]},
    {"campaign": [CAMPAIGN]},
]
sales = st.builds(
    lambda rowid, amount, buyer, day: sale(rowid, amount, buyer=buyer, day=on(-day)),
    st.integers(1, 6),
    st.integers(1, 30),
    st.sampled_from([7, 8]),
    st.integers(0, 40),
)
returned = st.builds(
    credit_note,
    st.integers(11, 13),
    st.integers(1, 30),
    st.integers(1, 6),
)


@by_default_and_long(
    6,
    15,
    before=st.sampled_from(VERSIONS),
    after=st.sampled_from(VERSIONS),
    history=st.lists(sales | returned, min_size=1, max_size=8),
    later=st.lists(sales | returned, max_size=3),
)
def test_undone_everything_is_as_if_nothing_had_been(
    ledger_template: Path, before: Any, after: Any, history: list[Sale], later: list[Sale]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shops = []
        for name in ("judged", "left"):
            path = Path(folder) / f"{name}.db"
            shutil.copy(ledger_template, path)
            shops.append(Shop(open_engine(f"sqlite:///{path}"), programs=(program(**before),)))
        for shop in shops:
            for one in history:
                shop.take(one)
            shop.adopt(program(**after))
        judged, left = shops
        try:
            done = run(judged)
        except UserError:
            assert before == after
        else:
            assert judged.breaches() == []
            again(judged).undo(done.batch, lambda _: None)
        for shop in shops:
            for one in later:
                shop.take(one)
            assert shop.breaches() == []
        for buyer in (7, 8):
            assert judged.balance(buyer) == left.balance(buyer)
            assert judged.view(buyer).earned == left.view(buyer).earned
        for shop in shops:
            shop.engine.dispose()


# --- what changed ---


def test_what_changed_between_two_versions() -> None:
    before = [program(campaign=[{"name": "a", "title": "A", "bonus": 1}])]
    after = [
        program(
            earn={"amount": {"points": 2}, "caps": {"per_day": 5}},
            campaign=[
                {"name": "a", "title": "A", "bonus": 4, "weekdays": ["monday", "friday"]},
                {"name": "b", "title": "B", "bonus": 1},
            ],
        ),
        program(name="stamps", field_prefix="stamp"),
    ]
    assert differences(before, after) == [
        "program 'loyalty'.earn.amount.points: 1 -> 2",
        "program 'loyalty'.earn.caps.per_day: nothing -> 5",
        "program 'loyalty' campaign 'a'.bonus: 1 -> 4",
        "program 'loyalty' campaign 'a'.weekdays: none -> monday, friday",
        "program 'loyalty' campaign 'b': new",
        "program 'stamps': new",
    ]
    assert differences(after, before)[-2:] == [
        "program 'loyalty' campaign 'b': gone",
        "program 'stamps': gone",
    ]
    assert differences(before, before) == []


def test_what_is_switched_on_or_set_for_the_first_time() -> None:
    plain = {"name": "a", "title": "A", "bonus": 1}
    before = [program(campaign=[plain])]
    after = [
        program(
            returns={"take_back": False},
            campaign=[{**plain, "budget": {"points": 50}}],
            reward=[reward(100)],
        )
    ]
    assert differences(before, after) == [
        "program 'loyalty'.returns.take_back: true -> false",
        "program 'loyalty' campaign 'a'.budget: nothing -> points 50, money nothing, each campaign",
        "program 'loyalty' reward 'discount': new",
    ]
