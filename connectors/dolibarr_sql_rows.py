"""The statements that read sales from Dolibarr's tables, and the rows that they give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Row
from dolisync.model import SaleLine

CHUNK_ROWIDS = 500
# In no number, date or code. The values of a row come packed into one text: to a driver written in
# Python each column costs as much as the next, and cutting a text costs next to nothing.
_SEPARATOR = "\x1f"

_SALE_COLUMNS = (
    *("rowid", "type", "fk_statut", "paye", "fk_soc", "datef", "datec", "tms", "total_ht"),
    *("total_ttc", "multicurrency_code", "fk_facture_source", "close_code", "module_source"),
    *("pos_source", "ref"),
)
_LINE_COLUMNS = (
    *("l.fk_facture", "l.rowid", "l.fk_product", "l.qty", "l.subprice", "l.remise_percent"),
    *("l.tva_tx", "l.total_ht", "l.total_ttc", "l.product_type", "l.fk_remise_except"),
)
_PAYMENT_COLUMNS = ("pf.fk_facture", "pf.amount", "p.datep", "c.code")


def _packed(columns: Sequence[str], *, is_sqlite: bool) -> str:
    """Write an expression for all these columns as one text; what is absent is empty in it."""
    present = [f"IFNULL({column}, '')" for column in columns]
    if is_sqlite:
        return f" || '{_SEPARATOR}' || ".join(present)
    return f"CONCAT_WS('{_SEPARATOR}', {', '.join(present)})"


def sales_statement(*, is_sqlite: bool) -> str:
    """Write what reads documents; conditions follow."""
    packed = _packed(_SALE_COLUMNS, is_sqlite=is_sqlite)
    return f"SELECT {packed} FROM llx_facture WHERE entity = %s"  # noqa: S608


def lines_statement(rowids: str, points: str | None, *, is_sqlite: bool) -> str:
    """Write what reads the lines of documents, with the points on their products' cards."""
    columns: tuple[str, ...] = _LINE_COLUMNS
    join = ""
    if points:
        columns += (f"x.{points}",)
        join = "LEFT JOIN llx_product_extrafields x ON x.fk_object = l.fk_product"
    packed = _packed(columns, is_sqlite=is_sqlite)
    return f"""
SELECT {packed}, p.ref, COALESCE(NULLIF(l.description, ''), NULLIF(l.label, ''), p.label)
FROM llx_facturedet l
LEFT JOIN llx_product p ON p.rowid = l.fk_product {join}
WHERE l.fk_facture IN ({rowids})
ORDER BY l.fk_facture, l.rang, l.rowid
"""  # noqa: S608


def payments_statement(rowids: str, *, is_sqlite: bool) -> str:
    """Write what reads the payments of documents."""
    packed = _packed(_PAYMENT_COLUMNS, is_sqlite=is_sqlite)
    return f"""
SELECT {packed}
FROM llx_paiement_facture pf
JOIN llx_paiement p ON p.rowid = pf.fk_paiement
JOIN llx_c_paiement c ON c.id = p.fk_paiement
WHERE pf.fk_facture IN ({rowids})
"""  # noqa: S608


# The same documents as the REST door lists among the payments.
USED_DOCUMENTS = """
SELECT r.fk_facture, r.description, r.amount_ttc, r.datec
FROM llx_societe_remise_except r
JOIN llx_facture f ON f.rowid = r.fk_facture_source
WHERE r.fk_facture IN ({rowids}) AND f.type IN (0, 2, 3)
"""
# Whole payments, so that one for several documents is never cut in two; those of no document, left
# behind by old versions, would stop the reader for ever if they counted.
PAID_AFTER = """
SELECT pf.fk_paiement, pf.fk_facture
FROM (
    SELECT DISTINCT p.rowid FROM llx_paiement p
    JOIN llx_paiement_facture l ON l.fk_paiement = p.rowid
    WHERE p.rowid > %s AND p.entity = %s ORDER BY p.rowid LIMIT %s
) found
JOIN llx_paiement_facture pf ON pf.fk_paiement = found.rowid
ORDER BY pf.fk_paiement, pf.fk_facture
"""
# A range scan over the index; the comparison of pairs reads the whole index.
BEYOND = " AND (tms > %s OR (tms = %s AND rowid > %s))"
CUSTOMER_COLUMNS = ("rowid", "nom", "default_lang", "email", "barcode", "code_client")


def unpacked(packed: str, columns: int) -> list[str]:
    """Cut a packed row into so many values; the last one may hold anything."""
    return packed.split(_SEPARATOR, columns - 1)


def sale_values(row: Row) -> list[str]:
    """Return the values of a document, in the order of its columns."""
    return unpacked(row[0], len(_SALE_COLUMNS))


def payment_values(row: Row) -> list[str]:
    """Return the values of a payment: the document, the amount, the time and the mode."""
    return unpacked(row[0], len(_PAYMENT_COLUMNS))


def sale_line(row: Row, gift_card: str | None = None) -> tuple[int, SaleLine]:
    """Return the document to which a line belongs, and the line.

    ``gift_card`` is the reference of the product that is sold as one.
    """
    packed, ref, text = row
    (sale, rowid, product, quantity, unit, percent, rate, excl, incl, kind, discount, *points) = (
        packed.split(_SEPARATOR)
    )
    return int(sale), SaleLine(
        rowid=int(rowid),
        product_rowid=values.whole(product) or None,
        product_ref=ref or "",
        text=text or "",
        quantity=values.money(quantity),
        unit_price_excl=values.money(unit),
        discount_percent=values.money(percent),
        tax_rate=values.money(rate),
        total_excl=values.money(excl),
        total_incl=values.money(incl),
        is_service=kind == "1",
        discount=values.discount_kind(
            discount,
            text or "",
            values.whole(product) or None,
            is_gift_card=gift_card is not None and ref == gift_card,
        ),
        product_points=values.money(points[0]) if points and points[0] else None,
    )


def chunks(rowids: Iterable[int], size: int = CHUNK_ROWIDS) -> Iterator[list[int]]:
    """Cut a list of rowids into pieces that fit into one statement, without repetition."""
    distinct = sorted(set(rowids))
    for start in range(0, len(distinct), size):
        yield distinct[start : start + size]
