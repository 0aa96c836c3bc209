"""Columns as Dolibarr declares them, for SQLite and for MariaDB."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite

MARIADB = ("mysql", "mariadb")


class Money(sa.types.TypeDecorator[Decimal]):
    """A double(24,8) column that Python sees as Decimal."""

    impl = sa.Double
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Take MariaDB's own double with its scale."""
        if dialect.name in MARIADB:
            return dialect.type_descriptor(mysql.DOUBLE(24, 8, asdecimal=False))
        return dialect.type_descriptor(sa.Double())

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> float | None:  # noqa: ARG002
        """Hand the driver what it knows."""
        return None if value is None else float(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:  # noqa: ARG002
        """Cut the noise of binary fractions at the eighth digit."""
        return None if value is None else Decimal(str(round(float(value), 8)))


def moment_type() -> sa.types.TypeEngine[Any]:
    """Give the type of a date with time, in whole seconds."""
    whole_seconds = sqlite.DATETIME(truncate_microseconds=True)  # type: ignore[no-untyped-call]
    return sa.DateTime().with_variant(whole_seconds, "sqlite")


def key_column(name: str = "rowid") -> sa.Column[Any]:
    """Declare a key that is never used twice."""
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=True)


def entity_column() -> sa.Column[Any]:
    """Declare the entity; there is one."""
    return sa.Column("entity", sa.Integer, nullable=False, server_default="1")


def text_of(length: int) -> sa.types.TypeEngine[str]:
    """Compare as MariaDB does, without regard to case."""
    return sa.String(length, collation="NOCASE").with_variant(sa.String(length), *MARIADB)


def texts(length: int, *names: str) -> list[sa.Column[Any]]:
    """Declare short texts."""
    return [sa.Column(name, text_of(length)) for name in names]


def numbers(*names: str) -> list[sa.Column[Any]]:
    """Declare whole numbers."""
    return [sa.Column(name, sa.Integer) for name in names]


def zeros(*names: str) -> list[sa.Column[Any]]:
    """Declare whole numbers that begin at zero."""
    return [sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in names]


def monies(*names: str) -> list[sa.Column[Any]]:
    """Declare amounts that begin at zero."""
    return [sa.Column(name, Money, server_default="0") for name in names]


def moments(*names: str) -> list[sa.Column[Any]]:
    """Declare dates with time."""
    return [sa.Column(name, moment_type()) for name in names]


def days(*names: str) -> list[sa.Column[Any]]:
    """Declare dates."""
    return [sa.Column(name, sa.Date) for name in names]


def notes(*names: str) -> list[sa.Column[Any]]:
    """Declare long texts."""
    return [sa.Column(name, sa.Text) for name in names]
