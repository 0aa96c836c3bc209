"""Pending points: what a customer's sales will earn once they are paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select

from dolisync.ledger import tables
from dolisync.ledger.store import KnownSale, Transaction
from dolisync.model import CustomerKey, SaleKey, SaleKind, SaleStatus
from dolisync.program.terms import Program
from dolisync.sync.audit import load_families
from dolisync.sync.judge import Rules, judge_family


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
    return sum(
        _pending(transaction, rules, terms, family)
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


def _pending(
    transaction: Transaction, rules: Rules, program: Program, family: Sequence[KnownSale]
) -> int:
    head = family[0]
    paid = replace(head, sale=replace(head.sale, status=SaleStatus.PAID))
    now = _units(transaction, rules, program, family)
    later = _units(transaction, rules, program, [paid, *family[1:]])
    return max(later - now, 0)


def _units(
    transaction: Transaction, rules: Rules, program: Program, family: Sequence[KnownSale]
) -> int:
    around = rules.around[family[0].key.source]
    return sum(verdict.units for verdict in judge_family(transaction, program, around, family))
