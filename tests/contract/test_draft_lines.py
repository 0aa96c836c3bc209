"""Lines of ours on documents: put there, found again by their mark, and the right to do so."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.dolibarr_drafts import RestDrafts, SqlDraftSearch
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
