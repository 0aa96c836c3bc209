"""Which articles of a sale earn: by tag, reference, kind, extra field, and whether discounted.

What a return takes back is judged as it was sold: a returned article counts if it counted on the
sale. A discount on the whole sale (a negative line without a product) lowers what counts by its
share of the goods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from dolisync.model import Article, SaleLine
from dolisync.program.article_terms import ArticleKind, ArticleTerms
from dolisync.program.patterns import fits_any
from dolisync.program.reasons import Reason, Why, because
from dolisync.program.terms import Discounted, EarnTerms, Program

ZERO = Decimal(0)
_NAMED = 5
# As far as a price of one piece may be off when prices and totals are rounded to cents.
_ROUNDED = Decimal("0.006")
_UNKNOWN = Article()


@dataclass(frozen=True, slots=True)
class Scope:
    """Which lines of one sale are meant. ``by_product`` says of each product whether all of it is.

    ``has_free_goods``: something was sold that is no product of the catalogue.
    """

    means: Callable[[SaleLine], bool]
    sold: frozenset[int]
    by_product: dict[int, bool | None]
    has_free_goods: bool

    def counts(self, line: SaleLine) -> bool:
        """Tell whether a line is meant; one of a return is judged as the product was sold."""
        if line.rowid not in self.sold and line.product_rowid is not None:
            as_sold = self.by_product.get(line.product_rowid)
            if as_sold is not None:
                return as_sold
        return self.means(line)

    def is_shared(self, line: SaleLine) -> bool:
        """Tell whether a line belongs to no article: a discount on all, its return, or a note.

        What a return takes off without naming a product is the goods that were sold so, if any.
        """
        if line.product_rowid is not None:
            return False
        if line.rowid in self.sold:
            return _is_of_all(line)
        return line.total_incl > 0 or not self.has_free_goods


def scope_of(means: Callable[[SaleLine], bool], sold: Sequence[SaleLine]) -> Scope:
    """Judge the articles of a sale as they were sold."""
    found: dict[int, bool | None] = {}
    for line in sold:
        if line.product_rowid is not None:
            meant = means(line)
            same = found.get(line.product_rowid, meant) == meant
            found[line.product_rowid] = meant if same else None
    free = any(line.product_rowid is None and line.total_incl > 0 for line in sold)
    return Scope(means, frozenset(line.rowid for line in sold), found, free)


def earns(terms: EarnTerms, line: SaleLine) -> bool:
    """Tell whether an article may earn at all."""
    only = terms.only
    if only is not None and not only.is_empty and not fits(only, line):
        return False
    if any(fits(selection, line) for selection in terms.leave_out):
        return False
    return not is_discounted(terms.leave_out_discounted, line)


def fits(selection: ArticleTerms, line: SaleLine) -> bool:
    """Tell whether a line is one of the articles meant; a selection without lists means none.

    By reference and kind alone the same few articles are asked for again and again.
    """
    if selection.asks_catalogue:
        return _fits(selection, line)
    known, place = selection.remembered, (line.product_ref, line.is_service)
    if place not in known:
        known[place] = _fits(selection, line)
    return known[place]


def campaigns_meant(program: Program, line: SaleLine) -> frozenset[str]:
    """Name the campaigns that mean a line, of those for which its reference and kind suffice."""
    known, place = program.campaigns_by_article, (line.product_ref, line.is_service)
    found = known.get(place)
    if found is None:
        found = known[place] = frozenset(
            campaign.name
            for campaign in program.campaign_facts
            if campaign.by_article is not None and fits(campaign.by_article, line)
        )
    return found


def _fits(selection: ArticleTerms, line: SaleLine) -> bool:
    article = line.article or _UNKNOWN
    if selection.is_empty:
        return False
    if selection.kinds:
        kind = ArticleKind.SERVICE if line.is_service else ArticleKind.PRODUCT
        if kind not in selection.kinds:
            return False
    if selection.references and not fits_any(selection.references, line.product_ref):
        return False
    wanted = selection.folded_tags
    if wanted and not any(tag.casefold() in wanted for tag in article.tags):
        return False
    return all(
        dict(article.fields).get(name, "").strip().casefold() in values
        for name, values in selection.field_values.items()
    )


def is_discounted(which: Discounted, line: SaleLine) -> bool:
    """Tell whether a line is discounted in the sense of this setting."""
    by_line = which in {Discounted.LINE_DISCOUNT, Discounted.ANY} and line.discount_percent > 0
    by_price = which in {Discounted.BELOW_PRICE, Discounted.ANY} and _is_below_price(line)
    return by_line or by_price


def _is_below_price(line: SaleLine) -> bool:
    if line.article is None or not line.quantity:
        return False
    paid_excl, paid_incl = line.total_excl / line.quantity, line.total_incl / line.quantity
    # Both: who pays another tax rate pays another price with tax for the same one without.
    below_excl = paid_excl < line.article.price_excl - _ROUNDED
    return below_excl and paid_incl < line.article.price_incl - _ROUNDED


def earning_lines(
    terms: EarnTerms, sold: Sequence[SaleLine], lines: Sequence[SaleLine]
) -> tuple[tuple[SaleLine, ...], tuple[Reason, ...]]:
    """Return the lines that earn, discounts on the whole sale cut to their share, and why."""
    if not terms.selections and terms.leave_out_discounted is Discounted.NONE:
        return tuple(lines), ()
    kept, shared, out = _parted(partial(earns, terms), sold, lines)
    return (*kept, *shared), (*_out_reason(out), *_shared_reason(shared))


def lines_of(
    selection: ArticleTerms, sold: Sequence[SaleLine], lines: Sequence[SaleLine]
) -> tuple[SaleLine, ...]:
    """Return the lines of some articles, discounts on the whole sale cut to their share."""
    if lines is sold:
        # Most sales have nothing of most selections, and no line that belongs to all articles.
        meant = [line for line in sold if fits(selection, line)]
        if not meant or not any(map(_is_of_all, sold)):
            return tuple(meant)
    kept, shared, _ = _parted(partial(fits, selection), sold, lines)
    return (*kept, *shared)


def _is_of_all(line: SaleLine) -> bool:
    """Tell whether a line that was sold belongs to no article: a discount on all, or a note."""
    return line.product_rowid is None and line.total_incl <= 0


def _parted(
    means: Callable[[SaleLine], bool], sold: Sequence[SaleLine], lines: Sequence[SaleLine]
) -> tuple[list[SaleLine], list[SaleLine], list[SaleLine]]:
    """Part lines into those meant, what they bear of what belongs to all, and the others."""
    scope = scope_of(means, sold)
    kept: list[SaleLine] = []
    shared: list[SaleLine] = []
    out: list[SaleLine] = []
    for line in lines:
        if scope.is_shared(line):
            shared.append(line)
        else:
            (kept if scope.counts(line) else out).append(line)
    share = _share(scope, sold) if shared else ZERO
    return kept, [_cut(line, share) for line in shared], out


def _share(scope: Scope, sold: Sequence[SaleLine]) -> Decimal:
    """Return the share of the goods sold that is meant."""
    goods = [line for line in sold if not scope.is_shared(line)]
    total = sum((line.total_incl for line in goods), ZERO)
    if total <= 0:
        return ZERO
    counted = sum((line.total_incl for line in goods if scope.counts(line)), ZERO)
    return min(max(counted / total, ZERO), Decimal(1))


def _cut(line: SaleLine, share: Decimal) -> SaleLine:
    return replace(line, total_excl=line.total_excl * share, total_incl=line.total_incl * share)


def _out_reason(out: Sequence[SaleLine]) -> tuple[Reason, ...]:
    if not out:
        return ()
    names = list(dict.fromkeys(line.product_ref or line.text or "?" for line in out))
    which = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    amount = sum((line.total_incl for line in out), ZERO)
    return (because(Why.ARTICLES_OUT, amount=_shown(amount), which=which),)


def _shared_reason(shared: Sequence[SaleLine]) -> tuple[Reason, ...]:
    amount = sum((line.total_incl for line in shared), ZERO)
    return (because(Why.DISCOUNT_SHARED, amount=_shown(-amount)),) if amount else ()


def _shown(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))
