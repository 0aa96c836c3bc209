"""Articles that are given for points on drafts and open tickets: a line with all of its price off.

Where the article stands on the draft already, that line becomes free; else one is added. Either is
a line of the article itself, so that stock is counted as for any other, and no tax is due on it.
The line bears the mark of its redemption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from dolisync.ledger.drafts import DraftUse
from dolisync.ledger.redemptions import Redemption
from dolisync.model import Sale, SaleLine
from dolisync.ports import GoodsDoor
from dolisync.program.draft_shares import CENT
from dolisync.program.reward_products import given_text, plain_text
from dolisync.program.terms import RewardTerms

ZERO, HUNDRED = Decimal(0), Decimal(100)
# How far Dolibarr's floating numbers may be from the percentage that was written.
_NEARLY = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Gift:
    """An article to be given: its price as a reward, what it is worth, and on which line."""

    reward: RewardTerms
    use: DraftUse


def gift_of_line(reward: RewardTerms, line: SaleLine) -> Gift:
    """Say what it means to give an article that stands on a draft: all pieces of the line.

    It may have been given already, by a token that the ledger forgot.
    """
    pieces = int(line.quantity)
    worth = line.total_incl or line.unit_price_excl * pieces * (1 + line.tax_rate / HUNDRED)
    use = DraftUse(product=line.product_ref, pieces=pieces, line_rowid=line.rowid)
    return Gift(_priced(reward, pieces, worth, line.tax_rate), use)


def gift_added(door: GoodsDoor, reward: RewardTerms) -> Gift | None:
    """Say what it means to add a piece of an article; ``None`` where it is not for sale."""
    assert reward.product is not None
    goods = door.goods(reward.product)
    if goods is None:
        return None
    priced = _priced(reward, 1, goods.price_incl, goods.tax_rate)
    return Gift(priced, DraftUse(product=goods.ref))


def _priced(reward: RewardTerms, pieces: int, worth: Decimal, tax_rate: Decimal) -> RewardTerms:
    # What is worth nothing could not come back in parts.
    amount = max(worth.quantize(CENT), CENT)
    values = {"points": reward.points * pieces, "amount": amount, "tax_rate": tax_rate}
    return reward.model_copy(update=values)


def can_be_given(line: SaleLine, ref: str) -> bool:
    """Tell whether a line sells whole pieces of an article at a price that nobody touched."""
    is_whole = line.quantity > 0 and line.quantity == int(line.quantity)
    is_plain = line.discount is None and not line.discount_percent and "[*" not in line.text
    return line.product_ref == ref and is_whole and is_plain


def single_line(sale: Sale, ref: str) -> SaleLine | None:
    """Return a line of a draft that sells one piece of an article, if there is one."""
    fitting = (line for line in sale.lines if can_be_given(line, ref) and line.quantity == 1)
    return next(fitting, None)


def place(door: GoodsDoor, wanted: Redemption, use: DraftUse, sale: Sale, told: str) -> str | None:
    """Give the article of a redemption on its draft; return why not, as the name of a sentence.

    ``told`` is its price in words.
    """
    assert wanted.draft is not None
    assert use.product is not None
    if use.line_rowid is not None:
        line = next((line for line in sale.lines if line.rowid == use.line_rowid), None)
        is_same = line is not None and can_be_given(line, use.product)
        if line is None or not is_same or line.quantity != use.pieces:
            return "use_meanwhile"
        text = given_text(line.text, told, wanted.token)
        door.reduce(wanted.draft, line.rowid, HUNDRED, text)
        return None
    goods = door.goods(use.product)
    if goods is None:
        return "use_no_article"
    door.add_goods(wanted.draft, goods, given_text(goods.label, told, wanted.token))
    return None


def take_back(door: GoodsDoor, wanted: Redemption, use: DraftUse, line: SaleLine) -> None:
    """Take a line of a redemption off its draft; staff's own line has its price again instead.

    Raises ``RefusedError``.
    """
    assert wanted.draft is not None
    if line.rowid == use.line_rowid:
        door.reduce(wanted.draft, line.rowid, ZERO, plain_text(line.text))
    else:
        door.remove_line(wanted.draft, line.rowid)


def is_tampered(use: DraftUse, lines: Sequence[SaleLine]) -> bool:
    """Tell whether the lines of a redemption are anything but its article, free."""
    if len(lines) != 1:
        return True
    (line,) = lines
    is_free = abs(line.discount_percent - HUNDRED) < _NEARLY
    return line.product_ref != use.product or line.quantity != use.pieces or not is_free
