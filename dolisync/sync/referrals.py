"""Recommendations: what both sides should hold is judged anew, and the difference is booked.

A recommendation holds what the purchase gives that it brought. It is looked at in the transaction
in which sales of the new customer are judged, so that nothing comes between, and when two customers
have become one, or two again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from dolisync.ledger import outbox, referrals, tables
from dolisync.ledger.book import Entry, Kind
from dolisync.ledger.referrals import Referral, Side, key_of, with_held
from dolisync.ledger.rulesets import RuleBook
from dolisync.ledger.store import KnownSale, MemberKey, Transaction
from dolisync.model import CustomerKey, SaleKey, SaleKind, SaleStatus
from dolisync.program.assess import earned_on
from dolisync.program.calendar import add_days, last_day_of_use
from dolisync.program.goods import bought, taken_off
from dolisync.program.referral_terms import DAYS_LATE_MAX, ReferralTerms
from dolisync.program.referrals import Purchase, brought, rewarded
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program

# Say which returns in a family that begins with its sale are believed.
Trusted = Callable[[Sequence[KnownSale]], list[KnownSale]]

_NO_PURCHASE = (
    SaleKind.CREDIT_NOTE,
    SaleKind.DEPOSIT,
    SaleKind.PROFORMA,
    SaleKind.SITUATION,
)
_NOT_BOUGHT = (SaleStatus.DRAFT, SaleStatus.ABANDONED)


def are_wanted(book: RuleBook) -> bool:
    """Tell whether a program ever gave anything for recommendations."""
    return any(terms.referral for rules in book.sets for terms in rules.programs)


# --- what should be booked ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """What one side of a recommendation should hold, in ledger units, and for which sale."""

    side: Side
    units: int = 0
    sale_id: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A recommendation with the purchase that it brought by now, and what its sides should hold.

    A side whose customer was erased is left as it is.
    """

    referral: Referral
    shares: tuple[Share, ...]

    @property
    def differing(self) -> tuple[Share, ...]:
        """The shares that are not what the sides hold."""
        return tuple(share for share in self.shares if not self._is_held(share))

    def _is_held(self, share: Share) -> bool:
        held = self.referral.held(share.side)
        is_nothing = not (share.units or held.units)
        return is_nothing or (held.units, held.sale_id) == (share.units, share.sale_id)


@dataclass(frozen=True, slots=True)
class _Sold:
    """What a sale is known by: its identity, its day, and the rules that judge it."""

    key: SaleKey
    day: date
    rule_set_id: int


@dataclass(frozen=True, slots=True)
class Referrals:
    """Judges recommendations in one transaction, the sales of which are written already."""

    transaction: Transaction
    book: RuleBook
    around: Mapping[str, Surroundings]
    trusted: Trusted
    _sold: dict[int, _Sold] = field(default_factory=dict)

    @property
    def _connection(self) -> Connection:
        return self.transaction.connection

    def judge(self, changed: Iterable[Referral]) -> list[Judged]:
        """Judge these recommendations and, because of limits, all others by the same customers.

        They come in their order.
        """
        found = {one.id: replace(one, sale_id=self._sale_brought(one)) for one in changed}
        givers = {(one.program, one.by) for one in found.values() if one.by is not None}
        for one in referrals.of_by(self._connection, {by for _, by in givers}):
            if (one.program, one.by) in givers:
                found.setdefault(one.id, one)
        every = [found[id_] for id_ in sorted(found)]
        self._read_sold(every)
        paid = self._rewarded(every)
        return [Judged(one, tuple(self._shares(one, one.id in paid))) for one in every]

    def _shares(self, referral: Referral, is_rewarded: bool) -> Iterator[Share]:  # noqa: FBT001
        terms = None if referral.void else self._terms(referral)
        for side in Side:
            who = referral.who(side)
            if who is None:
                continue
            if terms is None or self._is_left_out(referral, who):
                yield Share(side)
                continue
            points = terms.new_points if side is Side.NEW else terms.points
            units = self.program_of(referral).units(points)
            is_due = side is Side.NEW or is_rewarded
            yield Share(side, units if is_due else 0, referral.sale_id)

    def _is_left_out(self, referral: Referral, who: CustomerKey) -> bool:
        around = self.around.get(referral.source, Surroundings())
        left_out = self.program_of(referral).excluded_customers
        return who.rowid in around.pos_customers or who.rowid in left_out

    def _rewarded(self, every: Sequence[Referral]) -> set[int]:
        """Return for which of these the one who recommended is rewarded."""
        by_giver: dict[tuple[str, CustomerKey], list[tuple[date, SaleKey, int]]]
        by_giver = defaultdict(list)
        terms: dict[int, ReferralTerms] = {}
        for one in every:
            mine = None if one.void else self._terms(one)
            if mine is None or one.by is None or one.by_left_at or one.sale_id is None:
                continue
            terms[one.id], sold = mine, self._sold[one.sale_id]
            by_giver[one.program, one.by].append((sold.day, sold.key, one.id))
        return {
            id_
            for brought_by_one in by_giver.values()
            for id_ in rewarded((id_, day, terms[id_]) for day, _, id_ in sorted(brought_by_one))
        }

    def _terms(self, referral: Referral) -> ReferralTerms | None:
        """Return the terms of the rules that judge what it brought, if it brought anything."""
        if referral.sale_id is None:
            return None
        program = self._program(referral.program, referral.sale_id)
        return program.referral if program else None

    def program_of(self, referral: Referral) -> Program:
        """Return the program by whose rules it is judged.

        Those of the purchase that it brought or, without one, of that for which points are held;
        else the newest rules that gave anything.
        """
        for sale_id in (referral.sale_id, *(referral.held(side).sale_id for side in Side)):
            program = None if sale_id is None else self._program(referral.program, sale_id)
            if program is not None and program.referral is not None:
                return program
        return newest(self.book, referral.program)

    def sold(self, sale_id: int) -> SaleKey:
        """Return which sale it is."""
        return self._sold[sale_id].key

    def _program(self, name: str, sale_id: int) -> Program | None:
        programs = self.book.by_id(self._sold[sale_id].rule_set_id).programs
        return next((program for program in programs if program.name == name), None)

    # --- sales -----------------------------------------------------------------------------------

    def _read_sold(self, every: Sequence[Referral]) -> None:
        """Read of which day, and by which rules, the sales are that these are about."""
        ids = {one.held(side).sale_id for one in every for side in Side}
        ids |= {one.sale_id for one in every}
        sale = tables.sale.c
        columns = (sale.id, sale.source, sale.entity, sale.rowid, sale.sale_date, sale.rule_set_id)
        query = select(*columns).where(sale.id.in_([id_ for id_ in ids if id_ is not None]))
        for row in self._connection.execute(query):
            key = SaleKey(row.source, row.entity, row.rowid)
            self._sold[row.id] = _Sold(key, row.sale_date, row.rule_set_id)

    def _sale_brought(self, referral: Referral) -> int | None:
        """Find the purchase that a recommendation brought; an erased customer's stays."""
        new = referral.new
        if new is None:
            return referral.sale_id
        families = self._families(referral, new)
        if not families:
            return None
        units = self._units(referral.program, families)
        purchases = [self._purchase(referral.program, family, units) for family in families]
        first = bought_first(self._connection, new)
        found = brought(referral.said_on, first, purchases)
        return found.sale_id if found else None

    def _families(self, referral: Referral, new: CustomerKey) -> list[list[KnownSale]]:
        """Load the customer's sales that may count, in their order, each with its returns."""
        transaction, sale = self.transaction, tables.sale.c
        first = referral.said_on - timedelta(days=DAYS_LATE_MAX)
        last = referral.said_on + timedelta(days=self._longest(referral.program))
        query = (
            select(sale.rowid)
            .where(_bought_by(new), sale.sale_date.between(first, last))
            .order_by(sale.sale_date, sale.rowid)
        )
        rowids = self._connection.execute(query).scalars()
        keys = [SaleKey(new.source, new.entity, rowid) for rowid in rowids]
        transaction.load_sales(keys)
        transaction.load_returns(keys)
        families = ([transaction.sales[key], *transaction.returns_of(key)] for key in keys)
        return [[family[0], *self.trusted(family)] for family in families]

    def _longest(self, name: str) -> int:
        terms = (program for rules in self.book.sets for program in rules.programs)
        return max(one.referral.within_days for one in terms if one.name == name and one.referral)

    def _units(self, name: str, families: Sequence[Sequence[KnownSale]]) -> dict[int, int]:
        """Return what each of these sales holds in a program."""
        held = self.transaction.holdings([known.id for family in families for known in family])
        self.transaction.load_members((), {id_ for members in held.values() for id_ in members})
        keys = self.transaction.member_keys
        return {
            sale_id: sum(one.units for id_, one in members.items() if keys[id_].program == name)
            for sale_id, members in held.items()
        }

    def _purchase(
        self, name: str, family: Sequence[KnownSale], units: Mapping[int, int]
    ) -> Purchase:
        head = family[0]
        programs = self.book.by_id(head.rule_set_id).programs
        terms = next((program.referral for program in programs if program.name == name), None)
        return Purchase(
            head.id,
            head.sale.date,
            _left(family),
            sum(units.get(known.id, 0) for known in family),
            terms,
        )


def _left(family: Sequence[KnownSale]) -> Decimal:
    """Return what returns left of a sale, including tax."""
    head, *returns = (known.sale for known in family)
    return bought([*head.lines, *(line for credit in returns for line in taken_off(credit))])


def newest(book: RuleBook, name: str) -> Program:
    """Return a program by its newest rules, by those that give for recommendations if any did."""
    found = [program for rules in book.sets for program in rules.programs if program.name == name]
    giving = [program for program in found if program.referral is not None]
    return (giving or found)[-1]


def bought_first(connection: Connection, customer: CustomerKey) -> date | None:
    """Return the day of a customer's first purchase, as far as the ledger knows."""
    query = select(func.min(tables.sale.c.sale_date)).where(_bought_by(customer))
    found: date | None = connection.execute(query).scalar()
    return found


def _bought_by(customer: CustomerKey) -> ColumnElement[bool]:
    sale: Any = tables.sale.c
    return and_(
        sale.source == customer.source,
        sale.entity == customer.entity,
        sale.customer_rowid == customer.rowid,
        sale.kind.not_in(_NO_PURCHASE),
        sale.status.not_in(_NOT_BOUGHT),
        sale.vanished_at.is_(None),
        sale.set_aside_at.is_(None),
        sale.erased_at.is_(None),
    )


# --- booking --------------------------------------------------------------------------------------


def follow(found: Referrals, customers: Collection[CustomerKey]) -> list[outbox.Target]:
    """Book what recommendations of these customers, and all that are due, come to now.

    What was written so far must be flushed, and so is this. Returns the cards that show it.
    """
    if not are_wanted(found.book):
        return []
    connection = found.transaction.connection
    changed = [*referrals.of_new(connection, customers), *referrals.due(connection)]
    if not changed:
        return []
    judged = found.judge({one.id: one for one in changed}.values())
    booking = _Booking(found, {one.referral.id: one.referral for one in judged})
    for one in judged:
        booking.take_back(one)
    for one in judged:
        booking.give(one)
    found.transaction.flush()
    for referral in booking.known.values():
        referrals.save(connection, referral, found.transaction.now)
    return [outbox.customer_target(customer) for customer in dict.fromkeys(booking.moved)]


@dataclass(frozen=True, slots=True)
class _Booking:
    """Books differences; ``known`` are the recommendations as they are by now."""

    found: Referrals
    known: dict[int, Referral]
    moved: list[CustomerKey] = field(default_factory=list)

    def take_back(self, judged: Judged) -> None:
        """Take back what is not due any more, or is due for another sale."""
        for share in judged.differing:
            if self.known[judged.referral.id].held(share.side).units:
                self._take(self.known[judged.referral.id], share.side)

    def give(self, judged: Judged) -> None:
        """Give what is due; nothing of it is held any more."""
        for share in judged.differing:
            if share.units and share.sale_id is not None:
                self._give(self.known[judged.referral.id], share, share.sale_id)

    def _take(self, referral: Referral, side: Side) -> None:
        transaction, held = self.found.transaction, referral.held(side)
        before = replace(referral, sale_id=held.sale_id)
        program = self.found.program_of(before)
        key = self._member(referral, side)
        transaction.load_books([key])
        book = transaction.book(key)
        spots, settled = referrals.given(transaction.connection, referral, side)
        lots = [spot.lot_id for spot in spots if spot.member_id == book.member_id]
        transaction.load_lots(book, lots)
        today = transaction.now.astimezone(program.zone).date()
        entry = self._entry(referral, side, today, f"{_title(program, side)}: taken back")
        book.take_lots_back(
            transaction.journal,
            entry,
            held.units,
            book.lots_of(lots),
            program.returns.shortfall,
            today,
            settled,
        )
        self._note(referral, side, 0, None)

    def _give(self, referral: Referral, share: Share, sale_id: int) -> None:
        transaction, side = self.found.transaction, share.side
        program = self.found.program_of(referral)
        assert program.referral is not None, "something is due only where rules give it"
        key = self._member(referral, side)
        transaction.load_books([key])
        book = transaction.book(key)
        day = self._earned_on(program, sale_id)
        entry = self._entry(referral, side, day, _title(program, side))
        forgiven = referrals.forgiven(transaction.connection, referral, side)
        if forgiven > 0:
            book.unforgive(transaction.journal, entry, min(forgiven, share.units))
        terms = program.referral
        wait = program.earn.wait_days if terms.wait_days is None else terms.wait_days
        until = last_day_of_use(program.validity, day)
        if terms.valid_days is not None:
            until = add_days(day, terms.valid_days)
        book.earn(transaction.journal, entry, share.units, until, add_days(day, wait))
        self._note(referral, side, share.units, sale_id)

    def _earned_on(self, program: Program, sale_id: int) -> date:
        transaction, key = self.found.transaction, self.found.sold(sale_id)
        transaction.load_sales([key])
        return earned_on(program, transaction.sales[key].sale)

    def _member(self, referral: Referral, side: Side) -> MemberKey:
        who = referral.who(side)
        assert who is not None, "nothing is booked for who was erased"
        self.moved.append(who)
        return MemberKey(referral.program, who)

    def _entry(self, referral: Referral, side: Side, day: date, reason: str) -> Entry:
        transaction, came_with = self.found.transaction, referral.held(side).batch_id
        return Entry(
            key_of(referral.id, side, str(referral.revision + 1)),
            Kind.ADJUST,
            day,
            transaction.now,
            reason,
            # What a merge brought goes back with it, whatever was booked for it since.
            batch_id=transaction.batch_id if came_with is None else came_with,
        )

    def _note(self, referral: Referral, side: Side, units: int, sale_id: int | None) -> None:
        changed = with_held(referral, side, units, sale_id)
        self.known[referral.id] = replace(changed, revision=referral.revision + 1)


def _title(program: Program, side: Side) -> str:
    assert program.referral is not None, "only rules that give something are asked"
    return program.referral.new_title if side is Side.NEW else program.referral.title
