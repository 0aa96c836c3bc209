"""One person's data: all that the ledger holds about him, and taking it out of it.

After an erasure the ledger still adds up: postings, lots, allocations and chains stay; gone is what
tells whose they are. A reason is replaced by its seal, so that its chain still proves it was there;
the salt goes, so that nobody can guess it. What was left on the account lapses by a posting.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, or_, select, update

from dolisync.errors import NotFound, UserError
from dolisync.ledger import batches, courses, referrals, tables
from dolisync.ledger.batches import Batch, BatchKind
from dolisync.ledger.book import Book, Entry, Kind
from dolisync.ledger.bulk import update_rows
from dolisync.ledger.chain import seal
from dolisync.ledger.documents import from_document, to_document
from dolisync.ledger.redemptions import State
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.model import CustomerKey, SaleKey
from dolisync.program.terms import Program
from dolisync.program.wishes import Part

ERASED = "erased"
# What is left of an account's text: nothing that was ever written by or about anybody.
LAPSED_REASON = "the account was erased: its points lapse"


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure took out: rows by what they are, and units that lapsed, by program."""

    batch: Batch
    accounts: int
    movements: int
    sales: int
    lapsed: Mapping[str, int]


# --- export --------------------------------------------------------------------------------------


def export(
    connection: Connection, customer: CustomerKey, programs: Mapping[str, Program]
) -> dict[str, Any]:
    """Return everything the ledger holds about a customer, ready for JSON. Raises ``NotFound``."""
    members = _rows(connection, tables.member, _of_customer(tables.member, customer))
    sales = _rows(connection, tables.sale, _of_sales(customer))
    vouchers = _vouchers(connection, customer)
    recommendations = _recommendations(connection, customer)
    if not (members or sales or vouchers or recommendations):
        raise _unknown(customer)
    ids = [row["id"] for row in members]
    return {
        "about": _ABOUT,
        "customer": {
            "source": customer.source,
            "entity": customer.entity,
            "id": customer.rowid,
        },
        "accounts": [_account(connection, row, programs) for row in members],
        "redemptions": _by_member(connection, tables.redemption, ids),
        "vouchers": vouchers,
        "sales": sales,
        "tiers_set_by_hand": _rows(
            connection, tables.tier_setting, _of_customer(tables.tier_setting, customer)
        ),
        "bonuses": _about_card(connection, tables.bonus_given, customer),
        "recommendations": recommendations,
        "tiers_on_the_card": _about_card(connection, tables.tier_mark, customer),
        "standing_discounts": _about_card(connection, tables.standing_mark, customer),
        "asked_by_staff": [
            _without_others(row)
            for row in _rows(connection, tables.request, _of_customer(tables.request, customer))
        ],
        "waiting_to_be_written": _rows(connection, tables.outbox, _of_outbox(customer)),
        "done_at_once": [
            {"batch": batch.token, "kind": batch.kind, "title": batch.title}
            for batch in _batches_about(connection, customer)
        ],
    }


_ABOUT = {
    "accounts": "one for each program: balance and debt in ledger units, movements, lots",
    "movements": "every change of the balance, with its reason; nothing is ever changed in them",
    "lots": "points that were earned together, what is left of them, and until when",
    "allocations": "which movement took how many points from which lot; without a lot, debt",
    "redemptions": "rewards that points were spent on",
    "vouchers": "codes with money on them that are his, and what happened to each",
    "sales": "documents of Dolibarr that earned points, as they were last read",
    "asked_by_staff": "what staff asked for on the card in the last ninety days, and the answers",
    "tiers_set_by_hand": "which tier staff gave, when and why",
    "bonuses": "which bonuses without a purchase he had",
    "recommendations": "that somebody recommended him, or he somebody; the other is left out",
    "tiers_on_the_card": "which tier's tag was last put on the card in Dolibarr",
    "standing_discounts": "which percentage was last put on the card in Dolibarr for a tier",
    "waiting_to_be_written": "what is to be shown in Dolibarr, or was in the last ninety days",
    "done_at_once": "merges, transfers and the like that concern this customer",
    "units": "points times 1, or times 100 in programs with two decimals",
}


def _account(
    connection: Connection, row: Mapping[str, Any], programs: Mapping[str, Program]
) -> dict[str, Any]:
    id_, terms = [row["id"]], programs.get(row["program"])
    return {
        **{name: row[name] for name in ("program", "balance", "debt", "opened_at")},
        "terms": None if terms is None else terms.model_dump(mode="json"),
        "movements": _by_member(connection, tables.posting, id_),
        "lots": _by_member(connection, tables.lot, id_),
        "allocations": _by_member(connection, tables.allocation, id_),
    }


def _vouchers(connection: Connection, customer: CustomerKey) -> list[dict[str, Any]]:
    found = _rows(connection, tables.voucher, _of_customer(tables.voucher, customer))
    movement = tables.voucher_movement
    return [
        {**row, "movements": _rows(connection, movement, movement.c.voucher_id == row["id"])}
        for row in found
    ]


def _recommendations(connection: Connection, customer: CustomerKey) -> list[dict[str, Any]]:
    """Return the recommendations that he is part of, without the other customer."""
    row = tables.referral
    sides = {"recommended": row.c.customer_rowid, "recommends": row.c.by_rowid}
    place = and_(row.c.source == customer.source, row.c.entity == customer.entity)
    units = {"recommended": "new_units", "recommends": "by_units"}
    kept = ("id", "program", "said_on", "made_by", "void", "withdrawn_at", "recorded_at")
    return [
        {"part": part, **{name: found[name] for name in kept}, "units": found[units[part]]}
        for part, person in sides.items()
        for found in _rows(connection, row, and_(place, person == customer.rowid))
    ]


def _without_others(request: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a request by whom staff said he was recommended."""
    content = json.loads(request["content"])
    if Part.REFER not in content:
        return request
    told = json.dumps({**content, Part.REFER: "another customer"}, ensure_ascii=False)
    return {**request, "content": told, "digest": ""}


def _by_member(connection: Connection, table: Table, ids: Collection[int]) -> list[dict[str, Any]]:
    return _rows(connection, table, table.c.member_id.in_(ids))


def _rows(
    connection: Connection, table: Table, condition: ColumnElement[bool]
) -> list[dict[str, Any]]:
    query = select(table).where(condition).order_by(table.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def _about_card(
    connection: Connection, table: Table, customer: CustomerKey
) -> list[dict[str, Any]]:
    """Return rows of a table whose key is the customer."""
    query = select(table).where(_of_customer(table, customer))
    return [dict(row) for row in connection.execute(query).mappings()]


def _of_customer(table: Table, customer: CustomerKey) -> ColumnElement[bool]:
    return and_(
        table.c.source == customer.source,
        table.c.entity == customer.entity,
        table.c.customer_rowid == customer.rowid,
    )


def _of_sales(customer: CustomerKey) -> ColumnElement[bool]:
    """Choose the sales that the ledger keeps with him, or on which the source names him."""
    sale = tables.sale.c
    place = and_(sale.source == customer.source, sale.entity == customer.entity)
    mine = or_(sale.customer_rowid == customer.rowid, sale.seen_customer_rowid == customer.rowid)
    return and_(place, mine)


def _of_outbox(customer: CustomerKey) -> ColumnElement[bool]:
    row = tables.outbox.c
    return and_(
        row.source == customer.source,
        row.entity == customer.entity,
        row.object_rowid == customer.rowid,
        row.kind != "sale",
    )


def _batches_about(connection: Connection, customer: CustomerKey) -> list[Batch]:
    mine = [customer.source, customer.entity, customer.rowid]

    def names_him(batch: Batch) -> bool:
        details = batch.details
        place = [details.get("source"), details.get("entity")]
        parties = [details.get(name) for name in ("giver", "taker", "customer")]
        merged = [[*place, details.get(name)] for name in ("from", "into")]
        return mine in parties or mine in merged

    return [batch for batch in batches.listed(connection) if names_him(batch)]


def _unknown(customer: CustomerKey) -> NotFound:
    return NotFound(
        f"the ledger knows nothing of customer {customer.rowid}",
        "he has no account, or was erased already: dolisync batches lists the erasures",
    )


# --- erasure -------------------------------------------------------------------------------------


def erase(
    transaction: Transaction,
    programs: Mapping[str, Program],
    customer: CustomerKey,
    reason: str,
    token: str,
) -> Erased:
    """Take a person out of the ledger, all his accounts and sales.

    Raises ``NotFound`` for somebody unknown, ``UserError`` while he has open discounts.
    """
    connection = transaction.connection
    members = _rows(connection, tables.member, _of_customer(tables.member, customer))
    sales = _rows(connection, tables.sale, _of_sales(customer))
    others = (_vouchers(connection, customer), _recommendations(connection, customer))
    if not (members or sales or any(others)):
        raise _unknown(customer)
    ids = [row["id"] for row in members]
    _refuse_open_discounts(connection, ids)
    about_him = _batches_about(connection, customer)
    title = f"one person erased: {reason}"
    batch = batches.create(connection, BatchKind.ERASE, title, {}, transaction.now, token)
    lapsed = _lapse(transaction, programs, customer, ids, batch)
    posting = tables.posting.c
    movements = _seal_reasons(connection, posting.member_id.in_(ids))
    # What was done with others stands in their histories too, and names him.
    _seal_reasons(connection, posting.batch_id.in_([one.id for one in about_him]))
    # Everything of his stays together under a number that leads to nobody.
    nobody = -batch.id
    _forget_members(connection, ids, nobody, transaction.now)
    _forget_sales(connection, sales, nobody, transaction.now)
    _forget_around(connection, customer, sales, about_him)
    return Erased(batch, len(members), movements, len(sales), lapsed)


def _refuse_open_discounts(connection: Connection, member_ids: Collection[int]) -> None:
    redemption = tables.redemption.c
    query = select(redemption.token).where(
        redemption.member_id.in_(member_ids),
        redemption.state.in_((State.WANTED, State.OPEN, State.DRAFTED)),
    )
    tokens = sorted(connection.execute(query).scalars())
    if tokens:
        message = f"he still has discounts in Dolibarr: {', '.join(tokens)}"
        raise UserError(message, f"take them back first: dolisync redeem --revoke {tokens[0]}")


def _lapse(
    transaction: Transaction,
    programs: Mapping[str, Program],
    customer: CustomerKey,
    member_ids: Collection[int],
    batch: Batch,
) -> dict[str, int]:
    """Write off what is left on his accounts; return how much, by program."""
    transaction.load_books((), ids=member_ids)
    lapsed = {}
    for id_ in member_ids:
        key = transaction.member_keys[id_]
        lapsed[key.program] = transaction.books[key].balance
        _write_off(transaction, transaction.books[key], programs.get(key.program), batch)
    transaction.flush()
    for id_ in member_ids:
        del transaction.books[MemberKey(transaction.member_keys[id_].program, customer)]
    return lapsed


def _write_off(transaction: Transaction, book: Book, program: Program | None, batch: Batch) -> None:
    today: date = transaction.now.astimezone(program.zone if program else None).date()
    entry = Entry(
        f"erase:{batch.token}:{book.member_id}",
        Kind.ADJUST,
        today,
        transaction.now,
        LAPSED_REASON,
        batch_id=batch.id,
    )
    book.write_off(transaction.journal, entry)


def _seal_reasons(connection: Connection, chosen: ColumnElement[bool]) -> int:
    """Put the seals of these movements' reasons in their places; return how many there are."""
    posting, member = tables.posting, tables.member.c
    query = select(posting, member.salt).join(tables.member, member.id == posting.c.member_id)
    rows = [dict(row) for row in connection.execute(query.where(chosen)).mappings()]
    sealed = [
        {
            "id": row["id"],
            "seal": row["seal"] or seal(row["salt"], row),
            "reason": LAPSED_REASON if row["reason"] == LAPSED_REASON else "",
        }
        for row in rows
    ]
    update_rows(connection, posting, sealed)
    return len(rows)


def _forget_members(
    connection: Connection, ids: Collection[int], nobody: int, now: datetime
) -> None:
    member, redemption = tables.member, tables.redemption
    gone = {"customer_rowid": nobody, "salt": None, "erased_at": now}
    connection.execute(update(member).where(member.c.id.in_(ids)).values(gone))
    connection.execute(update(redemption).where(redemption.c.member_id.in_(ids)).values(reason=""))


def _forget_sales(
    connection: Connection, rows: Collection[Mapping[str, Any]], nobody: int, now: datetime
) -> None:
    """Keep of his sales what sums need: that they were, when, and how much."""
    for row in rows:
        key = SaleKey(row["source"], row["entity"], row["rowid"])
        sale = from_document(key, row["document"])
        bare = replace(
            sale,
            ref="",
            customer=replace(sale.customer, rowid=nobody),
            close_code="",
            terminal="",
            lines=(),
            payments=(),
            buyer=None,
            delivery=None,
            warehouses=(),
        )
        values = {
            "ref": "",
            "customer_rowid": nobody,
            "seen_customer_rowid": None,
            "fingerprint": ERASED,
            "document": to_document(bare),
            "undelivered": None,
            "erased_at": now,
        }
        connection.execute(update(tables.sale).where(tables.sale.c.id == row["id"]).values(values))


def _forget_around(
    connection: Connection,
    customer: CustomerKey,
    sales: Collection[Mapping[str, Any]],
    about_him: Collection[Batch],
) -> None:
    """Take him out of what waits, of what is parked, and of what was done at once.

    What was put on his card for a tier is forgotten when it is taken off there.
    """
    connection.execute(delete(tables.outbox).where(_of_outbox(customer)))
    _forget_vouchers(connection, customer)
    parked = tables.parked.c
    for row in sales:
        connection.execute(
            delete(tables.parked).where(
                parked.source == row["source"],
                parked.entity == row["entity"],
                parked.rowid == row["rowid"],
            )
        )
    ids = [row["id"] for row in sales]
    connection.execute(delete(tables.counted).where(tables.counted.c.sale_id.in_(ids)))
    # What was given to him stays given: budgets of campaigns do not fill again.
    use = tables.campaign_use
    his = or_(use.c.sale_id.in_(ids), _of_customer(use, customer))
    connection.execute(update(use).where(his).values(customer_rowid=0))
    _forget_recommendations(connection, customer)
    for table in (tables.counted, tables.tier_setting, tables.request, tables.bonus_given):
        connection.execute(delete(table).where(_of_customer(table, customer)))
    courses.renew_all(connection)
    for batch in about_him:
        batches.forget(connection, batch)


def _forget_recommendations(connection: Connection, customer: CustomerKey) -> None:
    """Take him out of who recommended whom, and out of what staff wrote on others' cards."""
    row = tables.request
    for other in referrals.forget(connection, customer):
        names_him = and_(_of_customer(row, other), row.c.content.like(f'%"{Part.REFER}"%'))
        connection.execute(delete(row).where(names_him))


def _forget_vouchers(connection: Connection, customer: CustomerKey) -> None:
    """Let his codes be of whoever holds them; what was written about them may name him."""
    mine = [row["id"] for row in _vouchers(connection, customer)]
    movement, voucher = tables.voucher_movement, tables.voucher
    connection.execute(update(movement).where(movement.c.voucher_id.in_(mine)).values(reason=""))
    nobody = {"customer_rowid": None, "redemption_id": None}
    connection.execute(update(voucher).where(voucher.c.id.in_(mine)).values(nobody))
