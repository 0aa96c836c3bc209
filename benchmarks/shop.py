"""A shop to measure on: a MariaDB with many till sales, and a configuration to read it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from commands.house import House
from connectors import dolibarr_setup
from connectors.standin import StandIn
from dolisync.display import requirements
from dolisync.ledger import schema
from dolisync.ledger.engine import open_engine

CUSTOMERS = 500
PRODUCTS = 200
SALES_PER_DAY = 200
# One document in ten takes something back: some lines of a sale two and a half days before.
RETURNED_EVERY = 10
ZONE = "Europe/Paris"
FIRST_DAY = date(2024, 11, 1)

_CONFIG = """\
[ledger]
url = "sqlite:///{ledger}"

[[source]]
name = "shop"
url = "{url}"
api_key = "standin-least-0123456789"
database_url = "{database_url}"
timezone = "{zone}"
database_timezone = "UTC"
read = "{read}"
write = "sql"
pos_customers = [{pos_customer}]

[[program]]
name = "loyalty"
start = 2024-01-01
[program.earn.amount]
points = 1
per = 1
[program.validity]
months = 12
{rules}
[[program.reward]]
name = "discount"
points = 100
amount = 5
"""
# All that looks back: caps that cut, and five tiers that members climb and lose.
RICH = """\
[program.earn.caps]
per_sale = 500
per_day = 400
per_month = 3000
per_member = 100000
""" + "".join(
    f"""
[[program.tier]]
name = "tier{number}"
title = "Tier {number}"
at_least = {500 * number}
multiplier = "1.{number}"
"""
    for number in range(1, 6)
)

# Ten campaigns of all kinds, of which some hold for each sale.
CAMPAIGNS = """
[program.campaigns]
combine = "multiply"
""" + "".join(
    f"""
[[program.campaign]]
name = "campaign{number}"
title = "Campaign {number}"
{terms}
"""
    for number, terms in enumerate(
        (
            'multiply = 3\nweekdays = ["thursday"]',
            'multiply = 2\nhours = "14:00-17:00"\nchannels = ["pos"]',
            'multiply = 2\n[program.campaign.articles]\nreferences = ["P1*"]',
            "bonus = 50\nminimum = 100",
            "multiply = 2\nfirst_day = 2024-12-01\nlast_day = 2024-12-24",
            "bonus = 10\nterminals = [2]",
            'multiply = 2\n[program.campaign.articles]\nkinds = ["service"]',
            'multiply = "1.5"\n[program.campaign.customers]\ncountries = ["FR"]',
            'bonus = 20\n[program.campaign.customers]\ntags = ["Members"]',
            "bonus = 5\npriority = 1\nminimum = 20",
        )
    )
)

_ledgers = count(1)


@dataclass(frozen=True)
class BenchShop:
    """Two hundred documents a day: paid sales of three lines, and a return for every nine."""

    folder: Path
    database_url: str
    pos_customer: int
    customers: tuple[int, ...]
    sales: int
    api_url: str = "http://127.0.0.1:9"
    rules: str = ""

    def until(self, sales: int) -> date:
        """Return the day before which so many sales are dated."""
        return FIRST_DAY + timedelta(days=sales // SALES_PER_DAY)

    def at(self, api_url: str) -> BenchShop:
        """Return the same shop with an address for its REST interface."""
        return replace(self, api_url=api_url)

    def under(self, rules: str) -> BenchShop:
        """Return the same shop with more rules in its program."""
        return replace(self, rules=rules)

    @contextmanager
    def house(self, read: str = "sql") -> Iterator[House]:
        """Open an empty ledger of its own on it, joined as the command line joins it."""
        path = self.configure(read)
        shutil.copy(self._empty_ledger(), path.with_suffix(".db"))
        house = House(path)
        try:
            yield house
        finally:
            house.close()

    def _empty_ledger(self) -> Path:
        """Give a ledger to copy: copying is quicker than making its tables each time."""
        path = self.folder / "empty.db"
        if not path.exists():
            engine = open_engine(f"sqlite:///{path}")
            schema.upgrade(engine)
            # The last connection to leave folds the write-ahead log into the file.
            engine.dispose()
        return path

    def configure(self, read: str = "sql") -> Path:
        """Write a configuration with a new ledger."""
        stem = self.folder / f"ledger{next(_ledgers)}"
        path = stem.with_suffix(".toml")
        path.touch(mode=0o600)
        path.write_text(
            _CONFIG.format(
                ledger=stem.with_suffix(".db"),
                url=self.api_url,
                database_url=self.database_url,
                zone=ZONE,
                read=read,
                pos_customer=self.pos_customer,
                rules=self.rules,
            ),
            encoding="utf-8",
        )
        return path


def furnish(
    folder: Path, database_url: str, sales: int, customer_count: int = CUSTOMERS
) -> BenchShop:
    """Write the shop's tables and sales."""
    with StandIn(database_url=database_url, php_timezone=ZONE) as standin:
        with standin.shop.transaction():
            customers = [standin.shop.add_customer(f"Customer {n}") for n in range(customer_count)]
            for number in range(PRODUCTS):
                price = f"{0.85 + number * 0.37:.2f}"
                standin.shop.add_product(f"P{number:03d}", f"Product {number}", price)
        shop = BenchShop(
            folder, database_url, standin.pos_customer, tuple(customers), sales, standin.url
        )
        with shop.house() as house:
            doors = house.doors["shop"]
            wanted = requirements(house.settings, doors.source)
            dolibarr_setup.apply(wanted, None, doors.database)
        start = datetime.combine(FIRST_DAY, datetime.min.time(), ZoneInfo(ZONE))
        interval = timedelta(days=1) / SALES_PER_DAY
        standin.shop.bulk_pos_sales(
            sales, customers, start, interval=interval, returned_every=RETURNED_EVERY
        )
    return shop


def sell_just_now(shop: BenchShop, sales: int) -> None:
    """Make sales whose changes lie in the last minutes."""
    with StandIn(database_url=shop.database_url, php_timezone=ZONE) as standin:
        start = datetime.now(UTC) - timedelta(seconds=2 * sales)
        standin.shop.bulk_pos_sales(sales, shop.customers, start, interval=timedelta(seconds=1))
