"""Bonuses without a purchase: to newcomers, to bearers of a tag, by hand to one or to a list.

That a member had a bonus is noted in the transaction that gives the points: it is given once for
its occasion, whoever asks how often. A list is a batch, booked in pages, and can be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import structlog
from sqlalchemy import Connection, Engine

from dolisync.config import Source
from dolisync.errors import RefusedError, UserError
from dolisync.ledger import batches, bonuses, outbox
from dolisync.ledger.batches import Batch, BatchKind, BatchState
from dolisync.ledger.bonuses import Occasion
from dolisync.ledger.book import Entry, Kind
from dolisync.ledger.engine import reading, write
from dolisync.ledger.rulesets import RuleBook
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.model import CustomerKey
from dolisync.ports import Clock, TagDoor
from dolisync.program.bonus_terms import BonusTerms, BonusWhen
from dolisync.program.calendar import add_days, last_day_of_use
from dolisync.program.terms import Program
from dolisync.sync.activity import follow_activity
from dolisync.sync.judge import Rules

log = structlog.get_logger()

PAGE = 200
# An account may be opened some hours after the sale's day is over, where clocks differ most.
LATEST = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Gift:
    """A bonus that is given: for which occasion, why, and in which batch."""

    program: Program
    bonus: BonusTerms
    occasion: str
    reason: str = ""
    batch_id: int | None = None

    @property
    def key(self) -> Occasion:
        """What a member can have only once."""
        return Occasion(self.program.name, self.bonus.name, self.occasion)

    @property
    def text(self) -> str:
        """What stands in the history."""
        return f"{self.bonus.title}: {self.reason}" if self.reason else self.bonus.title


def choose_bonus(program: Program, name: str) -> BonusTerms:
    """Return the bonus of this name. Raises ``UserError``."""
    for bonus in program.bonus:
        if bonus.name == name:
            return bonus
    known = ", ".join(bonus.name for bonus in program.bonus)
    message = f"program '{program.name}' has no bonus named '{name}'"
    remedy = f"name one of: {known}" if known else "add a section [[program.bonus]] to config.toml"
    raise UserError(message, remedy)


def give(
    transaction: Transaction, rules: Rules, gift: Gift, customers: Sequence[CustomerKey]
) -> list[CustomerKey]:
    """Give a bonus to those of these customers who did not have it; return them."""
    connection, program, bonus = transaction.connection, gift.program, gift.bonus
    had = bonuses.had(connection, gift.key, customers)
    new = [customer for customer in customers if customer not in had]
    if not new:
        return []
    bonuses.note(connection, gift.key, new, transaction.now, gift.batch_id)
    transaction.load_books({MemberKey(program.name, customer) for customer in new})
    today = transaction.now.astimezone(program.zone).date()
    until = last_day_of_use(program.validity, today)
    if bonus.valid_days is not None:
        until = add_days(today, bonus.valid_days)
    # A list that was undone may give it again.
    batch = gift.batch_id or 0
    for customer in new:
        book = transaction.book(MemberKey(program.name, customer))
        # By the account, not the customer: who was erased and comes again has another one, and
        # nothing of the old one may name him.
        entry = Entry(
            f"bonus:{bonus.name}:{book.member_id}:{gift.occasion}:{batch}",
            Kind.ADJUST,
            today,
            transaction.now,
            gift.text,
            batch_id=gift.batch_id,
        )
        book.adjust(transaction.journal, entry, program.units(bonus.points), until, today)
    transaction.flush()
    follow_activity(transaction, [program], list(transaction.books))
    targets = [outbox.customer_target(one) for one in new if rules.shows(one.source)]
    outbox.wish(connection, targets, transaction.now)
    return new


# --- by itself ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Bonuses:
    """What gives bonuses by itself in one source. ``door`` shows who bears a tag."""

    engine: Engine
    clock: Clock
    source: Source
    programs: Mapping[str, Program]
    rules: Rules
    door: TagDoor | None = None
    _looked_at: datetime | None = None
    _trace: str | None = None
    _refusal: str = ""

    def run_once(self) -> int:
        """Give what is due; return how many members had something."""
        # In this order: who becomes a member by a tag is welcomed at once.
        return self._by_tags() + self._welcome()

    def _welcome(self) -> int:
        given = 0
        for program, bonus in self._mine(BonusWhen.WELCOME):
            today = self._today(program)
            first = bonus.first_day or in_force_since(self.rules.book, program, bonus)
            days = (first, bonus.last_day or today)
            occasion = bonus.occasion(today, "")
            gift = Gift(program, bonus, occasion)
            since = datetime.combine(first, time(), UTC) - LATEST
            with reading(self.engine) as connection:
                found = bonuses.newcomers(
                    connection,
                    gift.key,
                    self.source.name,
                    self._left_out(program),
                    since,
                    days,
                    PAGE,
                )
            given += self._give(gift, found)
        return given

    def _by_tags(self) -> int:
        mine = [(p, bonus) for p, bonus in self._mine(BonusWhen.TAG) if bonus.is_on(self._today(p))]
        labels = frozenset(bonus.given_by for _, bonus in mine if bonus.given_by)
        now = self.clock.now()
        if self.door is None or not labels:
            return 0
        pause = timedelta(seconds=self.door.look_every_s)
        if self._looked_at is not None and now - self._looked_at < pause:
            return 0
        try:
            trace = self.door.trace(labels)
            # Also on a new day: a bonus of each year is given again.
            seen = None if trace is None else f"{trace} {now:%Y-%m-%d}"
            given = 0 if seen is not None and seen == self._trace else self._look(mine, labels)
        except RefusedError as refusal:
            self._tell_refusal(str(refusal))
            return 0
        self._looked_at, self._trace = now, seen
        return given

    def _look(self, mine: Sequence[tuple[Program, BonusTerms]], labels: frozenset[str]) -> int:
        assert self.door is not None
        tagged = self.door.tagged(labels).by_customer
        given = 0
        for program, bonus in mine:
            bearers = [
                CustomerKey(self.source.name, self.source.entity, rowid)
                for rowid, borne in sorted(tagged.items())
                if bonus.given_by in borne
            ]
            gift = Gift(program, bonus, bonus.occasion(self._today(program), ""))
            given += self._give(gift, bearers)
        return given

    def _give(self, gift: Gift, customers: Sequence[CustomerKey]) -> int:
        left_out = self._left_out(gift.program)
        wanted = [customer for customer in customers if customer.rowid not in left_out]
        given = 0
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            new = write(self.engine, lambda c, page=page: self._book(c, gift, page))  # type: ignore[misc]
            given += len(new)
        if given:
            log.info("bonus given", bonus=gift.bonus.name, members=given, program=gift.program.name)
        return given

    def _left_out(self, program: Program) -> set[int]:
        return {*self.source.pos_customers, *program.excluded_customers}

    def _book(
        self, connection: Connection, gift: Gift, page: Sequence[CustomerKey]
    ) -> list[CustomerKey]:
        return give(Transaction(connection, self.clock.now()), self.rules, gift, page)

    def _mine(self, when: BonusWhen) -> list[tuple[Program, BonusTerms]]:
        return [
            (program, bonus)
            for program in self.programs.values()
            if program.takes(self.source.name)
            for bonus in program.bonus
            if bonus.when is when
        ]

    def _today(self, program: Program) -> date:
        return self.clock.now().astimezone(program.zone).date()

    def _tell_refusal(self, text: str) -> None:
        if text != self._refusal:
            log.warning("tags of bonuses cannot be read", source=self.source.name, reason=text)
        self._refusal = text


def in_force_since(book: RuleBook, program: Program, bonus: BonusTerms) -> date:
    """Return the first day on which a program had a bonus of this name."""
    days = [
        rules.first_day
        for rules in book.sets
        for terms in rules.programs
        if terms.name == program.name and any(one.name == bonus.name for one in terms.bonus)
    ]
    return min(days)


# --- by hand --------------------------------------------------------------------------------------


def give_by_hand(
    engine: Engine,
    clock: Clock,
    rules: Rules,
    program: Program,
    bonus: BonusTerms,
    customer: CustomerKey,
    reason: str,
    *,
    token: str,
) -> bool:
    """Give a bonus to one customer; ``False`` where he had it for this occasion.

    ``token`` is made before the first attempt. Raises ``UserError`` on other days than its own.
    """
    today = clock.now().astimezone(program.zone).date()
    refuse_other_days(bonus, today)
    gift = Gift(program, bonus, bonus.occasion(today, token), reason)

    def work(connection: Connection) -> bool:
        return bool(give(Transaction(connection, clock.now()), rules, gift, [customer]))

    return write(engine, work)


def refuse_other_days(bonus: BonusTerms, today: date) -> None:
    """Raise ``UserError`` where a bonus is not given today."""
    if not bonus.is_on(today):
        begin, end = bonus.first_day or "the beginning", bonus.last_day or "any day"
        message = f"'{bonus.title}' is given from {begin} to {end}"
        raise UserError(message, "change first_day or last_day in config.toml")


@dataclass(frozen=True, slots=True)
class BonusList:
    """A list of customers who are to have a bonus. ``digest`` stands for its contents."""

    program: Program
    bonus: BonusTerms
    name: str
    digest: str
    customers: tuple[CustomerKey, ...]


def already_had(
    connection: Connection, wanted: BonusList, today: date, token: str
) -> Collection[CustomerKey]:
    """Return who in a list had the bonus for this occasion."""
    begun = unfinished(connection, wanted)
    occasion = _occasion(begun) if begun else wanted.bonus.occasion(today, token)
    key = Occasion(wanted.program.name, wanted.bonus.name, occasion)
    return bonuses.had(connection, key, wanted.customers)


def unfinished(connection: Connection, wanted: BonusList) -> Batch | None:
    """Return the batch of this list that was begun and stopped, ``None`` where there is none."""
    for batch in batches.listed(connection, BatchKind.BONUS):
        details = batch.details
        same = (details["digest"], details["bonus"]) == (wanted.digest, wanted.bonus.name)
        if same and details["program"] == wanted.program.name:
            return batch if batch.state == BatchState.RUNNING else None
    return None


def give_list(
    engine: Engine,
    clock: Clock,
    rules: Rules,
    wanted: BonusList,
    *,
    token: str,
    progress: Callable[[int], None],
) -> tuple[Batch, int]:
    """Give a bonus to a whole list, or to what is left of it; return to how many.

    ``token`` names the batch, unless one of this list was begun and stopped.
    """
    program, bonus = wanted.program, wanted.bonus
    today = clock.now().astimezone(program.zone).date()
    refuse_other_days(bonus, today)
    with reading(engine) as connection:
        begun = unfinished(connection, wanted)
    occasion = bonus.occasion(today, token)
    batch = begun or write(engine, lambda c: _begin(c, clock, wanted, token, occasion))
    gift = Gift(program, bonus, _occasion(batch), batch_id=batch.id)
    given = 0
    for start in range(0, len(wanted.customers), PAGE):
        page = wanted.customers[start : start + PAGE]
        given += write(engine, lambda c, page=page: _book(c, clock, rules, gift, page))  # type: ignore[misc]
        progress(start + len(page))
    write(engine, lambda connection: batches.finish(connection, batch))
    return batch, given


def _begin(
    connection: Connection, clock: Clock, wanted: BonusList, token: str, occasion: str
) -> Batch:
    found = batches.find(connection, token)
    if found is not None:
        return found
    details = {
        "program": wanted.program.name,
        "bonus": wanted.bonus.name,
        "digest": wanted.digest,
        "occasion": occasion,
    }
    title = f"{wanted.bonus.title} for {len(wanted.customers)} customers from {wanted.name}"
    state = BatchState.RUNNING
    return batches.create(connection, BatchKind.BONUS, title, details, clock.now(), token, state)


def _occasion(batch: Batch) -> str:
    """Return what a list is given for: that of its beginning, if it goes on in another year."""
    return str(batch.details["occasion"])


def _book(
    connection: Connection, clock: Clock, rules: Rules, gift: Gift, page: Sequence[CustomerKey]
) -> int:
    assert gift.batch_id is not None
    batches.require_running(connection, gift.batch_id)
    return len(give(Transaction(connection, clock.now()), rules, gift, page))
