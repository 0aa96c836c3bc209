"""Lines on drafts, through REST: Dolibarr itself computes what they add up to.

Prices are given including tax: net and tax are Dolibarr's to split, and the line comes to the cent
that was asked for.
"""

from __future__ import annotations

from decimal import Decimal

from connectors.dolibarr_http import DolibarrHttp
from dolisync.model import SaleKey


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
