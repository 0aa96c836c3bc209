"""How the ledger keeps a sale: a document to judge it again, a fingerprint to see change."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from dolisync.model import (
    Article,
    Buyer,
    CustomerKey,
    Delivery,
    DiscountKind,
    Payment,
    PaymentKind,
    Sale,
    SaleKey,
    SaleKind,
    SaleLine,
    SaleStatus,
    Warehouse,
)

# Raised when the fields below change; every sale is then judged again, and differences posted.
FINGERPRINT_VERSION = 1

# Made once: json.dumps would make an encoder for each document.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def fingerprint(sale: Sale) -> str:
    """Hash what the rules read of a sale. Texts count only where they identify a discount."""
    facts = [
        sale.kind,
        sale.status,
        sale.customer.rowid,
        str(sale.date),
        _plain(sale.total_incl),
        sale.currency,
        sale.origin.rowid if sale.origin else None,
        sale.close_code,
        sale.terminal,
        [_line_facts(line) for line in sale.lines],
        [_payment_facts(payment) for payment in sale.payments],
    ]
    # Only where there is any: what was read before anybody asked keeps its mark. Since when counts
    # as it was first seen, as with the words of the catalogue.
    if sale.delivery is not None:
        facts.append("delivered" if sale.delivery.is_done else "undelivered")
    if sale.warehouses:
        facts.append([warehouse.rowid for warehouse in sale.warehouses])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _line_facts(line: SaleLine) -> list[Any]:
    return [
        line.product_rowid,
        _plain(line.quantity),
        _plain(line.total_excl),
        _plain(line.total_incl),
        _plain(line.discount_percent),
        line.discount,
        line.text if line.discount else None,
    ]


def _payment_facts(payment: Payment) -> list[Any]:
    paid_at = payment.paid_at.isoformat() if payment.paid_at else None
    return [payment.mode, _plain(payment.amount), paid_at, payment.kind]


# Prices and quantities repeat from sale to sale.
@lru_cache(maxsize=8192)
def _plain(number: Decimal) -> str:
    """Write a number without trailing zeros: one door says 1, another 1.00."""
    return format(number.normalize() + 0, "f")


def to_document(sale: Sale) -> str:
    """Write a sale as JSON text, whole."""
    # Only where it is known: most programs do not ask, and a document is written for each sale.
    buyer = {} if sale.buyer is None else {"buyer": _buyer_row(sale.buyer)}
    delivery = {} if sale.delivery is None else {"delivery": _delivery_row(sale.delivery)}
    rows = [[warehouse.rowid, warehouse.name] for warehouse in sale.warehouses]
    warehouses = {"warehouses": rows} if rows else {}
    return _encode(
        {
            "ref": sale.ref,
            "kind": sale.kind,
            "status": sale.status,
            "customer": sale.customer.rowid,
            "date": str(sale.date),
            "created": _moment_text(sale.created_at),
            "changed": _moment_text(sale.changed_at),
            "excl": str(sale.total_excl),
            "incl": str(sale.total_incl),
            "currency": sale.currency,
            "origin": sale.origin.rowid if sale.origin else None,
            "close": sale.close_code,
            "terminal": sale.terminal,
            "lines": [_line_row(line) for line in sale.lines],
            "payments": [_payment_facts(payment) for payment in sale.payments],
            **buyer,
            **delivery,
            **warehouses,
        }
    )


def _line_row(line: SaleLine) -> list[Any]:
    row: list[Any] = [
        line.rowid,
        line.product_rowid,
        line.product_ref,
        line.text,
        str(line.quantity),
        str(line.unit_price_excl),
        str(line.discount_percent),
        str(line.tax_rate),
        str(line.total_excl),
        str(line.total_incl),
        int(line.is_service),
        line.discount,
        None if line.product_points is None else str(line.product_points),
    ]
    if line.article is not None:
        row.append(_article_row(line.article))
    return row


def _article_row(article: Article) -> list[Any]:
    prices = [str(article.price_excl), str(article.price_incl)]
    return [list(article.tags), *prices, [list(pair) for pair in article.fields]]


def _buyer_row(buyer: Buyer) -> list[Any]:
    return [
        buyer.kind,
        list(buyer.tags),
        buyer.town,
        buyer.department,
        buyer.department_name,
        buyer.region,
        buyer.country,
        str(buyer.birthday) if buyer.birthday else None,
        int(buyer.opted_out),
    ]


def _delivery_row(delivery: Delivery) -> list[Any]:
    return [int(delivery.is_done), _moment_text(delivery.done_at)]


def from_document(key: SaleKey, text: str) -> Sale:
    """Read a sale back from ``to_document``'s text."""
    data = json.loads(text)
    return Sale(
        key=key,
        ref=data["ref"],
        kind=SaleKind(data["kind"]),
        status=SaleStatus(data["status"]),
        customer=CustomerKey(key.source, key.entity, data["customer"]),
        date=date.fromisoformat(data["date"]),
        created_at=_moment(data["created"]),
        changed_at=datetime.fromisoformat(data["changed"]),
        total_excl=Decimal(data["excl"]),
        total_incl=Decimal(data["incl"]),
        currency=data["currency"],
        origin=SaleKey(key.source, key.entity, data["origin"]) if data["origin"] else None,
        close_code=data["close"],
        terminal=data["terminal"],
        lines=tuple(_line(row) for row in data["lines"]),
        payments=tuple(_payment(row) for row in data["payments"]),
        buyer=_buyer(data["buyer"]) if "buyer" in data else None,
        delivery=_delivery(data["delivery"]) if "delivery" in data else None,
        warehouses=tuple(Warehouse(*row) for row in data.get("warehouses", ())),
    )


def _line(row: list[Any]) -> SaleLine:
    rowid, product_rowid, product_ref, text = row[:4]
    quantity, price, percent, rate, excl, incl = (Decimal(number) for number in row[4:10])
    return SaleLine(
        rowid,
        product_rowid,
        product_ref,
        text,
        quantity,
        price,
        percent,
        rate,
        excl,
        incl,
        is_service=bool(row[10]),
        discount=DiscountKind(row[11]) if row[11] else None,
        product_points=None if row[12] is None else Decimal(row[12]),
        article=_article(row[13]) if len(row) > 13 else None,
    )


def _article(row: list[Any]) -> Article:
    tags, price_excl, price_incl, fields = row
    pairs = tuple((name, text) for name, text in fields)
    return Article(tuple(tags), Decimal(price_excl), Decimal(price_incl), pairs)


def _buyer(row: list[Any]) -> Buyer:
    kind, tags, town, department, name, region, country, birthday, opted_out = row
    day = date.fromisoformat(birthday) if birthday else None
    return Buyer(
        kind, tuple(tags), town, department, name, region, country, day, opted_out=bool(opted_out)
    )


def _delivery(row: list[Any]) -> Delivery:
    return Delivery(bool(row[0]), _moment(row[1]))


def _payment(row: list[Any]) -> Payment:
    return Payment(row[0], Decimal(row[1]), _moment(row[2]), PaymentKind(row[3]))


def _moment_text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
