"""What staff mean by a tier's tag on a customer's card, told apart from what dolisync put there.

What dolisync knows to stand there is its own; what is there besides, or gone, somebody else did.
A form of the card that stood open while dolisync wrote brings back what stood there before: that is
nobody's wish.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dolisync.program.course import Course
from dolisync.program.terms import Program, StaffTags
from dolisync.program.tiers import SetByHand, next_review, tier_on

# So long after our write a form that brings back what stood there before was opened before it.
FORM_STANDS_OPEN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Mark:
    """What dolisync last put on a card: ``tier`` by its name, empty for none.

    ``tags`` are the labels known to stand there; of ``sending`` it is not known yet. What an old
    form may bring back is the tag of ``tier_before``, none where it is empty, nothing for ``None``.
    """

    tier: str
    tags: frozenset[str]
    marked_at: datetime
    sending: str = ""
    tier_before: str | None = None


class Act(enum.StrEnum):
    """What is to follow from what stands on a card."""

    NOTHING = "nothing"
    SET = "set"
    RELEASE = "release"
    PUT_RIGHT = "put_right"


@dataclass(frozen=True, slots=True)
class Noticed:
    """What follows from the tags on a card, with the tier that staff mean, and why."""

    act: Act
    tier: str = ""
    why: str = ""


def noticed(
    program: Program, mark: Mark, found: frozenset[str], held: str, now: datetime
) -> Noticed:
    """Say what follows from the labels ``found`` on a card whose member holds a tier today."""
    ranks = {tier.label: tier.name for tier in program.ranks}
    added = (found - mark.tags - {mark.sending}) & ranks.keys()
    removed = (mark.tags - found) & ranks.keys()
    if not added and not removed:
        return Noticed(Act.NOTHING)
    if program.tiers.by_staff is StaffTags.IGNORED:
        return Noticed(Act.PUT_RIGHT, why="tiers are not set by tags here")
    if _is_old(program, mark, found, now):
        return Noticed(Act.PUT_RIGHT, why="a form that was opened before brought it back")
    wished = [name for label, name in ranks.items() if label in added and name != held]
    if wished:
        # Of several, the highest: staff may leave the old one for us to remove.
        return Noticed(Act.SET, wished[-1])
    if label_of(program, mark.tier) in removed:
        return Noticed(Act.RELEASE)
    return Noticed(Act.PUT_RIGHT, why="it is the tier held already" if added else "none is lost")


def _is_old(program: Program, mark: Mark, found: frozenset[str], now: datetime) -> bool:
    if mark.tier_before is None or now - mark.marked_at > FORM_STANDS_OPEN:
        return False
    before = label_of(program, mark.tier_before)
    return found == (frozenset({before}) if before else frozenset())


def label_of(program: Program, name: str) -> str:
    """Return the label of a tier's tag; empty for none."""
    tier = program.tier_named(name)
    return tier.label if tier else ""


def setting_of(
    program: Program, course: Course, by_hand: Sequence[SetByHand], wish: Noticed, day: int
) -> SetByHand | None:
    """Return what staff set by a tag on a day; ``None`` where there is nothing to release.

    Until a review: what lies above the tier earned may still be raised by sales; what lies below it
    would not hold for a moment, and is locked until the next review.
    """
    if wish.act is Act.RELEASE:
        is_set = bool(by_hand) and bool(by_hand[-1].tier)
        return SetByHand(day, "") if is_set else None
    if program.tiers.by_staff is StaffTags.LOCKED:
        return SetByHand(day, wish.tier, is_locked=True)
    places = program.places
    earned = tier_on(program, course, (), day)
    if places[wish.tier] >= places.get(earned, -1):
        return SetByHand(day, wish.tier)
    review = next_review(program, day)
    return SetByHand(day, wish.tier, is_locked=True, until=review - 1 if review else None)
