"""Explain: judge a sale and its returns again, without writing, and keep every reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Connection, Engine, select

from dolisync.errors import UserError
from dolisync.ledger import courses, referrals, tables
from dolisync.ledger.engine import reading
from dolisync.ledger.rulesets import RuleSet
from dolisync.ledger.store import Holding, KnownSale, Transaction, return_origin
from dolisync.ledger.views import sales_by_ref
from dolisync.model import CustomerKey, Sale, SaleKey, SaleStatus
from dolisync.ports import SaleSource
from dolisync.program.assess import Verdict
from dolisync.program.reasons import Reason, Why, because
from dolisync.program.spending import Bar, broken, share_of
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program, SpentPoints
from dolisync.program.tiers import in_force
from dolisync.program.unmatched import without_effect
from dolisync.sync.judge import (
    Rules,
    Verdicts,
    distrust,
    head_of,
    load_families,
    note,
    origins_of,
)
from dolisync.sync.paying import Cost, are_concerned, costs
from dolisync.sync.spent import Spending, Use, spendings, tokens_of

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Held:
    """What the ledger holds for a sale on one customer's account, in ledger units."""

    customer: CustomerKey
    units: int
    forgiven: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one program gives for a sale and why, beside what the ledger holds.

    ``without_effect`` are the program's rules that changed nothing on it.
    """

    program: Program
    rule_set: RuleSet
    verdict: Verdict
    held: tuple[Held, ...]
    without_effect: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class RewardUse:
    """A reward used on a sale: its token and title, and why which of its points come back."""

    token: str
    title: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """All there is to say about one document.

    ``in_ledger`` tells that the ledger knows it; ``is_live`` that it was read from Dolibarr just
    now, and ``differs`` that the ledger still knows it otherwise. ``parked`` is why it could not be
    taken in, where it could not. ``named_customer`` is the customer (rowid) whom Dolibarr names,
    where the ledger keeps it with another one.
    """

    sale: Sale
    in_ledger: bool
    is_live: bool
    differs: bool
    revision: int
    fingerprint: str
    first_seen_at: datetime | None
    vanished_at: datetime | None
    parked: str
    judgements: tuple[Judgement, ...]
    rewards: tuple[RewardUse, ...] = ()
    named_customer: int | None = None


@dataclass(slots=True)
class Found:
    """Where a number or rowid leads: to sales in the ledger, and to some read just now."""

    keys: list[SaleKey] = field(default_factory=list)
    live: list[Sale] = field(default_factory=list)

    def look_up(self, source: SaleSource, text: str) -> None:
        """Read from a source what bears this number, and what the ledger's sales are by now."""
        mine = [key.rowid for key in self.keys if key.source == source.name]
        sales = {sale.key: sale for sale in source.find(text)}
        if not sales and text.strip().isdecimal():
            mine.append(int(text))
        missing = [rowid for rowid in mine if rowid not in {key.rowid for key in sales}]
        sales |= {sale.key: sale for sale in (source.get(missing) if missing else ())}
        self.live += sales.values()
        self.keys += [key for key in sales if key not in self.keys]


def look_up_known(connection: Connection, text: str) -> Found:
    """Find what the ledger knows by this number or rowid."""
    return Found(sales_by_ref(connection, text.strip()))


def all_vanished(connection: Connection, now: datetime, keys: Collection[SaleKey]) -> bool:
    """Tell whether none of these sales exists any more as far as the ledger knows."""
    transaction = Transaction(connection, now)
    transaction.load_sales(keys)
    return all(known.vanished_at is not None for known in transaction.sales.values())


def with_origins(
    engine: Engine, now: datetime, source: SaleSource, sales: Sequence[Sale]
) -> list[Sale]:
    """Add the sales that these credit notes return, where the ledger does not know them."""
    wanted = {origin for sale in sales if (origin := return_origin(sale)) is not None}
    wanted -= {sale.key for sale in sales}
    if not wanted:
        return list(sales)
    with reading(engine) as connection:
        transaction = Transaction(connection, now)
        transaction.load_sales(wanted)
    unknown = sorted(key.rowid for key in wanted if key not in transaction.sales)
    return [*(source.get(unknown) if unknown else ()), *sales]


def explain(
    connection: Connection,
    now: datetime,
    rules: Rules,
    keys: Sequence[SaleKey],
    live: Sequence[Sale] = (),
) -> list[list[Explanation]]:
    """Explain the families of these sales: each a sale with its returns, in the order asked for.

    ``live`` sales are judged as they were read, in memory: nothing is written.
    """
    transaction = Transaction(connection, now)
    transaction.load_sales({*keys, *(sale.key for sale in live), *origins_of(live)})
    before = {key: known.fingerprint for key, known in transaction.sales.items()}
    for sale in live:
        note(transaction, rules, sale)
    families = load_families(transaction, _roots(transaction, keys))
    known = [sale for family in families for sale in family]
    held = transaction.holdings([sale.id for sale in known if not sale.is_new])
    transaction.load_books((), ids={id_ for members in held.values() for id_ in members})
    rewards = _rewards(transaction, rules, [sale.sale for sale in known])
    verdicts = Verdicts.to_read(transaction, rules, families)
    paid = _paid(transaction, rules, families)
    judge = _Judge(verdicts, held, before, {sale.key for sale in live}, rewards, paid)
    return [judge.explain(family) for family in families]


def _rewards(
    transaction: Transaction, rules: Rules, sales: Sequence[Sale]
) -> dict[SaleKey, list[RewardUse]]:
    """Say of each sale which rewards were used on it, and what comes back of them."""
    found: dict[SaleKey, list[RewardUse]] = defaultdict(list)
    tokens = tokens_of(rules.around, sales)
    if tokens:
        for spending in spendings(transaction, rules.book, rules.around, distrust, tokens):
            for use in spending.uses:
                if spending.program is not None:
                    spent = spending.redemption
                    found[use.sale.key] += [
                        RewardUse(spent.token, spent.title, reason)
                        for reason in _spent_reasons(spending, spending.program, use)
                    ]
    return found


def _paid(
    transaction: Transaction, rules: Rules, families: Sequence[Sequence[KnownSale]]
) -> dict[tuple[str, SaleKey], tuple[Reason, ...]]:
    """Say what payments with points cost, by program and document."""
    found = {}
    for family in families:
        around = rules.around.get(family[0].key.source)
        if around is not None and are_concerned(around, family, {}):
            programs = rules.book.by_id(family[0].rule_set_id).programs
            for cost in costs(transaction, around, programs, family, distrust):
                found[cost.program.name, cost.known.key] = tuple(_paid_reasons(around, cost))
    return found


def _paid_reasons(around: Surroundings, cost: Cost) -> Iterator[Reason]:
    points = cost.program.points_of(abs(cost.paid.units - cost.paid.rewards))
    if cost.paid.units < 0:
        yield because(Why.PAID_OUT, amount=(-cost.paid.amount).quantize(CENT), points=points)
    elif cost.paid.back:
        yield because(Why.PAID_BACK, amount=cost.paid.back.quantize(CENT), points=points)
    elif cost.paid.amount:
        yield because(Why.PAID_BY_POINTS, paid=cost.paid.amount.quantize(CENT), points=points)
    yield from _broken_terms(around, cost)
    if cost.paid.rewards:
        price = cost.program.points_of(cost.paid.rewards)
        yield because(Why.PAID_REWARDS, points=price)


def _broken_terms(around: Surroundings, cost: Cost) -> Iterator[Reason]:
    """Say what of the program's terms a payment with points broke; it stands all the same."""
    program, sale = cost.program, cost.known.sale
    for bar in broken(program, around, sale, cost.paid.amount):
        if bar is Bar.OTHER_DISCOUNT:
            yield because(Why.PAID_BESIDE_DISCOUNT)
        else:
            most = share_of(program, sale.total_incl)
            yield because(Why.PAID_BEYOND_SHARE, amount=most, share=program.redeem.max_share or 0)


def _spent_reasons(spending: Spending, program: Program, use: Use) -> Iterator[Reason]:
    yield _spent_reason(spending, program, use)
    if spending.excess:
        worth, excess = (
            amount.quantize(CENT) for amount in (spending.redemption.amount, spending.excess)
        )
        yield because(Why.SPENT_TWICE, used=worth + excess, worth=worth, excess=excess)


def _spent_reason(spending: Spending, program: Program, use: Use) -> Reason:
    points = program.points_of(spending.redemption.points)
    if use.sale.status is SaleStatus.ABANDONED:
        return because(Why.SPENT_ABANDONED, points=points)
    if program.returns.spent_points is SpentPoints.KEEP:
        return because(Why.SPENT_KEPT, points=points)
    percent = (100 * use.undone.share).quantize(Decimal("0.1"))
    back = program.points_of(spending.due)
    return because(Why.SPENT_BACK, back=back, points=points, share=percent, what=use.undone.what)


def _roots(transaction: Transaction, keys: Sequence[SaleKey]) -> list[SaleKey]:
    """Name the heads of the families, each once."""
    asked = [transaction.sales[key].sale for key in keys]
    transaction.load_sales(set(origins_of(asked)))
    return list(dict.fromkeys(head_of(transaction, sale) for sale in asked))


@dataclass(frozen=True, slots=True)
class _Judge:
    verdicts: Verdicts
    held: dict[int, dict[int, Holding]]
    before: dict[SaleKey, str]
    live: set[SaleKey]
    rewards: dict[SaleKey, list[RewardUse]]
    paid: dict[tuple[str, SaleKey], tuple[Reason, ...]]

    def explain(self, family: Sequence[KnownSale]) -> list[Explanation]:
        head = family[0]
        rules = self.verdicts.rules
        rule_set = rules.book.by_id(head.rule_set_id)
        if head.key.source not in rules.around:
            message = f"the source '{head.key.source}' is not in the configuration any more"
            raise UserError(message, "add its section [[source]] again to judge its sales")
        verdicts = [(program, self.verdicts.of(program, family)) for program in rule_set.programs]
        return [
            self._explain_one(
                known,
                tuple(
                    self._judgement(rule_set, program, known, of_all[place])
                    for program, of_all in verdicts
                ),
            )
            for place, known in enumerate(family)
        ]

    def _judgement(
        self, rule_set: RuleSet, program: Program, known: KnownSale, verdict: Verdict
    ) -> Judgement:
        around = self.verdicts.rules.around[known.key.source]
        before = self.verdicts.before(program, known.key)
        silent = without_effect(program, around, known.sale, before, verdict.reasons)
        paid = self.paid.get((program.name, known.key), ())
        by_hand = self._tier_by_hand(program, known.sale, before.tier)
        brought = tuple(self._brought(program, known))
        told = replace(verdict, reasons=(*verdict.reasons, *by_hand, *paid, *brought))
        return Judgement(program, rule_set, told, self._held(known, program), silent)

    def _brought(self, program: Program, known: KnownSale) -> Iterator[Reason]:
        """Say what recommendations give for a sale, where it is the purchase they brought."""
        if known.is_new:
            return
        for one in referrals.of_sales(self.verdicts.transaction.connection, [known.id]):
            if one.program == program.name and not one.void:
                units = (one.held_by_new.units, one.held_by_by.units)
                points, given = map(program.points_of, units)
                yield because(Why.REFERRED, points=points, given=given)

    def _tier_by_hand(self, program: Program, sale: Sale, name: str) -> tuple[Reason, ...]:
        """Say that somebody set the tier in which a sale is judged, where that is so."""
        tier = program.tier_named(name)
        if tier is None:
            return ()
        connection = self.verdicts.transaction.connection
        found = courses.set_by_hand(connection, program.name, [sale.customer])
        settings = found.get(sale.customer, ())
        entry = in_force(program, settings, sale.date.toordinal())
        if entry is None or entry.tier != name:
            return ()
        day = date.fromordinal(entry.day).isoformat()
        return (because(Why.TIER_BY_HAND, title=tier.title, day=day),)

    def _explain_one(self, known: KnownSale, judgements: tuple[Judgement, ...]) -> Explanation:
        mark = known.fingerprint
        in_ledger = not known.is_new
        return Explanation(
            known.sale,
            in_ledger,
            known.key in self.live,
            in_ledger and self.before.get(known.key, mark) != mark,
            known.revision,
            mark,
            known.first_seen_at if in_ledger else None,
            known.vanished_at,
            _parked(self.verdicts.transaction.connection, known.key),
            judgements,
            tuple(self.rewards.get(known.key, ())),
            known.named_customer,
        )

    def _held(self, known: KnownSale, program: Program) -> tuple[Held, ...]:
        holdings = {} if known.is_new else self.held.get(known.id, {})
        found = []
        for member_id, holding in holdings.items():
            owner = self.verdicts.transaction.member_keys[member_id]
            if owner.program == program.name:
                found.append(Held(owner.customer, holding.units, holding.forgiven))
        return tuple(found)


def _parked(connection: Connection, key: SaleKey) -> str:
    table = tables.parked.c
    query = select(table.reason).where(
        table.source == key.source, table.entity == key.entity, table.rowid == key.rowid
    )
    return str(connection.execute(query).scalar() or "")
