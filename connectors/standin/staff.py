"""Users of Dolibarr and the groups they are in."""

from __future__ import annotations

import sqlalchemy as sa

from connectors.standin.store import Desk, act


class Staff(Desk):
    """Who works in the shop."""

    @act
    def add_user(self, login: str, *groups: str) -> int:
        """Make a user and put him into groups, which are made where they are missing."""
        user = self.store.insert(self.tables.user, login=login, lastname=login, statut=1)
        link = self.tables.usergroup_user
        for name in groups:
            self.store.run(sa.insert(link).values(fk_user=user, fk_usergroup=self._group(name)))
        return user

    def _group(self, name: str) -> int:
        group = self.tables.usergroup
        found = self.store.first(sa.select(group.c.rowid).where(group.c.nom == name))
        return int(found["rowid"]) if found else self.store.insert(group, nom=name)

    @act
    def switch_off_user(self, user: int) -> None:
        """Switch a user off: he stays, and may not log in."""
        self.store.update(self.tables.user, user, statut=0)
