"""voucher: codes made, printed, used and ended from the command line."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.system.place import Place


@pytest.fixture
def shop(open_shop: Place) -> Place:
    """A shop in which a point is worth something."""
    open_shop.change("[[program]]", '[[program]]\npoint_value = "0.05"')
    return open_shop


def made(shop: Place, *arguments: object) -> str:
    done = shop.read("voucher", "issue", "--amount", "20", "--reason", "late", *arguments)
    return str(done["code"])


def test_a_voucher_of_points_is_drawn_listed_and_given_back(shop: Place) -> None:
    bruno = shop.customer("bruno")
    shop.good("adjust", bruno, 300, "--reason", "live")
    before = shop.read("balance", bruno)["available"]
    card = shop.folder / "card.pdf"
    said = shop.good("voucher", "issue", "--customer", bruno, "--points", 200, "--out", card)
    assert "10.00 EUR" in said
    assert card.read_bytes().startswith(b"%PDF")
    assert stat.S_IMODE(card.stat().st_mode) == 0o600
    assert shop.read("balance", bruno)["available"] == str(int(before) - 200)
    (one,) = shop.read("voucher", "list", "--customer", bruno)["vouchers"]
    assert (one["usable"], one["customer_id"]) == ("10.00", bruno)
    assert one["code"] in said
    assert "DS-" in shop.good("history", bruno)
    done = shop.read("voucher", "revoke", one["code"], "--reason", "no thanks")
    assert (done["state"], done["balance"]) == ("revoked", "0.00")
    assert shop.read("balance", bruno)["available"] == before
    assert "none that can be used" in shop.good("voucher", "list")
    assert shop.read("verify")["holds"] is True


def test_a_code_is_typed_as_people_type(shop: Place) -> None:
    code = made(shop)
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    shop.good("voucher", "use", typed, "12,50", "--reason", "stall")
    shown = shop.read("voucher", "show", typed)
    assert (shown["balance"], shown["code"]) == ("7.50", code)
    assert [(m["kind"], m["amount"]) for m in shown["movements"]] == [
        ("issued", "20.00"),
        ("used", "-12.50"),
    ]
    said = shop.good("voucher", "show", code)
    assert max(len(line) for line in said.splitlines()) <= 80
    wrong = code[:-1] + ("2" if code[-1] == "3" else "3")
    assert "is no code" in shop.bad("voucher", "show", wrong)
    assert "7.50 EUR, not 8" in shop.bad("voucher", "use", code, 8, "--reason", "stall")


def test_a_lost_one_is_blocked_replaced_and_extended(shop: Place) -> None:
    code = made(shop)
    shop.good("voucher", "block", code, "--reason", "lost")
    assert "is blocked" in shop.bad("voucher", "use", code, 1, "--reason", "x")
    picture = shop.folder / "card.png"
    fresh = shop.read("voucher", "replace", code, "--reason", "lost", "--out", picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert fresh["code"] != code
    done = shop.read("voucher", "extend", fresh["code"], "--until", "2099-12-31", "--reason", "x")
    assert (done["valid_until"], done["balance"]) == ("2099-12-31", "20.00")
    assert "is not blocked" in shop.bad("voucher", "unblock", fresh["code"], "--reason", "x")
    shown = shop.read("voucher", "list", "--all")["vouchers"]
    assert [one["state"] for one in shown] == ["replaced", "open"]


def test_a_batch_is_planned_made_printed_and_undone(shop: Place) -> None:
    wanted = ("voucher", "batch", "--count", 12, "--amount", "10", "--title", "fair")
    assert "120.00 EUR in all" in shop.good(*wanted, "--plan")
    assert shop.read("voucher", "list")["vouchers"] == []
    sheets = shop.folder / "sheets.html"
    said = shop.good(*wanted, "--gift-card", "--out", sheets, "--yes")
    token = said.split("B-")[1][:6]
    page = sheets.read_text(encoding="utf-8")
    assert page.count("<svg") == 12
    assert "Gift card" in page
    shown = shop.read("voucher", "list", "--batch", f"B-{token}")["vouchers"]
    assert all(one["code"] in page for one in shown)
    shop.good("voucher", "use", shown[0]["code"], 10, "--reason", "x")
    again = shop.read("voucher", "print", "--batch", f"B-{token}", "--out", shop.folder / "s.pdf")
    assert again["cards"] == 11
    plan = shop.good("undo", f"B-{token}", "--plan")
    assert "12 codes end; 110.00 EUR are on them" in plan
    done = json.loads(shop.good("undo", f"b-{token}", "--yes", "--json"))
    assert len(done["vouchers"]) == 12
    assert "nothing is left" in shop.bad(
        "voucher", "print", "--batch", f"B-{token}", "--out", "x.pdf"
    )
    assert shop.read("verify")["holds"] is True


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("issue",), "--points or --amount"),
        (("issue", "--amount", "1", "--points", "2"), "--points or --amount"),
        (("issue", "--points", "20"), "a customer's own"),
        (("issue", "--amount", "1"), "reason is blank"),
        (("issue", "--amount", "0"), "above zero"),
        (("issue", "--amount", "0.001"), "parts of a cent"),
        (("issue", "--amount", "1", "--reason", "x", "--valid-until", "2020-01-01"), "is past"),
        (("issue", "--amount", "1", "--reason", "x", "--out", "card.doc"), "no form"),
        (("issue", "--amount", "1", "--reason", "x", "--out", "/no/where.pdf"), "does not exist"),
        (("batch", "--count", "0", "--amount", "1"), "cannot be made at once"),
        (("batch", "--count", "2", "--amount", "1", "--out", "a.png"), "no form"),
        (("print", "--out", "a.pdf"), "codes or --batch"),
        (("show", "0000-0000-0000"), "has the code"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_said_in_two_lines(
    shop: Place, words: tuple[str, ...], why: str
) -> None:
    assert why in shop.bad("voucher", *words)
    assert shop.read("voucher", "list", "--all")["vouchers"] == []


def test_the_templates_of_the_shop_are_used(shop: Place, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    (folder / "cards").mkdir(parents=True)
    own = folder / "cards" / "card.svg.j2"
    own.write_text("<svg>{{ card.title }} {{ card.code }}</svg>", encoding="utf-8")
    shop.change("[receipts]", f'[receipts]\ntemplates = "{folder}"')
    picture = shop.folder / "card.svg"
    code = made(shop, "--out", picture)
    assert picture.read_text(encoding="utf-8") == f"<svg>Voucher {code}</svg>"
    own.write_text("{{ card.nothing }}", encoding="utf-8")
    assert "cards/card.svg.j2 does not work" in shop.bad("voucher", "print", code, "--out", picture)


def test_a_member_gets_one_by_himself(shop: Place) -> None:
    shop.change("[reconcile]", "[voucher]\nautomatic_points = 100\n\n[reconcile]")
    bruno = shop.customer("bruno")
    shop.good("adjust", bruno, 250, "--reason", "live")
    before = int(shop.read("balance", bruno)["available"])
    assert shop.read("sync")["shop"]["issued"] >= 2
    assert int(shop.read("balance", bruno)["available"]) == before % 100
    found = shop.read("voucher", "list", "--customer", bruno)["vouchers"]
    assert {one["balance"] for one in found} == {"5.00"}


def test_the_customer_card_shows_what_he_has_and_never_a_code(shop: Place) -> None:
    shop.change("[reconcile]", "[voucher]\n\n[gift_card]\n\n[reconcile]")
    shop.good("setup", "--yes")
    bruno = shop.customer("bruno")
    code = made(shop, "--customer", bruno, "--valid-until", "2099-12-31")
    made(shop, "--customer", bruno, "--gift-card", "--valid-until", "2098-12-31")

    def shown() -> str:
        shop.good("sync")
        return str(shop.standin.shop.customer_fields(bruno)["loycodes"])

    first = shown()
    assert first.startswith("Gift card ...")
    assert first.endswith(f", Voucher ...{code[-4:]} €20.00 (31/12/2099)")
    assert code not in first
    shop.good("voucher", "use", code, 15, "--reason", "stall")
    assert shown().endswith("€5.00 (31/12/2099)")
    shop.good("voucher", "block", code, "--reason", "stolen")
    assert code[-4:] not in shown()


def test_check_looks_for_the_gift_card_s_product(shop: Place) -> None:
    shop.change("[reconcile]", '[gift_card]\nproduct = "GIFT"\n\n[reconcile]')
    shop.good("setup", "--yes")

    def said() -> list[tuple[str, str]]:
        answer = shop.call("check", "--json").json()
        found = [one for one in answer["findings"] if one["topic"] == "gift cards"]
        return [(one["level"], one["message"]) for one in found]

    ((level, message),) = said()
    assert (level, "no product has the reference 'GIFT'" in message) == ("error", True)
    shop.standin.shop.add_product("GIFT", "Gift card", 20, tva_tx=0)
    assert said() == [("ok", "the product 'GIFT' is sold as a gift card")]
    found = shop.call("check", "--json").json()["findings"]
    assert [one["level"] for one in found if one["topic"] == "codes"] == ["ok"]


def test_a_sold_card_stands_on_its_receipt(shop: Place) -> None:
    shop.change("[reconcile]", '[gift_card]\nproduct = "GIFT"\n\n[reconcile]')
    shop.good("setup", "--yes")
    shop.good("sync")
    product = shop.standin.shop.add_product("GIFT", "Gift card", 20, tva_tx=0)
    ticket = shop.standin.shop.pos_sell([(product, 2)])
    shop.good("sync")
    found = shop.read("voucher", "list")["vouchers"]
    assert [one["usable"] for one in found] == ["20.00", "20.00"]
    text = shop.good("receipt", ticket)
    assert all(one["code"] in text for one in found)
    assert "GIFT CARD" in text
    page = shop.good("receipt", ticket, "--html")
    assert page.count("<svg") == 2
    assert shop.read("receipt", ticket)["codes"][0]["is_sold"] is True
    assert shop.read("verify")["holds"] is True
