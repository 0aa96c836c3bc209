"""Tiers of today: what members hold, what is missing to the next one, and tiers set by hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import Connection, Engine

from dolisync.errors import UserError
from dolisync.ledger import courses, outbox
from dolisync.ledger.courses import TierSetting
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import Transaction
from dolisync.ledger.views import MemberView
from dolisync.model import CustomerKey
from dolisync.ports import Clock
from dolisync.program.looking_back import reach_days
from dolisync.program.terms import Program
from dolisync.program.tiers import TierToday, tier_today
from dolisync.sync import badges
from dolisync.sync.judge import Rules, Showing, Tally, judge_again

PAGE = 500


def tiers_of(
    connection: Connection, program: Program, customers: Collection[CustomerKey], today: date
) -> dict[CustomerKey, TierToday]:
    """Return the tiers that these customers hold on a day; nothing where a program has none."""
    if not program.tier or not customers:
        return {}
    tomorrow = today.toordinal() + 1
    starts = dict.fromkeys(customers, tomorrow)
    begun = courses.begun(connection, program.name, starts, reach_days(program))
    by_hand = courses.set_by_hand(connection, program.name, customers)
    return {
        customer: tier_today(program, found.course, by_hand.get(customer, ()), tomorrow - 1)
        for customer, found in begun.items()
    }


def with_standing(
    connection: Connection,
    program: Program,
    views: Mapping[CustomerKey, MemberView],
    today: date,
) -> dict[CustomerKey, MemberView]:
    """Add their tiers and badges to accounts."""
    found = tiers_of(connection, program, views, today)
    borne = badges.badges_of(connection, program, views, today)
    return {
        customer: replace(view, tier=found.get(customer), badges=borne.get(customer, ()))
        for customer, view in views.items()
    }


def review(
    engine: Engine, clock: Clock, programs: Mapping[str, Program], showing: Mapping[str, Showing]
) -> int:
    """Wish for the cards on which a tier is another today than yesterday, or a badge ended.

    Reviews, the end of what staff set, and windows that move on need no sale. Whatever a day off
    left out is found when the cards are compared. Returns how many tiers are others.
    """
    for program in programs.values():
        _end_badges(engine, clock, program, showing)
    return sum(
        _review(engine, clock, program, showing) for program in programs.values() if program.tier
    )


def _end_badges(
    engine: Engine, clock: Clock, program: Program, showing: Mapping[str, Showing]
) -> None:
    today = clock.now().astimezone(program.zone).date()
    with reading(engine) as connection:
        found = sorted(badges.ending(connection, program, today))
    targets = [outbox.customer_target(one) for one in found if _shows(showing, one)]
    if targets:
        write(engine, lambda connection: outbox.wish(connection, targets, clock.now()))


def _review(engine: Engine, clock: Clock, program: Program, showing: Mapping[str, Showing]) -> int:
    today, last, count = clock.now().astimezone(program.zone).date(), None, 0
    while True:
        with reading(engine) as connection:
            page = courses.customers_after(connection, program.name, last, PAGE)
            before = tiers_of(connection, program, page, today - timedelta(days=1))
            now = tiers_of(connection, program, page, today)
        if not page:
            return count
        last = page[-1]
        targets = [
            outbox.customer_target(customer)
            for customer in page
            if now[customer] != before[customer] and _shows(showing, customer)
        ]
        count += len(targets)
        write(engine, lambda c, t=targets: outbox.wish(c, t, clock.now()))  # type: ignore[misc]


def _shows(showing: Mapping[str, Showing], customer: CustomerKey) -> bool:
    """Tell whether the cards of a customer's source are written."""
    shown = showing.get(customer.source)
    return shown is not None and shown.customers


def set_tier(
    engine: Engine, clock: Clock, rules: Rules, program: Program, entry: TierSetting, token: str
) -> Tally:
    """Write down a tier that a person set, and judge again what the member bought since.

    ``token`` is made before the first attempt, so that a repeated transaction is the same one.
    Raises ``UserError`` when the program has no such tier.
    """
    _refuse_unknown(program, entry.setting.tier)

    def work(connection: Connection) -> Tally:
        transaction = Transaction(connection, clock.now())
        return set_tier_in(transaction, rules, program, entry, token)

    return write(engine, work)


def set_tier_in(
    transaction: Transaction, rules: Rules, program: Program, entry: TierSetting, token: str
) -> Tally:
    """Write down a tier that a person set, within a transaction. The program must have it."""
    connection = transaction.connection
    if not courses.add_setting(connection, program.name, token, entry, transaction.now):
        return Tally()
    tally = judge_again(transaction, rules, [], [(entry.customer, entry.setting.day)])
    if rules.shows(entry.customer.source):
        outbox.wish(connection, [outbox.customer_target(entry.customer)], transaction.now)
    return tally


def _refuse_unknown(program: Program, name: str) -> None:
    if not program.tier:
        message = f"program '{program.name}' has no tiers"
        raise UserError(message, "add sections [[program.tier]] to config.toml")
    if name and program.tier_named(name) is None:
        known = ", ".join(tier.name for tier in program.ranks)
        message = f"no tier is named '{name}'"
        raise UserError(message, f"name one of: {known}")
