"""Say once, and not for each test, that no real Dolibarr was there to hold the contract against."""

from __future__ import annotations

import os

import pytest

from connectors.dolibarr_http import DolibarrHttp
from tests.contract.site import missing_names


@pytest.mark.live
def test_a_real_dolibarr_is_named_and_answers() -> None:
    missing = missing_names()
    if missing:
        pytest.skip(f"NO REAL DOLIBARR: {', '.join(missing)} not set (see tests/live/README.md)")
    http = DolibarrHttp(os.environ["DOLISYNC_LIVE_URL"], os.environ["DOLISYNC_LIVE_KEY"])
    assert http.status().version
    http.close()
