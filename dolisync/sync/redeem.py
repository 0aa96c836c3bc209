"""Redemptions: points become a fixed discount on the customer card, and come back if unused.

The points leave the ledger in the same transaction that puts the discount into the outbox; whatever
happens to the call afterwards, no point is spent twice and none is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, Engine, select

from dolisync.errors import NotFound, UserError
from dolisync.ledger import outbox, tables
from dolisync.ledger.book import Entry, Kind, NotEnoughPoints
from dolisync.ledger.engine import reading, write
from dolisync.ledger.redemptions import (
    Redemption,
    State,
    add,
    allocations,
    by_tokens,
    came_back,
    count_taken,
    set_state,
)
from dolisync.ledger.store import MemberKey, Transaction
from dolisync.ledger.tokens import random_token
from dolisync.model import CustomerKey
from dolisync.ports import Clock
from dolisync.program.reward_names import Named, named_by_beginning, named_in_full, nearest
from dolisync.program.spending import minimum_of
from dolisync.program.terms import Program, RewardTerms
from dolisync.sync.activity import follow_activity
from dolisync.sync.forgiven import take_forgiven
from dolisync.sync.judge import Showing
from dolisync.sync.spent import put_back
from dolisync.sync.tiers import tiers_of

TOKEN_PREFIX = "DS-"  # noqa: S105 - the mark of our discounts, not a secret
_TOKEN_LENGTH = 12
# A discount that Dolibarr refused is not asked for again at every turn.
PAUSE_AFTER_REFUSAL = timedelta(days=1)


def new_token() -> str:
    """Return a token that nobody can guess and that marks a discount as ours."""
    return random_token(TOKEN_PREFIX, _TOKEN_LENGTH)


def choose_reward(program: Program, name: str | None) -> RewardTerms:
    """Return the reward that is meant, or the only one. Raises ``UserError``.

    It may be named by its title too, or by how its name or title begins.
    """
    if not program.reward:
        message = f"program '{program.name}' has no reward"
        raise UserError(message, "add a section [[program.reward]] to config.toml")
    if name is None:
        if len(program.reward) == 1:
            return program.reward[0]
        known = ", ".join(reward.name for reward in program.reward)
        raise UserError("the program has several rewards", f"name one of: {known}")
    found = named_in_full(program.reward, name)
    if not found.rewards:
        found = named_by_beginning(program.reward, name)
    if found.one is not None:
        return found.one
    raise UserError(*_which(program, name, found))


def _which(program: Program, name: str, found: Named) -> tuple[str, str]:
    known = ", ".join(reward.name for reward in found.rewards or program.reward)
    if found.rewards:
        return f"several rewards are named '{name}'", f"name one of: {known}"
    near = nearest(program.reward, name)
    meant = f"did you mean {near.name}? " if near else ""
    return f"no reward is named '{name}'", f"{meant}name one of: {known}"


def redeem(
    engine: Engine,
    clock: Clock,
    program: Program,
    customer: CustomerKey,
    reward: RewardTerms,
    *,
    token: str,
    reason: str = "redeemed by command",
) -> Redemption:
    """Spend points for a reward and wish for its discount on the customer card.

    Raises ``NotEnoughPoints``, or ``Unavailable`` when he cannot have it, or not there.
    ``token`` is made before the first attempt, so that a repeated transaction is the same one.
    """
    if not reward.is_on_card:
        what = "an article" if reward.product else "a percentage: known only against a document"
        message = f"'{reward.title}' is {what}"
        raise OnDraftOnly(message, "staff write its name on a draft: docs/staff.md, On a draft")

    def work(connection: Connection) -> None:
        # The commit of an earlier attempt may have gone through, and its answer been lost.
        if not by_tokens(connection, [token]):
            transaction = Transaction(connection, clock.now())
            spend(transaction, program, customer, reward, token, reason)
            place = (customer.source, customer.entity, customer.rowid)
            wished = [outbox.Target("discount", *place, token), outbox.customer_target(customer)]
            outbox.wish(connection, wished, transaction.now)

    write(engine, work)
    return by_token(engine, token)


def spend(
    transaction: Transaction,
    program: Program,
    customer: CustomerKey,
    reward: RewardTerms,
    token: str,
    reason: str,
    pieces: int = 1,
) -> int:
    """Take points for a reward that is yet to be made; return the redemption's number.

    ``pieces`` are so many of an article; ``reward.points`` is the price of all of them. Raises
    ``NotEnoughPoints``, or ``Unavailable``.
    """
    key = MemberKey(program.name, customer)
    transaction.load_books([key])
    book = transaction.book(key)
    today = transaction.now.astimezone(program.zone).date()
    _refuse_other_days(reward, today)
    _refuse_other_tiers(transaction, program, customer, reward)
    units = _cost(program, reward, book.available(today))
    id_ = add(
        transaction.connection,
        book.member_id,
        reward,
        units,
        token,
        transaction.now,
        State.WANTED,
    )
    _refuse_more(transaction.connection, program, book.member_id, reward, pieces)
    entry = Entry(
        f"redeem:{token}",
        Kind.REDEEM,
        today,
        transaction.now,
        f"{reward.title} {token}" + (f": {reason}" if reason else ""),
        redemption_id=id_,
    )
    book.redeem(transaction.journal, entry, units, today)
    transaction.flush()
    follow_activity(transaction, [program], [key])
    return id_


def _cost(program: Program, reward: RewardTerms, available: int) -> int:
    """Return what a reward takes of so many ledger units. Raises ``NotEnoughPoints``."""
    units, minimum = program.units(reward.points), minimum_of(program)
    hint = "dolisync balance shows what is missing, and until when"
    if available < program.units(minimum):
        points = program.points_of(available)
        message = f"points can be spent from {minimum} on; {points} are available"
        raise BelowMinimum(message, hint)
    if available < units:
        points = program.points_of(available)
        message = f"'{reward.title}' costs {reward.points} points; {points} are available"
        raise NotEnoughPoints(message, hint)
    return units if program.redeem.partial else available


class BelowMinimum(NotEnoughPoints):
    """Say that points can be spent from more on."""


class Unavailable(UserError):  # noqa: N818
    """Say why a member cannot have a reward, however many points he has."""


class OnDraftOnly(Unavailable):
    """Say that a reward is taken off documents, and is no discount of the card."""


class NotInTier(Unavailable):
    """Say that a reward is for members of other tiers."""


class NotNow(Unavailable):
    """Say on which days a reward can be had."""


class OutOfStock(Unavailable):
    """Say that there is no more of a reward, in all or for this member."""


def _refuse_other_days(reward: RewardTerms, today: date) -> None:
    if not reward.is_on(today):
        days = [f"from {reward.first_day}"] if reward.first_day else []
        days += [f"until {reward.last_day}"] if reward.last_day else []
        message = f"'{reward.title}' can be had {' '.join(days)}"
        raise NotNow(message, "dolisync rewards lists what can be had now")


def _refuse_more(
    connection: Connection, program: Program, member_id: int, reward: RewardTerms, pieces: int
) -> None:
    """Refuse what is beyond the stock; one of it is noted already, so that no other can be missed.

    Of two that are noted at once the second waits for the first, and is counted anew.
    """
    taken, more = count_taken(connection, program.name, reward.name), pieces - 1
    if reward.stock is not None and taken.in_all + more > reward.stock:
        message = f"of '{reward.title}' there were {reward.stock}, and none is left"
        raise OutOfStock(message, "dolisync rewards lists what can be had now")
    if reward.per_member is not None and taken.by_member[member_id] + more > reward.per_member:
        message = f"a member can have '{reward.title}' {reward.per_member} times, and has had it"
        raise OutOfStock(message, "dolisync rewards lists what can be had now")


def _refuse_other_tiers(
    transaction: Transaction, program: Program, customer: CustomerKey, reward: RewardTerms
) -> None:
    if not reward.tiers:
        return
    today = transaction.now.astimezone(program.zone).date()
    found = tiers_of(transaction.connection, program, [customer], today)
    held = found[customer].tier
    if not reward.is_for(found[customer].name):
        titles = [tier.title for tier in program.ranks if tier.name in reward.tiers]
        message = f"'{reward.title}' is for members in {' or '.join(titles)}"
        now = f"is in {held.title}" if held else "has no tier"
        raise NotInTier(message, f"the customer {now}; dolisync balance says what is missing")


def by_token(engine: Engine, token: str) -> Redemption:
    """Return a redemption. Raises ``NotFound``."""
    with reading(engine) as connection:
        found = by_tokens(connection, [token])
    if not found:
        message = f"no redemption has the token {token}"
        raise NotFound(message, "dolisync history shows the tokens")
    return found[0]


def give_back(
    engine: Engine, clock: Clock, programs: Mapping[str, Program], token: str, state: str, why: str
) -> None:
    """Put a redemption's points back on their lots; once, however often it is asked."""

    def work(connection: Connection) -> None:
        redemption = by_tokens(connection, [token])[0]
        if redemption.state in {State.REVOKED, State.REFUSED}:
            return
        transaction = Transaction(connection, clock.now())
        return_points(transaction, programs.get(redemption.program), redemption, why)
        set_state(connection, redemption, state, why)
        outbox.wish(connection, [outbox.customer_target(redemption.customer)], transaction.now)

    write(engine, work)


def return_points(
    transaction: Transaction, program: Program | None, redemption: Redemption, why: str
) -> None:
    """Put what a redemption still lacks back on its lots."""
    taken = allocations(transaction.connection, redemption.id)
    transaction.load_books((), ids=[redemption.member_id])
    book = transaction.books[transaction.member_keys[redemption.member_id]]
    transaction.load_lots(book, [lot_id for lot_id, _ in taken])
    zone = program.zone if program else None
    entry = Entry(
        f"return:{redemption.token}",
        Kind.RETURN,
        transaction.now.astimezone(zone).date(),
        transaction.now,
        f"{redemption.title} {redemption.token}: {why}",
        redemption_id=redemption.id,
    )
    came = came_back(transaction.connection, redemption.id)
    units = redemption.points - came.units
    if came.forgiven > 0:
        # Spent again when it was not there any more: that did not happen after all.
        book.unforgive(transaction.journal, entry, min(came.forgiven, units))
    returned = put_back(transaction, book, entry, came, taken, units, program)
    take_forgiven(transaction, book, entry, returned)
    transaction.flush()


def wish_revoke(engine: Engine, clock: Clock, token: str) -> Redemption:
    """Ask for an unused discount to be removed; its points come back when it is gone."""
    redemption = by_token(engine, token)
    if redemption.state in {State.USED, State.REVOKED, State.REFUSED}:
        message = f"{token} is {redemption.state} already"
        raise UserError(message, "only a discount that was not used can be revoked")
    customer = redemption.customer
    target = outbox.Target("revoke", customer.source, customer.entity, customer.rowid, token)
    write(engine, lambda connection: outbox.wish(connection, [target], clock.now()))
    return redemption


def issue_automatic(
    engine: Engine,
    clock: Clock,
    programs: Mapping[str, Program],
    showing: Mapping[str, Showing],
) -> list[Redemption]:
    """Redeem automatic rewards for every member who has the points for one."""
    issued = []
    for program in programs.values():
        for reward in program.reward:
            if reward.automatic:
                issued += _issue(engine, clock, program, reward, showing)
    return issued


def _issue(
    engine: Engine,
    clock: Clock,
    program: Program,
    reward: RewardTerms,
    showing: Mapping[str, Showing],
) -> list[Redemption]:
    issued = []
    for customer in _rich(engine, program, reward, clock.now()):
        shown = showing.get(customer.source)
        while shown is not None and shown.discounts:
            try:
                token = new_token()
                redemption = redeem(
                    engine, clock, program, customer, reward, token=token, reason=""
                )
            except (NotEnoughPoints, Unavailable):
                break
            issued.append(redemption)
    return issued


def _rich(
    engine: Engine, program: Program, reward: RewardTerms, now: datetime
) -> list[CustomerKey]:
    """Find members who have the points, and may have one more while any is left.

    Not those whose discount was refused a while ago.
    """
    refused_since, today = now - PAUSE_AFTER_REFUSAL, now.astimezone(program.zone).date()
    if not reward.is_on(today):
        return []
    member, redemption = tables.member.c, tables.redemption.c
    refused = select(redemption.member_id).where(
        redemption.state == State.REFUSED,
        redemption.reward == reward.name,
        redemption.created_at > refused_since,
    )
    query = select(member.id, member.source, member.entity, member.customer_rowid).where(
        member.program == program.name,
        member.balance >= program.units(max(reward.points, minimum_of(program))),
        member.id.not_in(refused),
    )
    with reading(engine) as connection:
        taken = count_taken(connection, program.name, reward.name)
        if taken.in_all >= (reward.stock or taken.in_all + 1):
            return []
        rich = [
            CustomerKey(*place)
            for id_, *place in connection.execute(query)
            if reward.per_member is None or taken.by_member.get(id_, 0) < reward.per_member
        ]
        if not reward.tiers:
            return rich
        found = tiers_of(connection, program, rich, today)
        return [customer for customer in rich if reward.is_for(found[customer].name)]
