"""Customer tags on cards: looked at, put on and taken off, through the tables or the API.

A tag is known by its label. Of several with the same label the one that stands under no other is
meant: that is what setup makes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from sqlalchemy.engine import Engine

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Database, Reader, number_list
from connectors.dolibarr_http import DolibarrHttp, Params
from connectors.dolibarr_tags import CUSTOMERS, TagTree, tree_by_rest
from dolisync.errors import RefusedError
from dolisync.ports import Tagged

PAGE = 100
# A customer and a tag that cannot exist: to ask for the right without doing anything.
NOBODY = 2_000_000_000

_TAGS = "SELECT rowid, label, fk_parent FROM llx_categorie WHERE type = %s AND entity = %s"
# Another member with a tag, or another tag for a member, gives other numbers.
_TRACE = """
SELECT fk_categorie, COUNT(*), SUM(fk_soc), SUM(fk_soc * fk_soc)
FROM llx_categorie_societe WHERE fk_categorie IN ({tags})
GROUP BY fk_categorie ORDER BY fk_categorie
"""
_TAGGED = "SELECT fk_soc, fk_categorie FROM llx_categorie_societe WHERE fk_categorie IN ({tags})"
_TAG = """
INSERT INTO llx_categorie_societe (fk_categorie, fk_soc)
SELECT %s, s.rowid FROM llx_societe s WHERE s.rowid = %s AND NOT EXISTS
    (SELECT 1 FROM llx_categorie_societe l WHERE l.fk_categorie = %s AND l.fk_soc = s.rowid)
"""
_UNTAG = "DELETE FROM llx_categorie_societe WHERE fk_soc = %s AND fk_categorie IN ({tags})"


def _named(tree: TagTree, labels: Collection[str]) -> dict[str, int]:
    """Find the tags with these labels."""
    found: dict[str, int] = {}
    # The oldest one last, and after it those under no other.
    ranked = sorted(tree.tags.items(), key=lambda tag: (tag[1][1] == 0, -tag[0]))
    for rowid, (label, _) in ranked:
        if label in labels:
            found[label] = rowid
    return found


def _one(tags: Mapping[str, int], label: str) -> int:
    if label not in tags:
        message = f"there is no customer tag '{label}' in Dolibarr: dolisync setup makes it"
        raise RefusedError(message)
    return tags[label]


class SqlTagDoor:
    """The tags of one entity through the tables: no trigger runs, no card is saved."""

    look_every_s = 5.0

    def __init__(self, engine: Engine | str, entity: int = 1, table_prefix: str = "llx_") -> None:
        self._entity = entity
        self._database = Database(engine, table_prefix)

    def close(self) -> None:
        """Close the connections, unless they are shared with others."""
        self._database.close()

    def trace(self, labels: Collection[str]) -> str | None:
        """Add up who bears which tag: one statement."""
        with self._database.reading("customer tags") as reader:
            tags = self._named(reader, labels)
            query = _TRACE.format(tags=number_list(sorted(tags.values())))
            rows = reader.rows(query) if tags else []
            return repr([sorted(tags.items()), [tuple(map(int, row)) for row in rows]])

    def tagged(self, labels: Collection[str]) -> Tagged:
        """Read all links of these tags with one statement."""
        found: dict[int, set[str]] = defaultdict(set)
        with self._database.reading("customer tags") as reader:
            tags = self._named(reader, labels)
            words = {rowid: label for label, rowid in tags.items()}
            query = _TAGGED.format(tags=number_list(sorted(words)))
            for customer, tag in reader.rows(query) if tags else ():
                found[int(customer)].add(words[int(tag)])
        return Tagged(frozenset(tags), {who: frozenset(has) for who, has in found.items()})

    def tags_of(self, customer: int, labels: Collection[str]) -> frozenset[str] | None:
        """Read the tags of one card."""
        with self._database.reading(f"tags of the customer {customer}") as reader:
            if reader.value("SELECT rowid FROM llx_societe WHERE rowid = %s", (customer,)) is None:
                return None
            tags = self._named(reader, labels)
            query = _TAGGED.format(tags=number_list(sorted(tags.values())))
            rows = reader.rows(f"{query} AND fk_soc = %s", (customer,)) if tags else ()
            borne = {int(tag) for _, tag in rows}
        return frozenset(label for label, rowid in tags.items() if rowid in borne)

    def retag(self, customer: int, wanted: str, unwanted: Collection[str]) -> None:
        """Change the links of one card in one transaction."""
        with self._database.writing(f"tagging the customer {customer}") as writer:
            tags = self._named(writer, {wanted, *unwanted})
            taken = [rowid for label, rowid in tags.items() if label in unwanted]
            if taken:
                writer.change(_UNTAG.format(tags=number_list(sorted(taken))), (customer,))
            if wanted:
                tag = _one(tags, wanted)
                writer.change(_TAG, (tag, customer, tag))

    def _named(self, reader: Reader, labels: Collection[str]) -> dict[str, int]:
        rows = reader.rows(_TAGS, (CUSTOMERS.number, self._entity))
        tree = {int(row[0]): (values.text(row[1]), int(row[2] or 0)) for row in rows}
        return _named(TagTree(tree), labels)


class RestTagDoor:
    """The tags through the API: lists by the page, so all of them are looked at only now and then.

    Linking runs Dolibarr's triggers.
    """

    look_every_s = 600.0

    def __init__(self, http: DolibarrHttp) -> None:
        self._http = http

    def trace(self, labels: Collection[str]) -> str | None:  # noqa: ARG002 - nothing tells
        """Say nothing: the API cannot add up."""
        return None

    def tagged(self, labels: Collection[str]) -> Tagged:
        """Read the customers of each tag, a hundred with one call."""
        found: dict[int, set[str]] = defaultdict(set)
        tags = _named(tree_by_rest(self._http, CUSTOMERS), labels)
        for label, tag in tags.items():
            for customer in self._bearers(tag):
                found[customer].add(label)
        return Tagged(frozenset(tags), {who: frozenset(has) for who, has in found.items()})

    def _bearers(self, tag: int) -> list[int]:
        found: list[int] = []
        while True:
            params: Params = {
                "mode": 1,
                "category": tag,
                "sortfield": "t.rowid",
                "limit": PAGE,
                "page": len(found) // PAGE,
            }
            rows = self._http.get_list("thirdparties", params)
            found += [int(row["id"]) for row in rows]
            if len(rows) < PAGE:
                return found

    def tags_of(self, customer: int, labels: Collection[str]) -> frozenset[str] | None:
        """Read the tags of one card; those under another tag are none of ours."""
        if self._http.get_object(f"thirdparties/{customer}") is None:
            return None
        rows = self._http.get_list(f"thirdparties/{customer}/categories")
        borne = {int(row["id"]) for row in rows}
        tags = _named(tree_by_rest(self._http, CUSTOMERS), labels)
        return frozenset(label for label, rowid in tags.items() if rowid in borne)

    def retag(self, customer: int, wanted: str, unwanted: Collection[str]) -> None:
        """Unlink and link; each may be repeated."""
        tags = _named(tree_by_rest(self._http, CUSTOMERS), {wanted, *unwanted})
        for label in sorted(unwanted):
            if label in tags:
                self._http.delete(_link(tags[label], customer))
        if wanted:
            self._http.post(_link(_one(tags, wanted), customer))


def _link(tag: int, customer: int) -> str:
    return f"categories/{tag}/objects/customer/{customer}"


def may_tag(http: DolibarrHttp) -> bool:
    """Tell whether the key may see tags and link them: rights are looked at first."""
    try:
        tags = http.get_list("categories", {"type": CUSTOMERS.word, "limit": 1})
    except RefusedError:
        return False
    # The tag is looked up before the right to change customers is: any one will do.
    return not tags or http.may_post(_link(int(tags[0]["id"]), NOBODY))
