"""What campaigns gave, and what is left of them."""

from __future__ import annotations

from tests.system.place import Place

CAMPAIGNS = """

[[program.campaign]]
name = "launch"
title = "Launch"
multiply = 2
[program.campaign.budget]
points = 25
[program.campaign.per_member]
points = 2000
times = 3
each = "week"

[[program.campaign]]
name = "thursdays"
title = "Thursdays"
multiply = 0.5
first_day = 2031-01-01
"""


def test_what_is_left_of_a_budget(ready: Place) -> None:
    text = ready.config.read_text(encoding="utf-8")
    ready.config.write_text(text + CAMPAIGNS, encoding="utf-8")
    ready.good("sync")
    (found,) = ready.read("campaigns")["programs"]
    launch, thursdays = found["campaigns"]
    assert (launch["given"], launch["budget"], launch["left"]) == ("25", "25", "0")
    assert (launch["each"], launch["sales"]) == ("campaign", 2)
    assert (thursdays["given"], thursdays["first_day"]) == (None, "2031-01-01")
    assert ready.good("campaigns").splitlines()[2:] == [
        "  Launch",
        "    25 of 25 points given in all, for 2 sales; 0 left",
        "    at most 2,000 points for one member a week",
        "    at most 3 sales of one member a week",
        "",
        "  Thursdays, from 2031-01-01",
        "    no limits: what it gives is not counted",
    ]
    assert ready.read("verify")["holds"]


def test_no_campaigns(ready: Place) -> None:
    assert "It has no campaigns." in ready.good("campaigns")
