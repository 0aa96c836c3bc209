"""verify, outbox, db and init by questions."""

from __future__ import annotations

import os
import pty
import select
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from dolisync.config import load
from dolisync.ledger import schema
from tests.system.place import DATABASE_NAME, KEY_NAME, ROOT, Place

PATIENCE_S = 30


def in_ledger(place: Place, statement: str) -> None:
    engine = create_engine(f"sqlite:///{place.ledger}")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


# --- verify --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE posting SET points = points + 1 WHERE id = 1",
        "UPDATE member SET balance = balance + 1 WHERE id = 1",
        "UPDATE lot SET remaining = 0 WHERE id = 1",
        "UPDATE posting SET reason = 'nothing happened' WHERE id = 1",
    ],
)
def test_verify_says_what_is_broken_and_where(open_shop: Place, damage: str) -> None:
    in_ledger(open_shop, damage)
    answer = open_shop.call("verify")
    assert answer.code == 1
    assert "BROKEN in" in answer.out
    assert "the rule:" in answer.out
    told = open_shop.call("verify", "--json")
    assert told.code == 1
    assert not told.json()["holds"]
    assert told.json()["breaches"]


# --- outbox --------------------------------------------------------------------------------------


def test_dead_rows_are_shown_and_sent_again(open_shop: Place) -> None:
    in_ledger(
        open_shop,
        "UPDATE outbox SET state = 'dead', open_key = NULL, last_error = 'no right' WHERE id < 3",
    )
    said = open_shop.good("outbox", "list", "--state", "dead")
    assert "no right" in said
    assert "dolisync outbox retry --all" in said
    assert max(len(line) for line in said.splitlines()) <= 80
    assert "outbox list --state dead" in open_shop.good("check")
    assert open_shop.read("outbox", "retry", 1)["opened"] == 1
    assert open_shop.read("outbox", "retry", "--all")["opened"] == 1
    open_shop.good("sync")
    assert open_shop.read("outbox", "list", "--state", "dead")["rows"] == []


# --- db ------------------------------------------------------------------------------------------


def test_a_backup_is_a_ledger(open_shop: Place) -> None:
    copy = Path(open_shop.read("db", "backup")["backup"])
    assert copy.parent == open_shop.folder / "backups"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    open_shop.change(str(open_shop.ledger), str(copy))
    assert open_shop.read("verify")["sales"] == 19


def test_a_backup_goes_where_it_is_told(open_shop: Place) -> None:
    said = open_shop.good("db", "backup", "--to", open_shop.folder / "elsewhere")
    assert "elsewhere" in said


@pytest.mark.parametrize("options", [[], ["--no-backup"]])
def test_upgrade_copies_an_old_ledger_first(
    open_shop: Place, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setattr(schema, "state_of", lambda _engine: schema.State.OLD)
    done = open_shop.read("db", "upgrade", *options)
    assert (done["backup"] is None) == bool(options)
    assert (open_shop.folder / "backups").exists() != bool(options)


def test_status_names_the_place_without_its_password(ready: Place) -> None:
    said = ready.good("db", "status")
    assert str(ready.ledger) in said
    assert "up to date" in said


# --- init, asked at a terminal -------------------------------------------------------------------


def talk(place: Place, answers: list[tuple[str, str]]) -> str:
    """Run init at a terminal and answer each question as it is asked; return what was said."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "cli", "--config", str(place.config), "init"]
    process = subprocess.Popen(
        words, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ}
    )
    os.close(theirs)
    said = ""
    for question, answer in answers:
        said += wait_for(ours, question)
        os.write(ours, f"{answer}\n".encode())
    said += wait_for(ours, "upgrade")
    assert process.wait(PATIENCE_S) == 0
    os.close(ours)
    return said


def wait_for(terminal: int, words: str) -> str:
    said, deadline = "", time.monotonic() + PATIENCE_S
    while words not in said:
        ready, _, _ = select.select([terminal], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"'{words}' was not said, but: {said}"
        said += os.read(terminal, 4096).decode()
    return said


def test_init_asks_for_what_is_missing(place: Place) -> None:
    said = talk(
        place,
        [
            ("Address of Dolibarr", "erp.example.org"),
            ("Address of Dolibarr", place.standin.url),
            ("API key", f"env {KEY_NAME}"),
            ("its database", "somewhere"),
            ("its database", f"env {DATABASE_NAME}"),
            ("Time zone", "Rome"),
            ("Time zone", "Europe/Paris"),
            ("Language", "it"),
            ("Currency", ""),
            ("File of the ledger", str(place.ledger)),
            ("Name of the shop", "Forno"),
            ("First day", "2020-01-01"),
            ("What customers read", ""),
            ("Points for each step", "1"),
            ("The step", "0,50"),
            ("Months", "0"),
            ("Points that a reward costs", "200"),
            ("What it is worth", "7,50"),
            ("VAT rate", "22"),
        ],
    )
    assert "as in the browser" in said
    assert f"export {KEY_NAME}=" in said
    program = load(place.config).settings.program[0]
    assert program.title == "Punti fedeltà"
    assert program.validity.months is None
    assert program.earn.amount is not None
    assert str(program.earn.amount.per) == "0.50"
    assert str(program.reward[0].amount) == "7.50"
    assert program.reward[0].title == "Sconto fedeltà"
    place.good("db", "upgrade")
    place.good("setup", "--yes")
    assert "0 errors" not in place.call("check").out
