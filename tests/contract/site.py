"""One Dolibarr under test, real or stand-in, seen through both doors and worked through REST."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.dolibarr_database import Database, open_engine
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_rest import RestSaleSource
from connectors.dolibarr_rest_sink import RestSink
from connectors.dolibarr_sql import SqlSaleSource
from connectors.dolibarr_sql_sink import SqlSink
from dolisync.model import CustomerKey, Sale, SaleKey
from tests.contract.office import Office
from tests.contract.till import RealTill, Till

NAME = "shop"
CASH = 4
CARD = 6
POINTS_FIELD = "contractpoints"

LIVE = ("DOLISYNC_LIVE_URL", "DOLISYNC_LIVE_KEY", "DOLISYNC_LIVE_DATABASE_URL")

_numbers = itertools.count(int(time.time() * 1000) % 10**9)


def missing_names() -> list[str]:
    """List what the environment lacks to name a real Dolibarr."""
    return [name for name in LIVE if not os.environ.get(name)]


def unique(word: str) -> str:
    """Make a name that no earlier run has used in this Dolibarr."""
    return f"{word}{next(_numbers)}"


@dataclass
class Site:
    """The doors to one Dolibarr, and the acts of its staff, all of them REST calls."""

    url: str
    api_key: str
    database_url: str
    timezone: str
    database_timezone: str
    till: Till | None = None
    office: Office | None = None
    http: DolibarrHttp = field(init=False)

    def __post_init__(self) -> None:
        self.http = DolibarrHttp(self.url, self.api_key, retry_pause_s=0)
        self._engine = open_engine(self.database_url)

    def close(self) -> None:
        """Close all connections."""
        self.http.close()
        if isinstance(self.till, RealTill):
            self.till.close()
        self._engine.dispose()

    def rest(self, **options: Any) -> RestSaleSource:
        zones = {"timezone": self.timezone, "database_timezone": self.database_timezone}
        return RestSaleSource(self.http, NAME, **zones, **options)

    def sql(self, **options: Any) -> SqlSaleSource:
        return SqlSaleSource(self._engine, NAME, timezone=self.timezone, **options)

    def sql_sink(self, fk_user: int | None = 1) -> SqlSink:
        return SqlSink(self._engine, timezone=self.timezone, fk_user=fk_user)

    def rest_sink(self) -> RestSink:
        return RestSink(self.http)

    @property
    def release(self) -> tuple[int, ...]:
        return self.http.release()

    def customer(self, **columns: Any) -> int:
        body = {"name": unique("Customer "), "client": 1, "code_client": "-1", "country_id": 1}
        return int(self.http.post("thirdparties", {**body, **columns}))

    def product(self, **columns: Any) -> int:
        ref = unique("P")
        body = {"ref": ref, "label": f"Product {ref}", "price": 10, "tva_tx": 20, "status": 1}
        return int(self.http.post("products", {**body, **columns}))

    def draft(self, customer: int, *lines: dict[str, Any], **columns: Any) -> int:
        day = int(time.time())
        wanted = lines or (line(),)
        body = {"socid": customer, "type": 0, "date": day, "lines": list(wanted)}
        return int(self.http.post("invoices", {**body, **columns}))

    def invoice(self, customer: int, *lines: dict[str, Any], **columns: Any) -> int:
        rowid = self.draft(customer, *lines, **columns)
        self.act(rowid, "validate", idwarehouse=0, notrigger=0)
        return rowid

    def paid(self, customer: int, *lines: dict[str, Any], mode: int = CASH, **columns: Any) -> int:
        rowid = self.invoice(customer, *lines, **columns)
        self.pay(rowid, mode)
        return rowid

    def pay(self, rowid: int, mode: int = CASH) -> None:
        """Pay what is due."""
        self.act(
            rowid,
            "payments",
            datepaye=int(time.time()),
            paymentid=mode,
            closepaidinvoices="yes",
            accountid=self.account(),
        )

    def pay_part(self, rowid: int, amount: str, mode: int = CARD) -> None:
        """Pay a part of it."""
        self.http.post(
            "invoices/paymentsdistributed",
            {
                "arrayofamounts": {str(rowid): {"amount": amount, "multicurrency_amount": ""}},
                "datepaye": int(time.time()),
                "paymentid": mode,
                "closepaidinvoices": "yes",
                "accountid": self.account(),
            },
        )

    def credit_note(self, customer: int, source: int, *lines: dict[str, Any]) -> int:
        rowid = self.invoice(customer, *lines, type=2, fk_facture_source=source)
        self.act(rowid, "markAsCreditAvailable")
        return rowid

    def use_credit_note(self, rowid: int, customer: int, note: int) -> None:
        ref = self.one(note).ref
        found = self.http.get_list(f"thirdparties/{customer}/fixedamountdiscounts")
        discount = next(row for row in found if row["ref"] == ref)
        self.act(rowid, f"usecreditnote/{discount.get('rowid', discount.get('id'))}")

    def order(self, customer: int, *lines: dict[str, Any], warehouse: int = 0) -> int:
        """Order something, validated; ``warehouse`` is where stock is changed for it."""
        body = {"socid": customer, "date": int(time.time()), "lines": list(lines or (line(),))}
        rowid = int(self.http.post("orders", body))
        self.http.post(f"orders/{rowid}/validate", {"idwarehouse": warehouse, "notrigger": 0})
        return rowid

    def close_order(self, rowid: int) -> None:
        """Classify an order as delivered."""
        self.http.post(f"orders/{rowid}/close", {"notrigger": 0})

    def reopen_order(self, rowid: int) -> None:
        self.http.post(f"orders/{rowid}/reopen")

    def invoice_of(self, order: int) -> int:
        """Invoice an order."""
        rowid = int(self.http.post(f"invoices/createfromorder/{order}")["id"])
        self.act(rowid, "validate", idwarehouse=0, notrigger=0)
        return rowid

    def shipment(self, order: int, warehouse: int = 1) -> int:
        """Send all goods of an order."""
        rowid = int(self.http.post(f"orders/{order}/shipment/{warehouse}"))
        self.http.post(f"shipments/{rowid}/validate", {"notrigger": 0})
        return rowid

    def close_shipment(self, rowid: int) -> None:
        """Note that the customer has it."""
        self.http.post(f"shipments/{rowid}/close", {"notrigger": 0})

    def link(self, kind: str, rowid: int, to_kind: str, to_rowid: int) -> None:
        """Link two documents, as the block "linked objects" on Dolibarr's pages does."""
        self.execute(
            "INSERT INTO llx_element_element (fk_source, sourcetype, fk_target, targettype)"
            " VALUES (%s, %s, %s, %s)",
            rowid,
            kind,
            to_rowid,
            to_kind,
        )

    def act(self, rowid: int, what: str, **body: Any) -> Any:
        return self.http.post(f"invoices/{rowid}/{what}", body)

    def account(self) -> int:
        accounts = self.http.get_list("bankaccounts")
        return next(int(row["id"]) for row in accounts if str(row.get("type")) == "1")

    def one(self, rowid: int) -> Sale:
        """Read one document through both doors, which must agree."""
        (by_sql,) = self.sql().get([rowid])
        (by_rest,) = self.rest().get([rowid])
        assert by_rest == by_sql
        return by_sql

    def execute(self, sql: str, *values: object) -> int:
        """Do in the database what no REST call does."""
        with Database(self._engine).writing("a test") as writer:
            return writer.change(sql, values)

    def rows(self, sql: str, *values: object) -> list[Any]:
        """Look into the database."""
        with Database(self._engine).reading("a test") as reader:
            return list(reader.rows(sql, values))

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    def now(self) -> datetime:
        return self.sql().now()

    def customer_key(self, rowid: int) -> CustomerKey:
        return CustomerKey(NAME, 1, rowid)

    def sale_key(self, rowid: int) -> SaleKey:
        return SaleKey(NAME, 1, rowid)


def line(**columns: Any) -> dict[str, Any]:
    """Make a free line of 10 without tax, unless told otherwise."""
    plain = {"desc": "Something", "qty": 1, "subprice": 10, "tva_tx": 20, "product_type": 0}
    return {**plain, **columns}
