"""Verify: whatever is changed behind the ledger's back is named."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from dolisync.ledger import verify
from dolisync.ledger.verify import verify_books
from dolisync.sync import audit
from tests.builders import credit_note, program, sale
from tests.fakes import Shop, reward


@pytest.fixture
def shop(ledger: Engine) -> Shop:
    """A shop with a little of everything, on SQLite."""
    return with_a_little_of_everything(ledger)


def with_a_little_of_everything(engine: Engine) -> Shop:
    """Give a shop where points were earned, returned, redeemed and are owed."""
    opened = Shop(engine, programs=(program(reward=[reward(30)]),))
    opened.take(sale(1, 50), credit_note(2, 10, 1), sale(3, 20, buyer=8))
    opened.redeem()
    opened.intake.take([credit_note(4, 15, None)])
    assert opened.breaches() == []
    return opened


def tamper(shop: Shop, statement: str) -> set[str]:
    """Change rows by SQL and return the names of the broken rules."""
    with shop.engine.begin() as connection:
        if shop.engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        connection.exec_driver_sql(statement)
    found = audit.verify(shop.engine, shop.clock, shop.intake.rules)
    return {breach.rule for breach in found}


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE posting SET points = points + 1 WHERE id = 1", verify.RULE_POSTING),
        ("UPDATE posting SET points = points + 1 WHERE id = 1", verify.RULE_BALANCE),
        ("UPDATE posting SET balance_after = 7 WHERE id = 1", verify.RULE_CHAIN),
        ("UPDATE posting SET sequence = 99 WHERE id = 1", verify.RULE_CHAIN),
        ("UPDATE posting SET kind = 'adjust' WHERE id = 1", verify.RULE_SALE),
        ("UPDATE posting SET kind = 'bonus' WHERE kind = 'redeem'", verify.RULE_REDEMPTION),
        ("UPDATE posting SET sale_id = 3 WHERE id = 1", verify.RULE_SALE),
        ("UPDATE posting SET reason = 'gift' WHERE id = 1", verify.RULE_HASH),
        ("UPDATE posting SET occurred_on = '2026-01-01' WHERE id = 1", verify.RULE_HASH),
        ("UPDATE posting SET recorded_at = '2026-01-01 00:00:00' WHERE id = 1", verify.RULE_HASH),
        ("UPDATE posting SET hash = 'x' WHERE id = 1", verify.RULE_HASH),
        ("UPDATE posting SET rule_set_id = NULL WHERE id = 1", verify.RULE_HASH),
        ("UPDATE posting SET redemption_id = NULL WHERE kind = 'redeem'", verify.RULE_REDEMPTION),
        (  # in place of a whole movement
            "UPDATE posting SET member_id = 2, sequence = 9 WHERE id = 1",
            verify.RULE_BALANCE,
        ),
        ("UPDATE lot SET points = points + 1 WHERE id = 1", verify.RULE_LOT),
        ("UPDATE lot SET remaining = remaining + 1 WHERE id = 2", verify.RULE_LOT),
        ("UPDATE lot SET remaining = -1 WHERE id = 1", verify.RULE_LOT),
        ("UPDATE lot SET member_id = 1 WHERE id = 2", verify.RULE_BALANCE),
        ("UPDATE allocation SET points = points - 1 WHERE id = 1", verify.RULE_LOT),
        ("UPDATE allocation SET points = points - 1 WHERE id = 1", verify.RULE_POSTING),
        ("UPDATE allocation SET lot_id = 2 WHERE id = 1", verify.RULE_LOT),
        ("UPDATE allocation SET lot_id = NULL WHERE id = 1", verify.RULE_DEBT),
        ("UPDATE allocation SET posting_id = 1 WHERE id = 1", verify.RULE_POSTING),
        ("UPDATE allocation SET member_id = 2 WHERE lot_id IS NULL", verify.RULE_DEBT),
        ("UPDATE member SET balance = balance + 1 WHERE id = 1", verify.RULE_BALANCE),
        ("UPDATE member SET debt = 0 WHERE id = 1", verify.RULE_DEBT),
        ("UPDATE member SET debt = -5 WHERE id = 2", verify.RULE_DEBT),
        ("UPDATE member SET sequence = 1 WHERE id = 1", verify.RULE_CHAIN),
        ("UPDATE member SET head = 'x' WHERE id = 1", verify.RULE_HASH),
        ("UPDATE redemption SET points = 31", verify.RULE_REDEMPTION),
        ("UPDATE redemption SET state = 'revoked'", verify.RULE_REDEMPTION),
        ("UPDATE sale SET vanished_at = '2026-01-01 00:00:00' WHERE rowid = 1", verify.RULE_SALE),
        ("DELETE FROM allocation WHERE id = 1", verify.RULE_LOT),
    ],
)
def test_a_change_behind_the_ledgers_back_is_named(shop: Shop, statement: str, rule: str) -> None:
    assert rule in tamper(shop, statement)


def test_the_checks_find_the_same_on_both_databases(ledger_engine: Engine) -> None:
    shop = with_a_little_of_everything(ledger_engine)
    for table, column in (("posting", "points"), ("lot", "remaining"), ("member", "debt")):
        tamper(shop, f"UPDATE {table} SET {column} = {column} + 1 WHERE id = 1")
    found = tamper(shop, "UPDATE redemption SET state = 'revoked'")
    assert found == {
        verify.RULE_SALE,
        verify.RULE_POSTING,
        verify.RULE_LOT,
        verify.RULE_BALANCE,
        verify.RULE_DEBT,
        verify.RULE_CHAIN,
        verify.RULE_HASH,
        verify.RULE_REDEMPTION,
    }


def test_a_breach_says_where_and_what(shop: Shop) -> None:
    tamper(shop, "UPDATE member SET balance = 99 WHERE id = 1")
    texts = [str(breach) for breach in verify_books(shop.engine)]
    assert texts == [
        (
            f"customer shop:1:7 in 'loyalty': balance 99, postings -5, lots 0, debt 5 "
            f"({verify.RULE_BALANCE})"
        )
    ]


def test_a_sale_that_holds_something_else_than_the_rules_give_is_named(shop: Shop) -> None:
    document = str(shop.source.sales[1].total_incl)
    assert document == "50"
    tamper(shop, "UPDATE sale SET document = REPLACE(document, '\"50\"', '\"70\"') WHERE rowid = 1")
    found = [
        str(breach) for breach in audit.verify_sales(shop.engine, shop.clock, shop.intake.rules)
    ]
    assert found[0].startswith(
        "sale FA2611-0001 (shop:1:1) in 'loyalty': holds 50, the rules give 70"
    )


def test_points_on_a_strangers_account_are_named(shop: Shop) -> None:
    tamper(
        shop,
        "UPDATE sale SET document = REPLACE(document, '\"customer\":7', '\"customer\":9')"
        " WHERE rowid = 1",
    )
    found = " ".join(shop.breaches())
    assert "holds 50 for customer 7, not its own" in found


def test_a_source_that_left_the_configuration_is_no_longer_judged(shop: Shop) -> None:
    shop.intake.rules = type(shop.intake.rules)(shop.intake.rules.book, {}, {})
    assert shop.breaches() == []


def test_progress_is_told_page_by_page(shop: Shop) -> None:
    told: list[int] = []
    assert audit.verify(shop.engine, shop.clock, shop.intake.rules, told.append) == []
    assert told == [4]
