"""The shop of the live tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.place import Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a dolisync with an empty ledger beside the real Dolibarr; skip without one."""
    return open_shop(tmp_path)
