"""What a new code is to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from dolisync.ledger.vouchers import Kind, Origin, State, Voucher
from dolisync.model import CustomerKey
from dolisync.program.calendar import add_months

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a code is to be: an amount of a currency, good until a day (or for ever)."""

    kind: Kind
    amount: Decimal
    currency: str
    place: tuple[str, int]
    valid_until: date | None
    customer: CustomerKey | None = None
    tax_rate: Decimal = ZERO


def last_day(today: date, months: int) -> date | None:
    """Return the last day of a code that is made today; ``None`` for ever."""
    return add_months(today, months) if months else None


def made(code: str, wish: Wish, now: datetime, origin: Origin) -> Voucher:
    """Return a code as it is before anything is on it."""
    return Voucher(
        0,
        code,
        wish.kind,
        State.OPEN,
        0,
        ZERO,
        wish.currency,
        wish.tax_rate,
        wish.valid_until,
        wish.place,
        wish.customer,
        origin,
        now,
    )
