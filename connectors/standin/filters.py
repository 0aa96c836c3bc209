"""The grammar of `sqlfilters`: (t.field:op:'value'), and/or, nested parentheses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from connectors.standin.store import Store

OPERATORS = {
    "=": "=",
    "<": "<",
    ">": ">",
    "<=": "<=",
    ">=": ">=",
    "!=": "!=",
    "like": "LIKE",
    "notlike": "NOT LIKE",
    "in": "IN",
    "notin": "NOT IN",
    "is": "IS",
    "isnot": "IS NOT",
}
NOT_IN_16 = {"isnot", "notin"}
LEAF = re.compile(r"\(?\s*(?P<name>[A-Za-z_.0-9]+):(?P<op>[a-z<>!=]+):(?P<value>[^()]*)\)?")
TOKEN = re.compile(r"\s*(\([A-Za-z_.0-9]+:[a-z<>!=]+:[^()]*\)|\(|\)|and\b|or\b)\s*", re.IGNORECASE)


class FilterSyntaxError(Exception):
    """The filter cannot be read."""


class FilterSqlError(Exception):
    """The filter can be read, and the database refuses what it becomes."""


@dataclass
class Filter:
    """A condition as SQL text with its parameters."""

    sql: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        """Name a parameter for a value."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def clause(self) -> sa.TextClause:
        """Give the condition to a select."""
        return sa.text(self.sql).bindparams(**self.values)


def parse(text: str, store: Store, table: sa.Table) -> Filter:
    """Read a filter on a table that the query calls `t`."""
    made = Filter()
    if not text.lstrip().startswith("("):
        if store.major == 16:
            raise FilterSqlError("You have an error in your SQL syntax")
        made.sql = _leaf(text, made, store, table)
        return made
    tokens = _tokens(text)
    made.sql = " ".join(
        _leaf(token, made, store, table) if ":" in token else token for token in tokens
    )
    _check_order(tokens)
    return made


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None:
            raise FilterSyntaxError(f"Error when validating parameter sqlfilters -> {text}")
        tokens.append(found[1])
        position = found.end()
    return tokens


def _check_order(parts: list[str]) -> None:
    """Refuse what is not a row of conditions joined by and/or in balanced parentheses."""
    depth, wants_condition = 0, True
    for part in parts:
        if part == "(":
            good, depth = wants_condition, depth + 1
        elif part == ")":
            good, depth = not wants_condition and depth > 0, depth - 1
        else:
            good = wants_condition == (":" in part)
            wants_condition = not wants_condition
        if not good:
            raise FilterSyntaxError("Bad syntax of the search string")
    if depth or wants_condition:
        raise FilterSyntaxError("Bad syntax of the search string")


def _leaf(text: str, made: Filter, store: Store, table: sa.Table) -> str:
    found = LEAF.fullmatch(text.strip())
    if found is None or found["op"] not in OPERATORS:
        raise FilterSyntaxError(f"Error when validating parameter sqlfilters -> {text}")
    operator = found["op"]
    if store.major == 16 and operator in NOT_IN_16:
        raise FilterSqlError("You have an error in your SQL syntax")
    column = table.c.get(found["name"].removeprefix("t."))
    if operator in {"in", "notin"}:
        names = [made.bind(_value(part, column)) for part in found["value"].split(",")]
        right = f"({', '.join(names)})"
    elif operator in {"is", "isnot"}:
        right = "NULL" if found["value"].strip("'").upper() == "NULL" else "NOT NULL"
    else:
        right = made.bind(_value(found["value"], column))
    return f"({_left(found['name'], column, store)} {OPERATORS[operator]} {right})"


def _left(name: str, column: sa.Column[Any] | None, store: Store) -> str:
    """Compare a day with a moment as MariaDB does, where SQLite would compare texts."""
    if store.mariadb or column is None or not isinstance(column.type, sa.Date):
        return name
    return f"datetime({name})"


def _value(text: str, column: sa.Column[Any] | None) -> Any:
    text = text.strip()
    quoted = re.fullmatch(r"'(.*)'", text)
    if quoted is None:
        if re.fullmatch(r"-?\d+", text):
            return int(text)  # a number is compared as a number, with a date column too
        if re.fullmatch(r"-?\d+\.\d+", text):
            return float(text)
        if re.fullmatch(r"[\w %.@-]*", text):
            return text
        raise FilterSyntaxError(f"Bad value {text}")
    is_time = column is not None and isinstance(column.type, sa.Date | sa.DateTime)
    return _moment(quoted[1]) if is_time else quoted[1]


def _moment(text: str) -> str:
    """Write any form of a moment that MariaDB takes in the one form that SQLite compares."""
    digits = re.sub(r"\D", "", text).ljust(14, "0")
    return (
        f"{digits[:4]}-{digits[4:6]}-{digits[6:8]} {digits[8:10]}:{digits[10:12]}:{digits[12:14]}"
    )
