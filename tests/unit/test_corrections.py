"""What staff do to documents, and what the ledger must hold afterwards: one row each, both doors.

Each row is played on the stand-in, with a look by SQL and by REST after every act; then comes a
night. Both ledgers must hold what the row says, verify must find nothing, and reading the shop into
an empty ledger must give the same. Rewards are given by one ledger only, which looks by SQL; there
the shop is read again by REST.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.standin import ShopError
from tests.unit.desk import TOKEN, Desk, Street, open_street

Act = Callable[[Desk], object]


# --- what staff do ---------------------------------------------------------------------------


def sell(letter: str = "A", amount: int = 60, *, paid: bool = True, to: str = "anna") -> Act:
    """Invoice boxes of 60, or something for an amount, and take the money."""

    def act(desk: Desk) -> None:
        invoice = desk.shop.new_invoice(getattr(desk, to))
        desk.shop.add_line(invoice, desk.box, price_ttc=amount)
        _finish(desk, letter, invoice, paid=paid)

    return act


def _finish(desk: Desk, letter: str, invoice: int, *, paid: bool) -> None:
    desk.documents[letter] = invoice
    desk.shop.validate(invoice)
    if paid:
        pay(letter)(desk)


def pay(letter: str, amount: int | None = None) -> Act:
    def act(desk: Desk) -> None:
        payment = desk.shop.pay(desk[letter], amount)
        desk.payments.setdefault(letter, []).append(payment)

    return act


def unpay(letter: str) -> Act:
    """Delete the last payment."""
    return lambda desk: desk.shop.delete_payment(desk.payments[letter].pop())


def on(letter: str, what: str, *more: Any, **named: Any) -> Act:
    """Do what the desk does on one document."""
    return lambda desk: getattr(desk.shop, what)(desk[letter], *more, **named)


def draft(letter: str) -> Act:
    return on(letter, "set_draft")


def validate(letter: str) -> Act:
    return on(letter, "validate")


def reopen(letter: str) -> Act:
    return on(letter, "set_unpaid")


def delete(letter: str) -> Act:
    return on(letter, "delete_invoice")


def move(letter: str, to: str) -> Act:
    return lambda desk: desk.shop.change_customer_of(desk[letter], getattr(desk, to))


def edit(letter: str, amount: int) -> Act:
    """Change the price of the first line of a draft."""

    def act(desk: Desk) -> None:
        first = desk.shop.lines(desk[letter])[0]
        desk.shop.change_line(first["rowid"], subprice=amount * 10 / 12)

    return act


def document(letter: str, kind: int, amount: int, source: str = "", to: str = "anna") -> Act:
    """Write and validate a document of some type by hand."""

    def act(desk: Desk) -> None:
        of = desk[source] if source else None
        invoice = desk.shop.new_invoice(getattr(desk, to), kind, source=of)
        desk.shop.add_line(invoice, price_ttc=amount, description="by hand")
        _finish(desk, letter, invoice, paid=False)

    return act


def credit(letter: str, amount: int, of: str = "A", to: str = "anna") -> Act:
    return document(letter, 2, -amount, of, to)


def credit_all(letter: str, of: str = "A") -> Act:
    """Credit an invoice with its own lines."""
    return lambda desk: _finish(desk, letter, desk.shop.credit_note(desk[of]), paid=False)


def credit_by_hand(letter: str, goods: int, undone: int, of: str = "A") -> Act:
    """Credit goods, and take the reward back in words of one's own."""

    def act(desk: Desk) -> None:
        note = desk.shop.new_invoice(desk.anna, 2, source=desk[of])
        desk.shop.add_line(note, desk.box, price_ttc=-goods)
        desk.shop.add_line(note, price_ttc=undone, description="Reward")
        _finish(desk, letter, note, paid=False)

    return act


def pay_with(note: str, invoice: str) -> Act:
    """Turn a credit note into a discount and use it as payment."""

    def act(desk: Desk) -> None:
        (discount,) = desk.shop.mark_credit_available(desk[note])
        desk.shop.use_credit_note(desk[invoice], discount)

    return act


def sell_less(letter: str, note: str, amount: int = 60) -> Act:
    """Turn a credit note or deposit into a discount and sell something less that."""

    def act(desk: Desk) -> None:
        (discount,) = desk.shop.mark_credit_available(desk[note])
        invoice = desk.shop.new_invoice(desk.anna)
        desk.shop.add_line(invoice, desk.box, price_ttc=amount)
        desk.shop.use_discount(invoice, discount)
        _finish(desk, letter, invoice, paid=True)

    return act


def replace(letter: str, of: str = "A", *, validated: bool = True) -> Act:
    def act(desk: Desk) -> None:
        desk.documents[letter] = desk.shop.replace(desk[of])
        if validated:
            desk.shop.validate(desk[letter])

    return act


def ticket(letter: str, *goods: tuple[str, int], to: str = "anna", mode: str = "LIQ") -> Act:
    """Sell at the till; quantities below zero are returns."""

    def act(desk: Desk) -> None:
        open_ticket = desk.shop.pos_open()
        if to:
            desk.shop.pos_choose(open_ticket, getattr(desk, to))
        for product, quantity in goods:
            desk.shop.pos_add(open_ticket, getattr(desk, product), quantity)
        desk.shop.pos_pay(open_ticket, mode)
        desk.documents[letter] = open_ticket

    return act


def discarded_ticket(desk: Desk) -> None:
    open_ticket = desk.shop.pos_open()
    desk.shop.pos_choose(open_ticket, desk.bert)
    desk.shop.pos_add(open_ticket, desk.box)
    desk.shop.pos_discard(open_ticket)


def reduced_ticket(letter: str, percent: int) -> Act:
    def act(desk: Desk) -> None:
        open_ticket = desk.documents[letter] = desk.shop.pos_open()
        desk.shop.pos_choose(open_ticket, desk.anna)
        desk.shop.pos_add(open_ticket, desk.tea)
        desk.shop.pos_reduce(open_ticket, percent)
        desk.shop.pos_pay(open_ticket)

    return act


def changed_ticket(letter: str) -> Act:
    """Ring something up for Anna, and let Bert pay."""

    def act(desk: Desk) -> None:
        open_ticket = desk.documents[letter] = desk.shop.pos_open()
        desk.shop.pos_choose(open_ticket, desk.anna)
        desk.shop.pos_add(open_ticket, desk.tea)
        desk.ledger.poll()
        desk.shop.pos_choose(open_ticket, desk.bert)
        desk.shop.pos_pay(open_ticket)

    return act


def till_credit(letter: str, of: str = "A") -> Act:
    def act(desk: Desk) -> None:
        desk.documents[letter] = desk.shop.pos_credit_note(desk[of])

    return act


def till_breaks(of: str = "A") -> Act:
    """Press "credit note" at the till where it dies of it."""

    def act(desk: Desk) -> None:
        with pytest.raises(ShopError, match="500"):
            desk.shop.pos_credit_note(desk[of])

    return act


def then(*acts: Act) -> Act:
    """Do several things between two looks."""

    def act(desk: Desk) -> None:
        for one in acts:
            one(desk)

    return act


def merge(desk: Desk) -> None:
    """Pour Anna's card into Bert's."""
    desk.shop.merge_customers(desk.bert, desk.anna)


def redeem(desk: Desk) -> None:
    desk.redeem()


def use(letter: str, *, paid: bool = True, free: int = 0) -> Act:
    """Sell a box and use the reward on it; ``free`` counts among the rows that are free."""

    def act(desk: Desk) -> None:
        invoice = desk.shop.new_invoice(desk.anna)
        desk.shop.add_line(invoice, desk.box)
        _use(desk, invoice, free)
        _finish(desk, letter, invoice, paid=paid)

    return act


def _use(desk: Desk, invoice: int, free: int = 0) -> None:
    rows = [row["rowid"] for row in desk.discounts() if not row["fk_facture_line"]]
    desk.shop.use_discount(invoice, rows[free])


def use_on_draft(letter: str) -> Act:
    def act(desk: Desk) -> None:
        desk.documents[letter] = desk.shop.new_invoice(desk.anna)
        desk.shop.add_line(desk[letter], desk.box)
        _use(desk, desk[letter])

    return act


def ticket_with_reward(letter: str, quantity: int) -> Act:
    def act(desk: Desk) -> None:
        open_ticket = desk.shop.pos_open()
        desk.shop.pos_choose(open_ticket, desk.anna)
        desk.shop.pos_add(open_ticket, desk.tea, quantity)
        desk.shop.force_discount(open_ticket, desk.discounts()[0]["rowid"])
        desk.shop.pos_pay(open_ticket)
        desk.documents[letter] = open_ticket

    return act


def split(desk: Desk) -> None:
    desk.shop.split_discount(desk.discounts()[0]["rowid"], 2)


def drop_discount(desk: Desk) -> None:
    desk.shop.delete_discount(desk.discounts()[0]["rowid"])


# --- the rows --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What staff do, and what Anna (and Bert) have then. ``says`` are a document and words of it.

    ``by_night`` tells that only the nightly comparison can see it; ``followed`` is what that found.
    """

    what: str
    acts: tuple[Act, ...]
    anna: int
    bert: int = 0
    says: tuple[str, str] | None = None
    terms: dict[str, Any] = field(default_factory=dict)
    by_night: bool = False
    followed: dict[str, Any] = field(default_factory=dict)


def row(what: str, *acts: Act, anna: int, **more: Any) -> Row:
    return Row(what, acts, anna, **more)


# 600 points, 100 of them spent on a discount of 6.
RICH = (sell("old", 600), redeem)
REWARD_LINE: dict[str, Any] = {"returns": {"spent_points": "reward_line"}}
KEEP: dict[str, Any] = {"returns": {"spent_points": "keep"}}

OFFICE = (
    row("paid", sell(), anna=60, says=("A", "60 points")),
    row("not paid", sell(paid=False), anna=0, says=("A", "60 points are pending")),
    row("paid in part", sell(paid=False), pay("A", 20), anna=0, says=("A", "pending")),
    row("paid in parts", sell(paid=False), pay("A", 20), pay("A"), anna=60),
    row("part payment deleted", sell(paid=False), pay("A", 20), unpay("A"), anna=0),
    row("and paid", sell(paid=False), pay("A", 20), unpay("A"), pay("A"), anna=60),
    row("reopened", sell(), reopen("A"), anna=0, says=("A", "pending")),
    row("payment deleted", sell(), reopen("A"), unpay("A"), anna=0),
    row("paid again", sell(), reopen("A"), unpay("A"), pay("A"), anna=60),
    row("set back to draft", sell(), draft("A"), anna=0, says=("A", "draft")),
    row("and validated again", sell(), draft("A"), validate("A"), anna=60),
    row("edited", sell(), draft("A"), edit("A", 24), validate("A"), anna=24),
    row("edited unpaid", sell(paid=False), draft("A"), edit("A", 90), validate("A"), anna=0),
    row(
        "edited twice",
        *(sell(), draft("A"), edit("A", 24), validate("A")),
        *(draft("A"), edit("A", 36), validate("A")),
        anna=36,
    ),
    row(
        "a line more, paid",
        *(sell(), draft("A"), lambda desk: desk.shop.add_line(desk["A"], desk.tea)),
        *(validate("A"), pay("A")),
        anna=72,
    ),
    row(
        "a line less",
        *(sell(), draft("A"), lambda desk: desk.shop.add_line(desk["A"], desk.tea)),
        *(lambda desk: desk.shop.delete_line(_lines(desk, "A")[0]), validate("A")),
        anna=12,
    ),
    row(
        "another quantity",
        *(sell(), draft("A"), lambda desk: desk.shop.change_line(_lines(desk, "A")[0], qty=2)),
        validate("A"),
        anna=120,
    ),
    row(
        "closed with a discount",
        *(sell(paid=False), pay("A", 50), on("A", "close", "discount_vat")),
        anna=50,
        says=("A", "'discount_vat' before being fully paid: 50"),
    ),
    row(
        "closed as bad customer",
        *(sell(paid=False), on("A", "close", "badcustomer")),
        anna=0,
        says=("A", "badcustomer"),
    ),
    row(
        "closed and paid after all",
        *(sell(paid=False), pay("A", 50), on("A", "close", "badcustomer"), reopen("A"), pay("A")),
        anna=60,
    ),
    row(
        "closed by abandon code",
        *(sell(paid=False), pay("A", 10), on("A", "close", "abandon")),
        anna=10,
        says=("A", "abandon"),
    ),
    row("abandoned", sell(paid=False), on("A", "abandon"), anna=0, says=("A", "abandoned")),
    row("not abandoned", sell(paid=False), on("A", "abandon"), reopen("A"), pay("A"), anna=60),
    row("other customer", sell(), move("A", "bert"), anna=0, bert=60),
    row("and back", sell(), move("A", "bert"), move("A", "anna"), anna=60),
    row("to nobody", sell(), move("A", "nobody"), anna=0, says=("A", "default customer")),
    row(
        "other customer as draft",
        *(sell(), draft("A"), move("A", "bert"), edit("A", 30), validate("A")),
        anna=0,
        bert=30,
    ),
    row("another day", sell(), on("A", "change_invoice", note_public="x"), anna=60),
    row(
        "before the program",
        *(sell(), lambda desk: _date(desk, 30)),
        anna=0,
        says=("A", "before the program's start"),
    ),
    row("to be replaced", sell(paid=False), replace("B", validated=False), anna=0),
    row(
        "replaced",
        *(sell(paid=False), replace("B"), pay("B")),
        anna=60,
        says=("A", "abandoned or replaced"),
    ),
    row("replacement deleted", sell(paid=False), replace("B"), delete("B"), anna=0),
    row(
        "replaced one opened again",
        *(sell(paid=False), replace("B"), delete("B"), reopen("A"), pay("A")),
        anna=60,
    ),
    row("deleted", sell(), reopen("A"), unpay("A"), delete("A"), anna=0),
    row(
        "paid and deleted in the database",
        *(sell(), lambda desk: _wipe(desk, "A")),
        anna=0,
        by_night=True,
        says=("A", "no longer exists"),
    ),
    row(
        "number used again",
        *(sell(), reopen("A"), unpay("A"), delete("A"), sell("B", 30, to="bert")),
        anna=0,
        bert=30,
    ),
    row("nothing to pay", sell(amount=0, paid=False), on("A", "set_paid"), anna=0),
    row("proforma", document("A", 4, 60), anna=0, says=("A", "proforma")),
    row(
        "deposit and its final invoice",
        *(document("D", 3, 12), pay("D"), sell_less("A", "D")),
        anna=60,
        says=("D", "deposit earns nothing"),
    ),
)

RETURNS = (
    row("part", sell(), credit("C", 24), anna=36, says=("C", "36.00 is left of it")),
    row("two parts", sell(), credit("C", 24), credit("D", 36), anna=0),
    row("more than all", sell(), credit("C", 24), credit("D", 60), anna=0),
    row("the same lines", sell(), credit_all("C"), anna=0),
    row("switched off", sell(), credit_all("C"), anna=60, terms={"returns": {"take_back": False}}),
    row("deleted", sell(), credit("C", 24), delete("C"), anna=60, by_night=True),
    row("as draft", sell(), credit("C", 24), draft("C"), anna=60),
    row("validated again", sell(), credit("C", 24), draft("C"), validate("C"), anna=36),
    row("edited", sell(), credit("C", 24), draft("C"), edit("C", -30), validate("C"), anna=30),
    row("of an unpaid sale", sell(paid=False), credit("C", 24), anna=0),
    row("of one paid later", sell(paid=False), credit("C", 24), pay("A"), anna=36),
    row("of one reopened", sell(), credit("C", 24), draft("A"), anna=0),
    row("of one validated again", sell(), credit("C", 24), draft("A"), validate("A"), anna=36),
    row("of one given to another", sell(), credit("C", 24), move("A", "bert"), anna=-24, bert=60),
    row(
        "both given to another",
        sell(),
        credit("C", 24),
        move("A", "bert"),
        move("C", "bert"),
        anna=0,
        bert=36,
    ),
    row(
        "without a source",
        *(sell(), credit("C", 24, of="")),
        anna=36,
        says=("C", "it names no sale"),
    ),
    row("without a source or points", credit("C", 24, of=""), anna=-24),
    row(
        "without points, forgiven",
        credit("C", 24, of=""),
        anna=0,
        terms={"returns": {"shortfall": "clamp"}},
    ),
    row("debt settled", credit("C", 24, of=""), sell(), anna=36),
    row(
        "of another's sale",
        *(sell(to="bert"), sell("B", 30), credit("C", 24)),
        anna=6,
        bert=60,
        says=("C", "belongs to another customer"),
    ),
    row(
        "as payment of the same",
        *(sell(paid=False), credit("C", 24), pay_with("C", "A"), pay("A")),
        anna=36,
    ),
    row(
        "as payment of another",
        *(sell(), credit("C", 24), sell("B", paid=False), pay_with("C", "B"), pay("B")),
        anna=96,
    ),
    row(
        "as line of another",
        *(sell(), credit("C", 24), sell_less("B", "C")),
        anna=96,
        says=("B", "part of what was bought: 24"),
    ),
)

TILL = (
    row("ticket", ticket("A", ("tea", 1)), anna=12),
    row("paid later", ticket("A", ("tea", 1), mode="delayed"), anna=0, says=("A", "pending")),
    row("and paid", ticket("A", ("tea", 1), mode="delayed"), pay("A"), anna=12),
    row("nobody", ticket("A", ("tea", 1), to=""), anna=0, says=("A", "anonymous")),
    row("somebody after all", ticket("A", ("tea", 1), to=""), move("A", "anna"), anna=12),
    row("row used again", discarded_ticket, ticket("A", ("tea", 1)), anna=12),
    row("credit note", ticket("A", ("tea", 2)), till_credit("C"), anna=0),
    row(
        "credit note, source rewritten to one as large",
        *(ticket("A", ("tea", 1)), ticket("B", ("tea", 1)), till_credit("C")),
        on("C", "pos_pay"),
        anna=12,
    ),
    row(
        "credit note, source rewritten to one without these goods",
        *(ticket("A", ("tea", 1)), ticket("B", ("box", 1)), till_credit("C")),
        on("C", "pos_pay"),
        anna=60,
        says=("C", "goods that are not on"),
    ),
    row("return", ticket("A", ("tea", 2)), ticket("C", ("tea", -1)), anna=12),
    row(
        "return, source guessed wrong",
        *(ticket("A", ("tea", 2)), ticket("B", ("box", 1)), ticket("C", ("tea", -1))),
        anna=72,
        says=("C", "goods that are not on"),
    ),
    row(
        "return, larger than its source",
        *(ticket("A", ("tea", 3)), ticket("B", ("tea", 1)), ticket("C", ("tea", -2))),
        anna=24,
        says=("C", "it is larger than"),
    ),
    row("for nothing", reduced_ticket("A", 100), anna=0),
    row("half price", reduced_ticket("A", 50), anna=6),
    row("customer changed before it is paid", changed_ticket("A"), anna=0, bert=12),
    row(
        "source rewritten to another's",
        *(
            ticket("A", ("tea", 1)),
            till_credit("C"),
            sell("B", to="bert"),
            lambda desk: _point(desk, "C", "B"),
        ),
        anna=0,
        bert=60,
        says=("C", "belongs to another customer"),
    ),
    row("exchange", ticket("A", ("box", 1), ("tea", -1)), anna=48),
)

REWARDS = (
    row("given", *RICH, anna=500),
    row("used", *RICH, use("A"), anna=554, says=("A", "0 of 100 points spent on it come back")),
    row("on a draft", *RICH, use_on_draft("A"), anna=500),
    row("draft dropped", *RICH, use_on_draft("A"), delete("A"), anna=500),
    row("deleted by staff", *RICH, drop_discount, anna=600, by_night=True),
    row("split and used in part", *RICH, split, use("A"), anna=558),
    row("split, used in part and returned", *RICH, split, use("A"), credit_all("C"), anna=533),
    row(
        "abandoned",
        *(*RICH, use("A", paid=False), on("A", "abandon")),
        anna=600,
        says=("A", "all 100 points spent on it come back"),
    ),
    row("not abandoned", *RICH, use("A", paid=False), on("A", "abandon"), reopen("A"), anna=500),
    row("reopened", *RICH, use("A"), draft("A"), anna=500),
    row(
        "all returned",
        *(*RICH, use("A"), credit_all("C")),
        anna=600,
        says=("A", "100 of 100 points spent on it come back: 100.0 % of the goods"),
    ),
    row("half returned", *RICH, use("A"), credit("C", 30), anna=574, says=("A", "50 of 100")),
    row(
        "returned by hand, the reward in other words",
        *(*RICH, use("A"), credit_by_hand("C", 60, 6)),
        anna=600,
        says=("A", "100.0 % of the goods"),
    ),
    row("returned with a deduction", *RICH, use("A"), credit_by_hand("C", 60, 15), anna=584),
    row("return deleted", *RICH, use("A"), credit_all("C"), delete("C"), anna=554, by_night=True),
    row(
        "by the reward's line: all",
        *(*RICH, use("A"), credit_all("C")),
        anna=600,
        terms=REWARD_LINE,
        says=("A", "100.0 % of the reward's line"),
    ),
    row("by the line: goods", *RICH, use("A"), credit("C", 30), anna=524, terms=REWARD_LINE),
    row(
        "by the line: in other words",
        *(*RICH, use("A"), credit_by_hand("C", 60, 6)),
        anna=600,
        terms=REWARD_LINE,
    ),
    row(
        "kept",
        *(*RICH, use("A"), credit_all("C")),
        anna=500,
        terms=KEEP,
        says=("A", "stay spent: the program gives none back"),
    ),
    row(
        "by the line: a deduction",
        *RICH,
        use("A"),
        credit_by_hand("C", 60, 15),
        anna=509,
        terms=REWARD_LINE,
    ),
    row("kept, abandoned", *RICH, use("A", paid=False), on("A", "abandon"), anna=600, terms=KEEP),
    row("deleted", *RICH, use("A", paid=False), delete("A"), anna=500),
    row("replaced", *RICH, use("A", paid=False), replace("B"), pay("B"), anna=554),
    row(
        "replacement dropped: the surplus is removed",
        *(*RICH, use("A"), replace("B", validated=False), delete("B")),
        anna=554,
        followed={"trimmed": (TOKEN,)},
    ),
    row(
        "replacement deleted",
        *(*RICH, use("A", paid=False), replace("B"), delete("B")),
        anna=600,
        by_night=True,
        followed={"trimmed": (TOKEN,)},
    ),
    row(
        "surplus used before it was seen",
        *(*RICH, use("A"), replace("B", validated=False), delete("B"), use("D")),
        anna=608,
        followed={"overspent": (TOKEN,)},
        says=("D", "stands on several sales with 12.00, and 6.00 was paid for"),
    ),
    row(
        "one of the two returned",
        *(*RICH, use("A"), replace("B", validated=False), delete("B"), use("D")),
        credit_all("C", of="D"),
        anna=554,
        followed={"overspent": (TOKEN,)},
    ),
    row(
        "till cannot credit it",
        *(*RICH, ticket_with_reward("A", 2), till_breaks()),
        anna=518,
    ),
    row("till return", *RICH, ticket_with_reward("A", 2), ticket("C", ("tea", -1)), anna=556),
    row(
        "till return of all, in money",
        *(*RICH, ticket_with_reward("A", 2), ticket("C", ("tea", -2))),
        anna=494,
        says=("C", "it is larger than"),
    ),
    row("moved to another", *RICH, use("A"), move("A", "bert"), anna=500, bert=54),
)

MERGES = (
    row("seen", sell(), sell("B", to="bert"), merge, anna=0, bert=120),
    row("one not seen before", sell(), then(sell("B", to="bert"), merge), anna=0, bert=120),
    row(
        "then returned",
        sell(),
        sell("B", to="bert"),
        merge,
        credit("C", 60, to="bert"),
        anna=0,
        bert=60,
    ),
    row("renamed", sell(), lambda desk: desk.shop.rename_customer(desk.anna, "Zoë 🌻"), anna=60),
    row("with a reward", *RICH, use("A"), sell("B", to="bert"), merge, anna=0, bert=614),
)

ALL = {
    f"{group}: {one.what}": one
    for group, rows in (
        ("office", OFFICE),
        ("return", RETURNS),
        ("till", TILL),
        ("reward", REWARDS),
        ("merge", MERGES),
    )
    for one in rows
}


def _lines(desk: Desk, letter: str) -> list[int]:
    return [line["rowid"] for line in desk.shop.lines(desk[letter])]


def _point(desk: Desk, note: str, source: str) -> None:
    """Rewrite what a credit note names."""
    desk.shop.change_invoice(desk[note], fk_facture_source=desk[source])


def _date(desk: Desk, days_ago: int) -> None:
    day = desk.clock().date() - timedelta(days=days_ago)
    desk.shop.change_invoice(desk["A"], datef=day)


def _wipe(desk: Desk, letter: str) -> None:
    """Delete a paid invoice, as only the database can."""
    desk.shop.set_unpaid(desk[letter])
    desk.shop.delete_payment(desk.payments[letter].pop())
    desk.shop.delete_invoice(desk[letter])


@pytest.fixture(scope="module")
def street(ledger_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with open_street(ledger_template, tmp_path_factory.mktemp("street")) as opened:
        yield opened


@pytest.mark.parametrize("name", ALL)
def test_correction(street: Street, name: str) -> None:
    wanted = ALL[name]
    gives_rewards = redeem in wanted.acts
    desk = street.desk("sql", *(() if gives_rewards else ("rest",)), **wanted.terms)
    for act in wanted.acts:
        desk.do(act)
    expected = {desk.anna: wanted.anna, desk.bert: wanted.bert}
    expected = {customer: points for customer, points in expected.items() if points}
    for ledger in desk.ledgers:
        assert (ledger.balances() == expected) is not wanted.by_night
    desk.night()
    for ledger in desk.ledgers:
        assert ledger.balances() == expected
    assert desk.breaches() == []
    for what in ("trimmed", "overspent", "unknown"):
        assert getattr(desk.followed, what) == wanted.followed.get(what, ()), what
    if wanted.says is not None:
        letter, words = wanted.says
        assert words in desk.said(letter)
    replayed = desk.replayed("rest" if gives_rewards else "sql", adopting=gives_rewards)
    for ledger in desk.ledgers:
        assert replayed.holdings() == ledger.holdings()
        assert replayed.balances() == ledger.balances()


def test_a_discount_that_a_restored_ledger_does_not_know_is_told_and_then_booked_once(
    street: Street,
) -> None:
    desk = street.desk("sql")
    for act in (*RICH, use("A"), replace("B", validated=False), delete("B")):
        desk.do(act)
    restored = desk.replayed()
    assert restored.balances() == {desk.anna: 654}
    (unknown,) = restored.follow().unknown
    assert (unknown.token, unknown.owner, unknown.worth) == (TOKEN, desk.anna, 6)
    # The surplus of a discount that nobody knows is left alone.
    assert len(desk.discounts()) == 2
    followed = restored.follow(adopting=True)
    assert (followed.adopted, followed.unknown) == ((TOKEN,), ())
    assert restored.balances() == {desk.anna: 554}
    followed = restored.follow(adopting=True)
    assert (followed.adopted, followed.trimmed) == ((), (TOKEN,))
    assert restored.balances() == {desk.anna: 554}


def test_what_fits_no_reward_is_told_and_not_booked(street: Street) -> None:
    desk = street.desk("sql")
    desk.do(sell("old", 600))
    desk.shop.add_discount(desk.anna, 7, f"Something {TOKEN}")
    desk.shop.add_discount(desk.anna, 6, "Ours is not this one, DSX-1")
    followed = desk.ledger.follow(adopting=True)
    assert [found.token for found in followed.unknown] == [TOKEN]
    assert followed.adopted == ()
    assert desk.ledger.balances() == {desk.anna: 600}


def test_a_discount_used_twice_is_told_until_an_adjustment_names_it(street: Street) -> None:
    desk = street.desk("sql")
    twice = (use("A"), replace("B", validated=False), delete("B"), use("D"))
    for act in (*RICH, *twice):
        desk.do(act)
    for _ in range(2):
        desk.night()
        assert desk.followed.overspent == (TOKEN,)
    desk.adjust(-1, "something else")
    desk.night()
    assert desk.followed.overspent == (TOKEN,)
    desk.adjust(-100, f"{TOKEN} used twice")
    desk.night()
    assert desk.followed.overspent == ()
    assert desk.balance(desk.anna) == 608 - 101
    assert desk.breaches() == []
