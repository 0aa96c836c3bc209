"""Who may print: machines by their network address, web pages by the address they come from.

A web page somewhere can make a till's browser post to the print server. The browser tells whose
page it is (``Origin``), and no page can make it lie; what is not Dolibarr's is turned away.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from dolisync.errors import RefusedError


class NotAdmittedError(RefusedError):
    """Turn away who may not print."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The tills' networks, and the origins of Dolibarr's pages."""

    tills: Sequence[str]
    pages: Collection[str]

    def admit(self, address: str, method: str, headers: Mapping[str, str]) -> str:
        """Return the origin of the page that asks, empty where it is no page.

        Raises ``NotAdmittedError``.
        """
        if not self._is_till(address):
            message = f"{address} is not among the tills; name it under [print_server] tills"
            raise NotAdmittedError(message)
        page = page_asking(headers)
        # What is no browser's names no page. A browser always does when it posts, or asks first.
        if not page and method != "GET":
            return ""
        if page not in self.pages:
            shown = page or "an unknown page"
            message = f"{shown} may not print; if it is Dolibarr, name it in [print_server] pages"
            raise NotAdmittedError(message)
        return page

    def _is_till(self, address: str) -> bool:
        try:
            asking = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(asking, "ipv4_mapped", None)
        asking = mapped or asking
        return any(asking in ipaddress.ip_network(network) for network in self.tills)


def page_asking(headers: Mapping[str, str]) -> str:
    """Return the origin of the page that a request comes from, empty where it is not said.

    Without ``Origin``, which a page leaves out that asks its own address, ``Referer`` tells it.
    """
    given = headers.get("Origin", "")
    if given:
        return given.lower()
    parts = urlsplit(headers.get("Referer", ""))
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else ""
