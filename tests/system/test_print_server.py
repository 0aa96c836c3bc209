"""The print server as a process: a till posts, the printer gets the ticket with points."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path

import pytest
from sqlalchemy import update

from commands.house import House
from commands.print_serving import TicketBlocks
from dolisync.config import parse
from dolisync.errors import ConfigError, UserError
from dolisync.example import example
from dolisync.printing import Network, PrintServerSettings, origin_of, place_of
from tests.paper import FakePrinter, read_paper
from tests.system.place import ROOT, Place

PATIENCE_S = 40
PAGE = "<b>Le Fournil</b><p>{ref}</p><table><tr><td>Total</td><td>{total} </td></tr></table>"


@pytest.fixture
def printer() -> Iterator[FakePrinter]:
    found = FakePrinter()
    yield found
    with suppress(OSError):
        found.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def configure(place: Place, printer: FakePrinter) -> int:
    """Add a print server to the configuration; return its port."""
    port = free_port()
    text = place.config.read_text(encoding="utf-8")
    place.config.write_text(
        f'{text}\n[print_server]\nlisten = "127.0.0.1"\nport = {port}\npatience_s = 20\n'
        f'[[print_server.printer]]\naddress = "127.0.0.1:{printer.port}"\nwidth_mm = 58\n',
        encoding="utf-8",
    )
    return port


@contextmanager
def running(place: Place) -> Iterator[tuple[subprocess.Popen[str], Callable[[str], None]]]:
    """Start the print server as systemd does; yields it, and a wait for one of its words."""
    address = str(place.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(address)
        notify.settimeout(PATIENCE_S)
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "--config", str(place.config), "print-server"],
            cwd=ROOT,
            env={**os.environ, **place.environment, "NOTIFY_SOCKET": address},
            stderr=subprocess.PIPE,
            text=True,
        )

        def wait(word: str) -> None:
            while word not in notify.recv(1000).decode():
                assert process.poll() is None

        try:
            wait("READY=1")
            yield process, wait
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
            if process.stderr:
                process.stderr.close()


def post(place: Place, port: int, page: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    headers = {"Origin": origin_of(place.standin.url)}
    connection.request("POST", "/print", page.encode(), headers)
    status = connection.getresponse().status
    connection.close()
    return status


def sell(place: Place, name: str) -> tuple[str, str]:
    """Sell at the till; return the ticket's number and total."""
    shop = place.standin.shop
    ticket = shop.pos_sell([place.week.products["rye"]], place.customer(name), "LIQ")
    row = shop.invoice(ticket)
    return row["ref"], f"{row['total_ttc']:.2f}".replace(".", ",")


def test_a_ticket_is_printed_with_the_points_of_the_ledger_and_without_where_it_is_away(
    open_shop: Place, printer: FakePrinter
) -> None:
    place, port = open_shop, configure(open_shop, printer)
    with running(place) as (process, wait):
        ref, total = sell(place, "alice")
        assert post(place, port, PAGE.format(ref=ref, total=total)) == 200
        paper = read_paper(printer.wait()[0])
        (points,) = place.read("receipt", ref)["points"]
        assert place.read("balance", str(place.customer("alice")))["balance"] == points["balance"]
        assert f"{points['balance']} points" in paper
        assert f"{total} €" in paper
        assert place.read("verify")["holds"] is True

        # A ledger that is away: the customer still gets a ticket.
        place.change(str(place.ledger), str(place.folder / "away" / "ledger.db"))
        process.send_signal(signal.SIGHUP)
        wait("RELOADING=1")
        wait("READY=1")
        ref, total = sell(place, "alice")
        assert post(place, port, PAGE.format(ref=ref, total=total)) == 200
        paper = read_paper(printer.wait(2)[1])
        assert ref in paper
        assert "points" not in paper
        process.terminate()
        wait("STOPPING=1")
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr is not None
        said = process.stderr.read()
    assert 'event="ticket without points"' in said
    assert 'event="configuration taken"' in said
    assert "Traceback" not in said


def test_tickets_of_another_dolibarr_are_not_booked(
    open_shop: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a Dolibarr that is not the one that the ledger knows, the same rowids are other sales."""
    for name, value in open_shop.environment.items():
        monkeypatch.setenv(name, value)
    house = House(open_shop.config)
    ref, _ = sell(open_shop, "alice")
    assert TicketBlocks(house).look_up(ref, 48, "").block
    table = open_shop.standin.store.tables.facture
    with open_shop.standin.store.transaction() as connection:
        connection.execute(update(table).values(datec=datetime(2019, 1, 1)))  # noqa: DTZ001
    ref, _ = sell(open_shop, "alice")
    with pytest.raises(UserError, match="is not the Dolibarr that this ledger knows"):
        TicketBlocks(house).look_up(ref, 48, "")
    house.close()


def test_check_says_whether_printers_answer(open_shop: Place, printer: FakePrinter) -> None:
    place, port = open_shop, configure(open_shop, printer)

    def found() -> dict[str, tuple[str, str]]:
        answer = place.call("check", "--json").json()["findings"]
        mine = [one for one in answer if one["about"] == "print server"]
        return {one["topic"]: (one["level"], one["message"]) for one in mine}

    said = found()
    assert said["printer 1"] == ("ok", f"printer 127.0.0.1:{printer.port} answers")
    assert said["print server"][0] == "warning"
    assert said["pages"] == ("ok", f"pages of {place.standin.url} may print")
    printer.close()
    place.change("width_mm = 58", "width_mm = 58\ntimeout_s = 0.3")
    assert found()["printer 1"][0] == "error"
    # Something else listens there.
    with socket.create_server(("127.0.0.1", port)):
        assert "cannot be listened on" in place.bad("print-server")


def test_without_a_section_there_is_no_print_server(open_shop: Place) -> None:
    assert "no print server is configured" in open_shop.bad("print-server")


# --- options -------------------------------------------------------------------------------------


def settings(text: str) -> PrintServerSettings:
    found = parse(example() + "[print_server]\n" + text).print_server
    assert found is not None
    return found


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(text)
    return " ".join(caught.value.problems)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("none", None),
        ("/dev/usb/lp0", Path("/dev/usb/lp0")),
        ("192.168.1.50", Network("192.168.1.50", 9100)),
        ("printer.shop.example:9101", Network("printer.shop.example", 9101)),
    ],
)
def test_an_address_leads_somewhere(address: str, place: object) -> None:
    assert place_of(address) == place
    (printer,) = settings(f'[[print_server.printer]]\naddress = "{address}"\n').printer
    assert printer.place == place


@pytest.mark.parametrize("address", ["", "dev/lp0", "host:0", "host:70000", "http://x", "a b"])
def test_an_address_that_leads_nowhere_is_said(address: str) -> None:
    said = problem(f'[[print_server.printer]]\naddress = "{address}"\n')
    assert "is no place for a printer; write 192.168.1.50" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('tills = ["192.168.1"]', "'192.168.1' is no address or network"),
        ('listen = "localhost"', "'localhost' is no address; write 0.0.0.0"),
        ('pages = ["erp.example.org"]', "is no address of a web page"),
        ("[[print_server.printer]]\nwidth_mm = 60", "58 or 80 mm"),
        ("[[print_server.printer]]\n[[print_server.printer]]", "two printers have the number 1"),
        ("[[print_server.printer]]\nadress = '/x'", "did you mean address?"),
    ],
)
def test_what_does_not_hold_is_told(text: str, said: str) -> None:
    assert said in problem(text)


def test_pages_are_compared_as_browsers_name_them() -> None:
    found = settings('pages = ["HTTPS://ERP.example.org:443/dolibarr/", "http://erp:8080"]')
    assert found.pages == ("https://erp.example.org", "http://erp:8080")
    assert origin_of("http://[::1]:80/x") == "http://[::1]"


def test_columns_follow_the_paper_unless_they_are_given() -> None:
    printers = settings(
        "[[print_server.printer]]\nwidth_mm = 58\n"
        "[[print_server.printer]]\nnumber = 2\ncolumns = 42\n"
    ).printer
    assert [printer.line_columns for printer in printers] == [32, 42]
