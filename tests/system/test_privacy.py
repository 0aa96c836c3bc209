"""One person's data through the command line: exported, and erased."""

from __future__ import annotations

import json
import stat

from tests.system.place import Place


def test_an_export_is_for_the_eyes_of_one(open_shop: Place) -> None:
    alice, file = open_shop.customer("alice"), open_shop.folder / "person.json"
    open_shop.good("privacy", "export", alice, "--to", file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["customer"]["id"] == alice
    assert found == json.loads(open_shop.good("privacy", "export", alice))
    assert "is there already" in open_shop.bad("privacy", "export", alice, "--to", file)


def test_an_erased_person_is_nowhere_and_the_ledger_holds(open_shop: Place) -> None:
    alice = open_shop.customer("alice")
    assert int(open_shop.standin.shop.customer_fields(alice)["loybalance"]) == 135
    answer = open_shop.call("privacy", "erase", alice, "--reason", "request 17", typed="n\n")
    assert "135 points lapse" in answer.out
    assert open_shop.read("balance", alice)["balance"] == "135"
    done = open_shop.read("privacy", "erase", alice, "--reason", "request 17")
    assert (done["accounts"], done["lapsed"]) == (1, {"loyalty": "135"})
    open_shop.good("sync")
    open_shop.good("reconcile")
    assert int(open_shop.standin.shop.customer_fields(alice)["loybalance"]) == 0
    assert open_shop.read("balance", alice)["balance"] == "0"
    assert open_shop.read("verify")["holds"]
    assert "request 17" in open_shop.good("batches")
    assert "cannot be undone" in open_shop.bad("undo", done["batch"], "--yes")
    complaint = open_shop.bad("privacy", "erase", alice, "--reason", "again", "--yes")
    assert "knows nothing of customer" in complaint


def test_the_tills_own_customer_is_nobody_to_erase(open_shop: Place) -> None:
    generic = open_shop.standin.pos_customer
    complaint = open_shop.bad("privacy", "erase", generic, "--reason", "x", "--yes")
    assert "default customer" in complaint
