"""Pending points: what sales will earn once they are paid, or delivered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, or_, select

from dolisync.ledger import tables
from dolisync.ledger.store import KnownSale, Transaction
from dolisync.model import CustomerKey, SaleKey, SaleKind, SaleStatus
from dolisync.program.assess import Verdict
from dolisync.program.terms import Program
from dolisync.sync.judge import Rules, Verdicts, judge_family, load_families

FAMILIES_AT_ONCE = 200


def pending_units(
    connection: Connection, now: datetime, rules: Rules, customer: CustomerKey, program: str
) -> int:
    """Return what a customer's validated sales that wait to be paid or delivered will add.

    Less what was returned of them. Judged anew in a reading transaction; nothing is written.
    """
    sale = tables.sale.c
    mine = (
        sale.source == customer.source,
        sale.entity == customer.entity,
        sale.customer_rowid == customer.rowid,
    )
    return _units_of(connection, now, rules, _waiting(connection, *mine)).get(program, 0)


def pending_of_batch(
    connection: Connection, now: datetime, rules: Rules, batch_id: int
) -> dict[str, int]:
    """Return what the waiting sales of a batch will add, in ledger units, by program."""
    keys = _waiting(connection, tables.sale.c.batch_id == batch_id)
    total = Counter[str]()
    for start in range(0, len(keys), FAMILIES_AT_ONCE):
        page = keys[start : start + FAMILIES_AT_ONCE]
        total.update(_units_of(connection, now, rules, page))
    return {name: units for name, units in total.items() if units}


def _waiting(connection: Connection, *conditions: ColumnElement[bool]) -> list[SaleKey]:
    sale = tables.sale.c
    query = select(sale.source, sale.entity, sale.rowid).where(
        *conditions,
        or_(sale.status == SaleStatus.VALIDATED, sale.undelivered == 1),
        sale.kind != SaleKind.CREDIT_NOTE,
        sale.vanished_at.is_(None),
    )
    return [SaleKey(*row) for row in connection.execute(query.order_by(sale.id))]


def _units_of(
    connection: Connection, now: datetime, rules: Rules, keys: Sequence[SaleKey]
) -> dict[str, int]:
    known = [key for key in keys if key.source in rules.around]
    transaction = Transaction(connection, now)
    families = load_families(transaction, known)
    verdicts = Verdicts.to_read(transaction, rules, families)
    units = Counter[str]()
    for family in families:
        for terms in rules.book.by_id(family[0].rule_set_id).programs:
            units[terms.name] += _pending(verdicts, terms, family)
    return units


def _pending(verdicts: Verdicts, program: Program, family: Sequence[KnownSale]) -> int:
    head = family[0]
    status = head.sale.status
    if status is SaleStatus.VALIDATED:
        status = SaleStatus.PAID
    done = replace(head, sale=replace(head.sale, status=status, delivery=None))
    later = judge_family(
        verdicts.transaction,
        program,
        verdicts.rules.around[head.key.source],
        [done, *family[1:]],
        verdicts.before(program, head.key),
    )
    return max(_units(later) - _units(verdicts.of(program, family)), 0)


def _units(verdicts: Sequence[Verdict]) -> int:
    return sum(verdict.units for verdict in verdicts)
