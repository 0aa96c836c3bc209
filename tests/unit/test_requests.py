"""What staff ask for on customer cards: obeyed once, answered, and only from who may ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select

from connectors.standin import StandIn
from connectors.standin.testing import MovingClock, opened
from dolisync.errors import TransientError, UnknownOutcome
from dolisync.ledger import tables
from dolisync.ledger.courses import settings_of
from dolisync.ledger.engine import reading, write
from dolisync.ledger.privacy import erase, export
from dolisync.ledger.store import Transaction
from dolisync.model import CustomerKey
from tests.builders import SOURCE
from tests.unit.counter import GROUP, Counter, counter_terms, make_fields, source_terms

NEAR = "no such reward; did you mean Little thanks? A number, max or: Little thanks, Noble thanks"


class CrashError(BaseException):
    """End the daemon here."""


def crash() -> None:
    raise CrashError


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StandIn, MovingClock]]:
    with opened(directory=tmp_path_factory.mktemp("counter")) as (standin, clock):
        make_fields(standin, source_terms(), counter_terms())
        yield standin, clock


@pytest.fixture
def counter(place: tuple[StandIn, MovingClock], ledger: Engine) -> Counter:
    """Open a counter at which everybody may ask."""
    return Counter(*place, ledger, source_terms(), counter_terms())


@pytest.fixture
def guarded(place: tuple[StandIn, MovingClock], ledger: Engine) -> Counter:
    """Open a counter at which only one group may ask, and that looked once already."""
    made = Counter(*place, ledger, source_terms(request_groups=[GROUP]), counter_terms())
    made.look()
    return made


@pytest.fixture(autouse=True)
def _nobody_stays(place: tuple[StandIn, MovingClock]) -> Iterator[None]:
    yield
    users = place[0].store.tables.user
    place[0].store.run(users.delete().where(users.c.login.in_(["jeanne", "paul"])))


def jeanne(counter: Counter) -> int:
    return counter.shop.add_user("jeanne", GROUP)


def paul(counter: Counter) -> int:
    return counter.shop.add_user("paul", "Sales")


class TestWhatIsAsked:
    def test_points_are_given_with_a_reason_and_the_card_says_so(self, counter: Counter) -> None:
        anna = counter.customer()
        counter.write(anna, reason="Gesture & more", adjust=10)
        assert counter.look().answered == 1
        assert counter.balance(anna) == 10
        assert counter.answer(anna) == "+10 done, 10 points now"
        assert counter.shown(anna) == {}
        assert counter.reasons() == ["Gesture & more"]
        assert counter.breaches() == []

    def test_the_answer_begins_with_the_day_and_the_hour_of_the_shop(
        self, counter: Counter
    ) -> None:
        anna = counter.customer()
        counter.write(anna, reason="x", adjust=1)
        counter.look()
        text = counter.shop.customer_fields(anna)["loyanswer"]
        moment = counter.moving().astimezone(counter.terms.zone)
        assert text.startswith(f"{moment:%d/%m/%Y %H:%M}: ")

    def test_a_number_waits_for_its_reason_and_then_is_done(self, counter: Counter) -> None:
        anna = counter.customer()
        counter.write(anna, adjust=10)
        for _ in range(3):
            assert counter.look().answered == 0
        assert counter.answer(anna) == "write a reason too, then it is done"
        assert counter.shown(anna) == {"adjust": 10}
        counter.write(anna, reason="Gesture")
        counter.look()
        assert counter.balance(anna) == 10

    def test_waiting_writes_the_card_once(self, counter: Counter) -> None:
        anna = counter.customer()
        counter.write(anna, adjust=10)
        counter.look()
        before = counter.shop.customer_fields(anna)
        counter.desk.before["answer"] = crash
        counter.look()
        assert counter.shop.customer_fields(anna) == before

    def test_a_reason_by_itself_asks_for_nothing(self, counter: Counter) -> None:
        anna = counter.customer()
        counter.write(anna, reason="Gesture")
        assert counter.look().answered == 0
        assert counter.shown(anna) == {"reason": "Gesture"}
        assert counter.answer(anna) == ""

    @pytest.mark.parametrize(
        ("asked", "answer"),
        [
            ({"adjust": -30, "reason": "x"}, "30 points wanted, 20 available: nothing was done"),
            ({"adjust": 0, "reason": "x"}, "nothing to do: the number is not above zero"),
            (
                {"redeem": "gift"},
                "no such reward; write a number of points, max or: Little thanks, Noble thanks",
            ),
            ({"redeem": "Litle thank"}, NEAR),
            ({"redeem": "small"}, "100 points wanted, 20 available: nothing was done"),
            ({"redeem": "NOBLE"}, "this reward is for members of other tiers"),
            ({"redeem": "-5"}, "nothing to do: the number is not above zero"),
            ({"settier": "bronze"}, "no such tier; there are: silver, gold"),
            ({"join": "perhaps"}, "not understood: perhaps"),
        ],
    )
    def test_what_cannot_be_done_is_refused_with_its_reason(
        self, counter: Counter, asked: dict[str, Any], answer: str
    ) -> None:
        anna = counter.customer(points=20)
        counter.write(anna, **asked)
        report = counter.look()
        assert (report.answered, report.refused) == (1, 1)
        assert counter.answer(anna) == answer
        assert counter.shown(anna) == {}
        assert counter.balance(anna) == 20

    def test_what_was_refused_may_be_asked_again_at_once(self, counter: Counter) -> None:
        anna = counter.customer(points=20)
        counter.write(anna, redeem="small")
        counter.look()
        counter.write(anna, adjust=80, reason="x")
        counter.look()
        counter.write(anna, redeem="small")
        counter.look()
        assert counter.balance(anna) == 0

    @pytest.mark.parametrize(
        ("words", "cost", "amount"),
        [
            ("small", 100, "5.00"),
            ("little THANKS", 100, "5.00"),
            ("37", 37, "1.85"),
            ("max", 230, "11.50"),
        ],
    )
    def test_a_discount_by_name_number_or_all(
        self, counter: Counter, words: str, cost: int, amount: str
    ) -> None:
        anna = counter.customer(points=230)
        counter.write(anna, redeem=words)
        counter.look()
        counter.publisher.run_once()
        assert counter.balance(anna) == 230 - cost
        placed = counter.publisher.sink.list_discounts("DS-")
        (mine,) = [one for one in placed.values() if one.owner == anna]
        assert (f"{mine.amount_incl:.2f}", mine.used) == (amount, False)
        assert f"for {cost} points put on the card" in counter.answer(anna)
        assert counter.breaches() == []

    def test_nothing_is_redeemed_on_the_tills_own_customer(
        self, place: tuple[StandIn, MovingClock], ledger: Engine
    ) -> None:
        anna = place[0].shop.add_customer("Till")
        source = source_terms(pos_customers=[anna])
        counter = Counter(*place, ledger, source, counter_terms())
        counter.write(anna, adjust=10, reason="x")
        counter.look()
        assert counter.answer(anna) == "this customer takes no part"

    def test_a_tier_is_set_locked_and_let_go(self, counter: Counter) -> None:
        anna = counter.customer()
        for words, answer in [
            ("Gold", "tier Gold set"),
            ("silver!", "tier Silver set and locked"),
            ("auto", "the tier follows the purchases again"),
        ]:
            counter.write(anna, settier=words)
            counter.look()
            assert counter.answer(anna) == answer
        with reading(counter.engine) as connection:
            found = settings_of(connection, counter.terms.name, CustomerKey(SOURCE, 1, anna))
        named = [(entry.setting.tier, entry.setting.is_locked) for entry in found]
        assert named == [("gold", False), ("silver", True), ("", False)]

    def test_taking_part_is_written_where_sales_read_it(self, counter: Counter) -> None:
        anna = counter.customer()
        for words, opted_out in [("no", 1), ("ja", 0), ("Non", 1), ("oui", 0)]:
            counter.write(anna, join=words)
            counter.look()
            assert counter.shop.customer_fields(anna)["nopoints"] == opted_out
        assert counter.answer(anna) == "takes part from now on"

    def test_several_wishes_are_answered_in_one_line(self, counter: Counter) -> None:
        anna = counter.customer()
        counter.shop.set_customer_fields(
            anna, loyadjust=100, loyreason="x", loyredeem="small", loyjoin="perhaps"
        )
        counter.look()
        said = counter.answer(anna)
        assert "+100 done" in said
        assert "put on the card" in said
        assert "not understood" in said
        assert counter.balance(anna) == 0


class TestOnce:
    def test_polled_again_and_again_it_is_done_once(self, counter: Counter) -> None:
        anna = counter.customer()
        counter.write(anna, adjust=10, reason="x")
        for _ in range(5):
            counter.look()
        assert counter.balance(anna) == 10

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_crash_around_the_answer_repeats_nothing(self, counter: Counter, moment: str) -> None:
        anna = counter.customer()
        counter.write(anna, adjust=10, reason="x")
        getattr(counter.desk, moment)["answer"] = crash
        with pytest.raises(CrashError):
            counter.look()
        # A balance written meanwhile moves the row's tms, and must not make it another request.
        counter.publisher.run_once()
        counter.restart()
        counter.look()
        assert counter.balance(anna) == 10
        assert counter.answer(anna) == "+10 done, 10 points now"
        assert counter.shown(anna) == {}
        with reading(counter.engine) as connection:
            keys = connection.execute(select(tables.request.c.open_key)).scalars().all()
        assert keys == [None]

    @pytest.mark.parametrize("way", [TransientError, UnknownOutcome])
    def test_a_lost_answer_is_looked_at_again(
        self, counter: Counter, way: type[TransientError]
    ) -> None:
        anna = counter.customer()
        counter.write(anna, redeem="max", adjust=100, reason="x")

        def lose() -> None:
            message = "gone"
            raise way(message)

        counter.desk.after["answer"] = lose
        counter.look()
        counter.moving.move(seconds=2)
        counter.look()
        assert counter.balance(anna) == 0
        assert len(counter.reasons()) == 2

    def test_a_card_that_fails_again_and_again_holds_up_no_other(self, counter: Counter) -> None:
        anna, bert = counter.customer(), counter.customer()
        for customer in (anna, bert):
            counter.write(customer, adjust=100, reason="x")
        real = counter.desk.desk.answer

        def answer(element: str, rowid: int, *rest: Any) -> bool:
            if rowid == anna:
                message = "HTTP 500"
                raise TransientError(message)
            return bool(real(element, rowid, *rest))

        counter.desk.desk.answer = answer  # type: ignore[method-assign]
        try:
            counter.look()
            assert (counter.answer(anna), counter.answer(bert)) == ("", "")
            counter.look()
            assert counter.answer(bert) == "+100 done, 100 points now"
        finally:
            del counter.desk.desk.answer
        counter.moving.move(seconds=2)
        counter.look()
        assert counter.answer(anna) == "+100 done, 100 points now"

    def test_a_crash_between_taking_and_doing_is_taken_up(
        self, counter: Counter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        anna = counter.customer(points=230)
        counter.write(anna, redeem="max")
        with monkeypatch.context() as patched:
            patched.setattr("dolisync.sync.requests.requests.settle", lambda *_: crash())
            with pytest.raises(CrashError):
                counter.look()
        assert counter.balance(anna) == 0
        counter.restart()
        counter.look()
        assert counter.balance(anna) == 0
        assert "for 230 points" in counter.answer(anna)

    def test_edited_in_between_both_are_done_and_both_are_told(self, counter: Counter) -> None:
        anna = counter.customer()
        counter.write(anna, adjust=10, reason="x")
        counter.desk.before["answer"] = lambda: counter.write(anna, adjust=15)
        counter.look()
        assert counter.shown(anna) == {"adjust": 15, "reason": "x"}
        counter.look()
        assert counter.answer(anna) == "+10 done, 10 points now | +15 done, 25 points now"
        assert counter.balance(anna) == 25
        assert counter.shown(anna) == {}

    def test_emptied_in_between_it_is_done_and_told(self, counter: Counter) -> None:
        anna = counter.customer()
        counter.write(anna, adjust=10, reason="x")
        counter.desk.before["answer"] = lambda: counter.write(anna, adjust="", reason="")
        counter.look()
        assert counter.answer(anna) == ""
        counter.look()
        assert counter.answer(anna) == "+10 done, 10 points now"

    def test_a_form_that_stood_open_brings_nothing_twice(self, counter: Counter) -> None:
        anna = counter.customer()
        counter.write(anna, adjust=10, reason="x")
        form = counter.shop.customer_fields(anna)
        counter.look()
        counter.shop.save_customer_card(anna, form)
        counter.look()
        assert counter.balance(anna) == 10
        assert counter.answer(anna).startswith("asked a moment ago and not done twice")
        assert counter.shown(anna) == {}

    def test_later_the_same_words_are_a_new_request(self, counter: Counter) -> None:
        anna = counter.customer()
        for _ in range(2):
            counter.write(anna, adjust=10, reason="x")
            counter.look()
            counter.moving.move(minutes=11)
        assert counter.balance(anna) == 20

    def test_two_daemons_do_it_once(self, counter: Counter) -> None:
        anna = counter.customer()
        counter.write(anna, adjust=10, reason="x")
        other = Counter(
            counter.standin, counter.moving, counter.engine, counter.source, counter.terms
        )
        counter.desk.before["answer"] = lambda: other.look() and None
        counter.look()
        counter.look()
        assert counter.balance(anna) == 10

    def test_a_customer_deleted_meanwhile_stops_nobody(self, counter: Counter) -> None:
        anna, bert = counter.customer(), counter.customer()
        for one in (anna, bert):
            counter.write(one, adjust=10, reason="x")
        counter.desk.before["answer"] = lambda: counter.shop.delete_customer(anna)
        counter.look()
        counter.look()
        assert counter.answer(bert) == "+10 done, 10 points now"
        with reading(counter.engine) as connection:
            keys = connection.execute(select(tables.request.c.open_key)).scalars().all()
        assert set(keys) == {None}

    def test_an_error_of_our_own_stops_nobody_else_and_is_told_in_the_end(
        self, counter: Counter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        anna, bert = counter.customer(), counter.customer()
        counter.write(anna, settier="gold")
        counter.write(bert, adjust=10, reason="x")

        def broken(*_: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("dolisync.sync.requests.set_tier", broken)
        counter.look()
        assert counter.balance(bert) == 10
        assert counter.answer(anna) == ""
        counter.look()
        counter.look()
        assert counter.answer(anna) == "not done: ZeroDivisionError"


class TestWhoMayAsk:
    def test_who_is_in_the_group_is_obeyed_and_named(self, guarded: Counter) -> None:
        anna = guarded.customer()
        guarded.look()
        guarded.write(anna, jeanne(guarded), adjust=10, reason="Gesture")
        guarded.look()
        assert guarded.balance(anna) == 10
        assert "jeanne: +10 done" in guarded.shop.customer_fields(anna)["loyanswer"]
        assert guarded.reasons() == ["Gesture (jeanne)"]

    def test_others_see_why_not(self, guarded: Counter) -> None:
        anna = guarded.customer()
        guarded.look()
        guarded.write(anna, paul(guarded), adjust=10, reason="x")
        guarded.look()
        assert guarded.balance(anna) == 0
        assert guarded.answer(anna) == "paul may not ask for this; allowed: Loyalty"
        assert guarded.shown(anna) == {}

    def test_another_who_saves_the_card_later_makes_it_no_better(self, guarded: Counter) -> None:
        """Paul asks while nobody looks, then Jeanne changes something else."""
        anna = guarded.customer()
        guarded.look()
        guarded.write(anna, paul(guarded), adjust=10, reason="x")
        guarded.shop.edit_customer_field(anna, "nopoints", 0, jeanne(guarded))
        guarded.look()
        assert guarded.balance(anna) == 0
        assert guarded.answer(anna) == "paul may not ask for this; allowed: Loyalty"

    def test_who_saved_the_card_before_does_not_matter(self, guarded: Counter) -> None:
        anna = guarded.customer()
        guarded.shop.save_customer_card(anna, {}, paul(guarded))
        guarded.look()
        guarded.write(anna, jeanne(guarded), adjust=10, reason="x")
        guarded.look()
        assert guarded.balance(anna) == 10

    def test_a_number_of_one_and_the_reason_of_another(self, guarded: Counter) -> None:
        anna, allowed, other = guarded.customer(), jeanne(guarded), paul(guarded)
        guarded.look()
        guarded.write(anna, allowed, adjust=10)
        for _ in range(3):
            guarded.look()
        assert guarded.answer(anna) == "write a reason too, then it is done"
        guarded.write(anna, other, reason="x")
        guarded.look()
        assert guarded.balance(anna) == 0
        assert guarded.answer(anna) == "paul may not ask for this; allowed: Loyalty"

    def test_a_number_without_its_reason_is_refused_at_once_from_who_may_not(
        self, guarded: Counter
    ) -> None:
        anna = guarded.customer()
        guarded.look()
        guarded.write(anna, paul(guarded), adjust=1000)
        guarded.look()
        assert guarded.shown(anna) == {}
        guarded.write(anna, jeanne(guarded), reason="for something else")
        guarded.look()
        assert guarded.balance(anna) == 0

    def test_without_a_note_of_the_save_nobody_is_obeyed(self, guarded: Counter) -> None:
        anna = guarded.customer()
        guarded.look()
        guarded.shop.set_customer_fields(anna, loyadjust=10, loyreason="by import")
        guarded.look()
        assert guarded.balance(anna) == 0
        assert guarded.answer(anna).startswith("nobody can tell who wrote this")

    def test_who_was_switched_off_is_not_obeyed(self, guarded: Counter) -> None:
        anna, user = guarded.customer(), jeanne(guarded)
        guarded.look()
        guarded.write(anna, user, adjust=10, reason="x")
        guarded.shop.switch_off_user(user)
        guarded.look()
        assert guarded.balance(anna) == 0

    def test_what_stood_there_before_anybody_looked_is_not_obeyed(
        self, place: tuple[StandIn, MovingClock], ledger: Engine
    ) -> None:
        made = Counter(*place, ledger, source_terms(request_groups=[GROUP]), counter_terms())
        anna = made.customer()
        made.write(anna, jeanne(made), adjust=10, reason="x")
        made.look()
        assert made.balance(anna) == 0
        assert made.answer(anna).startswith("nobody can tell who wrote this")

    def test_written_while_the_daemon_was_down_it_is_obeyed(self, guarded: Counter) -> None:
        anna = guarded.customer()
        user = jeanne(guarded)
        for _ in range(3):
            guarded.look()
            guarded.moving.move(minutes=6)
        guarded.write(anna, user, adjust=10, reason="x")
        guarded.restart()
        guarded.look()
        assert guarded.balance(anna) == 10

    def test_while_down_all_who_saved_it_must_be_allowed(self, guarded: Counter) -> None:
        anna, allowed, other = guarded.customer(), jeanne(guarded), paul(guarded)
        guarded.look()
        guarded.write(anna, other, adjust=10, reason="x")
        guarded.write(anna, allowed, adjust=20)
        guarded.restart()
        guarded.look()
        assert guarded.balance(anna) == 0
        guarded.write(anna, allowed, adjust=20, reason="x")
        guarded.look()
        assert guarded.balance(anna) == 20

    def test_written_between_the_two_looks_of_one_turn(self, guarded: Counter) -> None:
        anna, other = guarded.customer(), paul(guarded)
        guarded.look()
        guarded.desk.before["asked"] = lambda: guarded.write(anna, other, adjust=10, reason="x")
        guarded.look()
        assert guarded.balance(anna) == 0
        assert guarded.answer(anna) == "paul may not ask for this; allowed: Loyalty"

    def test_a_turn_that_failed_forgets_no_writer(self, guarded: Counter) -> None:
        anna, other, allowed = guarded.customer(), paul(guarded), jeanne(guarded)
        guarded.look()
        guarded.write(anna, other, adjust=10, reason="x")

        def fail() -> None:
            message = "down"
            raise TransientError(message)

        guarded.desk.before["users"] = fail
        guarded.look()
        guarded.shop.edit_customer_field(anna, "nopoints", 0, allowed)
        guarded.moving.move(seconds=2)
        guarded.look()
        assert guarded.balance(anna) == 0

    def test_by_cron_each_look_knows_what_the_last_one_saw(self, guarded: Counter) -> None:
        anna, allowed, other = guarded.customer(), jeanne(guarded), paul(guarded)
        guarded.write(anna, other, adjust=10, reason="x")
        guarded.look()
        guarded.restart()
        guarded.write(anna, allowed, adjust=20, reason="x")
        guarded.look()
        assert guarded.balance(anna) == 20

    def test_a_save_that_commits_late_counts(self, guarded: Counter) -> None:
        """Its number is lower than one that was seen already."""
        anna, bert, other = guarded.customer(), guarded.customer(), paul(guarded)
        guarded.look()
        late = guarded.shop.note_event(None, "AC_COMPANY_MODIFY", "later Anna's", other)
        guarded.shop.edit_customer_field(bert, "nopoints", 0, jeanne(guarded))
        guarded.look()
        events = guarded.standin.store.tables.actioncomm
        # What is not committed is not seen: here it is seen as nobody's card.
        guarded.clerk.watch.seen = replace(
            guarded.clerk.watch.seen, beyond=guarded.clerk.watch.seen.beyond - {late}
        )
        guarded.standin.store.update(events, late, fk_soc=anna)
        guarded.shop.set_customer_fields(anna, loyadjust=10, loyreason="x")
        guarded.look()
        assert guarded.answer(anna) == "paul may not ask for this; allowed: Loyalty"

    def test_the_log_of_saves_is_not_read_from_its_beginning(self, guarded: Counter) -> None:
        guarded.customer()
        for _ in range(4):
            guarded.look()
            guarded.moving.move(minutes=6)
        assert guarded.clerk.watch.seen.after == guarded.desk.newest_save()
        assert guarded.clerk.watch.seen.beyond == frozenset()


def test_export_and_erasure_know_what_was_asked(counter: Counter) -> None:
    anna = counter.customer()
    counter.write(anna, adjust=10, reason="Gesture")
    counter.look()
    key = CustomerKey(SOURCE, 1, anna)
    with reading(counter.engine) as connection:
        (asked,) = export(connection, key, {})["asked_by_staff"]
    assert "Gesture" in asked["content"]

    def forget(connection: Connection) -> None:
        erase(Transaction(connection, counter.clock.now()), {}, key, "asked for it", "B-1")

    write(counter.engine, forget)
    with reading(counter.engine) as connection:
        assert connection.execute(select(tables.request)).first() is None
