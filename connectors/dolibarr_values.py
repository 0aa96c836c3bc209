"""What Dolibarr's raw values mean, for both doors: money, times, codes.

Types are unstable from version to version (numbers come as text, int or float, absent ones as
``None`` or ``""``), so everything is made plain here, once, and both doors give equal sales.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any

from dolisync.model import DiscountKind, Payment, PaymentKind, SaleKind, SaleStatus

PROVISIONAL_PREFIX = "(PROV"
TAKEPOS = "takepos"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_EIGHT_PLACES = Decimal(1).scaleb(-8)
_ZERO = Decimal(0)
_KINDS = tuple(SaleKind)  # declared in the order of Dolibarr's invoice types 0 to 5
_STATUSES = {0: SaleStatus.DRAFT, 1: SaleStatus.VALIDATED, 3: SaleStatus.ABANDONED}


# Prices and rates repeat from line to line: remembering them halves the time to read a page.
@lru_cache(maxsize=65536)
def money(raw: Any) -> Decimal:
    """Make an exact, plain number of what a door gave: eight places, no trailing zeros, no -0."""
    if raw is None or raw == "":
        return _ZERO
    # repr, not str(Decimal(float)): the shortest text that names the double is what was stored.
    number = Decimal(repr(raw)) if isinstance(raw, float) else Decimal(raw)
    return plain(number)


def plain(number: Decimal) -> Decimal:
    """Round to Dolibarr's eight places and drop trailing zeros: equal numbers look equal."""
    rounded = number.quantize(_EIGHT_PLACES).normalize()
    if not rounded:
        return _ZERO
    # normalize() writes 100 as 1E+2.
    return rounded.quantize(Decimal(1)) if rounded == rounded.to_integral_value() else rounded


def whole(raw: Any) -> int:
    """Make an integer of it; absent is 0."""
    return int(raw) if raw not in (None, "") else 0


def text(raw: Any) -> str:
    """Make text of it; absent is empty."""
    return "" if raw is None else str(raw)


def wall_time(raw: Any) -> datetime | None:
    """Read ``YYYY-MM-DD HH:MM:SS`` (or a naive datetime) as it stands; absent is ``None``."""
    if isinstance(raw, datetime):
        return raw
    if raw in (None, "") or str(raw).startswith("0000"):
        return None
    return datetime.fromisoformat(str(raw))


def utc_of_wall_time(raw: Any, zone: tzinfo) -> datetime | None:
    """Read a wall time of this zone and say when that was, in UTC."""
    naive = wall_time(raw)
    return None if naive is None else naive.replace(tzinfo=zone).astimezone(UTC)


def utc_of_epoch(raw: Any) -> datetime | None:
    """Read seconds since 1970; absent is ``None``."""
    return None if raw in (None, "", 0, "0") else EPOCH + timedelta(seconds=int(raw))


def day(raw: Any) -> date | None:
    """Read ``YYYY-MM-DD`` (or a date); absent is ``None``."""
    if raw in (None, "") or str(raw).startswith("0000"):
        return None
    if isinstance(raw, datetime):
        return raw.date()
    return raw if isinstance(raw, date) else date.fromisoformat(str(raw)[:10])


def wall_text(moment: datetime, zone: tzinfo) -> str:
    """Write a moment as the database would show it in this zone."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def sale_kind(raw: Any) -> SaleKind:
    """Name the invoice type; types of later versions count as standard."""
    number = whole(raw)
    return _KINDS[number] if 0 <= number < len(_KINDS) else SaleKind.STANDARD


def sale_status(statut: Any, paye: Any) -> SaleStatus:
    """Name the status. A reopened document keeps paye = 1 and is a draft all the same.

    Validated again, it is 1 and paye 1: Dolibarr shows it as paid, and so it is.
    """
    number = whole(statut)
    if number == 1 and whole(paye) == 1:
        return SaleStatus.PAID
    if number == 2:
        return SaleStatus.PAID if whole(paye) == 1 else SaleStatus.CLOSED
    return _STATUSES.get(number, SaleStatus.DRAFT)


# Lines that we put on drafts ourselves bear one: they are discounts without being on the card. DS
# stands for points, DV for a voucher, DG for a gift card.
OUR_MARK = re.compile(r"(?<!\w)D([SVG])-[0-9A-Z]{12}(?!\w)")


def discount_kind(
    fk_remise_except: Any, description: str, product: int | None, *, is_gift_card: bool = False
) -> DiscountKind | None:
    """Say what kind of discount a line is, if any: one of the customer card, or one of ours."""
    if is_gift_card:
        return DiscountKind.GIFT_CARD
    if fk_remise_except is None or not whole(fk_remise_except):
        mark = None if product is not None else OUR_MARK.search(description)
        if mark is None:
            return None
        return DiscountKind.GIFT_CARD if mark[1] == "G" else DiscountKind.FIXED
    if description.startswith("(DEPOSIT)"):
        return DiscountKind.DEPOSIT
    if description.startswith("(CREDIT_NOTE)"):
        return DiscountKind.CREDIT_NOTE
    return DiscountKind.FIXED


def used_document_kind(description: str) -> PaymentKind:
    """Say what kind of document was used in the place of money."""
    return PaymentKind.DEPOSIT if description.startswith("(DEPOSIT)") else PaymentKind.CREDIT_NOTE


def in_order(payments: Iterable[Payment]) -> tuple[Payment, ...]:
    """Sort payments by time, mode and amount: the doors give them in no order of their own."""
    return tuple(sorted(payments, key=lambda paid: (paid.paid_at or EPOCH, paid.mode, paid.amount)))


def person_name(raw: Any) -> str:
    """Read a name; Dolibarr stores some with HTML's names for letters (``g&eacute;rant``)."""
    return html.unescape(text(raw))


def language_of(default_lang: Any) -> str:
    """Shorten ``it_IT`` to ``it``."""
    return text(default_lang)[:2].lower()
