"""The guides say what the program does: rights to grant, lines in the log, checks of the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from connectors.dolibarr_grants import Need, discount_needs, field_needs, reading_needs
from dolisync.config import parse
from dolisync.display import requirements
from dolisync.example import example

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
EVENT = re.compile(r"\blog\.(?:info|warning|error)\(\s*\"([^\"]+)\"")
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


def test_every_line_of_the_log_is_explained() -> None:
    sources = [
        *ROOT.glob("dolisync/**/*.py"),
        *ROOT.glob("commands/*.py"),
        *ROOT.glob("connectors/*.py"),
    ]
    events = {event for path in sources for event in EVENT.findall(path.read_text())}
    assert len(events) > 10
    assert {event for event in events if f"`{event}`" not in OPERATIONS} == set()


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_architecture_fits_on_a_page() -> None:
    assert len((ROOT / "docs" / "architecture.md").read_text().splitlines()) <= 60
