"""Dolibarr's own pages, used as a cashier and an office clerk use them: log in, sell, look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from html.parser import HTMLParser
from typing import Any

import requests

TIMEOUT_S = 60
_TOKENS = (
    r'name="anti-csrf-newtoken" content="([0-9a-f]+)"',
    r'name="token" value="([0-9a-f]+)"',
    r"[?&]token=([0-9a-f]{20,})",
)


@dataclass
class Pages:
    """One person's browser session."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)
    token: str = ""

    def get(self, path: str, **parameters: object) -> str:
        answer = self.session.get(f"{self.url}{path}", params=parameters, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.text

    def log_in(self, login: str, password: str) -> None:
        """Log in by the form. Version 16 wants a Referer and answers a refusal with HTTP 200."""
        self.session.headers["Referer"] = f"{self.url}/index.php"
        self._remember_token(self.get("/index.php"))
        form = {
            "token": self.token,
            "actionlogin": "login",
            "loginfunction": "loginfunction",
            "username": login,
            "password": password,
        }
        answer = self.session.post(
            f"{self.url}/index.php?mainmenu=home", data=form, timeout=TIMEOUT_S
        )
        assert "user/logout.php" in answer.text, "Dolibarr refused the login"

    def _remember_token(self, page: str) -> None:
        found = [match for pattern in _TOKENS for match in re.findall(pattern, page)]
        # Version 16 shows none on the till's page and goes on taking the one of the login.
        self.token = (found or [self.token])[0]

    def customer_card(self, rowid: int) -> str:
        return self.get("/societe/card.php", socid=rowid)

    def post(self, path: str, **form: object) -> str:
        """Send a form, with the token that the last page gave."""
        form = {"token": self.token, **form}
        answer = self.session.post(f"{self.url}{path}", data=form, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.text

    def edit_field(self, page: str, rowid: int, name: str, value: object) -> str:
        """Change one extra field of an object by the pencil beside it."""
        address, key = CARDS[page]
        self._remember_token(self.get(address, **{key: rowid}))
        form = {key: rowid, "action": "update_extras", "attribute": name, f"options_{name}": value}
        return self.post(address, **form)

    def open_customer_form(self, rowid: int) -> dict[str, Any]:
        """Open the form of a customer card; return what it would send if saved as it stands."""
        page = self.get("/societe/card.php", socid=rowid, action="edit")
        self._remember_token(page)
        return _Form.read(page, "formsoc")

    def tag_customer(self, rowid: int, add: Sequence[int] = (), remove: Sequence[int] = ()) -> None:
        """Choose other tags in the form of a customer card, and save it."""
        form = self.open_customer_form(rowid)
        form["custcats[]"] = _chosen(form.get("custcats[]", []), add, remove)
        self.save_customer_form(form)

    def edit_product(self, rowid: int, add: Sequence[int] = (), **values: object) -> None:
        """Choose tags and fill extra fields in the form of a product card, and save it."""
        page = self.get("/product/card.php", id=rowid, action="edit")
        self._remember_token(page)
        form = _Form.read(page, "formprod")
        form["categories[]"] = _chosen(form.get("categories[]", []), add, ())
        changed = {f"options_{name}": value for name, value in values.items()}
        self.post(f"/product/card.php?id={rowid}", **{**form, **changed, "token": self.token})

    def tag_listed(self, rowids: Sequence[int], tag: int) -> None:
        """Tick customers in their list, and let its mass action put a tag on them."""
        self._remember_token(self.get("/societe/list.php", type="c"))
        chosen = {"toselect[]": list(rowids), "contcats_customer[]": [tag]}
        act = {"action": "affecttag", "affecttag_type": "customer", "confirm": "yes"}
        self.post("/societe/list.php?type=c", **act, **chosen)

    def save_customer_form(self, form: dict[str, Any], **values: object) -> None:
        """Save an opened form with these extra fields changed."""
        changed = {f"options_{name}": value for name, value in values.items()}
        self.post("/societe/card.php", **{**form, **changed, "token": self.token})

    def delete_payment(self, rowid: int) -> None:
        """Delete a payment in the office, as its page's button and its confirmation do."""
        self.get("/compta/paiement/card.php", id=rowid)
        self.get(
            "/compta/paiement/card.php",
            id=rowid,
            action="confirm_delete",
            confirm="yes",
            token=self.token,
        )

    def replace_invoice(self, rowid: int, day: date) -> int:
        """Open the draft that replaces an invoice, as the form of new invoices does."""
        return self._new_invoice(day, type=1, fac_replacement=rowid)

    def credit_same_lines(self, rowid: int, customer: int, day: date) -> int:
        """Open a credit note with the lines of an invoice."""
        chosen = {"fac_avoir": rowid, "invoiceAvoirWithLines": 1}
        return self._new_invoice(day, type=2, socid=customer, **chosen)

    def _new_invoice(self, day: date, **form: object) -> int:
        self._remember_token(self.get("/compta/facture/card.php", action="create"))
        at = {"day": day.day, "month": day.month, "year": day.year}
        dated = {
            f"{box}{part}": value for box in ("re", "newinvoicedate") for part, value in at.items()
        }
        page = self.post(
            "/compta/facture/card.php", action="add", cond_reglement_id=1, **dated, **form
        )
        found = re.search(r"card\.php\?(?:fac)?id=(\d+)", page)
        assert found, "Dolibarr made no document"
        return int(found[1])

    def open_till(self, terminal: int = 1) -> Till:
        self._remember_token(self.get("/takepos/index.php", setterminal=terminal))
        return Till(self)


CARDS = {
    "customer": ("/societe/card.php", "socid"),
    "invoice": ("/compta/facture/card.php", "id"),
}


def _chosen(held: Sequence[str], add: Sequence[int], remove: Sequence[int]) -> list[str]:
    added, removed = map(str, add), {str(tag) for tag in remove}
    return [tag for tag in (*held, *added) if tag not in removed]


class _Form(HTMLParser):
    """Read what a browser would send for one form of a page."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.values: dict[str, Any] = {}
        self._is_inside = False
        self._select: str | None = None
        self._area: str | None = None

    @classmethod
    def read(cls, page: str, name: str) -> dict[str, Any]:
        parser = cls(name)
        parser.feed(page)
        assert parser.values.get("action") == "update", f"no form {name} on the page"
        return parser.values

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "form":
            self._is_inside = given.get("name") == self.name
        name = given.get("name")
        if not self._is_inside:
            return
        if tag == "input" and name and self._is_sent(given):
            self.values[name] = given.get("value") or ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            self._choose(self._select, given.get("value") or "")
        elif tag == "textarea" and name:
            self._area = name
            self.values[name] = ""

    def _choose(self, select: str, value: str) -> None:
        """Note a chosen option; of several in a list all are sent."""
        if select.endswith("[]"):
            self.values[select] = [*self.values.get(select, []), value]
        else:
            self.values[select] = value

    def _is_sent(self, given: dict[str, str | None]) -> bool:
        kind = given.get("type", "text")
        if kind in {"checkbox", "radio"}:
            return "checked" in given
        return kind not in {"submit", "button", "file", "image"}

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.values[self._area] += data


@dataclass
class Till:
    """TakePOS on one terminal."""

    pages: Pages
    invoice: int = 0

    def _act(self, action: str, **parameters: object) -> str:
        page = self.pages.get(
            "/takepos/invoice.php", place=0, token=self.pages.token, action=action, **parameters
        )
        error = re.search(r'<div class="error[^>]*>(.*?)</div>', page, re.DOTALL)
        assert error is None, f"TakePOS refused '{action}': {error and error[1]}"
        found = re.search(r'placeid\s*=\s*"?(\d+)', page)
        if found and found[1] != "0":
            self.invoice = int(found[1])
        return page

    def add(self, product: int, quantity: int = 1) -> None:
        self._act("addline", idproduct=product, qty=quantity)

    def free(self, text: str) -> None:
        """Add a free article of no price, with this as its text."""
        known = {"place": 0, "token": self.pages.token, "action": "freezone"}
        address = "&".join(f"{name}={value}" for name, value in known.items())
        self.pages.post(f"/takepos/invoice.php?{address}&number=0&tva_tx=20", desc=text)

    def choose(self, customer: int) -> None:
        self.pages.get(
            "/societe/list.php",
            action="change",
            contextpage="poslist",
            idcustomer=customer,
            place=0,
            token=self.pages.token,
        )

    def change_quantity(self, line: int, quantity: int) -> None:
        """Change the quantity of a line; below zero it is a return."""
        self._act("updateqty", idline=line, number=quantity)

    def credit_note(self, ticket: int) -> str:
        """Press "credit note" on a paid ticket."""
        return self._act("creditnote", invoiceid=ticket)

    def pay(self, mode: str, amount: float = 0) -> None:
        """Take the money: all of what is left, or a part."""
        self._act("valid", pay=mode, amount=amount, excess=0, invoiceid=self.invoice)
