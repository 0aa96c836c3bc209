"""How the ledger keeps requests, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine

from dolisync.ledger import requests
from dolisync.ledger.engine import reading, write
from dolisync.ledger.requests import Place, Seen, State
from dolisync.model import CustomerKey
from tests.builders import NOON, SOURCE

ANNA = CustomerKey(SOURCE, 1, 7)
PLACE = Place("loyalty", SOURCE, 1, "customer", 7)
WORDS = {"adjust": "10", "reason": "été"}


def test_a_request_is_taken_once_until_it_is_answered(ledger_engine: Engine) -> None:
    def take(token: str) -> bool:
        return write(
            ledger_engine, lambda c: requests.take(c, PLACE, ANNA, WORDS, "x", token, NOON)
        )

    assert take("T1")
    assert not take("T2")
    with reading(ledger_engine) as connection:
        (request,) = requests.opened(connection, SOURCE)
        assert not requests.was_done_since(connection, PLACE, WORDS, NOON)
    assert (request.token, request.content, request.state) == ("T1", WORDS, State.TAKEN)
    write(ledger_engine, lambda c: requests.settle(c, request, State.DONE, "done"))
    write(ledger_engine, lambda c: requests.settle(c, request, State.REFUSED, "too late"))
    with reading(ledger_engine) as connection:
        assert [one.answer for one in requests.opened(connection, SOURCE)] == ["done"]
    write(ledger_engine, lambda c: requests.close(c, [request], NOON))
    with reading(ledger_engine) as connection:
        assert requests.opened(connection, SOURCE) == []
        assert requests.was_done_since(connection, PLACE, WORDS, NOON)
        assert not requests.was_done_since(connection, replace(PLACE, rowid=8), WORDS, NOON)
        assert not requests.was_done_since(connection, PLACE, WORDS, NOON + timedelta(seconds=1))
    assert take("T2")


def test_old_answers_are_forgotten_and_open_requests_are_not(ledger_engine: Engine) -> None:
    for token, words in [("T1", {"adjust": "1"}), ("T2", {"adjust": "2"})]:
        write(
            ledger_engine,
            lambda c, t=token, w=words: requests.take(c, PLACE, ANNA, w, "", t, NOON),  # type: ignore[misc]
        )
    with reading(ledger_engine) as connection:
        first, second = requests.opened(connection, SOURCE)
    write(ledger_engine, lambda c: requests.close(c, [first], NOON))
    late = NOON + timedelta(days=91)
    assert write(ledger_engine, lambda c: requests.clean(c, NOON + timedelta(days=89))) == 0
    assert write(ledger_engine, lambda c: requests.clean(c, late)) == 1
    with reading(ledger_engine) as connection:
        assert requests.opened(connection, SOURCE) == [second]


def test_the_place_in_the_log_of_saves_is_kept(ledger_engine: Engine) -> None:
    with reading(ledger_engine) as connection:
        assert requests.seen_saves(connection, SOURCE) is None
    for number in (5, 5, 9):
        seen = Seen(number, frozenset({number + 2, number + 7}), number + 8, NOON)
        write(ledger_engine, lambda c, s=seen: requests.note_seen_saves(c, SOURCE, s))  # type: ignore[misc]
    with reading(ledger_engine) as connection:
        assert requests.seen_saves(connection, SOURCE) == seen


def test_requests_follow_a_merge_and_its_undoing(ledger_engine: Engine) -> None:
    into = replace(ANNA, rowid=8)
    write(ledger_engine, lambda c: requests.take(c, PLACE, ANNA, WORDS, "", "T1", NOON))
    write(ledger_engine, lambda c: requests.follow(c, ANNA, into))
    with reading(ledger_engine) as connection:
        (request,) = requests.opened(connection, SOURCE)
    assert (request.customer, request.place) == (into, PLACE)
    write(ledger_engine, lambda c: requests.follow_back(c, ANNA))
    with reading(ledger_engine) as connection:
        (request,) = requests.opened(connection, SOURCE)
    assert request.customer == ANNA
