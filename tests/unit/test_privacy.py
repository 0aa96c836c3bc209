"""One person's data: exported whole, and erased so that all sums, chains and anchors still hold."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from builders import credit_note, customer, line, program, sale
from commands.terminal import plain_value
from dolisync.errors import NotFound, UserError
from dolisync.ledger import chain, privacy, tables
from dolisync.ledger.engine import reading, write
from dolisync.ledger.past import standing
from dolisync.ledger.privacy import Erased
from dolisync.ledger.store import Transaction
from dolisync.model import Delivery, Warehouse
from dolisync.program.reasons import Why
from dolisync.sync import opening, undo
from dolisync.sync.explain import explain
from dolisync.sync.judge import Showing
from dolisync.sync.opening import Opening, OpeningList
from dolisync.sync.transfer import Wish, transfer
from tests.fakes import Shop, reward

WHO, OTHER = 7, 8
SECRET = "Frau Müller, Hauptstraße"


@pytest.fixture
def shop(ledger_engine: Engine) -> Shop:
    return Shop(ledger_engine, programs=(program(reward=[reward(100)], validity={"months": 6}),))


def lived(shop: Shop) -> None:
    """Let somebody earn, spend, return and be adjusted; another one earns too."""
    shop.put(sale(1, lines=[line(250, text=SECRET)]), sale(2, 40), sale(3, 60, buyer=OTHER))
    shop.redeem("DS-A")
    shop.publish_all()
    shop.put(credit_note(4, 40, 2))
    shop.adjust(5)
    shop.sink.use("DS-A")
    with shop.engine.begin() as connection:
        connection.execute(tables.redemption.update().values(state="used"))


def erase(shop: Shop, who: int = WHO, token: str = "B-ERASE") -> Erased:
    def work(connection: Any) -> Erased:
        transaction = Transaction(connection, shop.clock.now())
        return privacy.erase(transaction, shop.by_name, customer(who), "request 17", token)

    return write(shop.engine, work)


def everything(shop: Shop) -> str:
    """Return all that the ledger holds, as text."""
    rows = []
    with reading(shop.engine) as connection:
        for table in tables.metadata.sorted_tables:
            rows += [f"{table.name} {tuple(row)}" for row in connection.execute(select(table))]
    return "\n".join(rows)


def test_an_export_holds_all_of_a_person_and_nothing_of_others(shop: Shop) -> None:
    lived(shop)
    with reading(shop.engine) as connection:
        found = privacy.export(connection, customer(WHO), shop.by_name)
    text = json.dumps(found, default=plain_value, ensure_ascii=False)
    assert SECRET in text
    assert "DS-A" in text
    (account,) = found["accounts"]
    assert sum(move["points"] for move in account["movements"]) == shop.balance(WHO) == 155
    assert [row["rowid"] for row in found["sales"]] == [1, 2, 4]
    assert set(found) == {
        *("about", "customer", "accounts", "redemptions", "vouchers", "sales", "tiers_set_by_hand"),
        *("bonuses", "recommendations", "standing_discounts"),
        *("tiers_on_the_card", "asked_by_staff", "waiting_to_be_written", "done_at_once"),
    }
    assert all(row["customer_rowid"] == WHO for row in found["sales"])


def test_nothing_of_an_erased_person_is_left_and_all_sums_are(shop: Shop) -> None:
    lived(shop)
    shop.clock.moment += timedelta(days=3)
    days = [date(2026, 11, day) for day in range(15, 24)]
    before = [_standing(shop, day) for day in days[:-1]]
    done = erase(shop)
    assert (done.accounts, done.sales, dict(done.lapsed)) == (1, 3, {"loyalty": 155})
    left = everything(shop)
    assert SECRET not in left
    assert "by hand" not in left
    assert "FA2611-0001" not in left
    assert shop.view(WHO).member_id is None
    assert shop.breaches() == []
    assert [_standing(shop, day) for day in days[:-1]] == before
    assert _standing(shop, days[-1]).outstanding == 60
    assert shop.balance(OTHER) == 60
    with reading(shop.engine) as connection:
        member = connection.execute(
            select(tables.member).where(tables.member.c.erased_at.is_not(None))
        ).one()
    assert (member.salt, member.balance, member.debt) == (None, 0, 0)
    assert member.customer_rowid < 0


def test_from_where_an_erased_persons_goods_were_and_what_he_waits_for_is_forgotten(
    shop: Shop,
) -> None:
    places = (Warehouse(3, "Shop Nord"),)
    shop.put(sale(1, 50, warehouses=places, delivery=Delivery(is_done=False)))
    assert "Shop Nord" in everything(shop)
    erase(shop)
    assert "Shop Nord" not in everything(shop)
    with reading(shop.engine) as connection:
        assert connection.execute(select(tables.sale.c.undelivered)).scalars().all() == [None]


def _standing(shop: Shop, day: date) -> Any:
    with reading(shop.engine) as connection:
        return standing(connection, "loyalty", day, shop.today)


def test_anchors_kept_elsewhere_hold_after_an_erasure(shop: Shop) -> None:
    lived(shop)
    with reading(shop.engine) as connection:
        kept = chain.anchors(connection, shop.today)
    erase(shop)
    with reading(shop.engine) as connection:
        assert list(chain.contradicted(connection, kept)) == []
        assert list(chain.broken_links(connection)) == []
    with shop.engine.begin() as connection:
        connection.execute(
            tables.posting.update().where(tables.posting.c.sequence == 2).values(seal="0" * 64)
        )
    with reading(shop.engine) as connection:
        assert list(chain.broken_links(connection)) != []


def test_erased_sales_are_never_read_again(shop: Shop) -> None:
    lived(shop)
    erase(shop)
    shop.put(sale(1, 500))
    shop.put(credit_note(5, 100, 1))
    shop.source.remove(2)
    shop.reconcile()
    assert SECRET not in everything(shop)
    assert (shop.balance(WHO), shop.breaches()) == (0, [])
    with reading(shop.engine) as connection:
        (family,) = explain(connection, shop.clock.now(), shop.rules, [sale(1).key])
    assert {r.why for one in family for r in one.judgements[0].verdict.reasons} == {Why.ERASED}


def test_who_comes_back_begins_anew(shop: Shop) -> None:
    lived(shop)
    erase(shop)
    shop.put(sale(9, 30))
    assert (shop.balance(WHO), shop.breaches()) == (30, [])
    erase(shop, token="B-AGAIN")
    assert (shop.balance(WHO), shop.breaches()) == (0, [])


def test_nobody_is_erased_twice_or_with_open_discounts(shop: Shop) -> None:
    shop.put(sale(1, 150))
    shop.redeem("DS-A")
    with pytest.raises(UserError, match="discounts in Dolibarr: DS-A"):
        erase(shop)
    assert shop.balance(WHO) == 50
    with pytest.raises(NotFound, match="knows nothing of customer 99"):
        erase(shop, 99)


def test_an_erased_debt_is_waived(shop: Shop) -> None:
    shop.put(sale(1, 150))
    shop.redeem("DS-A")
    shop.publish_all()
    shop.sink.use("DS-A")
    with shop.engine.begin() as connection:
        connection.execute(tables.redemption.update().values(state="used"))
    shop.put(credit_note(2, 150, 1))
    assert shop.balance(WHO) == -100
    assert dict(erase(shop).lapsed) == {"loyalty": -100}
    assert shop.breaches() == []


def test_an_erasure_and_what_named_the_erased_cannot_be_undone(shop: Shop) -> None:
    shop.put(sale(1, 50))
    wish = Wish(shop.program, customer(WHO), customer(OTHER), 20, SECRET)
    transfer(shop.engine, shop.clock, wish, token="B-GIVE", showing={"shop": Showing()})
    erase(shop)
    assert SECRET not in everything(shop)
    for token in ("B-ERASE", "B-GIVE"):
        with pytest.raises(UserError, match="cannot be undone"):
            undo.undo(shop.engine, shop.clock, shop.rules, token)
    assert (shop.balance(OTHER), shop.breaches()) == (20, [])


def test_a_list_is_undone_without_those_who_were_erased(shop: Shop) -> None:
    openings = tuple(
        Opening(n, customer(who), 50, None, SECRET) for n, who in ((2, WHO), (3, OTHER))
    )
    wanted = OpeningList(shop.program, "old.csv", "abc", openings)
    opening.run(
        shop.engine,
        shop.clock,
        wanted,
        token="B-OPEN",
        showing=Showing(),
        progress=lambda _done: None,
    )
    erase(shop)
    undo.undo(shop.engine, shop.clock, shop.rules, "B-OPEN")
    assert (shop.balance(OTHER), shop.view(WHO).member_id, shop.breaches()) == (0, None, [])


# --- what verify finds ---------------------------------------------------------------------------

CHANGES = [
    ("posting", "points", 7),
    ("posting", "balance_after", 7),
    ("posting", "kind", "adjust"),
    ("posting", "key", "another"),
    ("posting", "reason", "another"),
    ("posting", "occurred_on", date(2020, 1, 1)),
    ("posting", "sequence", 99),
    ("posting", "sale_id", None),
    ("posting", "batch_id", 5),
    ("posting", "hash", "0" * 64),
    ("lot", "points", 7),
    ("lot", "remaining", 7),
    ("allocation", "points", -7),
    ("allocation", "lot_id", None),
    ("redemption", "points", 7),
    ("redemption", "state", "revoked"),
    ("member", "balance", 7),
    ("member", "debt", 7),
    ("member", "sequence", 99),
    ("member", "head", "0" * 64),
]


@pytest.mark.parametrize(("table", "column", "value"), CHANGES, ids=lambda part: str(part)[:12])
def test_verify_finds_what_was_changed(shop: Shop, table: str, column: str, value: object) -> None:
    lived(shop)
    assert shop.breaches() == []
    with shop.engine.begin() as connection:
        found = tables.metadata.tables[table]
        first = connection.execute(select(found.c.id).order_by(found.c.id).limit(1)).scalar_one()
        changed = found.update().where(found.c.id == first).values({column: value})
        connection.execute(changed)
    assert shop.breaches() != []


@pytest.mark.parametrize("table", ["posting", "lot", "allocation"])
def test_verify_finds_what_is_missing(shop: Shop, table: str) -> None:
    lived(shop)
    with shop.engine.begin() as connection:
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
        else:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        found = tables.metadata.tables[table]
        first = connection.execute(select(found.c.id).order_by(found.c.id).limit(1)).scalar_one()
        if table == "posting":
            for name, column in (("lot", "posting_id"), ("allocation", "posting_id")):
                inner = tables.metadata.tables[name]
                connection.execute(inner.delete().where(inner.c[column] == first))
            connection.execute(tables.allocation.delete().where(tables.allocation.c.lot_id == 1))
        if table == "lot":
            connection.execute(
                tables.allocation.delete().where(tables.allocation.c.lot_id == first)
            )
        connection.execute(found.delete().where(found.c.id == first))
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 1")
    assert shop.breaches() != []


def test_verify_finds_what_was_put_in(shop: Shop) -> None:
    lived(shop)
    with shop.engine.begin() as connection:
        last = (
            connection.execute(select(tables.posting).order_by(tables.posting.c.id.desc()).limit(1))
            .mappings()
            .one()
        )
        forged = {**last, "id": last["id"] + 1, "key": "forged", "sequence": last["sequence"] + 1}
        connection.execute(tables.posting.insert(), forged)
    assert any("forged" in found for found in shop.breaches())


def test_a_chain_rewritten_as_a_whole_is_found_by_kept_anchors_only(shop: Shop) -> None:
    lived(shop)
    with reading(shop.engine) as connection:
        kept = chain.anchors(connection, shop.today)
    with shop.engine.begin() as connection:
        member = connection.execute(
            select(tables.member).where(tables.member.c.customer_rowid == WHO)
        ).one()
        head = chain.GENESIS
        rows = connection.execute(
            select(tables.posting)
            .where(tables.posting.c.member_id == member.id)
            .order_by(tables.posting.c.sequence)
        ).mappings()
        for row in rows.all():
            forged = {**row, "reason": f"{row['reason']}!"}
            head = chain.link(head, forged, chain.seal(member.salt, forged))
            values = {"reason": forged["reason"], "hash": head}
            connection.execute(
                tables.posting.update().where(tables.posting.c.id == row["id"]).values(values)
            )
        connection.execute(
            tables.member.update().where(tables.member.c.id == member.id).values(head=head)
        )
    assert shop.breaches() == []
    with reading(shop.engine) as connection:
        assert list(chain.contradicted(connection, kept)) != []
