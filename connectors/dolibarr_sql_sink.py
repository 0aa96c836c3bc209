"""Write display values and discounts into Dolibarr's tables, and nothing else there.

Extra fields have tables of their own, so that no document and no customer card is rewritten, no
trigger runs and no agenda event is made. A fixed discount is the row that Dolibarr's own page
writes. Both need only the grants that ``check`` prints.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, Reader, checked_name, number_list, utc_now
from dolisync.errors import RefusedError
from dolisync.model import CustomerKey, SaleKey
from dolisync.ports import Discount, FieldValue, PlacedDiscount, SinkAbilities

CENT = Decimal("0.01")
HUNDRED = Decimal(100)

_DISCOUNTS = "llx_societe_remise_except"
_INSERT_DISCOUNT = """
INSERT INTO llx_societe_remise_except
    (entity, datec, fk_soc, discount_type, fk_user, description,
     amount_ht, amount_tva, amount_ttc, tva_tx, vat_src_code,
     multicurrency_amount_ht, multicurrency_amount_tva, multicurrency_amount_ttc)
VALUES (%s, %s, %s, 0, %s, %s, %s, %s, %s, %s, '', %s, %s, %s)
"""
_FIND_DISCOUNT = """
SELECT rowid, description, amount_ttc, fk_facture_line, fk_facture, fk_soc
FROM llx_societe_remise_except
WHERE discount_type = 0 AND description LIKE %s ESCAPE '!'{owner} ORDER BY rowid
"""


@dataclass(frozen=True, slots=True)
class _Element:
    """An object that carries extra fields: its table, theirs, and its word in messages."""

    table: str
    fields: str
    word: str


_CUSTOMER = _Element("llx_societe", "llx_societe_extrafields", "customer")
_SALE = _Element("llx_facture", "llx_facture_extrafields", "invoice")


class SqlSink:
    """Write through a database account with few rights.

    ``timezone`` is PHP's. ``fk_user`` is the rowid of the Dolibarr user in whose name discounts are
    made; without one there are none.
    """

    def __init__(
        self,
        engine: Engine | str,
        entity: int = 1,
        timezone: str = "UTC",
        fk_user: int | None = None,
        table_prefix: str = "llx_",
    ) -> None:
        self.entity = entity
        self._zone = ZoneInfo(timezone)
        self._fk_user = fk_user
        self._database = Database(engine, table_prefix)

    def close(self) -> None:
        """Close the connections, unless they are shared with others."""
        self._database.close()

    def abilities(self) -> SinkAbilities:
        """Say what this account sees; ``check`` looks at each right."""
        sees = {
            table: "fk_object" in self._database.columns(table)
            for table in (_CUSTOMER.fields, _SALE.fields)
        }
        reasons = [f"the database account may not use {table}" for table in sees if not sees[table]]
        discounts = "description" in self._database.columns(_DISCOUNTS)
        if not discounts:
            reasons.append(f"the database account may not use {_DISCOUNTS}")
        if self._fk_user is None:
            reasons.append("no Dolibarr user is named in whose name discounts would be made")
        return SinkAbilities(
            customer_fields=sees[_CUSTOMER.fields],
            sale_fields=sees[_SALE.fields],
            discounts=discounts and self._fk_user is not None,
            reasons=tuple(reasons),
        )

    def write_customer(self, customer: CustomerKey, values: dict[str, FieldValue]) -> None:
        """Set these extra fields on the customer card; keep all others."""
        self._write(_CUSTOMER, customer.rowid, values)

    def read_customer(
        self, customer: CustomerKey, names: Sequence[str]
    ) -> dict[str, FieldValue] | None:
        """Read these extra fields back; ``None`` when the customer is gone."""
        return self._read(_CUSTOMER, customer.rowid, names)

    def read_customers(
        self, customers: Sequence[CustomerKey], names: Sequence[str]
    ) -> dict[CustomerKey, dict[str, FieldValue]]:
        """Read these extra fields of many customers with one query."""
        if not customers or not names:
            return {}
        columns = ", ".join(f"e.{checked_name(name)}" for name in names)
        query = (
            f"SELECT s.rowid, {columns} FROM {_CUSTOMER.table} s"  # noqa: S608
            f" LEFT JOIN {_CUSTOMER.fields} e ON e.fk_object = s.rowid"
            f" WHERE s.rowid IN ({number_list([key.rowid for key in customers])})"
        )
        with self._database.reading("fields of customers") as reader:
            rows = {int(row[0]): row[1:] for row in reader.rows(query)}
        return {
            key: {name: _field_value(raw) for name, raw in zip(names, rows[key.rowid], strict=True)}
            for key in customers
            if key.rowid in rows
        }

    def write_sale(self, sale: SaleKey, values: dict[str, FieldValue]) -> None:
        """Set these extra fields on the invoice, whose own row stays untouched."""
        self._write(_SALE, sale.rowid, values)

    def read_sale(self, sale: SaleKey, names: Sequence[str]) -> dict[str, FieldValue] | None:
        """Read these extra fields back; ``None`` when the invoice is gone."""
        return self._read(_SALE, sale.rowid, names)

    def find_discount(self, customer: CustomerKey | None, token: str) -> PlacedDiscount | None:
        """Look a discount up by its token; a merge may have given it to another customer."""
        with self._database.reading("discounts") as reader:
            if customer is not None:
                # The customer's own first: there is an index on the owner and none on the text.
                found = _find(reader, token, customer.rowid)
                if found is not None:
                    return found
            return _find(reader, token)

    def create_discount(self, discount: Discount) -> PlacedDiscount:
        """Insert the row that Dolibarr's own page would, and read it back before it counts."""
        if self._fk_user is None:
            raise RefusedError("no Dolibarr user is named in whose name discounts would be made")
        if discount.amount_incl <= 0:
            raise RefusedError(f"a discount of {discount.amount_incl} is none")
        with self._database.writing("creating a discount", creating=True) as writer:
            _require(writer, _CUSTOMER, discount.customer.rowid)
            self._insert(writer, discount, self._fk_user)
            placed = _find(writer, discount.token, discount.customer.rowid)
            if placed is None or placed.amount_incl != discount.amount_incl or placed.used:
                # Leaving with an error takes the insert back.
                raise RefusedError(f"the discount {discount.token} was read back otherwise")
        return placed

    def revoke_discount(self, token: str) -> bool:
        """Delete all parts of a discount if none was used; between look and act it is guarded."""
        try:
            with self._database.writing("revoking a discount") as writer:
                return _revoke(writer, token)
        except _UsedMeanwhileError:
            return False

    def list_discounts(self, prefix: str) -> dict[str, PlacedDiscount]:
        """Return all discounts by their tokens that begin with this prefix."""
        word = re.compile(rf"(?<!\w){re.escape(prefix)}\w+")
        rows: dict[str, list[Any]] = {}
        # Those of another company in the same tables are another source's.
        query, bound = _FIND_DISCOUNT.format(owner=" AND entity = %s"), f"%{_escaped(prefix)}%"
        with self._database.reading("discounts") as reader:
            for row in reader.rows(query, [bound, self.entity]):
                for token in set(word.findall(row[1])):
                    rows.setdefault(token, []).append(row)
        return {token: _placed(token, found) for token, found in rows.items()}

    def remove_surplus(self, token: str, paid_for: Decimal) -> bool:
        """Delete unused parts, the newest first, while what is left is paid for."""
        with self._database.writing("removing a surplus discount") as writer:
            rows = _rows(writer, token)
            left = sum((values.money(row[2]) for row in rows), Decimal(0))
            chosen = []
            for row in reversed(rows):
                if _is_free(row) and left - values.money(row[2]) >= paid_for:
                    left -= values.money(row[2])
                    chosen.append(int(row[0]))
            if not chosen:
                return False
            deleted = writer.change(
                f"DELETE FROM {_DISCOUNTS} WHERE rowid IN ({number_list(chosen)})"  # noqa: S608
                " AND fk_facture_line IS NULL AND fk_facture IS NULL"
            )
        return deleted > 0

    def _insert(self, writer: Reader, discount: Discount, fk_user: int) -> None:
        excl, tax = split_tax(discount.amount_incl, discount.tax_rate)
        amounts = [str(amount) for amount in (excl, tax, discount.amount_incl)]
        description = discount.text
        if not _holds(description, discount.token):
            description = f"{description} {discount.token}".strip()
        created_at = values.wall_text(utc_now(writer, self._database), self._zone)
        writer.insert(
            _INSERT_DISCOUNT,
            (
                self.entity,
                created_at,
                discount.customer.rowid,
                fk_user,
                description,
                *amounts,
                str(discount.tax_rate),
                *amounts,
            ),
        )

    def _write(self, element: _Element, rowid: int, wanted: dict[str, FieldValue]) -> None:
        if not wanted:
            return
        names = [checked_name(name) for name in wanted]
        bound = [_bound(value) for value in wanted.values()]
        assigned = ", ".join(f"{name} = %s" for name in names)
        update = f"UPDATE {element.fields} SET {assigned} WHERE fk_object = %s"  # noqa: S608
        with self._database.writing(f"writing fields of the {element.word} {rowid}") as writer:
            # UPDATE first: version 16 has no unique key on the invoices' fields.
            if writer.change(update, [*bound, rowid]):
                return
            _require(writer, element, rowid)
            places = ", ".join(["%s"] * (len(names) + 1))
            writer.change(
                f"INSERT INTO {element.fields} (fk_object, {', '.join(names)})"  # noqa: S608
                f" VALUES ({places})",
                [rowid, *bound],
            )

    def _read(
        self, element: _Element, rowid: int, names: Sequence[str]
    ) -> dict[str, FieldValue] | None:
        columns = ", ".join(checked_name(name) for name in names) or "fk_object"
        with self._database.reading(f"fields of the {element.word} {rowid}") as reader:
            if not _exists(reader, element, rowid):
                return None
            rows = reader.rows(
                f"SELECT {columns} FROM {element.fields} WHERE fk_object = %s",  # noqa: S608
                (rowid,),
            )
        found = rows[0] if rows else [None] * len(names)
        return {name: _field_value(raw) for name, raw in zip(names, found, strict=False)}


class _UsedMeanwhileError(Exception):
    """Tell that a part of a discount was used between the look and the act."""


def split_tax(amount_incl: Decimal, tax_rate: Decimal) -> tuple[Decimal, Decimal]:
    """Split an amount into net and tax, to the cent and without remainder: net + tax = amount."""
    net = amount_incl / (1 + tax_rate / HUNDRED)
    net = net.quantize(CENT, rounding=ROUND_HALF_UP)
    return net, amount_incl - net


def _find(reader: Reader, token: str, owner: int | None = None) -> PlacedDiscount | None:
    rows = _rows(reader, token, owner)
    return _placed(token, rows) if rows else None


def _placed(token: str, rows: Sequence[Any]) -> PlacedDiscount:
    return PlacedDiscount(
        token=token,
        rowids=tuple(int(row[0]) for row in rows),
        amount_incl=sum((values.money(row[2]) for row in rows), Decimal(0)),
        used=not all(_is_free(row) for row in rows),
        free_amount=sum((values.money(row[2]) for row in rows if _is_free(row)), Decimal(0)),
        # A copy has the text of what it was copied from; the parts of a split one are numbered.
        worth=sum({row[1]: values.money(row[2]) for row in rows}.values(), Decimal(0)),
        owner=int(rows[0][5]),
        text=str(rows[0][1]),
    )


def _is_free(row: Any) -> bool:
    return not (row[3] or row[4])


def _rows(reader: Reader, token: str, owner: int | None = None) -> list[Any]:
    """Return the parts of a discount, the oldest first."""
    bound: list[object] = [f"%{_escaped(token)}%"]
    condition = ""
    if owner is not None:
        condition = " AND fk_soc = %s"
        bound.append(owner)
    found = reader.rows(_FIND_DISCOUNT.format(owner=condition), bound)
    return [row for row in found if _holds(row[1], token)]


def _escaped(text: str) -> str:
    return re.sub(r"([!%_])", r"!\1", text)


def _holds(description: str, token: str) -> bool:
    """Tell whether the token stands there as a word, not as the beginning of another token."""
    return re.search(rf"(?<!\w){re.escape(token)}(?!\w)", description) is not None


def _revoke(writer: Reader, token: str) -> bool:
    placed = _find(writer, token)
    if placed is None or placed.used:
        return False
    deleted = writer.change(
        f"DELETE FROM {_DISCOUNTS} WHERE rowid IN ({number_list(placed.rowids)})"  # noqa: S608
        " AND fk_facture_line IS NULL AND fk_facture IS NULL"
    )
    if deleted != len(placed.rowids):
        raise _UsedMeanwhileError
    return True


def _exists(reader: Reader, element: _Element, rowid: int) -> bool:
    query = f"SELECT rowid FROM {element.table} WHERE rowid = %s"  # noqa: S608
    return reader.value(query, (rowid,)) is not None


def _require(reader: Reader, element: _Element, rowid: int) -> None:
    if not _exists(reader, element, rowid):
        raise RefusedError(f"the {element.word} {rowid} is gone from Dolibarr")


def _bound(value: FieldValue) -> int | str | None:
    return str(value) if isinstance(value, Decimal) else value


def _field_value(raw: Any) -> FieldValue:
    return values.money(raw) if isinstance(raw, float | Decimal) else raw
