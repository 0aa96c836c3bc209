"""What Dolibarr's customer cards say that programs ask: type, tags, place, birthday, opting out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Any

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, Reader, Row, checked_name, number_list
from connectors.dolibarr_http import DolibarrHttp, Params
from connectors.dolibarr_rest_products import PAGE_SIZE, among
from connectors.dolibarr_sql_rows import chunks
from connectors.dolibarr_tags import CUSTOMERS, TagTree, links_by_sql, tree_by_rest, tree_by_sql
from dolisync.model import Buyer
from dolisync.ports import BuyerFact, BuyerQuestion

Fields = Mapping[str, Any]

# The release from which the API lists regions.
REGIONS_SINCE = 20

_TRUE = {"1", "true", "yes", "on"}


def is_true(raw: Any) -> bool:
    """Read a checkbox: doors and versions write it as number or text."""
    return values.text(raw).strip().casefold() in _TRUE


# --- through the tables --------------------------------------------------------------------------


_COLUMNS = (
    (BuyerFact.KIND, "t.code"),
    (BuyerFact.TOWN, "s.town"),
    (BuyerFact.DEPARTMENT, "d.code_departement"),
    (BuyerFact.DEPARTMENT, "d.nom"),
    (BuyerFact.REGION, "r.nom"),
    (BuyerFact.COUNTRY, "c.code"),
)
_DEPARTMENTS = "LEFT JOIN llx_c_departements d ON d.rowid = s.fk_departement"
_REGIONS = "LEFT JOIN llx_c_regions r ON r.code_region = d.fk_region"
_JOINS = {
    BuyerFact.KIND: ("LEFT JOIN llx_c_typent t ON t.id = s.fk_typent",),
    BuyerFact.DEPARTMENT: (_DEPARTMENTS,),
    BuyerFact.REGION: (_DEPARTMENTS, _REGIONS),
    BuyerFact.COUNTRY: ("LEFT JOIN llx_c_country c ON c.rowid = s.fk_pays",),
}
# What an account must be able to read for each fact.
COLUMNS_NEEDED: dict[BuyerFact, dict[str, tuple[str, ...]]] = {
    BuyerFact.KIND: {"llx_societe": ("fk_typent",), "llx_c_typent": ("id", "code")},
    BuyerFact.TAGS: {},
    BuyerFact.TOWN: {"llx_societe": ("town",)},
    BuyerFact.DEPARTMENT: {
        "llx_societe": ("fk_departement",),
        "llx_c_departements": ("rowid", "code_departement", "nom"),
    },
    BuyerFact.REGION: {
        "llx_societe": ("fk_departement",),
        "llx_c_departements": ("rowid", "fk_region"),
        "llx_c_regions": ("code_region", "nom"),
    },
    BuyerFact.COUNTRY: {"llx_societe": ("fk_pays",), "llx_c_country": ("rowid", "code")},
}


def buyers_by_sql(
    database: Database, rowids: Sequence[int], question: BuyerQuestion
) -> dict[int, Buyer]:
    """Read these customers with one to four statements."""
    visible = database.columns("llx_societe_extrafields") if question.fields else frozenset()
    names = [checked_name(name) for name in question.fields if name in visible]
    with_tags = BuyerFact.TAGS in question.facts
    found: dict[int, Buyer] = {}
    with database.reading("customers") as reader:
        tree = tree_by_sql(reader, CUSTOMERS) if with_tags else TagTree()
        for chunk in chunks(rowids):
            listed = number_list(chunk)
            tags = links_by_sql(reader, CUSTOMERS, listed) if with_tags else {}
            fields = _fields_by_sql(reader, listed, names)
            for rowid, *facts in _facts_by_sql(reader, listed, question.facts):
                labels = tree.labels(tags.get(rowid, ()))
                found[rowid] = _buyer(facts, labels, fields.get(rowid, {}), question)
    return found


def _facts_by_sql(reader: Reader, listed: str, asked: frozenset[BuyerFact]) -> Sequence[Row]:
    columns = ", ".join(name if fact in asked else "NULL" for fact, name in _COLUMNS)
    # The department's table is joined once, for itself or for the region.
    joins = dict.fromkeys(join for fact in _JOINS if fact in asked for join in _JOINS[fact])
    query = (
        f"SELECT s.rowid, {columns} FROM llx_societe s {' '.join(joins)}"  # noqa: S608
        f" WHERE s.rowid IN ({listed})"
    )
    return reader.rows(query)


def _fields_by_sql(reader: Reader, listed: str, names: Sequence[str]) -> dict[int, dict[str, Any]]:
    if not names:
        return {}
    query = (
        f"SELECT fk_object, {', '.join(names)} FROM llx_societe_extrafields"  # noqa: S608
        f" WHERE fk_object IN ({listed})"
    )
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in reader.rows(query)}


def _buyer(
    facts: Sequence[Any],
    tags: tuple[str, ...],
    fields: Mapping[str, Any],
    question: BuyerQuestion,
) -> Buyer:
    """Make plain what a door gave: the facts in the order of ``_COLUMNS``."""
    kind, town, department, department_name, region, country = facts
    return Buyer(
        kind=values.text(kind),
        tags=tags,
        town=values.person_name(town),
        department=values.text(department),
        department_name=values.person_name(department_name),
        region=values.person_name(region),
        country=values.text(country),
        birthday=values.day(fields.get(question.birthday_field or "")),
        opted_out=is_true(fields.get(question.opt_out_field or "")),
    )


def customer_tags_by_sql(database: Database) -> frozenset[str]:
    """Return the labels of all customer tags."""
    with database.reading("customer tags") as reader:
        return tree_by_sql(reader, CUSTOMERS).all_labels


def gaps_by_sql(database: Database, question: BuyerQuestion) -> tuple[str, ...]:
    """Name the extra fields that are not seen."""
    seen = database.columns("llx_societe_extrafields") if question.fields else frozenset()
    return tuple(
        f"the extra field {name} of customers is not seen: missing, or no right"
        for name in question.fields
        if name not in seen
    )


# --- through the API -----------------------------------------------------------------------------


@dataclass(slots=True)
class RestBuyers:
    """Read customers by the page, their tags one by one, and each department and region once."""

    http: DolibarrHttp
    zone: tzinfo
    _departments: dict[int, tuple[str, str]] = field(default_factory=dict)
    _regions: dict[int, str] = field(default_factory=dict)

    def read(self, rowids: Sequence[int], question: BuyerQuestion) -> dict[int, Buyer]:
        """Read these customers as far as asked."""
        with_tags = BuyerFact.TAGS in question.facts
        tree = tree_by_rest(self.http, CUSTOMERS) if with_tags else TagTree()
        found: dict[int, Buyer] = {}
        for chunk in chunks(rowids, PAGE_SIZE):
            params: Params = {
                "sortfield": "t.rowid",
                "limit": len(chunk),
                "sqlfilters": f"({among(chunk)})",
            }
            for row in self.http.get_list("thirdparties", params):
                rowid = int(row["id"])
                tags = self._tags(rowid) if with_tags else []
                found[rowid] = self._read(row, tree.labels(tags), question)
        return found

    def _read(self, row: Fields, tags: tuple[str, ...], question: BuyerQuestion) -> Buyer:
        department = region = None
        if BuyerFact.DEPARTMENT in question.facts:
            department = values.whole(row.get("state_id"))
        if BuyerFact.REGION in question.facts:
            region = values.whole(row.get("region_id"))
        told = (
            row.get("typent_code"),
            row.get("town"),
            *self._department(department),
            self._region(region),
            row.get("country_code"),
        )
        asked = (fact in question.facts for fact, _ in _COLUMNS)
        facts = [text if is_asked else None for is_asked, text in zip(asked, told, strict=True)]
        return _buyer(facts, tags, self._fields(row, question), question)

    def _fields(self, row: Fields, question: BuyerQuestion) -> Fields:
        options = row.get("array_options")
        # An empty list where no extra field has a value.
        held = options if isinstance(options, dict) else {}
        fields = {name: held.get(f"options_{name}") for name in question.fields}
        if question.birthday_field:
            fields[question.birthday_field] = self._day(fields[question.birthday_field])
        return fields

    def _day(self, raw: Any) -> date | None:
        """Read a day: midnight of PHP's zone as seconds, or text."""
        if raw in (None, ""):
            return None
        if isinstance(raw, int) or str(raw).lstrip("-").isdecimal():
            moment = values.utc_of_epoch(raw)
            # The first second of 1970 is somebody's birthday too.
            return (moment or values.EPOCH).astimezone(self.zone).date()
        return values.day(raw)

    def _tags(self, rowid: int) -> list[int]:
        rows = self.http.get_list(f"thirdparties/{rowid}/categories")
        return [int(row["id"]) for row in rows]

    def _department(self, rowid: int | None) -> tuple[str, str]:
        if rowid and rowid not in self._departments:
            row = self.http.get_object(f"setup/dictionary/states/{rowid}") or {}
            code = row.get("code_departement") or row.get("code")
            name = row.get("name") or row.get("nom") or row.get("label")
            self._departments[rowid] = values.text(code), values.text(name)
        return self._departments.get(rowid or 0, ("", ""))

    def _region(self, rowid: int | None) -> str:
        if rowid and rowid not in self._regions:
            row = self._region_row(rowid)
            name = row.get("name") or row.get("nom") or row.get("label")
            self._regions[rowid] = values.text(name)
        return self._regions.get(rowid or 0, "")

    def _region_row(self, rowid: int) -> Fields:
        if self.http.release()[0] < REGIONS_SINCE:
            return {}
        return self.http.get_object(f"setup/dictionary/regions/{rowid}") or {}

    def gaps(self, question: BuyerQuestion) -> tuple[str, ...]:
        """Say which facts this version does not tell, and which extra fields no card shows."""
        found = []
        if BuyerFact.REGION in question.facts and self.http.release()[0] < REGIONS_SINCE:
            found.append(
                f"regions of customers: Dolibarr tells them through the API from {REGIONS_SINCE} on"
            )
        rows = self.http.get_list("thirdparties", {"limit": 1}) if question.fields else []
        options = rows[0].get("array_options") if rows else None
        if isinstance(options, dict) and options:
            found += [
                f"the extra field {name} of customers is not there"
                for name in question.fields
                if f"options_{name}" not in options
            ]
        return tuple(found)


def customer_tags_by_rest(http: DolibarrHttp) -> frozenset[str]:
    """Return the labels of all customer tags."""
    return tree_by_rest(http, CUSTOMERS).all_labels
