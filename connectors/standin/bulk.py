"""Many till sales at once, for benchmarks: the same rows as single sales, written in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import sqlalchemy as sa

from connectors.standin.lines import CLOSED
from connectors.standin.money import line_totals
from connectors.standin.numbering import highest
from connectors.standin.store import Desk, Store

CHUNK = 5000
Values = dict[str, Any]


@dataclass(frozen=True)
class Priced:
    """A line of one piece of a product, ready to be written."""

    product: int
    values: Values


@dataclass(frozen=True)
class Plan:
    """What does not change from sale to sale."""

    customers: Sequence[int]
    priced: Sequence[Priced]
    lines: int
    mode: int
    start: datetime
    interval: timedelta
    first_sale: int
    first_line: int
    first_payment: int
    first_link: int


class _Series:
    """References by month, counted in memory after one look at the table."""

    def __init__(self, store: Store, column: sa.Column[Any], series: str) -> None:
        self._store, self._column, self._series = store, column, series
        self._last: dict[str, int] = {}

    def next(self, moment: datetime) -> str:
        prefix = f"{self._series}{moment:%y%m}-"
        if prefix not in self._last:
            self._last[prefix] = highest(self._store, self._column, prefix)
        self._last[prefix] += 1
        return f"{prefix}{self._last[prefix]:04d}"


class Bulk(Desk):
    """Sales by the hundred thousand."""

    def bulk_pos_sales(
        self,
        count: int,
        customers: Sequence[int],
        start: datetime,
        *,
        products: Sequence[int] | None = None,
        lines: int = 3,
        interval: timedelta = timedelta(seconds=30),
        mode: str = "CB",
    ) -> range:
        """Write paid tickets from `start` on, customers and products in turn; give their keys."""
        tables = self.tables
        plan = Plan(
            customers=customers,
            priced=self._priced(products),
            lines=lines,
            mode=self._mode_id(mode),
            start=start.astimezone(UTC),
            interval=interval,
            first_sale=self._next_key(tables.facture),
            first_line=self._next_key(tables.facturedet),
            first_payment=self._next_key(tables.paiement),
            first_link=self._next_key(tables.paiement_facture),
        )
        tickets = _Series(self.store, tables.facture.c.ref, "TC1-")
        papers = _Series(self.store, tables.paiement.c.ref, "PAY")
        numbers = iter(range(count))
        while chunk := list(islice(numbers, CHUNK)):
            self._write(plan, chunk, tickets, papers)
        return range(plan.first_sale, plan.first_sale + count)

    def _mode_id(self, code: str) -> int:
        modes = self.tables.c_paiement
        return int(self.store.scalar(sa.select(modes.c.id).where(modes.c.code == code)))

    def _next_key(self, table: sa.Table) -> int:
        return int(self.store.scalar(sa.select(sa.func.max(table.c.rowid))) or 0) + 1

    def _priced(self, products: Sequence[int] | None) -> list[Priced]:
        table = self.tables.product
        query = sa.select(table).order_by(table.c.rowid)
        if products is not None:
            query = query.where(table.c.rowid.in_(products))
        return [Priced(row["rowid"], _one_piece(row)) for row in self.store.rows(query)]

    def _write(self, plan: Plan, chunk: list[int], tickets: _Series, papers: _Series) -> None:
        sales: list[Values] = []
        lines: list[Values] = []
        payments: list[Values] = []
        links: list[Values] = []
        for number in chunk:
            moment = plan.start + number * plan.interval
            wall = self.store.local(moment)
            ref = tickets.next(wall)
            its_lines = list(_lines(plan, number))
            total = _total(its_lines)
            sales.append(_sale(plan, number, ref, moment, wall, total))
            lines.extend(its_lines)
            payments.append(_payment(plan, number, ref, papers.next(wall), moment, wall, total))
            links.append(_link(plan, number, total))
        rows = (
            (self.tables.facture, sales),
            (self.tables.facturedet, lines),
            (self.tables.paiement, payments),
            (self.tables.paiement_facture, links),
        )
        with self.store.transaction() as connection:
            for table, values in rows:
                _insert_many(connection, table, values)


def _insert_many(connection: sa.Connection, table: sa.Table, rows: list[Values]) -> None:
    """Hand the rows to the driver as they are: conversions would take half the time."""
    names = list(rows[0])
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * len(names))
    sql = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - ours
    connection.exec_driver_sql(sql, [tuple(row.values()) for row in rows])


def _one_piece(row: sa.RowMapping) -> Values:
    totals = line_totals(Decimal(1), row["price"], Decimal(0), row["tva_tx"])
    amounts = {
        "subprice": row["price"],
        "total_ht": totals.ht,
        "total_tva": totals.tva,
        "total_ttc": totals.ttc,
    }
    amounts = {name: float(value) for name, value in amounts.items()}
    return {
        "fk_product": row["rowid"],
        "product_type": row["fk_product_type"],
        "description": "",
        "qty": 1,
        "tva_tx": float(row["tva_tx"]),
        **{f"multicurrency_{name}": value for name, value in amounts.items()},
        **amounts,
    }


def _lines(plan: Plan, number: int) -> Iterable[Values]:
    for place in range(plan.lines):
        key = number * plan.lines + place
        priced = plan.priced[(number + place * 7) % len(plan.priced)]
        yield {
            "rowid": plan.first_line + key,
            "fk_facture": plan.first_sale + number,
            "rang": place + 1,
            **priced.values,
        }


def _total(lines: list[Values]) -> Values:
    return {
        name: round(sum(line[name] for line in lines), 2)
        for name in ("total_ht", "total_tva", "total_ttc")
    }


def _sale(
    plan: Plan, number: int, ref: str, moment: datetime, wall: datetime, total: Values
) -> Values:
    day = str(wall.date())
    return {
        "rowid": plan.first_sale + number,
        "ref": ref,
        "fk_soc": plan.customers[number % len(plan.customers)],
        "datec": str(wall),
        "datef": day,
        "date_valid": day,
        "date_lim_reglement": day,
        "date_closing": str(wall),
        "tms": str(moment.replace(tzinfo=None)),
        "paye": 1,
        "fk_statut": CLOSED,
        "fk_user_author": 1,
        "fk_user_valid": 1,
        "fk_user_closing": 1,
        "fk_cond_reglement": 0,
        "fk_mode_reglement": plan.mode,
        "module_source": "takepos",
        "pos_source": "1",
        "multicurrency_code": "EUR",
        "last_main_doc": f"facture/{ref}/{ref}.pdf",
        **total,
        **{f"multicurrency_{name}": value for name, value in total.items()},
    }


def _payment(
    plan: Plan,
    number: int,
    ref: str,
    own_ref: str,
    moment: datetime,
    wall: datetime,
    total: Values,
) -> Values:
    key = plan.first_payment + number
    return {
        "rowid": key,
        "ref": own_ref,
        "ref_ext": "",
        "datec": str(wall),
        "datep": str(wall),
        "tms": str(moment.replace(tzinfo=None)),
        "amount": total["total_ttc"],
        "multicurrency_amount": total["total_ttc"],
        "fk_paiement": plan.mode,
        "num_paiement": ref,
        "note": "",
        "fk_bank": key,
        "fk_user_creat": 1,
    }


def _link(plan: Plan, number: int, total: Values) -> Values:
    return {
        "rowid": plan.first_link + number,
        "fk_paiement": plan.first_payment + number,
        "fk_facture": plan.first_sale + number,
        "amount": total["total_ttc"],
        "multicurrency_code": "EUR",
        "multicurrency_amount": total["total_ttc"],
    }
