"""Cards and invoices: what is shown is what the ledger says, sooner or later, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from dolisync.errors import RefusedError, TransientError
from dolisync.ledger import outbox
from dolisync.ledger.engine import write
from dolisync.sync.publish import READ_AGAIN_AFTER, same_values
from tests.builders import credit_note, customer, program, sale
from tests.fakes import Shop, reopened

Open = Callable[..., Shop]


def card(shop: Shop, buyer: int = 7) -> dict[str, object]:
    return dict(shop.sink.cards[customer(buyer)])


def test_card_and_invoice_show_the_points(shop: Shop) -> None:
    shop.take(sale(1, 50))
    report = shop.publish()
    assert (report.written, report.moved, report.problem) == (2, 2, "")
    assert card(shop)["loybalance"] == 50
    assert shop.sink.invoices[sale(1).key] == {"loyearned": 50, "loyafter": 50, "loyused": 0}


def test_the_value_is_that_of_the_moment_of_sending(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.take(sale(2, 5))
    assert len([item for item in shop.outbox() if item.target.kind == "customer"]) == 1
    shop.publish()
    assert card(shop)["loybalance"] == 55
    assert shop.sink.calls.count("write_customer") == 1


def test_a_wish_that_arrives_while_sending_is_not_lost(shop: Shop) -> None:
    shop.take(sale(1, 50))

    def meanwhile() -> None:
        shop.sink.on_write = None
        shop.take(sale(2, 5))

    shop.sink.on_write = meanwhile
    shop.publish()
    assert card(shop)["loybalance"] == 50
    shop.publish()
    assert card(shop)["loybalance"] == 55


def test_what_was_written_is_read_again_after_a_while(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.publish()
    assert shop.publish().moved == 0
    shop.clock.tick(READ_AGAIN_AFTER.total_seconds())
    report = shop.publish()
    assert (report.confirmed, report.repaired) == (2, 0)
    assert shop.outbox() == []


def test_a_card_saved_with_old_values_is_repaired(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.publish()
    shop.sink.cards[customer(7)]["loybalance"] = 0
    shop.sink.invoices[sale(1).key]["loyearned"] = None
    shop.clock.tick(61)
    assert shop.publish().repaired == 2
    assert card(shop)["loybalance"] == 50
    shop.clock.tick(61)
    assert shop.publish().confirmed == 2
    assert shop.outbox() == []


def test_other_fields_of_the_card_are_left_alone(shop: Shop) -> None:
    shop.sink.cards[customer(7)] = {"birthday": "1980-01-01"}
    shop.take(sale(1, 50))
    shop.publish()
    assert card(shop)["birthday"] == "1980-01-01"


def test_a_customer_who_is_gone_needs_nothing(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.publish()
    shop.sink.gone.add(customer(7))
    shop.clock.tick(61)
    shop.publish()
    assert shop.outbox() == []


def test_a_customer_deleted_before_the_write_needs_no_person(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.sink.gone.add(customer(7))
    shop.sink.before.append(RefusedError("404"))
    assert shop.publish().dead == 0


def test_a_refused_write_waits_for_a_person_and_can_be_tried_again(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.sink.before.append(RefusedError("403: no right"))
    report = shop.publish()
    assert (report.dead, report.problem) == (1, "403: no right")
    assert [item.last_error for item in shop.outbox("dead")] == ["403: no right"]
    assert write(shop.engine, lambda c: outbox.retry_dead(c, None, shop.clock.now())) == 1
    shop.publish()
    assert card(shop)["loybalance"] == 50


def test_a_dead_row_stays_closed_where_a_newer_wish_is_open(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.sink.before.append(RefusedError("no"))
    shop.publish()
    shop.take(sale(2, 5))
    assert write(shop.engine, lambda c: outbox.retry_dead(c, None, shop.clock.now())) == 0


def test_failures_are_tried_again_later_and_later(shop: Shop) -> None:
    shop.take(sale(1, 50))
    waits = []
    for _ in range(12):
        shop.sink.before = [TransientError("503")] * 2
        report = shop.publish()
        assert report.failed == 2
        item = shop.outbox()[0]
        waits.append((item.not_before - shop.clock.now()).total_seconds())
        assert shop.publish().failed == 0
        shop.clock.tick(waits[-1])
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    shop.publish()
    assert card(shop)["loybalance"] == 50


def test_a_newer_wish_does_not_wait_for_the_backoff(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.sink.before = [TransientError("503")] * 2
    shop.publish()
    shop.take(sale(2, 5))
    shop.publish()
    assert card(shop)["loybalance"] == 55


def test_dolibarrs_own_wish_to_wait_is_granted(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.sink.before = [TransientError("429", retry_after_s=77)]
    shop.publish()
    assert shop.outbox()[0].not_before == shop.clock.now() + timedelta(seconds=77)


def test_three_failures_in_a_row_end_the_turn(shop: Shop) -> None:
    shop.take(*(sale(n, 1, buyer=n) for n in range(1, 11)))
    shop.sink.before = [TransientError("down")] * 50
    report = shop.publish()
    assert (report.failed, len(shop.sink.calls)) == (3, 3)


def test_a_failure_now_and_then_does_not(shop: Shop) -> None:
    shop.take(*(sale(n, 1, buyer=n) for n in range(1, 11)))
    shop.sink.before = [TransientError("busy"), TransientError("busy")]
    report = shop.publish()
    assert (report.failed, report.written) == (2, 18)


def test_one_row_that_our_own_code_cannot_handle_stops_no_other(shop: Shop) -> None:
    shop.take(sale(1, 50), sale(2, 5, buyer=8))
    for _ in range(3):
        shop.sink.before = [ZeroDivisionError("oops")]
        shop.publish()
        shop.clock.tick(900)
    assert [item.last_error for item in shop.outbox("dead")] == ["ZeroDivisionError: oops"]
    assert card(shop, 8)["loybalance"] == 5


def test_rows_are_sent_in_batches_each_once(shop: Shop) -> None:
    shop.publisher.batch = 3
    shop.take(*(sale(n, 1, buyer=n) for n in range(1, 6)))
    assert shop.publish().written == 10
    assert len(shop.sink.calls) == 10


def test_a_turn_that_has_more_to_do_writes_for_a_while_only(shop: Shop) -> None:
    shop.take(*(sale(n, 10, buyer=n) for n in range(1, 10)))
    shop.sink.on_write = lambda: shop.clock.tick(0.1)
    half = timedelta(seconds=0.5)
    assert [shop.publisher.run_once(half).written for _ in range(4)] == [5, 5, 5, 3]


def test_only_what_somebody_waits_for_can_be_sent(shop: Shop) -> None:
    shop.take(sale(1, 50), sale(2, 5, buyer=8))
    shop.publisher.send([outbox.customer_target(customer(8))])
    assert list(shop.sink.cards) == [customer(8)]


def test_after_a_return_the_invoice_and_the_note_show_their_own_part(shop: Shop) -> None:
    shop.take(sale(1, 50), credit_note(2, 20, 1))
    shop.publish()
    assert shop.sink.invoices[sale(2).key] == {"loyearned": -20, "loyafter": 30, "loyused": 0}


def test_a_reopened_invoice_shows_nothing_earned(shop: Shop) -> None:
    shop.take(sale(1, 50))
    shop.take(reopened(sale(1, 50)))
    shop.publish()
    assert shop.sink.invoices[sale(1).key] == {"loyearned": 0, "loyafter": 0, "loyused": 0}


def test_an_invoice_moved_there_and_back_shows_what_its_owner_earned(shop: Shop) -> None:
    for buyer in (7, 8, 7):
        shop.take(sale(1, 50, buyer=buyer))
    shop.publish()
    assert shop.sink.invoices[sale(1).key] == {"loyearned": 50, "loyafter": 50, "loyused": 0}


def test_two_programs_write_into_fields_of_their_own(open_shop: Open) -> None:
    second = program(name="visits", field_prefix="vis", earn={"visit": {}}, decimals=2)
    shop = open_shop(program(), second)
    shop.take(sale(1, 50))
    shop.publish()
    assert (card(shop)["loybalance"], card(shop)["visbalance"]) == (50, Decimal(1))
    assert shop.sink.invoices[sale(1).key]["visearned"] == Decimal(1)


def test_done_rows_are_cleaned_after_a_season_and_dead_ones_kept(shop: Shop) -> None:
    shop.take(sale(1, 50), sale(2, 5, buyer=8))
    shop.sink.before = [RefusedError("no")]
    shop.publish_all()
    clean = lambda: write(shop.engine, lambda c: outbox.clean(c, shop.clock.now()))  # noqa: E731
    assert clean() == 0
    shop.clock.tick(91 * 86400)
    assert clean() == 3
    with shop.engine.connect() as connection:
        assert outbox.counts(connection) == {"dead": 1}


@pytest.mark.parametrize(
    ("wanted", "shown", "same"),
    [
        (5, "5", True),
        (5, Decimal("5.00"), True),
        (Decimal("5.10"), "5.1", True),
        (5, 6, False),
        (5, "", False),
        (5, None, False),
        (0, None, False),
        (None, None, True),
        (None, "", True),
        (None, "0", False),
        ("text", "text", True),
        ("text", "Text", False),
        (5, "five", False),
    ],
)
def test_values_are_compared_as_people_would(wanted: object, shown: object, same: bool) -> None:
    assert same_values({"x": wanted}, {"x": shown}) is same  # type: ignore[dict-item]
