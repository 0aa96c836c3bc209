"""The Dolibarrs that the contract is held against: stand-ins always, a real one when named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.standin import VERSIONS, StandIn
from tests.contract.office import RealOffice, StandInOffice
from tests.contract.site import LIVE, Site, missing_names
from tests.contract.till import RealTill, StandInTill

TILL = ("DOLISYNC_LIVE_LOGIN", "DOLISYNC_LIVE_PASSWORD")
ON_MARIADB = "20.0.2"
PLACES = [
    # By default this version is met on MariaDB only, where Dolibarr lives; -m long adds SQLite.
    *(
        pytest.param(version, marks=pytest.mark.long if version == ON_MARIADB else ())
        for version in VERSIONS
    ),
    pytest.param("mariadb", marks=pytest.mark.mariadb),
]
if not missing_names():
    PLACES.append(pytest.param("live", marks=pytest.mark.live))


@pytest.fixture(scope="module", params=PLACES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Give one Dolibarr; tests make documents of their own in it and look at no others."""
    if request.param == "live":
        found = live_site()
        yield found
        found.close()
        return
    version, url = request.param, None
    if version == "mariadb":
        version, url = ON_MARIADB, request.getfixturevalue("mariadb_server").new_database()
    directory: Path = tmp_path_factory.mktemp("standin")
    with StandIn(version, database_url=url, directory=directory) as standin:
        # The stand-in keeps tms in UTC, as a database does that runs in UTC.
        found = Site(standin.url, standin.api_key, standin.database_url, "Europe/Paris", "UTC")
        found.till, found.office = StandInTill(standin.shop), StandInOffice(standin.shop)
        yield found
        found.close()


def live_site() -> Site:
    """Open the real Dolibarr that the environment names."""
    url, key, database_url = (os.environ[name] for name in LIVE)
    found = Site(url, key, database_url, "UTC", os.environ.get("DOLISYNC_LIVE_DATABASE_TZ", "UTC"))
    told = found.http.status().php_timezone
    login, password = (os.environ.get(name) for name in TILL)
    if login and password:
        found.till = RealTill(url, login, password)
        found.office = RealOffice(url, login, password, found.execute)
    found.timezone = os.environ.get("DOLISYNC_LIVE_TIMEZONE", told or "UTC")
    return found
