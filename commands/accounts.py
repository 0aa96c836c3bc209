"""balance, history, explain, receipt: what people ask about customers and their sales."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import click
from sqlalchemy import Connection

from commands import terminal
from commands.explanations import LONGEST_NAME, document_json, show_document
from commands.house import Doors, House
from commands.options import json_option, pass_house, program_option, source_option
from commands.standing import DAY, day_asked, standing_json, today_of
from commands.terminal import clean
from commands.tier_settings import setting_json, show_settings
from connectors.receipts import PaperWidth, ReceiptRenderer
from dolisync.errors import NotFound, TransientError, UserError
from dolisync.ledger.courses import settings_of
from dolisync.ledger.engine import reading
from dolisync.ledger.past import Standing, standing
from dolisync.ledger.store import Transaction
from dolisync.ledger.views import (
    LotView,
    MemberView,
    PostingView,
    history_length,
    member_view,
)
from dolisync.ledger.views import history as movements_of
from dolisync.model import Customer, CustomerKey, SaleKey
from dolisync.phrases import LANGUAGES
from dolisync.program.spending import minimum_of
from dolisync.program.terms import WAITING_TO_BE, Program, RewardTerms, TierBasis
from dolisync.program.tiers import TierToday
from dolisync.sentences import Tongue
from dolisync.sync.explain import (
    Explanation,
    Found,
    all_vanished,
    look_up_known,
    with_origins,
)
from dolisync.sync.explain import explain as explain_families
from dolisync.sync.pending import pending_units
from dolisync.sync.receipts import build_receipt
from dolisync.sync.rewards_left import with_rewards_left
from dolisync.sync.tiers import with_standing


def find_customer(house: House, doors: Doors, text: str, program: Program) -> Customer:
    """Find the customer meant; one whom the ledger knows by id also when Dolibarr cannot tell."""
    try:
        return house.find_customer(doors, text)
    except (NotFound, TransientError):
        if not text.isdecimal():
            raise
        key = CustomerKey(doors.source.name, doors.source.entity, int(text))
        if view_of(house, program, key).member_id is None:
            raise
        return Customer(key, "")


def view_of(house: House, program: Program, customer: CustomerKey) -> MemberView:
    """Read a customer's account as it is today."""
    today = house.clock.now().astimezone(program.zone).date()
    with reading(house.engine) as connection:
        view = member_view(connection, program.name, customer, today)
        views = with_standing(connection, program, {customer: view}, today)
        return with_rewards_left(connection, program, views)[customer]


def tier_json(held: TierToday | None) -> dict[str, object] | None:
    """Write a tier with stable keys, ``None`` where the program has none."""
    if held is None:
        return None
    return {
        "name": held.tier.name if held.tier else None,
        "title": held.tier.title if held.tier else None,
        "locked": held.is_locked,
        "next": held.next.name if held.next else None,
        "missing": held.missing if held.next else None,
    }


_MEASURES = {
    TierBasis.POINTS_EARNED: "points",
    TierBasis.VISITS: "purchases",
    TierBasis.SENIORITY: "months",
}


def tier_text(program: Program, held: TierToday, currency: str) -> str:
    """Name a tier, and say what is missing to the next one, or that staff fixed it."""
    title = held.tier.title if held.tier else "none"
    if held.is_locked:
        return f"{title}, set by hand and locked"
    if held.next is None:
        return title
    measure = _MEASURES.get(program.tiers.basis, currency)
    return f"{title}; {held.missing} {measure} to {held.next.title}"


def customer_json(customer: Customer) -> dict[str, object]:
    """Name a customer with stable keys."""
    return {"source": customer.key.source, "id": customer.key.rowid, "name": customer.name}


def customer_text(customer: Customer) -> str:
    """Name a customer in words, on one line of a terminal."""
    name = textwrap.shorten(clean(customer.name), LONGEST_NAME, placeholder="...")
    return f"{name or 'customer'} ({customer.key.rowid})"


def points_text(program: Program, units: int, *, signed: bool = False) -> str:
    """Write ledger units as points, with the program's decimals."""
    sign = "+" if signed and units > 0 else ""
    return f"{sign}{program.points_of(units):.{program.decimals}f}"


# --- balance -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """A customer's account with what is worth saying of it."""

    program: Program
    currency: str
    customer: Customer
    view: MemberView
    unpaid: int
    today: date

    @property
    def pending(self) -> int:
        """What will be available later: in unpaid sales, and in goods that may still come back."""
        return self.unpaid + self.view.waiting

    @property
    def value(self) -> Decimal | None:
        """What the available points are worth."""
        worth = self.program.value_of_point
        if worth is None:
            return None
        available = self.program.points_of(self.view.available)
        return (available * worth).quantize(Decimal("0.01"))

    @property
    def waiting_lots(self) -> list[LotView]:
        """The lots that cannot be spent yet."""
        return [lot for lot in self.view.lots if lot.available_from > self.today]

    @property
    def in_reach(self) -> RewardTerms | None:
        """The dearest reward that the available points buy."""
        bought = [reward for reward in self._rewards() if self.missing(reward) <= 0]
        return bought[-1] if bought else None

    @property
    def next_reward(self) -> RewardTerms | None:
        """The cheapest reward that they do not buy yet."""
        return next((reward for reward in self._rewards() if self.missing(reward) > 0), None)

    def missing(self, reward: RewardTerms) -> Decimal:
        """How many points are missing to a reward."""
        needed = max(reward.points, minimum_of(self.program))
        return needed - self.program.points_of(self.view.available)

    def _rewards(self) -> list[RewardTerms]:
        mine = (reward for reward in self.program.reward if reward.is_for(self.view.tier_name))
        left = (reward for reward in mine if reward.name not in self.view.used_up)
        now = (reward for reward in left if reward.is_on(self.today))
        return sorted(now, key=lambda reward: reward.points)


@click.command()
@click.argument("customer")
@click.option("--on", "asked", type=DAY, help="What it was at the end of this day.")
@program_option
@source_option
@json_option
@pass_house
def balance(
    house: House,
    customer: str,
    asked: datetime | None,
    program_name: str | None,
    source_name: str | None,
    *,
    as_json: bool,
) -> None:
    """Show a customer's points.

    Available, pending, expiring next, and the lots they come from.

    CUSTOMER is an id, a card number, a customer code or an e-mail address.

    \b
    Example:
      dolisync balance 2000000000015
      dolisync balance alice@example.org --json
      dolisync balance 42 --on 2026-06-30
    """
    program, doors = house.pick_program(program_name), house.pick_source(source_name)
    found = find_customer(house, doors, customer, program)
    if asked is not None:
        _show_past(house, program, found, asked, as_json=as_json)
        return
    account = _account(house, doors, program, found)
    if as_json:
        terminal.show_json(_account_json(account))
    else:
        _show_account(account)


def _show_past(
    house: House, program: Program, customer: Customer, asked: datetime, *, as_json: bool
) -> None:
    """Show an account as it was at the end of a day."""
    day, view = day_asked(house, program, asked), view_of(house, program, customer.key)
    then = Standing(day)
    if view.member_id is not None:
        with reading(house.engine) as connection:
            today = today_of(house, program)
            then = standing(connection, program.name, day, today, view.member_id)
    if as_json:
        shown = {"customer": customer_json(customer), **standing_json(program, then)}
        terminal.show_json({name: value for name, value in shown.items() if name != "members"})
        return
    click.echo(f"{customer_text(customer)}: {program.title}, at the end of {day}\n")
    pairs = {
        "Usable": then.usable,
        "Waiting": then.waiting,
        "Debt": then.debt,
        "Balance": then.balance,
    }
    terminal.show_pairs({name: points_text(program, units) for name, units in pairs.items()})


def _account(house: House, doors: Doors, program: Program, customer: Customer) -> Account:
    view = view_of(house, program, customer.key)
    today = today_of(house, program)
    with reading(house.engine) as connection:
        unpaid = pending_units(
            connection, house.clock.now(), house.rules_for_reading, customer.key, program.name
        )
    return Account(program, doors.source.currency, customer, view, unpaid, today)


def _account_json(account: Account) -> dict[str, object]:
    program, view, reward = account.program, account.view, account.next_reward
    points = program.points_of
    return {
        "customer": customer_json(account.customer),
        "program": program.name,
        "currency": account.currency,
        "tier": tier_json(view.tier),
        "badges": list(view.badges),
        "available": points(view.available),
        "pending": points(account.pending),
        "balance": points(view.balance),
        "debt": points(view.debt),
        "value": account.value,
        "earned": points(view.earned),
        "redeemed": points(view.redeemed),
        "expired": points(view.expired),
        "adjusted": points(_adjusted(view)),
        "expiring": {"points": points(view.expiring), "last_day": view.expires_on}
        if view.expires_on
        else None,
        "next_reward": {
            "name": reward.name,
            "title": reward.title,
            "points": reward.points,
            "amount": reward.amount,
            "percent": reward.percent,
            "product": reward.product,
            "missing": account.missing(reward),
        }
        if reward
        else None,
        "lots": [_lot_json(program, lot) for lot in view.lots],
    }


def _adjusted(view: MemberView) -> int:
    """Return what remains of the balance when sales, redemptions and expiry are taken away."""
    return view.balance - (view.earned - view.redeemed - view.expired)


def _lot_json(program: Program, lot: LotView) -> dict[str, object]:
    return {
        "earned": program.points_of(lot.points),
        "left": program.points_of(lot.remaining),
        "usable_from": lot.available_from,
        "last_day": lot.expires_on,
        "sale": lot.ref,
    }


def _show_account(account: Account) -> None:
    click.echo(f"{customer_text(account.customer)}: {account.program.title}\n")
    pairs = dict(_account_pairs(account))
    width = max(len(figure) for figure, _ in pairs.values())
    terminal.show_pairs(
        {name: f"{figure:>{width}}  {more}".rstrip() for name, (figure, more) in pairs.items()}
    )
    if account.view.lots:
        click.echo()
        _show_lots(account.program, account.view.lots)


def _account_pairs(account: Account) -> Iterator[tuple[str, tuple[str, str]]]:
    program, view = account.program, account.view
    worth = "" if account.value is None else f"worth {account.value} {account.currency}"
    if view.tier is not None:
        yield "Tier", ("", tier_text(program, view.tier, account.currency))
    if view.badges:
        yield "Badges", ("", ", ".join(view.badges))
    yield "Available", (points_text(program, view.available), worth)
    yield "Pending", (points_text(program, account.pending), _pending_note(account))
    yield "Balance", (points_text(program, view.balance), _balance_note(view))
    if view.debt:
        yield "Debt", (points_text(program, view.debt), "settled first by what is earned next")
    if view.expires_on:
        yield (
            "Expiring next",
            (points_text(program, view.expiring), f"last day of use {view.expires_on}"),
        )
    yield from _reward_pairs(account)
    yield "Earned", (points_text(program, view.earned), "by sales, since the beginning")
    yield "Redeemed", (points_text(program, view.redeemed), "")
    yield "Expired", (points_text(program, view.expired), "")
    if _adjusted(view):
        yield "Adjusted", (points_text(program, _adjusted(view), signed=True), "")


def _pending_note(account: Account) -> str:
    places = []
    if account.unpaid:
        done = WAITING_TO_BE[account.program.earn.moment]
        places.append(f"in sales that are not {done} yet")
    if account.view.waiting:
        first = min(lot.available_from for lot in account.waiting_lots)
        places.append(f"in goods that may still come back, usable from {first}")
    return "; ".join(places)


def _balance_note(view: MemberView) -> str:
    lots = sum(lot.remaining for lot in view.lots)
    return (
        "all lots less debt; not all of it is usable" if lots - view.debt > view.available else ""
    )


def _reward_pairs(account: Account) -> Iterator[tuple[str, tuple[str, str]]]:
    reward = account.in_reach
    if reward is not None:
        yield "Reward in reach", (f"{reward.points}", _reward_text(account, reward))
    reward = account.next_reward
    if reward is not None:
        more = f"{_reward_text(account, reward)}: {account.missing(reward)} points to go"
        yield "Next reward", (f"{reward.points}", more)


def _reward_text(account: Account, reward: RewardTerms) -> str:
    return f"{reward.title}, {worth_text(reward, account.currency)}"


def worth_text(reward: RewardTerms, currency: str = "") -> str:
    """Write what a reward is worth: an amount, a percentage with its limit, or an article."""
    if reward.product is not None:
        return reward.product
    if reward.percent is None:
        return f"{reward.worth:.2f} {currency}".strip()
    limit = "" if reward.at_most is None else f", at most {reward.at_most:.2f} {currency}".rstrip()
    return f"{reward.percent.normalize():f} %{limit}"


def _show_lots(program: Program, lots: Sequence[LotView]) -> None:
    rows = [
        (
            points_text(program, lot.points),
            points_text(program, lot.remaining),
            lot.available_from,
            lot.expires_on or "no end",
            clean(lot.ref) or "adjustment",
        )
        for lot in lots
    ]
    headings = ("Earned", "Left", "Usable from", "Last day", "Sale")
    terminal.show_table(headings, rows, right=(0, 1))


# --- history -------------------------------------------------------------------------------------


@click.command()
@click.argument("customer")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="How many of the latest movements to show.",
)
@program_option
@source_option
@json_option
@pass_house
def history(
    house: House,
    customer: str,
    limit: int,
    program_name: str | None,
    source_name: str | None,
    *,
    as_json: bool,
) -> None:
    """Show a customer's movements.

    As on a bank statement, the latest at the end.

    CUSTOMER is an id, a card number, a customer code or an e-mail address.

    \b
    Example:
      dolisync history 42 --limit 50
    """
    program, doors = house.pick_program(program_name), house.pick_source(source_name)
    found = find_customer(house, doors, customer, program)
    view = view_of(house, program, found.key)
    shown: list[PostingView] = []
    total = 0
    with reading(house.engine) as connection:
        settings = settings_of(connection, program.name, found.key) if program.tier else []
        if view.member_id is not None:
            shown = movements_of(connection, view.member_id, limit)[::-1]
            total = history_length(connection, view.member_id)
    if as_json:
        terminal.show_json(
            {
                "customer": customer_json(found),
                "program": program.name,
                "total": total,
                "movements": [_movement_json(program, movement) for movement in shown],
                "tiers_by_hand": [setting_json(entry) for entry in settings],
            }
        )
    else:
        _show_history(program, found, shown, total)
        show_settings(settings)


def _movement_json(program: Program, movement: PostingView) -> dict[str, object]:
    return {
        "key": movement.key,
        "date": movement.occurred_on,
        "recorded_at": movement.recorded_at,
        "kind": movement.kind,
        "sale": movement.ref,
        "points": program.points_of(movement.points),
        "balance": program.points_of(movement.balance_after),
        "reason": movement.reason,
    }


def _show_history(
    program: Program, customer: Customer, shown: Sequence[PostingView], total: int
) -> None:
    click.echo(f"{customer_text(customer)}: {program.title}\n")
    if not shown:
        click.echo("no movements yet")
        return
    rows = [
        (
            movement.occurred_on,
            movement.kind,
            clean(movement.ref),
            points_text(program, movement.points, signed=True),
            points_text(program, movement.balance_after),
            _reason_text(movement),
        )
        for movement in shown
    ]
    headings = ("Date", "Kind", "Sale", "Points", "Balance", "Reason")
    terminal.show_table(headings, rows, right=(3, 4))
    if total > len(shown):
        click.echo(f"\nthe latest {len(shown)} of {total}; --limit {total} shows all")


def _reason_text(movement: PostingView) -> str:
    """Return the reason without the sale's number, which has a column of its own."""
    reason = clean(movement.reason)
    return " ".join(reason.replace(movement.ref, "").split()) if movement.ref else reason


# --- explain -------------------------------------------------------------------------------------


@click.command()
@click.argument("invoice")
@click.option("--live", is_flag=True, help="Judge what Dolibarr holds now, not what was read last.")
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    help="Language of the reasons; the source's if left out.",
)
@program_option
@json_option
@pass_house
def explain(
    house: House,
    invoice: str,
    language: str | None,
    program_name: str | None,
    *,
    live: bool,
    as_json: bool,
) -> None:
    """Say why a sale earned what it earned, or nothing.

    INVOICE is its number, or its id; its returns are explained with it. Nothing is written: a sale
    that is not in the ledger yet, or a draft, is read from Dolibarr and judged as it stands. What
    the program holds besides and had no effect on the sale stands under "without effect".

    \b
    Example:
      dolisync explain FA2611-0042
      dolisync explain FA2611-0042 --language it
    """
    if program_name is not None:
        house.pick_program(program_name)
    found = _look_up(house, invoice, live=live)
    with reading(house.engine) as connection:
        families = explain_families(
            connection, house.clock.now(), house.rules_for_reading, found.keys, found.live
        )
    if as_json:
        documents = [
            document_json(explained, _tongue(house, explained, language), program_name)
            for family in families
            for explained in family
        ]
        terminal.show_json({"invoice": invoice, "documents": documents})
        return
    names = _names(house, [explained for family in families for explained in family])
    for number, family in enumerate(families):
        for place, explained in enumerate(family):
            if number or place:
                click.echo()
            tongue = _tongue(house, explained, language)
            name = names.get(explained.sale.customer, "")
            show_document(explained, tongue, name, program_name)


def _tongue(house: House, explained: Explanation, language: str | None) -> Tongue:
    """Speak the language asked for, or that of the source; of a source that is gone, English."""
    doors = house.doors.get(explained.sale.key.source)
    currency = doors.source.currency if doors else explained.sale.currency
    return Tongue(language or (doors.source.language if doors else "en"), currency)


def _look_up(house: House, text: str, *, live: bool) -> Found:
    """Find what is meant: in the ledger, or in Dolibarr where the ledger knows none."""
    with reading(house.engine) as connection:
        found = look_up_known(connection, text)
        if not live and not all_vanished(connection, house.clock.now(), found.keys):
            return found
    for doors in house.doors.values():
        found.look_up(doors.reader, text)
    for doors in house.doors.values():
        mine = [sale for sale in found.live if sale.key.source == doors.source.name]
        found.live = [sale for sale in found.live if sale not in mine]
        whole = with_origins(house.engine, house.clock.now(), doors.reader, mine)
        found.live += house.completed(doors, house.rules_for_reading.book, whole)
    if not found.keys:
        message = f"neither the ledger nor Dolibarr has an invoice '{clean(text)}'"
        raise NotFound(message, "write its number as it stands on the document, or its id")
    return found


def _names(house: House, explained: Sequence[Explanation]) -> Mapping[CustomerKey, str]:
    """Read the names of the customers; without names where Dolibarr does not answer."""
    names: dict[CustomerKey, str] = {}
    for name, doors in house.doors.items():
        rowids = sorted({e.sale.customer.rowid for e in explained if e.sale.key.source == name})
        try:
            found = doors.reader.customers(rowids) if rowids else {}
        except TransientError:
            continue
        names |= {customer.key: customer.name for customer in found.values()}
    return names


# --- receipt -------------------------------------------------------------------------------------


@click.command()
@click.argument("invoice")
@click.option(
    "--width",
    "width_text",
    type=click.Choice(["58", "80"]),
    help="Width of the paper in mm; as configured if left out.",
)
@click.option("--html", "as_html", is_flag=True, help="Make a web page instead of text.")
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    help="Language of the receipt; the customer's if left out.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write into this file instead of the terminal.",
)
@source_option
@json_option
@pass_house
def receipt(
    house: House,
    invoice: str,
    width_text: str | None,
    language: str | None,
    output: Path | None,
    source_name: str | None,
    *,
    as_html: bool,
    as_json: bool,
) -> None:
    """Print the receipt of a sale with its points.

    INVOICE is its number, or its id.

    \b
    Example:
      dolisync receipt TC1-2611-0042 --width 58
      dolisync receipt FA2611-0042 --html --language it --output receipt.html
    """
    with reading(house.engine) as connection:
        key = _one_sale(connection, house, invoice, source_name)
    customer = _buyer(house, key)
    made = build_receipt(
        house.engine,
        house.rules_for_reading,
        house.settings,
        house.clock,
        key,
        customer,
        language,
    )
    if as_json:
        terminal.show_json(dataclasses.asdict(made))
        return
    settings = house.settings.receipts
    width: PaperWidth = 58 if (width_text or str(settings.width_mm)) == "58" else 80
    renderer = ReceiptRenderer(settings.templates)
    text = renderer.html(made, width) if as_html else renderer.text(made, width)
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        output.write_text(text, encoding="utf-8")


def _one_sale(connection: Connection, house: House, text: str, source_name: str | None) -> SaleKey:
    """Find the one sale meant, among those that still exist. Raises ``UserError``."""
    transaction = Transaction(connection, house.clock.now())
    keys = look_up_known(connection, text).keys
    transaction.load_sales(keys)
    here = {house.pick_source(source_name).source.name} if source_name else set(house.doors)
    found = [
        key for key in keys if key.source in here and transaction.sales[key].vanished_at is None
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        message = f"the ledger knows no sale '{clean(text)}'"
        raise NotFound(message, f"look why: dolisync explain {clean(text)}")
    places = ", ".join(f"{key.source} {key.rowid}" for key in found)
    message = f"several sales are meant by '{clean(text)}': {places}"
    raise UserError(message, "give the id of the one you mean, and --source where it needs one")


def _buyer(house: House, key: SaleKey) -> Customer | None:
    with reading(house.engine) as connection:
        transaction = Transaction(connection, house.clock.now())
        transaction.load_sales([key])
    rowid = transaction.sales[key].sale.customer.rowid
    return house.doors[key.source].reader.customers([rowid]).get(rowid)
