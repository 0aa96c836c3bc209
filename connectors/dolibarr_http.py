"""The REST door of a Dolibarr: what is sent, and what counts as an answer.

Only HTTP 200 with JSON of the expected shape is an answer; everything else becomes one of the three
errors of the ports.
"""

from __future__ import annotations

import ipaddress
import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from connectors.dolibarr_answers import Reply, explain, is_error, one_line, shaped, unclear
from dolisync.errors import TransientError, UnknownOutcome

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
TOTAL_TIMEOUT_S = 180.0
BODY_BYTES_MAX = 64 * 1024 * 1024
RETRIED_STATUSES = (429, 502, 503, 504)

Params = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What ``GET /status`` tells. ``php_timezone`` is empty before version 20."""

    version: str
    now: datetime
    php_timezone: str

    @property
    def release(self) -> tuple[int, ...]:
        """Return the version as numbers, for comparing: ``(20, 0, 2)``."""
        return release_of(self.version)


class DolibarrHttp:
    """Talk to one Dolibarr's REST interface with one user's key.

    Reading may be repeated and is, a few times, when the connection fails or the server is busy;
    writing is never repeated here.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        entity: int = 1,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        retries: int = 2,
        retry_pause_s: float = 0.3,
    ) -> None:
        self.base_url = api_address(url)
        self.host = urlsplit(self.base_url).hostname or ""
        self._timeout = (connect_timeout_s, read_timeout_s)
        self._total_timeout_s = total_timeout_s
        self._session = _session(key, entity, retries, retry_pause_s)
        # A proxy cannot reach our own loopback.
        self._session.trust_env = not is_loopback(self.host)
        self._status: ServerStatus | None = None

    def __repr__(self) -> str:
        return f"DolibarrHttp({self.base_url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    @property
    def is_encrypted(self) -> bool:
        """Tell whether the key travels under TLS."""
        return self.base_url.startswith("https://")

    def status(self) -> ServerStatus:
        """Ask which version this is and what time it has."""
        reply = self._send("GET", "status", None, None)
        success = shaped(self._answer("GET", "status", reply), dict, "status").get("success")
        success = shaped(success, dict, "status")
        self._status = ServerStatus(
            version=str(success.get("dolibarr_version", "")),
            now=_server_time(success.get("timestamp_now_utc"), reply),
            php_timezone=str(success.get("timestamp_php_tz") or ""),
        )
        return self._status

    def release(self) -> tuple[int, ...]:
        """Return the server's version as numbers; asked for once."""
        return (self._status or self.status()).release

    def get(self, path: str, params: Params | None = None) -> Any:
        """Read anything; ``None`` where it does not exist (404)."""
        reply = self._send("GET", path, params, None)
        if reply.status == 404 and is_error(reply):
            return None
        return self._answer("GET", path, reply)

    def get_object(self, path: str, params: Params | None = None) -> dict[str, Any] | None:
        """Read one object, or ``None`` where it does not exist."""
        found = self.get(path, params)
        return None if found is None else shaped(found, dict, path)

    def get_list(self, path: str, params: Params | None = None) -> list[dict[str, Any]]:
        """Read a list of objects. Some versions say 404 for an empty one."""
        rows = shaped(self.get(path, params) or [], list, path)
        return [shaped(row, dict, path) for row in rows]

    def post(self, path: str, body: object | None = None) -> Any:
        """Ask for something that must not be asked twice; a lost answer is an unknown outcome."""
        return self._answer("POST", path, self._send("POST", path, None, body or {}))

    def may_post(self, path: str) -> bool:
        """Tell whether the key's user has the right to POST there; name what cannot exist."""
        return self._send("POST", path, None, {}).status not in {401, 403}

    def put(self, path: str, body: object) -> Any:
        """Write absolute values; may be repeated."""
        return self._answer("PUT", path, self._send("PUT", path, None, body))

    def delete(self, path: str) -> Any:
        """Remove something or a link; may be repeated."""
        return self._answer("DELETE", path, self._send("DELETE", path, None, None))

    def _send(self, verb: str, path: str, params: Params | None, body: object | None) -> Reply:
        deadline = time.monotonic() + self._total_timeout_s
        try:
            with self._session.request(
                verb,
                f"{self.base_url}/{path}",
                params=params,
                json=body,
                timeout=self._timeout,
                # The key is a header of its own, which requests would carry to any other host.
                allow_redirects=False,
                stream=True,
            ) as response:
                return Reply(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    _bounded_body(response, deadline),
                )
        except requests.RequestException as error:
            raise self._lost(verb, path, error) from None

    def _lost(self, verb: str, path: str, error: requests.RequestException) -> TransientError:
        if isinstance(error, requests.ConnectTimeout) or _never_connected(error):
            return TransientError(f"Dolibarr at {self.base_url} cannot be reached: {_why(error)}")
        said = f"no complete answer from Dolibarr to {verb} {path}: {_why(error)}"
        return UnknownOutcome(said) if verb == "POST" else TransientError(said)

    def _answer(self, verb: str, path: str, reply: Reply) -> Any:
        if reply.status == 200 and reply.is_json():
            try:
                return json.loads(reply.body, parse_float=Decimal)
            except ValueError:
                unclear(verb, path, "an answer that breaks off or is not JSON", reply)
        return explain(verb, path, reply)


def api_address(url: str) -> str:
    """Complete a Dolibarr address to that of its API; the API's own address is accepted too."""
    plain = url.strip().rstrip("/")
    if plain.endswith("/api/index.php"):
        return plain
    return f"{plain.removesuffix('/api')}/api/index.php"


def release_of(version: str) -> tuple[int, ...]:
    """Read ``20.0.2`` (or ``22.0.0-beta``) as numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def is_loopback(host: str) -> bool:
    """Tell whether this host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _session(key: str, entity: int, retries: int, retry_pause_s: float) -> requests.Session:
    session = requests.Session()
    # Compressed answers cannot be decoded when PHP printed a warning before them.
    session.headers.update(
        {"DOLAPIKEY": key, "Accept": "application/json", "Accept-Encoding": "identity"}
    )
    if entity != 1:
        session.headers["DOLAPIENTITY"] = str(entity)
    retry = urllib3.Retry(
        total=retries,
        connect=retries,
        read=0,
        status=retries,
        allowed_methods={"GET"},
        status_forcelist=RETRIED_STATUSES,
        backoff_factor=retry_pause_s,
        # How long to wait in the long run is the caller's decision, not the server's.
        respect_retry_after_header=False,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _bounded_body(response: requests.Response, deadline: float) -> bytes:
    body = bytearray()
    for piece in response.iter_content(chunk_size=1 << 16):
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise requests.exceptions.ContentDecodingError("the answer is too large")
        if time.monotonic() > deadline:
            raise requests.ReadTimeout("the answer takes too long")
    return bytes(body)


def _never_connected(error: requests.RequestException) -> bool:
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.SSLError)


def _why(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "time-out"
    cause = error.args[0] if error.args else error
    reason = getattr(cause, "reason", None) or cause
    return one_line(re.sub(r"<[^>]*>:? ?|HTTPS?ConnectionPool\([^)]*\):? ?", "", str(reason)))


def _server_time(epoch: Any, reply: Reply) -> datetime:
    if epoch:
        return datetime.fromtimestamp(int(epoch), UTC)
    try:
        return parsedate_to_datetime(reply.header("date")).astimezone(UTC)
    except (TypeError, ValueError):
        return datetime.now(UTC)
