"""Lines on drafts, through REST: Dolibarr itself computes what they add up to.

Prices are given including tax: net and tax are Dolibarr's to split, and the line comes to the cent
that was asked for.
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy.engine import Engine

from connectors.dolibarr_database import Database
from connectors.dolibarr_http import DolibarrHttp
from dolisync.model import SaleKey

# No invoice bears it: what is asked about it tells of rights alone.
_NO_DRAFT = 2147483647
_MARKED = """
SELECT f.rowid, l.description
FROM llx_facture f
JOIN llx_facturedet l ON l.fk_facture = f.rowid
WHERE f.entity = %s AND f.type <> 2 AND l.total_ttc < 0 AND COALESCE(l.fk_product, 0) = 0
  AND COALESCE(l.fk_remise_except, 0) = 0 AND l.description LIKE %s
ORDER BY f.rowid, l.rowid
"""


class RestDrafts:
    """Put lines on drafts with the key of a user who may change invoices."""

    def __init__(self, http: DolibarrHttp) -> None:
        self._http = http

    def add_line(self, sale: SaleKey, text: str, amount_incl: Decimal, tax_rate: Decimal) -> None:
        """Add a free line; a lost answer is an unknown outcome."""
        body = {
            "desc": text,
            "qty": 1,
            "subprice": str(amount_incl),
            "price_base_type": "TTC",
            "tva_tx": str(tax_rate),
            "remise_percent": 0,
            "product_type": 0,
            "rang": -1,
        }
        self._http.post(f"invoices/{sale.rowid}/lines", body)

    def remove_line(self, sale: SaleKey, line_rowid: int) -> None:
        """Remove a line; what is no draft any more is refused."""
        self._http.delete(f"invoices/{sale.rowid}/lines/{line_rowid}")

    def may_write(self) -> bool:
        """Tell whether the key's user may put lines on drafts. Nothing is written."""
        return self._http.may_post(f"invoices/{_NO_DRAFT}/lines")


class SqlDraftSearch:
    """Find lines of ours on the documents of one entity, by the tables."""

    def __init__(self, engine: Engine | str, entity: int = 1, table_prefix: str = "llx_") -> None:
        self._entity = entity
        self._database = Database(engine, table_prefix)

    def lines_with(self, mark: str) -> tuple[tuple[int, str], ...]:
        """Return the lines that take something off and whose text holds these letters."""
        with self._database.reading("lines on drafts") as reader:
            rows = reader.rows(_MARKED, (self._entity, f"%{mark}%"))
        return tuple((int(rowid), str(text)) for rowid, text in rows)
