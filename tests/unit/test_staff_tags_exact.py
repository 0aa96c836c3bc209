"""What staff mean by tags on a card, in tables: each answer whole, with its reason."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dolisync.program.course import Counted, Course
from dolisync.program.staff_tags import FORM_STANDS_OPEN, Act, Mark, Noticed, noticed, setting_of
from dolisync.program.terms import Program
from dolisync.program.tiers import SetByHand
from tests.builders import program

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = date(2026, 11, 20).toordinal()
TIERS = [
    {"name": "bronze", "title": "Bronze", "at_least": 50},
    {"name": "silver", "title": "Silver", "at_least": 100},
    {"name": "gold", "title": "Gold", "at_least": 300, "tag": "VIP"},
]


def terms(**tiers: Any) -> Program:
    return program(tier=TIERS, tiers=tiers)


def mark(tier: str, *tags: str, age: timedelta = timedelta(hours=1), **more: Any) -> Mark:
    return Mark(tier, frozenset(tags), NOW - age, **more)


def meant(mark: Mark, *found: str, held: str = "silver", **tiers: Any) -> Noticed:
    return noticed(terms(**tiers), mark, frozenset(found), held, NOW)


SILVER = mark("silver", "Silver")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (("Silver",), Noticed(Act.NOTHING)),
        (("Silver", "Friend of the house"), Noticed(Act.NOTHING)),
        (("VIP",), Noticed(Act.SET, "gold")),
        (("Silver", "Bronze", "VIP"), Noticed(Act.SET, "gold")),
        ((), Noticed(Act.RELEASE)),
    ],
)
def test_what_follows_from_tags(found: tuple[str, ...], expected: Noticed) -> None:
    assert meant(SILVER, *found) == expected


def test_why_it_is_put_right() -> None:
    ignored = Noticed(Act.PUT_RIGHT, why="tiers are not set by tags here")
    assert meant(SILVER, "VIP", by_staff="ignored") == ignored
    held_already = Noticed(Act.PUT_RIGHT, why="it is the tier held already")
    assert meant(mark("bronze", "Bronze"), "Bronze", "Silver") == held_already
    # A tag of ours that is not that of the tier: it was to be taken off anyway.
    assert meant(mark("silver", "Silver", "Bronze"), "Silver") == Noticed(
        Act.PUT_RIGHT, why="none is lost"
    )


def test_what_is_being_sent_is_nobodys_wish() -> None:
    assert meant(mark("silver", "Silver", sending="VIP"), "VIP", "Silver") == Noticed(Act.NOTHING)


@pytest.mark.parametrize(
    ("before", "found", "is_old"),
    [
        ("silver", ("Silver",), True),
        ("silver", ("Silver", "Bronze"), False),
        ("", (), True),
        # The form held no tag: who put one there meant it.
        ("", ("Silver",), False),
        (None, ("Silver",), False),
    ],
)
def test_a_form_that_stood_open_brings_back_what_was_there(
    before: str | None, found: tuple[str, ...], is_old: bool
) -> None:
    old = Noticed(Act.PUT_RIGHT, why="a form that was opened before brought it back")
    for age in (timedelta(seconds=5), FORM_STANDS_OPEN):
        now = meant(mark("gold", "VIP", age=age, tier_before=before), *found, held="gold")
        assert (now == old) is is_old
    later = FORM_STANDS_OPEN + timedelta(seconds=1)
    assert meant(mark("gold", "VIP", age=later, tier_before=before), *found, held="gold") != old


def course(spent: int) -> Course:
    found = Course()
    found.add(DAY - 5, Counted(1, spent, spent * 100))
    return found


@pytest.mark.parametrize(
    ("spent", "tier", "expected"),
    [
        # At or above what was earned sales may raise it; below, it is locked to the next review.
        (0, "bronze", SetByHand(DAY, "bronze")),
        (60, "bronze", SetByHand(DAY, "bronze")),
        (60, "gold", SetByHand(DAY, "gold")),
        (100, "bronze", SetByHand(DAY, "bronze", True, date(2026, 11, 30).toordinal())),
    ],
)
def test_what_staff_set_holds_until_the_next_review(
    spent: int, tier: str, expected: SetByHand
) -> None:
    held = course(spent) if spent else Course()
    assert setting_of(terms(), held, (), Noticed(Act.SET, tier), DAY) == expected


def test_where_nothing_is_reviewed_it_is_locked_for_good() -> None:
    never = terms(downgrade="never")
    wish = Noticed(Act.SET, "bronze")
    assert setting_of(never, course(100), (), wish, DAY) == SetByHand(DAY, "bronze", True)
