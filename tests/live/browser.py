"""Chromium worked over its own debugging protocol: enough of it to work a till."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

START_S = 30
WAIT_S = 30
PAUSE_S = 0.1


class Browser:
    """One page of a browser."""

    def __init__(self, port: int) -> None:
        websocket = pytest.importorskip("websocket")
        page = requests.put(f"http://127.0.0.1:{port}/json/new?about:blank", timeout=START_S).json()
        address = page["webSocketDebuggerUrl"]
        self._socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self._numbers = itertools.count(1)
        self.said: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def close(self) -> None:
        self._socket.close()

    def go(self, url: str) -> None:
        """Open an address and wait until it is there."""
        self.run("window.isOld = true")
        self._call("Page.navigate", url=url)
        self.wait("!window.isOld && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Run a script in the page; a promise is waited for."""
        answer = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition: str) -> Any:
        """Wait until a condition holds in the page."""
        give_up = time.monotonic() + WAIT_S
        while time.monotonic() < give_up:
            try:
                value = self.run(condition)
            except AssertionError:
                value = None
            if value:
                return value
            time.sleep(PAUSE_S)
        pytest.fail(f"the page never came to: {condition}; it said {self.said[-5:]}")

    def picture(self) -> bytes:
        """Take a picture of what the page shows."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            if answer.get("method") in {"Log.entryAdded", "Network.loadingFailed"}:
                self.said.append(json.dumps(answer["params"])[:400])


@contextmanager
def opened(folder: Path) -> Iterator[Browser]:
    """Start Chromium with an empty profile; skip without one."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("LIVE TEST SKIPPED: Chromium is not installed")
    process = subprocess.Popen(
        [
            program,
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--remote-debugging-port=0", f"--user-data-dir={folder}", "--window-size=1400,900"),
            *("--disable-dev-shm-usage", "--no-proxy-server", "about:blank"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with closing(Browser(_port(folder, process))) as browser:
            yield browser
    finally:
        process.terminate()
        process.wait(20)


def _port(folder: Path, process: subprocess.Popen[bytes]) -> int:
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up:
        file = folder / "DevToolsActivePort"
        if file.exists() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        assert process.poll() is None, "Chromium ended at once"
        time.sleep(PAUSE_S)
    pytest.fail("Chromium did not start")
