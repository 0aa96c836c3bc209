"""Points that stand on product cards, and the filters that REST lists are asked with."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

from connectors import dolibarr_values as values
from connectors.dolibarr_http import DolibarrHttp, Params
from connectors.dolibarr_sql_rows import chunks

PAGE_SIZE = 100
PRODUCT_MEMORY_S = 60.0

Fields = dict[str, Any]


class ProductPoints:
    """Read an extra field of the products of a page at once, and remember it for a minute."""

    def __init__(self, http: DolibarrHttp, field: str | None) -> None:
        self._http = http
        self._key = f"options_{field}"
        self._wanted = field is not None
        self._known: dict[int, Any] = {}
        self._known_until = 0.0

    def learn(self, products: set[int]) -> None:
        """Read what is not known yet."""
        if not self._wanted:
            return
        if time.monotonic() > self._known_until:
            self._known.clear()
            self._known_until = time.monotonic() + PRODUCT_MEMORY_S
        for chunk in chunks(products - self._known.keys(), PAGE_SIZE):
            params: Params = {
                "sortfield": "t.rowid",
                "limit": len(chunk),
                "sqlfilters": f"({among(chunk)})",
            }
            found = {int(row["id"]): row for row in self._http.get_list("products", params)}
            self._known.update({product: self._field(found.get(product)) for product in chunk})

    def of(self, product: int | None) -> Any:
        """Return the points of a product, or ``None``."""
        raw = self._known.get(product) if product is not None else None
        return None if raw in (None, "") else values.money(raw)

    def _field(self, row: Fields | None) -> Any:
        options = row.get("array_options") if row else None
        # An empty list where no extra field has a value.
        return options.get(self._key) if isinstance(options, dict) else None


def among(rowids: Iterable[int]) -> str:
    """Ask for any of these rowids."""
    return f"(t.rowid:in:{','.join(str(int(rowid)) for rowid in rowids)})"


def equals(column: str, value: str) -> str:
    """Compare with a value; what a filter cannot hold is matched loosely, and looked at later."""
    loose = re.sub(r"[^\w.@+/ -]", "_", value)
    return f"({column}:=:'{value}')" if loose == value else f"({column}:like:'{loose}')"
