"""A real Dolibarr named by the environment, and a dolisync beside it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

import cli

NEEDED = ("URL", "KEY", "DATABASE_URL", "LOGIN", "PASSWORD", "POS_CUSTOMER")


def setting(name: str, otherwise: str = "") -> str:
    return os.environ.get(f"DOLISYNC_LIVE_{name}", otherwise)


@dataclass
class Shop:
    """A real Dolibarr, its REST door for the office, and a dolisync beside it."""

    url: str
    key: str
    config: Path

    def rest(self, verb: str, path: str, body: object = None) -> Any:
        answer = requests.request(
            verb,
            f"{self.url}/api/index.php{path}",
            json=body,
            headers={"DOLAPIKEY": self.key},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text[:300]
        return answer.json()

    def is_there(self, path: str) -> bool:
        """Tell whether REST shows this."""
        address = f"{self.url}/api/index.php{path}"
        answer = requests.get(address, headers={"DOLAPIKEY": self.key}, timeout=60)
        return answer.status_code == 200

    def dolisync(self, *arguments: str) -> str:
        result = CliRunner().invoke(cli.main, ["--config", str(self.config), *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    def read(self, *arguments: str) -> Any:
        """Run a command with --json."""
        return json.loads(self.dolisync(*arguments, "--json"))


def open_shop(tmp_path: Path) -> Shop:
    """Configure a dolisync with an empty ledger, or skip."""
    missing = [name for name in NEEDED if not setting(name)]
    if missing:
        pytest.skip(f"LIVE TESTS SKIPPED: set DOLISYNC_LIVE_{', _'.join(missing)}")
    config = tmp_path / "config.toml"
    config.touch(mode=0o600)
    config.write_text(
        f"""
[ledger]
url = "sqlite:///{tmp_path}/ledger.db"
[[source]]
url = "{setting("URL")}"
api_key = {{ env = "DOLISYNC_LIVE_KEY" }}
database_url = {{ env = "DOLISYNC_LIVE_DATABASE_URL" }}
timezone = "{setting("TIMEZONE", "UTC")}"
language = "fr"
pos_customers = [{setting("POS_CUSTOMER")}]
[[program]]
start = {datetime.now(UTC).date() - timedelta(days=1)}
[program.earn.amount]
[program.validity]
months = 12
[[program.reward]]
points = 100
amount = 5
"""
    )
    return Shop(setting("URL"), setting("KEY"), config)


def a_customer(shop: Shop) -> int:
    return int(
        shop.rest("POST", "/thirdparties", {"name": "Zoë Live", "client": 1, "code_client": "auto"})
    )


def an_office_invoice(shop: Shop, customer: int, product: int | None = None) -> int:
    line = {"desc": "Atelier", "subprice": 100, "qty": 1, "tva_tx": 20, "product_type": 1}
    if product is not None:
        line["fk_product"] = product
    invoice = int(shop.rest("POST", "/invoices", {"socid": customer, "lines": [line]}))
    shop.rest("POST", f"/invoices/{invoice}/validate", {})
    account = shop.rest("GET", "/bankaccounts")[0]["id"]
    payment = {
        "datepaye": "0",
        "paymentid": 4,
        "closepaidinvoices": "yes",
        "accountid": int(account),
    }
    payment["datepaye"] = str(int(shop.rest("GET", f"/invoices/{invoice}")["date"]) + 43200)
    shop.rest("POST", f"/invoices/{invoice}/payments", payment)
    return invoice
