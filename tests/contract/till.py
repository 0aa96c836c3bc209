"""A TakePOS till: the stand-in's, or a real one worked through its own web pages."""

from __future__ import annotations

import re
from typing import Any, Protocol

import requests

from connectors.standin import ShopError

TIMEOUT_S = 60


class Till(Protocol):
    """What a cashier does at one till."""

    def ring_up(self, product: int, customer: int | None = None) -> int:
        """Put a product on the open ticket, and a customer; return the ticket's rowid."""

    def free_line(self, ticket: int, text: str) -> None:
        """Add a free article of no price, with this as its text: typed, or by a scanner."""

    def pay(self, ticket: int, mode: str) -> None:
        """Take the money."""

    def discard(self, ticket: int) -> None:
        """Throw the open ticket away."""

    def change_quantity(self, line: int, quantity: int) -> None:
        """Change the quantity of a line of the open ticket; below zero it is a return."""

    def delete_line(self, line: int) -> None:
        """Take a line off the open ticket."""

    def credit_note(self, ticket: int) -> None:
        """Press "credit note" on a closed ticket. Raises ``TillBrokeError``."""


class TillBrokeError(Exception):
    """Tell that the till's page died."""


class StandInTill:
    """The till of a stand-in."""

    def __init__(self, shop: Any) -> None:
        self._shop = shop

    def ring_up(self, product: int, customer: int | None = None) -> int:
        ticket = int(self._shop.pos_open())
        if customer is not None:
            self._shop.pos_choose(ticket, customer)
        self._shop.pos_add(ticket, product)
        return ticket

    def free_line(self, ticket: int, text: str) -> None:
        self._shop.pos_free_line(ticket, 0, 20, text)

    def pay(self, ticket: int, mode: str) -> None:
        self._shop.pos_pay(ticket, mode)

    def discard(self, ticket: int) -> None:
        self._shop.pos_discard(ticket)

    def change_quantity(self, line: int, quantity: int) -> None:
        self._shop.change_line(line, qty=quantity)

    def delete_line(self, line: int) -> None:
        self._shop.pos_delete_line(line)

    def credit_note(self, ticket: int) -> None:
        try:
            self._shop.pos_credit_note(ticket)
        except ShopError as error:
            raise TillBrokeError from error


class RealTill:
    """TakePOS in a browser's place: a login, a terminal, and the requests that its buttons make."""

    def __init__(self, url: str, login: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        # Without it version 16 answers a page about forged requests, with 200.
        self._session.headers["Referer"] = f"{self._url}/index.php"
        self._token = _token(self._get("/index.php"))
        self._log_in(login, password)

    def close(self) -> None:
        self._session.close()

    def ring_up(self, product: int, customer: int | None = None) -> int:
        page = self._act("addline", idproduct=product, qty=1)
        if customer is not None:
            chosen = {"contextpage": "poslist", "idcustomer": customer, "place": 0}
            self._get("/societe/list.php", action="change", token=self._token, **chosen)
        found = re.search(r'placeid\s*=\s*"?(\d+)', page) or re.search(
            r'id="invoiceid"[^>]*value="(\d+)"', page
        )
        assert found, "the till's page names no ticket"
        return int(found.group(1))

    def free_line(self, ticket: int, text: str) -> None:
        known = {"place": 0, "token": self._token, "action": "freezone", "invoiceid": ticket}
        answer = self._session.post(
            f"{self._url}/takepos/invoice.php",
            params={**known, "number": 0, "tva_tx": 20},
            data={"desc": text},
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()

    def pay(self, ticket: int, mode: str) -> None:
        self._act("valid", pay=mode, amount=0, excess=0, invoiceid=ticket)

    def discard(self, ticket: int) -> None:
        self._act("delete", placeid=ticket)

    def change_quantity(self, line: int, quantity: int) -> None:
        self._act("updateqty", idline=line, number=quantity)

    def delete_line(self, line: int) -> None:
        self._act("deleteline", idline=line)

    def credit_note(self, ticket: int) -> None:
        try:
            self._act("creditnote", invoiceid=ticket)
        except requests.HTTPError as error:
            raise TillBrokeError from error

    def _log_in(self, login: str, password: str) -> None:
        form = {"token": self._token, "actionlogin": "login", "loginfunction": "loginfunction"}
        address = f"{self._url}/index.php?mainmenu=home"
        answer = self._session.post(
            address, data={**form, "username": login, "password": password}, timeout=TIMEOUT_S
        )
        assert "user/logout.php" in answer.text, "the till's login was refused"
        page = self._get("/takepos/index.php", setterminal=1)
        self._token = _token(page) or _token(answer.text)
        # One fork of 22 sells only within a shift; the others know no such page.
        shift = {"action": "open", "token": self._token, "opening_float": 0}
        self._session.post(f"{self._url}/takepos/ajax/shift.php", data=shift, timeout=TIMEOUT_S)

    def _act(self, action: str, **values: Any) -> str:
        known = {"place": 0, "token": self._token, "action": action}
        return self._get("/takepos/invoice.php", **known, **values)

    def _get(self, path: str, **values: Any) -> str:
        answer = self._session.get(f"{self._url}{path}", params=values, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.text


def _token(page: str) -> str:
    patterns = (
        r'name="token" value="([0-9a-f]+)"',
        r'name="anti-csrf-newtoken" content="([0-9a-f]+)"',
        r"[?&]token=([0-9a-f]{20,})",
    )
    found = (re.search(pattern, page) for pattern in patterns)
    return next((match.group(1) for match in found if match), "")
