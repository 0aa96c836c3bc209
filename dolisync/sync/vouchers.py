"""Vouchers and gift cards by hand: made from points or given, used, blocked, replaced, ended.

Each act is one transaction under a key that was made before its first attempt, so that a retry
finds what was done. What documents in Dolibarr take from a code is another matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, func, select

from dolisync.codes import new_code
from dolisync.errors import UserError
from dolisync.ledger import batches, outbox, redemptions, tables, vouchers
from dolisync.ledger.batches import Batch, BatchKind
from dolisync.ledger.book import NotEnoughPoints
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import Transaction
from dolisync.ledger.tokens import random_token
from dolisync.ledger.vouchers import Change, Kind, Move, Origin, State, Voucher
from dolisync.model import CustomerKey
from dolisync.ports import Clock
from dolisync.program import spending
from dolisync.program.terms import Program, RewardTerms
from dolisync.sync.issuing import Wish, last_day, made
from dolisync.sync.redeem import new_token, return_points, spend

ZERO = Decimal(0)
VOUCHERS_MAX = 5000


def worth_of(program: Program, points: Decimal) -> RewardTerms:
    """Say what points are worth as a voucher, and how many of them that needs.

    Raises ``UserError`` where nothing says so, or where it is less than a cent or than a step.
    """
    found = spending.spend(program, max(points, spending.minimum_of(program)), points=points)
    if found.bar is spending.Bar.NO_VALUE:
        message = f"nothing says what a point of '{program.name}' is worth"
        raise UserError(message, "set point_value under [[program]]")
    if found.bar is not None:
        least = "a cent" if found.bar is spending.Bar.TOO_SMALL else f"{program.redeem.step} points"
        raise UserError(f"{points} points are less than {least}", "take more")
    cost, amount = found.points, found.amount
    return RewardTerms(name="voucher", title="Voucher", points=cost, amount=amount, tax_rate=ZERO)


@dataclass(frozen=True, slots=True)
class Vouchers:
    """The codes of one ledger; days are those of ``zone``. ``shows``: customer cards show them."""

    engine: Engine
    clock: Clock
    zone: ZoneInfo
    shows: bool = True

    @property
    def today(self) -> date:
        """The shop's day."""
        return self.clock.now().astimezone(self.zone).date()

    def get(self, code: str) -> Voucher:
        """Return a code. Raises ``NotFound``."""
        with reading(self.engine) as connection:
            return vouchers.by_code(connection, code)

    # --- making ----------------------------------------------------------------------------------

    def give(self, wish: Wish, reason: str, *, code: str) -> Voucher:
        """Make a code that costs nobody anything. ``code`` is new, made before the first try."""

        def work(connection: Connection) -> Voucher:
            found = vouchers.find(connection, code)
            return found or self._issue(connection, wish, code, Origin(), reason)

        return write(self.engine, work)

    def _issue(
        self, connection: Connection, wish: Wish, code: str, origin: Origin, reason: str
    ) -> Voucher:
        change = self._change(f"issue:{code}", Move.ISSUED, wish.amount, reason)
        new = made(code, wish, self.clock.now(), origin)
        return self._shown(connection, vouchers.issue(connection, new, change))

    def _shown(self, connection: Connection, done: Voucher) -> Voucher:
        if self.shows:
            vouchers.show(connection, [done], self.clock.now())
        return done

    def from_points(
        self,
        program: Program,
        customer: CustomerKey,
        points: Decimal,
        wish: Wish,
        reason: str,
        *,
        code: str,
        token: str,
    ) -> Voucher:
        """Make a voucher of a member's points, in one transaction with their posting.

        ``wish.amount`` is computed here. ``code`` and ``token`` are made before the first attempt.
        Raises ``NotEnoughPoints``, ``UserError``.
        """
        reward = worth_of(program, points)

        def work(connection: Connection) -> Voucher:
            found = vouchers.find(connection, code)
            if found is not None:
                return found
            transaction = Transaction(connection, self.clock.now())
            id_ = spend(transaction, program, customer, reward, token, reason)
            bought = redemptions.by_tokens(connection, [token])[0]
            redemptions.set_state(connection, bought, redemptions.State.VOUCHER)
            if self.shows:
                outbox.wish(connection, [outbox.customer_target(customer)], transaction.now)
            owned = replace(wish, amount=reward.worth, customer=customer)
            text = f"made from {reward.points:f} points of '{program.name}': {reason}"
            return self._issue(connection, owned, code, Origin(redemption_id=id_), text)

        return write(self.engine, work)

    def batch(
        self, wish: Wish, title: str, codes: Sequence[str], *, token: str
    ) -> tuple[Batch, list[Voucher]]:
        """Make many codes at once; ``codes`` and ``token`` are made before the first attempt."""

        def work(connection: Connection) -> tuple[Batch, list[Voucher]]:
            before = batches.find(connection, token)
            if before is not None:
                return before, vouchers.of_batch(connection, before.id)
            details = {"count": len(codes), "amount": str(wish.amount), "kind": wish.kind}
            now = self.clock.now()
            new = batches.create(connection, BatchKind.VOUCHERS, title, details, now, token)
            origin, reason = Origin(batch_id=new.id), f"{new.token}: {title}"
            return new, [self._issue(connection, wish, code, origin, reason) for code in codes]

        return write(self.engine, work)

    # --- using -----------------------------------------------------------------------------------

    def use(self, code: str, amount: Decimal, reason: str, *, token: str) -> Voucher:
        """Take an amount off a code, for something that Dolibarr does not know.

        Raises ``UserError`` with the reason why not.
        """
        key = f"use:{token}"

        def change(connection: Connection, found: Voucher) -> Voucher:
            refuse_unusable(found, self.today)
            if found.balance < amount:
                message = f"{found.masked} holds {found.balance} {found.currency}, not {amount}"
                raise UserError(message, "take less, and let the rest be paid otherwise")
            return vouchers.move(connection, found, self._change(key, Move.USED, -amount, reason))

        return self._change_once(code, key, change)

    # --- life ------------------------------------------------------------------------------------

    def block(self, code: str, reason: str, *, token: str) -> Voucher:
        """Let nobody use a code any more, until it is unblocked."""
        key = f"block:{token}"

        def change(connection: Connection, found: Voucher) -> Voucher:
            refuse_over(found)
            if found.state is State.BLOCKED:
                raise UserError(f"{found.masked} is blocked already", "nothing was changed")
            done = self._change(key, Move.BLOCKED, ZERO, reason)
            return vouchers.move(connection, found, done, state=State.BLOCKED)

        return self._change_once(code, key, change)

    def unblock(self, code: str, reason: str, *, token: str) -> Voucher:
        """Let a blocked code be used again."""
        key = f"unblock:{token}"

        def change(connection: Connection, found: Voucher) -> Voucher:
            if found.state is not State.BLOCKED:
                message = f"{found.masked} is not blocked: it is {found.state}"
                raise UserError(message, "nothing was changed")
            done = self._change(key, Move.UNBLOCKED, ZERO, reason)
            return vouchers.move(connection, found, done, state=State.OPEN)

        return self._change_once(code, key, change)

    def extend(self, code: str, until: date, reason: str, *, token: str) -> Voucher:
        """Give a code a later last day; what had expired is on it again."""
        key = f"extend:{token}"

        def change(connection: Connection, found: Voucher) -> Voucher:
            refuse_over(found)
            if until < self.today or (found.valid_until or date.max) > until:
                given = found.valid_until.isoformat() if found.valid_until else "for ever"
                message = f"{found.masked} is good until {given}"
                raise UserError(message, "name a later day")
            lapsed = _lapsed(connection, found)
            done = self._change(key, Move.EXTENDED, lapsed, f"until {until}: {reason}")
            return vouchers.move(connection, found, done, valid_until=until)

        return self._change_once(code, key, change)

    def replace(self, code: str, reason: str, *, new_code: str) -> Voucher:
        """Move what is on a lost code to a new one, with its last day and its owner.

        What stands on documents stays with the old code, and comes back to it: it is blocked.
        """
        key = f"move:{new_code}"

        def work(connection: Connection) -> Voucher:
            before = vouchers.find(connection, new_code)
            if before is not None:
                return before
            old = vouchers.by_code(connection, code)
            refuse_over(old)
            if old.has_ended(self.today) or not old.balance:
                message = f"there is nothing on {old.masked} that could be moved"
                raise UserError(message, "dolisync voucher show says what became of it")
            text = f"moved to {new_code[-4:]}: {reason}"
            away = self._change(f"{key}:from", Move.MOVED, -old.balance, text)
            vouchers.move(connection, old, away, state=State.REPLACED)
            new = replace(
                old,
                code=new_code,
                state=State.OPEN,
                origin=replace(old.origin, replaces_id=old.id),
                made_at=self.clock.now(),
            )
            text = f"moved from {old.masked}: {reason}"
            there = self._change(f"{key}:to", Move.MOVED, old.balance, text)
            return self._shown(connection, vouchers.issue(connection, new, there))

        return write(self.engine, work)

    def revoke(
        self, code: str, programs: Mapping[str, Program], reason: str, *, token: str
    ) -> Voucher:
        """End a code: what is on it is taken off, and points come back where none of it was used.

        Raises ``UserError`` for one that was made from points and used in part.
        """
        key = f"revoke:{token}"

        def change(connection: Connection, found: Voucher) -> Voucher:
            refuse_over(found)
            if found.origin.redemption_id is not None:
                self._points_back(connection, found, programs, reason)
            kind = Move.REFUNDED if found.origin.redemption_id is None else Move.REVOKED
            done = self._change(key, kind, -found.balance, reason)
            return vouchers.move(connection, found, done, state=State.REVOKED)

        return self._change_once(code, key, change)

    def _points_back(
        self,
        connection: Connection,
        found: Voucher,
        programs: Mapping[str, Program],
        reason: str,
    ) -> None:
        id_ = tables.redemption.c.id
        bought = redemptions.read(connection, id_ == found.origin.redemption_id)[0]
        if found.balance != bought.amount:
            message = (
                f"of {found.masked} {bought.amount - found.balance:.2f} {found.currency} is gone"
            )
            raise UserError(message, "points come back for an untouched voucher only; block it")
        transaction = Transaction(connection, self.clock.now())
        return_points(transaction, programs.get(bought.program), bought, reason)
        redemptions.set_state(connection, bought, redemptions.State.REVOKED, reason)
        if self.shows:
            outbox.wish(connection, [outbox.customer_target(bought.customer)], transaction.now)

    # --- helpers ---------------------------------------------------------------------------------

    def _change_once(
        self, code: str, key: str, change: Callable[[Connection, Voucher], Voucher]
    ) -> Voucher:
        def work(connection: Connection) -> Voucher:
            found = vouchers.by_code(connection, code)
            if vouchers.is_booked(connection, key):
                return found
            return self._shown(connection, change(connection, found))

        return write(self.engine, work)

    def _change(self, key: str, kind: Move, amount: Decimal, reason: str) -> Change:
        return Change(key, kind, amount, self.today, self.clock.now(), reason)


def refuse_over(found: Voucher) -> None:
    """Raise ``UserError`` for a code that was replaced or ended."""
    if found.state in {State.REPLACED, State.REVOKED}:
        message = f"{found.masked} is {found.state}"
        raise UserError(message, "dolisync voucher show says when and why")


def refuse_unusable(found: Voucher, today: date) -> None:
    """Raise ``UserError`` for a code that cannot be used today, with the reason."""
    refuse_over(found)
    if found.state is State.BLOCKED:
        message = f"{found.masked} is blocked"
        raise UserError(message, "dolisync voucher show says when and why")
    if found.has_ended(today):
        message = f"{found.masked} was good until {found.valid_until}"
        raise UserError(message, "dolisync voucher extend gives it a later day")


def _lapsed(connection: Connection, found: Voucher) -> Decimal:
    """Return what expired on a code and did not come back since."""
    movement = tables.voucher_movement.c
    kinds = (Move.EXPIRED, Move.EXTENDED)
    query = select(func.coalesce(func.sum(movement.amount_minor), 0)).where(
        movement.voucher_id == found.id, movement.kind.in_(kinds)
    )
    return -Decimal(int(connection.execute(query).scalar() or 0)) / redemptions.MINOR


# --- without being asked -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Automatic:
    """What happens to the codes of one source by itself: some are made of points, some expire.

    ``program`` and ``points`` are ``None`` where none are made by themselves.
    """

    office: Vouchers
    place: tuple[str, int]
    currency: str
    months: int = 0
    program: Program | None = None
    points: Decimal | None = None

    def issue(self) -> int:
        """Make a voucher for every member who has the points for one; return how many."""
        if self.program is None or self.points is None or not self.program.takes(self.place[0]):
            return 0
        count = 0
        for customer in _rich(self.office, self.program, self.points, self.place):
            while self._issue(self.program, self.points, customer):
                count += 1
        return count

    def _issue(self, program: Program, points: Decimal, customer: CustomerKey) -> bool:
        until = last_day(self.office.today, self.months)
        wish = Wish(Kind.VOUCHER, ZERO, self.currency, self.place, until)
        token, code = new_token(), new_code()
        try:
            self.office.from_points(
                program, customer, points, wish, "by itself", code=code, token=token
            )
        except NotEnoughPoints:
            return False
        return True

    def sweep(self) -> int:
        """Write down what is left on codes past their last day; return how many.

        Until it runs they are unusable all the same.
        """
        today, now = self.office.today, self.office.clock.now()

        def work(connection: Connection) -> int:
            old = vouchers.ended(connection, self.place, today)
            for found in old:
                assert found.valid_until is not None
                reason = f"expired after {found.valid_until}"
                key = f"expire:{found.id}:{found.sequence + 1}"
                change = Change(key, Move.EXPIRED, -found.balance, found.valid_until, now, reason)
                vouchers.move(connection, found, change)
            if self.office.shows:
                vouchers.show(connection, old, now)
            return len(old)

        return write(self.office.engine, work)


def _rich(
    office: Vouchers, program: Program, points: Decimal, place: tuple[str, int]
) -> list[CustomerKey]:
    member = tables.member.c
    query = select(member.source, member.entity, member.customer_rowid).where(
        member.program == program.name,
        member.source == place[0],
        member.entity == place[1],
        member.erased_at.is_(None),
        member.balance >= program.units(points),
    )
    with reading(office.engine) as connection:
        return [CustomerKey(*row) for row in connection.execute(query)]


# --- batches -------------------------------------------------------------------------------------


def undo_batch(transaction: Transaction, batch: Batch) -> list[Voucher]:
    """Take off what is left on a batch's codes; what was used stays used. Return those changed."""
    found = [
        one
        for one in vouchers.of_batch(transaction.connection, batch.id)
        if one.state in {State.OPEN, State.BLOCKED}
    ]
    today = transaction.now.date()
    for one in found:
        key, reason = f"undo:{batch.token}:{one.id}", f"{batch.token} was undone"
        change = Change(key, Move.REFUNDED, -one.balance, today, transaction.now, reason)
        vouchers.move(transaction.connection, one, change, state=State.REVOKED)
    return found


def new_codes(count: int) -> list[str]:
    """Return so many codes. Raises ``UserError`` for more than are made at once."""
    if not 1 <= count <= VOUCHERS_MAX:
        message = f"{count} codes cannot be made at once: 1 to {VOUCHERS_MAX}"
        raise UserError(message, "make several batches")
    return [new_code() for _ in range(count)]


def act_token() -> str:
    """Return a name for an act, made before its first attempt."""
    return random_token("", 12)
