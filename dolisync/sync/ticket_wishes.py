"""What cashiers ask for on open tickets: a free line of text that begins with an asterisk.

It is read as what staff write on drafts: a reward's name, points, an amount, max, 0. The line goes
once that is done; where it is not, the line says why. A line is known by its place, so whatever
breaks in between is taken up where it was left, and nothing is done twice.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from dolisync.answers import sentence
from dolisync.errors import RefusedError, TransientError
from dolisync.ledger.engine import reading
from dolisync.ledger.redemptions import Redemption, State, by_tokens
from dolisync.model import Sale, SaleStatus
from dolisync.ports import TypedLine, WishDoor
from dolisync.program.reward_names import named_by_beginning, named_in_full
from dolisync.program.terms import Program
from dolisync.program.wishes import RefusedWish, wants_off
from dolisync.sync.drafts import Drafts
from dolisync.sync.redeem import TOKEN_PREFIX

log = structlog.get_logger()

MARK = "*"
# While Dolibarr does not answer, it is left alone for so long.
REST_AFTER_FAILURE = timedelta(seconds=10)
_TOKEN_LENGTH = 12
_ANSWER_LENGTH = 200


@dataclass(slots=True)
class TicketWishes:
    """Obeys what is typed on the open tickets of one source."""

    drafts: Drafts
    programs: Mapping[str, Program]
    door: WishDoor
    _resting_until: datetime | None = None

    def run_once(self) -> int:
        """Look at all open tickets once; return how many wishes were done or refused."""
        now = self.drafts.clock.now()
        if self._resting_until is not None and now < self._resting_until:
            return 0
        try:
            return self._look()
        except TransientError as error:
            self._resting_until = now + REST_AFTER_FAILURE
            log.warning("wishes on tickets wait", reason=str(error))
            return 0

    def _look(self) -> int:
        typed = [line for line in self.door.asked() if line.text.removeprefix(MARK).strip()]
        rowids = sorted({line.sale.rowid for line in typed})
        sales = {sale.key: sale for sale in self.drafts.reader.get(rowids)} if rowids else {}
        done = 0
        for line in typed:
            sale, program = sales.get(line.sale), self._program(line)
            if sale is not None and program is not None and self._is_ready(sale, line):
                try:
                    done += self._serve(program, sale, line)
                except RefusedError as error:
                    # Paid in this very moment, mostly.
                    log.info("a ticket took no answer", ticket=sale.key.rowid, reason=str(error))
        return done

    def _program(self, line: TypedLine) -> Program | None:
        """Return whose rewards are meant: of several programs the one that knows the name."""
        taking = (p for p in self.programs.values() if p.takes(line.sale.source))
        able = [program for program in taking if program.value_of_point or program.reward]
        words = _words(line)
        knowing = (
            program
            for program in able
            if named_in_full(program.reward, words).rewards
            or named_by_beginning(program.reward, words).rewards
        )
        return next(knowing, able[0] if able else None)

    def _is_ready(self, sale: Sale, line: TypedLine) -> bool:
        """Tell whether goods and customer are there; until then the line waits for them."""
        is_there = any(found.rowid == line.rowid for found in sale.lines)
        has_goods = any(found.total_incl for found in sale.lines)
        is_known = sale.customer.rowid not in self.drafts.source.pos_customers
        return is_there and has_goods and is_known and sale.status is SaleStatus.DRAFT

    def _serve(self, program: Program, sale: Sale, line: TypedLine) -> bool:
        """Bring a wish forward; tell whether it came to its end."""
        words = _words(line)
        if wants_off(words):
            self.drafts.take_all_off(sale.key)
            self.door.remove_line(sale.key, line.rowid)
            return True
        found = self._found(token_of(sale, line))
        if found is None:
            return self._ask(program, sale, line)
        if found.state == State.WANTED:
            return False
        if found.state in {State.REFUSED, State.REVOKED}:
            self._answer(line, found.reason)
        else:
            self.door.remove_line(sale.key, line.rowid)
        return True

    def _ask(self, program: Program, sale: Sale, line: TypedLine) -> bool:
        token = token_of(sale, line)
        try:
            self.drafts.ask(program, sale.key, _words(line), token, "asked at the till")
        except RefusedWish as refused:
            language = self.drafts.source.language
            said = sentence(language, refused.why, named=refused.named, near=refused.near)
            self._answer(line, said)
            return True
        except RefusedError as refused:
            self._answer(line, str(refused))
            return True
        return False

    def _found(self, token: str) -> Redemption | None:
        with reading(self.drafts.engine) as connection:
            return next(iter(by_tokens(connection, [token])), None)

    def _answer(self, line: TypedLine, said: str) -> None:
        self.door.answer(line, f"{_words(line)}: {said}"[:_ANSWER_LENGTH])


def token_of(sale: Sale, line: TypedLine) -> str:
    """Return the token of what is asked on a line: the same whenever it is read.

    With the moment at which the ticket was begun: a Dolibarr that was restored uses numbers again.
    """
    place = f"{sale.key} {sale.created_at} {line.rowid} {sale.customer}"
    digest = hashlib.sha256(place.encode()).digest()
    return f"{TOKEN_PREFIX}{base64.b32encode(digest).decode()[:_TOKEN_LENGTH]}"


def _words(line: TypedLine) -> str:
    return line.text.removeprefix(MARK).strip()
