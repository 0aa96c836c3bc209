"""A member's own page: found by its address, filled from the ledger, and never written to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy import Connection, Engine, select

from dolisync.config import Settings, Source
from dolisync.display import customer_values, field_names
from dolisync.ledger import batches, tables, vouchers
from dolisync.ledger.batches import BatchKind, BatchState
from dolisync.ledger.engine import reading
from dolisync.ledger.signing import PAGES, signing_key
from dolisync.ledger.views import MemberView, PostingView, history, member_view
from dolisync.member_links import Link, make_token, read_token
from dolisync.member_page import (
    AccountPart,
    CodeRow,
    MemberPage,
    MovementRow,
    RewardRow,
    page_word,
)
from dolisync.model import CustomerKey
from dolisync.phrases import day_text, money, number, points_text
from dolisync.ports import Clock
from dolisync.program.spending import minimum_of
from dolisync.program.terms import Program
from dolisync.sync.rewards_left import with_rewards_left
from dolisync.sync.tiers import with_standing

MOVEMENTS = 20


def link_of(
    connection: Connection, settings: Settings, customer: CustomerKey, today: date
) -> str | None:
    """Return the address of a customer's page, ``None`` where there is none."""
    url = settings.page.url
    key = signing_key(connection, PAGES) if url else None
    if url is None or key is None:
        return None
    member_id = _first_account(connection, customer)
    if member_id is None:
        return None
    return f"{url}/m/{make_token(key, Link(member_id, today))}"


def _first_account(connection: Connection, customer: CustomerKey) -> int | None:
    member = tables.member.c
    query = select(member.id).where(
        member.source == customer.source,
        member.entity == customer.entity,
        member.customer_rowid == customer.rowid,
        member.erased_at.is_(None),
    )
    return connection.execute(query.order_by(member.id).limit(1)).scalar()


@dataclass(frozen=True, slots=True)
class MemberPages:
    """Find and fill the pages of members."""

    engine: Engine
    clock: Clock
    settings: Settings

    def page(self, token: str, language: str | None) -> MemberPage | None:
        """Return the page that an address names; ``None`` for one that leads nowhere.

        Without ``language`` it is that of the shop.
        """
        with reading(self.engine) as connection:
            customer = self._customer(connection, token)
            if customer is None:
                return None
            source = next(one for one in self.settings.source if one.name == customer.source)
            spoken = source.model_copy(update={"language": language or source.language})
            return _Filling(connection, self.clock, self.settings, spoken, customer).page()

    def _customer(self, connection: Connection, token: str) -> CustomerKey | None:
        key, terms = signing_key(connection, PAGES), self.settings.page
        link = None if key is None else read_token(key, token)
        if link is None or terms.url is None:
            return None
        today = self.clock.now().astimezone(self.settings.program[0].zone).date()
        if not link.day <= today <= link.day + timedelta(days=terms.days):
            return None
        customer = _owner(connection, link.member_id)
        known = {source.name for source in self.settings.source}
        return customer if customer is not None and customer.source in known else None


def _owner(connection: Connection, member_id: int) -> CustomerKey | None:
    """Say whose a member's account is now: it follows merges, and ends with an erasure."""
    member = tables.member.c
    query = select(member.source, member.entity, member.customer_rowid).where(
        member.id == member_id, member.erased_at.is_(None)
    )
    row = connection.execute(query).first()
    return None if row is None else _merged_into(connection, CustomerKey(*row))


def _merged_into(connection: Connection, customer: CustomerKey) -> CustomerKey:
    """Follow a customer through the merges that stand, and back from those that were undone."""
    for merge in reversed(batches.listed(connection, BatchKind.MERGE)):
        details = merge.details
        target = "into" if merge.state == BatchState.DONE else "home"
        was = (details.get("source"), details.get("entity"), details.get("from"))
        if target in details and was == (customer.source, customer.entity, customer.rowid):
            customer = replace(customer, rowid=details[target])
    return customer


@dataclass(frozen=True, slots=True)
class _Filling:
    """One page in the making."""

    connection: Connection
    clock: Clock
    settings: Settings
    source: Source
    customer: CustomerKey

    def page(self) -> MemberPage:
        return MemberPage(
            self.settings.receipts.shop_name,
            self._language,
            self._word("as_of", day=day_text(self._language, self._first_day)),
            tuple(self._accounts()),
            tuple(self._codes()),
        )

    def _accounts(self) -> Iterator[AccountPart]:
        for program in self.settings.program:
            view = member_view(self.connection, program.name, self.customer, self._today(program))
            if view.member_id is not None:
                yield self._account(program, view)

    def _account(self, program: Program, view: MemberView) -> AccountPart:
        today, names = self._today(program), field_names(program)
        views = {self.customer: view}
        views = with_standing(self.connection, program, views, today)
        view = with_rewards_left(self.connection, program, views)[self.customer]
        shown = customer_values(program, view, self.source, today)
        worth = shown[names.value]
        rewards = tuple(self._rewards(program, view, today))
        return AccountPart(
            title=program.title,
            balance=number(self._language, program.points_of(view.balance)),
            worth=self._word("worth", amount=self._money(worth)) if worth else "",
            next_reward=str(shown[names.next_reward] or ""),
            share=_share(program, view, today),
            expiring=str(shown[names.expiring] or ""),
            waiting=self._points(program, view.waiting) if view.waiting else "",
            tier=str(shown.get(names.tier) or ""),
            badges=str(shown.get(names.badges) or ""),
            rewards=rewards,
            movements=tuple(self._movements(program, view)),
        )

    def _rewards(self, program: Program, view: MemberView, today: date) -> Iterator[RewardRow]:
        available = program.points_of(view.available)
        left = (reward for reward in program.reward if reward.name not in view.used_up)
        for reward in sorted(left, key=lambda one: (one.points, one.name)):
            if reward.is_on(today) and reward.is_for(view.tier_name):
                lacking = max(reward.points, minimum_of(program)) - available
                missing = points_text(self._language, lacking)
                yield RewardRow(
                    reward.title,
                    points_text(self._language, reward.points),
                    lacking <= 0,
                    self._word("to_go", points=missing) if lacking > 0 else "",
                )

    def _movements(self, program: Program, view: MemberView) -> Iterator[MovementRow]:
        assert view.member_id is not None, "who has no account has no part on the page"
        for one in history(self.connection, view.member_id, MOVEMENTS):
            points = program.points_of(one.points)
            yield MovementRow(
                day_text(self._language, one.occurred_on),
                self._what(one),
                number(self._language, points, signed=True),
                points > 0,
            )

    def _what(self, one: PostingView) -> str:
        word = self._word(one.kind)
        return f"{word} {one.ref}" if one.ref else word

    def _codes(self) -> Iterator[CodeRow]:
        today = self._first_day
        for code in vouchers.of_customer(self.connection, self.customer):
            if code.balance and code.state == vouchers.State.OPEN and not code.has_ended(today):
                until = code.valid_until
                yield CodeRow(
                    code.masked,
                    money(self._language, code.balance, code.currency),
                    self._word("until", day=day_text(self._language, until)) if until else "",
                )

    @property
    def _first_day(self) -> date:
        """Today, where the first program is at home."""
        return self._today(self.settings.program[0])

    def _today(self, program: Program) -> date:
        return self.clock.now().astimezone(program.zone).date()

    @property
    def _language(self) -> str:
        return self.source.language

    def _word(self, name: str, **values: object) -> str:
        return page_word(self._language, name, **values)

    def _points(self, program: Program, units: int) -> str:
        return points_text(self._language, program.points_of(units))

    def _money(self, amount: object) -> str:
        return money(self._language, amount, self.source.currency)  # type: ignore[arg-type]


def _share(program: Program, view: MemberView, today: date) -> int | None:
    """Say how far it is to the next reward that is not reached yet, in per cent."""
    available = program.points_of(view.available)
    minimum = minimum_of(program)
    needed = (
        max(reward.points, minimum)
        for reward in program.reward
        if reward.is_on(today) and reward.is_for(view.tier_name) and reward.name not in view.used_up
    )
    ahead = [points for points in needed if points > available]
    return int(100 * max(available, Decimal(0)) / min(ahead)) if ahead else None
