"""Receipts: gather what a receipt of one sale says; how it looks is for templates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Engine

from dolisync.codes import shown_code
from dolisync.config import Settings, Source
from dolisync.ledger import vouchers
from dolisync.ledger.engine import reading
from dolisync.ledger.views import SaleMovement, member_view, sale_movements
from dolisync.model import Customer, PaymentKind, Sale, SaleKey, SaleKind
from dolisync.phrases import LANGUAGES
from dolisync.ports import Clock
from dolisync.program.assess import Verdict
from dolisync.program.calendar import add_months
from dolisync.program.reasons import Why
from dolisync.program.terms import Program
from dolisync.receipt import Receipt, ReceiptCode, ReceiptLine, ReceiptPayment, ReceiptPoints
from dolisync.sync.claims import printed_claim
from dolisync.sync.explain import Judgement, explain
from dolisync.sync.judge import Rules
from dolisync.sync.member_pages import link_of

# Sales of those who take no part say nothing of points.
_NO_PART = {Why.NOT_IN_PROGRAM, Why.POS_CUSTOMER, Why.EXCLUDED_CUSTOMER}


def build_receipt(
    engine: Engine,
    rules: Rules,
    settings: Settings,
    clock: Clock,
    key: SaleKey,
    customer: Customer | None,
    language: str | None = None,
) -> Receipt:
    """Build the receipt of a sale that the ledger knows. Points are as they are in the ledger.

    Without ``language`` it is the customer's, or the source's where we do not speak that one.
    """
    source = next(source for source in settings.source if source.name == key.source)
    with reading(engine) as connection:
        (family,) = explain(connection, clock.now(), rules, [key])
        found = next(explained for explained in family if explained.sale.key == key)
        today = clock.now().astimezone(rules.book.current.programs[0].zone).date()
        claim = printed_claim(connection, rules, settings.claims, found.sale, today)
        codes = tuple(_codes(connection, key))
        page_url = link_of(connection, settings, found.sale.customer, today) or ""
        points = tuple(_Points(connection, clock.now(), rules, found.sale).of(found.judgements))
    return Receipt(
        shop_name=settings.receipts.shop_name,
        ref=found.sale.ref,
        date=found.sale.date,
        is_return=found.sale.kind is SaleKind.CREDIT_NOTE,
        customer_name=customer.name if customer else "",
        language=language or _language(source, customer),
        currency=source.currency,
        lines=tuple(_lines(found.sale)),
        total=found.sale.total_incl,
        payments=tuple(_payments(found.sale)),
        points=points,
        claim=claim,
        codes=codes,
        page_url="" if claim or not points else page_url,
    )


def _codes(connection: Connection, key: SaleKey) -> Iterator[ReceiptCode]:
    """Name the gift cards that a sale made, then the codes that paid for some of it."""
    made, used = vouchers.on_sale(connection, key)
    for card in made:
        if card.balance:
            yield ReceiptCode(shown_code(card.code), card.balance, card.valid_until, is_sold=True)
    for card in used:
        yield ReceiptCode(card.masked, card.balance, card.valid_until, is_sold=False)


def _language(source: Source, customer: Customer | None) -> str:
    wanted = customer.language if customer else ""
    return wanted if wanted in LANGUAGES else source.language


def _lines(sale: Sale) -> Iterator[ReceiptLine]:
    for line in sale.lines:
        yield ReceiptLine(line.text or line.product_ref, line.quantity, line.total_incl)


def _payments(sale: Sale) -> Iterator[ReceiptPayment]:
    for payment in sale.payments:
        mode = payment.mode if payment.kind is PaymentKind.MONEY else ""
        yield ReceiptPayment(mode, payment.amount)


@dataclass(frozen=True, slots=True)
class _Points:
    """The loyalty blocks of one sale."""

    connection: Connection
    now: datetime
    rules: Rules
    sale: Sale

    def of(self, judgements: Sequence[Judgement]) -> Iterator[ReceiptPoints]:
        """Make a block for each program in which the customer takes part."""
        current = {program.name: program for program in self.rules.book.current.programs}
        movements = {
            movement.program: movement
            for movement in sale_movements(self.connection, [self.sale.key])
            if movement.customer == self.sale.customer
        }
        for judged in judgements:
            name = judged.program.name
            if not _NO_PART & {reason.why for reason in judged.verdict.reasons}:
                program = current.get(name, judged.program)
                yield self._block(program, judged.verdict, movements.get(name))

    def _block(
        self, program: Program, verdict: Verdict, movement: SaleMovement | None
    ) -> ReceiptPoints:
        units = movement.units if movement else 0
        balance = movement.balance_after if movement else self._balance(program)
        reward = min(program.rewards_on_card, key=lambda reward: reward.points, default=None)
        return ReceiptPoints(
            title=program.title,
            decimals=program.decimals,
            earned=program.points_of(units),
            pending=program.points_of(verdict.pending),
            balance=program.points_of(balance),
            last_day=_last_day(program, verdict) if units > 0 else None,
            rule_points=reward.points if reward else None,
            rule_amount=reward.amount if reward else None,
        )

    def _balance(self, program: Program) -> int:
        """Return the balance of today, for a sale that moved no points."""
        today = self.now.astimezone(program.zone).date()
        return member_view(self.connection, program.name, self.sale.customer, today).balance


def _last_day(program: Program, verdict: Verdict) -> date | None:
    """Return until when points just earned can be used, if nothing else happens."""
    months = program.validity.inactive_months
    if months is None:
        return verdict.expires_on
    unseen = add_months(verdict.earned_on, months)
    return unseen if verdict.expires_on is None else min(unseen, verdict.expires_on)
