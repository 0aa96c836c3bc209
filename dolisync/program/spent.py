"""Points spent on a sale, and which part of them comes back when goods are returned.

A reward stands on the sale as a discount line that bears its token. What is undone of it is a
function of the sale and its returns, so any row of partial returns ends at exactly all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from dolisync.model import DiscountKind, Sale, SaleKind, SaleLine, SaleStatus
from dolisync.program.assess import uncounted
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program, SpentPoints

ZERO, ALL, HUNDRED = Decimal(0), Decimal(1), Decimal(100)


@dataclass(frozen=True, slots=True)
class Undone:
    """The share of a reward's use that a sale gives back, and of what it is the share."""

    share: Decimal
    what: str = ""


def uses(around: Surroundings, sale: Sale) -> dict[str, Decimal]:
    """Return which rewards a sale consumes: amounts including tax by token."""
    found: dict[str, Decimal] = {}
    if sale.kind is SaleKind.CREDIT_NOTE:
        return found
    for line in sale.lines:
        if line.discount is DiscountKind.FIXED and line.total_incl < 0:
            for token in tokens_in(around, line.text)[:1]:
                found[token] = found.get(token, ZERO) - line.total_incl
    return found


def pieces_given(around: Surroundings, lines: Iterable[SaleLine]) -> dict[str, Decimal]:
    """Return how many pieces of articles rewards give on these lines, by token.

    Whether they are sold or come back, which a credit note says by either sign.
    """
    found: dict[str, Decimal] = {}
    for line in lines:
        if line.product_rowid is None or not line.discount_percent:
            continue
        for token in tokens_in(around, line.text)[:1]:
            pieces = abs(line.quantity) * line.discount_percent / HUNDRED
            found[token] = found.get(token, ZERO) + pieces
    return found


def rewards_on(around: Surroundings, sale: Sale) -> set[str]:
    """Return the tokens of all rewards that a sale consumes."""
    if sale.kind is SaleKind.CREDIT_NOTE:
        return set()
    # Most sales have none at all: they cost one look at each line.
    if not any(around.reward_token_prefix in line.text for line in sale.lines):
        return set()
    return uses(around, sale).keys() | pieces_given(around, sale.lines).keys()


def tokens_in(around: Surroundings, text: str) -> list[str]:
    """Return the tokens of rewards in a text."""
    prefix = re.escape(around.reward_token_prefix)
    return re.findall(rf"{prefix}[0-9A-Z]+", text) if around.reward_token_prefix in text else []


def undone(
    program: Program, around: Surroundings, origin: Sale, returns: Sequence[Sale], token: str
) -> Undone:
    """Return the share of a reward that comes back, given the returns that count."""
    if origin.status is SaleStatus.DRAFT:
        return Undone(ZERO, "a draft")
    if origin.status is SaleStatus.ABANDONED:
        return Undone(ALL, "an abandoned sale")
    policy = program.returns.spent_points
    if policy is SpentPoints.KEEP:
        return Undone(ZERO)
    counted = [credit for credit in returns if uncounted(credit) is None]
    given = pieces_given(around, origin.lines).get(token, ZERO)
    if given > 0:
        back = (pieces_given(around, credit.lines).get(token, ZERO) for credit in counted)
        return Undone(_between(sum(back, ZERO) / given), "the reward's line")
    if policy is SpentPoints.REWARD_LINE:
        return Undone(_share_of_line(around, origin, counted, token), "the reward's line")
    return Undone(share_of_goods(around, origin, counted), "the goods")


def share_of_goods(around: Surroundings, origin: Sale, returns: Sequence[Sale]) -> Decimal:
    """Return the share of a sale's goods that these returns bring back, from 0 to 1."""
    sold = _goods(around, origin.lines)
    if sold <= 0:
        return ZERO
    rewards = uses(around, origin)
    goods = (
        line
        for credit in returns
        for line in credit.lines
        if undone_reward(around, rewards, line) is None
    )
    return _between(-_goods(around, goods) / sold)


def _goods(around: Surroundings, lines: Iterable[SaleLine]) -> Decimal:
    """Add up goods: neither what paid for them before nor what stands for a reward."""
    goods = (
        line.total_incl
        for line in lines
        if line.discount is None and not tokens_in(around, line.text)
    )
    return sum(goods, ZERO)


def undone_reward(
    around: Surroundings, rewards: Mapping[str, Decimal], line: SaleLine
) -> str | None:
    """Return which of a sale's rewards a line of its return undoes, if any.

    Dolibarr copies the reward's line with its token. Staff who write it by hand leave the token
    out: a line without product that adds just what a reward took off is that reward's.
    """
    if line.total_incl <= 0:
        return None
    named = tokens_in(around, line.text)
    if named or line.product_rowid is not None:
        return named[0] if named else None
    alike = (token for token, amount in rewards.items() if amount == line.total_incl)
    return next(alike, None)


def _share_of_line(
    around: Surroundings, origin: Sale, returns: Sequence[Sale], token: str
) -> Decimal:
    rewards = uses(around, origin)
    used = rewards.get(token, ZERO)
    if used <= 0:
        return ZERO
    undone_amounts = (
        line.total_incl
        for credit in returns
        for line in credit.lines
        if undone_reward(around, rewards, line) == token
    )
    return _between(sum(undone_amounts, ZERO) / used)


def _between(share: Decimal) -> Decimal:
    return min(max(share, ZERO), ALL)


def units_back(points: int, amount: Decimal, amount_back: Decimal) -> int:
    """Return how many of a reward's points come back for this much of its amount, cut off."""
    if amount_back >= amount:
        return points
    return int(points * max(amount_back, ZERO) / amount)


def spread(lacking: Sequence[tuple[int, int]], units: int) -> dict[int, int]:
    """Share out points that come back over the lots that lack them, in proportion.

    ``lacking`` are pairs of lot id and points, together at least ``units``. No lot gets more than
    it lacks.
    """
    total = sum(points for _, points in lacking)
    shares = {lot: points * units // total for lot, points in lacking}
    missing = units - sum(shares.values())
    for lot, points in lacking:
        more = min(points - shares[lot], missing)
        shares[lot] += more
        missing -= more
    return {lot: points for lot, points in shares.items() if points}
