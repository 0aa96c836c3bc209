"""The hash chain: what was changed, removed or put in is found and named."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, insert, select, update

from builders import customer
from dolisync.ledger import chain, tables
from dolisync.ledger.book import Entry, Kind
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import MemberKey, Transaction

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
DAY = date(2026, 11, 20)


def earn(engine: Engine, buyer: int, *keys: str) -> None:
    """Let a member earn ten points under each key, one transaction each."""

    def work(connection: Connection, key: str) -> None:
        transaction = Transaction(connection, NOW)
        member = MemberKey("loyalty", customer(buyer))
        transaction.load_books([member])
        entry = Entry(key, Kind.EARN, DAY, NOW, "naïve ☕ reason")
        transaction.book(member).earn(transaction.journal, entry, 10, None)
        transaction.flush()

    for key in keys:
        write(engine, lambda c, key=key: work(c, key))


@pytest.fixture
def chained(ledger_engine: Engine) -> Engine:
    earn(ledger_engine, 1, "a1", "a2", "a3")
    earn(ledger_engine, 2, "b1")
    return ledger_engine


def sealed(connection: Connection, row: dict[str, Any]) -> str:
    """Seal a reason as somebody would who has the whole database in hand."""
    member = tables.member.c
    salt = connection.execute(select(member.salt).where(member.id == row["member_id"])).scalar_one()
    return chain.seal(salt, row)


def found(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        broken = [*chain.broken_links(connection), *chain.broken_anchors(connection)]
    return [link.where for link in broken]


def test_an_untouched_chain_holds(chained: Engine) -> None:
    assert found(chained) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("points", 11),
        ("reason", "another"),
        ("occurred_on", date(2026, 1, 1)),
        ("kind", "adjust"),
        ("recorded_at", datetime(2026, 11, 20, 12, 0, 0, 123457, tzinfo=UTC)),
    ],
)
def test_a_changed_posting_is_named(chained: Engine, column: str, value: object) -> None:
    posting = tables.posting
    write(
        chained,
        lambda c: c.execute(update(posting).where(posting.c.key == "a2").values({column: value})),
    )
    assert found(chained) == ["posting a2"]


def test_a_rewritten_posting_with_a_new_hash_breaks_the_next_one(chained: Engine) -> None:
    posting = tables.posting

    def forge(connection: Connection) -> None:
        rows = connection.execute(select(posting).where(posting.c.key.in_(["a1", "a2"])))
        first, second = (dict(row) for row in rows.mappings())
        second["points"] = 1000
        forged = chain.link(first["hash"], second, sealed(connection, second))
        connection.execute(
            update(posting).where(posting.c.key == "a2").values(points=1000, hash=forged)
        )

    write(chained, forge)
    assert found(chained) == ["posting a3"]


@pytest.mark.parametrize(("key", "named"), [("a1", "posting a2"), ("a2", "posting a3")])
def test_a_removed_posting_is_missed_by_the_next_one(chained: Engine, key: str, named: str) -> None:
    def remove(connection: Connection) -> None:
        posting, lot = tables.posting, tables.lot
        id_ = connection.execute(select(posting.c.id).where(posting.c.key == key)).scalar_one()
        connection.execute(delete(lot).where(lot.c.posting_id == id_))
        connection.execute(delete(posting).where(posting.c.id == id_))

    write(chained, remove)
    assert found(chained) == [named]


def test_a_removed_newest_posting_is_missed_by_its_member(chained: Engine) -> None:
    def remove(connection: Connection) -> None:
        posting, lot = tables.posting, tables.lot
        id_ = connection.execute(select(posting.c.id).where(posting.c.key == "a3")).scalar_one()
        connection.execute(delete(lot).where(lot.c.posting_id == id_))
        connection.execute(delete(posting).where(posting.c.id == id_))

    write(chained, remove)
    assert [place.split(" (")[0] for place in found(chained)] == ["customer 1"]


def test_an_inserted_posting_breaks_the_chain(chained: Engine) -> None:
    posting = tables.posting

    def put_in(connection: Connection) -> None:
        row = dict(
            connection.execute(select(posting).where(posting.c.key == "b1")).mappings().one()
        )
        row |= {"id": 99, "key": "b2", "sequence": 2, "hash": "f" * 64}
        connection.execute(insert(posting), row)

    write(chained, put_in)
    assert "posting b2" in found(chained)


def test_an_anchor_sees_a_chain_rewritten_as_a_whole(chained: Engine) -> None:
    write(chained, lambda c: chain.drop_anchor(c, DAY, NOW))
    assert found(chained) == []
    posting, member = tables.posting, tables.member

    def rewrite(connection: Connection) -> None:
        row = dict(
            connection.execute(select(posting).where(posting.c.key == "b1")).mappings().one()
        )
        row["points"] = 1000
        forged = chain.link(chain.GENESIS, row, sealed(connection, row))
        connection.execute(
            update(posting).where(posting.c.key == "b1").values(points=1000, hash=forged)
        )
        connection.execute(
            update(member).where(member.c.id == row["member_id"]).values(head=forged)
        )

    write(chained, rewrite)
    assert found(chained) == ["anchor of 2026-11-20"]


def test_later_postings_leave_an_anchor_whole(chained: Engine) -> None:
    write(chained, lambda c: chain.drop_anchor(c, DAY, NOW))
    earn(chained, 1, "a4")
    earn(chained, 3, "c1")
    assert found(chained) == []


def test_an_erased_reason_leaves_its_chain_whole_and_cannot_be_guessed(chained: Engine) -> None:
    posting, member = tables.posting, tables.member

    def erase(connection: Connection) -> None:
        rows = connection.execute(select(posting).where(posting.c.key.like("a%"))).mappings().all()
        for row in rows:
            sign = {"seal": sealed(connection, dict(row)), "reason": ""}
            connection.execute(update(posting).where(posting.c.id == row["id"]).values(sign))
        id_ = rows[0]["member_id"]
        connection.execute(update(member).where(member.c.id == id_).values(salt=None))

    write(chained, erase)
    assert found(chained) == []
    with reading(chained) as connection:
        row = dict(
            connection.execute(select(posting).where(posting.c.key == "a1")).mappings().one()
        )
    assert row["seal"] != chain.seal(None, {**row, "reason": "naïve ☕ reason"})


def test_a_changed_seal_is_named(chained: Engine) -> None:
    change = update(tables.posting).where(tables.posting.c.key == "a2").values(seal="0" * 64)
    write(chained, lambda c: c.execute(change))
    assert "posting a2" in found(chained)
