"""Open tickets of TakePOS: read from the tables, each second if need be; written through REST.

A ticket that is open is a draft of a till's place. What dolisync writes on it is one line without
product and price. The screen of the till shows it from the cashier's next touch on, and the ticket
prints it. Such lines are known by a code of their own, so nothing has to be remembered about them.
"""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from decimal import Decimal

from sqlalchemy.engine import Engine

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, Reader, Row, checked_name, number_list
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_lines import reduce_line
from dolisync.errors import RefusedError
from dolisync.model import CustomerKey
from dolisync.ports import OpenTicket, RewardLine, TicketNote

# Dolibarr keeps small numbers for itself: TakePOS uses 1 to 4 for orders sent to the kitchen.
NOTE_CODE = 53265
_NO_TICKET = 2147483647
# How Dolibarr numbers what is open at a till.
OPEN_TICKETS = "(PROV-POS%"
_OPEN = f"""
SELECT f.rowid, f.fk_soc, f.tms, COUNT(l.rowid),
       SUM(CASE WHEN l.special_code = {NOTE_CODE} THEN 1 ELSE 0 END)
FROM llx_facture f
LEFT JOIN llx_facturedet l ON l.fk_facture = f.rowid
WHERE f.ref LIKE %s AND f.entity = %s AND f.fk_statut = 0
GROUP BY f.rowid, f.fk_soc, f.tms
HAVING COUNT(l.rowid) > 0
ORDER BY f.rowid
"""  # noqa: S608 - a number of ours
_NOTES = f"""
SELECT fk_facture, rowid, description FROM llx_facturedet
WHERE special_code = {NOTE_CODE} AND fk_facture IN ({{rowids}}) ORDER BY rowid
"""  # noqa: S608


_REWARDS = """
SELECT l.fk_facture, l.rowid, x.{field}, l.qty, l.remise_percent, l.description, p.ref
FROM llx_facturedet l
JOIN llx_product p ON p.rowid = l.fk_product
JOIN llx_product_extrafields x ON x.fk_object = l.fk_product
WHERE l.fk_facture IN ({rowids}) AND x.{field} > 0 AND l.qty > 0
ORDER BY l.fk_facture, l.rowid
"""
# Articles that a program gives for points, where nothing was done for them yet.
_ARTICLES = """
SELECT l.fk_facture, l.rowid
FROM llx_facturedet l
JOIN llx_product p ON p.rowid = l.fk_product
WHERE l.fk_facture IN ({rowids}) AND p.ref IN ({refs}) AND l.qty > 0 AND l.remise_percent = 0
ORDER BY l.fk_facture, l.rowid
"""


class DolibarrTill:
    """The open tickets of one entity's tills."""

    def __init__(
        self,
        name: str,
        engine: Engine | str,
        http: DolibarrHttp,
        entity: int = 1,
        table_prefix: str = "llx_",
        price_field: str | None = None,
        articles: Sequence[str] = (),
    ) -> None:
        self._name, self._entity, self._http = name, entity, http
        self._database = Database(engine, table_prefix)
        self._price_field = price_field and checked_name(price_field)
        self._articles = tuple(articles)

    def close(self) -> None:
        """Close the connections, unless they are shared with others."""
        self._database.close()

    def open_tickets(self) -> tuple[OpenTicket, ...]:
        """Return the tickets on which there is any line."""
        with self._database.reading("open tickets") as reader:
            rows = reader.rows(_OPEN, (OPEN_TICKETS, self._entity))
            notes = self._notes(reader, [int(row[0]) for row in rows if row[4]])
            rewards = self._rewards(reader, [int(row[0]) for row in rows])
            articles = self._given(reader, [int(row[0]) for row in rows])
        tickets = (self._ticket(row, notes[int(row[0])], rewards[int(row[0])]) for row in rows)
        return tuple(replace(one, articles=tuple(articles[one.rowid])) for one in tickets)

    def _given(self, reader: Reader, rowids: Sequence[int]) -> dict[int, list[int]]:
        """Find the lines of articles that a program gives for points, by ticket."""
        found: dict[int, list[int]] = defaultdict(list)
        if self._articles and rowids:
            refs = ", ".join("%s" for _ in self._articles)
            query = _ARTICLES.format(rowids=number_list(rowids), refs=refs)
            for ticket, line in reader.rows(query, self._articles):
                found[int(ticket)].append(int(line))
        return found

    def _rewards(self, reader: Reader, rowids: Sequence[int]) -> dict[int, list[RewardLine]]:
        found: dict[int, list[RewardLine]] = defaultdict(list)
        field = self._price_field
        if field and rowids and field in self._database.columns("llx_product_extrafields"):
            for row in reader.rows(_REWARDS.format(field=field, rowids=number_list(rowids))):
                ticket, rowid, price, quantity, percent, text, ref = row
                price, quantity, percent = (values.money(raw) for raw in (price, quantity, percent))
                line = RewardLine(int(rowid), price, quantity, percent, values.text(text), str(ref))
                found[int(ticket)].append(line)
        return found

    def _notes(self, reader: Reader, rowids: Sequence[int]) -> dict[int, list[TicketNote]]:
        notes: dict[int, list[TicketNote]] = defaultdict(list)
        if rowids:
            for ticket, rowid, text in reader.rows(_NOTES.format(rowids=number_list(rowids))):
                notes[int(ticket)].append(TicketNote(int(rowid), plain_text(text)))
        return notes

    def _ticket(
        self, row: Row, notes: Sequence[TicketNote], rewards: Sequence[RewardLine]
    ) -> OpenTicket:
        rowid, customer, changed_at, lines, own = row
        return OpenTicket(
            rowid=int(rowid),
            customer=CustomerKey(self._name, self._entity, int(customer)),
            changed_at=values.utc_of_wall_time(changed_at, UTC) or values.EPOCH,
            has_goods=int(lines) > int(own),
            notes=tuple(notes),
            rewards=tuple(rewards),
        )

    def may_write(self) -> bool:
        """Tell whether the key's user may write on tickets. Nothing is written."""
        return self._http.may_post(f"invoices/{_NO_TICKET}/lines")

    def write_note(self, ticket: int, text: str) -> None:
        """Add a line of text at the head of the ticket."""
        self._http.post(f"invoices/{ticket}/lines", _note(text))

    def change_note(self, ticket: int, note: int, text: str) -> None:
        """Give a line of text other words."""
        self._http.put(f"invoices/{ticket}/lines/{note}", _note(text))

    def remove_note(self, ticket: int, note: int) -> None:
        """Take a line of text off."""
        self._http.delete(f"invoices/{ticket}/lines/{note}")

    def reduce(self, ticket: int, line: int, percent: Decimal, text: str) -> None:
        """Give a line a percentage off and a text. All else is written back as it is now."""
        reduce_line(self._database, self._http, ticket, line, percent, text)

    def release(self, ticket: int, customer: int) -> None:
        """Give an empty ticket to another customer, as discarding it does."""
        found = self._http.get_object(f"invoices/{ticket}")
        if found is None or found.get("lines") or not _is_draft(found):
            raise RefusedError(f"the ticket {ticket} is in use again")
        self._http.put(f"invoices/{ticket}", {"socid": customer})


def plain_text(raw: object) -> str:
    """Read a line's text as it was written: Dolibarr may name letters as HTML does."""
    return " ".join(html.unescape(values.text(raw)).split())


def _note(text: str) -> dict[str, object]:
    return {
        "desc": " ".join(text.split()),
        "subprice": 0,
        "qty": 1,
        "tva_tx": 0,
        # Left out, version 16 dies of it: it divides an empty text by a hundred.
        "remise_percent": 0,
        "product_type": 0,
        "rang": 0,
        "special_code": NOTE_CODE,
    }


def _is_draft(invoice: dict[str, object]) -> bool:
    return values.whole(invoice.get("statut", invoice.get("status"))) == 0
