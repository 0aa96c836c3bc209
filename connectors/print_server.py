"""The print server that TakePOS's browser talks to: tickets, kitchen orders, drawer, display.

It speaks what Dolibarr calls the TakePOS connector (dolibarr.md I). A ticket gets its loyalty block
on the way to the printer; where the points are not known in time it is printed without them. No
till ever waits for points: its browser does not even look at the answer.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, field
from typing import Protocol

import structlog
import waitress
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from connectors.escpos_printer import decode
from connectors.ticket_html import TicketLine, lay_out, visible_text
from dolisync.errors import DolisyncError, RefusedError, UnknownOutcome

log = structlog.get_logger()

BODY_BYTES_MAX = 2 * 1024 * 1024
THREADS = 8
_OPEN_DRAWER = b"opendrawer"
_LOOKING_AT_ONCE = 4

# Given what can be read on a ticket and how many columns it has, say what stands in its block.
Block = Callable[[str, int], Sequence[str]]


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
class Blocks:
    """Ask for loyalty blocks, and wait no longer than ``patience_s`` for each."""

    block: Block
    patience_s: float
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_LOOKING_AT_ONCE, "points")
    )
    _open: set[Future[Sequence[str]]] = field(default_factory=set)

    def of(self, text: str, columns: int) -> tuple[TicketLine, ...]:
        """Return the block of a ticket; nothing where it has none, or is not known in time."""
        self._open = {asked for asked in self._open if not asked.done()}
        if len(self._open) >= _LOOKING_AT_ONCE:
            log.warning("ticket without points", reason="the tickets before still wait for theirs")
            return ()
        asked = self._pool.submit(self.block, text, columns)
        self._open.add(asked)
        try:
            lines = asked.result(self.patience_s)
        except TooLate:
            log.warning("ticket without points", reason=f"not known within {self.patience_s:g} s")
            return ()
        except Exception as error:  # noqa: BLE001 - whatever it is, the customer gets a ticket
            log.error("ticket without points", reason=_told(error))
            return ()
        return tuple(TicketLine(line) for line in lines)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, DolisyncError) else repr(error)


@dataclass(slots=True)
class PrintServer:
    """Everything that a till may ask for."""

    printers: Mapping[int, Printer]
    display: Display | None
    blocks: Blocks
    tills: Sequence[str]

    def app(self) -> Flask:
        """Return the web application with TakePOS's addresses."""
        app = Flask("print server", static_folder=None)
        app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
        app.before_request(self._admit)
        app.after_request(_open_to_browsers)
        app.register_error_handler(Exception, _answer_error)
        app.add_url_rule("/", view_func=self.state, methods=["GET"])
        for path, number in (("/print", 1), ("/print2", 2), ("/print3", 3)):
            app.add_url_rule(
                path, f"page{number}", lambda number=number: self.page(number), methods=["POST"]
            )
        app.add_url_rule("/printer/index.php", view_func=self.bytes, methods=["POST"])
        app.add_url_rule("/printer/drawer.php", view_func=self.drawer, methods=["POST"])
        app.add_url_rule("/display/index.php", view_func=self.show, methods=["GET"])
        return app

    def serve(self, host: str, port: int) -> None:
        """Answer tills until the process is told to stop. Raises ``OSError`` for a busy port."""
        waitress.serve(
            self.app(), host=host, port=port, threads=THREADS, ident="dolisync", _quiet=True
        )

    def _admit(self) -> None:
        address = ipaddress.ip_address(request.remote_addr or "0.0.0.0")  # noqa: S104
        if not any(address in ipaddress.ip_network(network) for network in self.tills):
            log.warning("not a till", address=str(address))
            message = f"{address} is not among the tills; name it under [print_server] tills"
            raise RefusedError(message)

    # --- what a till asks for --------------------------------------------------------------------

    def state(self) -> str:
        """Say that the server is there, to a person who looks with a browser."""
        numbers = ", ".join(str(number) for number in sorted(self.printers)) or "none"
        return f"dolisync print server, printers: {numbers}\n"

    def page(self, number: int) -> str:
        """Print a page of receipt.php, or a kitchen order; or open the drawer."""
        body = request.get_data(cache=False)
        if body.strip() == _OPEN_DRAWER:
            return self.drawer()
        printer = self._printer(number)
        page = body.decode("utf-8", "replace")
        lines = lay_out(page, printer.columns)
        block = self.blocks.of(visible_text(page), printer.columns)
        printer.print_lines([*lines, *block])
        return _printed(number, len(block))

    def bytes(self) -> str:
        """Print what Dolibarr's own receipt templates made for an ESC/POS printer."""
        number = request.args.get("printer", 1, type=int)
        printer = self._printer(number)
        _, _, given = request.get_data(cache=False).partition(b"invoice=")
        data = _from_base64(given)
        block = self.blocks.of(decode(data, printer.code_page), printer.columns)
        printer.print_bytes(data, block)
        return _printed(number, len(block))

    def drawer(self) -> str:
        """Open the cash drawer of the first printer."""
        self._printer(1).open_drawer()
        return "opened\n"

    def show(self) -> str:
        """Show two lines on the customer display."""
        if self.display is None:
            message = "there is no customer display; add [print_server.display] to config.toml"
            raise RefusedError(message)
        self.display.show(request.args.get("text", ""))
        return "shown\n"

    def _printer(self, number: int) -> Printer:
        if number not in self.printers:
            message = f"there is no printer {number}; add [[print_server.printer]] to config.toml"
            raise RefusedError(message)
        return self.printers[number]


def _printed(number: int, block_lines: int) -> str:
    log.info("printed", printer=number, with_points=block_lines > 0)
    return "printed\n"


def _from_base64(given: bytes) -> bytes:
    """Read base64 for addresses, whose padding TakePOS leaves out."""
    text = given.split(b"&")[0].strip()
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        message = "this is no ticket of TakePOS: set its printer template for this terminal"
        raise RefusedError(message) from error


def _open_to_browsers(response: Response) -> Response:
    """Let the till's page, which comes from Dolibarr's address, call this one."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Headers"] = "*"
    response.headers["Access-Control-Allow-Private-Network"] = "true"
    response.headers.setdefault("Content-Type", "text/plain; charset=utf-8")
    return response


def _answer_error(error: Exception) -> tuple[str, int, dict[str, str]]:
    """Answer in one line; only what is wrong with us is logged as an error."""
    text = {"Content-Type": "text/plain; charset=utf-8"}
    if isinstance(error, HTTPException):
        return f"{error.name}\n", error.code or 500, text
    if isinstance(error, RefusedError | UnknownOutcome):
        log.error("not printed", reason=str(error))
        return f"{error}\n", 503, text
    log.error("not printed", reason=repr(error), exc_info=error)
    return "something went wrong; the log of dolisync says what\n", 500, text
