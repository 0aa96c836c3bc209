"""Codes on drafts: typed or scanned as a line of text, answered by lines that take money off.

What a draft takes from a code leaves the code first and is put on the draft then; what stands there
follows the goods while the draft is open. Each look compares and mends: a lost answer, a crash or
two daemons heal at the next one. Once validated, a draft is a sale, and the sales say what is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, Engine

from dolisync.code_answers import code_text
from dolisync.codes import masked_code, read_code
from dolisync.config import Source
from dolisync.errors import RefusedError, TransientError
from dolisync.ledger import voucher_uses, vouchers
from dolisync.ledger.engine import reading, write
from dolisync.ledger.tokens import random_token
from dolisync.ledger.voucher_uses import Use, UseState
from dolisync.ledger.vouchers import Kind, State, Voucher
from dolisync.model import Sale, SaleKey, SaleLine, SaleStatus
from dolisync.phrases import day_text, money
from dolisync.ports import Clock, CodeDoor, SaleSource, TypedLine
from dolisync.program.code_shares import KINDS, lines_with, shares_of, taken_by
from dolisync.program.draft_shares import Share, has_other_taxes

log = structlog.get_logger()

ZERO = Decimal(0)
PREFIXES = {Kind.VOUCHER: "DV-", Kind.GIFT_CARD: "DG-"}
TOKEN_LENGTH = 12
OPEN = (UseState.WANTED, UseState.PLACED)
# What is written in groups is meant to be a code, also where a character is wrong.
_MEANT = re.compile(r"\w{4}-\w{4}-\w{4}")
# While Dolibarr does not answer, it is left alone for so long.
REST_AFTER_FAILURE = timedelta(seconds=10)
# A document that refused is not asked again at each look.
REST_AFTER_REFUSAL = timedelta(seconds=60)


@dataclass(slots=True)
class CodeLines:
    """Keeps what codes take on the drafts of one source."""

    engine: Engine
    clock: Clock
    source: Source
    reader: SaleSource
    door: CodeDoor
    _resting_until: datetime | None = None
    _refused: dict[SaleKey, datetime] = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The shop's day."""
        return self.clock.now().astimezone(ZoneInfo(self.source.timezone)).date()

    def run_once(self) -> int:
        """Look at all drafts with codes; return on how many something was changed."""
        now = self.clock.now()
        if self._resting_until is not None and now < self._resting_until:
            return 0
        self._refused = {key: until for key, until in self._refused.items() if until > now}
        try:
            return self._look()
        except TransientError as error:
            self._resting_until = now + REST_AFTER_FAILURE
            log.warning("no codes on drafts", source=self.source.name, reason=str(error))
            return 0

    def _look(self) -> int:
        typed = [line for line in self.door.typed() if _may_be_code(line.text)]
        with reading(self.engine) as connection:
            uses = voucher_uses.open_ones(connection, self.source.name)
        keys = {line.sale for line in typed} | {use.key for use in uses}
        keys -= self._refused.keys()
        if not keys:
            return 0
        sales = {sale.key: sale for sale in self.reader.get(sorted(key.rowid for key in keys))}
        done = 0
        for key in sorted(keys):
            mine = [line for line in typed if line.sale == key]
            done += self._document(key, sales.get(key), mine)
        return done

    def _document(self, key: SaleKey, sale: Sale | None, typed: Sequence[TypedLine]) -> bool:
        """Bring one document up to date; tell whether anything was changed."""
        try:
            return self._change(key, sale, typed)
        except RefusedError as error:
            # Validated in this very moment, mostly: the sales say then what is used.
            self._refused[key] = self.clock.now() + REST_AFTER_REFUSAL
            log.info("a draft took no code", sale=str(key), reason=str(error))
            return True
        except TransientError:
            # Where only this one fails, the others go on after the rest.
            self._refused[key] = self.clock.now() + REST_AFTER_REFUSAL
            raise

    def _change(self, key: SaleKey, sale: Sale | None, typed: Sequence[TypedLine]) -> bool:
        changed = False
        if sale is not None and sale.status is SaleStatus.DRAFT:
            for line in typed:
                changed = self._answer(sale, line) or changed
        for use in self._uses(key):
            changed = self._follow(sale, use) or changed
        return changed

    def _uses(self, key: SaleKey) -> list[Use]:
        with reading(self.engine) as connection:
            found = voucher_uses.of_documents(connection, [key])
        return [use for use in found if use.state in OPEN]

    # --- what was typed --------------------------------------------------------------------------

    def _answer(self, sale: Sale, line: TypedLine) -> bool:
        """Take what a typed code is good for, or say why it is good for nothing."""
        is_there = any(found.rowid == line.rowid for found in sale.lines)
        if not is_there or not any(found.total_incl for found in sale.lines):
            # It was scanned before the goods: it waits for them.
            return False
        code = read_code(line.text)
        with reading(self.engine) as connection:
            found = None if code is None else vouchers.find(connection, code)
        if code is None or found is None:
            shown = masked_code(line.text.strip()) if code is None else masked_code(code)
            self.door.answer(line, self._say("wrong" if code is None else "unknown", code=shown))
            return True
        why = self._why_not(sale, found)
        if why:
            day = day_text(self.source.language, found.valid_until) if found.valid_until else ""
            self.door.answer(line, self._say(why, code=found.masked, day=day))
            return True
        self._begin(sale, found)
        self.door.remove_line(sale.key, line.rowid)
        return True

    def _why_not(self, sale: Sale, found: Voucher) -> str:
        """Name why a code is of no use on a document; empty where it is."""
        if found.state is not State.OPEN:
            return str(found.state)
        if any(use.voucher_id == found.id for use in self._uses(sale.key)):
            # It was typed twice, or it is what a crash left of it.
            return ""
        reasons = {
            "expired": found.has_ended(self.today),
            "empty": not found.balance,
            "no_bill": sale.kind not in KINDS,
            "currency": sale.currency not in {"", found.currency},
            "taxes": has_other_taxes(sale.lines),
        }
        why = next((name for name, holds in reasons.items() if holds), "")
        return why or ("" if self._shares(sale, found, "?", found.balance) else "no_room")

    def _begin(self, sale: Sale, found: Voucher) -> None:
        token = random_token(PREFIXES[found.kind], TOKEN_LENGTH)

        def work(connection: Connection) -> None:
            mine = voucher_uses.of_documents(connection, [sale.key])
            if any(use.voucher_id == found.id and use.state in OPEN for use in mine):
                return
            now = vouchers.by_id(connection, found.id)
            shares = self._shares(sale, now, token, now.usable(self.today))
            if shares:
                reason = "taken"
                at = (self.clock.now(), self.today)
                voucher_uses.begin(connection, now, sale.key, token, shares, reason, *at)
                vouchers.show(connection, [now], self.clock.now())

        write(self.engine, work)

    def _shares(self, sale: Sale, found: Voucher, token: str, most: Decimal) -> tuple[Share, ...]:
        rate = found.tax_rate if found.kind is Kind.GIFT_CARD else None
        return shares_of(sale, token, most, rate)

    # --- what stands there -----------------------------------------------------------------------

    def _follow(self, sale: Sale | None, use: Use) -> bool:
        """Bring what a use takes and what stands there together; tell whether that changed it."""
        if sale is None:
            self._end(use, "the draft was deleted")
            return True
        stands = taken_by(sale.lines, use.token)
        if sale.status is not SaleStatus.DRAFT:
            self._hold(use, stands, UseState.USED, "used")
            return True
        if use.state is UseState.PLACED and stands != use.shares:
            # Somebody deleted or changed a line of ours: he does not want it.
            self._remove(sale, lines_with(sale.lines, use.token))
            self._end(use, "taken off the draft")
            return True
        return self._keep(sale, use, stands)

    def _keep(self, sale: Sale, use: Use, stands: Sequence[Share]) -> bool:
        """Let the lines follow the goods of a draft."""
        with reading(self.engine) as connection:
            found = vouchers.by_id(connection, use.voucher_id)
        most = use.amount + found.usable(self.today)
        wanted = self._shares(sale, found, use.token, most)
        if not wanted:
            self._remove(sale, lines_with(sale.lines, use.token))
            self._end(use, "nothing to pay on the draft any more")
            return True
        if wanted != use.shares:
            use = self._hold(use, wanted, UseState.WANTED, "taken")
        if use.state is UseState.PLACED:
            return False
        self._place(sale, use, stands)
        return True

    def _place(self, sale: Sale, use: Use, stands: Sequence[Share]) -> None:
        """Put a use's lines on its draft, instead of those that say something else."""
        right = set(stands) & set(use.shares)
        kept = {share.tax_rate for share in right}
        lines = lines_with(sale.lines, use.token)
        self._remove(sale, [line for line in lines if line.tax_rate not in kept])
        with reading(self.engine) as connection:
            found = vouchers.by_id(connection, use.voucher_id)
        left = money(self.source.language, found.balance, found.currency)
        text = self._say(found.kind, code=found.masked, left=left, token=use.token)
        for share in use.shares:
            if share.tax_rate not in kept:
                self.door.add_line(sale.key, text, -share.amount, share.tax_rate)
        after = next(iter(self.reader.get([sale.key.rowid])), None)
        if after is None or after.status is not SaleStatus.DRAFT:
            return
        if taken_by(after.lines, use.token) == use.shares:
            self._hold(use, use.shares, UseState.PLACED, "")
            return
        log.warning("lines of a code taken off", token=use.token, reason="Dolibarr counted else")
        self._remove(after, lines_with(after.lines, use.token))
        self._end(use, "Dolibarr counted otherwise")

    def _remove(self, sale: Sale, lines: Sequence[SaleLine]) -> None:
        for line in lines:
            self.door.remove_line(sale.key, line.rowid)

    def _end(self, use: Use, reason: str) -> None:
        self._hold(use, (), UseState.ENDED, reason)

    def _hold(self, use: Use, shares: Sequence[Share], state: UseState, reason: str) -> Use:
        """Note what a use takes. What stands on a sale and is not there any more is not taken."""

        def work(connection: Connection) -> Use:
            (now,) = voucher_uses.of_documents(connection, (), [use.token])
            if now.state not in OPEN:
                # The sale was booked meanwhile, and knows better.
                return now
            found = vouchers.by_id(connection, use.voucher_id)
            most = now.amount + found.balance
            cut = tuple(_cut(shares, most))
            at = (self.clock.now(), self.today)
            vouchers.show(connection, [found], self.clock.now())
            return voucher_uses.hold(connection, now, cut, state, reason, *at)

        return write(self.engine, work)

    def _say(self, name: str, **values: object) -> str:
        return code_text(self.source.language, name, **values)


def _may_be_code(text: str) -> bool:
    return read_code(text) is not None or _MEANT.fullmatch(text.strip()) is not None


def _cut(shares: Sequence[Share], most: Decimal) -> Iterator[Share]:
    """Cut shares to at most so much: another document may have been quicker."""
    for share in shares:
        amount = min(share.amount, most)
        most -= amount
        if amount > 0:
            yield Share(share.tax_rate, amount)
