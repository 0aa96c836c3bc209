"""What sales use of codes: a function of the sales and their returns, as what they earn.

A line with the token of a use takes from its code what it says; the line that a return has of it
gives that back. A sale that is gone or abandoned uses nothing. Where an invoice is replaced by
a copy of it, the use goes along.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import structlog

from dolisync.ledger import voucher_uses, vouchers
from dolisync.ledger.store import KnownSale, Transaction
from dolisync.ledger.voucher_uses import Use, UseState
from dolisync.ledger.vouchers import Voucher
from dolisync.model import Sale, SaleKey, SaleKind, SaleStatus
from dolisync.program.assess import uncounted
from dolisync.program.code_shares import came_back, taken_by
from dolisync.program.draft_shares import Share

log = structlog.get_logger()

ZERO = Decimal(0)
TOKEN = re.compile(r"(?<!\w)D[VG]-[0-9A-Z]{12}(?!\w)")
Distrust = Callable[[Sale, Sale], str | None]
Family = Sequence[KnownSale]


@dataclass(frozen=True, slots=True)
class Owed:
    """A use, and what its document must take of the code, as far as it is on it."""

    use: Use
    family: Family
    shares: tuple[Share, ...]
    lacking: Decimal = ZERO

    @property
    def amount(self) -> Decimal:
        """What it must take."""
        return sum((share.amount for share in self.shares), ZERO)

    @property
    def holds(self) -> bool:
        """Tell whether nothing is to be changed."""
        sale = self.family[0].sale
        return self.amount == self.use.amount and self.use.key == sale.key


def owed(
    transaction: Transaction, families: Sequence[Family], distrust: Distrust
) -> Iterator[Owed]:
    """Say of all uses on these sales what they must take; uses on open drafts are left alone."""
    heads = {
        family[0].key: family
        for family in families
        if family[0].sale.kind is not SaleKind.CREDIT_NOTE and family[0].erased_at is None
    }
    _tell_lone(families, distrust)
    tokens = {key: found for key, family in heads.items() if (found := tokens_on(family[0].sale))}
    named = {token for found in tokens.values() for token in found}
    uses = voucher_uses.of_documents(transaction.connection, heads.keys(), named)
    _tell_unknown(tokens, named - {use.token for use in uses})
    for use in uses:
        carriers = [key for key, found in tokens.items() if use.token in found]
        family = _home(transaction, use, heads, carriers)
        if family is not None:
            yield _owed(transaction, use, family, distrust)


def _tell_lone(families: Sequence[Family], distrust: Distrust) -> None:
    """Say that a return gives back to a code, but belongs to no sale that is believed to use it."""
    for family in families:
        head = family[0].sale
        is_alone = head.kind is SaleKind.CREDIT_NOTE
        returns = [known.sale for known in family[1:] if distrust(head, known.sale) is not None]
        for credit in (head, *returns) if is_alone else returns:
            for token in sorted(tokens_on(credit)):
                log.error("a return gives to a code by itself", token=token, sale=credit.ref)


def _tell_unknown(tokens: Mapping[SaleKey, set[str]], unknown: set[str]) -> None:
    """Say that sales used codes of which this ledger knows nothing: one restored from before."""
    for key, found in tokens.items():
        for token in found & unknown:
            log.error("a code was used that the ledger does not know", token=token, sale=str(key))


def tokens_on(sale: Sale) -> set[str]:
    """Return the tokens of uses that stand on a document."""
    lines = (line for line in sale.lines if line.discount is not None)
    return {token for line in lines for token in TOKEN.findall(line.text)}


def _home(
    transaction: Transaction,
    use: Use,
    heads: dict[SaleKey, Family],
    carriers: Sequence[SaleKey],
) -> Family | None:
    """Return the document on which a use counts: its own, or a copy that took its place."""
    transaction.load_sales([use.key])
    own = transaction.sales.get(use.key)
    if own is None:
        # A draft that was never validated: it is followed there, unless a copy of it was.
        return None
    is_void = not own.counts or own.sale.status is SaleStatus.ABANDONED
    others = [key for key in carriers if key != use.key and _is_live(heads[key][0])]
    if others and (is_void or use.token not in tokens_on(own.sale)):
        return heads[others[0]]
    if others:
        refs = ", ".join(heads[key][0].sale.ref for key in others)
        log.error("a code stands on a second document", token=use.token, sale=refs)
    return heads.get(use.key)


def _is_live(known: KnownSale) -> bool:
    return known.counts and uncounted(known.sale) is None


def _owed(transaction: Transaction, use: Use, family: Family, distrust: Distrust) -> Owed:
    head = family[0]
    if head.sale.status is SaleStatus.DRAFT and head.counts:
        # Reopened: what was used stays used until it is validated again, or deleted.
        return Owed(use, family, use.shares)
    if not _is_live(head):
        return Owed(use, family, ())
    returns = [
        known.sale
        for known in family[1:]
        if known.counts
        and distrust(head.sale, known.sale) is None
        and uncounted(known.sale) is None
    ]
    stands = taken_by(head.sale.lines, use.token)
    on_it = sum((share.amount for share in stands), ZERO)
    back = came_back(returns, use.token)
    balance = vouchers.by_id(transaction.connection, use.voucher_id).balance
    wanted = max(on_it - back, ZERO)
    least = min(wanted, use.amount + balance)
    shares = stands if wanted == on_it == least else _one(stands, least)
    return Owed(use, family, tuple(shares), wanted - least)


def _one(stands: Sequence[Share], amount: Decimal) -> list[Share]:
    """Return what is left of a use after its returns: all of it at its first rate."""
    return [Share(stands[0].tax_rate, amount)] if stands and amount > 0 else []


def follow_used(
    transaction: Transaction, families: Sequence[Family], distrust: Distrust
) -> list[Voucher]:
    """Bring what sales use of codes up to date; return the codes that changed."""
    changed = []
    for found in list(owed(transaction, families, distrust)):
        use, sale = found.use, found.family[0].sale
        if found.lacking > 0:
            lacking = str(found.lacking)
            log.error("more used of a code than was on it", sale=sale.ref, lacking=lacking)
        if found.holds and use.state is not UseState.PLACED:
            continue
        is_open = sale.status is SaleStatus.DRAFT and found.family[0].counts
        if is_open:
            continue
        voucher_uses.hold(
            transaction.connection,
            use,
            found.shares,
            UseState.USED if found.shares else UseState.ENDED,
            _reason(found),
            transaction.now,
            max(sale.date, transaction.now.date()),
            key=sale.key,
        )
        changed.append(vouchers.by_id(transaction.connection, use.voucher_id))
    return changed


def _reason(found: Owed) -> str:
    return "came back" if found.amount < found.use.amount else "used"
