"""Lines of ours on documents: put there, found again by their mark, and the right to do so."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.dolibarr_drafts import RestDrafts, SqlDraftSearch
from dolisync.errors import RefusedError
from dolisync.model import SaleKey
from tests.contract.site import Site, line

TOKEN = "DS-7KQ2M9XW4HTR"


@pytest.fixture
def search(site: Site) -> SqlDraftSearch:
    return SqlDraftSearch(site.database_url)


def found(search: SqlDraftSearch, draft: int) -> list[str]:
    return [text for rowid, text in search.lines_with("DS-") if rowid == draft]


def key(site: Site, draft: int) -> SaleKey:
    return site.sale_key(draft)


def test_the_right_to_write_on_drafts_is_looked_at_without_writing(site: Site) -> None:
    assert RestDrafts(site.http, site.database_url).may_write()


def test_lines_of_ours_are_found_on_drafts_and_on_what_became_of_them(
    site: Site, search: SqlDraftSearch
) -> None:
    draft = site.draft(site.customer(), line(subprice=50))
    assert found(search, draft) == []
    RestDrafts(site.http, site.database_url).add_line(
        key(site, draft), f"Thanks {TOKEN}", Decimal(-5), Decimal(20)
    )
    assert found(search, draft) == [f"Thanks {TOKEN}"]
    site.act(draft, "validate")
    assert found(search, draft) == [f"Thanks {TOKEN}"]


def test_what_takes_nothing_off_is_not_ours(site: Site, search: SqlDraftSearch) -> None:
    draft = site.draft(site.customer(), line(subprice=50, desc=f"about {TOKEN}"))
    assert found(search, draft) == []


# --- articles that are given ---------------------------------------------------------------------


@pytest.fixture
def door(site: Site) -> RestDrafts:
    return RestDrafts(site.http, site.database_url)


def an_article(site: Site) -> tuple[int, str]:
    """Make an article; return it with its reference."""
    product = site.product(price="7.50", tva_tx=20)
    ((ref,),) = site.rows("SELECT ref FROM llx_product WHERE rowid = %s", product)
    return product, str(ref)


def test_an_article_is_looked_up_by_its_reference(site: Site, door: RestDrafts) -> None:
    product, ref = an_article(site)
    found = door.goods(ref)
    assert found is not None
    assert (found.rowid, found.ref, found.tax_rate) == (product, ref, 20)
    assert (found.price_excl, found.price_incl) == (Decimal("7.5"), 9)
    assert door.goods("NO-SUCH-ARTICLE") is None
    site.execute("UPDATE llx_product SET tosell = 0 WHERE rowid = %s", product)
    assert door.goods(ref) is None


def test_an_article_is_given_and_taken_away(
    site: Site, door: RestDrafts, search: SqlDraftSearch
) -> None:
    product, ref = an_article(site)
    draft = site.draft(site.customer(), line(subprice=50))
    before = site.one(draft)
    goods = door.goods(ref)
    assert goods is not None
    door.add_goods(key(site, draft), goods, f"Mug [* 120 points {TOKEN} *]")
    after = site.one(draft)
    assert (after.total_excl, after.total_incl) == (before.total_excl, before.total_incl)
    (given,) = [one for one in after.lines if one.product_rowid == product]
    assert (given.quantity, given.discount_percent, given.total_incl) == (1, 100, 0)
    assert (given.unit_price_excl, given.tax_rate) == (Decimal("7.5"), 20)
    assert (given.product_ref, given.discount) == (ref, None)
    assert TOKEN in given.text
    assert found(search, draft) == [given.text]
    site.act(draft, "validate")
    assert site.one(draft).total_incl == before.total_incl
    with pytest.raises(RefusedError):
        door.remove_line(key(site, draft), given.rowid)


def test_a_line_that_stands_there_becomes_free_and_has_its_price_again(
    site: Site, door: RestDrafts
) -> None:
    product, ref = an_article(site)
    sold = line(fk_product=product, subprice="7.5", qty=2, tva_tx=20, desc="Mug")
    draft = site.draft(site.customer(), line(subprice=50), sold)
    before = site.one(draft)
    (row,) = [one for one in before.lines if one.product_rowid == product]
    door.reduce(key(site, draft), row.rowid, Decimal(100), f"{row.text} [* 1 point {TOKEN} *]")
    free = next(one for one in site.one(draft).lines if one.rowid == row.rowid)
    assert (free.quantity, free.discount_percent, free.total_incl) == (2, 100, 0)
    assert free.product_ref == ref
    door.reduce(key(site, draft), row.rowid, Decimal(0), row.text)
    again = site.one(draft)
    assert again.total_incl == before.total_incl
    assert next(one for one in again.lines if one.rowid == row.rowid) == row
