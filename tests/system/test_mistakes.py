"""What a tired sysadmin does wrong: one or two lines that help, the right exit code, no secret."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from dolisync.config import load
from dolisync.ledger.engine import open_engine
from tests.mariadb import MariadbServer
from tests.system.place import DATABASE_NAME, KEY_NAME, Place

NOBODY = 65534
PASSWORD = "hunter2-of-the-database"


def closed_port() -> int:
    """Return a port on loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_no_configuration(place: Place) -> None:
    said = place.bad("balance", 2)
    assert "there is no configuration at" in said
    assert f"dolisync --config {place.config} init" in said


def test_typo_in_toml(ready: Place) -> None:
    ready.change('name = "shop"', 'name = "shop')
    said = ready.bad("sync")
    assert "line" in said
    assert "mend that line" in said


def test_misspelt_option(ready: Place) -> None:
    ready.change('currency = "EUR"', 'curency = "EUR"')
    said = ready.bad("sync")
    assert "did you mean currency?" in said


def test_several_problems_are_told_at_once(ready: Place) -> None:
    ready.change('currency = "EUR"', 'currency = "euro"')
    ready.change('moment = "paid"', 'moment = "someday"')
    said = ready.bad("sync", lines=4)
    assert "source[1].currency" in said
    assert "program[1].earn.moment" in said


def test_wrong_key(ready: Place) -> None:
    ready.change(f'database_url = {{ env = "{DATABASE_NAME}" }}', "")
    ready.environment[KEY_NAME] = "wrong-key-0123456789"
    ready.secrets.add("wrong-key-0123456789")
    assert "key" in ready.bad("sync", code=1)
    looked = ready.call("check")
    assert looked.code == 1
    assert "set the key of the API user" in looked.out


def test_secret_that_is_not_set(ready: Place) -> None:
    del ready.environment[DATABASE_NAME]
    assert f"{DATABASE_NAME} is not set" in ready.bad("sync")
    looked = ready.call("check")
    assert looked.code == 1
    assert f"set {DATABASE_NAME}" in looked.out


def test_host_that_does_not_answer(ready: Place) -> None:
    ready.change(f'database_url = {{ env = "{DATABASE_NAME}" }}', "")
    ready.change(ready.standin.url, f"http://127.0.0.1:{closed_port()}")
    said = ready.bad("sync", code=1)
    assert "cannot be reached" in said
    assert "dolisync check" in said
    looked = ready.call("check")
    assert looked.code == 1
    assert "cannot be reached" in looked.out


@pytest.mark.mariadb
def test_wrong_database_password(ready: Place, mariadb_server: MariadbServer) -> None:
    server = f"127.0.0.1:{mariadb_server.port}"
    ready.environment[DATABASE_NAME] = f"mariadb+pymysql://clerk:{PASSWORD}@{server}/erp"
    ready.secrets.add(PASSWORD)
    assert "Access denied" in ready.bad("sync", code=1)
    looked = ready.call("check")
    assert looked.code == 1
    assert "Access denied" in looked.out


@pytest.mark.mariadb
def test_wrong_password_of_the_ledger(ready: Place, mariadb_server: MariadbServer) -> None:
    address = f"mariadb+pymysql://clerk:{PASSWORD}@127.0.0.1:{mariadb_server.port}/points"
    ready.change(f"sqlite:///{ready.ledger}", address)
    ready.secrets.add(PASSWORD)
    said = ready.bad("balance", 2, code=1)
    assert "the ledger's database does not work" in said
    looked = ready.call("check")
    assert looked.code == 1
    assert "Access denied" in looked.out
    ready.bad("db", "status", code=1)


def test_database_address_that_is_none(ready: Place) -> None:
    ready.environment[DATABASE_NAME] = f"clerk:{PASSWORD}@server/erp"
    ready.secrets.add(PASSWORD)
    assert "not an address of a database" in ready.bad("sync")


def test_empty_ledger(place: Place) -> None:
    place.configure()
    for command in (["sync"], ["balance", 2], ["verify"], ["outbox", "list"], ["explain", "X"]):
        said = place.bad(*command)
        assert "it has no tables yet" in said
        assert "dolisync db upgrade" in said
    assert "nothing to copy" in place.bad("db", "backup")


def test_ledger_of_a_newer_version(ready: Place) -> None:
    engine = open_engine(f"sqlite:///{ready.ledger}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert "made by a newer dolisync" in ready.bad("sync")
    assert "made by a newer dolisync" in ready.bad("db", "upgrade")
    assert ready.call("db", "status").code == 1


def test_ledger_in_the_database_of_another_program(place: Place) -> None:
    place.configure()
    engine = open_engine(f"sqlite:///{place.ledger}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE llx_facture (rowid INTEGER)"))
    engine.dispose()
    assert "a database of its own" in place.bad("db", "upgrade")
    assert "holds other tables" in place.bad("sync")


def test_folder_of_the_ledger_that_is_not_there(place: Place) -> None:
    place.configure()
    place.change(f"{place.ledger}", f"{place.folder}/nowhere/ledger.db")
    assert "does not exist" in place.bad("db", "upgrade")
    assert "does not exist" in place.bad("balance", 2)


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Be somebody who is held by the rights on files; root is not."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def read_only(ready: Place) -> Iterator[Place]:
    """Give a shop whose ledger lies in a folder where its user may not write."""
    folder = Path(tempfile.mkdtemp(prefix="dolisync-read-only-"))
    shutil.copy(ready.ledger, folder)
    (folder / "ledger.db").chmod(0o444)
    ready.change(str(ready.ledger), str(folder / "ledger.db"))
    shutil.copy(ready.config, folder)
    (folder / "config.toml").chmod(0o444)
    folder.chmod(0o555)
    ready.folder = folder
    yield ready
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("command", [["sync"], ["verify"], ["outbox", "list"], ["db", "backup"]])
def test_ledger_that_cannot_be_written(read_only: Place, command: list[str]) -> None:
    with as_ordinary_user():
        answer = read_only.call(*command)
    assert answer.code in {1, 2}, answer.out + answer.err
    assert 1 <= len(answer.lines) <= 2, answer.err
    assert answer.lines[0].startswith("dolisync: ")


def test_customers_who_cannot_be_told(open_shop: Place) -> None:
    said = open_shop.bad("balance", "nobody@example.org")
    assert "no customer has" in said
    first = open_shop.standin.shop.add_customer("Twin One", email="twin@example.org")
    second = open_shop.standin.shop.add_customer("Twin Two", email="twin@example.org")
    said = open_shop.bad("history", "twin@example.org")
    assert f"{first}, {second}" in said
    assert "give the id" in said


def test_unknown_invoice(open_shop: Place) -> None:
    assert "neither the ledger nor Dolibarr" in open_shop.bad("explain", "FA9999-0001")
    assert "dolisync explain" in open_shop.bad("receipt", "FA9999-0001")


def test_secret_in_a_file_that_others_read(ready: Place) -> None:
    ready.change(f'{{ env = "{KEY_NAME}" }}', f'"{ready.standin.api_key}"')
    ready.good("sync")
    ready.config.chmod(0o644)
    said = ready.bad("sync", lines=2)
    assert "others can read" in said
    assert f"chmod 600 {ready.config}" in said


def test_wrong_program_source_and_reward(open_shop: Place) -> None:
    assert "no program is named 'gold'" in open_shop.bad("balance", 2, "--program", "gold")
    assert "no source is named 'mars'" in open_shop.bad("balance", 2, "--source", "mars")
    assert "no reward is named 'car'" in open_shop.bad("redeem", 2, "--reward", "car")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["5", "--reason", "   "], "the reason is blank"),
        (["0", "--reason", "x"], "0 points change nothing"),
        (["1.5", "--reason", "x"], "counts whole points"),
        (["nan", "--reason", "x"], "is not a number of points"),
        (["1e99", "--reason", "x"], "is more than"),
        (["many", "--reason", "x"], "is not a number of points"),
        (["5"], "Missing option '--reason'"),
        (["5", "--raeson", "x"], "Missing option '--reason'"),
        (["5", "--reason", "x" * 500], "say it shorter"),
        (["-9999", "--reason", "x"], "--into-debt"),
    ],
)
def test_adjustments_that_cannot_be(open_shop: Place, arguments: list[str], words: str) -> None:
    before = open_shop.read("history", 2)["total"]
    assert words in open_shop.bad("adjust", 2, *arguments)
    assert open_shop.read("history", 2)["total"] == before


def test_not_enough_points_for_a_reward(open_shop: Place) -> None:
    said = open_shop.bad("redeem", open_shop.customer("bruno"))
    assert "costs 100 points" in said
    assert open_shop.read("outbox", "list", "--state", "new")["rows"] == []


def test_tokens_and_rows_that_are_not_there(open_shop: Place) -> None:
    assert "no redemption has the token" in open_shop.bad("redeem", "--revoke", "DS-NOTHING")
    assert "--revoke needs the token alone" in open_shop.bad("redeem", 2, "--revoke", "DS-X")
    assert "whose points?" in open_shop.bad("redeem")
    assert "none of these rows is dead" in open_shop.bad("outbox", "retry", 999)
    assert "name the rows" in open_shop.bad("outbox", "retry")


def test_words_that_are_no_command(ready: Place) -> None:
    assert "No such command 'balanse'" in ready.bad("balanse")
    assert "dolisync balance --help" in ready.bad("balance")
    assert "dolisync history --help" in ready.bad("history", 2, "--limit", "0")


def test_init_does_not_overwrite(place: Place) -> None:
    place.configure()
    before = place.config.read_text(encoding="utf-8")
    assert "--force" in place.bad("init", "--url", "http://127.0.0.1", "--api-key-env", "X")
    assert place.config.read_text(encoding="utf-8") == before
    place.configure("--force")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "it is not said how Dolibarr is reached"),
        (["--url", "https://erp.example.org"], "it is not said how"),
        (["--url", "erp.example.org", "--api-key-env", "X"], "as in the browser"),
        (["--database-url-env", "X", "--timezone", "Paris"], "'Paris' does not hold"),
        (["--database-url-env", "X", "--currency", "euro"], "The company's currency"),
        (["--database-url-env", "X", "--per", "ten"], "'ten' does not hold"),
        (["--database-url-env", "X", "--database-url-file", "/x"], "given twice"),
        (["--database-url-env", "X", "--language", "pt"], "is not one of"),
        (["--database-url-env", "X", "--program-start", "soon"], "is not a day"),
    ],
)
def test_init_with_answers_that_do_not_hold(place: Place, arguments: list[str], words: str) -> None:
    assert words in place.bad("init", *arguments)
    assert not place.config.exists()


def test_init_writes_a_whole_program_or_takes_answers(place: Place) -> None:
    said = place.bad("init", "--program", "bakery", "--pos-customer", "3")
    assert "--pos-customer has no place" in said
    assert not place.config.exists()
    ledger = str(place.folder / "points.db")
    said = place.good("init", "--program", "bakery", "--ledger", ledger)
    assert "edit" in said
    settings = load(place.config).settings
    assert settings.program[0].title == "Crumbs"
    assert settings.ledger.url.reveal() == f"sqlite:///{ledger}"
    assert place.config.stat().st_mode & 0o077 == 0


def test_init_in_a_folder_that_is_not_there(place: Place) -> None:
    place.folder /= "nowhere"
    assert "mkdir -p" in place.bad("init", "--database-url-env", "X")


def test_a_turn_while_another_is_at_work(ready: Place) -> None:
    import fcntl  # noqa: PLC0415

    with Path(f"{ready.ledger}.lock").open("w", encoding="ascii") as lock:
        lock.write("dolisync run")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "dolisync run is at work" in ready.bad("sync")
        ready.good("balance", 2)


def test_receipt_that_cannot_be_written(open_shop: Place) -> None:
    said = open_shop.bad("receipt", 3, "--output", open_shop.folder / "nowhere" / "x.txt", code=1)
    assert "No such file or directory" in said


def test_templates_that_are_not_there(open_shop: Place) -> None:
    open_shop.change("#templates = ", "templates = ")
    assert "does not exist" in open_shop.bad("receipt", 3)
    looked = open_shop.call("check")
    assert looked.code == 1
    assert "templates folder" in looked.out


def test_reader_that_has_enough(open_shop: Place) -> None:
    """A pipe that is closed early (head) is no error worth a word."""
    reading, writing = os.pipe()
    os.close(reading)
    answer = open_shop.process("history", "2", "--json", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (answer.code, answer.err) == (1, "")
