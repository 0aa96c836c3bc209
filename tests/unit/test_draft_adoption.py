"""A ledger restored from a backup: points that were taken off documents since are taken again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import Engine

from commands.house import Doors, House
from commands.setting_up import _draft_findings
from connectors.dolibarr_drafts import RestDrafts, SqlDraftSearch
from connectors.dolibarr_http import DolibarrHttp
from connectors.standin import StandIn
from connectors.standin.testing import MovingClock, opened
from dolisync.ledger import outbox, schema
from dolisync.ledger.engine import reading, write
from dolisync.ledger.redemptions import count_taken
from dolisync.ledger.requests import Place, Request, State
from dolisync.model import CustomerKey
from dolisync.program.wishes import Part
from dolisync.sync.draft_adoption import adopt_drafts
from tests.builders import SOURCE
from tests.unit.counter import REWARDS, counter_terms, make_fields, source_terms
from tests.unit.test_drafts import DraftCounter

CHEAP = {"name": "cheap", "title": "Cheap thanks", "points": 40, "amount": "6"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[StandIn, MovingClock]]:
    with opened(directory=tmp_path) as (standin, clock):
        make_fields(standin, source_terms(), counter_terms())
        yield standin, clock


@pytest.fixture
def counter(place: tuple[StandIn, MovingClock], ledger: Engine) -> DraftCounter:
    return DraftCounter(*place, ledger, source_terms(), counter_terms())


def adopt(counter: DraftCounter) -> tuple[str, ...]:
    search = SqlDraftSearch(counter.standin.database_url)
    programs = {counter.terms.name: counter.terms}
    return adopt_drafts(
        counter.engine, counter.clock, counter.rules, programs, counter.reader, search
    )


@pytest.fixture
def lost(counter: DraftCounter, tmp_path: Path) -> tuple[DraftCounter, int, int]:
    """Give a draft with 200 points on it of which the restored ledger knows nothing."""
    customer = counter.customer(500)
    draft = counter.draft(customer)
    now = counter.clock.now()
    copy = schema.backup(counter.engine, tmp_path / "copies", now)
    counter.ask(draft, "10 EUR")
    assert counter.balance(customer) == 300
    schema.restore(counter.engine, copy)
    write(counter.engine, lambda connection: outbox.hold_creations(connection, now))
    assert counter.balance(customer) == 500
    return counter, customer, draft


def test_lines_on_a_draft_cost_their_points_again_once(
    lost: tuple[DraftCounter, int, int],
) -> None:
    counter, customer, draft = lost
    before = counter.ours(draft)
    assert len(adopt(counter)) == 1
    assert adopt(counter) == ()
    counter.rest()
    assert counter.balance(customer) == 300
    assert counter.ours(draft) == before
    assert counter.states() == ["drafted"]
    assert counter.breaches() == []


def test_a_reward_by_its_name_costs_its_own_price_again(
    place: tuple[StandIn, MovingClock], ledger: Engine, tmp_path: Path
) -> None:
    terms = counter_terms(reward=[*REWARDS, {**REWARDS[0], **CHEAP}])
    counter = DraftCounter(*place, ledger, source_terms(), terms)
    customer = counter.customer(500)
    draft = counter.draft(customer)
    now = counter.clock.now()
    copy = schema.backup(counter.engine, tmp_path / "copies", now)
    counter.ask(draft, "cheap")
    assert counter.balance(customer) == 460
    schema.restore(counter.engine, copy)
    assert len(adopt(counter)) == 1
    assert counter.balance(customer) == 460
    with reading(counter.engine) as connection:
        assert count_taken(connection, terms.name, "cheap").in_all == 1


def test_an_adopted_draft_is_followed(lost: tuple[DraftCounter, int, int]) -> None:
    counter, customer, draft = lost
    adopt(counter)
    counter.shop.delete_line(counter.ours(draft)[0]["rowid"])
    counter.turn()
    assert (counter.balance(customer), counter.ours(draft)) == (500, [])
    assert counter.states() == ["revoked"]


def test_what_was_validated_since_is_used(lost: tuple[DraftCounter, int, int]) -> None:
    counter, customer, draft = lost
    counter.shop.validate(draft)
    counter.turn()
    assert counter.balance(customer) == 500
    assert len(adopt(counter)) == 1
    assert (counter.balance(customer), counter.states()) == (300, ["used"])
    assert counter.breaches() == []


def test_points_spent_on_something_else_meanwhile_are_owed(
    lost: tuple[DraftCounter, int, int],
) -> None:
    counter, customer, _draft = lost
    other = counter.draft(customer)
    counter.ask(other, "20 EUR")
    assert counter.balance(customer) == 100
    adopt(counter)
    assert counter.balance(customer) == -100
    assert counter.breaches() == []


def test_a_request_that_was_done_already_puts_no_line_twice(
    lost: tuple[DraftCounter, int, int],
) -> None:
    """The copy was made between the request and its points: the clerk asks again."""
    counter, customer, draft = lost
    before = counter.ours(draft)
    token = before[0]["description"].split()[-1]
    place = Place(counter.terms.name, SOURCE, 1, "sale", draft)
    who, now = CustomerKey(SOURCE, 1, customer), counter.clock.now()
    content = {**dict.fromkeys(Part, ""), Part.USE: "10 EUR"}
    again = Request(1, token, place, who, content, "", State.TAKEN, "", now)
    drafts = counter.clerk.drafts
    assert drafts is not None
    assert drafts.serve(counter.terms, again) is None
    counter.rest()
    found = drafts.serve(counter.terms, again)
    assert found is not None
    assert found[0] == State.DONE
    assert counter.ours(draft) == before
    assert (counter.balance(customer), counter.states()) == (300, ["drafted"])
    assert counter.breaches() == []


@pytest.mark.parametrize(
    ("rights", "level", "said"),
    [
        ({11, 121, 262}, "warning", "the key may not write invoices"),
        ({11, 12, 121, 262}, "ok", "points can be taken off drafts"),
    ],
)
def test_check_tells_whether_the_key_may_write_on_drafts(
    place: tuple[StandIn, MovingClock], rights: set[int], level: str, said: str
) -> None:
    standin, _ = place
    key = standin.add_user(f"clerk{len(rights)}", frozenset(rights))
    door = RestDrafts(DolibarrHttp(standin.url, key, retry_pause_s=0), standin.database_url)
    house = cast("House", SimpleNamespace(draft_door=lambda _doors: door))
    (found,) = _draft_findings(house, cast("Doors", None))
    assert (found.level, found.topic) == (level, "drafts")
    assert said in found.message
