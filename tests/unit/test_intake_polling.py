"""Polling: where the cursor goes, what overlaps, and what a crash or a lying clock cannot break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from dolisync.errors import StopRequested, TransientError, UserError
from dolisync.ledger import tables
from dolisync.ledger.engine import reading
from dolisync.model import SaleStatus
from dolisync.ports import Page, Position
from dolisync.sync.intake import SETTLE
from dolisync.sync.judge import Tally
from tests.builders import credit_note, program, sale
from tests.fakes import Shop, reopened

Open = Callable[..., Shop]


def cursor(shop: Shop) -> datetime:
    found = shop.intake.load_cursor()
    assert found is not None
    assert found.changed_at is not None
    return found.changed_at


def test_the_first_look_begins_with_the_program(shop: Shop) -> None:
    assert shop.intake.load_cursor() is None
    shop.poll()
    begin = datetime(2025, 12, 31, 23, 0, tzinfo=UTC)
    assert shop.source.asked_since == [begin - timedelta(seconds=300)]


def test_a_program_that_begins_next_year_asks_from_now(open_shop: Open) -> None:
    shop = open_shop(program(start=date(2027, 1, 1)))
    shop.poll()
    assert shop.source.asked_since[0] <= shop.clock.now()


def test_the_cursor_never_enters_the_present_second(shop: Shop) -> None:
    for _ in range(5):
        shop.put(sale(1, 50))
        assert cursor(shop) <= shop.clock.now() - SETTLE


def test_each_look_overlaps_the_last_one(shop: Shop) -> None:
    shop.poll()
    reached = cursor(shop)
    shop.poll()
    assert shop.source.asked_since[-1] == reached - timedelta(seconds=300)


def test_what_ends_late_within_the_overlap_is_found(shop: Shop) -> None:
    shop.poll()
    late = replace(sale(1, 50), changed_at=shop.clock.now() - timedelta(seconds=200))
    shop.source.sales[1] = late
    shop.poll()
    assert shop.balance() == 50


def test_a_quiet_look_changes_nothing_but_the_cursor(shop: Shop) -> None:
    shop.put(sale(1, 50))
    before = cursor(shop)
    tally = shop.poll()
    assert (tally.read, tally.changed, tally.postings) == (1, 0, 0)
    assert cursor(shop) > before


def test_many_sales_are_read_in_pages(open_shop: Open) -> None:
    shop = open_shop(program(), page_size=3)
    tally = shop.put(*(sale(n, 1) for n in range(1, 11)))
    assert (tally.read, shop.balance()) == (10, 10)


def test_a_crash_between_pages_loses_nothing_and_repeats_nothing(open_shop: Open) -> None:
    shop = open_shop(program(), page_size=2)
    for n in range(1, 8):
        shop.source.put(sale(n, 1))
        shop.clock.tick(10)
    answered = shop.source.changed

    def dies_at_the_third_page(since: datetime, after: Position | None, limit: int) -> Page:
        if len(shop.source.asked_since) == 2:
            raise TransientError("connection lost")
        return answered(since, after, limit)

    shop.source.changed = dies_at_the_third_page  # type: ignore[method-assign]
    with pytest.raises(TransientError):
        shop.poll()
    assert shop.balance() == 4
    last_read = shop.source.sales[4].changed_at
    assert cursor(shop) == last_read - SETTLE
    shop.source.changed = answered  # type: ignore[method-assign]
    shop.adopt(*shop.programs)
    shop.poll()
    assert shop.balance() == 7
    assert shop.breaches() == []


def test_a_failure_while_booking_leaves_sale_and_cursor_as_they_were(shop: Shop) -> None:
    shop.put(sale(1, 50))
    before = cursor(shop)
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox RENAME TO elsewhere")
    shop.clock.tick(10)
    with pytest.raises(DatabaseError, match="no such table"):
        shop.put(sale(2, 5, buyer=8))
    assert (shop.balance(8), cursor(shop)) == (0, before)
    with shop.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO outbox")
    shop.poll()
    assert shop.balance(8) == 5


def test_a_page_that_holds_nothing_of_use_still_leads_on(shop: Shop) -> None:
    shop.source.put(sale(1, 50))
    answered, pages = shop.source.changed, []

    def empty_first(since: datetime, after: Position | None, limit: int) -> Page:
        pages.append(after)
        if after is None:
            return Page((), Position(since, 0))
        return answered(since, after, limit)

    shop.source.changed = empty_first  # type: ignore[method-assign]
    shop.poll()
    assert len(pages) == 2
    assert shop.balance() == 50


def test_the_sources_clock_counts_not_ours(shop: Shop) -> None:
    shop.source.ahead_s = -7200
    shop.put(sale(1, 50))
    assert cursor(shop) <= shop.source.now() - SETTLE
    assert shop.balance() == 50


def test_a_source_whose_clock_was_set_back_is_still_read(shop: Shop) -> None:
    shop.source.ahead_s = 3600
    shop.put(sale(1, 50))
    shop.source.ahead_s = 0
    shop.clock.tick(600)
    shop.put(sale(2, 5))
    assert shop.balance() == 55


def test_a_document_with_a_provisional_number_is_not_read(shop: Shop) -> None:
    shop.put(sale(1, 50, ref="(PROV1)", status=SaleStatus.DRAFT))
    with reading(shop.engine) as connection:
        assert connection.execute(select(tables.sale)).all() == []


def test_a_validated_sale_set_back_to_draft_is_read(shop: Shop) -> None:
    shop.put(sale(1, 50))
    shop.put(reopened(sale(1, 50)))
    assert shop.balance() == 0


def test_the_same_sale_through_two_doors_counts_once(shop: Shop) -> None:
    other = shop.new_intake("rest")
    shop.put(sale(1, 50), credit_note(2, 20, 1))
    assert other.run_once().postings == 0
    assert shop.balance() == 30
    assert shop.intake.stream != other.stream


def test_progress_is_told_after_each_page(open_shop: Open) -> None:
    shop = open_shop(program(), page_size=2)
    for n in range(1, 6):
        shop.source.put(sale(n, 1))
    told: list[int] = []
    shop.intake.run_once(lambda tally: told.append(tally.read))
    assert told == [2, 4, 5]


# --- backfill ------------------------------------------------------------------------------------


def history(shop: Shop) -> None:
    for n in range(1, 8):
        shop.source.put(sale(n, 1, day=date(2026, n, 15)))


def test_a_backfill_takes_the_days_asked_for_and_leaves_the_cursor(open_shop: Open) -> None:
    shop = open_shop(program(), page_size=2)
    history(shop)
    tally = shop.intake.backfill(date(2026, 2, 15), date(2026, 6, 15))
    assert (tally.read, shop.balance()) == (4, 4)
    assert shop.intake.load_cursor() is None


def test_a_backfill_run_twice_gives_no_point_twice(shop: Shop) -> None:
    history(shop)
    for _ in range(2):
        shop.intake.backfill(date(2026, 1, 1), date(2026, 12, 1))
    shop.poll()
    assert shop.balance() == 7


def test_a_backfill_that_was_stopped_goes_on_from_there(
    open_shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dolisync.sync.intake.BACKFILL_PAGES", 1)
    shop = open_shop(program(), page_size=2)
    history(shop)
    days = date(2026, 1, 1), date(2026, 12, 1)

    def stop_after_four(tally: Tally) -> None:
        if tally.read >= 4:
            raise StopRequested

    with pytest.raises(StopRequested):
        shop.intake.backfill(*days, stop_after_four)
    assert (shop.balance(), shop.intake.unfinished(*days)) == (4, 4)

    tally = shop.intake.backfill(*days)
    assert (tally.read, shop.balance(), shop.intake.unfinished(*days)) == (3, 7, 0)
    assert shop.intake.backfill(*days).read == 7, "a finished one begins at the beginning"


def test_a_backfill_of_no_days_is_refused(shop: Shop) -> None:
    with pytest.raises(UserError, match="is empty"):
        shop.intake.backfill(date(2026, 2, 1), date(2026, 2, 1))


@pytest.mark.parametrize("page_size", [1, 2, 3, 50])
def test_history_read_in_any_way_ends_the_same(open_shop: Open, page_size: int) -> None:
    shop = open_shop(program(earn={"amount": {}, "visit": {}}), page_size=page_size)
    for n in range(1, 6):
        shop.source.put(sale(n, "9.90", day=date(2026, 11, n % 3 + 1)))
        shop.source.put(credit_note(n + 10, "3.30", n, day=date(2026, 11, 5)))
    shop.intake.backfill(date(2026, 1, 1), date(2026, 12, 1))
    assert shop.balance() == 5 * 6 + 3
    assert shop.breaches() == []
