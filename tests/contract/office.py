"""The office's desk: what no REST call does, on the stand-in or through Dolibarr's own pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol

from tests.live.pages import Pages


class Office(Protocol):
    """What a clerk does in the forms of invoices."""

    def replace(self, invoice: int) -> int:
        """Open the draft that is to replace an invoice."""

    def credit_same_lines(self, invoice: int, customer: int) -> int:
        """Open a credit note that has the lines of an invoice."""


class StandInOffice:
    """The desk of a stand-in."""

    def __init__(self, shop: Any) -> None:
        self._shop = shop

    def replace(self, invoice: int) -> int:
        return int(self._shop.replace(invoice))

    def credit_same_lines(self, invoice: int, customer: int) -> int:
        assert self._shop.invoice(invoice)["fk_soc"] == customer
        return int(self._shop.credit_note(invoice))


class RealOffice:
    """Dolibarr's form of new invoices."""

    def __init__(self, url: str, login: str, password: str) -> None:
        self._pages = Pages(url)
        self._pages.log_in(login, password)

    def replace(self, invoice: int) -> int:
        return self._pages.replace_invoice(invoice, datetime.now(UTC).date())

    def credit_same_lines(self, invoice: int, customer: int) -> int:
        return self._pages.credit_same_lines(invoice, customer, datetime.now(UTC).date())
