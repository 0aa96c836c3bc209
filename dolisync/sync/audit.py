"""Audit: judge every known sale again and compare with what the ledger holds for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlalchemy import Engine

from dolisync.ledger import campaign_uses, courses, referrals
from dolisync.ledger.engine import reading
from dolisync.ledger.pages import page_after
from dolisync.ledger.redemptions import State, came_back
from dolisync.ledger.referrals import Referral
from dolisync.ledger.store import Holding, KnownSale, MemberKey, Transaction
from dolisync.ledger.verify import (
    RULE_COUNTED,
    RULE_LIMITS,
    RULE_PAID,
    RULE_REFERRAL,
    RULE_SALE,
    RULE_SOLD,
    RULE_SPENT,
    RULE_USED,
    Breach,
    verify_books,
)
from dolisync.ledger.voucher_uses import UseState
from dolisync.model import Sale, SaleKey
from dolisync.ports import Clock
from dolisync.program.assess import Verdict
from dolisync.program.terms import Program
from dolisync.sync.code_uses import owed
from dolisync.sync.gift_cards import differences as differences_of_cards
from dolisync.sync.judge import Rules, Verdicts, distrust, load_families, referrals_in
from dolisync.sync.paying import are_concerned, costs, differences
from dolisync.sync.referrals import are_wanted
from dolisync.sync.spent import spendings, tokens_of
from dolisync.sync.timeline import looking_back

PAGE = 500


def verify(
    engine: Engine, clock: Clock, rules: Rules, progress: Callable[[int], None] | None = None
) -> list[Breach]:
    """Check all invariants; an empty list means that the ledger holds."""
    of_sales = verify_sales(engine, clock, rules, progress)
    return [*verify_books(engine), *of_sales, *verify_referrals(engine, clock, rules)]


def verify_sales(
    engine: Engine, clock: Clock, rules: Rules, progress: Callable[[int], None] | None = None
) -> Iterator[Breach]:
    """Judge all known sales anew, in pages, and report those that hold something else.

    Members come one after the other, because what a sale holds may depend on the one before it:
    what is kept of those before the page was checked with them.
    """
    checked, place = 0, None
    while True:
        with reading(engine) as connection:
            page = page_after(connection, place, PAGE)
            if page is None:
                return
            place = page.place
            yield from _check(Transaction(connection, clock.now()), rules, list(page.keys))
        checked += len(page.keys)
        if progress:
            progress(checked)


def verify_referrals(engine: Engine, clock: Clock, rules: Rules) -> Iterator[Breach]:
    """Judge all recommendations anew, in pages, and report those that hold something else."""
    if not are_wanted(rules.book):
        return
    last = 0
    while True:
        with reading(engine) as connection:
            page = referrals.after(connection, last, PAGE)
            if not page:
                return
            last = page[-1].id
            yield from _check_referrals(Transaction(connection, clock.now()), rules, page)


def _check_referrals(
    transaction: Transaction, rules: Rules, page: Sequence[Referral]
) -> Iterator[Breach]:
    mine = {one.id for one in page}
    for judged in referrals_in(transaction, rules).judge(page):
        if judged.referral.id not in mine:
            continue
        for share in judged.differing:
            held = judged.referral.held(share.side)
            where = f"recommendation {judged.referral.id}, {share.side}"
            found = f"holds {held.units} for sale {held.sale_id}, "
            found += f"the rules give {share.units} for sale {share.sale_id}"
            yield Breach(RULE_REFERRAL, where, found)


def _check(transaction: Transaction, rules: Rules, keys: list[SaleKey]) -> Iterator[Breach]:
    families = load_families(transaction, keys)
    known = [sale for family in families for sale in family]
    held = transaction.holdings([sale.id for sale in known])
    transaction.load_books((), ids={id_ for members in held.values() for id_ in members})
    verdicts = Verdicts.to_read(transaction, rules, families)
    for family in families:
        # A source that was taken out of the configuration is no longer judged.
        if family[0].key.source in rules.around:
            yield from _check_family(verdicts, family, held)
            yield from _check_paid(transaction, rules, family, held)
    yield from _check_counted(verdicts, families)
    for used in owed(transaction, families, distrust):
        if not used.holds and used.use.state not in {UseState.WANTED, UseState.PLACED}:
            where = f"use {used.use.token} on sale {used.family[0].sale.ref}"
            found_text = f"takes {used.use.amount}, the sales say {used.amount}"
            yield Breach(RULE_USED, where, found_text)
    for found in differences_of_cards(transaction, rules.around, families, distrust):
        if found.can_move:
            where = f"sale {found.known.sale.ref} ({found.known.key})"
            text = f"its gift cards were given {found.sold.total}, the sale says {found.due}"
            yield Breach(RULE_SOLD, where, text)
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


def _check_paid(
    transaction: Transaction,
    rules: Rules,
    family: Sequence[KnownSale],
    held: dict[int, dict[int, Holding]],
) -> Iterator[Breach]:
    """Compare what payments with points cost with what the sales say."""
    around = rules.around[family[0].key.source]
    if not are_concerned(around, family, held):
        return
    programs = rules.book.by_id(family[0].rule_set_id).programs
    for cost in costs(transaction, around, programs, family, distrust):
        for due in differences(transaction, cost, held):
            where = f"sale {cost.known.sale.ref} ({cost.known.key}) in '{cost.program.name}'"
            found = f"{due.units:+} points for customer {due.owner.customer.rowid} are missing"
            yield Breach(RULE_PAID, where, found)


def _check_counted(verdicts: Verdicts, families: Sequence[Sequence[KnownSale]]) -> Iterator[Breach]:
    """Compare what is kept for the rules that look back with what the sales count."""
    known = {sale.id: sale for family in families for sale in family}
    connection = verdicts.transaction.connection
    for name in looking_back(verdicts.rules.book):
        if not courses.is_prepared(connection, name):
            continue
        kept = courses.of_sales(connection, name, known)
        found = {id_: row for id_, (_, row) in verdicts.timeline.rows[name].items()}
        for id_ in sorted(kept.keys() | found.keys()):
            if kept.get(id_) != found.get(id_) and known[id_].key.source in verdicts.rules.around:
                where = f"sale {known[id_].sale.ref} ({known[id_].key}) in '{name}'"
                yield Breach(RULE_COUNTED, where, f"{kept.get(id_)} kept, not {found.get(id_)}")
        yield from _check_limits(verdicts, name, known)


def _check_limits(
    verdicts: Verdicts, name: str, known: Mapping[int, KnownSale]
) -> Iterator[Breach]:
    """Compare what is kept of campaigns with limits with what they give."""
    kept = campaign_uses.of_sales(verdicts.transaction.connection, name, known)
    found = verdicts.timeline.uses[name]
    for id_ in sorted(kept.keys() | found.keys()):
        mine, given = kept.get(id_, []), sorted(found.get(id_, []))
        if mine != given and known[id_].key.source in verdicts.rules.around:
            where = f"sale {known[id_].sale.ref} ({known[id_].key}) in '{name}'"
            yield Breach(RULE_LIMITS, where, f"{mine} kept, not {given}")


def _check_family(
    verdicts: Verdicts, family: list[KnownSale], held: dict[int, dict[int, Holding]]
) -> Iterator[Breach]:
    transaction = verdicts.transaction
    for program in verdicts.rules.book.by_id(family[0].rule_set_id).programs:
        for known, verdict in zip(family, verdicts.of(program, family), strict=True):
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
