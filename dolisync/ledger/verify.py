"""The invariants of the ledger, checked against its own rows: what is broken, and where.

Numbers as in docs/architecture.md: sums, lots, and what the rules give for every known sale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, case, func, not_, or_, select

from dolisync.ledger import chain, referrals, tables, voucher_uses, vouchers
from dolisync.ledger.book import Kind
from dolisync.ledger.engine import reading
from dolisync.ledger.redemptions import State


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken rule: which, where, and what was found."""

    rule: str
    where: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found} ({self.rule})"


RULE_SALE = "a sale holds what the rules give for it"
RULE_LOT = "a lot's remainder is its points and allocations, between zero and its points"
RULE_BALANCE = "a balance is the sum of the postings, and of the lots less debt"
RULE_DEBT = "debt is what allocations without a lot come to, never below zero"
RULE_POSTING = "a posting is its own lot's points or the sum of its allocations"
RULE_CHAIN = "a member's postings are numbered without gaps, each with the balance it left"
RULE_HASH = "each posting's hash covers it and the one before; each day's anchor all of them"
RULE_REDEMPTION = "a redemption's points left once, and came back once if it was not used"
RULE_VOUCHER = "what is on a code is the sum of its movements, never below zero"
RULE_USED = "a sale uses of a code what stands on it, less what its returns give back"
RULE_SOLD = "a paid sale makes the gift cards that stand on it, its returns take them back"
RULE_PAID = "a sale costs what its payments with points are worth"
RULE_SPENT = "of a redemption's points comes back what the sales say on which it was used"
RULE_REFERRAL = "a recommendation holds what the purchase gives that it brought"

RULE_LIMITS = "campaigns with limits give what their limits leave"
RULE_COUNTED = "what is kept of a sale for rules that look back is what it counts"


def verify_books(engine: Engine) -> list[Breach]:
    """Check everything that the ledger's rows can tell by themselves."""
    checks: tuple[Callable[[Connection], Iterator[Breach]], ...] = (
        _lots,
        _balances,
        _debts,
        _postings,
        _chains,
        _hashes,
        _redemptions,
        _vouchers,
        _referrals,
    )
    with reading(engine) as connection:
        return [breach for check in checks for breach in check(connection)]


def _lots(connection: Connection) -> Iterator[Breach]:
    lot, allocation = tables.lot.c, tables.allocation.c
    moved = func.coalesce(func.sum(allocation.points), 0)
    query = (
        select(lot.id, lot.points, lot.remaining, moved.label("moved"))
        .outerjoin(tables.allocation, allocation.lot_id == lot.id)
        .group_by(lot.id, lot.points, lot.remaining)
        .having(
            or_(
                lot.remaining != lot.points + moved,
                lot.remaining < 0,
                lot.remaining > lot.points,
            )
        )
    )
    for row in connection.execute(query):
        found = f"{row.remaining} remaining of {row.points}, allocations {row.moved}"
        yield Breach(RULE_LOT, f"lot {row.id}", found)


def _balances(connection: Connection) -> Iterator[Breach]:
    posted = _sum_per_member(tables.posting.c.member_id, tables.posting.c.points)
    held = _sum_per_member(tables.lot.c.member_id, tables.lot.c.remaining)
    member = tables.member.c
    of_postings = func.coalesce(posted.c.total, 0)
    of_lots = func.coalesce(held.c.total, 0)
    query = (
        select(tables.member, of_postings.label("posted"), of_lots.label("held"))
        .outerjoin(posted, posted.c.member_id == member.id)
        .outerjoin(held, held.c.member_id == member.id)
        .where(or_(member.balance != of_postings, member.balance != of_lots - member.debt))
    )
    for row in connection.execute(query):
        found = f"balance {row.balance}, postings {row.posted}, lots {row.held}, debt {row.debt}"
        yield Breach(RULE_BALANCE, _member(row), found)


def _sum_per_member(member_id: Any, points: Any) -> Any:
    query = select(member_id.label("member_id"), func.sum(points).label("total"))
    return query.group_by(member_id).subquery()


def _debts(connection: Connection) -> Iterator[Breach]:
    allocation, member = tables.allocation.c, tables.member.c
    owed = (
        select(allocation.member_id, func.sum(allocation.points).label("total"))
        .where(allocation.lot_id.is_(None))
        .group_by(allocation.member_id)
        .subquery()
    )
    total = -func.coalesce(owed.c.total, 0)
    query = (
        select(tables.member, total.label("owed"))
        .outerjoin(owed, owed.c.member_id == member.id)
        .where(or_(member.debt != total, member.debt < 0))
    )
    for row in connection.execute(query):
        yield Breach(RULE_DEBT, _member(row), f"debt {row.debt}, allocations {row.owed}")


def _postings(connection: Connection) -> Iterator[Breach]:
    posting, lot, allocation = tables.posting.c, tables.lot.c, tables.allocation.c
    moved = (
        select(allocation.posting_id, func.sum(allocation.points).label("total"))
        .group_by(allocation.posting_id)
        .subquery()
    )
    total = func.coalesce(lot.points, 0) + func.coalesce(moved.c.total, 0)
    query = (
        select(posting.key, posting.points, total.label("moved"))
        .outerjoin(tables.lot, lot.posting_id == posting.id)
        .outerjoin(moved, moved.c.posting_id == posting.id)
        .where(posting.points != total)
    )
    for row in connection.execute(query):
        found = f"{row.points} points, lots and allocations {row.moved}"
        yield Breach(RULE_POSTING, f"posting {row.key}", found)


def _chains(connection: Connection) -> Iterator[Breach]:
    posting = tables.posting.c
    per_member, in_order = posting.member_id, posting.sequence
    place = func.row_number().over(partition_by=per_member, order_by=in_order)
    running = func.sum(posting.points).over(
        partition_by=per_member, order_by=in_order, rows=(None, 0)
    )
    walked = select(
        posting.key,
        posting.sequence,
        posting.balance_after,
        place.label("place"),
        running.label("running"),
    ).subquery()
    query: Select[Any] = select(walked).where(
        or_(
            walked.c.sequence != walked.c.place,
            walked.c.balance_after != walked.c.running,
        )
    )
    for row in connection.execute(query):
        found = (
            f"number {row.sequence} in place {row.place}, "
            f"balance after it {row.balance_after}, sum {row.running}"
        )
        yield Breach(RULE_CHAIN, f"posting {row.key}", found)
    yield from _counters(connection)


def _counters(connection: Connection) -> Iterator[Breach]:
    """Check the number that each member's next posting will go on from."""
    posting, member = tables.posting.c, tables.member.c
    last = (
        select(posting.member_id, func.max(posting.sequence).label("number"))
        .group_by(posting.member_id)
        .subquery()
    )
    number = func.coalesce(last.c.number, 0)
    query = (
        select(tables.member, number.label("number"))
        .outerjoin(last, last.c.member_id == member.id)
        .where(member.sequence != number)
    )
    for row in connection.execute(query):
        yield Breach(RULE_CHAIN, _member(row), f"counts {row.sequence} postings, has {row.number}")


def _hashes(connection: Connection) -> Iterator[Breach]:
    for broken in (*chain.broken_links(connection), *chain.broken_anchors(connection)):
        yield Breach(RULE_HASH, broken.where, broken.found)


def _redemptions(connection: Connection) -> Iterator[Breach]:
    redemption, posting = tables.redemption.c, tables.posting.c
    spent = func.coalesce(
        func.sum(case((posting.kind == Kind.REDEEM, -posting.points), else_=0)), 0
    )
    returned = func.coalesce(
        func.sum(case((posting.kind == Kind.RETURN, posting.points), else_=0)), 0
    )
    due_back = case((redemption.state.in_(("revoked", "refused")), redemption.points), else_=0)
    # Of a used one any part may have come back: the audit of the sales knows which.
    is_used = redemption.state == "used"
    within = case((is_used, returned.between(0, redemption.points)), else_=returned == due_back)
    query = (
        select(redemption.token, redemption.points, redemption.state, spent, returned)
        .outerjoin(tables.posting, posting.redemption_id == redemption.id)
        .group_by(redemption.id, redemption.token, redemption.points, redemption.state)
        .having(or_(spent != redemption.points, not_(within)))
    )
    for token, points, state, out, back in connection.execute(query):
        found = f"{state}, {points} points: {out} left the account, {back} came back"
        yield Breach(RULE_REDEMPTION, f"redemption {token}", found)


def _vouchers(connection: Connection) -> Iterator[Breach]:
    for where, found in (*vouchers.broken(connection), *voucher_uses.broken(connection)):
        yield Breach(RULE_VOUCHER, where, found)
    # One that was made from points is worth what they were.
    redemption, movement, voucher = tables.redemption.c, tables.voucher_movement.c, tables.voucher.c
    issued = func.coalesce(func.sum(movement.amount_minor), 0)
    query = (
        select(redemption.token, redemption.amount_minor, issued.label("issued"))
        .join(tables.member, tables.member.c.id == redemption.member_id)
        .outerjoin(tables.voucher, voucher.redemption_id == redemption.id)
        .outerjoin(
            tables.voucher_movement,
            (movement.voucher_id == voucher.id) & (movement.kind == vouchers.Move.ISSUED),
        )
        # After an erasure nothing tells any more which code it was.
        .where(redemption.state == State.VOUCHER, tables.member.c.erased_at.is_(None))
        .group_by(redemption.id, redemption.token, redemption.amount_minor)
        .having(redemption.amount_minor != issued)
    )
    for token, amount, found in connection.execute(query):
        yield Breach(RULE_VOUCHER, f"redemption {token}", f"worth {amount}, codes hold {found}")


def _member(row: Any) -> str:
    return f"customer {row.source}:{row.entity}:{row.customer_rowid} in '{row.program}'"


def _referrals(connection: Connection) -> Iterator[Breach]:
    """Compare what is noted beside recommendations with what was posted for them."""
    posted = referrals.posted(connection)
    row = tables.referral.c
    for noted in connection.execute(select(row.id, row.new_units, row.by_units)):
        sides = {referrals.Side.NEW: noted.new_units, referrals.Side.BY: noted.by_units}
        for side, held in sides.items():
            found = posted.pop(referrals.key_of(noted.id, side), 0)
            if found != held:
                where = f"recommendation {noted.id}, {side}"
                yield Breach(RULE_REFERRAL, where, f"{held} noted, {found} posted")
    for name, units in posted.items():
        if units:
            yield Breach(RULE_REFERRAL, name, f"{units} posted for no recommendation")
