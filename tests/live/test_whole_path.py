"""The whole path on a real Dolibarr: an office invoice, a sale at the till, points on the card.

Environment: DOLISYNC_LIVE_URL, _KEY, _DATABASE_URL, and for the pages _LOGIN, _PASSWORD,
_POS_CUSTOMER (the till's default customer), _PRODUCT (a product to sell; 1 if left out),
_TIMEZONE (PHP's; told by version 20 and later).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

import cli
from tests.live.pages import Pages

pytestmark = pytest.mark.live

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

    def dolisync(self, *arguments: str) -> str:
        result = CliRunner().invoke(cli.main, ["--config", str(self.config), *arguments])
        assert result.exit_code == 0, result.output
        return result.output


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
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


def an_office_invoice(shop: Shop, customer: int) -> int:
    line = {"desc": "Atelier", "subprice": 100, "qty": 1, "tva_tx": 20, "product_type": 1}
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


def test_office_and_till_sales_reach_the_customer_card(shop: Shop) -> None:
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    customer = a_customer(shop)
    an_office_invoice(shop, customer)
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    till = pages.open_till()
    till.add(int(setting("PRODUCT", "1")), 10)
    till.choose(customer)
    till.pay("LIQ")

    shop.dolisync("sync")

    ticket = shop.rest("GET", f"/invoices/{till.invoice}")
    earned = 120 + int(float(ticket["total_ttc"]))
    card = pages.customer_card(customer)
    assert "Points de fidélité" in card
    assert f">{earned}<" in card.replace(" ", "").replace("\n", ""), "the card shows the balance"
    assert ticket["ref"] in card
    assert shop.dolisync("verify")
    assert ticket["ref"] in shop.dolisync("receipt", ticket["ref"])


def test_a_second_turn_changes_nothing(shop: Shop) -> None:
    shop.dolisync("db", "upgrade")
    an_office_invoice(shop, a_customer(shop))
    shop.dolisync("sync")
    assert "nothing new" in shop.dolisync("sync")


def test_a_discount_bought_with_points_stands_on_the_card_and_is_revoked(shop: Shop) -> None:
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    customer = a_customer(shop)
    an_office_invoice(shop, customer)
    shop.dolisync("sync")
    redeemed = shop.dolisync("redeem", str(customer))
    token = next(word for word in redeemed.split() if word.startswith("DS-"))
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    assert token in pages.get("/comm/remx.php", id=customer)
    shop.dolisync("redeem", "--revoke", token)
    assert token not in pages.get("/comm/remx.php", id=customer)
    assert '"balance": "120"' in shop.dolisync("balance", str(customer), "--json").replace(
        '"balance": 120', '"balance": "120"'
    )
