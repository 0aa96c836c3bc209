"""docs/install.md gives the rights that the program asks for, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from connectors.dolibarr_grants import Need, discount_needs, field_needs, reading_needs
from dolisync.config import parse
from dolisync.display import requirements
from dolisync.example import example

GUIDE = (Path(__file__).parents[2] / "docs" / "install.md").read_text(encoding="utf-8")
TABLES = {"customer": "llx_societe_extrafields", "sale": "llx_facture_extrafields"}
# What only makes `check` and `setup` see more.
COMFORT = {("SELECT", "llx_extrafields", frozenset())}

Right = tuple[str, str, frozenset[str]]


def granted() -> Iterator[Right]:
    for block in re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL):
        for what, table in re.findall(r"GRANT (.*?) ON dolibarr\.(\w+) TO", block, re.DOTALL):
            for right, columns in re.findall(r"([A-Z]+)(?:\s*\(([^)]*)\))?", what):
                yield right, table, frozenset(re.findall(r"\w+", columns))


def needed() -> Iterator[Right]:
    settings = parse(example())
    fields = requirements(settings, settings.source[0]).fields
    needs: list[Need] = [*reading_needs(), *discount_needs()]
    for element, table in TABLES.items():
        needs += field_needs(table, [spec.name for spec in fields if spec.element == element])
    for need in needs:
        yield need.right, need.table, frozenset(need.columns)


def test_the_grants_are_those_that_are_needed() -> None:
    assert set(granted()) - COMFORT == set(needed())
    assert set(granted()) >= COMFORT


def test_the_rights_of_the_key_are_named() -> None:
    for right in (11, 121, 262, 122):
        assert f"| {right} |" in GUIDE
