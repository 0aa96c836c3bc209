"""run, sync, reconcile: the commands that move sales into the ledger, day by day."""

from __future__ import annotations

from collections.abc import Callable

import click
import structlog

from commands import terminal
from commands.house import Doors, House, alone
from commands.options import json_option, pass_house, source_option
from connectors.systemd import SystemdSupervisor
from dolisync.program.terms import Program
from dolisync.service import Daily, Repeated, Service, Work
from dolisync.sync.judge import Tally
from dolisync.sync.reconcile import Reconciler, follow_discounts
from dolisync.sync.turn import TurnReport, recognise

log = structlog.get_logger()


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
    return f"{result['compared']} compared, {result['vanished']} vanished"


def turn_text(programs: dict[str, Program], report: TurnReport) -> str:
    """Say in one line what a turn did; nothing when it was quiet."""
    if report.is_quiet:
        return ""
    parts = [f"{report.tally.changed} sales changed"]
    parts += points_parts(programs, report.tally)
    published = report.published
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
@source_option
@json_option
@pass_house
def reconcile(
    house: House, source_name: str | None, *, allow_mass_reversal: bool, as_json: bool
) -> None:
    """Compare the ledger with Dolibarr.

    All known sales are read again: what changed is judged, what was deleted is reversed, and all
    cards are refreshed.

    \b
    Example:
      dolisync reconcile
    """
    doors = house.pick_source(source_name)
    recognise(house.engine, doors.reader)
    with terminal.progress("comparing", None, shown=not as_json) as tell:
        result = reconcile_source(
            house, doors, allow_mass_reversal=allow_mass_reversal, progress=tell
        )
    if as_json:
        terminal.show_json(result)
    else:
        click.echo(
            f"{result['compared']} sales compared, {result['changed']} changed, "
            f"{result['vanished']} vanished, {result['returned_discounts']} discounts given back"
        )


def reconcile_source(
    house: House,
    doors: Doors,
    *,
    allow_mass_reversal: bool,
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Reconcile one source and return the counts."""

    def told(done: int) -> None:
        house.pulse()
        if progress:
            progress(done)

    reconciler = Reconciler(house.intakes(doors)[0], house.settings.reconcile, allow_mass_reversal)
    result = reconciler.run_once(told)
    publisher = house.publisher(doors)
    if publisher is not None and doors.sink is not None and doors.sink.abilities().discounts:
        result.returned_discounts = follow_discounts(publisher, doors.sink)
    return {
        "compared": result.compared,
        "changed": result.tally.changed,
        "vanished": result.vanished,
        "returned_discounts": result.returned_discounts,
    }
