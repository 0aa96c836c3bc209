"""Publish: bring Dolibarr up to date with the ledger, row by row of the outbox.

Display values are absolute and computed when they are sent; after a while they are read again and
repaired, because any save of a customer card in Dolibarr may write old values back. Discounts are
marked as being sent before the call, and looked for before they are sent again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Engine

from dolisync.codes_shown import codes_text
from dolisync.config import Source
from dolisync.display import customer_values, sale_values, used_values
from dolisync.errors import RefusedError, TransientError, UnknownOutcome
from dolisync.ledger import outbox, redemptions, vouchers
from dolisync.ledger.engine import reading, write
from dolisync.ledger.outbox import Item
from dolisync.ledger.views import member_views, points_used, sale_movements
from dolisync.model import CustomerKey
from dolisync.ports import Clock, Discount, FieldValue, Pulse, Sink, no_pulse
from dolisync.program.terms import Program
from dolisync.sync import redeem
from dolisync.sync.drafts import Drafts
from dolisync.sync.rewards_left import with_rewards_left
from dolisync.sync.tiers import with_standing

log = structlog.get_logger()

# A customer form that was open while we wrote is saved within this time, most of the time.
READ_AGAIN_AFTER = timedelta(seconds=60)
BACKOFF_BASE_S = 2.0
BACKOFF_CAP_S = 900.0
# An error of our own is tried this often before the row waits for a person.
OWN_ERROR_ATTEMPTS = 3
# So many failures of the other side in a row mean that it is down: come back later.
DOWN_AFTER = 3

# What else of a card follows its member: targets of their own, by kind.
FOLLOWING = ("tags", "standing")

# What creates something: to be looked for before it is sent again.
CREATING = ("discount", "draft")

Values = dict[str, FieldValue]


@dataclass(slots=True)
class Report:
    """What a turn of publishing did, in rows. ``problem`` is the last error met."""

    written: int = 0
    confirmed: int = 0
    repaired: int = 0
    created: int = 0
    revoked: int = 0
    failed: int = 0
    dead: int = 0
    problem: str = ""

    @property
    def moved(self) -> int:
        """How many rows were brought forward."""
        return self.written + self.confirmed + self.repaired + self.created + self.revoked


class Follower(Protocol):
    """Something on customer cards that follows the ledger, and waits apart from their fields."""

    def wish(self, customers: Collection[CustomerKey]) -> int:
        """Wish for it on those of these cards where it is to change; return how many."""

    def compare(self) -> int:
        """Wish for it on all cards where it is to change; return how many."""

    def publish(self, customer: CustomerKey) -> None:
        """Bring one card up to date. Raises what its door raises."""


@dataclass(slots=True)
class Publisher:
    """Write what the outbox holds for one source through one sink."""

    engine: Engine
    clock: Clock
    source: Source
    sink: Sink
    programs: Mapping[str, Program]
    jitter: Callable[[], float] = random.random
    batch: int = 200
    pulse: Pulse = no_pulse
    drafts: Drafts | None = None
    followers: Mapping[str, Follower] = field(default_factory=dict)
    # What follows cards may be written where their fields may not.
    shows_cards: bool = True
    codes_field: str | None = None
    _failures: int = field(default=0)
    _until: datetime | None = field(default=None)

    def run_once(self, longest: timedelta | None = None) -> Report:
        """Send everything whose time has come; stop early when the other side is down.

        After ``longest`` the rest is left for the next time: whoever has more to do than to write.
        """
        report, last_id = Report(), 0
        self._failures = 0
        self._until = None if longest is None else self.clock.now() + longest
        while not self._is_over():
            with reading(self.engine) as connection:
                items = outbox.due(
                    connection, self.source.name, self.clock.now(), self.batch, last_id
                )
            if not items:
                break
            last_id = items[-1].id
            self._send_all(items, report)
        return report

    def send(self, targets: Sequence[outbox.Target]) -> Report:
        """Send what is due for these targets only: somebody is waiting for it."""
        report = Report()
        self._failures, self._until = 0, None
        keys = [target.key for target in targets]
        with reading(self.engine) as connection:
            items = outbox.due_of(connection, keys, self.clock.now())
        self._send_all(items, report)
        return report

    def _send_all(self, items: Sequence[Item], report: Report) -> None:
        values = self._values(items)
        self._wish_followers(items)
        for item in items:
            if self._is_over():
                return
            self._guarded(item, values.get(item.target.key, {}), report)
            self.pulse()

    def _wish_followers(self, items: Sequence[Item]) -> None:
        """Have what else these cards show changed, where it is to change."""
        customers = [item.target.customer for item in items if item.target.kind == "customer"]
        for follower in self.followers.values() if customers else ():
            follower.wish(customers)

    def _is_over(self) -> bool:
        """Tell whether the other side is down, or the time is up."""
        is_late = self._until is not None and self.clock.now() >= self._until
        return is_late or self._failures >= DOWN_AFTER

    def _guarded(self, item: Item, values: Values, report: Report) -> None:
        try:
            self._send(item, values, report)
            self._failures = 0
        except TransientError as error:
            self._failures += 1
            self._later(item, error, report)
        except RefusedError as error:
            self._dead(item, error, report)
        except Exception as error:
            # One row that our own code cannot handle must not stop the others.
            if item.attempts + 1 >= OWN_ERROR_ATTEMPTS:
                self._dead(item, error, report)
            else:
                self._later(item, error, report)

    def _send(self, item: Item, values: Values, report: Report) -> None:
        if item.target.kind == "discount":
            self._send_discount(item, report)
        elif item.target.kind == "draft":
            self._send_draft(item, report)
        elif item.target.kind == "revoke":
            self._send_revoke(item, report)
        elif item.target.kind in FOLLOWING:
            self._send_following(item, report)
        elif item.state == "written":
            self._confirm(item, values, report)
        else:
            self._write(item, values)
            self._settle(item, "written", self.clock.now() + READ_AGAIN_AFTER)
            report.written += 1

    # --- display fields --------------------------------------------------------------------------

    def _values(self, items: Sequence[Item]) -> dict[str, Values]:
        """Compute what the cards and invoices in this batch must show now."""
        customers = [item.target.customer for item in items if item.target.kind == "customer"]
        sales = [item.target.sale for item in items if item.target.kind == "sale"]
        values: dict[str, Values] = {}
        for customer, shown in self.card_values(customers).items():
            values[outbox.customer_target(customer).key] = shown
        with reading(self.engine) as connection:
            # The present owner's movement last: it overwrites those of earlier owners.
            movements = sale_movements(connection, sales)
            for movement in sorted(movements, key=lambda moved: moved.is_owner):
                if movement.program in self.programs:
                    shown = values.setdefault(outbox.sale_target(movement.sale).key, {})
                    shown.update(sale_values(self.programs[movement.program], movement))
            used = points_used(connection, sales)
        for program in self._my_programs():
            for sale in sales:
                shown = values.setdefault(outbox.sale_target(sale).key, {})
                shown.update(used_values(program, used.get((sale, program.name), 0)))
        return values

    def card_values(self, customers: Sequence[CustomerKey]) -> dict[CustomerKey, Values]:
        """Compute what these customers' cards must show now."""
        values: dict[CustomerKey, Values] = {customer: {} for customer in customers}
        now = self.clock.now()
        if not self.shows_cards:
            return values
        with reading(self.engine) as connection:
            for program in self._my_programs():
                today = now.astimezone(program.zone).date()
                views = member_views(connection, program.name, customers, today)
                views = with_standing(connection, program, views, today)
                for customer, view in with_rewards_left(connection, program, views).items():
                    shown = customer_values(program, view, self.source, today)
                    values[customer].update(shown)
            if self.codes_field is not None:
                today = now.astimezone(ZoneInfo(self.source.timezone)).date()
                for customer, found in vouchers.of_customers(connection, customers).items():
                    text = codes_text(self.source.language, found, today)
                    values[customer][self.codes_field] = text
        return values

    def _my_programs(self) -> list[Program]:
        return [program for program in self.programs.values() if program.takes(self.source.name)]

    def _write(self, item: Item, values: Values) -> None:
        if not values:
            return
        try:
            if item.target.kind == "customer":
                self.sink.write_customer(item.target.customer, values)
            else:
                self.sink.write_sale(item.target.sale, values)
        except RefusedError:
            # One that was deleted meanwhile needs no person; the second look will say the same.
            if self._read(item, values) is not None:
                raise

    def _read(self, item: Item, values: Values) -> Values | None:
        names = sorted(values)
        if item.target.kind == "customer":
            return self.sink.read_customer(item.target.customer, names)
        return self.sink.read_sale(item.target.sale, names)

    def _confirm(self, item: Item, values: Values, report: Report) -> None:
        shown = self._read(item, values)
        if shown is None or same_values(values, shown):
            # A customer or invoice that is gone shows nothing and needs nothing.
            self._settle(item, "done")
            report.confirmed += 1
            return
        self._write(item, values)
        self._settle(item, "written", self.clock.now() + READ_AGAIN_AFTER)
        log.info("display repaired", target=item.target.key)
        report.repaired += 1

    # --- discounts -------------------------------------------------------------------------------

    def _send_discount(self, item: Item, report: Report) -> None:
        if not self._claim(item):
            return
        token = item.target.token or ""
        wanted = redeem.by_token(self.engine, token)
        if wanted.state == redemptions.State.WANTED:
            found = self.sink.find_discount(item.target.customer, token)
            try:
                placed = found or self.sink.create_discount(_discount(wanted))
            except RefusedError as error:
                self._give_back(token, redemptions.State.REFUSED, str(error))
                self._finish(item, str(error))
                raise
            state = redemptions.State.USED if placed.used else redemptions.State.OPEN
            write(self.engine, lambda c: redemptions.set_state(c, wanted, state))
            report.created += 1
        self._finish(item)

    def _send_following(self, item: Item, report: Report) -> None:
        follower = self.followers.get(item.target.kind)
        # Where it is not wanted any more, what is there stays.
        if follower is not None:
            follower.publish(item.target.customer)
            report.written += 1
        self._finish(item)

    def _send_draft(self, item: Item, report: Report) -> None:
        if self.drafts is None:
            message = "lines on drafts need url and api_key, and database_url"
            raise TransientError(message)
        if not self._claim(item):
            return
        wanted = redeem.by_token(self.engine, item.target.token or "")
        if wanted.state == redemptions.State.WANTED:
            try:
                self.drafts.place(wanted)
            except RefusedError as error:
                # Staff who asked are told on the draft: no other person is needed.
                self._give_back(wanted.token, redemptions.State.REFUSED, str(error))
                self._finish(item, str(error))
                return
            write(
                self.engine,
                lambda c: redemptions.set_state(c, wanted, redemptions.State.DRAFTED),
            )
            report.created += 1
        self._finish(item)

    def _send_revoke(self, item: Item, report: Report) -> None:
        token = item.target.token or ""
        if redeem.by_token(self.engine, token).draft is not None:
            self._revoke_draft(item, token, report)
            return
        if self._is_being_placed(item.target):
            soon = self.clock.now() + timedelta(seconds=BACKOFF_BASE_S)
            self._settle(item, item.state, soon)
            return
        if not self.sink.revoke_discount(token):
            found = self.sink.find_discount(item.target.customer, token)
            if found is not None and found.used:
                wanted = redeem.by_token(self.engine, token)
                write(
                    self.engine, lambda c: redemptions.set_state(c, wanted, redemptions.State.USED)
                )
                self._settle(item, "done", error="it was used already")
                return
            if found is not None:
                message = f"the discount {token} is there, unused, and could not be removed"
                raise TransientError(message)
        self._give_back(token, redemptions.State.REVOKED, "discount removed unused")
        self._settle(item, "done")
        report.revoked += 1

    def _revoke_draft(self, item: Item, token: str, report: Report) -> None:
        """Take a discount off its draft."""
        if self.drafts is None or self._is_being_placed(item.target):
            soon = self.clock.now() + timedelta(seconds=BACKOFF_BASE_S)
            self._settle(item, item.state, soon)
            return
        revoked = self.drafts.take_off(redeem.by_token(self.engine, token), "taken off its draft")
        self._settle(item, "done", error="" if revoked else "it was used already")
        report.revoked += revoked

    def _is_being_placed(self, revoke: outbox.Target) -> bool:
        """Tell whether the discount may still arrive: never after its points came back."""
        with reading(self.engine) as connection:
            return any(
                outbox.is_open(connection, replace(revoke, kind=kind).key) for kind in CREATING
            )

    def _give_back(self, token: str, state: str, why: str) -> None:
        redeem.give_back(self.engine, self.clock, self.programs, token, state, why)

    def _claim(self, item: Item) -> bool:
        now = self.clock.now()
        return write(self.engine, lambda c: outbox.claim(c, item, now))

    def _finish(self, item: Item, error: str = "") -> None:
        self._settle(item, "done", error=error)

    # --- outcomes --------------------------------------------------------------------------------

    def _settle(
        self, item: Item, state: str, not_before: datetime | None = None, error: str = ""
    ) -> None:
        now = self.clock.now()
        write(
            self.engine,
            lambda c: outbox.settle(c, [item], state, now, not_before=not_before, error=error),
        )

    def _later(self, item: Item, error: Exception, report: Report) -> None:
        asked_s = error.retry_after_s if isinstance(error, TransientError) else None
        wait_s = asked_s or self._backoff_s(item.attempts)
        state = "sending" if item.target.kind in CREATING else item.state
        if state == "sending" and isinstance(error, UnknownOutcome):
            # The other side may still be at it: who looks too early finds nothing and makes a twin.
            wait_s = max(wait_s, outbox.LEASE.total_seconds())
        self._settle(item, state, self.clock.now() + timedelta(seconds=wait_s), _text(error))
        report.failed += 1
        report.problem = _text(error)
        log.warning("outbox row will be tried again", target=item.target.key, reason=_text(error))

    def _backoff_s(self, attempts: int) -> float:
        return self.jitter() * min(BACKOFF_BASE_S * 2.0 ** min(attempts, 30), BACKOFF_CAP_S)

    def _dead(self, item: Item, error: Exception, report: Report) -> None:
        self._settle(item, "dead", error=_text(error))
        report.dead += 1
        report.problem = _text(error)
        log.error("outbox row needs a person", target=item.target.key, reason=_text(error))


def _text(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (
        text
        if isinstance(error, TransientError | RefusedError)
        else f"{type(error).__name__}: {text}"
    )


def _discount(wanted: redemptions.Redemption) -> Discount:
    return Discount(
        wanted.customer,
        wanted.token,
        f"{wanted.title} {wanted.token}",
        wanted.amount,
        wanted.tax_rate,
    )


def same_values(wanted: Mapping[str, FieldValue], shown: Mapping[str, FieldValue]) -> bool:
    """Compare values as people would: 5 is 5.00, and an empty text is nothing."""
    return all(_is_same(value, shown.get(name)) for name, value in wanted.items())


def _is_same(wanted: FieldValue, shown: FieldValue) -> bool:
    if wanted in (None, "") or shown in (None, ""):
        return wanted in (None, "") and shown in (None, "")
    if isinstance(wanted, str):
        return wanted == str(shown)
    try:
        return Decimal(str(shown)) == Decimal(wanted)
    except InvalidOperation:
        return False
