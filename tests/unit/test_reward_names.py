"""Rewards by name (D5): in full or as a beginning, whatever case and accents, or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dolisync.errors import UserError
from dolisync.program.reward_names import folded, listed
from dolisync.program.spending import Bill
from dolisync.program.terms import Program
from dolisync.program.wishes import (
    DraftWish,
    Refusal,
    RefusedWish,
    draft_reward,
    wanted_reward,
    wanted_use,
)
from dolisync.sync.redeem import choose_reward
from tests.builders import program

D = Decimal
REWARDS = [
    {"name": "ten", "title": "10 € off", "points": 200, "amount": "10"},
    {"name": "tea", "title": "Thé glacé", "points": 50, "amount": "3"},
    {"name": "mug", "title": "Coffee mug", "points": 300, "amount": "9"},
    {"name": "maker", "title": "Coffee maker", "points": 900, "amount": "60"},
]


def shop(**more: Any) -> Program:
    return program(**{"reward": REWARDS, "point_value": "0.05", **more})


def on_card(text: str) -> str:
    return wanted_reward(shop(), text, D(1000)).name


def on_draft(text: str, **more: Any) -> DraftWish:
    return wanted_use(shop(**more), text, "EUR")


def refused(text: str, **more: Any) -> RefusedWish:
    with pytest.raises(RefusedWish) as found:
        on_draft(text, **more)
    return found.value


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mug", "mug"),
        ("Coffee mug", "mug"),
        ("COFFEE MUG", "mug"),
        ("coffee m u g".replace(" u", "u").replace(" g", "g"), "mug"),
        ("coffee   mu", "mug"),
        ("the glace", "tea"),
        ("THÉ GLACÉ", "tea"),
        ("the\u0301", "tea"),
        ("10 € o", "ten"),
        ("10 € off", "ten"),
        ("te", None),
        ("mak", "maker"),
        # A word of a title, where no title and no name begins so.
        ("glac", "tea"),
        ("of", "ten"),
    ],
)
def test_what_is_meant(text: str, name: str | None) -> None:
    if name is None:
        assert refused(text).why is Refusal.WHICH_REWARD
        return
    found = on_draft(text).reward
    assert found is not None
    assert found.name == on_card(text) == name
    assert choose_reward(shop(), text).name == name


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("10", DraftWish(points=D(10))),
        ("10 €", DraftWish(amount=D(10))),
        ("10 EUR", DraftWish(amount=D(10))),
        ("12,50 eur", DraftWish(amount=D("12.50"))),
        ("Max", DraftWish()),
    ],
)
def test_a_number_comes_before_the_beginning_of_a_name(text: str, wish: DraftWish) -> None:
    assert on_draft(text) == wish


def test_a_name_in_full_comes_before_longer_ones_that_begin_like_it() -> None:
    longer = {**REWARDS[0], "name": "tent", "title": "A tent for the garden"}
    rules = shop(reward=[longer, *REWARDS])
    assert wanted_use(rules, "ten", "EUR") == DraftWish(reward=rules.reward[1])
    assert wanted_reward(rules, "ten", D(1000)) == rules.reward[1]
    assert choose_reward(rules, "ten") == rules.reward[1]


def test_a_name_in_full_comes_before_a_number() -> None:
    rewards = [{"name": "ten", "title": "10 EUR", "points": 100, "amount": "10"}]
    found = on_draft("10 eur", reward=rewards).reward
    assert found is not None
    assert found.points == 100


@pytest.mark.parametrize(
    ("text", "why", "named", "near"),
    [
        ("coffee", Refusal.WHICH_REWARD, "Coffee mug, Coffee maker", ""),
        ("cofee mugg", Refusal.NEAR_REWARD, "10 € off, Thé glacé, Coffee mug, ", "Coffee mug"),
        ("muck", Refusal.NEAR_REWARD, "10 € off, ", "Coffee mug"),
        ("zzz", Refusal.NO_REWARD, "10 € off, Thé glacé, Coffee mug, Coffee maker", ""),
        ("c", Refusal.NO_REWARD, "10 € off, ", ""),
        ("0", Refusal.NOTHING, "", ""),
        ("-3 EUR", Refusal.NOTHING, "", ""),
    ],
)
def test_what_is_not_clear_is_refused_with_what_would_be(
    text: str, why: Refusal, named: str, near: str
) -> None:
    found = refused(text)
    assert (found.why, found.near) == (why, near)
    assert found.named.startswith(named)


def test_without_rewards_there_is_no_list_to_tell() -> None:
    found = refused("abc", reward=[])
    assert (found.why, found.named) == (Refusal.UNCLEAR, "abc")


def test_two_of_one_title_are_told_by_their_names() -> None:
    twins = [{**REWARDS[0], "name": name} for name in ("one", "two")]
    found = refused("10 € off", reward=twins)
    assert (found.why, found.named) == (Refusal.WHICH_REWARD, "one, two")


def test_a_long_list_is_cut() -> None:
    many = [{**REWARDS[0], "name": f"r{n}", "title": f"Reward number {n}"} for n in range(40)]
    shown = listed(shop(reward=many).reward)
    assert shown.endswith(", ...")
    assert len(shown) <= 120


def test_a_list_is_as_long_as_fits_into_an_answer() -> None:
    titles = ["a" * 54, "b" * 54]
    fitting = [{**REWARDS[0], "name": title[0], "title": title} for title in titles]
    assert listed(shop(reward=fitting).reward) == ", ".join(titles)
    fitting[1]["title"] += "b"
    assert listed(shop(reward=fitting).reward) == f"{titles[0]}, ..."


def test_what_a_text_is_compared_by() -> None:
    assert folded("  ÉTÉ   à  la  Mer ") == "ete a la mer"
    assert folded("Straße") == "strasse"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        (None, "the program has several rewards", "name one of: ten, tea, mug, maker"),
        ("coffee", "several rewards are named 'coffee'", "name one of: mug, maker"),
        ("mugg", "no reward is named 'mugg'", "did you mean mug? name one of: ten, tea, mug"),
        ("xyz", "no reward is named 'xyz'", "name one of: ten, tea, mug, maker"),
    ],
)
def test_the_command_says_which_there_are(name: str | None, message: str, hint: str) -> None:
    with pytest.raises(UserError, match=message) as found:
        choose_reward(shop(), name)
    assert str(found.value.remedy).startswith(hint)


# --- an amount by its name on a draft ------------------------------------------------------------


def taken(bill: Bill, **redeem: Any) -> Any:
    return draft_reward(
        shop(redeem=redeem), on_draft("10 € off", redeem=redeem), D(200), bill
    ).amount


def test_it_is_taken_off_whole_or_not_at_all() -> None:
    assert taken(Bill(D(50), D(50))) == 10
    assert taken(Bill(D(10), D(10))) == 10
    with pytest.raises(RefusedWish) as found:
        taken(Bill(D("9.99"), D("9.99")))
    assert (found.value.why, found.value.named) == (Refusal.LESS_ROOM, "9.99")


def test_the_terms_of_the_program_hold() -> None:
    assert taken(Bill(D(50), D(50)), max_share=20) == 10
    for bill, redeem, why in (
        (Bill(D(50), D(50)), {"max_share": 19}, Refusal.LESS_ROOM),
        (Bill(D(50), D(50), has_discounts=True), {"with_discounts": False}, Refusal.OTHER_DISCOUNT),
        (Bill(D(50), D(0)), {}, Refusal.NO_ROOM),
    ):
        with pytest.raises(RefusedWish) as found:
            taken(bill, **redeem)
        assert found.value.why is why
