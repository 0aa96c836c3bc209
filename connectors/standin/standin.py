"""The stand-in as a whole: tables, staff and HTTP on one state."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from connectors.standin import (
    api_catalog,
    api_invoice_acts,
    api_invoices,
    api_orders,
    api_setup,
    api_stock,
    api_thirdparties,
    dictionaries,
)
from connectors.standin.faults import Faults
from connectors.standin.rights import LEAST, SEE_ALL_CUSTOMERS, ApiUser
from connectors.standin.shop import Shop
from connectors.standin.store import Clock, Store, system_clock
from connectors.standin.web import Server, Site, serve

VERSIONS = ("16.0.3", "20.0.2", "22.0.4")
ROUTES = [
    *api_invoices.ROUTES,
    *api_invoice_acts.ROUTES,
    *api_orders.ROUTES,
    *api_stock.ROUTES,
    *api_thirdparties.ROUTES,
    *api_catalog.ROUTES,
    *api_setup.ROUTES,
    *dictionaries.ROUTES,
]
USERS = [
    ApiUser(1, "admin", "standin-admin-0123456789", admin=True),
    ApiUser(2, "dolisync", "standin-least-0123456789", rights=LEAST),
    ApiUser(3, "blind", "standin-blind-0123456789", rights=LEAST - {SEE_ALL_CUSTOMERS}),
]
PAYMENT_MODES = [
    (2, "VIR", "Credit Transfer"),
    (3, "PRE", "Direct Debit"),
    (4, "LIQ", "Cash"),
    (6, "CB", "Credit card"),
    (7, "CHQ", "Cheque"),
]
CASH_ACCOUNT, BANK_ACCOUNT = 1, 2
GENERIC_NAME = "TakePOS generic customer"


class StandIn:
    """A small Dolibarr: use it in a `with` block."""

    def __init__(
        self,
        version: str = "20.0.2",
        database_url: str | None = None,
        directory: Path | str | None = None,
        php_timezone: str = "Europe/Paris",
        clock: Clock = system_clock,
        port: int = 0,
    ) -> None:
        if version not in VERSIONS:
            raise ValueError(f"no stand-in for Dolibarr {version}: one of {', '.join(VERSIONS)}")
        self.version = version
        self._own_directory: tempfile.TemporaryDirectory[str] | None = None
        self.database_url = database_url or self._sqlite_url(directory)
        major = int(version.split(".", maxsplit=1)[0])
        self.store = Store(self.database_url, major, clock, php_timezone)
        self.shop = Shop(self.store)
        self.faults = Faults()
        self.users = list(USERS)
        self.api_key, self.least_key, self.blind_key = (user.key for user in USERS)
        self._port = port
        self._site: Site | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    def _sqlite_url(self, directory: Path | str | None) -> str:
        if directory is None:
            self._own_directory = tempfile.TemporaryDirectory(prefix="standin-")
            directory = self._own_directory.name
        return f"sqlite:///{Path(directory).resolve()}/dolibarr.sqlite"

    @property
    def url(self) -> str:
        """Give the address of the shop, without /api/index.php."""
        assert self._site is not None, "the stand-in is not open"
        return self._site.url

    @property
    def pos_customer(self) -> int:
        """Tell the key of the till's generic customer."""
        return self.shop.pos_customer()

    def add_user(self, login: str, rights: frozenset[int]) -> str:
        """Make an API user with exactly these rights and give his key."""
        key = f"standin-{login}-0123456789"
        rowid = self.store.insert(self.store.tables.user, login=login, api_key=key)
        self.users.append(ApiUser(rowid, login, key, rights=rights))
        return key

    def __enter__(self) -> Self:
        """Make what is missing of the tables and open the door."""
        self.store.tables.metadata.create_all(self.store.engine)
        with self.store.transaction():
            if self.store.scalar(sa.select(self.store.tables.user.c.rowid)) is None:
                self._furnish()
        self._site = Site(self.shop, self.version, ROUTES, self.users, self.faults)
        self._server = serve(self._site, self._port)
        # Closing the door waits for as long as this: tests open and close many stand-ins.
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the door and the database."""
        assert self._site is not None
        assert self._server is not None
        assert self._thread is not None
        self._site.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.store.engine.dispose()
        if self._own_directory is not None:
            self._own_directory.cleanup()

    def _furnish(self) -> None:
        """Write what a fresh installation with a till has."""
        for user in USERS:
            self.store.insert(
                self.store.tables.user,
                rowid=user.rowid,
                login=user.login,
                lastname=user.login.capitalize(),
                api_key=user.key,
                admin=int(user.admin),
            )
        for rowid, code, label in PAYMENT_MODES:
            self.store.insert(
                self.store.tables.c_paiement, id=rowid, code=code, libelle=label, type=2
            )
        dictionaries.furnish(self.store)
        self.shop.add_bank_account("CASH1", "Cash desk", cash=True)
        self.shop.add_bank_account("BQ1", "Bank")
        generic = self.shop.add_customer(GENERIC_NAME, code_client=None)
        constants = {
            "MAIN_LANG_DEFAULT": "fr_FR",
            "MAIN_MONNAIE": "EUR",
            "MAIN_MODULE_AGENDA": "1",
            "MAIN_MODULE_COMMANDE": "1",
            "MAIN_MODULE_EXPEDITION": "1",
            "MAIN_AGENDA_ACTIONAUTO_COMPANY_MODIFY": "1",
            "MAIN_INFO_SOCIETE_NOM": "The stand-in",
            "TAKEPOS_NUM_TERMINALS": "1",
            "CASHDESK_ID_THIRDPARTY1": str(generic),
            "CASHDESK_ID_BANKACCOUNT_CASH1": str(CASH_ACCOUNT),
            "CASHDESK_ID_BANKACCOUNT_CB1": str(BANK_ACCOUNT),
            "CASHDESK_ID_BANKACCOUNT_CHEQUE1": str(BANK_ACCOUNT),
        }
        for name, value in constants.items():
            self.shop.set_const(name, value)
