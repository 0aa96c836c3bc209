"""Points without a purchase on a real Dolibarr: a tag that staff set gives them, once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.live.pages import Pages
from tests.live.place import Shop, a_customer, an_office_invoice, setting

pytestmark = pytest.mark.live

BONUSES = """

[[program.bonus]]
name = "newsletter"
title = "Merci pour l'inscription"
points = 25
when = "tag"
tag = "{tag}"

[[program.bonus]]
name = "welcome"
title = "Bienvenue"
points = 10
when = "welcome"
"""


@pytest.mark.parametrize("door", ["sql", "rest"])
def test_a_tag_and_a_first_purchase(shop: Shop, door: str) -> None:
    tag = f"Lettre {datetime.now(UTC):%H%M%S%f}"
    text = shop.config.read_text(encoding="utf-8")
    if door == "rest":
        database = 'database_url = { env = "DOLISYNC_LIVE_DATABASE_URL" }\n'
        assert database in text
        text = text.replace(database, "")
    shop.config.write_text(text + BONUSES.format(tag=tag), encoding="utf-8")
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    shop.dolisync("sync")
    made = shop.rest("GET", "/categories?type=customer&limit=1000")
    (rowid,) = (int(row["id"]) for row in made if row["label"] == tag)
    customer, other = a_customer(shop), a_customer(shop)
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))

    def balances() -> tuple[int, int]:
        shop.dolisync("sync")
        found = [shop.read("balance", str(one))["balance"] for one in (customer, other)]
        return int(found[0]), int(found[1])

    pages.tag_customer(customer, add=[rowid])
    assert balances() == (35, 0)
    pages.tag_customer(customer, remove=[rowid])
    assert balances() == (35, 0)
    pages.tag_customer(customer, add=[rowid])
    assert balances() == (35, 0)
    an_office_invoice(shop, other)
    shop.dolisync("sync")
    assert balances()[1] == 120 + 10
    moves = shop.read("history", str(customer))["movements"]
    reasons = [move["reason"] for move in moves]
    assert reasons == ["Merci pour l'inscription", "Bienvenue"]
    assert shop.read("verify")["holds"]
