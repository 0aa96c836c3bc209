"""verify, outbox, db: looking after the ledger and what waits to be written to Dolibarr."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import click
from sqlalchemy import Connection, Engine

from commands import terminal
from commands.house import House, alone
from commands.options import json_option, pass_house
from dolisync.errors import NotFound, UserError
from dolisync.ledger import chain, schema, tier_marks
from dolisync.ledger import outbox as box
from dolisync.ledger.engine import reading, write
from dolisync.ledger.outbox import OPEN_STATES, Item
from dolisync.ledger.verify import RULE_HASH, Breach
from dolisync.ledger.views import count_rows
from dolisync.sync.audit import verify as find_breaches

BROKEN_SHOWN_MAX = 50
EXIT_BROKEN = 1
STATES = (*OPEN_STATES, "dead", "done")
# What an operator should look at: everything that is not finished.
UNFINISHED = (*OPEN_STATES, "dead")


# --- verify --------------------------------------------------------------------------------------


@click.command()
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write into this file."
)
@pass_house
def anchors(house: House, target: Path | None) -> None:
    """Print the anchors of all chains, to be kept elsewhere.

    Each is a hash over all movements up to a day; the last one is of this moment. Kept where nobody
    who can write the ledger can write, they prove that nothing before was changed:
    dolisync verify --anchors FILE.

    \b
    Example:
      dolisync anchors --to /mnt/elsewhere/anchors.json
    """
    with reading(house.engine) as connection:
        found = chain.anchors(connection, house.clock.now().date())
    rows = [{"day": a.day.isoformat(), "posting": a.posting_id, "hash": a.hash} for a in found]
    text = json.dumps({"anchors": rows}, indent=2)
    if target is None:
        click.echo(text)
        return
    target.write_text(text + "\n", encoding="utf-8")
    click.echo(f"{len(rows)} anchors written to {target}")


def _kept_anchors(file: Path) -> list[chain.Anchor]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["anchors"]
        return [
            chain.Anchor(date.fromisoformat(row["day"]), int(row["posting"]), str(row["hash"]))
            for row in rows
        ]
    except (ValueError, KeyError, TypeError) as error:
        message = f"{file.name} holds no anchors"
        raise UserError(message, "give a file that `dolisync anchors --to` wrote") from error


@click.command()
@click.option(
    "--anchors",
    "kept",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with anchors kept elsewhere.",
)
@json_option
@pass_house
def verify(house: House, kept: Path | None, *, as_json: bool) -> int:
    """Prove that the ledger holds.

    Every sum, every chain of movements, every sale against the rules of its day. Nothing is
    changed. The exit code is 1 when something is broken.

    \b
    Example:
      dolisync verify
    """
    with reading(house.engine) as connection:
        counts = count_rows(connection)
    with terminal.progress("verifying sales", counts["sale"], shown=not as_json) as tell:
        breaches = find_breaches(house.engine, house.clock, house.rules_for_reading, tell)
    if kept is not None:
        with reading(house.engine) as connection:
            broken = list(chain.contradicted(connection, _kept_anchors(kept)))
        breaches += [Breach(RULE_HASH, one.where, one.found) for one in broken]
    if as_json:
        terminal.show_json(
            {
                "holds": not breaches,
                "sales": counts["sale"],
                "members": counts["member"],
                "postings": counts["posting"],
                "breaches": [
                    {"where": breach.where, "found": breach.found, "rule": breach.rule}
                    for breach in breaches
                ],
            }
        )
    else:
        _show_breaches(breaches, counts)
    return EXIT_BROKEN if breaches else 0


def _show_breaches(breaches: Sequence[Breach], counts: dict[str, int]) -> None:
    looked = f"{counts['sale']} sales, {counts['member']} members and {counts['posting']} movements"
    if not breaches:
        click.echo(f"the ledger holds: {looked} agree")
        return
    click.echo(f"BROKEN in {len(breaches)} places; {looked} were looked at\n")
    for breach in breaches[:BROKEN_SHOWN_MAX]:
        terminal.show_item(f"{breach.where}: {breach.found}", indent=0)
        terminal.show_item(f"the rule: {breach.rule}", indent=2, mark=" ")
    if len(breaches) > BROKEN_SHOWN_MAX:
        click.echo(f"... and {len(breaches) - BROKEN_SHOWN_MAX} more: dolisync verify --json")
    click.echo("\nKeep a copy (dolisync db backup) before anything is mended.")


# --- outbox --------------------------------------------------------------------------------------


@click.group()
def outbox() -> None:
    """See what waits to be written to Dolibarr.

    \b
    Example:
      dolisync outbox list
    """


@outbox.command("list")
@click.option(
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Only rows in this state (may be given several times); without it all but done ones.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="How many of the latest rows to show.",
)
@json_option
@pass_house
def list_rows(house: House, states: tuple[str, ...], limit: int, *, as_json: bool) -> None:
    """List what is still to be written.

    new: waits to be sent. sending: is being sent, and is looked for before it is sent again.
    written: will be read once more and repaired if somebody overwrote it. dead: was refused and
    needs a person. done: finished.

    \b
    Example:
      dolisync outbox list --state dead
    """
    with reading(house.engine) as connection:
        rows = box.listed(connection, states or UNFINISHED, limit)
        counts = box.counts(connection)
    if as_json:
        terminal.show_json({"counts": counts, "rows": [_row_json(item) for item in rows]})
        return
    click.echo(", ".join(f"{counts.get(state, 0)} {state}" for state in STATES))
    if rows:
        click.echo()
        _show_rows(rows)
    if counts.get("dead"):
        click.echo("\ndead rows are sent again by: dolisync outbox retry --all")


def _row_json(item: Item) -> dict[str, object]:
    return {
        "id": item.id,
        "kind": item.target.kind,
        "source": item.target.source,
        "object": item.target.rowid,
        "token": item.target.token,
        "state": item.state,
        "attempts": item.attempts,
        "not_before": item.not_before,
        "last_error": item.last_error,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def _show_rows(rows: Sequence[Item]) -> None:
    headings = ("Id", "What", "State", "Tries", "Next (UTC)", "Last error")
    cells = [
        (
            item.id,
            _what(item),
            item.state,
            item.attempts,
            f"{item.not_before:%m-%d %H:%M:%S}" if item.state in OPEN_STATES else "",
            item.last_error,
        )
        for item in rows
    ]
    terminal.show_table(headings, cells, right=(0, 3))


def _what(item: Item) -> str:
    target = item.target
    if target.token:
        return f"{target.kind} {target.token}"
    name = "invoice" if target.kind == "sale" else target.kind
    return f"{name} {target.rowid} of {target.source}"


@outbox.command()
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="Try all dead rows again.")
@json_option
@pass_house
def retry(house: House, ids: tuple[int, ...], *, every: bool, as_json: bool) -> None:
    """Send dead rows again with the next turn.

    \b
    Example:
      dolisync outbox retry 17 18
      dolisync outbox retry --all
    """
    if every == bool(ids):
        message = "name the rows by their ids, or all of them by --all"
        raise UserError(message, "dolisync outbox list --state dead shows them")
    now = house.clock.now()
    count = write(house.engine, lambda c: box.retry_dead(c, None if every else ids, now))
    if ids and not count:
        message = f"none of these rows is dead: {', '.join(str(id_) for id_ in ids)}"
        raise NotFound(message, "dolisync outbox list --state dead shows which are")
    if as_json:
        terminal.show_json({"opened": count})
    else:
        click.echo(f"{count} rows will be sent by the next turn")


# --- db ------------------------------------------------------------------------------------------


@click.group()
def db() -> None:
    """Make, upgrade and back up the ledger.

    \b
    Example:
      dolisync db status
    """


@db.command()
@click.option("--no-backup", is_flag=True, help="Do not copy the ledger first.")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the backup; `backups` beside an SQLite ledger if left out.",
)
@json_option
@pass_house
def upgrade(house: House, folder: Path | None, *, no_backup: bool, as_json: bool) -> None:
    """Make the ledger's tables, or bring them up to date.

    A ledger that holds anything is copied first.

    \b
    Example:
      dolisync db upgrade
    """
    engine = house.raw_engine
    before = schema.state_of(engine)
    if before in {schema.State.NEWER, schema.State.FOREIGN}:
        schema.require_current(engine)
    copy: Path | None = None
    if before is not schema.State.CURRENT:
        with alone(house, "dolisync db upgrade"):
            if before is schema.State.OLD and not no_backup:
                copy = schema.backup(engine, _backup_folder(engine, folder), house.clock.now())
            schema.upgrade(engine)
    revision = schema.newest_revision()
    if as_json:
        terminal.show_json({"before": before, "revision": revision, "backup": copy})
        return
    if copy is not None:
        click.echo(f"backup: {copy}")
    done = "is up to date" if before is schema.State.CURRENT else "is ready"
    click.echo(f"the ledger {done}: schema {revision}")


@db.command()
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the copy; `backups` beside an SQLite ledger if left out.",
)
@json_option
@pass_house
def backup(house: House, folder: Path | None, *, as_json: bool) -> None:
    """Copy the whole ledger, also while it is in use.

    The newest five copies in the folder are kept.

    \b
    Example:
      dolisync db backup --to /var/backups/dolisync
    """
    engine = house.raw_engine
    if schema.state_of(engine) is schema.State.EMPTY:
        message = "the ledger is empty: there is nothing to copy"
        raise UserError(message, "make its tables: dolisync db upgrade")
    path = schema.backup(engine, _backup_folder(engine, folder), house.clock.now())
    if as_json:
        terminal.show_json({"backup": path, "bytes": path.stat().st_size})
    else:
        click.echo(f"{path} ({path.stat().st_size // 1024} KiB)")


def _backup_folder(engine: Engine, folder: Path | None) -> Path:
    if folder is not None:
        return folder
    if engine.dialect.name == "sqlite" and engine.url.database:
        return Path(engine.url.database).absolute().parent / "backups"
    message = "where should the backup go? this ledger is no file beside which it could stand"
    raise UserError(message, "add --to /var/backups/dolisync")


@db.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do it; without it nothing is changed.")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the copy of the present ledger; `backups` beside an SQLite one if left out.",
)
@json_option
@pass_house
def restore(house: House, file: Path, folder: Path | None, *, yes: bool, as_json: bool) -> None:
    """Put a copy in the place of the ledger.

    The present ledger is copied first. What Dolibarr holds is read again afterwards; adjustments
    and redemptions made since the copy are not in it.

    \b
    Example:
      dolisync db restore dolisync-0003-20261122T030000Z.db --yes
    """
    engine = house.raw_engine
    if not yes:
        message = f"this puts {file.name} in the place of the ledger"
        raise UserError(message, "stop the service, then say it again with --yes")
    with alone(house, "dolisync db restore"):
        empty = schema.state_of(engine) is schema.State.EMPTY
        now = house.clock.now()
        copy = None if empty else schema.backup(engine, _backup_folder(engine, folder), now)
        revision = schema.restore(engine, file)
        sources = [source.name for source in house.settings.source]
        write(engine, lambda connection: _distrust(connection, sources, now))
    if as_json:
        terminal.show_json({"restored": file, "revision": revision, "backup": copy})
        return
    if copy is not None:
        click.echo(f"the ledger as it was: {copy}")
    click.echo(f"restored {file.name}, schema {revision}")
    click.echo("next: dolisync db upgrade, dolisync verify, dolisync sync, dolisync reconcile")


def _distrust(connection: Connection, sources: Sequence[str], now: datetime) -> None:
    """Note what an old copy cannot know: calls under way, and tags that were put since."""
    box.hold_creations(connection, now)
    tier_marks.distrust(connection, sources)


@db.command()
@json_option
@pass_house
def status(house: House, *, as_json: bool) -> int:
    """Say where the ledger is and what is in it.

    The exit code is 1 when its tables do not fit this version.

    \b
    Example:
      dolisync db status
    """
    engine = house.raw_engine
    state, revision = schema.state_of(engine), schema.revision_of(engine)
    counts: dict[str, int] = {}
    if state is schema.State.CURRENT:
        with reading(engine) as connection:
            counts = count_rows(connection)
    place = engine.url.render_as_string(hide_password=True)
    if as_json:
        terminal.show_json(
            {
                "url": place,
                "state": state,
                "revision": revision,
                "wanted": schema.newest_revision(),
                "rows": counts,
            }
        )
    else:
        tables = {f"{name} rows": count for name, count in counts.items()}
        terminal.show_pairs(
            {"ledger": place, "schema": f"{revision or 'none'}: {_state_text(state)}", **tables}
        )
    return 0 if state is schema.State.CURRENT else EXIT_BROKEN


def _state_text(state: schema.State) -> str:
    texts = {
        schema.State.CURRENT: "up to date",
        schema.State.EMPTY: "empty; make its tables: dolisync db upgrade",
        schema.State.OLD: f"old, {schema.newest_revision()} is needed: dolisync db upgrade",
        schema.State.NEWER: "made by a newer dolisync; install that version again",
        schema.State.FOREIGN: "other tables and no ledger; give it a database of its own",
    }
    return texts[state]
