"""Look from outside whether a print server answers."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException

GREETING = "dolisync print server"
ANSWER_WAIT_S = 5


def is_answering(host: str, port: int) -> bool:
    """Tell whether a print server of dolisync answers where it listens."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    connection = HTTPConnection(everywhere.get(host, host), port, timeout=ANSWER_WAIT_S)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read(100).decode().startswith(GREETING)
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()
