"""Many till sales at once, for benchmarks: the same rows as single sales, written in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import sqlalchemy as sa

from connectors.standin.lines import CLOSED, CREDIT_NOTE, STANDARD, VALIDATED
from connectors.standin.money import line_totals
from connectors.standin.numbering import highest
from connectors.standin.store import Desk, Store

CHUNK = 5000
# A return comes so many returns after its sale: on another page of any reader.
RETURNED_AFTER = 50
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
    returned_every: int = 0

    def returned_by(self, number: int) -> int | None:
        """Say which sale a document returns, `None` for a sale."""
        every = self.returned_every
        if not every or number % every != every - 1:
            return None
        sale = number - every // 2
        return max(sale - every * RETURNED_AFTER, sale % every)


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


@dataclass(frozen=True)
class _AllSeries:
    """The references of tickets, credit notes and payments."""

    tickets: _Series
    returns: _Series
    papers: _Series


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
        returned_every: int = 0,
    ) -> range:
        """Write paid tickets from `start` on, customers and products in turn; give their keys.

        Each `returned_every`-th one is a credit note that returns lines of an earlier sale.
        """
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
            returned_every=returned_every,
        )
        series = _AllSeries(
            _Series(self.store, tables.facture.c.ref, "TC1-"),
            _Series(self.store, tables.facture.c.ref, "AV"),
            _Series(self.store, tables.paiement.c.ref, "PAY"),
        )
        numbers = iter(range(count))
        while chunk := list(islice(numbers, CHUNK)):
            self._write(plan, chunk, series)
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

    def _write(self, plan: Plan, chunk: list[int], series: _AllSeries) -> None:
        tables = self.tables
        rows: dict[sa.Table, list[Values]] = {
            table: []
            for table in (
                tables.facture,
                tables.facturedet,
                tables.paiement,
                tables.paiement_facture,
            )
        }
        for number in chunk:
            moment = plan.start + number * plan.interval
            wall = self.store.local(moment)
            is_return = plan.returned_by(number) is not None
            ref = (series.returns if is_return else series.tickets).next(wall)
            its_lines = list(_lines(plan, number))
            total = _total(its_lines)
            rows[tables.facture].append(_sale(plan, number, ref, moment, wall, total))
            rows[tables.facturedet].extend(its_lines)
            if not is_return:
                paper = series.papers.next(wall)
                payment = _payment(plan, number, ref, paper, moment, wall, total)
                rows[tables.paiement].append(payment)
                rows[tables.paiement_facture].append(_link(plan, number, total))
        with self.store.transaction() as connection:
            for table, values in rows.items():
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
    returned = plan.returned_by(number)
    taken = plan.lines if returned is None else 1 + returned % plan.lines
    for place in range(taken):
        key = number * plan.lines + place
        sold = number if returned is None else returned
        priced = plan.priced[(sold + place * 7) % len(plan.priced)]
        yield {
            "rowid": plan.first_line + key,
            "fk_facture": plan.first_sale + number,
            "rang": place + 1,
            **(priced.values if returned is None else _negative(priced.values)),
        }


def _negative(values: Values) -> Values:
    """Return a line as a credit note has it: the price negative, the quantity not."""
    return {
        name: -value if "total" in name or "subprice" in name else value
        for name, value in values.items()
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
    returned = plan.returned_by(number)
    is_return = returned is not None
    buyer = number if returned is None else returned
    return {
        "rowid": plan.first_sale + number,
        "ref": ref,
        "type": CREDIT_NOTE if is_return else STANDARD,
        "fk_facture_source": None if returned is None else plan.first_sale + returned,
        "fk_soc": plan.customers[buyer % len(plan.customers)],
        "datec": str(wall),
        "datef": day,
        "date_valid": day,
        "date_lim_reglement": day,
        "date_closing": None if is_return else str(wall),
        "tms": str(moment.replace(tzinfo=None)),
        "paye": 0 if is_return else 1,
        "fk_statut": VALIDATED if is_return else CLOSED,
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
