"""Write display values through Dolibarr's REST interface, as far as that does no harm.

Customer fields only, and only where the version keeps the card's other fields. Invoices never: a
PUT writes back the whole header as it was read, and takes back a payment made meanwhile. Discounts
never: REST cannot create them and does not list those without a source document.
"""

# ruff: noqa: ARG002 - what is always refused looks at nothing
from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from connectors import dolibarr_values as values
from connectors.dolibarr_http import DolibarrHttp, Params
from connectors.dolibarr_rest_products import among
from connectors.dolibarr_sql_rows import chunks
from dolisync.errors import RefusedError
from dolisync.model import CustomerKey, SaleKey
from dolisync.ports import Discount, FieldValue, PlacedDiscount, SinkAbilities

# A list of a hundred takes as long as some ten single cards.
PAGE = 100

_NO_SALES = (
    "invoice fields need a database account: a PUT of an invoice through REST takes back"
    " a payment that is made at the same moment"
)
_NO_DISCOUNTS = (
    "discounts need a database account: REST can neither create them nor list them"
    " when no document stands behind them"
)


class RestSink:
    """Write with the key of a user who may change customers."""

    def __init__(self, http: DolibarrHttp, entity: int = 1) -> None:
        self.entity = entity
        self._http = http

    def abilities(self) -> SinkAbilities:
        """Say what this version can do without harm."""
        harm = _harm_to_customers(self._http.release())
        reasons = (harm, _NO_SALES, _NO_DISCOUNTS) if harm else (_NO_SALES, _NO_DISCOUNTS)
        return SinkAbilities(
            customer_fields=not harm, sale_fields=False, discounts=False, reasons=reasons
        )

    def write_customer(self, customer: CustomerKey, values: dict[str, FieldValue]) -> None:
        """Set these extra fields where they differ: each PUT leaves an event in the agenda."""
        harm = _harm_to_customers(self._http.release())
        if harm:
            raise RefusedError(harm)
        known = self.read_customer(customer, tuple(values))
        if known is None:
            raise RefusedError(f"the customer {customer.rowid} is gone from Dolibarr")
        changed = {name: value for name, value in values.items() if not _same(known[name], value)}
        if changed:
            options = {f"options_{name}": _sent(value) for name, value in changed.items()}
            self._http.put(f"thirdparties/{customer.rowid}", {"array_options": options})

    def read_customer(
        self, customer: CustomerKey, names: Sequence[str]
    ) -> dict[str, FieldValue] | None:
        """Read these extra fields; numbers come as text from REST and are made numbers again."""
        card = self._http.get_object(f"thirdparties/{customer.rowid}")
        return None if card is None else _options(card, names)

    def read_customers(
        self, customers: Sequence[CustomerKey], names: Sequence[str]
    ) -> dict[CustomerKey, dict[str, FieldValue]]:
        """Read these extra fields of many customers, a hundred with one call."""
        cards: dict[int, dict[str, Any]] = {}
        for chunk in chunks([customer.rowid for customer in customers], PAGE):
            query: Params = {"sqlfilters": among(chunk), "limit": len(chunk)}
            found = self._http.get_list("thirdparties", query)
            cards |= {int(card["id"]): card for card in found}
        return {
            customer: _options(cards[customer.rowid], names)
            for customer in customers
            if customer.rowid in cards
        }

    def write_sale(self, sale: SaleKey, values: dict[str, FieldValue]) -> None:
        """Refuse."""
        raise RefusedError(_NO_SALES)

    def read_sale(self, sale: SaleKey, names: Sequence[str]) -> dict[str, FieldValue] | None:
        """Read these extra fields of the invoice."""
        document = self._http.get_object(f"invoices/{sale.rowid}")
        return None if document is None else _options(document, names)

    def find_discount(self, customer: CustomerKey | None, token: str) -> PlacedDiscount | None:
        """Refuse: a discount that is not seen may exist all the same."""
        raise RefusedError(_NO_DISCOUNTS)

    def create_discount(self, discount: Discount) -> PlacedDiscount:
        """Refuse."""
        raise RefusedError(_NO_DISCOUNTS)

    def revoke_discount(self, token: str) -> bool:
        """Refuse."""
        raise RefusedError(_NO_DISCOUNTS)

    def list_discounts(self, prefix: str) -> dict[str, PlacedDiscount]:
        """Refuse."""
        raise RefusedError(_NO_DISCOUNTS)

    def remove_surplus(self, token: str, paid_for: Decimal) -> bool:
        """Refuse."""
        raise RefusedError(_NO_DISCOUNTS)


def _harm_to_customers(release: tuple[int, ...]) -> str:
    """Say what a PUT of a customer would spoil in this version; empty where nothing."""
    # The fix came with 18.0.7; the early releases of 19 are older than it.
    if release >= (20,) or (18, 0, 7) <= release < (19,):
        return ""
    version = ".".join(str(part) for part in release)
    return (
        f"customer fields need a database account on Dolibarr {version}: a PUT of a customer"
        " through REST empties the other extra fields of the card"
    )


def _options(found: dict[str, Any], names: Sequence[str]) -> dict[str, FieldValue]:
    options = found.get("array_options")
    # An empty list where no extra field has a value.
    known = options if isinstance(options, dict) else {}
    return {name: _field_value(known.get(f"options_{name}")) for name in names}


def _field_value(raw: Any) -> FieldValue:
    """Make a number of text that is written as one; ``007`` and the like stay text."""
    if raw in (None, ""):
        return None
    if not isinstance(raw, str):
        return raw if isinstance(raw, int) else values.money(raw)
    if raw.removeprefix("-").isdecimal() and str(int(raw)) == raw:
        return int(raw)
    before, point, after = raw.removeprefix("-").partition(".")
    if point and before.isdecimal() and after.isdecimal():
        return values.money(raw)
    return raw


def _same(known: FieldValue, wanted: FieldValue) -> bool:
    if isinstance(known, str) or isinstance(wanted, str):
        # Dolibarr gives an emptied text as absent.
        return str("" if known is None else known) == str("" if wanted is None else wanted)
    return known == wanted


def _sent(value: FieldValue) -> int | str | None:
    return str(value) if isinstance(value, Decimal) else value
