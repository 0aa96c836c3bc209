"""Re-booking moves a lot's sums in an order that it can hold, in parts where no whole one fits."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from dolisync.ledger.book import Lot
from dolisync.ledger.rebook import _in_order


def lot(points: int, remaining: int) -> Lot:
    return Lot(1, None, points, remaining, date(2026, 1, 1), None)


def walked(one: Lot, moves: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found = []
    for move in _in_order(one, moves):
        one.remaining += move[1]
        assert 0 <= one.remaining <= one.points
        found.append(move)
    return found


def test_taking_giving_back_and_taking_again_goes_in_parts() -> None:
    one = lot(45, 45)
    assert walked(one, [(1, -70), (2, 25)]) == [(1, -45), (2, 25), (1, -25)]
    assert one.remaining == 0


@given(st.data())
def test_whatever_happened_to_a_lot_can_be_posted_anew(data: st.DataObject) -> None:
    """Any history of a lot, summed up by what it was for, is posted in an order it can hold."""
    points = data.draw(st.integers(1, 60))
    remaining, sums = points, dict[int, int]()
    for _ in range(data.draw(st.integers(0, 12))):
        move = data.draw(st.integers(-remaining, points - remaining))
        what = data.draw(st.integers(1, 4))
        remaining += move
        sums[what] = sums.get(what, 0) + move
    one = lot(points, points)
    parts = walked(one, [(what, sum_) for what, sum_ in sums.items() if sum_])
    assert one.remaining == remaining
    posted = {what: sum(part for id_, part in parts if id_ == what) for what, _ in parts}
    assert posted == {what: sum_ for what, sum_ in sums.items() if sum_}
