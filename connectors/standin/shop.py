"""The acts of the shop's staff, all in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa

from connectors.standin.bulk import Bulk
from connectors.standin.catalog import Catalog
from connectors.standin.customers import Customers
from connectors.standin.orders import Orders
from connectors.standin.staff import Staff
from connectors.standin.till import Till


class Shop(Customers, Catalog, Staff, Till, Orders, Bulk):
    """What people do at the desk and at the till; each act is one transaction."""

    @contextmanager
    def statement_time(self, moment: datetime) -> Iterator[None]:
        """Do acts whose `tms` is an earlier moment: those of a transaction that commits late."""
        with self.store.statement_time(moment):
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do several acts that commit together."""
        with self.store.transaction():
            yield

    def is_new(self) -> bool:
        """Tell whether nothing was sold yet."""
        return self.store.scalar(sa.select(self.tables.facture.c.rowid).limit(1)) is None
