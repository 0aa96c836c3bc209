"""What the rules must know of a source besides its sales."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class SoldCards:
    """Gift cards that are sold: from which day on a sale makes some, and how long they are good.

    ``months`` of nought are for ever.
    """

    since: date
    months: int
    currency: str = "EUR"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rules must know of a source besides the sale: who is anonymous, what pays in points.

    ``reward_token_prefix`` lets a line be known as a discount bought with points: its text holds
    the token of one of our rewards. ``gift_cards`` are ``None`` where none are sold.
    """

    pos_customers: frozenset[int] = frozenset()
    points_payment_mode: str = ""
    reward_token_prefix: str = "DS-"  # noqa: S105 - the mark of our discounts, not a secret
    gift_cards: SoldCards | None = None
