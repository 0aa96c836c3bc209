"""What is remembered of members' courses: spares reading, and is never believed when it is old."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from sqlalchemy import Engine, event

from dolisync.ledger import courses
from dolisync.ledger.engine import reading, rehearse, write
from dolisync.ledger.store import Transaction
from dolisync.program.course import Counted, Course
from dolisync.sync.judge import take_in
from dolisync.sync.known_courses import KnownCourses
from tests.builders import customer, program, sale
from tests.fakes import Shop
from tests.unit.test_caps import held
from tests.unit.test_privacy import erase

DAY = date(2026, 11, 1)
TIERS = [{"name": "silver", "title": "Silver", "at_least": 100, "multiplier": 2}]


def opened(engine: Engine, **more: object) -> Shop:
    return Shop(engine, programs=(program(tier=TIERS, **more),))


def on(number: int) -> date:
    return DAY + timedelta(days=number)


@contextmanager
def read_anew(engine: Engine) -> Iterator[list[str]]:
    """Collect the questions for what members' sales came to before."""
    asked: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "sum(counted.units)" in statement:
            asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)


def test_only_members_that_are_not_remembered_are_read(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine)
    shop.take(sale(1, 90, day=on(0)), sale(2, 50, day=on(0), buyer=8))
    with read_anew(ledger_engine) as asked:
        shop.take(sale(3, 20, day=on(1)))
        shop.take(sale(4, 10, day=on(2)), sale(5, 60, day=on(2), buyer=8))
        assert asked == []
        shop.take(sale(6, 10, day=on(3), buyer=9))
        assert len(asked) == 1
        # On the day of his last sale, or before it: the others of that day may come after it.
        shop.take(sale(7, 10, day=on(2)))
        assert len(asked) == 2
    assert held(shop, 1, 3, 4, 7) == [90, 20, 20, 20]
    assert shop.breaches() == []


def test_what_another_process_wrote_is_seen(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine)
    shop.take(sale(1, 90, day=on(0)), sale(2, 90, day=on(0), buyer=8))
    shop.source.put(sale(3, 20, day=on(1)))
    shop.new_intake().take([shop.source.sales[3]])
    shop.take(sale(4, 10, day=on(2)))
    # Of those it did not write too: all have another version now.
    shop.take(sale(5, 10, day=on(2), buyer=8))
    assert held(shop, 1, 3, 4) == [90, 20, 20]
    assert shop.breaches() == []


def test_what_another_process_writes_meanwhile_is_seen(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine)
    shop.take(sale(1, 90, day=on(0)))
    with reading(ledger_engine) as connection:
        before = courses.version(connection, "loyalty")
    assert before is not None
    now = write(ledger_engine, lambda c: courses.rewrite(c, "loyalty", [99], (), before))
    assert now not in {None, before}
    # Somebody else wrote between reading and writing: what was read may be old.
    assert write(ledger_engine, lambda c: courses.rewrite(c, "loyalty", [99], (), before)) is None
    with reading(ledger_engine) as connection:
        assert courses.version(connection, "loyalty") not in {None, before, now}
    unwritten = write(ledger_engine, lambda c: courses.rewrite(c, "loyalty", (), (), now))
    assert unwritten == now


def test_another_version_is_not_believed(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine)
    shop.take(sale(1, 90, day=on(0)))
    wrong = Course(Counted(1, 1000, 100_000), tier="silver")
    shop.rules.courses.keep("loyalty", 5, {customer(): wrong})
    shop.take(sale(2, 10, day=on(1)))
    assert held(shop, 2) == [10]


def test_what_was_rolled_back_is_forgotten(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine)
    shop.take(sale(1, 90, day=on(0)))
    planned = sale(2, 20, day=on(1))
    rehearse(
        ledger_engine,
        lambda connection: take_in(
            Transaction(connection, shop.clock.now()), shop.rules, [planned]
        ),
    )
    shop.take(sale(3, 10, day=on(2)))
    assert held(shop, 3) == [10]
    assert shop.breaches() == []


def test_who_was_erased_begins_anew(ledger_engine: Engine) -> None:
    shop = opened(ledger_engine)
    shop.take(sale(1, 120, day=on(0)))
    erase(shop, 7)
    shop.take(sale(2, 10, day=on(1)))
    assert held(shop, 2) == [10]
    assert shop.breaches() == []


def test_so_many_are_remembered_and_no_more() -> None:
    known, course = KnownCourses(kept_members=2), Course(last_day=9)
    one, two, three = customer(1), customer(2), customer(3)
    known.keep("a", 1, {one: course})
    known.keep("a", 2, {two: course})
    assert known.reached("a", 2, {one: 10, two: 10}).keys() == {one, two}
    assert known.reached("b", 2, {one: 10}) == {}
    assert known.reached("a", 2, {one: 9}) == {}
    known.keep("a", 3, {three: course})
    assert known.reached("a", 3, {one: 10, two: 10, three: 10}).keys() == {three}
    known.keep("a", 4, {one: course, two: course, three: course})
    assert known.reached("a", 4, {one: 10, three: 10}) == {}
    known.keep("a", 5, {one: course})
    # Nothing is remembered of who was written beside another process.
    known.keep("a", None, {two: course})
    assert known.reached("a", None, {one: 10, two: 10}) == {}
    assert known.reached("a", 5, {one: 10}) == {}


def test_what_is_remembered_is_not_changed_by_who_goes_on_with_it() -> None:
    known = KnownCourses()
    known.keep("a", 1, {customer(): Course()})
    known.reached("a", 1, {customer(): 5})[customer()].add(5, Counted(1, 2, 3))
    assert known.reached("a", 1, {customer(): 5}) == {customer(): Course()}
