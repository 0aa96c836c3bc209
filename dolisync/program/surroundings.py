"""What the rules must know of a source besides its sales."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rules must know of a source besides the sale: who is anonymous, what pays in points.

    ``reward_token_prefix`` lets a line be known as a discount bought with points: its text holds
    the token of one of our rewards.
    """

    pos_customers: frozenset[int] = frozenset()
    points_payment_mode: str = ""
    reward_token_prefix: str = "DS-"  # noqa: S105 - the mark of our discounts, not a secret
