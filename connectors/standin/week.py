"""A week of a bakery with a few tables: what the demonstration and the tests find in the shop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from connectors.standin.shop import Shop

LONG_NAME = (
    "Associazione Culturale e Ricreativa dei Pensionati, degli Amici del Pane e della "
    "Buona Tavola di San Giovanni in Persiceto"
)
CUSTOMERS = {
    "alice": ("Alice Martin", "fr_FR", "alice@example.org"),
    "bruno": ("Bruno Conti", "it_IT", "bruno@example.org"),
    "clara": ("Clara Schäfer", "de_DE", "clara@example.org"),
    "daisy": ("Daisy 🌼 Walker", "en_GB", "daisy@example.org"),
    "elena": ("Elena Núñez", "es_ES", "elena@example.org"),
    "club": (LONG_NAME, "it_IT", "club@example.org"),
    "quotes": ('O\'Hara "Chez" <html> & Fils', "fr_FR", "ohara@example.org"),
    "office": ("Cabinet Lefèvre", "fr_FR", "compta@example.org"),
}
CATEGORIES = {
    "bakery": None,
    "bread": "bakery",
    "pastry": "bakery",
    "drinks": None,
    "hot": "drinks",
    "cold": "drinks",
    "shop": None,
}
PRODUCTS = {
    "baguette": ("Baguette tradition", "1.30", "5.5", "bread"),
    "rye": ("Pain de seigle", "4.20", "5.5", "bread"),
    "croissant": ("Croissant au beurre", "1.40", "5.5", "pastry"),
    "tart": ("Tarte aux pommes", "18.50", "5.5", "pastry"),
    "cake": ("Gâteau d'anniversaire", "42.00", "5.5", "pastry"),
    "espresso": ("Espresso", "2.10", "10", "hot"),
    "cappuccino": ("Cappuccino", "3.80", "10", "hot"),
    "tea": ("Thé à la menthe", "3.50", "10", "hot"),
    "juice": ("Jus d'orange pressé", "4.50", "10", "cold"),
    "beer": ("Bière artisanale", "5.90", "20", "cold"),
    "honey": ("Miel de montagne 500 g", "12.90", "5.5", "shop"),
    "mug": ("Tasse de la maison", "14.00", "20", "shop"),
}


def ean13(twelve: str) -> str:
    """Add the check digit to twelve digits."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(twelve))
    return f"{twelve}{-total % 10}"


@dataclass
class Week:
    """What was played: keys by short names."""

    customers: dict[str, int] = field(default_factory=dict)
    categories: dict[str, int] = field(default_factory=dict)
    products: dict[str, int] = field(default_factory=dict)
    sales: dict[str, int] = field(default_factory=dict)


class _Player:
    """Plays the days one after the other; each act happens at its hour of the past."""

    def __init__(self, shop: Shop, today: date) -> None:
        self.shop = shop
        self.today = today
        self.week = Week()

    def play(self, day: int, acts: Callable[[], Iterator[None]]) -> None:
        """Do the acts of a day (1 to 7, the last being yesterday), a quarter of an hour apart."""
        wall = datetime.combine(self.today + timedelta(days=day - 8), time(9))
        moment = wall.replace(tzinfo=self.shop.store.zone)
        steps, done = acts(), object()
        while True:
            with self.shop.statement_time(moment):
                if next(steps, done) is done:
                    return
            moment += timedelta(minutes=15)

    def items(self, *names: str) -> list[int | tuple[int, int | str | float | Decimal]]:
        """Find products by their short names."""
        return [self.week.products[name] for name in names]

    def ticket(self, name: str, customer: str | None, *products: str, mode: str = "CB") -> int:
        """Ring up and pay a ticket in one go."""
        who = self.week.customers[customer] if customer else None
        ticket = self.shop.pos_sell(self.items(*products), who, mode)
        self.week.sales[name] = ticket
        return ticket

    def open_ticket(self, name: str, customer: str | None, *products: str) -> int:
        """Ring up a ticket and leave it open."""
        ticket = self.shop.pos_open()
        if customer:
            self.shop.pos_scan(ticket, self.card_of(customer))
        for product in self.items(*products):
            assert isinstance(product, int)
            self.shop.pos_add(ticket, product)
        self.week.sales[name] = ticket
        return ticket

    def invoice(self, name: str, customer: str, **quantities: int) -> int:
        """Write and validate an invoice at the desk."""
        invoice = self.shop.new_invoice(self.week.customers[customer])
        for product, quantity in quantities.items():
            self.shop.add_line(invoice, self.week.products[product], quantity)
        self.shop.validate(invoice)
        self.week.sales[name] = invoice
        return invoice

    def card_of(self, customer: str) -> str:
        """Tell the number on a customer's card."""
        place = list(CUSTOMERS).index(customer) + 1
        return ean13(f"200000{place:06d}")

    def open_the_shop(self) -> Iterator[None]:
        """Write the cards, the tags and the products."""
        for name, (full, language, email) in CUSTOMERS.items():
            self.week.customers[name] = self.shop.add_customer(
                full, barcode=self.card_of(name), email=email, default_lang=language
            )
        for name, parent in CATEGORIES.items():
            above = self.week.categories[parent] if parent else 0
            self.week.categories[name] = self.shop.add_category(name.capitalize(), parent=above)
        for name, (label, price, rate, category) in PRODUCTS.items():
            product = self.shop.add_product(name.upper(), label, tva_tx=rate, price_ttc=price)
            self.shop.tag_product(product, self.week.categories[category])
            self.week.products[name] = product
        yield

    def monday(self) -> Iterator[None]:
        """Open; the first tickets, one for nobody in particular."""
        self.ticket("cash", None, "baguette", "croissant", mode="LIQ")
        yield
        self.ticket("alice breakfast", "alice", "cappuccino", "croissant", "croissant")
        yield
        self.invoice("alice party", "alice", cake=2, tart=1, juice=4)
        yield
        self.shop.pay(self.week.sales["alice party"], mode="CB")
        yield

    def tuesday(self) -> Iterator[None]:
        """Split a payment between cash and card; sell a reduced line."""
        split = self.open_ticket("split", "bruno", "tart", "honey", "espresso")
        self.shop.pos_pay(split, "LIQ", 20)
        self.shop.pos_pay(split, "CB")
        yield
        reduced = self.open_ticket("reduced", "clara", "mug", "tea")
        self.shop.pos_reduce(reduced, 10)
        self.shop.pos_pay(reduced, "LIQ", 20)
        yield

    def wednesday(self) -> Iterator[None]:
        """Invoice the office by transfer; take half of the club's money."""
        self.invoice("office coffee", "office", espresso=30, juice=10, croissant=20)
        yield
        self.shop.pay(self.week.sales["office coffee"], mode="VIR")
        yield
        self.invoice("club half paid", "club", cake=1, beer=12)
        yield
        self.shop.pay(self.week.sales["club half paid"], 50, "CHQ")
        yield

    def thursday(self) -> Iterator[None]:
        """Take something back; give a reduction by amount."""
        self.ticket("daisy", "daisy", "mug", "mug", "tea")
        yield
        returned = self.shop.pos_open()
        self.shop.pos_choose(returned, self.week.customers["daisy"])
        self.shop.pos_add(returned, self.week.products["mug"], -1)
        self.shop.pos_pay(returned, "LIQ")
        self.week.sales["daisy return"] = returned
        yield
        cheaper = self.open_ticket("cheaper", "elena", "honey", "rye")
        self.shop.pos_free_line(cheaper, "-2.00", "5.5")
        self.shop.pos_pay(cheaper, "CB")
        yield

    def friday(self) -> Iterator[None]:
        """Credit an invoice in part; give one up."""
        self.invoice("clara order", "clara", tart=2, rye=3)
        yield
        self.shop.pay(self.week.sales["clara order"], mode="CB")
        yield
        first_line = self.shop.lines(self.week.sales["clara order"])[1]["rowid"]
        note = self.shop.credit_note(self.week.sales["clara order"], [first_line])
        self.shop.validate(note)
        self.week.sales["clara credit"] = note
        yield
        self.invoice("given up", "quotes", cake=1)
        yield
        self.shop.abandon(self.week.sales["given up"], note="never fetched")
        yield

    def saturday(self) -> Iterator[None]:
        """The busy day; points pay where there is a mode for them."""
        for name in ("alice", "bruno", "elena", "quotes", "daisy"):
            self.ticket(f"{name} saturday", name, "baguette", "croissant", "espresso", "juice")
            yield
        self.ticket("nobody saturday", None, "beer", "beer", mode="LIQ")
        yield
        if self.shop.payment_mode("LOY") is not None:
            paid = self.open_ticket("points", "alice", "cappuccino", "croissant")
            self.shop.pos_pay(paid, "LOY", 5)
            self.shop.pos_pay(paid, "CB")
            yield
        self.shop.close_cash(1, cash=60, card=120)
        yield

    def sunday(self) -> Iterator[None]:
        """A late order: the draft stays on the desk."""
        draft = self.shop.new_invoice(self.week.customers["office"])
        self.shop.add_line(draft, self.week.products["cake"], 3)
        self.week.sales["draft"] = draft
        yield


def play_a_week(shop: Shop, today: date) -> Week:
    """Play the seven days before `today` into an empty shop; always the same."""
    player = _Player(shop, today)
    days = (
        (0, player.open_the_shop),
        (1, player.monday),
        (2, player.tuesday),
        (3, player.wednesday),
        (4, player.thursday),
        (5, player.friday),
        (6, player.saturday),
        (7, player.sunday),
    )
    for day, acts in days:
        player.play(day, acts)
    return player.week
