"""The catalogue beside the sales: what it says of each product is read with the sale, and kept.

Only what the programs ask for is read, and remembered for a while: a till sells the same products
again and again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dolisync.model import Article, Sale
from dolisync.ports import ArticleSource, Clock
from dolisync.program.terms import Discounted, Program

REMEMBERED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Question:
    """What the programs want to know of each product."""

    fields: tuple[str, ...] = ()
    tags: bool = False
    prices: bool = False

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is to be asked."""
        return not (self.fields or self.tags or self.prices)


def question_of(programs: Iterable[Program]) -> Question:
    """Return what these programs want to know."""
    asking = list(programs)
    terms = [program.earn for program in asking]
    selections = [selection for program in asking for selection in program.article_selections]
    below = {Discounted.BELOW_PRICE, Discounted.ANY}
    return Question(
        tuple(sorted({name for selection in selections for name in selection.field_names})),
        any(selection.tags for selection in selections),
        any(earn.leave_out_discounted in below for earn in terms),
    )


@dataclass(slots=True)
class Catalogue:
    """Put onto each line what the catalogue says of its product."""

    source: ArticleSource
    clock: Clock
    question: Question
    _known: dict[int, Article | None] = field(default_factory=dict)
    _until: datetime | None = None

    def complete(self, sales: Sequence[Sale]) -> list[Sale]:
        """Return the sales with the articles of their lines."""
        if self.question.is_empty:
            return list(sales)
        self._learn(sales)
        return [self._with_articles(sale) for sale in sales]

    def _learn(self, sales: Sequence[Sale]) -> None:
        now = self.clock.now()
        if self._until is None or now >= self._until:
            self._known.clear()
            self._until = now + REMEMBERED
        wanted = {line.product_rowid for sale in sales for line in sale.lines} - {None}
        unknown = sorted(rowid for rowid in wanted if rowid and rowid not in self._known)
        if unknown:
            question = self.question
            found = self.source.articles(unknown, question.fields, with_tags=question.tags)
            self._known.update({rowid: found.get(rowid) for rowid in unknown})

    def _with_articles(self, sale: Sale) -> Sale:
        lines = tuple(
            replace(line, article=self._known.get(line.product_rowid))
            if line.product_rowid is not None
            else line
            for line in sale.lines
        )
        return replace(sale, lines=lines)
