"""What staff asked for on cards, as the ledger keeps it: taken, done, answered.

A request has no number in Dolibarr. It is known by its card and its words: while it is open, the
same words on the same card are the same request, however often they are read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from dolisync.ledger import tables
from dolisync.model import CustomerKey
from dolisync.program.wishes import Part

KEEP_ANSWERED = timedelta(days=90)


class State:
    """What came of a request: nothing yet, done, or refused."""

    TAKEN = "taken"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Place:
    """Where staff wrote: an element (customer, sale) of a source, in the fields of a program."""

    program: str
    source: str
    entity: int
    element: str
    rowid: int


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the ledger knows it. ``token`` makes what is done for it the same deed."""

    id: int
    token: str
    place: Place
    customer: CustomerKey
    content: Mapping[str, str]
    asked_by: str
    state: str
    answer: str
    asked_at: datetime


def digest_of(content: Mapping[str, str]) -> str:
    """Return a number for these words."""
    return hashlib.sha256(_written(content).encode()).hexdigest()


def _written(content: Mapping[str, str]) -> str:
    return json.dumps(dict(content), sort_keys=True, ensure_ascii=False)


def take(
    connection: Connection,
    place: Place,
    customer: CustomerKey,
    content: Mapping[str, str],
    asked_by: str,
    token: str,
    now: datetime,
    refusal: str = "",
) -> bool:
    """Note a request, refused at once where a reason is given; ``False`` if it is open already."""
    digest = digest_of(content)
    row = tables.request
    key = _open_key(place, digest)
    if connection.execute(select(row.c.id).where(row.c.open_key == key)).first():
        return False
    id_ = int(connection.execute(select(func.max(row.c.id))).scalar() or 0) + 1
    values = {
        "id": id_,
        "open_key": key,
        "token": token,
        "program": place.program,
        "source": place.source,
        "entity": place.entity,
        "element": place.element,
        "object_rowid": place.rowid,
        "customer_rowid": customer.rowid,
        "digest": digest,
        "content": _written(content),
        "asked_by": asked_by[:190],
        "state": State.REFUSED if refusal else State.TAKEN,
        "answer": refusal[:255],
        "asked_at": now,
    }
    connection.execute(insert(row), values)
    return True


def _open_key(place: Place, digest: str) -> str:
    where = f"{place.source}:{place.entity}:{place.element}:{place.rowid}:{place.program}"
    return f"{where}:{digest[:32]}"


def opened(connection: Connection, source: str) -> list[Request]:
    """Return a source's requests that are not answered yet, oldest first."""
    row = tables.request.c
    query = select(tables.request).where(row.open_key.is_not(None), row.source == source)
    return [_request(found) for found in connection.execute(query.order_by(row.id))]


def was_done_since(
    connection: Connection, place: Place, content: Mapping[str, str], since: datetime
) -> bool:
    """Tell whether the same words on the same card were done, and answered since then."""
    row = tables.request.c
    query = select(row.id).where(
        row.source == place.source,
        row.entity == place.entity,
        row.element == place.element,
        row.object_rowid == place.rowid,
        row.program == place.program,
        row.digest == digest_of(content),
        row.state == State.DONE,
        row.answered_at >= since,
    )
    return connection.execute(query.limit(1)).first() is not None


def settle(connection: Connection, request: Request, state: str, answer: str) -> None:
    """Note what came of a request."""
    row = tables.request
    change = update(row).where(row.c.id == request.id, row.c.state == State.TAKEN)
    connection.execute(change.values(state=state, answer=answer[:255]))


def close(connection: Connection, requests: Sequence[Request], now: datetime) -> None:
    """Note that the answers stand on the card, or that the card is gone.

    Which other customer was named on it is nobody's business any more: the ledger has noted it.
    """
    row = tables.request
    for request in requests:
        if Part.REFER in request.content:
            bare = _written({**request.content, Part.REFER: "..."})
            connection.execute(update(row).where(row.c.id == request.id).values(content=bare))
    change = update(row).where(row.c.id.in_([request.id for request in requests]))
    connection.execute(change.values(open_key=None, answered_at=now))


def clean(connection: Connection, now: datetime) -> int:
    """Forget what was answered long ago; the movements keep their reasons."""
    row = tables.request
    old = and_(row.c.open_key.is_(None), row.c.answered_at < now - KEEP_ANSWERED)
    return int(connection.execute(delete(row).where(old)).rowcount)


def follow(connection: Connection, old: CustomerKey, into: CustomerKey) -> None:
    """Let what was asked for one customer be another's, into whom he was merged."""
    row = tables.request
    mine = _of_source(old) & (row.c.customer_rowid == old.rowid)
    connection.execute(update(row).where(mine).values(customer_rowid=into.rowid))


def follow_back(connection: Connection, home: CustomerKey) -> None:
    """Let what was asked on a customer's own card be his again."""
    row = tables.request
    mine = _of_source(home) & (row.c.element == "customer") & (row.c.object_rowid == home.rowid)
    connection.execute(update(row).where(mine).values(customer_rowid=home.rowid))


def _of_source(customer: CustomerKey) -> ColumnElement[bool]:
    row = tables.request.c
    return and_(row.source == customer.source, row.entity == customer.entity)


@dataclass(frozen=True, slots=True)
class Seen:
    """Which saves of cards are of the past: all up to ``after``, and these beyond it.

    ``mark`` is how far the log of saves went at the moment ``marked_at``.
    """

    after: int
    beyond: frozenset[int]
    mark: int
    marked_at: datetime


def seen_saves(connection: Connection, source: str) -> Seen | None:
    """Return what was noted last; ``None`` where nobody ever looked."""
    row = tables.request_watch.c
    text = connection.execute(select(row.content).where(row.source == source)).scalar()
    if text is None:
        return None
    found = json.loads(text)
    moment = datetime.fromisoformat(found["marked_at"])
    return Seen(found["after"], frozenset(found["beyond"]), found["mark"], moment)


def note_seen_saves(connection: Connection, source: str, seen: Seen) -> None:
    """Note which saves are of the past."""
    row = tables.request_watch
    facts = {
        "after": seen.after,
        "beyond": sorted(seen.beyond),
        "mark": seen.mark,
        "marked_at": seen.marked_at.isoformat(),
    }
    values = {"source": source, "content": json.dumps(facts)}
    found = connection.execute(update(row).where(row.c.source == source).values(values))
    if not found.rowcount:
        connection.execute(insert(row), values)


def _request(row: Any) -> Request:
    place = Place(row.program, row.source, row.entity, row.element, row.object_rowid)
    return Request(
        row.id,
        row.token,
        place,
        CustomerKey(row.source, row.entity, row.customer_rowid),
        json.loads(row.content),
        row.asked_by,
        row.state,
        row.answer,
        row.asked_at,
    )
