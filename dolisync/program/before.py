"""What a member's other sales came to before one: all that a rule may know of them."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Limit(enum.StrEnum):
    """Which limit leaves the least room; of a challenge, what is missing to it."""

    BUDGET = "budget"
    MEMBER_POINTS = "member_points"
    MEMBER_TIMES = "member_times"
    VISITS = "visits"
    SPENT = "spent"
    KINDS = "kinds"


class Room(NamedTuple):
    """What a campaign can still give for a sale: ledger units, and the limit that says so.

    ``to_member`` is the room that the member's own limits leave, ``units`` that of all limits;
    ``None`` is any number. Where a challenge asks for something bought in more tags, ``bought`` are
    those, in one case, in which it was.
    """

    campaign: str
    units: int
    to_member: int | None
    limit: Limit
    bought: frozenset[str] = frozenset()


class Before(NamedTuple):
    """A member's sales before one, in the order of their days and rowids.

    ``sales`` counts those that count, no farther than rules ask: 0 before the first purchase, then
    1. ``tier`` is the tier in which the sale is judged. The others are the ledger units that caps
    look at: of its day, of its month, and of all days. ``rooms`` says what campaigns with limits
    can still give.
    """

    sales: int = 0
    tier: str = ""
    day_units: int = 0
    month_units: int = 0
    all_units: int = 0
    rooms: tuple[Room, ...] = ()

    def room_of(self, campaign: str) -> Room | None:
        """Return what a campaign can still give, ``None`` where it has no limits."""
        return next((room for room in self.rooms if room.campaign == campaign), None)

    def has_no_room(self, campaign: str) -> bool:
        """Tell whether a campaign has given all that it can."""
        room = self.room_of(campaign)
        return room is not None and room.units == 0


NOTHING_BEFORE = Before()
