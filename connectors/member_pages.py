"""The members' own pages on the web: one address each, no script, no cookie, nothing to write."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import structlog
from flask import Flask, Response, request
from jinja2 import ChoiceLoader, PackageLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from waitress.server import create_server

from connectors.receipts import FolderLoader
from dolisync.member_page import LANGUAGES, MemberPage, page_words

log = structlog.get_logger()

MEMBER_TEMPLATE = "pages/member.html.j2"
GONE_TEMPLATE = "pages/gone.html.j2"
THREADS = 4
CONNECTIONS_MAX = 100
# A browser that sends nothing for so long is given up.
SILENCE_S = 20
_GREETING = "dolisync page server\n"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}

# Given the last part of an address and a language, or none for the shop's, return its page.
LookUp = Callable[[str, str | None], MemberPage | None]


class PageServer:
    """Everything that a browser may ask for."""

    def __init__(self, look_up: LookUp, templates_folder: Path | None, language: str) -> None:
        own = [] if templates_folder is None else [FolderLoader(templates_folder)]
        self._look_up = look_up
        self._language = language
        self._environment = SandboxedEnvironment(
            loader=ChoiceLoader([*own, PackageLoader("templates", ".")]),
            undefined=StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def app(self) -> Flask:
        """Return the web application."""
        app = Flask("page server", static_folder=None)
        app.after_request(_shut)
        app.register_error_handler(404, lambda _: self._gone())
        app.register_error_handler(500, _broken)
        app.add_url_rule("/", view_func=lambda: Response(_GREETING, mimetype="text/plain"))
        app.add_url_rule("/m/style.css", view_func=_style)
        app.add_url_rule("/m/<token>", view_func=self.member)
        return app

    def member(self, token: str) -> Response:
        """Show a member's page."""
        page = self._look_up(token, request.accept_languages.best_match(LANGUAGES))
        if page is None:
            # The address is a secret: who reads the log is not to open the page.
            mark = hashlib.sha256(token.encode()).hexdigest()[:8]
            log.info("no page there", address=mark)
            return self._gone()
        words = page_words(page.language)
        return self._html(MEMBER_TEMPLATE, 200, page=page, words=words)

    def _gone(self) -> Response:
        language = request.accept_languages.best_match(LANGUAGES) or self._language
        return self._html(GONE_TEMPLATE, 404, language=language, words=page_words(language))

    def _html(self, template: str, status: int, **values: Any) -> Response:
        # Beside the page: the address before it is the web server's business.
        text = self._environment.get_template(template).render(style="style.css", **values)
        return Response(text, status, mimetype="text/html")


def _shut(response: Response) -> Response:
    """Keep a page where it was opened: in no cache, no frame, no search engine."""
    for name, value in _HEADERS.items():
        response.headers[name] = value
    return response


def _style() -> Response:
    text = resources.files("templates").joinpath("pages/style.css").read_text(encoding="utf-8")
    return Response(text, mimetype="text/css")


def _broken(error: Exception) -> tuple[str, int]:
    log.error("page not shown", reason=repr(getattr(error, "original_exception", error)))
    return "The page cannot be shown now.\n", 500


class PageListener:
    """A page server that listens until its process ends."""

    def __init__(self, server: PageServer, host: str, port: int) -> None:
        """Begin to listen on a numeric address. Raises ``OSError`` where the port is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        place = socket.create_server((host, port), family=family)
        self.port: int = place.getsockname()[1]
        waiting = create_server(
            server.app(),
            sockets=[place],
            threads=THREADS,
            connection_limit=CONNECTIONS_MAX,
            channel_timeout=SILENCE_S,
            ident="dolisync",
        )
        self._thread = threading.Thread(target=waiting.run, name="pages", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()
