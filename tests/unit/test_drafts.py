"""Points taken off drafts: reserved once, placed to the cent, followed, and never lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, select

from connectors.dolibarr_drafts import RestDrafts
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_sql import SqlSaleSource
from connectors.standin import StandIn, extrafields
from connectors.standin.testing import MovingClock, opened
from dolisync.errors import RefusedError, TransientError, UnknownOutcome
from dolisync.ledger import outbox, tables
from dolisync.ledger.engine import reading
from dolisync.model import CustomerKey, SaleKey
from dolisync.sync.drafts import Drafts
from dolisync.sync.intake import Intake, is_provisional
from dolisync.sync.requests import Clerk
from tests.builders import SOURCE
from tests.unit.counter import REWARDS, Counter, counter_terms, make_fields, source_terms

MIXED = (("40", "20"), ("10", "10"), ("7.77", "5.5"))


@dataclass
class BreakingDoor:
    """A door to drafts at which something breaks before or after the next call of a kind."""

    door: RestDrafts
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    after: dict[str, Callable[[], None]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.door, name)

        def called(*args: Any) -> Any:
            self.calls.append(name)
            self.before.pop(name, lambda: None)()
            result = real(*args)
            self.after.pop(name, lambda: None)()
            return result

        return called


@dataclass
class DraftCounter(Counter):
    """A counter at which staff also ask on drafts."""

    def __post_init__(self) -> None:
        http = DolibarrHttp(self.standin.url, self.standin.api_key, retry_pause_s=0)
        self.door = BreakingDoor(RestDrafts(http, self.standin.database_url))
        self.made: list[int] = []
        self.reader = SqlSaleSource(self.standin.database_url, SOURCE, timezone="Europe/Paris")
        super().__post_init__()
        self.publisher.drafts = self.clerk.drafts
        self.intake = Intake(self.engine, self.clock, self.rules, self.reader, "sql")

    def restart(self) -> None:
        programs = {self.terms.name: self.terms}
        drafts = Drafts(
            self.engine, self.clock, self.source, programs, self.reader, self.door, self.rules
        )
        self.clerk = Clerk(
            self.engine, self.clock, self.source, programs, self.rules, self.desk, drafts
        )

    def draft(self, customer: int) -> int:
        rowid = int(self.shop.new_invoice(customer))
        for price, rate in MIXED:
            self.shop.add_line(rowid, None, 1, Decimal(price), tva_tx=Decimal(rate))
        self.made.append(rowid)
        return rowid

    def ask(self, draft: int, what: str) -> None:
        extrafields.write(self.standin.store, "facture", draft, {"loyuse": what})
        self.turn()

    def turn(self, times: int = 2) -> None:
        for _ in range(times):
            self.moving.move(seconds=1)
            # The database's own clock is another one than the shop's here: no cursor, then.
            found = self.reader.get(self.made) if self.made else ()
            self.intake.take([sale for sale in found if not is_provisional(sale)])
            self.clerk.run_once()
            self.publisher.run_once()

    def rest(self, seconds: int = 130) -> None:
        """Let what waits become due, and go on."""
        for _ in range(3):
            self.moving.move(seconds=seconds)
            self.turn(1)

    def said(self, draft: int) -> str:
        held = extrafields.values_of(self.standin.store, "facture", [draft])[draft]
        assert not held.get("loyuse")
        return str(held.get("loysaid") or "")

    def total(self, draft: int) -> Decimal:
        return Decimal(self.shop.invoice(draft)["total_ttc"]).quantize(Decimal("0.01"))

    def ours(self, draft: int) -> list[Any]:
        return [row for row in self.shop.lines(draft) if "DS-" in (row["description"] or "")]

    def states(self) -> list[str]:
        with reading(self.engine) as connection:
            return list(connection.execute(select(tables.redemption.c.state)).scalars())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, MovingClock]]:
    with opened(directory=tmp_path_factory.mktemp("drafts")) as (standin, clock):
        make_fields(standin, source_terms(), counter_terms())
        yield standin, clock


@pytest.fixture
def counter(place: tuple[StandIn, MovingClock], ledger: Engine) -> DraftCounter:
    return DraftCounter(*place, ledger, source_terms(), counter_terms())


def test_an_amount_is_taken_off_to_the_cent_and_said(counter: DraftCounter) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    before = counter.total(draft)
    counter.ask(draft, "10 EUR")
    assert counter.total(draft) == before - 10
    assert (counter.balance(customer), counter.states()) == (300, ["drafted"])
    assert "€10.00 taken off for 200 points, 300 points now" in counter.said(draft)
    assert len(counter.ours(draft)) == len(MIXED)
    assert counter.breaches() == []


@pytest.fixture
def strict(place: tuple[StandIn, MovingClock], ledger: Engine) -> DraftCounter:
    """Give a counter at which points pay half of a bill at most, 50 at a time, and alone."""
    found = counter_terms()
    limits = {"minimum": Decimal(100), "step": Decimal(50), "max_share": Decimal(50)}
    redeem = found.redeem.model_copy(update={**limits, "with_discounts": False})
    terms = found.model_copy(update={"redeem": redeem})
    return DraftCounter(*place, ledger, source_terms(), terms)


def test_no_more_is_taken_off_than_the_terms_allow(strict: DraftCounter) -> None:
    customer = strict.customer(9000)
    draft = strict.draft(customer)
    before = strict.total(draft)
    strict.ask(draft, "max")
    taken = before - strict.total(draft)
    # Half of 67.20 is 33.60: thirteen steps of 2.50.
    assert (before, taken) == (Decimal("67.20"), Decimal("32.50"))
    assert strict.balance(customer) == 9000 - 650


def test_points_that_pay_too_much_of_what_is_left_are_taken_off(strict: DraftCounter) -> None:
    customer = strict.customer(9000)
    draft = strict.draft(customer)
    strict.ask(draft, "max")
    assert strict.balance(customer) == 8350
    dearest = max(strict.shop.lines(draft), key=lambda row: row["total_ttc"])
    strict.shop.change_line(dearest["rowid"], remise_percent=30)
    strict.rest()
    assert strict.ours(draft) == []
    assert strict.balance(customer) == 9000
    assert "more than points may pay of it" in strict.said(draft)


def test_what_the_terms_refuse_is_said_on_the_draft(strict: DraftCounter) -> None:
    poor, rich = strict.customer(99), strict.customer(500)
    for customer, what, said in (
        (poor, "max", "points can be spent from 100 on"),
        (rich, "49", "points are spent in steps of 50"),
    ):
        draft = strict.draft(customer)
        strict.ask(draft, what)
        assert said in strict.said(draft)
    draft = strict.draft(rich)
    strict.shop.add_line(draft, None, 1, Decimal(10), tva_tx=Decimal(20), remise_percent=5)
    strict.ask(draft, "100")
    assert "something is reduced already" in strict.said(draft)
    assert strict.states() == []
    assert strict.balance(rich) == 500


def test_a_reward_by_its_name_takes_off_what_it_is_worth(counter: DraftCounter) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    before = counter.total(draft)
    counter.ask(draft, "LITTLE th")
    assert counter.total(draft) == before - 5
    assert (counter.balance(customer), counter.states()) == (400, ["drafted"])
    assert "€5.00 taken off for 100 points, 400 points now" in counter.said(draft)
    assert {row["description"].split(" DS-")[0] for row in counter.ours(draft)} == {"Little thanks"}
    assert counter.reasons()[-1].startswith("Little thanks DS-")
    counter.shop.validate(draft)
    counter.turn()
    note = int(counter.shop.credit_note(draft))
    counter.shop.validate(note)
    counter.made.append(note)
    counter.turn()
    assert counter.balance(customer) == 500
    assert counter.breaches() == []


def test_the_limits_of_a_reward_hold_on_drafts_too(
    place: tuple[StandIn, MovingClock], ledger: Engine
) -> None:
    stocked = {**REWARDS[0], "stock": 2, "per_member": 1, "last_day": "2026-12-31"}
    late = {**REWARDS[0], "name": "late", "title": "Late thanks", "first_day": "2027-01-01"}
    terms = counter_terms(reward=[stocked, REWARDS[1], late], redeem={"minimum": 90})
    counter = DraftCounter(*place, ledger, source_terms(), terms)
    rich, second, third = (counter.customer(500) for _ in range(3))
    poor = counter.customer(80)
    for customer, what, said in (
        (rich, "small", "€5.00 taken off"),
        (rich, "small", "no more of this reward can be had"),
        (second, "Little thanks", "€5.00 taken off"),
        (third, "small", "no more of this reward can be had"),
        (third, "noble", "for members of other tiers"),
        (third, "late", "this reward can be had from 01/01/2027 to ..."),
        (third, "smal1", "did you mean Little thanks?"),
        (poor, "small", "points can be spent from 90 on"),
    ):
        draft = counter.draft(customer)
        counter.ask(draft, what)
        assert said in counter.said(draft)
    assert [counter.balance(one) for one in (rich, second, third, poor)] == [400, 400, 500, 80]
    assert counter.breaches() == []


TENTH = {"name": "tenth", "title": "A tenth off", "points": 200, "percent": "10", "at_most": 20}


@pytest.fixture
def tenth(place: tuple[StandIn, MovingClock], ledger: Engine) -> DraftCounter:
    """Give a counter at which 200 points buy a tenth off, up to 20.00."""
    terms = counter_terms(reward=[*REWARDS, TENTH])
    return DraftCounter(*place, ledger, source_terms(), terms)


def by_rate(counter: DraftCounter, draft: int) -> dict[Decimal, Decimal]:
    """Return what stands of ours on a draft, by VAT rate."""
    rows = counter.ours(draft)
    assert len({row["tva_tx"] for row in rows}) == len(rows)
    return {Decimal(str(row["tva_tx"])): Decimal(str(row["total_ttc"])) for row in rows}


def test_a_percentage_is_taken_off_each_rate(tenth: DraftCounter) -> None:
    customer = tenth.customer(500)
    draft = tenth.draft(customer)
    assert tenth.total(draft) == Decimal("67.20")
    tenth.ask(draft, "a tenth")
    assert tenth.total(draft) == Decimal("60.48")
    assert by_rate(tenth, draft) == {
        Decimal(20): Decimal("-4.80"),
        Decimal(10): Decimal("-1.10"),
        Decimal("5.5"): Decimal("-0.82"),
    }
    assert (tenth.balance(customer), tenth.states()) == (300, ["drafted"])
    assert "€6.72 taken off for 200 points, 300 points now" in tenth.said(draft)
    assert tenth.reasons()[-1].startswith("A tenth off DS-")
    tenth.shop.validate(draft)
    tenth.turn()
    assert (tenth.balance(customer), tenth.states()) == (300, ["used"])
    assert tenth.breaches() == []


def test_a_percentage_follows_the_goods_until_it_is_validated(tenth: DraftCounter) -> None:
    customer = tenth.customer(500)
    draft = tenth.draft(customer)
    tenth.ask(draft, "tenth")
    added = int(tenth.shop.add_line(draft, None, 1, Decimal(50), tva_tx=Decimal(20)))
    tenth.turn()
    assert tenth.total(draft) == Decimal("127.20") - Decimal("12.72")
    tenth.shop.add_line(draft, None, 1, Decimal(500), tva_tx=Decimal(10))
    tenth.turn()
    assert tenth.total(draft) == Decimal("677.20") - 20, "no more than at_most"
    for row in tenth.shop.lines(draft):
        if "DS-" not in (row["description"] or "") and row["rowid"] != added:
            tenth.shop.delete_line(row["rowid"])
    tenth.turn()
    assert by_rate(tenth, draft) == {Decimal(20): Decimal("-6.00")}
    assert (tenth.balance(customer), tenth.states()) == (300, ["drafted"])
    tenth.shop.validate(draft)
    tenth.turn()
    note = int(tenth.shop.credit_note(draft))
    tenth.shop.validate(note)
    tenth.made.append(note)
    tenth.turn()
    assert tenth.balance(customer) == 500
    assert tenth.breaches() == []


def test_a_percentage_of_nothing_that_is_left_gives_its_points_back(tenth: DraftCounter) -> None:
    customer = tenth.customer(500)
    draft = tenth.draft(customer)
    tenth.ask(draft, "tenth")
    for row in tenth.shop.lines(draft):
        if "DS-" not in (row["description"] or ""):
            tenth.shop.delete_line(row["rowid"])
    tenth.rest()
    assert (tenth.balance(customer), tenth.states()) == (500, ["revoked"])
    assert tenth.ours(draft) == []
    assert "no goods are left to take it off" in tenth.said(draft)


@pytest.mark.parametrize("act", ["line", "customer"])
def test_a_percentage_that_staff_take_off_is_not_put_there_again(
    tenth: DraftCounter, act: str
) -> None:
    customer, other = tenth.customer(500), tenth.customer()
    draft = tenth.draft(customer)
    tenth.ask(draft, "tenth")
    if act == "line":
        tenth.shop.delete_line(tenth.ours(draft)[0]["rowid"])
    else:
        tenth.shop.pos_choose(draft, other)
    tenth.rest()
    assert (tenth.balance(customer), tenth.states()) == (500, ["revoked"])
    assert tenth.ours(draft) == []


@pytest.mark.parametrize("call", ["add_line", "remove_line"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [UnknownOutcome("lost"), TransientError("down")])
def test_what_breaks_while_a_percentage_follows_heals(
    tenth: DraftCounter, call: str, when: str, error: Exception
) -> None:
    customer = tenth.customer(500)
    draft = tenth.draft(customer)
    tenth.ask(draft, "tenth")
    tenth.shop.add_line(draft, None, 1, Decimal(50), tva_tx=Decimal(20))

    def breaks() -> None:
        raise error

    getattr(tenth.door, when)[call] = breaks
    tenth.turn()
    tenth.rest()
    assert tenth.total(draft) == Decimal("127.20") - Decimal("12.72")
    assert len(by_rate(tenth, draft)) == len(MIXED)
    assert (tenth.balance(customer), tenth.states()) == (300, ["drafted"])
    assert tenth.breaches() == []


def test_a_percentage_is_no_discount_of_the_card(tenth: DraftCounter) -> None:
    customer = tenth.customer(500)
    tenth.write(customer, redeem="tenth")
    tenth.look()
    assert tenth.answer(customer) == "this reward is taken off a draft: write its name there"
    assert (tenth.balance(customer), tenth.states()) == (500, [])


def test_a_percentage_that_is_less_than_a_cent_is_refused(tenth: DraftCounter) -> None:
    customer = tenth.customer(500)
    draft = int(tenth.shop.new_invoice(customer))
    tenth.shop.add_line(draft, None, 1, Decimal("0.03"), tva_tx=Decimal(20))
    tenth.ask(draft, "tenth")
    assert "less than a cent" in tenth.said(draft)
    assert tenth.balance(customer) == 500


def test_all_that_fits(counter: DraftCounter) -> None:
    customer = counter.customer(9000)
    draft = counter.draft(customer)
    before = counter.total(draft)
    counter.ask(draft, "max")
    assert counter.total(draft) == 0
    assert counter.balance(customer) == 9000 - int((before / Decimal("0.05")).to_integral_value())


def test_validated_it_is_used_and_its_return_gives_points_back(counter: DraftCounter) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    counter.ask(draft, "200")
    counter.shop.validate(draft)
    counter.turn()
    assert (counter.balance(customer), counter.states()) == (300, ["used"])
    note = int(counter.shop.credit_note(draft))
    counter.shop.validate(note)
    counter.made.append(note)
    counter.turn()
    assert counter.balance(customer) == 500
    assert counter.breaches() == []


def test_a_draft_whose_lines_stay_holds_up_nothing_else(counter: DraftCounter) -> None:
    """Without the right to delete a line Dolibarr refuses it each time."""
    stuck, free = counter.customer(300), counter.customer(300)
    first, second = counter.draft(stuck), counter.draft(free)
    for draft in (first, second):
        counter.ask(draft, "200")
    for draft in (first, second):
        counter.shop.change_line(counter.ours(draft)[0]["rowid"], remise_percent=50)
    real = counter.door.door.remove_line

    def remove(sale: SaleKey, line: int) -> None:
        if sale.rowid == first:
            raise RefusedError("403")
        real(sale, line)

    counter.door.door.remove_line = remove  # type: ignore[method-assign]
    try:
        counter.turn()
        assert (counter.balance(stuck), counter.balance(free)) == (100, 300)
    finally:
        del counter.door.door.remove_line
    counter.rest()
    assert (counter.balance(stuck), counter.ours(first)) == (300, [])
    assert counter.breaches() == []


def test_an_order_to_take_it_off_again(counter: DraftCounter) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    before = counter.total(draft)
    counter.ask(draft, "200")
    counter.ask(draft, "0")
    assert (counter.total(draft), counter.balance(customer)) == (before, 500)
    assert counter.states() == ["revoked"]


@pytest.mark.parametrize("act", ["delete", "line", "percent", "customer"])
def test_whatever_becomes_of_the_draft_the_points_come_back(
    counter: DraftCounter, act: str
) -> None:
    customer, other = counter.customer(500), counter.customer()
    draft = counter.draft(customer)
    counter.ask(draft, "200")
    match act:
        case "delete":
            counter.shop.delete_invoice(draft)
        case "line":
            counter.shop.delete_line(counter.ours(draft)[0]["rowid"])
        case "percent":
            counter.shop.pos_reduce(draft, 10)
        case _:
            counter.shop.pos_choose(draft, other)
    counter.turn()
    assert (counter.balance(customer), counter.states()) == (500, ["revoked"])
    if act != "delete":
        assert counter.ours(draft) == []
        assert "DS-" in counter.said(draft)
    assert counter.breaches() == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [UnknownOutcome("lost"), TransientError("down")])
def test_an_answer_that_is_lost_takes_nothing_twice(
    counter: DraftCounter, when: str, error: Exception
) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    before = counter.total(draft)

    def breaks() -> None:
        raise error

    getattr(counter.door, when)["add_line"] = breaks
    counter.ask(draft, "10 EUR")
    counter.rest()
    assert counter.total(draft) == before - 10
    assert len(counter.ours(draft)) == len(MIXED)
    assert counter.balance(customer) == 300
    assert counter.breaches() == []


@pytest.mark.parametrize("place_of_death", ["before", "after"])
def test_a_daemon_that_dies_while_it_places_lines_goes_on(
    counter: DraftCounter, place_of_death: str
) -> None:
    class CrashError(BaseException):
        pass

    def dies() -> None:
        raise CrashError

    customer = counter.customer(500)
    draft = counter.draft(customer)
    before = counter.total(draft)
    getattr(counter.door, place_of_death)["add_line"] = dies
    with pytest.raises(CrashError):
        counter.ask(draft, "10 EUR")
    counter.restart()
    counter.rest()
    assert (counter.total(draft), counter.balance(customer)) == (before - 10, 300)
    assert len(counter.ours(draft)) == len(MIXED)


def test_two_drafts_cannot_take_the_same_points(counter: DraftCounter) -> None:
    customer = counter.customer(300)
    first, second = counter.draft(customer), counter.draft(customer)
    extrafields.write(counter.standin.store, "facture", first, {"loyuse": "200"})
    counter.ask(second, "200")
    assert counter.balance(customer) == 100
    assert sorted(counter.states()) in (["drafted"], ["drafted", "refused"])
    assert sum(bool(counter.ours(draft)) for draft in (first, second)) == 1
    assert "100" in counter.said(first if counter.ours(second) else second)


@pytest.mark.parametrize(
    ("what", "said"),
    [("400", "100"), ("zero", ""), ("0 EUR", ""), ("-5", "")],
)
def test_what_cannot_be_is_said_and_takes_nothing(
    counter: DraftCounter, what: str, said: str
) -> None:
    customer = counter.customer(100)
    draft = counter.draft(customer)
    before = counter.total(draft)
    counter.ask(draft, what)
    assert said in counter.said(draft)
    assert counter.said(draft)
    assert (counter.total(draft), counter.balance(customer)) == (before, 100)


def test_a_validated_invoice_is_no_draft(counter: DraftCounter) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    counter.shop.validate(draft)
    counter.ask(draft, "200")
    assert "no draft" in counter.said(draft)
    assert counter.states() == []


def test_nothing_waits_in_the_outbox_in_the_end(counter: DraftCounter) -> None:
    customer = counter.customer(500)
    draft = counter.draft(customer)
    counter.ask(draft, "200")
    counter.rest()
    with reading(counter.engine) as connection:
        found = outbox.listed(connection, ("new", "sending", "dead"), 10)
    assert [item for item in found if item.target.kind == "draft"] == []
    assert SaleKey(SOURCE, 1, draft).rowid == draft
    assert CustomerKey(SOURCE, 1, customer).rowid == customer


def test_cut_by_a_percentage_and_validated_at_once_only_what_is_left_is_used(
    counter: DraftCounter,
) -> None:
    customer = counter.customer(300)
    draft = counter.draft(customer)
    counter.ask(draft, "10 EUR")
    for row in counter.ours(draft):
        counter.shop.change_line(row["rowid"], remise_percent=50)
    counter.shop.validate(draft)
    counter.turn()
    assert (counter.balance(customer), counter.states()) == (200, ["used"])
    assert counter.breaches() == []


def test_lines_deleted_just_before_validating_give_all_back(counter: DraftCounter) -> None:
    customer = counter.customer(300)
    draft = counter.draft(customer)
    counter.ask(draft, "200")
    for row in counter.ours(draft):
        counter.shop.delete_line(row["rowid"])
    counter.shop.validate(draft)
    counter.turn()
    assert (counter.balance(customer), counter.states()) == (300, ["revoked"])


def test_used_reopened_and_deleted_there_they_come_back_by_the_sale(counter: DraftCounter) -> None:
    customer = counter.customer(300)
    draft = counter.draft(customer)
    counter.ask(draft, "200")
    counter.shop.validate(draft)
    counter.turn()
    assert counter.balance(customer) == 100
    counter.shop.set_draft(draft)
    for row in counter.ours(draft):
        counter.shop.delete_line(row["rowid"])
    counter.turn()
    assert counter.balance(customer) == 300
    assert counter.breaches() == []


def test_a_crash_between_taking_off_and_giving_back(
    counter: DraftCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer, other = counter.customer(300), counter.customer()
    draft = counter.draft(customer)
    counter.ask(draft, "200")
    counter.shop.pos_choose(draft, other)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("dolisync.sync.redeem.give_back", die)
        with pytest.raises(KeyboardInterrupt):
            counter.turn()
    assert (counter.ours(draft), counter.balance(customer)) == ([], 100)
    counter.restart()
    counter.turn()
    assert (counter.balance(customer), counter.states()) == (300, ["revoked"])
    assert counter.breaches() == []
