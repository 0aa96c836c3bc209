"""Rows as the API shows them: strings for numbers, null for nothing, and a few surprises."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from connectors.standin import extrafields, shapes
from connectors.standin.lines import DRAFT
from connectors.standin.money import decimal, php_number
from connectors.standin.store import Row, Store

Object = dict[str, Any]
BATCH = 1000


def words(value: Any) -> str | None:
    """Show a key or a code as a string."""
    return None if value is None else str(value)


def money(value: Decimal | None) -> str | None:
    """Show an amount with its eight digits."""
    return None if value is None else f"{value:.8f}"


def rate(value: Decimal | None) -> str | None:
    """Show a rate of tax with its four digits."""
    return None if value is None else f"{value:.4f}"


def epoch_or_empty(store: Store, value: Any) -> int | str:
    """Show a date of a document: epoch, or an empty string."""
    found = store.epoch(value)
    return "" if found is None else found


@dataclass(frozen=True)
class Surroundings:
    """What belongs to some invoices, read in a few statements."""

    lines: dict[int, list[sa.RowMapping]]
    paid: dict[int, Decimal]
    credited: dict[int, Decimal]
    deposits: dict[int, Decimal]
    credit_notes: dict[int, list[int]]
    fields: dict[int, dict[str, Any]]
    modes: dict[int, str]


def _lines_of(store: Store, rowids: Sequence[int]) -> dict[int, list[sa.RowMapping]]:
    detail, product = store.tables.facturedet, store.tables.product
    found = store.rows(
        sa.select(
            detail,
            product.c.ref.label("product_ref"),
            product.c.label.label("product_label"),
            product.c.barcode.label("product_barcode"),
            product.c.fk_product_type,
        )
        .join_from(detail, product, product.c.rowid == detail.c.fk_product, isouter=True)
        .where(detail.c.fk_facture.in_(rowids))
        .order_by(detail.c.rang, detail.c.rowid)
    )
    grouped: dict[int, list[sa.RowMapping]] = defaultdict(list)
    for line in found:
        grouped[line["fk_facture"]].append(line)
    return grouped


def _payments_of(store: Store, rowids: Sequence[int]) -> dict[int, Decimal]:
    links = store.tables.paiement_facture
    found = store.rows(
        sa.select(links.c.fk_facture, sa.func.sum(links.c.amount).label("amount"))
        .where(links.c.fk_facture.in_(rowids))
        .group_by(links.c.fk_facture)
    )
    return {row["fk_facture"]: decimal(row["amount"]) for row in found}


def _credits_of(store: Store, rowids: Sequence[int], kind: int) -> dict[int, Decimal]:
    """Sum what was used as payment from credit notes (2) or deposits (3)."""
    discount, source = store.tables.societe_remise_except, store.tables.facture
    found = store.rows(
        sa.select(discount.c.fk_facture, sa.func.sum(discount.c.amount_ttc).label("amount"))
        .join(source, source.c.rowid == discount.c.fk_facture_source)
        .where(discount.c.fk_facture.in_(rowids), source.c.type == kind)
        .group_by(discount.c.fk_facture)
    )
    return {row["fk_facture"]: decimal(row["amount"]) for row in found}


def _credit_notes_of(store: Store, rowids: Sequence[int]) -> dict[int, list[int]]:
    facture = store.tables.facture
    found = store.rows(
        sa.select(facture.c.rowid, facture.c.fk_facture_source)
        .where(facture.c.fk_facture_source.in_(rowids), facture.c.type == 2)
        .order_by(facture.c.rowid)
    )
    grouped: dict[int, list[int]] = defaultdict(list)
    for row in found:
        grouped[row["fk_facture_source"]].append(row["rowid"])
    return grouped


def surroundings(store: Store, rowids: Sequence[int]) -> Surroundings:
    """Read all that the JSON of some invoices needs."""
    modes = store.rows(sa.select(store.tables.c_paiement.c.id, store.tables.c_paiement.c.code))
    return Surroundings(
        lines=_lines_of(store, rowids),
        paid=_payments_of(store, rowids),
        credited=_credits_of(store, rowids, 2),
        deposits=_credits_of(store, rowids, 3),
        credit_notes=_credit_notes_of(store, rowids),
        fields=extrafields.values_of(store, "facture", rowids),
        modes={row["id"]: row["code"] for row in modes},
    )


def invoices(store: Store, rowids: Sequence[int], url: str) -> list[Object]:
    """Show invoices with their lines, in the order asked for."""
    return [shown for some in batches(rowids) for shown in _some_invoices(store, some, url)]


def batches(rowids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut a list of keys so that no statement has more parameters than a database takes."""
    return (rowids[start : start + BATCH] for start in range(0, len(rowids), BATCH))


def _some_invoices(store: Store, rowids: Sequence[int], url: str) -> list[Object]:
    facture = store.tables.facture
    found = store.rows(sa.select(facture).where(facture.c.rowid.in_(rowids)))
    rows = {row["rowid"]: row for row in found}
    around = surroundings(store, rowids)
    return [_invoice(store, rows[rowid], around, url) for rowid in rowids]


def _invoice(store: Store, row: Row, around: Surroundings, url: str) -> Object:
    shown = shapes.INVOICE.blank(store.major)
    rowid = row["rowid"]
    status = str(row["fk_statut"])
    fields = around.fields.get(rowid)
    filled = {
        "id": str(rowid),
        "entity": str(row["entity"]),
        "array_options": extrafields.options(store, "facture", fields),
        "ref": row["ref"],
        "statut": status,
        "status": status,
        "socid": str(row["fk_soc"]),
        "type": str(row["type"]),
        "paye": str(row["paye"]),
        "mode_reglement_id": str(row["fk_mode_reglement"] or 0),
        "mode_reglement_code": around.modes.get(row["fk_mode_reglement"] or 0),
        "fk_facture_source": words(row["fk_facture_source"]),
        "lines": [line_object(store, line) for line in around.lines.get(rowid, [])],
        "revenuestamp": money(row["revenuestamp"]),
        **_sums(store, row, around),
        **_moments(store, row),
        **_people(store, row),
        **{name: row[name] for name in PASSED_ON},
        **{name: money(row[name]) for name in AMOUNTS},
    }
    shown.update({name: value for name, value in filled.items() if name in shown})
    if store.major == 16:
        shown["brouillon"] = 1 if row["fk_statut"] == DRAFT else None
        shown["totalpaid"] = shown["sumpayed"]
    else:
        shown["online_payment_url"] = (
            f"{url}/public/payment/newpayment.php?source=invoice&ref={quote(row['ref'])}"
        )
    return shown


PASSED_ON = (
    "close_code",
    "close_note",
    "module_source",
    "pos_source",
    "note_public",
    "note_private",
    "last_main_doc",
    "ref_client",
    "import_key",
    "multicurrency_code",
)
AMOUNTS = (
    "total_ht",
    "total_tva",
    "total_ttc",
    "multicurrency_total_ht",
    "multicurrency_total_tva",
    "multicurrency_total_ttc",
)


def _sums(store: Store, row: Row, around: Surroundings) -> Object:
    rowid = row["rowid"]
    paid = around.paid.get(rowid)
    credit, deposit = around.credited.get(rowid), around.deposits.get(rowid)
    rest = row["total_ttc"] - (paid or 0) - (credit or 0) - (deposit or 0)
    sums: Object = {
        "sumpayed": money(paid),
        "totalcreditnotes": money(credit),
        "sumcreditnote": money(credit),
        "totaldeposits": money(deposit),
        "sumdeposit": money(deposit),
        "remaintopay": php_number(rest),
        "creditnote_ids": [str(note) for note in around.credit_notes.get(rowid, [])],
    }
    if store.major == 22:
        whole = paid is None or paid == int(paid)
        sums["totalpaid"] = int(paid or 0) if whole else float(paid or 0)
    return sums


def _moments(store: Store, row: Row) -> Object:
    changed = store.epoch(row["tms"])
    return {
        "date": store.epoch(row["datef"]),
        "date_creation": store.epoch(row["datec"]),
        "date_validation": epoch_or_empty(store, row["date_valid"]),
        "date_modification": changed,
        "datem": changed,
        "date_lim_reglement": epoch_or_empty(store, row["date_lim_reglement"]),
    }


def _people(store: Store, row: Row) -> Object:
    author, validator = words(row["fk_user_author"]), words(row["fk_user_valid"])
    both = {"fk_user_author": author, "fk_user_valid": validator}
    if store.major == 16:
        return {**both, "user_author": author, "user_valid": validator}
    return {**both, "user_creation_id": author, "user_validation_id": validator}


def line_object(store: Store, row: Row) -> Object:
    """Show a line of an invoice, with its product's reference and label."""
    shown = shapes.LINE.blank(store.major)
    positive = row["subprice"] > 0
    shown.update(
        id=str(row["rowid"]),
        rowid=str(row["rowid"]),
        fk_facture=str(row["fk_facture"]),
        fk_product=words(row["fk_product"]),
        ref=row["product_ref"],
        product_ref=row["product_ref"],
        product_label=row["product_label"],
        libelle=row["product_label"],
        product_barcode=row["product_barcode"],
        fk_product_type=words(row["fk_product_type"]),
        product_type=str(row["product_type"]),
        desc=row["description"],
        description=row["description"],
        qty=php_number(row["qty"]),
        remise_percent=php_number(row["remise_percent"] or 0),
        info_bits=str(row["info_bits"]),
        special_code=str(row["special_code"]),
        fk_remise_except=words(row["fk_remise_except"]),
        fk_parent_line=words(row["fk_parent_line"]),
        rang=str(row["rang"]),
        tva_tx=rate(row["tva_tx"]),
        subprice=money(row["subprice"]),
        multicurrency_subprice=money(row["multicurrency_subprice"]),
        marque_tx="100" if store.major == 22 else 100 if positive else "",
        **{name: money(row[name]) for name in AMOUNTS},
    )
    return shown


def tracked(shown: Object) -> Object:
    """Turn a read invoice into what acts with a trigger answer."""
    kept = {name: value for name, value in shown.items() if name != "actiontypecode"}
    return {**kept, "trackid": f"inv{shown['id']}"}


def unsummed(shown: Object) -> Object:
    """Leave out what acts do not compute: contacts, links and sums of payments."""
    unread = ("contacts_ids", "linkedObjectsIds", "remaintopay", "sumpayed", "totalpaid")
    sums = ("totalcreditnotes", "sumcreditnote", "totaldeposits", "sumdeposit", "creditnote_ids")
    return {**shown, **{name: None for name in (*unread, *sums) if name in shown}}


def payments(store: Store, invoice: int) -> list[Object]:
    """Show the payments of an invoice, then the credit notes used as payment."""
    paiement, links = store.tables.paiement, store.tables.paiement_facture
    modes = store.tables.c_paiement
    found = store.rows(
        sa.select(paiement, links.c.amount.label("part"), modes.c.code)
        .join_from(paiement, links, links.c.fk_paiement == paiement.c.rowid)
        .join(modes, modes.c.id == paiement.c.fk_paiement)
        .where(links.c.fk_facture == invoice)
        .order_by(paiement.c.rowid)
    )
    return [_payment(store, row) for row in found] + _used_credits(store, invoice)


def _payment(store: Store, row: Row) -> Object:
    shown = {
        "amount": money(row["part"]),
        "type": row["code"],
        "date": str(row["datep"]),
        "num": row["num_paiement"],
        "ref": row["ref"],
        "ref_ext": row["ref_ext"],
    }
    if store.major > 16:
        shown["fk_bank_line"] = str(row["fk_bank"])
    return {**shown, "typeline": "payment"} if store.major == 22 else shown


def _used_credits(store: Store, invoice: int) -> list[Object]:
    discount, source = store.tables.societe_remise_except, store.tables.facture
    found = store.rows(
        sa.select(discount, source.c.ref, source.c.type)
        .join(source, source.c.rowid == discount.c.fk_facture_source)
        .where(discount.c.fk_facture == invoice)
        .order_by(discount.c.rowid)
    )
    names = {2: "(CREDIT_NOTE)", 3: "(DEPOSIT)"}
    extra = {"typeline": "discount"} if store.major == 22 else {}
    return [
        {
            "amount": money(row["amount_ttc"]),
            "type": names.get(row["type"], "UnknownType"),
            "date": str(row["datec"]),
            "num": "",
            "ref": row["ref"],
            **extra,
        }
        for row in found
    ]
