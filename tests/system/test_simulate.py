"""What other rules would give: on the command line, beside today's, without a trace."""

from __future__ import annotations

import pytest

from tests.system.place import Place


def changed(shop: Place, old: str, new: str) -> str:
    """Write a copy of the configuration with other rules."""
    text = shop.config.read_text(encoding="utf-8")
    assert old in text
    other = shop.folder / "new.toml"
    other.touch(mode=0o600)
    other.write_text(text.replace(old, new, 1), encoding="utf-8")
    return str(other)


def test_the_same_rules_change_nothing_and_leave_no_trace(open_shop: Place) -> None:
    before = open_shop.ledger.read_bytes()
    found = open_shop.read("simulate", str(open_shop.config))
    (program,) = found["programs"]
    assert program["today"] == program["then"]
    assert (program["members_with_more"], program["members_with_less"]) == (0, 0)
    assert open_shop.ledger.read_bytes() == before


def test_twice_the_points_are_seen_by_month_and_member(open_shop: Place) -> None:
    file = changed(open_shop, "points = 1\n", "points = 2\n")
    (program,) = open_shop.read("simulate", file)["programs"]
    assert int(program["then"]["given"]) > int(program["today"]["given"]) > 0
    assert program["members_with_more"] == len(program["members"]) > 0
    text = open_shop.good("simulate", file)
    assert "Most more: customer" in text
    assert "Nothing" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_days_can_be_chosen(open_shop: Place) -> None:
    (program,) = open_shop.read("simulate", str(open_shop.config), "--to", "2001-01-01")["programs"]
    assert program["then"]["months"] == program["today"]["months"] == []
    days = ("--from", "2026-02-01", "--to", "2026-01-01")
    assert "is before" in open_shop.bad("simulate", str(open_shop.config), *days)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "shop"\n', 'name = "another"\n', "names the source 'another'"),
        ("points = 1\n", "points = -1\n", "points"),
    ],
)
def test_a_file_that_does_not_fit_is_told(open_shop: Place, old: str, new: str, said: str) -> None:
    assert said in open_shop.bad("simulate", changed(open_shop, old, new))


def test_no_file_is_told(open_shop: Place) -> None:
    assert "missing.toml" in open_shop.bad("simulate", str(open_shop.folder / "missing.toml"))
