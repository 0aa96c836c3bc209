"""TakePOS: the open ticket of a terminal, its payment, returns and credit notes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from connectors.standin.lines import CREDIT_NOTE, DRAFT, VALIDATED
from connectors.standin.money import Number, cents, decimal
from connectors.standin.numbering import next_ref
from connectors.standin.office import Office
from connectors.standin.store import ShopError, act

ACCOUNT_NAMES = {"LIQ": "CASH", "CHQ": "CHEQUE"}


class Till(Office):
    """The cash desk."""

    def pos_customer(self) -> int:
        """Tell who the generic customer is."""
        const = self.tables.const
        value = self.store.scalar(
            sa.select(const.c.value).where(const.c.name == "CASHDESK_ID_THIRDPARTY1")
        )
        return int(value)

    @act
    def pos_open(self, terminal: int = 1, place: int = 0) -> int:
        """Give the open ticket of a place: the one that is there, or a fresh row."""
        ref = f"(PROV-POS{terminal}-{place})"
        facture = self.tables.facture
        found = self.store.scalar(sa.select(facture.c.rowid).where(facture.c.ref == ref))
        if found is not None:
            return int(found)
        today = self.store.local().date()
        return self.store.insert(
            facture,
            ref=ref,
            fk_soc=self.pos_customer(),
            datec=self.store.local(),
            datef=today,
            date_lim_reglement=today,
            fk_user_author=1,
            fk_cond_reglement=0,
            fk_mode_reglement=0,
            module_source="takepos",
            pos_source=str(terminal),
            multicurrency_code="EUR",
        )

    @act
    def pos_choose(self, ticket: int, customer: int) -> None:
        """Choose the customer of an open ticket; lines that are there keep their price."""
        self.open_ticket(ticket)
        self.store.update(self.tables.facture, ticket, fk_soc=customer)

    @act
    def pos_scan(self, ticket: int, barcode: str) -> int:
        """Scan a member's card: his customer is chosen."""
        societe = self.tables.societe
        found = self.store.scalar(sa.select(societe.c.rowid).where(societe.c.barcode == barcode))
        if found is None:
            raise ShopError(f"nobody has the card {barcode}")
        self.pos_choose(ticket, int(found))
        return int(found)

    def open_ticket(self, ticket: int) -> sa.RowMapping:
        """Read a ticket that must still be open."""
        row = self.invoice(ticket)
        if row["fk_statut"] != DRAFT:
            raise ShopError("the ticket is closed")
        return row

    @act
    def pos_add(self, ticket: int, product: int, qty: Number = 1) -> int:
        """Ring up a product, at the discount of the customer chosen by now."""
        customer = self.store.get(self.tables.societe, self.open_ticket(ticket)["fk_soc"])
        assert customer is not None, "a ticket always has a customer"
        untaxed: dict[str, Any] = {}
        if not customer["fk_pays"]:  # no country, no tax: the trap of a bare generic customer
            untaxed = {"price": self.product_card(product)["price"], "tva_tx": 0}
        percent = customer["remise_client"] or 0
        return self.add_line(ticket, product, qty, remise_percent=percent, **untaxed)

    @act
    def pos_reduce(self, ticket: int, percent: Number, line: int | None = None) -> None:
        """Reduce one line, or every line there is, by a percentage: vouchers are cut too."""
        lines = [line] if line else [row["rowid"] for row in self.lines(ticket)]
        for rowid in lines:
            self.change_line(rowid, remise_percent=percent)

    @act
    def pos_free_line(
        self, ticket: int, amount_ttc: Number, tva_tx: Number = 20, description: str = "Reduction"
    ) -> int:
        """Add a line without product; a reduction by amount is one below zero."""
        self.open_ticket(ticket)
        return self.add_line(ticket, price_ttc=amount_ttc, tva_tx=tva_tx, description=description)

    @act
    def pos_delete_line(self, line: int) -> None:
        """Take a line off; with the last line the ticket's row goes too."""
        ticket = self.line(line)["fk_facture"]
        self.delete_line(line)
        if not self.lines(ticket):
            self.store.delete(self.tables.facture, ticket)

    @act
    def pos_discard(self, ticket: int) -> None:
        """Throw the open ticket away: the row stays, empty, for the generic customer."""
        self.open_ticket(ticket)
        self.wipe_lines(ticket)
        self.store.update(self.tables.facture, ticket, fk_soc=self.pos_customer())
        self.sum_up(ticket)

    @act
    def pos_pay(self, ticket: int, mode: str = "LIQ", given: Number | None = None) -> int | None:
        """Press a payment button: number the ticket, take the money (or `delayed`), give change."""
        row = self.invoice(ticket)
        if row["fk_statut"] != DRAFT and row["type"] == CREDIT_NOTE:
            self._guess_source(ticket)  # Dolibarr says "already validated", and writes this
            return None
        if row["fk_statut"] == DRAFT:
            self._close_ticket(row)
        if mode == "delayed" or self.invoice(ticket)["type"] == CREDIT_NOTE:
            return None
        return self._take_money(ticket, mode, given)

    def _close_ticket(self, row: sa.RowMapping) -> None:
        if not self.lines(row["rowid"]):
            raise ShopError("the ticket is empty")
        if row["total_ttc"] < 0:
            self.store.update(self.tables.facture, row["rowid"], type=CREDIT_NOTE)
            self._guess_source(row["rowid"])
        today = self.store.local().date()
        ref = next_ref(self.store, self.tables.facture.c.ref, f"TC{row['pos_source']}-", today)
        self.store.update(self.tables.facture, row["rowid"], datef=today, date_lim_reglement=today)
        self.number_it(row["rowid"], ref)
        warehouse = self.warehouse_of_terminal(row["pos_source"])
        if warehouse:
            self.take_goods(row["rowid"], warehouse)

    def _guess_source(self, ticket: int) -> None:
        """Point a return at the customer's newest sale, right or wrong."""
        facture = self.tables.facture
        newest = self.store.scalar(
            sa.select(sa.func.max(facture.c.rowid)).where(
                facture.c.fk_soc == self.invoice(ticket)["fk_soc"],
                facture.c.type != CREDIT_NOTE,
                facture.c.fk_statut != DRAFT,
            )
        )
        if newest is None:
            raise ShopError("NoPreviousBillForCustomer")
        self.store.update(self.tables.facture, ticket, fk_facture_source=newest)

    def _take_money(self, ticket: int, mode: str, given: Number | None) -> int | None:
        row, due = self.invoice(ticket), self.remaining(ticket)
        payment = None
        if due != 0:
            self._check_account(mode, row["pos_source"])
            offered = due if given is None else decimal(given)
            taken = min(offered, due)
            payment = self.record_payment(
                ticket, taken, mode, number=row["ref"], change=offered - taken
            )
            self.store.update(self.tables.facture, ticket, fk_mode_reglement=self._mode(mode))
        self.set_document(ticket, row["ref"])
        if self.remaining(ticket) == 0 and row["fk_statut"] == VALIDATED:
            self.mark_paid(ticket)
        return payment

    def _check_account(self, mode: str, terminal: str) -> None:
        const, accounts = self.tables.const, self.tables.bank_account
        name = f"CASHDESK_ID_BANKACCOUNT_{ACCOUNT_NAMES.get(mode, mode)}{terminal}"
        value = self.store.scalar(sa.select(const.c.value).where(const.c.name == name))
        account = self.store.get(accounts, int(value)) if value else None
        if account is None:
            raise ShopError("bank account required")
        if self.store.major > 16 and account["courant"] == 2 and mode != "LIQ":
            raise ShopError("ErrorCashAccountAcceptsOnlyCashMoney")

    @act
    def pos_sell(
        self,
        products: list[int | tuple[int, Number]],
        customer: int | None = None,
        mode: str = "LIQ",
        *,
        terminal: int = 1,
        given: Number | None = None,
    ) -> int:
        """Ring up a whole ticket: customer, products, payment."""
        ticket = self.pos_open(terminal)
        if customer is not None:
            self.pos_choose(ticket, customer)
        for item in products:
            product, qty = item if isinstance(item, tuple) else (item, 1)
            self.pos_add(ticket, product, qty)
        self.pos_pay(ticket, mode, given)
        return ticket

    def pos_credit_note(self, source: int) -> int:
        """Press "credit note" on a paid ticket: a full negative copy, validated, never paid.

        Where the ticket used a discount the till dies of it, with HTTP 500.
        """
        if any(line["fk_remise_except"] for line in self.lines(source)):
            if self.store.major == 16:  # it has no transaction around this: an empty draft stays
                self._pos_credit_draft(source)
            raise ShopError('HTTP 500: Class "DiscountAbsolute" not found')
        return self._pos_credit(source)

    @act
    def _pos_credit_draft(self, source: int) -> int:
        row = self.invoice(source)
        till = {"module_source": "takepos", "pos_source": row["pos_source"]}
        return self.new_invoice(row["fk_soc"], CREDIT_NOTE, source=source, **till)

    @act
    def _pos_credit(self, source: int) -> int:
        row = self.invoice(source)
        made = self._pos_credit_draft(source)
        for line in self.lines(source):
            self.copy_line(line, made, -1)
        series = f"TC{row['pos_source']}-"
        today = self.store.local().date()
        self.number_it(made, next_ref(self.store, self.tables.facture.c.ref, series, today))
        return made

    @act
    def close_cash(self, terminal: int, cash: Number, card: Number = 0, cheque: Number = 0) -> int:
        """Count the till and close its day."""
        moment = self.store.local()
        rowid = self.store.insert(
            self.tables.pos_cash_fence,
            opening=Decimal(0),
            cash=cents(decimal(cash)),
            card=cents(decimal(card)),
            cheque=cents(decimal(cheque)),
            status=1,
            date_creation=moment,
            date_valid=moment,
            day_close=moment.day,
            month_close=moment.month,
            year_close=moment.year,
            posmodule="takepos",
            posnumber=str(terminal),
            fk_user_creat=0,
            fk_user_valid=1,
        )
        self.store.update(self.tables.pos_cash_fence, rowid, ref=str(rowid))
        return rowid
