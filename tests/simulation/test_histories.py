"""Play histories of a shop and a daemon in trouble; each must end with every invariant holding.

By default only the first quarter of the histories of each kind is played; ``pytest -m long
tests/simulation/test_histories.py`` plays the others. SIMULATION_SEED=n plays one history,
SIMULATION_LONGEST=n sets how many steps one has at most; SIMULATION_LONG=1 lets ``-m long`` play
ten thousand more of all kinds, three times as long.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from simulation.machine import Machine

HISTORIES = 200
HISTORIES_LOOKING_BACK = 60
HISTORIES_OF_UPHEAVALS = 80
HISTORIES_OF_MONEY = 60
HISTORIES_LONG = 10_000
LONGEST = int(os.environ.get("SIMULATION_LONGEST", "20"))


def _chunks(first: int, last: int, size: int = 20, marks: Any = ()) -> Iterator[object]:
    for start in range(first, last, size):
        seeds = range(start, min(start + size, last))
        yield pytest.param(seeds, id=f"from{start}", marks=marks)


def _chosen(histories: int) -> list[object]:
    seed = os.environ.get("SIMULATION_SEED")
    if seed is not None:
        return [pytest.param([int(seed)], id=f"seed{seed}")]
    by_default = histories // 4
    return [
        *_chunks(0, by_default),
        *_chunks(by_default, histories, marks=pytest.mark.long),
    ]


@pytest.mark.parametrize("seeds", _chosen(HISTORIES))
def test_a_history_ends_well(seeds):
    for seed in seeds:
        Machine(seed, longest=LONGEST).play()


@pytest.mark.parametrize("seeds", _chosen(HISTORIES_LOOKING_BACK))
def test_a_history_under_rules_that_look_back_ends_well(seeds):
    for seed in seeds:
        Machine(seed, longest=LONGEST, looks_back=True).play()


@pytest.mark.parametrize("seeds", _chosen(HISTORIES_OF_UPHEAVALS))
def test_a_history_with_merges_returns_and_restores_ends_well(seeds):
    for seed in seeds:
        Machine(seed, longest=LONGEST, upheavals=True).play()


@pytest.mark.parametrize("seeds", _chosen(HISTORIES_OF_MONEY))
def test_a_history_in_which_points_are_money_ends_well(seeds):
    for seed in seeds:
        Machine(seed, longest=LONGEST, money=True).play()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif("SIMULATION_LONG" not in os.environ, reason="set SIMULATION_LONG=1")
@pytest.mark.parametrize("seeds", list(_chunks(HISTORIES, HISTORIES + HISTORIES_LONG, 500)))
def test_a_long_history_ends_well(seeds):
    for seed in seeds:
        kind = ("plain", "looks_back", "upheavals", "money")[seed % 4]
        more = {} if kind == "plain" else {kind: True}
        Machine(seed, longest=3 * LONGEST, **more).play()


def test_a_history_is_the_same_each_time():
    first = Machine(4)
    first.play()
    # Made only now: both stand on the same ledger, which is wiped when one is made.
    second = Machine(4)
    second.play()
    assert first.steps == second.steps
