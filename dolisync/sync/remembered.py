"""What a source said of documents that are read again and again while they are new."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from dolisync.model import Sale
from dolisync.ports import Clock

# Windows overlap: without a memory each look would ask the same of all that is new.
REMEMBERED = timedelta(seconds=20)

T = TypeVar("T")


@dataclass(slots=True)
class Remembered(Generic[T]):
    """Answers about documents, asked for once in a while unless a document changed."""

    clock: Clock
    _known: dict[tuple[int, datetime], T | None] = field(default_factory=dict)
    _until: datetime | None = None

    def ask(
        self, sales: Sequence[Sale], ask: Callable[[Sequence[Sale]], Mapping[int, T]]
    ) -> dict[int, T | None]:
        """Return what is known of these sales by their rowids; what is not is asked for."""
        now = self.clock.now()
        if self._until is None or not 0 < (self._until - now) / REMEMBERED <= 1:
            self._known.clear()
            self._until = now + REMEMBERED
        unknown = [sale for sale in sales if _place(sale) not in self._known]
        if unknown:
            found = ask(unknown)
            self._known.update({_place(sale): found.get(sale.key.rowid) for sale in unknown})
        return {sale.key.rowid: self._known[_place(sale)] for sale in sales}

    def forget(self, rowids: Collection[int]) -> None:
        """Ask of these documents again."""
        gone = set(rowids)
        self._known = {place: it for place, it in self._known.items() if place[0] not in gone}


def _place(sale: Sale) -> tuple[int, datetime]:
    return sale.key.rowid, sale.changed_at
