"""An unknown customer comes back with his receipt: its points become his, once, in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from dolisync.claims import make_code, read_code
from dolisync.config import ClaimSettings
from dolisync.errors import NotFound, UserError
from dolisync.ledger import privacy, tables
from dolisync.ledger.batches import BatchKind, listed
from dolisync.ledger.engine import reading, write
from dolisync.ledger.signing import CLAIMS, ensure_signing_key
from dolisync.ledger.store import Transaction
from dolisync.model import SaleKey, SaleStatus
from dolisync.program.surroundings import Surroundings
from dolisync.sync import undo as undoing
from dolisync.sync.claims import Claimant, Claimed, claim, named_sale, printed_claim
from dolisync.sync.tickets import TicketDesk
from tests.builders import SOURCE, credit_note, customer, program, sale
from tests.fakes import Shop, reopened
from tests.unit.test_tickets import desk

NOBODY, ZOE, YAN = 1, 7, 8
TERMS = ClaimSettings(days=30)
AROUND = Surroundings(pos_customers=frozenset({NOBODY}))


@pytest.fixture
def shop(ledger_engine: Engine) -> Shop:
    return Shop(ledger_engine, around=AROUND)


def anonymous(rowid: int = 1, amount: int = 24, **more: Any) -> Any:
    return sale(rowid, amount, buyer=NOBODY, **more)


def claimed(shop: Shop, rowid: int = 1, buyer: int = ZOE, token: str = "B-1") -> Claimed:
    key = SaleKey(SOURCE, 1, rowid)
    who = Claimant(customer(buyer))
    return claim(shop.engine, shop.clock, shop.rules, TERMS, key, who, token=token)


def code_of(shop: Shop, rowid: int = 1) -> str | None:
    """Return the code that stands on a receipt printed now."""
    ensure_signing_key(shop.engine, CLAIMS, shop.clock.now())
    today, found = shop.clock.now().date(), shop.source.sales[rowid]
    with reading(shop.engine) as connection:
        printed = printed_claim(connection, shop.rules, TERMS, found, today)
    return printed.code if printed else None


# --- codes ---------------------------------------------------------------------------------------


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**60),
    st.sampled_from(["shop", "other"]),
    st.integers(1, 3),
)
def test_a_code_names_its_sale_and_no_other(
    key: bytes, rowid: int, source: str, entity: int
) -> None:
    mine = SaleKey(source, entity, rowid)
    code = read_code(make_code(key, mine).lower().replace("-", " "))
    assert code.rowid == rowid
    assert code.names(key, mine)
    assert not code.names(key, replace(mine, entity=entity + 1))
    assert not code.names(key, replace(mine, source="third"))
    assert not code.names(key, replace(mine, rowid=rowid + 1))
    assert not code.names(key[::-1] + b"x", mine)


@pytest.mark.parametrize(
    "text", ["", "2Y7K", "0000-0000-0", "OOOO-IIII-1", "ü" * 12, "A" * 40, "TC1-2611-0042"]
)
def test_what_is_no_code_is_said(text: str) -> None:
    with pytest.raises(UserError, match="this is no code of a receipt"):
        read_code(text)


def test_a_code_of_another_ledger_is_nobodys(shop: Shop) -> None:
    shop.put(anonymous())
    code = read_code(code_of(shop) or "")
    sources = {SOURCE: 1}
    assert named_sale(shop.engine, code, sources, shop.rules) == SaleKey(SOURCE, 1, 1)
    foreign = read_code(make_code(b"x" * 32, SaleKey(SOURCE, 1, 1)))
    with pytest.raises(NotFound, match="no receipt has this code"):
        named_sale(shop.engine, foreign, sources, shop.rules)


def test_the_key_is_made_once(ledger_engine: Engine) -> None:
    shop = Shop(ledger_engine)
    keys = {ensure_signing_key(shop.engine, CLAIMS, shop.clock.now()) for _ in range(3)}
    assert len(keys) == 1
    with shop.engine.connect() as connection:
        assert len(connection.execute(select(tables.signing_key)).all()) == 1


def test_only_receipts_of_nobody_bear_a_code_while_it_can_be_claimed(shop: Shop) -> None:
    shop.put(anonymous(1), sale(2, 24), anonymous(3, status=SaleStatus.ABANDONED))
    shop.put(credit_note(4, 5, 1, buyer=NOBODY), reopened(anonymous(5)))
    assert [code_of(shop, rowid) is not None for rowid in range(1, 6)] == [True, *[False] * 4]
    shop.clock.moment += timedelta(days=30)
    assert code_of(shop, 1) is not None
    shop.clock.moment += timedelta(days=1)
    assert code_of(shop, 1) is None


# --- claiming ------------------------------------------------------------------------------------


def test_points_of_nobody_become_his_and_stay_a_function_of_the_sale(shop: Shop) -> None:
    shop.put(anonymous())
    assert (shop.balance(NOBODY), shop.balance(ZOE)) == (0, 0)
    done = claimed(shop)
    assert [(one.customer.rowid, one.units) for one in done.changes] == [(ZOE, 24)]
    assert shop.moves(ZOE) == [("earn", 24)]
    # Dolibarr goes on naming nobody, whatever else happens to the sale.
    assert shop.put(anonymous()).postings == 0
    shop.put(anonymous(amount=30))
    assert shop.balance(ZOE) == 30
    shop.put(credit_note(2, 10, 1, buyer=NOBODY))
    assert shop.balance(ZOE) == 20
    shop.reconcile()
    shop.source.remove(2)
    shop.source.remove(1)
    shop.reconcile(allow_mass_reversal=True)
    assert (shop.balance(NOBODY), shop.balance(ZOE)) == (0, 0)
    assert shop.breaches() == []


def test_a_return_before_the_claim_counts(shop: Shop) -> None:
    shop.put(anonymous(), credit_note(2, 10, 1, buyer=NOBODY))
    claimed(shop)
    assert shop.balance(ZOE) == 14
    assert shop.breaches() == []


def test_once_only(shop: Shop) -> None:
    shop.put(anonymous())
    first = claimed(shop)
    with pytest.raises(UserError, match="is his already"):
        claimed(shop, token="B-2")
    with pytest.raises(UserError, match="is somebody's already: customer 7"):
        claimed(shop, buyer=YAN, token="B-3")
    # A transaction that is repeated because its outcome was not known is the same claim.
    assert claimed(shop).batch == first.batch
    assert (shop.balance(ZOE), shop.balance(YAN)) == (24, 0)
    assert code_of(shop) is not None  # of Dolibarr's sale: the ledger knows better
    assert shop.breaches() == []


def test_a_sale_with_a_customer_of_its_own_cannot_be_claimed(shop: Shop) -> None:
    shop.put(sale(1, 24, buyer=YAN))
    with pytest.raises(UserError, match="somebody's already: customer 8"):
        claimed(shop)


def test_in_time_only(shop: Shop) -> None:
    shop.put(anonymous())
    shop.clock.moment += timedelta(days=31)
    with pytest.raises(UserError, match="could be claimed until 2026-12-20"):
        claimed(shop)
    assert shop.balance(ZOE) == 0


@pytest.mark.parametrize("gone", ["unknown", "vanished", "reopened"])
def test_what_is_gone_cannot_be_claimed(shop: Shop, gone: str) -> None:
    if gone != "unknown":
        shop.put(anonymous())
    if gone == "vanished":
        shop.source.remove(1)
        shop.reconcile(allow_mass_reversal=True)
    if gone == "reopened":
        shop.put(reopened(anonymous()))
    with pytest.raises(UserError, match="not in Dolibarr any more"):
        claimed(shop)


def test_dolibarr_naming_a_customer_later_is_followed(shop: Shop) -> None:
    shop.put(anonymous())
    claimed(shop)
    shop.put(anonymous(customer=customer(YAN)))
    assert (shop.balance(ZOE), shop.balance(YAN)) == (0, 24)
    with pytest.raises(UserError, match="Dolibarr names a customer on that sale now"):
        undoing.undo(shop.engine, shop.clock, shop.rules, "B-1")
    assert shop.breaches() == []


def test_a_claim_is_undone_and_can_be_made_again(shop: Shop) -> None:
    shop.put(anonymous())
    claimed(shop)
    plan = undoing.plan(shop.engine, shop.clock, shop.rules, "B-1")
    assert [(one.customer.rowid, one.units) for one in plan.changes] == [(ZOE, -24)]
    assert shop.balance(ZOE) == 24
    undoing.undo(shop.engine, shop.clock, shop.rules, "B-1")
    assert shop.balance(ZOE) == 0
    claimed(shop, buyer=YAN, token="B-2")
    assert shop.balance(YAN) == 24
    with reading(shop.engine) as connection:
        found = [(batch.token, batch.state) for batch in listed(connection, BatchKind.CLAIM)]
    assert found == [("B-2", "done"), ("B-1", "undone")]
    assert shop.breaches() == []


def test_points_that_were_spent_before_an_undo_are_debt(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(program(reward=[{"points": 20, "amount": "1"}]), around=AROUND)
    shop.put(anonymous())
    claimed(shop)
    shop.redeem()
    undoing.undo(shop.engine, shop.clock, shop.rules, "B-1")
    assert shop.balance(ZOE) == -20
    assert shop.breaches() == []


def test_a_person_who_claimed_is_exported_and_erased_with_his_claim(shop: Shop) -> None:
    shop.put(anonymous())
    claimed(shop)
    with reading(shop.engine) as connection:
        export = privacy.export(connection, customer(ZOE), shop.by_name)
    assert [one["batch"] for one in export["done_at_once"]] == ["B-1"]
    assert [one["rowid"] for one in export["sales"]] == [1]
    write(
        shop.engine,
        lambda connection: privacy.erase(
            Transaction(connection, shop.clock.now()), shop.by_name, customer(ZOE), "asked", "B-E"
        ),
    )
    with pytest.raises(UserError):
        claimed(shop, buyer=YAN, token="B-2")
    with pytest.raises(UserError, match="cannot be undone"):
        undoing.undo(shop.engine, shop.clock, shop.rules, "B-1")
    assert shop.breaches() == []


def test_a_ticket_bears_the_code_and_after_the_claim_the_points(shop: Shop) -> None:
    plain = desk(shop)
    settings = plain.settings.model_copy(update={"claims": TERMS})
    till = TicketDesk(
        plain.engine, plain.clock, settings, plain.sources, plain.make_rules, plain.make_intake
    )
    sold = shop.source.put(anonymous())
    first = till.look_up(sold.ref)
    assert first is not None
    assert first.receipt.claim is not None
    assert first.receipt.points == ()
    code = read_code(first.receipt.claim.code)
    assert named_sale(shop.engine, code, {SOURCE: 1}, shop.rules) == sold.key
    claimed(shop)
    again = till.look_up(sold.ref)
    assert again is not None
    assert again.receipt.claim is None
    assert again.receipt.points[0].earned == 24
