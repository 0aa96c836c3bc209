"""Badges: what a member bears who met a challenge, and when they end."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from sqlalchemy import Connection

from dolisync.ledger import campaign_uses
from dolisync.model import CustomerKey
from dolisync.program.terms import Program


def badges_of(
    connection: Connection, program: Program, customers: Collection[CustomerKey], today: date
) -> dict[CustomerKey, tuple[str, ...]]:
    """Return the badges of those of these customers who bear any."""
    if not program.badges:
        return {}
    names = [name for name, _, _ in program.badges]
    last = campaign_uses.last_days(connection, program.name, names, customers)
    found: dict[CustomerKey, tuple[str, ...]] = {}
    for customer in customers:
        mine = tuple(
            badge
            for name, badge, days in program.badges
            if _is_borne(last.get((customer, name)), days, today)
        )
        if mine:
            found[customer] = mine
    return found


def _is_borne(met_on: int | None, days: int | None, today: date) -> bool:
    return met_on is not None and (days is None or today.toordinal() < met_on + days)


def ending(connection: Connection, program: Program, today: date) -> set[CustomerKey]:
    """Return whose badges ended with yesterday."""
    found: set[CustomerKey] = set()
    for name, _, days in program.badges:
        if days is not None:
            met_on = today.toordinal() - days
            found |= campaign_uses.given_on(connection, program.name, name, met_on)
    return found
