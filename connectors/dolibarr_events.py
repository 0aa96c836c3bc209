"""Events on customers in Dolibarr's agenda, written as Dolibarr writes its automatic ones.

No trigger runs, and nobody is mailed. Each has a reference of the outside world (``ref_ext``), by
which it is known when it is written a second time.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database
from dolisync.ports import CardEvent

CODE = "AC_LOYALTY"
_KNOWN = "SELECT id FROM llx_actioncomm WHERE ref_ext = %s AND entity = %s"
_CUSTOMER = "SELECT rowid FROM llx_societe WHERE rowid = %s"
_KIND = "SELECT id FROM llx_c_actioncomm WHERE code = 'AC_OTH_AUTO'"
_INSERT = """
INSERT INTO llx_actioncomm (ref, ref_ext, entity, datec, datep, datep2, fk_action, code, fk_soc,
    label, note, percent, fk_user_author, fk_user_action, fk_element, elementtype)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, -1, %s, %s, %s, %s)
"""


class SqlEvents:
    """The agenda of one entity. ``fk_user`` is the user in whose name events are written."""

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

    def add(self, event: CardEvent) -> bool:
        """Write an event unless it is there, or its customer is gone; tell whether it was new."""
        with self._database.writing(f"an event of the customer {event.customer}") as writer:
            if writer.value(_KNOWN, (event.key, self._entity)) is not None:
                return False
            if writer.value(_CUSTOMER, (event.customer,)) is None:
                return False
            moment = self._wall(event.at)
            writer.insert(
                _INSERT,
                (
                    event.key[-30:],
                    event.key,
                    self._entity,
                    *(moment,) * 3,
                    writer.value(_KIND),
                    CODE,
                    event.customer,
                    event.label[:255],
                    event.note,
                    self._fk_user,
                    self._fk_user,
                    event.sale,
                    "invoice" if event.sale else None,
                ),
            )
        return True

    def _wall(self, moment: datetime) -> str:
        return values.wall_text(moment, self._zone)
