"""Reward products: articles with a price in points, free or cheaper for who has the points.

What was given for points stands on the line itself: its discount, and a mark with the price of one
piece. So what a sale cost is a function of its lines, whoever else changes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from dolisync.model import Sale, SaleLine

ZERO, HUNDRED = Decimal(0), Decimal(100)
# Dolibarr keeps percentages as floating numbers; this is exact for prices up to a million points.
_PERCENT_PLACES = Decimal("0.000001")
_MARK = re.compile(r"\[\*[^\[\]]*?DR-(\d+(?:\.\d+)?) \*\]")
_GIVEN = re.compile(r"\[\*[^\[\]]*?DS-[0-9A-Z]+ \*\]")
_ANY_MARK = re.compile(r"\s*\[\*[^\[\]]*?\*\]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line with a price in points: of one piece, and how many pieces."""

    price: Decimal
    quantity: Decimal

    @property
    def points(self) -> Decimal:
        """What all of it costs."""
        return self.price * self.quantity


@dataclass(frozen=True, slots=True)
class Offer:
    """What a member gets of a line: a percentage off, for so many points."""

    percent: Decimal
    points: Decimal


def offers(wanted: Sequence[Wanted], available: Decimal, step: Decimal) -> list[Offer]:
    """Share out the available points over lines, the first ones first.

    Where they do not cover a line, it becomes cheaper by their share. ``step`` is the least number
    of points that there is.
    """
    found: list[Offer] = []
    for line in wanted:
        points = min(max(available, ZERO), line.points)
        points = (points / step).to_integral_value(ROUND_DOWN) * step
        share = points / line.points if line.points > 0 else ZERO
        percent = (share * HUNDRED).quantize(_PERCENT_PLACES)
        found.append(Offer(percent, points))
        available -= points
    return found


def marked(text: str, told: str, price: Decimal | None) -> str:
    """Return a line's text with what is told of points at its end, instead of an older mark.

    Without a price nothing was given for points. With neither, the mark is taken off.
    """
    plain = _ANY_MARK.sub("", text)
    if not told:
        return plain
    token = "" if price is None else f" DR-{price.normalize():f}"
    return f"{plain} [* {told}{token} *]".strip()


def given_text(text: str, told: str, token: str) -> str:
    """Return a line's text with what it costs and the mark of the redemption that gives it."""
    return f"{_ANY_MARK.sub('', text)} [* {told} {token} *]".strip()


def plain_text(text: str) -> str:
    """Return a line's text without marks of ours."""
    return _ANY_MARK.sub("", text)


def is_given(line: SaleLine) -> bool:
    """Tell whether something was given for points on the line of an article."""
    is_article = line.product_rowid is not None
    return price_on(line) is not None or (is_article and _GIVEN.search(line.text) is not None)


def cost_of_lines(lines: Iterable[SaleLine]) -> Decimal:
    """Add up what was given for points on these lines; goods that come back count below zero."""
    return sum((cost_of_line(line) for line in lines), ZERO)


def cost_of_line(line: SaleLine) -> Decimal:
    """Return what was given for points on a line, in points."""
    price = price_on(line)
    if price is None:
        return ZERO
    return price * line.quantity * line.discount_percent / HUNDRED


def price_on(line: SaleLine) -> Decimal | None:
    """Return the price in points that stands on a line, ``None`` where nothing was given for it."""
    if "DR-" not in line.text or line.product_rowid is None:
        return None
    found = _MARK.search(line.text)
    return Decimal(found[1]) if found else None


def text_has_price(text: str) -> bool:
    """Tell whether a line's text says that something was given for points."""
    return _MARK.search(text) is not None


def has_reward_lines(sale: Sale) -> bool:
    """Tell whether anything on a document was given for points."""
    return any("DR-" in line.text and price_on(line) is not None for line in sale.lines)
