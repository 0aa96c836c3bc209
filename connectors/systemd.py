"""systemd: say that the daemon is ready, what it does, and that it is alive."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class SystemdSupervisor:
    """Speak sd_notify's protocol; without systemd every word is dropped."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        address = environment.get("NOTIFY_SOCKET", "")
        # An address that begins with @ is in the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self) -> None:
        """Say that the daemon works."""
        self._say("READY=1")

    def status(self, text: str) -> None:
        """Say in one line what the daemon is doing."""
        self._say("STATUS=" + " ".join(text.split())[:200])

    def alive(self) -> None:
        """Say that a piece of work was completed."""
        self._say("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the daemon is ending on purpose."""
        self._say("STOPPING=1")

    def _say(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect(self._address)
            channel.sendall(message.encode())
