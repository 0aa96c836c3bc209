"""What every door to customer tags promises: the tables and the API see and do the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connectors import dolibarr_setup
from connectors.dolibarr_tag_door import NOBODY, RestTagDoor, SqlTagDoor, may_tag
from dolisync.errors import RefusedError
from dolisync.ports import Requirements, TagDoor, TagSpec
from tests.contract.site import Site, unique

Made = Callable[[], str]


@pytest.fixture(params=["sql", "rest"])
def door(site: Site, request: pytest.FixtureRequest) -> TagDoor:
    return doors(site)[request.param]


def doors(site: Site) -> dict[str, Any]:
    return {"sql": SqlTagDoor(site.database_url), "rest": RestTagDoor(site.http)}


@pytest.fixture
def made(site: Site) -> Made:
    """Make tags with names of their own."""

    def make() -> str:
        label = unique("Fidélité d'or & plus ")
        tags = Requirements(tags=(TagSpec(label, "ffd700"),))
        steps = dolibarr_setup.apply(tags, site.http, site.database_url)
        assert {step.state for step in steps} == {"done"}, steps
        return label

    return make


def test_a_card_gets_and_loses_tags(site: Site, door: TagDoor, made: Made) -> None:
    silver, gold, other = made(), made(), made()
    customer = site.customer()
    labels = {silver, gold}
    assert door.tags_of(customer, labels) == set()
    door.retag(customer, other, set())
    for _ in range(2):
        door.retag(customer, silver, {gold})
        assert door.tags_of(customer, labels) == {silver}
    for _ in range(2):
        door.retag(customer, gold, {silver})
        assert door.tags_of(customer, labels) == {gold}
    door.retag(customer, "", {silver, gold})
    assert door.tags_of(customer, labels) == set()
    assert door.tags_of(customer, {other}) == {other}


def test_both_doors_see_the_same(site: Site, made: Made) -> None:
    silver, gold = made(), made()
    anna, bert = site.customer(), site.customer()
    both = doors(site)
    both["rest"].retag(anna, silver, set())
    both["sql"].retag(anna, gold, set())
    both["sql"].retag(bert, gold, set())
    seen = [door.tagged({silver, gold, "not there"}) for door in both.values()]
    assert seen[0] == seen[1]
    assert seen[0].known == {silver, gold}
    assert seen[0].by_customer == {anna: {silver, gold}, bert: {gold}}


def test_a_customer_who_is_gone(site: Site, door: TagDoor, made: Made) -> None:
    label = made()
    assert door.tags_of(987654321, {label}) is None


def test_a_tag_that_is_not_there(site: Site, door: TagDoor) -> None:
    customer, label = site.customer(), unique("Nothing ")
    assert door.tags_of(customer, {label}) == set()
    assert door.tagged({label}).known == set()
    door.retag(customer, "", {label})
    with pytest.raises(RefusedError, match="dolisync setup makes it"):
        door.retag(customer, label, set())


def test_the_trace_changes_with_each_link(site: Site, made: Made) -> None:
    silver, gold, other = made(), made(), made()
    anna, bert = site.customer(), site.customer()
    door = doors(site)["sql"]
    labels = {silver, gold}
    traces = [door.trace(labels)]
    for customer, wanted, unwanted in (
        (anna, silver, set()),
        (bert, silver, set()),
        (anna, gold, {silver}),
        (anna, "", {gold}),
    ):
        door.retag(customer, wanted, unwanted)
        traces.append(door.trace(labels))
    assert len(set(traces)) == len(traces)
    door.retag(anna, other, set())
    assert door.trace(labels) == traces[-1]
    assert doors(site)["rest"].trace(labels) is None


def test_the_one_under_no_other_tag_is_meant(site: Site, door: TagDoor, made: Made) -> None:
    label, above = made(), made()
    parent = next(
        int(row["id"])
        for row in site.http.get_list("categories", {"type": "customer", "limit": 1000})
        if row["label"] == above
    )
    body = {"label": label, "type": "customer", "fk_parent": parent}
    below = int(site.http.post("categories", body))
    customer = site.customer()
    site.http.post(f"categories/{below}/objects/customer/{customer}")
    assert door.tags_of(customer, {label}) == set()
    door.retag(customer, label, set())
    assert door.tags_of(customer, {label}) == {label}


def test_the_right_is_asked_for_without_doing_anything(site: Site, made: Made) -> None:
    made()
    assert may_tag(site.http)
    links = site.rows("SELECT 1 FROM llx_categorie_societe WHERE fk_soc = %s", NOBODY)
    assert links == []
