"""The same life with MariaDB on both sides: Dolibarr's tables and the ledger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.standin import StandIn
from connectors.standin.week import play_a_week
from tests.mariadb import MariadbServer
from tests.system.place import DATABASE_NAME, KEY_NAME, Place

pytestmark = pytest.mark.mariadb


@pytest.fixture
def large_shop(mariadb_server: MariadbServer, tmp_path: Path) -> Iterator[Place]:
    """Give a shop that keeps everything in MariaDB; dolisync is configured and no more."""
    with StandIn("20.0.2", database_url=mariadb_server.new_database()) as standin:
        week = play_a_week(standin.shop, standin.store.local().date())
        environment = {KEY_NAME: standin.api_key, DATABASE_NAME: standin.database_url}
        place = Place(tmp_path, standin, week, environment)
        place.configure("--ledger", mariadb_server.new_database())
        yield place


def test_whole_life(large_shop: Place) -> None:
    place, alice = large_shop, large_shop.customer("alice")
    place.bad("sync")
    place.good("db", "upgrade")
    place.good("setup", "--yes")
    assert {step["state"] for step in place.read("setup")["steps"]} == {"present"}
    place.good("check")
    assert place.read("sync")["shop"]["changed"] == 19
    assert place.read("sync")["shop"]["changed"] == 0
    assert place.read("balance", alice)["available"] == "135"
    assert place.read("balance", place.customer("club"))["pending"] == "112"
    token = place.read("redeem", alice)["token"]
    assert place.read("redeem", "--revoke", token)["available"] == "135"
    place.good("adjust", alice, "-5", "--reason", "counted twice")
    place.bad("adjust", alice, "-500", "--reason", "too much")
    assert place.read("history", alice)["total"] == 6
    assert "+120 points" in place.good("receipt", place.sale("alice party"))
    assert place.read("explain", place.sale("draft"))["documents"][0]["status"] == "draft"
    assert place.read("verify")["holds"]
    assert place.read("outbox", "list", "--state", "dead")["rows"] == []


def test_a_backup_says_where_it_goes(large_shop: Place) -> None:
    large_shop.good("db", "upgrade")
    assert "add --to" in large_shop.bad("db", "backup")
    if shutil.which("mariadb-dump") or shutil.which("mysqldump"):
        copy = Path(large_shop.read("db", "backup", "--to", large_shop.folder / "b")["backup"])
        assert "CREATE TABLE `posting`" in copy.read_text(encoding="utf-8")
