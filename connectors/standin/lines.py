"""Lines of invoices and the totals above them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from connectors.standin.money import (
    Number,
    Totals,
    decimal,
    line_totals,
    line_totals_from_ttc,
    price_without_tax,
)
from connectors.standin.store import Desk, ShopError, act

DRAFT, VALIDATED, CLOSED, ABANDONED = 0, 1, 2, 3
STANDARD, REPLACEMENT, CREDIT_NOTE, DEPOSIT, PROFORMA, SITUATION = range(6)
DISCOUNT_BIT = 2  # info_bits of a line that consumes a discount


def _amounts(totals: Totals, subprice: Decimal) -> dict[str, Decimal]:
    return {
        "total_ht": totals.ht,
        "total_tva": totals.tva,
        "total_ttc": totals.ttc,
        "multicurrency_subprice": subprice,
        "multicurrency_total_ht": totals.ht,
        "multicurrency_total_tva": totals.tva,
        "multicurrency_total_ttc": totals.ttc,
    }


class Lines(Desk):
    """The lines; every act ends by summing the invoice anew."""

    def invoice(self, rowid: int) -> sa.RowMapping:
        """Read an invoice that must exist."""
        row = self.store.get(self.tables.facture, rowid)
        if row is None:
            raise ShopError(f"no invoice {rowid}")
        return row

    def line(self, rowid: int) -> sa.RowMapping:
        """Read a line that must exist."""
        row = self.store.get(self.tables.facturedet, rowid)
        if row is None:
            raise ShopError(f"no line {rowid}")
        return row

    def lines(self, invoice: int) -> list[sa.RowMapping]:
        """Read the lines of an invoice in the order of the paper."""
        detail = self.tables.facturedet
        found = self.store.rows(
            sa.select(detail)
            .where(detail.c.fk_facture == invoice)
            .order_by(detail.c.rang, detail.c.rowid)
        )
        return list(found)

    @act
    def add_line(
        self,
        invoice: int,
        product: int | None = None,
        qty: Number = 1,
        price: Number | None = None,
        *,
        price_ttc: Number | None = None,
        tva_tx: Number | None = None,
        remise_percent: Number = 0,
        description: str = "",
        **columns: Any,
    ) -> int:
        """Add a line to a draft; price and rate are those of the product unless given."""
        self._require_draft(invoice)
        card = self.product_card(product)
        rate = decimal(card["tva_tx"] if tva_tx is None else tva_tx)
        if price is None and price_ttc is None and card["price_base_type"] == "TTC":
            price_ttc = card["price_ttc"]
        amount, percent = decimal(qty), decimal(remise_percent)
        if price_ttc is not None:
            subprice = price_without_tax(decimal(price_ttc), rate)
            totals = line_totals_from_ttc(amount, decimal(price_ttc), percent, rate)
        else:
            subprice = decimal(card["price"] if price is None else price)
            totals = line_totals(amount, subprice, percent, rate)
        values = {
            "fk_product": product,
            "product_type": card["fk_product_type"],
            "qty": amount,
            "subprice": subprice,
            "remise_percent": percent,
            "tva_tx": rate,
            "description": description,
            **columns,
        }
        return self.insert_line(invoice, totals, values)

    def insert_line(self, invoice: int, totals: Totals, values: dict[str, Any]) -> int:
        """Write a line whose totals are known, and sum."""
        rang = values.pop("rang", None)
        rowid = self.store.insert(
            self.tables.facturedet,
            fk_facture=invoice,
            rang=len(self.lines(invoice)) + 1 if rang is None else rang,
            fk_user_author=1,
            fk_user_modif=1,
            **values,
            **_amounts(totals, values["subprice"]),
        )
        self.sum_up(invoice)
        return rowid

    def product_card(self, product: int | None) -> Any:
        """Read a product that must exist, or what a free line has instead."""
        if product is None:
            return {"price": 0, "tva_tx": 20, "fk_product_type": 0, "price_base_type": "HT"}
        card = self.store.get(self.tables.product, product)
        if card is None:
            raise ShopError(f"no product {product}")
        return card

    def _require_draft(self, invoice: int) -> None:
        if self.invoice(invoice)["fk_statut"] != DRAFT:
            raise ShopError("lines change on drafts only")

    @act
    def change_line(self, line: int, **changes: Any) -> None:
        """Change qty, subprice, remise_percent, tva_tx, description... of a draft's line."""
        row = self.line(line)
        self._require_draft(row["fk_facture"])
        numbers = {
            name: decimal(changes.get(name, row[name]))
            for name in ("qty", "subprice", "remise_percent", "tva_tx")
        }
        self.store.update(self.tables.facturedet, line, **{**changes, **numbers})
        if any(numbers[name] != row[name] for name in numbers):
            totals = line_totals(*numbers.values())
            amounts = _amounts(totals, numbers["subprice"])
            self.store.update(self.tables.facturedet, line, **amounts)
        self.sum_up(row["fk_facture"])

    @act
    def delete_line(self, line: int) -> None:
        """Remove a line from a draft; a discount it consumed is free again."""
        row = self.line(line)
        self._require_draft(row["fk_facture"])
        self.release_line(line)
        self.store.delete(self.tables.facturedet, line)
        self.sum_up(row["fk_facture"])

    def release_line(self, line: int) -> None:
        """Give back the discount that a line consumed."""
        discount = self.tables.societe_remise_except
        self.store.run(
            sa.update(discount)
            .where(discount.c.fk_facture_line == line)
            .values(fk_facture_line=None)
        )

    def sum_up(self, invoice: int) -> None:
        """Write the totals of an invoice; its tms moves only when they differ."""
        lines = self.lines(invoice)
        sums = {
            name: sum((line[name] for line in lines), Decimal(0))
            for name in ("total_ht", "total_tva", "total_ttc")
        }
        in_currency = {f"multicurrency_{name}": value for name, value in sums.items()}
        self.store.update(self.tables.facture, invoice, **sums, **in_currency)
