"""Seventy-one cases in which loyalty went wrong elsewhere, and the test that holds each here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

# Each number: what must not happen, and the start of its test's name, or why there is none yet.
CASES = {
    1: ("points kept after a return", "test_edge_01_"),
    2: ("a threshold applied to the return", "test_edge_02_"),
    3: ("points taken again on the return of a sale paid with points", "test_edge_03_"),
    4: ("points taken again when the return leaves the reward out", "test_edge_04_"),
    5: ("exchange on one ticket miscounted", "test_edge_05_"),
    6: ("the part paid with points taken off twice", "test_edge_06_"),
    7: ("half a return gives all spent points back", "test_edge_07_"),
    8: ("a return refused because its points are spent", "test_edge_08_"),
    9: ("points made from a lot that was drawn on", "test_edge_09_"),
    10: ("spending counted once per lot", "test_edge_10_"),
    11: ("no points taken on returns at all", "test_edge_11_"),
    12: ("a return added", "test_edge_12_"),
    13: ("points of a product shared out over others", "test_edge_13_"),
    14: ("many returns take too much or divide by zero", "test_edge_14_"),
    15: ("a whole return ignores the partial one before", "test_edge_15_"),
    16: ("earned without tax, returned with it", "test_edge_16_"),
    17: ("validated again, not earned again", "test_edge_17_"),
    18: ("given back at each cancelling", "test_edge_18_"),
    19: ("taken from whoever pressed the button", "test_edge_19_"),
    20: ("given back never, or twice, when a payment falls through", "test_edge_20_"),
    21: ("a sale that used points earns nothing", "test_edge_21_"),
    22: ("points given back live for ever", "test_edge_22_"),
    23: ("a second partial return impossible", "test_edge_23_"),
    24: ("an empty gift card accepted on a return", "test_edge_24_"),
    25: ("points of a free product not given back", "test_edge_25_"),
    26: ("a till's repetition doubles", "test_edge_26_"),
    27: ("a repeated confirmation doubles", "test_edge_27_"),
    28: ("paying later awards again", "test_edge_28_"),
    29: ("one sale with two numbers counts twice", "test_edge_29_"),
    30: ("two accounts for one customer", "test_edge_30_"),
    31: ("another till doubles", "test_edge_31_"),
    32: ("a replay credits again", "test_edge_32_"),
    33: ("points of one channel never used up in the other", "test_edge_33_"),
    34: ("a till's old knowledge believed", "test_edge_34_"),
    35: ("overdrawn without a word", "test_edge_35_"),
    36: ("history imported twice", "test_edge_36_"),
    37: ("cents that no point can pay", "test_edge_37_"),
    38: ("a rounded total of zero", "cannot apply: no rounded total is read"),
    39: ("a cent lost in a discount", "test_edge_39_"),
    40: ("all points burnt on a small bill", "test_edge_40_"),
    41: ("whether rewards lower points is nobody's choice", "test_edge_41_"),
    42: ("rounded down there, up back", "test_edge_42_"),
    43: ("a minimum asked of each payment", "test_edge_43_"),
    44: ("a payment mode by fixed number", "test_edge_44_"),
    45: ("a crash between two writes", "test_edge_45_"),
    46: ("one discount over two tax rates", "test_edge_46_"),
    47: ("a discount without tax", "test_edge_47_"),
    48: ("a tax rate below zero", "test_edge_48_"),
    49: ("an amount written, another stored", "test_edge_49_"),
    50: ("points that buy points", "test_edge_50_"),
    51: ("the first tier skipped", "test_edge_51_"),
    52: ("the crossing bill at the wrong rate", "test_edge_52_"),
    53: ("two tiers at once", "test_edge_53_"),
    54: ("a wrong distance to the next tier", "test_edge_54_"),
    55: ("expiry by date hides other rows", "test_edge_55_"),
    56: ("expiry that is always on, told in part, never booked", "test_edge_56_"),
    57: ("a new rule that shortens old points", "test_edge_57_"),
    58: ("a balance beside its history", "test_edge_58_"),
    59: ("old points spent before the sweep", "test_edge_59_"),
    60: ("a tier not recomputed after a correction", "test_edge_60_"),
    61: ("a second card left after a merge", "test_edge_61_"),
    62: ("points orphaned by a merge", "test_edge_62_"),
    63: ("old customers never join", "test_edge_63_"),
    64: ("a known e-mail is enough to spend", "later: with the member's page"),
    65: ("points of the anonymous customer", "test_edge_65_"),
    66: ("a dropped redemption keeps its points", "test_edge_66_"),
    67: ("a return without origin ignored", "test_edge_67_"),
    68: ("a field by hand instead of a ledger", "test_edge_68_"),
    69: ("a range of days shifted by the time zone", "test_edge_69_"),
    70: ("history deleted on cancelling", "test_edge_70_"),
    71: ("a return of an unknown sale taken or lost in silence", "test_edge_71_"),
}


def _written() -> list[str]:
    """Return the names of all tests with a case's number."""
    names = []
    for path in Path(__file__).parent.glob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names += [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return sorted(name for name in names if re.match(r"test_edge_\d\d_", name))


def test_every_case_has_its_place() -> None:
    assert sorted(CASES) == list(range(1, 72))


def test_every_case_has_just_the_test_it_names_or_a_reason() -> None:
    written = _written()
    for number, (_, where) in CASES.items():
        mine = [name for name in written if name.startswith(f"test_edge_{number:02}_")]
        if where.startswith("test_edge_"):
            assert where == f"test_edge_{number:02}_"
            assert len(mine) == 1, (number, mine)
        else:
            assert where.split(":")[0] in {"later", "cannot apply"}
            assert mine == [], f"case {number} has a test now: name it in the table"
