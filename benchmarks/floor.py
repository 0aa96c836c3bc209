"""The least that a backfill by SQL can cost: the same rows, read and written by bare drivers."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from sqlalchemy.engine import make_url

from benchmarks.measure import Cost, timed
from benchmarks.shop import FIRST_DAY, BenchShop

_SALES = """
SELECT rowid, ref, type, fk_statut, paye, fk_soc, datef, datec, tms, total_ht, total_ttc,
       multicurrency_code, fk_facture_source, close_code, module_source, pos_source
FROM llx_facture
WHERE entity = 1 AND ref NOT LIKE '(PROV%%' AND datef >= %s AND datef < %s AND rowid > %s
ORDER BY rowid LIMIT %s
"""
_LINES = """
SELECT l.fk_facture, l.rowid, l.fk_product, p.ref,
       COALESCE(NULLIF(l.description, ''), NULLIF(l.label, ''), p.label),
       l.qty, l.subprice, l.remise_percent, l.tva_tx, l.total_ht, l.total_ttc, l.product_type,
       l.fk_remise_except
FROM llx_facturedet l
LEFT JOIN llx_product p ON p.rowid = l.fk_product
WHERE l.fk_facture IN ({rowids})
ORDER BY l.fk_facture, l.rang, l.rowid
"""
_PAYMENTS = """
SELECT pf.fk_facture, c.code, pf.amount, p.datep
FROM llx_paiement_facture pf
JOIN llx_paiement p ON p.rowid = pf.fk_paiement
JOIN llx_c_paiement c ON c.id = p.fk_paiement
WHERE pf.fk_facture IN ({rowids})
"""
# In the order in which they may refer to one another, with the moment of their transaction.
_WRITTEN = {
    "sale": "SELECT first_seen_at, t.* FROM sale t ORDER BY t.id",
    "member": "SELECT opened_at, t.* FROM member t ORDER BY t.id",
    "posting": "SELECT recorded_at, t.* FROM posting t ORDER BY t.id",
    "lot": "SELECT p.recorded_at, t.* FROM lot t JOIN posting p ON p.id = t.posting_id"
    " ORDER BY t.id",
    "allocation": "SELECT p.recorded_at, t.* FROM allocation t"
    " JOIN posting p ON p.id = t.posting_id ORDER BY t.id",
    "outbox": "SELECT created_at, t.* FROM outbox t ORDER BY t.id",
    "counted": "SELECT s.first_seen_at, t.* FROM counted t JOIN sale s ON s.id = t.sale_id"
    " ORDER BY t.sale_id",
}

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Work:
    """What a backfill wrote: for each transaction, in order, rows per table."""

    rule_sets: Rows
    transactions: tuple[dict[str, Rows], ...]

    def counted(self) -> dict[str, int]:
        """Count the rows per table."""
        return {table: sum(len(rows[table]) for rows in self.transactions) for table in _WRITTEN}


def work_of(ledger: Path) -> Work:
    """Read from a ledger what was written into it."""
    connection = sqlite3.connect(ledger)
    found: dict[str, dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    for table, query in _WRITTEN.items():
        for moment, *row in connection.execute(query):
            found[moment][table].append(tuple(row))
    rule_sets = connection.execute("SELECT * FROM rule_set").fetchall()
    connection.close()
    return Work(rule_sets, tuple(found[moment] for moment in sorted(found)))


def bare_backfill(shop: BenchShop, work: Work, ledger: Path) -> Cost:
    """Read the same rows and write the same rows with bare drivers."""
    address = make_url(shop.database_url)
    source = pymysql.connect(
        host=address.host,
        port=address.port or 3306,
        user=address.username,
        database=address.database,
    )
    target = sqlite3.connect(ledger, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        target.execute(f"PRAGMA {pragma}")
    target.executemany("INSERT INTO rule_set VALUES (?, ?, ?, ?)", work.rule_sets)
    try:
        return timed(lambda: _copy(shop, work, source.cursor(), target))
    finally:
        source.close()
        target.close()


def _copy(
    shop: BenchShop, work: Work, cursor: pymysql.cursors.Cursor, target: sqlite3.Connection
) -> None:
    last = 0
    for rows in work.transactions:
        days = (FIRST_DAY, shop.until(shop.sales))
        cursor.execute(_SALES, (*days, last, len(rows["sale"])))
        found = cursor.fetchall()
        last, rowids = found[-1][0], ",".join(str(row[0]) for row in found)
        for query in (_LINES, _PAYMENTS):
            cursor.execute(query.format(rowids=rowids))
            cursor.fetchall()
        target.execute("BEGIN IMMEDIATE")
        for table in _WRITTEN:
            if rows[table]:
                marks = ", ".join("?" * len(rows[table][0]))
                target.executemany(f"INSERT INTO {table} VALUES ({marks})", rows[table])
        target.execute("COMMIT")
