"""demo: a stand-in Dolibarr with a week of sales, and the whole cycle of dolisync on it."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import click
from rich.columns import Columns
from rich.console import Group
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from commands import terminal
from commands.house import Doors, House
from connectors import dolibarr_setup
from connectors.receipts import ReceiptRenderer
from connectors.standin import StandIn
from connectors.standin.week import Week, play_a_week
from dolisync.display import field_names, requirements
from dolisync.ledger import redemptions, schema
from dolisync.ledger.engine import reading
from dolisync.ledger.store import KnownSale, Transaction
from dolisync.model import CustomerKey, SaleKey
from dolisync.phrases import phrase
from dolisync.ports import FieldValue
from dolisync.program.assess import Verdict
from dolisync.program.reasons import Why
from dolisync.sync.audit import verify
from dolisync.sync.judge import Verdicts, load_families
from dolisync.sync.receipts import build_receipt
from dolisync.sync.turn import TurnReport

STAR = "alice"
_CONFIG = """\
# The demonstration's configuration. Everything in this folder may be deleted.
[ledger]
url = "sqlite:///{folder}/ledger.db"

[[source]]
name = "shop"
url = "{url}"
api_key = "{key}"
database_url = "{database}"
timezone = "Europe/Paris"
language = "{language}"
pos_customers = [{pos_customer}]

[[program]]
name = "loyalty"
title = "Loyalty points"
start = {start}
[program.earn]
moment = "paid"
[program.earn.amount]
points = 1
per = 1
[program.validity]
months = 12
[[program.reward]]
name = "discount"
title = "Loyalty discount"
points = 100
amount = 5
tax_rate = 5.5
automatic = true

[receipts]
shop_name = "Le Fournil"
"""


@dataclass(frozen=True)
class Stage:
    """What the demonstration plays with."""

    folder: Path
    standin: StandIn
    week: Week
    house: House

    @property
    def doors(self) -> Doors:
        """The ways into the stand-in."""
        return self.house.doors["shop"]

    @property
    def star(self) -> CustomerKey:
        """The customer whose card is shown."""
        return CustomerKey("shop", 1, self.week.customers[STAR])


@click.command()
@click.option("--keep", is_flag=True, help="Leave it running to play with, until Ctrl-C.")
@click.option(
    "--version",
    "version",
    type=click.Choice(["16.0.3", "20.0.2", "22.0.4"]),
    default="20.0.2",
    show_default=True,
    help="Which Dolibarr the stand-in imitates.",
)
def demo(version: str, *, keep: bool) -> None:
    """Show the whole cycle on a stand-in Dolibarr.

    Nothing outside a temporary folder is touched.

    \b
    Example:
      dolisync demo
      dolisync demo --keep
    """
    folder = Path(tempfile.mkdtemp(prefix="dolisync-demo-"))
    try:
        with _stage(folder, version) as stage:
            _play(stage)
            if keep:
                _stay(stage)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stage(folder: Path, version: str) -> Iterator[Stage]:
    """Open the stand-in, write a configuration and prepare both sides, as a sysadmin would."""
    with StandIn(version=version, directory=folder) as standin:
        config = folder / "config.toml"
        config.touch(mode=0o600)
        config.write_text(_config_text(folder, standin), encoding="utf-8")
        house = House(config)
        schema.upgrade(house.raw_engine)
        doors = house.doors["shop"]
        wanted = requirements(house.settings, doors.source)
        dolibarr_setup.apply(wanted, doors.http, doors.database)
        week = play_a_week(standin.shop, house.clock.now().astimezone().date())
        try:
            yield Stage(folder, standin, week, house)
        finally:
            house.close()


def _config_text(folder: Path, standin: StandIn) -> str:
    return _CONFIG.format(
        folder=folder,
        url=standin.url,
        key=standin.api_key,
        database=standin.database_url,
        language="en",
        pos_customer=standin.pos_customer,
        start=date.today() - timedelta(days=30),  # noqa: DTZ011 - the shop's own day
    )


def _play(stage: Stage) -> None:
    out = terminal.console()
    title = f"dolisync demo: a bakery's week in a stand-in Dolibarr {stage.standin.version}"
    out.print(Rule(title, style="cyan"))
    before = _card(stage)
    report = stage.house.turn(stage.doors).run_once()
    _show_reading(report)
    _show_sales(stage)
    _show_cards(stage, before, _card(stage))
    _show_discounts(stage)
    _show_receipt(stage)
    _show_verdict(stage)


def _card(stage: Stage) -> dict[str, FieldValue]:
    names = field_names(stage.house.settings.program[0])
    assert stage.doors.sink is not None
    shown = stage.doors.sink.read_customer(
        stage.star, [names.balance, names.value, names.next_reward, names.expiring, names.last]
    )
    return shown or {}


def _show_reading(report: TurnReport) -> None:
    tally, published = report.tally, report.published
    click.echo(
        f"\n1. Read: {tally.changed} documents from the till and the office, "
        f"{tally.postings} postings in the ledger.\n"
        f"   Written back: {published.written} customer cards and invoices, "
        f"{published.created} discounts.\n"
    )


def _show_sales(stage: Stage) -> None:
    click.echo("2. What was earned, and why:\n")
    house = stage.house
    program = house.settings.program[0]
    keys = [SaleKey("shop", 1, rowid) for rowid in stage.week.sales.values()]
    with reading(house.engine) as connection:
        transaction = Transaction(connection, house.clock.now())
        transaction.load_sales(keys)
        known = [key for key in keys if key in transaction.sales]
        families = load_families(transaction, known)
        judged = Verdicts.to_read(transaction, house.rules, families)
        verdicts = {
            verdict.sale: verdict for family in families for verdict in judged.of(program, family)
        }
        rows = [_sale_row(stage, transaction.sales[key], verdicts[key]) for key in known]
    terminal.show_table(("Document", "Customer", "Total", "Points", "Why"), rows, right=(2, 3))


def _sale_row(stage: Stage, known: KnownSale, verdict: Verdict) -> tuple[object, ...]:
    sale = known.sale
    names = {rowid: name for name, rowid in stage.week.customers.items()}
    points = f"{verdict.units:+}" if verdict.units else "-"
    return (
        sale.ref,
        names.get(sale.customer.rowid, "anonymous"),
        f"{sale.total_incl:.2f}",
        points,
        _why(verdict),
    )


def _why(verdict: Verdict) -> str:
    """Return the reason that says most: how it was counted, or what made it nothing."""
    if verdict.units > 0:
        counted = [reason for reason in verdict.reasons if reason.why is Why.AMOUNT]
        return str((counted or verdict.reasons)[0])
    plain = {Why.NOTHING, Why.BASE, Why.AMOUNT}
    telling = [reason for reason in verdict.reasons if reason.why not in plain]
    return str((telling or verdict.reasons)[-1])


def _show_cards(stage: Stage, before: dict[str, FieldValue], after: dict[str, FieldValue]) -> None:
    click.echo(f"\n3. {STAR.capitalize()}'s card in Dolibarr, before and after:\n")
    cards = [_card_panel(stage, "before", before), _card_panel(stage, "after", after)]
    terminal.console().print(Columns(cards, equal=True, expand=True))


def _card_panel(stage: Stage, title: str, card: dict[str, FieldValue]) -> Panel:
    language, prefix = stage.doors.source.language, stage.house.settings.program[0].field_prefix
    labels = {
        "balance": "balance",
        "value": "value",
        "next": "next_label",
        "expiring": "expiring_label",
        "last": "last_label",
    }
    lines: list[Text] = []
    for part, label in labels.items():
        value = card.get(f"{prefix}{part}")
        lines.append(Text(phrase(language, label), style="dim"))
        lines.append(Text("-" if value is None else f"{value}", style="bold"))
    return Panel(Group(*lines), title=title, width=38)


def _show_discounts(stage: Stage) -> None:
    names = {rowid: name for name, rowid in stage.week.customers.items()}
    with reading(stage.house.engine) as connection:
        bought = redemptions.in_state(connection, "shop", redemptions.State.OPEN)
    rows = [
        (names[found.customer.rowid], f"{found.title} {found.token}", f"{found.amount:.2f}")
        for found in bought
    ]
    click.echo("\n4. Discounts that now stand on customer cards, bought with points:\n")
    terminal.show_table(("Customer", "Discount", "Amount"), rows, right=(2,))


def _show_receipt(stage: Stage) -> None:
    key = SaleKey("shop", 1, stage.week.sales[f"{STAR} saturday"])
    receipt = build_receipt(
        stage.house.engine,
        stage.house.rules_for_reading,
        stage.house.settings,
        stage.house.clock,
        key,
        stage.doors.reader.customers([stage.star.rowid])[stage.star.rowid],
    )
    click.echo("\n5. A receipt as it would print (80 mm, in the customer's language):\n")
    text = ReceiptRenderer(None).text(receipt, 80)
    click.echo("\n".join(f"    {line}" for line in text.splitlines()))


def _show_verdict(stage: Stage) -> None:
    breaches = verify(stage.house.engine, stage.house.clock, stage.house.rules)
    held = "the ledger holds" if not breaches else f"BROKEN: {breaches[0]}"
    click.echo(f"\n6. dolisync verify: {held}.\n")


def _stay(stage: Stage) -> None:
    config = stage.folder / "config.toml"
    terminal.show_pairs(
        {
            "Dolibarr's API": f"{stage.standin.url}/api/index.php",
            "API key": stage.standin.api_key,
            "Database": stage.standin.database_url,
            "Try": f"dolisync --config {config} balance alice@example.org",
            "": f"dolisync --config {config} explain TC1-{_month()}-0001",
        }
    )
    click.echo("\nIt runs until you press Ctrl-C; then its folder is deleted.")
    threading.Event().wait()


def _month() -> str:
    return f"{date.today() - timedelta(days=7):%y%m}"  # noqa: DTZ011 - the shop's own day
