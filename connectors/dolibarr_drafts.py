"""Lines on drafts, through REST: Dolibarr itself computes what they add up to.

Amounts are given including tax: net and tax are Dolibarr's to split, and the line comes to the cent
that was asked for. An article that is given away is a line of that article with all of its price
off, so that Dolibarr's stock counts it and no tax is due on it.
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy.engine import Engine

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_lines import reduce_line
from dolisync.model import SaleKey
from dolisync.ports import Goods

# No invoice bears it: what is asked about it tells of rights alone.
_NO_DRAFT = 2147483647
_MARKED = """
SELECT f.rowid, l.description
FROM llx_facture f
JOIN llx_facturedet l ON l.fk_facture = f.rowid
WHERE f.entity = %s AND f.type <> 2 AND COALESCE(l.fk_remise_except, 0) = 0
  AND (COALESCE(l.fk_product, 0) = 0 AND l.total_ttc < 0
       OR l.fk_product > 0 AND l.remise_percent > 0)
  AND l.description LIKE %s
ORDER BY f.rowid, l.rowid
"""


_GOODS = """
SELECT rowid, ref, label, price, price_ttc, tva_tx, fk_product_type FROM llx_product
WHERE ref = %s AND tosell = 1 ORDER BY rowid
"""


class RestDrafts:
    """Put lines on drafts with the key of a user who may change invoices.

    Articles are looked up in the tables, and lines that stand there are read from them.
    """

    def __init__(
        self, http: DolibarrHttp, engine: Engine | str, entity: int = 1, table_prefix: str = "llx_"
    ) -> None:
        self._http, self._entity = http, entity
        self._database = Database(engine, table_prefix)

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

    def goods(self, ref: str) -> Goods | None:
        """Look up an article that is for sale."""
        with self._database.reading("an article") as reader:
            rows = reader.rows(_GOODS, (ref,))
        if not rows:
            return None
        rowid, name, label, excl, incl, rate, kind = rows[0]
        prices = (values.money(excl), values.money(incl), values.money(rate))
        return Goods(int(rowid), str(name), values.text(label), *prices, values.whole(kind) == 1)

    def add_goods(self, sale: SaleKey, goods: Goods, text: str) -> None:
        """Add one piece of an article, with all of its price off."""
        body = {
            "fk_product": goods.rowid,
            "desc": text,
            "qty": 1,
            "subprice": str(goods.price_excl),
            "tva_tx": str(goods.tax_rate),
            "remise_percent": 100,
            "product_type": 1 if goods.is_service else 0,
            "rang": -1,
        }
        self._http.post(f"invoices/{sale.rowid}/lines", body)

    def reduce(self, sale: SaleKey, line_rowid: int, percent: Decimal, text: str) -> None:
        """Give a line a percentage off and a text; all else of it stays."""
        reduce_line(self._database, self._http, sale.rowid, line_rowid, percent, text)

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
        """Return the lines that take off or give something and whose text holds these letters."""
        with self._database.reading("lines on drafts") as reader:
            rows = reader.rows(_MARKED, (self._entity, f"%{mark}%"))
        return tuple((int(rowid), str(text)) for rowid, text in rows)
