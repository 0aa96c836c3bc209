"""Acts on invoices by the API: status, discounts, payments."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from connectors.standin import present
from connectors.standin.api_invoices import invoice_row, shown_invoice
from connectors.standin.calls import Call, Refusal, Route
from connectors.standin.present import Object
from connectors.standin.rights import READ_CUSTOMERS, WRITE_INVOICES
from connectors.standin.store import ShopError


def _acted(call: Call, name: str, **arguments: Any) -> Object:
    """Do an act of the shop on the invoice; what changes nothing is 304."""
    row = invoice_row(call, WRITE_INVOICES)
    try:
        getattr(call.shop, name)(row["rowid"], **arguments)
    except ShopError as error:
        raise Refusal(304, f"Error nothing done. {error}") from None
    return present.unsummed(shown_invoice(call, row["rowid"]))


def validate(call: Call) -> Object:
    """POST /invoices/{id}/validate: no paper is built."""
    old = invoice_row(call, WRITE_INVOICES)["ref"]
    warehouse = int(call.body.get("idwarehouse") or 0)
    shown = present.tracked(_acted(call, "validate", document=False, warehouse=warehouse))
    return {**shown, "oldref": old} if call.major == 16 else shown


def settodraft(call: Call) -> Object:
    """POST /invoices/{id}/settodraft."""
    warehouse = int(call.body.get("idwarehouse") or -1)
    return present.tracked(_acted(call, "set_draft", warehouse=warehouse))


def settopaid(call: Call) -> Object:
    """POST /invoices/{id}/settopaid, with or without a reason."""
    code = call.body.get("close_code")
    if not code:
        return present.tracked(_acted(call, "set_paid"))
    note = call.body.get("close_note") or ""
    return present.tracked(_acted(call, "close", code=code, note=note))


def settounpaid(call: Call) -> Object:
    """POST /invoices/{id}/settounpaid."""
    return _acted(call, "set_unpaid")


def mark_credit(call: Call) -> Object:
    """POST /invoices/{id}/markAsCreditAvailable."""
    return present.tracked(_acted(call, "mark_credit_available"))


def usediscount(call: Call) -> int:
    """POST /invoices/{id}/usediscount/{discount}: no look at status, owner or use."""
    row = invoice_row(call, WRITE_INVOICES)
    try:
        call.shop.force_discount(row["rowid"], call.number(1))
    except ShopError as error:
        raise Refusal(405, str(error)) from None
    return 1


def usecreditnote(call: Call) -> int:
    """POST /invoices/{id}/usecreditnote/{discount}: takes any discount."""
    row = invoice_row(call, WRITE_INVOICES)
    if call.store.get(call.store.tables.societe_remise_except, call.number(1)) is None:
        raise Refusal(500, "Discount not found")
    call.shop.force_credit_note(row["rowid"], call.number(1))
    return 1


def _mode_code(call: Call) -> str:
    modes = call.store.tables.c_paiement
    code = call.store.scalar(
        sa.select(modes.c.code).where(modes.c.id == int(call.body.get("paymentid") or 0))
    )
    if code is None:
        raise Refusal(400, "Payment mode is mandatory")
    return str(code)


def _pay(call: Call, invoice: int, amount: Decimal | None) -> int:
    if not call.body.get("accountid"):
        raise Refusal(400, "Bank account is mandatory")
    moment = datetime.fromtimestamp(int(call.body["datepaye"]), UTC)
    try:
        return call.shop.pay(
            invoice,
            amount,
            _mode_code(call),
            date=moment,
            close=call.body.get("closepaidinvoices") == "yes",
            number=str(call.body.get("num_payment") or ""),
        )
    except ShopError as error:
        raise Refusal(400, f"Payment error : {error}") from None


def post_payment(call: Call) -> int:
    """POST /invoices/{id}/payments: always the whole rest."""
    return _pay(call, invoice_row(call, WRITE_INVOICES)["rowid"], None)


def post_distributed(call: Call) -> int:
    """POST /invoices/paymentsdistributed: an amount for each invoice (one, here)."""
    call.need(WRITE_INVOICES, READ_CUSTOMERS)
    ((invoice, part),) = call.body["arrayofamounts"].items()
    amount = None if part["amount"] == "remain" else Decimal(str(part["amount"]))
    return _pay(call, int(invoice), amount)


ROUTES = [
    Route("POST", "/invoices/paymentsdistributed", post_distributed),
    Route("POST", "/invoices/{int}/payments", post_payment),
    Route("POST", "/invoices/{int}/validate", validate),
    Route("POST", "/invoices/{int}/settodraft", settodraft),
    Route("POST", "/invoices/{int}/settopaid", settopaid),
    Route("POST", "/invoices/{int}/settounpaid", settounpaid),
    Route("POST", "/invoices/{int}/markAsCreditAvailable", mark_credit),
    Route("POST", "/invoices/{int}/usediscount/{int}", usediscount),
    Route("POST", "/invoices/{int}/usecreditnote/{int}", usecreditnote),
]
