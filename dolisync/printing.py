"""The options of the print server: which printers there are, and who may print."""

from __future__ import annotations

import enum
import ipaddress
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from dolisync.program.terms import Section

TAKEPOS_PORT = 8111


class PrinterKind(enum.StrEnum):
    """Where a printer's bytes go."""

    NETWORK = "network"
    FILE = "file"
    NOTHING = "nothing"


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


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        message = f"'{text}' is no address or network; write 192.168.1.0/24 or 192.168.1.17"
        raise ValueError(message) from None


NetworkName = Annotated[str, AfterValidator(_network)]


class PrinterSettings(Section):
    """A printer. TakePOS prints receipts on number 1, kitchen orders on 1, 2 and 3."""

    number: Annotated[int, Field(ge=1, le=3)] = Field(1, description="Its number in TakePOS.")
    kind: PrinterKind = Field(
        PrinterKind.NETWORK,
        description="network: an ESC/POS printer on the network; file: a device such as "
        "/dev/usb/lp0, or a file to which tickets are added; nothing: tickets are thrown away.",
    )
    host: str = Field("", description="Its address on the network, where kind is network.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        9100, description="Its port on the network."
    )
    file: Path | None = Field(None, description="The device or file, where kind is file.")
    width_mm: Annotated[int, Field(ge=58, le=80)] = Field(
        80, description="Width of the paper: 58 or 80."
    )
    code_page: CodePage = Field(
        CodePage.CP858,
        description="Characters that it knows; CP858 has those of western Europe with the euro. A "
        "character that it lacks is printed without its accent, or as a question mark.",
    )
    has_drawer: bool = Field(default=True, description="A cash drawer is connected to it.")
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        5, description="Seconds to wait for the printer."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.width_mm not in {58, 80}:
            message = "paper is 58 or 80 mm wide"
            raise ValueError(message)
        if self.kind is PrinterKind.NETWORK and not self.host:
            message = 'a printer on the network needs its address: host = "192.168.1.50"'
            raise ValueError(message)
        if self.kind is PrinterKind.FILE and self.file is None:
            message = 'a printer of kind file needs a file: file = "/dev/usb/lp0"'
            raise ValueError(message)
        return self


class DisplaySettings(Section):
    """A customer display of two lines with 20 characters each, connected by the network or a file."""

    host: str = Field("", description="Its address on the network; or name a file.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(9101, description="Its port.")
    file: Path | None = Field(None, description="A device such as /dev/ttyUSB0.")
    code_page: CodePage = Field(CodePage.CP858, description="Characters that it knows.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.host) == (self.file is not None):
            message = "give the display's host or its file"
            raise ValueError(message)
        return self


class PrintServerSettings(Section):
    """The print server for TakePOS: it adds the loyalty block to tickets as they are printed."""

    listen: str = Field(
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
