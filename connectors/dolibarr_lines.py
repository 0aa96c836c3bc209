"""Lines of drafts rewritten through REST: what a change does not name, Dolibarr sets to nothing."""

from __future__ import annotations

from decimal import Decimal

from connectors.dolibarr_database import Database
from connectors.dolibarr_http import DolibarrHttp
from dolisync.errors import RefusedError

# What a change of a line sets to nothing unless it is said again.
_KEPT = (
    *("subprice", "qty", "tva_tx", "vat_src_code", "localtax1_tx", "localtax2_tx", "info_bits"),
    *("product_type", "fk_parent_line", "special_code", "rang", "fk_unit", "label"),
)


def reduce_line(
    database: Database, http: DolibarrHttp, document: int, line: int, percent: Decimal, text: str
) -> None:
    """Give a line a percentage off and a text. All else is written back as it is now.

    Raises ``RefusedError`` where the line is gone, or on no draft any more.
    """
    columns = [name for name in _KEPT if name in database.columns("llx_facturedet")]
    query = f"SELECT {', '.join(columns)} FROM llx_facturedet WHERE rowid = %s"  # noqa: S608
    with database.reading("a line of a draft") as reader:
        rows = reader.rows(query, (line,))
    if not rows:
        raise RefusedError(f"the line {line} is gone from the document {document}")
    kept = {name: _plain(raw) for name, raw in zip(columns, rows[0], strict=True)}
    code = kept.pop("vat_src_code", "")
    rate = f"{kept['tva_tx']} ({code})" if code else kept["tva_tx"]
    body = {**kept, "tva_tx": rate, "desc": text, "remise_percent": str(percent)}
    http.put(f"invoices/{document}/lines/{line}", body)


def _plain(raw: object) -> object:
    return raw if raw is None or isinstance(raw, int) else str(raw)
