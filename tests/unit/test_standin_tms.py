"""Which events move an invoice's tms, and which it is blind to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from connectors.standin import VERSIONS, StandIn
from connectors.standin.testing import MovingClock, opened


@dataclass(frozen=True)
class Scene:
    standin: StandIn
    clock: MovingClock
    alice: int
    bob: int
    coffee: int

    @property
    def shop(self):
        return self.standin.shop

    def validated(self):
        return self.shop.sell(self.alice, [(self.coffee, 2)], mode=None)

    def draft(self):
        invoice = self.shop.new_invoice(self.alice)
        self.shop.add_line(invoice, self.coffee)
        return invoice

    def paid(self):
        return self.shop.sell(self.alice, [self.coffee])

    def partly_paid(self):
        invoice = self.validated()
        self.shop.pay(invoice, 5)
        return invoice

    def ticket(self):
        ticket = self.shop.pos_open()
        self.shop.pos_add(ticket, self.coffee)
        return ticket

    def line(self, invoice):
        return self.shop.lines(invoice)[0]["rowid"]

    def payment(self):
        table = self.shop.tables.paiement
        return max(row["rowid"] for row in self.shop.store.rows(table.select()))

    def credit(self, invoice):
        note = self.shop.credit_note(invoice)
        self.shop.validate(note)
        return self.shop.mark_credit_available(note)[0]


@pytest.fixture(scope="module", params=VERSIONS)
def scene(request):
    with opened(request.param) as (standin, clock):
        alice, bob = standin.shop.add_customer("Alice"), standin.shop.add_customer("Bob")
        coffee = standin.shop.add_product("P1", "Coffee", 10, 20)
        standin.shop.add_extra_field("facture", "loyt")
        standin.shop.add_extra_field("societe", "loypts")
        yield Scene(standin, clock, alice, bob, coffee)


MOVES = {
    "a line is added": (Scene.draft, lambda s, i: s.shop.add_line(i, s.coffee)),
    "a line is removed": (Scene.draft, lambda s, i: s.shop.delete_line(s.line(i))),
    "a quantity changes": (Scene.draft, lambda s, i: s.shop.change_line(s.line(i), qty=3)),
    "validation": (Scene.draft, lambda s, i: s.shop.validate(i)),
    "back to draft": (Scene.validated, lambda s, i: s.shop.set_draft(i)),
    "set paid": (Scene.validated, lambda s, i: s.shop.set_paid(i)),
    "set unpaid": (Scene.paid, lambda s, i: s.shop.set_unpaid(i)),
    "abandoned": (Scene.validated, lambda s, i: s.shop.abandon(i)),
    "closed with a reason": (Scene.partly_paid, lambda s, i: s.shop.close(i)),
    "replaced": (Scene.validated, lambda s, i: s.shop.validate(s.shop.replace(i))),
    "paid in full": (Scene.partly_paid, lambda s, i: s.shop.pay(i)),
    "discount used as line": (
        Scene.draft,
        lambda s, i: s.shop.use_discount(i, s.shop.add_discount(s.alice, 3, "x")),
    ),
    "note changed": (Scene.paid, lambda s, i: s.shop.change_invoice(i, note_public="12 points")),
    "customer of the invoice changed": (
        Scene.paid,
        lambda s, i: s.shop.change_customer_of(i, s.bob),
    ),
    "customer chosen at the till": (Scene.ticket, lambda s, i: s.shop.pos_choose(i, s.bob)),
    "ticket discarded": (Scene.ticket, lambda s, i: s.shop.pos_discard(i)),
    "ticket paid": (Scene.ticket, lambda s, i: s.shop.pos_pay(i)),
}
BLIND = {
    "part payment": (Scene.validated, lambda s, i: s.shop.pay(i, 5)),
    "part payment deleted": (
        Scene.partly_paid,
        lambda s, i: s.shop.delete_payment(s.payment()),
    ),
    "credit note written": (Scene.validated, lambda s, i: s.credit(i)),
    "credit note used as payment": (
        Scene.validated,
        lambda s, i: s.shop.use_credit_note(i, s.credit(s.validated())),
    ),
    "line text changed": (
        Scene.draft,
        lambda s, i: s.shop.change_line(s.line(i), description="other"),
    ),
    "extra field changed": (Scene.paid, lambda s, i: s.shop.set_invoice_fields(i, loyt=5)),
    "nothing changed": (
        Scene.paid,
        lambda s, i: s.shop.change_invoice(i, fk_soc=s.alice, note_public=None),
    ),
    "customer renamed": (Scene.paid, lambda s, i: s.shop.rename_customer(s.alice, "Alice M.")),
    "customer's fields changed": (
        Scene.paid,
        lambda s, i: s.shop.set_customer_fields(s.alice, loypts=i),
    ),
}


def tms_before_and_after(scene, prepare, event):
    invoice = prepare(scene)
    before = scene.shop.invoice(invoice)["tms"]
    scene.clock.move(seconds=2)
    event(scene, invoice)
    return before, scene.shop.invoice(invoice)["tms"]


@pytest.mark.parametrize("name", MOVES)
def test_tms_moves(scene, name):
    before, after = tms_before_and_after(scene, *MOVES[name])
    assert after == before + timedelta(seconds=2)


@pytest.mark.parametrize("name", BLIND)
def test_tms_is_blind(scene, name):
    before, after = tms_before_and_after(scene, *BLIND[name])
    assert after == before


def test_the_first_part_payment_moves_tms_when_no_paper_was_built(scene):
    def undocumented(scene):
        invoice = scene.draft()
        scene.shop.validate(invoice, document=False)
        return invoice

    before, after = tms_before_and_after(scene, undocumented, lambda s, i: s.shop.pay(i, 5))
    assert after > before


def test_a_merge_moves_every_invoice_in_one_second(scene):
    dora, eve = scene.shop.add_customer("Dora"), scene.shop.add_customer("Eve")
    invoices = [scene.shop.sell(eve, [scene.coffee]) for _ in range(3)]
    now = scene.clock.move(seconds=9)
    scene.shop.merge_customers(dora, eve)
    rows = [scene.shop.invoice(invoice) for invoice in invoices]
    assert {row["tms"] for row in rows} == {now.replace(tzinfo=None)}
    assert {row["fk_soc"] for row in rows} == {dora}


def test_extra_fields_have_a_tms_of_their_own(scene):
    scene.shop.set_customer_fields(scene.alice, loypts=1)
    table, card = scene.shop.tables.societe_extrafields, scene.shop.tables.societe
    of_card = scene.shop.store.get(card, scene.alice)["tms"]
    now = scene.clock.move(seconds=5)
    scene.shop.set_customer_fields(scene.alice, loypts=2)
    row = scene.shop.store.first(table.select().where(table.c.fk_object == scene.alice))
    assert row["tms"] == now.replace(tzinfo=None)
    assert scene.shop.store.get(card, scene.alice)["tms"] == of_card


def test_an_act_may_carry_an_earlier_moment(scene):
    late = scene.clock.move(minutes=5) - timedelta(minutes=4)
    with scene.shop.statement_time(late):
        invoice = scene.paid()
    assert scene.shop.invoice(invoice)["tms"] == late.replace(tzinfo=None)
    assert scene.shop.invoice(scene.paid())["tms"] == scene.clock().replace(tzinfo=None)


def test_tms_is_in_whole_seconds(scene):
    with scene.shop.statement_time(scene.clock() + timedelta(milliseconds=1234)):
        assert scene.shop.invoice(scene.paid())["tms"].microsecond == 0
