"""Measure how long points take from the till to the customer card of a real Dolibarr.

A daemon must be running beside it (`dolisync run`); the environment is that of the live tests, and
DOLISYNC_LIVE_CUSTOMER names a customer. Run from the checkout: python -m tests.live.latency
"""

from __future__ import annotations

import os
import sys
import time

from connectors.dolibarr_sql_sink import SqlSink
from dolisync.model import CustomerKey
from tests.live.pages import Pages

SALES = 5
GIVE_UP_S = 30


def main() -> None:
    """Sell five times at the till and print the seconds until the card shows it."""
    environment = {name: os.environ[f"DOLISYNC_LIVE_{name}"] for name in ("URL", "DATABASE_URL")}
    customer = int(os.environ["DOLISYNC_LIVE_CUSTOMER"])
    pages = Pages(environment["URL"])
    pages.log_in(os.environ["DOLISYNC_LIVE_LOGIN"], os.environ["DOLISYNC_LIVE_PASSWORD"])
    sink = SqlSink(environment["DATABASE_URL"])
    for number in range(SALES):
        print(f"{_sell_and_wait(pages, sink, customer, 2 + number):.2f} s")


def _sell_and_wait(pages: Pages, sink: SqlSink, customer: int, quantity: int) -> float:
    before = _shown(sink, customer)
    till = pages.open_till()
    till.add(int(os.environ.get("DOLISYNC_LIVE_PRODUCT", "1")), quantity)
    till.choose(customer)
    till.pay("LIQ")
    begun = time.monotonic()
    while _shown(sink, customer) == before:
        if time.monotonic() - begun > GIVE_UP_S:
            sys.exit("the card shows nothing new: does the daemon run?")
        time.sleep(0.01)
    return time.monotonic() - begun


def _shown(sink: SqlSink, customer: int) -> object:
    return sink.read_customer(CustomerKey("shop", 1, customer), ["loybalance", "loylast"])


if __name__ == "__main__":
    main()
