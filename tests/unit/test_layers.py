"""The house rules: who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTSIDE = {"click", "requests", "pymysql", "jinja2", "rich", "flask", "waitress", "escpos"}
FORBIDDEN = {*OUTSIDE, "connectors", "cli", "commands"}
CORE = sorted(ROOT.joinpath("dolisync").rglob("*.py"))
PURE = [ROOT / "dolisync/model.py", *sorted(ROOT.joinpath("dolisync/program").glob("*.py"))]
IMPURE = {"sqlalchemy", "alembic", "structlog", "time", "random", "os", "socket", "secrets"}


def imports_of(path: Path) -> set[str]:
    """Return the names of everything a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def roots_of(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports_of(path)}


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_imports_nothing_of_the_world_outside(path: Path) -> None:
    assert roots_of(path) & FORBIDDEN == set()


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_rules_have_no_clock_no_dice_and_no_database(path: Path) -> None:
    assert roots_of(path) & IMPURE == set()
    rooms = {name for name in imports_of(path) if name.startswith("dolisync.")}
    assert {name.split(".")[1] for name in rooms} <= {"model", "program"}
    called = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert called & {"now", "today", "utcnow"} == set()


def test_only_the_print_server_loads_what_it_needs() -> None:
    """These take a third of a second to load, and one leaves a folder behind each time."""
    looked = "import sys, cli; print(sorted({'escpos', 'flask', 'waitress'} & set(sys.modules)))"
    command = [sys.executable, "-c", looked]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_the_import_contracts_of_the_project_hold() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as go; go()",
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout
