"""redeem and adjust: points move once, and what was done can be seen and undone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import create_engine, text

from tests.system.place import Place

DISCOUNTS = "llx_societe_remise_except"


def in_dolibarr(place: Place, statement: str) -> None:
    """Do something to Dolibarr's database behind everybody's back."""
    engine = create_engine(place.standin.database_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def in_ledger(place: Place, statement: str) -> None:
    engine = create_engine(f"sqlite:///{place.ledger}")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def account(place: Place, name: str) -> Any:
    return place.read("balance", place.customer(name))


# --- adjust --------------------------------------------------------------------------------------


def test_points_given_live_as_long_as_earned_ones(open_shop: Place) -> None:
    done = open_shop.read("adjust", open_shop.customer("bruno"), "+50", "--reason", "welcome")
    assert done["points"] == "50"
    assert done["last_day"]
    assert int(done["balance_after"]) - int(done["balance_before"]) == 50
    lots = account(open_shop, "bruno")["lots"]
    assert {"50"} == {lot["earned"] for lot in lots if not lot["sale"]}
    assert "adjustment" in open_shop.good("balance", open_shop.customer("bruno"))


def test_the_customer_card_follows(open_shop: Place) -> None:
    bruno = open_shop.customer("bruno")
    done = open_shop.read("adjust", bruno, 50, "--reason", "welcome")
    open_shop.good("sync")
    shown = open_shop.standin.shop.customer_fields(bruno)["loybalance"]
    assert str(shown) == done["balance_after"]


def test_two_adjustments_alike_are_two(open_shop: Place) -> None:
    first = open_shop.read("adjust", 2, 5, "--reason", "same")
    second = open_shop.read("adjust", 2, 5, "--reason", "same")
    assert first["key"] != second["key"]
    assert int(second["balance_after"]) == int(first["balance_after"]) + 5


def test_more_than_is_available_becomes_debt_when_asked_for(open_shop: Place) -> None:
    alice = open_shop.customer("alice")
    said = open_shop.bad("adjust", alice, "-200", "--reason", "fraud")
    assert "200 points cannot be taken: 135 are available" in said
    done = open_shop.read("adjust", alice, "-200", "--reason", "fraud", "--into-debt")
    assert (done["balance_after"], done["debt"], done["available"]) == ("-65", "65", "0")
    assert "settled first by what is earned next" in open_shop.good("balance", alice)
    again = open_shop.good("adjust", alice, "100", "--reason", "not her after all")
    assert "balance -65 before, 35 now" in again
    assert account(open_shop, "alice")["debt"] == "0"
    assert open_shop.read("verify")["holds"]


def test_parts_of_a_point_where_the_program_counts_them(ready: Place) -> None:
    ready.change("#decimals = 0", "decimals = 2")
    ready.good("sync")
    done = ready.read("adjust", 2, "1.5", "--reason", "half")
    assert done["points"] == "1.5"
    assert "+1.25 points; balance 136.50 before, 137.75 now" in ready.good(
        "adjust", 2, "1.25", "--reason", "quarter"
    )
    assert "counts 2 decimals" in ready.bad("adjust", 2, "0.001", "--reason", "dust")


def test_markup_and_orders_in_a_reason_are_only_words(open_shop: Place) -> None:
    open_shop.good("adjust", 2, 1, "--reason", "[red]\x1b[2J\nnew line[/red]")
    said = open_shop.good("history", 2)
    assert "[red]" in said
    assert "\x1b" not in said


# --- redeem --------------------------------------------------------------------------------------


def test_a_discount_that_was_used_stays_spent(open_shop: Place) -> None:
    alice, shop = open_shop.customer("alice"), open_shop.standin.shop
    bought = open_shop.read("redeem", alice)
    invoice = shop.new_invoice(alice)
    shop.add_line(invoice, open_shop.week.products["cake"])
    shop.use_discount(invoice, bought["in_dolibarr"]["ids"][0])
    answer = open_shop.call("redeem", "--revoke", bought["token"])
    assert answer.code == 1
    assert "was used already" in answer.err
    assert account(open_shop, "alice")["available"] == "35"


def test_a_token_may_be_typed_in_small_letters(open_shop: Place) -> None:
    token = open_shop.read("redeem", open_shop.customer("alice"))["token"]
    assert "100 points returned" in open_shop.good("redeem", "--revoke", token.lower())


def test_several_rewards_need_a_name(ready: Place) -> None:
    big = (
        '[[program.reward]]\nname = "big"\npoints = 120\namount = 7\ntax_rate = 5.5\n\n# Receipts.'
    )
    ready.change("# Receipts.", big)
    ready.good("sync")
    said = ready.bad("redeem", ready.customer("alice"))
    assert "name one of: discount, big" in said
    bought = ready.read("redeem", ready.customer("alice"), "--reward", "big")
    assert (bought["points"], bought["amount"]) == ("120", "7")


def test_while_dolibarr_fails_points_are_spent_once(open_shop: Place) -> None:
    alice = open_shop.customer("alice")
    broken = "BEGIN INSERT INTO nowhere VALUES (1); END"
    in_dolibarr(open_shop, f"CREATE TRIGGER broken BEFORE INSERT ON {DISCOUNTS} {broken}")
    answer = open_shop.call("redeem", alice)
    assert answer.code == 0
    assert "not in Dolibarr yet" in answer.err
    assert "do not redeem a second time" in answer.err
    token = next(word for word in answer.out.split() if word.startswith("DS-"))
    assert "still on its way" in open_shop.bad("redeem", "--revoke", token)
    in_dolibarr(open_shop, "DROP TRIGGER broken")
    in_ledger(open_shop, "UPDATE outbox SET not_before = '2020-01-01 00:00:00.000000'")
    open_shop.good("sync")
    assert account(open_shop, "alice")["available"] == "35"
    assert open_shop.read("redeem", "--revoke", token)["state"] == "revoked"
    assert account(open_shop, "alice")["available"] == "135"
    assert open_shop.read("verify")["holds"]


def test_what_dolibarr_refuses_costs_nothing(open_shop: Place) -> None:
    refusing = "BEGIN SELECT RAISE(ABORT, 'not on Sundays'); END"
    in_dolibarr(open_shop, f"CREATE TRIGGER refusing BEFORE INSERT ON {DISCOUNTS} {refusing}")
    answer = open_shop.call("redeem", open_shop.customer("alice"))
    assert answer.code == 1
    assert "not on Sundays" in answer.err
    assert "the 100 points are back; 135 points are left" in answer.err
    assert account(open_shop, "alice")["available"] == "135"
    assert open_shop.read("verify")["holds"]


def test_without_the_right_to_discounts_none_is_begun(open_shop: Place) -> None:
    in_dolibarr(open_shop, f"ALTER TABLE {DISCOUNTS} RENAME TO away")
    said = open_shop.bad("redeem", open_shop.customer("alice"))
    assert DISCOUNTS in said
    assert "dolisync check" in said


def test_revoke_in_a_program_that_is_gone(open_shop: Place) -> None:
    token = open_shop.read("redeem", open_shop.customer("alice"))["token"]
    open_shop.change('name = "loyalty"', 'name = "club"')
    assert open_shop.read("redeem", "--revoke", token)["available"] == "135"
