"""The ledger's schema: making it, moving it on with a backup first, and refusing a wrong one."""

from __future__ import annotations

import enum
import os
import shutil
import sqlite3
import subprocess
from datetime import datetime
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, inspect
from sqlalchemy.exc import DatabaseError

from dolisync.errors import UserError
from dolisync.ledger.engine import open_engine, reading

KEPT_BACKUPS = 5


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    if connection is not None:
        config.attributes["connection"] = connection
    return config


@cache
def newest_revision() -> str:
    """Return the revision that this version of dolisync works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def revision_of(engine: Engine) -> str | None:
    """Return the revision a ledger has, ``None`` for an empty database."""
    with reading(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


class State(enum.StrEnum):
    """How a database's tables stand to this version."""

    EMPTY = "empty"
    CURRENT = "current"
    OLD = "old"
    NEWER = "newer"
    FOREIGN = "foreign"


def state_of(engine: Engine) -> State:
    """Say how the tables found stand to this version."""
    found = revision_of(engine)
    if found == newest_revision():
        return State.CURRENT
    if found is None:
        return State.FOREIGN if has_tables(engine) else State.EMPTY
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return State.OLD if found in known else State.NEWER


def require_current(engine: Engine) -> None:
    """Raise ``UserError`` unless the ledger has just the schema that this version works with."""
    state = state_of(engine)
    if state is State.CURRENT:
        return
    found, wanted = revision_of(engine), newest_revision()
    if state is State.EMPTY:
        message = "the ledger is empty: it has no tables yet"
        raise UserError(message, "make them: dolisync db upgrade")
    if state is State.FOREIGN:
        message = "the ledger's database holds other tables and no ledger"
        raise UserError(message, "give the ledger a database of its own under [ledger] url")
    if state is State.OLD:
        message = f"the ledger has schema {found}, this version needs {wanted}"
        raise UserError(message, "stop the service, then: dolisync db upgrade")
    message = f"the ledger has schema {found}, made by a newer dolisync"
    raise UserError(message, "install that version again, or restore a backup of before")


def upgrade(engine: Engine) -> str:
    """Bring the ledger to the newest schema; return its revision."""
    with engine.connect() as connection:
        command.upgrade(_config(connection), "head")
        connection.commit()
    return newest_revision()


def downgrade(engine: Engine, revision: str) -> None:
    """Take the ledger back to a revision; for tests of the migrations."""
    with engine.connect() as connection:
        command.downgrade(_config(connection), revision)
        connection.commit()


def has_tables(engine: Engine) -> bool:
    """Tell whether anything is in the database."""
    with reading(engine) as connection:
        return bool(inspect(connection).get_table_names())


def backup(engine: Engine, folder: Path, now: datetime) -> Path:
    """Write a complete copy of the ledger into ``folder`` and return its path.

    Keeps the newest five. Raises ``UserError`` where no tool for this database is installed.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    name = f"dolisync-{revision_of(engine) or 'empty'}-{stamp}"
    while list(folder.glob(f"{name}.*")):
        # A copy made in the same second stays: it may be the one that is just being restored.
        name += "b"
    if engine.dialect.name == "sqlite":
        path = _backup_sqlite(engine, folder / f"{name}.db")
    elif engine.dialect.name in {"mysql", "mariadb"}:
        path = _backup_mariadb(engine, folder / f"{name}.sql")
    else:
        message = f"dolisync cannot back up a {engine.dialect.name} ledger by itself"
        raise UserError(message, "use the database's own tool")
    for old in sorted(folder.glob(f"dolisync-*{path.suffix}"), key=_stamp)[:-KEPT_BACKUPS]:
        old.unlink()
    return path


def _stamp(path: Path) -> str:
    return path.stem.rsplit("-", 1)[-1]


def _backup_sqlite(engine: Engine, path: Path) -> Path:
    partial = path.with_suffix(".partial")
    source = sqlite3.connect(str(engine.url.database))
    target = sqlite3.connect(partial)
    try:
        source.backup(target)
        result = target.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        source.close()
        target.close()
    if result != "ok":
        message = f"the copy of the ledger is damaged: {result}"
        raise UserError(message, "check the disk; the ledger itself was not touched")
    partial.chmod(0o600)
    partial.rename(path)
    return path


def restore(engine: Engine, path: Path) -> str | None:
    """Put a copy in the place of the ledger; return the revision that it has.

    Raises ``UserError`` when the file is no copy of a ledger, or one of a newer dolisync; then the
    ledger is left as it is. The caller makes sure that nobody else works with it.
    """
    if not path.is_file():
        message = f"there is no file {path}"
        raise UserError(message, "dolisync db backup makes copies")
    if engine.dialect.name == "sqlite":
        _restore_sqlite(engine, path)
    elif engine.dialect.name in {"mysql", "mariadb"}:
        _restore_mariadb(engine, path)
    else:
        message = f"dolisync cannot restore a {engine.dialect.name} ledger by itself"
        raise UserError(message, "use the database's own tool")
    return revision_of(engine)


def _restore_sqlite(engine: Engine, path: Path) -> None:
    ledger = Path(str(engine.url.database)).absolute()
    partial = ledger.with_suffix(".restoring")
    shutil.copyfile(path, partial)
    partial.chmod(0o600)
    try:
        _require_copy(partial, path)
    except UserError:
        partial.unlink()
        raise
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    engine.dispose()
    # What the old ledger had not yet written into its file must not be written into this one.
    for suffix in ("-wal", "-shm"):
        ledger.with_name(ledger.name + suffix).unlink(missing_ok=True)
    partial.replace(ledger)


def _require_copy(partial: Path, path: Path) -> None:
    """Raise ``UserError`` unless the file is a whole ledger that this version can work with."""
    copy = open_engine(f"sqlite:///{partial}")
    try:
        with reading(copy) as connection:
            result = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
        state = state_of(copy)
    except DatabaseError:
        result, state = "ok", State.FOREIGN
    finally:
        copy.dispose()
        for suffix in ("-wal", "-shm"):
            partial.with_name(partial.name + suffix).unlink(missing_ok=True)
    if result != "ok":
        message = f"{path.name} is damaged: {result}"
        raise UserError(message, "take another copy")
    _require_ledger(path, is_ledger=state in {State.CURRENT, State.OLD})


def _require_ledger(path: Path, *, is_ledger: bool) -> None:
    if not is_ledger:
        message = f"{path.name} is not a copy of a ledger that this dolisync can read"
        raise UserError(message, "take one that `dolisync db backup` made")


def _restore_mariadb(engine: Engine, path: Path) -> None:
    _require_ledger(path, is_ledger=b"CREATE TABLE `posting`" in path.read_bytes())
    tool = shutil.which("mariadb") or shutil.which("mysql")
    if tool is None:
        message = "the client program mariadb is not installed"
        raise UserError(message, "apt install mariadb-client")
    with engine.connect() as connection:
        metadata = MetaData()
        metadata.reflect(connection)
        metadata.drop_all(connection)
        connection.commit()
    _feed_mariadb(engine, tool, path)


def _feed_mariadb(engine: Engine, tool: str, path: Path) -> None:
    with path.open("rb") as dump:
        finished = subprocess.run(  # noqa: S603 - a fixed program, arguments from our own settings
            [tool, *_connecting(engine), str(engine.url.database)],
            stdin=dump,
            capture_output=True,
            env={"MYSQL_PWD": str(engine.url.password or ""), "PATH": "/usr/bin:/bin"},
            check=False,
        )
    if finished.returncode != 0:
        message = f"the copy could not be read in: {finished.stderr.decode(errors='replace')[:200]}"
        raise UserError(message.strip(), "restore the copy that was made before")


def _connecting(engine: Engine) -> list[str]:
    """Say to a client program where the database is; its password goes by the environment."""
    url = engine.url
    socket = url.query.get("unix_socket")
    if socket:
        return [f"--user={url.username or ''}", f"--socket={socket}"]
    return [f"--user={url.username or ''}", f"--host={url.host}", f"--port={url.port or 3306}"]


def _backup_mariadb(engine: Engine, path: Path) -> Path:
    tool = shutil.which("mariadb-dump") or shutil.which("mysqldump")
    if tool is None:
        message = "mariadb-dump is not installed"
        raise UserError(message, "apt install mariadb-client")
    url = engine.url
    arguments = [tool, "--single-transaction", *_connecting(engine)]
    partial = path.with_suffix(".partial")
    with partial.open("wb") as output:
        partial.chmod(0o600)
        finished = subprocess.run(  # noqa: S603 - a fixed program, arguments from our own settings
            [*arguments, str(url.database)],
            stdout=output,
            stderr=subprocess.PIPE,
            # In the environment, so that no other user sees the password in the process list.
            env={"MYSQL_PWD": str(url.password or ""), "PATH": "/usr/bin:/bin"},
            check=False,
        )
    if finished.returncode != 0:
        partial.unlink()
        message = f"mariadb-dump failed: {finished.stderr.decode(errors='replace').strip()[:200]}"
        raise UserError(message, "check the account's rights")
    partial.rename(path)
    return path
