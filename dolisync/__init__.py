"""dolisync: a loyalty ledger beside Dolibarr. The core; its only I/O is its ledger."""

from __future__ import annotations

__version__ = "0.1.0"
