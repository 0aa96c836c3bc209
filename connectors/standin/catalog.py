"""Acts on products, categories, payment modes, bank accounts, constants and extra fields."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from connectors.standin import extrafields
from connectors.standin.money import Number, decimal, price_without_tax
from connectors.standin.store import Desk, act

CATEGORY_TYPES = {"product": 0, "customer": 2}


class Catalog(Desk):
    """What the shop sells and how it is set up."""

    @act
    def add_product(
        self,
        ref: str,
        label: str,
        price: Number = 0,
        tva_tx: Number = 20,
        *,
        price_ttc: Number | None = None,
        service: bool = False,
        barcode: str | None = None,
    ) -> int:
        """Make a product, priced before tax or, with `price_ttc`, tax included."""
        rate = decimal(tva_tx)
        if price_ttc is None:
            before, after, base = decimal(price), decimal(price) * (1 + rate / 100), "HT"
        else:
            after, base = decimal(price_ttc), "TTC"
            before = price_without_tax(after, rate)
        return self.store.insert(
            self.tables.product,
            ref=ref,
            label=label,
            price=before,
            price_ttc=after,
            price_base_type=base,
            tva_tx=rate,
            fk_product_type=int(service),
            barcode=barcode,
            datec=self.store.local(),
            fk_user_author=1,
        )

    @act
    def change_product(self, product: int, **columns: Any) -> None:
        """Change columns of a product."""
        self.store.update(self.tables.product, product, **columns)

    @act
    def set_product_fields(self, product: int, **values: Any) -> None:
        """Set extra fields of a product, such as the points it gives."""
        extrafields.write(self.store, "product", product, values)

    @act
    def add_category(
        self, label: str, kind: str = "product", parent: int = 0, color: str | None = None
    ) -> int:
        """Make a category of products or customers, perhaps below another."""
        return self.store.insert(
            self.tables.categorie,
            label=label,
            type=CATEGORY_TYPES[kind],
            fk_parent=parent,
            color=color,
            date_creation=self.store.local(),
            fk_user_creat=1,
        )

    @act
    def tag_product(self, product: int, category: int) -> None:
        """Put a product into a category."""
        self.store.run(
            sa.insert(self.tables.categorie_product).values(
                fk_categorie=category, fk_product=product
            )
        )

    @act
    def untag_product(self, product: int, category: int) -> None:
        """Take a product out of a category."""
        tags = self.tables.categorie_product
        self.store.run(
            sa.delete(tags).where(tags.c.fk_product == product, tags.c.fk_categorie == category)
        )

    @act
    def add_extra_field(self, element: str, name: str, **settings: Any) -> int:
        """Define an extra field of societe, facture or product (type, size, list, label...)."""
        chosen = {"type": "int", "size": "10", "list": "5", "label": name, "pos": 100, **settings}
        return extrafields.define(self.store, element, name, **chosen)

    @act
    def set_invoice_fields(self, invoice: int, **values: Any) -> None:
        """Set extra fields of an invoice; its tms stays."""
        extrafields.write(self.store, "facture", invoice, values)

    @act
    def add_payment_mode(self, code: str, label: str, account: int | None = None) -> int:
        """Make a payment mode, and a button for it in the till when a bank account is given."""
        modes = self.tables.c_paiement
        highest = self.store.scalar(sa.select(sa.func.max(modes.c.id))) or 0
        rowid = self.store.insert(
            modes, id=max(106, highest + 1), code=code, libelle=label, type=2, active=1
        )
        if account is not None:
            self.set_const(f"CASHDESK_ID_BANKACCOUNT_{code}1", str(account))
        return rowid

    def payment_mode(self, code: str) -> int | None:
        """Find the id of an active payment mode."""
        modes = self.tables.c_paiement
        found = self.store.scalar(
            sa.select(modes.c.id).where(modes.c.code == code, modes.c.active == 1)
        )
        return None if found is None else int(found)

    @act
    def add_bank_account(self, ref: str, label: str, *, cash: bool = False) -> int:
        """Open a bank account, or a cash account."""
        return self.store.insert(
            self.tables.bank_account,
            ref=ref,
            label=label,
            courant=2 if cash else 1,
            datec=self.store.local(),
        )

    @act
    def set_const(self, name: str, value: str) -> None:
        """Set a constant of the set-up."""
        const = self.tables.const
        rowid = self.store.scalar(sa.select(const.c.rowid).where(const.c.name == name))
        if rowid is None:
            self.store.insert(const, name=name, value=value)
        else:
            self.store.update(const, rowid, value=value)
