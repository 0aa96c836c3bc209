"""Tiers through the command line: shown, set by hand, released; on the card."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.system.place import Place

RULES = """
[[program.tier]]
name = "regular"
title = "Regular"
at_least = 5

[[program.tier]]
name = "friend"
title = "Friend of the house"
at_least = 500
multiplier = 2

[[program.reward]]
"""


@pytest.fixture
def tiered(ready: Place) -> Place:
    ready.change("\n[[program.reward]]\n", RULES)
    ready.good("setup", "--yes")
    ready.good("sync")
    return ready


def test_a_tier_is_shown_set_and_released(tiered: Place) -> None:
    alice = tiered.customer("alice")
    shown = tiered.read("tier", alice)["tier"]
    assert (shown["name"], shown["next"], shown["locked"]) == ("regular", "friend", False)
    assert f"{shown['missing']} EUR to Friend of the house" in tiered.good("tier", alice)
    before = int(tiered.read("balance", alice)["balance"])

    said = tiered.good("tier", alice, "friend", "--lock", "--reason", "jury member")
    assert "Friend of the house, set by hand and locked" in said
    assert "jury member" in said
    tiered.good("sync")
    card = tiered.standin.shop.customer_fields(alice)
    assert card["loytier"] == "Friend of the house"
    text = tiered.good("balance", alice)
    assert "Friend of the house" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert int(tiered.read("balance", alice)["balance"]) >= before

    tiered.good("tier", alice, "--release", "--reason", "jury is over")
    assert tiered.read("balance", alice)["tier"]["name"] == "regular"
    assert tiered.read("verify")["holds"] is True


def test_tiers_are_tags_that_staff_change(tiered: Place) -> None:
    tiered.change("#tags = false", "tags = true")
    told = " ".join(tiered.call("check").out.split())
    assert "the customer tag Regular is missing" in told
    tiered.good("setup", "--yes")
    tiered.good("sync")
    shop, alice = tiered.standin.shop, tiered.customer("alice")
    tags = {row["label"]: row["rowid"] for row in shop.store.rows(shop.tables.categorie.select())}
    assert shop.tags_of_customer(alice) == [tags["Regular"]]

    shop.tag_customer(alice, tags["Friend of the house"])
    assert "1 tiers set by staff" in tiered.good("sync")
    assert shop.tags_of_customer(alice) == [tags["Friend of the house"]]
    told = tiered.good("history", alice)
    assert "tag 'Friend of the house' put on the" in told
    assert max(len(line) for line in told.splitlines()) <= 80
    (entry,) = tiered.read("history", alice)["tiers_by_hand"]
    assert (entry["tier"], entry["made_by"]) == ("friend", "Dolibarr")
    assert tiered.read("sync")["shop"]["tiers_set"] == 0
    assert tiered.read("verify")["holds"] is True


def test_mistakes_are_named(tiered: Place) -> None:
    alice = tiered.customer("alice")
    yesterday = (datetime.now(UTC) - timedelta(days=2)).date()
    assert "needs a reason" in tiered.bad("tier", alice, "friend")
    assert "no tier is named 'gold'" in tiered.bad("tier", alice, "gold", "--reason", "x")
    assert "is over already" in tiered.bad(
        "tier", alice, "friend", "--until", yesterday, "--reason", "x"
    )
    assert "no tier is named" in tiered.bad("tier", alice, "--lock", "--reason", "x")
    assert "it sets nothing" in tiered.bad("tier", alice, "friend", "--release", "--reason", "x")


def test_a_program_without_tiers_says_so(open_shop: Place) -> None:
    assert "has no tiers" in open_shop.bad("tier", open_shop.customer("alice"))


def test_many_at_once_and_all_of_it_undone(tiered: Place) -> None:
    told = tiered.good(
        *("tiers", "assign", "friend", "--held", "regular", "--lock"),
        *("--until", "2099-12-31", "--reason", "anniversary", "--plan"),
    )
    assert "Plan: Friend of the house, locked until 2099-12-31, for" in told
    assert f"customer {tiered.customer('alice')}: Regular today" in told
    assert max(len(line) for line in told.splitlines()) <= 80
    assert tiered.read("tier", tiered.customer("alice"))["by_hand"] == []

    done = tiered.good(
        *("tiers", "assign", "friend", "--held", "regular", "--reason", "anniversary"), typed="y\n"
    )
    batch = done.split()[-1]
    alice = tiered.read("tier", tiered.customer("alice"))
    assert alice["tier"]["name"] == "friend"
    assert [entry["reason"] for entry in alice["by_hand"]] == ["anniversary"]
    again = tiered.read("tiers", "assign", "friend", "--everyone", "--reason", "x")
    assert again["members"] == []
    listed = tiered.read("batches")["batches"][0]
    assert (listed["batch"], listed["kind"]) == (batch, "tiers")
    tiered.good("undo", batch, "--yes")
    assert tiered.read("tier", tiered.customer("alice"))["tier"]["name"] == "regular"
    assert tiered.read("verify")["holds"] is True


def test_many_by_a_tag_and_by_a_file(tiered: Place) -> None:
    shop, alice, bruno = tiered.standin.shop, tiered.customer("alice"), tiered.customer("bruno")
    shop.tag_customer(int(alice), shop.add_category("Guests", "customer"))
    by_tag = ("tiers", "assign", "friend", "--tag", "Guests", "--lock", "--reason", "fair")
    found = tiered.read(*by_tag, "--plan")
    assert [one["customer"] for one in found["members"]] == [int(alice)]
    names = tiered.folder / "guests.txt"
    names.write_text(f"alice@example.org\n\n{bruno}\n", encoding="utf-8")
    by_file = ("tiers", "assign", "friend", "--lock", "--reason", "fair", "--file", names)
    found = tiered.read(*by_file)
    assert {one["customer"] for one in found["members"]} == {int(alice), int(bruno)}
    assert found["kind"] == "tiers"
    freed = tiered.read("tiers", "release", "--file", names, "--reason", "over")
    assert len(freed["members"]) == 2
    names.write_text("alice@example.org\nnobody@example.org\n", encoding="utf-8")
    assert "guests.txt, line 2: no customer 'nobody@example.org'" in tiered.bad(*by_file)


def test_mistakes_with_many_are_named(tiered: Place) -> None:
    begin, why = ("tiers", "assign", "friend"), ("--reason", "x")
    assert "it is not said who is meant" in tiered.bad(*begin, *why)
    assert "leaves nobody out" in tiered.bad(*begin, "--everyone", "--held", "regular", *why)
    assert "has no tier 'gold'" in tiered.bad("tiers", "assign", "gold", "--everyone", *why)
    assert "has no tier 'gold'" in tiered.bad(*begin, "--held", "gold", *why)
    assert "no customer tag 'Nobodies'" in tiered.bad(*begin, "--tag", "Nobodies", *why)
    assert "is over already" in tiered.bad(*begin, "--everyone", "--until", "2020-01-01", *why)
