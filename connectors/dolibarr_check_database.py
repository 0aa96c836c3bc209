"""The part of ``check`` that looks through the database account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, translated, utc_now
from connectors.dolibarr_grants import (
    Need,
    delivery_needs,
    discount_needs,
    event_needs,
    field_needs,
    grant_statement,
    read_grants,
    reading_needs,
    staff_needs,
    standing_needs,
    stock_needs,
    tag_needs,
)
from dolisync.errors import DolisyncError
from dolisync.ports import BuyerQuestion, Finding

FIELD_TABLES = {"customer": "llx_societe_extrafields", "sale": "llx_facture_extrafields"}

_QUARTER_HOUR_S = 900
# CONVERT_TZ knows the word SYSTEM; a zone by name needs tables that may be empty, and gives NULL.
_SESSION_OFFSET = """
SELECT TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(),
                     CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@global.time_zone))
"""


def door(database: Database) -> Finding:
    """Tell whether the account gets in and sees documents."""
    try:
        with database.reading("the documents") as reader:
            reader.value("SELECT rowid FROM llx_facture LIMIT 1")
    except DolisyncError as error:
        remedy = "check the address, the account and its grants"
        return Finding("error", "database", str(error), remedy)
    return Finding("ok", "database", "the database account reads documents")


def now(database: Database) -> datetime:
    """Return the database's clock."""
    with database.reading("the clock") as reader:
        return utc_now(reader, database)


def has_sales(database: Database, entity: int) -> bool:
    """Tell whether there is any document of this entity."""
    with database.reading("the documents") as reader:
        query = "SELECT rowid FROM llx_facture WHERE entity = %s LIMIT 1"
        return reader.value(query, (entity,)) is not None


def php_zone(database: Database, timezone: str) -> Iterator[Finding]:
    """Compare the newest payment's two times: one by PHP's clock on the wall, one in UTC."""
    with database.reading("the newest payment") as reader:
        rows = reader.rows("SELECT datec, tms FROM llx_paiement ORDER BY rowid DESC LIMIT 1")
    wall, stored = (values.wall_time(raw) for raw in rows[0]) if rows else (None, None)
    if wall is None or stored is None:
        return
    apart_s = round((wall - stored).total_seconds() / _QUARTER_HOUR_S) * _QUARTER_HOUR_S
    told = stored.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).utcoffset()
    if told == timedelta(seconds=apart_s):
        yield Finding("ok", "timezone", f"payments are dated in {timezone}, as configured")
    else:
        yield Finding(
            "warning",
            "timezone",
            f"the newest payment was dated {apart_s / 3600:+g} h from UTC: not in {timezone}",
            "set timezone to PHP's date.timezone",
        )


def session_zone(database: Database, told: str, *, reads_rest: bool) -> Iterator[Finding]:
    """Compare the zone of the database's sessions with the one that REST's times rest on."""
    if database.is_sqlite or not reads_rest:
        return
    with database.reading("the time zone") as reader:
        minutes = reader.value(_SESSION_OFFSET)
    if minutes is None:
        return
    offset = timedelta(minutes=int(minutes))
    if now(database).astimezone(ZoneInfo(told)).utcoffset() == offset:
        yield Finding("ok", "timezone", f"the database's sessions are in {told}")
        return
    hours = f"{int(minutes) / 60:+g} h"
    yield Finding(
        "warning",
        "timezone",
        f"the database's sessions are {hours} from UTC, not in {told}:"
        " times of changes read through REST are off by the difference (through SQL they are not)",
        'set database_timezone, for example to "UTC"',
    )


def index(database: Database) -> Iterator[Finding]:
    """Look for the index that polling walks; version 16 comes without."""
    table = database.statement("llx_facture")
    with translated("reading the indexes of llx_facture"):
        found = sqlalchemy.inspect(database.engine).get_indexes(table)
    if any(entry["column_names"][:1] == ["tms"] for entry in found):
        yield Finding("ok", "index", f"{table} has an index on tms")
    else:
        yield Finding(
            "warning",
            "index",
            f"{table} has no index on tms: each poll reads the whole table",
            f"CREATE INDEX idx_facture_tms ON {table} (tms);",
        )


def grants(
    database: Database,
    fields: Mapping[str, Sequence[str]],
    *,
    discounts: bool,
    product_fields: Sequence[str],
    buyers: BuyerQuestion,
    groups: Sequence[str],
    tags: bool,
    standing: bool,
    events: bool,
    deliveries: bool,
    stock: bool,
) -> Iterator[Finding]:
    """Compare the account's rights with what is done through it."""
    needs: list[Need] = list(reading_needs(product_fields, buyers))
    for table, names in fields.items():
        if names:
            needs += field_needs(table, names)
    # Used credit notes are read there, with discounts or without.
    needs += discount_needs() if discounts else discount_needs()[:1]
    needs += staff_needs(groups=bool(groups))
    needs += tag_needs()[1:] if tags else ()
    needs += standing_needs() if standing else ()
    needs += event_needs() if events else ()
    needs += delivery_needs() if deliveries else ()
    needs += stock_needs() if stock else ()
    known = read_grants(database)
    missing = [need for need in dict.fromkeys(needs) if not known.allows(need)]
    for need in missing:
        table = database.statement(need.table)
        message = f"the database account may not {need.right} on {table}"
        yield Finding("error", "grants", message, grant_statement(database, known, need))
    if not missing:
        yield Finding("ok", "grants", "the database account has the rights it needs")


def missing_groups(database: Database, entity: int, groups: Sequence[str]) -> list[str] | None:
    """Return which of these groups of users are not there; ``None`` where none can be seen."""
    if "nom" not in database.columns("llx_usergroup"):
        return None
    with database.reading("groups of users") as reader:
        rows = reader.rows("SELECT nom FROM llx_usergroup WHERE entity IN (0, %s)", (entity,))
    known = {str(row[0]).casefold() for row in rows}
    return [group for group in groups if group.casefold() not in known]


def customers_of_open_tickets(database: Database, entity: int) -> set[int]:
    """Find whose the empty tickets are: a discarded one goes back to the default customer."""
    with database.reading("open tickets") as reader:
        rows = reader.rows(
            "SELECT DISTINCT fk_soc FROM llx_facture WHERE entity = %s AND module_source = %s"
            " AND fk_statut = 0 AND ref LIKE %s AND total_ttc = 0",
            (entity, values.TAKEPOS, f"{values.PROVISIONAL_PREFIX}%"),
        )
    return {int(row[0]) for row in rows}


def user_exists(database: Database, user: int) -> bool | None:
    """Tell whether this user exists; ``None`` where the account may not look."""
    if "rowid" not in database.columns("llx_user"):
        return None
    with database.reading("the user") as reader:
        return reader.value("SELECT rowid FROM llx_user WHERE rowid = %s", (user,)) is not None


def blocking_webhooks(database: Database, release: tuple[int, ...]) -> list[str]:
    """List active webhooks for which Dolibarr waits; before 22 that is each of them."""
    seen = database.columns("llx_webhook_target")
    if not {"label", "status"} <= seen:
        return []
    waiting = " AND type = 0" if "type" in seen and release >= (22,) else ""
    with database.reading("webhooks") as reader:
        query = f"SELECT label FROM llx_webhook_target WHERE status = 1{waiting}"  # noqa: S608
        return [str(row[0]) for row in reader.rows(query)]
