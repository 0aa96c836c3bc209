"""Movements in the events of customers (H5): each once, from the moment on in which they begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import pytest
from sqlalchemy import Engine

from dolisync.config import Source, parse
from dolisync.errors import ConfigError, RefusedError, TransientError
from dolisync.ports import CardEvent
from dolisync.sync import backfill
from dolisync.sync import events as module
from dolisync.sync.events import Events
from tests.builders import SOURCE, credit_note, sale
from tests.fakes import Shop
from tests.unit.test_privacy import erase


@dataclass
class Agenda:
    """The events of customers, and what is to go wrong with the next ones."""

    events: dict[str, CardEvent] = field(default_factory=dict)
    trouble: list[Exception | None] = field(default_factory=list)
    after: bool = False

    def add(self, event: CardEvent) -> bool:
        error = self.trouble.pop(0) if self.trouble else None
        if error is not None and not self.after:
            raise error
        is_new = event.key not in self.events
        self.events.setdefault(event.key, event)
        if error is not None:
            raise error
        return is_new

    @property
    def labels(self) -> list[str]:
        return [event.label for event in self.events.values()]


def noting(shop: Shop, agenda: Agenda) -> Events:
    source = {"name": SOURCE, "url": "http://x", "api_key": "k", "language": "fr"}
    return Events(shop.engine, Source.model_validate(source), shop.by_name, agenda)


def test_movements_are_noted_from_then_on(ledger_engine: Engine) -> None:
    shop, agenda = Shop(ledger_engine), Agenda()
    shop.take(sale(1, 50))
    notes = noting(shop, agenda)
    assert (notes.run_once(), agenda.labels) == (0, []), "what was before is past"
    shop.take(sale(2, 70, buyer=8), credit_note(3, 20, 1))
    assert (notes.run_once(), notes.run_once()) == (2, 0)
    assert agenda.labels == [
        "Loyalty points: +70 (FA2611-0002)",
        "Loyalty points: -20 (FA2611-0003)",
    ]
    first = next(iter(agenda.events.values()))
    assert (first.customer, first.sale, first.note) == (8, 2, "Points de fidélité: 70")
    # A movement without a sale says why.
    shop.adjust(5)
    noting(shop, agenda).run_once()
    assert agenda.labels[-1].startswith("Loyalty points: +5 (")


@pytest.mark.parametrize("after", [False, True])
def test_a_lost_answer_writes_nothing_twice(ledger: Engine, after: bool) -> None:
    shop, agenda = Shop(ledger), Agenda(after=after)
    notes = noting(shop, agenda)
    notes.run_once()
    shop.take(*(sale(n, 10, buyer=n) for n in range(1, 5)))
    agenda.trouble = [None, TransientError("down")]
    notes.run_once()
    assert len(agenda.events) == (2 if after else 1)
    notes.run_once()
    assert len(agenda.events) == 4


def test_one_that_is_refused_does_not_stop_the_others(
    ledger: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    shop, agenda = (
        Shop(ledger),
        Agenda(trouble=[RefusedError("no right"), RefusedError("no right")]),
    )
    notes = noting(shop, agenda)
    notes.run_once()
    shop.take(*(sale(n, 10, buyer=n) for n in range(1, 4)))
    assert notes.run_once() == 1
    assert capsys.readouterr().out.count("an event was refused") == 1


def test_history_that_is_read_in_makes_no_events(
    ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    shop, agenda = Shop(ledger), Agenda()
    notes = noting(shop, agenda)
    notes.run_once()
    for number in range(1, 6):
        shop.source.put(sale(number, 10, buyer=number, day=date(2026, 11, 1)))
    backfill.run(shop.intake, date(2026, 10, 1), date(2026, 12, 1), token="B-1")
    shop.take(*(sale(n, 10, buyer=n) for n in range(11, 16)))
    erase(shop, 13)
    done = [notes.run_once() for _ in range(4)]
    assert sum(done) == len(agenda.events) == 4
    assert {event.customer for event in agenda.events.values()} == {11, 12, 14, 15}


def test_it_needs_the_tables() -> None:
    source = '[[source]]\nurl = "http://x"\napi_key = "k"\nevents = true\n'
    text = f"{source}[[program]]\nstart = 2026-01-01\n"
    with pytest.raises(ConfigError) as told:
        parse(text)
    assert "events needs database_url" in str(told.value.problems)
