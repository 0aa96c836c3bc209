"""What stood on the accounts: today, and at the end of a day of the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.system.place import Place


def test_liability_and_the_balance_of_a_day(open_shop: Place) -> None:
    (found,) = open_shop.read("liability")["programs"]
    alice = open_shop.customer("alice")
    assert int(found["outstanding"]) > 0
    assert found["value"] is not None
    today = found["day"]
    then = open_shop.read("balance", alice, "--on", today)
    assert then["balance"] == open_shop.read("balance", alice)["balance"]
    long_ago = open_shop.read("balance", alice, "--on", "2019-12-31")
    assert (long_ago["balance"], long_ago["day"]) == ("0", "2019-12-31")
    text = open_shop.good("liability", "--on", today)
    assert "Liability" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "at the end of 2019-12-31" in open_shop.good("balance", alice, "--on", "2019-12-31")


def test_days_to_come_are_refused(open_shop: Place) -> None:
    later = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    assert "has not been yet" in open_shop.bad("liability", "--on", later)
    assert "--on" in open_shop.bad("balance", "2", "--on", "yesterday")
