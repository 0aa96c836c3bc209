"""Gift cards that are sold: a paid sale makes them, its returns take off what is left on them.

As with what a sale earns, what its cards must have been given is computed anew from the documents,
and the difference is moved. What was used of a card that comes back cannot be taken off it: it is
told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import structlog

from dolisync.codes import new_code
from dolisync.ledger import vouchers
from dolisync.ledger.store import KnownSale, Transaction
from dolisync.ledger.vouchers import Change, Kind, Move, Origin, Sold, State, Voucher
from dolisync.model import Sale, SaleKind
from dolisync.program.gift_cards import Piece, due, missing, pieces, sells_cards
from dolisync.program.surroundings import SoldCards, Surroundings
from dolisync.sync.issuing import Wish, last_day, made

log = structlog.get_logger()

ZERO = Decimal(0)
Distrust = Callable[[Sale, Sale], str | None]
OVER = {State.REPLACED, State.REVOKED}


@dataclass(frozen=True, slots=True)
class Difference:
    """What a sale's cards must have been given, and what they were."""

    known: KnownSale
    terms: SoldCards
    pieces: tuple[Piece, ...]
    due: Decimal
    sold: Sold
    cards: tuple[Voucher, ...]

    @property
    def amount(self) -> Decimal:
        """What is to be given to its cards; below zero, taken off them."""
        return self.due - self.sold.total

    @property
    def can_move(self) -> bool:
        """Tell whether anything is to be moved and can be."""
        is_usable = any(card.balance and card.state is State.OPEN for card in self.cards)
        return self.amount > 0 or (self.amount < 0 and is_usable)


def differences(
    transaction: Transaction,
    around: Mapping[str, Surroundings],
    families: Sequence[Sequence[KnownSale]],
    distrust: Distrust,
) -> Iterator[Difference]:
    """Compare sales with the cards that they made; of most sales, there are none."""
    heads = [family for family in families if _may_sell(around, family[0])]
    if not heads:
        return
    ids = [family[0].id for family in heads]
    cards = vouchers.of_sales(transaction.connection, ids)
    for family in heads:
        head, terms = family[0], around[family[0].key.source].gift_cards
        if terms is None or not (head.id in cards or sells_cards(head.sale)):
            continue
        returns = [
            known.sale
            for known in family[1:]
            if known.counts and distrust(head.sale, known.sale) is None
        ]
        wanted = pieces(terms, head.sale) if head.counts else ()
        sold = vouchers.sold_by(transaction.connection, head.id)
        mine = tuple(cards.get(head.id, ()))
        yield Difference(head, terms, wanted, due(wanted, returns), sold, mine)


def _may_sell(around: Mapping[str, Surroundings], head: KnownSale) -> bool:
    surroundings = around.get(head.key.source)
    is_return = head.sale.kind is SaleKind.CREDIT_NOTE
    return (
        surroundings is not None
        and surroundings.gift_cards is not None
        and head.erased_at is None
        and not is_return
    )


def follow_sold(
    transaction: Transaction,
    around: Mapping[str, Surroundings],
    families: Sequence[Sequence[KnownSale]],
    distrust: Distrust,
) -> list[Voucher]:
    """Make cards that were paid, and take off cards what came back; sales must be written.

    Returns the cards of the sales that changed.
    """
    changed: list[Voucher] = []
    for found in list(differences(transaction, around, families, distrust)):
        if found.amount > 0:
            _Mover(transaction, found).give(around[found.known.key.source])
        elif found.amount < 0:
            _Mover(transaction, found).take()
        if found.amount:
            mine = vouchers.of_sales(transaction.connection, [found.known.id])
            changed += mine.get(found.known.id, [])
    return changed


@dataclass(slots=True)
class _Mover:
    """Moves what one sale gives to its cards."""

    transaction: Transaction
    found: Difference
    done: int = 0

    def give(self, around: Surroundings) -> None:
        """Give back what was taken off cards of this sale, and make those that are missing."""
        left, sold = self.found.amount, self.found.sold
        for card in map(self._unblocked, self.found.cards):
            back = min(left, sold.taken.get(card.id, ZERO))
            if back > 0 and card.state not in OVER:
                self._move(card, Move.RETURNED, back, "paid again")
                left -= back
        for piece in missing(self.found.pieces, sold.issued, left):
            self._issue(piece, around)
            left -= piece.amount
        if left > 0 and self.found.pieces:
            # More than its cards were made for: a price that was changed, or a card that is over.
            self._issue(Piece(left, self.found.pieces[0].tax_rate), around)

    def take(self) -> None:
        """Take off cards what came back, the last one first, as far as it is there."""
        left = -self.found.amount
        for card in reversed(self.found.cards):
            off = min(left, card.balance)
            if off > 0:
                self._move(card, Move.REFUNDED, -off, "came back")
                left -= off
        if left > 0:
            self._block(left)

    def _block(self, lacking: Decimal) -> None:
        """Let cards that were used rest: what comes back to them is not their holder's alone."""
        for card in self.found.cards:
            fresh = vouchers.by_id(self.transaction.connection, card.id)
            if fresh.state is State.OPEN:
                self._rest(fresh, Move.BLOCKED, State.BLOCKED, f"came back, {lacking} was used")
        ref = self.found.known.sale.ref
        log.error("a gift card came back that was used", sale=ref, lacking=str(lacking))

    def _unblocked(self, card: Voucher) -> Voucher:
        """Wake a card that a return of this sale had blocked."""
        if card.state is not State.BLOCKED or card.id not in self.found.sold.blocked:
            return card
        return self._rest(card, Move.UNBLOCKED, State.OPEN, "paid again")

    def _rest(self, card: Voucher, kind: Move, state: State, what: str) -> Voucher:
        change = self._change(kind, ZERO, what)
        return vouchers.move(self.transaction.connection, card, change, state=state)

    def _move(self, card: Voucher, kind: Move, amount: Decimal, what: str) -> None:
        vouchers.move(self.transaction.connection, card, self._change(kind, amount, what))

    def _issue(self, piece: Piece, around: Surroundings) -> None:
        sale, terms = self.found.known.sale, self.found.terms
        is_known = sale.customer.rowid not in around.pos_customers
        wish = Wish(
            Kind.GIFT_CARD,
            piece.amount,
            terms.currency,
            (sale.key.source, sale.key.entity),
            last_day(sale.date, terms.months),
            sale.customer if is_known else None,
            piece.tax_rate,
        )
        card = made(new_code(), wish, self.transaction.now, Origin(sale_id=self.found.known.id))
        change = self._change(Move.ISSUED, piece.amount, "sold")
        vouchers.issue(self.transaction.connection, card, change)

    def _change(self, kind: Move, amount: Decimal, what: str) -> Change:
        known = self.found.known
        self.done += 1
        return Change(
            f"sold:{known.key}:{self.found.sold.moves + self.done}",
            kind,
            amount,
            max(known.sale.date, self.transaction.now.date()),
            self.transaction.now,
            f"{known.sale.ref}: {what}",
            sale_id=known.id,
        )
