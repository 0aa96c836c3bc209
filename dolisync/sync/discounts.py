"""What became of our discounts in Dolibarr: used, deleted, doubled, or unknown to this ledger.

Replacing an invoice makes a second discount of the same text, and dropping the replacement sets
that one free: more would stand there than points were paid for. What is free beyond that is
removed. A ledger restored from a backup does not know discounts made since: they are booked again
when asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import structlog
from sqlalchemy import Connection, func, select

from dolisync.ledger import outbox, redemptions, tables
from dolisync.ledger.book import Entry, Kind
from dolisync.ledger.engine import reading, write
from dolisync.ledger.redemptions import Redemption, State
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.model import CustomerKey, SaleStatus
from dolisync.ports import PlacedDiscount, Sink
from dolisync.program.terms import Program, RewardTerms
from dolisync.sync import redeem
from dolisync.sync.draft_adoption import sales_with
from dolisync.sync.judge import Rules, judge_again
from dolisync.sync.publish import Publisher

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Followed:
    """What was found. ``overspent`` are tokens that stand on more sales than they were paid for.

    ``unknown`` are discounts with a token of ours that this ledger does not know, ``adopted`` those
    of them that were booked now, ``trimmed`` tokens of which surplus parts were removed.
    """

    returned: tuple[str, ...] = ()
    trimmed: tuple[str, ...] = ()
    overspent: tuple[str, ...] = ()
    unknown: tuple[PlacedDiscount, ...] = ()
    adopted: tuple[str, ...] = ()


def follow_discounts(publisher: Publisher, sink: Sink, adopting: Rules | None = None) -> Followed:
    """See what became of discounts: used ones are noted, deleted ones give points back.

    With ``adopting``, discounts that the ledger does not know are booked as redemptions.
    """
    source = publisher.source.name
    # A discount that is made meanwhile must neither look deleted nor unknown: the ledger is read
    # before Dolibarr for the one, and after it for the other.
    with reading(publisher.engine) as connection:
        open_ones = redemptions.unsettled(connection, source)
    placed = sink.list_discounts(redeem.TOKEN_PREFIX)
    with reading(publisher.engine) as connection:
        known = redemptions.of_source(connection, source)
        overspent = tuple(_overspent(connection, source))
    returned = tuple(
        entry.token for entry in open_ones if _follow(publisher, entry, placed.get(entry.token))
    )
    trimmed = tuple(_trim(sink, known, placed))
    strange = [found for token, found in sorted(placed.items()) if token not in known]
    adopted = tuple(_adopt_all(publisher, adopting, strange)) if adopting else ()
    unknown = tuple(found for found in strange if found.token not in adopted)
    _tell(overspent, unknown)
    return Followed(returned, trimmed, overspent, unknown, adopted)


def _tell(overspent: tuple[str, ...], unknown: tuple[PlacedDiscount, ...]) -> None:
    if overspent:
        log.error("discounts used more often than paid for", tokens=", ".join(overspent))
    if unknown:
        log.error(
            "discounts that the ledger does not know",
            tokens=", ".join(found.token for found in unknown),
        )


def _follow(publisher: Publisher, entry: Redemption, placed: PlacedDiscount | None) -> bool:
    """Bring one redemption up to date; tell whether its points came back."""
    if placed is None and entry.state == State.USED:
        # It was used on something, and went with it: nothing says that it was not.
        return False
    if placed is not None:
        state = State.USED if placed.used else State.OPEN
        if entry.state != state:
            write(publisher.engine, lambda c: redemptions.set_state(c, entry, state))
        return False
    redeem.give_back(
        publisher.engine,
        publisher.clock,
        publisher.programs,
        entry.token,
        State.REVOKED,
        "discount deleted in Dolibarr",
    )
    return True


def _trim(
    sink: Sink, known: Mapping[str, Redemption], placed: Mapping[str, PlacedDiscount]
) -> Iterator[str]:
    """Remove parts that are free beyond what was paid for."""
    for token, found in placed.items():
        if token not in known or not found.free_amount:
            continue
        is_void = known[token].state in {State.REVOKED, State.REFUSED}
        paid_for = Decimal(0) if is_void else known[token].amount
        if found.amount_incl > paid_for and sink.remove_surplus(token, paid_for):
            log.warning("surplus discount removed", token=token, paid_for=str(paid_for))
            yield token


def _overspent(connection: Connection, source: str) -> Iterator[str]:
    """Name the redemptions that stand on living sales with more than they are worth."""
    redemption, use, sale = tables.redemption.c, tables.reward_use.c, tables.sale.c
    query = (
        select(redemption.token)
        .join(tables.reward_use, use.redemption_id == redemption.id)
        .join(tables.sale, sale.id == use.sale_id)
        .where(
            sale.source == source,
            sale.vanished_at.is_(None),
            sale.status != SaleStatus.ABANDONED,
        )
        .group_by(redemption.id, redemption.token, redemption.amount_minor)
        .having(func.sum(use.amount_minor) > redemption.amount_minor)
        .order_by(redemption.id)
    )
    tokens = connection.execute(query).scalars().all()
    yield from (token for token in tokens if not _is_settled(connection, token))


def _is_settled(connection: Connection, token: str) -> bool:
    """Tell whether somebody corrected by hand what was used too often, and named the token."""
    posting = tables.posting.c
    named = posting.reason.contains(token, autoescape=True)
    query = select(posting.id).where(posting.kind == Kind.ADJUST, named).limit(1)
    return connection.execute(query).first() is not None


# --- discounts that a restored ledger does not know ----------------------------------------------


def _adopt_all(publisher: Publisher, rules: Rules, strange: list[PlacedDiscount]) -> Iterator[str]:
    for found in strange:
        chosen = _reward_of(publisher.programs, publisher.source.name, found)
        if chosen is not None:
            program, reward = chosen
            is_new = write(
                publisher.engine,
                lambda c, f=found, p=program, r=reward: _adopt(c, publisher, rules, f, p, r),  # type: ignore[misc]
            )
            if is_new:
                yield found.token


def _reward_of(
    programs: Mapping[str, Program], source: str, found: PlacedDiscount
) -> tuple[Program, RewardTerms] | None:
    """Return the reward that such a discount comes from: the one of its title, else its amount."""
    fitting = [
        (program, reward)
        for program in programs.values()
        if program.takes(source)
        for reward in program.reward
        if reward.amount == found.worth
    ]
    titled = [pair for pair in fitting if pair[1].title in found.text]
    chosen = titled or fitting
    return chosen[0] if len(chosen) == 1 else None


def _adopt(
    connection: Connection,
    publisher: Publisher,
    rules: Rules,
    found: PlacedDiscount,
    program: Program,
    reward: RewardTerms,
) -> bool:
    """Book a discount as a redemption; tell whether it was not booked already."""
    if redemptions.by_tokens(connection, [found.token]):
        return False
    customer = CustomerKey(publisher.source.name, publisher.source.entity, found.owner)
    transaction = Transaction(connection, publisher.clock.now())
    key = MemberKey(program.name, customer)
    transaction.load_books([key])
    book = transaction.book(key)
    transaction.flush()
    units, today = program.units(reward.points), transaction.now.astimezone(program.zone).date()
    state = State.USED if found.used else State.OPEN
    id_ = redemptions.add(
        connection, book.member_id, reward, units, found.token, transaction.now, state
    )
    reason = f"{reward.title} {found.token}: found in Dolibarr"
    entry = Entry(
        f"redeem:{found.token}", Kind.REDEEM, today, transaction.now, reason, redemption_id=id_
    )
    # What is lacking becomes debt: the customer has the discount already.
    book.adjust(transaction.journal, entry, -units, None, today)
    transaction.flush()
    judge_again(transaction, rules, sales_with(transaction, found.token))
    outbox.wish(connection, [outbox.customer_target(customer)], transaction.now)
    return True
