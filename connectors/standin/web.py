"""The HTTP server: routes, keys, JSON, and the answers of bad days."""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlalchemy.exc import SQLAlchemyError

from connectors.standin.calls import Call, PhpFatalError, Refusal, Route
from connectors.standin.faults import Fault, Faults
from connectors.standin.rights import ApiUser
from connectors.standin.shop import Shop

ROOT = "/api/index.php"
HTML = "text/html; charset=UTF-8"
JSON = "application/json; charset=utf-8"

OFFLINE = (
    'Sorry, your application is offline. Only administrator user "admin" is allowed to connect'
    ' for the moment.\nPlease try later or <a href="/">click here to change login user</a>...\n'
)
DISABLED = (
    "Le module <b>Api</b> doit &ecirc;tre activ&eacute; pour utiliser cette fonction..<br><br>"
    "Pour activer des modules, aller dans l'espace Configuration."
)
DETECTED = "DolibarrHasDetectedError.<br>\nInformationToHelpDiagnose:<br>\n"
FATAL = "<br />\n<b>Fatal error</b>:  Uncaught Error in api_invoices.class.php<br />\n"


@dataclass(frozen=True)
class Answer:
    """What goes back over the wire."""

    code: int
    content_type: str
    body: bytes


def as_json(code: int, value: Any) -> Answer:
    """Answer with a JSON body."""
    return Answer(code, JSON, json.dumps(value, ensure_ascii=False).encode())


class Site:
    """All that the request threads share."""

    def __init__(
        self, shop: Shop, version: str, routes: list[Route], users: list[ApiUser], faults: Faults
    ) -> None:
        self.shop = shop
        self.version = version
        self.major = int(version.split(".", maxsplit=1)[0])
        self.routes = [route for route in routes if self.major in route.versions]
        self.users = users
        self.faults = faults
        self.url = ""
        self.stopping = threading.Event()

    def user(self, headers: Any, params: dict[str, str]) -> ApiUser:
        """Find who holds the key, or refuse."""
        key = headers.get("DOLAPIKEY") or params.get("DOLAPIKEY") or params.get("api_key")
        bearer = str(headers.get("Authorization") or "")
        if not key and self.major == 22 and bearer.startswith("Bearer "):
            key = bearer.removeprefix("Bearer ")
        if not key:
            raise Refusal(
                401, "Failed to login to API. No parameter 'HTTP_DOLAPIKEY' on HTTP header"
            )
        for user in self.users:
            if user.key == key:
                return user
        raise Refusal(401, "" if self.major == 16 else "Error user not valid")

    def answer(self, verb: str, target: str, headers: Any, raw: bytes) -> Answer:
        """Answer a request, whatever happens inside."""
        parts = urlsplit(target)
        path = unquote(parts.path).removeprefix(ROOT).rstrip("/")
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        if not any(route.path.split("/")[1] == path.split("/")[1] for route in self.routes):
            return Answer(501, HTML, b"API not found (failed to include API file)")
        stage = "route"
        try:
            route, keys = self._route(verb, path)
            body = _body(raw)
            stage = "authenticate"
            user = self.user(headers, params)
            self._check_entity(headers)
            stage = "call"
            call = Call(self.shop, user, self.version, self.url, self.faults, params, body, keys)
            return self._run(route, call)
        except Refusal as refusal:
            return as_json(refusal.code, refusal.body(stage))
        except PhpFatalError:
            return Answer(500, HTML, b"")
        except SQLAlchemyError as error:
            text = str(getattr(error, "orig", error))
            return as_json(500, Refusal(500, text).body(stage))

    def _route(self, verb: str, path: str) -> tuple[Route, tuple[str, ...]]:
        for route in self.routes:
            keys = route.match(verb, path)
            if keys is not None:
                return route, keys
        raise Refusal(404)

    def _check_entity(self, headers: Any) -> None:
        if headers.get("DOLAPIENTITY", "1") != "1":
            raise Refusal(401 if self.major == 16 else 403, "Bad entity")

    def _run(self, route: Route, call: Call) -> Answer:
        """Run a handler in one transaction, so that a refusal leaves no trace."""
        with self.shop.store.transaction():
            return as_json(200, route.handler(call))


def _body(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise Refusal(400, "Error encoding/decoding JSON: Syntax error") from None
    return body if isinstance(body, dict) else {}


def trouble(fault: Fault, major: int) -> Answer | None:
    """Give the answer of a fault that strikes before anything is done; None is silence."""
    if fault.kind == "db_down":
        return Answer(500 if major == 16 else 202, HTML, DETECTED.encode())
    if fault.kind == "ip_restricted":
        return Answer(503, HTML, b"APIs are not allowed from the IP 127.0.0.1")
    if fault.kind == "unavailable":
        return as_json(503, Refusal(503, "Error when retrieving list").body())
    pages = {
        "maintenance": (200, OFFLINE),
        "api_disabled": (200, DISABLED),
        "php_fatal": (500, ""),
        "php_fatal_shown": (200, FATAL),
    }
    page = pages.get(fault.kind)
    return None if page is None else Answer(page[0], HTML, page[1].encode())


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    site: Site

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: tests read the answers, not the log."""

    def do_GET(self) -> None:
        """Read."""
        self._serve()

    def do_POST(self) -> None:
        """Make."""
        self._serve()

    def do_PUT(self) -> None:
        """Change."""
        self._serve()

    def do_DELETE(self) -> None:
        """Remove."""
        self._serve()

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        before = self.site.faults.strike(self.command, self.path, after=False)
        if before is not None:
            answer = trouble(before, self.site.major)
            if answer is not None:
                self._send(answer)
            return
        answer = self.site.answer(self.command, self.path, self.headers, raw)
        after = self.site.faults.strike(self.command, self.path, after=True)
        if after is None:
            self._send(answer)
        else:
            self._spoil(answer, after)

    def _spoil(self, answer: Answer, fault: Fault) -> None:
        """Lose, delay or soil an answer whose effect has happened."""
        if fault.kind == "lost_answer":
            return
        if fault.kind == "slow":
            self.site.stopping.wait(fault.seconds)
            self._send(answer)
            return
        warning = b"<br />\n<b>Warning</b>:  something in a module<br />\n"
        if fault.kind == "gzip_garbage" or self._takes_gzip():
            self._write(500, answer.content_type, warning + gzip.compress(answer.body), zipped=True)
        else:
            self._write(500, HTML, warning + answer.body)

    def _takes_gzip(self) -> bool:
        return "gzip" in (self.headers.get("Accept-Encoding") or "")

    def _send(self, answer: Answer) -> None:
        if self._takes_gzip() and answer.content_type == JSON:
            body = gzip.compress(answer.body, compresslevel=1)
            self._write(answer.code, answer.content_type, body, zipped=True)
        else:
            self._write(answer.code, answer.content_type, answer.body)

    def _write(self, code: int, content_type: str, body: bytes, *, zipped: bool = False) -> None:
        body = b"" if code == 304 else body
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("X-Powered-By", "Luracast Restler v3.1.0")
        if zipped and body:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """A server whose threads end with it."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client hangs up: tests do that on purpose."""


def serve(site: Site, port: int) -> Server:
    """Open the door on loopback; port 0 is any."""
    handler = type("SiteHandler", (Handler,), {"site": site})
    server = Server(("127.0.0.1", port), handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    return server
