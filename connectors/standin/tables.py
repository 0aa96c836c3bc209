"""The tables that a loyalty daemon meets: real names and indexes, the columns that matter."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite

MARIADB = ("mysql", "mariadb")


class Money(sa.types.TypeDecorator[Decimal]):
    """A double(24,8) column that Python sees as Decimal."""

    impl = sa.Double
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Take MariaDB's own double with its scale."""
        if dialect.name in MARIADB:
            return dialect.type_descriptor(mysql.DOUBLE(24, 8, asdecimal=False))
        return dialect.type_descriptor(sa.Double())

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> float | None:  # noqa: ARG002
        """Hand the driver what it knows."""
        return None if value is None else float(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:  # noqa: ARG002
        """Cut the noise of binary fractions at the eighth digit."""
        return None if value is None else Decimal(str(round(float(value), 8)))


def _moment() -> sa.types.TypeEngine[Any]:
    whole_seconds = sqlite.DATETIME(truncate_microseconds=True)  # type: ignore[no-untyped-call]
    return sa.DateTime().with_variant(whole_seconds, "sqlite")


def _rowid(name: str = "rowid") -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=True)


def _entity() -> sa.Column[Any]:
    return sa.Column("entity", sa.Integer, nullable=False, server_default="1")


def _text(length: int) -> sa.types.TypeEngine[str]:
    """Compare as MariaDB does, without regard to case."""
    return sa.String(length, collation="NOCASE").with_variant(sa.String(length), *MARIADB)


def _texts(length: int, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, _text(length)) for name in names]


def _numbers(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Integer) for name in names]


def _zeros(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in names]


def _monies(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, Money, server_default="0") for name in names]


def _moments(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, _moment()) for name in names]


def _days(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Date) for name in names]


def _notes(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text) for name in names]


@dataclass(frozen=True)
class Tables:
    """All tables of one version."""

    metadata: sa.MetaData
    facture: sa.Table
    facturedet: sa.Table
    paiement: sa.Table
    paiement_facture: sa.Table
    c_paiement: sa.Table
    societe: sa.Table
    societe_remise_except: sa.Table
    product: sa.Table
    categorie: sa.Table
    categorie_product: sa.Table
    categorie_societe: sa.Table
    extrafields: sa.Table
    actioncomm: sa.Table
    const: sa.Table
    pos_cash_fence: sa.Table
    bank_account: sa.Table
    user: sa.Table
    facture_extrafields: sa.Table
    societe_extrafields: sa.Table
    product_extrafields: sa.Table


class _Builder:
    def __init__(self, major: int, *, mariadb: bool) -> None:
        self.major = major
        self.mariadb = mariadb
        self.metadata = sa.MetaData()

    def stamp(self, *, by_server: bool = True) -> sa.Column[Any]:
        """Declare `tms`: MariaDB moves it for other writers, the stand-in always names it."""
        kind = _moment().with_variant(mysql.TIMESTAMP(), *MARIADB)
        moves = " ON UPDATE CURRENT_TIMESTAMP" if self.mariadb else ""
        default = sa.text(f"CURRENT_TIMESTAMP{moves}") if by_server else None
        return sa.Column("tms", kind, server_default=default, nullable=True)

    def table(self, name: str, *parts: Any) -> sa.Table:
        return sa.Table(
            f"llx_{name}",
            self.metadata,
            *parts,
            sqlite_autoincrement=True,
            mysql_charset="utf8mb4",
            mariadb_charset="utf8mb4",
            mysql_engine="InnoDB",
            mariadb_engine="InnoDB",
        )

    def extra_table(self, name: str, *, unique: bool) -> sa.Table:
        prefix = "uk" if unique else "idx"
        return self.table(
            f"{name}_extrafields",
            _rowid(),
            self.stamp(),
            sa.Column("fk_object", sa.Integer, nullable=False),
            sa.Column("import_key", _text(14)),
            sa.Index(f"{prefix}_{name}_extrafields", "fk_object", unique=unique),
        )

    def facture(self) -> sa.Table:
        indexes = [
            sa.Index(f"idx_facture_{name}", name)
            for name in ("datef", "fk_facture_source", "fk_soc", "fk_statut")
        ]
        if self.major > 16:
            indexes.append(sa.Index("idx_facture_tms", "tms"))
        return self.table(
            "facture",
            _rowid(),
            sa.Column("ref", _text(30), nullable=False),
            _entity(),
            *_texts(255, "ref_ext", "ref_client"),
            *_zeros("type"),
            sa.Column("fk_soc", sa.Integer, nullable=False),
            *_moments("datec"),
            *_days("datef", "date_pointoftax", "date_valid"),
            self.stamp(),
            *_moments("date_closing"),
            *_zeros("paye"),
            *_texts(128, "close_code", "close_note"),
            *_monies("total_tva", "localtax1", "localtax2", "revenuestamp"),
            *_monies("total_ht", "total_ttc"),
            *_zeros("fk_statut"),
            *_numbers("fk_user_author", "fk_user_modif", "fk_user_valid", "fk_user_closing"),
            *_texts(32, "module_source", "pos_source"),
            *_numbers("fk_fac_rec_source", "fk_facture_source", "fk_account"),
            sa.Column("fk_cond_reglement", sa.Integer, nullable=False, server_default="1"),
            *_numbers("fk_mode_reglement"),
            *_days("date_lim_reglement"),
            *_notes("note_private", "note_public"),
            *_texts(255, "model_pdf", "last_main_doc"),
            sa.Column("import_key", _text(14)),
            sa.Column("multicurrency_code", _text(3)),
            sa.Column("multicurrency_tx", Money, server_default="1"),
            *_monies("multicurrency_total_ht", "multicurrency_total_tva"),
            *_monies("multicurrency_total_ttc"),
            sa.Index("uk_facture_ref", "ref", "entity", unique=True),
            *indexes,
        )

    def facturedet(self) -> sa.Table:
        return self.table(
            "facturedet",
            _rowid(),
            sa.Column("fk_facture", sa.Integer, nullable=False),
            *_numbers("fk_parent_line", "fk_product"),
            sa.Column("label", _text(255)),
            *_notes("description"),
            sa.Column("vat_src_code", _text(10), server_default=""),
            sa.Column("tva_tx", Money),
            *_monies("localtax1_tx", "localtax2_tx"),
            sa.Column("qty", Money),
            *_monies("remise_percent", "remise"),
            *_numbers("fk_remise_except"),
            *[sa.Column(name, Money) for name in ("subprice", "price", "total_ht", "total_tva")],
            *_monies("total_localtax1", "total_localtax2"),
            sa.Column("total_ttc", Money),
            *_zeros("product_type"),
            *_moments("date_start", "date_end"),
            *_zeros("info_bits"),
            *_monies("buy_price_ht"),
            *_zeros("special_code", "rang"),
            *_numbers("fk_user_author", "fk_user_modif"),
            *_monies("multicurrency_subprice", "multicurrency_total_ht"),
            *_monies("multicurrency_total_tva", "multicurrency_total_ttc"),
            sa.Index("idx_facturedet_fk_facture", "fk_facture"),
            sa.Index("idx_facturedet_fk_product", "fk_product"),
            sa.Index("uk_fk_remise_except", "fk_remise_except", "fk_facture", unique=True),
        )

    def paiement(self) -> sa.Table:
        return self.table(
            "paiement",
            _rowid(),
            sa.Column("ref", _text(30)),
            sa.Column("ref_ext", _text(255)),
            _entity(),
            *_moments("datec"),
            self.stamp(),
            *_moments("datep"),
            *_monies("amount", "multicurrency_amount"),
            sa.Column("fk_paiement", sa.Integer, nullable=False),
            sa.Column("num_paiement", _text(50)),
            *_notes("note"),
            *_zeros("fk_bank"),
            *_numbers("fk_user_creat", "fk_user_modif"),
            *_zeros("statut", "fk_export_compta"),
            *_monies("pos_change"),
        )

    def paiement_facture(self) -> sa.Table:
        return self.table(
            "paiement_facture",
            _rowid(),
            *_numbers("fk_paiement", "fk_facture"),
            *_monies("amount"),
            sa.Column("multicurrency_code", _text(3)),
            sa.Column("multicurrency_tx", Money, server_default="1"),
            *_monies("multicurrency_amount"),
            sa.Index("idx_paiement_facture_fk_facture", "fk_facture"),
            sa.Index("idx_paiement_facture_fk_paiement", "fk_paiement"),
            sa.Index("uk_paiement_facture", "fk_paiement", "fk_facture", unique=True),
        )

    def c_paiement(self) -> sa.Table:
        return self.table(
            "c_paiement",
            _rowid("id"),
            _entity(),
            sa.Column("code", _text(6), nullable=False),
            sa.Column("libelle", _text(128)),
            *_numbers("type"),
            sa.Column("active", sa.Integer, nullable=False, server_default="1"),
            *_texts(32, "accountancy_code", "module"),
            *_zeros("position"),
            sa.Index("uk_c_paiement_code", "entity", "code", unique=True),
        )

    def societe(self) -> sa.Table:
        newer = _texts(30, "phone_mobile") if self.major > 16 else []
        return self.table(
            "societe",
            _rowid(),
            *_texts(128, "nom", "name_alias"),
            _entity(),
            sa.Column("ref_ext", _text(255)),
            *_numbers("parent"),
            sa.Column("status", sa.Integer, server_default="1"),
            *_texts(24, "code_client", "code_fournisseur"),
            *_texts(255, "address"),
            *_texts(25, "zip"),
            *_texts(50, "town"),
            *_numbers("fk_pays"),
            *_texts(30, "phone", "fax"),
            *newer,
            *_texts(255, "url"),
            *_texts(128, "email"),
            *_notes("socialnetworks", "note_private", "note_public"),
            *_zeros("client", "fournisseur"),
            *_monies("remise_client"),
            sa.Column("tva_assuj", sa.Integer, server_default="1"),
            sa.Column("barcode", _text(180)),
            sa.Column("fk_barcode_type", sa.Integer, server_default="0"),
            *_numbers("price_level"),
            sa.Column("default_lang", _text(6)),
            self.stamp(),
            *_moments("datec"),
            *_numbers("fk_user_creat", "fk_user_modif"),
            sa.Column("import_key", _text(14)),
            sa.Index("uk_societe_barcode", "barcode", "fk_barcode_type", "entity", unique=True),
            sa.Index("uk_societe_code_client", "code_client", "entity", unique=True),
        )

    def societe_remise_except(self) -> sa.Table:
        newer = [sa.Column("multicurrency_code", _text(3)), sa.Column("multicurrency_tx", Money)]
        names = ("discount_type", "fk_facture_line", "fk_facture", "fk_facture_source", "fk_soc")
        return self.table(
            "societe_remise_except",
            _rowid(),
            _entity(),
            sa.Column("fk_soc", sa.Integer, nullable=False),
            *_zeros("discount_type"),
            *_moments("datec"),
            sa.Column("amount_ht", Money, nullable=False),
            *_monies("amount_tva", "amount_ttc", "tva_tx"),
            sa.Column("vat_src_code", _text(10), server_default=""),
            sa.Column("fk_user", sa.Integer, nullable=False),
            *_numbers("fk_facture_line", "fk_facture", "fk_facture_source"),
            *_numbers("fk_invoice_supplier_line", "fk_invoice_supplier"),
            *_numbers("fk_invoice_supplier_source"),
            sa.Column("description", sa.Text, nullable=False),
            *(newer if self.major > 16 else []),
            *_monies("multicurrency_amount_ht", "multicurrency_amount_tva"),
            *_monies("multicurrency_amount_ttc"),
            *[sa.Index(f"idx_societe_remise_except_{name}", name) for name in names],
        )

    def product(self) -> sa.Table:
        return self.table(
            "product",
            _rowid(),
            sa.Column("ref", _text(128), nullable=False),
            _entity(),
            *_moments("datec"),
            self.stamp(),
            sa.Column("label", _text(255), nullable=False),
            *_notes("description", "note_public", "note"),
            *_monies("price", "price_ttc"),
            sa.Column("price_base_type", _text(3), server_default="HT"),
            sa.Column("tva_tx", Money),
            sa.Column("tosell", sa.Integer, server_default="1"),
            sa.Column("tobuy", sa.Integer, server_default="1"),
            sa.Column("fk_product_type", sa.Integer, server_default="0"),
            sa.Column("barcode", _text(180)),
            *_numbers("fk_barcode_type", "fk_user_author", "fk_user_modif"),
            sa.Index("uk_product_ref", "ref", "entity", unique=True),
            sa.Index("idx_product_label", "label"),
        )

    def categorie(self) -> sa.Table:
        unique = sa.Index("uk_categorie_ref", "entity", "fk_parent", "label", "type", unique=True)
        return self.table(
            "categorie",
            _rowid(),
            _entity(),
            *_zeros("fk_parent"),
            sa.Column("label", _text(180), nullable=False),
            sa.Column("ref_ext", _text(255)),
            sa.Column("type", sa.Integer, nullable=False, server_default="1"),
            *_notes("description"),
            sa.Column("color", _text(8)),
            *(_zeros("position") if self.major > 16 else []),
            *_numbers("fk_soc"),
            sa.Column("visible", sa.Integer, nullable=False, server_default="1"),
            *_moments("date_creation"),
            self.stamp(),
            *_numbers("fk_user_creat", "fk_user_modif"),
            *([unique] if self.major > 16 else []),
        )

    def link(self, name: str, target: str) -> sa.Table:
        return self.table(
            name,
            sa.Column("fk_categorie", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column(target, sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("import_key", _text(14)),
            sa.Index(f"idx_{name}_{target}", target),
        )

    def extrafields(self) -> sa.Table:
        return self.table(
            "extrafields",
            _rowid(),
            sa.Column("name", _text(64), nullable=False),
            _entity(),
            sa.Column("elementtype", _text(64), nullable=False, server_default="member"),
            sa.Column("label", _text(255), nullable=False),
            *_texts(8, "type", "size"),
            *_notes("fieldcomputed", "fielddefault"),
            *_zeros("fieldunique", "fieldrequired"),
            *_texts(255, "perms", "enabled"),
            *_zeros("pos", "alwayseditable"),
            *_notes("param"),
            sa.Column("list", _text(255), server_default="1"),
            *_zeros("printable", "totalizable"),
            *_texts(64, "langs"),
            *_notes("help"),
            *_texts(128, "css", "cssview", "csslist"),
            *_numbers("fk_user_author", "fk_user_modif"),
            *_moments("datec"),
            self.stamp(),
            sa.Index("uk_extrafields_name", "name", "entity", "elementtype", unique=True),
        )

    def actioncomm(self) -> sa.Table:
        return self.table(
            "actioncomm",
            _rowid("id"),
            sa.Column("ref", _text(30), nullable=False, server_default=""),
            sa.Column("ref_ext", _text(255)),
            _entity(),
            *_moments("datep", "datep2"),
            *_numbers("fk_action"),
            sa.Column("code", _text(50)),
            *_moments("datec"),
            self.stamp(),
            *_numbers("fk_user_author", "fk_user_mod", "fk_soc", "fk_contact", "fk_user_action"),
            *_zeros("fk_parent", "percent"),
            sa.Column("label", _text(255), nullable=False),
            *_notes("note"),
            *_numbers("fk_element"),
            sa.Column("elementtype", _text(255)),
            sa.Index("idx_actioncomm_fk_soc", "fk_soc"),
            sa.Index("idx_actioncomm_code", "code"),
        )

    def const(self) -> sa.Table:
        return self.table(
            "const",
            _rowid(),
            sa.Column("name", _text(180), nullable=False),
            _entity(),
            sa.Column("value", sa.Text, nullable=False),
            sa.Column("type", _text(64), server_default="string"),
            sa.Column("visible", sa.Integer, nullable=False, server_default="1"),
            *_notes("note"),
            self.stamp(),
            sa.Index("uk_const", "name", "entity", unique=True),
        )

    def pos_cash_fence(self) -> sa.Table:
        return self.table(
            "pos_cash_fence",
            _rowid(),
            _entity(),
            *_texts(255, "ref", "label"),
            *_monies("opening", "cash", "card", "cheque"),
            *_numbers("status"),
            sa.Column("date_creation", _moment(), nullable=False),
            *_moments("date_valid"),
            *_numbers("day_close", "month_close", "year_close"),
            *_texts(30, "posmodule", "posnumber"),
            *_numbers("fk_user_creat", "fk_user_valid"),
            self.stamp(by_server=False),
        )

    def bank_account(self) -> sa.Table:
        return self.table(
            "bank_account",
            _rowid(),
            *_moments("datec"),
            self.stamp(),
            sa.Column("ref", _text(12), nullable=False),
            sa.Column("label", _text(30), nullable=False),
            _entity(),
            *_zeros("courant", "clos"),
            sa.Column("currency_code", _text(3), nullable=False, server_default="EUR"),
            sa.Column("fk_pays", sa.Integer, nullable=False, server_default="1"),
            sa.Index("uk_bank_account_label", "label", "entity", unique=True),
        )

    def user(self) -> sa.Table:
        return self.table(
            "user",
            _rowid(),
            _entity(),
            *_zeros("admin"),
            *_moments("datec"),
            self.stamp(),
            sa.Column("login", _text(50), nullable=False),
            sa.Column("api_key", _text(128)),
            *_texts(50, "lastname", "firstname"),
            *_texts(255, "email"),
            sa.Column("statut", sa.Integer, server_default="1"),
            sa.Index("uk_user_login", "login", "entity", unique=True),
            sa.Index("uk_user_api_key", "api_key", unique=True),
        )


@cache
def build_tables(major: int, *, mariadb: bool) -> Tables:
    """Declare the tables as that major version of Dolibarr has them."""
    make = _Builder(major, mariadb=mariadb)
    return Tables(
        metadata=make.metadata,
        facture=make.facture(),
        facturedet=make.facturedet(),
        paiement=make.paiement(),
        paiement_facture=make.paiement_facture(),
        c_paiement=make.c_paiement(),
        societe=make.societe(),
        societe_remise_except=make.societe_remise_except(),
        product=make.product(),
        categorie=make.categorie(),
        categorie_product=make.link("categorie_product", "fk_product"),
        categorie_societe=make.link("categorie_societe", "fk_soc"),
        extrafields=make.extrafields(),
        actioncomm=make.actioncomm(),
        const=make.const(),
        pos_cash_fence=make.pos_cash_fence(),
        bank_account=make.bank_account(),
        user=make.user(),
        facture_extrafields=make.extra_table("facture", unique=major > 16),
        societe_extrafields=make.extra_table("societe", unique=True),
        product_extrafields=make.extra_table("product", unique=major > 16),
    )
