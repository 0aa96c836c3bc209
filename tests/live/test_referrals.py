"""Who recommended whom, typed into a real Dolibarr's customer card: both have their points."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.dolibarr_database import Database, open_engine
from tests.contract.office import RealOffice
from tests.contract.site import unique
from tests.live.place import Shop, a_customer, an_office_invoice, setting

pytestmark = pytest.mark.live

REFERRAL = """
[program.referral]
points = 80
new_points = 30
minimum = 50
"""


@pytest.fixture
def office(shop: Shop) -> Iterator[RealOffice]:
    engine = open_engine(setting("DATABASE_URL"))

    def execute(sql: str, *values: object) -> int:
        with Database(engine).writing("a test") as writer:
            return writer.change(sql, values)

    yield RealOffice(shop.url, setting("LOGIN"), setting("PASSWORD"), execute)
    engine.dispose()


def test_a_code_on_the_card_gives_both_their_points(shop: Shop, office: RealOffice) -> None:
    jeanne, paul, group = unique("jeanne"), unique("paul"), unique("Loyalty ")
    office.user(jeanne, group)
    office.user(paul, unique("Sales "))
    text = shop.config.read_text(encoding="utf-8")
    asking = f'staff_requests = true\nevents = true\nrequest_groups = ["{group}"]\n[[program]]'
    text = text.replace("[[program]]", asking, 1) + REFERRAL
    shop.config.write_text(text, encoding="utf-8")
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    giver, new = a_customer(shop), a_customer(shop)
    shop.dolisync("sync")
    code = str(shop.rest("GET", f"/thirdparties/{giver}")["code_client"])

    def ask(words: str, login: str = jeanne, customer: int = new) -> str:
        office.edit_field(customer, "loyrefer", words, login)
        shop.dolisync("sync")
        options = shop.rest("GET", f"/thirdparties/{customer}")["array_options"]
        assert not options["options_loyrefer"]
        return str(options["options_loyanswer"])

    def balances() -> tuple[int, int]:
        shop.dolisync("sync")
        found = [shop.read("balance", str(one))["balance"] for one in (new, giver)]
        return int(found[0]), int(found[1])

    assert f"{paul} n'a pas ce droit" in ask(code, paul)
    assert "aucun client n'a le code CU9911-99999" in ask("CU9911-99999")
    assert "on ne peut pas se parrainer soi-même" in ask(str(new))
    assert "parrainage noté : les points viennent avec un achat" in ask(code)
    assert "ce client a parrainé l'autre" in ask(str(new), customer=giver)
    assert balances() == (0, 0)
    invoice = an_office_invoice(shop, new)
    assert balances() == (120 + 30, 80)
    fields = shop.rest("GET", f"/thirdparties/{giver}")["array_options"]
    assert int(fields["options_loybalance"]) == 80
    # The sale goes: so do the points of both.
    credit = {"socid": new, "type": 2, "fk_facture_source": invoice}
    line = {"desc": "Atelier", "subprice": -100, "qty": 1, "tva_tx": 20, "product_type": 1}
    made = int(shop.rest("POST", "/invoices", {**credit, "lines": [line]}))
    shop.rest("POST", f"/invoices/{made}/validate", {})
    assert balances() == (0, 0)
    an_office_invoice(shop, new)
    assert balances() == (120 + 30, 80)
    assert "parrainage annulé" in ask("-")
    assert balances() == (120, 0)
    reasons = [move["reason"] for move in shop.read("history", str(giver))["movements"]]
    thanks = "Thank you for recommending us"
    assert reasons == [thanks, f"{thanks}: taken back"] * 2
    assert shop.read("verify")["holds"]
