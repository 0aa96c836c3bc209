"""Rule sets: the programs as they were, each with the moment from which it holds.

A sale is judged by the set in force on its day; a correction by the set that judged it first. So a
changed configuration changes no points of the past. A set may be given another day than that on
which it was stored; of two that hold on a day, the one that was stored last counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from sqlalchemy import Connection, Engine, insert, select

from dolisync.errors import UserError
from dolisync.ledger import tables
from dolisync.ledger.engine import reading, write
from dolisync.program.terms import Program

# The number of a set that stands in the configuration and was not adopted yet.
NOT_IN_FORCE = 0


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The programs that held from a moment on."""

    id: int
    effective_from: datetime
    programs: tuple[Program, ...]

    @property
    def first_day(self) -> date:
        """The day on which they came into force, where the first program's shop is."""
        return self.effective_from.astimezone(self.programs[0].zone).date()


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rule sets, oldest first; the last one is in force now."""

    sets: tuple[RuleSet, ...]

    @property
    def current(self) -> RuleSet:
        """The set in force now."""
        return self.sets[-1]

    def on(self, day: date) -> RuleSet:
        """Return the set in force on a day; for days before the first set, the first one.

        The sets stand in the order in which they were stored.
        """
        held = [rules for rules in self.sets if rules.first_day <= day]
        return held[-1] if held else self.sets[0]

    def by_id(self, id_: int) -> RuleSet:
        """Return a set by its number. Raises ``UserError`` when it came into force meanwhile."""
        for rules in self.sets:
            if rules.id == id_:
                return rules
        message = f"the rules {id_} were put into force by another process"
        raise UserError(message, "restart the service: it still works with the rules of before")


def adopt(
    engine: Engine, programs: Sequence[Program], now: datetime, since: date | None = None
) -> RuleBook:
    """Put these programs into force, unless they are already, and return all sets.

    ``since`` is the day from which on sales are judged by them, where it is not today.
    """
    return write(engine, lambda connection: _adopt(connection, tuple(programs), now, since))


def consult(
    engine: Engine, programs: Sequence[Program], now: datetime, since: date | None = None
) -> RuleBook:
    """Return all sets as ``adopt`` would, without writing: to look on changes no rules."""
    with reading(engine) as connection:
        sets = _all(connection)
    if not _holds(sets, tuple(programs), since):
        _refuse_a_gap(sets, tuple(programs), now, since)
        begin = _begin(tuple(programs), now, since)
        sets.append(RuleSet(NOT_IN_FORCE, begin, tuple(programs)))
    return RuleBook(tuple(sets))


def in_force(engine: Engine) -> RuleBook | None:
    """Return all sets that are in force, whatever the configuration says; ``None`` before any."""
    with reading(engine) as connection:
        sets = _all(connection)
    return RuleBook(tuple(sets)) if sets else None


def _adopt(
    connection: Connection, programs: tuple[Program, ...], now: datetime, since: date | None
) -> RuleBook:
    sets = _all(connection)
    if not _holds(sets, programs, since):
        _refuse_a_gap(sets, programs, now, since)
        content = _written(programs)
        values = {
            "hash": _chained(content, len(sets)),
            "effective_from": _begin(programs, now, since),
            "content": content,
        }
        connection.execute(insert(tables.rule_set), values)
        sets = _all(connection)
    return RuleBook(tuple(sets))


def _holds(sets: Sequence[RuleSet], programs: tuple[Program, ...], since: date | None) -> bool:
    """Tell whether these programs are in force, whatever options were added to dolisync since.

    Where no day is given any more, the one that was given stays.
    """
    if not sets or sets[-1].programs != programs:
        return False
    return since is None or sets[-1].first_day == since


def _refuse_a_gap(
    sets: Sequence[RuleSet], programs: tuple[Program, ...], now: datetime, since: date | None
) -> None:
    """Raise ``UserError`` where nothing would judge the sales until a day to come."""
    if not sets and since is not None and now.astimezone(programs[0].zone).date() < since:
        message = f"no rules hold until {since}, the day under [rules] since"
        raise UserError(message, "leave it out the first time; give a day to what is changed later")


def _begin(programs: tuple[Program, ...], now: datetime, since: date | None) -> datetime:
    """Return the moment from which these programs hold: a day begins where the first shop is."""
    if since is None:
        return now
    return datetime.combine(since, time(), programs[0].zone).astimezone(UTC)


def _all(connection: Connection) -> list[RuleSet]:
    rows = connection.execute(select(tables.rule_set).order_by(tables.rule_set.c.id)).all()
    return [_rule_set(row.id, row.effective_from, row.content) for row in rows]


def _written(programs: Sequence[Program]) -> str:
    return json.dumps([program.model_dump(mode="json") for program in programs], sort_keys=True)


def _chained(content: str, sets_before: int) -> str:
    """Make returning to earlier rules a set of its own: the hash counts the sets before it."""
    digest = hashlib.sha256(content.encode()).hexdigest()
    return hashlib.sha256(f"{sets_before}:{digest}".encode()).hexdigest()


def _rule_set(id_: int, effective_from: datetime, content: str) -> RuleSet:
    programs = tuple(Program.model_validate(entry) for entry in json.loads(content))
    return RuleSet(id_, effective_from, programs)
