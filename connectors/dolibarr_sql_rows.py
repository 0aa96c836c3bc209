"""The statements that read sales from Dolibarr's tables, and the rows that they give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Row
from dolisync.model import SaleLine

CHUNK_ROWIDS = 500

SALE_COLUMNS = (
    "rowid, ref, type, fk_statut, paye, fk_soc, datef, datec, tms, total_ht, total_ttc,"
    " multicurrency_code, fk_facture_source, close_code, module_source, pos_source"
)
# Each column costs as much as the next to bring over: texts are chosen there, not here.
LINES = """
SELECT l.fk_facture, l.rowid, l.fk_product, p.ref,
       COALESCE(NULLIF(l.description, ''), NULLIF(l.label, ''), p.label),
       l.qty, l.subprice, l.remise_percent, l.tva_tx, l.total_ht, l.total_ttc, l.product_type,
       l.fk_remise_except{points}
FROM llx_facturedet l
LEFT JOIN llx_product p ON p.rowid = l.fk_product {join}
WHERE l.fk_facture IN ({rowids})
ORDER BY l.fk_facture, l.rang, l.rowid
"""
PAYMENTS = """
SELECT pf.fk_facture, c.code, pf.amount, p.datep
FROM llx_paiement_facture pf
JOIN llx_paiement p ON p.rowid = pf.fk_paiement
JOIN llx_c_paiement c ON c.id = p.fk_paiement
WHERE pf.fk_facture IN ({rowids})
"""
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


def sale_line(row: Row) -> SaleLine:
    (_sale, rowid, product, ref, text, quantity, unit, percent, rate, excl, incl, kind) = row[:12]
    points = row[13] if len(row) > 13 else None
    return SaleLine(
        rowid=rowid,
        product_rowid=product or None,
        product_ref=ref or "",
        text=text or "",
        quantity=values.money(quantity),
        unit_price_excl=values.money(unit),
        discount_percent=values.money(percent),
        tax_rate=values.money(rate),
        total_excl=values.money(excl),
        total_incl=values.money(incl),
        is_service=kind == 1,
        discount=values.discount_kind(row[12], text or ""),
        product_points=None if points is None else values.money(points),
    )


def chunks(rowids: Iterable[int], size: int = CHUNK_ROWIDS) -> Iterator[list[int]]:
    """Cut a list of rowids into pieces that fit into one statement, without repetition."""
    distinct = sorted(set(rowids))
    for start in range(0, len(distinct), size):
        yield distinct[start : start + size]
