"""What staff write into the request fields of cards, and who it was, read from Dolibarr's tables.

Extra fields have no author. What holds, in 16 and 20 alike, for the form of the whole card as for
the pencil beside one field: the agenda notes each save with its user, in the same transaction.
``fk_user_modif`` of the card does not hold, since the pencil leaves it as it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy.engine import Engine

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, Row, checked_name, number_list
from dolisync.ports import AskedOn, FieldValue, Save, StaffUser

# What the agenda calls the saves of cards.
SAVE_CODES = {
    "AC_COMPANY_CREATE": "customer",
    "AC_COMPANY_MODIFY": "customer",
    "AC_BILL_MODIFY": "sale",
}
_SAVES = """
SELECT id, code, fk_soc, fk_element, fk_user_author FROM llx_actioncomm
WHERE id > %s AND entity = %s AND code IN ({codes}) ORDER BY id
"""
_GROUPS = """
SELECT m.fk_user, g.nom FROM llx_usergroup_user m
JOIN llx_usergroup g ON g.rowid = m.fk_usergroup
WHERE m.fk_user IN ({users}) AND g.entity IN (0, %s)
"""
_ASKED = """
SELECT o.rowid, o.{customer}, {columns} FROM {fields} e
JOIN {table} o ON o.rowid = e.fk_object
WHERE o.entity = %s AND ({filled}) ORDER BY o.rowid
"""
_CARD = """
SELECT o.rowid, o.{customer}, {columns} FROM {table} o
LEFT JOIN {fields} e ON e.fk_object = o.rowid WHERE o.rowid = %s
"""
# The tables of each element, and the column that names its customer.
_ELEMENTS = {
    "customer": ("llx_societe", "llx_societe_extrafields", "rowid"),
    "sale": ("llx_facture", "llx_facture_extrafields", "fk_soc"),
}


class SqlDesk:
    """The request fields of one entity's customer cards and invoices."""

    def __init__(self, engine: Engine | str, entity: int = 1, table_prefix: str = "llx_") -> None:
        self._entity = entity
        self._database = Database(engine, table_prefix)

    def close(self) -> None:
        """Close the connections, unless they are shared with others."""
        self._database.close()

    def asked(
        self, element: str, acting: Sequence[str], others: Sequence[str]
    ) -> tuple[AskedOn, ...]:
        """Return the cards on which something is asked; none before the fields were made."""
        table, fields, customer = _ELEMENTS[element]
        names = [checked_name(name) for name in (*acting, *others)]
        if not set(names) <= self._database.columns(fields):
            return ()
        query = _ASKED.format(
            table=table,
            fields=fields,
            customer=customer,
            columns=_columns(names),
            filled=" OR ".join(f"e.{name} IS NOT NULL" for name in names[: len(acting)]),
        )
        with self._database.reading(f"requests on {element}s") as reader:
            rows = reader.rows(query, (self._entity,))
        return tuple(_asked_on(names, row) for row in rows)

    def card(self, element: str, rowid: int, names: Sequence[str]) -> AskedOn | None:
        """Return one card's fields."""
        table, fields, customer = _ELEMENTS[element]
        columns = _columns(checked_name(name) for name in names)
        query = _CARD.format(table=table, fields=fields, customer=customer, columns=columns)
        with self._database.reading(f"the {element} {rowid}") as reader:
            rows = reader.rows(query, (rowid,))
        return _asked_on(names, rows[0]) if rows else None

    def answer(
        self,
        element: str,
        rowid: int,
        seen: Mapping[str, FieldValue],
        values: Mapping[str, FieldValue],
    ) -> bool:
        """Write an answer with one statement that looks and acts: what was edited since stays."""
        _, fields, _ = _ELEMENTS[element]
        assigned = ", ".join(f"{checked_name(name)} = %s" for name in values)
        held = [name for name, value in seen.items() if value is not None]
        blank = [name for name, value in seen.items() if value is None]
        tests = [f"{checked_name(name)} = %s" for name in held]
        tests += [f"{checked_name(name)} IS NULL" for name in blank]
        update = (
            f"UPDATE {fields} SET {assigned}"  # noqa: S608
            f" WHERE {' AND '.join(['fk_object = %s', *tests])}"
        )
        bound = [_bound(value) for value in values.values()]
        bound += [rowid, *(_bound(seen[name]) for name in held)]
        with self._database.writing(f"answering on the {element} {rowid}") as writer:
            return writer.change(update, bound) > 0

    def saves(self, after: int) -> tuple[Save, ...]:
        """Return the saves that the agenda noted beyond this one."""
        codes = ", ".join("%s" for _ in SAVE_CODES)
        with self._database.reading("who saved cards") as reader:
            rows = reader.rows(_SAVES.format(codes=codes), (after, self._entity, *SAVE_CODES))
        return tuple(_save(*row) for row in rows)

    def newest_save(self) -> int:
        """Return the agenda's last number."""
        with self._database.reading("who saved cards") as reader:
            return int(reader.value("SELECT MAX(id) FROM llx_actioncomm") or 0)

    def users(self, rowids: Collection[int]) -> dict[int, StaffUser]:
        """Return these users with their groups; not those who are switched off."""
        if not rowids:
            return {}
        chosen = number_list(sorted(rowids))
        with self._database.reading("users and groups") as reader:
            users = reader.rows(
                f"SELECT rowid, login FROM llx_user WHERE rowid IN ({chosen}) AND statut = 1"  # noqa: S608
            )
            groups: dict[int, set[str]] = defaultdict(set)
            for user, name in reader.rows(_GROUPS.format(users=chosen), (self._entity,)):
                groups[int(user)].add(str(name))
        return {int(row[0]): StaffUser(row[1], frozenset(groups[int(row[0])])) for row in users}


def _save(rowid: int, code: str, customer: object, document: object, user: object) -> Save:
    element = SAVE_CODES[code]
    named = values.whole(customer if element == "customer" else document)
    return Save(int(rowid), element, named, values.whole(user) or None)


def _columns(names: Iterable[str]) -> str:
    return ", ".join(f"e.{name}" for name in names)


def _asked_on(names: Sequence[str], row: Row) -> AskedOn:
    found = {name: _field_value(raw) for name, raw in zip(names, row[2:], strict=True)}
    return AskedOn(int(row[0]), int(row[1]), found)


def _field_value(raw: object) -> FieldValue:
    if isinstance(raw, float):
        return values.money(raw)
    return raw  # type: ignore[return-value]


def _bound(value: FieldValue) -> int | str | None:
    return value if value is None or isinstance(value, int) else str(value)
