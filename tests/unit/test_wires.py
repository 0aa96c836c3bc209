"""The ways to a printer: sent once, or said that it was not."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from connectors.wires import FileWire, NetworkWire, NoWire
from dolisync.errors import RefusedError, UnknownOutcome
from tests.paper import FakePrinter


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_printer_gets_every_byte_once() -> None:
    printer, data = FakePrinter(), os.urandom(200_000)
    NetworkWire("127.0.0.1", printer.port, 5).send(data)
    assert printer.wait() == [data]
    printer.close()


def test_a_printer_that_is_off_is_said_and_gets_nothing() -> None:
    wire = NetworkWire("127.0.0.1", closed_port(), 0.3)
    with pytest.raises(RefusedError, match="does not answer: Connection refused"):
        wire.send(b"ticket")
    with pytest.raises(RefusedError, match="does not answer"):
        wire.look()


def test_a_printer_that_is_switched_on_meanwhile_gets_its_ticket() -> None:
    port, came = closed_port(), []

    def switch_on() -> None:
        with socket.create_server(("127.0.0.1", port)) as server:
            connection, _ = server.accept()
            with connection:
                came.append(connection.recv(100))

    timer = threading.Timer(0.3, switch_on)
    timer.start()
    NetworkWire("127.0.0.1", port, 10).send(b"ticket")
    timer.join(10)
    assert came == [b"ticket"]


def test_a_printer_that_takes_no_more_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        wire = NetworkWire("127.0.0.1", deaf.getsockname()[1], 0.2)
        with pytest.raises(UnknownOutcome, match="broke off"):
            wire.send(b"x" * 20_000_000)


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"\x12", "has paper"), (b"\x72", "without paper"), (b"", "answers")],
)
def test_a_printer_is_asked_for_its_paper(answer: bytes, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(10) == b"\x10\x04\x04"
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        assert NetworkWire("127.0.0.1", server.getsockname()[1], 2).look().endswith(said)
        thread.join(10)


def test_tickets_are_added_to_a_file(tmp_path: Path) -> None:
    wire = FileWire(tmp_path / "tickets", 1)
    assert "will be made" in wire.look()
    wire.send(b"one")
    wire.send(b"two")
    assert wire.path.read_bytes() == b"onetwo"
    assert wire.look().endswith("can be written")


def test_a_device_that_is_away_is_said(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be written"):
        FileWire(tmp_path / "no" / "lp0", 1).send(b"ticket")
    with pytest.raises(RefusedError, match="cannot be written"):
        FileWire(tmp_path / "no" / "lp0", 1).look()


def test_a_device_that_takes_nothing_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "lp0"
    os.mkfifo(pipe)
    with pytest.raises(RefusedError, match="No such device"):
        FileWire(pipe, 0.1).send(b"ticket")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(UnknownOutcome, match=r"of 1000000 bytes: .*timed out"):
        FileWire(pipe, 0.1).send(b"x" * 1_000_000)
    with pytest.raises(RefusedError, match="took 0 of 5 bytes"):
        FileWire(pipe, 0.1).send(b"again")
    os.close(reader)


def test_nothing_is_printed_where_nothing_is_connected() -> None:
    NoWire().send(b"ticket")
    assert NoWire().look() == "tickets are thrown away"
