"""The print server's process: joins printers, points and those who may print, and serves.

Apart from the command itself, because the libraries that it needs take a third of a second to load,
and one of them leaves a folder behind each time: no other command is to pay for that.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import structlog

from commands.house import House
from commands.printing import pages_of, settings_of, wire
from connectors.escpos_printer import CustomerDisplay, EscposPrinter
from connectors.print_server import Found, Listener, Points, PrintServer
from connectors.receipts import ReceiptRenderer
from connectors.systemd import SystemdSupervisor
from connectors.till_guard import Guard
from dolisync.errors import DolisyncError, UserError
from dolisync.ports import SaleSource
from dolisync.printing import Drawer, PrinterSettings, PrintServerSettings, origin_of
from dolisync.sync.intake import Intake
from dolisync.sync.judge import Rules
from dolisync.sync.tickets import TicketDesk
from dolisync.sync.turn import recognise

log = structlog.get_logger()

HEARTBEAT_S = 30
_PINS: dict[Drawer, tuple[int, ...]] = {
    Drawer.BOTH: (2, 5),
    Drawer.PIN_2: (2,),
    Drawer.PIN_5: (5,),
    Drawer.NOTHING: (),
}
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve(house: House) -> None:
    """Serve until SIGTERM or SIGINT."""
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
        self.house.close()
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
        self.house.close()
        self.house = fresh
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


def make_server(house: House) -> PrintServer:
    """Join printers, points and those who may print. Neither ledger nor Dolibarr is asked yet."""
    settings, sources = settings_of(house), house.settings.source
    display = settings.display
    return PrintServer(
        {printer.number: make_printer(printer) for printer in settings.printer},
        CustomerDisplay(wire(display.place, display.timeout_s), display.code_page)
        if display
        else None,
        Points(TicketBlocks(house).look_up, settings.patience_s),
        Guard(settings.tills, pages_of(house.settings)),
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


@dataclass(frozen=True)
class TicketBlocks:
    """Say what stands in the loyalty block of a ticket, in words fit for its paper."""

    house: House
    _recognised: set[str] = field(default_factory=set, init=False)

    def look_up(self, text: str, columns: int, page: str) -> Found:
        """Find the sale, book it, and render its block."""
        found = self._desk(page).look_up(text)
        if found is None:
            return Found()
        renderer = ReceiptRenderer(self.house.settings.receipts.templates)
        block = renderer.loyalty(found.receipt, columns).splitlines()
        claim = found.receipt.claim
        return Found(block, found.amounts, claim.code if claim else found.receipt.page_url)

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
        if source.name not in self._recognised:
            # In another Dolibarr the same numbers are other sales.
            recognise(self.house.engine, source)
            self._recognised.add(source.name)
        door, reader = next(iter(doors.readers.items()))
        return self.house.intake(doors, door, reader, rules)


def _shows(url: str | None, page: str) -> bool:
    """Tell whether the page that prints is one of this Dolibarr."""
    return bool(url and page) and origin_of(url or "") == page
