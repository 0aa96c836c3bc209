"""Discounts of customers: made at the desk, from credit notes or deposits, split and consumed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import sqlalchemy as sa

from connectors.standin.lines import CREDIT_NOTE, DEPOSIT, DISCOUNT_BIT, DRAFT, Lines
from connectors.standin.money import Number, Totals, cents, decimal
from connectors.standin.store import ShopError, act

SOURCE_TEXTS = {CREDIT_NOTE: "(CREDIT_NOTE)", DEPOSIT: "(DEPOSIT)"}


class Discounts(Lines):
    """Rows of llx_societe_remise_except and what consumes them."""

    @act
    def add_discount(
        self, customer: int, amount_ttc: Number, description: str, tva_tx: Number = 20
    ) -> int:
        """Grant an absolute discount, as the customer's discount page does."""
        ttc = decimal(amount_ttc)
        ht = cents(ttc / (1 + decimal(tva_tx) / 100))
        return self._insert_discount(
            customer, Totals(ht, ttc - ht, ttc), decimal(tva_tx), description, None
        )

    def _insert_discount(
        self, customer: int, totals: Totals, rate: Decimal, description: str, source: int | None
    ) -> int:
        return self.store.insert(
            self.tables.societe_remise_except,
            fk_soc=customer,
            datec=self.store.local(),
            amount_ht=totals.ht,
            amount_tva=totals.tva,
            amount_ttc=totals.ttc,
            multicurrency_amount_ht=totals.ht,
            multicurrency_amount_tva=totals.tva,
            multicurrency_amount_ttc=totals.ttc,
            tva_tx=rate,
            fk_user=1,
            description=description,
            fk_facture_source=source,
        )

    def discount(self, rowid: int) -> sa.RowMapping:
        """Read a discount that must exist."""
        row = self.store.get(self.tables.societe_remise_except, rowid)
        if row is None:
            raise ShopError(f"no discount {rowid}")
        return row

    @act
    def split_discount(self, discount: int, first_ttc: Number) -> tuple[int, int]:
        """Cut an unused discount in two; both parts have new keys and a marked text."""
        row = self.discount(discount)
        rate = row["tva_tx"]
        amounts = (decimal(first_ttc), row["amount_ttc"] - decimal(first_ttc))
        self.store.delete(self.tables.societe_remise_except, discount)
        parts = []
        for number, ttc in enumerate(amounts, start=1):
            ht = cents(ttc / (1 + rate / 100))
            parts.append(
                self._insert_discount(
                    row["fk_soc"],
                    Totals(ht, ttc - ht, ttc),
                    rate,
                    f"{row['description']} ({number})",
                    row["fk_facture_source"],
                )
            )
        return parts[0], parts[1]

    @act
    def delete_discount(self, discount: int) -> None:
        """Withdraw a discount that nothing consumed."""
        self._require_unused(self.discount(discount))
        self.store.delete(self.tables.societe_remise_except, discount)

    def _require_unused(self, row: sa.RowMapping) -> None:
        if row["fk_facture_line"] or row["fk_facture"]:
            raise ShopError("the discount is used")

    @act
    def use_discount(self, invoice: int, discount: int) -> int:
        """Consume a discount as a line of a draft of its owner."""
        sale, row = self.invoice(invoice), self.discount(discount)
        if sale["fk_statut"] != DRAFT or sale["fk_soc"] != row["fk_soc"]:
            raise ShopError("a discount goes on a draft of its owner")
        self._require_unused(row)
        return self.force_discount(invoice, discount)

    @act
    def force_discount(self, invoice: int, discount: int) -> int:
        """Consume a discount as a line without looking at status or owner, as the API does."""
        row = self.discount(discount)
        if any(line["fk_remise_except"] == discount for line in self.lines(invoice)):
            raise ShopError(f"Duplicate entry '{discount}-{invoice}' for key 'uk_fk_remise_except'")
        if row["fk_facture"]:  # the only look that is taken; a line elsewhere is not noticed
            raise ShopError("ErrorDiscountAlreadyUsed")
        totals = Totals(-row["amount_ht"], -row["amount_tva"], -row["amount_ttc"])
        values = {
            "fk_remise_except": discount,
            "info_bits": DISCOUNT_BIT,
            "description": row["description"],
            "qty": Decimal(1),
            "subprice": totals.ht,
            "tva_tx": row["tva_tx"],
            "rang": -1,
        }
        line = self.insert_line(invoice, totals, values)
        self.store.update(self.tables.societe_remise_except, discount, fk_facture_line=line)
        return line

    @act
    def use_credit_note(self, invoice: int, discount: int) -> None:
        """Pay with a credit note's discount; the invoice itself is not touched."""
        self._require_unused(self.discount(discount))
        self.force_credit_note(invoice, discount)

    @act
    def force_credit_note(self, invoice: int, discount: int) -> None:
        """Link a discount to an invoice as payment without any look, as the API does."""
        self.store.update(self.tables.societe_remise_except, discount, fk_facture=invoice)

    @act
    def mark_credit_available(self, invoice: int) -> list[int]:
        """Turn a credit note or a paid deposit into discounts, one for each rate of tax."""
        row = self.invoice(invoice)
        text = SOURCE_TEXTS.get(row["type"])
        if text is None or row["fk_statut"] == DRAFT or self._discounts_from(invoice):
            raise ShopError("not a credit to make available")
        made = [
            self._insert_discount(row["fk_soc"], totals, rate, text, invoice)
            for rate, totals in self._by_rate(invoice).items()
        ]
        if row["type"] == CREDIT_NOTE:
            self.mark_paid(invoice)
        return made

    def mark_paid(self, invoice: int, code: str | None = None, note: str | None = None) -> None:
        """Close an invoice: paid, unless a code says why the rest will never be."""
        values = {"fk_statut": 2, "date_closing": self.store.local(), "fk_user_closing": 1}
        reason = {"close_code": code, "close_note": note} if code else {"paye": 1}
        self.store.update(self.tables.facture, invoice, **values, **reason)

    def _discounts_from(self, invoice: int) -> Sequence[sa.RowMapping]:
        discount = self.tables.societe_remise_except
        return self.store.rows(sa.select(discount).where(discount.c.fk_facture_source == invoice))

    def _by_rate(self, invoice: int) -> dict[Decimal, Totals]:
        rates: dict[Decimal, list[sa.RowMapping]] = {}
        for line in self.lines(invoice):
            rates.setdefault(line["tva_tx"], []).append(line)
        return {
            rate: Totals(*(_sum(lines, name) for name in ("total_ht", "total_tva", "total_ttc")))
            for rate, lines in rates.items()
        }


def _sum(lines: list[sa.RowMapping], name: str) -> Decimal:
    total: Decimal = sum((line[name] for line in lines), Decimal(0))
    return abs(total)
