"""Who wrote what stands in a card's request fields.

Extra fields bear no author. Dolibarr's agenda notes each save of a card with its user, in the same
transaction. A card that was seen without a request, and has one now, was saved in between: all who
did so since must be allowed to ask, for any of them may have written it. Saves that were visible
when the card was still empty wrote nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Engine

from dolisync.ledger import requests
from dolisync.ledger.engine import reading, write
from dolisync.ledger.requests import Seen
from dolisync.ports import Clock, RequestDesk, Save, StaffUser

# Numbers are given before the commit: a save may become visible after one with a higher number.
LATEST_COMMIT = timedelta(minutes=5)

Card = tuple[str, int]


@dataclass(slots=True)
class Watch:
    """The saves of one source, as far as they may have written a request."""

    engine: Engine
    clock: Clock
    source: str
    desk: RequestDesk
    seen: Seen | None = None
    _before: tuple[Save, ...] = ()

    def begin(self) -> None:
        """Look before the cards are read: what is seen now is no news of an empty card."""
        if self.seen is None:
            with reading(self.engine) as connection:
                self.seen = requests.seen_saves(connection, self.source)
        if self.seen is None:
            # Nobody ever looked: what stands on cards already was written by nobody knows whom.
            newest = self.desk.newest_save()
            self._note(Seen(newest, frozenset(), newest, self.clock.now()))
        self._before = self._beyond()

    def writers(self, element: str, rowid: int) -> list[StaffUser | None]:
        """Return who saved this card since it was last seen empty; ``None`` for one unknown."""
        assert self.seen is not None
        news = [save for save in self._beyond() if save.rowid not in self.seen.beyond]
        saved_by = {s.user for s in news if (s.element, s.object_rowid) == (element, rowid)}
        known = self.desk.users([user for user in saved_by if user is not None])
        return [known.get(user) if user is not None else None for user in sorted(saved_by, key=str)]

    def end(self, waiting: Collection[Card]) -> None:
        """Take note of what was seen, but for cards whose request still waits."""
        assert self.seen is not None
        now = self.clock.now()
        old = {save.rowid for save in self._before if _card(save) not in waiting}
        seen = replace(self.seen, beyond=self.seen.beyond | old)
        if not waiting and now - seen.marked_at >= LATEST_COMMIT:
            newest = max((save.rowid for save in self._before), default=seen.mark)
            beyond = frozenset(rowid for rowid in seen.beyond if rowid > seen.mark)
            seen = Seen(seen.mark, beyond, newest, now)
        if seen != self.seen:
            self._note(seen)

    def _beyond(self) -> tuple[Save, ...]:
        assert self.seen is not None
        return self.desk.saves(self.seen.after)

    def _note(self, seen: Seen) -> None:
        write(self.engine, lambda c: requests.note_seen_saves(c, self.source, seen))
        self.seen = seen


def _card(save: Save) -> Card:
    return save.element, save.object_rowid
