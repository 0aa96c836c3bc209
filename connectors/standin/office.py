"""Invoices of the office: draft, validate, correct, replace, credit, delete."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import sqlalchemy as sa

from connectors.standin import extrafields
from connectors.standin.lines import (
    ABANDONED,
    CREDIT_NOTE,
    DISCOUNT_BIT,
    DRAFT,
    REPLACEMENT,
    STANDARD,
    VALIDATED,
)
from connectors.standin.money import Number, Totals
from connectors.standin.numbering import PREFIX_OF_TYPE, is_last, is_provisional, next_ref
from connectors.standin.payments import Payments
from connectors.standin.stock import Stock
from connectors.standin.store import ShopError, act

COPIED = ("fk_product", "product_type", "description", "qty", "remise_percent", "tva_tx")


class Office(Payments, Stock):
    """Invoices made at a desk."""

    @act
    def new_invoice(
        self,
        customer: int,
        type: int = STANDARD,  # noqa: A002 - Dolibarr's word
        *,
        source: int | None = None,
        date: date | None = None,
        **columns: Any,
    ) -> int:
        """Open a draft; its reference is (PROVn)."""
        if self.store.get(self.tables.societe, customer) is None:
            raise ShopError(f"no customer {customer}")
        day = date or self.store.local().date()
        rowid = self.store.insert(
            self.tables.facture,
            ref="(PROV)",
            type=type,
            fk_soc=customer,
            datec=self.store.local(),
            datef=day,
            date_lim_reglement=day,
            fk_facture_source=source,
            fk_user_author=1,
            fk_cond_reglement=0,
            fk_mode_reglement=0,
            multicurrency_code="EUR",
            **columns,
        )
        self.store.update(self.tables.facture, rowid, ref=f"(PROV{rowid})")
        return rowid

    @act
    def sell(
        self,
        customer: int,
        products: Iterable[int | tuple[int, Number]],
        mode: str | None = "CB",
        **columns: Any,
    ) -> int:
        """Invoice some products, validate, and take the money unless mode is None."""
        invoice = self.new_invoice(customer, **columns)
        for item in products:
            product, qty = item if isinstance(item, tuple) else (item, 1)
            self.add_line(invoice, product, qty)
        self.validate(invoice)
        if mode is not None:
            self.pay(invoice, mode=mode)
        return invoice

    @act
    def validate(self, invoice: int, *, document: bool = True, warehouse: int = 0) -> str:
        """Validate a draft and give its reference; the office also builds the paper.

        Goods are taken from the warehouse, where one is given and invoices change the stock.
        """
        row = self.invoice(invoice)
        if row["fk_statut"] != DRAFT or not self.lines(invoice):
            raise ShopError("only a draft with lines is validated")
        ref = str(row["ref"])
        if is_provisional(ref):
            series = PREFIX_OF_TYPE[row["type"]]
            ref = next_ref(self.store, self.tables.facture.c.ref, series, row["datef"])
        self.number_it(invoice, ref)
        if warehouse > 0 and self.invoices_move_stock:
            self.take_goods(invoice, warehouse)
        if row["type"] == REPLACEMENT:
            self._retire(row["fk_facture_source"])
        if document:
            self.set_document(invoice, ref)
        return ref

    def number_it(self, invoice: int, ref: str) -> None:
        """Give a draft its reference and its day of validation."""
        self.store.update(
            self.tables.facture,
            invoice,
            ref=ref,
            fk_statut=VALIDATED,
            date_valid=self.store.local().date(),
            fk_user_valid=1,
        )

    def _retire(self, source: int) -> None:
        self.store.update(
            self.tables.facture,
            source,
            fk_statut=ABANDONED,
            close_code="replaced",
            close_note="",
            date_closing=self.store.local(),
            fk_user_closing=1,
        )

    @act
    def set_draft(self, invoice: int, *, warehouse: int = 0) -> None:
        """Make an invoice a draft again: paye, payments and reference stay, goods go back."""
        if self.invoice(invoice)["fk_statut"] == DRAFT:
            raise ShopError("already a draft")
        if warehouse > 0 and self.invoices_move_stock:
            self.take_goods(invoice, warehouse, back=True)
        self.store.update(self.tables.facture, invoice, fk_statut=DRAFT)

    @act
    def replace(self, invoice: int) -> int:
        """Open a draft that will replace an invoice once it is validated."""
        return self._copy(invoice, REPLACEMENT, 1)

    @act
    def credit_note(self, source: int, lines: Iterable[int] | None = None) -> int:
        """Open a credit note for an invoice, or for some of its lines."""
        return self._copy(source, CREDIT_NOTE, -1, lines)

    def _copy(self, source: int, kind: int, sign: int, lines: Iterable[int] | None = None) -> int:
        row = self.invoice(source)
        made = self.new_invoice(row["fk_soc"], kind, source=source)
        chosen = None if lines is None else set(lines)
        for line in self.lines(source):
            if chosen is None or line["rowid"] in chosen:
                added = self.copy_line(line, made, sign)
                if line["fk_remise_except"]:
                    self._copy_discount(line, added, kind)
        return made

    def _copy_discount(self, line: sa.RowMapping, added: int, kind: int) -> None:
        """Do to a discount what Dolibarr does when its line is copied.

        A replacement consumes a second discount of the same text. A credit note names the first
        one, which stays consumed by the line of the invoice.
        """
        discount = line["fk_remise_except"]
        if kind == REPLACEMENT:
            row = self.discount(discount)
            totals = Totals(row["amount_ht"], row["amount_tva"], row["amount_ttc"])
            discount = self._insert_discount(
                row["fk_soc"], totals, row["tva_tx"], row["description"], None
            )
            self.store.update(self.tables.societe_remise_except, discount, fk_facture_line=added)
        values = {"fk_remise_except": discount, "info_bits": DISCOUNT_BIT}
        self.store.update(self.tables.facturedet, added, **values)

    def copy_line(self, line: sa.RowMapping, invoice: int, sign: int) -> int:
        """Write a line again on another invoice, its price perhaps negative; return its id."""
        columns = {name: line[name] for name in COPIED}
        product = columns.pop("fk_product")
        added = self.add_line(
            invoice, product, columns.pop("qty"), sign * line["subprice"], **columns
        )
        amounts = ("total_ht", "total_tva", "total_ttc")
        exact = {name: sign * line[name] for name in amounts}
        in_currency = {f"multicurrency_{name}": value for name, value in exact.items()}
        self.store.update(self.tables.facturedet, added, **exact, **in_currency)
        self.sum_up(invoice)
        return added

    @act
    def change_invoice(self, invoice: int, **columns: Any) -> None:
        """Change columns of the header: note_public, datef..."""
        self.store.update(self.tables.facture, invoice, **columns)

    @act
    def change_customer_of(self, invoice: int, customer: int) -> None:
        """Move an invoice to another customer; prices stay."""
        self.store.update(self.tables.facture, invoice, fk_soc=customer)

    def is_erasable(self, invoice: int) -> bool:
        """Tell whether an invoice may be deleted: a draft, or the last of its series, unpaid."""
        row = self.invoice(invoice)
        if is_provisional(row["ref"]):
            return True
        unpaid = self.paid(invoice) == 0
        return unpaid and is_last(self.store, self.tables.facture.c.ref, row["ref"])

    @act
    def delete_invoice(self, invoice: int) -> None:
        """Delete an invoice without a trace; the next one takes its reference."""
        if not self.is_erasable(invoice):
            raise ShopError("Invoice not erasable")
        self.wipe_lines(invoice)
        discount = self.tables.societe_remise_except
        self.store.run(
            sa.update(discount).where(discount.c.fk_facture == invoice).values(fk_facture=None)
        )
        of_it = discount.c.fk_facture_source == invoice
        self.store.run(sa.delete(discount).where(of_it, discount.c.fk_facture_line.is_(None)))
        extrafields.remove(self.store, "facture", invoice)
        self.store.delete(self.tables.facture, invoice)

    def wipe_lines(self, invoice: int) -> None:
        """Delete all lines of an invoice; discounts they consumed are free again."""
        for line in self.lines(invoice):
            self.release_line(line["rowid"])
            self.store.delete(self.tables.facturedet, line["rowid"])
