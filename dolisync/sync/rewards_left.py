"""Which rewards a member cannot have any more, because none is left for all or for this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection

from dolisync.ledger.redemptions import count_taken
from dolisync.ledger.views import MemberView
from dolisync.model import CustomerKey
from dolisync.program.terms import Program, RewardTerms


def with_rewards_left(
    connection: Connection, program: Program, views: Mapping[CustomerKey, MemberView]
) -> dict[CustomerKey, MemberView]:
    """Add to accounts the names of the rewards that each member cannot have any more.

    All that was taken of them is counted: it is for cards and people, not for every second.
    """
    limited = [reward for reward in program.reward if reward.stock or reward.per_member]
    gone: dict[CustomerKey, set[str]] = {customer: set() for customer in views}
    for reward in limited:
        taken = count_taken(connection, program.name, reward.name)
        for customer, view in views.items():
            if _none_left(reward, taken.in_all, taken.by_member.get(view.member_id or 0, 0)):
                gone[customer].add(reward.name)
    return {
        customer: replace(view, used_up=frozenset(gone[customer]))
        for customer, view in views.items()
    }


def _none_left(reward: RewardTerms, in_all: int, by_member: int) -> bool:
    is_sold_out = reward.stock is not None and in_all >= reward.stock
    return is_sold_out or (reward.per_member is not None and by_member >= reward.per_member)
