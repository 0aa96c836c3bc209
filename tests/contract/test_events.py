"""Events of customers in the agenda: once for their key, and shown on the card's own pages."""

from __future__ import annotations

from datetime import UTC, datetime

from connectors.dolibarr_events import SqlEvents
from dolisync.ports import CardEvent
from tests.contract.site import Site, unique


def test_an_event_is_written_once_for_its_key(site: Site) -> None:
    door, customer, key = SqlEvents(site.database_url, 1), site.customer(), unique("dolisync:")
    label = f"Points de fidélité: +50 {key}"
    event = CardEvent(customer, key, label, "Solde: 170", datetime.now(UTC), None)
    assert [door.add(event) for _ in range(2)] == [True, False]
    gone = CardEvent(2_000_000_000, f"{key}-gone", label, "", datetime.now(UTC), None)
    assert not door.add(gone)
    query = f"(t.label:=:'{label}')"
    found = site.http.get_list("agendaevents", {"sqlfilters": query, "limit": 10})
    assert [int(one["socid"]) for one in found] == [customer]
    assert found[0]["code"] == "AC_LOYALTY"
