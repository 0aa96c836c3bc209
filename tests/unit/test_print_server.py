"""The print server: what a till may ask, who may ask, and that a ticket always comes out."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from connectors.escpos_printer import EscposPrinter
from connectors.print_server import (
    BODY_BYTES_MAX,
    Found,
    Listener,
    LookUp,
    Points,
    PrintServer,
)
from connectors.print_watch import is_answering
from connectors.ticket_html import TicketLine
from connectors.till_guard import Guard
from connectors.wires import NetworkWire
from dolisync.errors import RefusedError, TransientError
from tests.paper import FakePrinter, read_paper

PAGE = (Path(__file__).parent / "tickets" / "posted.20.0.2.html").read_text(encoding="utf-8")
ORDER = "<html><br><b>Place 5<br><table><tr><td>Pizza</td><td>2</td></tr></table></html>"
DOLIBARR = "http://erp.example.org"
BLOCK = ("-" * 48, "Points earned   +12 points")


@dataclass
class Kept:
    """A printer that keeps what it prints, or has a problem."""

    columns: int = 48
    code_page: str = "CP858"
    tickets: list[list[str]] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    drawers: int = 0
    problem: Exception | None = None

    def print_lines(self, lines: Sequence[TicketLine]) -> None:
        if self.problem:
            raise self.problem
        self.tickets.append([line.text for line in lines])

    def print_bytes(self, data: bytes, block: Sequence[TicketLine]) -> None:
        self.data.append(data)
        self.tickets.append([line.text for line in block])

    def open_drawer(self) -> None:
        self.drawers += 1

    def show(self, text: str) -> None:
        self.tickets.append([text])


@dataclass
class Desk:
    """A print server with three printers, and a till that asks it."""

    found: Found = field(default_factory=lambda: Found(BLOCK))
    printers: dict[int, Kept] = field(default_factory=lambda: {n: Kept() for n in (1, 2, 3)})
    display: Kept = field(default_factory=Kept)
    looked_up: list[tuple[str, int, str]] = field(default_factory=list)
    patience_s: float = 5
    look_up: LookUp | None = None

    def server(self) -> PrintServer:
        guard = Guard(("127.0.0.0/8", "192.168.1.0/24"), {DOLIBARR})
        points = Points(self.look_up or self._look_up, self.patience_s)
        return PrintServer(self.printers, self.display, points, guard, "EUR")

    def _look_up(self, text: str, columns: int, page: str) -> Found:
        self.looked_up.append((text, columns, page))
        return self.found

    def till(self) -> FlaskClient:
        return self.server().app().test_client()

    def post(self, path: str, body: str | bytes, **more: Any) -> TestResponse:
        headers = {"Origin": DOLIBARR, **more.pop("headers", {})}
        kind = "application/x-www-form-urlencoded; charset=UTF-8"
        return self.till().post(path, data=body, headers=headers, content_type=kind, **more)


def url_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# --- tickets -------------------------------------------------------------------------------------


def test_a_ticket_comes_out_with_its_points() -> None:
    desk = Desk()
    assert desk.post("/print", PAGE).status_code == 200
    (ticket,) = desk.printers[1].tickets
    assert "TC1-2611-0011" in ticket[3]
    assert ticket[-3] == "Total TTC                                12,00 €"
    # The rule that ends the ticket is the one that begins the block.
    assert ticket[-2:] == list(BLOCK)
    assert ticket.count("-" * 48) == 2
    ((text, columns, page),) = desk.looked_up
    assert "TC1-2611-0011" in text
    assert (columns, page) == (48, DOLIBARR)


def test_a_code_for_scanners_stands_at_the_end() -> None:
    desk, lines = Desk(found=Found(BLOCK, code="2Y7K-Q2M9-X")), []
    desk.printers[1].print_lines = lines.extend  # type: ignore[method-assign]
    desk.post("/print", PAGE)
    assert lines[-1] == TicketLine("2Y7K-Q2M9-X", is_qr=True)
    assert [line.is_qr for line in lines].count(True) == 1


def test_a_ticket_without_points_is_the_ticket() -> None:
    desk = Desk(found=Found())
    desk.post("/print", PAGE)
    assert desk.printers[1].tickets[0][-1] == "-" * 48


def test_a_digit_comes_back_from_the_sale() -> None:
    desk = Desk(found=Found((), (Decimal("7.53"),)))
    server = desk.server()
    server.currency = "GBP"
    page = "<table><tr><th>Total</th><td>£7.5</td></tr></table>"
    server.app().test_client().post("/print", data=page, headers={"Origin": DOLIBARR})
    assert desk.printers[1].tickets[0][0].endswith("£7.53")


def test_a_ticket_made_for_the_printer_gets_a_block_set_off_by_a_blank_line() -> None:
    desk, data = Desk(), b"\x1b@TC1-2611-0011\xff\xfe\n\x1dV\x00"
    assert desk.post("/printer/index.php", f"invoice={url_base64(data)}").status_code == 200
    assert desk.printers[1].data == [data]
    assert desk.printers[1].tickets == [["", *BLOCK]]
    assert "TC1-2611-0011" in desk.looked_up[0][0]


@pytest.mark.parametrize(
    ("path", "body", "number"),
    [
        ("/print2", ORDER, 2),
        ("/print3", ORDER, 3),
        ("/printer/index.php?printer=2", "invoice=" + url_base64(b"Pizza"), 2),
        ("/printer/index.php?printer=3", "invoice=" + url_base64(b"Pizza"), 3),
    ],
)
def test_the_kitchens_orders_pass_through(path: str, body: str, number: int) -> None:
    desk = Desk()
    assert desk.post(path, body).status_code == 200
    assert desk.looked_up == []
    assert len(desk.printers[number].tickets) == 1
    assert BLOCK[1] not in desk.printers[number].tickets[0]


def test_drawers_and_display() -> None:
    desk = Desk()
    assert desk.post("/print", "opendrawer").status_code == 200
    assert desk.post("/printer/drawer.php", "opendrawer").status_code == 200
    assert (desk.printers[1].drawers, desk.printers[1].tickets) == (2, [])
    shown = desk.till().get(
        "/display/index.php?text=Caf%C3%A9+++++++++++++++++12,00", headers={"Origin": DOLIBARR}
    )
    assert shown.status_code == 200
    assert desk.display.tickets == [["Café                 12,00"]]


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", ["", "invoice=", "invoice=%%%", "invoice=a", "invoice=ä", "nothing", "invoice==="]
)
def test_what_is_no_ticket_for_a_printer_is_said(body: str) -> None:
    desk = Desk()
    answer = desk.post("/printer/index.php", body)
    assert answer.status_code == 503
    assert "this is no ticket" in answer.text
    assert desk.printers[1].data == []


def test_padding_and_other_fields_do_no_harm() -> None:
    desk = Desk()
    for data in (b"a", b"ab", b"abc", b"\xfb\xff\xfe"):
        whole = base64.urlsafe_b64encode(data).decode()
        for given in (whole, whole.rstrip("="), whole.replace("=", "%3D"), f"{whole}&x=1"):
            assert desk.post("/printer/index.php", f"invoice={given}").status_code == 200
            assert desk.printers[1].data.pop() == data


@pytest.mark.parametrize("body", ["", "   ", "<html></html>", "<p>x</p>" * 501])
def test_what_is_no_page_of_a_ticket_is_not_printed(body: str) -> None:
    desk = Desk()
    assert desk.post("/print", body).status_code == 503
    assert desk.printers[1].tickets == []


def test_bytes_that_are_no_text_are_a_ticket_all_the_same() -> None:
    desk = Desk()
    assert desk.post("/print", b"<p>Caf\xe9 \xff\x1b@</p>").status_code == 200
    assert "\x1b" not in "".join(desk.printers[1].tickets[0])


def test_a_printer_or_display_that_is_not_there_is_said() -> None:
    desk = Desk(printers={2: Kept()})
    assert "there is no printer 1" in desk.post("/print", PAGE).text
    assert "there is no printer 1" in desk.post("/printer/drawer.php", "").text
    assert (
        desk.post("/printer/index.php?printer=x", "invoice=" + url_base64(b"x")).status_code == 503
    )
    server = desk.server()
    server.display = None
    answer = server.app().test_client().get("/display/index.php", headers={"Origin": DOLIBARR})
    assert "no customer display" in answer.text


def test_a_printer_that_is_off_is_logged_and_told() -> None:
    desk = Desk()
    desk.printers[1].problem = RefusedError("printer 10.0.0.9:9100 does not answer")
    with capture_logs() as logs:
        answer = desk.post("/print", PAGE)
    assert (answer.status_code, answer.text) == (503, "printer 10.0.0.9:9100 does not answer\n")
    assert [line["event"] for line in logs] == ["not printed"]


def test_a_bug_of_ours_is_logged_and_not_shown() -> None:
    desk = Desk()
    desk.printers[1].problem = ZeroDivisionError("secret")
    with capture_logs() as logs:
        answer = desk.post("/print", PAGE)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "secret" in logs[0]["reason"]


# --- points that do not come ---------------------------------------------------------------------


@pytest.mark.parametrize("error", [TransientError("Dolibarr does not answer"), ValueError("bug")])
def test_whatever_goes_wrong_with_points_the_ticket_comes_out(error: Exception) -> None:
    def broken(*_asked: object) -> Found:
        raise error

    desk = Desk(look_up=broken)
    with capture_logs() as logs:
        assert desk.post("/print", PAGE).status_code == 200
    assert len(desk.printers[1].tickets) == 1
    assert logs[0]["event"] == "ticket without points"
    assert str(error) in logs[0]["reason"]


def test_points_that_take_too_long_are_left_out_and_hold_up_nobody() -> None:
    held, asked = threading.Event(), []

    def slow(text: str, *_more: object) -> Found:
        asked.append(text)
        held.wait(30)
        return Found(BLOCK)

    points = Points(slow, 0.05)
    begun = time.monotonic()
    found = [points.of(f"ticket {number}", 48, "") for number in range(8)]
    assert time.monotonic() - begun < 5
    assert found == [Found()] * 8
    held.set()
    # Those that were given up are not looked up later.
    give_up = time.monotonic() + 10
    while points.of("x", 48, "") == Found() and time.monotonic() < give_up:
        pass
    assert points.of("x", 48, "") == Found(BLOCK)
    assert asked[0] == "ticket 0"
    assert set(asked[1:]) == {"x"}
    points.close()


# --- who may print -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://erp.example.org:81", "https://erp.example.org"],
)
def test_a_page_somewhere_cannot_print(origin: str) -> None:
    desk = Desk()
    with capture_logs() as logs:
        answer = desk.post("/print", "opendrawer", headers={"Origin": origin})
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "[print_server] pages" in logs[0]["reason"]
    assert desk.printers[1].drawers == 0


def test_only_tills_may_print() -> None:
    desk = Desk()

    def asked(address: str) -> int:
        return desk.post("/print", "opendrawer", environ_base={"REMOTE_ADDR": address}).status_code

    assert asked("192.168.1.7") == 200
    assert asked("::ffff:192.168.1.7") == 200
    assert [asked(one) for one in ("192.168.2.7", "8.8.8.8", "::1", "", "fe80::1%eth0")] == [
        403
    ] * 5
    assert desk.printers[1].drawers == 2


def test_what_is_no_browser_may_print_and_a_picture_of_a_page_shows_nothing() -> None:
    desk = Desk()
    till = desk.till()
    assert till.post("/print", data=PAGE).status_code == 200
    assert till.get("/display/index.php?text=x").status_code == 403
    referer = {"Referer": "http://evil.example/page"}
    assert till.get("/display/index.php?text=x", headers=referer).status_code == 403
    assert till.post("/print", data=PAGE, headers=referer).status_code == 403
    own = {"Referer": f"{DOLIBARR}/takepos/index.php"}
    assert till.get("/display/index.php?text=x", headers=own).status_code == 200


def test_browsers_may_read_the_answer_and_ask_before_they_post() -> None:
    desk = Desk()
    answer = desk.post("/print", PAGE)
    assert answer.headers["Access-Control-Allow-Origin"] == DOLIBARR
    assert answer.headers["Vary"] == "Origin"
    asked = {
        "Origin": DOLIBARR,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
        "Access-Control-Request-Private-Network": "true",
    }
    before = desk.till().options("/print", headers=asked)
    assert before.status_code == 200
    assert before.headers["Access-Control-Allow-Private-Network"] == "true"
    assert "POST" in before.headers["Access-Control-Allow-Methods"]
    assert before.headers["Access-Control-Allow-Headers"] == "*"
    refused = desk.till().options("/print", headers={**asked, "Origin": "http://evil.example"})
    assert refused.status_code == 403
    assert "Access-Control-Allow-Private-Network" not in refused.headers
    assert len(desk.printers[1].tickets) == 1


# --- on the network ------------------------------------------------------------------------------


@pytest.fixture
def printer() -> Iterator[FakePrinter]:
    found = FakePrinter()
    yield found
    found.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def listening(printer: FakePrinter) -> Iterator[Listener]:
    wire = NetworkWire("127.0.0.1", printer.port, 5)
    desk = Desk()
    server = desk.server()
    server.printers = {1: EscposPrinter(wire, 48, "CP858", 5)}
    listener = Listener(server, "127.0.0.1", free_port())
    listener.start()
    yield listener
    listener.close()
    server.points.close()


def post(listener: Listener, body: bytes, path: str = "/print") -> int:
    connection = HTTPConnection("127.0.0.1", listener.port, timeout=20)
    connection.request("POST", path, body, {"Origin": DOLIBARR})
    status = connection.getresponse().status
    connection.close()
    return status


def test_two_tickets_at_once_come_out_whole(listening: Listener, printer: FakePrinter) -> None:
    pages = [PAGE.replace("TC1-2611-0011", f"TC{number}-2611-0011") for number in range(1, 5)]
    with ThreadPoolExecutor(4) as tills:
        answers = list(tills.map(lambda page: post(listening, page.encode()), pages))
    assert answers == [200] * 4
    tickets = [read_paper(data) for data in printer.wait(4)]
    for number in range(1, 5):
        (mine,) = [ticket for ticket in tickets if f"TC{number}-2611-0011" in ticket]
        assert mine.count("12,00 €") == 1
        assert BLOCK[1] in mine


def test_a_till_that_says_nothing_holds_up_nobody(
    listening: Listener, printer: FakePrinter
) -> None:
    silent = []
    for _ in range(20):
        till = socket.create_connection(("127.0.0.1", listening.port))
        till.sendall(b"POST /print HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n<p>")
        silent.append(till)
    assert post(listening, PAGE.encode()) == 200
    assert len(printer.wait()) == 1
    for till in silent:
        till.close()


def test_a_body_without_end_is_refused(listening: Listener, printer: FakePrinter) -> None:
    connection = HTTPConnection("127.0.0.1", listening.port, timeout=20)
    connection.putrequest("POST", "/print")
    connection.putheader("Content-Length", str(BODY_BYTES_MAX * 1000))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert printer.tickets == []


def test_another_server_takes_its_place(listening: Listener) -> None:
    assert listening.answers()
    changed = Desk()
    listening.replace(changed.server())
    assert post(listening, PAGE.encode()) == 200
    assert len(changed.printers[1].tickets) == 1


def test_what_does_not_answer_is_seen() -> None:
    assert not is_answering("127.0.0.1", free_port())
