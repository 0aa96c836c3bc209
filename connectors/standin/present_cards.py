"""Customers, products, categories and discounts as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from connectors.standin import extrafields, shapes
from connectors.standin.dictionaries import COUNTRIES, CUSTOMER_TYPES, region_of
from connectors.standin.money import decimal, php_number
from connectors.standin.present import Object, batches, money, rate, words
from connectors.standin.store import Row, Store


def thirdparties(store: Store, rowids: Sequence[int]) -> list[Object]:
    """Show customers as the list does."""
    return [shown for some in batches(rowids) for shown in _some_thirdparties(store, some)]


def _some_thirdparties(store: Store, rowids: Sequence[int]) -> list[Object]:
    societe = store.tables.societe
    found = store.rows(sa.select(societe).where(societe.c.rowid.in_(rowids)))
    rows = {row["rowid"]: row for row in found}
    fields = extrafields.values_of(store, "societe", rowids)
    return [_thirdparty(store, rows[rowid], fields.get(rowid)) for rowid in rowids]


def _thirdparty(store: Store, row: Row, fields: dict[str, Any] | None) -> Object:
    shown = shapes.THIRDPARTY.blank(store.major)
    percent = row["remise_client"] or 0
    country = row["fk_pays"]
    filled = {
        "id": str(row["rowid"]),
        "entity": str(row["entity"]),
        "ref": row["nom"] if store.major == 22 else str(row["rowid"]),
        "name": row["nom"],
        "array_options": extrafields.options(store, "societe", fields),
        "status": str(row["status"]),
        "country_id": words(country),
        "country_code": COUNTRIES.get(country, "") if country else None,
        "state_id": words(row["fk_departement"] or None),
        "region_id": words(region_of(row["fk_departement"])),
        "typent_id": words(row["fk_typent"] or 0),
        "typent_code": CUSTOMER_TYPES.get(row["fk_typent"]),
        "client": str(row["client"]),
        "fournisseur": str(row["fournisseur"]),
        "tva_assuj": str(row["tva_assuj"]),
        "remise_percent": php_number(percent) if percent else 0,
        "price_level": row["price_level"],
        "localtax1_assuj": "0" if store.major == 22 else None,
        "localtax2_assuj": "0" if store.major == 22 else None,
        "no_email": "0" if row["email"] else None,
        "date_creation": store.epoch(row["datec"]),
        "date_modification": store.epoch(row["tms"]),
        **_people(store, row),
        **{name: row[name] for name in CARD if name in row},
        **{name: row[name] or "" for name in ("name_alias", "address")},
    }
    shown.update({name: value for name, value in filled.items() if name in shown})
    return shown


CARD = (
    "barcode",
    "code_client",
    "code_fournisseur",
    "default_lang",
    "email",
    "fax",
    "note_private",
    "note_public",
    "phone",
    "phone_mobile",
    "ref_ext",
    "town",
    "url",
    "zip",
    "import_key",
)


def _people(store: Store, row: Row) -> Object:
    author, changer = words(row["fk_user_creat"]), words(row["fk_user_modif"])
    if store.major == 16:
        return {"user_creation": author, "user_modification": changer}
    return {"user_creation_id": author, "user_modification_id": changer}


def free_discounts(store: Store, customer: int, *, of_credit_notes: bool) -> Decimal:
    """Sum the unused discounts of a customer, those of credit notes or the others."""
    discount = store.tables.societe_remise_except
    from_note = discount.c.description.like("(CREDIT_NOTE)%")
    found = store.scalar(
        sa.select(sa.func.sum(discount.c.amount_ttc)).where(
            discount.c.fk_soc == customer,
            discount.c.fk_facture.is_(None),
            discount.c.fk_facture_line.is_(None),
            from_note if of_credit_notes else sa.not_(from_note),
        )
    )
    return decimal(found or 0)


def thirdparty(store: Store, rowid: int) -> Object:
    """Show one customer as the single call does: with the sums of his discounts."""
    (shown,) = thirdparties(store, [rowid])
    for name, of_credit_notes in (("absolute_discount", False), ("absolute_creditnote", True)):
        shown[name] = php_number(free_discounts(store, rowid, of_credit_notes=of_credit_notes))
    return shown


def nobody(store: Store) -> Object:
    """Show what a search by e-mail answers when two customers share the address."""
    shown = shapes.THIRDPARTY.blank(store.major)
    return {**shown, "absolute_discount": "0", "absolute_creditnote": "0"}


def listed_discount(row: Row) -> Object:
    """Show a discount as fixedamountdiscounts does."""
    return {
        "ref": row["ref"],
        "factype": str(row["type"]),
        "fk_facture_source": str(row["fk_facture_source"]),
        "rowid": str(row["rowid"]),
        "amount_ht": money(row["amount_ht"]),
        "amount_tva": money(row["amount_tva"]),
        "amount_ttc": money(row["amount_ttc"]),
        "description": row["description"],
        "fk_facture": words(row["fk_facture"]),
        "fk_facture_line": words(row["fk_facture_line"]),
    }


def discount(store: Store, row: Row) -> Object:
    """Show the discount made from a credit note or a deposit."""
    shown = shapes.DISCOUNT.blank(store.major)
    amounts = {name: money(row[f"amount_{name}"]) for name in ("ht", "tva", "ttc")}
    filled: Object = {
        "id": str(row["rowid"]),
        "fk_soc": str(row["fk_soc"]),
        "socid": str(row["fk_soc"]),
        "discount_type": str(row["discount_type"]),
        "tva_tx": rate(row["tva_tx"]),
        "fk_user": str(row["fk_user"]),
        "description": row["description"],
        "datec": store.epoch(row["datec"]),
        "fk_facture_line": words(row["fk_facture_line"]),
        "fk_facture": words(row["fk_facture"]),
        "fk_facture_source": words(row["fk_facture_source"]),
        "ref_facture_source": row["ref"],
        "type_facture_source": words(row["type"]),
        "multicurrency_subprice": amounts["ht"],
    }
    for prefix in ("total", "amount", "multicurrency_total", "multicurrency_amount"):
        filled |= {f"{prefix}_{name}": value for name, value in amounts.items()}
    shown.update({name: value for name, value in filled.items() if name in shown})
    return shown


def product(store: Store, row: Row, fields: dict[str, Any] | None) -> Object:
    """Show a product."""
    shown = shapes.PRODUCT.blank(store.major)
    epochs = store.major == 22
    shown.update(
        id=str(row["rowid"]),
        entity=str(row["entity"]),
        ref=row["ref"],
        label=row["label"],
        description=row["description"] or "",
        array_options=extrafields.options(store, "product", fields),
        type=str(row["fk_product_type"]),
        status=str(row["tosell"]),
        status_buy=str(row["tobuy"]),
        price=money(row["price"]),
        price_ttc=money(row["price_ttc"]),
        price_base_type=row["price_base_type"],
        tva_tx=rate(row["tva_tx"]),
        barcode=row["barcode"],
        date_creation=store.epoch(row["datec"]) if epochs else str(row["datec"]),
        date_modification=store.epoch(row["tms"]) if epochs else str(row["tms"]),
    )
    if store.major == 16:
        shown |= {"duration_value": "", "duration_unit": ""}
    if store.major == 22:
        sizes = ("weight", "length", "width", "height", "surface", "volume")
        shown |= {f"{size}_units": 0 for size in sizes} | {"sousprods": []}
    return shown


def category(store: Store, row: Row) -> Object:
    """Show a category as the lists of an object's categories do."""
    shown: Object = {
        "id": str(row["rowid"]),
        "fk_parent": row["fk_parent"],
        "label": row["label"],
        "description": row["description"],
        "color": row["color"],
        "socid": 0,
        "ref_ext": None,
        "visible": 0,
        "type": row["type"] if store.major == 16 else str(row["type"]),
        "entity": row["entity"],
        "array_options": [],
    }
    return shown if store.major == 16 else {**shown, "position": str(row["position"])}
