"""print-server: the print server for TakePOS, and what `check` says of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import click
import structlog

from commands import terminal
from commands.house import House
from commands.options import pass_house
from connectors.escpos_printer import CustomerDisplay, EscposPrinter
from connectors.print_server import Found, Listener, Points, PrintServer, is_answering
from connectors.receipts import ReceiptRenderer
from connectors.systemd import SystemdSupervisor
from connectors.till_guard import Guard
from connectors.wires import FileWire, NetworkWire, NoWire, Wire
from dolisync.errors import DolisyncError, RefusedError, UserError
from dolisync.ports import Finding, SaleSource
from dolisync.printing import (
    Drawer,
    Network,
    Place,
    PrinterSettings,
    PrintServerSettings,
    origin_of,
)
from dolisync.sync.intake import Intake
from dolisync.sync.judge import Rules
from dolisync.sync.tickets import TicketDesk

log = structlog.get_logger()

HEARTBEAT_S = 30
_PINS: dict[Drawer, tuple[int, ...]] = {
    Drawer.BOTH: (2, 5),
    Drawer.PIN_2: (2,),
    Drawer.PIN_5: (5,),
    Drawer.NOTHING: (),
}
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@click.command("print-server")
@pass_house
def print_server(house: House) -> None:
    """Print TakePOS's tickets with points, until stopped.

    A process of its own beside the daemon: neither needs the other, and tickets are printed without
    points where ledger or Dolibarr do not answer. SIGHUP reads the configuration again.

    \b
    Example:
      dolisync --config /etc/dolisync/config.toml print-server
    """
    terminal.set_up_logs(house.settings.log.format, house.settings.log.level)
    signals: SimpleQueue[int] = SimpleQueue()
    for number in _SIGNALS:
        signal.signal(number, lambda number, _frame: signals.put(number))
    _Serving(house, SystemdSupervisor(), signals).run()


@dataclass
class _Serving:
    """The process: it serves, says that it lives, and takes a new configuration."""

    house: House
    supervisor: SystemdSupervisor
    signals: SimpleQueue[int]

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises ``UserError`` where the port is taken."""
        settings, server = settings_of(self.house), make_server(self.house)
        listener = _listen(server, settings)
        listener.start()
        self.supervisor.ready()
        log.info("print server runs", port=listener.port, printers=len(server.printers))
        while (number := self._next()) not in {signal.SIGTERM, signal.SIGINT}:
            if number == signal.SIGHUP:
                server = self._changed(listener, server)
            elif listener.answers():
                self.supervisor.alive()
        self.supervisor.stopping()
        listener.close()
        server.points.close()
        log.info("print server stopped")

    def _next(self) -> int | None:
        try:
            return self.signals.get(timeout=HEARTBEAT_S)
        except Empty:
            return None

    def _changed(self, listener: Listener, server: PrintServer) -> PrintServer:
        """Take a new configuration if it holds; keep the old one otherwise."""
        self.supervisor.reloading()
        fresh = House(self.house.path, self.house.clock)
        try:
            changed = make_server(fresh)
        except DolisyncError as error:
            remedy = error.remedy if isinstance(error, UserError) else ""
            log.error("configuration not taken", reason=str(error), remedy=remedy)
            self.supervisor.ready()
            return server
        listener.replace(changed)
        server.points.close()
        self.supervisor.ready()
        log.info("configuration taken")
        return changed


def _listen(server: PrintServer, settings: PrintServerSettings) -> Listener:
    try:
        return Listener(server, settings.listen, settings.port)
    except OSError as error:
        message = f"{settings.listen}:{settings.port} cannot be listened on: {error.strerror}"
        remedy = "another print server runs there, or [print_server] listen is not this machine's"
        raise UserError(message, remedy) from error


def settings_of(house: House) -> PrintServerSettings:
    """Return the options of the print server. Raises ``UserError`` where there are none."""
    settings = house.settings.print_server
    if settings is None:
        message = "no print server is configured"
        raise UserError(message, "add [print_server] and [[print_server.printer]] to config.toml")
    return settings


def make_server(house: House) -> PrintServer:
    """Join printers, points and those who may print. Neither ledger nor Dolibarr is asked yet."""
    settings, sources = settings_of(house), house.settings.source
    own = {origin_of(source.url) for source in sources if source.url}
    display = settings.display
    return PrintServer(
        {printer.number: make_printer(printer) for printer in settings.printer},
        CustomerDisplay(wire(display.place, display.timeout_s), display.code_page)
        if display
        else None,
        Points(TicketBlocks(house).look_up, settings.patience_s),
        Guard(settings.tills, own | set(settings.pages)),
        sources[0].currency,
    )


def make_printer(settings: PrinterSettings) -> EscposPrinter:
    """Make a printer as it is configured."""
    return EscposPrinter(
        wire(settings.place, settings.timeout_s),
        settings.line_columns,
        settings.code_page,
        settings.timeout_s,
        settings.cut.value,
        _PINS[settings.drawer],
    )


def wire(place: Place, timeout_s: float) -> Wire:
    """Make the way to a place."""
    if isinstance(place, Network):
        return NetworkWire(place.host, place.port, timeout_s)
    return FileWire(place, timeout_s) if isinstance(place, Path) else NoWire()


@dataclass(frozen=True)
class TicketBlocks:
    """Say what stands in the loyalty block of a ticket, in words fit for its paper."""

    house: House

    def look_up(self, text: str, columns: int, page: str) -> Found:
        """Find the sale, book it, and render its block."""
        found = self._desk(page).look_up(text)
        if found is None:
            return Found()
        renderer = ReceiptRenderer(self.house.settings.receipts.templates)
        block = renderer.loyalty(found.receipt, columns).splitlines()
        return Found(block, found.amounts)

    def _desk(self, page: str) -> TicketDesk:
        house = self.house
        readers = [doors.reader for doors in house.doors.values() if _shows(doors.source.url, page)]
        every = [doors.reader for doors in house.doors.values()]
        return TicketDesk(
            house.engine,
            house.clock,
            house.settings,
            readers or every,
            house.rules_of,
            self._intake,
        )

    def _intake(self, source: SaleSource, rules: Rules) -> Intake:
        doors = self.house.doors[source.name]
        door, reader = next(iter(doors.readers.items()))
        return self.house.intake(doors, door, reader, rules)


def _shows(url: str | None, page: str) -> bool:
    """Tell whether the page that prints is one of this Dolibarr."""
    return bool(url and page) and origin_of(url or "") == page


# --- check ---------------------------------------------------------------------------------------


def printing_findings(settings: PrintServerSettings) -> Iterator[Finding]:
    """Look whether the print server runs, and whether its printers answer."""
    if is_answering(settings.listen, settings.port):
        yield Finding("ok", "print server", f"it answers on port {settings.port}")
    else:
        message = f"no print server answers on port {settings.port} of this machine"
        yield Finding(
            "warning", "print server", message, "systemctl enable --now dolisync-print-server"
        )
    if not settings.printer:
        remedy = "add [[print_server.printer]] with its address"
        yield Finding("error", "printer", "the print server has no printer", remedy)
    for printer in settings.printer:
        yield _device_finding(f"printer {printer.number}", wire(printer.place, printer.timeout_s))
    if settings.display:
        display = settings.display
        yield _device_finding("customer display", wire(display.place, display.timeout_s))


def _device_finding(name: str, device: Wire) -> Finding:
    try:
        said = device.look()
    except RefusedError as error:
        remedy = "switch it on, and compare its address with that under [print_server]"
        return Finding("error", name, str(error), remedy)
    is_lacking = isinstance(device, NoWire) or "without paper" in said
    remedy = "give its address in config.toml" if isinstance(device, NoWire) else "put paper in"
    return Finding("warning", name, said, remedy) if is_lacking else Finding("ok", name, said)
