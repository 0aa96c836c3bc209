"""What recommendations come to: pure rules, data in, decisions out.

Each depends on what is there, and not on the order in which it came to be known.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from dolisync.program.referral_terms import ReferralTerms


class Void(enum.StrEnum):
    """Why a recommendation brings nothing, whatever is bought."""

    NONE = ""
    WITHDRAWN = "withdrawn"
    ONESELF = "oneself"
    TWICE = "twice"
    CIRCLE = "circle"


@dataclass(frozen=True, slots=True)
class Edge:
    """One recommendation: customer ``new`` was recommended by ``by``. ``id`` tells the order.

    An erased customer is ``None``; ``void`` is what it was so far.
    """

    id: int
    new: int | None
    by: int | None
    is_withdrawn: bool = False
    void: Void = Void.NONE


def voids(edges: Iterable[Edge]) -> dict[int, Void]:
    """Say of the recommendations of one program which bring nothing, as if each came in its turn.

    Two customers may have become one since: then only the first who recommended him counts, nobody
    has recommended himself, and a circle is broken where it was closed. Who was erased is like
    nobody: what his recommendation was by then, it stays.
    """
    found: dict[int, Void] = {}
    above: dict[int, int | None] = {}
    for edge in sorted(edges, key=lambda edge: edge.id):
        found[edge.id] = _void_of(edge, above)
        if found[edge.id] is Void.NONE and edge.new is not None:
            above[edge.new] = edge.by
    return found


def _void_of(edge: Edge, above: Mapping[int, int | None]) -> Void:
    if edge.is_withdrawn:
        return Void.WITHDRAWN
    if edge.new is None:
        return edge.void
    if edge.new == edge.by:
        return Void.ONESELF
    if edge.new in above:
        return Void.TWICE
    if edge.by is None:
        return edge.void if edge.void in {Void.ONESELF, Void.CIRCLE} else Void.NONE
    return Void.CIRCLE if closes_circle(edge.new, edge.by, above) else Void.NONE


def closes_circle(new: int, by: int | None, above: Mapping[int, int | None]) -> bool:
    """Tell whether ``by`` was recommended by ``new``, directly or through others.

    ``above`` says who recommended whom; it has no circles.
    """
    while by is not None:
        if by == new:
            return True
        by = above.get(by)
    return False


@dataclass(frozen=True, slots=True)
class Purchase:
    """A purchase of a new customer. ``amount`` and ``units`` are what its returns left of it.

    ``terms`` are those of the rules that judge the sale.
    """

    sale_id: int
    day: date
    amount: Decimal
    units: int
    terms: ReferralTerms | None


def first_day(terms: ReferralTerms, said_on: date) -> date:
    """Return the first day of which a purchase counts; who bought before is not new."""
    return said_on - timedelta(days=terms.new_for_days if terms.only_new else 0)


def last_day(terms: ReferralTerms, said_on: date) -> date:
    """Return the last day of which a purchase counts."""
    return said_on + timedelta(days=terms.within_days)


def brought(
    said_on: date, bought_first: date | None, purchases: Sequence[Purchase]
) -> Purchase | None:
    """Return the purchase that a recommendation brought: the first that counts.

    ``bought_first`` is the day of the customer's very first purchase, ``purchases`` stand in order.
    """
    for purchase in purchases:
        terms = purchase.terms
        if terms is None:
            continue
        begin = first_day(terms, said_on)
        is_new = not terms.only_new or bought_first is None or bought_first >= begin
        is_in_time = begin <= purchase.day <= last_day(terms, said_on)
        if is_new and is_in_time and _is_enough(terms, purchase):
            return purchase
    return None


def _is_enough(terms: ReferralTerms, purchase: Purchase) -> bool:
    is_something = purchase.units > 0 and purchase.amount > 0
    return is_something and purchase.amount >= terms.minimum


def rewarded(brought_by_one: Iterable[tuple[int, date, ReferralTerms]]) -> set[int]:
    """Return for which of one customer's recommendations he is rewarded.

    They come with the days of the purchases that they brought, in the order of these. Limits are
    those of the rules that judge each purchase.
    """
    years: Counter[int] = Counter()
    found: set[int] = set()
    for id_, day, terms in brought_by_one:
        if _is_beyond(terms, years[day.year], len(found)):
            continue
        found.add(id_)
        years[day.year] += 1
    return found


def _is_beyond(terms: ReferralTerms, in_year: int, in_all: int) -> bool:
    of_year = terms.max_a_year is not None and in_year >= terms.max_a_year
    return of_year or (terms.max_ever is not None and in_all >= terms.max_ever)
