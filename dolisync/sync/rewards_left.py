"""Which rewards a member cannot have any more, because none is left for all or for this one."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from dolisync.ledger.redemptions import count_taken
from dolisync.ledger.views import MemberView
from dolisync.model import CustomerKey
from dolisync.program.terms import Program, RewardTerms


def used_up(
    connection: Connection, program: Program, views: Mapping[CustomerKey, MemberView]
) -> dict[CustomerKey, frozenset[str]]:
    """Return the names of the rewards that each of these members cannot have any more."""
    limited = [reward for reward in program.reward if reward.stock or reward.per_member]
    found: dict[CustomerKey, set[str]] = {customer: set() for customer in views}
    for reward in limited:
        taken = count_taken(connection, program.name, reward.name)
        for customer, view in views.items():
            if _none_left(reward, taken.in_all, taken.by_member.get(view.member_id or 0, 0)):
                found[customer].add(reward.name)
    return {customer: frozenset(names) for customer, names in found.items()}


def _none_left(reward: RewardTerms, in_all: int, by_member: int) -> bool:
    is_sold_out = reward.stock is not None and in_all >= reward.stock
    return is_sold_out or (reward.per_member is not None and by_member >= reward.per_member)
