"""Read sales and customers through Dolibarr's REST interface, where no database account is given.

The list calls page by (tms, rowid) and never by page number, which skips rows while others
change. Payments cost one call for each document that has any. Only the part of ``sqlfilters`` that
versions 16 to 22 understand alike is used: outer parentheses, quoted times, and no ``!=``, which 16
reads as ``=``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from connectors import dolibarr_values as values
from connectors.dolibarr_buyers import RestBuyers, customer_tags_by_rest
from connectors.dolibarr_catalogue import articles_by_rest, has_product_by_rest, tag_labels_by_rest
from connectors.dolibarr_deliveries import deliveries_by_rest, documents_by_rest, moved_by_rest
from connectors.dolibarr_http import DolibarrHttp, Params
from connectors.dolibarr_rest_products import Fields, ProductPoints, among, equals
from connectors.dolibarr_sql_rows import chunks
from connectors.dolibarr_warehouses import warehouse_names_by_rest, warehouses_by_rest
from dolisync.errors import TransientError
from dolisync.model import (
    Article,
    Buyer,
    Customer,
    CustomerKey,
    Delivery,
    Payment,
    PaymentKind,
    Sale,
    SaleKey,
    SaleLine,
    Warehouse,
)
from dolisync.ports import BuyerQuestion, DatedPage, HandOver, Page, PaymentPage, Position

PAGE_SIZE = 100

_CLOCK_CHANGE = timedelta(hours=1)
_LONGER_THAN_ZONES_DIFFER = timedelta(hours=27)
# A provisional number is "(PROV12)"; parentheses may not stand in a filter's value.
_NOT_PROVISIONAL = "(t.ref:notlike:'_PROV%')"
# Absent without payments; "0.00000000" when payments cancel out.
_SUMS = ("sumpayed", "totalcreditnotes", "sumcreditnote", "totaldeposits", "sumdeposit")

A = TypeVar("A")
T = TypeVar("T")


class RestSaleSource:
    """Read one entity of one Dolibarr with one user's key.

    ``timezone`` is PHP's, ``database_timezone`` that of the database's sessions where it differs:
    Dolibarr reads the time of a change as if both were the same.
    """

    def __init__(
        self,
        http: DolibarrHttp,
        name: str,
        entity: int = 1,
        timezone: str = "UTC",
        page_size: int = PAGE_SIZE,
        with_product_points: str | None = None,
        database_timezone: str | None = None,
        gift_card: str | None = None,
    ) -> None:
        self.name = name
        self.entity = entity
        self._http = http
        self._zone = ZoneInfo(timezone)
        self._database_zone = ZoneInfo(database_timezone or timezone)
        self._page_size = page_size
        self._gift_card = gift_card
        self._points = ProductPoints(http, with_product_points)
        self._buyers = RestBuyers(http, self._zone)

    def now(self) -> datetime:
        """Return the moment of the newest change, or that of a day ago where it is older.

        The server's clock would not do: its zone and that of the database may differ without our
        knowing, and by more than any overlap. A day is longer than two zones can be apart.
        """
        newest = self._list([self._ours()], "t.tms", 1, descending=True)
        long_ago = self._http.status().now - _LONGER_THAN_ZONES_DIFFER
        return max([long_ago, *(self._changed_at(row["date_modification"]) for row in newest)])

    def changed(self, since: datetime, after: Position | None, limit: int) -> Page:
        """Read a page of what changed since, in the order (tms, rowid)."""
        filters = [self._ours(), _NOT_PROVISIONAL, f"(t.tms:>=:'{self._oldest(since)}')"]
        if after is not None:
            at = values.wall_text(after.changed_at, self._database_zone)
            filters.append(
                f"((t.tms:>:'{at}') or ((t.tms:=:'{at}') and (t.rowid:>:'{after.rowid}')))"
            )
        asked = min(limit, self._page_size)
        sales = self._sales(self._list(filters, "t.tms,t.rowid", asked))
        if len(sales) < asked:
            return Page(sales, None)
        return Page(sales, Position(sales[-1].changed_at, sales[-1].key.rowid))

    def paid_after(self, payment_rowid: int, limit: int) -> PaymentPage:  # noqa: ARG002
        """Find nothing: REST tells no payment's rowid."""
        return PaymentPage(())

    def last_payment_rowid(self) -> int:
        """Return 0: REST tells no payment's rowid."""
        return 0

    def get(self, rowids: Sequence[int]) -> tuple[Sale, ...]:
        """Read these documents, drafts too. A missing one is asked for by itself.

        A key that lost a right sees an empty list, which must not pass for deleted documents.
        """
        rows: list[Fields] = []
        for chunk in chunks(rowids, self._page_size):
            found = self._list([self._ours(), among(chunk)], "t.rowid", len(chunk))
            missing = set(chunk) - {int(row["id"]) for row in found}
            rows += found + self._one_by_one(missing)
        return self._sales(sorted(rows, key=lambda row: int(row["id"])))

    def find(self, ref: str) -> tuple[Sale, ...]:
        """Read what bears this number today, drafts too."""
        wanted = ref.strip()
        rows = self._list([self._ours(), equals("t.ref", wanted)], "t.rowid", self._page_size)
        return self._sales([row for row in rows if row["ref"].casefold() == wanted.casefold()])

    def between(self, start: date, end: date, after_rowid: int, limit: int) -> DatedPage:
        """Read a page of the documents of these days, by rowid."""
        asked = min(limit, self._page_size)
        days = f"((t.datef:>=:'{start}') and (t.datef:<:'{end}'))"
        filters = [self._ours(), _NOT_PROVISIONAL, days, f"(t.rowid:>:'{after_rowid}')"]
        sales = self._sales(self._list(filters, "t.rowid", asked))
        return DatedPage(sales, sales[-1].key.rowid if len(sales) == asked else None)

    def count_between(self, start: date, end: date) -> int | None:  # noqa: ARG002
        """Return ``None``: REST cannot count without reading all."""
        return None

    def customers(self, rowids: Sequence[int]) -> dict[int, Customer]:
        """Read these customers."""
        found: dict[int, Customer] = {}
        for chunk in chunks(rowids, self._page_size):
            for customer in self._customers(among(chunk), len(chunk)):
                found[customer.key.rowid] = customer
        return found

    def articles(
        self, rowids: Sequence[int], fields: Sequence[str], *, with_tags: bool
    ) -> dict[int, Article]:
        """Read what the catalogue says of these products."""
        return articles_by_rest(self._http, rowids, fields, with_tags=with_tags)

    def product_tags(self) -> frozenset[str]:
        """Return the labels of all product tags."""
        return tag_labels_by_rest(self._http)

    def has_product(self, ref: str) -> bool:
        """Tell whether a product has this reference."""
        return has_product_by_rest(self._http, ref)

    def buyers(self, rowids: Sequence[int], question: BuyerQuestion) -> dict[int, Buyer]:
        """Read what the cards of these customers say."""
        return _read(lambda asked: self._buyers.read(asked, question), rowids)

    def customer_tags(self) -> frozenset[str]:
        """Return the labels of all customer tags."""
        return customer_tags_by_rest(self._http)

    def buyer_gaps(self, question: BuyerQuestion) -> tuple[str, ...]:
        """Say which facts this version does not tell, and which extra fields no card shows."""
        return self._buyers.gaps(question)

    def deliveries(self, rowids: Sequence[int]) -> dict[int, Delivery]:
        """Read what became of the orders and shipments of these documents."""
        return _read(lambda asked: deliveries_by_rest(self._http, asked), rowids)

    def moved_deliveries(self, since: datetime) -> frozenset[HandOver]:
        """Find the orders and shipments that changed since."""
        return _read(lambda oldest: moved_by_rest(self._http, oldest), self._oldest(since))

    def documents_of(self, moved: Collection[HandOver]) -> frozenset[int]:
        """Find the documents that these are linked with."""
        return _read(lambda asked: documents_by_rest(self._http, asked), moved)

    def warehouses_of(
        self, goods: Mapping[int, Collection[int]]
    ) -> dict[int, tuple[Warehouse, ...]]:
        """Read from which warehouses the goods of these documents were taken."""
        return _read(lambda asked: warehouses_by_rest(self._http, asked), goods)

    def warehouse_names(self) -> frozenset[str]:
        """Return the names of all warehouses."""
        return warehouse_names_by_rest(self._http)

    def find_customer(self, text: str) -> tuple[Customer, ...]:
        """Find customers by exact rowid, card number, customer code or e-mail."""
        wanted = text.strip()
        if not wanted:
            return ()
        tests = [equals(f"t.{name}", wanted) for name in ("barcode", "code_client", "email")]
        if wanted.isdecimal():
            tests.append(f"(t.rowid:=:'{int(wanted)}')")
        rows = self._thirdparties(f"({' or '.join(tests)})", self._page_size)
        return tuple(self._customer(row) for row in rows if _is_meant(row, wanted))

    def _list(
        self, filters: Iterable[str], order: str, limit: int, *, descending: bool = False
    ) -> list[Fields]:
        params: Params = {
            "sortfield": order,
            "sortorder": "DESC" if descending else "ASC",
            "limit": limit,
            "sqlfilters": f"({' and '.join(filters)})",
        }
        return self._http.get_list("invoices", params)

    def _one_by_one(self, rowids: Iterable[int]) -> list[Fields]:
        found = (self._http.get_object(f"invoices/{rowid}") for rowid in sorted(rowids))
        return [row for row in found if row and int(row.get("entity") or 1) == self.entity]

    def _ours(self) -> str:
        return f"(t.entity:=:'{self.entity}')"

    def _oldest(self, since: datetime) -> str:
        """Write the lower end of a window as the database would show it.

        Around a change of clocks the same wall time comes twice, or PHP reads one hour as the
        next; an hour more is read then.
        """
        zones = (self._database_zone, self._zone)
        moments = (since - 2 * _CLOCK_CHANGE, since + _CLOCK_CHANGE)
        early, late = (
            [moment.astimezone(zone).utcoffset() for zone in zones] for moment in moments
        )
        widened = since - _CLOCK_CHANGE if early != late else since
        return values.wall_text(widened, self._database_zone)

    def _sales(self, rows: Sequence[Fields]) -> tuple[Sale, ...]:
        self._points.learn(_read(_products, rows))
        return tuple(_read(self._sale, row) for row in rows)

    def _sale(self, row: Fields) -> Sale:
        created_at = values.utc_of_epoch(row["date_creation"])
        changed_at = self._changed_at(row["date_modification"])
        dated = values.utc_of_epoch(row["date"]) or created_at or changed_at
        origin = values.whole(row.get("fk_facture_source"))
        is_pos = row.get("module_source") == values.TAKEPOS
        return Sale(
            key=SaleKey(self.name, self.entity, int(row["id"])),
            ref=row["ref"],
            kind=values.sale_kind(row["type"]),
            status=values.sale_status(row.get("statut", row.get("status")), row["paye"]),
            customer=CustomerKey(self.name, self.entity, int(row["socid"])),
            date=dated.astimezone(self._zone).date(),
            created_at=created_at,
            changed_at=changed_at,
            total_excl=values.money(row["total_ht"]),
            total_incl=values.money(row["total_ttc"]),
            currency=values.text(row.get("multicurrency_code")),
            origin=SaleKey(self.name, self.entity, origin) if origin else None,
            close_code=values.text(row.get("close_code")),
            terminal=values.text(row.get("pos_source")) if is_pos else "",
            lines=tuple(self._line(line) for line in row["lines"] or ()),
            payments=self._payments(row),
        )

    def _changed_at(self, epoch: Any) -> datetime:
        """Undo PHP's reading of the database's wall time as its own."""
        told = values.utc_of_epoch(epoch) or values.EPOCH
        if self._database_zone == self._zone:
            return told
        wall = told.astimezone(self._zone).replace(tzinfo=None, fold=0)
        return wall.replace(tzinfo=self._database_zone).astimezone(UTC)

    def _line(self, line: Fields) -> SaleLine:
        product = values.whole(line.get("fk_product")) or None
        text = values.text(line.get("desc") or line.get("label") or line.get("product_label"))
        return SaleLine(
            rowid=int(line["id"]),
            product_rowid=product,
            product_ref=values.text(line.get("product_ref")),
            text=text,
            quantity=values.money(line["qty"]),
            unit_price_excl=values.money(line["subprice"]),
            discount_percent=values.money(line["remise_percent"]),
            tax_rate=values.money(line["tva_tx"]),
            total_excl=values.money(line["total_ht"]),
            total_incl=values.money(line["total_ttc"]),
            is_service=values.whole(line.get("product_type")) == 1,
            discount=values.discount_kind(
                line.get("fk_remise_except"),
                text,
                product,
                is_gift_card=product is not None and line.get("product_ref") == self._gift_card,
            ),
            product_points=self._points.of(product),
        )

    def _payments(self, row: Fields) -> tuple[Payment, ...]:
        moved = any(row.get(name) is not None for name in _SUMS) or values.money(
            row.get("totalpaid")
        )
        # A key may see the document and not its sums; a paid one is asked in any case.
        if not moved and values.whole(row["paye"]) == 0:
            return ()
        paid = self._http.get_list(f"invoices/{int(row['id'])}/payments")
        return values.in_order(self._payment(one) for one in paid)

    def _payment(self, row: Fields) -> Payment:
        # A used document has no reference of its own; only 22 says "discount".
        is_document = row.get("typeline") == "discount" or "ref_ext" not in row
        mode = values.text(row["type"])
        return Payment(
            mode=mode,
            amount=values.money(row["amount"]),
            paid_at=values.utc_of_wall_time(row["date"], self._zone),
            kind=values.used_document_kind(mode) if is_document else PaymentKind.MONEY,
        )

    def _thirdparties(self, sqlfilter: str, limit: int) -> list[Fields]:
        params: Params = {"sortfield": "t.rowid", "limit": limit, "sqlfilters": sqlfilter}
        return self._http.get_list("thirdparties", params)

    def _customers(self, sqlfilter: str, limit: int) -> list[Customer]:
        return [_read(self._customer, row) for row in self._thirdparties(sqlfilter, limit)]

    def _customer(self, row: Fields) -> Customer:
        return Customer(
            key=CustomerKey(self.name, self.entity, int(row["id"])),
            name=values.person_name(row["name"]),
            language=values.language_of(row.get("default_lang")),
            email=values.text(row.get("email")),
            card_number=values.text(row.get("barcode")),
        )


def _products(rows: Sequence[Fields]) -> set[int]:
    lines = (line for row in rows for line in row.get("lines") or ())
    return {product for line in lines if (product := values.whole(line.get("fk_product")))}


def _read(reader: Callable[[A], T], row: A) -> T:
    try:
        return reader(row)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        what = f"{type(error).__name__} {error}"[:120]
        raise TransientError(f"Dolibarr's answer is not of the expected shape: {what}") from None


def _is_meant(row: Fields, wanted: str) -> bool:
    with suppress(ValueError):
        if int(row["id"]) == int(wanted):
            return True
    names = ("barcode", "code_client", "email")
    return any(values.text(row.get(name)).casefold() == wanted.casefold() for name in names)
