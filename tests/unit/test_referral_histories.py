"""In whatever order sales, returns and words of staff arrive, and wherever the daemon dies between:

recommendations end with what they would have come to if all had been known at once. ``pytest -m
long tests/unit/test_referral_histories.py`` tries more and longer histories.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from dolisync.ledger import referrals
from dolisync.ledger.engine import open_engine, reading
from dolisync.ledger.referrals import Referral
from dolisync.model import Sale, SaleStatus
from dolisync.program.terms import Program
from dolisync.sync import merge_by_hand, recommend, undo
from dolisync.sync.recommend import NotReferable, Wish
from tests.builders import SOURCE, credit_note, customer, program, sale
from tests.fakes import Shop

BUYERS = (7, 8, 9, 10)
# No sale of these histories earns as many.
GIVEN = (50, 100)
buyers = st.sampled_from(BUYERS)
SAID = st.sampled_from([date(2026, 11, 10), date(2026, 11, 14)])


class CrashError(BaseException):
    """End the daemon here."""


@dataclass(frozen=True)
class Words:
    """Staff say who recommended whom; without one, that nobody did."""

    new: int
    by: int | None = None
    day: date = date(2026, 11, 10)


@dataclass(frozen=True)
class Crash:
    """The next step dies before it is committed, and is done again."""

    at: str


sales = st.builds(
    lambda rowid, amount, buyer, day, status: sale(
        rowid, amount, buyer=buyer, day=date(2026, 11, day), status=status
    ),
    st.integers(1, 6),
    st.integers(1, 40),
    buyers,
    st.integers(5, 20),
    st.sampled_from([SaleStatus.PAID, SaleStatus.PAID, SaleStatus.DRAFT, SaleStatus.ABANDONED]),
)
returns = st.builds(
    lambda rowid, amount, origin, buyer: credit_note(
        rowid, amount, origin, buyer=buyer, day=date(2026, 11, 20)
    ),
    st.integers(11, 14),
    st.integers(1, 40),
    st.integers(1, 6),
    buyers,
)
steps = st.one_of(
    st.lists(sales | returns, min_size=1, max_size=4),
    st.integers(1, 14),
    st.builds(Words, buyers, buyers, SAID),
    st.builds(Words, buyers, buyers, SAID),
    st.builds(Words, buyers),
    st.builds(Crash, st.sampled_from(["referrals.save", "referrals.with_held", "outbox.wish"])),
)
programs = st.builds(
    lambda only_new, minimum, most: program(
        referral={
            "points": 100,
            "new_points": 50,
            "only_new": only_new,
            "minimum": minimum,
            "max_a_year": most,
            "new_for_days": 3,
            "within_days": 5,
        },
        validity={"months": 3},
    ),
    st.booleans(),
    st.sampled_from([0, 20]),
    st.sampled_from([None, 1]),
)


def say(shop: Shop, words: Words) -> None:
    with contextlib.suppress(NotReferable):
        if words.by is None:
            recommend.withdraw(
                shop.engine,
                shop.clock,
                shop.rules,
                shop.program,
                customer(words.new),
                since=shop.clock.now(),
            )
        else:
            wish = Wish(shop.program, customer(words.new), customer(words.by), words.day, "x")
            token = secrets.token_hex(6)
            recommend.refer(shop.engine, shop.clock, shop.rules, wish, token=token)


def do(shop: Shop, step: Any) -> None:
    shop.clock.tick()
    present = shop.source.sales
    if isinstance(step, Words):
        say(shop, step)
    elif isinstance(step, int):
        if step not in {part.origin.rowid for part in present.values() if part.origin}:
            present.pop(step, None)
            shop.reconcile(allow_mass_reversal=True)
    else:
        coming = {part.key.rowid for part in step} | set(present)
        fitting = [p for p in step if p.origin is None or p.origin.rowid in coming]
        shop.take(*{part.key: part for part in fitting}.values())


def live(shop: Shop, history: list[Any]) -> None:
    where = ""
    for step in history:
        if isinstance(step, Crash):
            where = step.at
            continue
        if where:
            patched = mock.patch(f"dolisync.sync.referrals.{where}", side_effect=CrashError)
            with patched, contextlib.suppress(CrashError):
                do(shop, step)
            where = ""
        do(shop, step)
    assert shop.breaches() == []


def standing(shop: Shop) -> list[Referral]:
    with reading(shop.engine) as connection:
        found = referrals.listed(connection, shop.program.name, SOURCE)
    return [one for one in found if one.withdrawn_at is None]


@dataclass(frozen=True)
class Ledgers:
    """Two ledgers that all examples use, each finding them empty: statements stay compiled."""

    template: Path
    engines: tuple[Engine, Engine]

    def opened(self, number: int, terms: Program) -> Shop:
        engine = self.engines[number]
        engine.dispose()
        path = Path(str(engine.url.database))
        for rest in ("-wal", "-shm"):
            Path(f"{path}{rest}").unlink(missing_ok=True)
        shutil.copy(self.template, path)
        return Shop(engine, programs=(terms,))


@pytest.fixture(scope="module")
def ledgers(ledger_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledgers]:
    folder = tmp_path_factory.mktemp("histories")
    engines = tuple(open_engine(f"sqlite:///{folder / name}") for name in ("live.db", "other.db"))
    first, second = engines
    yield Ledgers(ledger_template, (first, second))
    for engine in engines:
        engine.dispose()


def known_at_once(other: Shop, said: list[Referral], final: list[Sale], seed: int) -> None:
    """Tell an empty ledger what was said, and then all sales in another order."""
    for one in said:
        assert one.new
        assert one.by
        say(other, Words(one.new.rowid, one.by.rowid, one.said_on))
    random.Random(seed).shuffle(final)
    for sold in final:
        other.source.put(sold)
    for sold in final:
        other.take(sold)
    assert other.breaches() == []


def ends(shop: Shop) -> dict[int, tuple[int, list[Any]]]:
    """Return what each customer has, and how long the points live that no sale earned."""
    found = {}
    for buyer in BUYERS:
        view = shop.view(buyer)
        mine = [lot for lot in view.lots if lot.points in GIVEN and lot.remaining]
        lots = sorted((lot.points, lot.available_from, lot.expires_on) for lot in mine)
        found[buyer] = (view.balance, lots)
    return found


def check(ledgers: Ledgers, terms: Program, history: list[Any], seed: int) -> None:
    shop, other = ledgers.opened(0, terms), ledgers.opened(1, terms)
    live(shop, history)
    final = list(shop.source.sales.values())
    known_at_once(other, standing(shop), final, seed)
    assert ends(shop) == ends(other)
    if shop.view(7).member_id is not None and are_plain(final):
        merge_and_undo(shop)


def are_plain(final: list[Sale]) -> bool:
    """Tell whether each return is of the customer of its sale; others a merge lets be believed."""
    owners = {part.key: part.customer for part in final}
    returned = (part for part in final if part.origin is not None)
    return all(owners.get(part.origin, part.customer) == part.customer for part in returned)


def merge_and_undo(shop: Shop) -> None:
    before = [balance for balance, _ in ends(shop).values()]
    token = by_hand(shop)
    assert shop.breaches() == []
    undo.undo(shop.engine, shop.clock, shop.rules, token)
    assert shop.breaches() == []
    assert [balance for balance, _ in ends(shop).values()] == before


def by_hand(shop: Shop) -> str:
    shop.clock.tick()
    batch = merge_by_hand.merge_by_hand(
        shop.engine,
        shop.clock,
        shop.rules,
        customer(7),
        customer(8),
        token="B-MERGE",
        reason="the same",
    )
    return batch.token


@settings(max_examples=10)
@given(
    terms=programs,
    history=st.lists(steps, min_size=2, max_size=12),
    seed=st.integers(0, 9),
)
def test_no_order_and_no_crash_changes_the_end(
    ledgers: Ledgers, terms: Program, history: list[Any], seed: int
) -> None:
    check(ledgers, terms, history, seed)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(max_examples=400)
@given(
    terms=programs,
    history=st.lists(steps, min_size=4, max_size=20),
    seed=st.integers(0, 9),
)
def test_no_order_and_no_crash_changes_the_end_at_length(
    ledgers: Ledgers, terms: Program, history: list[Any], seed: int
) -> None:
    check(ledgers, terms, history, seed)
