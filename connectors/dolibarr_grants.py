"""What a database account may do, and the statements that would give it the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from connectors.dolibarr_buyers import COLUMNS_NEEDED
from connectors.dolibarr_database import Database, Reader
from connectors.dolibarr_deliveries import COLUMNS_NEEDED as DELIVERY_COLUMNS
from connectors.dolibarr_warehouses import COLUMNS_NEEDED as STOCK_COLUMNS
from dolisync.ports import BuyerQuestion

READ_TABLES = (
    "llx_facture",
    "llx_facturedet",
    "llx_facture_extrafields",
    "llx_paiement",
    "llx_paiement_facture",
    "llx_c_paiement",
    "llx_product",
    "llx_categorie",
    "llx_categorie_product",
    "llx_categorie_societe",
)
CUSTOMER_COLUMNS = ("rowid", "nom", "entity", "default_lang", "email", "barcode", "code_client")
DISCOUNTS = "llx_societe_remise_except"


@dataclass(frozen=True, slots=True)
class Need:
    """A right that is needed: on a table, or on these columns of it."""

    right: str
    table: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grants:
    """The rights of the account that is connected. ``everything`` where nobody counts them."""

    account: str
    everything: bool = False
    overall: frozenset[str] = frozenset()
    tables: dict[str, set[str]] = field(default_factory=dict)
    columns: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def allows(self, need: Need) -> bool:
        """Tell whether this right is there, for the table or for each column."""
        if self.everything or need.right in self.overall:
            return True
        if need.right in self.tables.get(need.table, ()):
            return True
        return bool(need.columns) and not self.missing_columns(need)

    def missing_columns(self, need: Need) -> tuple[str, ...]:
        """List the columns of a need that lack the right."""
        return tuple(
            column
            for column in need.columns
            if need.right not in self.columns.get((need.table, column), ())
        )


def read_grants(database: Database) -> Grants:
    """Ask the database what the connected account may do in this database."""
    if database.is_sqlite:
        return Grants(account="", everything=True)
    with database.reading("the rights of the account") as reader:
        account = str(reader.value("SELECT CURRENT_USER()"))
        user, _, host = account.rpartition("@")
        grantee = f"'{user}'@'{host}'"
        return Grants(
            account=grantee,
            overall=_overall(reader, grantee),
            tables=_tables(reader, grantee),
            columns=_columns(reader, grantee),
        )


def _overall(reader: Reader, grantee: str) -> frozenset[str]:
    everywhere = reader.rows(
        "SELECT privilege_type FROM information_schema.user_privileges WHERE grantee = %s",
        (grantee,),
    )
    here = reader.rows(
        "SELECT privilege_type FROM information_schema.schema_privileges"
        " WHERE grantee = %s AND DATABASE() LIKE table_schema",
        (grantee,),
    )
    return frozenset(str(row[0]).upper() for row in (*everywhere, *here))


def _tables(reader: Reader, grantee: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for table, right in reader.rows(
        "SELECT table_name, privilege_type FROM information_schema.table_privileges"
        " WHERE grantee = %s AND table_schema = DATABASE()",
        (grantee,),
    ):
        found[str(table)].add(str(right).upper())
    return found


def _columns(reader: Reader, grantee: str) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for table, column, right in reader.rows(
        "SELECT table_name, column_name, privilege_type"
        " FROM information_schema.column_privileges"
        " WHERE grantee = %s AND table_schema = DATABASE()",
        (grantee,),
    ):
        found[str(table), str(column)].add(str(right).upper())
    return found


def reading_needs(
    product_fields: Sequence[str] = (), buyers: BuyerQuestion | None = None
) -> tuple[Need, ...]:
    """List what reading sales and customers needs; of their cards, what programs ask."""
    needs = [Need("SELECT", table) for table in READ_TABLES]
    columns = _buyer_columns(buyers or BuyerQuestion())
    names = (*CUSTOMER_COLUMNS, *columns.pop("llx_societe", {}))
    needs.append(Need("SELECT", "llx_societe", names))
    needs += [Need("SELECT", table, tuple(found)) for table, found in columns.items()]
    if product_fields:
        wanted = ("fk_object", *product_fields)
        needs.append(Need("SELECT", "llx_product_extrafields", wanted))
    return tuple(needs)


def _buyer_columns(question: BuyerQuestion) -> dict[str, dict[str, None]]:
    """Gather the columns that a question needs, by table, each once and in order."""
    columns: dict[str, dict[str, None]] = defaultdict(dict)
    for fact in sorted(question.facts):
        for table, names in COLUMNS_NEEDED[fact].items():
            columns[table].update(dict.fromkeys(names))
    if question.fields:
        columns["llx_societe_extrafields"].update(dict.fromkeys(("fk_object", *question.fields)))
    return columns


def delivery_needs() -> tuple[Need, ...]:
    """List what following orders and shipments needs."""
    return tuple(Need("SELECT", table, names) for table, names in DELIVERY_COLUMNS.items())


def stock_needs() -> tuple[Need, ...]:
    """List what reading from where goods were taken needs."""
    return tuple(Need("SELECT", table, names) for table, names in STOCK_COLUMNS.items())


def field_needs(table: str, names: Iterable[str]) -> tuple[Need, ...]:
    """List what writing these extra fields needs, and no more."""
    columns = ("fk_object", *names)
    return (
        Need("SELECT", table, ("rowid", "tms", *columns)),
        Need("INSERT", table, columns),
        Need("UPDATE", table, columns),
    )


def discount_needs() -> tuple[Need, ...]:
    """List what making and revoking discounts needs."""
    return tuple(Need(right, DISCOUNTS) for right in ("SELECT", "INSERT", "DELETE"))


def tag_needs() -> tuple[Need, ...]:
    """List what putting customer tags on cards and taking them off needs."""
    return tuple(Need(right, "llx_categorie_societe") for right in ("SELECT", "INSERT", "DELETE"))


def standing_needs() -> tuple[Need, ...]:
    """List what setting a customer's percentage needs."""
    history = ("entity", "datec", "fk_soc", "remise_client", "note", "fk_user_author")
    return (
        Need("SELECT", "llx_societe", ("rowid", "remise_client")),
        Need("UPDATE", "llx_societe", ("remise_client",)),
        Need("INSERT", "llx_societe_remise", history),
    )


def event_needs() -> tuple[Need, ...]:
    """List what writing events of customers needs."""
    who = ("fk_soc", "fk_user_author", "fk_user_action", "fk_element", "elementtype")
    when = ("datec", "datep", "datep2")
    what = ("ref", "ref_ext", "entity", "fk_action", "code", "label", "note", "percent")
    return (
        Need("SELECT", "llx_actioncomm", ("id", "ref_ext", "entity")),
        Need("INSERT", "llx_actioncomm", (*what, *when, *who)),
        Need("SELECT", "llx_c_actioncomm", ("id", "code")),
    )


def staff_needs(*, groups: bool) -> tuple[Need, ...]:
    """List what is needed to know who asked for something on a card, where that matters."""
    if not groups:
        return ()
    return (
        Need(
            "SELECT",
            "llx_actioncomm",
            ("id", "entity", "code", "fk_soc", "fk_element", "fk_user_author"),
        ),
        Need("SELECT", "llx_user", ("rowid", "login", "statut")),
        Need("SELECT", "llx_usergroup", ("rowid", "nom", "entity")),
        Need("SELECT", "llx_usergroup_user", ("fk_user", "fk_usergroup")),
    )


def grant_statement(database: Database, grants: Grants, need: Need) -> str:
    """Write the statement that an administrator runs to give what is missing."""
    columns = grants.missing_columns(need)
    right = f"{need.right}({', '.join(columns)})" if columns else need.right
    name = database.engine.url.database or ""
    table = database.statement(need.table)
    return f"GRANT {right} ON `{name}`.{table} TO {grants.account};"
