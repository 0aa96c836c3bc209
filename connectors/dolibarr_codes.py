"""Codes typed on drafts: found in the tables, answered and turned into lines through REST.

At a till a code is typed or scanned as the text of a free article, in the office as that of a free
line; both have no product, and nought as their price.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy.engine import Engine

from connectors.dolibarr_database import Database, Row
from connectors.dolibarr_drafts import RestDrafts
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_till import OPEN_TICKETS, DolibarrTill, plain_text
from dolisync.model import SaleKey
from dolisync.ports import TypedLine

# Twelve characters, with whatever stands between them.
_SHORTEST, _LONGEST = 12, 60
_TYPED = f"""
SELECT f.rowid, l.rowid, l.description
FROM llx_facture f
JOIN llx_facturedet l ON l.fk_facture = f.rowid
WHERE f.fk_statut = 0 AND f.entity = %s AND COALESCE(l.fk_product, 0) = 0
  AND l.total_ttc = 0 AND COALESCE(l.special_code, 0) = 0
  AND LENGTH(l.description) BETWEEN {_SHORTEST} AND {_LONGEST}
ORDER BY f.rowid, l.rowid
"""  # noqa: S608 - numbers of ours


_ASKED = f"""
SELECT f.rowid, l.rowid, l.description
FROM llx_facture f
JOIN llx_facturedet l ON l.fk_facture = f.rowid
WHERE f.fk_statut = 0 AND f.ref LIKE %s AND f.entity = %s AND COALESCE(l.fk_product, 0) = 0
  AND l.total_ttc = 0 AND COALESCE(l.special_code, 0) = 0
  AND l.description LIKE %s AND LENGTH(l.description) <= {_LONGEST}
ORDER BY f.rowid, l.rowid
"""  # noqa: S608 - a number of ours


# The office's editor puts what is typed between marks of HTML.
_MARK = re.compile(r"<[^<>]*>")


def _words(text: object) -> str:
    return " ".join(_MARK.sub(" ", plain_text(text)).split())


class DolibarrCodes:
    """What is typed on the drafts and open tickets of one entity: codes, and wishes."""

    def __init__(
        self,
        name: str,
        engine: Engine | str,
        http: DolibarrHttp,
        entity: int = 1,
        table_prefix: str = "llx_",
    ) -> None:
        self._name, self._entity = name, entity
        self._database = Database(engine, table_prefix)
        self._till = DolibarrTill(name, engine, http, entity, table_prefix)
        self._drafts = RestDrafts(http, engine, entity, table_prefix)

    def close(self) -> None:
        """Close the connections, unless they are shared with others."""
        self._database.close()
        self._till.close()

    def may_write(self) -> bool:
        """Tell whether the key's user may write on drafts. Nothing is written."""
        return self._till.may_write()

    def typed(self) -> tuple[TypedLine, ...]:
        """Return the lines without product and price on drafts that may hold a code."""
        with self._database.reading("codes on drafts") as reader:
            rows = reader.rows(_TYPED, (self._entity,))
        return self._lines(rows)

    def asked(self) -> tuple[TypedLine, ...]:
        """Return the lines on open tickets that begin with an asterisk."""
        with self._database.reading("wishes on open tickets") as reader:
            rows = reader.rows(_ASKED, (OPEN_TICKETS, self._entity, "*%"))
        return self._lines(rows)

    def _lines(self, rows: Sequence[Row]) -> tuple[TypedLine, ...]:
        return tuple(
            TypedLine(SaleKey(self._name, self._entity, int(sale)), int(line), _words(text))
            for sale, line, text in rows
        )

    def answer(self, line: TypedLine, text: str) -> None:
        """Give such a line another text; all else of it stays."""
        self._till.reduce(line.sale.rowid, line.rowid, Decimal(0), text)

    def add_line(self, sale: SaleKey, text: str, amount_incl: Decimal, tax_rate: Decimal) -> None:
        """Add a line; a lost answer is an unknown outcome."""
        self._drafts.add_line(sale, text, amount_incl, tax_rate)

    def remove_line(self, sale: SaleKey, line_rowid: int) -> None:
        """Remove a line; what is no draft any more is refused."""
        self._drafts.remove_line(sale, line_rowid)
