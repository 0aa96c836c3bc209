"""Small builders for tests: sales, programs and a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from dolisync.model import (
    CustomerKey,
    Payment,
    Sale,
    SaleKey,
    SaleKind,
    SaleLine,
    SaleStatus,
)
from dolisync.program.terms import Program

SOURCE = "shop"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass
class HandClock:
    """A clock that stands until it is moved."""

    moment: datetime = NOON

    def now(self) -> datetime:
        return self.moment

    def tick(self, seconds: float = 1) -> None:
        self.moment += timedelta(seconds=seconds)


def customer(rowid: int = 7) -> CustomerKey:
    return CustomerKey(SOURCE, 1, rowid)


def line(
    amount: str | int, product: int | None = 1, quantity: str | int = 1, **more: Any
) -> SaleLine:
    """Make a line worth ``amount`` including 20 % tax."""
    including = Decimal(amount)
    excluding = (including / Decimal("1.2")).quantize(Decimal("0.01"))
    values: dict[str, Any] = {
        "rowid": more.pop("rowid", 1),
        "product_rowid": product,
        "product_ref": f"P{product}" if product else "",
        "text": "",
        "quantity": Decimal(quantity),
        "unit_price_excl": excluding,
        "discount_percent": Decimal(0),
        "tax_rate": Decimal(20),
        "total_excl": excluding,
        "total_incl": including,
    }
    return SaleLine(**{**values, **more})


def sale(
    rowid: int = 1,
    amount: str | int = 0,
    *,
    lines: Sequence[SaleLine] | None = None,
    kind: SaleKind = SaleKind.STANDARD,
    status: SaleStatus = SaleStatus.PAID,
    buyer: int = 7,
    day: date = date(2026, 11, 20),
    origin: int | None = None,
    payments: Sequence[Payment] | None = None,
    **more: Any,
) -> Sale:
    """Make a sale of one line, paid in cash when its status says so."""
    lines = [line(amount, rowid=rowid * 100)] if lines is None else list(lines)
    total = sum((part.total_incl for part in lines), Decimal(0))
    if payments is None:
        paid_at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=10)
        paid = status is SaleStatus.PAID and total != 0 and kind is not SaleKind.CREDIT_NOTE
        payments = [Payment("LIQ", total, paid_at)] if paid else []
    values: dict[str, Any] = {
        "key": SaleKey(SOURCE, 1, rowid),
        "ref": f"FA2611-{rowid:04d}",
        "kind": kind,
        "status": status,
        "customer": customer(buyer),
        "date": day,
        "created_at": None,
        "changed_at": NOON,
        "total_excl": sum((part.total_excl for part in lines), Decimal(0)),
        "total_incl": total,
        "currency": "EUR",
        "origin": SaleKey(SOURCE, 1, origin) if origin else None,
        "lines": tuple(lines),
        "payments": tuple(payments),
    }
    return Sale(**{**values, **more})


def credit_note(rowid: int, amount: str | int, origin: int | None, **more: Any) -> Sale:
    """Make a validated credit note that takes ``amount`` off."""
    lines = more.pop("lines", [line(-Decimal(amount), rowid=rowid * 100)])
    status = more.pop("status", SaleStatus.VALIDATED)
    return sale(rowid, lines=lines, kind=SaleKind.CREDIT_NOTE, status=status, origin=origin, **more)


def program(**terms: Any) -> Program:
    """Make a program with a point per euro unless told otherwise."""
    earn = terms.pop("earn", {"amount": {}})
    return Program.model_validate({"start": date(2026, 1, 1), "earn": earn, **terms})
