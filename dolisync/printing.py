"""The options of the print server: which printers there are, and who may print."""

from __future__ import annotations

import enum
import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from dolisync.program.section import Section
from dolisync.receipt import COLUMNS

TAKEPOS_PORT = 8111
PRINTER_PORT = 9100
_NOTHING = "none"
_HOST = re.compile(r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)(?::(?P<port>\d{1,5}))?")


class CodePage(enum.StrEnum):
    """The characters that a printer knows, by the names that printers use."""

    CP437 = "CP437"
    CP850 = "CP850"
    CP852 = "CP852"
    CP858 = "CP858"
    CP866 = "CP866"
    CP1250 = "CP1250"
    CP1252 = "CP1252"
    CP1253 = "CP1253"
    ISO_8859_15 = "ISO_8859-15"


class Cut(enum.StrEnum):
    """What a printer does with the paper after a ticket."""

    FULL = "full"
    PARTIAL = "partial"
    NOTHING = "none"


class Drawer(enum.StrEnum):
    """The pin of the printer's plug that opens the cash drawer."""

    BOTH = "both"
    PIN_2 = "2"
    PIN_5 = "5"
    NOTHING = "none"


@dataclass(frozen=True, slots=True)
class Network:
    """A place on the network."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write it as it is configured."""
        return f"{self.host}:{self.port}"


Place = Network | Path | None


def place_of(address: str) -> Place:
    """Say where an address leads: to the network, to a file, or nowhere. Raises ``ValueError``."""
    if address == _NOTHING:
        return None
    if address.startswith("/"):
        return Path(address)
    match = _HOST.fullmatch(address)
    port = int(match["port"] or PRINTER_PORT) if match else 0
    if match is None or not 1 <= port <= 65535:
        message = (
            f"'{address}' is no place for a printer; write 192.168.1.50, 192.168.1.50:9100, "
            "/dev/usb/lp0 or none"
        )
        raise ValueError(message)
    return Network(match["host"], port)


def origin_of(address: str) -> str:
    """Return what a browser calls the origin of an address. Raises ``ValueError``."""
    parts = urlsplit(address.strip().lower())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = f"'{address}' is no address of a web page; write http://erp.example.org"
        raise ValueError(message)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in {None, usual} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _address(text: str) -> str:
    place_of(text)
    return text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        message = f"'{text}' is no address or network; write 192.168.1.0/24 or 192.168.1.17"
        raise ValueError(message) from None


def _listened(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        message = f"'{text}' is no address; write 0.0.0.0, 127.0.0.1 or that of this machine"
        raise ValueError(message) from None


Address = Annotated[str, AfterValidator(_address)]
NetworkName = Annotated[str, AfterValidator(_network)]
ListenAddress = Annotated[str, AfterValidator(_listened)]


def _public(text: str) -> str:
    origin_of(text)
    return text.strip().rstrip("/")


PublicAddress = Annotated[str, AfterValidator(_public)]
PageOrigin = Annotated[str, AfterValidator(origin_of)]


class PrinterSettings(Section):
    """A printer. TakePOS prints receipts on number 1, kitchen orders on 1, 2 and 3."""

    number: Annotated[int, Field(ge=1, le=3)] = Field(1, description="Its number in TakePOS.")
    address: Address = Field(
        _NOTHING,
        description="Where it is: on the network (192.168.1.50, or 192.168.1.50:9100 with a port), "
        "a device or a file to which tickets are added (/dev/usb/lp0), or none: tickets are thrown "
        "away.",
    )
    width_mm: Annotated[int, Field(ge=58, le=80)] = Field(
        80, description="Width of the paper: 58 or 80."
    )
    columns: Annotated[int, Field(ge=20, le=96)] | None = Field(
        None,
        description="Characters on a line, where it is not 32 on 58 mm and 48 on 80 mm paper.",
    )
    code_page: CodePage = Field(
        CodePage.CP858,
        description="Characters that it knows; CP858 has those of western Europe with the euro. A "
        "character that it lacks is printed without its accent, or as a question mark.",
    )
    cut: Cut = Field(Cut.FULL, description="Cut the paper after a ticket: full, partial or none.")
    drawer: Drawer = Field(
        Drawer.BOTH,
        description="Pin of its plug that opens the cash drawer: 2, 5 or both; none without one.",
    )
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        5, description="Seconds to wait for the printer; a ticket is dropped after them."
    )

    @model_validator(mode="after")
    def _known_width(self) -> Self:
        if self.width_mm not in COLUMNS:
            message = "paper is 58 or 80 mm wide"
            raise ValueError(message)
        return self

    @property
    def line_columns(self) -> int:
        """How many characters stand on a line."""
        return self.columns or COLUMNS[self.width_mm]

    @property
    def place(self) -> Place:
        """Where it is."""
        return place_of(self.address)


class DisplaySettings(Section):
    """A customer display of two lines with 20 characters each."""

    address: Address = Field(
        _NOTHING,
        description="Where it is: on the network (192.168.1.51:9101), a device (/dev/ttyUSB0), or "
        "none.",
    )
    code_page: CodePage = Field(CodePage.CP858, description="Characters that it knows.")
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        2, description="Seconds to wait for the display."
    )

    @property
    def place(self) -> Place:
        """Where it is."""
        return place_of(self.address)


class PrintServerSettings(Section):
    """The print server for TakePOS: it adds the loyalty block to tickets as they are printed."""

    listen: ListenAddress = Field(
        "0.0.0.0",  # noqa: S104 - tills are other machines; `tills` says which
        description="Address on which it listens: 0.0.0.0 for all, 127.0.0.1 for this machine.",
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        TAKEPOS_PORT,
        description="Its port. TakePOS uses 8111 where its print server is a name, not an address "
        "that begins with http.",
    )
    tills: tuple[NetworkName, ...] = Field(
        ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        description="Who may print and open drawers: addresses and networks of the tills.",
    )
    pages: tuple[PageOrigin, ...] = Field(
        (),
        description="Addresses of Dolibarr as the tills' browsers show them, where they are not "
        "the url of a source: pages of other addresses may not print.",
    )
    patience_s: Annotated[float, Field(ge=0, le=30)] = Field(
        2,
        description="Seconds that a ticket waits for its points; then it is printed without them.",
    )
    printer: tuple[PrinterSettings, ...] = Field((), description="The printers.")
    display: DisplaySettings | None = Field(None, description="The customer display.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        numbers = [printer.number for printer in self.printer]
        for number in numbers:
            if numbers.count(number) > 1:
                message = f"two printers have the number {number}"
                raise ValueError(message)
        return self
