"""Exact edges of what comes back of points spent on a sale, as pure rules."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dolisync.model import DiscountKind, Sale, SaleLine, SaleStatus
from dolisync.program.spent import (
    Undone,
    pieces_given,
    rewards_on,
    spread,
    tokens_in,
    undone,
    undone_reward,
    units_back,
    uses,
)
from dolisync.program.surroundings import Surroundings
from tests.builders import credit_note, line, program, sale

AROUND = Surroundings()
ALL, NONE = Decimal(1), Decimal(0)


def reward(amount: str | int, token: str = "DS-A1", rowid: int = 9, **more: Any) -> SaleLine:
    values = {"discount": DiscountKind.FIXED, "text": f"Discount {token}", **more}
    return line(-Decimal(amount), None, rowid=rowid, **values)


def used(*lines: SaleLine, **more: Any) -> Sale:
    return sale(1, lines=[line(50, 1, 5, rowid=1), *(lines or (reward(5),))], **more)


def back(*lines: SaleLine, **more: Any) -> Sale:
    return credit_note(2, 0, 1, lines=list(lines), **more)


def given_back(policy: str, origin: Sale, *returns: Sale, token: str = "DS-A1") -> Undone:
    terms = program(returns={"spent_points": policy})
    return undone(terms, AROUND, origin, returns, token)


def test_what_a_sale_uses() -> None:
    lines = (
        reward(5),
        reward("2.50", rowid=10),
        reward(3, "DS-B2 or DS-C3", rowid=11),
        # Neither what adds, nor a deposit, nor a discount without a token, nor a mere text.
        reward(-4, "DS-D4", rowid=12),
        reward(4, "DS-E5", rowid=13, discount=DiscountKind.DEPOSIT),
        reward(4, "a gesture", rowid=14),
        line(-4, None, rowid=15, text="DS-F6"),
        reward(0, "DS-G7", rowid=16),
    )
    assert uses(AROUND, used(*lines)) == {"DS-A1": Decimal("7.50"), "DS-B2": Decimal(3)}
    assert uses(AROUND, back(reward(5))) == {}


def free(token: str, quantity: str | int = 1, percent: str | int = 100, **more: Any) -> SaleLine:
    """An article that a reward gives, whole or in part."""
    values = {"product": 5, "rowid": 9, "text": f"Mug [* {token} *]", **more}
    return line(0, quantity=quantity, discount_percent=Decimal(percent), **values)


def test_how_many_pieces_of_articles_a_sale_is_given() -> None:
    lines = (
        free("DS-A1", 2),
        free("DS-A1", 3, 50),
        free("DS-B2 DS-C3"),
        # Neither what is no article, nor what costs its full price, nor what no reward reduces.
        free("DS-D4", product=None),
        free("DS-E5", percent=0),
        free("a gesture"),
    )
    given = {"DS-A1": Decimal("3.5"), "DS-B2": Decimal(1)}
    assert pieces_given(AROUND, lines) == given
    # A credit note says by either sign that they come back.
    for sign in (1, -1):
        assert pieces_given(AROUND, [free("DS-A1", 2 * sign)]) == {"DS-A1": Decimal(2)}


def test_all_rewards_on_a_sale_are_found() -> None:
    assert rewards_on(AROUND, sale(1, lines=[free("DS-A1")])) == {"DS-A1"}
    assert rewards_on(AROUND, used(reward(5), free("DS-B2"))) == {"DS-A1", "DS-B2"}
    assert rewards_on(AROUND, used(free("DS-A1", percent=0))) == set()
    assert rewards_on(AROUND, back(free("DS-A1", -1))) == set()


def test_tokens_in_a_text() -> None:
    assert tokens_in(AROUND, "x DS-A1, DS-B2!") == ["DS-A1", "DS-B2"]
    assert tokens_in(AROUND, "ds-a1 DS-") == []
    dotted = Surroundings(reward_token_prefix="D.S")
    assert tokens_in(dotted, "DXS1 D.S2") == ["D.S2"]


@pytest.mark.parametrize("policy", ["proportional", "reward_line", "keep"])
def test_a_draft_gives_nothing_back_and_an_abandoned_sale_all(policy: str) -> None:
    note = back(line(-50, 1, -5, rowid=20))
    assert given_back(policy, used(status=SaleStatus.DRAFT), note) == Undone(NONE, "a draft")
    abandoned = used(status=SaleStatus.ABANDONED)
    assert given_back(policy, abandoned) == Undone(ALL, "an abandoned sale")
    assert given_back("keep", used(), note) == Undone(NONE, "")


@pytest.mark.parametrize(
    ("lines", "share"),
    [
        ([line(-20, 1, -2, rowid=20)], "0.4"),
        # The reward's own line is no goods, with its token or written by hand.
        ([line(-20, 1, -2, rowid=20), line(2, None, rowid=21, text="DS-A1")], "0.4"),
        ([line(-20, 1, -2, rowid=20), line(5, None, rowid=21, text="reward")], "0.4"),
        ([line(-20, 1, -2, rowid=20), line(4, None, rowid=21, text="a mug taken")], "0.32"),
        ([line(-20, 1, -2, rowid=20), line(5, 2, rowid=21)], "0.3"),
        ([line(-20, 1, -2, rowid=20), reward(3, "nothing", 21, discount=None)], "0.46"),
        ([line(-60, 1, -6, rowid=20)], "1"),
        ([line(10, 1, 1, rowid=20)], "0"),
    ],
)
def test_the_share_of_the_goods(lines: list[SaleLine], share: str) -> None:
    assert given_back("proportional", used(), back(*lines)) == Undone(Decimal(share), "the goods")


def test_shares_of_several_returns_and_of_small_sales() -> None:
    first, draft = (
        back(line(-20, 1, -2, rowid=20)),
        back(line(-20, 1, -2, rowid=30), status=SaleStatus.DRAFT),
    )
    second = credit_note(4, 0, 1, lines=[line(-10, 1, -1, rowid=40)])
    assert given_back("proportional", used(), first, draft, second).share == Decimal("0.6")
    small = sale(1, lines=[line("0.80", 1, rowid=1), reward("0.50")])
    half = back(line("-0.40", 1, rowid=20))
    assert given_back("proportional", small, half).share == Decimal("0.5")
    # A gesture on the sale lowers no goods.
    gesture = used(reward(5), reward(10, "a gesture", rowid=10))
    assert given_back("proportional", gesture, first).share == Decimal("0.4")
    free = sale(1, lines=[line(0, 1, rowid=1), reward(5)])
    assert given_back("proportional", free, back(line(-1, 1, rowid=20))).share == 0


@pytest.mark.parametrize(
    ("lines", "share"),
    [
        ([line(-20, 1, -2, rowid=20)], "0"),
        ([line(2, None, rowid=20, text="DS-A1")], "0.4"),
        ([line(5, None, rowid=20, text="by hand")], "1"),
        ([line(9, None, rowid=20, text="DS-A1")], "1"),
        ([line(-2, None, rowid=20, text="DS-A1")], "0"),
        ([line(5, None, rowid=20, text="DS-OTHER")], "0"),
    ],
)
def test_the_share_of_the_rewards_line(lines: list[SaleLine], share: str) -> None:
    found = given_back("reward_line", used(), back(*lines))
    assert found == Undone(Decimal(share), "the reward's line")


@pytest.mark.parametrize("policy", ["proportional", "reward_line"])
def test_articles_given_come_back_by_their_pieces(policy: str) -> None:
    origin = used(free("DS-A1", 4), free("DS-B2", rowid=10))
    goods, mug = line(-50, 1, -5, rowid=20), free("DS-A1", -1, rowid=21)
    # Neither the other goods nor another reward's article bring any of it back.
    for lines, share in (((goods,), 0), ((free("DS-B2", -1),), 0), ((goods, mug), "0.25")):
        found = given_back(policy, origin, back(*lines))
        assert found == Undone(Decimal(share), "the reward's line")
    both = back(mug), credit_note(4, 0, 1, lines=[free("DS-A1", -1, rowid=40)])
    assert given_back(policy, origin, *both).share == Decimal("0.5")
    assert given_back(policy, origin, back(free("DS-A1", -9))).share == ALL


def test_a_reward_that_the_sale_does_not_use_and_a_small_one() -> None:
    undo = back(line("0.25", None, rowid=20, text="DS-A1"))
    assert given_back("reward_line", used(), undo, token="DS-X9").share == 0
    assert given_back("reward_line", used(reward("0.50")), undo).share == Decimal("0.5")


def test_which_reward_a_line_undoes() -> None:
    rewards = {"DS-A1": Decimal(5), "DS-B2": Decimal("0.80")}

    def of(one: SaleLine) -> str | None:
        return undone_reward(AROUND, rewards, one)

    assert of(line("0.80", None)) == "DS-B2"
    assert of(line(3, None)) is None
    assert of(line(5, 1)) is None
    assert of(line(5, 1, text="DS-B2 DS-A1")) == "DS-B2"
    assert of(line(0, None, text="DS-A1")) is None


@pytest.mark.parametrize(
    ("points", "amount", "amount_back", "units"),
    [
        (100, "5", "5", 100),
        (100, "5", "6", 100),
        (100, "5", "2.49", 49),
        (100, "3", "1", 33),
        (100, "5", "0", 0),
        (100, "5", "-1", 0),
    ],
)
def test_units_that_come_back(points: int, amount: str, amount_back: str, units: int) -> None:
    assert units_back(points, Decimal(amount), Decimal(amount_back)) == units


@pytest.mark.parametrize(
    ("lacking", "units", "shares"),
    [
        ([(1, 60), (2, 40)], 50, {1: 30, 2: 20}),
        ([(1, 1), (2, 1), (3, 1)], 2, {1: 1, 2: 1}),
        ([(1, 5), (2, 95)], 10, {1: 1, 2: 9}),
        ([(1, 3), (2, 3), (3, 3)], 8, {1: 3, 2: 3, 3: 2}),
        ([(1, 10)], 10, {1: 10}),
        ([(1, 10)], 0, {}),
    ],
)
def test_points_are_spread_over_the_lots_that_lack_them(
    lacking: list[tuple[int, int]], units: int, shares: dict[int, int]
) -> None:
    assert spread(lacking, units) == shares
