"""Look what exists in a Dolibarr already: extra fields, payment modes, constants, tags.

Each question is answered through whichever door may know; ``None`` means that neither can tell.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from connectors.dolibarr_database import Database
from connectors.dolibarr_http import DolibarrHttp, release_of
from dolisync.errors import RefusedError

_CUSTOMER_TAG = 2
_FRANCE = 1
_LISTS = {"societe": "thirdparties", "facture": "invoices", "product": "products"}


class Present:
    """Answer what is there; each list is read once."""

    def __init__(self, http: DolibarrHttp | None, database: Database | None, entity: int) -> None:
        self._http = http
        self._database = database
        self._entity = entity
        self._fields: dict[str, set[str] | None] = {}

    @cached_property
    def release(self) -> tuple[int, ...]:
        """Return the version as numbers; empty where neither door tells."""
        if self._http is not None:
            return self._http.release()
        rows = self._rows(
            "llx_const",
            "value",
            "name IN (%s, %s)",
            ("MAIN_VERSION_LAST_INSTALL", "MAIN_VERSION_LAST_UPGRADE"),
        )
        return max((release_of(version) for version in rows or ()), default=())

    def has_column(self, table: str, name: str) -> bool:
        """Tell whether this column is seen in the table."""
        return self._database is not None and name in self._database.columns(table)

    def field(self, element: str, name: str) -> bool | None:
        """Tell whether an extra field is there, definition and column."""
        if element not in self._fields:
            self._fields[element] = self._field_names(element)
        known = self._fields[element]
        if known is not None:
            return name in known
        if self._database is None:
            return None
        # Only the columns that the account may use are seen: yes is certain, no is not.
        return name in self._database.columns(f"llx_{element}_extrafields") or None

    def _field_names(self, element: str) -> set[str] | None:
        rows = self._rows(
            "llx_extrafields",
            "name",
            "elementtype = %s AND entity IN (0, %s)",
            (element, self._entity),
        )
        if rows is not None:
            return rows
        found = self._answer("setup/extrafields", {"elementtype": element})
        if found is _SILENCE:
            return self._field_names_of_an_object(element)
        fields = found.get(element) if isinstance(found, dict) else None
        return set(fields) if isinstance(fields, dict) else set()

    def _field_names_of_an_object(self, element: str) -> set[str] | None:
        """Look at any object: from 20 on it lists every extra field, with or without a value."""
        if self._http is None or self.release < (20,):
            return None
        found = self._answer(_LISTS[element], {"limit": 1})
        options = found[0].get("array_options") if isinstance(found, list) and found else None
        if not isinstance(options, dict):
            return None
        return {str(key).removeprefix("options_") for key in options}

    def payment_mode(self, code: str) -> bool | None:
        """Tell whether a payment mode is there and active."""
        return None if self._payment_modes is None else code in self._payment_modes

    @cached_property
    def _payment_modes(self) -> set[str] | None:
        rows = self._rows(
            "llx_c_paiement", "code", "active = 1 AND entity IN (0, %s)", (self._entity,)
        )
        if rows is not None:
            return rows
        return self._names("setup/dictionary/payment_types", "code", {"limit": 1000})

    def tag(self, label: str) -> bool | None:
        """Tell whether a customer tag is there."""
        return None if self._tags is None else label in self._tags

    @cached_property
    def _tags(self) -> set[str] | None:
        rows = self._rows(
            "llx_categorie", "label", "type = %s AND entity = %s", (_CUSTOMER_TAG, self._entity)
        )
        if rows is not None:
            return rows
        return self._names("categories", "label", {"type": "customer", "limit": 1000})

    def constant(self, name: str) -> bool | None:
        """Tell whether a constant is set."""
        rows = self._rows(
            "llx_const", "name", "name = %s AND entity IN (0, %s)", (name, self._entity)
        )
        if rows is not None:
            return bool(rows)
        found = self._answer(f"setup/conf/{name}")
        return None if found is _SILENCE else bool(found)

    def account(self, ref: str) -> bool | None:
        """Tell whether a bank account is there."""
        rows = self._rows(
            "llx_bank_account", "ref", "ref = %s AND entity = %s", (ref, self._entity)
        )
        if rows is not None:
            return bool(rows)
        found = self._names("bankaccounts", "ref", {"limit": 1000})
        return None if found is None else ref in found

    def country(self) -> int:
        """Return the id of the company's own country, France's where it is not told."""
        found = self._answer("setup/company")
        told = found.get("country_id") if isinstance(found, dict) else None
        return int(told) if told else _FRANCE

    def constant_value(self, name: str) -> str | None:
        """Read a constant, or ``None`` where it is not set or not seen."""
        rows = self._rows(
            "llx_const", "value", "name = %s AND entity IN (0, %s)", (name, self._entity)
        )
        if rows is not None:
            return next(iter(rows), None)
        found = self._answer(f"setup/conf/{name}")
        return str(found) if found is not _SILENCE and found else None

    def rest_is_open(self, path: str) -> bool:
        """Guess whether this key may create there: by whether it may look."""
        if path == "bankaccounts":
            return self._answer("bankaccounts", {"limit": 1}) is not _SILENCE
        if path == "categories":
            return self._answer("categories", {"type": "customer", "limit": 1}) is not _SILENCE
        return self._answer("setup/extrafields", {"elementtype": "societe"}) is not _SILENCE

    def _rows(
        self, table: str, column: str, condition: str, bound: tuple[object, ...]
    ) -> set[str] | None:
        if self._database is None or column not in self._database.columns(table):
            return None
        query = f"SELECT {column} FROM {table} WHERE {condition}"  # noqa: S608
        with self._database.reading(table) as reader:
            return {str(row[0]) for row in reader.rows(query, bound)}

    def _names(self, path: str, key: str, params: dict[str, str | int]) -> set[str] | None:
        found = self._answer(path, params)
        if found is _SILENCE:
            return None
        return {str(row[key]) for row in found or () if isinstance(row, dict) and key in row}

    def _answer(self, path: str, params: dict[str, str | int] | None = None) -> Any:
        if self._http is None:
            return _SILENCE
        try:
            return self._http.get(path, params)
        except RefusedError:
            return _SILENCE


_SILENCE = object()
