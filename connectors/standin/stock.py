"""Warehouses and stock movements, as far as they tell from where goods were taken."""

from __future__ import annotations

from connectors.standin.lines import CREDIT_NOTE, DEPOSIT, Lines
from connectors.standin.money import Number, decimal
from connectors.standin.store import act

BY_HAND, OUT, BACK = 0, 2, 3  # kinds of movements


class Stock(Lines):
    """The warehouses and what moves in and out."""

    @act
    def add_warehouse(self, name: str) -> int:
        """Make a warehouse."""
        return self.store.insert(self.tables.entrepot, ref=name, datec=self.store.local())

    @act
    def move_stock(
        self,
        product: int,
        warehouse: int,
        quantity: Number,
        mover: int | None = None,
        mover_kind: str = "facture",
    ) -> int:
        """Put goods into a warehouse, or take them out (below zero), for a document perhaps."""
        value = decimal(quantity)
        kind = BY_HAND if mover is None else OUT if value < 0 else BACK
        return self.store.insert(
            self.tables.stock_mouvement,
            fk_product=product,
            fk_entrepot=warehouse,
            value=value,
            type_mouvement=kind,
            datem=self.store.local(),
            fk_origin=mover or 0,
            origintype="" if mover is None else mover_kind,
        )

    @act
    def take_goods(self, invoice: int, warehouse: int, *, back: bool = False) -> None:
        """Change the stock by the goods of an invoice; those of a credit note come in.

        ``back``: the other way round, as the invoice is a draft again.
        """
        kind = self.invoice(invoice)["type"]
        if kind == DEPOSIT:
            return
        comes_in = (kind == CREDIT_NOTE) is not back
        for line in self.lines(invoice):
            if line["fk_product"]:
                value = line["qty"] if comes_in else -line["qty"]
                self.move_stock(line["fk_product"], warehouse, value, invoice)

    @property
    def invoices_move_stock(self) -> bool:
        """Tell whether validating an invoice in the office changes the stock."""
        return self.const("STOCK_CALCULATE_ON_BILL") == "1"

    def warehouse_of_terminal(self, terminal: str) -> int:
        """Tell from where a terminal takes its goods; 0 where it changes no stock."""
        if self.const(f"CASHDESK_NO_DECREASE_STOCK{terminal}") == "1":
            return 0
        return int(self.const(f"CASHDESK_ID_WAREHOUSE{terminal}") or 0)
