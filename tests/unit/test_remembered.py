"""What was said of documents is remembered a while, unless they change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from dolisync.model import Sale
from dolisync.sync.remembered import REMEMBERED, Remembered
from tests.builders import NOON, HandClock, sale


def test_once_in_a_while_or_when_a_document_changed() -> None:
    clock, asked = HandClock(), []

    def ask(sales: Sequence[Sale]) -> dict[int, str]:
        asked.append([one.key.rowid for one in sales])
        return {1: f"answer {len(asked)}"}

    known = Remembered[str](clock)
    first, second = sale(1, 5), sale(2, 5)
    assert known.ask([first, second], ask) == {1: "answer 1", 2: None}
    assert known.ask([first, second], ask) == {1: "answer 1", 2: None}
    changed = replace(second, changed_at=NOON + timedelta(seconds=1))
    known.ask([first, changed], ask)
    assert asked == [[1, 2], [2]]
    known.forget([1])
    assert known.ask([first, changed], ask)[1] == "answer 3"
    clock.tick(REMEMBERED.total_seconds() + 1)
    known.ask([first], ask)
    clock.tick(-3600)
    known.ask([first], ask)
    assert asked == [[1, 2], [2], [1], [1], [1]]
    assert known.ask([], ask) == {}
    assert len(asked) == 5
