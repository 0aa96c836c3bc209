"""What the catalogue says is read with the sale, remembered a while, and kept for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from builders import HandClock, line, program, sale
from dolisync.ledger.documents import fingerprint, from_document, to_document
from dolisync.model import Article
from dolisync.sync.catalogue import REMEMBERED, Catalogue, Question, question_of
from tests.fakes import Shop

BREAD = Article(("Bakery", "Bread"), Decimal("8.33"), Decimal("10.00"), (("brand", "Ac'mé ☕"),))
TAGS = program(earn={"amount": {}, "only": {"tags": ["Bread"]}})


@dataclass
class FakeCatalogue:
    """Articles in memory; notes what was asked."""

    known: dict[int, Article] = field(default_factory=dict)
    asked: list[tuple[tuple[int, ...], tuple[str, ...], bool]] = field(default_factory=list)

    def articles(
        self, rowids: Sequence[int], fields: Sequence[str], *, with_tags: bool
    ) -> dict[int, Article]:
        self.asked.append((tuple(rowids), tuple(fields), with_tags))
        return {rowid: self.known[rowid] for rowid in rowids if rowid in self.known}

    def product_tags(self) -> frozenset[str]:
        return frozenset()

    def has_product(self, ref: str) -> bool:
        return False


@pytest.mark.parametrize(
    ("earn", "question"),
    [
        ({}, Question()),
        ({"only": {"references": ["A"]}}, Question()),
        ({"only": {"tags": ["A"]}}, Question(tags=True)),
        ({"leave_out": [{"fields": ["b=1", "a=1"]}]}, Question(fields=("a", "b"))),
        ({"leave_out_discounted": "any"}, Question(prices=True)),
        ({"leave_out_discounted": "line_discount"}, Question()),
    ],
)
def test_only_what_a_program_needs_is_asked(earn: dict[str, object], question: Question) -> None:
    found = question_of([program(), program(earn={"amount": {}, **earn})])
    assert found == question
    assert found.is_empty is (question == Question())


def test_without_a_question_nothing_is_read() -> None:
    source = FakeCatalogue({1: BREAD})
    sales = [sale(1, 10)]
    assert Catalogue(source, HandClock(), Question()).complete(sales) == sales
    assert source.asked == []


def test_each_product_is_read_once_and_again_after_a_while() -> None:
    source, clock = FakeCatalogue({1: BREAD}), HandClock()
    catalogue = Catalogue(source, clock, Question(fields=("brand",), tags=True))
    basket = sale(1, lines=[line(10, 1), line(5, 2, rowid=2), line(3, None, rowid=3)])
    (completed,) = catalogue.complete([basket])
    assert [entry.article for entry in completed.lines] == [BREAD, None, None]
    catalogue.complete([basket])
    assert source.asked == [((1, 2), ("brand",), True)]
    clock.tick(REMEMBERED.total_seconds())
    catalogue.complete([basket])
    assert len(source.asked) == 2


def test_an_article_survives_the_ledger_and_changes_no_fingerprint() -> None:
    plain = sale(1, lines=[line(10, 1), line(5, 2, rowid=2)])
    known = replace(plain, lines=(replace(plain.lines[0], article=BREAD), plain.lines[1]))
    assert from_document(known.key, to_document(known)) == known
    assert fingerprint(known) == fingerprint(plain)


def test_a_tag_taken_away_later_changes_no_sale_of_the_past(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine, programs=(TAGS,))
    tagged = sale(1, lines=[line(10, 1, article=BREAD)])
    shop.take(tagged)
    assert shop.balance() == 10
    other = replace(tagged.lines[0], article=Article(("Wine",)), total_incl=Decimal(12))
    shop.take(replace(tagged, lines=(other,), total_incl=Decimal(12)))
    assert shop.balance() == 12
    shop.take(sale(2, lines=[line(10, 1, article=Article(("Wine",)))]))
    assert shop.balance() == 12
