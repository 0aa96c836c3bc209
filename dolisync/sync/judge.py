"""From changed sales to postings: find out whom a change concerns, judge, post the difference.

This is the one path for everything that can happen to a sale. What the ledger should hold for it
is computed anew; what it holds is looked up; the difference is posted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

import structlog

from dolisync.ledger import courses, outbox, vouchers
from dolisync.ledger.batches import new_token
from dolisync.ledger.book import Book, Entry, Kind
from dolisync.ledger.documents import fingerprint
from dolisync.ledger.pages import page_after
from dolisync.ledger.rulesets import RuleBook
from dolisync.ledger.store import Holding, KnownSale, MemberKey, Transaction, return_origin
from dolisync.model import CustomerKey, Sale, SaleKey, SaleKind, SaleLine
from dolisync.program.assess import Family, Verdict, assess, assess_alone, earned_on, refuse
from dolisync.program.before import NOTHING_BEFORE, Before
from dolisync.program.calendar import last_day_of_use
from dolisync.program.reasons import Why, because
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program
from dolisync.sync.activity import follow_activity
from dolisync.sync.buyers import with_first_buyer
from dolisync.sync.code_uses import follow_used
from dolisync.sync.deliveries import with_first_delivery
from dolisync.sync.gift_cards import follow_sold
from dolisync.sync.known_courses import KnownCourses
from dolisync.sync.merge import CustomersMoved, Fates, Merged, as_kept, cards, merge
from dolisync.sync.paying import Paying, are_concerned, costs
from dolisync.sync.referrals import Referrals
from dolisync.sync.referrals import follow as follow_referrals
from dolisync.sync.spent import Spent, spendings, tokens_of
from dolisync.sync.timeline import Judging, Timeline, looking_back
from dolisync.sync.warehouses import with_first_names

log = structlog.get_logger()

PREPARED_AT_ONCE = 500
# The doors may read a wall time of the hour that comes twice a year an hour apart.
CLOCK_CHANGE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Showing:
    """What is to be shown in a source: nothing in shadow mode, invoices only where it is safe."""

    customers: bool = True
    sales: bool = True
    discounts: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """All that judging needs: the programs of every time, and what surrounds each source."""

    book: RuleBook
    around: Mapping[str, Surroundings]
    showing: Mapping[str, Showing]
    courses: KnownCourses = field(default_factory=KnownCourses, compare=False)

    def shows(self, source: str) -> bool:
        """Tell whether customer cards are written in a source."""
        return self.showing.get(source, Showing()).customers

    def is_shown(self, target: outbox.Target) -> bool:
        """Tell whether a card or an invoice is written."""
        showing = self.showing.get(target.source, Showing())
        return showing.sales if target.kind == "sale" else showing.customers


@dataclass(slots=True)
class Tally:
    """What a turn did. ``units`` are ledger units per program: given and taken."""

    read: int = 0
    changed: int = 0
    postings: int = 0
    given: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)

    def count(self, program: str, units: int) -> None:
        """Note points moved."""
        side = self.given if units > 0 else self.taken
        side[program] = side.get(program, 0) + abs(units)
        self.postings += 1

    def add(self, other: Tally) -> None:
        """Add another tally's numbers."""
        self.read += other.read
        self.changed += other.changed
        self.postings += other.postings
        for mine, theirs in ((self.given, other.given), (self.taken, other.taken)):
            for program, units in theirs.items():
                mine[program] = mine.get(program, 0) + units


def take_in(
    transaction: Transaction, rules: Rules, sales: Sequence[Sale], fates: Fates | None = None
) -> Tally:
    """Bring the ledger up to date with these sales as they are now.

    ``fates`` says what became of customers whose sales are another's now. Raises
    ``CustomersMoved`` when it does not; left out, sales were merely given to others.
    """
    marks = transaction.marks({sale.key for sale in sales})
    # What was erased stays erased, whatever becomes of the document.
    known_now = (sale for sale in sales if sale.key not in transaction.erased)
    changed = [sale for sale in known_now if _is_changed(marks.get(sale.key), sale)]
    if not changed:
        return Tally(read=len(sales))
    known = {sale.key for sale in changed if sale.key in marks}
    transaction.load_sales(known | set(origins_of(changed)))
    merged = _merge(transaction, rules, changed, fates)
    concerned: list[Sale] = [sale for one in merged for sale in one.sales]
    moved: list[SaleKey] = []
    for sale in changed:
        before = transaction.sales.get(sale.key)
        was = None if before is None else before.sale
        now = note(transaction, rules, sale, fates).sale
        concerned += [now] if was is None else [was, now]
        if was is not None and was.customer != now.customer:
            moved.append(sale.key)
    places = [place for one in merged for place in one.places]
    tally = judge_again(transaction, rules, concerned, places)
    # Also where no points moved with it: it shows the balance of a customer that it has left.
    shown = [key for key in moved if rules.showing.get(key.source, Showing()).sales]
    targets = [outbox.sale_target(key) for key in shown]
    targets += [target for target in cards(merged) if rules.shows(target.source)]
    outbox.wish(transaction.connection, targets, transaction.now)
    tally.read, tally.changed = len(sales), len(changed)
    return tally


def _merge(
    transaction: Transaction, rules: Rules, changed: Sequence[Sale], fates: Fates | None
) -> list[Merged]:
    """Merge the customers that these sales show to be merged."""
    known = transaction.sales
    left = {
        known[sale.key].sale.customer
        for sale in changed
        if sale.key in known
        and known[sale.key].vanished_at is None
        and known[sale.key].sale.customer != as_kept(transaction, sale, fates)[0].customer
    }
    if not left or fates is None:
        return []
    unknown = left - fates.keys()
    if unknown:
        raise CustomersMoved(unknown)
    programs = {terms.name: terms for terms in rules.book.current.programs}
    return [
        merge(transaction, programs, old, into, new_token())
        for old in sorted(left)
        if (into := fates[old]) is not None
    ]


def note(
    transaction: Transaction, rules: Rules, sale: Sale, fates: Fates | None = None
) -> KnownSale:
    """Take in what a sale looks like now, in memory; its row is written by ``flush``."""
    before = transaction.sales.get(sale.key)
    rule_set = rules.book.on(sale.date).id
    mark = fingerprint(sale)
    if before is not None and _is_another(before.sale, sale):
        known = transaction.record(sale, mark, rule_set)
        known.rule_set_id, known.named_customer = rule_set, None
        return known
    kept, named = as_kept(transaction, sale, fates)
    if before is not None:
        kept = _keep_product_points(before.sale, kept)
        became = (fates or {}).get(before.sale.customer)
        kept = with_first_buyer(before.sale, kept, became)
        kept = with_first_delivery(before.sale, kept, transaction.now)
        kept = with_first_names(before.sale, kept)
    known = transaction.record(kept, mark, rule_set)
    known.named_customer = named
    return known


def _is_another(before: Sale, now: Sale) -> bool:
    """Tell whether a rowid names another document than before: a restored Dolibarr reuses them."""
    if before.created_at is None or now.created_at is None:
        return False
    return abs(now.created_at - before.created_at) > CLOCK_CHANGE


def vanish(transaction: Transaction, rules: Rules, keys: Collection[SaleKey]) -> Tally:
    """Bring the ledger up to date with sales that no longer exist: they hold nothing."""
    transaction.load_sales(keys)
    gone = [key for key in keys if transaction.sales[key].vanished_at is None]
    for key in gone:
        transaction.mark_vanished(key)
    tally = judge_again(transaction, rules, [transaction.sales[key].sale for key in gone])
    tally.changed = len(gone)
    return tally


def origins_of(sales: Sequence[Sale]) -> Iterator[SaleKey]:
    """Walk over the sales that these credit notes return."""
    for sale in sales:
        origin = return_origin(sale)
        if origin is not None:
            yield origin


def _is_changed(mark: str | None, sale: Sale) -> bool:
    return mark is None or mark != fingerprint(sale)


def _keep_product_points(before: Sale, now: Sale) -> Sale:
    """Let a product keep the points and the tags it had when the sale was first read.

    Staff may change product cards at any time; that changes no sale of the past.
    """
    held = {line.product_rowid: line for line in before.lines if line.product_rowid is not None}
    lines = tuple(
        line if line.product_rowid not in held else _as_before(held[line.product_rowid], line)
        for line in now.lines
    )
    return replace(now, lines=lines)


def _as_before(before: SaleLine, now: SaleLine) -> SaleLine:
    article = before.article or now.article
    return replace(now, product_points=before.product_points, article=article)


def judge_again(
    transaction: Transaction,
    rules: Rules,
    concerned: Sequence[Sale],
    places: Collection[tuple[CustomerKey, int]] = (),
) -> Tally:
    """Judge every family that these sales belong or belonged to, and post the differences.

    ``places`` are days (ordinal numbers) from which on something else changed for a customer.
    """
    heads = _heads(transaction, rules, concerned)
    notes = {sale.key for sale in concerned if sale.kind is SaleKind.CREDIT_NOTE}
    transaction.load_returns({*heads, *notes})
    heads += _returns_of_returns(transaction, notes, heads)
    spent = _spent(transaction, rules, [*concerned, *(transaction.sales[k].sale for k in heads)])
    families = [family_of(transaction, head) for head in heads]
    changed = [*((sale.customer, sale.date.toordinal()) for sale in concerned), *places]
    verdicts = Verdicts.of_change(transaction, rules, families, changed)
    families += verdicts.more
    known = [sale for family in families for sale in family]
    held = _load_accounts(transaction, rules, known)
    paying = _paying(transaction, rules, families, held)
    tally = Tally()
    poster = _Poster(transaction, verdicts, held, tally)
    moves = [move for family in families for move in poster.moves_of(family)]
    if verdicts.more:
        # What one sale loses because of another may be what that one earns: see _turn.
        moves.sort(key=_turn)
    _load_lots(transaction, moves)
    spenders = [one for one in (spent, paying) if one is not None]
    for spender in spenders:
        spender.give_back()
    for move in moves:
        poster.make(move)
    for spender in spenders:
        spender.take()
        poster.targets += spender.targets
    transaction.flush()
    if spenders:
        for spender in spenders:
            spender.take_forgiven()
        transaction.flush()
    codes = follow_used(transaction, families, distrust)
    codes += follow_sold(transaction, rules.around, families, distrust)
    customers = {known.sale.customer for known in known} | {sale.customer for sale in concerned}
    poster.targets += follow_referrals(referrals_in(transaction, rules), customers)
    shown = [code for code in codes if rules.shows(code.place[0])]
    vouchers.show(transaction.connection, shown, transaction.now)
    follow_activity(transaction, rules.book.current.programs, list(transaction.books))
    poster.targets += verdicts.write()
    if spent is not None:
        known_now = [transaction.sales[key] for key in {sale.key for sale in concerned}]
        poster.targets += spent.note(known_now)
    wished = [target for target in poster.targets if rules.is_shown(target)]
    outbox.wish(transaction.connection, wished, transaction.now)
    return tally


def referrals_in(transaction: Transaction, rules: Rules) -> Referrals:
    """Make what judges recommendations in a transaction."""
    return Referrals(transaction, rules.book, rules.around, trusted_returns)


def _spent(transaction: Transaction, rules: Rules, sales: Sequence[Sale]) -> Spent | None:
    """Find the rewards that these sales use or used; ``None``, as mostly, when there are none."""
    tokens = tokens_of(rules.around, sales)
    if not tokens:
        return None
    found = spendings(transaction, rules.book, rules.around, distrust, tokens)
    return Spent(transaction, found, rules.around)


def _paying(
    transaction: Transaction,
    rules: Rules,
    families: Sequence[Sequence[KnownSale]],
    held: Mapping[int, Mapping[int, Holding]],
) -> Paying | None:
    """Find what payments with points cost now; ``None``, as mostly, when nothing changed."""
    found = [
        cost
        for family in families
        if are_concerned(rules.around[family[0].key.source], family, held)
        for cost in costs(
            transaction,
            rules.around[family[0].key.source],
            rules.book.by_id(family[0].rule_set_id).programs,
            family,
            distrust,
        )
    ]
    return Paying.of(transaction, rules.around, found, held) if found else None


def _heads(transaction: Transaction, rules: Rules, concerned: Sequence[Sale]) -> list[SaleKey]:
    """Find the heads of all families that a change may concern, in a steady order."""
    sales = list(concerned)
    by_day = _counts_visits_by_day(rules)
    if by_day:
        days = {(sale.customer, sale.date) for sale in concerned}
        transaction.load_days(days)
        sales += [
            known.sale
            for customer, day in sorted(days)
            for known in transaction.on_day(customer, day)
        ]
    # Also what a return named before: the other returns of that sale are judged anew without it.
    transaction.load_sales(set(origins_of(sales)))
    found = dict.fromkeys(head_of(transaction, sale) for sale in sales)
    heads = [key for key in found if head_of(transaction, transaction.sales[key].sale) == key]
    if by_day:
        # A return's head may be of another day, and its visit depends on that day's other sales.
        of_heads = [transaction.sales[key].sale for key in heads]
        transaction.load_days({(sale.customer, sale.date) for sale in of_heads})
    return heads


def _returns_of_returns(
    transaction: Transaction, notes: Collection[SaleKey], heads: Sequence[SaleKey]
) -> list[SaleKey]:
    """Find returns that name one of these returns: judged alone, but only once it is known."""
    named = {known.key for note in notes for known in transaction.returns_of(note)}
    return sorted(named - set(heads))


def head_of(transaction: Transaction, sale: Sale) -> SaleKey:
    """Say with which sale this one is judged: a return with the sale it names, where that is known.

    A till may guess another return; nothing is judged with that. The origins must be loaded.
    """
    origin = return_origin(sale)
    known = None if origin is None else transaction.sales.get(origin)
    return sale.key if known is None or known.sale.kind is SaleKind.CREDIT_NOTE else known.key


def _counts_visits_by_day(rules: Rules) -> bool:
    return any(
        program.earn.visit is not None and program.earn.visit.once_a_day
        for rule_set in rules.book.sets
        for program in rule_set.programs
    )


def family_of(transaction: Transaction, head: SaleKey) -> list[KnownSale]:
    """Return a loaded sale with the returns that are judged with it."""
    known = transaction.sales[head]
    is_return = known.sale.kind is SaleKind.CREDIT_NOTE
    return [known] if is_return else [known, *transaction.returns_of(head)]


def _load_accounts(
    transaction: Transaction, rules: Rules, known: Sequence[KnownSale]
) -> dict[int, dict[int, Holding]]:
    old_ids = [sale.id for sale in known if not sale.is_new]
    held = transaction.holdings(old_ids) if old_ids else {}
    names = {program.name for entry in rules.book.sets for program in entry.programs}
    keys = {MemberKey(name, sale.sale.customer) for sale in known for name in names}
    holders = {member_id for members in held.values() for member_id in members}
    transaction.load_members(keys, holders)
    return held


@dataclass(frozen=True, slots=True)
class _Move:
    """Points that a sale gives to a member or takes; ``held`` is what it held there before.

    ``family`` are the sales judged with it, by their ids in the ledger.
    """

    program: Program
    known: KnownSale
    family: tuple[int, ...]
    owner: MemberKey
    units: int
    held: Holding
    verdict: Verdict


def _load_lots(transaction: Transaction, moves: Sequence[_Move]) -> None:
    """Load the lots of those who lose points; for earning, the balance and the debt are enough."""
    losing = [move for move in moves if move.units < 0]
    sale_ids = {id_ for move in losing for id_ in move.family}
    transaction.load_books({move.owner for move in losing}, sale_ids)


def _turn(move: _Move) -> int:
    """Say in which turn a move is made.

    What returns give back comes first, then what sales lose, what they earn, what returns take: so
    no point is forgiven, or becomes debt, that is there after all.
    """
    is_return = move.known.sale.kind is SaleKind.CREDIT_NOTE
    if move.units > 0:
        return 0 if move.held.units < 0 else 2
    return 3 if is_return else 1


@dataclass(slots=True)
class _Poster:
    """Judge families and post differences; remembers what must be shown afterwards."""

    transaction: Transaction
    verdicts: Verdicts
    held: dict[int, dict[int, Holding]]
    tally: Tally
    targets: list[outbox.Target] = field(default_factory=list)

    @property
    def rules(self) -> Rules:
        return self.verdicts.rules

    def moves_of(self, family: Sequence[KnownSale]) -> Iterator[_Move]:
        ids = tuple(known.id for known in family)
        for program in self.rules.book.by_id(family[0].rule_set_id).programs:
            moves = [
                move
                for known, verdict in zip(family, self.verdicts.of(program, family), strict=True)
                for move in self._moves(program, known, ids, verdict)
            ]
            yield from sorted(moves, key=_turn)

    def _moves(
        self, program: Program, known: KnownSale, family: tuple[int, ...], verdict: Verdict
    ) -> Iterator[_Move]:
        if known.erased_at is not None:
            return
        holdings = self.held.get(known.id, {})
        owner = MemberKey(program.name, known.sale.customer)
        own = None
        for member_id, holding in holdings.items():
            key = self.transaction.member_keys[member_id]
            if key == owner:
                own = holding
            elif key.program == program.name and holding.units:
                yield _Move(program, known, family, key, -holding.units, holding, verdict)
        held = own or Holding()
        if verdict.units != held.units:
            difference = verdict.units - held.units
            yield _Move(program, known, family, owner, difference, held, verdict)

    def make(self, move: _Move) -> None:
        program, journal = move.program, self.transaction.journal
        book = self.transaction.book(move.owner)
        entry = self._entry(program, move.known, move.units, move.verdict)
        if move.units > 0:
            if move.held.forgiven > 0:
                book.unforgive(journal, entry, min(move.held.forgiven, move.units))
            self._give(program, book, entry, move)
        else:
            shortfall = program.returns.shortfall
            today = self.transaction.now.astimezone(program.zone).date()
            book.take_back(journal, entry, -move.units, move.family, shortfall, today)
        self.tally.count(program.name, move.units)
        self._show(move.known.key, move.owner.customer)

    def _give(self, program: Program, book: Book, entry: Entry, move: _Move) -> None:
        journal, verdict = self.transaction.journal, move.verdict
        if move.held.units >= 0:
            book.earn(journal, entry, move.units, verdict.expires_on, verdict.usable_from)
            return
        # What a return took goes back where it was, so that no point lives longer than it would.
        taken = self.transaction.taken_by(move.known.id, book)
        expires_on = verdict.expires_on or last_day_of_use(program.validity, verdict.earned_on)
        book.restore(journal, entry, move.units, taken, expires_on)

    def _entry(self, program: Program, known: KnownSale, units: int, verdict: Verdict) -> Entry:
        # One revision may move several accounts: the old customer's and the new one's.
        known.revision += 1
        known.is_dirty = True
        kind = Kind.EARN if units > 0 else Kind.REVERSAL
        today = self.transaction.now.astimezone(program.zone).date()
        as_dated = units > 0 or known.revision == 1
        return Entry(
            f"sale:{known.key}:{program.name}:{known.revision}:{kind}",
            kind,
            verdict.earned_on if as_dated else today,
            self.transaction.now,
            self._reason_text(known, units),
            known.id,
            rule_set_id=known.rule_set_id,
            batch_id=self.transaction.batch_id,
        )

    def _reason_text(self, known: KnownSale, units: int) -> str:
        if known.key in self.verdicts.timeline.more:
            return f"sale {known.sale.ref}: what was before it changed"
        return _reason_text(known.sale, units)

    def _show(self, sale: SaleKey, customer: CustomerKey) -> None:
        self.targets += [outbox.customer_target(customer), outbox.sale_target(sale)]


def _reason_text(sale: Sale, units: int) -> str:
    if sale.kind is SaleKind.CREDIT_NOTE:
        return f"return {sale.ref}" if units < 0 else f"return {sale.ref} corrected"
    return f"sale {sale.ref}" if units > 0 else f"sale {sale.ref} corrected"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the rules give for families: judged one by one, or along their members' timelines."""

    transaction: Transaction
    rules: Rules
    timeline: Timeline

    @classmethod
    def of_change(
        cls,
        transaction: Transaction,
        rules: Rules,
        families: Sequence[Sequence[KnownSale]],
        places: Collection[tuple[CustomerKey, int]],
    ) -> Verdicts:
        """Judge families that changed, and what depends on them; the ledger is to follow.

        ``places`` are those of changes: what was there may count no more.
        """
        prepare(transaction, rules)
        timeline = _timeline(transaction, rules, follows=True)
        timeline.walk(families, places)
        return cls(transaction, rules, timeline)

    @classmethod
    def to_read(
        cls, transaction: Transaction, rules: Rules, families: Sequence[Sequence[KnownSale]]
    ) -> Verdicts:
        """Judge families as the ledger knows what was before them; nothing is to be written."""
        timeline = _timeline(transaction, rules, follows=False)
        timeline.walk([family for family in families if family[0].key.source in rules.around])
        return cls(transaction, rules, timeline)

    @property
    def more(self) -> list[list[KnownSale]]:
        """The families that had to be judged again besides those that changed."""
        found = self.timeline.more.values()
        return sorted(found, key=lambda family: (family[0].sale.date, family[0].key))

    def of(self, program: Program, family: Sequence[KnownSale]) -> tuple[Verdict, ...]:
        """Return what one family holds in a program, in its order."""
        found = self.timeline.judged.get((program.name, family[0].key))
        if found is not None:
            return found.verdicts
        around = self.rules.around[family[0].key.source]
        return self.timeline.judging.judge(
            self.transaction, program, around, family, NOTHING_BEFORE
        )

    def before(self, program: Program, head: SaleKey) -> Before:
        """Return what the sales before one came to, nothing where its program does not look."""
        found = self.timeline.judged.get((program.name, head))
        return NOTHING_BEFORE if found is None else found.before

    def write(self) -> list[outbox.Target]:
        """Keep what the sales count; return the cards on which a tier may have changed."""
        self.timeline.write()
        return [outbox.customer_target(customer) for customer in self.timeline.with_tiers()]


def _timeline(transaction: Transaction, rules: Rules, *, follows: bool) -> Timeline:
    # Why is read only where nothing is written.
    told = partial(judge_family, is_told=not follows)
    judging = Judging(told, trusted_returns, load_families)
    known = rules.courses if follows else None
    return Timeline(transaction, rules.book, rules.around, judging, follows, known)


def prepare(transaction: Transaction, rules: Rules) -> None:
    """Write what all known sales count, where a program has begun to look back since."""
    connection = transaction.connection
    names = [n for n in looking_back(rules.book) if not courses.is_prepared(connection, n)]
    if not names:
        return
    page, count = page_after(connection, None, PREPARED_AT_ONCE), 0
    while page is not None:
        # Judged on its own, so that what one page loaded is forgotten with it.
        alone = Transaction(connection, transaction.now)
        families = load_families(alone, list(page.keys))
        Verdicts.to_read(alone, rules, families).timeline.write()
        count += len(page.keys)
        page = page_after(connection, page.place, PREPARED_AT_ONCE)
    for name in names:
        courses.note_prepared(connection, name)
    if count:
        log.info("rules look back from now on", programs=names, sales=count)


def load_families(transaction: Transaction, keys: list[SaleKey]) -> list[list[KnownSale]]:
    """Load the families that begin with one of these sales: heads with all their returns."""
    transaction.load_sales(keys)
    asked = [transaction.sales[key] for key in keys]
    transaction.load_sales(set(origins_of([known.sale for known in asked])))
    transaction.load_days({(known.sale.customer, known.sale.date) for known in asked})
    heads = [known.key for known in asked if head_of(transaction, known.sale) == known.key]
    transaction.load_returns(heads)
    return [family_of(transaction, head) for head in heads]


def judge_family(
    transaction: Transaction,
    program: Program,
    around: Surroundings,
    family: Sequence[KnownSale],
    before: Before = NOTHING_BEFORE,
    *,
    is_told: bool = True,
) -> tuple[Verdict, ...]:
    """Judge a loaded family in one program, in the order given; vanished sales hold nothing.

    ``before`` is what its member's sales before it came to, where rules look back; ``is_told`` says
    whether anybody reads why.
    """
    head = family[0]
    if head.erased_at is not None:
        return tuple(_of_erased(program, known.sale) for known in family)
    if not head.counts:
        return tuple(_nothing_of(program, head, known.sale) for known in family)
    if head.sale.kind is SaleKind.CREDIT_NOTE:
        return (_judge_lone_return(transaction, program, around, head.sale),)
    return _judge_with_returns(transaction, program, around, family, before, is_told=is_told)


def _judge_lone_return(
    transaction: Transaction, program: Program, around: Surroundings, credit: Sale
) -> Verdict:
    """Judge a return that belongs to no known sale.

    One that names a sale which is gone takes nothing: what that sale earned went with it.
    """
    if credit.origin is None:
        return assess_alone(program, around, credit, "it names no sale")
    if credit.origin in transaction.sales:
        return assess_alone(program, around, credit, "what it names is itself a credit note")
    day = earned_on(program, credit)
    return Verdict(credit.key, 0, (because(Why.RETURN_OF_UNKNOWN),), day)


def trusted_returns(family: Sequence[KnownSale]) -> list[KnownSale]:
    """Return the returns in a family that are judged with its head."""
    origin = family[0].sale
    return [known for known in family[1:] if known.counts and distrust(origin, known.sale) is None]


def _judge_with_returns(
    transaction: Transaction,
    program: Program,
    around: Surroundings,
    family: Sequence[KnownSale],
    before: Before,
    *,
    is_told: bool,
) -> tuple[Verdict, ...]:
    origin = family[0].sale
    verdicts: dict[SaleKey, Verdict] = {}
    trusted: list[Sale] = []
    for known in family[1:]:
        doubt = distrust(origin, known.sale)
        if not known.counts:
            verdicts[known.key] = _nothing_of(program, known, known.sale)
        elif doubt is not None:
            verdicts[known.key] = assess_alone(program, around, known.sale, doubt)
        else:
            trusted.append(known.sale)
    other = _other_visit(transaction, program, around, family[0])
    judged = Family(origin, tuple(trusted), other, before, is_told)
    for verdict in assess(program, around, judged):
        verdicts[verdict.sale] = verdict
    return tuple(verdicts[known.key] for known in family)


def distrust(origin: Sale, credit: Sale) -> str | None:
    """Say why a credit note's word about what it returns is not believed.

    A till guesses the origin of a ticket with a negative total, and may rewrite it later.
    """
    if origin.customer != credit.customer:
        return f"{origin.ref} belongs to another customer"
    if not credit.is_pos:
        return None
    sold = {line.product_rowid for line in origin.lines}
    if any(line.product_rowid not in sold for line in credit.lines):
        return f"it returns goods that are not on {origin.ref}"
    if -credit.total_incl > max(origin.total_incl, Decimal(0)):
        return f"it is larger than {origin.ref}"
    return None


def _of_erased(program: Program, sale: Sale) -> Verdict:
    return Verdict(sale.key, 0, (because(Why.ERASED),), earned_on(program, sale))


def _nothing_of(program: Program, void: KnownSale, sale: Sale) -> Verdict:
    """Judge a sale that counts nothing, because it or the sale that it returns is void."""
    why = Why.SET_ASIDE if void.vanished_at is None else Why.VANISHED
    return Verdict(sale.key, 0, (because(why),), earned_on(program, sale))


def _other_visit(
    transaction: Transaction, program: Program, around: Surroundings, known: KnownSale
) -> bool:
    """Tell whether the day's visit belongs to another sale: the one with the lowest rowid."""
    terms = program.earn.visit
    if terms is None or not terms.once_a_day:
        return False
    return any(
        other.key < known.key and _is_visit_of(program, around, other.sale)
        for other in transaction.on_day(known.sale.customer, known.sale.date)
        if other.counts
    )


def _is_visit_of(program: Program, around: Surroundings, sale: Sale) -> bool:
    if sale.kind is SaleKind.CREDIT_NOTE or refuse(program, around, sale) is not None:
        return False
    verdict = assess(program, around, Family(sale))[0]
    return verdict.units > 0
