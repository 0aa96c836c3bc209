"""The ways to a printer or a display: the network, a device or a file, or nowhere.

What was begun is never sent again. What a printer did with it when the connection broke is not to
be known, and printing again by itself would give the customer two receipts.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dolisync.errors import RefusedError, UnknownOutcome

# A printer takes one connection at a time: who comes second knocks again, this often.
KNOCK_PAUSE_S = 0.2
# A command that asks for the state of the paper, and the bits that say that there is none.
_ASK_PAPER = b"\x10\x04\x04"
_NO_PAPER = 0x60
_PAPER_WAIT_S = 1.0
_CHUNK_BYTES = 4096


class Wire(Protocol):
    """Where bytes go."""

    def send(self, data: bytes) -> None:
        """Send all bytes. Raises ``RefusedError`` before any was sent, else ``UnknownOutcome``."""

    def look(self) -> str:
        """Say in words that it is there. Raises ``RefusedError``."""


@dataclass(frozen=True, slots=True)
class NetworkWire:
    """A printer that listens on the network, as most do on port 9100."""

    host: str
    port: int
    timeout_s: float

    def send(self, data: bytes) -> None:
        """Connect and send."""
        with self._connect() as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except OSError as error:
                message = f"printer {self} broke off: {_reason(error)}"
                raise UnknownOutcome(message) from error

    def look(self) -> str:
        """Say whether it answers, and has paper where it tells."""
        with self._connect() as connection:
            return f"printer {self} answers{_paper(connection)}"

    def _connect(self) -> socket.socket:
        """Connect; nothing was sent yet, so it may be tried again until the time is over."""
        give_up = time.monotonic() + self.timeout_s
        while True:
            left_s = max(give_up - time.monotonic(), KNOCK_PAUSE_S)
            try:
                return socket.create_connection((self.host, self.port), left_s)
            except OSError as error:
                if time.monotonic() + KNOCK_PAUSE_S >= give_up:
                    message = f"printer {self} does not answer: {_reason(error)}"
                    raise RefusedError(message) from error
            time.sleep(KNOCK_PAUSE_S)

    def __str__(self) -> str:
        """Write its place."""
        return f"{self.host}:{self.port}"


def _paper(connection: socket.socket) -> str:
    """Ask a printer for its paper; most that have a network plug answer."""
    try:
        connection.settimeout(_PAPER_WAIT_S)
        connection.sendall(_ASK_PAPER)
        state = connection.recv(1)
    except OSError:
        return ""
    if not state:
        return ""
    return ", without paper" if state[0] & _NO_PAPER else ", and has paper"


@dataclass(frozen=True, slots=True)
class FileWire:
    """A device such as /dev/usb/lp0, or a file to which tickets are added."""

    path: Path
    timeout_s: float

    def send(self, data: bytes) -> None:
        """Add the bytes. A device that is off takes none: it is not waited for any longer."""
        descriptor = self._open(os.O_CREAT)
        try:
            self._write(descriptor, data)
        finally:
            os.close(descriptor)

    def look(self) -> str:
        """Say whether it can be written."""
        if not self.path.exists():
            return f"{self.path} will be made by the first ticket{self._folder()}"
        os.close(self._open(0))
        return f"{self.path} can be written"

    def _folder(self) -> str:
        if not os.access(self.path.parent, os.W_OK):
            message = f"{self.path} cannot be written: {os.strerror(errno.ENOENT)}"
            raise RefusedError(message)
        return ""

    def _open(self, more: int) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | more
        try:
            return os.open(self.path, flags, 0o600)
        except OSError as error:
            message = f"{self.path} cannot be written: {_reason(error)}"
            raise RefusedError(message) from error

    def _write(self, descriptor: int, data: bytes) -> None:
        give_up, left = time.monotonic() + self.timeout_s, memoryview(data)
        while left:
            try:
                _, ready, _ = select.select((), (descriptor,), (), give_up - time.monotonic())
                if not ready:
                    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
                left = left[os.write(descriptor, left[:_CHUNK_BYTES]) :]
            except (OSError, ValueError) as error:
                reason = _reason(error) if isinstance(error, OSError) else "it took too long"
                message = f"{self.path} took {len(data) - len(left)} of {len(data)} bytes: {reason}"
                kind = RefusedError if len(left) == len(data) else UnknownOutcome
                raise kind(message) from error


@dataclass(frozen=True, slots=True)
class NoWire:
    """Nothing is printed."""

    def send(self, data: bytes) -> None:
        """Throw the bytes away."""

    def look(self) -> str:
        """Say so."""
        return "tickets are thrown away"


def _reason(error: OSError) -> str:
    return str(error.strerror or error or type(error).__name__)
