"""A printer on the network that keeps what it is sent, and reads it as paper would show it."""

from __future__ import annotations

import re
import socket
import threading
import time
from dataclasses import dataclass, field

CUT = re.compile(rb"\x1dV[\x00\x01A].?", re.DOTALL)
_COMMANDS = re.compile(rb"\x1bp...|\x1b@|\x1dV[\x00\x01]|[\x1b\x1d].{2}", re.DOTALL)


@dataclass
class FakePrinter:
    """Listens as a printer does: one ticket after the other. ``hold`` makes it slow to take one."""

    tickets: list[bytes] = field(default_factory=list)
    hold: threading.Event | None = None

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._came = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                if self.hold is not None:
                    self.hold.wait(10)
                data = b""
                while part := connection.recv(65536):
                    data += part
            with self._came:
                if data:
                    self.tickets.append(data)
                self._came.notify_all()

    def wait(self, count: int = 1, patience_s: float = 20) -> list[bytes]:
        """Return the tickets once there are so many."""
        give_up = time.monotonic() + patience_s
        with self._came:
            while len(self.tickets) < count and (left_s := give_up - time.monotonic()) > 0:
                self._came.wait(left_s)
            assert len(self.tickets) >= count, f"{len(self.tickets)} tickets came"
            return list(self.tickets)

    def close(self) -> None:
        # The thread that waits for a ticket would keep the socket open.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def read_paper(data: bytes, codec: str = "cp858") -> str:
    """Return what stands on the paper: the text without the commands."""
    return _COMMANDS.sub(b"", data).decode(codec)
