"""Who recommended a new customer, written on his card by staff."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select

from connectors.standin import StandIn
from connectors.standin.testing import MovingClock, opened
from dolisync.ledger import tables
from dolisync.ledger.engine import reading, write
from dolisync.ledger.privacy import erase, export
from dolisync.ledger.store import Transaction
from dolisync.model import CustomerKey, Sale
from dolisync.sync.judge import take_in
from tests.builders import SOURCE, sale
from tests.unit.counter import GROUP, Counter, counter_terms, make_fields, source_terms
from tests.unit.test_requests import CrashError, crash

TERMS = counter_terms(referral={"points": 100, "new_points": 50})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, MovingClock]]:
    with opened(directory=tmp_path_factory.mktemp("counter")) as (standin, clock):
        make_fields(standin, source_terms(), TERMS)
        yield standin, clock


@pytest.fixture
def counter(place: tuple[StandIn, MovingClock], ledger: Engine) -> Counter:
    return Counter(*place, ledger, source_terms(), TERMS)


def bought(counter: Counter, customer: int, rowid: int = 1) -> None:
    day = counter.moving().date()
    sold: Sale = replace(sale(rowid, 10, day=day), customer=CustomerKey(SOURCE, 1, customer))
    write(
        counter.engine,
        lambda c: take_in(Transaction(c, counter.clock.now()), counter.rules, [sold]),
    )


def code_of(counter: Counter, customer: int) -> str:
    societe = counter.standin.store.tables.societe
    query = select(societe.c.code_client).where(societe.c.rowid == customer)
    (row,) = counter.standin.store.rows(query)
    return str(row.code_client)


def balances(counter: Counter, *customers: int) -> tuple[int, ...]:
    assert counter.breaches() == []
    return tuple(counter.balance(one) for one in customers)


@pytest.mark.parametrize("by", ["code", "id", "card"])
def test_a_code_a_card_or_an_id_names_who_recommends(counter: Counter, by: str) -> None:
    card = f"29{counter.moving():%H%M%S%f}"
    anna, bert = counter.customer(), counter.shop.add_customer("Bert", barcode=card)
    words = {"code": code_of(counter, bert), "id": str(bert), "card": card}[by]
    counter.write(anna, refer=words)
    assert counter.look().answered == 1
    assert counter.answer(anna) == "recommendation noted: the points come with a purchase"
    assert counter.shown(anna) == {}
    bought(counter, anna)
    assert balances(counter, anna, bert) == (60, 100)


def test_bought_already_both_have_it_at_once(counter: Counter) -> None:
    anna, bert = counter.customer(), counter.customer()
    bought(counter, anna)
    counter.write(anna, refer=bert)
    counter.look()
    said = "recommendation noted: 50 points for this customer, 100 for the other"
    assert counter.answer(anna) == said


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("CU2411-00012", "no customer has the code CU2411-00012"),
        ("anna", "nobody can recommend himself"),
        ("-", "there is no recommendation to take back"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    counter: Counter, words: str, answer: str
) -> None:
    anna = counter.customer()
    counter.write(anna, refer=str(anna) if words == "anna" else words)
    report = counter.look()
    assert (report.answered, report.refused) == (1, 1)
    assert counter.answer(anna) == answer
    assert counter.shown(anna) == {}


def test_who_opted_out_neither_recommends_nor_is(counter: Counter) -> None:
    anna, bert = counter.customer(), counter.customer()
    counter.shop.edit_customer_field(bert, "nopoints", 1)
    counter.write(anna, refer=bert)
    counter.look()
    assert counter.answer(anna) == "one of the two takes no part"
    counter.write(bert, refer=anna)
    counter.look()
    assert counter.answer(bert) == "one of the two takes no part"


def test_a_wrong_word_is_taken_back_on_the_card(counter: Counter) -> None:
    anna, bert, carl = counter.customer(), counter.customer(), counter.customer()
    bought(counter, anna)
    counter.write(anna, refer=bert)
    counter.look()
    counter.write(anna, refer=carl)
    counter.look()
    assert counter.answer(anna) == "was recommended already; write - first to take that back"
    counter.write(anna, refer="-")
    counter.look()
    assert counter.answer(anna) == "recommendation taken back"
    counter.moving.move(minutes=11)
    counter.write(anna, refer=carl)
    counter.look()
    assert balances(counter, anna, bert, carl) == (60, 0, 100)


@pytest.mark.parametrize("words", ["bert", "-"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_between_the_deed_and_its_answer_does_nothing_twice(
    counter: Counter, words: str, when: str
) -> None:
    anna, bert = counter.customer(), counter.customer()
    bought(counter, anna)
    counter.write(anna, refer=bert)
    if words == "-":
        counter.look()
        counter.write(anna, refer="-")
    getattr(counter.desk, when)["answer"] = crash
    with pytest.raises(CrashError):
        counter.look()
    counter.restart()
    counter.look()
    ends = (10, 0) if words == "-" else (60, 100)
    assert balances(counter, anna, bert) == ends
    said = "taken back" if words == "-" else "50 points for this customer"
    assert said in counter.answer(anna)


def test_only_who_may_ask_says_who_recommended(
    place: tuple[StandIn, MovingClock], ledger: Engine
) -> None:
    counter = Counter(*place, ledger, source_terms(request_groups=[GROUP]), TERMS)
    counter.look()
    jeanne = counter.shop.add_user("jeanne_refers", GROUP)
    paul = counter.shop.add_user("paul_refers", "Sales")
    anna, bert = counter.customer(), counter.customer()
    counter.look()
    counter.write(anna, paul, refer=bert)
    counter.look()
    assert counter.answer(anna) == f"paul_refers may not ask for this; allowed: {GROUP}"
    counter.write(anna, jeanne, refer=bert)
    counter.look()
    with reading(ledger) as connection:
        assert connection.execute(select(tables.referral.c.made_by)).scalars().all() == [
            "jeanne_refers"
        ]


def test_the_request_names_the_other_only_until_it_is_answered(counter: Counter) -> None:
    anna, bert = counter.customer(), counter.customer()
    code = code_of(counter, bert)
    counter.write(anna, refer=code)
    counter.desk.before["answer"] = crash
    with pytest.raises(CrashError):
        counter.look()

    def asked() -> list[Any]:
        with reading(counter.engine) as connection:
            return list(connection.execute(select(tables.request.c.content)).scalars())

    assert code in asked()[0]
    key, other = (CustomerKey(SOURCE, 1, one) for one in (anna, bert))
    bought(counter, anna)
    with reading(counter.engine) as connection:
        told = export(connection, key, {})["asked_by_staff"]
    assert code not in str(told)

    def forget(connection: Connection) -> None:
        erase(Transaction(connection, counter.clock.now()), {}, other, "asked for it", "B-1")

    write(counter.engine, forget)
    assert asked() == []
    counter.restart()
    counter.look()
    assert code not in str(asked())
