"""Who wrote what stands in a card's request fields.

Extra fields bear no author. Dolibarr's agenda notes each save of a card with its user, in the same
transaction. A card that was seen without a request, and has one now, was saved in between: all who
did so since must be allowed to ask, for any of them may have written it. Saves that were visible
when the card was still empty wrote nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from dolisync.ledger import requests
from dolisync.ledger.engine import reading, write
from dolisync.ports import Clock, RequestDesk, Save, StaffUser

# Numbers are given before the commit: a save may become visible after one with a higher number.
LATEST_COMMIT = timedelta(minutes=5)

Card = tuple[str, int]


@dataclass(slots=True)
class Watch:
    """The saves of one source, as far as they may have written a request.

    After a restart more saves count than need be: who asks then may have to ask again.
    """

    engine: Engine
    clock: Clock
    source: str
    desk: RequestDesk
    _after: int | None = None
    _seen: set[int] = field(default_factory=set)
    _before: tuple[Save, ...] = ()
    _mark: tuple[datetime, int] | None = None

    def begin(self) -> None:
        """Look before the cards are read: what is seen now is no news of an empty card."""
        if self._after is None:
            with reading(self.engine) as connection:
                self._after = requests.watched(connection, self.source)
        if self._after is None:
            # Nobody ever looked: what stands on cards already was written by nobody knows whom.
            self._keep(self.desk.newest_save())
        self._before = self.desk.saves(self._after or 0)

    def writers(self, element: str, rowid: int) -> list[StaffUser | None]:
        """Return who saved this card since it was last seen empty; ``None`` for one unknown."""
        news = [save for save in self.desk.saves(self._after or 0) if save.rowid not in self._seen]
        saved_by = {s.user for s in news if (s.element, s.object_rowid) == (element, rowid)}
        known = self.desk.users([user for user in saved_by if user is not None])
        return [known.get(user) if user is not None else None for user in sorted(saved_by, key=str)]

    def end(self, waiting: Collection[Card]) -> None:
        """Take note of what was seen, but for cards whose request still waits."""
        for save in self._before:
            if (save.element, save.object_rowid) not in waiting:
                self._seen.add(save.rowid)
        if waiting:
            return
        now = self.clock.now()
        newest = max((save.rowid for save in self._before), default=self._after or 0)
        if self._mark is None:
            self._mark = (now, newest)
        elif now - self._mark[0] >= LATEST_COMMIT:
            self._keep(self._mark[1])
            self._mark = (now, newest)

    def _keep(self, after: int) -> None:
        if after != self._after:
            write(self.engine, lambda c: requests.watch(c, self.source, after))
        self._after = after
        self._seen = {rowid for rowid in self._seen if rowid > after}
