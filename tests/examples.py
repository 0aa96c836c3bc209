"""How many examples hypothesis tries: few by default, as many as a test is worth with -m long."""

from __future__ import annotations

import pytest


def by_default_and_long(few: int, many: int) -> pytest.MarkDecorator:
    """Run a test with few ``examples``, and under the marker ``long`` once more with many."""
    return pytest.mark.parametrize("examples", [few, pytest.param(many, marks=pytest.mark.long)])
