"""The office's desk: what no REST call does, on the stand-in or through Dolibarr's own pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from tests.live.pages import Pages

Execute = Callable[..., int]


class Office(Protocol):
    """What a clerk does in the forms of invoices."""

    def replace(self, invoice: int) -> int:
        """Open the draft that is to replace an invoice."""

    def credit_same_lines(self, invoice: int, customer: int) -> int:
        """Open a credit note that has the lines of an invoice."""

    def user(self, login: str, group: str) -> int:
        """Make a user in a group, with the rights of a clerk."""

    def edit_field(self, customer: int, name: str, value: object, login: str = "admin") -> None:
        """Change one extra field of a customer card by the pencil beside it."""

    def open_form(self, customer: int, login: str = "admin") -> Any:
        """Open the form of a customer card."""

    def save_form(self, form: Any, **values: object) -> None:
        """Save it as it was opened, but for these extra fields."""


class StandInOffice:
    """The desk of a stand-in."""

    def __init__(self, shop: Any) -> None:
        self._shop = shop
        self._users = {"admin": 1}

    def replace(self, invoice: int) -> int:
        return int(self._shop.replace(invoice))

    def credit_same_lines(self, invoice: int, customer: int) -> int:
        assert self._shop.invoice(invoice)["fk_soc"] == customer
        return int(self._shop.credit_note(invoice))

    def user(self, login: str, group: str) -> int:
        self._users[login] = int(self._shop.add_user(login, group))
        return self._users[login]

    def edit_field(self, customer: int, name: str, value: object, login: str = "admin") -> None:
        self._shop.edit_customer_field(customer, name, value, self._users[login])

    def open_form(self, customer: int, login: str = "admin") -> Any:
        return customer, self._shop.customer_fields(customer), self._users[login]

    def save_form(self, form: Any, **values: object) -> None:
        customer, held, user = form
        self._shop.save_customer_card(customer, {**held, **values}, user)


CLERK = (11, 12, 121, 122, 262)


class RealOffice:
    """Dolibarr's own forms. Further users are made in its tables, with the first one's password."""

    def __init__(self, url: str, login: str, password: str, execute: Execute) -> None:
        self._url, self._password, self._execute = url, password, execute
        self._sessions: dict[str, Pages] = {}
        self._login = login

    def replace(self, invoice: int) -> int:
        return self._as().replace_invoice(invoice, datetime.now(UTC).date())

    def credit_same_lines(self, invoice: int, customer: int) -> int:
        return self._as().credit_same_lines(invoice, customer, datetime.now(UTC).date())

    def user(self, login: str, group: str) -> int:
        self._execute(
            "INSERT INTO llx_user (entity, login, lastname, pass_crypted, statut, datec)"
            " SELECT 1, %s, %s, pass_crypted, 1, NOW() FROM llx_user WHERE login = %s",
            login,
            login,
            self._login,
        )
        self._execute("INSERT IGNORE INTO llx_usergroup (nom, entity) VALUES (%s, 1)", group)
        self._execute(
            "INSERT INTO llx_usergroup_user (entity, fk_user, fk_usergroup) SELECT 1, u.rowid,"
            " g.rowid FROM llx_user u JOIN llx_usergroup g WHERE u.login = %s AND g.nom = %s",
            login,
            group,
        )
        for right in CLERK:
            self._execute(
                "INSERT INTO llx_user_rights (entity, fk_user, fk_id)"
                " SELECT 1, rowid, %s FROM llx_user WHERE login = %s",
                right,
                login,
            )
        return 0

    def edit_field(self, customer: int, name: str, value: object, login: str = "admin") -> None:
        self._as(login).edit_field("customer", customer, name, value)

    def open_form(self, customer: int, login: str = "admin") -> Any:
        return login, self._as(login).open_customer_form(customer)

    def save_form(self, form: Any, **values: object) -> None:
        login, held = form
        self._as(login).save_customer_form(held, **values)

    def _as(self, login: str | None = None) -> Pages:
        login = login or self._login
        if login not in self._sessions:
            pages = Pages(self._url)
            pages.log_in(login, self._password)
            self._sessions[login] = pages
        return self._sessions[login]
