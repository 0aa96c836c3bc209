"""Staff say who recommended a new customer, or that nobody did: refused with a reason, or noted."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Engine

from dolisync.answers import sentence
from dolisync.errors import UserError
from dolisync.ledger import outbox, referrals
from dolisync.ledger.engine import reading, write
from dolisync.ledger.referrals import Referral
from dolisync.ledger.rulesets import RuleBook
from dolisync.ledger.store import Transaction
from dolisync.model import CustomerKey, Sale
from dolisync.phrases import day_text
from dolisync.ports import Clock, CustomerSource
from dolisync.program.referral_terms import ReferralTerms
from dolisync.program.referrals import Void, closes_circle, first_day, last_day
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.sync.activity import follow_activity
from dolisync.sync.buyers import Buyers
from dolisync.sync.judge import Rules, referrals_in
from dolisync.sync.referrals import are_wanted, bought_first, follow, newest


class Refusal(enum.StrEnum):
    """Why a recommendation is not noted; each has a sentence in every language."""

    UNKNOWN = "refer_unknown"
    SEVERAL = "refer_several"
    NO_PROGRAM = "refer_no_program"
    NO_MEMBER = "refer_no_member"
    ONESELF = "refer_oneself"
    TWICE = "refer_twice"
    CIRCLE = "refer_circle"
    NOT_NEW = "refer_not_new"
    NOTHING = "refer_nothing"


class NotReferable(UserError):  # noqa: N818 - it is shown to people as it is
    """Say why a recommendation is not noted, in English; ``said`` says it in other languages."""

    def __init__(self, why: Refusal, named: str = "", day: date | None = None) -> None:
        self.why, self.named, self.day = why, named, day
        super().__init__(self.said("en"), "docs/referral.md says who can be recommended")

    def said(self, language: str) -> str:
        """Write it in a language."""
        day = "" if self.day is None else day_text(language, self.day)
        return sentence(language, self.why, named=self.named, day=day)


@dataclass(frozen=True, slots=True)
class Wish:
    """A customer is to be noted as recommended by another, as said on a day, and by whom."""

    program: Program
    new: CustomerKey
    by: CustomerKey
    said_on: date
    made_by: str


@dataclass(frozen=True, slots=True)
class People:
    """The customers of one source: who is meant by what staff typed, and who wants no part."""

    customers: CustomerSource
    buyers: Buyers

    def meant(self, text: str) -> CustomerKey:
        """Find the one customer who has this id, card number, code or e-mail.

        Raises ``NotReferable``.
        """
        found = self.customers.find_customer(text)
        if not found:
            raise NotReferable(Refusal.UNKNOWN, text)
        if len(found) > 1:
            raise NotReferable(Refusal.SEVERAL, text)
        return found[0].key

    def refuse_who_opted_out(self, *customers: CustomerKey) -> None:
        """Raise ``NotReferable`` where the card of one says that he wants no part."""
        if any(_has_left(self.buyers, customer) for customer in customers):
            raise NotReferable(Refusal.NO_MEMBER)


def refer(engine: Engine, clock: Clock, rules: Rules, wish: Wish, *, token: str) -> Referral:
    """Note who recommended a customer, and give what is due already; return it.

    ``token`` is made before the first attempt, so that a repeated one is the same. The same words
    once more change nothing. Raises ``NotReferable``.
    """

    def work(connection: Connection) -> Referral:
        found = referrals.by_token(connection, token) or _standing_one(connection, wish)
        if found is not None:
            return found
        _check(connection, rules, wish)
        now = clock.now()
        referrals.note(
            connection,
            wish.program.name,
            wish.new,
            wish.by,
            wish.said_on,
            wish.made_by,
            token,
            now,
        )
        _book(connection, rules, now, [wish.new, wish.by])
        noted = referrals.by_token(connection, token)
        assert noted is not None, "it was noted just now"
        return noted

    return write(engine, work)


def withdraw(
    engine: Engine,
    clock: Clock,
    rules: Rules,
    program: Program,
    new: CustomerKey,
    *,
    since: datetime,
) -> Referral:
    """Note that a customer was recommended by nobody, and take back what was given for it.

    What was withdrawn ``since`` is the same deed. Raises ``NotReferable`` where there is nothing.
    """

    def work(connection: Connection) -> Referral:
        mine = _of(connection, program.name, new)
        done = [one for one in mine if one.withdrawn_at is not None and one.withdrawn_at >= since]
        valid = [one for one in mine if one.withdrawn_at is None]
        if done and not valid:
            return done[-1]
        if not valid:
            raise NotReferable(Refusal.NOTHING)
        now = clock.now()
        for one in valid:
            referrals.withdraw(connection, one, now)
        people = [one for one in (new, *(one.by for one in valid)) if one is not None]
        _book(connection, rules, now, people)
        return valid[0]

    return write(engine, work)


def _book(
    connection: Connection, rules: Rules, now: datetime, customers: Collection[CustomerKey]
) -> None:
    transaction = Transaction(connection, now)
    targets = follow(referrals_in(transaction, rules), customers)
    follow_activity(transaction, rules.book.current.programs, list(transaction.books))
    outbox.wish(connection, [target for target in targets if rules.is_shown(target)], now)


def _of(connection: Connection, program: str, new: CustomerKey) -> list[Referral]:
    return [one for one in referrals.of_new(connection, [new]) if one.program == program]


def _standing_one(connection: Connection, wish: Wish) -> Referral | None:
    """Return the recommendation that says the same already."""
    for one in _of(connection, wish.program.name, wish.new):
        if one.by == wish.by and not one.void:
            return one
    return None


def _check(connection: Connection, rules: Rules, wish: Wish) -> None:
    """Raise ``NotReferable`` for what would bring nothing."""
    terms = wish.program.referral
    if terms is None:
        raise NotReferable(Refusal.NO_PROGRAM)
    refuse_who_takes_no_part(rules, wish)
    if wish.new == wish.by:
        raise NotReferable(Refusal.ONESELF)
    if any(not one.void for one in _of(connection, wish.program.name, wish.new)):
        raise NotReferable(Refusal.TWICE)
    known = referrals.listed(connection, wish.program.name, wish.new.source)
    above = {
        one.new.rowid: None if one.by is None else one.by.rowid
        for one in known
        if one.new is not None and not one.void and one.entity == wish.new.entity
    }
    if closes_circle(wish.new.rowid, wish.by.rowid, above):
        raise NotReferable(Refusal.CIRCLE)
    _refuse_old_customers(connection, terms, wish)


def refuse_who_takes_no_part(rules: Rules, wish: Wish) -> None:
    """Raise ``NotReferable`` for those whom the configuration leaves out."""
    around = rules.around.get(wish.new.source, Surroundings())
    left_out = {*around.pos_customers, *wish.program.excluded_customers}
    if left_out & {wish.new.rowid, wish.by.rowid}:
        raise NotReferable(Refusal.NO_MEMBER)


def _refuse_old_customers(connection: Connection, terms: ReferralTerms, wish: Wish) -> None:
    if not terms.only_new:
        return
    bought = bought_first(connection, wish.new)
    if bought is not None and bought < first_day(terms, wish.said_on):
        raise NotReferable(Refusal.NOT_NEW, day=bought)


@dataclass(frozen=True, slots=True)
class Recommendations:
    """Looks at what is due, though no sale of the new customers comes."""

    engine: Engine
    clock: Clock
    rules: Rules

    def run_once(self) -> int:
        """Book what is due; return how many recommendations were looked at."""
        if not are_wanted(self.rules.book):
            return 0
        with reading(self.engine) as connection:
            waiting = len(referrals.due(connection))
        if waiting:
            write(self.engine, lambda c: _book(c, self.rules, self.clock.now(), ()))
        return waiting


# --- how they stand -------------------------------------------------------------------------------


class Standing(enum.StrEnum):
    """How a recommendation stands: what came of it, or why nothing does."""

    GIVEN = "given"
    WAITING = "waiting"
    OVER = "over"
    NOT_NEW = "not_new"
    BEYOND = "beyond"
    LEFT = "left"
    WITHDRAWN = "withdrawn"
    ONESELF = "oneself"
    TWICE = "twice"
    CIRCLE = "circle"


def standing_of(
    connection: Connection, rules: Rules, referral: Referral, today: date
) -> tuple[Standing, date | None]:
    """Say how a recommendation stands, and until when a purchase counts where one is awaited."""
    if referral.void is not Void.NONE:
        return Standing(referral.void.value), None
    if referral.sale_id is not None:
        return _standing_of_brought(rules, referral), None
    terms = newest(rules.book, referral.program).referral
    assert terms is not None, "it was noted while a program gave something"
    if terms.only_new and referral.new is not None:
        bought = bought_first(connection, referral.new)
        if bought is not None and bought < first_day(terms, referral.said_on):
            return Standing.NOT_NEW, None
    until = last_day(terms, referral.said_on)
    return (Standing.OVER, None) if until < today else (Standing.WAITING, until)


def _standing_of_brought(rules: Rules, referral: Referral) -> Standing:
    terms = newest(rules.book, referral.program).referral
    gives_nothing = terms is None or not terms.points
    if referral.by is None or referral.held_by_by.units or gives_nothing:
        return Standing.GIVEN
    return Standing.LEFT if referral.by_left_at else Standing.BEYOND


# --- who wants no part any more -------------------------------------------------------------------


def note_leavers(
    engine: Engine, book: RuleBook, buyers: Buyers, sales: Sequence[Sale], now: datetime
) -> None:
    """Look at the cards of those who recommended the customers of these sales.

    Who has opted out since, and has nothing of it yet, will have nothing of it.
    """
    if buyers.question.opt_out_field is None or not are_wanted(book):
        return
    with reading(engine) as connection:
        found = referrals.unrewarded(connection, {sale.customer for sale in sales})
    left = [one.id for one in found if one.by is not None and _has_left(buyers, one.by)]
    if left:
        write(engine, lambda connection: referrals.note_left(connection, left, now))


def _has_left(buyers: Buyers, customer: CustomerKey) -> bool:
    buyer = buyers.of(customer)
    return buyer is not None and buyer.opted_out
