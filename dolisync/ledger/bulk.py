"""Writing many rows at once: SQLAlchemy's own statements and conversions, handed to the driver.

A batch writes some thousand rows. Going through a dictionary of bound parameters for each of them
takes longer than the database does; here each column is converted once for all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Table, Update, bindparam, insert, update
from sqlalchemy.sql.compiler import SQLCompiler

Rows = Sequence[Mapping[str, Any]]
Convert = Callable[[Any], Any]

_ROW_ID = "row_id"


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement as the driver takes it; ``names`` are its values in order."""

    sql: str
    names: tuple[str, ...]
    converts: tuple[Convert | None, ...]


def insert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows that all have the same columns."""
    if rows:
        prepared = _prepared_insert(table, tuple(rows[0]), connection.dialect)
        if prepared is None:
            connection.execute(insert(table), rows)
        else:
            connection.exec_driver_sql(prepared.sql, _values(prepared, rows))


def insert_values(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert rows that are just the values of these columns."""
    if rows:
        prepared = _prepared_insert(table, tuple(names), connection.dialect)
        if prepared is None:
            named = [dict(zip(names, row, strict=True)) for row in rows]
            connection.execute(insert(table), named)
        else:
            columns = dict(zip(names, zip(*rows, strict=True), strict=True))
            connection.exec_driver_sql(prepared.sql, _converted(prepared, columns))


def update_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Update rows by their ``id``; all must have the same columns."""
    if rows:
        columns = tuple(name for name in rows[0] if name != "id")
        prepared = _prepared_update(table, columns, connection.dialect)
        if prepared is None:
            named = [{**{name: row[name] for name in columns}, _ROW_ID: row["id"]} for row in rows]
            connection.execute(_update(table), named)
        else:
            connection.exec_driver_sql(prepared.sql, _values(prepared, rows))


def _values(prepared: _Prepared, rows: Rows) -> list[tuple[Any, ...]]:
    return _converted(prepared, {name: [row[name] for row in rows] for name in prepared.names})


def _converted(prepared: _Prepared, named: Mapping[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
    columns = []
    for name, convert in zip(prepared.names, prepared.converts, strict=True):
        column = named[name]
        if convert is not None:
            # Moments and days repeat from row to row.
            converted = {value: convert(value) for value in set(column)}
            column = [converted[value] for value in column]
        columns.append(column)
    return list(zip(*columns, strict=True))


@lru_cache(maxsize=64)
def _prepared_insert(table: Table, columns: tuple[str, ...], dialect: Dialect) -> _Prepared | None:
    return _prepare(insert(table), columns, dialect)


@lru_cache(maxsize=64)
def _prepared_update(table: Table, columns: tuple[str, ...], dialect: Dialect) -> _Prepared | None:
    return _prepare(_update(table), columns, dialect)


def _update(table: Table) -> Update:
    return update(table).where(table.c.id == bindparam(_ROW_ID))


def _prepare(
    statement: Insert | Update, columns: tuple[str, ...], dialect: Dialect
) -> _Prepared | None:
    compiled = statement.compile(dialect=dialect, column_keys=list(columns))
    assert isinstance(compiled, SQLCompiler)
    if compiled.positiontup is None:
        return None  # This driver takes its values by name.
    types = [compiled.binds[name].type.dialect_impl(dialect) for name in compiled.positiontup]
    return _Prepared(
        str(compiled),
        tuple("id" if name == _ROW_ID else name for name in compiled.positiontup),
        tuple(type_.bind_processor(dialect) for type_ in types),
    )
