"""The ledger's transaction: all or nothing, once, and two writers at a time; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from dolisync.errors import UserError
from dolisync.ledger import engine as engines
from dolisync.ledger import tables
from dolisync.ledger.book import Entry, Kind, NotEnoughPoints
from dolisync.ledger.engine import open_engine, reading, write
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.ledger.verify import verify_books
from tests.builders import NOON, HandClock, credit_note, customer, program, sale
from tests.fakes import Shop, reward

MEMBER = MemberKey("loyalty", customer())


def earn(connection: Connection, key: str, units: int = 10, member: MemberKey = MEMBER) -> None:
    transaction = Transaction(connection, NOON)
    transaction.load_books([member])
    entry = Entry(key, Kind.EARN, date(2026, 11, 20), NOON, "because")
    transaction.book(member).earn(transaction.journal, entry, units, None)
    transaction.flush()


def balance(engine: Engine) -> int:
    with reading(engine) as connection:
        return int(connection.execute(select(func.sum(tables.member.c.balance))).scalar() or 0)


def test_what_was_written_is_read_back_the_same(ledger_engine: Engine) -> None:
    write(ledger_engine, lambda c: earn(c, "a", 30))
    write(ledger_engine, lambda c: earn(c, "b", 12))
    with reading(ledger_engine) as connection:
        transaction = Transaction(connection, NOON)
        transaction.load_books([MEMBER])
        book = transaction.book(MEMBER)
        last = connection.execute(select(tables.posting)).all()[-1]
    assert (book.balance, book.sequence, [lot.remaining for lot in book.lots]) == (42, 2, [30, 12])
    assert (last.recorded_at, last.occurred_on) == (NOON, date(2026, 11, 20))
    assert verify_books(ledger_engine) == []


def test_a_failure_before_the_end_leaves_nothing(ledger_engine: Engine) -> None:
    def work(connection: Connection) -> None:
        earn(connection, "a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(ledger_engine, work)
    assert balance(ledger_engine) == 0


def test_what_is_written_while_reading_is_lost(ledger_engine: Engine) -> None:
    with reading(ledger_engine) as connection:
        earn(connection, "a")
    assert balance(ledger_engine) == 0


def test_a_posting_of_the_same_key_is_refused(ledger_engine: Engine) -> None:
    write(ledger_engine, lambda c: earn(c, "a"))
    with pytest.raises(IntegrityError), ledger_engine.begin() as connection:
        earn(connection, "a")
    assert balance(ledger_engine) == 10


def test_of_one_open_wish_per_target_there_is_one(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine)
    shop.take(sale(1, 50))
    with reading(ledger_engine) as connection:
        row = dict(connection.execute(select(tables.outbox)).mappings().first() or {})
    with pytest.raises(IntegrityError), ledger_engine.begin() as connection:
        connection.execute(insert(tables.outbox), {**row, "id": 99})


def test_texts_of_any_kind_come_back(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine)
    sold = sale(1, 50, ref="FA-é👩‍🍳'\"", close_code="<b>")
    shop.take(sold)
    with reading(ledger_engine) as connection:
        transaction = Transaction(connection, NOON)
        transaction.load_sales([sold.key])
    assert transaction.sales[sold.key].sale.ref == sold.ref


def test_names_that_differ_in_case_or_accent_only_are_two(ledger_engine: Engine) -> None:
    for key in ("cle", "CLE", "clé"):
        write(ledger_engine, lambda c, key=key: earn(c, key))  # type: ignore[misc]
    assert balance(ledger_engine) == 30


# --- retries -------------------------------------------------------------------------------------


def failing(times: int, error: Exception) -> tuple[Callable[[Connection], int], list[int]]:
    calls: list[int] = []

    def work(_connection: Connection) -> int:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return len(calls)

    return work, calls


class DriverError(Exception):
    """What the driver of MariaDB raises, by its number."""


@pytest.mark.parametrize(
    "error",
    [
        IntegrityError("x", {}, DriverError(1062)),
        OperationalError("x", {}, DriverError(1213)),
        OperationalError("x", {}, DriverError(1205)),
        DBAPIError("x", {}, DriverError(1020)),
        OperationalError("x", {}, DriverError("database is locked")),
        OperationalError("x", {}, DriverError("lost"), connection_invalidated=True),
    ],
    ids=["taken key", "deadlock", "lock wait", "changed", "locked", "connection lost"],
)
def test_a_conflict_is_tried_again_whole(ledger: Engine, error: Exception) -> None:
    work, _ = failing(2, error)
    assert write(ledger, work) == 3


@pytest.mark.parametrize(
    "error", [ValueError("no"), OperationalError("x", {}, DriverError(1146)), UserError("no")]
)
def test_anything_else_is_not(ledger: Engine, error: Exception) -> None:
    work, calls = failing(2, error)
    with pytest.raises(type(error)):
        write(ledger, work)
    assert len(calls) == 1


def test_a_conflict_that_never_ends_is_reported(
    ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "ATTEMPTS", 3)
    work, calls = failing(99, OperationalError("x", {}, DriverError(1213)))
    with pytest.raises(OperationalError):
        write(ledger, work)
    assert len(calls) == 3


# --- two at a time -------------------------------------------------------------------------------


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run these at the same time, each in a thread, and return what they gave or raised."""
    results: list[Any] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(index: int) -> None:
        start.wait()
        try:
            results[index] = works[index]()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_writers_to_one_member_lose_nothing(ledger_engine: Engine) -> None:
    def many(name: str) -> None:
        for number in range(10):
            key = f"{name}{number}"
            write(ledger_engine, lambda c, key=key: earn(c, key))  # type: ignore[misc]

    assert together(lambda: many("a"), lambda: many("b")) == [None, None]
    assert balance(ledger_engine) == 200
    assert verify_books(ledger_engine) == []


def test_two_workers_with_the_same_sales_count_them_once(ledger_engine: Engine) -> None:
    shops = [Shop(ledger_engine, HandClock()) for _ in range(2)]
    sales = [*(sale(n, 10, buyer=n % 3 + 1) for n in range(1, 9)), credit_note(20, 4, 2, buyer=3)]
    results = together(*(lambda shop=shop: shop.take(*sales) for shop in shops))
    assert [error for error in results if isinstance(error, Exception)] == []
    assert balance(ledger_engine) == 76
    assert shops[0].breaches() == []


def test_of_two_tills_spending_the_same_points_one_gets_them(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(program(reward=[reward(100)]),))
    shop.take(sale(1, 150))
    results = together(*(lambda n=n: shop.redeem(f"DS-{n}") for n in range(2)))
    assert sorted(type(result).__name__ for result in results) == ["NotEnoughPoints", "Redemption"]
    assert isinstance(next(r for r in results if isinstance(r, Exception)), NotEnoughPoints)
    assert shop.balance() == 50
    assert shop.breaches() == []


def test_a_reader_is_not_held_up_by_a_writer(ledger_engine: Engine) -> None:
    write(ledger_engine, lambda c: earn(c, "a"))
    with ledger_engine.begin() as connection:
        earn(connection, "b")
        assert balance(ledger_engine) == 10


# --- opening -------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["nonsense", "oracle9://x/y", "://", "mariadb+nothing://x/y"])
def test_an_address_of_no_database_is_refused_in_words(url: str) -> None:
    with pytest.raises(UserError, match=r"ledger\.url"):
        open_engine(url)


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match="/nowhere/at/all does not exist"):
        open_engine("sqlite:////nowhere/at/all/ledger.db")


def test_sqlite_is_opened_so_that_a_power_cut_loses_nothing(ledger: Engine) -> None:
    # Not through a connection of SQLAlchemy's own: conftest lets those be in no hurry.
    connection = ledger.raw_connection()
    asked = {
        name: connection.cursor().execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    connection.close()
    assert asked == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
