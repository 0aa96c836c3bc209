"""Ten complete programs: each holds as it stands, and gives what its page says."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.shop_programs import EXAMPLES, FOLDER, Example, head_of, settings

FILES = sorted(FOLDER.glob("*.toml"))


def test_there_are_ten() -> None:
    assert len(FILES) == 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_program_holds_and_can_be_read(path: Path) -> None:
    found = settings(path.stem)
    assert all(program.reward for program in found.program)
    assert all(secret.env for _, secret in found.secrets() if not secret.literal)
    title, words = head_of(path)
    assert title.startswith("A ")
    assert len(words) > 200
    assert max(len(line) for line in path.read_text(encoding="utf-8").splitlines()) <= 100


def test_each_program_is_shown_by_some_sales() -> None:
    shown = Counter(example.shop for example in EXAMPLES)
    assert shown.keys() == {path.stem for path in FILES}
    assert min(shown.values()) >= 3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one.shop}: {one.words}")
def test_a_sale_earns_what_the_page_says(example: Example) -> None:
    assert example.earned() == Decimal(example.points), [
        str(r) for v in example.verdicts() for r in v.reasons
    ]
