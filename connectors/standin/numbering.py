"""References: one series per prefix and month, the next number being one more than the highest."""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa

from connectors.standin.store import Store

PREFIX_OF_TYPE = {0: "FA", 1: "FA", 2: "AV", 3: "AC", 4: "PF", 5: "FA"}


def highest(store: Store, column: sa.Column[Any], prefix: str) -> int:
    """Find the highest number given so far in a series."""
    number = sa.cast(sa.func.substr(column, len(prefix) + 1), sa.Integer)
    found = store.scalar(sa.select(sa.func.max(number)).where(column.like(f"{prefix}%")))
    return int(found or 0)


def next_ref(store: Store, column: sa.Column[Any], series: str, day: date, digits: int = 4) -> str:
    """Give the next reference of a series, such as FA2611-0001."""
    prefix = f"{series}{day:%y%m}-"
    return f"{prefix}{highest(store, column, prefix) + 1:0{digits}d}"


def is_last(store: Store, column: sa.Column[Any], ref: str) -> bool:
    """Tell whether a reference is the last of its series."""
    prefix, number = ref.rsplit("-", 1)
    return int(number) == highest(store, column, f"{prefix}-")


def is_provisional(ref: str) -> bool:
    """Tell a draft's reference, (PROV12) or (PROV-POS1-0), from a real one."""
    return ref.startswith("(PROV")
