"""dolisync refer and referrals, from the word to the points and back."""

from __future__ import annotations

from tests.system.place import Place

REFERRAL = """

[program.referral]
points = 80
new_points = 30
minimum = 2
"""


def with_referral(place: Place) -> Place:
    text = place.config.read_text(encoding="utf-8")
    place.config.write_text(text + REFERRAL, encoding="utf-8")
    # The rules of today count from the next turn on.
    place.good("sync")
    return place


def test_check_says_how_they_are_noted(ready: Place) -> None:
    said = {one["topic"] for one in with_referral(ready).read("check")["findings"]}
    assert "recommendations" in said


def a_ticket(place: Place, customer: int) -> int:
    sold = place.standin.shop.pos_sell([place.week.products["cake"]], customer, "LIQ")
    place.good("sync")
    return sold


def balance(place: Place, customer: int) -> int:
    return int(place.read("balance", customer)["balance"])


def test_both_have_points_and_lose_them(ready: Place) -> None:
    place, shop = with_referral(ready), ready.standin.shop
    alice, new = ready.customer("alice"), shop.add_customer("Nora Neu")
    before = balance(place, alice)
    assert "was recommended by nobody" in place.good("refer", new)
    said = place.good("refer", new, "alice@example.org")
    assert f"Nora Neu ({new}) was recommended by Alice Martin ({alice}): waits for" in said
    assert (balance(place, alice), balance(place, new)) == (before, 0)

    ticket = a_ticket(place, new)
    earned = balance(place, new) - 30
    assert earned > 0
    assert balance(place, alice) == before + 80
    assert "30 points for the new customer, 80 for who recommended" in place.good("refer", new)
    ref = shop.invoice(ticket)["ref"]
    assert "it brought a recommendation: 30 points" in " ".join(place.good("explain", ref).split())
    (move, *_) = place.read("history", alice)["movements"][::-1]
    assert move["reason"] == "Thank you for recommending us"

    listed = place.good("referrals")
    assert max(len(line) for line in listed.splitlines()) <= 80
    assert "1 of 1 brought a purchase; 110 points" in listed
    (one,) = place.read("referrals")["recommendations"]
    assert (one["new"]["id"], one["by"]["id"], one["result"]) == (new, alice, "given")
    assert (one["new_points"], one["points"], one["noted_by"]) == ("30", "80", "command")

    assert "taken back" in place.good("refer", new, "--none")
    assert (balance(place, alice), balance(place, new)) == (before, earned)
    assert place.read("verify")["holds"]


def test_what_is_wrong_is_told(ready: Place) -> None:
    place, alice = with_referral(ready), ready.customer("alice")
    daisy = ready.customer("daisy")
    new = place.standin.shop.add_customer("Nora Neu")
    assert "nobody can recommend himself" in place.bad("refer", alice, alice)
    assert "name who recommended, or --none" in place.bad("refer", new, alice, "--none")
    assert "no recommendation to take back" in place.bad("refer", new, "--none")
    assert "'CU9999-00012'" in place.bad("refer", new, "CU9999-00012")
    place.good("refer", new, alice)
    assert "was recommended already" in place.bad("refer", new, daisy)
    assert "recommended the other one" in place.bad("refer", alice, new)


def test_without_terms_there_is_nothing_to_note(ready: Place) -> None:
    new = ready.standin.shop.add_customer("Nora Neu")
    assert "gives nothing for recommendations" in ready.bad("refer", new, ready.customer("alice"))
    assert "Nobody was recommended yet" in ready.good("referrals")


def test_simulate_says_what_they_would_have(ready: Place) -> None:
    place, alice = with_referral(ready), ready.customer("alice")
    new = place.standin.shop.add_customer("Nora Neu")
    place.good("refer", new, alice)
    a_ticket(place, new)
    other = place.folder / "other.toml"
    text = place.config.read_text(encoding="utf-8").replace("points = 80", "points = 800")
    other.write_text(text, encoding="utf-8")
    other.chmod(0o600)
    said = place.good("simulate", str(other))
    assert "For recommendations besides: 110 today, 830 then." in said
    (found,) = place.read("simulate", str(other))["programs"]
    assert [found[side]["recommendations"] for side in ("today", "then")] == ["110", "830"]
