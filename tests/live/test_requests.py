"""Staff ask on a real Dolibarr's customer card: who may is obeyed, others see why not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.dolibarr_database import Database, open_engine
from tests.contract.office import RealOffice
from tests.contract.site import unique
from tests.live.pages import Pages
from tests.live.place import Shop, a_customer, setting

pytestmark = pytest.mark.live


@pytest.fixture
def office(shop: Shop) -> Iterator[RealOffice]:
    engine = open_engine(setting("DATABASE_URL"))

    def execute(sql: str, *values: object) -> int:
        with Database(engine).writing("a test") as writer:
            return writer.change(sql, values)

    yield RealOffice(shop.url, setting("LOGIN"), setting("PASSWORD"), execute)
    engine.dispose()


def test_points_and_a_discount_asked_for_on_the_card(shop: Shop, office: RealOffice) -> None:
    jeanne, paul, group = unique("jeanne"), unique("paul"), unique("Loyalty ")
    office.user(jeanne, group)
    office.user(paul, unique("Sales "))
    text = shop.config.read_text(encoding="utf-8")
    groups = f'staff_requests = true\nrequest_groups = ["{group}"]\n[[program]]'
    shop.config.write_text(text.replace("[[program]]", groups, 1), encoding="utf-8")
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    said = {one["message"] for one in shop.read("check")["findings"]}
    assert "the agenda notes who saves a card, and the groups are there" in said
    customer = a_customer(shop)
    shop.dolisync("sync")

    def ask(login: str, **fields: object) -> str:
        for name, value in fields.items():
            office.edit_field(customer, f"loy{name}", value, login)
        shop.dolisync("sync")
        options = shop.rest("GET", f"/thirdparties/{customer}")["array_options"]
        left = {name: value for name, value in options.items() if name.startswith("options_loy")}
        assert not any(left[f"options_loy{name}"] for name in ("adjust", "reason", "redeem"))
        return str(options["options_loyanswer"])

    assert f"{paul} n'a pas ce droit ; autorisés : {group}" in ask(paul, reason="x", adjust=500)
    answer = ask(jeanne, reason="Geste d'été & accueil", adjust=230)
    assert f"{jeanne}: +230 : c'est fait, solde 230 points" in answer
    answer = ask(jeanne, redeem="discount")
    assert "5,00\xa0€ pour 100 points sur la fiche, solde 130 points" in answer
    assert shop.read("verify")["holds"] is True


def test_a_form_saved_whole(shop: Shop, office: RealOffice) -> None:
    text = shop.config.read_text(encoding="utf-8")
    shop.config.write_text(text.replace("[[program]]", "staff_requests = true\n[[program]]", 1))
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    customer = a_customer(shop)
    office.save_form(
        office.open_form(customer), loyadjust="250", loyreason="Reprise", loyredeem="max"
    )
    shop.dolisync("sync")
    answer = shop.rest("GET", f"/thirdparties/{customer}")["array_options"]["options_loyanswer"]
    assert "+250 : c'est fait, solde 250 points; 12,50\xa0€ pour 250 points" in answer
    office.save_form(office.open_form(customer))
    shop.dolisync("sync")
    assert shop.read("balance", str(customer))["balance"] == "0"
    # The discount stands where Dolibarr's own screens offer it.
    assert "12" in office._as().get("/comm/remx.php", id=customer)


def test_the_receipt_of_nobody_is_claimed_on_the_card(shop: Shop, office: RealOffice) -> None:
    text = shop.config.read_text(encoding="utf-8")
    asked = text.replace("[[program]]", "staff_requests = true\n[[program]]", 1)
    shop.config.write_text(f"{asked}\n[claims]\ndays = 3\n", encoding="utf-8")
    shop.dolisync("setup", "--yes")
    shop.dolisync("db", "upgrade")
    shop.dolisync("sync")
    pages = Pages(shop.url)
    pages.log_in(setting("LOGIN"), setting("PASSWORD"))
    till = pages.open_till()
    till.add(int(setting("PRODUCT", "1")), 2)
    till.pay("LIQ")
    shop.dolisync("sync")
    ref = shop.rest("GET", f"/invoices/{till.invoice}")["ref"]
    code = shop.read("receipt", ref)["claim"]["code"]

    def ask(customer: int) -> str:
        office.edit_field(customer, "loyclaim", code)
        shop.dolisync("sync")
        options = shop.rest("GET", f"/thirdparties/{customer}")["array_options"]
        assert not options["options_loyclaim"]
        return str(options["options_loyanswer"])

    zoe, yan = a_customer(shop), a_customer(shop)
    assert f"ticket {ref} : +24, solde 24 points" in ask(zoe)
    assert f"le ticket {ref} est déjà à quelqu'un" in ask(yan)
    assert shop.read("balance", str(zoe))["balance"] == "24"
    assert shop.read("verify")["holds"] is True
