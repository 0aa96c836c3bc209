"""Build what a receipt says of a sale: its lines, and what it did to the customer's points."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Engine

from dolisync.config import Settings
from dolisync.errors import NotFound
from dolisync.ledger.engine import reading
from dolisync.ledger.store import KnownSale, Transaction, return_origin
from dolisync.ledger.views import SaleMovement, member_view, sale_movements
from dolisync.model import Customer, Sale, SaleKey, SaleKind
from dolisync.ports import Clock
from dolisync.program.assess import Verdict
from dolisync.program.terms import Program
from dolisync.receipt import Receipt, ReceiptLine, ReceiptPayment, ReceiptPoints
from dolisync.sync.audit import load_families
from dolisync.sync.judge import Rules, judge_family


def build_receipt(
    engine: Engine,
    rules: Rules,
    settings: Settings,
    clock: Clock,
    key: SaleKey,
    customer: Customer | None,
    language: str = "",
) -> Receipt:
    """Return the receipt of a sale that the ledger knows. Raises ``NotFound``.

    The points are the ledger's own, the balance is the one right after the sale's last movement.
    A customer that is ``None`` (gone, or the till's default one) gets no name.
    """
    with reading(engine) as connection:
        transaction = Transaction(connection, clock.now())
        transaction.load_sales([key])
        if key not in transaction.sales:
            message = f"the ledger does not know the sale {key}"
            raise NotFound(message, "dolisync sync reads new sales")
        sale = transaction.sales[key].sale
        points = tuple(_all_points(connection, transaction, rules, key))
    around = rules.around[key.source]
    is_anonymous = customer is None or sale.customer.rowid in around.pos_customers
    name = "" if is_anonymous or customer is None else customer.name
    spoken = language or (customer.language if customer else "") or _shop_language(settings, key)
    return _receipt(settings, sale, name, spoken, points)


def _shop_language(settings: Settings, key: SaleKey) -> str:
    return next(source.language for source in settings.source if source.name == key.source)


def _receipt(
    settings: Settings,
    sale: Sale,
    name: str,
    language: str,
    points: tuple[ReceiptPoints, ...],
) -> Receipt:
    return Receipt(
        shop_name=settings.receipts.shop_name,
        ref=sale.ref,
        date=sale.date,
        is_return=sale.kind is SaleKind.CREDIT_NOTE,
        customer_name=name,
        language=language,
        currency=sale.currency,
        lines=tuple(
            ReceiptLine(line.text or line.product_ref, line.quantity, line.total_incl)
            for line in sale.lines
        ),
        total=sale.total_incl,
        payments=tuple(ReceiptPayment(paid.mode, paid.amount) for paid in sale.payments),
        points=points,
    )


def _all_points(
    connection: Connection, transaction: Transaction, rules: Rules, key: SaleKey
) -> Iterator[ReceiptPoints]:
    origin = return_origin(transaction.sales[key].sale)
    if origin is not None:
        transaction.load_sales([origin])
    head = origin if origin in transaction.sales and origin is not None else key
    family = load_families(transaction, [head])[0]
    known = transaction.sales[key]
    movements = {(m.program, m.customer): m for m in sale_movements(connection, [key])}
    for program in rules.book.by_id(family[0].rule_set_id).programs:
        verdicts = judge_family(transaction, program, rules.around[key.source], family)
        verdict = next(v for v in verdicts if v.sale == key)
        movement = movements.get((program.name, known.sale.customer))
        if movement is not None or verdict.pending:
            yield _points(connection, program, known, verdict, movement)


def _points(
    connection: Connection,
    program: Program,
    known: KnownSale,
    verdict: Verdict,
    movement: SaleMovement | None,
) -> ReceiptPoints:
    if movement is None:
        earned, balance = 0, _balance_now(connection, program, known)
    else:
        earned, balance = movement.units, movement.balance_after
    cheapest = min(program.reward, key=lambda reward: reward.points, default=None)
    return ReceiptPoints(
        title=program.title,
        decimals=program.decimals,
        earned=program.points_of(earned),
        pending=program.points_of(verdict.pending),
        balance=program.points_of(balance),
        last_day=verdict.expires_on if earned > 0 else None,
        rule_points=cheapest.points if cheapest else None,
        rule_amount=cheapest.amount if cheapest else None,
    )


def _balance_now(connection: Connection, program: Program, known: KnownSale) -> int:
    return member_view(connection, program.name, known.sale.customer, known.sale.date).balance
