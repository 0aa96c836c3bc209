"""The code of a receipt, written on a customer card: its sale becomes his, and is answered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from connectors.dolibarr_sql import SqlSaleSource
from connectors.standin import StandIn
from connectors.standin.testing import MovingClock, opened
from dolisync.config import ClaimSettings
from dolisync.ledger import batches
from dolisync.ledger.engine import reading
from dolisync.ledger.signing import CLAIMS, ensure_signing_key
from dolisync.model import CustomerKey, SaleKey
from dolisync.program.surroundings import Surroundings
from dolisync.sync.claims import Claiming, printed_claim
from dolisync.sync.intake import Intake
from dolisync.sync.requests import Clerk
from tests.builders import SOURCE
from tests.unit.counter import GROUP, Counter, counter_terms, make_fields, source_terms

TERMS = ClaimSettings(days=30)


class CrashError(BaseException):
    """End the daemon here."""


def crash() -> None:
    raise CrashError


class ClaimCounter(Counter):
    """A counter at which receipts are claimed; it sells to nobody."""

    def restart(self) -> None:
        door = SqlSaleSource(self.standin.database_url, SOURCE, timezone="Europe/Paris")
        self.intake = Intake(self.engine, self.clock, self.rules, door, "sql")
        ensure_signing_key(self.engine, CLAIMS, self.clock.now())
        claiming = Claiming(
            self.engine,
            self.clock,
            self.rules,
            TERMS,
            {SOURCE: 1},
            self.book,
            lambda _: None,
        )
        programs = {self.terms.name: self.terms}
        self.clerk = Clerk(
            self.engine,
            self.clock,
            self.source,
            programs,
            self.rules,
            self.desk,  # type: ignore[arg-type]
            claiming=claiming,
        )

    def book(self, key: SaleKey) -> None:
        self.intake.take(list(self.intake.source.get([key.rowid])))

    def sold(self) -> tuple[str, str]:
        """Sell goods for 24 to nobody; return the receipt's number and code."""
        rowid = self.shop.pos_sell([self.product], None, "LIQ")
        (sale,) = self.intake.source.get([rowid])
        with reading(self.engine) as connection:
            found = printed_claim(connection, self.rules, TERMS, sale, self.clock.now().date())
        assert found is not None
        return sale.ref, found.code

    @property
    def product(self) -> int:
        return self.shop.add_product(f"P{self.shop.add_customer('x')}", "Coffee", "20")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, MovingClock]]:
    with opened(directory=tmp_path_factory.mktemp("claims")) as (standin, clock):
        make_fields(standin, source_terms(), counter_terms(), claims=TERMS)
        yield standin, clock


@pytest.fixture
def counter(place: tuple[StandIn, MovingClock], ledger: Engine) -> ClaimCounter:
    around = Surroundings(pos_customers=frozenset({place[0].pos_customer}))
    source = source_terms(pos_customers=[place[0].pos_customer])
    return ClaimCounter(*place, ledger, source, counter_terms(), around)


def claims(counter: ClaimCounter) -> int:
    with reading(counter.engine) as connection:
        return len(batches.listed(connection))


def test_the_sale_becomes_his_and_the_card_says_so(counter: ClaimCounter) -> None:
    ref, code = counter.sold()
    anna = counter.customer()
    counter.write(anna, claim=code.lower().replace("-", " "))
    assert counter.look().answered == 1
    assert counter.balance(anna) == 24
    assert counter.answer(anna) == f"receipt {ref}: +24, 24 points now"
    assert counter.shown(anna) == {}
    assert counter.breaches() == []


def test_a_receipt_is_claimed_once(counter: ClaimCounter) -> None:
    ref, code = counter.sold()
    anna, bert = counter.customer(), counter.customer()
    for customer, said in (
        (anna, f"receipt {ref}: +24, 24 points now"),
        (bert, f"receipt {ref} is somebody's already"),
    ):
        counter.write(customer, claim=code)
        counter.look()
        assert counter.answer(customer) == said
    counter.moving.move(minutes=20)
    counter.write(anna, claim=code)
    assert counter.look().refused == 1
    assert counter.answer(anna) == f"receipt {ref} is this customer's already"
    assert (counter.balance(anna), counter.balance(bert)) == (24, 0)
    assert claims(counter) == 1


@pytest.mark.parametrize("code", ["2Y7K-Q2M9-X3", "hello", "0", "<b>"])
def test_a_code_that_was_never_printed(counter: ClaimCounter, code: str) -> None:
    anna = counter.customer()
    counter.write(anna, claim=code)
    assert counter.look().refused == 1
    assert counter.answer(anna) == "no receipt has this code: compare it with the paper"


def test_days_that_are_over(counter: ClaimCounter) -> None:
    ref, code = counter.sold()
    day = counter.clock.now().astimezone(counter.terms.zone).date()
    counter.moving.move(days=31)
    anna = counter.customer()
    counter.write(anna, claim=code)
    counter.look()
    last = day + timedelta(days=30)
    assert counter.answer(anna) == f"receipt {ref} could be claimed until {last:%d/%m/%Y}"
    counter.moving.move(days=-31)


def test_the_tills_default_customer_claims_nothing(counter: ClaimCounter) -> None:
    _, code = counter.sold()
    counter.write(counter.standin.pos_customer, claim=code)
    counter.look()
    assert counter.answer(counter.standin.pos_customer) == "this customer takes no part"
    assert claims(counter) == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_daemon_that_dies_over_the_answer(counter: ClaimCounter, when: str) -> None:
    ref, code = counter.sold()
    anna = counter.customer()
    counter.write(anna, claim=code)
    getattr(counter.desk, when)["answer"] = crash
    with pytest.raises(CrashError):
        counter.look()
    counter.restart()
    counter.look()
    assert (counter.balance(anna), claims(counter)) == (24, 1)
    assert counter.answer(anna) == f"receipt {ref}: +24, 24 points now"
    assert counter.breaches() == []


def test_a_daemon_that_dies_between_claiming_and_answering(
    counter: ClaimCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, code = counter.sold()
    anna = counter.customer()
    counter.write(anna, claim=code)
    with monkeypatch.context() as broken:
        broken.setattr("dolisync.ledger.requests.settle", lambda *_: crash())
        with pytest.raises(CrashError):
            counter.look()
    counter.restart()
    counter.look()
    assert (counter.balance(anna), claims(counter)) == (24, 1)
    assert counter.answer(anna) == f"receipt {ref} is this customer's now, 24 points"


def test_only_who_may_ask(counter: ClaimCounter) -> None:
    counter.source = source_terms(
        request_groups=[GROUP], pos_customers=[counter.standin.pos_customer]
    )
    counter.restart()
    counter.look()
    paul = counter.shop.add_user("paulclaims", "Sales")
    _, code = counter.sold()
    anna = counter.customer()
    counter.write(anna, user=paul, claim=code)
    counter.look()
    assert "paulclaims may not ask for this" in counter.answer(anna)
    assert counter.balance(anna) == 0


def test_the_claim_is_a_batch_that_can_be_taken_back(counter: ClaimCounter) -> None:
    _, code = counter.sold()
    anna = counter.customer()
    counter.write(anna, claim=code)
    counter.look()
    with reading(counter.engine) as connection:
        (batch,) = batches.listed(connection)
    assert batch.token.startswith("B-")
    assert batch.details["into"] == anna
    assert CustomerKey(SOURCE, 1, anna).rowid == anna
