"""The tables that a loyalty daemon meets: real names and indexes, the columns that matter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from connectors.standin.columns import (
    MARIADB,
    Money,
    days,
    entity_column,
    key_column,
    moment_type,
    moments,
    monies,
    notes,
    numbers,
    text_of,
    texts,
    zeros,
)


@dataclass(frozen=True)
class Tables:
    """All tables of one version."""

    metadata: sa.MetaData
    facture: sa.Table
    facturedet: sa.Table
    paiement: sa.Table
    paiement_facture: sa.Table
    c_paiement: sa.Table
    c_country: sa.Table
    c_typent: sa.Table
    c_actioncomm: sa.Table
    c_regions: sa.Table
    c_departements: sa.Table
    societe: sa.Table
    societe_remise: sa.Table
    societe_remise_except: sa.Table
    product: sa.Table
    categorie: sa.Table
    categorie_product: sa.Table
    categorie_societe: sa.Table
    extrafields: sa.Table
    actioncomm: sa.Table
    const: sa.Table
    commande: sa.Table
    commandedet: sa.Table
    expedition: sa.Table
    expeditiondet: sa.Table
    element_element: sa.Table
    entrepot: sa.Table
    stock_mouvement: sa.Table
    pos_cash_fence: sa.Table
    bank_account: sa.Table
    user: sa.Table
    usergroup: sa.Table
    usergroup_user: sa.Table
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
        kind = moment_type().with_variant(mysql.TIMESTAMP(), *MARIADB)
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
            key_column(),
            self.stamp(),
            sa.Column("fk_object", sa.Integer, nullable=False),
            sa.Column("import_key", text_of(14)),
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
            key_column(),
            sa.Column("ref", text_of(30), nullable=False),
            entity_column(),
            *texts(255, "ref_ext", "ref_client"),
            *zeros("type"),
            sa.Column("fk_soc", sa.Integer, nullable=False),
            *moments("datec"),
            *days("datef", "date_pointoftax", "date_valid"),
            self.stamp(),
            *moments("date_closing"),
            *zeros("paye"),
            *texts(128, "close_code", "close_note"),
            *monies("total_tva", "localtax1", "localtax2", "revenuestamp"),
            *monies("total_ht", "total_ttc"),
            *zeros("fk_statut"),
            *numbers("fk_user_author", "fk_user_modif", "fk_user_valid", "fk_user_closing"),
            *texts(32, "module_source", "pos_source"),
            *numbers("fk_fac_rec_source", "fk_facture_source", "fk_account"),
            sa.Column("fk_cond_reglement", sa.Integer, nullable=False, server_default="1"),
            *numbers("fk_mode_reglement"),
            *days("date_lim_reglement"),
            *notes("note_private", "note_public"),
            *texts(255, "model_pdf", "last_main_doc"),
            sa.Column("import_key", text_of(14)),
            sa.Column("multicurrency_code", text_of(3)),
            sa.Column("multicurrency_tx", Money, server_default="1"),
            *monies("multicurrency_total_ht", "multicurrency_total_tva"),
            *monies("multicurrency_total_ttc"),
            sa.Index("uk_facture_ref", "ref", "entity", unique=True),
            *indexes,
        )

    def facturedet(self) -> sa.Table:
        return self.table(
            "facturedet",
            key_column(),
            sa.Column("fk_facture", sa.Integer, nullable=False),
            *numbers("fk_parent_line", "fk_product"),
            sa.Column("label", text_of(255)),
            *notes("description"),
            sa.Column("vat_src_code", text_of(10), server_default=""),
            sa.Column("tva_tx", Money),
            *monies("localtax1_tx", "localtax2_tx"),
            sa.Column("qty", Money),
            *monies("remise_percent", "remise"),
            *numbers("fk_remise_except"),
            *[sa.Column(name, Money) for name in ("subprice", "price", "total_ht", "total_tva")],
            *monies("total_localtax1", "total_localtax2"),
            sa.Column("total_ttc", Money),
            *zeros("product_type"),
            *moments("date_start", "date_end"),
            *zeros("info_bits"),
            *monies("buy_price_ht"),
            *zeros("special_code", "rang"),
            *numbers("fk_user_author", "fk_user_modif"),
            *monies("multicurrency_subprice", "multicurrency_total_ht"),
            *monies("multicurrency_total_tva", "multicurrency_total_ttc"),
            sa.Index("idx_facturedet_fk_facture", "fk_facture"),
            sa.Index("idx_facturedet_fk_product", "fk_product"),
            sa.Index("uk_fk_remise_except", "fk_remise_except", "fk_facture", unique=True),
        )

    def paiement(self) -> sa.Table:
        return self.table(
            "paiement",
            key_column(),
            sa.Column("ref", text_of(30)),
            sa.Column("ref_ext", text_of(255)),
            entity_column(),
            *moments("datec"),
            self.stamp(),
            *moments("datep"),
            *monies("amount", "multicurrency_amount"),
            sa.Column("fk_paiement", sa.Integer, nullable=False),
            sa.Column("num_paiement", text_of(50)),
            *notes("note"),
            *zeros("fk_bank"),
            *numbers("fk_user_creat", "fk_user_modif"),
            *zeros("statut", "fk_export_compta"),
            *monies("pos_change"),
        )

    def paiement_facture(self) -> sa.Table:
        return self.table(
            "paiement_facture",
            key_column(),
            *numbers("fk_paiement", "fk_facture"),
            *monies("amount"),
            sa.Column("multicurrency_code", text_of(3)),
            sa.Column("multicurrency_tx", Money, server_default="1"),
            *monies("multicurrency_amount"),
            sa.Index("idx_paiement_facture_fk_facture", "fk_facture"),
            sa.Index("idx_paiement_facture_fk_paiement", "fk_paiement"),
            sa.Index("uk_paiement_facture", "fk_paiement", "fk_facture", unique=True),
        )

    def c_paiement(self) -> sa.Table:
        return self.table(
            "c_paiement",
            key_column("id"),
            entity_column(),
            sa.Column("code", text_of(6), nullable=False),
            sa.Column("libelle", text_of(128)),
            *numbers("type"),
            sa.Column("active", sa.Integer, nullable=False, server_default="1"),
            *texts(32, "accountancy_code", "module"),
            *zeros("position"),
            sa.Index("uk_c_paiement_code", "entity", "code", unique=True),
        )

    def c_country(self) -> sa.Table:
        return self.table(
            "c_country",
            key_column(),
            sa.Column("code", text_of(2), nullable=False),
            sa.Column("label", text_of(128), nullable=False),
            sa.Column("active", sa.Integer, nullable=False, server_default="1"),
        )

    def c_typent(self) -> sa.Table:
        return self.table(
            "c_typent",
            key_column("id"),
            sa.Column("code", text_of(12), nullable=False),
            *texts(128, "libelle"),
            sa.Column("active", sa.Integer, nullable=False, server_default="1"),
        )

    def c_actioncomm(self) -> sa.Table:
        return self.table(
            "c_actioncomm",
            key_column("id"),
            sa.Column("code", text_of(50), nullable=False, unique=True),
            sa.Column("type", text_of(50), nullable=False, server_default="system"),
            sa.Column("libelle", text_of(128), nullable=False),
            sa.Column("active", sa.Integer, nullable=False, server_default="1"),
        )

    def c_regions(self) -> sa.Table:
        return self.table(
            "c_regions",
            key_column(),
            sa.Column("code_region", sa.Integer, nullable=False, unique=True),
            sa.Column("fk_pays", sa.Integer, nullable=False),
            *texts(100, "nom"),
            sa.Column("active", sa.Integer, nullable=False, server_default="1"),
        )

    def c_departements(self) -> sa.Table:
        return self.table(
            "c_departements",
            key_column(),
            sa.Column("code_departement", text_of(6), nullable=False),
            *numbers("fk_region"),
            *texts(50, "nom"),
            sa.Column("active", sa.Integer, nullable=False, server_default="1"),
        )

    def societe(self) -> sa.Table:
        newer = texts(30, "phone_mobile") if self.major > 16 else []
        return self.table(
            "societe",
            key_column(),
            *texts(128, "nom", "name_alias"),
            entity_column(),
            sa.Column("ref_ext", text_of(255)),
            *numbers("parent"),
            sa.Column("status", sa.Integer, server_default="1"),
            *texts(24, "code_client", "code_fournisseur"),
            *texts(255, "address"),
            *texts(25, "zip"),
            *texts(50, "town"),
            *numbers("fk_departement", "fk_pays", "fk_typent"),
            *texts(30, "phone", "fax"),
            *newer,
            *texts(255, "url"),
            *texts(128, "email"),
            *notes("socialnetworks", "note_private", "note_public"),
            *zeros("client", "fournisseur"),
            *monies("remise_client"),
            sa.Column("tva_assuj", sa.Integer, server_default="1"),
            sa.Column("barcode", text_of(180)),
            sa.Column("fk_barcode_type", sa.Integer, server_default="0"),
            *numbers("price_level"),
            sa.Column("default_lang", text_of(6)),
            self.stamp(),
            *moments("datec"),
            *numbers("fk_user_creat", "fk_user_modif"),
            sa.Column("import_key", text_of(14)),
            sa.Index("uk_societe_barcode", "barcode", "fk_barcode_type", "entity", unique=True),
            sa.Index("uk_societe_code_client", "code_client", "entity", unique=True),
        )

    def societe_remise(self) -> sa.Table:
        return self.table(
            "societe_remise",
            key_column(),
            entity_column(),
            sa.Column("fk_soc", sa.Integer, nullable=False),
            self.stamp(),
            *moments("datec"),
            *numbers("fk_user_author"),
            sa.Column("remise_client", Money, nullable=False),
            *notes("note"),
        )

    def societe_remise_except(self) -> sa.Table:
        newer = [sa.Column("multicurrency_code", text_of(3)), sa.Column("multicurrency_tx", Money)]
        names = ("discount_type", "fk_facture_line", "fk_facture", "fk_facture_source", "fk_soc")
        return self.table(
            "societe_remise_except",
            key_column(),
            entity_column(),
            sa.Column("fk_soc", sa.Integer, nullable=False),
            *zeros("discount_type"),
            *moments("datec"),
            sa.Column("amount_ht", Money, nullable=False),
            *monies("amount_tva", "amount_ttc", "tva_tx"),
            sa.Column("vat_src_code", text_of(10), server_default=""),
            sa.Column("fk_user", sa.Integer, nullable=False),
            *numbers("fk_facture_line", "fk_facture", "fk_facture_source"),
            *numbers("fk_invoice_supplier_line", "fk_invoice_supplier"),
            *numbers("fk_invoice_supplier_source"),
            sa.Column("description", sa.Text, nullable=False),
            *(newer if self.major > 16 else []),
            *monies("multicurrency_amount_ht", "multicurrency_amount_tva"),
            *monies("multicurrency_amount_ttc"),
            *[sa.Index(f"idx_societe_remise_except_{name}", name) for name in names],
        )

    def product(self) -> sa.Table:
        return self.table(
            "product",
            key_column(),
            sa.Column("ref", text_of(128), nullable=False),
            entity_column(),
            *moments("datec"),
            self.stamp(),
            sa.Column("label", text_of(255), nullable=False),
            *notes("description", "note_public", "note"),
            *monies("price", "price_ttc"),
            sa.Column("price_base_type", text_of(3), server_default="HT"),
            sa.Column("tva_tx", Money),
            sa.Column("tosell", sa.Integer, server_default="1"),
            sa.Column("tobuy", sa.Integer, server_default="1"),
            sa.Column("fk_product_type", sa.Integer, server_default="0"),
            sa.Column("barcode", text_of(180)),
            *numbers("fk_barcode_type", "fk_user_author", "fk_user_modif"),
            sa.Index("uk_product_ref", "ref", "entity", unique=True),
            sa.Index("idx_product_label", "label"),
        )

    def categorie(self) -> sa.Table:
        unique = sa.Index("uk_categorie_ref", "entity", "fk_parent", "label", "type", unique=True)
        return self.table(
            "categorie",
            key_column(),
            entity_column(),
            *zeros("fk_parent"),
            sa.Column("label", text_of(180), nullable=False),
            sa.Column("ref_ext", text_of(255)),
            sa.Column("type", sa.Integer, nullable=False, server_default="1"),
            *notes("description"),
            sa.Column("color", text_of(8)),
            *(zeros("position") if self.major > 16 else []),
            *numbers("fk_soc"),
            sa.Column("visible", sa.Integer, nullable=False, server_default="1"),
            *moments("date_creation"),
            self.stamp(),
            *numbers("fk_user_creat", "fk_user_modif"),
            *([unique] if self.major > 16 else []),
        )

    def link(self, name: str, target: str) -> sa.Table:
        return self.table(
            name,
            sa.Column("fk_categorie", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column(target, sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("import_key", text_of(14)),
            sa.Index(f"idx_{name}_{target}", target),
        )

    def extrafields(self) -> sa.Table:
        return self.table(
            "extrafields",
            key_column(),
            sa.Column("name", text_of(64), nullable=False),
            entity_column(),
            sa.Column("elementtype", text_of(64), nullable=False, server_default="member"),
            sa.Column("label", text_of(255), nullable=False),
            *texts(8, "type", "size"),
            *notes("fieldcomputed", "fielddefault"),
            *zeros("fieldunique", "fieldrequired"),
            *texts(255, "perms", "enabled"),
            *zeros("pos", "alwayseditable"),
            *notes("param"),
            sa.Column("list", text_of(255), server_default="1"),
            *zeros("printable", "totalizable"),
            *texts(64, "langs"),
            *notes("help"),
            *texts(128, "css", "cssview", "csslist"),
            *numbers("fk_user_author", "fk_user_modif"),
            *moments("datec"),
            self.stamp(),
            sa.Index("uk_extrafields_name", "name", "entity", "elementtype", unique=True),
        )

    def actioncomm(self) -> sa.Table:
        return self.table(
            "actioncomm",
            key_column("id"),
            sa.Column("ref", text_of(30), nullable=False, server_default=""),
            sa.Column("ref_ext", text_of(255)),
            entity_column(),
            *moments("datep", "datep2"),
            *numbers("fk_action"),
            sa.Column("code", text_of(50)),
            *moments("datec"),
            self.stamp(),
            *numbers("fk_user_author", "fk_user_mod", "fk_soc", "fk_contact", "fk_user_action"),
            *zeros("fk_parent", "percent"),
            sa.Column("label", text_of(255), nullable=False),
            *notes("note"),
            *numbers("fk_element"),
            sa.Column("elementtype", text_of(255)),
            sa.Index("idx_actioncomm_fk_soc", "fk_soc"),
            sa.Index("idx_actioncomm_code", "code"),
        )

    def const(self) -> sa.Table:
        return self.table(
            "const",
            key_column(),
            sa.Column("name", text_of(180), nullable=False),
            entity_column(),
            sa.Column("value", sa.Text, nullable=False),
            sa.Column("type", text_of(64), server_default="string"),
            sa.Column("visible", sa.Integer, nullable=False, server_default="1"),
            *notes("note"),
            self.stamp(),
            sa.Index("uk_const", "name", "entity", unique=True),
        )

    def commande(self) -> sa.Table:
        return self.table(
            "commande",
            key_column(),
            sa.Column("ref", text_of(30), nullable=False),
            entity_column(),
            sa.Column("fk_soc", sa.Integer, nullable=False),
            self.stamp(),
            *moments("date_creation", "date_valid", "date_cloture"),
            *numbers("fk_user_author", "fk_user_cloture"),
            *zeros("fk_statut", "facture"),
            sa.Index("uk_commande_ref", "ref", "entity", unique=True),
            sa.Index("idx_commande_fk_soc", "fk_soc"),
        )

    def commandedet(self) -> sa.Table:
        return self.table(
            "commandedet",
            key_column(),
            sa.Column("fk_commande", sa.Integer, nullable=False),
            *numbers("fk_product"),
            *notes("description"),
            sa.Column("tva_tx", Money),
            sa.Column("qty", Money),
            *monies("subprice"),
            *zeros("product_type"),
            sa.Index("idx_commandedet_fk_commande", "fk_commande"),
        )

    def expedition(self) -> sa.Table:
        return self.table(
            "expedition",
            key_column(),
            self.stamp(),
            sa.Column("ref", text_of(30), nullable=False),
            entity_column(),
            sa.Column("fk_soc", sa.Integer, nullable=False),
            *moments("date_creation", "date_valid"),
            *numbers("fk_user_author"),
            *zeros("fk_statut", "billed"),
            sa.Index("idx_expedition_uk_ref", "ref", "entity", unique=True),
            sa.Index("idx_expedition_fk_soc", "fk_soc"),
        )

    def expeditiondet(self) -> sa.Table:
        order_line = "fk_origin_line" if self.major == 16 else "fk_elementdet"
        return self.table(
            "expeditiondet",
            key_column(),
            sa.Column("fk_expedition", sa.Integer, nullable=False),
            # The line of the order; versions name it differently.
            sa.Column(order_line, sa.Integer, key="order_line"),
            *numbers("fk_entrepot"),
            sa.Column("qty", Money),
            sa.Index("idx_expeditiondet_fk_expedition", "fk_expedition"),
        )

    def element_element(self) -> sa.Table:
        ends = ("fk_source", "sourcetype", "fk_target", "targettype")
        return self.table(
            "element_element",
            key_column(),
            sa.Column("fk_source", sa.Integer, nullable=False),
            sa.Column("sourcetype", text_of(64), nullable=False),
            sa.Column("fk_target", sa.Integer, nullable=False),
            sa.Column("targettype", text_of(64), nullable=False),
            *texts(64, "relationtype"),
            sa.Index("idx_element_element_idx1", *ends, unique=True),
            sa.Index("idx_element_element_fk_target", "fk_target"),
        )

    def entrepot(self) -> sa.Table:
        return self.table(
            "entrepot",
            key_column(),
            sa.Column("ref", text_of(255), nullable=False),
            entity_column(),
            *moments("datec"),
            self.stamp(),
            *texts(64, "lieu"),
            sa.Column("statut", sa.Integer, server_default="1"),
            sa.Index("uk_entrepot_label", "ref", "entity", unique=True),
        )

    def stock_mouvement(self) -> sa.Table:
        return self.table(
            "stock_mouvement",
            key_column(),
            self.stamp(),
            *moments("datem"),
            *[
                sa.Column(name, sa.Integer, nullable=False)
                for name in ("fk_product", "fk_entrepot")
            ],
            sa.Column("value", Money),
            *numbers("type_mouvement", "fk_user_author"),
            *texts(255, "label"),
            *numbers("fk_origin"),
            *texts(64, "origintype"),
            sa.Index("idx_stock_mouvement_fk_product", "fk_product"),
            sa.Index("idx_stock_mouvement_fk_entrepot", "fk_entrepot"),
        )

    def pos_cash_fence(self) -> sa.Table:
        return self.table(
            "pos_cash_fence",
            key_column(),
            entity_column(),
            *texts(255, "ref", "label"),
            *monies("opening", "cash", "card", "cheque"),
            *numbers("status"),
            sa.Column("date_creation", moment_type(), nullable=False),
            *moments("date_valid"),
            *numbers("day_close", "month_close", "year_close"),
            *texts(30, "posmodule", "posnumber"),
            *numbers("fk_user_creat", "fk_user_valid"),
            self.stamp(by_server=False),
        )

    def bank_account(self) -> sa.Table:
        return self.table(
            "bank_account",
            key_column(),
            *moments("datec"),
            self.stamp(),
            sa.Column("ref", text_of(12), nullable=False),
            sa.Column("label", text_of(30), nullable=False),
            entity_column(),
            *zeros("courant", "clos"),
            sa.Column("currency_code", text_of(3), nullable=False, server_default="EUR"),
            sa.Column("fk_pays", sa.Integer, nullable=False, server_default="1"),
            sa.Index("uk_bank_account_label", "label", "entity", unique=True),
        )

    def user(self) -> sa.Table:
        return self.table(
            "user",
            key_column(),
            entity_column(),
            *zeros("admin"),
            *moments("datec"),
            self.stamp(),
            sa.Column("login", text_of(50), nullable=False),
            sa.Column("api_key", text_of(128)),
            *texts(50, "lastname", "firstname"),
            *texts(255, "email"),
            sa.Column("statut", sa.Integer, server_default="1"),
            sa.Index("uk_user_login", "login", "entity", unique=True),
            sa.Index("uk_user_api_key", "api_key", unique=True),
        )

    def usergroup(self) -> sa.Table:
        return self.table(
            "usergroup",
            key_column(),
            sa.Column("nom", text_of(180), nullable=False),
            entity_column(),
            *moments("datec"),
            self.stamp(),
            sa.Index("uk_usergroup_name", "nom", "entity", unique=True),
        )

    def usergroup_user(self) -> sa.Table:
        return self.table(
            "usergroup_user",
            key_column(),
            entity_column(),
            sa.Column("fk_user", sa.Integer, nullable=False),
            sa.Column("fk_usergroup", sa.Integer, nullable=False),
            sa.Index("uk_usergroup_user", "entity", "fk_user", "fk_usergroup", unique=True),
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
        c_country=make.c_country(),
        c_typent=make.c_typent(),
        c_actioncomm=make.c_actioncomm(),
        c_regions=make.c_regions(),
        c_departements=make.c_departements(),
        societe=make.societe(),
        societe_remise=make.societe_remise(),
        societe_remise_except=make.societe_remise_except(),
        product=make.product(),
        categorie=make.categorie(),
        categorie_product=make.link("categorie_product", "fk_product"),
        categorie_societe=make.link("categorie_societe", "fk_soc"),
        extrafields=make.extrafields(),
        actioncomm=make.actioncomm(),
        const=make.const(),
        commande=make.commande(),
        commandedet=make.commandedet(),
        expedition=make.expedition(),
        expeditiondet=make.expeditiondet(),
        element_element=make.element_element(),
        entrepot=make.entrepot(),
        stock_mouvement=make.stock_mouvement(),
        pos_cash_fence=make.pos_cash_fence(),
        bank_account=make.bank_account(),
        user=make.user(),
        usergroup=make.usergroup(),
        usergroup_user=make.usergroup_user(),
        facture_extrafields=make.extra_table("facture", unique=major > 16),
        societe_extrafields=make.extra_table("societe", unique=True),
        product_extrafields=make.extra_table("product", unique=major > 16),
    )
