"""Read sales and customers from Dolibarr's tables: whole pages at once, some 40 times cheaper.

Per page there are four statements, whatever its size: the documents, then all their lines, payments
and used credit notes. MariaDB and MySQL serve a real Dolibarr, SQLite the stand-in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from connectors import dolibarr_values as values
from connectors.dolibarr_buyers import buyers_by_sql, customer_tags_by_sql, gaps_by_sql
from connectors.dolibarr_catalogue import articles_by_sql, has_product_by_sql, tag_labels_by_sql
from connectors.dolibarr_database import (
    Database,
    Reader,
    Row,
    checked_name,
    number_list,
    utc_now,
)
from connectors.dolibarr_deliveries import deliveries_by_sql, documents_by_sql, moved_by_sql
from connectors.dolibarr_sql_rows import (
    BEYOND,
    CUSTOMER_COLUMNS,
    PAID_AFTER,
    USED_DOCUMENTS,
    chunks,
    lines_statement,
    payment_values,
    payments_statement,
    sale_line,
    sale_values,
    sales_statement,
)
from connectors.dolibarr_warehouses import warehouse_names_by_sql, warehouses_by_sql
from dolisync.model import (
    Article,
    Buyer,
    Customer,
    CustomerKey,
    Delivery,
    Payment,
    Sale,
    SaleKey,
    SaleLine,
    Warehouse,
)
from dolisync.ports import BuyerQuestion, DatedPage, HandOver, Page, PaymentPage, Position

_PROVISIONAL = f"{values.PROVISIONAL_PREFIX}%"


class SqlSaleSource:
    """Read one entity of one Dolibarr through a database account that may only read.

    ``timezone`` is PHP's: ``datec`` and ``datep`` are stored as wall times of it. ``engine`` may be
    an address; ``with_product_points`` names an extra field of the product card.
    """

    def __init__(
        self,
        engine: Engine | str,
        name: str,
        entity: int = 1,
        timezone: str = "UTC",
        table_prefix: str = "llx_",
        with_product_points: str | None = None,
        gift_card: str | None = None,
    ) -> None:
        self.name = name
        self.entity = entity
        self._zone = ZoneInfo(timezone)
        self._database = Database(engine, table_prefix)
        self._gift_card = gift_card
        self._points = checked_name(with_product_points) if with_product_points else None

    def close(self) -> None:
        """Close the connections, unless they are shared with others."""
        self._database.close()

    def now(self) -> datetime:
        """Return the database's clock."""
        with self._database.reading("the clock") as reader:
            return utc_now(reader, self._database)

    def changed(self, since: datetime, after: Position | None, limit: int) -> Page:
        """Read a page of what changed since, in the order (tms, rowid)."""
        condition = " AND tms >= %s"
        bound: list[object] = [_stored(since)]
        if after is not None:
            at = _stored(after.changed_at)
            condition += BEYOND
            bound += [at, at, after.rowid]
        sales = self._sales(f"{condition} ORDER BY tms, rowid LIMIT %s", [*bound, limit])
        if len(sales) < limit:
            return Page(sales, None)
        return Page(sales, Position(sales[-1].changed_at, sales[-1].key.rowid))

    def paid_after(self, payment_rowid: int, limit: int) -> PaymentPage:
        """Find the documents of the next payments by rowid."""
        with self._database.reading("payments") as reader:
            rows = reader.rows(PAID_AFTER, (payment_rowid, self.entity, limit))
        return PaymentPage(tuple((int(row[0]), int(row[1])) for row in rows))

    def last_payment_rowid(self) -> int:
        """Return the newest payment's rowid."""
        with self._database.reading("payments") as reader:
            return int(reader.value("SELECT MAX(rowid) FROM llx_paiement") or 0)

    def get(self, rowids: Sequence[int]) -> tuple[Sale, ...]:
        """Read these documents, drafts too."""
        return tuple(
            sale
            for chunk in chunks(rowids)
            for sale in self._sales(
                f" AND rowid IN ({number_list(chunk)}) ORDER BY rowid", (), provisional=True
            )
        )

    def find(self, ref: str) -> tuple[Sale, ...]:
        """Read what bears this number today, drafts too."""
        return self._sales(" AND ref = %s ORDER BY rowid", [ref.strip()], provisional=True)

    def between(self, start: date, end: date, after_rowid: int, limit: int) -> DatedPage:
        """Read a page of the documents of these days, by rowid."""
        sales = self._sales(
            " AND datef >= %s AND datef < %s AND rowid > %s ORDER BY rowid LIMIT %s",
            [start.isoformat(), end.isoformat(), after_rowid, limit],
        )
        return DatedPage(sales, sales[-1].key.rowid if len(sales) == limit else None)

    def count_between(self, start: date, end: date) -> int | None:
        """Count the documents of these days."""
        with self._database.reading("the number of documents") as reader:
            counted = reader.value(
                "SELECT COUNT(*) FROM llx_facture"
                " WHERE entity = %s AND ref NOT LIKE %s AND datef >= %s AND datef < %s",
                (self.entity, _PROVISIONAL, start.isoformat(), end.isoformat()),
            )
        return int(counted)

    def customers(self, rowids: Sequence[int]) -> dict[int, Customer]:
        """Read these customers."""
        found = (
            self._customers(f"rowid IN ({number_list(chunk)})", ()) for chunk in chunks(rowids)
        )
        return {customer.key.rowid: customer for some in found for customer in some}

    def articles(
        self, rowids: Sequence[int], fields: Sequence[str], *, with_tags: bool
    ) -> dict[int, Article]:
        """Read what the catalogue says of these products."""
        return articles_by_sql(self._database, rowids, fields, with_tags=with_tags)

    def product_tags(self) -> frozenset[str]:
        """Return the labels of all product tags."""
        return tag_labels_by_sql(self._database)

    def has_product(self, ref: str) -> bool:
        """Tell whether a product has this reference."""
        return has_product_by_sql(self._database, ref)

    def buyers(self, rowids: Sequence[int], question: BuyerQuestion) -> dict[int, Buyer]:
        """Read what the cards of these customers say."""
        return buyers_by_sql(self._database, rowids, question)

    def customer_tags(self) -> frozenset[str]:
        """Return the labels of all customer tags."""
        return customer_tags_by_sql(self._database)

    def buyer_gaps(self, question: BuyerQuestion) -> tuple[str, ...]:
        """Name the extra fields that are not seen."""
        return gaps_by_sql(self._database, question)

    def deliveries(self, rowids: Sequence[int]) -> dict[int, Delivery]:
        """Read what became of the orders and shipments of these documents."""
        return deliveries_by_sql(self._database, rowids, self._zone)

    def moved_deliveries(self, since: datetime) -> frozenset[HandOver]:
        """Find the orders and shipments that changed since."""
        return moved_by_sql(self._database, _stored(since))

    def documents_of(self, moved: Collection[HandOver]) -> frozenset[int]:
        """Find the documents that these are linked with."""
        return documents_by_sql(self._database, moved)

    def warehouses_of(
        self, goods: Mapping[int, Collection[int]]
    ) -> dict[int, tuple[Warehouse, ...]]:
        """Read from which warehouses the goods of these documents were taken."""
        return warehouses_by_sql(self._database, goods)

    def warehouse_names(self) -> frozenset[str]:
        """Return the names of all warehouses."""
        return warehouse_names_by_sql(self._database)

    def find_customer(self, text: str) -> tuple[Customer, ...]:
        """Find customers by exact rowid, card number, customer code or e-mail."""
        wanted = text.strip()
        visible = self._database.columns("llx_societe")
        names = [name for name in ("barcode", "code_client", "email") if name in visible]
        tests = [f"{name} = %s" for name in names]
        bound: list[object] = [wanted] * len(names)
        if wanted.isdecimal():
            tests.append("rowid = %s")
            bound.append(int(wanted))
        if not tests or not wanted:
            return ()
        return self._customers(f"entity = %s AND ({' OR '.join(tests)})", [self.entity, *bound])

    def _sales(
        self, condition: str, bound: Sequence[object], *, provisional: bool = False
    ) -> tuple[Sale, ...]:
        query = sales_statement(is_sqlite=self._database.is_sqlite)
        known: list[object] = [self.entity]
        if not provisional:
            query += " AND ref NOT LIKE %s"
            known.append(_PROVISIONAL)
        with self._database.reading("documents") as reader:
            rows = [sale_values(row) for row in reader.rows(query + condition, [*known, *bound])]
            if not rows:
                return ()
            found = [int(row[0]) for row in rows]
            lines = self._lines(reader, number_list(found))
            payments = self._payments(reader, number_list(found))
        return tuple(
            self._sale(rowid, row, tuple(lines[rowid]), values.in_order(payments[rowid]))
            for rowid, row in zip(found, rows, strict=True)
        )

    def _lines(self, reader: Reader, rowids: str) -> dict[int, list[SaleLine]]:
        points = self._points
        if points and points not in self._database.columns("llx_product_extrafields"):
            points = None
        lines: dict[int, list[SaleLine]] = defaultdict(list)
        query = lines_statement(rowids, points, is_sqlite=self._database.is_sqlite)
        for row in reader.rows(query):
            sale, line = sale_line(row, self._gift_card)
            lines[sale].append(line)
        return lines

    def _payments(self, reader: Reader, rowids: str) -> dict[int, list[Payment]]:
        payments: dict[int, list[Payment]] = defaultdict(list)
        query = payments_statement(rowids, is_sqlite=self._database.is_sqlite)
        for row in reader.rows(query):
            sale, amount, paid_at, mode = payment_values(row)
            payments[int(sale)].append(Payment(mode, values.money(amount), self._utc(paid_at)))
        if "fk_facture" not in self._database.columns("llx_societe_remise_except"):
            return payments
        for sale, text, amount, used_at in reader.rows(USED_DOCUMENTS.format(rowids=rowids)):
            kind = values.used_document_kind(text)
            payments[sale].append(Payment(text, values.money(amount), self._utc(used_at), kind))
        return payments

    def _sale(
        self,
        rowid: int,
        row: Sequence[str],
        lines: tuple[SaleLine, ...],
        payments: tuple[Payment, ...],
    ) -> Sale:
        _rowid, kind, statut, paye, customer, datef, datec, tms = row[:8]
        excl, incl, currency, origin, close_code, module, terminal, ref = row[8:]
        created_at = self._utc(datec)
        changed_at = values.utc_of_wall_time(tms, UTC) or values.EPOCH
        return Sale(
            key=SaleKey(self.name, self.entity, rowid),
            ref=ref,
            kind=values.sale_kind(kind),
            status=values.sale_status(statut, paye),
            customer=CustomerKey(self.name, self.entity, values.whole(customer)),
            date=values.day(datef) or (created_at or changed_at).astimezone(self._zone).date(),
            created_at=created_at,
            changed_at=changed_at,
            total_excl=values.money(excl),
            total_incl=values.money(incl),
            currency=currency,
            origin=self._origin(origin),
            close_code=close_code,
            terminal=terminal if module == values.TAKEPOS else "",
            lines=lines,
            payments=payments,
        )

    def _origin(self, rowid: str) -> SaleKey | None:
        number = values.whole(rowid)
        return SaleKey(self.name, self.entity, number) if number else None

    def _customers(self, condition: str, bound: Sequence[object]) -> tuple[Customer, ...]:
        visible = self._database.columns("llx_societe")
        columns = ", ".join(name if name in visible else "NULL" for name in CUSTOMER_COLUMNS)
        with self._database.reading("customers") as reader:
            rows = reader.rows(
                f"SELECT {columns} FROM llx_societe WHERE {condition} ORDER BY rowid",  # noqa: S608
                bound,
            )
        return tuple(self._customer(row) for row in rows)

    def _customer(self, row: Row) -> Customer:
        rowid, name, language, email, barcode, _code = row
        return Customer(
            key=CustomerKey(self.name, self.entity, rowid),
            name=values.person_name(name),
            language=values.language_of(language),
            email=values.text(email),
            card_number=values.text(barcode),
        )

    def _utc(self, raw: Any) -> datetime | None:
        return values.utc_of_wall_time(raw, self._zone)


def _stored(moment: datetime) -> str:
    return values.wall_text(moment, UTC)
