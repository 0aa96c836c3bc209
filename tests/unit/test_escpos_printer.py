"""The bytes that a printer gets."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from connectors.escpos_printer import (
    CustomerDisplay,
    EscposPrinter,
    compose,
    decode,
    encode,
    ending,
    with_block,
)
from connectors.ticket_html import TicketLine
from dolisync.errors import RefusedError

LINES = (TicketLine("Épicerie", is_bold=True, is_tall=True), TicketLine("Total   7,50 €"))
FULL_CUT, PARTIAL_CUT = b"\x1dV\x00", b"\x1dV\x01"


@dataclass
class Sheet:
    """A wire that keeps what it is sent."""

    sent: list[bytes] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def look(self) -> str:
        return "paper"


def printer(**more: object) -> tuple[EscposPrinter, Sheet]:
    sheet = Sheet()
    return EscposPrinter(sheet, 48, "CP858", 0.05, **more), sheet  # type: ignore[arg-type]


def test_a_ticket_begins_afresh_names_its_characters_and_is_cut() -> None:
    machine, sheet = printer()
    machine.print_lines(LINES)
    (data,) = sheet.sent
    assert data.startswith(b"\x1b@\x1bt\x13")
    assert data.endswith(FULL_CUT)
    assert b"\x90picerie\n" in data
    assert b"Total   7,50 \xd5\n" in data


def test_bold_and_tall_end_where_they_end() -> None:
    data = compose(LINES, "CP858")
    before, after = data.split(b"\x90picerie\n")
    assert b"\x1bE\x01" in before
    assert b"\x1bE\x00" in after.split(b"Total")[0]
    assert compose((LINES[1],), "CP858").split(b"Total")[0].count(b"\x1bE") == 0


@pytest.mark.parametrize(
    ("text", "code_page", "written"),
    [
        ("é€", "CP858", b"\x82\xd5"),
        ("é€", "CP437", b"\x82?"),
        ("é€", "ISO_8859-15", b"\xe9\xa4"),
        ("č ő", "CP858", b"c o"),
        ("煎茶", "CP858", b"??"),
        ("e\u0301", "CP858", b"e"),
        ("7…", "CP858", b"7..."),
    ],
)
def test_what_a_printer_lacks_loses_its_accent(text: str, code_page: str, written: bytes) -> None:
    assert encode(text, code_page) == written


@pytest.mark.parametrize(
    ("cut", "end"), [("full", FULL_CUT), ("partial", PARTIAL_CUT), ("none", b"\x1bd\x06")]
)
def test_the_cut_is_as_set(cut: str, end: bytes) -> None:
    assert ending(cut).endswith(end)  # type: ignore[arg-type]


@pytest.mark.parametrize(("pins", "sent"), [((2,), b"\x1bp\x00"), ((5,), b"\x1bp\x01")])
def test_the_drawer_opens_on_its_pin(pins: tuple[int, ...], sent: bytes) -> None:
    machine, sheet = printer(drawer_pins=pins)
    machine.open_drawer()
    assert sheet.sent[0].startswith(sent)
    assert sheet.sent[0].count(b"\x1bp") == 1


def test_no_drawer_is_said() -> None:
    machine, sheet = printer(drawer_pins=())
    with pytest.raises(RefusedError, match="no drawer"):
        machine.open_drawer()
    assert sheet.sent == []


def test_a_block_stands_before_the_cut_and_after_a_whole_line() -> None:
    ticket = b"\x1b@Ticket without end\x1dVA\x03"
    assert with_block(ticket, b"BLOCK") == b"\x1b@Ticket without end\nBLOCK\x1dVA\x03"
    assert with_block(b"no cut", b"BLOCK") == b"no cut\nBLOCK"
    # What looks like a cut far from the end is part of a picture.
    picture = b"\x1dV" + b"x" * 100
    assert with_block(picture, b"BLOCK") == picture + b"\nBLOCK"


def test_bytes_without_a_block_are_printed_unchanged() -> None:
    machine, sheet = printer()
    machine.print_bytes(b"\x1b@order\x1dV\x00", ())
    assert sheet.sent == [b"\x1b@order\x1dV\x00"]


def test_a_code_is_drawn_by_the_printer_in_the_middle_and_what_follows_is_not() -> None:
    data = compose((TicketLine("2Y7K-Q2M9-X", is_qr=True), TicketLine("after")), "CP858")
    assert b"\x1ba\x01\x1d(k" in data
    # Stored with its length, then printed.
    assert b"\x1d(k\x0e\x001P02Y7K-Q2M9-X\x1d(k\x03\x001Q0" in data
    assert b"\x1ba\x00after\n" in data.replace(b"\x1ba\x00\x1ba\x00", b"\x1ba\x00")
    assert b"2Y7K-Q2M9-X\n" not in data


def test_commands_are_no_part_of_what_a_ticket_says() -> None:
    data = b"\x1b@\x1b!0TC1-2611-0042\n\x1ba\x01\x1d!\x11Merci \x82\n"
    words = decode(data, "CP858").split()
    assert words[0] == "TC1-2611-0042"
    assert words[-1] == "é"


def test_a_ticket_waits_for_the_one_before_it_but_not_for_ever() -> None:
    held, begun = threading.Event(), threading.Event()

    class Slow(Sheet):
        def send(self, data: bytes) -> None:
            begun.set()
            held.wait(10)
            super().send(data)

    sheet = Slow()
    machine = EscposPrinter(sheet, 48, "CP858", 0.05)
    first = threading.Thread(target=machine.print_lines, args=(LINES,))
    first.start()
    assert begun.wait(10)
    with pytest.raises(RefusedError, match="busy"):
        machine.print_lines(LINES)
    held.set()
    first.join(10)
    machine.print_lines(LINES)
    assert len(sheet.sent) == 2


def test_a_display_shows_two_lines_and_obeys_nobody() -> None:
    sheet = Sheet()
    CustomerDisplay(sheet, "CP858").show("Café\x1b@" + "x" * 100)
    assert sheet.sent == [b"\x0c" + b"Caf\x82 @" + b"x" * 34]
    CustomerDisplay(sheet, "CP858").show("Total")
    assert len(sheet.sent[1]) == 41
