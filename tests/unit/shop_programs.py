"""The ten programs for ten kinds of shop, with sales that show what each of them does.

The page docs/programs/README.md is written from them: what a program says of itself, and what these
sales earn, computed by the rules.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

from dolisync.config import Settings, parse
from dolisync.model import Article, Buyer, Payment, Sale, SaleLine
from dolisync.program.assess import Family, Verdict, assess
from dolisync.program.before import NOTHING_BEFORE, Before
from dolisync.program.surroundings import Surroundings
from tests.builders import credit_note, line, sale

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "templates/programs"
FRIDAY, TUESDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 17), date(2026, 11, 16)


@dataclass(frozen=True)
class Example:
    """A sale in words, with the points that it earns in a program of a shop."""

    shop: str
    words: str
    sale: Sale
    points: str
    before: Before = NOTHING_BEFORE
    returned: Sale | None = None
    program: int = 0

    def verdicts(self) -> tuple[Verdict, ...]:
        """Judge the sale, and what was returned of it."""
        program = settings(self.shop).program[self.program]
        returns = (self.returned,) if self.returned else ()
        return assess(program, Surroundings(), Family(self.sale, returns, before=self.before))

    def earned(self) -> Decimal:
        """Return the points that are left of it."""
        program = settings(self.shop).program[self.program]
        return program.points_of(sum(verdict.units for verdict in self.verdicts()))


@cache
def settings(shop: str) -> Settings:
    """Load a shop's file as `dolisync check` does."""
    path = FOLDER / f"{shop}.toml"
    return parse(path.read_text(encoding="utf-8"), path.name)


def goods(*amounts: str, tag: str = "", ref: str = "", **more: object) -> list[SaleLine]:
    """Make lines of a sale, all of them under one tag."""
    found = []
    for rowid, amount in enumerate(amounts, start=1):
        price = line(amount).total_excl
        article = Article((tag,) if tag else (), price, Decimal(amount))
        one = line(amount, rowid, rowid=rowid, article=article, **more)
        found.append(replace(one, product_ref=ref or one.product_ref))
    return found


def sold(lines: list[SaleLine], day: date = FRIDAY, at: str = "", till: str = "1") -> Sale:
    """Make a sale at a till, or in the office where no till is named."""
    hour = datetime.fromisoformat(f"{day}T{at}:00+01:00").astimezone(UTC) if at else None
    lines = [replace(one, rowid=rowid) for rowid, one in enumerate(lines, start=1)]
    lines = [replace(one, product_rowid=one.rowid) for one in lines]
    return replace(sale(1, lines=lines, day=day), terminal=till, created_at=hour)


def to(buyer: Buyer, one: Sale) -> Sale:
    """Name the customer of a sale."""
    return replace(one, buyer=buyer)


LOAF, CAKE, NEWS = goods("4.20", tag="Bread"), goods("9.50"), goods("3.20", tag="Resale")
COMPANY, PERSON = Buyer(kind="TE_SMALL"), Buyer(kind="TE_PRIVATE")
CUT = goods("60", is_service=True)
SHAMPOO = goods("25")
PAID_BY_VOUCHER = [Payment("VOU", Decimal(20), None), Payment("CB", Decimal(40), None)]
COAT = [
    replace(one, article=replace(one.article or Article(), fields=(("brand", "Nordlicht"),)))
    for one in goods("100")
]
SHIRT_ON_SALE = [replace(goods("30")[0], discount_percent=Decimal(20))]
BAG = goods("0", product_points=Decimal(8))

EXAMPLES = (
    Example(
        "bakery", "a loaf (4.20) and a cake (9.50) at ten", sold(LOAF + CAKE, at="10:00"), "13"
    ),
    Example("bakery", "the same at six in the evening", sold(LOAF + CAKE, at="18:00"), "17"),
    Example("bakery", "a cake and a newspaper (3.20)", sold(CAKE + NEWS), "9"),
    Example(
        "bakery",
        "a party of 90.00, on a card that earned 20 today",
        sold(goods("90")),
        "40",
        Before(sales=1, day_units=20),
    ),
    Example("restaurant", "a bill of 64.00 on a Friday", sold(goods("64")), "1", Before(sales=1)),
    Example(
        "restaurant", "one of 20.00 on a Tuesday", sold(goods("20"), TUESDAY), "2", Before(sales=1)
    ),
    Example("restaurant", "the first visit, on a Tuesday", sold(goods("20"), TUESDAY), "4"),
    Example("beauty_salon", "a haircut (60.00)", sold(CUT), "60"),
    Example("beauty_salon", "a haircut and a shampoo (25.00)", sold(CUT + SHAMPOO), "72"),
    Example(
        "beauty_salon",
        "the same in the tier Gold",
        sold(CUT + SHAMPOO),
        "108",
        Before(sales=9, tier="gold"),
    ),
    Example(
        "beauty_salon",
        "a haircut in the month of her birthday",
        to(Buyer(birthday=date(1990, 11, 3)), sold(CUT)),
        "90",
    ),
    Example(
        "b2b_distributor",
        "an invoice of 600.00 without tax (720.00 with it)",
        to(COMPANY, sold(goods("720"), till="")),
        "6.00",
    ),
    Example(
        "b2b_distributor",
        "one of 6000.00 without tax",
        to(COMPANY, sold(goods("7200"), till="")),
        "180.00",
    ),
    Example(
        "b2b_distributor",
        "the same, and half of it returned",
        to(COMPANY, sold(goods("3600", "3600"), till="")),
        "90.00",
        returned=credit_note(2, 0, 1, lines=[line(-3600, 1, -1, rowid=20)]),
    ),
    Example(
        "b2b_distributor",
        "the same to a private person",
        to(PERSON, sold(goods("7200"), till="")),
        "0",
    ),
    Example("clothes", "a shirt of 30.00 at its price", sold(goods("30")), "30"),
    Example(
        "clothes",
        "the same shirt with 20 % off, and a gift card of 50.00",
        sold(SHIRT_ON_SALE + goods("50", ref="GIFT-50")),
        "0",
    ),
    Example(
        "clothes",
        "a coat of Nordlicht (100.00) in the launch, with a shirt",
        sold(COAT + goods("60")),
        "360",
    ),
    Example(
        "clothes", "the same a month later", sold(COAT + goods("60"), date(2026, 12, 20)), "190"
    ),
    Example(
        "garden_centre",
        "plants of 40.00 in April, and a spade of 20.00",
        sold(goods("40", tag="Plants") + goods("20"), date(2026, 4, 10)),
        "100",
    ),
    Example(
        "garden_centre",
        "the same on a Monday in November",
        sold(goods("40", tag="Plants") + goods("20"), MONDAY),
        "90",
    ),
    Example(
        "garden_centre",
        "delivery (25.00) of a spade, to a friend of the garden",
        sold(goods("25", is_service=True) + goods("20")),
        "24",
        Before(sales=9, tier="friend"),
    ),
    Example("chain_shared", "80.00 at terminal 1", sold(goods("80")), "80"),
    Example(
        "chain_shared", "80.00 in the new shop, at terminal 5", sold(goods("80"), till="5"), "160"
    ),
    Example(
        "chain_shared",
        "the same after 250 points on that day in another shop",
        sold(goods("80"), till="5"),
        "50",
        Before(sales=2, day_units=250, month_units=250),
    ),
    Example(
        "chain_apart",
        "47.00 in North",
        replace(sold(goods("47")), key=replace(sale().key, source="north")),
        "47",
    ),
    Example(
        "chain_apart",
        "47.00 in South: 4 for the euros, 1 for the visit",
        replace(sold(goods("47")), key=replace(sale().key, source="south")),
        "5",
        program=1,
    ),
    Example(
        "chain_apart",
        "the sale in South, in the program of North",
        replace(sold(goods("47")), key=replace(sale().key, source="south")),
        "0",
    ),
    Example(
        "web_and_shop",
        "a web order of 60.00 with shipping of 6.90",
        sold(goods("60") + goods("6.90", ref="PORT-1"), till=""),
        "60",
    ),
    Example("web_and_shop", "60.00 in the shop", sold(goods("60")), "90"),
    Example(
        "web_and_shop",
        "a web order of 60.00, 20.00 of it paid with a voucher",
        replace(sold(goods("60"), till=""), payments=tuple(PAID_BY_VOUCHER)),
        "40",
    ),
    Example("charity_shop", "a bag of goods, worth 8 points", sold(BAG), "8"),
    Example("charity_shop", "a jacket of 12.00", sold(goods("12")), "2"),
    Example(
        "charity_shop",
        "both, from a volunteer",
        to(Buyer(tags=("Volunteer",)), sold(BAG + goods("12"))),
        "20",
    ),
)


_INTRODUCTION = """\
# Ten programs for ten kinds of shop

Each is a complete `config.toml` to begin with. `dolisync --config config.toml init --program
bakery` writes one; then set the address and the secrets under `[[source]]`, the time zone and
the start, and go on with [Install](../install.md). What the tags, fields and terminals are
called in your Dolibarr is for you to say. Every option there is stands in
[Configuration](../configuration.md).

The points below are computed by the rules themselves: this page is written by a test that
judges these sales.
"""


def page() -> str:
    """Write docs/programs/README.md."""
    return "\n".join([_INTRODUCTION, *(_chapter(path) for path in sorted(FOLDER.glob("*.toml")))])


def _chapter(path: Path) -> str:
    title, words = head_of(path)
    rows = [f"| {one.words} | {one.earned()} |" for one in EXAMPLES if one.shop == path.stem]
    link = f"[`{path.name}`](../../templates/programs/{path.name})"
    table = "\n".join(["| A sale | Points |", "|---|---|", *rows])
    words = textwrap.fill(words, 100, break_on_hyphens=False)
    return f"## {title}\n\n{words}\n\n{table}\n\nThe file: {link}\n"


def head_of(path: Path) -> tuple[str, str]:
    """Return what a file says of itself: its title, and what it does."""
    lines = list(_comment(path))
    return lines[0], " ".join(lines[2:])


def _comment(path: Path) -> Iterator[str]:
    for text in path.read_text(encoding="utf-8").splitlines():
        if not text.startswith("#"):
            return
        yield text.removeprefix("#").strip()
