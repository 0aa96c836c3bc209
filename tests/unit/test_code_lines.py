"""Codes on drafts and at the till: taken once, following the goods, used as the sales say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, Engine, delete, select
from structlog.testing import capture_logs

from connectors.dolibarr_codes import DolibarrCodes
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_sql import SqlSaleSource
from connectors.standin import StandIn
from connectors.standin.testing import MovingClock, opened
from dolisync.code_answers import _SENTENCES, LANGUAGES
from dolisync.codes import new_code, shown_code
from dolisync.config import Source
from dolisync.errors import TransientError, UnknownOutcome
from dolisync.ledger import rulesets, tables, voucher_uses, vouchers
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import Transaction
from dolisync.ledger.vouchers import Kind, Voucher
from dolisync.model import SaleKey
from dolisync.program.surroundings import SoldCards, Surroundings
from dolisync.sync.audit import verify
from dolisync.sync.code_lines import CodeLines
from dolisync.sync.intake import Intake, is_provisional
from dolisync.sync.issuing import Wish
from dolisync.sync.judge import Rules, Showing, vanish
from dolisync.sync.vouchers import Vouchers
from tests.builders import SOURCE, program
from tests.unit.desk import DeskClock

MIXED = (("40", "20"), ("10", "10"), ("7.77", "5.5"))
ZONE = ZoneInfo("Europe/Paris")
GIFT = "GIFT"


@dataclass
class BreakingCodes:
    """A door at which something breaks before or after the next call of a kind."""

    door: DolibarrCodes
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    after: dict[str, Callable[[], None]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.door, name)

        def called(*args: Any) -> Any:
            if name != "typed":
                self.calls.append(name)
            self.before.pop(name, lambda: None)()
            result = real(*args)
            self.after.pop(name, lambda: None)()
            return result

        return called


@dataclass
class CodeShop:
    """A stand-in with codes on its drafts."""

    standin: StandIn
    moving: MovingClock
    engine: Engine

    def __post_init__(self) -> None:
        http = DolibarrHttp(self.standin.url, self.standin.api_key, retry_pause_s=0)
        self.clock = DeskClock(self.moving)
        self.door = BreakingCodes(DolibarrCodes(SOURCE, self.standin.database_url, http))
        self.source = Source.model_validate(
            {"name": SOURCE, "url": "http://x", "api_key": "k", "timezone": "Europe/Paris"}
        )
        self.reader = SqlSaleSource(
            self.standin.database_url, SOURCE, timezone="Europe/Paris", gift_card=GIFT
        )
        terms = program(earn={"amount": {}, "moment": "validated"})
        book = rulesets.adopt(self.engine, [terms], self.clock.now())
        nobody = frozenset({self.shop.pos_customer()})
        cards = SoldCards(date(2020, 1, 1), 24)
        around = {SOURCE: Surroundings(nobody, gift_cards=cards)}
        self.rules = Rules(book, around, {SOURCE: Showing()})
        self.intake = Intake(self.engine, self.clock, self.rules, self.reader, "sql")
        self.restart()

    @property
    def shop(self) -> Any:
        return self.standin.shop

    def restart(self) -> None:
        self.lines = CodeLines(self.engine, self.clock, self.source, self.reader, self.door)

    def voucher(self, amount: str, kind: Kind = Kind.VOUCHER, rate: str = "0") -> str:
        office = Vouchers(self.engine, self.clock, ZONE)
        wish = Wish(kind, Decimal(amount), "EUR", (SOURCE, 1), None, tax_rate=Decimal(rate))
        return office.give(wish, "test", code=new_code()).code

    def card(self, amount: str, rate: str = "0") -> str:
        return self.voucher(amount, Kind.GIFT_CARD, rate)

    def of(self, code: str) -> Voucher:
        with reading(self.engine) as connection:
            return vouchers.by_code(connection, code)

    def left(self, code: str) -> Decimal:
        return self.of(code).balance

    def draft(self, lines: Any = MIXED) -> int:
        rowid = int(self.shop.new_invoice(self.shop.add_customer("Carla")))
        for price, rate in lines:
            self.shop.add_line(rowid, None, 1, price_ttc=Decimal(price), tva_tx=Decimal(rate))
        return rowid

    def ticket(self, price: str = "50", rate: str = "20") -> int:
        rowid = int(self.shop.pos_open(1, 0))
        self.shop.pos_free_line(rowid, Decimal(price), Decimal(rate), "Article")
        return rowid

    def type(self, draft: int, code: str) -> None:
        text = shown_code(code) if len(code) == 12 else code
        self.shop.add_line(draft, None, 1, price_ttc=Decimal(0), description=text)
        self.turn()

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.moving.move(seconds=1)
            self.lines.run_once()

    def rest(self) -> None:
        self.moving.move(seconds=61)
        self.turn()

    def book(self, *documents: int) -> None:
        found = self.reader.get(list(documents))
        self.intake.take([sale for sale in found if not is_provisional(sale)])

    def total(self, document: int) -> Decimal:
        return Decimal(self.shop.invoice(document)["total_ttc"]).quantize(Decimal("0.01"))

    def texts(self, document: int) -> list[str]:
        return [row["description"] or "" for row in self.shop.lines(document)]

    def ours(self, document: int) -> list[Any]:
        lines = self.shop.lines(document)
        return [row for row in lines if "DV-" in row["description"] or "DG-" in row["description"]]

    def states(self) -> list[str]:
        with reading(self.engine) as connection:
            return list(connection.execute(select(tables.voucher_use.c.state)).scalars())

    def breaches(self) -> list[str]:
        return [str(breach) for breach in verify(self.engine, self.clock, self.rules)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, MovingClock]]:
    with opened(directory=tmp_path_factory.mktemp("codes")) as (standin, clock):
        yield standin, clock


@pytest.fixture
def shop(place: tuple[StandIn, MovingClock], ledger: Engine, tmp_path: Path) -> Iterator[CodeShop]:
    made = CodeShop(*place, ledger)
    yield made
    # Nothing that a test left open is the next one's.
    for line in made.door.typed():
        made.shop.delete_line(line.rowid)


# --- what a code takes ---------------------------------------------------------------------------


def test_a_voucher_is_shared_over_the_rates_and_the_code_is_gone(shop: CodeShop) -> None:
    code, draft = shop.voucher("20"), shop.draft()
    shop.type(draft, code)
    assert shop.total(draft) == Decimal("37.77")
    assert len(shop.ours(draft)) == 3
    assert (shop.left(code), shop.states()) == (0, ["placed"])
    said = " ".join(shop.texts(draft))
    assert code not in said.replace("-", "")
    assert f"...{code[-4:]}, €0.00 left" in said
    assert shop.breaches() == []


def test_a_gift_card_takes_off_without_tax_and_the_tax_stays_due(shop: CodeShop) -> None:
    code, draft = shop.card("30"), shop.draft()
    tax = Decimal(shop.shop.invoice(draft)["total_tva"])
    shop.type(draft, code)
    assert shop.total(draft) == Decimal("27.77")
    assert Decimal(shop.shop.invoice(draft)["total_tva"]) == tax
    (line,) = shop.ours(draft)
    assert Decimal(line["tva_tx"]) == 0


def test_a_card_that_was_sold_with_tax_pays_at_that_rate_only(shop: CodeShop) -> None:
    code, draft = shop.card("100", rate="10"), shop.draft()
    shop.type(draft, code)
    assert (shop.total(draft), shop.left(code)) == (Decimal("47.77"), 90)


def test_what_is_not_needed_stays_on_it(shop: CodeShop) -> None:
    code, draft = shop.card("100"), shop.draft()
    shop.type(draft, code)
    assert (shop.total(draft), shop.left(code)) == (0, Decimal("42.23"))
    assert "€42.23 left" in " ".join(shop.texts(draft))


def test_several_codes_pay_together_and_never_more_than_the_bill(shop: CodeShop) -> None:
    first, second, third = shop.card("30"), shop.voucher("20"), shop.card("30")
    draft = shop.draft()
    for code in (first, second, third):
        shop.type(draft, code)
    assert shop.total(draft) == 0
    assert [shop.left(code) for code in (first, second, third)] == [0, 0, Decimal("22.23")]
    assert shop.breaches() == []


def test_a_code_pays_for_no_gift_card(shop: CodeShop) -> None:
    product = shop.shop.add_product(GIFT, "Gift card", Decimal(50), tva_tx=Decimal(0))
    draft = shop.draft(())
    shop.shop.add_line(draft, product)
    code = shop.card("30")
    shop.type(draft, code)
    assert (shop.total(draft), shop.left(code)) == (50, 30)
    assert any("nothing on this bill" in text for text in shop.texts(draft))


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        ("none", "there is no such code"),
        ("blocked", "it is blocked"),
        ("replaced", "another code took its place"),
        ("ended", "it was ended"),
        ("expired", "it was good until"),
        ("empty", "nothing is left on it"),
        ("wrong", "a character is wrong"),
    ],
)
def test_why_a_code_is_good_for_nothing_stands_where_it_was_typed(
    shop: CodeShop, harm: str, why: str
) -> None:
    code, draft = shop.voucher("20"), shop.draft()
    office = Vouchers(shop.engine, shop.clock, ZONE)
    if harm == "none":
        code = new_code()
    elif harm == "blocked":
        office.block(code, "x", token="T")
    elif harm == "replaced":
        office.replace(code, "x", new_code=new_code())
    elif harm == "ended":
        office.revoke(code, {}, "x", token="T")
    elif harm == "empty":
        office.use(code, Decimal(20), "x", token="T")
    elif harm == "expired":
        wish = Wish(Kind.VOUCHER, Decimal(20), "EUR", (SOURCE, 1), date(2020, 1, 1))
        code = office.give(wish, "x", code=new_code()).code
    elif harm == "wrong":
        code = shown_code(code[:-1] + ("2" if code[-1] == "3" else "3"))
    before = shop.total(draft)
    shop.type(draft, code)
    assert any(why in text for text in shop.texts(draft)), shop.texts(draft)
    assert code.replace("-", "") not in "".join(shop.texts(draft)).replace("-", "")
    shop.door.calls.clear()
    shop.turn(2)
    assert (shop.total(draft), shop.door.calls) == (before, [])


def test_texts_of_the_shop_s_own_are_left_alone(shop: CodeShop) -> None:
    draft = shop.draft()
    for text in ("ABC123456789", "Delivery on Monday morning", "W078EA27VTY3"):
        shop.shop.add_line(draft, None, 1, price_ttc=Decimal(0), description=text)
    before = shop.texts(draft)
    shop.turn()
    assert shop.texts(draft) == before


def test_a_code_waits_for_the_goods(shop: CodeShop) -> None:
    code, ticket = shop.voucher("5"), int(shop.shop.pos_open(1, 0))
    shop.type(ticket, code)
    assert (shop.left(code), len(shop.texts(ticket))) == (5, 1)
    shop.shop.pos_free_line(ticket, 20, 20, "Article")
    shop.turn()
    assert (shop.total(ticket), shop.left(code)) == (15, 0)
    shop.shop.pos_discard(ticket)
    shop.turn()


def test_edge_case_nothing_is_taken_on_a_return(shop: CodeShop) -> None:
    code = shop.card("20")
    draft = int(shop.shop.new_invoice(shop.shop.add_customer("Dora"), 2))
    shop.shop.add_line(draft, None, 1, price_ttc=Decimal(-10))
    shop.type(draft, code)
    assert shop.left(code) == 20
    assert any("not on a return" in text for text in shop.texts(draft))


# --- following the draft -------------------------------------------------------------------------


def test_the_lines_follow_the_goods(shop: CodeShop) -> None:
    code, ticket = shop.card("60"), shop.ticket("50")
    shop.type(ticket, code)
    assert (shop.total(ticket), shop.left(code)) == (0, 10)
    more = shop.shop.pos_free_line(ticket, 30, 10, "More")
    shop.turn()
    assert (shop.total(ticket), shop.left(code)) == (20, 0)
    shop.shop.pos_delete_line(more)
    shop.turn()
    assert (shop.total(ticket), shop.left(code)) == (0, 10)
    assert shop.breaches() == []
    shop.shop.pos_discard(ticket)
    shop.turn()
    assert (shop.left(code), shop.states()) == (60, ["ended"])


def test_a_line_that_staff_delete_is_not_wanted(shop: CodeShop) -> None:
    code, draft = shop.voucher("20"), shop.draft()
    shop.type(draft, code)
    shop.shop.delete_line(shop.ours(draft)[0]["rowid"])
    shop.turn()
    assert (shop.total(draft), shop.ours(draft), shop.left(code)) == (Decimal("57.77"), [], 20)
    shop.type(draft, code)
    assert shop.left(code) == 0


def test_a_draft_that_is_deleted_gives_all_back(shop: CodeShop) -> None:
    code, draft = shop.voucher("20"), shop.draft()
    shop.type(draft, code)
    shop.shop.delete_invoice(draft)
    shop.turn()
    assert (shop.left(code), shop.breaches()) == (20, [])


def test_two_tills_at_once_take_it_once(shop: CodeShop) -> None:
    code, first, second = shop.card("60"), shop.draft(), shop.draft()
    for draft in (first, second):
        shop.shop.add_line(draft, None, 1, price_ttc=Decimal(0), description=shown_code(code))
    shop.turn(2)
    taken = [Decimal("57.77") - shop.total(draft) for draft in (first, second)]
    assert (sum(taken), shop.left(code)) == (60, 0)
    assert shop.breaches() == []


def test_typed_twice_it_is_taken_once(shop: CodeShop) -> None:
    code, draft = shop.card("30"), shop.draft()
    shop.type(draft, code)
    shop.type(draft, code)
    assert (shop.total(draft), len(shop.ours(draft))) == (Decimal("27.77"), 1)
    assert shown_code(code) not in shop.texts(draft)


# --- whatever breaks -----------------------------------------------------------------------------


def lost() -> None:
    raise UnknownOutcome("the answer was lost")


def broken() -> None:
    raise TransientError("no answer")


@pytest.mark.parametrize("call", ["add_line", "remove_line"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_lost_call_or_answer_heals_at_the_next_look(
    shop: CodeShop, call: str, moment: str
) -> None:
    code, draft = shop.voucher("20"), shop.draft()
    getattr(shop.door, moment)[call] = lost if moment == "after" else broken
    shop.type(draft, code)
    assert shop.breaches() == []
    shop.restart()
    shop.rest()
    shop.rest()
    assert (shop.total(draft), len(shop.ours(draft))) == (Decimal("37.77"), 3)
    assert (shop.left(code), shop.states()) == (0, ["placed"])
    assert shown_code(code) not in shop.texts(draft)


def test_what_a_crash_left_of_a_typed_code_takes_nothing_twice(shop: CodeShop) -> None:
    code, draft = shop.card("100"), shop.draft()
    shop.door.before["remove_line"] = broken
    shop.type(draft, code)
    assert (shop.left(code), shop.states()) == (Decimal("42.23"), ["wanted"])
    shop.restart()
    shop.turn()
    assert (shop.left(code), shop.states()) == (Decimal("42.23"), ["placed"])
    assert shown_code(code) not in shop.texts(draft)


def test_validated_while_its_lines_are_put_there_what_stands_there_is_used(
    shop: CodeShop,
) -> None:
    code, draft = shop.voucher("20"), shop.draft()
    shop.door.after["add_line"] = lambda: shop.shop.validate(draft)
    shop.type(draft, code)
    shop.rest()
    shop.rest()
    used = sum(-Decimal(row["total_ttc"]) for row in shop.ours(draft))
    assert 0 < used < 20
    assert (shop.left(code), shop.states()) == (20 - used, ["used"])
    shop.book(draft)
    assert shop.breaches() == []


def test_the_cashier_is_faster_than_the_look_and_pays_without_it(shop: CodeShop) -> None:
    code, ticket = shop.card("20"), shop.ticket()
    shop.shop.add_line(ticket, None, 1, price_ttc=Decimal(0), description=shown_code(code))
    shop.shop.pos_pay(ticket, "LIQ")
    shop.turn()
    assert (shop.left(code), shop.total(ticket)) == (20, 50)


# --- used, and returned --------------------------------------------------------------------------


def paid_ticket(shop: CodeShop, code: str) -> int:
    ticket = shop.ticket()
    shop.type(ticket, code)
    shop.shop.pos_pay(ticket, "LIQ")
    shop.book(ticket)
    shop.turn()
    return ticket


def test_a_sale_uses_what_stands_on_it(shop: CodeShop) -> None:
    code = shop.card("20")
    ticket = paid_ticket(shop, code)
    assert (shop.left(code), shop.states()) == (0, ["used"])
    with reading(shop.engine) as connection:
        moved = vouchers.movements(connection, shop.of(code).id)
    assert [(one.kind, one.amount) for one in moved] == [("issued", 20), ("used", -20)]
    assert [one.ref for one in moved] == ["", shop.shop.invoice(ticket)["ref"]]
    assert shop.breaches() == []


def test_a_return_of_the_sale_gives_back_to_the_card(shop: CodeShop) -> None:
    code = shop.card("20")
    ticket = paid_ticket(shop, code)
    credit = shop.shop.pos_credit_note(ticket)
    shop.book(credit)
    assert (shop.left(code), shop.breaches()) == (20, [])


def test_a_return_of_goods_paid_back_in_money_gives_nothing_to_the_card(shop: CodeShop) -> None:
    code, draft = shop.card("20"), shop.draft()
    shop.type(draft, code)
    shop.shop.validate(draft)
    shop.book(draft)
    goods = [row["rowid"] for row in shop.shop.lines(draft) if row["tva_tx"]][:1]
    credit = shop.shop.credit_note(draft, goods)
    shop.shop.validate(credit)
    shop.book(credit)
    assert (shop.left(code), shop.breaches()) == (0, [])


def test_a_sale_that_is_reopened_keeps_it_and_deleted_gives_it_back(shop: CodeShop) -> None:
    code, draft = shop.voucher("20"), shop.draft()
    shop.type(draft, code)
    shop.shop.validate(draft)
    shop.book(draft)
    shop.shop.set_draft(draft)
    shop.book(draft)
    shop.turn()
    assert shop.left(code) == 0
    for row in shop.ours(draft)[1:]:
        shop.shop.delete_line(row["rowid"])
    shop.shop.validate(draft)
    shop.book(draft)
    used = sum(-Decimal(row["total_ttc"]) for row in shop.ours(draft))
    assert (shop.left(code), shop.breaches()) == (20 - used, [])


def test_an_abandoned_sale_and_one_that_vanished_give_all_back(shop: CodeShop) -> None:
    code = shop.card("20")
    ticket = paid_ticket(shop, code)
    key = shop.reader.get([ticket])[0].key

    def gone(connection: Connection) -> None:
        vanish(Transaction(connection, shop.clock.now()), shop.rules, [key])

    shop.shop.change_invoice(ticket, fk_statut=3, paye=0)
    shop.book(ticket)
    assert (shop.left(code), shop.breaches()) == (20, [])
    shop.shop.change_invoice(ticket, fk_statut=2, paye=1)
    shop.book(ticket)
    assert (shop.left(code), shop.breaches()) == (0, [])
    write(shop.engine, gone)
    assert (shop.left(code), shop.breaches()) == (20, [])


def test_a_replaced_invoice_hands_it_on(shop: CodeShop) -> None:
    code, draft = shop.card("20"), shop.draft()
    shop.type(draft, code)
    shop.shop.validate(draft)
    shop.book(draft)
    copy = shop.shop.replace(draft)
    shop.turn()
    shop.shop.validate(copy)
    shop.book(draft, copy)
    assert (shop.left(code), shop.states(), shop.breaches()) == (0, ["used"], [])
    with reading(shop.engine) as connection:
        (use,) = voucher_uses.of_documents(connection, [shop.reader.get([copy])[0].key])
    assert use.amount == 20


def test_every_language_says_everything() -> None:
    assert LANGUAGES == ("de", "en", "es", "fr", "it")
    for language, texts in _SENTENCES.items():
        assert texts.keys() == _SENTENCES["en"].keys(), language


def test_a_ledger_from_before_the_use_is_told(shop: CodeShop) -> None:
    code = shop.card("20")
    ticket = paid_ticket(shop, code)
    shop.shop.set_draft(ticket)
    with shop.engine.begin() as connection:
        connection.execute(delete(tables.voucher_movement))
        connection.execute(delete(tables.voucher_use))
    with capture_logs() as logs:
        shop.book(ticket)
    told = [entry for entry in logs if "does not know" in entry["event"]]
    assert [entry["token"] for entry in told] == [shop.ours(ticket)[0]["description"][-16:-1]]


def test_a_return_that_names_no_sale_is_told(shop: CodeShop) -> None:
    code = shop.card("20")
    ticket = paid_ticket(shop, code)
    credit = shop.shop.pos_credit_note(ticket)
    shop.shop.change_invoice(credit, fk_facture_source=None)
    with capture_logs() as logs:
        shop.book(credit)
    assert [e["event"] for e in logs if e["log_level"] == "error"] == [
        "a return gives to a code by itself"
    ]
    assert (shop.left(code), shop.breaches()) == (0, [])


def test_a_draft_at_which_dolibarr_stumbles_holds_up_no_other(shop: CodeShop) -> None:
    code, other = shop.voucher("20"), shop.voucher("20")
    stuck, free = shop.draft(), shop.draft()
    for draft, typed in ((stuck, code), (free, other)):
        text = shown_code(typed)
        shop.shop.add_line(draft, None, 1, price_ttc=Decimal(0), description=text)
    real = shop.door.door.add_line

    def add_line(sale: SaleKey, *rest: Any) -> None:
        if sale.rowid == stuck:
            raise TransientError("HTTP 500")
        real(sale, *rest)

    shop.door.door.add_line = add_line  # type: ignore[method-assign]
    try:
        shop.turn()
        shop.moving.move(seconds=11)
        shop.turn()
    finally:
        del shop.door.door.add_line
    assert len(shop.ours(free)) == 3
    assert shop.ours(stuck) == []
    shop.rest()
    assert len(shop.ours(stuck)) == 3
    assert shop.breaches() == []
