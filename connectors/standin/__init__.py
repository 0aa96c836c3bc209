"""A stand-in Dolibarr: its tables, its HTTP API and the acts of its staff, on one state."""

from __future__ import annotations

from connectors.standin.faults import Faults
from connectors.standin.shop import Shop
from connectors.standin.standin import VERSIONS, StandIn
from connectors.standin.store import ShopError

__all__ = ["VERSIONS", "Faults", "Shop", "ShopError", "StandIn"]
