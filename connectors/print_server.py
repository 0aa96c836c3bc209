"""The print server that TakePOS's browser talks to: tickets, kitchen orders, drawer, display.

It speaks what Dolibarr calls the TakePOS connector (docs/printing.md). A ticket gets its loyalty
block on the way to the printer; where the points are not known in time it is printed without them.
No till ever waits for points: its browser does not even look at the answer.
"""

from __future__ import annotations

import base64
import binascii
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import structlog
from flask import Flask, Response, g, request
from waitress.server import BaseWSGIServer, create_server
from werkzeug.exceptions import HTTPException as HttpAnswer

from connectors.escpos_printer import decode
from connectors.print_watch import GREETING, is_answering
from connectors.ticket_html import TicketLine, lay_out, visible_text
from connectors.ticket_mending import mended
from connectors.till_guard import Guard, NotAdmittedError, page_asking
from dolisync.errors import DolisyncError, RefusedError, UnknownOutcome

log = structlog.get_logger()

BODY_BYTES_MAX = 1024 * 1024
# Two metres of paper: what is longer is no ticket.
LINES_MAX = 500
THREADS = 8
CONNECTIONS_MAX = 50
# A till that sends nothing for so long is given up.
SILENCE_S = 20
LAST_TICKETS_S = 10
_OPEN_DRAWER = b"opendrawer"
_WAITING_MAX = 4
Answer = tuple[str, int, dict[str, str]]

_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the sale on a ticket: lines to add, its amounts, and a code for scanners."""

    block: Sequence[str] = ()
    amounts: Sequence[Decimal] = ()
    code: str = ""


# Given what can be read on a ticket, how many columns it has, and the origin of the page that
# prints it, say what is known of its sale.
LookUp = Callable[[str, int, str], Found]


class Printer(Protocol):
    """A printer for tickets."""

    columns: int
    code_page: str

    def print_lines(self, lines: Sequence[TicketLine]) -> None:
        """Print lines and cut."""

    def print_bytes(self, data: bytes, block: Sequence[TicketLine]) -> None:
        """Print bytes made for a printer, with a block before the cut."""

    def open_drawer(self) -> None:
        """Open the drawer."""


class Display(Protocol):
    """A display for the customer."""

    def show(self, text: str) -> None:
        """Show two lines of 20 characters."""


@dataclass(slots=True)
class Points:
    """Look sales up, one after the other, and wait no longer than ``patience_s`` for each."""

    look_up: LookUp
    patience_s: float
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "points"), init=False
    )
    _waiting: list[Future[Found]] = field(default_factory=list, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def of(self, text: str, columns: int, page: str) -> Found:
        """Return what is known of a ticket's sale; nothing where it is not known in time."""
        with self._lock:
            self._waiting = [asked for asked in self._waiting if not asked.done()]
            if len(self._waiting) >= _WAITING_MAX:
                return _without_points("the tickets before still wait for theirs")
            asked = self._pool.submit(self.look_up, text, columns, page)
            self._waiting.append(asked)
        try:
            return asked.result(self.patience_s)
        except TooLate:
            asked.cancel()
            return _without_points(f"not known within {self.patience_s:g} s")
        # Whatever it is, the customer gets a ticket.
        except Exception as error:
            return _without_points(_told(error))

    def close(self) -> None:
        """Look nothing up any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _without_points(reason: str) -> Found:
    log.warning("ticket without points", reason=reason)
    return Found()


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, DolisyncError) else repr(error)


@dataclass(slots=True)
class PrintServer:
    """Everything that a till may ask for."""

    printers: Mapping[int, Printer]
    display: Display | None
    points: Points
    guard: Guard
    currency: str

    def app(self) -> Flask:
        """Return the web application with TakePOS's addresses."""
        app = Flask("print server", static_folder=None)
        app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
        app.before_request(self._admit)
        app.after_request(self._open_to_dolibarr)
        app.register_error_handler(Exception, _answer_error)
        app.add_url_rule("/", view_func=state, methods=["GET"])
        for path, number in (("/print", 1), ("/print2", 2), ("/print3", 3)):
            app.add_url_rule(
                path, f"page{number}", lambda number=number: self.page(number), methods=["POST"]
            )
        app.add_url_rule("/printer/index.php", view_func=self.bytes, methods=["POST"])
        app.add_url_rule("/printer/drawer.php", view_func=self.drawer, methods=["POST"])
        app.add_url_rule("/display/index.php", view_func=self.show, methods=["GET"])
        return app

    def _admit(self) -> None:
        """Let tills and Dolibarr's pages in; who only looks whether it is there needs no page."""
        if request.path == "/":
            return
        method = request.headers.get("Access-Control-Request-Method", request.method)
        address = request.remote_addr or ""
        g.page = self.guard.admit(address, method, dict(request.headers.items()))

    def _open_to_dolibarr(self, response: Response) -> Response:
        """Let the till's page, which comes from Dolibarr's address, call this one."""
        page = page_asking(dict(request.headers.items()))
        if page in self.guard.pages:
            response.headers["Access-Control-Allow-Origin"] = page
            response.headers["Access-Control-Allow-Methods"] = "GET, POST"
            response.headers["Access-Control-Allow-Headers"] = "*"
            # Chromium asks for this where the till's network is less public than Dolibarr's.
            response.headers["Access-Control-Allow-Private-Network"] = "true"
        response.headers["Vary"] = "Origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    # --- what a till asks for --------------------------------------------------------------------

    def page(self, number: int) -> Answer:
        """Print a page of receipt.php, or a kitchen order; or open the drawer."""
        body = request.get_data(cache=False)
        if body.strip() == _OPEN_DRAWER:
            return self.drawer()
        printer = self._printer(number)
        page = body.decode("utf-8", "replace")
        found = self._found(number, visible_text(page), printer.columns)
        lines = lay_out(mended(page, self.currency, found.amounts), printer.columns)
        if not lines or len(lines) > LINES_MAX:
            message = f"a ticket has 1 to {LINES_MAX} lines, this has {len(lines)}"
            raise RefusedError(message)
        block = _set_off(found, lines[-1].text)
        printer.print_lines([*lines, *block])
        return _printed(number, block)

    def bytes(self) -> Answer:
        """Print what Dolibarr's own receipt templates made for an ESC/POS printer."""
        number = request.args.get("printer", 1, type=int)
        printer = self._printer(number)
        data = _from_base64(request.get_data(cache=False))
        found = self._found(number, decode(data, printer.code_page), printer.columns)
        block = _set_off(found)
        printer.print_bytes(data, block)
        return _printed(number, block)

    def _found(self, number: int, text: str, columns: int) -> Found:
        """Look a sale up; what goes to the kitchen's printers is no receipt."""
        return self.points.of(text, columns, g.page) if number == 1 else Found()

    def drawer(self) -> Answer:
        """Open the cash drawer of the first printer."""
        self._printer(1).open_drawer()
        log.info("drawer opened")
        return "opened\n", 200, _TEXT

    def show(self) -> Answer:
        """Show two lines on the customer display."""
        if self.display is None:
            message = "there is no customer display; add [print_server.display] to config.toml"
            raise RefusedError(message)
        self.display.show(request.args.get("text", ""))
        return "shown\n", 200, _TEXT

    def _printer(self, number: int) -> Printer:
        if number not in self.printers:
            message = f"there is no printer {number}; add [[print_server.printer]] to config.toml"
            raise RefusedError(message)
        return self.printers[number]


def state() -> Answer:
    """Say that the server is there, to a person who looks with a browser."""
    return f"{GREETING}\n", 200, _TEXT


def _set_off(found: Found, last_line: str = "") -> tuple[TicketLine, ...]:
    """Part a block from the ticket, by one line from edge to edge where both have one."""
    if not found.block:
        return ()
    lines = found.block[1:] if found.block[0] == last_line else ["", *found.block]
    code = [TicketLine(""), TicketLine(found.code, is_qr=True)] if found.code else []
    return (*(TicketLine(line) for line in lines), *code)


def _printed(number: int, block: Sequence[TicketLine]) -> Answer:
    log.info("printed", printer=number, with_points=bool(block))
    return "printed\n", 200, _TEXT


def _from_base64(body: bytes) -> bytes:
    """Read base64 for addresses, whose padding TakePOS leaves out. Raises ``RefusedError``."""
    _, _, given = body.partition(b"invoice=")
    text = unquote_to_bytes(given.split(b"&")[0]).strip()
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        message = (
            "this is no ticket: give the terminal a printer template in TakePOS, and switch on "
            "the module Receipt printers"
        )
        raise RefusedError(message)
    return data


def _answer_error(error: Exception) -> Answer:
    """Answer in one line; only what is wrong with us is logged as an error of ours."""
    if isinstance(error, HttpAnswer):
        return f"{error.name}\n", error.code or 500, _TEXT
    if isinstance(error, NotAdmittedError):
        log.warning("not admitted", reason=str(error))
        return f"{error}\n", 403, _TEXT
    if isinstance(error, RefusedError | UnknownOutcome):
        log.error("not printed", reason=str(error))
        return f"{error}\n", 503, _TEXT
    log.error("not printed", reason=repr(error), exc_info=error)
    return "something went wrong; the log of dolisync says what\n", 500, _TEXT


class Listener:
    """A print server that listens. Another may take its place without a till noticing."""

    def __init__(self, server: PrintServer, host: str, port: int) -> None:
        """Begin to listen on a numeric address. Raises ``OSError`` where the port is taken."""
        self._app = server.app()
        self._sockets: dict[int, Any] = {}
        waiting = create_server(
            self._answer,
            map=self._sockets,
            sockets=[_socket_at(host, port)],
            threads=THREADS,
            connection_limit=CONNECTIONS_MAX,
            channel_timeout=SILENCE_S,
            max_request_body_size=BODY_BYTES_MAX,
            ident="dolisync",
        )
        assert isinstance(waiting, BaseWSGIServer), "one address is one socket"
        self._server, self.host, self.port = waiting, host, port
        self._thread = threading.Thread(target=waiting.run, name="print server", daemon=True)

    def _answer(self, environ: Any, start_response: Any) -> Any:
        return self._app(environ, start_response)

    def start(self) -> None:
        """Answer tills from now on."""
        self._thread.start()

    def replace(self, server: PrintServer) -> None:
        """Answer by another server from the next request on."""
        self._app = server.app()

    def close(self) -> None:
        """Print what was begun, and answer no more."""
        self._server.task_dispatcher.shutdown(cancel_pending=False, timeout=LAST_TICKETS_S)
        # Only the thread that listens may close what it listens to.
        trigger: Any = self._server.trigger
        trigger.pull_trigger(self._close_sockets)
        self._thread.join(LAST_TICKETS_S)

    def _close_sockets(self) -> None:
        self._server.close()
        for channel in list(self._sockets.values()):
            channel.close()

    def answers(self) -> bool:
        """Tell whether it answers: a hung one does not."""
        return is_answering(self.host, self.port)


def _socket_at(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)
