"""Tier tags: each member's card bears the tag of the tier held; staff set a tier by another tag.

What was last put on a card is kept in the ledger, so that what staff did since is told apart from
what we did. Each act of theirs is taken once, in the transaction that notes what stands on the card
now; after that the card is made equal to the ledger, and stays so.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine

from dolisync.config import Source
from dolisync.errors import RefusedError
from dolisync.ledger import courses, outbox, tier_marks
from dolisync.ledger.courses import TierSetting
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import Transaction
from dolisync.ledger.tier_marks import Place
from dolisync.model import CustomerKey
from dolisync.ports import Clock, CustomerSource, Pulse, TagDoor, no_pulse
from dolisync.program.looking_back import reach_days
from dolisync.program.staff_tags import Act, Mark, Noticed, label_of, noticed, setting_of
from dolisync.program.terms import Program
from dolisync.sync.judge import Rules
from dolisync.sync.tier_holders import Holders
from dolisync.sync.tiers import set_tier_in

log = structlog.get_logger()

# More than so many cards that lose a tag at once, and more than half of those that bore it: the tag
# itself was emptied or made anew, and nobody meant these members.
VANISHED_MAX = 10

Labels = frozenset[str]
NO_LABELS: Labels = frozenset()


def tagging(programs: Mapping[str, Program], source: str) -> list[Program]:
    """Return the programs whose tiers are tags in a source."""
    return [p for p in programs.values() if p.tier and p.tiers.tags and p.takes(source)]


@dataclass(frozen=True, slots=True)
class _Taking:
    """A card whose tags are not what we know, and whether somebody may have meant it."""

    place: Place
    found: Labels
    token: str
    is_obeyed: bool


@dataclass(slots=True)
class TierTags:
    """The tier tags of one source."""

    engine: Engine
    clock: Clock
    source: Source
    programs: Mapping[str, Program]
    rules: Rules
    door: TagDoor
    customers: CustomerSource
    pulse: Pulse = no_pulse
    _looked_at: datetime | None = None
    _trace: str | None = None
    _refusal: str = ""
    _mine: list[Program] = field(init=False)
    _holders: Holders = field(init=False)

    def __post_init__(self) -> None:
        self._mine = tagging(self.programs, self.source.name)
        self._holders = Holders(self.engine, self.clock, self.source, self.pulse)

    # --- looking ---------------------------------------------------------------------------------

    def run_once(self) -> int:
        """Take what staff did since; return how many tiers they set or released."""
        now = self.clock.now()
        pause = timedelta(seconds=self.door.look_every_s)
        if self._looked_at is not None and now - self._looked_at < pause:
            return 0
        try:
            trace = self.door.trace(self._labels)
            is_known = trace is not None and trace == self._trace
            taken = 0 if is_known else self._look()
        except RefusedError as refusal:
            self._tell_refusal(str(refusal))
            return 0
        # Only what was looked at whole: an error leaves it to be looked at again.
        self._looked_at, self._trace = now, trace
        return taken

    def _tell_refusal(self, text: str) -> None:
        if text != self._refusal:
            log.warning("tier tags cannot be read", source=self.source.name, reason=text)
        self._refusal = text

    @property
    def _labels(self) -> Labels:
        return frozenset(tier.label for program in self._mine for tier in program.tier)

    def _look(self) -> int:
        with reading(self.engine) as connection:
            marks = tier_marks.of_source(connection, self.source.name, self.source.entity)
            is_unsure = tier_marks.is_noted(connection, tier_marks.unsure(self.source.name))
        differing = self._differing(marks)
        carried = self._forget_gone(marks, differing)
        emptied = self._emptied(marks, differing)
        taken = 0
        for place, found in differing.items():
            if found is not None and not self._left_out(place):
                is_ours = found & carried or (not found and _tags(marks, place) & emptied)
                is_obeyed = not (is_unsure or is_ours)
                taken += self._take(place, found, is_obeyed=is_obeyed)
                self.pulse()
        if is_unsure:
            name = tier_marks.unsure(self.source.name)
            write(self.engine, lambda c: tier_marks.unnote(c, name))
        self._holders.begin("tags", self._mine, self.compare)
        return taken

    def _differing(self, marks: Mapping[Place, Mark]) -> dict[Place, Labels | None]:
        """Return what stands on the cards that differ from their marks; ``None`` for those gone.

        Each is read once more: what was listed may have changed, or not all be listed.
        """
        tagged = self.door.tagged(self._labels)
        found: dict[Place, Labels | None] = {}
        for program in self._mine:
            mine = frozenset(tier.label for tier in program.tier) & tagged.known
            known = {place.customer for place in marks if place.program == program.name}
            listed = {self._holders.customer(rowid) for rowid in tagged.by_customer}
            for customer in sorted(known | listed):
                place = Place(program.name, customer)
                shown = tagged.by_customer.get(customer.rowid, NO_LABELS) & mine
                if shown != _tags(marks, place) & mine:
                    found[place] = self._shown(customer, mine)
        return found

    def _shown(self, customer: CustomerKey, labels: Labels) -> Labels | None:
        if customer.rowid not in self.customers.customers([customer.rowid]):
            return None
        return self.door.tags_of(customer.rowid, labels)

    def _forget_gone(
        self, marks: Mapping[Place, Mark], differing: Mapping[Place, Labels | None]
    ) -> Labels:
        """Forget the marks of customers who are gone; return their tags.

        A merge in Dolibarr gives them to the customer that is left: no wish of anybody's.
        """
        gone = [place for place, found in differing.items() if found is None]
        if gone:
            write(self.engine, lambda c: tier_marks.drop(c, gone))
        return frozenset(tag for place in gone for tag in _tags(marks, place))

    def _emptied(
        self, marks: Mapping[Place, Mark], differing: Mapping[Place, Labels | None]
    ) -> Labels:
        """Return the tags that too many members lost at once, for no other."""
        borne = Counter(tag for mark in marks.values() for tag in mark.tags)
        lost = Counter(
            tag
            for place, found in differing.items()
            if found is not None and not found
            for tag in _tags(marks, place)
        )
        emptied = {tag for tag, n in lost.items() if n > VANISHED_MAX and 2 * n > borne[tag]}
        for tag in sorted(emptied):
            log.warning("a tier tag was taken off many cards", tag=tag, cards=lost[tag])
        return frozenset(emptied)

    def _left_out(self, place: Place) -> bool:
        return self._holders.leaves_out(self.programs[place.program], place.customer)

    def _held_by(self, connection: Connection, place: Place) -> str:
        program = self.programs[place.program]
        return self._holders.held_by(connection, program, place.customer)

    # --- taking ----------------------------------------------------------------------------------

    def _take(self, place: Place, found: Labels, *, is_obeyed: bool) -> bool:
        """Note what stands on a card and do what staff mean by it; tell whether they did."""
        # Made before the first attempt: a transaction that is repeated is the same one.
        token = secrets.token_hex(12)
        taking = _Taking(place, found, token, is_obeyed)
        wish = write(self.engine, lambda c: self._take_in(c, taking))
        if wish.act is Act.NOTHING:
            return False
        log.info(
            _EVENTS[wish.act],
            program=place.program,
            customer=place.customer.rowid,
            tier=wish.tier,
            reason=wish.why,
        )
        return wish.act is not Act.PUT_RIGHT

    def _take_in(self, connection: Connection, taking: _Taking) -> Noticed:
        now, place = self.clock.now(), taking.place
        known = tier_marks.of(connection, [place.customer]).get(place)
        held = self._held_by(connection, place)
        mark = known or Mark(held, NO_LABELS, now)
        wish = noticed(self.programs[place.program], mark, taking.found, held, now)
        if wish.act is Act.NOTHING:
            return wish
        if not taking.is_obeyed:
            wish = Noticed(Act.PUT_RIGHT, why="it is not known who put it there")
        seen = replace(mark, tags=taking.found)
        if wish.act is not Act.PUT_RIGHT:
            wish = self._obey(connection, taking, wish)
            # What staff did is no old form's doing: nothing of before can come back by one.
            seen = replace(seen, tier=self._held_by(connection, place), tier_before=None)
        tier_marks.put(connection, place, seen)
        outbox.wish(connection, [outbox.tags_target(place.customer)], now)
        return wish

    def _obey(self, connection: Connection, taking: _Taking, wish: Noticed) -> Noticed:
        transaction = Transaction(connection, self.clock.now())
        program, customer = self.programs[taking.place.program], taking.place.customer
        day = self._holders.today(program).toordinal()
        starts = {customer: day + 1}
        begun = courses.begun(connection, program.name, starts, reach_days(program))
        by_hand = courses.set_by_hand(connection, program.name, [customer]).get(customer, ())
        setting = setting_of(program, begun[customer].course, by_hand, wish, day)
        if setting is None:
            return Noticed(Act.PUT_RIGHT, why="it is the tier earned")
        label = label_of(program, wish.tier)
        reason = f"tag '{label}' put on the customer card" if label else "tag taken off the card"
        entry = TierSetting(customer, setting, "Dolibarr", reason)
        set_tier_in(transaction, self.rules, program, entry, taking.token)
        return wish

    # --- publishing ------------------------------------------------------------------------------

    def publish(self, customer: CustomerKey) -> None:
        """Make the tags of one card equal to the ledger. Raises what the door raises."""
        found = self._found(customer)
        if found is None:
            return
        for program in self._mine:
            place = Place(program.name, customer)
            mark = self._mark(place)
            if mark is not None or not self._left_out(place):
                self._publish(program, place, found, mark)

    def _found(self, customer: CustomerKey) -> Labels | None:
        """Read a card's tags; where they are not what we know, staff are heard first."""
        with reading(self.engine) as connection:
            marks = tier_marks.of(connection, [customer])
        labels = self._labels.union(*(mark.tags for mark in marks.values()))
        found = self.door.tags_of(customer.rowid, labels)
        if found is not None and self._is_news(customer, marks, found):
            self._look()
            found = self.door.tags_of(customer.rowid, labels)
        return found

    def _is_news(self, customer: CustomerKey, marks: Mapping[Place, Mark], found: Labels) -> bool:
        now = self.clock.now()
        for program in self._mine:
            mark = marks.get(Place(program.name, customer)) or Mark("", NO_LABELS, now)
            if noticed(program, mark, found, "", now).act in {Act.SET, Act.RELEASE}:
                return True
        return False

    def _publish(self, program: Program, place: Place, found: Labels, known: Mark | None) -> None:
        now = self.clock.now()
        with reading(self.engine) as connection:
            wanted = self._held_by(connection, place)
        mark = known or Mark("", NO_LABELS, now)
        mine = found & (frozenset(tier.label for tier in program.tier) | mark.tags)
        label = label_of(program, wanted)
        sending = label if label not in mine else ""
        going = replace(mark, tier=wanted, tags=mine, sending=sending)
        if wanted != mark.tier:
            going = replace(going, tier_before=mark.tier, marked_at=now)
        self._note(place, going)
        if sending or mine - {label}:
            self.door.retag(place.customer.rowid, sending, mine - {label})
        self._note(place, replace(going, tags=_set_of(label), sending=""))

    def _note(self, place: Place, mark: Mark) -> None:
        write(self.engine, lambda c: tier_marks.put(c, place, mark))

    def _mark(self, place: Place) -> Mark | None:
        with reading(self.engine) as connection:
            return tier_marks.of(connection, [place.customer]).get(place)

    # --- what is to stand there ------------------------------------------------------------------

    def wish(self, customers: Collection[CustomerKey]) -> int:
        """Wish for the tags of those of these cards that are to change; return how many."""
        targets = []
        with reading(self.engine) as connection:
            marks = tier_marks.of(connection, customers)
            for program in self._mine:
                held = self._holders.held(connection, program, customers)
                for customer, tier in held.items():
                    mark = marks.get(Place(program.name, customer))
                    wanted = _set_of(label_of(program, tier))
                    if (mark.tags if mark else NO_LABELS) != wanted or (mark and mark.sending):
                        targets.append(outbox.tags_target(customer))
        if not targets:
            return 0
        now = self.clock.now()
        write(self.engine, lambda c: outbox.wish(c, targets, now))
        return len(targets)

    def compare(self) -> int:
        """Wish for all cards of members whose tag is another than their tier; return how many."""
        return sum(self.wish(page) for page in self._holders.pages())


_EVENTS = {
    Act.SET: "staff set a tier by its tag",
    Act.RELEASE: "staff took a tier's tag off",
    Act.PUT_RIGHT: "tier tag put right",
}


def _tags(marks: Mapping[Place, Mark], place: Place) -> Labels:
    return marks[place].tags if place in marks else NO_LABELS


def _set_of(label: str) -> Labels:
    return frozenset({label}) if label else NO_LABELS
