"""Codes over whole histories: two tills, an office, polls, crashes and lost answers in any order.

Whatever happens, what documents take of a code and what is left on it is what was issued; and when
all has come to rest, documents take what stands on them. ``pytest -m long
tests/unit/test_code_histories.py`` tries more histories.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from hypothesis import strategies as st
from sqlalchemy import Engine

from connectors.standin import ShopError, StandIn
from connectors.standin.testing import MovingClock, opened
from dolisync.codes import shown_code
from dolisync.ledger import voucher_uses
from dolisync.ledger.engine import reading
from dolisync.model import SaleStatus
from dolisync.program.code_shares import taken_by
from tests.examples import by_default_and_long
from tests.unit.test_code_lines import CodeShop, broken, lost

ON_DRAFTS = ("type", "add", "remove", "delete_ours", "discard", "validate")
AFTERWARDS = ("credit", "reopen")
ACTS = (*ON_DRAFTS, *AFTERWARDS, "type", "validate", "break", "lose", "turn", "turn", "restart")
HISTORIES = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 1), st.integers(0, 2)), min_size=4, max_size=16
)
AMOUNTS = ("30", "25", "12.34")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, MovingClock]]:
    with opened(directory=tmp_path_factory.mktemp("histories")) as (standin, clock):
        yield standin, clock


class Story:
    """Two documents, three codes, and what people and machines do to them."""

    def __init__(self, shop: CodeShop) -> None:
        self.shop = shop
        self.codes = [shop.card("30"), shop.voucher("25"), shop.card("12.34", rate="20")]
        self.documents = [shop.draft(), shop.draft()]
        self.credits: list[int] = []

    def act(self, what: str, which: int, number: int) -> None:
        """Do one thing; what the shop forbids is not done."""
        document = self.documents[which]
        with contextlib.suppress(ShopError):
            if what in AFTERWARDS:
                if not self._is_draft(document):
                    getattr(self, f"_{what}")(document)
            elif what in ON_DRAFTS:
                if self._is_draft(document):
                    getattr(self, f"_{what}")(document, number)
            else:
                getattr(self, f"_{what}")()

    def _is_draft(self, document: int) -> bool:
        return int(self.shop.shop.invoice(document)["fk_statut"]) == 0

    def _type(self, document: int, number: int) -> None:
        text = shown_code(self.codes[number])
        self.shop.shop.add_line(document, None, 1, price_ttc=Decimal(0), description=text)

    def _add(self, document: int, _number: int) -> None:
        self.shop.shop.add_line(document, None, 1, price_ttc=Decimal(7), tva_tx=Decimal(20))

    def _remove(self, document: int, _number: int) -> None:
        goods = [row for row in self.shop.shop.lines(document) if row["total_ttc"] > 0]
        for row in goods[:1]:
            self.shop.shop.delete_line(row["rowid"])

    def _delete_ours(self, document: int, _number: int) -> None:
        for row in self.shop.ours(document)[-1:]:
            self.shop.shop.delete_line(row["rowid"])

    def _discard(self, document: int, _number: int) -> None:
        self.shop.shop.delete_invoice(document)
        self.documents[self.documents.index(document)] = self.shop.draft()

    def _validate(self, document: int, _number: int) -> None:
        self.shop.shop.validate(document)
        self.shop.book(document)

    def _credit(self, document: int) -> None:
        if not self.credits:
            self.credits.append(self.shop.shop.credit_note(document))
            self.shop.shop.validate(self.credits[0])
            self.shop.book(self.credits[0])

    def _reopen(self, document: int) -> None:
        self.shop.shop.set_draft(document)
        self.shop.book(document)

    def _break(self) -> None:
        self.shop.door.before["add_line"] = broken

    def _lose(self) -> None:
        self.shop.door.after["add_line"] = lost

    def _restart(self) -> None:
        self.shop.restart()

    def _turn(self) -> None:
        self.shop.turn()

    def settle(self) -> None:
        """Let everything come to rest."""
        self.shop.door.before.clear()
        self.shop.door.after.clear()
        self.shop.restart()
        for _ in range(4):
            self.shop.rest()
        self.shop.book(*self.documents, *self.credits)
        self.shop.rest()

    def check(self) -> None:
        """Nothing is spent twice, and nothing is lost."""
        assert self.shop.breaches() == []
        with reading(self.shop.engine) as connection:
            uses = voucher_uses.read(connection, voucher_uses.tables.voucher_use.c.id > 0)
        for code, issued in zip(self.codes, AMOUNTS, strict=True):
            found = self.shop.of(code)
            taken = sum(use.amount for use in uses if use.voucher_id == found.id)
            assert found.balance + taken == Decimal(issued)

    def check_at_rest(self) -> None:
        """Documents take what stands on them, less what their returns give back."""
        with reading(self.shop.engine) as connection:
            uses = voucher_uses.read(connection, voucher_uses.tables.voucher_use.c.id > 0)
        sales = {sale.key: sale for sale in self.shop.reader.get(self.documents)}
        notes = self.shop.reader.get(self.credits) if self.credits else ()
        for use in uses:
            sale = sales.get(use.key)
            stands = sum((s.amount for s in taken_by(sale.lines, use.token)), 0) if sale else 0
            back = sum(
                line.total_incl for note in notes for line in note.lines if use.token in line.text
            )
            if sale is not None and sale.status is not SaleStatus.DRAFT:
                assert use.amount == max(stands - back, 0), use
            elif use.state == "placed":
                assert use.amount == stands, use


@by_default_and_long(5, 12, history=HISTORIES)
def test_nothing_is_spent_twice_and_nothing_is_lost(
    place: tuple[StandIn, MovingClock],
    ledger_of_its_own: Callable[[], Engine],
    history: list[tuple[str, int, int]],
) -> None:
    shop = CodeShop(*place, ledger_of_its_own())
    for left in shop.door.typed():
        shop.shop.delete_line(left.rowid)
    story = Story(shop)
    for what, which, number in history:
        story.act(what, which, number)
        story.check()
    story.settle()
    story.check()
    story.check_at_rest()
    shop.engine.dispose()
