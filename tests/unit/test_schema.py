"""The schema: migrations say what the models say, both ways, and backups can be restored."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, select

from dolisync.errors import UserError
from dolisync.ledger import chain, schema, tables
from dolisync.ledger.engine import open_engine
from dolisync.ledger.verify import verify_books
from tests.builders import NOON, program, sale
from tests.fakes import Shop, reward

HEAD = schema.newest_revision()


def differences(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, tables.metadata))


def contents(engine: Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in tables.metadata.sorted_tables
        }


def fill(engine: Engine) -> Shop:
    shop = Shop(engine, programs=(program(reward=[reward(30)]),))
    shop.take(sale(1, 50))
    shop.redeem()
    return shop


def test_the_migrations_make_what_the_models_say(ledger_engine: Engine) -> None:
    assert differences(ledger_engine) == []


def test_the_migrations_make_the_same_indexes_and_keys_as_the_models(
    ledger: Engine, tmp_path: Path
) -> None:
    other = open_engine(f"sqlite:///{tmp_path / 'models.db'}")
    tables.metadata.create_all(other)

    def shape(engine: Engine, table: str) -> list[Any]:
        found = inspect(engine)
        parts = (
            found.get_indexes(table),
            found.get_unique_constraints(table),
            found.get_foreign_keys(table),
        )
        named = [sorted(part, key=lambda entry: str(entry["name"])) for part in parts]
        return [*named, found.get_pk_constraint(table)]

    for table in tables.metadata.tables:
        assert shape(ledger, table) == shape(other, table), table
    other.dispose()


@pytest.mark.mariadb
def test_mariadb_keeps_texts_byte_by_byte_whatever_the_server_prefers(
    mariadb_server: Any,
) -> None:
    url = mariadb_server.new_database("CHARACTER SET latin1 COLLATE latin1_general_ci")
    engine = open_engine(url)
    schema.upgrade(engine)
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT DISTINCT engine, table_collation FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name <> 'alembic_version'"
        ).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [("InnoDB", "utf8mb4_bin")]


def test_upgrading_twice_changes_nothing(ledger_engine: Engine) -> None:
    fill(ledger_engine)
    before = contents(ledger_engine)
    assert schema.upgrade(ledger_engine) == schema.newest_revision()
    assert contents(ledger_engine) == before


def test_down_and_up_again_on_a_filled_ledger(ledger_engine: Engine) -> None:
    fill(ledger_engine)
    schema.downgrade(ledger_engine, "base")
    assert inspect(ledger_engine).get_table_names() == ["alembic_version"]
    schema.upgrade(ledger_engine)
    assert differences(ledger_engine) == []
    assert fill(ledger_engine).balance() == 20


def test_a_ledger_of_the_first_release_keeps_its_chains_and_gets_sealed_reasons(
    ledger_engine: Engine,
) -> None:
    shop = fill(ledger_engine)
    with ledger_engine.begin() as connection:
        chain.drop_anchor(connection, NOON.date(), NOON)
    schema.downgrade(ledger_engine, "0001")
    assert "salt" not in {column["name"] for column in inspect(ledger_engine).get_columns("member")}
    schema.upgrade(ledger_engine)
    assert verify_books(ledger_engine) == []
    assert shop.balance() == 20
    with ledger_engine.begin() as connection:
        assert len(connection.execute(select(tables.member.c.salt)).scalar_one()) == 32


def test_a_chain_that_was_tampered_with_is_not_written_anew(ledger_engine: Engine) -> None:
    fill(ledger_engine)
    schema.downgrade(ledger_engine, "0002")
    with ledger_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE posting SET points = 51 WHERE kind = 'earn'")
    with pytest.raises(ValueError, match=r"posting sale:.*:earn was changed: restore a backup"):
        schema.upgrade(ledger_engine)
    assert schema.revision_of(ledger_engine) == "0002"
    with ledger_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE posting SET points = 50 WHERE kind = 'earn'")
    assert schema.upgrade(ledger_engine) == HEAD
    assert verify_books(ledger_engine) == []


# --- what is found at start ----------------------------------------------------------------------


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    yield engine
    engine.dispose()


def test_a_current_ledger_is_taken_as_it_is(ledger: Engine) -> None:
    schema.require_current(ledger)


def refused(engine: Engine) -> tuple[str, str]:
    with pytest.raises(UserError) as caught:
        schema.require_current(engine)
    return str(caught.value), caught.value.remedy


def test_an_empty_ledger_says_how_to_make_it(empty: Engine) -> None:
    message, remedy = refused(empty)
    assert "empty" in message
    assert "dolisync db upgrade" in remedy


def test_a_database_with_other_tables_is_not_touched(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE llx_facture (rowid INTEGER)")
    message, remedy = refused(empty)
    assert "other tables" in message
    assert "a database of its own" in remedy


def test_tables_without_a_revision_are_not_taken_for_a_ledger(ledger: Engine) -> None:
    with ledger.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    assert "other tables" in refused(ledger)[0]


def test_an_older_ledger_says_how_to_bring_it_on(
    ledger: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "newest_revision", lambda: "9998")
    message, remedy = refused(ledger)
    assert message == f"the ledger has schema {HEAD}, this version needs 9998"
    assert remedy == "stop the service, then: dolisync db upgrade"


def test_a_newer_ledger_is_refused(ledger: Engine) -> None:
    with ledger.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    message, remedy = refused(ledger)
    assert message == "the ledger has schema 9999, made by a newer dolisync"
    assert "install that version again" in remedy


# --- backups -------------------------------------------------------------------------------------


def test_a_backup_is_the_whole_ledger_and_for_nobody_else(ledger: Engine, tmp_path: Path) -> None:
    shop = fill(ledger)
    path = schema.backup(ledger, tmp_path / "backups", NOON)
    assert path.name == f"dolisync-{schema.newest_revision()}-20261120T120000Z.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    restored = open_engine(f"sqlite:///{path}")
    assert contents(restored) == contents(ledger)
    assert Shop(restored, programs=shop.programs).breaches() == []
    restored.dispose()


def test_a_backup_is_made_while_somebody_writes(ledger: Engine, tmp_path: Path) -> None:
    shop = fill(ledger)
    with ledger.begin() as connection:
        connection.execute(tables.parked.delete())
        path = schema.backup(ledger, tmp_path / "backups", shop.clock.now())
    assert sqlite3.connect(path).execute("SELECT SUM(balance) FROM member").fetchone() == (20,)


def test_the_newest_five_are_kept(ledger: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    for day in range(8):
        schema.backup(ledger, folder, NOON + timedelta(days=day))
    stamps = sorted(path.stem[-16:] for path in folder.iterdir())
    assert stamps == [f"202611{day}T120000Z" for day in range(23, 28)]


def test_other_files_in_the_folder_are_left_alone(ledger: Engine, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("mine")
    for day in range(8):
        schema.backup(ledger, tmp_path, NOON + timedelta(days=day))
    assert (tmp_path / "notes.db").read_text() == "mine"


@pytest.mark.mariadb
def test_a_backup_of_mariadb_can_be_restored(mariadb_server: Any, tmp_path: Path) -> None:
    engine = open_engine(mariadb_server.new_database())
    schema.upgrade(engine)
    shop = fill(engine)
    path = schema.backup(engine, tmp_path, NOON)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    restored = open_engine(mariadb_server.new_database())
    raw = restored.raw_connection()
    for statement in path.read_text(encoding="utf-8").split(";\n"):
        if statement.strip() and not statement.strip().startswith("--"):
            raw.cursor().execute(statement)
    raw.commit()
    raw.close()
    assert contents(restored) == contents(engine)
    assert Shop(restored, programs=shop.programs).breaches() == []
    engine.dispose()
    restored.dispose()


@pytest.mark.mariadb
def test_a_backup_that_fails_leaves_no_half_file(
    mariadb_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(mariadb_server.new_database())
    schema.upgrade(engine)
    mariadb_server.execute("CREATE USER IF NOT EXISTS nobody@localhost IDENTIFIED BY 'secret'")
    poor = open_engine(
        engine.url.set(username="nobody", password="wrong").render_as_string(hide_password=False)
    )
    monkeypatch.setattr(schema, "revision_of", lambda _engine: "0001")
    with pytest.raises(UserError, match="mariadb-dump failed") as caught:
        schema.backup(poor, tmp_path, NOON)
    assert list(tmp_path.iterdir()) == []
    assert "wrong" not in str(caught.value)
    engine.dispose()
    poor.dispose()


def test_without_the_tool_a_backup_of_mariadb_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(schema, "revision_of", lambda _engine: "0001")
    engine = open_engine("mariadb+pymysql://root@127.0.0.1:1/x")
    with pytest.raises(UserError, match="not installed") as caught:
        schema.backup(engine, tmp_path, NOON)
    assert "apt install" in caught.value.remedy


@pytest.mark.mariadb
def test_a_backup_of_mariadb_is_restored_over_what_came_since(
    mariadb_server: Any, tmp_path: Path
) -> None:
    engine = open_engine(mariadb_server.new_database())
    schema.upgrade(engine)
    shop = fill(engine)
    before, path = contents(engine), schema.backup(engine, tmp_path, NOON)
    shop.take(sale(2, 70))
    assert contents(engine) != before
    assert schema.restore(engine, path) == schema.newest_revision()
    assert contents(engine) == before
    with pytest.raises(UserError, match="is not a copy of a ledger"):
        schema.restore(engine, Path(__file__))
    assert contents(engine) == before
    engine.dispose()
