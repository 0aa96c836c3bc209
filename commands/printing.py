"""print-server: the print server for TakePOS, and what `check` says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from commands import terminal
from commands.house import House
from commands.options import pass_house
from connectors.print_watch import is_answering
from connectors.wires import FileWire, NetworkWire, NoWire, Wire
from dolisync.config import Settings
from dolisync.errors import RefusedError, UserError
from dolisync.ports import Finding
from dolisync.printing import Network, Place, PrintServerSettings, origin_of


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
    # What it needs takes long to load: see there.
    from commands.print_serving import serve  # noqa: PLC0415

    terminal.set_up_logs(house.settings.log.format, house.settings.log.level)
    serve(house)


def settings_of(house: House) -> PrintServerSettings:
    """Return the options of the print server. Raises ``UserError`` where there are none."""
    settings = house.settings.print_server
    if settings is None:
        message = "no print server is configured"
        raise UserError(message, "add [print_server] and [[print_server.printer]] to config.toml")
    return settings


def pages_of(settings: Settings) -> frozenset[str]:
    """Return the origins of the pages that may print: those of Dolibarr."""
    own = {origin_of(source.url) for source in settings.source if source.url}
    named = settings.print_server.pages if settings.print_server else ()
    return frozenset(own | set(named))


def wire(place: Place, timeout_s: float) -> Wire:
    """Make the way to a place."""
    if isinstance(place, Network):
        return NetworkWire(place.host, place.port, timeout_s)
    return FileWire(place, timeout_s) if isinstance(place, Path) else NoWire()


# --- check ---------------------------------------------------------------------------------------


def printing_findings(house: House) -> Iterator[Finding]:
    """Look whether the print server runs, who may print, and whether its printers answer."""
    settings = settings_of(house)
    yield _pages_finding(pages_of(house.settings))
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


def _pages_finding(pages: frozenset[str]) -> Finding:
    if not pages:
        message = "no page may print: it is not known where tills call Dolibarr"
        return Finding("error", "pages", message, 'add [print_server] pages = ["http://..."]')
    return Finding("ok", "pages", f"pages of {', '.join(sorted(pages))} may print")


def _device_finding(name: str, device: Wire) -> Finding:
    try:
        said = device.look()
    except RefusedError as error:
        remedy = "switch it on, and compare its address with that under [print_server]"
        return Finding("error", name, str(error), remedy)
    is_lacking = isinstance(device, NoWire) or "without paper" in said
    remedy = "give its address in config.toml" if isinstance(device, NoWire) else "put paper in"
    return Finding("warning", name, said, remedy) if is_lacking else Finding("ok", name, said)
