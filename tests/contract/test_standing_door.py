"""The standing discount of a customer, set in the tables as Dolibarr's own page sets it."""

from __future__ import annotations

from decimal import Decimal

from connectors.dolibarr_standing import SqlStanding
from tests.contract.site import Site


def test_it_is_set_where_it_is_what_was_shown(site: Site) -> None:
    door, customer = SqlStanding(site.database_url, 1), site.customer()
    assert door.percent_of(customer) == 0
    assert door.set_percent(customer, Decimal(0), Decimal("2.5"), "Fidélité")
    assert door.percent_of(customer) == Decimal("2.5")
    # Somebody else was quicker.
    assert not door.set_percent(customer, Decimal(0), Decimal(5), "Fidélité")
    assert door.percent_of(customer) == Decimal("2.5")
    card = site.http.get_object(f"thirdparties/{customer}")
    assert card is not None
    assert Decimal(str(card["remise_percent"])) == Decimal("2.5")
    assert door.set_percent(customer, Decimal("2.5"), Decimal(0), "Fidélité")
    assert door.percent_of(customer) == 0
    assert door.percent_of(2_000_000_000) is None
