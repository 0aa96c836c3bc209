"""Money that comes in: payments, what remains, and when an invoice is paid."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from connectors.standin.discounts import Discounts
from connectors.standin.lines import ABANDONED, CLOSED, DRAFT, VALIDATED
from connectors.standin.money import Number, decimal
from connectors.standin.numbering import next_ref
from connectors.standin.store import ShopError, act


class Payments(Discounts):
    """Payments of invoices."""

    def paid(self, invoice: int) -> Decimal:
        """Sum the payments of an invoice."""
        links = self.tables.paiement_facture
        found = self.store.scalar(
            sa.select(sa.func.sum(links.c.amount)).where(links.c.fk_facture == invoice)
        )
        return decimal(found or 0)

    def credited(self, invoice: int) -> Decimal:
        """Sum the credit notes and deposits used as payment; discounts without source count not."""
        discount = self.tables.societe_remise_except
        found = self.store.scalar(
            sa.select(sa.func.sum(discount.c.amount_ttc)).where(
                discount.c.fk_facture == invoice, discount.c.fk_facture_source.is_not(None)
            )
        )
        return decimal(found or 0)

    def remaining(self, invoice: int) -> Decimal:
        """Tell what is left to pay."""
        total: Decimal = self.invoice(invoice)["total_ttc"]
        return total - self.paid(invoice) - self.credited(invoice)

    @act
    def pay(
        self,
        invoice: int,
        amount: Number | None = None,
        mode: str = "CB",
        *,
        date: datetime | None = None,
        close: bool = True,
        number: str = "",
    ) -> int:
        """Take a payment, the whole rest unless told; with nothing left the invoice closes."""
        row = self.invoice(invoice)
        if row["fk_statut"] == DRAFT:
            raise ShopError("a draft is not paid")
        due = self.remaining(invoice) if amount is None else decimal(amount)
        payment = self.record_payment(invoice, due, mode, date=date, number=number)
        self._first_document(invoice)
        if close and self.remaining(invoice) == 0 and row["fk_statut"] == VALIDATED:
            self.mark_paid(invoice)
        return payment

    def record_payment(
        self,
        invoice: int,
        amount: Decimal,
        mode: str,
        *,
        date: datetime | None = None,
        number: str = "",
        change: Decimal = Decimal(0),
    ) -> int:
        """Write a payment and its link; the invoice is not touched."""
        moment = self.store.local(date)
        rowid = self.store.insert(
            self.tables.paiement,
            ref=next_ref(self.store, self.tables.paiement.c.ref, "PAY", moment.date()),
            ref_ext="",
            datec=self.store.local(),
            datep=moment,
            amount=amount,
            multicurrency_amount=amount,
            fk_paiement=self._mode(mode),
            num_paiement=number,
            note="",
            fk_user_creat=1,
            pos_change=change,
        )
        self.store.update(self.tables.paiement, rowid, fk_bank=rowid)
        self.store.insert(
            self.tables.paiement_facture,
            fk_paiement=rowid,
            fk_facture=invoice,
            amount=amount,
            multicurrency_code="EUR",
            multicurrency_amount=amount,
        )
        return rowid

    def _mode(self, code: str) -> int:
        modes = self.tables.c_paiement
        found = self.store.scalar(
            sa.select(modes.c.id).where(modes.c.code == code, modes.c.active == 1)
        )
        if found is None:
            raise ShopError(f"no payment mode {code}")
        return int(found)

    def _first_document(self, invoice: int) -> None:
        """Build the paper if there is none: the reason why a first part payment moves tms."""
        row = self.invoice(invoice)
        if row["last_main_doc"] is None:
            self.set_document(invoice, row["ref"])

    def set_document(self, invoice: int, ref: str) -> None:
        """Note where the paper of an invoice lies."""
        self.store.update(self.tables.facture, invoice, last_main_doc=f"facture/{ref}/{ref}.pdf")

    @act
    def delete_payment(self, payment: int) -> None:
        """Take a payment back; impossible once an invoice of it is closed."""
        links = self.tables.paiement_facture
        invoices = self.store.rows(sa.select(links).where(links.c.fk_paiement == payment))
        if any(self.invoice(row["fk_facture"])["fk_statut"] == CLOSED for row in invoices):
            raise ShopError("the payment belongs to a closed invoice")
        self.store.run(sa.delete(links).where(links.c.fk_paiement == payment))
        self.store.delete(self.tables.paiement, payment)

    @act
    def set_paid(self, invoice: int) -> None:
        """Classify an invoice as paid, whatever came in."""
        self._close(invoice)

    @act
    def close(self, invoice: int, code: str = "discount_vat", note: str = "") -> None:
        """Close a partly paid invoice with a reason: statut 2, paye 0."""
        self._close(invoice, code, note)

    def _close(self, invoice: int, code: str | None = None, note: str | None = None) -> None:
        if self.invoice(invoice)["paye"] == 1:
            raise ShopError("already paid")
        self.mark_paid(invoice, code, note)

    @act
    def set_unpaid(self, invoice: int) -> None:
        """Open a closed or abandoned invoice again."""
        if self.invoice(invoice)["fk_statut"] not in {CLOSED, ABANDONED}:
            raise ShopError("not closed")
        self.store.update(
            self.tables.facture,
            invoice,
            fk_statut=VALIDATED,
            paye=0,
            close_code=None,
            close_note=None,
            date_closing=None,
            fk_user_closing=None,
        )

    @act
    def abandon(self, invoice: int, code: str = "abandon", note: str = "") -> None:
        """Give an invoice up; a discount on its lines stays consumed."""
        self.store.update(
            self.tables.facture,
            invoice,
            fk_statut=ABANDONED,
            close_code=code,
            close_note=note,
            date_closing=self.store.local(),
            fk_user_closing=1,
        )
