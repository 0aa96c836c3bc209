"""balance, history, explain and receipt: what they say, to people and to machines."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from dolisync.ledger.engine import open_engine
from tests.system.place import Place


def documents(place: Place, invoice: object, *more: object) -> list[dict[str, Any]]:
    return list(place.read("explain", invoice, *more)["documents"])


def codes(document: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in document["programs"][0]["reasons"]]


def fits(said: str) -> bool:
    return max(len(line) for line in said.splitlines()) <= 80


# --- balance -------------------------------------------------------------------------------------


def test_balance_by_id_card_code_and_mail(open_shop: Place) -> None:
    card = str(open_shop.standin.shop._card(open_shop.customer("alice"))["barcode"])
    for text_ in (open_shop.customer("alice"), card, "alice@example.org"):
        account = open_shop.read("balance", text_)
        assert account["customer"]["name"] == "Alice Martin"
        assert (account["available"], account["value"]) == ("135", "6.75")


def test_pending_points_are_those_of_unpaid_sales(open_shop: Place) -> None:
    club = open_shop.customer("club")
    assert open_shop.read("balance", club)["pending"] == "112"
    said = open_shop.good("balance", club)
    assert "in sales that are not paid in full yet" in said
    assert fits(said)
    open_shop.standin.shop.pay(open_shop.sale("club half paid"))
    open_shop.good("sync")
    account = open_shop.read("balance", club)
    assert (account["pending"], account["available"]) == ("0", "112")


def test_what_was_returned_of_an_unpaid_sale_is_not_pending(ready: Place) -> None:
    shop = ready.standin.shop
    invoice, _ = ready.new_invoice("elena", "cake", "mug")
    note = shop.credit_note(invoice, [shop.lines(invoice)[1]["rowid"]])
    shop.validate(note)
    ready.good("sync")
    assert ready.read("balance", ready.customer("elena"))["pending"] == "42"


def test_next_reward_and_what_is_missing(open_shop: Place) -> None:
    bruno = open_shop.read("balance", open_shop.customer("bruno"))
    assert bruno["next_reward"]["missing"] == str(100 - int(bruno["available"]))
    assert "points to go" in open_shop.good("balance", open_shop.customer("bruno"))
    assert open_shop.read("balance", open_shop.customer("alice"))["next_reward"] is None
    assert "Reward in reach" in open_shop.good("balance", open_shop.customer("alice"))


def test_lots_and_the_next_expiry(open_shop: Place) -> None:
    account = open_shop.read("balance", open_shop.customer("alice"))
    assert [lot["earned"] for lot in account["lots"]] == ["6", "120", "9"]
    assert account["expiring"] == {"points": "126", "last_day": account["lots"][0]["last_day"]}
    open_shop.good("redeem", open_shop.customer("alice"))
    account = open_shop.read("balance", open_shop.customer("alice"))
    assert [lot["left"] for lot in account["lots"]] == ["26", "9"]
    assert (account["earned"], account["redeemed"]) == ("135", "100")


def test_customer_without_any_points(open_shop: Place) -> None:
    new = open_shop.standin.shop.add_customer("[bold]New[/] \x1b[31mOne")
    account = open_shop.read("balance", new)
    assert (account["balance"], account["lots"], account["expiring"]) == ("0", [], None)
    said = open_shop.good("balance", new)
    assert "[bold]New[/]" in said
    assert "\x1b" not in said
    assert "no movements yet" in open_shop.good("history", new)


def test_known_customer_while_dolibarr_is_down_or_has_deleted_him(open_shop: Place) -> None:
    alice = open_shop.customer("alice")
    open_shop.change('{ env = "DOLIBARR_DATABASE_URL" }', '"sqlite:////nowhere/dolibarr.db"')
    assert open_shop.read("balance", alice)["available"] == "135"
    assert f"customer ({alice})" in open_shop.good("history", alice)
    open_shop.bad("balance", "alice@example.org", code=1)


# --- history -------------------------------------------------------------------------------------


def test_history_is_a_statement(open_shop: Place) -> None:
    alice = open_shop.customer("alice")
    open_shop.good("redeem", alice)
    told = open_shop.read("history", alice)
    balance = Decimal(0)
    for movement in told["movements"]:
        balance += Decimal(movement["points"])
        assert Decimal(movement["balance"]) == balance
    assert [movement["kind"] for movement in told["movements"]] == ["earn"] * 3 + ["redeem"]
    assert fits(open_shop.good("history", alice))


def test_history_limited_to_the_latest(open_shop: Place) -> None:
    alice = open_shop.customer("alice")
    told = open_shop.read("history", alice, "--limit", 1)
    assert (told["total"], len(told["movements"])) == (3, 1)
    assert told["movements"][0]["balance"] == "135"
    assert "the latest 1 of 3; --limit 3 shows all" in open_shop.good(
        "history", alice, "--limit", 1
    )


# --- explain -------------------------------------------------------------------------------------


def test_explain_a_sale_with_its_return(open_shop: Place) -> None:
    sale, note = documents(open_shop, open_shop.sale("clara order"))
    assert (sale["programs"][0]["points"], note["programs"][0]["points"]) == ("49", "-12")
    assert note["return_of"] == sale["id"]
    assert codes(note) == ["return_of"]
    assert sale["programs"][0]["held"] == [{"customer": 4, "points": "49", "forgiven": "0"}]
    same = documents(open_shop, open_shop.sale("clara credit"))
    assert [document["id"] for document in same] == [sale["id"], note["id"]]
    said = open_shop.good("explain", sale["ref"])
    assert "= +49 points; the ledger holds +49" in said
    assert "fingerprint" in said
    assert fits(said)


@pytest.mark.parametrize(
    ("name", "code"),
    [("cash", "pos_customer"), ("given up", "abandoned"), ("club half paid", "not_paid")],
)
def test_explain_why_nothing_was_earned(open_shop: Place, name: str, code: str) -> None:
    (document,) = documents(open_shop, open_shop.sale(name))
    assert code in codes(document)
    assert document["programs"][0]["points"] == "0"
    assert "= 0 points; the ledger holds 0" in open_shop.good("explain", open_shop.sale(name))


def test_explain_what_the_ledger_does_not_know_and_write_nothing(ready: Place) -> None:
    (document,) = documents(ready, ready.sale("alice party"))
    assert not document["in_ledger"]
    assert document["programs"][0]["points"] == "120"
    said = ready.good("explain", ready.sale("alice party"))
    assert "not in the ledger: read from Dolibarr just now" in said
    assert "not in force yet" in said
    held = ready.read("db", "status")["rows"]
    assert held["sale"] == held["posting"] == 0
    with open_engine(f"sqlite:///{ready.ledger}").connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM rule_set")).scalar() == 0
        connection.engine.dispose()


def test_explain_a_return_whose_sale_is_not_known_either(ready: Place) -> None:
    note = documents(ready, ready.sale("clara credit"))
    assert [document["programs"][0]["points"] for document in note] == ["49", "-12"]


def test_explain_a_draft(open_shop: Place) -> None:
    for name in (open_shop.sale("draft"), f"(PROV{open_shop.sale('draft')})"):
        (document,) = documents(open_shop, name)
        assert codes(document) == ["draft"]
        assert not document["in_ledger"]


def test_explain_all_that_bear_one_number(open_shop: Place) -> None:
    """A deleted invoice's number is given to the next one; the ledger knows both by rowid."""
    shop = open_shop.standin.shop
    gone, ref = open_shop.new_invoice("elena", "cake")
    open_shop.good("sync")
    shop.delete_invoice(gone)
    open_shop.good("reconcile")
    second, same_ref = open_shop.new_invoice("bruno", "mug")
    assert same_ref == ref
    told = {document["id"]: document for document in documents(open_shop, ref)}
    assert set(told) == {gone, second}
    assert told[gone]["vanished_at"]
    assert not told[second]["in_ledger"]


def test_explain_live_says_what_changed_since(open_shop: Place) -> None:
    rowid = open_shop.sale("club half paid")
    open_shop.standin.shop.pay(rowid)
    (before,) = documents(open_shop, rowid)
    assert (before["programs"][0]["points"], before["differs_from_ledger"]) == ("0", False)
    (now,) = documents(open_shop, rowid, "--live")
    assert (now["programs"][0]["points"], now["differs_from_ledger"]) == ("112", True)
    assert now["programs"][0]["held"] == []
    assert "changed in Dolibarr since" in open_shop.good("explain", rowid, "--live")
    assert open_shop.read("balance", open_shop.customer("club"))["available"] == "0"


def test_explain_by_the_rules_of_the_sale_s_own_day(open_shop: Place) -> None:
    open_shop.change("points = 1\n\n# The step", "points = 3\n\n# The step")
    (document,) = documents(open_shop, open_shop.sale("alice party"))
    assert document["programs"][0]["points"] == "120"
    assert open_shop.read("verify")["holds"]


@pytest.mark.parametrize("language", ["de", "es", "fr", "it"])
def test_explain_in_another_language(open_shop: Place, language: str) -> None:
    names = ("clara order", "given up")
    for sale in (open_shop.sale(name) for name in names):
        said = open_shop.good("explain", sale, "--language", language)
        assert fits(said)
        assert not re.search(r"\b(the|ledger|points for|counted)\b", said)
        in_english = documents(open_shop, sale)[0]["programs"][0]["reasons"]
        reasons = documents(open_shop, sale, "--language", language)[0]["programs"][0]["reasons"]
        assert [(one["code"], one["values"]) for one in reasons] == [
            (one["code"], one["values"]) for one in in_english
        ]
        # A person and a machine read the same sentence.
        assert " ".join(reasons[0]["text"].split()) in " ".join(said.split())


def test_explain_speaks_the_language_of_the_source(open_shop: Place) -> None:
    open_shop.change('language = "en"', 'language = "it"')
    said = open_shop.good("explain", open_shop.sale("clara order"))
    assert "importo contato, IVA inclusa" in said
    assert "reso di" in said


def test_explain_one_program_only(open_shop: Place) -> None:
    (document,) = documents(open_shop, open_shop.sale("alice party"), "--program", "loyalty")
    assert len(document["programs"]) == 1


# --- receipt -------------------------------------------------------------------------------------


def test_receipt_in_the_customer_s_language(open_shop: Place) -> None:
    told = open_shop.read("receipt", open_shop.sale("alice party"))
    assert (told["language"], told["customer_name"]) == ("fr", "Alice Martin")
    (points,) = told["points"]
    assert (points["earned"], points["balance"]) == ("120", "126")
    assert (points["rule_points"], points["rule_amount"]) == ("100", "5")
    assert points["last_day"]
    said = open_shop.good("receipt", open_shop.sale("alice party"))
    assert "Le Fournil" in said
    assert "+120 points" in said
    assert max(len(line) for line in said.splitlines()) <= 48
    narrow = open_shop.good("receipt", open_shop.sale("alice party"), "--width", 58)
    assert max(len(line) for line in narrow.splitlines()) <= 32


def test_receipt_of_a_return_takes_points_back(open_shop: Place) -> None:
    told = open_shop.read("receipt", open_shop.sale("clara credit"))
    assert told["is_return"]
    assert told["points"][0]["earned"] == "-12"
    assert told["points"][0]["last_day"] is None


def test_receipt_shows_what_is_pending(open_shop: Place) -> None:
    (points,) = open_shop.read("receipt", open_shop.sale("club half paid"))["points"]
    assert (points["earned"], points["pending"], points["balance"]) == ("0", "112", "0")


def test_receipt_of_an_anonymous_sale_says_nothing_of_points(open_shop: Place) -> None:
    assert open_shop.read("receipt", open_shop.sale("cash"))["points"] == []


def test_receipt_as_a_page_in_a_file(open_shop: Place) -> None:
    path = open_shop.folder / "receipt.html"
    words = ("--html", "--language", "it", "--output", path)
    assert open_shop.good("receipt", open_shop.sale("alice party"), *words) == ""
    page = path.read_text(encoding="utf-8")
    assert page.lstrip().startswith("<!DOCTYPE html>") or page.lstrip().startswith("<!doctype")
    assert 'lang="it"' in page


# --- several programs ----------------------------------------------------------------------------


def test_two_programs_side_by_side(ready: Place) -> None:
    second = """\
[[program]]
name = "visits"
title = "Visits"
field_prefix = "vis"
start = 2020-01-01
[program.earn.visit]

# Receipts."""
    ready.change("# Receipts.", second)
    ready.good("setup", "--yes")
    ready.good("sync")
    alice = ready.customer("alice")
    assert "add --program with one of: loyalty, visits" in ready.bad("balance", alice)
    assert ready.read("balance", alice, "--program", "visits")["available"] == "2"
    assert ready.read("history", alice, "--program", "loyalty")["total"] == 3
    (document,) = documents(ready, ready.sale("alice party"))
    assert [judged["program"] for judged in document["programs"]] == ["loyalty", "visits"]
    (document,) = documents(ready, ready.sale("alice party"), "--program", "visits")
    assert [judged["program"] for judged in document["programs"]] == ["visits"]
    assert len(ready.read("receipt", ready.sale("alice party"))["points"]) == 2


# --- the keys that machines rely on --------------------------------------------------------------

MOVEMENT = {"key", "date", "recorded_at", "kind", "sale", "points", "balance", "reason"}
DOCUMENT = {
    *("source", "id", "ref", "kind", "status", "date", "customer", "total", "return_of"),
    "customer_in_dolibarr",
    *("in_ledger", "read_live", "differs_from_ledger", "first_seen_at", "vanished_at"),
    *("parked", "revision", "fingerprint", "programs", "rewards"),
}
KEYS: dict[str, set[str]] = {
    "balance 2": {
        *("customer", "program", "currency", "available", "pending", "balance", "debt", "value"),
        *("earned", "redeemed", "expired", "adjusted", "expiring", "next_reward", "lots"),
        *("tier", "badges"),
    },
    "balance 2 > lots": {"earned", "left", "usable_from", "last_day", "sale"},
    "balance 3 > next_reward": {
        *("name", "title", "points", "amount", "percent", "product", "missing"),
    },
    "balance 2 > customer": {"source", "id", "name"},
    "balance 2 > expiring": {"points", "last_day"},
    "history 2": {"customer", "program", "total", "movements", "tiers_by_hand"},
    "history 2 > movements": MOVEMENT,
    "explain 3": {"invoice", "documents"},
    "explain 3 > documents": DOCUMENT,
    "explain 3 > documents > programs": {
        *("program", "rule_set", "rules_since", "points", "pending", "earned_on", "last_day"),
        *("held", "reasons", "without_effect"),
    },
    "explain 3 > documents > programs > held": {"customer", "points", "forgiven"},
    "explain 3 > documents > programs > reasons": {"code", "text", "values"},
    "receipt 3": {
        *("shop_name", "ref", "date", "is_return", "customer_name", "language", "currency"),
        *("lines", "total", "payments", "points", "claim", "codes", "page_url"),
    },
    "verify": {"holds", "sales", "members", "postings", "breaches"},
    "outbox list": {"counts", "rows"},
    "outbox list --state written > rows": {
        *("id", "kind", "source", "object", "token", "state", "attempts", "not_before"),
        *("last_error", "created_at", "updated_at"),
    },
    "outbox retry --all": {"opened"},
    "db status": {"url", "state", "revision", "wanted", "rows"},
    "db backup": {"backup", "bytes"},
    "db upgrade": {"before", "revision", "backup"},
    "check": {"fit", "findings"},
    "check > findings": {"about", "level", "topic", "message", "remedy"},
    "setup": {"source", "steps"},
    "setup > steps": {"what", "state", "statement", "reason"},
    "sync > shop": {
        *("read", "changed", "postings", "given", "taken", "issued", "written", "failed"),
        "requests",
        "tiers_set",
        *("dead", "problem"),
    },
    "reconcile": {
        *("compared", "changed", "vanished", "returned_discounts", "trimmed_discounts"),
        *("overspent_discounts", "adopted_discounts", "unknown_discounts", "drift"),
    },
    "backfill plan --from 2020-01-01": {
        *("from", "to", "read", "changed", "postings", "given", "taken", "members", "months"),
        "known_changed",
        "new_members",
        "pending",
    },
    "backfill run --from 2020-01-01": {
        *("from", "to", "read", "changed", "postings", "given", "taken", "members", "months"),
        *("batch", "known_changed", "new_members", "pending"),
    },
    "voucher list": {"vouchers"},
    "voucher issue --amount 5 --reason x": {
        *("customer", "code", "kind", "state", "balance", "usable", "currency", "valid_until"),
        *("source", "customer_id", "made_at"),
    },
    "voucher batch --count 1 --amount 5": {"made", "batch", "title", "vouchers"},
    "campaigns": {"programs"},
    "campaigns > programs": {"program", "campaigns"},
    "rules": {"rules"},
    "rules > rules": {"rules", "since", "in_force", "sales", "changes"},
    "rewards": {"program", "rewards"},
    "rewards > rewards": {
        *("percent", "at_most", "product"),
        *("name", "title", "points", "amount", "first_day", "last_day", "left", "available"),
        "why_not",
    },
    "batches": {"batches"},
    "batches > batches": {"batch", "kind", "title", "state", "made_at", "undone_at", "points"},
    "adjust 2 5 --reason x": {
        *("customer", "program", "key", "points", "balance_before", "balance_after"),
        *("available", "debt", "last_day", "reason"),
    },
    "redeem 2": {
        *("customer", "program", "token", "reward", "points", "amount", "state", "reason"),
        *("problem", "in_dolibarr", "available"),
    },
}


def test_keys_of_json_are_stable(open_shop: Place) -> None:
    """A script that reads them must go on working: keys are added, never renamed or removed."""
    answers: dict[str, Any] = {}
    for wanted, keys in KEYS.items():
        command, *path = wanted.split(" > ")
        if command not in answers:
            answers[command] = json.loads(open_shop.good(*command.split(), "--json"))
        found = answers[command]
        for key in path:
            found = found[key]
            found = found[0] if isinstance(found, list) else found
        assert set(found) == keys, wanted
