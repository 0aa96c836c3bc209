"""Points spent on sales: they follow what becomes of these sales.

A reward's discount stands on a sale. When its goods come back, or the sale is abandoned, points
come back too; when that is corrected, they are spent again. As with what sales earn, what should
have come back is computed anew from the documents, and the difference is posted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from dolisync.ledger import outbox
from dolisync.ledger.book import Book, Entry, Kind
from dolisync.ledger.redemptions import (
    MINOR,
    CameBack,
    Redemption,
    State,
    allocations,
    by_tokens,
    came_back,
    set_state,
    used_by,
    write_uses,
)
from dolisync.ledger.rulesets import RuleBook
from dolisync.ledger.store import KnownSale, Transaction
from dolisync.model import Sale, SaleStatus
from dolisync.program.spent import (
    Undone,
    pieces_given,
    rewards_on,
    spread,
    undone,
    units_back,
    uses,
)
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.sync.forgiven import PutBack, take_forgiven

ZERO = Decimal(0)

Distrust = Callable[[Sale, Sale], str | None]


@dataclass(frozen=True, slots=True)
class Use:
    """A reward on a sale: what it is worth there, and which share of that comes back."""

    sale: Sale
    amount: Decimal
    undone: Undone


@dataclass(frozen=True, slots=True)
class Spending:
    """A redemption with the sales it is used on, and the points that must have come back."""

    redemption: Redemption
    uses: tuple[Use, ...]
    program: Program | None

    @property
    def due(self) -> int:
        """The points that must have come back, in ledger units.

        A reward that stands on more sales than it was paid for comes back only once it is used for
        less than its worth. One that was put on a draft is nowhere else: whatever no sale uses of
        it comes back.
        """
        if self.redemption.draft is not None:
            kept = sum((use.amount * (1 - use.undone.share) for use in self.uses), ZERO)
            back = self.redemption.amount - kept
            return units_back(self.redemption.points, self.redemption.amount, back)
        back = sum((use.amount * use.undone.share for use in self.uses), ZERO)
        back -= self.excess
        return units_back(self.redemption.points, self.redemption.amount, back)

    @property
    def excess(self) -> Decimal:
        """What all sales together use of it beyond its worth: Dolibarr can double a discount."""
        return max(sum((use.amount for use in self.uses), ZERO) - self.redemption.amount, ZERO)


def tokens_of(around: Mapping[str, Surroundings], sales: Iterable[Sale]) -> set[str]:
    """Return the tokens of all rewards that these sales consume."""
    found: set[str] = set()
    for sale in sales:
        if sale.key.source in around:
            found |= rewards_on(around[sale.key.source], sale)
    return found


def used_of(redemption: Redemption, around: Surroundings, sale: Sale) -> Decimal:
    """Return what a sale uses of a reward, including tax; of an article its share of the pieces."""
    if redemption.pieces is None:
        return uses(around, sale).get(redemption.token, ZERO)
    given = pieces_given(around, sale.lines).get(redemption.token, ZERO)
    return redemption.amount * min(given / redemption.pieces, Decimal(1))


def spendings(
    transaction: Transaction,
    book: RuleBook,
    around: Mapping[str, Surroundings],
    distrust: Distrust,
    tokens: Collection[str],
) -> list[Spending]:
    """Say of these rewards where they are used and what must have come back."""
    found = by_tokens(transaction.connection, tokens)
    keys = set(used_by(transaction.connection, [redemption.id for redemption in found]))
    transaction.load_sales(keys)
    by_token: dict[str, list[KnownSale]] = {redemption.token: [] for redemption in found}
    for known in transaction.sales.values():
        if known.vanished_at is None:
            for token in tokens_of(around, [known.sale]) & by_token.keys():
                by_token[token].append(known)
    heads = {known.key for sales in by_token.values() for known in sales}
    transaction.load_returns(heads)
    judge = _Judge(transaction, book, around, distrust)
    return [judge.spending(redemption, by_token[redemption.token]) for redemption in found]


@dataclass(frozen=True, slots=True)
class _Judge:
    transaction: Transaction
    book: RuleBook
    around: Mapping[str, Surroundings]
    distrust: Distrust

    def spending(self, redemption: Redemption, carriers: Sequence[KnownSale]) -> Spending:
        live = [known for known in carriers if known.sale.status is not SaleStatus.ABANDONED]
        # An abandoned sale counts by itself; one that was replaced hands its reward on.
        counted = sorted(live or carriers, key=lambda known: known.key)
        program = self._program(redemption, counted)
        found = (self._use(redemption, known) for known in counted)
        return Spending(redemption, tuple(use for use in found if use is not None), program)

    def _program(self, redemption: Redemption, carriers: Sequence[KnownSale]) -> Program | None:
        rules = self.book.by_id(carriers[0].rule_set_id) if carriers else self.book.current
        named = [terms for terms in rules.programs if terms.name == redemption.program]
        return named[0] if named else None

    def _use(self, redemption: Redemption, known: KnownSale) -> Use | None:
        program = self._program(redemption, [known])
        if program is None:
            return None
        around, sale = self.around[known.key.source], known.sale
        returns = [
            other.sale
            for other in self.transaction.returns_of(known.key)
            if other.vanished_at is None and self.distrust(sale, other.sale) is None
        ]
        share = undone(program, around, sale, returns, redemption.token)
        return Use(sale, used_of(redemption, around, sale), share)


@dataclass(slots=True)
class Spent:
    """The rewards that a change of sales may concern: brings what came back up to date.

    ``targets`` are the customer cards that changed, ``returned`` what was given back.
    """

    transaction: Transaction
    spendings: Sequence[Spending]
    around: Mapping[str, Surroundings]
    targets: list[outbox.Target] = field(default_factory=list)
    returned: list[tuple[Book, Entry, PutBack]] = field(default_factory=list)

    def give_back(self) -> None:
        """Give back what is due and did not come back yet: before anything else is taken."""
        for spending in self._open():
            came = came_back(self.transaction.connection, spending.redemption.id)
            if spending.due > came.units:
                self._give_back(spending, came)

    def take(self) -> None:
        """Take again what came back and is not due any more."""
        for spending in self._open():
            came = came_back(self.transaction.connection, spending.redemption.id)
            if spending.due < came.units:
                self._take_again(spending, came)

    def take_forgiven(self) -> None:
        """Take what was forgiven while the points were spent; only once all else has moved."""
        for book, entry, returned in self.returned:
            take_forgiven(self.transaction, book, entry, returned)

    def _open(self) -> Iterator[Spending]:
        final = {State.REVOKED, State.REFUSED}
        return (entry for entry in self.spendings if entry.redemption.state not in final)

    def _give_back(self, spending: Spending, came: CameBack) -> None:
        redemption, journal = spending.redemption, self.transaction.journal
        taken = allocations(self.transaction.connection, redemption.id)
        book = self._book(redemption, [lot for lot, _ in taken])
        units = spending.due - came.units
        entry = self._entry(spending, came, "came back with a return")
        if came.forgiven > 0:
            book.unforgive(journal, entry, min(came.forgiven, units))
        returned = put_back(self.transaction, book, entry, came, taken, units, spending.program)
        self.returned.append((book, entry, returned))
        self._show(redemption)

    def _take_again(self, spending: Spending, came: CameBack) -> None:
        redemption, program = spending.redemption, spending.program
        if program is None:
            return
        given = [*came.fresh_lots, *(lot for lot, points in came.by_lot.items() if points > 0)]
        book = self._book(redemption, given)
        entry = self._entry(spending, came, "spent again: the return was corrected")
        units, shortfall = came.units - spending.due, program.returns.shortfall
        journal = self.transaction.journal
        book.spend_again(journal, entry, units, given, shortfall, entry.occurred_on)
        self._show(redemption)

    def _book(self, redemption: Redemption, lots: Collection[int]) -> Book:
        self.transaction.load_books((), ids=[redemption.member_id])
        book = self.transaction.books[self.transaction.member_keys[redemption.member_id]]
        self.transaction.load_lots(book, lots)
        return book

    def _entry(self, spending: Spending, came: CameBack, what: str) -> Entry:
        redemption, now = spending.redemption, self.transaction.now
        zone = spending.program.zone if spending.program else None
        return Entry(
            f"spent:{redemption.token}:{came.movements}",
            Kind.RETURN,
            now.astimezone(zone).date(),
            now,
            f"{redemption.title} {redemption.token}: {what}",
            redemption_id=redemption.id,
        )

    def _show(self, redemption: Redemption) -> None:
        self.targets.append(outbox.customer_target(redemption.customer))

    def note(self, known: Collection[KnownSale]) -> list[outbox.Target]:
        """Note which of these sales uses which reward, and where the rewards stand.

        Returns the invoices on which that is to be shown.
        """
        found = {entry.redemption.token: entry.redemption for entry in self.spendings}
        rows = [
            {
                "redemption_id": found[token].id,
                "sale_id": sale.id,
                "amount_minor": int(used_of(found[token], around, sale.sale) * MINOR),
            }
            for sale in known
            if sale.vanished_at is None
            if (around := self.around.get(sale.key.source)) is not None
            for token in sorted(rewards_on(around, sale.sale) & found.keys())
        ]
        write_uses(self.transaction.connection, [sale.id for sale in known], rows)
        for entry in self._open():
            was = entry.redemption.state
            # One that was put on a draft cannot go back to the customer card.
            unused = was if entry.redemption.draft is not None else State.OPEN
            state = State.USED if entry.uses else unused
            # Without a sale it is on the customer card again, unless it was never placed there.
            if state != was and (entry.uses or was == State.USED):
                set_state(self.transaction.connection, entry.redemption, state)
        return [outbox.sale_target(sale.key) for sale in known]


def put_back(
    transaction: Transaction,
    book: Book,
    entry: Entry,
    came: CameBack,
    taken: Sequence[tuple[int, int]],
    units: int,
    program: Program | None,
) -> PutBack:
    """Put points of a redemption back on the lots that lack them, in proportion; return where.

    What was last taken as debt lacks in no lot: it settles debt, and the rest gets a lot that lives
    as long as the longest of the others.
    """
    lacking = list(_without_fresh(book, taken, came))
    fitting = min(units, sum(points for _, points in lacking))
    shares = list(spread(lacking, fitting).items()) if fitting else []
    until = usable_until(program, entry.occurred_on)
    ends = [lot.expires_on for lot in book.lots]
    longest = None if None in ends else max((end for end in ends if end), default=None)
    known = {lot.id for lot in book.lots}
    book.give_back(transaction.journal, entry, shares, until, units - fitting, longest)
    fresh = tuple(lot.id for lot in book.lots if lot.id not in known)
    return PutBack(tuple(shares), fresh)


def usable_until(program: Program | None, today: date) -> date | None:
    """Return until when points are usable that come back late; ``None``: as their lot was."""
    days = program.returns.past_lots_days if program else 0
    return today + timedelta(days=days) if days else None


def _without_fresh(
    book: Book, taken: Sequence[tuple[int, int]], came: CameBack
) -> Iterator[tuple[int, int]]:
    """Leave out what came back in lots of its own: the past lots it came from lack it no more."""
    past = {lot.id for lot in book.lots if lot.expires_on is not None}
    fresh = came.fresh_units
    for lot, points in taken:
        less = min(fresh, points) if lot in past and lot not in came.fresh_lots else 0
        fresh -= less
        if points > less:
            yield lot, points - less
