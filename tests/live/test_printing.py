"""A browser prints from a real TakePOS: the ticket comes out of the printer with its points."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from connectors.print_watch import is_answering
from tests.live import browser as browsers
from tests.live.browser import Browser
from tests.live.place import Shop, a_customer, setting
from tests.paper import FakePrinter, read_paper

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
PORT = 8111
# As the module Receipt printers has it for an example.
TEMPLATE = "\r\n".join(
    [
        *("{dol_align_center}", "{dol_print_text}{dol_value_mysoc_name}", "{dol_line_feed}"),
        *("{dol_print_text}Facture {dol_value_object_ref}", "{dol_line_feed}", "{dol_align_left}"),
        *("{dol_print_object_lines}", "{dol_line_feed}", "{dol_print_object_total}"),
        *("{dol_line_feed}", "{dol_cut_paper_full}"),
    ]
)


@pytest.fixture
def printer() -> Iterator[FakePrinter]:
    found = FakePrinter()
    yield found
    found.close()


@pytest.fixture
def display() -> Iterator[FakePrinter]:
    found = FakePrinter()
    yield found
    found.close()


@pytest.fixture
def database() -> Iterator[Engine]:
    engine = create_engine(setting("DATABASE_URL"))
    yield engine
    engine.dispose()


@contextmanager
def constants(database: Engine, **values: str) -> Iterator[None]:
    """Set constants of Dolibarr as its setup pages would, and put back what was there."""
    read = text("SELECT value FROM llx_const WHERE name = :name AND entity = 1")
    remove = text("DELETE FROM llx_const WHERE name = :name AND entity = 1")
    add = text("INSERT INTO llx_const (name, entity, value, type) VALUES (:name, 1, :v, 'chaine')")

    def put(found: dict[str, str | None]) -> dict[str, str | None]:
        before = {}
        with database.begin() as connection:
            for name, value in found.items():
                before[name] = connection.execute(read, {"name": name}).scalar()
                connection.execute(remove, {"name": name})
                if value is not None:
                    connection.execute(add, {"name": name, "v": value})
        return before

    before = put(dict(values))
    try:
        yield
    finally:
        put(before)


@contextmanager
def receipt_template(database: Engine) -> Iterator[str]:
    """Do what switching on the module Receipt printers does, and return its template."""
    columns = "name varchar(128), template text, entity integer"
    with database.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE IF NOT EXISTS llx_printer_receipt_template"
                f" (rowid integer AUTO_INCREMENT PRIMARY KEY, {columns})"
            )
        )
        added = connection.execute(
            text(
                "INSERT INTO llx_printer_receipt_template (name, template, entity)"
                " VALUES ('dolisync', :template, 1)"
            ),
            {"template": TEMPLATE},
        )
        rowid = added.lastrowid
    yield str(rowid)
    with database.begin() as connection:
        remove = text("DELETE FROM llx_printer_receipt_template WHERE rowid = :rowid")
        connection.execute(remove, {"rowid": rowid})


@contextmanager
def serving(shop: Shop, printer: FakePrinter, display: FakePrinter | None = None) -> Iterator[None]:
    """Run the print server as a process of its own, without the daemon."""
    more = f"""
[print_server]
listen = "127.0.0.1"
port = {PORT}
patience_s = 20
[[print_server.printer]]
address = "127.0.0.1:{printer.port}"
"""
    if display is not None:
        more += f'[print_server.display]\naddress = "127.0.0.1:{display.port}"\n'
    shop.config.write_text(shop.config.read_text() + more)
    command = [sys.executable, "-m", "cli", "--config", str(shop.config), "print-server"]
    process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ))
    try:
        give_up = time.monotonic() + 30
        while not is_answering("127.0.0.1", PORT):
            assert process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        assert process.wait(20) == 0


def log_in(browser: Browser, shop: Shop) -> None:
    browser.go(f"{shop.url}/index.php")
    browser.run(
        f"document.querySelector('[name=username]').value = '{setting('LOGIN')}';"
        f"document.querySelector('[name=password]').value = '{setting('PASSWORD')}';"
        "document.querySelector('form#login').submit()"
    )
    browser.wait("document.querySelector('a[href*=\"user/logout.php\"]') !== null")


def sell(browser: Browser, shop: Shop, customer: int, quantity: int) -> int:
    """Sell through the till's own page, and return the ticket's id."""
    token = open_till(browser, shop)
    product = setting("PRODUCT", "1")
    act = f"invoice.php?place=0&token={token}&action="
    load(browser, f"{act}addline&idproduct={product}&qty={quantity}")
    ticket = int(browser.wait("typeof placeid !== 'undefined' && Number(placeid)"))
    browser.run(f"ChangeThirdparty({customer})")
    browser.wait("$.active === 0")
    load(browser, f"{act}valid&pay=LIQ&amount=0&excess=0&invoiceid={ticket}")
    return ticket


def open_till(browser: Browser, shop: Shop) -> str:
    """Open the till's page, and return the token that its buttons send."""
    browser.go(f"{shop.url}/takepos/index.php?setterminal=1")
    browser.wait("typeof $ === 'function' && document.querySelector('#poslines') !== null")
    # Version 16 shows no token here, and wants none.
    shown = "document.querySelector('[name=\"anti-csrf-newtoken\"]')"
    return str(browser.run(f"({shown} || {{content: ''}}).content"))


def load(browser: Browser, address: str) -> None:
    """Load the ticket anew, as the till's buttons do."""
    browser.run(f"new Promise(done => $('#poslines').load('{address}', () => done(true)))")


def press_print(browser: Browser) -> None:
    browser.wait("document.querySelector('#buttonprint') !== null")
    browser.run("document.querySelector('#buttonprint').click()")


def assert_agrees(shop: Shop, customer: int, ticket: int, paper: str) -> None:
    """Compare the paper with the ledger and with Dolibarr."""
    sale = shop.rest("GET", f"/invoices/{ticket}")
    assert sale["ref"] in paper
    receipt = shop.read("receipt", sale["ref"])
    (points,) = receipt["points"]
    assert points["balance"] == shop.read("balance", str(customer))["balance"]
    assert Decimal(points["earned"]) == int(float(sale["total_ttc"]))
    assert f"+{int(Decimal(points['earned']))} points" in paper
    assert f"{int(Decimal(points['balance']))} points" in paper.split("Nouveau solde")[1]
    assert shop.read("verify")["holds"] is True


def test_a_ticket_printed_from_the_till_has_the_points_of_its_sale(
    shop: Shop, printer: FakePrinter, database: Engine, tmp_path: Path
) -> None:
    shop.dolisync("db", "upgrade")
    shop.dolisync("sync")
    customer = a_customer(shop)
    set_up = {"TAKEPOS_PRINT_METHOD": "takeposconnector", "TAKEPOS_PRINT_SERVER": "127.0.0.1"}
    with (
        constants(database, **set_up),
        serving(shop, printer),
        browsers.opened(tmp_path / "profile") as browser,
    ):
        log_in(browser, shop)
        ticket = sell(browser, shop, customer, 2)
        press_print(browser)
        paper = read_paper(printer.wait()[0])
        (tmp_path / "till.png").write_bytes(browser.picture())
        assert_agrees(shop, customer, ticket, paper)
        # The total lost its sign on the way, and has it again.
        assert "24,00 €" in paper

        ticket = sell(browser, shop, customer, 3)
        press_print(browser)
        paper = read_paper(printer.wait(2)[1])
        assert_agrees(shop, customer, ticket, paper)

        browser.run("OpenDrawer()")
        assert printer.wait(3)[2].startswith(b"\x1bp")


def test_a_ticket_that_dolibarr_made_for_the_printer_gets_its_points_too(
    shop: Shop, printer: FakePrinter, display: FakePrinter, database: Engine, tmp_path: Path
) -> None:
    shop.dolisync("db", "upgrade")
    shop.dolisync("sync")
    customer = a_customer(shop)
    with receipt_template(database) as template:
        set_up = {
            "TAKEPOS_PRINT_METHOD": "takeposconnector",
            "TAKEPOS_PRINT_SERVER": f"http://127.0.0.1:{PORT}",
            "TAKEPOS_TEMPLATE_TO_USE_FOR_INVOICES1": template,
            "MAIN_MODULE_RECEIPTPRINTER": "1",
            "TAKEPOS_CUSTOMER_DISPLAY": "1",
        }
        with (
            constants(database, **set_up),
            serving(shop, printer, display),
            browsers.opened(tmp_path / "profile") as browser,
        ):
            log_in(browser, shop)
            ticket = sell(browser, shop, customer, 2)
            press_print(browser)
            data = printer.wait()[0]
            assert_agrees(shop, customer, ticket, read_paper(data))
            # The block stands before the cut, and nothing after it.
            assert data.index(b"Nouveau solde") < data.rindex(b"\x1dV")

            browser.run("OpenDrawer()")
            assert printer.wait(2)[1].startswith(b"\x1bp")

            act = f"invoice.php?place=0&token={open_till(browser, shop)}&action="
            load(browser, f"{act}addline&idproduct={setting('PRODUCT', '1')}&qty=1")
            browser.run("CustomerDisplay()")
            shown = display.wait()[-1]
            assert shown[:1] == b"\x0c"
            assert len(shown) == 41
            assert "12,00" in shown.decode("cp858")
            load(browser, f"{act}delete")


def test_a_kitchen_order_passes_through(
    shop: Shop, printer: FakePrinter, database: Engine, tmp_path: Path
) -> None:
    shop.dolisync("db", "upgrade")
    shop.dolisync("sync")
    with receipt_template(database) as template, database.connect() as connection:
        found = text("SELECT fk_categorie FROM llx_categorie_product WHERE fk_product = :product")
        categories = connection.execute(found, {"product": setting("PRODUCT", "1")}).scalars()
        set_up = {
            "TAKEPOS_PRINT_METHOD": "takeposconnector",
            "TAKEPOS_PRINT_SERVER": "127.0.0.1",
            "TAKEPOS_BAR_RESTAURANT": "1",
            "TAKEPOS_PRINTED_CATEGORIES_1": ";".join(map(str, categories)),
            "TAKEPOS_TEMPLATE_TO_USE_FOR_ORDERS1": template,
        }
        with (
            constants(database, **set_up),
            serving(shop, printer),
            browsers.opened(tmp_path / "profile") as browser,
        ):
            log_in(browser, shop)
            token = open_till(browser, shop)
            act = f"invoice.php?place=0&token={token}&action="
            load(browser, f"{act}addline&idproduct={setting('PRODUCT', '1')}&qty=2")
            load(browser, f"{act}order")
            paper = read_paper(printer.wait()[0])
            assert "Caf" in paper
            assert "points" not in paper
            load(browser, f"{act}delete")


def test_a_receipt_of_nobody_is_claimed_with_the_code_on_its_paper(
    shop: Shop, printer: FakePrinter, database: Engine, tmp_path: Path
) -> None:
    shop.config.write_text(shop.config.read_text() + "[claims]\ndays = 3\n")
    shop.dolisync("db", "upgrade")
    shop.dolisync("sync")
    customer = a_customer(shop)
    set_up = {"TAKEPOS_PRINT_METHOD": "takeposconnector", "TAKEPOS_PRINT_SERVER": "127.0.0.1"}
    with (
        constants(database, **set_up),
        serving(shop, printer),
        browsers.opened(tmp_path / "profile") as browser,
    ):
        log_in(browser, shop)
        ticket = sell(browser, shop, int(setting("POS_CUSTOMER")), 2)
        press_print(browser)
        data = printer.wait()[0]
        (code,) = set(re.findall(r"^ +([2-9A-Z]{4}-[2-9A-Z-]+)$", read_paper(data), re.MULTILINE))
        assert code.encode() in data.split(b"\x1d(k")[4], "the QR code holds it too"
        claimed = shop.read("claim", code, "--customer", str(customer))
        assert claimed["points"] == {"loyalty": "24"}

        # The same ticket printed again from the till's history is his.
        press_print(browser)
        assert_agrees(shop, customer, ticket, read_paper(printer.wait(2)[1]))
        shop.dolisync("sync")
        assert shop.read("balance", str(customer))["balance"] == "24"
        assert int(shop.rest("GET", f"/invoices/{ticket}")["socid"]) != customer


def test_a_page_of_another_address_cannot_print(
    shop: Shop, printer: FakePrinter, tmp_path: Path
) -> None:
    with serving(shop, printer), browsers.opened(tmp_path / "profile") as browser:
        other = shop.url.replace("127.0.0.1", "localhost")
        browser.go(f"{other}/index.php")
        script = f"fetch('http://127.0.0.1:{PORT}/print', {{method: 'POST', body: 'opendrawer'}})"
        assert browser.run(f"{script}.then(answer => answer.status, error => 'refused')")
        assert browser.run(f"{script}.then(() => 'let in', () => 'refused')") == "refused"
        assert printer.tickets == []
