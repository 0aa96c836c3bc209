"""Make in Dolibarr what dolisync needs to find there: extra fields, payment modes, tags.

First a plan, then the acts, so that the plan can be shown. Each thing is made through REST where
the version and the key allow it, else through SQL where the account may, else the statement is
shown for a person to run. What exists is left alone: a second run finds everything present.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.engine import Engine

from connectors.dolibarr_database import Database, checked_name
from connectors.dolibarr_grants import Grants, Need, read_grants
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_present import Present
from dolisync.errors import DolisyncError, RefusedError
from dolisync.ports import FieldSpec, PaymentModeSpec, Requirements, SetupStep, TagSpec

ELEMENTS = {"customer": "societe", "sale": "facture", "product": "product"}
FIRST_RELEASE_WITH_FIELDS_BY_REST = (20,)

# Shown on the card and not in its form: a form that stood open would write the old value back.
_SHOWN = "5"
# Up to 19 such a field is emptied when somebody saves the card, unless it is hidden just then.
_SHOWN_BEFORE_20 = 'GETPOST("action")=="update"?0:5'
_EDITABLE = "1"
_TYPES = {
    "integer": ("int", "10", "INT(10)"),
    "amount": ("double", "24,2", "DOUBLE(24,2)"),
    # Dolibarr shows a price as one: two decimals and the currency.
    "money": ("price", "", "DOUBLE(24,8)"),
    "text": ("varchar", "255", "VARCHAR(255)"),
}
_INSERT_FIELD = (
    "INSERT INTO llx_extrafields (name, entity, elementtype, label, type, size, pos,"
    " alwayseditable, param, list, printable, enabled, fieldunique, fieldrequired)"
    " VALUES (%s, %s, %s, %s, %s, %s, 100, 1, '', %s, 0, '1', 0, 0)"
)
_INSERT_MODE = (
    "INSERT INTO llx_c_paiement (entity, code, libelle, type, active) VALUES (%s, %s, %s, %s, 1)"
)
_INSERT_CONSTANT = (
    "INSERT INTO llx_const (name, entity, value, type, visible, note)"
    " VALUES (%s, %s, %s, 'chaine', 0, '')"
)
# The account is looked up when the statement runs: it may be made just before.
_INSERT_CONSTANT_OF_OWN_ACCOUNT = (
    "INSERT INTO llx_const (name, entity, value, type, visible, note)"
    " SELECT %s, %s, rowid, 'chaine', 0, '' FROM llx_bank_account WHERE ref = %s AND entity = %s"
)
_INSERT_ACCOUNT = (
    "INSERT INTO llx_bank_account (ref, label, entity, courant, clos, currency_code, fk_pays)"
    " VALUES (%s, %s, %s, 1, 0, %s, %s)"
)
_INSERT_TAG = (
    "INSERT INTO llx_categorie (entity, fk_parent, label, type, color, visible)"
    " VALUES (%s, 0, %s, %s, %s, 1)"
)
_PAYMENT_TYPE_BOTH = 2
_CUSTOMER_TAG = 2

Statement = tuple[str, tuple[int | str, ...]]


@dataclass(frozen=True, slots=True)
class _Work:
    """One thing that must exist, and the ways to make it. ``present`` is unknown when ``None``."""

    what: str
    present: bool | None
    statements: tuple[Statement, ...]
    needs: tuple[Need, ...]
    request: tuple[str, dict[str, object]] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Site:
    """The doors to one Dolibarr, and what is found behind them."""

    http: DolibarrHttp | None
    database: Database | None
    grants: Grants | None
    present: Present
    entity: int
    terminals: tuple[str, ...]
    bank_account: int | None

    def may(self, needs: Sequence[Need]) -> bool:
        return self.grants is not None and all(self.grants.allows(need) for need in needs)


def plan(
    requirements: Requirements,
    http: DolibarrHttp | None,
    engine: Engine | str | None,
    *,
    entity: int = 1,
    table_prefix: str = "llx_",
    terminals: Sequence[str] = ("1",),
    bank_account: int | None = None,
) -> tuple[SetupStep, ...]:
    """Say what ``apply`` would do, without doing it."""
    with _site(http, engine, entity, table_prefix, terminals, bank_account) as site:
        return tuple(_planned(site, work) for work in _works(site, requirements))


def apply(
    requirements: Requirements,
    http: DolibarrHttp | None,
    engine: Engine | str | None,
    *,
    entity: int = 1,
    table_prefix: str = "llx_",
    terminals: Sequence[str] = ("1",),
    bank_account: int | None = None,
) -> tuple[SetupStep, ...]:
    """Make what is missing; what fails does not stop the rest."""
    with _site(http, engine, entity, table_prefix, terminals, bank_account) as site:
        return tuple(_applied(site, work) for work in _works(site, requirements))


@contextmanager
def _site(
    http: DolibarrHttp | None,
    engine: Engine | str | None,
    entity: int,
    table_prefix: str,
    terminals: Sequence[str],
    bank_account: int | None,
) -> Iterator[_Site]:
    database = Database(engine, table_prefix) if engine is not None else None
    try:
        yield _Site(
            http=http,
            database=database,
            grants=read_grants(database) if database else None,
            present=Present(http, database, entity),
            entity=entity,
            terminals=tuple(terminals),
            bank_account=bank_account,
        )
    finally:
        if database is not None:
            database.close()


def _works(site: _Site, requirements: Requirements) -> Iterator[_Work]:
    for spec in requirements.fields:
        yield _field(site, spec)
    for mode in requirements.payment_modes:
        yield _payment_mode(site, mode)
        if site.bank_account is None:
            yield _own_account(site, mode)
        for terminal in site.terminals:
            yield _till_account(site, mode, terminal)
    for tag in requirements.tags:
        yield _tag(site, tag)


def _field(site: _Site, spec: FieldSpec) -> _Work:
    element = ELEMENTS[spec.element]
    name = checked_name(spec.name)
    kind, size, column = _TYPES[spec.kind]
    shown = _EDITABLE if spec.editable else _visibility(site)
    table = f"llx_{element}_extrafields"
    values = (name, site.entity, element, spec.label, kind, size, shown)
    body: dict[str, object] = {
        "type": kind,
        "label": spec.label,
        "size": size,
        "pos": 100,
        "list": shown,
        "enabled": "1",
        "alwayseditable": 1,
        "printable": 0,
        "unique": 0,
        "required": 0,
        "totalizable": 0,
        **dict.fromkeys(("perms", "default_value", "langfile", "computed", "help", "param"), ""),
    }
    # The column first: a definition without its column breaks the card.
    column_added = (f"ALTER TABLE {table} ADD COLUMN {name} {column} NULL", ())
    by_rest = site.http is not None and site.present.release >= FIRST_RELEASE_WITH_FIELDS_BY_REST
    return _Work(
        what=f"extra field {name} on {spec.element}",
        present=site.present.field(element, name),
        statements=(
            *(() if site.present.has_column(table, name) else (column_added,)),
            (_INSERT_FIELD, values),
        ),
        needs=(Need("ALTER", table), Need("INSERT", "llx_extrafields")),
        request=(f"setup/extrafields/{element}/{name}", body) if by_rest else None,
    )


def _visibility(site: _Site) -> str:
    release = site.present.release
    return _SHOWN_BEFORE_20 if release and release < (20,) else _SHOWN


def _payment_mode(site: _Site, spec: PaymentModeSpec) -> _Work:
    return _Work(
        what=f"payment mode {spec.code}",
        present=site.present.payment_mode(spec.code),
        statements=((_INSERT_MODE, (site.entity, spec.code, spec.label, _PAYMENT_TYPE_BOTH)),),
        needs=(Need("INSERT", "llx_c_paiement"),),
        reason="REST cannot make payment modes; or click Setup > Dictionaries > Payment modes",
    )


def _till_account(site: _Site, spec: PaymentModeSpec, terminal: str) -> _Work:
    name = f"CASHDESK_ID_BANKACCOUNT_{spec.code}{terminal}"
    named = (_INSERT_CONSTANT, (name, site.entity, str(site.bank_account)))
    own = (_INSERT_CONSTANT_OF_OWN_ACCOUNT, (name, site.entity, spec.code, site.entity))
    needs = (Need("INSERT", "llx_const"), Need("SELECT", "llx_const"))
    return _Work(
        what=f"bank account of payment mode {spec.code} at till {terminal}",
        present=site.present.constant(name),
        statements=(own if site.bank_account is None else named,),
        needs=needs if site.bank_account else (*needs, Need("SELECT", "llx_bank_account")),
        reason="REST cannot set constants; or click TakePOS > Setup > Terminal",
    )


def _own_account(site: _Site, spec: PaymentModeSpec) -> _Work:
    """Make an account that takes points and no money. TakePOS takes no cash account for it."""
    country = site.present.country()
    # Labels of accounts are unique, and have room for thirty letters.
    label = f"{spec.label[:21]} ({spec.code})"
    body: dict[str, object] = {
        "ref": spec.code,
        "label": label,
        "type": 1,
        "currency_code": spec.currency,
        "country_id": country,
    }
    values = (spec.code, label, site.entity, spec.currency, country)
    return _Work(
        what=f"bank account {spec.code} for payments with points",
        present=site.present.account(spec.code),
        statements=((_INSERT_ACCOUNT, values),),
        needs=(Need("INSERT", "llx_bank_account"),),
        request=("bankaccounts", body) if site.http else None,
        reason="or make one of type bank by hand, and name its id with --bank-account",
    )


def _tag(site: _Site, spec: TagSpec) -> _Work:
    body: dict[str, object] = {"label": spec.label, "type": "customer", "color": spec.color}
    return _Work(
        what=f"customer tag {spec.label}",
        present=site.present.tag(spec.label),
        statements=((_INSERT_TAG, (site.entity, spec.label, _CUSTOMER_TAG, spec.color)),),
        needs=(Need("INSERT", "llx_categorie"),),
        request=("categories", body) if site.http else None,
    )


def _planned(site: _Site, work: _Work) -> SetupStep:
    if work.present:
        return SetupStep(work.what, "present")
    sql = "\n".join(_literal(site, statement) for statement in work.statements)
    if work.present is None:
        reason = f"this key and this account cannot see whether it exists. {work.reason}".strip()
        return SetupStep(work.what, "manual", sql, reason)
    if work.request is not None and site.present.rest_is_open(work.request[0]):
        path, body = work.request
        return SetupStep(work.what, "planned", f"POST /{path} {json.dumps(body)}")
    if site.may(work.needs):
        return SetupStep(work.what, "planned", sql)
    reason = work.reason or "neither the key nor the database account may do it"
    return SetupStep(work.what, "manual", sql, reason)


def _applied(site: _Site, work: _Work) -> SetupStep:
    step = _planned(site, work)
    if step.state != "planned":
        return step
    try:
        if step.statement.startswith("POST "):
            return _posted(site, work, step)
        _run(site, work)
    except DolisyncError as error:
        return SetupStep(work.what, "failed", step.statement, str(error))
    return SetupStep(work.what, "done", step.statement)


def _posted(site: _Site, work: _Work, step: SetupStep) -> SetupStep:
    assert site.http is not None
    assert work.request is not None
    try:
        site.http.post(*work.request)
    except RefusedError as refusal:
        sql = "\n".join(_literal(site, statement) for statement in work.statements)
        if not site.may(work.needs):
            return SetupStep(work.what, "manual", sql, str(refusal))
        _run(site, work)
        return SetupStep(work.what, "done", sql)
    return SetupStep(work.what, "done", step.statement)


def _run(site: _Site, work: _Work) -> None:
    assert site.database is not None
    with site.database.writing(f"making the {work.what}") as writer:
        for sql, values in work.statements:
            writer.change(sql, values)


def _literal(site: _Site, statement: Statement) -> str:
    """Write a statement with its values, for a person to read and run."""
    sql, values = statement
    if site.database is not None and site.database.prefix != "llx_":
        sql = sql.replace("llx_", site.database.prefix)
    parts = sql.split("%s")
    filled = [part + _quoted(value) for part, value in zip(parts, values, strict=False)]
    return "".join([*filled, parts[-1], ";"])


def _quoted(value: int | str) -> str:
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
