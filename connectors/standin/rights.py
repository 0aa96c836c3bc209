"""Users of the API and what they may do, by the numbers of llx_rights_def."""

from __future__ import annotations

from dataclasses import dataclass

READ_INVOICES = 11
WRITE_INVOICES = 12
READ_CUSTOMERS = 121
WRITE_CUSTOMERS = 122
SEE_ALL_CUSTOMERS = 262
READ_CATEGORIES = 241
READ_PRODUCTS = 31
WRITE_PRODUCTS = 32
READ_BANK = 111
READ_ORDERS = 81
WRITE_ORDERS = 82
READ_SHIPMENTS = 101
WRITE_SHIPMENTS = 102
READ_STOCK = 1001
WRITE_STOCK = 1002
WRITE_EVENTS = 2402
READ_EVENTS = 2401

LEAST = frozenset(
    {
        READ_INVOICES,
        WRITE_INVOICES,
        READ_CUSTOMERS,
        WRITE_CUSTOMERS,
        SEE_ALL_CUSTOMERS,
        READ_CATEGORIES,
        READ_PRODUCTS,
        READ_EVENTS,
        WRITE_EVENTS,
    }
)


@dataclass(frozen=True)
class ApiUser:
    """Somebody with a key."""

    rowid: int
    login: str
    key: str
    admin: bool = False
    rights: frozenset[int] = frozenset()

    def may(self, *rights: int) -> bool:
        """Tell whether all of these rights are given; an administrator has them all."""
        return self.admin or self.rights.issuperset(rights)
