"""Free articles as rewards (D5): by name on a draft, rung up at a till, within their limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from connectors.dolibarr_codes import DolibarrCodes
from connectors.dolibarr_drafts import SqlDraftSearch
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_till import DolibarrTill
from connectors.standin import StandIn, extrafields
from connectors.standin.testing import MovingClock, opened
from dolisync.config import Settings
from dolisync.errors import TransientError, UnknownOutcome
from dolisync.ledger import schema
from dolisync.ledger.engine import reading
from dolisync.ledger.redemptions import count_taken
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.sync.draft_adoption import adopt_drafts
from dolisync.sync.ticket_articles import TicketArticles
from dolisync.sync.ticket_wishes import TicketWishes
from dolisync.sync.till_line import TillLine
from tests.builders import SOURCE, program
from tests.unit.counter import REWARDS, counter_terms, make_fields, source_terms
from tests.unit.test_drafts import TENTH, DraftCounter

D = Decimal
MUG = {"name": "mug", "title": "Coffee mug", "points": 120, "product": "MUG"}


@dataclass
class ArticleCounter(DraftCounter):
    """A counter with a till, at which points buy a mug."""

    def __post_init__(self) -> None:
        self.around = Surroundings(pos_customers=frozenset({self.standin.pos_customer}))
        self.http = DolibarrHttp(self.standin.url, self.standin.api_key, retry_pause_s=0)
        refs = sorted(self.terms.given_articles)
        self.screen = DolibarrTill(
            SOURCE, self.standin.database_url, self.http, price_field="loyprice", articles=refs
        )
        super().__post_init__()
        table = self.shop.tables.product
        found = self.shop.store.first(table.select().where(table.c.ref == "MUG"))
        self.mug = found["rowid"] if found else self.shop.add_product("MUG", "Mug", price_ttc=9)

    def restart(self) -> None:
        super().restart()
        programs = {self.terms.name: self.terms}
        drafts = self.clerk.drafts
        assert drafts is not None
        articles = TicketArticles(drafts, programs)
        door = DolibarrCodes(SOURCE, self.standin.database_url, self.http)
        self.wishes = TicketWishes(drafts, programs, door)
        self.tills = TillLine(self.engine, self.clock, self.source, programs, self.screen, articles)

    def turn(self, times: int = 2) -> None:
        for _ in range(times):
            super().turn(1)
            self.wishes.run_once()
            self.tills.run_once()
            self.publisher.run_once()

    def ticket(self, customer: int, mugs: int = 1) -> int:
        # What an earlier test left open.
        self.shop.pos_discard(int(self.shop.pos_open(1)))
        ticket = int(self.shop.pos_open(1))
        self.made.append(ticket)
        self.shop.pos_choose(ticket, customer)
        self.shop.add_line(ticket, None, 1, D(20), tva_tx=D(20))
        self.shop.pos_add(ticket, self.mug, mugs)
        return ticket

    def mugs(self, document: int) -> list[tuple[Any, Any, Any]]:
        """Return quantity, percentage off and total of the lines of mugs."""
        rows = [row for row in self.shop.lines(document) if row["fk_product"] == self.mug]
        return [(D(r["qty"]), D(r["remise_percent"]), D(r["total_ttc"])) for r in rows]

    def taken(self) -> int:
        with reading(self.engine) as connection:
            return count_taken(connection, self.terms.name, "mug").in_all

    def bring_back(self, document: int) -> None:
        note = int(self.shop.credit_note(document))
        self.shop.validate(note)
        self.made.append(note)
        self.turn()


def terms(**more: Any) -> Program:
    return counter_terms(reward=[*REWARDS, TENTH, {**MUG, **more}])


FREE = [(1, 100, 0)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, MovingClock]]:
    with opened(directory=tmp_path_factory.mktemp("articles")) as (standin, clock):
        fields = counter_terms(redeem={"product_field": "loyprice"})
        make_fields(standin, source_terms(till_line=True), fields)
        yield standin, clock


@pytest.fixture
def counter(place: tuple[StandIn, MovingClock], ledger: Engine) -> ArticleCounter:
    return open_counter(place, ledger)


def open_counter(place: Any, ledger: Engine, **more: Any) -> ArticleCounter:
    return ArticleCounter(*place, ledger, at_till(place), terms(**more))


def at_till(place: Any) -> Any:
    return source_terms(till_line=True, pos_customers=[place[0].pos_customer])


# --- by its name on a draft ----------------------------------------------------------------------


def test_an_article_is_added_free_of_charge(counter: ArticleCounter) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    before = counter.total(draft)
    counter.ask(draft, "coffee mug")
    assert counter.total(draft) == before
    assert counter.mugs(draft) == FREE
    assert (counter.balance(customer), counter.states()) == (380, ["drafted"])
    assert "Coffee mug given for 120 points, 380 points now" in counter.said(draft)
    (line,) = counter.ours(draft)
    assert line["description"].startswith("Mug [* 120 points DS-")
    assert counter.reasons()[-1].startswith("Coffee mug DS-")
    counter.shop.validate(draft)
    counter.turn()
    assert (counter.balance(customer), counter.states()) == (380, ["used"])
    assert counter.breaches() == []


def test_an_article_that_stands_there_becomes_free(counter: ArticleCounter) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    before = counter.total(draft)
    counter.shop.add_line(draft, counter.mug, 1)
    counter.ask(draft, "mug")
    assert counter.mugs(draft) == FREE
    assert (counter.total(draft), counter.balance(customer)) == (before, 380)
    counter.ask(draft, "0")
    assert counter.mugs(draft) == [(1, 0, 9)], "what staff had put there is paid again"
    assert (counter.total(draft), counter.balance(customer)) == (before + 9, 500)
    assert counter.ours(draft) == []
    assert counter.states() == ["revoked"]


def test_an_added_article_goes_when_it_is_taken_off(counter: ArticleCounter) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    counter.ask(draft, "mug")
    counter.ask(draft, "0")
    assert counter.mugs(draft) == []
    assert counter.balance(customer) == 500


def test_points_come_back_when_the_article_does(counter: ArticleCounter) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    counter.ask(draft, "mug")
    counter.shop.validate(draft)
    counter.turn()
    others = [row["rowid"] for row in counter.shop.lines(draft) if row["fk_product"] is None]
    note = int(counter.shop.credit_note(draft, others))
    counter.shop.validate(note)
    counter.made.append(note)
    counter.turn()
    assert counter.balance(customer) == 380, "the mug was kept"
    counter.bring_back(draft)
    assert counter.balance(customer) == 500
    assert counter.breaches() == []


@pytest.mark.parametrize("act", ["delete", "line", "percent", "quantity", "customer"])
def test_whatever_becomes_of_the_draft_the_points_come_back(
    counter: ArticleCounter, act: str
) -> None:
    customer, other = counter.customer(500), counter.customer()
    draft = counter.draft(customer)
    counter.ask(draft, "mug")
    line = counter.ours(draft)[0]["rowid"]
    match act:
        case "delete":
            counter.shop.delete_invoice(draft)
        case "line":
            counter.shop.delete_line(line)
        case "percent":
            counter.shop.change_line(line, remise_percent=50)
        case "quantity":
            counter.shop.change_line(line, qty=3)
        case _:
            counter.shop.pos_choose(draft, other)
    counter.rest()
    assert (counter.balance(customer), counter.states()) == (500, ["revoked"])
    if act != "delete":
        assert counter.mugs(draft) == []
    assert counter.breaches() == []


@pytest.mark.parametrize("call", ["add_goods", "reduce"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [UnknownOutcome("lost"), TransientError("down")])
def test_an_answer_that_is_lost_gives_nothing_twice(
    counter: ArticleCounter, call: str, when: str, error: Exception
) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    if call == "reduce":
        counter.shop.add_line(draft, counter.mug, 1)

    def breaks() -> None:
        raise error

    getattr(counter.door, when)[call] = breaks
    counter.ask(draft, "mug")
    counter.rest()
    assert counter.mugs(draft) == FREE
    assert (counter.balance(customer), counter.states()) == (380, ["drafted"])
    assert counter.breaches() == []


def test_articles_stand_beside_a_percentage_which_is_not_of_them(counter: ArticleCounter) -> None:
    customer = counter.customer(900)
    draft = counter.draft(customer)
    before = counter.total(draft)
    counter.shop.add_line(draft, counter.mug, 1)
    counter.ask(draft, "tenth")
    assert counter.total(draft) == before + 9 - D("7.62")
    counter.ask(draft, "mug")
    counter.turn()
    assert counter.total(draft) == before - D("6.72")
    assert sorted(counter.states()) == ["drafted", "drafted"]
    assert counter.balance(customer) == 900 - 200 - 120
    counter.shop.validate(draft)
    counter.turn()
    counter.bring_back(draft)
    assert counter.balance(customer) == 900
    assert counter.breaches() == []


def test_an_article_that_is_not_for_sale(place: Any, ledger: Engine) -> None:
    counter = open_counter(place, ledger, product="CUP")
    customer = counter.customer(500)
    draft = counter.draft(customer)
    counter.ask(draft, "mug")
    assert "the article CUP is not for sale" in counter.said(draft)
    assert (counter.balance(customer), counter.states()) == (500, [])


def test_an_article_is_no_discount_of_the_card(counter: ArticleCounter) -> None:
    customer = counter.customer(500)
    counter.write(customer, redeem="mug")
    counter.look()
    assert counter.answer(customer) == "this reward is taken off a draft: write its name there"
    assert counter.balance(customer) == 500


# --- rung up at a till ---------------------------------------------------------------------------


def test_it_is_free_when_it_is_rung_up(counter: ArticleCounter) -> None:
    customer = counter.customer(500)
    ticket = counter.ticket(customer)
    counter.turn()
    assert counter.mugs(ticket) == FREE
    assert (counter.balance(customer), counter.total(ticket)) == (380, D(24))
    counter.shop.pos_pay(ticket, "LIQ")
    counter.turn()
    assert (counter.balance(customer), counter.states()) == (380 + 24, ["used"])
    note = int(counter.shop.pos_credit_note(ticket))
    counter.made.append(note)
    counter.turn()
    assert counter.balance(customer) == 500
    assert counter.breaches() == []


def test_who_has_too_few_points_pays(counter: ArticleCounter) -> None:
    customer = counter.customer(119)
    ticket = counter.ticket(customer)
    counter.turn()
    assert counter.mugs(ticket) == [(1, 0, 9)]
    assert counter.states() == []
    nobody = counter.ticket(counter.standin.pos_customer)
    counter.turn()
    assert counter.states() == []
    counter.shop.pos_discard(nobody)


def test_another_customer_pays_and_the_first_one_has_his_points(counter: ArticleCounter) -> None:
    rich, poor, other = counter.customer(500), counter.customer(20), counter.customer(200)
    ticket = counter.ticket(rich)
    counter.turn()
    assert counter.mugs(ticket) == FREE
    counter.shop.pos_choose(ticket, poor)
    counter.turn()
    assert counter.mugs(ticket) == [(1, 0, 9)]
    assert (counter.balance(rich), counter.balance(poor)) == (500, 20)
    counter.shop.pos_choose(ticket, other)
    counter.turn()
    assert counter.mugs(ticket) == FREE
    assert counter.balance(other) == 80


def test_several_pieces_cost_and_count_each(place: Any, ledger: Engine) -> None:
    counter = open_counter(place, ledger, stock=3)
    customer = counter.customer(500)
    ticket = counter.ticket(customer, mugs=2)
    counter.turn()
    assert counter.mugs(ticket) == [(2, 100, 0)]
    assert (counter.balance(customer), counter.taken()) == (260, 2)
    line = counter.ours(ticket)[0]["rowid"]
    counter.shop.change_line(line, qty=4)
    counter.rest()
    assert counter.mugs(ticket) == [(4, 0, 36)], "there are three"
    assert (counter.balance(customer), counter.taken()) == (500, 0)
    counter.shop.change_line(line, qty=3)
    counter.rest()
    assert counter.mugs(ticket) == [(3, 100, 0)]
    assert (counter.balance(customer), counter.taken()) == (140, 3)
    assert counter.breaches() == []


def test_the_limits_hold_over_all_ways(place: Any, ledger: Engine) -> None:
    counter = open_counter(place, ledger, stock=2, per_member=1)
    first, second, third = (counter.customer(500) for _ in range(3))
    counter.ask(counter.draft(first), "mug")
    ticket = counter.ticket(first)
    counter.turn()
    assert counter.mugs(ticket) == [(1, 0, 9)], "one for each"
    counter.shop.pos_choose(ticket, second)
    counter.rest()
    assert counter.mugs(ticket) == FREE
    draft = counter.draft(third)
    counter.ask(draft, "mug")
    assert "no more of this reward" in counter.said(draft)
    assert [counter.balance(one) for one in (first, second, third)] == [380, 380, 500]


def test_the_catalogues_price_comes_before_the_one_on_the_product_card(
    place: Any, ledger: Engine
) -> None:
    found = terms()
    redeem = found.redeem.model_copy(update={"product_field": "loyprice"})
    both = found.model_copy(update={"redeem": redeem})
    counter = ArticleCounter(*place, ledger, at_till(place), both)
    extrafields.write(counter.standin.store, "product", counter.mug, {"loyprice": 40})
    try:
        rich, poor = counter.customer(500), counter.customer(100)
        ticket = counter.ticket(rich)
        counter.turn()
        assert (counter.mugs(ticket), counter.balance(rich)) == (FREE, 380)
        counter.shop.pos_pay(ticket, "LIQ")
        counter.turn()
        assert counter.balance(rich) == 380 + 24, "nothing is taken a second time"
        ticket = counter.ticket(poor)
        counter.turn()
        assert counter.mugs(ticket) == [(1, 0, 9)], "free for who has the points, or not at all"
        counter.shop.pos_discard(ticket)
    finally:
        extrafields.write(counter.standin.store, "product", counter.mug, {"loyprice": None})


# --- typed at a till -----------------------------------------------------------------------------


def typed(counter: ArticleCounter, ticket: int, text: str) -> int:
    """Type a free line without price, as a cashier does."""
    return int(counter.shop.add_line(ticket, None, 1, D(0), description=text, tva_tx=D(20)))


def texts(counter: ArticleCounter, ticket: int) -> list[str]:
    return [row["description"] or "" for row in counter.shop.lines(ticket)]


def test_a_percentage_is_asked_for_by_a_line_of_text(counter: ArticleCounter) -> None:
    customer = counter.customer(210)
    ticket = counter.ticket(customer)
    typed(counter, ticket, "*Tenth")
    # The mug is free as well for who has the points left: here he has not.
    counter.shop.delete_line(
        next(r["rowid"] for r in counter.shop.lines(ticket) if r["fk_product"] == counter.mug)
    )
    counter.turn()
    assert counter.total(ticket) == D("24.00") - D("2.40")
    assert not any(text.startswith("*") for text in texts(counter, ticket))
    assert counter.balance(customer) == 10
    counter.shop.add_line(ticket, None, 1, D(10), tva_tx=D(20))
    counter.turn()
    assert counter.total(ticket) == D("36.00") - D("3.60")
    counter.shop.pos_pay(ticket, "LIQ")
    counter.turn()
    # 32.40 were paid, and what points took off earns nothing.
    assert (counter.balance(customer), counter.states()) == (10 + 32, ["used"])
    assert counter.breaches() == []


def test_what_is_typed_is_taken_off_again_by_nought(counter: ArticleCounter) -> None:
    customer = counter.customer(200)
    ticket = counter.ticket(customer, mugs=4)
    typed(counter, ticket, "* tenth")
    counter.turn()
    assert counter.balance(customer) == 0
    typed(counter, ticket, "*0")
    counter.turn()
    assert (counter.balance(customer), counter.ours(ticket)) == (200, [])
    assert not any(text.startswith("*") for text in texts(counter, ticket))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("*tentth", "tentth: no such reward; did you mean A tenth off?"),
        ("*tenth", "tenth: 200 points wanted, 100 available: nothing was done"),
        ("*noble", "noble: this reward is for members of other tiers"),
        ("*20 EUR", "20 EUR: 400 points wanted, 100 available: nothing was done"),
    ],
)
def test_what_cannot_be_done_is_said_on_the_line(
    counter: ArticleCounter, text: str, said: str
) -> None:
    customer = counter.customer(100)
    ticket = counter.ticket(customer)
    typed(counter, ticket, text)
    counter.turn()
    found = texts(counter, ticket)
    assert not any(line.startswith("*") for line in found)
    assert any(said in line for line in found)
    assert counter.balance(customer) == 100
    before = found
    counter.turn()
    assert texts(counter, ticket) == before


def test_it_waits_for_goods_and_customer(counter: ArticleCounter) -> None:
    customer = counter.customer(200)
    counter.shop.pos_discard(int(counter.shop.pos_open(1)))
    ticket = int(counter.shop.pos_open(1))
    counter.made.append(ticket)
    counter.shop.pos_choose(ticket, counter.standin.pos_customer)
    typed(counter, ticket, "*tenth")
    counter.turn()
    counter.shop.add_line(ticket, None, 1, D(20), tva_tx=D(20))
    counter.turn()
    assert "*tenth" in texts(counter, ticket)
    counter.shop.pos_choose(ticket, customer)
    counter.turn()
    assert counter.total(ticket) == D("21.60")
    assert counter.balance(customer) == 0


def test_a_line_that_was_obeyed_and_stayed_is_not_obeyed_twice(counter: ArticleCounter) -> None:
    customer = counter.customer(500)
    ticket = counter.ticket(customer, mugs=9)
    line = typed(counter, ticket, "*mug")
    counter.turn(1)
    table = counter.shop.tables.facturedet
    assert counter.balance(customer) == 380
    row = counter.shop.store.get(table, line)
    counter.restart()
    counter.turn()
    assert counter.balance(customer) == 380
    assert row is None or counter.shop.store.get(table, line) is None


def test_other_lines_of_text_are_nobodys_wish(counter: ArticleCounter) -> None:
    customer = counter.customer(500)
    ticket = counter.ticket(customer, mugs=9)
    typed(counter, ticket, "tenth")
    typed(counter, ticket, "*")
    draft = counter.draft(customer)
    typed(counter, draft, "*tenth")
    counter.turn()
    assert (counter.balance(customer), counter.states()) == (500, [])


# --- after a ledger was restored -----------------------------------------------------------------


def test_an_article_that_a_restored_ledger_does_not_know_costs_its_points_again(
    counter: ArticleCounter, tmp_path: Path
) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    copy = schema.backup(counter.engine, tmp_path / "copies", counter.clock.now())
    counter.ask(draft, "mug")
    assert counter.balance(customer) == 380
    schema.restore(counter.engine, copy)
    search = SqlDraftSearch(counter.standin.database_url)
    programs = {counter.terms.name: counter.terms}
    for is_first in (True, False):
        found = adopt_drafts(
            counter.engine, counter.clock, counter.rules, programs, counter.reader, search
        )
        # What earlier tests left in this shop is unknown to this ledger, too.
        assert bool(found) is is_first
        assert counter.balance(customer) == 380
    counter.shop.validate(draft)
    counter.turn()
    counter.bring_back(draft)
    assert counter.balance(customer) == 500
    assert counter.breaches() == []


# --- configuring it ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"amount": 5}, "reward 'mug' has amount and product"),
        ({"percent": 5}, "reward 'mug' has percent and product"),
        ({"at_most": 5}, "at_most limits a percent"),
        ({"automatic": True}, "cannot be automatic: an article is on a document"),
        ({"product": ""}, "at least 1 character"),
    ],
)
def test_what_cannot_be_meant_is_said_in_words(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        program(reward=[{**MUG, **more}])


def test_whoever_spends_any_does_not_spend_all_for_a_mug() -> None:
    with pytest.raises(ValueError, match="is a product: partial = false does not go with it"):
        program(reward=[MUG], redeem={"partial": False})


def test_points_buy_no_gift_card() -> None:
    values = {
        "source": [{"url": "http://x", "api_key": {"env": "K"}}],
        "program": [program(reward=[{**MUG, "product": "CARD"}]).model_dump()],
        "gift_card": {"product": "CARD"},
    }
    with pytest.raises(ValueError, match="reward 'mug' gives 'CARD', which is sold as a gift card"):
        Settings.model_validate(values)


def test_of_two_prices_the_lower_one_counts() -> None:
    cheap = {**MUG, "name": "cheap", "points": 50}
    assert program(reward=[MUG, cheap]).given_articles["MUG"].name == "cheap"
    assert program(reward=[cheap, MUG]).given_articles["MUG"].name == "cheap"
