"""dolisync bonus: to one, to a list, with a plan and a way back."""

from __future__ import annotations

from tests.system.place import Place

BONUSES = """

[[program.bonus]]
name = "review"
title = "Thank you for your review"
points = 30

[[program.bonus]]
name = "hello"
title = "Welcome"
points = 5
when = "welcome"
first_day = 2020-01-01
"""


def with_bonuses(place: Place) -> Place:
    text = place.config.read_text(encoding="utf-8")
    place.config.write_text(text + BONUSES, encoding="utf-8")
    return place


def test_a_list_with_its_plan_and_its_end(ready: Place) -> None:
    place, alice = with_bonuses(ready), ready.customer("alice")
    before = int(place.read("balance", alice)["balance"])
    assert "30 points for" in place.good("bonus", "review", alice, "--reason", "five stars")
    assert "already; nothing was given" in place.good("bonus", "review", alice)
    assert int(place.read("balance", alice)["balance"]) == before + 30
    (move, *_) = place.read("history", alice)["movements"]
    assert move["reason"] == "Thank you for your review: five stars"

    guests = place.folder / "guests.csv"
    others = [place.customer(name) for name in ("daisy", "alice")]
    guests.write_text("\n".join(["customer", *map(str, others)]), encoding="utf-8")
    plan = place.read("bonus", "review", "--file", str(guests), "--plan")
    assert (plan["customers"], plan["had_it"], plan["points"]) == (2, 1, "30")
    text = place.good("bonus", "review", "--file", str(guests), "--yes")
    assert "Plan: 30 points, 30 for each of 1 customer" in text
    assert "1 of the list had it already" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    (batch, *_) = place.read("batches")["batches"]
    assert batch["title"] == "Thank you for your review for 2 customers from guests.csv"
    place.good("undo", batch["batch"], "--yes")
    assert place.read("verify")["holds"]


def test_a_welcome_comes_with_the_next_turn(ready: Place) -> None:
    place, alice = with_bonuses(ready), ready.customer("alice")
    for _ in range(2):
        place.good("sync")
        reasons = [move["reason"] for move in place.read("history", alice)["movements"]]
        assert reasons.count("Welcome") == 1


def test_what_is_wrong_is_told(ready: Place) -> None:
    place = with_bonuses(ready)
    guests = place.folder / "guests.csv"
    guests.write_text("customer\n1\n2\n2\nnobody@example.org\n", encoding="utf-8")
    told = place.bad("bonus", "review", "--file", str(guests), lines=5)
    for said in ("line 2:", "line 4: customer 2 stands in line 3", "line 5:"):
        assert said in told
    assert "no bonus named 'x'" in place.bad("bonus", "x", "2")
    assert "name a customer, or a list" in place.bad("bonus", "review")
