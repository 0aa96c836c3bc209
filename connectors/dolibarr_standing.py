"""The percentage discount of a customer (remise_client), as Dolibarr's own page sets it.

The card's column and a row of its history, in one transaction. REST cannot: it answers 200 and
writes nothing.
"""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, utc_now

_SHOWN = "SELECT remise_client FROM llx_societe WHERE rowid = %s"
# What somebody sets between the look and the act stays.
_SET = """
UPDATE llx_societe SET remise_client = %s
WHERE rowid = %s AND ABS(COALESCE(remise_client, 0) - %s) < 0.005
"""
_HISTORY = (
    "INSERT INTO llx_societe_remise (entity, datec, fk_soc, remise_client, note, fk_user_author)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)


class SqlStanding:
    """Standing discounts of one entity. ``fk_user`` is in whose name they are set."""

    def __init__(
        self,
        engine: Engine | str,
        fk_user: int,
        entity: int = 1,
        timezone: str = "UTC",
        table_prefix: str = "llx_",
    ) -> None:
        self._database = Database(engine, table_prefix)
        self._fk_user = fk_user
        self._entity = entity
        self._zone = ZoneInfo(timezone)

    def close(self) -> None:
        """Close the connections, unless they are shared with others."""
        self._database.close()

    def percent_of(self, customer: int) -> Decimal | None:
        """Read the discount of one card."""
        with self._database.reading(f"the discount of the customer {customer}") as reader:
            rows = reader.rows(_SHOWN, (customer,))
        return values.money(rows[0][0] or 0) if rows else None

    def set_percent(self, customer: int, shown: Decimal, wanted: Decimal, note: str) -> bool:
        """Set it where it still is what was shown; Dolibarr's history names it."""
        with self._database.writing(f"the discount of the customer {customer}") as writer:
            if not writer.change(_SET, (str(wanted), customer, str(shown))):
                return False
            moment = values.wall_text(utc_now(writer, self._database), self._zone)
            row = (self._entity, moment, customer, str(wanted), note, self._fk_user)
            writer.change(_HISTORY, row)
            return True
