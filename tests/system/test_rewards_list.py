"""dolisync rewards: the catalogue, and what is missing to each."""

from __future__ import annotations

from tests.system.place import Place

MORE = """

[[program.reward]]
name = "big"
title = "A dinner for two"
points = 100000
amount = 50
stock = 3

[[program.reward]]
name = "later"
title = "Christmas basket"
points = 10
amount = 5
first_day = 2031-12-01
"""


def test_the_catalogue_and_what_is_missing(open_shop: Place) -> None:
    text = open_shop.config.read_text(encoding="utf-8")
    open_shop.config.write_text(text + MORE, encoding="utf-8")
    found = {one["name"]: one for one in open_shop.read("rewards")["rewards"]}
    assert found["big"]["left"] == 3
    assert found["big"]["available"]
    assert found["later"]["why_not"] == "from 2031-12-01 on"
    alice = open_shop.customer("alice")
    mine = {one["name"]: one for one in open_shop.read("rewards", alice)["rewards"]}
    assert "points to go" in mine["big"]["why_not"]
    told = open_shop.good("rewards", alice)
    assert "A dinner for two" in told
    assert max(len(line) for line in told.splitlines()) <= 80
