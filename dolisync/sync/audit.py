"""Audit: judge every known sale again and compare with what the ledger holds for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection, Engine, select

from dolisync.ledger import tables
from dolisync.ledger.engine import reading
from dolisync.ledger.redemptions import State, came_back
from dolisync.ledger.store import Holding, KnownSale, MemberKey, Transaction
from dolisync.ledger.verify import RULE_SALE, RULE_SPENT, Breach, verify_books
from dolisync.model import Sale, SaleKey
from dolisync.ports import Clock
from dolisync.program.assess import Verdict
from dolisync.program.terms import Program
from dolisync.sync.judge import Rules, distrust, family_of, head_of, judge_family, origins_of
from dolisync.sync.spent import spendings, tokens_of

PAGE = 500


def verify(
    engine: Engine, clock: Clock, rules: Rules, progress: Callable[[int], None] | None = None
) -> list[Breach]:
    """Check all invariants; an empty list means that the ledger holds."""
    return [*verify_books(engine), *verify_sales(engine, clock, rules, progress)]


def verify_sales(
    engine: Engine, clock: Clock, rules: Rules, progress: Callable[[int], None] | None = None
) -> Iterator[Breach]:
    """Judge all known sales anew, in pages, and report those that hold something else."""
    checked, last = 0, 0
    while True:
        with reading(engine) as connection:
            page = _page(connection, last)
            if not page:
                return
            last = max(id_ for id_, _ in page)
            yield from _check(Transaction(connection, clock.now()), rules, [k for _, k in page])
        checked += len(page)
        if progress:
            progress(checked)


def _page(connection: Connection, last: int) -> list[tuple[int, SaleKey]]:
    sale = tables.sale.c
    query = select(sale.id, sale.source, sale.entity, sale.rowid)
    query = query.where(sale.id > last, sale.erased_at.is_(None))
    query = query.order_by(sale.id).limit(PAGE)
    return [(row.id, SaleKey(*row[1:])) for row in connection.execute(query)]


def _check(transaction: Transaction, rules: Rules, keys: list[SaleKey]) -> Iterator[Breach]:
    families = load_families(transaction, keys)
    known = [sale for family in families for sale in family]
    held = transaction.holdings([sale.id for sale in known])
    transaction.load_books((), ids={id_ for members in held.values() for id_ in members})
    for family in families:
        # A source that was taken out of the configuration is no longer judged.
        if family[0].key.source in rules.around:
            yield from _check_family(transaction, rules, family, held)
    yield from _check_spent(transaction, rules, [known.sale for known in known])


def _check_spent(transaction: Transaction, rules: Rules, sales: Sequence[Sale]) -> Iterator[Breach]:
    """Compare what came back of the rewards on these sales with what must have come back."""
    tokens = tokens_of(rules.around, sales)
    if not tokens:
        return
    for spending in spendings(transaction, rules.book, rules.around, distrust, tokens):
        redemption = spending.redemption
        back = came_back(transaction.connection, redemption.id).units
        if redemption.state == State.USED and back != spending.due:
            found = f"{back} came back, the sales say {spending.due}"
            yield Breach(RULE_SPENT, f"redemption {redemption.token}", found)


def load_families(transaction: Transaction, keys: list[SaleKey]) -> list[list[KnownSale]]:
    """Load the families that begin with one of these sales: heads with all their returns."""
    transaction.load_sales(keys)
    asked = [transaction.sales[key] for key in keys]
    transaction.load_sales(set(origins_of([known.sale for known in asked])))
    transaction.load_days({(known.sale.customer, known.sale.date) for known in asked})
    heads = [known.key for known in asked if head_of(transaction, known.sale) == known.key]
    transaction.load_returns(heads)
    return [family_of(transaction, head) for head in heads]


def _check_family(
    transaction: Transaction,
    rules: Rules,
    family: list[KnownSale],
    held: dict[int, dict[int, Holding]],
) -> Iterator[Breach]:
    head = family[0]
    for program in rules.book.by_id(head.rule_set_id).programs:
        around = rules.around[head.key.source]
        verdicts = judge_family(transaction, program, around, family)
        for known, verdict in zip(family, verdicts, strict=True):
            if known.erased_at is not None:
                continue
            yield from _compare(transaction, program, known, verdict, held.get(known.id, {}))


def _compare(
    transaction: Transaction,
    program: Program,
    known: KnownSale,
    verdict: Verdict,
    holdings: dict[int, Holding],
) -> Iterator[Breach]:
    owner = MemberKey(program.name, known.sale.customer)
    mine = 0
    for member_id, holding in holdings.items():
        key = transaction.member_keys[member_id]
        if key == owner:
            mine = holding.units
        elif key.program == program.name and holding.units:
            where = f"sale {known.sale.ref} ({known.key}) in '{program.name}'"
            found = f"holds {holding.units} for customer {key.customer.rowid}, not its own"
            yield Breach(RULE_SALE, where, found)
    if mine != verdict.units:
        where = f"sale {known.sale.ref} ({known.key}) in '{program.name}'"
        yield Breach(RULE_SALE, where, f"holds {mine}, the rules give {verdict.units}")
