"""Dolibarr's tags (categories) of products and customers: a tag fits with all tags above it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from connectors import dolibarr_values as values
from connectors.dolibarr_database import Reader
from connectors.dolibarr_http import DolibarrHttp, Params
from connectors.dolibarr_rest_products import PAGE_SIZE


@dataclass(frozen=True, slots=True)
class TagKind:
    """What is tagged: the number in the tables, the word in the API, and the table of links."""

    number: int
    word: str
    links: str
    column: str


PRODUCTS = TagKind(0, "product", "llx_categorie_product", "fk_product")
CUSTOMERS = TagKind(2, "customer", "llx_categorie_societe", "fk_soc")


@dataclass(frozen=True, slots=True)
class TagTree:
    """All tags of a kind: label and the tag above, by id."""

    tags: dict[int, tuple[str, int]] = field(default_factory=dict)

    def labels(self, own: Iterable[int]) -> tuple[str, ...]:
        """Return the labels of these tags and of all above them, each once, in order."""
        found: set[str] = set()
        seen: set[int] = set()
        waiting = list(own)
        while waiting:
            tag = waiting.pop()
            if tag in self.tags and tag not in seen:
                # A tag that stands above itself must not keep us here for ever.
                seen.add(tag)
                label, above = self.tags[tag]
                found.add(label)
                waiting.append(above)
        return tuple(sorted(found))

    @property
    def all_labels(self) -> frozenset[str]:
        """The labels of all tags."""
        return frozenset(label for label, _ in self.tags.values())


def tree_by_sql(reader: Reader, kind: TagKind) -> TagTree:
    """Read all tags of a kind from the tables."""
    query = "SELECT rowid, label, fk_parent FROM llx_categorie WHERE type = %s"
    rows = reader.rows(query, (kind.number,))
    return TagTree({row[0]: (values.text(row[1]), int(row[2] or 0)) for row in rows})


def links_by_sql(reader: Reader, kind: TagKind, listed: str) -> dict[int, list[int]]:
    """Read which tags these objects have."""
    tags: dict[int, list[int]] = defaultdict(list)
    query = (
        f"SELECT {kind.column}, fk_categorie FROM {kind.links}"  # noqa: S608
        f" WHERE {kind.column} IN ({listed})"
    )
    for tagged, tag in reader.rows(query):
        tags[tagged].append(tag)
    return tags


def tree_by_rest(http: DolibarrHttp, kind: TagKind) -> TagTree:
    """Read all tags of a kind through the API."""
    tags: dict[int, tuple[str, int]] = {}
    page = 0
    while True:
        params: Params = {
            "type": kind.word,
            "sortfield": "t.rowid",
            "limit": PAGE_SIZE,
            "page": page,
        }
        rows = http.get_list("categories", params)
        for row in rows:
            tags[int(row["id"])] = (values.text(row["label"]), int(row["fk_parent"] or 0))
        if len(rows) < PAGE_SIZE:
            return TagTree(tags)
        page += 1
