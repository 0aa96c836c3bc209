"""Fifty things that staff do to documents in Dolibarr, and what the ledger holds afterwards.

Each row is played on the stand-in and read through both doors, into a ledger for each; after every
row both hold the same. When all are played, in whatever order, every invariant holds, and reading
everything into an empty ledger gives the same balances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from builders import program
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_rest import RestSaleSource
from connectors.dolibarr_sql import SqlSaleSource
from connectors.dolibarr_sql_sink import SqlSink
from connectors.standin import StandIn
from dolisync.config import ReconcileSettings, Source
from dolisync.ledger import rulesets
from dolisync.ledger.engine import open_engine, reading
from dolisync.ledger.outbox import Target
from dolisync.ledger.views import member_view
from dolisync.model import CustomerKey
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.sync import audit, redeem
from dolisync.sync.discounts import follow_discounts
from dolisync.sync.intake import Intake
from dolisync.sync.judge import Rules, Showing
from dolisync.sync.publish import Publisher
from dolisync.sync.reconcile import Reconciler
from tests.fakes import reward

START, END = date(2020, 1, 1), date(2100, 1, 1)
# No transaction lasts here, and each look reads only what is new.
OVERLAP = timedelta(seconds=3)
TERMS = program(
    start=date(2020, 1, 1), reward=[reward(10, "3", name="small")], timezone="Europe/Paris"
)


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Door:
    """One way to read, and the ledger that is filled through it."""

    engine: Engine
    source: Any
    name: str
    terms: Program = TERMS

    def __post_init__(self) -> None:
        self.rules = self._rules(self.engine)
        self.intake = self._intake(self.engine, self.rules)

    def _rules(self, engine: Engine) -> Rules:
        book = rulesets.adopt(engine, (self.terms,), SystemClock().now())
        return Rules(book, {"shop": Surroundings()}, {"shop": Showing()})

    def _intake(self, engine: Engine, rules: Rules) -> Intake:
        return Intake(
            engine,
            SystemClock(),
            rules,
            self.source,
            self.name,
            OVERLAP,
            customers=self.source,
        )

    def look(self, *, deleted: bool = False) -> None:
        self.intake.run_once()
        if deleted:
            Reconciler(self.intake, ReconcileSettings(max_vanished=1000)).run_once()

    def balance(self, customer: int, engine: Engine | None = None) -> int:
        key = CustomerKey("shop", 1, customer)
        with reading(engine or self.engine) as connection:
            return member_view(connection, "loyalty", key, SystemClock().now().date()).balance

    def replay(self, path: Path, template: Path) -> Engine:
        """Read everything into an empty ledger."""
        path.write_bytes(template.read_bytes())
        engine = open_engine(f"sqlite:///{path}")
        self._intake(engine, self._rules(engine)).backfill(START, END)
        return engine


@dataclass
class Place:
    """The stand-in, both doors, and what one row is about."""

    standin: StandIn
    doors: list[Door]
    coffee: int
    tea: int
    customer: int = 0
    other: int = 0
    deleted: bool = False
    played: list[tuple[int, int]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10_000)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.standin.shop, name)

    def begin(self) -> None:
        number = next(self.numbers)
        self.customer = self.standin.shop.add_customer(f"Customer {number}")
        self.other = self.standin.shop.add_customer(f"Other {number}")
        self.deleted = False

    def look(self) -> None:
        for door in self.doors:
            door.look(deleted=self.deleted)

    def sold(self, *items: Any, mode: str | None = "LIQ") -> int:
        return self.standin.shop.sell(self.customer, list(items or [self.coffee]), mode=mode)

    def returned(self, source: int, *lines: int) -> int:
        """Make and validate a credit note, of all lines or of some (by their place)."""
        rows = [line["rowid"] for line in self.standin.shop.lines(source)]
        chosen = [rows[place] for place in lines] or None
        note = self.standin.shop.credit_note(source, chosen)
        self.standin.shop.validate(note)
        return int(note)

    def deposit(self, amount: str, *, paid: bool = True) -> int:
        invoice = self.standin.shop.new_invoice(self.customer, 3)
        self.standin.shop.add_line(invoice, None, 1, price_ttc=amount, tva_tx=20)
        self.standin.shop.validate(invoice)
        if paid:
            self.standin.shop.pay(invoice)
        return int(invoice)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("corrections")
    with StandIn("20.0.2", directory=folder) as standin:
        http = DolibarrHttp(standin.url, standin.api_key)
        rest = RestSaleSource(http, "shop", 1, "Europe/Paris", 100, None, "UTC")
        sql = SqlSaleSource(standin.database_url, "shop", 1, "Europe/Paris")
        doors = []
        for name, source in (("sql", sql), ("rest", rest)):
            path = folder / f"{name}.db"
            path.write_bytes(sqlite_template.read_bytes())
            doors.append(Door(open_engine(f"sqlite:///{path}"), source, name))
        shop = standin.shop
        coffee = shop.add_product("COFFEE", "Coffee", 10)
        tea = shop.add_product("TEA", "Tea", 20)
        found = Place(standin, doors, coffee, tea)
        yield found
        _hold_together(found, folder / "replay.db", sqlite_template)
        sql.close()


def _hold_together(place: Place, path: Path, template: Path) -> None:
    """Check both ledgers, and compare them with one that reads everything at once."""
    replayed = place.doors[0].replay(path, template)
    for door in place.doors:
        assert audit.verify(door.engine, SystemClock(), door.rules) == []
        for customer, wanted in place.played:
            assert door.balance(customer) == wanted
            assert door.balance(customer, replayed) == wanted
        door.engine.dispose()
    replayed.dispose()


# Coffee is 12 with tax and earns 12 points, tea is 24.
Act = Callable[[Place], None]
ROWS: dict[str, tuple[Act, int, int]] = {}


def row(balance: int, other: int = 0) -> Callable[[Act], Act]:
    """Note a row: what the customer, and another one, hold in the end."""

    def keep(act: Act) -> Act:
        ROWS[act.__name__] = (act, balance, other)
        return act

    return keep


@row(12)
def sold_and_paid(p: Place) -> None:
    p.sold()


@row(0)
def not_paid_yet(p: Place) -> None:
    p.sold(mode=None)


@row(12)
def paid_in_two_parts(p: Place) -> None:
    invoice = p.sold(mode=None)
    p.pay(invoice, 5)
    p.look()
    p.pay(invoice, 7)


@row(0)
def the_first_part_only(p: Place) -> None:
    p.pay(p.sold(mode=None), 5)


@row(0)
def a_payment_deleted(p: Place) -> None:
    invoice = p.sold(mode=None)
    payment = p.pay(invoice, 12)
    p.look()
    p.set_unpaid(invoice)
    p.delete_payment(payment)


@row(12)
def a_payment_deleted_and_made_again(p: Place) -> None:
    invoice = p.sold(mode=None)
    payment = p.pay(invoice, 12)
    p.look()
    p.set_unpaid(invoice)
    p.delete_payment(payment)
    p.look()
    p.pay(invoice, 12)


@row(0)
def reopened(p: Place) -> None:
    invoice = p.sold()
    p.look()
    p.set_draft(invoice)


@row(12)
def reopened_and_validated_again_with_its_payment(p: Place) -> None:
    invoice = p.sold()
    p.look()
    p.set_draft(invoice)
    p.look()
    p.validate(invoice)


@row(36)
def reopened_a_line_added_validated_and_paid(p: Place) -> None:
    invoice = p.sold()
    p.look()
    p.set_draft(invoice)
    p.add_line(invoice, p.tea)
    p.look()
    p.validate(invoice)
    p.pay(invoice, 24)


@row(12)
def reopened_a_line_taken_off(p: Place) -> None:
    invoice = p.sold(p.coffee, p.tea)
    p.look()
    p.set_draft(invoice)
    p.delete_line(p.lines(invoice)[1]["rowid"])
    p.validate(invoice)


@row(24)
def reopened_a_quantity_changed(p: Place) -> None:
    invoice = p.sold()
    p.look()
    p.set_draft(invoice)
    p.change_line(p.lines(invoice)[0]["rowid"], qty=2)
    p.look()
    p.validate(invoice)


@row(0, 12)
def given_to_another_customer(p: Place) -> None:
    invoice = p.sold()
    p.look()
    p.change_customer_of(invoice, p.other)


@row(12, 0)
def given_to_another_and_back(p: Place) -> None:
    invoice = p.sold()
    p.look()
    p.change_customer_of(invoice, p.other)
    p.look()
    p.change_customer_of(invoice, p.customer)


@row(0)
def abandoned(p: Place) -> None:
    invoice = p.sold(mode=None)
    p.look()
    p.abandon(invoice)


@row(12)
def abandoned_reopened_and_paid(p: Place) -> None:
    invoice = p.sold(mode=None)
    p.abandon(invoice)
    p.look()
    p.set_unpaid(invoice)
    p.look()
    p.pay(invoice, 12)


@row(0)
def replaced_by_a_draft(p: Place) -> None:
    p.replace(p.sold(mode=None))


@row(12)
def replaced(p: Place) -> None:
    source = p.sold(mode=None)
    p.look()
    replacement = p.replace(source)
    p.look()
    p.validate(replacement)
    p.pay(replacement, 12)


@row(24)
def replaced_by_more(p: Place) -> None:
    source = p.sold(mode=None)
    replacement = p.replace(source)
    p.change_line(p.lines(replacement)[0]["rowid"], qty=2)
    p.validate(replacement)
    p.look()
    p.pay(replacement, 24)


@row(0)
def deleted_the_last_one(p: Place) -> None:
    invoice = p.sold(mode=None)
    p.look()
    p.delete_invoice(invoice)
    p.deleted = True


@row(24)
def a_number_used_again(p: Place) -> None:
    invoice = p.sold(mode=None)
    ref = p.invoice(invoice)["ref"]
    p.look()
    p.delete_invoice(invoice)
    other = p.sold(p.tea)
    assert p.invoice(other)["ref"] == ref
    p.deleted = True


@row(5)
def closed_with_a_discount_on_prompt_payment(p: Place) -> None:
    invoice = p.sold(mode=None)
    p.pay(invoice, 5)
    p.look()
    p.close(invoice, "discount_vat")


@row(0)
def closed_as_a_bad_customer(p: Place) -> None:
    invoice = p.sold(mode=None)
    p.look()
    p.close(invoice, "badcustomer")


@row(0)
def closed_and_opened_again(p: Place) -> None:
    invoice = p.sold(mode=None)
    p.pay(invoice, 5)
    p.close(invoice, "badcustomer")
    p.look()
    p.set_unpaid(invoice)


@row(0)
def returned_whole(p: Place) -> None:
    invoice = p.sold()
    p.look()
    p.returned(invoice)


@row(24)
def returned_in_part(p: Place) -> None:
    p.returned(p.sold(p.coffee, p.tea), 0)


@row(0)
def returned_in_two_parts(p: Place) -> None:
    invoice = p.sold(p.coffee, p.tea)
    p.look()
    p.returned(invoice, 0)
    p.look()
    p.returned(invoice, 1)


@row(12)
def a_return_deleted(p: Place) -> None:
    note = p.returned(p.sold())
    p.look()
    p.delete_invoice(note)
    p.deleted = True


@row(12)
def a_return_reopened(p: Place) -> None:
    note = p.returned(p.sold())
    p.look()
    p.set_draft(note)


@row(0)
def a_return_reopened_and_validated_again(p: Place) -> None:
    note = p.returned(p.sold())
    p.set_draft(note)
    p.look()
    p.validate(note)


@row(0)
def returned_before_it_was_ever_seen(p: Place) -> None:
    p.returned(p.sold())


@row(0)
def a_return_of_an_unpaid_sale(p: Place) -> None:
    invoice = p.sold(mode=None)
    p.look()
    p.returned(invoice)


@row(-12)
def a_return_without_a_source(p: Place) -> None:
    note = p.new_invoice(p.customer, 2)
    p.add_line(note, None, 1, -10, tva_tx=20)
    p.validate(note)


@row(0)
def a_return_made_available_as_a_discount(p: Place) -> None:
    note = p.returned(p.sold())
    p.look()
    p.mark_credit_available(note)


@row(24)
def a_return_pays_another_sale(p: Place) -> None:
    (credit,) = p.mark_credit_available(p.returned(p.sold()))
    p.look()
    invoice = p.sold(p.tea, mode=None)
    p.use_credit_note(invoice, credit)
    p.look()
    p.pay(invoice, 12)


@row(24)
def a_return_taken_off_another_sale(p: Place) -> None:
    (credit,) = p.mark_credit_available(p.returned(p.sold()))
    invoice = p.new_invoice(p.customer)
    p.add_line(invoice, p.tea)
    p.use_discount(invoice, credit)
    p.look()
    p.validate(invoice)
    p.pay(invoice, 12)


@row(0)
def a_deposit_alone(p: Place) -> None:
    p.deposit("10")


@row(24)
def a_deposit_and_its_final_invoice(p: Place) -> None:
    deposit = p.deposit("10")
    (credit,) = p.mark_credit_available(deposit)
    p.look()
    invoice = p.new_invoice(p.customer)
    p.add_line(invoice, p.tea)
    p.use_discount(invoice, credit)
    p.validate(invoice)
    p.look()
    p.pay(invoice, 14)


@row(0)
def a_proforma(p: Place) -> None:
    invoice = p.new_invoice(p.customer, 4)
    p.add_line(invoice, p.tea)
    p.validate(invoice)


@row(36)
def a_ticket(p: Place) -> None:
    ticket = p.pos_open(1)
    p.pos_choose(ticket, p.customer)
    p.pos_add(ticket, p.coffee, 3)
    p.look()
    p.pos_pay(ticket, "LIQ")


@row(0, 12)
def a_ticket_whose_customer_is_changed_before_it_is_paid(p: Place) -> None:
    ticket = p.pos_open(1)
    p.pos_choose(ticket, p.customer)
    p.pos_add(ticket, p.coffee)
    p.look()
    p.pos_choose(ticket, p.other)
    p.pos_pay(ticket, "LIQ")


@row(0)
def a_ticket_discarded(p: Place) -> None:
    ticket = p.pos_open(1)
    p.pos_choose(ticket, p.customer)
    p.pos_add(ticket, p.coffee)
    p.look()
    p.pos_discard(ticket)


def ticket_of(p: Place, *products: int) -> int:
    ticket = p.pos_open(1)
    p.pos_choose(ticket, p.customer)
    for product in products:
        p.pos_add(ticket, product)
    p.pos_pay(ticket, "LIQ")
    return ticket


@row(0)
def a_ticket_returned_at_the_till(p: Place) -> None:
    ticket = ticket_of(p, p.coffee)
    p.look()
    p.pos_credit_note(ticket)


@row(0, 24)
def the_source_of_a_till_return_rewritten(p: Place) -> None:
    first = ticket_of(p, p.coffee)
    note = p.pos_credit_note(first)
    p.look()
    other = p.sell(p.other, [p.tea])
    p.change_invoice(note, fk_facture_source=other)


@row(12)
def an_exchange_on_one_ticket(p: Place) -> None:
    ticket = p.pos_open(1)
    p.pos_choose(ticket, p.customer)
    p.pos_add(ticket, p.tea)
    p.pos_add(ticket, p.coffee, -1)
    p.pos_pay(ticket, "LIQ")


@row(12)
def a_negative_ticket_whose_source_is_guessed(p: Place) -> None:
    ticket_of(p, p.tea)
    p.look()
    ticket = p.pos_open(1)
    p.pos_choose(ticket, p.customer)
    p.pos_add(ticket, p.coffee, -1)
    p.pos_pay(ticket, "LIQ")


@row(0)
def a_sale_for_nothing(p: Place) -> None:
    ticket = p.pos_open(1)
    p.pos_choose(ticket, p.customer)
    p.pos_add(ticket, p.coffee)
    p.pos_reduce(ticket, 100)
    p.pos_pay(ticket, "LIQ")


@row(6)
def half_price(p: Place) -> None:
    ticket = p.pos_open(1)
    p.pos_choose(ticket, p.customer)
    p.pos_add(ticket, p.coffee)
    p.pos_reduce(ticket, 50)
    p.pos_pay(ticket, "LIQ")


@row(0, 24)
def merged(p: Place) -> None:
    p.sold()
    p.sell(p.other, [p.coffee])
    p.look()
    p.merge_customers(p.other, p.customer)


@row(0, 24)
def merged_before_the_second_was_seen(p: Place) -> None:
    p.sold()
    p.look()
    p.sell(p.other, [p.coffee])
    p.merge_customers(p.other, p.customer)


@row(0, 0)
def merged_and_returned(p: Place) -> None:
    invoice = p.sold()
    p.look()
    p.merge_customers(p.other, p.customer)
    p.look()
    p.returned(invoice)


@row(12)
def a_customer_renamed(p: Place) -> None:
    p.sold()
    p.look()
    p.rename_customer(p.customer, "Zoë 🌻")


@pytest.mark.parametrize("name", ROWS)
def test_the_ledger_follows(place: Place, name: str) -> None:
    act, wanted, wanted_of_other = ROWS[name]
    place.begin()
    act(place)
    place.look()
    for door in place.doors:
        held = (door.balance(place.customer), door.balance(place.other))
        assert held == (wanted, wanted_of_other), door.name
    place.played.append((place.customer, wanted))
    place.played.append((place.other, wanted_of_other))


# --- with a reward on the sale -------------------------------------------------------------------


@dataclass
class Spending:
    """A customer with 24 points who turns ten of them into a discount of 3."""

    place: Place
    door: Door
    token: str
    publisher: Publisher
    sink: SqlSink

    def draft(self) -> int:
        invoice = self.place.new_invoice(self.place.customer)
        self.place.add_line(invoice, self.place.coffee)
        self.place.use_discount(invoice, self.rows()[0])
        return int(invoice)

    def sold(self) -> int:
        invoice = self.draft()
        self.place.validate(invoice)
        self.place.pay(invoice, 9)
        self.place.look()
        return invoice

    def rows(self) -> tuple[int, ...]:
        found = self.sink.find_discount(None, self.token)
        return found.rowids if found else ()

    def balance(self) -> int:
        self.place.look()
        assert audit.verify(self.door.engine, SystemClock(), self.door.rules) == []
        return self.door.balance(self.place.customer)


@pytest.fixture
def spending(place: Place) -> Iterator[Spending]:
    place.begin()
    place.sold(place.tea)
    place.look()
    door = place.doors[0]
    sink = SqlSink(place.standin.database_url, timezone="Europe/Paris", fk_user=1)
    source = Source.model_validate({"name": "shop", "url": "http://x", "api_key": "k"})
    publisher = Publisher(door.engine, SystemClock(), source, sink, {"loyalty": door.terms})
    token, key = redeem.new_token(), CustomerKey("shop", 1, place.customer)
    redeem.redeem(door.engine, SystemClock(), door.terms, key, door.terms.reward[0], token=token)
    _publish(publisher, key, token)
    yield Spending(place, door, token, publisher, sink)
    sink.close()


def _publish(publisher: Publisher, key: CustomerKey, token: str) -> None:
    publisher.send([Target("discount", key.source, key.entity, key.rowid, token)])


def test_a_reward_on_a_sale_lowers_what_it_earns(spending: Spending) -> None:
    spending.sold()
    assert spending.balance() == 24 - 10 + 9


def test_a_return_of_the_same_lines_brings_the_spent_points_back(spending: Spending) -> None:
    spending.place.returned(spending.sold())
    assert spending.balance() == 24
    assert follow_discounts(spending.publisher, spending.sink).trimmed == ()
    assert len(spending.rows()) == 1


def test_an_abandoned_sale_brings_the_spent_points_back(spending: Spending) -> None:
    invoice = spending.draft()
    spending.place.validate(invoice)
    assert spending.balance() == 14
    spending.place.abandon(invoice)
    assert spending.balance() == 24


def test_a_discount_doubled_by_a_replacement_is_removed_when_it_is_free(spending: Spending) -> None:
    invoice = spending.draft()
    spending.place.validate(invoice)
    replacement = spending.place.replace(invoice)
    assert len(spending.rows()) == 2
    assert follow_discounts(spending.publisher, spending.sink).trimmed == ()
    spending.place.delete_invoice(replacement)
    assert follow_discounts(spending.publisher, spending.sink).trimmed == (spending.token,)
    assert len(spending.rows()) == 1
    assert follow_discounts(spending.publisher, spending.sink).trimmed == ()
    assert spending.balance() == 14


def test_a_replacement_that_is_validated_keeps_the_points_spent_once(spending: Spending) -> None:
    invoice = spending.draft()
    spending.place.validate(invoice)
    spending.place.look()
    replacement = spending.place.replace(invoice)
    spending.place.validate(replacement)
    spending.place.pay(replacement, 9)
    assert spending.balance() == 24 - 10 + 9
    found = follow_discounts(spending.publisher, spending.sink)
    assert spending.token not in {*found.trimmed, *found.overspent}


def test_a_doubled_discount_that_was_used_is_told(spending: Spending) -> None:
    invoice = spending.draft()
    spending.place.validate(invoice)
    replacement = spending.place.replace(invoice)
    spending.place.delete_invoice(replacement)
    other = spending.place.new_invoice(spending.place.customer)
    spending.place.add_line(other, spending.place.coffee)
    spending.place.use_discount(other, spending.rows()[1])
    spending.place.validate(other)
    spending.balance()
    found = follow_discounts(spending.publisher, spending.sink)
    assert spending.token in found.overspent
    assert found.trimmed == ()


def test_a_ledger_restored_from_a_backup_books_what_it_has_forgotten(
    spending: Spending, tmp_path: Path, sqlite_template: Path
) -> None:
    spending.sold()
    path = tmp_path / "restored.db"
    path.write_bytes(sqlite_template.read_bytes())
    restored = Door(open_engine(f"sqlite:///{path}"), spending.door.source, "sql")
    restored.intake.backfill(START, END)
    customer = spending.place.customer
    assert restored.balance(customer) == 24 + 9
    publisher = Publisher(
        restored.engine,
        SystemClock(),
        spending.publisher.source,
        spending.sink,
        {"loyalty": restored.terms},
    )
    told = follow_discounts(publisher, spending.sink)
    assert spending.token in {found.token for found in told.unknown}
    adopted = follow_discounts(publisher, spending.sink, restored.rules)
    assert spending.token in adopted.adopted
    assert restored.balance(customer) == 24 - 10 + 9
    assert follow_discounts(publisher, spending.sink, restored.rules).adopted == ()
    assert audit.verify(restored.engine, SystemClock(), restored.rules) == []
    restored.engine.dispose()
