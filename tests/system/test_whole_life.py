"""From an empty folder to a drained outbox: every command, as an owner uses them one by one."""

from __future__ import annotations

import re
import stat

from tests.system.place import Place


def test_from_init_to_verify(place: Place) -> None:
    place.configure()
    assert stat.S_IMODE(place.config.stat().st_mode) == 0o600
    looked = place.call("check")
    assert looked.code == 1
    assert "dolisync db upgrade" in looked.out
    assert "dolisync setup" in looked.out

    assert "8 planned" in place.good("setup", "--dry-run")
    assert "8 done" in place.good("setup", "--yes")
    again = place.read("setup", "--yes")
    assert {step["state"] for step in again["steps"]} == {"present"}

    assert "is ready" in place.good("db", "upgrade")
    assert "is up to date" in place.good("db", "upgrade")
    assert "all is well" in place.good("check")

    first = place.read("sync")["shop"]
    assert first["changed"] == 19
    assert first["failed"] == first["dead"] == 0
    assert place.read("sync")["shop"]["changed"] == 0
    assert place.read("verify")["holds"]

    account = place.read("balance", "alice@example.org")
    assert account["available"] == "135"
    assert "135" in place.good("balance", place.customer("alice"))
    assert place.read("history", place.customer("alice"))["total"] == 3

    token = redeem(place)
    assert token in place.good("history", place.customer("alice"))
    assert place.read("balance", place.customer("alice"))["available"] == "35"
    assert place.read("redeem", "--revoke", token)["state"] == "revoked"
    assert place.read("balance", place.customer("alice"))["available"] == "135"
    place.bad("redeem", "--revoke", token)

    said = place.good("adjust", place.customer("alice"), "-5", "--reason", "counted twice")
    assert "-5 points; balance 135 before, 130 now" in said
    assert "counted twice" in place.good("history", place.customer("alice"))

    assert "the ledger holds" in place.good("verify")
    assert "0 dead" in place.good("outbox", "list")


def redeem(place: Place) -> str:
    """Buy a discount with alice's points, and find it on her card in Dolibarr."""
    bought = place.read("redeem", place.customer("alice"))
    assert (bought["state"], bought["amount"], bought["points"]) == ("open", "5", "100")
    (rowid,) = bought["in_dolibarr"]["ids"]
    discount = place.standin.shop.discount(rowid)
    assert discount["fk_soc"] == place.customer("alice")
    assert bought["token"] in discount["description"]
    return str(bought["token"])


def test_backfill_twice_changes_nothing_the_second_time(ready: Place) -> None:
    days = ("backfill", "run", "--from", "2020-01-01")
    planned = ready.read("backfill", "plan", "--from", "2020-01-01")
    assert ready.read("db", "status")["rows"]["sale"] == 0
    assert "Plan: read 19 sales" in ready.good("backfill", "plan", "--from", "2020-01-01")
    done = ready.read(*days)
    assert done["changed"] == 19
    assert done["batch"] in ready.good("batches")
    assert {**planned, "batch": done["batch"]} == done
    again = ready.read(*days)
    assert (again["read"], again["changed"], again["postings"]) == (19, 0, 0)
    assert "19 of the sales are known already" in ready.good(*days, "--yes")
    assert ready.read("verify")["holds"]


def test_a_backfill_is_taken_back_and_brought_again(ready: Place) -> None:
    days = ("backfill", "run", "--from", "2020-01-01")
    first = ready.read(*days)
    alice = ready.customer("alice")
    before = ready.read("balance", alice)["balance"]
    planned = ready.read("undo", first["batch"], "--plan")
    assert planned["sales"] == 19
    assert ready.read("balance", alice)["balance"] == before
    assert f"{first['batch']} is undone." in ready.good("undo", first["batch"], "--yes")
    assert ready.read("balance", alice)["balance"] == "0"
    # Neither a turn nor the comparison of the night brings them back.
    ready.good("sync")
    ready.good("reconcile")
    assert ready.read("balance", alice)["balance"] == "0"
    assert ready.read("verify")["holds"]
    ready.good(*days, "--yes")
    assert ready.read("balance", alice)["balance"] == before
    assert ready.read("verify")["holds"]


def test_backfill_asks_before_it_begins(ready: Place) -> None:
    answer = ready.call("backfill", "run", "--from", "2020-01-01", typed="n\n")
    assert answer.code == 1
    assert ready.read("db", "status")["rows"]["sale"] == 0


def test_reconcile_after_a_deletion(ready: Place) -> None:
    ready.change('moment = "paid"', 'moment = "validated"')
    invoice, ref = ready.new_invoice("elena", "cake")
    ready.good("sync")
    before = ready.read("balance", ready.customer("elena"))["balance"]
    ready.standin.shop.delete_invoice(invoice)
    assert ready.read("sync")["shop"]["changed"] == 0
    assert ready.read("reconcile")["vanished"] == 1
    after = ready.read("balance", ready.customer("elena"))["balance"]
    assert int(before) - int(after) == 42
    assert "no longer exists in Dolibarr" in ready.good("explain", ref)
    assert "dolisync explain" in ready.bad("receipt", ref)
    assert ready.read("verify")["holds"]


def test_shadow_mode_reads_and_writes_nothing(place: Place) -> None:
    place.configure()
    place.change('#write = "auto"', 'write = "nothing"')
    place.good("db", "upgrade")
    assert "nothing is written here" in place.good("check")
    assert place.read("sync")["shop"]["written"] == 0
    said = place.bad("redeem", place.customer("alice"))
    assert 'write = "nothing"' in said
    place.good("adjust", place.customer("alice"), 10, "--reason", "welcome")
    assert place.read("outbox", "list")["rows"] == []


def test_by_rest_alone(place: Place) -> None:
    key = ("--url", place.standin.url, "--api-key-env", "DOLIBARR_API_KEY")
    zone = ("--timezone", "Europe/Paris", "--ledger", place.ledger)
    place.good("init", *key, *zone, "--pos-customer", place.standin.pos_customer)
    place.good("db", "upgrade")
    place.good("setup", "--yes")
    assert "discounts need a database account" in place.good("check")
    assert place.read("sync")["shop"]["dead"] == 0
    assert place.read("balance", place.customer("alice"))["available"] == "135"
    said = place.bad("redeem", place.customer("alice"))
    assert "discounts need a database account" in said
    assert "name database_url" in said


def test_setup_prints_what_is_left_to_a_person(place: Place) -> None:
    key = place.standin.add_user("nobody", frozenset())
    place.environment["DOLIBARR_API_KEY"] = key
    place.secrets.add(key)
    door = ("--url", place.standin.url, "--api-key-env", "DOLIBARR_API_KEY")
    place.good("init", *door, "--timezone", "Europe/Paris")
    statements = place.good("setup", "--sql").splitlines()
    assert statements
    assert all(re.match(r"(ALTER TABLE|INSERT INTO) llx_.*;$", line) for line in statements)
