"""Orders and shipments, as far as they tell when goods are with the customer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from connectors.standin.lines import DRAFT, VALIDATED
from connectors.standin.money import Number, decimal
from connectors.standin.numbering import next_ref
from connectors.standin.office import Office
from connectors.standin.store import ShopError, act

ORDER, SHIPMENT, INVOICE = "commande", "shipping", "facture"
ON_ITS_WAY, DELIVERED, CANCELED = 2, 3, -1  # of orders
RECEIVED = 2  # of shipments


class Orders(Office):
    """Acts on orders, on shipments, and on the links between documents."""

    @act
    def new_order(self, customer: int) -> int:
        """Open a draft of an order."""
        if self.store.get(self.tables.societe, customer) is None:
            raise ShopError(f"no customer {customer}")
        order = self.tables.commande
        rowid = self.store.insert(order, ref="(PROV)", fk_soc=customer, **self._begun())
        self.store.update(order, rowid, ref=f"(PROV{rowid})")
        return rowid

    def _begun(self) -> dict[str, Any]:
        return {"date_creation": self.store.local(), "fk_user_author": 1, "fk_statut": DRAFT}

    @act
    def add_order_line(
        self,
        order: int,
        product: int | None = None,
        qty: Number = 1,
        price: Number | None = None,
        *,
        tva_tx: Number | None = None,
        description: str = "",
    ) -> int:
        """Add a line to an order; price and rate are those of the product unless given."""
        card = self.product_card(product)
        return self.store.insert(
            self.tables.commandedet,
            fk_commande=order,
            fk_product=product,
            description=description,
            qty=decimal(qty),
            subprice=decimal(card["price"] if price is None else price),
            tva_tx=decimal(card["tva_tx"] if tva_tx is None else tva_tx),
            product_type=card["fk_product_type"],
        )

    def order_lines(self, order: int) -> list[sa.RowMapping]:
        """Read the lines of an order."""
        detail = self.tables.commandedet
        found = self.store.rows(sa.select(detail).where(detail.c.fk_commande == order))
        return list(found)

    def order(self, rowid: int) -> sa.RowMapping:
        """Read an order that must exist."""
        row = self.store.get(self.tables.commande, rowid)
        if row is None:
            raise ShopError(f"no order {rowid}")
        return row

    @act
    def validate_order(self, order: int, warehouse: int = 0) -> None:
        """Validate an order; its goods are taken from a warehouse where they are so early."""
        if self.order(order)["fk_statut"] != DRAFT:
            raise ShopError("only a draft is validated")
        ref = next_ref(self.store, self.tables.commande.c.ref, "CO", self.store.local().date())
        moment = self.store.local()
        self.store.update(
            self.tables.commande, order, ref=ref, fk_statut=VALIDATED, date_valid=moment
        )
        if warehouse and self.const("STOCK_CALCULATE_ON_VALIDATE_ORDER") == "1":
            for line in self.order_lines(order):
                self._take_ordered(line, warehouse, line["qty"], order, ORDER)

    @act
    def close_order(self, order: int) -> None:
        """Classify an order as delivered."""
        if self.order(order)["fk_statut"] == DELIVERED:
            raise ShopError("it is closed")
        moment = self.store.local()
        self.store.update(
            self.tables.commande, order, fk_statut=DELIVERED, date_cloture=moment, fk_user_cloture=1
        )

    @act
    def reopen_order(self, order: int) -> None:
        """Open a delivered order again; when it was closed keeps standing there."""
        if self.order(order)["fk_statut"] not in {DELIVERED, CANCELED}:
            raise ShopError("it is open")
        self.store.update(self.tables.commande, order, fk_statut=VALIDATED, facture=0)

    @act
    def bill_order(self, order: int) -> None:
        """Classify an order as invoiced, which changes nothing of its delivery."""
        self.store.update(self.tables.commande, order, facture=1)

    @act
    def invoice_from_order(self, order: int) -> int:
        """Open the draft of an invoice with the lines of an order, linked with it."""
        row = self.order(order)
        made = self.new_invoice(row["fk_soc"])
        for line in self.order_lines(order):
            self.add_line(
                made,
                line["fk_product"],
                line["qty"],
                line["subprice"],
                tva_tx=line["tva_tx"],
                description=line["description"] or "",
            )
        self.link(ORDER, order, INVOICE, made)
        return made

    # --- shipments -------------------------------------------------------------------------------

    @act
    def new_shipment(self, order: int, warehouse: int = 0) -> int:
        """Open a draft of the shipment of all goods of an order, from a warehouse."""
        shipment = self.tables.expedition
        begun = self._begun()
        rowid = self.store.insert(
            shipment, ref="(PROV)", fk_soc=self.order(order)["fk_soc"], **begun
        )
        self.store.update(shipment, rowid, ref=f"(PROV{rowid})")
        for line in self.order_lines(order):
            self.store.insert(
                self.tables.expeditiondet,
                fk_expedition=rowid,
                order_line=line["rowid"],
                fk_entrepot=warehouse,
                qty=line["qty"],
            )
        return rowid

    def shipment(self, rowid: int) -> sa.RowMapping:
        """Read a shipment that must exist."""
        row = self.store.get(self.tables.expedition, rowid)
        if row is None:
            raise ShopError(f"no shipment {rowid}")
        return row

    @act
    def validate_shipment(self, shipment: int) -> None:
        """Send a parcel away."""
        if self.shipment(shipment)["fk_statut"] != DRAFT:
            raise ShopError("only a draft is validated")
        ref = next_ref(self.store, self.tables.expedition.c.ref, "SH", self.store.local().date())
        moment = self.store.local()
        self.store.update(
            self.tables.expedition, shipment, ref=ref, fk_statut=VALIDATED, date_valid=moment
        )
        if self.const("STOCK_CALCULATE_ON_SHIPMENT") == "1":
            self._take_sent(shipment)

    def _take_sent(self, shipment: int) -> None:
        sent, ordered = self.tables.expeditiondet, self.tables.commandedet
        query = (
            sa.select(ordered, sent.c.fk_entrepot, sent.c.qty.label("sent"))
            .join(sent, sent.c.order_line == ordered.c.rowid)
            .where(sent.c.fk_expedition == shipment)
        )
        for line in self.store.rows(query):
            self._take_ordered(line, line["fk_entrepot"], line["sent"], shipment, SHIPMENT)

    def _take_ordered(
        self, line: sa.RowMapping, warehouse: int, quantity: Number, mover: int, kind: str
    ) -> None:
        if line["fk_product"] and warehouse:
            self.move_stock(line["fk_product"], warehouse, -decimal(quantity), mover, kind)

    @act
    def close_shipment(self, shipment: int) -> None:
        """Note that the customer has the parcel; there is no column for when.

        With the last goods of an order it is delivered too; not on 16 by the API.
        """
        if self.shipment(shipment)["fk_statut"] != VALIDATED:
            raise ShopError("it is closed, or a draft")
        self.store.update(self.tables.expedition, shipment, fk_statut=RECEIVED)
        order = self._order_of(shipment)
        if self.store.major > 16 and order is not None and self._is_all_received(order):
            self.close_order(order)

    def _order_of(self, shipment: int) -> int | None:
        sent, ordered = self.tables.expeditiondet.c, self.tables.commandedet.c
        query = (
            sa.select(ordered.fk_commande)
            .join(self.tables.expeditiondet, sent.order_line == ordered.rowid)
            .where(sent.fk_expedition == shipment)
        )
        found = self.store.scalar(query.limit(1))
        is_open = found is not None and self.order(found)["fk_statut"] != DELIVERED
        return int(found) if is_open else None

    def _is_all_received(self, order: int) -> bool:
        sent, parcel = self.tables.expeditiondet.c, self.tables.expedition.c
        query = (
            sa.select(sent.order_line, sa.func.sum(sent.qty))
            .join(self.tables.expedition, parcel.rowid == sent.fk_expedition)
            .where(parcel.fk_statut == RECEIVED)
            .group_by(sent.order_line)
        )
        received = {row["order_line"]: row["sum_1"] for row in self.store.rows(query)}
        return all(
            received.get(line["rowid"]) == line["qty"]
            for line in self.order_lines(order)
            if line["product_type"] == 0
        )

    @act
    def reopen_shipment(self, shipment: int) -> None:
        """Take that back."""
        self.store.update(self.tables.expedition, shipment, fk_statut=VALIDATED, billed=0)

    # --- links -----------------------------------------------------------------------------------

    @act
    def link(self, kind: str, rowid: int, to_kind: str, to_rowid: int) -> None:
        """Link two documents; both ways are found in the wild."""
        self.store.insert(
            self.tables.element_element,
            fk_source=rowid,
            sourcetype=kind,
            fk_target=to_rowid,
            targettype=to_kind,
        )

    def links_of(self, kind: str, rowid: int) -> dict[str, dict[str, str]]:
        """Return what a document is linked with: by kind, the link's rowid and the other's."""
        table = self.tables.element_element.c
        found: dict[str, dict[str, str]] = {}
        mine = ((table.fk_source == rowid) & (table.sourcetype == kind)) | (
            (table.fk_target == rowid) & (table.targettype == kind)
        )
        for row in self.store.rows(sa.select(self.tables.element_element).where(mine)):
            is_source = (row["fk_source"], row["sourcetype"]) == (rowid, kind)
            other = "target" if is_source else "source"
            of_kind = found.setdefault(row[f"{other}type"], {})
            of_kind[str(row["rowid"])] = str(row[f"fk_{other}"])
        return found

    @act
    def delete_invoice(self, invoice: int) -> None:
        """Delete an invoice with its links."""
        super().delete_invoice(invoice)
        table = self.tables.element_element
        for end, kind in (
            (table.c.fk_source, table.c.sourcetype),
            (table.c.fk_target, table.c.targettype),
        ):
            self.store.run(sa.delete(table).where(end == invoice, kind == INVOICE))

    def order_total(self, order: int) -> Decimal:
        """Add up an order without tax."""
        lines = self.order_lines(order)
        return sum((line["qty"] * line["subprice"] for line in lines), Decimal(0))
