"""A customer's whole visit, in a real browser on a real TakePOS, to the paper and back.

Points are earned and shown on the open ticket; a reward product is free; the rest is paid with
points and by card; the ticket comes out of the printer; the goods come back. Customer card,
receipt and ledger agree all along. Pictures are left in DOLISYNC_LIVE_PICTURES, if that is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.live import browser as browsers
from tests.live.browser import Browser
from tests.live.place import Shop, a_customer, an_office_invoice, setting
from tests.live.test_printing import (
    constants,
    database,
    load,
    log_in,
    open_till,
    press_print,
    printer,
    serving,
)
from tests.paper import FakePrinter, read_paper

__all__ = ["database", "printer"]
pytestmark = pytest.mark.live

POPUP = "document.querySelector('#cboxLoadedContent iframe')"


@dataclass
class Visit:
    """The till's page in a browser, and what stands on it."""

    shop: Shop
    browser: Browser
    customer: int
    token: str = ""
    pictures: Path | None = None
    ticket: int = 0

    def begin(self) -> None:
        self.token = open_till(self.browser, self.shop)

    def act(self, action: str) -> None:
        load(self.browser, f"invoice.php?place=0&token={self.token}&action={action}")

    def ring_up(self, product: int, quantity: int) -> None:
        self.act(f"addline&idproduct={product}&qty={quantity}")
        self.ticket = int(self.browser.wait("typeof placeid !== 'undefined' && Number(placeid)"))

    def choose(self) -> None:
        self.browser.run(f"ChangeThirdparty({self.customer})")
        self.browser.wait("$.active === 0")

    def look(self) -> str:
        """Let dolisync look, and touch the ticket as a cashier does; return what it shows."""
        self.shop.dolisync("sync")
        self.browser.run("Refresh()")
        self.browser.wait("$.active === 0")
        return str(self.browser.run("document.querySelector('#poslines').innerText"))

    def pay(self, mode: str, amount: str = "") -> None:
        """Open the window of payments, type an amount, and press a button of it."""
        self.browser.run("CloseBill()")
        self.browser.wait(f"{POPUP} && typeof {POPUP}.contentWindow.Validate === 'function'")
        for digit in amount:
            self.browser.run(f"{POPUP}.contentWindow.addreceived({digit})")
        self.picture(f"pay-{mode.lower()}")
        paid = self.payments()
        self.browser.run(f"{POPUP}.contentWindow.Validate('{mode}')")
        self.browser.wait("$.active === 0")
        self.wait_for_payment(paid)
        self.browser.run("$.colorbox.close()")
        self.browser.wait(f"{POPUP} === null")

    def wait_for_payment(self, before: int) -> None:
        for _ in range(100):
            if self.payments() > before:
                return
            self.browser.run("new Promise(done => setTimeout(() => done(true), 100))")
        shown = self.browser.run("document.querySelector('#poslines').innerText")
        pytest.fail(f"the payment never came; the ticket shows: {shown} {self.browser.said[-3:]}")

    def payments(self) -> int:
        return len(self.shop.rest("GET", f"/invoices/{self.ticket}/payments"))

    def balance(self) -> int:
        return int(self.shop.read("balance", str(self.customer))["balance"])

    def card(self) -> dict[str, Any]:
        """Read the extra fields of the customer card."""
        found = self.shop.rest("GET", f"/thirdparties/{self.customer}")["array_options"]
        return {name.removeprefix("options_"): value for name, value in found.items()}

    def picture(self, name: str) -> None:
        if self.pictures is not None:
            self.pictures.mkdir(exist_ok=True, parents=True)
            (self.pictures / f"{name}.png").write_bytes(self.browser.picture())


def configure(shop: Shop) -> None:
    text = shop.config.read_text(encoding="utf-8")
    head = 'till_line = true\n[[program]]\npoint_value = "0.10"'
    text = text.replace("[[program]]", head, 1)
    redeem = '[program.redeem]\nproduct_field = "loyprice"\n[[program.reward]]'
    shop.config.write_text(text.replace("[[program.reward]]", redeem, 1), encoding="utf-8")
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")


def a_mug(shop: Shop) -> int:
    """Make a product that costs 80 points."""
    ref = (
        f"MUG{int(shop.rest('GET', '/products?limit=1&sortfield=t.rowid&sortorder=DESC')[0]['id'])}"
    )
    mug = {"ref": ref, "label": "Mug bleu", "price": 9, "tva_tx": 20, "status": 1}
    return int(shop.rest("POST", "/products", {**mug, "array_options": {"options_loyprice": 80}}))


def test_a_visit_from_the_first_point_to_the_return(
    shop: Shop, printer: FakePrinter, database: Engine, tmp_path: Path
) -> None:
    configure(shop)
    mug, customer = a_mug(shop), a_customer(shop)
    an_office_invoice(shop, customer)
    shop.dolisync("sync")
    # A till's cash box takes no cards.
    accounts = shop.rest("GET", "/bankaccounts")
    account = next(str(one["id"]) for one in accounts if int(one["type"]) == 1)
    set_up = {
        "TAKEPOS_PRINT_METHOD": "takeposconnector",
        "TAKEPOS_PRINT_SERVER": "127.0.0.1",
        "CASHDESK_ID_BANKACCOUNT_CB1": account,
    }
    pictures = setting("PICTURES")
    with (
        constants(database, **set_up),
        serving(shop, printer),
        browsers.opened(tmp_path / "profile") as browser,
    ):
        log_in(browser, shop)
        visit = Visit(shop, browser, customer, pictures=Path(pictures) if pictures else None)
        visit.begin()
        visit.ring_up(int(setting("PRODUCT", "1")), 3)
        visit.choose()
        assert "120" in visit.look(), "the open ticket says what the customer has"
        visit.ring_up(mug, 1)
        shown = visit.look()
        assert "Mug bleu\t100%" in shown, "the mug is given for points"
        assert ": 40" in shown, "and the line says what is left"
        visit.picture("ticket")

        ticket = shop.rest("GET", f"/invoices/{visit.ticket}")
        total = Decimal(ticket["total_ttc"])
        goods = Decimal(36)
        assert total == goods, "the mug is free"
        visit.pay("LOY", "3")
        visit.pay("CB")

        press_print(browser)
        paper = read_paper(printer.wait()[0])
        visit.picture("paid")
        # 120 were there; 80 for the mug, 30 for 3.00; 33.00 in money earn.
        left = 120 - 80 - 30 + 33
        assert visit.balance() == left
        assert "+33 points" in paper
        assert f"{left} points" in paper.split("Nouveau solde")[1]
        shop.dolisync("sync")
        assert int(visit.card()["loybalance"]) == left
        sold = shop.rest("GET", f"/invoices/{visit.ticket}")
        shown = {
            name: int(float(sold["array_options"][f"options_loy{name}"]))
            for name in ("earned", "used", "after")
        }
        assert shown == {"earned": 33, "used": 110, "after": left}
        (points,) = shop.read("receipt", sold["ref"])["points"]
        assert (int(points["earned"]), int(points["balance"])) == (33, left)

        visit.act(f"creditnote&invoiceid={visit.ticket}")
        shop.dolisync("sync")
        assert visit.balance() == 120
        assert int(visit.card()["loybalance"]) == 120
        visit.picture("returned")
        assert shop.read("verify")["holds"] is True
