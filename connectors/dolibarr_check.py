"""Look whether a Dolibarr is fit to be read and written: one line for each thing, with its remedy.

Nothing is changed. What fails to be looked at becomes a finding of its own and stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.engine import Engine

from connectors import dolibarr_check_database as tables
from connectors import dolibarr_check_rest as rest
from connectors.dolibarr_database import Database
from connectors.dolibarr_deliveries import NAMES, ORDER, RIGHTS, SHIPMENT, may_read
from connectors.dolibarr_http import DolibarrHttp, ServerStatus
from connectors.dolibarr_present import Present
from connectors.dolibarr_setup import ELEMENTS
from connectors.dolibarr_tag_door import may_tag
from connectors.dolibarr_warehouses import ON_INVOICE, OTHERWISE, RIGHT, may_read_stock
from dolisync.errors import DolisyncError, RefusedError
from dolisync.ports import BuyerQuestion, Finding, Requirements

CLOCK_DIFFERENCE_S_MAX = 60
TERMINALS_MAX = 20
_NOTHING_ASKED = BuyerQuestion()


@dataclass(frozen=True)
class Checked:
    """What is looked at: the doors, and what the configuration says of them."""

    http: DolibarrHttp | None
    database: Database | None
    present: Present
    requirements: Requirements
    now: datetime
    entity: int
    timezone: str
    database_timezone: str | None
    pos_customers: frozenset[int]
    fk_user: int | None
    product_fields: Sequence[str]
    buyers: BuyerQuestion
    request_groups: Sequence[str]
    tags_by: str | None
    sets_percentages: bool
    notes_events: bool
    deliveries_by: Sequence[str]
    warehouses_by: Sequence[str]


def check(
    http: DolibarrHttp | None,
    engine: Engine | str | None,
    requirements: Requirements,
    now: datetime,
    *,
    entity: int = 1,
    timezone: str = "UTC",
    database_timezone: str | None = None,
    table_prefix: str = "llx_",
    pos_customers: Sequence[int] = (),
    fk_user: int | None = None,
    product_fields: Sequence[str] = (),
    buyers: BuyerQuestion = _NOTHING_ASKED,
    request_groups: Sequence[str] = (),
    tags_by: str | None = None,
    sets_percentages: bool = False,
    notes_events: bool = False,
    deliveries_by: Sequence[str] = (),
    warehouses_by: Sequence[str] = (),
) -> tuple[Finding, ...]:
    """Look at everything. ``fk_user`` and the fields of ``requirements`` tell what is written.

    ``tags_by`` is the door (sql or rest) through which tags are put on customers, if they are;
    ``sets_percentages`` tells that customers' standing discounts are set through the tables,
    ``notes_events`` that movements are noted in the agenda. ``deliveries_by`` are the doors through
    which orders and shipments are followed, if they are, ``warehouses_by`` those through which it
    is read from where goods were taken.
    """
    database = Database(engine, table_prefix) if engine is not None else None
    checked = Checked(
        http=http,
        database=database,
        present=Present(http, database, entity),
        requirements=requirements,
        now=now,
        entity=entity,
        timezone=timezone,
        database_timezone=database_timezone,
        pos_customers=frozenset(pos_customers),
        fk_user=fk_user,
        product_fields=product_fields,
        buyers=buyers,
        request_groups=request_groups,
        tags_by=tags_by,
        sets_percentages=sets_percentages,
        notes_events=notes_events,
        deliveries_by=deliveries_by,
        warehouses_by=warehouses_by,
    )
    try:
        return tuple(_findings(checked))
    finally:
        if database is not None:
            database.close()


def _findings(checked: Checked) -> Iterator[Finding]:
    status = None
    if checked.http is not None:
        status, findings = rest.door(checked.http)
        yield from findings
    if checked.database is not None:
        reached = tables.door(checked.database)
        yield reached
        if reached.level != "ok":
            checked = _without_database(checked)
    if checked.http is not None and status is None:
        checked = _without_http(checked)
    for topic, look in _LOOKS:
        yield from _safely(topic, lambda look=look: look(checked, status))  # type: ignore[misc]


def _safely(topic: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except DolisyncError as error:
        return [Finding("error", topic, str(error))]


def _without_database(checked: Checked) -> Checked:
    present = Present(checked.http, None, checked.entity)
    return replace(checked, database=None, present=present)


def _without_http(checked: Checked) -> Checked:
    present = Present(None, checked.database, checked.entity)
    return replace(checked, http=None, present=present)


def _rights(checked: Checked, _status: ServerStatus | None) -> Iterator[Finding]:
    if checked.http is not None:
        database, entity = checked.database, checked.entity
        has_sales = None if database is None else tables.has_sales(database, entity)
        yield rest.visibility(checked.http, has_sales=has_sales)


def _clocks(checked: Checked, status: ServerStatus | None) -> Iterator[Finding]:
    moments = {}
    if status is not None:
        moments["the web server"] = status.now
    if checked.database is not None:
        moments["the database"] = tables.now(checked.database)
    for whose, moment in moments.items():
        apart = abs(moment - checked.now) / timedelta(seconds=1)
        if apart > CLOCK_DIFFERENCE_S_MAX:
            message = f"the clock of {whose} is {apart:.0f} s away from ours"
            yield Finding("warning", "clock", message, "let all machines follow NTP")
        else:
            yield Finding("ok", "clock", f"the clock of {whose} agrees with ours")


def _time_zones(checked: Checked, status: ServerStatus | None) -> Iterator[Finding]:
    zone = ZoneInfo(checked.timezone)
    if status is not None and status.php_timezone:
        yield _php_zone(checked, zone, status.php_timezone)
    elif checked.database is not None:
        yield from tables.php_zone(checked.database, checked.timezone)
    if checked.database is not None:
        told = checked.database_timezone or checked.timezone
        yield from tables.session_zone(checked.database, told, reads_rest=checked.http is not None)


def _php_zone(checked: Checked, zone: ZoneInfo, told: str) -> Finding:
    try:
        same = _same_zone(zone, ZoneInfo(told), checked.now)
    except (ZoneInfoNotFoundError, ValueError):
        same = told == checked.timezone
    if same:
        return Finding("ok", "timezone", f"PHP's time zone is {told}, as configured")
    message = f"PHP's time zone is {told}, configured is {checked.timezone}"
    return Finding("error", "timezone", message, f'set timezone = "{told}"')


def _same_zone(one: ZoneInfo, other: ZoneInfo, now: datetime) -> bool:
    moments = (now + timedelta(days=30 * month) for month in range(12))
    return all(m.astimezone(one).utcoffset() == m.astimezone(other).utcoffset() for m in moments)


def _requirements(checked: Checked, _status: ServerStatus | None) -> Iterator[Finding]:
    if checked.http is None and checked.database is None:
        return
    for spec in checked.requirements.fields:
        what = f"the extra field {spec.name} on {spec.element}"
        yield _required("fields", what, checked.present.field(ELEMENTS[spec.element], spec.name))
    for mode in checked.requirements.payment_modes:
        what = f"the payment mode {mode.code}"
        yield _required("payment mode", what, checked.present.payment_mode(mode.code))
    for tag in checked.requirements.tags:
        what = f"the customer tag {tag.label}"
        yield _required("tags", what, checked.present.tag(tag.label))


def _tagging(checked: Checked, _status: ServerStatus | None) -> Iterator[Finding]:
    """Look whether the key may put tags on customers, where that is how it is done."""
    if checked.tags_by != "rest" or checked.http is None:
        return
    if may_tag(checked.http):
        yield Finding("ok", "tags", "the key may put tags on customers")
    else:
        message = "the key may not put tags on customers: tier tags are not written"
        remedy = (
            "in Users & Groups > the user of the key > Permissions, give: read tags (241) and"
            " change third parties (122)"
        )
        yield Finding("error", "tags", message, remedy)


def _orders(checked: Checked, _status: ServerStatus | None) -> Iterator[Finding]:
    """Look whether the key may read orders and shipments, where the program waits for these."""
    if "rest" not in checked.deliveries_by or checked.http is None:
        return
    for kind, module in ((ORDER, "MAIN_MODULE_COMMANDE"), (SHIPMENT, "MAIN_MODULE_EXPEDITION")):
        what = NAMES[kind]
        if may_read(checked.http, kind):
            yield Finding("ok", "deliveries", f"the key reads {what}")
        elif checked.present.constant(module) is False:
            yield Finding("ok", "deliveries", f"{what} are not used: their module is off")
        else:
            message = f"the key may not read {what}, and the program waits for deliveries"
            remedy = (
                f"in Users & Groups > the user of the key > Permissions, give: {RIGHTS[kind]};"
                " where the module is off, nothing is missing"
            )
            level = "error" if kind == ORDER else "warning"
            yield Finding(level, "deliveries", message, remedy)


def _stock(checked: Checked, _status: ServerStatus | None) -> Iterator[Finding]:
    """Look whether sales bear a warehouse, where programs choose by it: only a movement tells."""
    if not checked.warehouses_by:
        return
    if "rest" in checked.warehouses_by and checked.http is not None:
        if may_read_stock(checked.http):
            yield Finding("ok", "warehouses", "the key reads stock movements")
        else:
            message = "the key may not read stock movements, and the program asks for warehouses"
            remedy = f"in Users & Groups > the user of the key > Permissions, give: {RIGHT}"
            yield Finding("error", "warehouses", message, remedy)
        yield from _orders_that_move(checked, checked.http)
    if not _are_on(checked.present, (ON_INVOICE, *OTHERWISE)):
        message = "it is not seen that the office changes stock: its invoices bear no warehouse"
        remedy = "Stock > Setup: decrease real stocks on validation of invoices, or on shipments"
        yield Finding("warning", "warehouses", message, remedy)
    for number in _terminals(checked.present):
        if checked.present.constant_value(f"CASHDESK_NO_DECREASE_STOCK{number}") == "1":
            message = f"tickets of terminal {number} change no stock: they bear no warehouse"
            remedy = "TakePOS > Setup > Terminal, or name the terminal under terminals"
            yield Finding("warning", "warehouses", message, remedy)


def _orders_that_move(checked: Checked, http: DolibarrHttp) -> Iterator[Finding]:
    """Look whether the key may read orders, where these or their shipments move the goods."""
    if not _are_on(checked.present, OTHERWISE) or may_read(http, ORDER):
        return
    message = "the key may not read sales orders, with which, or with whose shipments, stock moves"
    remedy = f"in Users & Groups > the user of the key > Permissions, give: {RIGHTS[ORDER]}"
    yield Finding("error", "warehouses", message, remedy)


def _are_on(present: Present, switches: Iterable[str]) -> bool:
    return any(present.constant_value(name) not in {None, "0"} for name in switches)


def _required(topic: str, what: str, present: bool | None) -> Finding:  # noqa: FBT001
    if present:
        return Finding("ok", topic, f"{what} is there")
    if present is None:
        remedy = "dolisync setup, and the grants below if it is there already"
        return Finding("warning", topic, f"{what} is not seen: missing, or no right", remedy)
    return Finding("error", topic, f"{what} is missing", "dolisync setup")


def _tables(checked: Checked, _status: ServerStatus | None) -> Iterator[Finding]:
    if checked.database is None:
        return
    yield from tables.index(checked.database)
    written = {
        table: [
            spec.name
            for spec in checked.requirements.fields
            if spec.element == element
            and checked.present.field(ELEMENTS[element], spec.name) is not False
        ]
        for element, table in tables.FIELD_TABLES.items()
    }
    yield from tables.grants(
        checked.database,
        written,
        discounts=checked.fk_user is not None,
        product_fields=checked.product_fields,
        buyers=checked.buyers,
        groups=checked.request_groups,
        tags=checked.tags_by == "sql",
        standing=checked.sets_percentages,
        events=checked.notes_events,
        deliveries="sql" in checked.deliveries_by,
        stock="sql" in checked.warehouses_by,
    )


def _pos_customers(checked: Checked, _status: ServerStatus | None) -> Iterator[Finding]:
    found = _configured_tills(checked.present)
    if not found and checked.database is not None:
        found = tables.customers_of_open_tickets(checked.database, checked.entity)
    for customer in sorted(found - checked.pos_customers):
        yield Finding(
            "error",
            "pos customer",
            f"the till's default customer {customer} is not configured: it would collect points",
            f"add {customer} to the customers that take no part",
        )
    if found and found <= checked.pos_customers:
        yield Finding("ok", "pos customer", "the till's default customers take no part")


def _terminals(present: Present) -> Sequence[int]:
    terminals = present.constant_value("TAKEPOS_NUM_TERMINALS")
    if terminals is None or not terminals.isdecimal():
        return ()
    return range(1, min(int(terminals), TERMINALS_MAX) + 1)


def _configured_tills(present: Present) -> set[int]:
    numbers = _terminals(present)
    told = (present.constant_value(f"CASHDESK_ID_THIRDPARTY{number}") for number in numbers)
    return {int(customer) for customer in told if customer and customer.isdecimal()}


def _user(checked: Checked, _status: ServerStatus | None) -> Iterator[Finding]:
    if checked.fk_user is None:
        return
    exists = _user_exists(checked, checked.fk_user)
    if exists is False:
        message = f"there is no Dolibarr user {checked.fk_user} in whose name discounts are made"
        yield Finding("error", "user", message, "set the rowid of a user that exists")
    elif exists is None:
        message = f"neither door may see whether the user {checked.fk_user} exists"
        yield Finding("ok", "user", message)
    else:
        yield Finding("ok", "user", f"the user {checked.fk_user} exists")


def _user_exists(checked: Checked, user: int) -> bool | None:
    if checked.database is not None:
        known = tables.user_exists(checked.database, user)
        if known is not None:
            return known
    if checked.http is None:
        return None
    try:
        return checked.http.get_object(f"users/{user}") is not None
    except RefusedError:
        return None


# What the agenda must note, for it tells who asked for something on a card.
SAVES_NOTED = "MAIN_AGENDA_ACTIONAUTO_COMPANY_MODIFY"


def _staff(checked: Checked, _status: ServerStatus | None) -> Iterator[Finding]:
    """Look whether it can be told who asks, where only some may."""
    if not checked.request_groups or checked.database is None:
        return
    missing = tables.missing_groups(checked.database, checked.entity, checked.request_groups)
    for group in missing or ():
        message = f"there is no group of users '{group}': nobody in it can ask for anything"
        remedy = "make it under Users & Groups, or name another in request_groups"
        yield Finding("error", "staff", message, remedy)
    noted = [checked.present.constant(name) for name in ("MAIN_MODULE_AGENDA", SAVES_NOTED)]
    if False in noted:
        message = "the agenda does not note who saves a card: whoever asks is refused"
        remedy = "Agenda > Setup > Automatic filling: tick COMPANY_MODIFY"
        yield Finding("error", "staff", message, remedy)
    elif None in noted:
        message = "it is not seen whether the agenda notes who saves a card (COMPANY_MODIFY)"
        remedy = "look under Agenda > Setup > Automatic filling: whoever asks is refused without"
        yield Finding("warning", "staff", message, remedy)
    elif not missing:
        yield Finding("ok", "staff", "the agenda notes who saves a card, and the groups are there")


def _webhooks(checked: Checked, status: ServerStatus | None) -> Iterator[Finding]:
    if checked.database is None:
        return
    release = status.release if status else checked.present.release
    for label in tables.blocking_webhooks(checked.database, release):
        yield Finding(
            "warning",
            "webhooks",
            f"the webhook {label} stops validation and the till while its receiver is down",
            "switch it off, or from 22 on make it non-blocking (type 1)",
        )


_Look = Callable[[Checked, ServerStatus | None], Iterator[Finding]]
_LOOKS: tuple[tuple[str, _Look], ...] = (
    ("rights", _rights),
    ("clock", _clocks),
    ("timezone", _time_zones),
    ("fields", _requirements),
    ("tags", _tagging),
    ("deliveries", _orders),
    ("warehouses", _stock),
    ("database", _tables),
    ("pos customer", _pos_customers),
    ("user", _user),
    ("staff", _staff),
    ("webhooks", _webhooks),
)
