"""run, sync, reconcile: the commands that move sales into the ledger, day by day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import click
import structlog

from commands import terminal
from commands.house import Doors, House, alone
from commands.options import json_option, pass_house, source_option
from connectors.systemd import SystemdSupervisor
from dolisync.program.terms import Program
from dolisync.service import Daily, Repeated, Service, Work
from dolisync.sync.discounts import Followed, follow_discounts
from dolisync.sync.drift import Drift, compare_cards
from dolisync.sync.judge import Tally
from dolisync.sync.reconcile import Reconciler, Reconciliation
from dolisync.sync.turn import TurnReport, recognise

log = structlog.get_logger()

SHOWN_MAX = 20

# Open tickets and new sales are looked at in between, however much waits to be written.
LONGEST_PUBLISHING = timedelta(seconds=0.5)


@click.command()
@pass_house
def run(house: House) -> None:
    """Run as a daemon until stopped.

    \b
    Example:
      dolisync --config /etc/dolisync/config.toml run
    """
    terminal.set_up_logs(house.settings.log.format, house.settings.log.level)
    with alone(house, "dolisync run"):
        Service(
            lambda pulse: build_work(House(house.path, house.clock, pulse)),
            SystemdSupervisor(),
            house.clock.now,
        ).run()


def build_work(house: House) -> Work:
    """Check everything once and make the daemon's jobs. Raises when something does not work."""
    first = house.settings.program[0]
    repeated, daily = [], []
    for name, doors in house.doors.items():
        recognise(house.engine, doors.reader)
        _tell_limits(doors)
        turn = house.turn(doors)
        turn.longest_publishing = LONGEST_PUBLISHING
        repeated.append(
            Repeated(
                f"turn {name}",
                doors.source.interval_s,
                lambda turn=turn: turn_text(house.programs, turn.run_once()),  # type: ignore[misc]
            )
        )
        daily.append(
            Daily(
                f"reconcile {name}",
                house.settings.reconcile.at,
                first.zone,
                lambda doors=doors: _reconcile_text(house, doors),  # type: ignore[misc]
            )
        )
    turns = [house.turn(doors) for doors in house.doors.values()]
    daily.append(Daily("expire", "00:05", first.zone, lambda: _sweep_text(turns[0].sweep())))
    return Work(repeated, daily, house.close)


def _tell_limits(doors: Doors) -> None:
    """Log once what this way of writing cannot do, so that an empty card is no riddle."""
    if doors.sink is None:
        log.warning("nothing is written to Dolibarr", source=doors.source.name, write="nothing")
        return
    for reason in doors.sink.abilities().reasons:
        log.warning("not everything can be written", source=doors.source.name, reason=reason)


def _sweep_text(expired: int) -> str:
    return f"{expired} lots expired" if expired else ""


def _reconcile_text(house: House, doors: Doors) -> str:
    result = reconcile_source(house, doors, allow_mass_reversal=False)
    return result.summary


def turn_text(programs: dict[str, Program], report: TurnReport) -> str:
    """Say in one line what a turn did; nothing when it was quiet."""
    if report.is_quiet:
        return ""
    parts = [f"{report.tally.changed} sales changed"]
    parts += points_parts(programs, report.tally)
    published = report.published
    if report.requests:
        parts.append(f"{report.requests} requests of staff answered")
    if report.tiers_set:
        parts.append(f"{report.tiers_set} tiers set by staff")
    if report.issued:
        parts.append(f"{report.issued} rewards issued")
    if published.moved:
        parts.append(f"{published.moved} rows written to Dolibarr")
    if published.failed or published.dead:
        parts.append(f"{published.failed + published.dead} rows failed: {published.problem}")
    return ", ".join(parts)


def points_parts(programs: dict[str, Program], tally: Tally) -> list[str]:
    """Say how many points each program gave and took."""
    parts = []
    for name, program in programs.items():
        given, taken = tally.given.get(name, 0), tally.taken.get(name, 0)
        if given or taken:
            parts.append(f"{name} +{program.points_of(given)} -{program.points_of(taken)} points")
    return parts


@click.command()
@json_option
@pass_house
def sync(house: House, *, as_json: bool) -> None:
    """Do one turn: read what changed, judge it, write back. For cron, or to look on.

    \b
    Example:
      dolisync sync
    """
    with alone(house, "dolisync sync"):
        reports = {name: _sync_one(house, doors, as_json) for name, doors in house.doors.items()}
    if as_json:
        terminal.show_json({name: _turn_json(house, r) for name, r in reports.items()})
        return
    for name, report in reports.items():
        text = turn_text(house.programs, report) or "nothing new"
        click.echo(f"{name}: {report.tally.read} sales read, {text}")


def _sync_one(house: House, doors: Doors, as_json: bool) -> TurnReport:  # noqa: FBT001
    recognise(house.engine, doors.reader)
    turn = house.turn(doors)
    with terminal.progress(f"reading {doors.source.name}", None, shown=not as_json) as tell:
        report = turn.run_once(lambda tally: tell(tally.read))
    turn.sweep()
    return report


def _turn_json(house: House, report: TurnReport) -> dict[str, object]:
    published = report.published
    return {
        **tally_json(house.programs, report.tally),
        "issued": report.issued,
        "requests": report.requests,
        "tiers_set": report.tiers_set,
        "written": published.moved,
        "failed": published.failed,
        "dead": published.dead,
        "problem": published.problem,
    }


def tally_json(programs: dict[str, Program], tally: Tally) -> dict[str, object]:
    """Return a tally with stable keys, in points."""
    return {
        "read": tally.read,
        "changed": tally.changed,
        "postings": tally.postings,
        "given": {name: p.points_of(tally.given.get(name, 0)) for name, p in programs.items()},
        "taken": {name: p.points_of(tally.taken.get(name, 0)) for name, p in programs.items()},
    }


@click.command()
@click.option(
    "--allow-mass-reversal",
    is_flag=True,
    help="Reverse vanished sales even when there are suspiciously many, or just the newest.",
)
@click.option(
    "--adopt-discounts",
    is_flag=True,
    help="Book discounts in Dolibarr that the ledger does not know: it was restored from a backup.",
)
@source_option
@json_option
@pass_house
def reconcile(
    house: House,
    source_name: str | None,
    *,
    allow_mass_reversal: bool,
    adopt_discounts: bool,
    as_json: bool,
) -> None:
    """Compare the ledger with Dolibarr.

    All known sales are read again: what changed is judged, what was deleted is reversed. All
    discounts and customer cards are looked at; what differs is mended.

    \b
    Example:
      dolisync reconcile
    """
    doors = house.pick_source(source_name)
    recognise(house.engine, doors.reader)
    with terminal.progress("comparing", None, shown=not as_json) as tell:
        found = reconcile_source(
            house,
            doors,
            allow_mass_reversal=allow_mass_reversal,
            adopt_discounts=adopt_discounts,
            progress=tell,
        )
    if as_json:
        terminal.show_json(found.as_json())
        return
    click.echo(found.summary)
    for text in found.findings():
        terminal.show_item(text, indent=2)


@dataclass(frozen=True)
class Compared:
    """What comparing a source with the ledger found and did."""

    sales: Reconciliation
    discounts: Followed
    drift: tuple[Drift, ...]
    is_adopting: bool = False

    @property
    def cards(self) -> int:
        """How many cards differed."""
        return len({one.customer for one in self.drift})

    @property
    def summary(self) -> str:
        """All of it in one line."""
        return (
            f"{self.sales.compared} sales compared, {self.sales.tally.changed} changed, "
            f"{self.sales.vanished} vanished; discounts back: {len(self.discounts.returned)}; "
            f"cards wrong: {self.cards}"
        )

    def findings(self) -> Iterator[str]:
        """Say what a person should know of."""
        found = self.discounts
        yield from _shortened(f"{one}: it is written again" for one in self.drift)
        yield from _shortened(
            f"{token} stood in Dolibarr more often than it was paid for: the rest is removed"
            for token in found.trimmed
        )
        yield from _shortened(
            f"{token} is used on more invoices than it was paid for: look at them, then dolisync "
            "adjust, with this token in the reason"
            for token in found.overspent
        )
        yield from _shortened(
            f"{token} was not known to the ledger: its points are booked now"
            for token in found.adopted
        )
        yield from _shortened(
            f"{placed.token}, {placed.worth:.2f} for customer {placed.owner}, is not known to the "
            "ledger"
            for placed in found.unknown
        )
        if found.unknown:
            yield self._remedy_of_unknown

    @property
    def _remedy_of_unknown(self) -> str:
        if self.is_adopting:
            return "what fits none of the rewards: dolisync adjust, or remove it in Dolibarr"
        return "what is not known: book it by --adopt-discounts, or remove it in Dolibarr"

    def as_json(self) -> dict[str, object]:
        """All of it with stable keys."""
        return {
            "compared": self.sales.compared,
            "changed": self.sales.tally.changed,
            "vanished": self.sales.vanished,
            "returned_discounts": len(self.discounts.returned),
            "trimmed_discounts": list(self.discounts.trimmed),
            "overspent_discounts": list(self.discounts.overspent),
            "adopted_discounts": list(self.discounts.adopted),
            "unknown_discounts": [
                {"token": one.token, "customer": one.owner, "amount": one.worth}
                for one in self.discounts.unknown
            ],
            "drift": [
                {
                    "customer": one.customer.rowid,
                    "field": one.name,
                    "shown": one.shown,
                    "ledger": one.wanted,
                }
                for one in self.drift
            ],
        }


def reconcile_source(
    house: House,
    doors: Doors,
    *,
    allow_mass_reversal: bool,
    adopt_discounts: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Compared:
    """Reconcile one source: its sales, its discounts, its cards."""

    def told(done: int) -> None:
        house.pulse()
        if progress:
            progress(done)

    reconciler = Reconciler(house.intakes(doors)[0], house.settings.reconcile, allow_mass_reversal)
    sales = reconciler.run_once(told)
    publisher, sink = house.publisher(doors), doors.sink
    if publisher is None or sink is None:
        return Compared(sales, Followed(), ())
    able, followed = sink.abilities(), Followed()
    drift: tuple[Drift, ...] = ()
    if able.discounts:
        followed = follow_discounts(publisher, sink, house.rules if adopt_discounts else None)
    if adopt_discounts:
        adopted = (*followed.adopted, *house.adopt_drafts(doors))
        followed = replace(followed, adopted=adopted)
    for follower in publisher.followers.values():
        follower.compare()
    if able.customer_fields:
        drift = tuple(compare_cards(publisher, told))
    return Compared(sales, followed, drift, adopt_discounts)


def _shortened(lines: Iterable[str]) -> Iterator[str]:
    said = list(lines)
    yield from said[:SHOWN_MAX]
    if len(said) > SHOWN_MAX:
        yield f"... and {len(said) - SHOWN_MAX} more: dolisync reconcile --json"
