"""page-server and page-link: the members' own pages, and what `check` says of them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

import click

from commands import terminal
from commands.house import House
from commands.options import json_option, pass_house, source_option
from connectors.systemd import SystemdSupervisor
from dolisync.config import PageSettings
from dolisync.errors import NotFound, UserError
from dolisync.ledger.engine import reading
from dolisync.ledger.signing import PAGES, ensure_signing_key
from dolisync.ports import Finding
from dolisync.sync.member_pages import MemberPages, link_of

HEARTBEAT_S = 30
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_ANSWER_WAIT_S = 5


@click.command("page-server")
@pass_house
def page_server(house: House) -> None:
    """Show members their own pages, until stopped.

    A process of its own beside the daemon. It reads the ledger and writes nothing; Dolibarr is not
    asked. Let your web server hand https on to it: docs/page.md.

    \b
    Example:
      dolisync --config /etc/dolisync/config.toml page-server
    """
    terminal.set_up_logs(house.settings.log.format, house.settings.log.level)
    settings = _settings(house)
    ensure_signing_key(house.engine, PAGES, house.clock.now())
    _serve(house, settings)


def _serve(house: House, settings: PageSettings) -> None:
    # The web's library takes long to load: no other command is to pay for that.
    from connectors.member_pages import PageListener, PageServer  # noqa: PLC0415

    signals: SimpleQueue[int] = SimpleQueue()
    for number in _SIGNALS:
        signal.signal(number, lambda number, _frame: signals.put(number))
    pages = MemberPages(house.engine, house.clock, house.settings)
    folder, language = house.settings.receipts.templates, house.settings.source[0].language
    try:
        listener = PageListener(
            PageServer(pages.page, folder, language), settings.listen, settings.port
        )
    except OSError as error:
        message = f"{settings.listen}:{settings.port} cannot be listened on: {error.strerror}"
        raise UserError(message, "set [page] listen and port to what is free here") from error
    supervisor = SystemdSupervisor()
    listener.start()
    supervisor.ready()
    click.echo(f"pages on {settings.listen}:{listener.port}, for {settings.url}", err=True)
    while not _is_stopped(signals):
        if is_answering(settings.listen, listener.port):
            supervisor.alive()
    supervisor.stopping()


def _is_stopped(signals: SimpleQueue[int]) -> bool:
    try:
        signals.get(timeout=HEARTBEAT_S)
    except Empty:
        return False
    return True


@click.command("page-link")
@click.argument("customer")
@source_option
@json_option
@pass_house
def page_link(house: House, customer: str, source_name: str | None, *, as_json: bool) -> None:
    """Print the address of a customer's own page.

    CUSTOMER is an id, card number, customer code or e-mail. Whoever has the address can open the
    page, which shows points and nobody's name, for as many days as [page] says.

    \b
    Example:
      dolisync page-link 42
    """
    _settings(house)
    found = house.find_customer(house.pick_source(source_name), customer)
    ensure_signing_key(house.engine, PAGES, house.clock.now())
    today = house.clock.now().astimezone(house.settings.program[0].zone).date()
    with reading(house.engine) as connection:
        link = link_of(connection, house.settings, found.key, today)
    if link is None:
        message = f"customer {found.key.rowid} has no account yet"
        raise NotFound(message, "he has one after the first sale with points")
    if as_json:
        terminal.show_json({"customer": found.key.rowid, "url": link})
    else:
        click.echo(link)


def _settings(house: House) -> PageSettings:
    settings = house.settings.page
    if settings.url is None:
        message = "no page is configured"
        raise UserError(message, 'add [page] with url = "https://..." to config.toml')
    return settings


# --- check ---------------------------------------------------------------------------------------


def page_findings(house: House) -> Iterator[Finding]:
    """Look whether the page server runs, and whether customers reach it safely."""
    settings = _settings(house)
    if urlsplit(settings.url or "").scheme != "https":
        message = f"{settings.url} is not https: others on the way can read the pages"
        yield Finding("warning", "page", message, "let your web server speak https, and say so")
    if is_answering(settings.listen, settings.port):
        yield Finding("ok", "page", f"the page server answers on port {settings.port}")
    else:
        message = f"no page server answers on port {settings.port} of this machine"
        yield Finding("warning", "page", message, "systemctl enable --now dolisync-page-server")


def is_answering(host: str, port: int) -> bool:
    """Tell whether a page server of dolisync answers."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    connection = HTTPConnection(everywhere.get(host, host), port, timeout=_ANSWER_WAIT_S)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read(100).startswith(b"dolisync page server")
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
