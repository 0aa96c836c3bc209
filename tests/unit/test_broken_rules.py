"""Break one rule of corrections, merges and batches at a time: a test elsewhere must see it.

A rule whose breaking nobody sees is not held, or is not needed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import Engine

from connectors import dolibarr_values
from dolisync.ledger import chain, privacy, rebook
from dolisync.ledger.book import Book
from dolisync.ledger.engine import open_engine
from dolisync.ledger.store import KnownSale
from dolisync.model import SaleStatus
from dolisync.program.spent import Undone
from dolisync.sync import activity, intake, judge, merge, spent
from dolisync.sync import reconcile as comparing
from tests.builders import credit_note, line, sale
from tests.unit import (
    test_backfill,
    test_batches,
    test_expire,
    test_inactivity,
    test_merge,
    test_privacy,
    test_reconcile,
    test_spent,
)


@dataclass(frozen=True)
class Broken:
    """A rule taken out, and the test that must fail without it."""

    name: str
    target: Any
    attribute: str
    value: Any
    seen_by: Callable[[Engine], None]


def _nothing(*_args: Any, **_more: Any) -> None:
    return None


def _merged(test: Callable[[Any], None]) -> Callable[[Engine], None]:
    return lambda engine: test(test_merge.merging(engine))


def _filled(test: Callable[[Any], None]) -> Callable[[Engine], None]:
    def run(engine: Engine) -> None:
        terms = test_backfill.program(reward=[test_backfill.reward(100)], validity={"months": 6})
        shop = test_backfill.Shop(engine, programs=(terms,))
        shop.poll()
        test(shop)

    return run


def _erased(test: Callable[[Any], None]) -> Callable[[Engine], None]:
    def run(engine: Engine) -> None:
        terms = test_privacy.program(reward=[test_privacy.reward(100)], validity={"months": 6})
        test(test_privacy.Shop(engine, programs=(terms,)))

    return run


def _lapsing(test: Callable[[Any], None]) -> Callable[[Engine], None]:
    return lambda engine: test(test_expire.lapsing(engine))


def _idle(test: Callable[[Any], None]) -> Callable[[Engine], None]:
    return lambda engine: test(test_inactivity.shop_of(engine))


def _restored(engine: Engine) -> None:
    shop = test_reconcile.Shop(engine)
    test_reconcile.test_an_older_copy_of_the_source_is_recognised_and_nothing_reversed(shop)


def _rebooked_without_dates(*args: Any, **more: Any) -> Any:
    lot = _OPEN_LOT(*args[:-1], None, **more)
    lot.expires_on = None
    return lot


_OPEN_LOT = rebook.Journal.open_lot
_TAKE_BACK = Book.take_lots_back


def _paid_only_when_closed(statut: Any, paye: Any) -> SaleStatus:
    return SaleStatus.VALIDATED if int(statut) == 1 else _STATUS(statut, paye)


_STATUS = dolibarr_values.sale_status


def _spent_row(engine: Engine) -> None:
    place = test_merge.merging(engine)
    place.shop.put(sale(1, 100))
    place.shop.redeem("DS-A")
    place.shop.publish()
    reward_line = line(
        -5, product=None, rowid=2, discount=test_merge.DiscountKind.FIXED, text="x DS-A"
    )
    place.shop.put(sale(2, lines=[line(50, rowid=1), reward_line]))
    place.shop.put(credit_note(3, 50, 2))
    assert place.shop.view().redeemed == 0


def _tampered(engine: Engine) -> None:
    terms = test_privacy.program(reward=[test_privacy.reward(100)], validity={"months": 6})
    shop = test_privacy.Shop(engine, programs=(terms,))
    test_privacy.test_verify_finds_what_was_changed(shop, "posting", "reason", "another")


def _paid_again() -> None:
    assert dolibarr_values.sale_status(1, 1) is SaleStatus.PAID


RULES = [
    Broken(
        "a merge is taken for sales given away",
        intake,
        "fate_of",
        _nothing,
        _merged(test_merge.test_the_account_goes_with_the_sales),
    ),
    Broken(
        "a sale given away is taken for a merge",
        intake,
        "fate_of",
        lambda _c, _s, _p, old: replace(old, rowid=test_merge.KEPT),
        _merged(test_merge.test_one_sale_given_to_another_is_no_merge),
    ),
    Broken(
        "a merged lot loses its dates",
        rebook.Journal,
        "open_lot",
        _rebooked_without_dates,
        test_merge.test_lots_keep_their_dates_and_what_is_left_of_them,
    ),
    Broken(
        "a merge leaves debts behind",
        rebook,
        "_move_debt",
        _nothing,
        _merged(test_merge.test_debt_goes_along_and_is_settled_by_the_others_points),
    ),
    Broken(
        "an undone merge keeps what had been redeemed before",
        merge,
        "_move_redemptions_back",
        _nothing,
        test_batches.test_an_undone_merge_gives_the_account_back,
    ),
    Broken(
        "expired points of a sale that is taken back stay expired",
        Book,
        "_revive",
        _nothing,
        _lapsing(test_expire.test_a_sale_reopened_after_its_points_expired_takes_nothing_twice),
    ),
    Broken(
        "what was forgiven stays, though the spent points came back",
        spent.Spent,
        "take_forgiven",
        _nothing,
        lambda engine: test_spent.test_what_was_forgiven_is_taken_when_the_spent_points_come_back(
            engine, {}
        ),
    ),
    Broken(
        "an undone merge forgets whom Dolibarr names",
        judge,
        "as_kept",
        lambda _t, sale, _f: (sale, None),
        _merged(test_batches.test_after_an_undone_merge_the_sales_stay_where_they_are),
    ),
    Broken(
        "nothing comes back of spent points",
        spent,
        "undone",
        lambda *_args: Undone(spent.ZERO, "nothing"),
        _spent_row,
    ),
    Broken(
        "a restored Dolibarr is not recognised",
        comparing.Reconciler,
        "_refuse_restored",
        _nothing,
        _restored,
    ),
    Broken(
        "a sale set aside counts",
        KnownSale,
        "counts",
        property(lambda known: known.vanished_at is None),
        _filled(test_backfill.test_an_undone_backfill_counts_nothing_whatever_happens_to_its_sales),
    ),
    Broken(
        "a transfer undone leaves its points",
        Book,
        "take_lots_back",
        lambda *_args, **_more: 0,
        test_batches.test_an_undone_transfer_leaves_all_as_it_was,
    ),
    Broken(
        "reasons are erased without a seal",
        privacy,
        "seal",
        lambda *_args: "",
        _erased(test_privacy.test_nothing_of_an_erased_person_is_left_and_all_sums_are),
    ),
    Broken(
        "a chain is not followed",
        chain,
        "link",
        lambda *_args: "0" * 64,
        _tampered,
    ),
    Broken(
        "inactivity is not looked at",
        judge,
        "follow_activity",
        _nothing,
        _idle(test_inactivity.test_each_purchase_puts_the_end_of_all_points_off),
    ),
    Broken(
        "a pause does not end points",
        activity,
        "end_of_activity",
        lambda days, begin, months: activity.add_months(max([*days, begin]), months),
        _idle(test_inactivity.test_points_of_before_a_pause_are_gone),
    ),
    Broken(
        "paid, reopened and validated again is unpaid",
        dolibarr_values,
        "sale_status",
        _paid_only_when_closed,
        lambda _engine: _paid_again(),
    ),
]


@pytest.fixture
def engine(tmp_path: Path, sqlite_template: Path) -> Any:
    path = tmp_path / "ledger.db"
    shutil.copy(sqlite_template, path)
    engine = open_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.mark.parametrize("broken", RULES, ids=lambda broken: broken.name)
def test_it_holds_while_nothing_is_broken(engine: Engine, broken: Broken) -> None:
    broken.seen_by(engine)


@pytest.mark.parametrize("broken", RULES, ids=lambda broken: broken.name)
def test_a_broken_rule_is_seen(engine: Engine, broken: Broken) -> None:
    # A failed assertion, or an invariant that the books themselves guard.
    with (
        mock.patch.object(broken.target, broken.attribute, broken.value),
        pytest.raises((Exception, pytest.fail.Exception)),
    ):
        broken.seen_by(engine)
