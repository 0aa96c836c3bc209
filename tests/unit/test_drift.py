"""What cards show, compared with the ledger: only what differs is written, and it is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from commands.work import SHOWN_MAX, Compared
from dolisync.ports import PlacedDiscount
from dolisync.sync import drift
from dolisync.sync.discounts import Followed
from dolisync.sync.drift import Drift, compare_cards
from dolisync.sync.reconcile import Reconciliation
from tests.builders import customer, program, sale
from tests.fakes import Shop

BUYERS = (7, 8, 9)


@pytest.fixture
def shown(ledger_engine: Engine) -> Shop:
    """A shop with three members whose cards show what the ledger says."""
    shop = Shop(ledger_engine)
    shop.take(*(sale(buyer, buyer * 10, buyer=buyer) for buyer in BUYERS))
    shop.publish_all()
    shop.sink.calls.clear()
    return shop


def compared(shop: Shop) -> list[str]:
    return [str(one) for one in compare_cards(shop.publisher)]


def written(shop: Shop) -> int:
    shop.publish_all()
    return shop.sink.calls.count("write_customer")


def test_nothing_is_written_when_nothing_differs(shown: Shop) -> None:
    assert compared(shown) == []
    assert shown.outbox() == []
    assert (written(shown), shown.sink.calls) == (0, ["read_customers"])


def test_only_what_differs_is_written_and_said(shown: Shop) -> None:
    shown.sink.cards[customer(8)]["loybalance"] = 100
    with capture_logs() as logs:
        assert compared(shown) == [
            "customer 8 showed 100 in loybalance, the ledger says 80",
        ]
    assert [entry["cards"] for entry in logs if entry["log_level"] == "warning"] == [1]
    assert written(shown) == 1
    assert shown.sink.cards[customer(8)]["loybalance"] == 80
    assert compared(shown) == []


def test_an_emptied_field_is_said_to_show_nothing(shown: Shop) -> None:
    shown.sink.cards[customer(9)]["loybalance"] = None
    assert compared(shown) == ["customer 9 showed nothing in loybalance, the ledger says 90"]


@pytest.mark.parametrize("same", ["70", 70, Decimal("70.00")])
def test_the_same_written_otherwise_does_not_differ(shown: Shop, same: str | int | Decimal) -> None:
    shown.sink.cards[customer(7)]["loybalance"] = same
    assert compared(shown) == []


def test_what_waits_to_be_written_is_no_drift(shown: Shop) -> None:
    shown.take(sale(1, 5, buyer=8), sale(2, 5, buyer=9))
    shown.sink.cards[customer(7)]["loybalance"] = 1
    assert [line.split()[1] for line in compared(shown)] == ["7"]
    shown.publish_all()
    assert shown.sink.cards[customer(8)]["loybalance"] == 85
    assert compared(shown) == []


def test_a_turn_that_comes_in_between_is_no_drift(shown: Shop) -> None:
    read = shown.sink.read_customers

    def later(*asked: Any) -> Any:
        shown.sink.read_customers = read  # type: ignore[method-assign]
        shown.take(sale(1, 5, buyer=8))
        shown.publish_all()
        return read(*asked)

    shown.sink.read_customers = later  # type: ignore[method-assign]
    assert compared(shown) == []


def test_customers_who_are_gone_are_left_out(shown: Shop) -> None:
    shown.sink.cards[customer(8)]["loybalance"] = 100
    shown.sink.gone.add(customer(8))
    assert compared(shown) == []


def test_all_pages_are_looked_at(shown: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "PAGE", 2)
    for buyer in BUYERS:
        shown.sink.cards[customer(buyer)]["loybalance"] = 1
    seen: list[int] = []
    found = compare_cards(shown.publisher, seen.append)
    assert [one.customer.rowid for one in found] == list(BUYERS)
    assert seen == [2, 3]
    # Each page once, and what differs there once more.
    assert shown.sink.calls.count("read_customers") == 4
    assert written(shown) == 3


def test_a_card_of_two_programs_is_compared_with_both(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(program(), program(name="other", field_prefix="oth"))
    shop.take(sale(1, 50))
    shop.publish_all()
    names = {name for name in shop.sink.cards[customer()] if name.endswith("balance")}
    assert len(names) == 2
    for name in names:
        shop.sink.cards[customer()][name] = 999
    assert {one.name for one in compare_cards(shop.publisher)} == names


# --- what is said of it ----------------------------------------------------------------------


def result(*cards: int, **discounts: object) -> Compared:
    found = tuple(Drift(customer(card), "loybalance", 100, 90) for card in cards)
    return Compared(Reconciliation(compared=5), Followed(**discounts), found)  # type: ignore[arg-type]


def test_the_result_names_each_card() -> None:
    said = result(12)
    assert said.summary == (
        "5 sales compared, 0 changed, 0 vanished; discounts back: 0; cards wrong: 1"
    )
    assert list(said.findings()) == [
        "customer 12 showed 100 in loybalance, the ledger says 90: it is written again"
    ]
    assert said.as_json()["drift"] == [
        {"customer": 12, "field": "loybalance", "shown": 100, "ledger": 90}
    ]


def test_a_long_list_is_cut_and_says_so() -> None:
    said = list(result(*range(SHOWN_MAX + 3)).findings())
    assert len(said) == SHOWN_MAX + 1
    assert said[-1] == "... and 3 more: dolisync reconcile --json"


def test_a_card_with_two_wrong_fields_is_one_card() -> None:
    found = result(12)
    both = (*found.drift, replace(found.drift[0], name="loyvalue"))
    assert replace(found, drift=both).cards == 1


def test_discounts_are_named_with_what_to_do() -> None:
    strange = PlacedDiscount("DS-D", (1,), Decimal(12), used=True, worth=Decimal(6), owner=12)
    found = result(trimmed=("DS-A",), overspent=("DS-B",), adopted=("DS-C",), unknown=(strange,))
    said = list(found.findings())
    assert [line.split()[0].strip(",") for line in said] == ["DS-A", "DS-B", "DS-C", "DS-D", "what"]
    assert "adjust" in said[1]
    assert "6.00 for customer 12" in said[3]
    assert "--adopt-discounts" in said[4]
    tried = list(replace(found, is_adopting=True).findings())
    assert "fits none of the rewards" in tried[4]
