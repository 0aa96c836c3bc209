"""Lines on documents that take off points of which a restored ledger knows nothing.

They were put there after the backup was made. The points are taken from the account again, once
for each token, and the lines are followed from then on like any others: nothing is put on a draft
a second time, and nobody keeps a discount for which nothing was paid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

import structlog
from sqlalchemy import Connection, Engine, select

from dolisync.ledger import drafts, outbox, redemptions, tables
from dolisync.ledger.book import Entry, Kind
from dolisync.ledger.engine import reading, write
from dolisync.ledger.redemptions import State
from dolisync.ledger.store import MemberKey, Transaction, known_sale
from dolisync.model import Sale, SaleKind, SaleLine, SaleStatus
from dolisync.ports import Clock, DraftSearch, SaleSource
from dolisync.program.draft_shares import CENT, Share
from dolisync.program.rounding import round_units
from dolisync.program.spent import tokens_in
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program, RewardTerms, Rounding
from dolisync.program.wishes import title_of_points
from dolisync.sync.draft_articles import Gift, gift_of_line
from dolisync.sync.judge import Rules, judge_again

log = structlog.get_logger()

ZERO = Decimal(0)
# Dolibarr hands out some hundred rows at a time.
PAGE = 100


def adopt_drafts(
    engine: Engine,
    clock: Clock,
    rules: Rules,
    programs: Mapping[str, Program],
    reader: SaleSource,
    search: DraftSearch,
) -> tuple[str, ...]:
    """Book the lines that no redemption is known for; return their tokens."""
    standing = _unknown(engine, rules.around[reader.name], search)
    rowids = sorted({rowid for rowid, _ in standing})
    sales: dict[int, Sale] = {}
    for start in range(0, len(rowids), PAGE):
        found = reader.get(rowids[start : start + PAGE])
        sales.update({sale.key.rowid: sale for sale in found})
    # An invoice that was replaced hands its lines on: the one that lives comes first.
    there = [(sales[rowid], token) for rowid, token in standing if rowid in sales]
    adopted = []
    for sale, token in sorted(there, key=lambda pair: pair[0].status is SaleStatus.ABANDONED):
        program = _program_of(programs, sale, token)
        if program is not None and adopt(engine, clock, rules, program, sale, token):
            adopted.append(token)
    return tuple(adopted)


def _unknown(engine: Engine, around: Surroundings, search: DraftSearch) -> list[tuple[int, str]]:
    """Return documents with the tokens on them that the ledger does not know."""
    lines = search.lines_with(around.reward_token_prefix)
    found = {(rowid, token) for rowid, text in lines for token in tokens_in(around, text)[:1]}
    with reading(engine) as connection:
        known = {t.token for t in redemptions.by_tokens(connection, {token for _, token in found})}
    return sorted(pair for pair in found if pair[1] not in known)


def _program_of(programs: Mapping[str, Program], sale: Sale, token: str) -> Program | None:
    """Return the program that pays for such lines: the one of their title, else the only one."""
    able = [
        program
        for program in programs.values()
        if program.takes(sale.key.source) and (program.value_of_point or program.reward)
    ]
    lines = [line for line in sale.lines if token in line.text]
    texts = " ".join(line.text for line in lines)
    refs = {line.product_ref for line in lines}
    giving = [program for program in able if refs & program.given_articles.keys()]
    titled = [program for program in able if any(title in texts for title in _titles(program))]
    chosen = giving or titled or able
    return chosen[0] if len(chosen) == 1 else None


def _titles(program: Program) -> list[str]:
    return [reward.title for reward in program.reward] or [program.title]


def adopt(
    engine: Engine, clock: Clock, rules: Rules, program: Program, sale: Sale, token: str
) -> bool:
    """Book the lines of a token as a redemption; tell whether it was not booked already."""
    gift = None if sale.kind is SaleKind.CREDIT_NOTE else _found(rules, program, sale, token)
    if gift is None:
        return False
    work = _work(clock, rules, program, sale, token, gift)
    is_new = write(engine, work)
    if is_new:
        log.warning("points of lines on a document taken again", token=token, sale=sale.ref)
    return is_new


def _found(rules: Rules, program: Program, sale: Sale, token: str) -> Gift | None:
    """Say what the lines of a token are: an article that is given, or what they take off."""
    given = [line for line in sale.lines if token in line.text and line.product_rowid is not None]
    for line in given:
        reward = program.given_articles.get(line.product_ref)
        return None if reward is None else gift_of_line(reward, line)
    shares = shares_on(rules.around[sale.key.source], sale, token)
    reward = _reward(program, shares, _title_on(sale, token)) if shares else None
    if reward is None:
        return None
    return Gift(reward, drafts.DraftUse(shares, reward.percent, reward.at_most))


def shares_on(around: Surroundings, sale: Sale, token: str) -> tuple[Share, ...]:
    """Return what the lines of a token take off a document."""
    lines = [line for line in sale.lines if _is_of(around, line, token)]
    ordered = sorted((line.tax_rate, -line.total_incl) for line in lines)
    return tuple(Share(rate, amount) for rate, amount in ordered)


def _is_of(around: Surroundings, line: SaleLine, token: str) -> bool:
    return line.total_incl < 0 and token in tokens_in(around, line.text)


def _work(
    clock: Clock,
    rules: Rules,
    program: Program,
    sale: Sale,
    token: str,
    gift: Gift,
) -> Callable[[Connection], bool]:
    def work(connection: Connection) -> bool:
        if redemptions.by_tokens(connection, [token]):
            return False
        transaction = Transaction(connection, clock.now())
        key = MemberKey(program.name, sale.customer)
        transaction.load_books([key])
        book = transaction.book(key)
        transaction.flush()
        reward = gift.reward
        units, now = program.units(reward.points), transaction.now
        id_ = redemptions.add(connection, book.member_id, reward, units, token, now, State.DRAFTED)
        drafts.add(connection, id_, sale.key, gift.use)
        today = now.astimezone(program.zone).date()
        reason = f"{reward.title} {token}: found on a document"
        entry = Entry(f"redeem:{token}", Kind.REDEEM, today, now, reason, redemption_id=id_)
        # What is lacking becomes debt: it was taken off already.
        book.adjust(transaction.journal, entry, -units, None, today)
        transaction.flush()
        judge_again(transaction, rules, sales_with(transaction, token))
        outbox.wish(connection, [outbox.customer_target(sale.customer)], now)
        return True

    return work


def _title_on(sale: Sale, token: str) -> str:
    """Return what stands before a token."""
    texts = (line.text for line in sale.lines if token in line.text)
    return next(texts, "").partition(token)[0].strip()


def _reward(program: Program, shares: Sequence[Share], title: str) -> RewardTerms | None:
    """Say what such lines cost: a reward of this title its price, else as points are worth."""
    # A shop may keep more decimals than money has.
    amount = sum((share.amount for share in shares), ZERO).quantize(CENT, ROUND_HALF_UP)
    rate = max(shares, key=lambda share: share.amount).tax_rate
    titled = [r for r in program.reward if r.title == title]
    fitting = [r for r in titled if r.percent is not None or r.amount == amount]
    if len(fitting) == 1:
        return fitting[0].model_copy(update={"tax_rate": rate, "amount": amount})
    value = program.value_of_point
    if value is None:
        return None
    units = round_units(amount / value * program.scale, Rounding.UP)
    return RewardTerms(
        name="draft",
        title=title_of_points(program),
        points=program.points_of(units),
        amount=amount,
        tax_rate=rate,
    )


def sales_with(transaction: Transaction, token: str) -> list[Sale]:
    """Return the known sales whose documents hold a token."""
    sale = tables.sale
    query = select(sale).where(sale.c.document.like(f"%{token}%"), sale.c.vanished_at.is_(None))
    found = [known_sale(row) for row in transaction.connection.execute(query)]
    transaction.load_sales([known.key for known in found])
    return [known.sale for known in found]
