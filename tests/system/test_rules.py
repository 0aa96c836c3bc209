"""dolisync rules and recompute: versions of the programs, and past sales judged by today's."""

from __future__ import annotations

from tests.system.place import Place

FROM = ("--from", "2020-01-01")


def change(place: Place, old: str, new: str) -> None:
    text = place.config.read_text(encoding="utf-8")
    assert old in text
    place.config.write_text(text.replace(old, new, 1), encoding="utf-8")


def double(place: Place) -> None:
    text = place.config.read_text(encoding="utf-8")
    before, section, after = text.partition("[program.earn.amount]")
    assert section
    doubled = after.replace("\npoints = 1\n", "\npoints = 2\n", 1)
    assert doubled != after
    place.config.write_text(before + section + doubled, encoding="utf-8")


def test_past_sales_judged_again_and_taken_back(open_shop: Place) -> None:
    before = open_shop.read("liability")["programs"][0]["outstanding"]
    told = open_shop.bad("recompute", "run", *FROM, "--yes")
    assert "judged by the rules of today already" in told
    double(open_shop)
    planned = open_shop.read("recompute", "plan", *FROM)
    text = open_shop.good("recompute", "run", *FROM, "--yes")
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "members gain" in text
    (batch, *_) = open_shop.read("batches")["batches"]
    assert batch["kind"] == "recompute"
    (program,) = planned["programs"]
    gained = sum(int(one["points"]) for one in program["members"])
    after = open_shop.read("liability")["programs"][0]["outstanding"]
    assert gained > 0
    assert int(after) >= int(before)
    assert open_shop.read("verify")["holds"]
    assert "Plan: undo" in open_shop.good("undo", batch["batch"], "--plan")
    open_shop.good("undo", batch["batch"], "--yes")
    assert open_shop.read("liability")["programs"][0]["outstanding"] == before
    assert open_shop.read("verify")["holds"]


def test_versions_of_the_rules(open_shop: Place) -> None:
    (first,) = open_shop.read("rules")["rules"]
    assert first["in_force"]
    double(open_shop)
    change(open_shop, "#since = 2027-01-01", "since = 2031-01-01")
    open_shop.good("sync")
    found = open_shop.read("rules")["rules"]
    assert [one["in_force"] for one in found] == [True, False]
    assert found[1]["since"] == "2031-01-01"
    assert found[1]["changes"] == ["program 'loyalty'.earn.amount.points: 1 -> 2"]
    text = open_shop.good("rules")
    assert "from 2031-01-01, 0 sales" in text
    assert "earn.amount.points: 1 -> 2" in text
    told = open_shop.bad("recompute", "plan", "--from", "2026-02-01", "--to", "2026-01-01")
    assert "--to 2026-01-01 is before --from 2026-02-01" in told
