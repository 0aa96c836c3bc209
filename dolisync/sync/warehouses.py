"""From which warehouses the goods of sales were taken, where programs ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dolisync.model import Sale, SaleKind, Warehouse
from dolisync.ports import Clock, WarehouseSource
from dolisync.program.terms import Program
from dolisync.sync.remembered import Remembered

_NO_GOODS_MOVE = {SaleKind.DEPOSIT, SaleKind.PROFORMA}


def are_asked(programs: Iterable[Program], source: str) -> bool:
    """Tell whether any of these programs chooses sales of a source by warehouses."""
    return any(program.warehouses_named for program in programs if program.takes(source))


@dataclass(slots=True)
class Warehouses:
    """Put onto each sale the warehouses from which its goods were taken."""

    source: WarehouseSource
    clock: Clock
    _known: Remembered[tuple[Warehouse, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self._known = Remembered(self.clock)

    def complete(self, sales: Sequence[Sale]) -> list[Sale]:
        """Return the sales with their warehouses."""
        found = self._known.ask([sale for sale in sales if _goods(sale)], self._ask)
        return [replace(sale, warehouses=found.get(sale.key.rowid) or ()) for sale in sales]

    def _ask(self, sales: Sequence[Sale]) -> Mapping[int, tuple[Warehouse, ...]]:
        return self.source.warehouses_of({sale.key.rowid: _goods(sale) for sale in sales})


def _goods(sale: Sale) -> frozenset[int]:
    if sale.kind in _NO_GOODS_MOVE:
        return frozenset()
    return frozenset(line.product_rowid for line in sale.lines if line.product_rowid is not None)


def with_first_names(before: Sale, now: Sale) -> Sale:
    """Let warehouses keep the names they had when a sale was first read."""
    names = {warehouse.rowid: warehouse for warehouse in before.warehouses}
    if not names or not now.warehouses:
        return now
    kept = tuple(names.get(warehouse.rowid, warehouse) for warehouse in now.warehouses)
    return replace(now, warehouses=kept)
