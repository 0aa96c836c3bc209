"""The timeline of a member: judge sales in the order of their days where rules look back.

Caps, tiers and the first purchase make what a sale earns depend on the member's sales before it. So
sales are judged member by member, in the order of their days and rowids. Whatever happens to one
of them, those after it whose surroundings changed by it are judged again: any order of arrival
gives the same points. What a sale counts for the later ones is kept in a row of its own; documents
are loaded only of sales that are judged.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from dolisync.ledger import campaign_uses, courses
from dolisync.ledger.campaign_uses import UseRow
from dolisync.ledger.courses import Begun, CountedSale
from dolisync.ledger.rulesets import RuleBook
from dolisync.ledger.store import KnownSale, Transaction
from dolisync.model import CustomerKey, Sale, SaleKey, SaleKind
from dolisync.program.assess import (
    CampaignUse,
    Family,
    Verdict,
    campaign_uses_of,
    what_counts,
    what_counts_alone,
)
from dolisync.program.before import Before
from dolisync.program.caps import room
from dolisync.program.course import NOTHING, Counted, Course
from dolisync.program.kinds import NO_KINDS, Kinds, by_campaign, kinds_of_sale
from dolisync.program.looking_back import before_of, reach_days
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.program.tiers import SetByHand, tier_after, tier_on
from dolisync.sync.known_courses import KnownCourses
from dolisync.sync.limits import NO_ROOMS, Limits, limits_of

# So many sales after one that was judged otherwise are loaded at once: most will follow it.
CHUNK = 100

Families = Sequence[Sequence[KnownSale]]
Place = tuple[str, SaleKey]
Step = tuple[int, int, str, int]


@dataclass(frozen=True, slots=True)
class Judging:
    """How families are judged, parted and loaded: the timeline is a step in the middle of it."""

    judge: Callable[
        [Transaction, Program, Surroundings, Sequence[KnownSale], Before], tuple[Verdict, ...]
    ]
    trusted: Callable[[Sequence[KnownSale]], list[KnownSale]]
    load: Callable[[Transaction, list[SaleKey]], list[list[KnownSale]]]


def looking_back(book: RuleBook) -> list[str]:
    """Name the programs whose rules look back, now or once."""
    programs = (program for rules in book.sets for program in rules.programs)
    return sorted({program.name for program in programs if program.looks_back})


class Judged(NamedTuple):
    """What a family holds in a program, in its order, and what was before it."""

    verdicts: tuple[Verdict, ...]
    before: Before


class _Unit(NamedTuple):
    """What is judged at one place: a sale with its trusted returns, or one return by itself."""

    known: KnownSale
    day: int
    rowid: int
    family: Sequence[KnownSale]
    is_alone: bool
    trusted: Sequence[KnownSale] = ()

    @classmethod
    def of(
        cls,
        known: KnownSale,
        family: Sequence[KnownSale],
        *,
        is_alone: bool,
        trusted: Sequence[KnownSale] = (),
    ) -> _Unit:
        day = known.sale.date.toordinal()
        return cls(known, day, known.key.rowid, family, is_alone, trusted)

    def own(self, verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
        """Return the verdicts of this sale and of the returns that are trusted with it."""
        if len(verdicts) == 1:
            return verdicts
        of_sale = {verdict.sale: verdict for verdict in verdicts}
        return tuple([of_sale[entry.key] for entry in (self.known, *self.trusted)])


@dataclass(slots=True)
class Timeline:
    """Judge families at their places. ``follows`` tells to judge again what comes after them.

    Afterwards ``judged`` holds what was found, by program and head, ``more`` the families that had
    to be judged again besides, and ``rows`` what is to be kept.
    """

    transaction: Transaction
    book: RuleBook
    around: Mapping[str, Surroundings]
    judging: Judging
    follows: bool = True
    known: KnownCourses | None = None
    judged: dict[Place, Judged] = field(default_factory=dict)
    more: dict[SaleKey, list[KnownSale]] = field(default_factory=dict)
    rows: dict[str, dict[int, tuple[CustomerKey, CountedSale]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    uses: dict[str, dict[int, list[UseRow]]] = field(default_factory=lambda: defaultdict(dict))
    _judged: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _courses: dict[str, Mapping[CustomerKey, Course]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _versions: dict[str, int | None] = field(default_factory=dict)
    # Sales that are passed and not judged, and whose rows are other ones now.
    _rewritten: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    # Where budgets leave members more or less who were not to be judged.
    _touched: dict[str, set[tuple[CustomerKey, int]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    _by_rule_set: dict[tuple[int, str], Program | None] = field(default_factory=dict)

    def walk(self, families: Families, changed: Collection[tuple[CustomerKey, int]] = ()) -> None:
        """Judge these families in all programs that look back.

        ``changed`` are more places from which on something is otherwise.
        """
        names = looking_back(self.book)
        while names:
            count, touched = len(self.more), sum(map(len, self._touched.values()))
            known = [*families, *self.more.values()]
            for name in names:
                self._walk_program(name, known, [*changed, *self._touched[name]])
            if sum(map(len, self._touched.values())) > touched:
                continue
            if len(self.more) == count or all(map(self._is_judged, self.more.values())):
                return

    def _is_judged(self, family: Sequence[KnownSale]) -> bool:
        """Tell whether every program has judged a family that one of them found."""
        head = family[0]
        return all(
            (program.name, head.key) in self.judged
            for program in self.book.by_id(head.rule_set_id).programs
            if program.name in looking_back(self.book)
        )

    def _walk_program(
        self, name: str, families: Families, changed: Collection[tuple[CustomerKey, int]]
    ) -> None:
        units: dict[CustomerKey, list[_Unit]] = defaultdict(list)
        starts: dict[CustomerKey, int] = {}
        self.rows[name].clear()
        self.uses[name].clear()
        self._rewritten[name].clear()
        for unit in (unit for family in families for unit in self._units(family)):
            units[unit.known.sale.customer].append(unit)
        for customer, day in chain(changed, self._places(name, families)):
            first = starts.get(customer)
            if first is None or day < first:
                starts[customer] = day
        if not starts:
            return
        end = None if self.follows else max(u.day for many in units.values() for u in many)
        begun = self._begun(name, starts, end)
        by_hand = self._set_by_hand(name, starts)
        for found in begun.values():
            if found.later:
                judged = self._judged[name]
                found.later = [row for row in found.later if row.sale_id not in judged]
        limits = self._limits(name, starts, begun.values(), end)
        walks: list[Iterator[Step]] = [
            self._walk_member(
                _Member(name, customer, found.course, by_hand.get(customer, ()), limits),
                units[customer],
                found.later,
            )
            for customer, found in begun.items()
        ]
        if limits is not None:
            walks.append(self._walk_others(name, limits))
        self._courses[name] = {customer: found.course for customer, found in begun.items()}
        # With budgets all members together, step by step: they share them.
        for _ in chain(*walks) if limits is None else heapq.merge(*walks):
            pass

    def _begun(
        self, name: str, starts: Mapping[CustomerKey, int], end: int | None
    ) -> dict[CustomerKey, Begun]:
        """Return the courses up to these days: those that are remembered, and the others read."""
        connection, reach = self.transaction.connection, self._reach(name)
        if self.known is None:
            return courses.begun(connection, name, starts, reach, end)
        version = self._versions[name] = courses.version(connection, name)
        known = self.known.reached(name, version, starts)
        unknown = {customer: day for customer, day in starts.items() if customer not in known}
        found = courses.begun(connection, name, unknown, reach, end)
        found.update({customer: Begun(course) for customer, course in known.items()})
        return found

    def _limits(
        self,
        name: str,
        starts: Mapping[CustomerKey, int],
        begun: Collection[Begun],
        end: int | None,
    ) -> Limits | None:
        programs, connection = self._programs(name), self.transaction.connection
        if self.follows and any(program.has_budgets for program in programs):
            campaign_uses.hold(connection, name)
        passed = {row.sale_id for found in begun for row in found.later}
        return limits_of(connection, programs, starts, passed, self._judged[name], end)

    def _walk_others(self, name: str, limits: Limits) -> Iterator[Step]:
        """Pass the sales of members who are not walked, and see whether budgets concern them."""
        for row in limits.others:
            yield row.day, row.rowid, row.source, row.entity
            program = self._program(row.rule_set_id, name) if self.follows else None
            if limits.go_past_other(program, row):
                self._touched[name].add((row.customer, row.day))

    def _units(self, family: Sequence[KnownSale]) -> Iterator[_Unit]:
        head = family[0]
        if len(family) == 1 or not head.counts:
            is_alone = head.sale.kind is SaleKind.CREDIT_NOTE
            yield _Unit.of(head, family, is_alone=is_alone)
            return
        trusted = self.judging.trusted(family)
        yield _Unit.of(head, family, is_alone=False, trusted=trusted)
        for known in family[1:]:
            if known not in trusted and known.counts:
                yield _Unit.of(known, family, is_alone=True)

    def _places(self, name: str, families: Families) -> Iterator[tuple[CustomerKey, int]]:
        """Walk over the places where sales are, and where they were when they were kept."""
        known = [sale for family in families for sale in family]
        for entry in known:
            yield entry.sale.customer, entry.sale.date.toordinal()
        by_id = {sale.id: sale for sale in known if not sale.is_new}
        self._judged[name] |= by_id.keys()
        if by_id:
            old = courses.of_sales(self.transaction.connection, name, by_id)
            for id_, row in old.items():
                key = by_id[id_].key
                yield CustomerKey(key.source, key.entity, row.customer_rowid), row.day

    def _reach(self, name: str) -> int:
        return max(reach_days(program) for program in self._programs(name))

    def _programs(self, name: str) -> list[Program]:
        """Return a program as it was under all rule sets."""
        return [p for rules in self.book.sets for p in rules.programs if p.name == name]

    def _set_by_hand(self, name: str, customers: Collection[CustomerKey]) -> courses.Settings:
        if not any(program.tier for program in self._programs(name)):
            return {}
        return courses.set_by_hand(self.transaction.connection, name, customers)

    def _walk_member(
        self, member: _Member, units: Sequence[_Unit], later: Sequence[CountedSale]
    ) -> Iterator[Step]:
        """Walk along a member's sales; each place is told before it is passed."""
        steps: list[_Unit | CountedSale] = sorted([*units, *later], key=_place)
        source, entity = member.customer.source, member.customer.entity
        for number in range(len(steps)):
            yield *_place(steps[number]), source, entity
            self._take(member, steps, number)

    def _take(self, member: _Member, steps: list[_Unit | CountedSale], number: int) -> None:
        step = steps[number]
        if isinstance(step, CountedSale) and self._must_judge(member, step):
            self._load(member, steps, number)
            step = steps[number]
        if isinstance(step, CountedSale):
            self._pass(member, step)
        else:
            self._judge(member, step)

    def _must_judge(self, member: _Member, row: CountedSale) -> bool:
        """Tell whether a sale that did not change itself must be judged again."""
        program = self._program(row.rule_set_id, member.program)
        if not self.follows or row.tier is None or program is None:
            return False
        kinds = NO_KINDS if member.limits is None else member.limits.kinds_of(row.sale_id)
        before = member.before(program, row.day, kinds)
        if member.limits is not None and member.limits.are_otherwise(row.sale_id, before.rooms):
            return True
        space = room(program, before)
        given = row.wanted if space is None else min(row.wanted, space)
        return (before.tier, before.sales, given) != (row.tier, row.known_sales, row.given)

    def _load(self, member: _Member, steps: list[_Unit | CountedSale], begin: int) -> None:
        """Load the next sales of a member: one of them is judged otherwise now."""
        places: dict[SaleKey, int] = {}
        for number, step in enumerate(steps[begin : begin + CHUNK], begin):
            if isinstance(step, CountedSale) and step.tier is not None:
                source, entity = member.customer.source, member.customer.entity
                places[SaleKey(source, entity, step.rowid)] = number
        for family in self.judging.load(self.transaction, list(places)):
            head = family[0]
            steps[places[head.key]] = next(self._units(family))
            self.more[head.key] = family
            self._judged[member.program].add(head.id)

    def _pass(self, member: _Member, row: CountedSale) -> None:
        """Go on past a sale that stays as it is; only the tier after it may be another."""
        if member.limits is not None:
            member.limits.go_past(row.sale_id)
        program = self._program(row.rule_set_id, member.program)
        if not self.follows or program is None or not program.tier:
            member.add(row)
            return
        held = row.tier
        if held is None:
            held = tier_on(program, member.course, member.by_hand, row.day)
        member.course.add(row.day, row.counted)
        after = tier_after(program, member.course, member.by_hand, held)
        member.course.tier = after
        if after != row.tier_after:
            self._rewritten[member.program].add(row.sale_id)
            self._keep(member, row._replace(tier_after=after))

    def _judge(self, member: _Member, unit: _Unit) -> None:
        known = unit.known
        program = self._program(unit.family[0].rule_set_id, member.program)
        around = self.around.get(known.key.source)
        if program is None or around is None:
            return
        day = unit.day
        limits = member.limits
        kinds = NO_KINDS if limits is None else _kinds(program, unit.family[0].sale)
        before = member.before(program, day, kinds)
        place = (member.program, known.key)
        verdicts = self.judging.judge(self.transaction, program, around, unit.family, before)
        own = unit.own(verdicts)
        mine = own[0]
        if known is unit.family[0]:
            self.judged[place] = Judged(verdicts, before)
        counted = self._counted(program, around, unit, own)
        uses = [] if limits is None else self._uses(program, around, unit, mine, before)
        if counted == NOTHING and not mine.wanted and not uses:
            return
        if limits is not None:
            limits.add(uses)
            self.uses[member.program][known.id] = uses
        member.course.add(day, counted)
        member.course.tier = tier_after(program, member.course, member.by_hand, before.tier)
        row = CountedSale(
            known.id,
            known.sale.customer.rowid,
            day,
            unit.rowid,
            unit.family[0].rule_set_id,
            *counted,
            0 if unit.is_alone else before.sales,
            None if unit.is_alone else before.tier,
            mine.wanted,
            mine.units,
            member.course.tier,
        )
        self._keep(member, row)

    def _counted(
        self,
        program: Program,
        around: Surroundings,
        unit: _Unit,
        own: Sequence[Verdict],
    ) -> Counted:
        known = unit.known
        if unit.is_alone:
            return what_counts_alone(known.sale, own[0])
        if not known.counts:
            return NOTHING
        returns = tuple([entry.sale for entry in unit.trusted])
        return what_counts(program, around, known.sale, returns, own)

    def _uses(
        self,
        program: Program,
        around: Surroundings,
        unit: _Unit,
        mine: Verdict,
        before: Before,
    ) -> list[UseRow]:
        """Return what a judged sale takes of the limits of campaigns."""
        known = unit.known
        if not program.limited_campaigns or unit.is_alone or not known.counts:
            return []
        returns = tuple(entry.sale for entry in unit.trusted)
        family = Family(known.sale, returns, before=before)
        found = campaign_uses_of(program, around, family, mine)
        return [_use_row(known, unit.day, unit.family[0].rule_set_id, use) for use in found]

    def _keep(self, member: _Member, row: CountedSale) -> None:
        self.rows[member.program][row.sale_id] = (member.customer, row)

    def _program(self, rule_set_id: int, name: str) -> Program | None:
        place = rule_set_id, name
        if place not in self._by_rule_set:
            programs = self.book.by_id(rule_set_id).programs
            found = next((program for program in programs if program.name == name), None)
            self._by_rule_set[place] = found
        return self._by_rule_set[place]

    def write(self) -> None:
        """Keep what the judged sales count; the sales themselves must be written by then."""
        for name, rows in self.rows.items():
            # Of a new sale there is no row yet that could be in the way.
            judged, connection = self._judged[name], self.transaction.connection
            ids, version = judged | self._rewritten[name], self._versions.get(name)
            now = courses.rewrite(connection, name, ids, rows.values(), version)
            if self.known is not None:
                self.known.keep(name, now, self._courses[name])
            if any(program.limited_campaigns for program in self._programs(name)):
                uses = [use for found in self.uses[name].values() for use in found]
                campaign_uses.rewrite(connection, name, judged, uses)

    def with_tiers(self) -> set[CustomerKey]:
        """Return the customers whose tiers may have changed."""
        return {
            customer
            for name, rows in self.rows.items()
            if any(program.tier for program in self._programs(name))
            for customer, _ in rows.values()
        }


@dataclass(slots=True)
class _Member:
    """A member while his timeline is walked."""

    program: str
    customer: CustomerKey
    course: Course
    by_hand: Sequence[SetByHand]
    limits: Limits | None = None

    def before(self, program: Program, day: int, kinds: Kinds) -> Before:
        """Return what a sale of a day may know that bought in these tags."""
        rooms = NO_ROOMS
        if self.limits is not None:
            rooms = self.limits.rooms(program, self.customer, self.course, day, kinds)
        return before_of(program, self.course, self.by_hand, day, rooms)

    def add(self, row: CountedSale) -> None:
        """Add a sale as it was kept."""
        self.course.add(row.day, row.counted)
        self.course.tier = row.tier_after


def _kinds(program: Program, sale: Sale) -> Kinds:
    if not program.tag_challenges:
        return NO_KINDS
    return by_campaign(kinds_of_sale(program, sale.lines, sale.lines))


def _place(step: _Unit | CountedSale) -> tuple[int, int]:
    return step.day, step.rowid


def _use_row(known: KnownSale, day: int, rule_set_id: int, use: CampaignUse) -> UseRow:
    customer, limited = known.sale.customer, use.limited
    return UseRow(
        known.id,
        limited.campaign,
        customer.source,
        customer.entity,
        customer.rowid,
        day,
        known.key.rowid,
        rule_set_id,
        limited.wanted,
        limited.asked,
        limited.given,
        use.units,
    )
