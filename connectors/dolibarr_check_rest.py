"""The part of ``check`` that looks through REST: is there an answer, and does the key see sales."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.dolibarr_http import DolibarrHttp, ServerStatus, is_loopback
from dolisync.errors import DolisyncError, RefusedError
from dolisync.ports import Finding

OLDEST, NEWEST = 16, 22

_RIGHTS = (
    "in Users & Groups > the user of the key > Permissions, give: read invoices (11), read third"
    " parties (121) and see all third parties, not only those of the user (262)"
)


def door(http: DolibarrHttp) -> tuple[ServerStatus | None, Iterator[Finding]]:
    try:
        status = http.status()
    except RefusedError as error:
        remedy = "set the key of the API user; up to 19 the answer is the same without rights"
        return None, iter([Finding("error", "rest", str(error), remedy)])
    except DolisyncError as error:
        remedy = "open the address in a browser; is the module API / Web services on?"
        return None, iter([Finding("error", "rest", str(error), remedy)])
    return status, iter((_version(status), *_encryption(http)))


def _version(status: ServerStatus) -> Finding:
    major = status.release[0] if status.release else 0
    if OLDEST <= major <= NEWEST:
        return Finding("ok", "rest", f"Dolibarr {status.version} answers")
    return Finding(
        "warning",
        "rest",
        f"Dolibarr {status.version} answers; versions {OLDEST} to {NEWEST} are known",
        "try on a copy first",
    )


def _encryption(http: DolibarrHttp) -> Iterator[Finding]:
    if not http.is_encrypted and not is_loopback(http.host):
        yield Finding(
            "warning",
            "tls",
            f"the key travels unencrypted to {http.host}",
            "write https:// in the address",
        )


def visibility(http: DolibarrHttp, *, has_sales: bool | None) -> Finding:
    """Prove that the key sees sales: without the right 262 the list is empty and no error.

    ``has_sales`` is what the database says, ``None`` where there is no account.
    """
    try:
        seen = http.get_list("invoices", {"limit": 1})
    except RefusedError as error:
        return Finding("error", "rights", str(error), _RIGHTS)
    if seen:
        return Finding("ok", "rights", "the key sees invoices")
    if has_sales:
        message = "the key sees no invoice, and the database holds some: a right is missing"
        return Finding("error", "rights", message, _RIGHTS)
    if not _sees_customers(http):
        message = "the key sees neither invoices nor customers: nothing there, or a right missing"
        return Finding("warning", "rights", message, _RIGHTS)
    return Finding("ok", "rights", "the key sees customers; there is no invoice yet")


def _sees_customers(http: DolibarrHttp) -> bool:
    try:
        return bool(http.get_list("thirdparties", {"limit": 1}))
    except RefusedError:
        return False
