"""ESC/POS printers, drawers and customer displays: bytes made by python-escpos, and sent."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from escpos.printer import Dummy

from connectors.ticket_html import TicketLine
from connectors.wires import Wire
from dolisync.errors import RefusedError

CutMode = Literal["full", "partial", "none"]

INITIALIZE = b"\x1b@"
DISPLAY_COLUMNS = 20
_CUTS = (b"\x1dV", b"\x1bi", b"\x1bm")
# The last cut stands near the end; a pattern further up is part of a picture.
_TAIL_BYTES = 64
# Commands with the one byte that most have: they are no part of what a ticket says.
_COMMANDS = re.compile(rb"\x1b[@2]|[\x1b\x1c\x1d][!-~].", re.DOTALL)
_CODECS = {"ISO_8859-15": "iso8859_15"}
_CLEAR_DISPLAY = b"\x0c"
_FEED_LINES = 6
# Dots on paper for one of the code: 21 of them are 16 mm wide.
_QR_DOTS = 6


@dataclass(slots=True)
class EscposPrinter:
    """One printer: one ticket at a time. ``columns`` is how many characters fit on a line.

    ``drawer_pins`` are those that open a drawer, none where there is no drawer. A ticket waits
    ``timeout_s`` seconds for the one before it: behind a printer that is off none may pile up.
    """

    wire: Wire
    columns: int
    code_page: str
    timeout_s: float
    cut: CutMode = "full"
    drawer_pins: tuple[int, ...] = (2, 5)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def print_lines(self, lines: Iterable[TicketLine]) -> None:
        """Print lines and cut the paper. Raises ``RefusedError`` and ``UnknownOutcome``."""
        self._send(compose(lines, self.code_page) + ending(self.cut))

    def print_bytes(self, data: bytes, block: Sequence[TicketLine]) -> None:
        """Print bytes that are made for a printer, with a block before their last cut."""
        self._send(with_block(data, compose(block, self.code_page)) if block else data)

    def open_drawer(self) -> None:
        """Open the cash drawer. Raises ``RefusedError`` where there is none."""
        if not self.drawer_pins:
            message = "no drawer is connected to this printer"
            raise RefusedError(message)
        self._send(opening(self.drawer_pins))

    def _send(self, data: bytes) -> None:
        with self._mine():
            self.wire.send(data)

    @contextmanager
    def _mine(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self.timeout_s):
            message = "the printer is still busy with the ticket before"
            raise RefusedError(message)
        try:
            yield
        finally:
            self._lock.release()


@dataclass(frozen=True, slots=True)
class CustomerDisplay:
    """A display of two lines for the customer."""

    wire: Wire
    code_page: str

    def show(self, text: str) -> None:
        """Show two lines, given as one text of 40 characters."""
        shown = "".join(character if character.isprintable() else " " for character in text)
        fitted = shown[: 2 * DISPLAY_COLUMNS].ljust(2 * DISPLAY_COLUMNS)
        self.wire.send(_CLEAR_DISPLAY + encode(fitted, self.code_page))


def compose(lines: Iterable[TicketLine], code_page: str) -> bytes:
    """Return what a printer is sent for these lines."""
    printer = Dummy()
    printer.charcode(code_page)
    style = (False, False)
    for line in lines:
        if line.is_qr:
            _compose_qr(printer, line.text)
            continue
        if (line.is_bold, line.is_tall) != style:
            style = (line.is_bold, line.is_tall)
            size = {"double_height": True} if line.is_tall else {"normal_textsize": True}
            printer.set(bold=line.is_bold, **size)
        printer._raw(encode(line.text, code_page) + b"\n")  # noqa: SLF001 - its own words for bytes
    printer.set_with_default()
    return INITIALIZE + bytes(printer.output)


def _compose_qr(printer: Dummy, content: str) -> None:
    """Let the printer draw a QR code by itself, in the middle."""
    printer.set(align="center")
    printer.qr(content, native=True, size=_QR_DOTS)
    printer.set(align="left")


def ending(cut: CutMode) -> bytes:
    """Return the command that feeds the paper out, and cuts it."""
    printer = Dummy()
    if cut == "none":
        printer.print_and_feed(_FEED_LINES)
    else:
        printer.cut("FULL" if cut == "full" else "PART")
    return bytes(printer.output)


def opening(pins: Sequence[int]) -> bytes:
    """Return the command that opens a drawer on these pins."""
    printer = Dummy()
    for pin in pins:
        printer.cashdraw(pin)
    return bytes(printer.output)


def with_block(data: bytes, block: bytes) -> bytes:
    """Put a block before the last cut of a ticket, or at its end where nothing is cut.

    It begins with an end of line: the block makes the printer forget a line that was not ended.
    """
    place = max(data.rfind(command) for command in _CUTS)
    if place < 0 or place < len(data) - _TAIL_BYTES:
        place = len(data)
    return data[:place] + b"\n" + block + data[place:]


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
    """Read what a ticket made for a printer says; pictures come out as noise."""
    codec = _CODECS.get(code_page, code_page.lower())
    return _COMMANDS.sub(b" ", data).decode(codec, "replace")
