"""ESC/POS printers, drawers and customer displays: bytes made by python-escpos, and sent.

A ticket is sent once. What a printer did with it when the connection broke is not to be known, and
printing again by itself would give the customer two receipts.
"""

from __future__ import annotations

import socket
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from escpos.printer import Dummy

from connectors.ticket_html import TicketLine
from dolisync.errors import RefusedError, UnknownOutcome

INITIALIZE = b"\x1b@"
_CUTS = (b"\x1dV", b"\x1bi", b"\x1bm")
# The last cut stands near the end; a pattern further up is part of a picture.
_TAIL_BYTES = 64
_CODECS = {"ISO_8859-15": "iso8859_15"}
DISPLAY_COLUMNS = 20
_CLEAR_DISPLAY = b"\x0c"


class Wire(Protocol):
    """Where bytes go."""

    def send(self, data: bytes) -> None:
        """Send all bytes. Raises ``RefusedError`` before any was sent, else ``UnknownOutcome``."""


@dataclass(frozen=True, slots=True)
class NetworkWire:
    """A printer that listens on the network, as most do on port 9100."""

    host: str
    port: int
    timeout_s: float

    def send(self, data: bytes) -> None:
        """Connect and send."""
        where = f"{self.host}:{self.port}"
        try:
            connection = socket.create_connection((self.host, self.port), self.timeout_s)
        except OSError as error:
            message = f"printer {where} does not answer: {_reason(error)}"
            raise RefusedError(message) from error
        with connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except OSError as error:
                message = f"printer {where} broke off: {_reason(error)}"
                raise UnknownOutcome(message) from error


@dataclass(frozen=True, slots=True)
class FileWire:
    """A device such as /dev/usb/lp0, or a file to which tickets are added."""

    path: Path

    def send(self, data: bytes) -> None:
        """Add the bytes to the file."""
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(data)
        except OSError as error:
            message = f"{self.path} cannot be written: {_reason(error)}"
            raise RefusedError(message) from error


@dataclass(frozen=True, slots=True)
class NoWire:
    """Nothing is printed."""

    def send(self, data: bytes) -> None:
        """Throw the bytes away."""


@dataclass(slots=True)
class EscposPrinter:
    """One printer: one ticket at a time. ``columns`` is how many characters fit on a line."""

    wire: Wire
    columns: int
    code_page: str
    has_drawer: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def print_lines(self, lines: Iterable[TicketLine]) -> None:
        """Print lines and cut the paper. Raises ``RefusedError`` and ``UnknownOutcome``."""
        self._send(compose(lines, self.code_page) + cut())

    def print_bytes(self, data: bytes, block: Sequence[TicketLine]) -> None:
        """Print bytes that are made for a printer, with a block before their last cut."""
        self._send(with_block(data, compose(block, self.code_page) if block else b""))

    def open_drawer(self) -> None:
        """Open the cash drawer. Raises ``RefusedError`` where there is none."""
        if not self.has_drawer:
            message = "no drawer is connected to this printer"
            raise RefusedError(message)
        self._send(drawer())

    def _send(self, data: bytes) -> None:
        with self._lock:
            self.wire.send(data)


@dataclass(frozen=True, slots=True)
class CustomerDisplay:
    """A display of two lines for the customer."""

    wire: Wire
    code_page: str

    def show(self, text: str) -> None:
        """Show two lines, given as one text of 40 characters."""
        fitted = text[: 2 * DISPLAY_COLUMNS].ljust(2 * DISPLAY_COLUMNS)
        self.wire.send(_CLEAR_DISPLAY + encode(fitted, self.code_page))


def compose(lines: Iterable[TicketLine], code_page: str) -> bytes:
    """Return what a printer is sent for these lines."""
    printer = Dummy()
    printer.charcode(code_page)
    style = (False, False)
    for line in lines:
        if (line.is_bold, line.is_tall) != style:
            style = (line.is_bold, line.is_tall)
            size = {"double_height": True} if line.is_tall else {"normal_textsize": True}
            printer.set(bold=line.is_bold, **size)
        printer._raw(encode(line.text, code_page) + b"\n")  # noqa: SLF001 - its own words for bytes
    printer.set_with_default()
    return INITIALIZE + bytes(printer.output)


def cut() -> bytes:
    """Return the command that feeds and cuts the paper."""
    printer = Dummy()
    printer.cut()
    return bytes(printer.output)


def drawer() -> bytes:
    """Return the command that opens a drawer, on either pin."""
    printer = Dummy()
    printer.cashdraw(2)
    printer.cashdraw(5)
    return bytes(printer.output)


def with_block(data: bytes, block: bytes) -> bytes:
    """Put a block before the last cut of a ticket, or at its end where nothing is cut."""
    place = max(data.rfind(command) for command in _CUTS)
    if place < 0 or place < len(data) - _TAIL_BYTES:
        return data + block
    return data[:place] + block + data[place:]


def encode(text: str, code_page: str) -> bytes:
    """Write text in the printer's characters; what it lacks loses its accent, or is a ``?``."""
    codec = _CODECS.get(code_page, code_page.lower())
    return b"".join(_encoded(character, codec) for character in text)


def _encoded(character: str, codec: str) -> bytes:
    try:
        return character.encode(codec)
    except UnicodeEncodeError:
        plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore")
        return plain or (b"" if unicodedata.combining(character) else b"?")


def decode(data: bytes, code_page: str) -> str:
    """Read what a ticket made for a printer says, commands and pictures as noise among it."""
    return data.decode(_CODECS.get(code_page, code_page.lower()), "replace")


def _reason(error: OSError) -> str:
    return str(error.strerror or error)
