"""Whatever happens to sales, in whatever order: the ledger holds what a replay would give.

``pytest -m long tests/unit/test_judge_histories.py`` tries more histories.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from dolisync.ledger.engine import open_engine
from dolisync.model import Sale, SaleStatus
from dolisync.program.terms import Program
from tests.builders import credit_note, program, sale
from tests.examples import by_default_and_long
from tests.fakes import Shop

CUSTOMERS = st.integers(7, 8)
DAYS = st.integers(1, 3).map(lambda n: date(2026, 11, n))
amounts = st.integers(1, 5000).map(lambda cents: f"{cents / 100:.2f}")
sales = st.builds(
    lambda rowid, amount, buyer, day, status: sale(
        rowid, amount, buyer=buyer, day=day, status=status
    ),
    st.integers(1, 4),
    amounts,
    CUSTOMERS,
    DAYS,
    st.sampled_from([SaleStatus.PAID, SaleStatus.PAID, SaleStatus.VALIDATED, SaleStatus.DRAFT]),
)
returns = st.builds(
    lambda rowid, amount, origin, buyer, day, status: credit_note(
        rowid, amount, origin, buyer=buyer, day=day, status=status
    ),
    st.integers(11, 14),
    amounts,
    st.sampled_from([None, 1, 2, 3, 4, 11, 12]),
    CUSTOMERS,
    DAYS,
    st.sampled_from([SaleStatus.VALIDATED, SaleStatus.PAID, SaleStatus.DRAFT]),
)
steps = st.one_of(
    st.lists(sales | returns, min_size=1, max_size=4),
    st.integers(1, 14),
)
programs = st.builds(
    lambda earn, shortfall: program(
        earn=earn, returns={"shortfall": shortfall}, validity={"months": 3}
    ),
    st.sampled_from(
        [
            {"amount": {}},
            {"amount": {"per": "10"}, "visit": {}},
            {"visit": {"points": 5}},
        ]
    ),
    st.sampled_from(["debt", "clamp"]),
)


def opened(template: Path, folder: str, name: str, terms: Program) -> Shop:
    path = Path(folder) / name
    shutil.copy(template, path)
    return Shop(open_engine(f"sqlite:///{path}"), programs=(terms,))


def live(shop: Shop, history: list[Any]) -> None:
    present = shop.source.sales
    for step in history:
        if isinstance(step, int):
            # Dolibarr deletes no sale that a return names.
            if step not in {part.origin.rowid for part in present.values() if part.origin}:
                present.pop(step, None)
                shop.reconcile(allow_mass_reversal=True)
        else:
            coming = {part.key.rowid for part in step} | set(present)
            fitting = [p for p in step if p.origin is None or p.origin.rowid in coming]
            shop.take(*{part.key: part for part in fitting}.values())


def replayed(template: Path, folder: str, terms: Program, final: list[Sale]) -> Shop:
    """Read the whole source as it is at the end into an empty ledger, the sales first."""
    other = opened(template, folder, "replay.db", terms)
    for sold in sorted(final, key=lambda part: part.key):
        other.source.put(sold)
    other.intake.page_size = 3
    other.intake.backfill(date(2026, 1, 1), date(2027, 1, 1))
    return other


@by_default_and_long(10, 25, terms=programs, history=st.lists(steps, min_size=1, max_size=10))
def test_any_history_holds_and_equals_its_replay(
    ledger_template: Path, terms: Program, history: list[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = opened(ledger_template, folder, "live.db", terms)
        live(shop, history)
        assert shop.breaches() == []
        other = replayed(ledger_template, folder, terms, list(shop.source.sales.values()))
        assert other.breaches() == []
        for buyer in (7, 8):
            # What was forgiven depends on what was there when; what sales hold does not.
            assert shop.view(buyer).earned == other.view(buyer).earned
            if terms.returns.shortfall == "debt":
                assert shop.balance(buyer) == other.balance(buyer)
            else:
                assert shop.balance(buyer) >= 0
        # Nothing that expires may have become eternal on the way.
        assert all(lot.expires_on for buyer in (7, 8) for lot in shop.view(buyer).lots)
        shop.engine.dispose()
        other.engine.dispose()


def test_the_history_that_lost_points_once(ledger_template: Path, tmp_path: Path) -> None:
    shop = opened(ledger_template, str(tmp_path), "live.db", program())
    sold = sale(1, 50)
    live(shop, [[sold, credit_note(11, 20, 1)], [replace(sold, status=SaleStatus.DRAFT)], 1, 11])
    assert shop.balance() == 0
    assert shop.breaches() == []
    shop.engine.dispose()
