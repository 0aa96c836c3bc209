"""Pending points: what a customer's sales will earn once they are paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select

from dolisync.ledger import tables
from dolisync.ledger.store import KnownSale, Transaction
from dolisync.model import CustomerKey, SaleKey, SaleKind, SaleStatus
from dolisync.program.assess import Verdict
from dolisync.program.terms import Program
from dolisync.sync.judge import Rules, Verdicts, judge_family, load_families


def pending_units(
    connection: Connection, now: datetime, rules: Rules, customer: CustomerKey, program: str
) -> int:
    """Return what validated sales that are not paid yet will add, less what was returned of them.

    Judged anew in a reading transaction; nothing is written.
    """
    if customer.source not in rules.around:
        return 0
    transaction = Transaction(connection, now)
    families = load_families(transaction, _unpaid(connection, customer))
    verdicts = Verdicts.to_read(transaction, rules, families)
    return sum(
        _pending(verdicts, terms, family)
        for family in families
        for terms in rules.book.by_id(family[0].rule_set_id).programs
        if terms.name == program
    )


def _unpaid(connection: Connection, customer: CustomerKey) -> list[SaleKey]:
    sale = tables.sale.c
    query = select(sale.source, sale.entity, sale.rowid).where(
        sale.source == customer.source,
        sale.entity == customer.entity,
        sale.customer_rowid == customer.rowid,
        sale.status == SaleStatus.VALIDATED,
        sale.kind != SaleKind.CREDIT_NOTE,
        sale.vanished_at.is_(None),
    )
    return [SaleKey(*row) for row in connection.execute(query)]


def _pending(verdicts: Verdicts, program: Program, family: Sequence[KnownSale]) -> int:
    head = family[0]
    paid = replace(head, sale=replace(head.sale, status=SaleStatus.PAID))
    later = judge_family(
        verdicts.transaction,
        program,
        verdicts.rules.around[head.key.source],
        [paid, *family[1:]],
        verdicts.before(program, head.key),
    )
    return max(_units(later) - _units(verdicts.of(program, family)), 0)


def _units(verdicts: Sequence[Verdict]) -> int:
    return sum(verdict.units for verdict in verdicts)
