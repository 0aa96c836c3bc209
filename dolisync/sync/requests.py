"""What staff ask for on customer cards and drafts: done once, and answered there.

A request is taken into the ledger, done under its own token, and answered by one write that also
empties its fields, if they still hold what was read. Whatever fails in between is taken up where it
was left: the same words on the same card are the same request until the answer stands there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy import Engine

from dolisync.answers import sentence
from dolisync.config import Source
from dolisync.errors import StopRequested, TransientError, UserError
from dolisync.ledger import requests
from dolisync.ledger.batches import BATCH_PREFIX
from dolisync.ledger.book import NotEnoughPoints
from dolisync.ledger.courses import TierSetting
from dolisync.ledger.engine import reading, write
from dolisync.ledger.redemptions import Redemption, by_tokens
from dolisync.ledger.requests import Place, Request, State
from dolisync.ledger.views import MemberView, member_view
from dolisync.model import CustomerKey
from dolisync.phrases import day_text, money, number, points_text
from dolisync.ports import AskedOn, Clock, FieldValue, RequestDesk
from dolisync.program.terms import Program
from dolisync.program.tiers import SetByHand
from dolisync.program.wishes import (
    Part,
    RefusedWish,
    acting,
    wanted_reward,
    wanted_tier,
    wanted_units,
    wants_nobody,
    wants_part,
    words_of,
)
from dolisync.requests import CardFields, card_fields_of, draft_fields_of
from dolisync.sync import redeem
from dolisync.sync.adjust import adjust
from dolisync.sync.claims import Claimed, Claiming, ClaimRefused
from dolisync.sync.drafts import Drafts
from dolisync.sync.judge import Rules, Showing
from dolisync.sync.recommend import NotReferable, People, Refusal, Wish, refer, withdraw
from dolisync.sync.refusals import REFUSALS, why_not
from dolisync.sync.rests import Rests
from dolisync.sync.tiers import set_tier
from dolisync.sync.watch import Card, Watch

log = structlog.get_logger()

CUSTOMER = "customer"
SALE = "sale"
# A form that stood open, or was sent twice, brings the same words once more.
SAME_FOR = timedelta(minutes=10)
ANSWER_LENGTH = 255
# An error of our own is tried this often before the request is refused.
OWN_ERROR_ATTEMPTS = 3

Content = Mapping[str, str]


@dataclass(slots=True)
class Report:
    """How many requests were answered, and how many of them refused."""

    answered: int = 0
    refused: int = 0


@dataclass(slots=True)
class Clerk:
    """Obey the requests on the cards of one source.

    On its drafts too, where ``drafts`` are given; receipts are claimed on cards with ``claiming``.
    """

    engine: Engine
    clock: Clock
    source: Source
    programs: Mapping[str, Program]
    rules: Rules
    desk: RequestDesk
    drafts: Drafts | None = None
    claiming: Claiming | None = None
    people: People | None = None
    watch: Watch = field(init=False)
    # Who wrote these incomplete requests was allowed to: they wait for their reason.
    vouched: dict[Place, Content] = field(default_factory=dict)
    failures: Counter[int] = field(default_factory=Counter)
    rests: Rests = field(default_factory=Rests)

    def __post_init__(self) -> None:
        self.watch = Watch(self.engine, self.clock, self.source.name, self.desk)

    def run_once(self) -> Report:
        """Look at all cards once, do what is asked, and answer."""
        report, waiting = Report(), set()
        if self.drafts is not None:
            for redemption, why in self.drafts.follow():
                self._tell(redemption, why)
        if self.source.request_groups:
            self.watch.begin()
        for program in self.programs.values():
            if program.takes(self.source.name):
                waiting |= self._serve(program, CUSTOMER, report)
                waiting |= self._serve(program, SALE, report)
        if self.source.request_groups:
            self.watch.end(waiting)
        return report

    def _tell(self, redemption: Redemption, why: str) -> None:
        """Say on a draft what became of the points that were taken off it."""
        program = self.programs.get(redemption.program)
        fields = draft_fields_of(program, self.source) if program else None
        if program is not None and fields is not None and redemption.draft is not None:
            text = stamped(self.clock, program, self.source, f"{redemption.token}: {why}")
            self.desk.answer(SALE, redemption.draft.rowid, {}, {fields.answer: text})

    def _serve(self, program: Program, element: str, report: Report) -> set[Card]:
        """Serve one program's fields; return the cards whose request is not answered."""
        fields = self._fields(program, element)
        if fields is None:
            return set()
        others = [fields.answer, *set(fields.parts.values()).difference(fields.acting)]
        cards = {card.rowid: card for card in self.desk.asked(element, fields.acting, others)}
        opened = self._opened(program, element)
        waiting: set[Card] = set()
        asked = sorted(cards.keys() | opened)
        for place, rowid in enumerate(asked):
            card = (element, rowid)
            serving = _Serving(self, program, fields, element, rowid, report)
            try:
                is_answered = self._is_answered(card, serving, cards.get(rowid))
            except TransientError as error:
                log.warning("request waits", on=element, rowid=rowid, reason=str(error))
                # What failed here may be all of Dolibarr: the others have their turn at the next.
                return waiting | {(element, left) for left in asked[place:]}
            if not is_answered:
                waiting.add(card)
        return waiting

    def _is_answered(self, card: Card, serving: _Serving, asked: AskedOn | None) -> bool:
        if self.rests.is_resting(card, self.clock.now()):
            return False
        try:
            is_answered = serving.serve(asked)
        except TransientError:
            self.rests.failed(card, self.clock.now())
            raise
        self.rests.succeeded(card)
        return is_answered

    def _fields(self, program: Program, element: str) -> CardFields | None:
        if element == CUSTOMER:
            return card_fields_of(program, self.source, with_claims=self.claiming is not None)
        return draft_fields_of(program, self.source) if self.drafts is not None else None

    def _opened(self, program: Program, element: str) -> set[int]:
        with reading(self.engine) as connection:
            found = [one.place for one in requests.opened(connection, self.source.name)]
        mine = (program.name, element)
        return {place.rowid for place in found if (place.program, place.element) == mine}


@dataclass(slots=True)
class _Serving:
    """One card, with the request fields of one program."""

    clerk: Clerk
    program: Program
    fields: CardFields
    element: str
    rowid: int
    report: Report

    @property
    def _source(self) -> Source:
        return self.clerk.source

    @property
    def _place(self) -> Place:
        source = self._source
        return Place(self.program.name, source.name, source.entity, self.element, self.rowid)

    def serve(self, card: AskedOn | None) -> bool:
        """Bring this card's requests to their end; tell whether none is left unanswered."""
        if card is None:
            names = [*self.fields.parts.values(), self.fields.answer]
            card = self.clerk.desk.card(self.element, self.rowid, names)
        content = self._content(card) if card else {}
        refusal = self._refusal(content)
        is_waiting = not refusal and Part.ADJUST in content and Part.REASON not in content
        if card and acting(content) and not is_waiting:
            self._take(card, content, refusal)
        if is_waiting:
            self.clerk.vouched[self._place] = content
        else:
            self.clerk.vouched.pop(self._place, None)
        opened = [self._finished(request) for request in self._opened()]
        if any(request.state == State.TAKEN for request in opened):
            return False
        if card is None:
            self._close(opened)
            return True
        return self._answer(card, opened, is_waiting=is_waiting)

    def _content(self, card: AskedOn) -> dict[str, str]:
        """Return what stands in the fields, without those that are blank."""
        named = {part: words_of(card.values.get(name)) for part, name in self.fields.parts.items()}
        return {str(part): text for part, text in named.items() if text}

    # --- taking ----------------------------------------------------------------------------------

    def _refusal(self, content: Content) -> str:
        """Say why nobody obeys these words; empty when somebody who may has asked."""
        groups = self._source.request_groups
        if not acting(content) or not groups or self._is_vouched(content):
            return ""
        writers = self.clerk.watch.writers(self.element, self.rowid)
        if not writers or None in writers:
            return self._say("unknown_writer")
        allowed = {group.casefold() for group in groups}
        strangers = [
            writer.login
            for writer in writers
            if writer and allowed.isdisjoint(group.casefold() for group in writer.groups)
        ]
        if strangers:
            return self._say("not_allowed", who=", ".join(strangers), groups=", ".join(groups))
        return ""

    def _is_vouched(self, content: Content) -> bool:
        """Tell whether these very words were looked at before, and wait since."""
        if self.clerk.vouched.get(self._place) == content:
            return True
        wanted = requests.digest_of(content)
        return any(requests.digest_of(request.content) == wanted for request in self._opened())

    def _take(self, card: AskedOn, content: Content, refusal: str) -> None:
        source = self._source
        customer = CustomerKey(source.name, source.entity, card.customer_rowid)
        token, now = redeem.new_token(), self.clerk.clock.now()
        asked_by = "" if refusal else self._asked_by()
        with reading(self.clerk.engine) as connection:
            since = now - SAME_FOR
            if requests.was_done_since(connection, self._place, content, since):
                refusal = refusal or self._say("again")
        answer = self._stamped(refusal, asked_by) if refusal else ""
        write(
            self.clerk.engine,
            lambda c: requests.take(
                c, self._place, customer, content, asked_by, token, now, answer
            ),
        )

    def _asked_by(self) -> str:
        if not self._source.request_groups:
            return ""
        writers = self.clerk.watch.writers(self.element, self.rowid)
        return ", ".join(writer.login for writer in writers if writer)

    def _opened(self) -> list[Request]:
        with reading(self.clerk.engine) as connection:
            found = requests.opened(connection, self._source.name)
        return [request for request in found if request.place == self._place]

    # --- doing -----------------------------------------------------------------------------------

    def _finished(self, request: Request) -> Request:
        """Do what a request asks for, unless that was done already."""
        if request.state != State.TAKEN:
            return request
        try:
            done = self._do(request)
            if done is None:
                return request
            state, text = done
        except (TransientError, StopRequested):
            raise
        except Exception as error:
            if not self._is_given_up(request, error):
                return request
            state, text = State.REFUSED, self._say("not_done", why=type(error).__name__)
        answer = self._stamped(text, request.asked_by)
        write(self.clerk.engine, lambda c: requests.settle(c, request, state, answer))
        self.report.answered += 1
        self.report.refused += state == State.REFUSED
        log.info(
            "request answered",
            on=self.element,
            rowid=self.rowid,
            program=self.program.name,
            asked_by=request.asked_by,
            result=state,
            answer=text,
        )
        return next(one for one in self._opened() if one.id == request.id)

    def _do(self, request: Request) -> tuple[str, str] | None:
        """Do what is asked; ``None`` while it is under way."""
        if self.element == SALE and self.clerk.drafts is not None:
            return self.clerk.drafts.serve(self.program, request)
        return _Doing(self.clerk, self.program, request).do()

    def _is_given_up(self, request: Request, error: Exception) -> bool:
        """Tell whether an error of our own came so often that it will come again."""
        self.clerk.failures[request.id] += 1
        is_last = self.clerk.failures[request.id] >= OWN_ERROR_ATTEMPTS
        log.error(
            "request failed",
            on=self.element,
            rowid=self.rowid,
            reason=repr(error),
            given_up=is_last,
        )
        return is_last

    # --- answering -------------------------------------------------------------------------------

    def _answer(self, card: AskedOn, opened: Sequence[Request], *, is_waiting: bool) -> bool:
        """Write the answers, and empty the fields unless something still lacks."""
        texts = [request.answer for request in opened]
        if is_waiting:
            texts.append(self._say("ask_no_reason"))
        text = " | ".join(texts)[:ANSWER_LENGTH]
        if not opened and (not is_waiting or card.values.get(self.fields.answer) == text):
            return True
        values: dict[str, FieldValue] = {self.fields.answer: text, **self._joining(opened)}
        if not is_waiting:
            values |= dict.fromkeys(self.fields.parts.values())
        seen = {name: card.values.get(name) for name in self.fields.parts.values()}
        if not self.clerk.desk.answer(self.element, self.rowid, seen, values):
            return False
        self._close(opened)
        return True

    def _joining(self, opened: Sequence[Request]) -> dict[str, FieldValue]:
        """Return what the card says of who wants no part, where that was asked for."""
        words = [
            request.content[Part.JOIN]
            for request in opened
            if Part.JOIN in request.content and request.state == State.DONE
        ]
        if not words or self._source.opt_out_field is None:
            return {}
        try:
            return {self._source.opt_out_field: 0 if wants_part(words[-1]) else 1}
        except RefusedWish:
            # Another part of the request was done, this one was not understood.
            return {}

    def _close(self, opened: Sequence[Request]) -> None:
        now = self.clerk.clock.now()
        if opened:
            write(self.clerk.engine, lambda c: requests.close(c, opened, now))

    def _stamped(self, text: str, asked_by: str) -> str:
        return stamped(self.clerk.clock, self.program, self._source, text, asked_by)

    def _say(self, name: str, **values: object) -> str:
        return sentence(self._source.language, name, **values)


def stamped(clock: Clock, program: Program, source: Source, text: str, asked_by: str = "") -> str:
    """Begin an answer with the day and the hour of the shop, and who asked."""
    moment = clock.now().astimezone(program.zone)
    who = f" {asked_by}" if asked_by else ""
    return f"{day_text(source.language, moment.date())} {moment:%H:%M}{who}: {text}"


@dataclass(frozen=True, slots=True)
class _Doing:
    """One request that was taken. Each part is done under its token, so never twice."""

    clerk: Clerk
    program: Program
    request: Request

    def do(self) -> tuple[str, str]:
        """Do all its parts; return what came of it and the words for it."""
        ways: dict[str, Callable[[str], str]] = {
            Part.ADJUST: self._adjust,
            Part.REDEEM: self._redeem,
            Part.TIER: self._set_tier,
            Part.JOIN: self._join,
            Part.CLAIM: self._claim,
            Part.REFER: self._refer,
        }
        texts, state = [], State.REFUSED
        for part, text in acting(self.request.content).items():
            try:
                texts.append(ways[part](text))
                state = State.DONE
            except RefusedWish as refused:
                texts.append(self._say(refused.why, named=refused.named, near=refused.near))
            except _Refused as refused:
                texts.append(str(refused))
            except NotReferable as refused:
                texts.append(refused.said(self._language))
            except UserError as error:
                texts.append(self._say("not_done", why=str(error)))
        return state, "; ".join(texts)

    def _adjust(self, text: str) -> str:
        units = wanted_units(self.program, text, self._reason)
        self._refuse_strangers()
        signed = number(self._language, self.program.points_of(units), signed=True)
        try:
            done = adjust(
                self.clerk.engine,
                self.clerk.clock,
                self.program,
                self.request.customer,
                units,
                self._reason_and_who,
                token=self.request.token,
                showing=self.clerk.rules.showing.get(self._source.name, Showing()),
            )
        except NotEnoughPoints:
            raise _Refused(self._lacking(-units)) from None
        return self._say("adjusted", points=signed, balance=self._points(done.balance_after))

    def _redeem(self, text: str) -> str:
        self._refuse_strangers()
        with reading(self.clerk.engine) as connection:
            before = by_tokens(connection, [self.request.token])
        if not before:
            self._redeem_now(text)
        found = redeem.by_token(self.clerk.engine, self.request.token)
        amount = money(self._language, found.amount, self._source.currency)
        points, balance = self._points(found.points), self._points(self._view().balance)
        return self._say("redeemed", amount=amount, points=points, balance=balance)

    def _redeem_now(self, text: str) -> None:
        if not self.clerk.rules.showing.get(self._source.name, Showing()).discounts:
            raise _Refused(self._say("no_discounts"))
        available = self.program.points_of(self._view().available)
        reward = wanted_reward(self.program, text, available)
        try:
            redeem.redeem(
                self.clerk.engine,
                self.clerk.clock,
                self.program,
                self.request.customer,
                reward,
                token=self.request.token,
                reason=self._reason_and_who,
            )
        except REFUSALS as error:
            said = why_not(self._language, self.program, reward, available, error)
            raise _Refused(said) from None

    def _set_tier(self, text: str) -> str:
        wish = wanted_tier(self.program, text)
        self._refuse_strangers()
        day = self.request.asked_at.astimezone(self.program.zone).date().toordinal()
        setting = SetByHand(day, wish.tier.name if wish.tier else "", wish.is_locked)
        entry = TierSetting(
            self.request.customer,
            setting,
            self.request.asked_by or "Dolibarr",
            self._reason or "on the customer card",
        )
        clerk = self.clerk
        set_tier(clerk.engine, clerk.clock, clerk.rules, self.program, entry, self.request.token)
        if wish.tier is None:
            return self._say("tier_again")
        name = "tier_locked" if wish.is_locked else "tier_set"
        return self._say(name, tier=wish.tier.title)

    def _join(self, text: str) -> str:
        takes_part = wants_part(text)
        if self._source.opt_out_field is None:
            raise _Refused(self._say("no_opt_out"))
        return self._say("joined" if takes_part else "left")

    def _claim(self, text: str) -> str:
        claiming = self.clerk.claiming
        assert claiming is not None, "without claims there is no such field"
        self._refuse_strangers()
        try:
            sale = claiming.sale_of(text)
        except UserError:
            raise _Refused(self._say("claim_unknown")) from None
        # Batches have names of their own kind; the same request names the same one.
        token = f"{BATCH_PREFIX}{self.request.token.removeprefix(redeem.TOKEN_PREFIX)}"
        try:
            done = claiming.claim(sale, self.request.customer, token)
        except ClaimRefused as refused:
            day = refused.last_day
            last = "" if day is None else day_text(self._language, day)
            raise _Refused(self._say(refused.bar, sale=refused.sale, last=last)) from None
        return self._claimed(done)

    def _claimed(self, done: Claimed) -> str:
        mine = (self.program.name, self.request.customer)
        gained = sum(c.units for c in done.changes if (c.program.name, c.customer) == mine)
        signed = number(self._language, self.program.points_of(gained), signed=True)
        name = "claimed" if gained else "claimed_none"
        balance = self._points(self._view().balance)
        return self._say(name, sale=done.sale.ref, points=signed, balance=balance)

    def _refer(self, text: str) -> str:
        clerk, program, request = self.clerk, self.program, self.request
        if wants_nobody(text):
            withdraw(
                clerk.engine,
                clerk.clock,
                clerk.rules,
                program,
                request.customer,
                since=request.asked_at,
            )
            return self._say("refer_withdrawn")
        if clerk.people is None:
            raise NotReferable(Refusal.NO_PROGRAM)
        by = clerk.people.meant(text)
        clerk.people.refuse_who_opted_out(request.customer, by)
        said_on = request.asked_at.astimezone(program.zone).date()
        wish = Wish(program, request.customer, by, said_on, request.asked_by or "Dolibarr")
        found = refer(clerk.engine, clerk.clock, clerk.rules, wish, token=request.token)
        if found.sale_id is None:
            return self._say("referred")
        given = number(self._language, program.points_of(found.held_by_by.units))
        return self._say("refer_given", points=self._points(found.held_by_new.units), given=given)

    def _refuse_strangers(self) -> None:
        """Refuse for the till's default customer, and for those whom the program leaves out."""
        left_out = {*self._source.pos_customers, *self.program.excluded_customers}
        if self.request.customer.rowid in left_out:
            raise _Refused(self._say("no_member"))

    def _lacking(self, units: int) -> str:
        available = number(self._language, self.program.points_of(self._view().available))
        return self._say("not_enough", points=self._points(units), available=available)

    def _view(self) -> MemberView:
        today = self.clerk.clock.now().astimezone(self.program.zone).date()
        with reading(self.clerk.engine) as connection:
            return member_view(connection, self.program.name, self.request.customer, today)

    @property
    def _source(self) -> Source:
        return self.clerk.source

    @property
    def _language(self) -> str:
        return self._source.language

    @property
    def _reason(self) -> str:
        return self.request.content.get(Part.REASON, "")

    @property
    def _reason_and_who(self) -> str:
        who = f" ({self.request.asked_by})" if self.request.asked_by else ""
        return f"{self._reason}{who}".strip()[:200]

    def _points(self, units: int) -> str:
        return points_text(self._language, self.program.points_of(units))

    def _say(self, name: str, **values: object) -> str:
        return sentence(self._language, name, **values)


class _Refused(Exception):  # noqa: N818
    """Carry the sentence that stands on the card."""
