"""Acts on customer cards: make, rename, save, merge, delete."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from connectors.standin import extrafields
from connectors.standin.numbering import next_ref
from connectors.standin.store import Desk, ShopError, act

SHOWN_IN_FORM = ("1", "3", "4", "-1")  # values of `list` that put a field into the edit form
FILLED_BY_MERGE = ("address", "zip", "town", "phone", "fax", "email", "url", "barcode")


class Customers(Desk):
    """The customer cards."""

    @act
    def add_customer(self, name: str, **columns: Any) -> int:
        """Make a customer; further columns by their names in llx_societe (barcode, email...)."""
        societe = self.tables.societe
        code = next_ref(self.store, societe.c.code_client, "CU", self.store.local().date(), 5)
        card = {
            "client": 1,
            "fk_pays": 1,
            "code_client": code,
            "datec": self.store.local(),
            "fk_user_creat": 1,
            "fk_user_modif": 1,
            **columns,
        }
        rowid = self.store.insert(societe, nom=name, **card)
        self.note_event(rowid, "AC_COMPANY_CREATE", f"{name} created")
        return rowid

    @act
    def rename_customer(self, customer: int, name: str) -> None:
        """Give a customer another name."""
        self.change_customer(customer, nom=name)

    @act
    def change_customer(self, customer: int, **columns: Any) -> None:
        """Change columns of the card; the agenda notes it."""
        self.store.update(self.tables.societe, customer, **columns)
        self.note_event(customer, "AC_COMPANY_MODIFY", "Third party modified")

    @act
    def set_customer_fields(self, customer: int, **values: Any) -> None:
        """Set extra fields of a customer directly."""
        extrafields.write(self.store, "societe", customer, values)

    @act
    def customer_fields(self, customer: int) -> dict[str, Any]:
        """Read the extra fields of a customer; also what a browser holds with the card open."""
        return extrafields.values_of(self.store, "societe", [customer]).get(customer, {})

    @act
    def save_customer_card(
        self, customer: int, form: dict[str, Any], user: int = 1, **columns: Any
    ) -> None:
        """Save a card whose form was opened earlier: what the form shows overwrites what is."""
        self.store.update(self.tables.societe, customer, **columns, fk_user_modif=user)
        self.note_event(customer, "AC_COMPANY_MODIFY", "Third party modified", user)
        held = self.customer_fields(customer)
        kept = {
            field["name"]: self._saved(field, form, held)
            for field in extrafields.definitions(self.store, "societe")
        }
        extrafields.rewrite(self.store, "societe", customer, kept)

    @act
    def edit_customer_field(self, customer: int, name: str, value: Any, user: int = 1) -> None:
        """Change one extra field by the pencil beside it; the card's own row stays as it was."""
        held = {**self.customer_fields(customer), name: None if value == "" else value}
        extrafields.rewrite(self.store, "societe", customer, held)
        self.note_event(customer, "AC_COMPANY_MODIFY", "Third party modified", user)

    def _saved(self, field: Any, form: dict[str, Any], held: dict[str, Any]) -> Any:
        if field["list"] in SHOWN_IN_FORM:
            return form.get(field["name"])
        hidden_but_wiped = self.store.major == 16 and field["list"] in {"2", "5"}
        return None if hidden_but_wiped else held.get(field["name"])

    @act
    def delete_customer(self, customer: int) -> None:
        """Delete a customer who has no invoice, with his fields and discounts."""
        facture = self.tables.facture
        if self.store.first(sa.select(facture.c.rowid).where(facture.c.fk_soc == customer)):
            raise ShopError("the customer has invoices")
        self._forget(customer)
        self.note_event(None, "AC_COMPANY_DELETE", "Third party deleted")

    @act
    def merge_customers(self, keep: int, drop: int) -> None:
        """Pour one customer into another: invoices, discounts, tags, and what fields are empty."""
        self._fill_empty(keep, drop)
        self._repoint(keep, drop)
        self._unite_tags(keep, drop)
        name = self._card(drop)["nom"]
        self._forget(drop)
        self.note_event(keep, "AC_COMPANY_MODIFY", f"Data of {name} merged")
        self.note_event(None, "AC_COMPANY_DELETE", f"{name} deleted")

    def _card(self, customer: int) -> sa.RowMapping:
        card = self.store.get(self.tables.societe, customer)
        if card is None:
            raise ShopError(f"no customer {customer}")
        return card

    def _fill_empty(self, keep: int, drop: int) -> None:
        kept, dropped = self._card(keep), self._card(drop)
        filled = {name: dropped[name] for name in FILLED_BY_MERGE if not kept[name]}
        if filled.get("barcode"):  # unique: the dropped card gives it up first
            self.store.update(self.tables.societe, drop, barcode=None)
        self.store.update(self.tables.societe, keep, **filled)
        mine, theirs = self.customer_fields(keep), self.customer_fields(drop)
        extrafields.write(
            self.store, "societe", keep, {name: mine.get(name) or theirs[name] for name in theirs}
        )

    def _repoint(self, keep: int, drop: int) -> None:
        facture, discount = self.tables.facture, self.tables.societe_remise_except
        moved = {"fk_soc": keep, "tms": self.store.tms()}
        self.store.run(sa.update(facture).where(facture.c.fk_soc == drop).values(moved))
        self.store.run(sa.update(discount).where(discount.c.fk_soc == drop).values(fk_soc=keep))

    def _unite_tags(self, keep: int, drop: int) -> None:
        for tag in self.tags_of_customer(drop):
            self.tag_customer(keep, tag)

    def _forget(self, customer: int) -> None:
        discount, tags = self.tables.societe_remise_except, self.tables.categorie_societe
        self.store.run(sa.delete(discount).where(discount.c.fk_soc == customer))
        self.store.run(sa.delete(tags).where(tags.c.fk_soc == customer))
        extrafields.remove(self.store, "societe", customer)
        self.store.delete(self.tables.societe, customer)

    @act
    def tag_customer(self, customer: int, category: int) -> None:
        """Put a customer into a category; once is enough."""
        if category not in self.tags_of_customer(customer):
            self.store.run(
                sa.insert(self.tables.categorie_societe).values(
                    fk_categorie=category, fk_soc=customer
                )
            )

    @act
    def untag_customer(self, customer: int, category: int) -> None:
        """Take a customer out of a category."""
        tags = self.tables.categorie_societe
        self.store.run(
            sa.delete(tags).where(tags.c.fk_soc == customer, tags.c.fk_categorie == category)
        )

    def tags_of_customer(self, customer: int) -> list[int]:
        """List the categories a customer is in."""
        tags = self.tables.categorie_societe
        found = self.store.rows(
            sa.select(tags.c.fk_categorie).where(tags.c.fk_soc == customer).order_by("fk_categorie")
        )
        return [row["fk_categorie"] for row in found]

    def note_event(self, customer: int | None, code: str, label: str, user: int = 1) -> int:
        """Write an automatic event into the agenda."""
        moment = self.store.local()
        rowid = self.store.insert(
            self.tables.actioncomm,
            code=code,
            label=label,
            fk_soc=customer,
            datep=moment,
            datec=moment,
            fk_user_author=user,
            fk_user_action=user,
            fk_action=50,
            percent=-1,
        )
        self.store.update(self.tables.actioncomm, rowid, ref=str(rowid))
        return rowid
