"""A stand-in in a process of its own, and the least that reading it over HTTP can cost."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from benchmarks.shop import FIRST_DAY, BenchShop

API_KEY = "standin-least-0123456789"
PAGE = 100


@contextmanager
def served(shop: BenchShop) -> Iterator[BenchShop]:
    """Serve the shop's REST interface; a process of its own shares no lock with the reader."""
    command = [sys.executable, "-u", "-m", "connectors.standin", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--database-url", shop.database_url],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"https?://\S+?(?=/api/index.php)", process.stdout.readline())
        assert found, "the stand-in did not start"
        yield shop.at(found.group())
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


def bare_reading(shop: BenchShop, sales: int) -> None:
    """Make the requests of a backfill and read their JSON."""
    with requests.Session() as session:
        session.headers.update({"DOLAPIKEY": API_KEY, "Accept-Encoding": "identity"})
        last = 0
        while rows := _page(session, shop, sales, last):
            for row in rows:
                paid = f"{shop.api_url}/api/index.php/invoices/{row['id']}/payments"
                answer = session.get(paid, timeout=60)
                # What returns goods was never paid: some versions say so by a 404.
                assert answer.json() or row["type"] == "2"
            last = int(rows[-1]["id"])
            if len(rows) < PAGE:
                break


def _page(
    session: requests.Session, shop: BenchShop, sales: int, last: int
) -> list[dict[str, Any]]:
    days = f"((t.datef:>=:'{FIRST_DAY}') and (t.datef:<:'{shop.until(sales)}'))"
    filters = f"((t.entity:=:'1') and (t.ref:notlike:'_PROV%') and {days} and (t.rowid:>:'{last}'))"
    params: dict[str, str | int] = {
        "sortfield": "t.rowid",
        "sortorder": "ASC",
        "limit": PAGE,
        "sqlfilters": filters,
    }
    answer = session.get(f"{shop.api_url}/api/index.php/invoices", params=params, timeout=60)
    found: list[dict[str, Any]] = answer.json()
    return found
