"""The customer's own page: found by the address on his receipt, and by nothing else."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.client import HTTPConnection

import pytest
from flask.testing import FlaskClient

from commands.house import House
from connectors.member_pages import PageServer
from dolisync.ledger.engine import reading
from dolisync.ledger.signing import PAGES, signing_key
from dolisync.member_links import Link, make_token, read_token
from dolisync.sync.member_pages import MemberPages
from tests.system.place import ROOT, Place

PAGE = '[page]\nurl = "https://points.example.org/"\n'
START = "https://points.example.org/m/"


@pytest.fixture
def place(open_shop: Place) -> Place:
    _put(open_shop, PAGE)
    return open_shop


def _put(place: Place, section: str) -> None:
    text = place.config.read_text(encoding="utf-8")
    assert "\n[page]\n" in text
    place.config.write_text(text.replace("[page]\n", section, 1), encoding="utf-8")


@contextmanager
def pages(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    """Give a browser on the pages of a place."""
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    house = House(place.config)
    server = PageServer(MemberPages(house.engine, house.clock, house.settings).page, None, "en")
    yield server.app().test_client()
    house.close()


def link(place: Place, name: str = "alice") -> str:
    url = str(place.read("page-link", place.customer(name))["url"])
    assert url.startswith(START)
    return url.removeprefix("https://points.example.org")


def test_without_a_page_there_is_none(open_shop: Place) -> None:
    assert "no page is configured" in open_shop.bad("page-link", open_shop.customer("alice"))
    assert "no page is configured" in open_shop.bad("page-server")


def test_what_stands_on_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    address, alice = link(place), place.customer("alice")
    found = place.read("balance", alice)
    with pages(place, monkeypatch) as browser:
        answer = browser.get(address, headers={"Accept-Language": "fr-FR,fr;q=0.9"})
        text = answer.get_data(as_text=True)
        assert answer.status_code == 200
        assert '<html lang="fr">' in text
        assert f'<p class="balance">{found["balance"]} <small>points</small>' in text
        movements = place.read("history", alice)["movements"]
        assert all(one["sale"] in text for one in movements if one["sale"])
        # A receipt may be found by anybody.
        assert "Alice" not in text
        assert "Martin" not in text
        assert "@" not in text
        english = browser.get(address).get_data(as_text=True)
        assert "Your points" in english
        assert browser.head(address).status_code == 200


REWARDS = """
[[program.reward]]
name = "tenth"
title = "A tenth off"
points = 1
percent = 10
[[program.reward]]
name = "loaf"
title = "A loaf for nothing"
points = 2
product = "RYE"
[[program.reward]]
name = "once"
title = "Only once"
points = 1
amount = 1
per_member = 1
"""


def test_what_points_buy_without_what_is_used_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = place.config.read_text(encoding="utf-8")
    place.config.write_text(text + REWARDS, encoding="utf-8")
    address = link(place)

    def shown() -> set[str]:
        with pages(place, monkeypatch) as browser:
            page = browser.get(address).get_data(as_text=True)
        titles = ("A tenth off", "A loaf for nothing", "Only once")
        return {title for title in titles if f">{title}" in page or f"{title}<" in page}

    assert shown() == {"A tenth off", "A loaf for nothing", "Only once"}
    place.good("redeem", place.customer("alice"), "--reward", "once")
    assert shown() == {"A tenth off", "A loaf for nothing"}


def test_it_stays_where_it_was_opened(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    address = link(place)
    with pages(place, monkeypatch) as browser:
        headers = browser.get(address).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "noindex" in headers["X-Robots-Tag"]
        assert "Set-Cookie" not in headers
        assert browser.get("/m/style.css").mimetype == "text/css"
        assert browser.post(address).status_code == 405


def test_other_addresses_lead_nowhere(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    address = link(place)
    token = address.removeprefix("/m/")
    house = House(place.config)
    with reading(house.raw_engine) as connection:
        key = signing_key(connection, PAGES)
    house.close()
    assert key is not None
    named = read_token(key, token)
    assert named is not None
    old = make_token(key, Link(named.member_id, named.day - timedelta(days=401)))
    early = make_token(key, Link(named.member_id, named.day + timedelta(days=2)))
    nobody = make_token(key, Link(10**6, named.day))
    with pages(place, monkeypatch) as browser:
        for wrong in (f"{token[:-1]}{'2' if token[-1] != '2' else '3'}", old, early, nobody, "x"):
            answer = browser.get(f"/m/{wrong}")
            assert answer.status_code == 404
            assert "This page is not there" in answer.get_data(as_text=True)
        good = make_token(key, Link(named.member_id, named.day - timedelta(days=399)))
        assert browser.get(f"/m/{good}").status_code == 200


def test_the_address_on_receipts(place: Place) -> None:
    found = place.read("history", place.customer("alice"))["movements"]
    sale = next(one["sale"] for one in found if one["sale"])
    place.good("sync")
    page = place.good("receipt", sale, "--html")
    assert '<svg viewBox="0 0' in page
    assert "Scannez ce code pour voir vos points" in page
    # Without a picture of it the words would lead nowhere.
    assert "Scannez" not in place.good("receipt", sale, "--width", "58")
    ticket = place.standin.shop.pos_sell([place.week.products["rye"]], None, "LIQ")
    place.good("sync")
    nobody = place.good("receipt", str(place.standin.shop.invoice(ticket)["ref"]), "--html")
    assert "<svg" not in nobody


def test_an_erased_customer_has_no_page(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    address = link(place)
    place.good("privacy", "erase", place.customer("alice"), "--reason", "asked", "--yes")
    with pages(place, monkeypatch) as browser:
        assert browser.get(address).status_code == 404


def test_a_merged_customer_finds_the_account_that_was_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, alice, bob = link(place), place.customer("alice"), place.customer("elena")
    said = place.good("merge", alice, bob, "--reason", "one person", "--yes")
    both = place.read("balance", bob)["balance"]
    with pages(place, monkeypatch) as browser:
        text = browser.get(address).get_data(as_text=True)
        assert f'<p class="balance">{both} <small>' in text
    token = next(word for word in said.split() if word.startswith("B-")).rstrip(".")
    place.good("undo", token, "--yes")
    own = place.read("balance", alice)["balance"]
    with pages(place, monkeypatch) as browser:
        assert f'<p class="balance">{own} <small>' in browser.get(address).get_data(as_text=True)


def test_html_in_a_title_is_text(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    text = place.config.read_text(encoding="utf-8")
    title = "<b>5 € & more 🎁</b>"
    changed = re.sub(r'(?m)^title = "Loyalty discount"', f'title = "{title}"', text)
    assert changed != text
    place.config.write_text(changed, encoding="utf-8")
    address = link(place)
    with pages(place, monkeypatch) as browser:
        shown = browser.get(address).get_data(as_text=True)
        assert "&lt;b&gt;5 € &amp; more 🎁&lt;/b&gt;" in shown
        assert "<b>" not in shown


def test_the_server_answers_and_check_says_so(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    _put(place, f"[page]\nport = {port}\n")
    warned = [one["message"] for one in place.read("check")["findings"]]
    assert f"no page server answers on port {port} of this machine" in warned
    address = link(place)
    command = [sys.executable, str(ROOT / "cli.py"), "--config", str(place.config), "page-server"]
    process = subprocess.Popen(
        command, env={**os.environ, **place.environment}, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert f"pages on 127.0.0.1:{port}" in process.stderr.readline()
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", address)
        assert connection.getresponse().status == 200
        connection.close()
        said = [one["message"] for one in place.read("check")["findings"]]
        assert f"the page server answers on port {port}" in said
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0
