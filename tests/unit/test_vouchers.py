"""Vouchers and gift cards by hand: money on codes, never more used than issued."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, select, update

from dolisync.codes import new_code
from dolisync.codes_shown import codes_text
from dolisync.errors import NotFound, UserError
from dolisync.ledger import batches, privacy, tables, vouchers
from dolisync.ledger.book import NotEnoughPoints
from dolisync.ledger.engine import reading, write
from dolisync.ledger.store import Transaction
from dolisync.ledger.vouchers import Change, Kind, Move, State, Voucher
from dolisync.sync import undo
from dolisync.sync.issuing import Wish
from dolisync.sync.merge_by_hand import merge_by_hand
from dolisync.sync.vouchers import Automatic, Vouchers, act_token, new_codes
from tests.builders import SOURCE, HandClock, customer, program, sale
from tests.fakes import Shop

Open = Callable[..., Shop]
PLACE = (SOURCE, 1)
UNTIL = date(2027, 11, 30)
ZONE = ZoneInfo("Europe/Paris")


def wish(amount: str = "20", **more: Any) -> Wish:
    wanted = {"kind": Kind.VOUCHER, "valid_until": UNTIL, **more}
    return Wish(amount=Decimal(amount), currency="EUR", place=PLACE, **wanted)


def office_of(engine: Engine, clock: HandClock) -> Vouchers:
    return Vouchers(engine, clock, ZONE)


@pytest.fixture
def rich(open_shop: Open) -> Shop:
    shop = open_shop(program(point_value="0.05"))
    shop.take(sale(1, 300, day=date(2026, 11, 1)))
    return shop


@pytest.fixture
def office(rich: Shop) -> Vouchers:
    return office_of(rich.engine, rich.clock)


def moves(office: Vouchers, code: str) -> list[tuple[str, Decimal]]:
    with reading(office.engine) as connection:
        found = vouchers.movements(connection, office.get(code).id)
    return [(str(one.kind), one.amount) for one in found]


def given_one(office: Vouchers, amount: str = "20", **more: Any) -> Voucher:
    return office.give(wish(amount, **more), "because", code=new_code())


# --- made of points ------------------------------------------------------------------------------


def from_points(office: Vouchers, shop: Shop, points: str = "200", **more: str) -> Voucher:
    names = {"code": new_code(), "token": "DS-V1", **more}
    return office.from_points(
        shop.program, customer(), Decimal(points), wish("1"), "asked", **names
    )


def test_points_leave_with_the_code_that_they_become(rich: Shop, office: Vouchers) -> None:
    made = from_points(office, rich)
    assert (made.balance, made.customer, rich.balance()) == (Decimal(10), customer(), 100)
    assert rich.moves() == [("earn", 300), ("redeem", -200)]
    assert [item.target.key for item in rich.outbox()].count("customer:shop:1:7") == 1
    assert rich.breaches() == []


def test_no_more_points_are_taken_than_the_amount_needs(open_shop: Open) -> None:
    shop = open_shop(program(point_value="0.003"))
    shop.take(sale(1, 300))
    made = from_points(office_of(shop.engine, shop.clock), shop, "299")
    # 0.897 is 0.89; 297 points are enough for that.
    assert (made.balance, shop.balance()) == (Decimal("0.89"), 3)


def test_the_same_attempt_twice_is_one_code(rich: Shop, office: Vouchers) -> None:
    code = new_code()
    first = from_points(office, rich, code=code)
    assert from_points(office, rich, code=code) == first
    assert rich.balance() == 100


def test_too_few_points_make_no_code(rich: Shop, office: Vouchers) -> None:
    with pytest.raises(NotEnoughPoints):
        from_points(office, rich, "301")
    with reading(rich.engine) as connection:
        assert connection.execute(select(tables.voucher)).first() is None
    assert rich.balance() == 300


def test_points_that_are_worth_nothing_make_no_code(open_shop: Open) -> None:
    shop = open_shop(program())
    shop.take(sale(1, 300))
    with pytest.raises(UserError, match="nothing says what a point"):
        from_points(office_of(shop.engine, shop.clock), shop)


def test_untouched_it_gives_its_points_back_once(rich: Shop, office: Vouchers) -> None:
    made = from_points(office, rich)
    for _ in range(2):
        done = office.revoke(made.code, rich.by_name, "changed his mind", token="T")
    assert (done.state, done.balance, rich.balance()) == (State.REVOKED, 0, 300)
    assert rich.breaches() == []


def test_used_in_part_it_keeps_its_points(rich: Shop, office: Vouchers) -> None:
    made = from_points(office, rich)
    office.use(made.code, Decimal(1), "stall", token="U")
    with pytest.raises(UserError, match=r"1\.00 EUR is gone"):
        office.revoke(made.code, rich.by_name, "no", token="T")
    assert (office.get(made.code).balance, rich.balance()) == (9, 100)
    assert rich.breaches() == []


def automatic(shop: Shop, points: str = "100") -> Automatic:
    office = office_of(shop.engine, shop.clock)
    return Automatic(office, PLACE, "EUR", 12, shop.program, Decimal(points))


def test_a_member_with_the_points_gets_one_by_himself(rich: Shop) -> None:
    by_itself = automatic(rich, "140")
    assert (by_itself.issue(), by_itself.issue(), rich.balance()) == (2, 0, 20)
    with reading(rich.engine) as connection:
        found = vouchers.of_customer(connection, customer())
    assert [(one.balance, one.valid_until) for one in found] == [(7, date(2027, 11, 20))] * 2
    assert rich.breaches() == []


# --- use, and the end ----------------------------------------------------------------------------


def test_used_in_parts_until_nothing_is_left(office: Vouchers) -> None:
    code = given_one(office).code
    for token, amount in (("A", "12.50"), ("A", "12.50"), ("B", "7.50")):
        office.use(code, Decimal(amount), "stall", token=token)
    assert moves(office, code) == [("issued", 20), ("used", Decimal("-12.5")), ("used", -7.5)]
    with pytest.raises(UserError, match=r"holds 0\.00 EUR, not 0\.01"):
        office.use(code, Decimal("0.01"), "stall", token="C")


def test_blocked_it_is_of_no_use_until_it_is_unblocked(office: Vouchers) -> None:
    code = given_one(office).code
    office.block(code, "stolen", token="A")
    with pytest.raises(UserError, match="is blocked"):
        office.use(code, Decimal(1), "stall", token="B")
    office.unblock(code, "found", token="C")
    assert office.use(code, Decimal(1), "stall", token="D").balance == 19


def test_a_lost_one_moves_to_a_new_code_with_its_last_day(rich: Shop, office: Vouchers) -> None:
    old = given_one(office, customer=customer())
    office.use(old.code, Decimal(5), "stall", token="A")
    code = new_code()
    new = office.replace(old.code, "lost", new_code=code)
    assert office.replace(old.code, "lost", new_code=code) == new
    assert (new.balance, new.valid_until, new.customer) == (15, UNTIL, customer())
    with pytest.raises(UserError, match="is replaced"):
        office.use(old.code, Decimal(1), "stall", token="B")
    assert office.get(old.code).balance == 0
    assert rich.breaches() == []


def test_past_its_last_day_it_is_of_no_use_before_the_sweep(rich: Shop, office: Vouchers) -> None:
    code = given_one(office, valid_until=date(2026, 11, 21)).code
    rich.clock.tick(86400)
    assert office.get(code).usable(office.today) == 20
    rich.clock.tick(86400)
    assert office.get(code).usable(office.today) == 0
    with pytest.raises(UserError, match="was good until 2026-11-21"):
        office.use(code, Decimal(1), "stall", token="A")
    sweep = automatic(rich)
    assert (sweep.sweep(), sweep.sweep()) == (1, 0)
    assert moves(office, code) == [("issued", 20), ("expired", -20)]
    assert rich.breaches() == []


def test_extended_it_holds_again_what_had_expired_once(rich: Shop, office: Vouchers) -> None:
    code = given_one(office, valid_until=date(2026, 11, 21)).code
    office.use(code, Decimal(5), "stall", token="U")
    rich.clock.tick(3 * 86400)
    automatic(rich).sweep()
    assert office.extend(code, date(2026, 12, 24), "was ill", token="A").balance == 15
    assert office.extend(code, date(2026, 12, 31), "was ill", token="B").balance == 15
    with pytest.raises(UserError, match="good until 2026-12-31"):
        office.extend(code, date(2026, 12, 25), "shorter", token="C")
    assert rich.breaches() == []


def test_what_is_over_stays_over(rich: Shop, office: Vouchers) -> None:
    code = given_one(office).code
    office.revoke(code, rich.by_name, "paid out", token="A")
    for again in (
        lambda: office.block(code, "x", token="B"),
        lambda: office.extend(code, date(2030, 1, 1), "x", token="C"),
        lambda: office.replace(code, "x", new_code=new_code()),
        lambda: office.revoke(code, rich.by_name, "x", token="D"),
    ):
        with pytest.raises(UserError, match="is revoked"):
            again()


def test_a_code_that_was_never_made_is_not_found(office: Vouchers) -> None:
    with pytest.raises(NotFound, match=r"has the code \.\.\."):
        office.get(new_code())


# --- many at once --------------------------------------------------------------------------------


def test_a_batch_is_made_once_and_taken_back_as_a_whole(rich: Shop, office: Vouchers) -> None:
    codes = new_codes(5)
    for _ in range(2):
        batch, made = office.batch(wish("10"), "fair", codes, token="B-FAIR")
        assert [one.code for one in made] == codes
    office.use(codes[0], Decimal(4), "stall", token="U")
    planned = undo.plan(rich.engine, rich.clock, rich.rules, "B-FAIR")
    assert sum(one.balance for one in planned.vouchers) == 46
    assert office.get(codes[1]).balance == 10
    undo.undo(rich.engine, rich.clock, rich.rules, "B-FAIR")
    with reading(rich.engine) as connection:
        left = vouchers.of_batch(connection, batch.id)
        assert batches.by_token(connection, "B-FAIR").state == "undone"
    assert {(one.state, one.balance) for one in left} == {(State.REVOKED, Decimal(0))}
    assert rich.breaches() == []


def test_no_more_are_made_at_once_than_anybody_wants() -> None:
    for count in (0, -1, 5001):
        with pytest.raises(UserError, match="cannot be made at once"):
            new_codes(count)


# --- whose they are ------------------------------------------------------------------------------


def test_they_go_along_when_customers_are_merged_and_come_back(
    rich: Shop, office: Vouchers
) -> None:
    made = from_points(office, rich)
    rich.take(sale(2, 10, buyer=8))
    own = given_one(office, customer=customer(8))
    things = (rich.engine, rich.clock, rich.rules)
    batch = merge_by_hand(*things, customer(7), customer(8), token="B-TWINS", reason="twins")
    assert office.get(made.code).customer == customer(8)
    undo.undo(*things, batch.token)
    assert office.get(made.code).customer == customer(7)
    assert office.get(own.code).customer == customer(8)
    assert rich.breaches() == []


def test_an_erased_person_s_codes_are_of_whoever_holds_them(rich: Shop, office: Vouchers) -> None:
    made = from_points(office, rich)
    with reading(rich.engine) as connection:
        kept = privacy.export(connection, customer(), rich.by_name)["vouchers"]
    assert [row["code"] for row in kept] == [made.code]
    assert kept[0]["movements"][0]["amount_minor"] == 1000

    def erase(connection: Any) -> None:
        transaction = Transaction(connection, rich.clock.now())
        privacy.erase(transaction, rich.by_name, customer(), "asked", "B-GONE")

    write(rich.engine, erase)
    after = office.get(made.code)
    assert (after.customer, after.usable(office.today)) == (None, 10)
    with reading(rich.engine) as connection:
        assert {m.reason for m in vouchers.movements(connection, after.id)} == {""}
    assert rich.breaches() == []


# --- on the card in Dolibarr ----------------------------------------------------------------------


def test_the_card_names_what_can_be_used_the_soonest_to_end_first(
    rich: Shop, office: Vouchers
) -> None:
    late = given_one(office, "5", customer=customer())
    soon = given_one(office, "20", customer=customer(), valid_until=date(2026, 12, 1))
    endless = given_one(office, "7.50", kind=Kind.GIFT_CARD, valid_until=None)
    text = codes_text("fr", [late, soon, endless], office.today)
    assert text == (
        f"Bon d'achat {soon.masked} 20,00\xa0€ (01/12/2026), "
        f"Bon d'achat {late.masked} 5,00\xa0€ (30/11/2027), "
        f"Carte cadeau {endless.masked} 7,50\xa0€"
    )
    assert codes_text("fr", [], office.today) is None
    many = codes_text("de", [late] * 40, office.today)
    assert many is not None
    assert len(many) <= 255
    assert many.endswith(", ...")


def test_the_card_follows_what_becomes_of_a_code(rich: Shop, office: Vouchers) -> None:
    rich.publisher.codes_field = "loycodes"
    code = given_one(office, customer=customer()).code
    rich.publish()
    assert f"...{code[-4:]} €20.00" in str(rich.sink.cards[customer()]["loycodes"])
    office.use(code, Decimal(20), "stall", token="U")
    rich.publish()
    assert rich.sink.cards[customer()]["loycodes"] is None


# --- what verify finds ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "harm",
    [
        update(tables.voucher).values(balance_minor=2100),
        update(tables.voucher_movement).values(amount_minor=2100),
        delete(tables.voucher_movement),
        update(tables.voucher).values(state=State.REVOKED),
        update(tables.voucher_movement).values(sequence=2),
    ],
    ids=["balance", "amount", "movement", "state", "number"],
)
def test_verify_finds_what_does_not_add_up(rich: Shop, office: Vouchers, harm: Any) -> None:
    given_one(office)
    assert rich.breaches() == []
    with rich.engine.begin() as connection:
        connection.execute(harm)
    assert any("sum of its movements" in found for found in rich.breaches())


def test_verify_finds_points_that_became_no_code(rich: Shop, office: Vouchers) -> None:
    from_points(office, rich)
    with rich.engine.begin() as connection:
        connection.execute(delete(tables.voucher_movement))
        connection.execute(delete(tables.voucher))
    assert any("worth 1000, codes hold 0" in found for found in rich.breaches())


# --- whatever happens ----------------------------------------------------------------------------

ACTS = st.lists(
    st.tuples(
        st.sampled_from(["use", "block", "unblock", "replace", "extend", "sweep", "days"]),
        st.integers(1, 1500),
    ),
    max_size=12,
)


@settings(max_examples=25)
@given(ACTS)
def test_never_is_more_used_than_was_issued(
    ledger_of_its_own: Callable[[], Engine], acts: list[tuple[str, int]]
) -> None:
    engine, clock = ledger_of_its_own(), HandClock()
    office = office_of(engine, clock)
    code, used = given_one(office).code, Decimal(0)
    for act, number in acts:
        try:
            if act == "use":
                amount = Decimal(number) / 100
                office.use(code, amount, "x", token=act_token())
                used += amount
            elif act == "replace":
                fresh = new_code()
                office.replace(code, "x", new_code=fresh)
                code = fresh
            elif act == "extend":
                until = office.today + timedelta(days=number)
                office.extend(code, until, "x", token=act_token())
            elif act == "sweep":
                Automatic(office, PLACE, "EUR").sweep()
            elif act == "days":
                clock.tick(number * 86400)
            else:
                getattr(office, act)(code, "x", token=act_token())
        except UserError:
            pass
        with reading(engine) as connection:
            assert list(vouchers.broken(connection)) == []
    assert used <= 20
    assert office.get(code).balance <= 20 - used
    engine.dispose()


def test_two_tills_at_once_use_it_once(ledger_engine: Engine) -> None:
    """Each till reads twenty before the other writes; only one may take them."""
    clock = HandClock()
    code = given_one(office_of(ledger_engine, clock)).code
    start = threading.Barrier(2)
    answers: list[str] = []

    def till(number: int) -> None:
        start.wait()
        try:
            office_of(ledger_engine, clock).use(code, Decimal(15), "till", token=f"T{number}")
            answers.append("done")
        except UserError:
            answers.append("refused")

    tills = [threading.Thread(target=till, args=(number,)) for number in range(2)]
    for one in tills:
        one.start()
    for one in tills:
        one.join()
    assert sorted(answers) == ["done", "refused"]
    with reading(ledger_engine) as connection:
        assert list(vouchers.broken(connection)) == []
        assert vouchers.by_code(connection, code).balance == 5


@pytest.mark.mariadb
def test_who_read_before_another_wrote_reads_again(mariadb_ledger: Engine) -> None:
    """What the second one read was twenty; when he writes, five are left."""
    office = office_of(mariadb_ledger, HandClock())
    code, attempts = given_one(office).code, []

    def work(connection: Any) -> None:
        found = vouchers.by_code(connection, code)
        attempts.append(found.balance)
        if len(attempts) == 1:
            office.use(code, Decimal(15), "the other till", token="OTHER")
        change = Change("use:MINE", Move.USED, Decimal(-15), office.today, office.clock.now())
        vouchers.move(connection, found, change)

    with pytest.raises(vouchers.NotOnIt):
        write(mariadb_ledger, work)
    assert (attempts, office.get(code).balance) == ([20, 5], 5)
    with reading(mariadb_ledger) as connection:
        assert list(vouchers.broken(connection)) == []


@pytest.mark.parametrize("step", range(1, 12))
def test_a_crash_at_any_step_leaves_points_or_a_code_never_both(
    rich: Shop, office: Vouchers, step: int
) -> None:
    left = step

    def fail(*_arguments: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt

    code = new_code()
    event.listen(rich.engine, "before_cursor_execute", fail)
    try:
        from_points(office, rich, code=code)
    except KeyboardInterrupt:
        pass
    finally:
        event.remove(rich.engine, "before_cursor_execute", fail)
    assert rich.breaches() == []
    from_points(office, rich, code=code)
    assert (rich.balance(), office.get(code).balance) == (100, 10)
    assert rich.breaches() == []
