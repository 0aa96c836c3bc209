"""What a sale and its returns earn: pure rules, data in, decision with reasons out.

A sale is judged together with its returns: the origin earns what its lines are worth, and each
return, in the order of their rowids, takes back the difference between what was left before it and
what is left after it. So any row of partial returns ends exactly at zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from dolisync.model import DiscountKind, PaymentKind, Sale, SaleKey, SaleKind, SaleLine, SaleStatus
from dolisync.program.articles import earning_lines
from dolisync.program.bands import Totals, band_worth
from dolisync.program.before import NOTHING_BEFORE, Before
from dolisync.program.calendar import add_days, last_day_of_use
from dolisync.program.caps import in_one_sale, within
from dolisync.program.course import Counted
from dolisync.program.reasons import Reason, Why, because
from dolisync.program.rounding import round_units
from dolisync.program.terms import AmountTerms, Basis, Counting, Moment, Program, Rounding, Scope
from dolisync.program.tiers import in_tier

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rules must know of a source besides the sale: who is anonymous, what pays in points.

    ``reward_texts`` lets a line be known as a discount bought with points: its text holds the
    token of one of our rewards.
    """

    pos_customers: frozenset[int] = frozenset()
    points_payment_mode: str = ""
    reward_token_prefix: str = "DS-"  # noqa: S105 - the mark of our discounts, not a secret


@dataclass(frozen=True, slots=True)
class Family:
    """A sale and its returns. ``other_visit`` tells that another sale holds the day's visit.

    ``before`` is what its member's sales before it came to.
    """

    origin: Sale
    returns: tuple[Sale, ...] = ()
    other_visit: bool = False
    before: Before = NOTHING_BEFORE


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one sale holds in one program, in ledger units, and why.

    ``pending`` is what it will earn once it is paid. ``origin`` names the sale whose lots a
    negative verdict draws on first. ``wanted`` is what a sale would hold without the caps that look
    at its member's other sales.
    """

    sale: SaleKey
    units: int
    reasons: tuple[Reason, ...]
    earned_on: date
    expires_on: date | None = None
    pending: int = 0
    usable_from: date | None = None
    origin: SaleKey | None = None
    wanted: int = 0


@dataclass(frozen=True, slots=True)
class _Worth:
    units: int
    reasons: tuple[Reason, ...] = ()


def assess(program: Program, around: Surroundings, family: Family) -> tuple[Verdict, ...]:
    """Judge a sale and its returns; the first verdict is the origin's, the others in order."""
    origin = family.origin
    refusal = refuse(program, around, origin)
    if refusal is not None:
        first = _nothing(program, origin, refusal)
    else:
        first = _judge_origin(program, around, family)
    return first, *_judge_returns(program, around, family, first)


def assess_alone(program: Program, around: Surroundings, sale: Sale, reason_alone: str) -> Verdict:
    """Judge a return whose origin is unknown or cannot be trusted: it takes back its own worth."""
    refusal = refuse(program, around, sale)
    if refusal is not None:
        return _nothing(program, sale, refusal)
    if not program.returns.take_back:
        return _nothing(program, sale, because(Why.RETURNS_OFF))
    worth = _worth(program, around, sale, _mirrored(sale), full=True, with_visit=False)
    alone = because(Why.RETURN_ALONE, because=reason_alone)
    return Verdict(sale.key, -worth.units, (alone, *worth.reasons), earned_on(program, sale))


def refuse(program: Program, around: Surroundings, sale: Sale) -> Reason | None:
    """Say why a sale can never count as it stands, or ``None`` when it may."""
    if not program.takes(sale.key.source):
        return because(Why.NOT_IN_PROGRAM, source=sale.key.source)
    why = uncounted(sale)
    if why is not None:
        return because(why)
    if sale.customer.rowid in around.pos_customers:
        return because(Why.POS_CUSTOMER)
    if sale.customer.rowid in program.excluded_customers:
        return because(Why.EXCLUDED_CUSTOMER)
    if sale.date < program.start:
        dates = {"date": sale.date.isoformat(), "start": program.start.isoformat()}
        return because(Why.BEFORE_START, **dates)
    return None


def uncounted(sale: Sale) -> Why | None:
    """Say why a document counts in no program at all, or ``None`` when it may."""
    return _UNCOUNTED_KINDS.get(sale.kind) or _UNCOUNTED_STATUSES.get(sale.status)


_UNCOUNTED_KINDS = {
    SaleKind.PROFORMA: Why.PROFORMA,
    SaleKind.DEPOSIT: Why.DEPOSIT,
    SaleKind.SITUATION: Why.SITUATION,
}
_UNCOUNTED_STATUSES = {SaleStatus.DRAFT: Why.DRAFT, SaleStatus.ABANDONED: Why.ABANDONED}


def earned_on(program: Program, sale: Sale) -> date:
    """Return the shop's day on which a sale earned: its date, or that of its last payment."""
    paid = [payment.paid_at for payment in sale.payments if payment.paid_at is not None]
    if program.earn.moment is Moment.VALIDATED or sale.kind is SaleKind.CREDIT_NOTE or not paid:
        return sale.date
    return max(paid).astimezone(program.zone).date()


def _judge_origin(program: Program, around: Surroundings, family: Family) -> Verdict:
    sale = family.origin
    wanted = _wanted(program, around, family)
    units, cut = within(program, family.before, wanted.units)
    worth = _Worth(units, (*wanted.reasons, *cut))
    day = earned_on(program, sale)
    if _is_unpaid(program, sale):
        pending = because(Why.NOT_PAID, points=program.points_of(worth.units))
        return Verdict(sale.key, 0, (*worth.reasons, pending), day, pending=worth.units)
    if worth.units == 0:
        reasons = (*worth.reasons, because(Why.NOTHING))
        return Verdict(sale.key, 0, reasons, day, wanted=wanted.units)
    expires_on = last_day_of_use(program.validity, day)
    reasons = worth.reasons
    usable_from = add_days(day, program.earn.wait_days)
    if usable_from > day:
        reasons += (because(Why.WAITS, date=usable_from.isoformat()),)
    if expires_on is not None:
        reasons += (because(Why.EXPIRES, date=expires_on.isoformat()),)
    return Verdict(
        sale.key,
        worth.units,
        reasons,
        day,
        expires_on,
        usable_from=usable_from,
        wanted=wanted.units,
    )


def _wanted(program: Program, around: Surroundings, family: Family) -> _Worth:
    """Count what a sale earns before its member's other sales cut it."""
    worth = _worth_in_family(program, around, family, family.origin.lines)
    if program.earn.visit is not None and family.other_visit:
        taken = because(Why.VISIT_TAKEN, date=family.origin.date.isoformat())
        worth = _Worth(worth.units, (*worth.reasons, taken))
    units, cut = in_one_sale(program, worth.units)
    return _Worth(units, (*worth.reasons, *cut))


def _worth_in_family(
    program: Program, around: Surroundings, family: Family, lines: tuple[SaleLine, ...]
) -> _Worth:
    """Count what lines of a sale earn for its member, in his tier."""
    with_visit = not family.other_visit
    worth = _worth(program, around, family.origin, lines, full=False, with_visit=with_visit)
    units, raised = in_tier(program, family.before.tier, worth.units)
    return _Worth(units, (*worth.reasons, *raised))


def what_counts(
    program: Program, around: Surroundings, family: Family, verdicts: Sequence[Verdict]
) -> Counted:
    """Return what a judged sale counts for those after it: what its returns left of it."""
    units, sale = sum(verdict.units for verdict in verdicts), family.origin
    # What earned something counts: only of the others it must be asked.
    if not verdicts[0].units and not _is_purchase(program, around, sale):
        return Counted(0, units)
    left = _left_lines(family) if family.returns else sale.lines
    if family.returns and _is_all_returned(sale, left):
        return Counted(0, units)
    spent = max(_bought(left), ZERO)
    if sale.status is not SaleStatus.PAID or _paid_with_points(program, around, sale):
        spent *= _paid_share(program, around, sale)[0]
    return Counted(1, units, round_units(spent * 100, Rounding.HALF_UP))


def _is_purchase(program: Program, around: Surroundings, sale: Sale) -> bool:
    is_open = _is_unpaid(program, sale) or refuse(program, around, sale) is not None
    return not is_open and _is_visit(sale.lines)


def _is_unpaid(program: Program, sale: Sale) -> bool:
    return program.earn.moment is Moment.PAID and sale.status is SaleStatus.VALIDATED


def _left_lines(family: Family) -> tuple[SaleLine, ...]:
    returned = (credit for credit in family.returns if uncounted(credit) is None)
    taken = (line for credit in returned for line in _taken_off(credit))
    return (*family.origin.lines, *taken)


def what_counts_alone(credit: Sale, verdict: Verdict) -> Counted:
    """Return what a return judged by itself counts: what it takes back, and its amount."""
    if not any(reason.why is Why.RETURN_ALONE for reason in verdict.reasons):
        return Counted(0, verdict.units)
    spent = round_units(_bought(_mirrored(credit)) * 100, Rounding.HALF_UP)
    return Counted(0, verdict.units, -spent)


def _judge_returns(
    program: Program, around: Surroundings, family: Family, first: Verdict
) -> Iterator[Verdict]:
    left, left_units = list(family.origin.lines), first.units
    for credit in sorted(family.returns, key=lambda sale: sale.key):
        refusal = _refuse_return(program, around, credit, first)
        if refusal is not None:
            yield _nothing(program, credit, refusal)
            continue
        left += _taken_off(credit)
        worth = _left_worth(program, around, family, tuple(left))
        # A credit note that adds (a correction upwards) gives nothing: origins earn, returns take.
        units = min(worth, left_units)
        yield _return_verdict(program, family.origin, credit, tuple(left), units, left_units)
        left_units = units


def _refuse_return(
    program: Program, around: Surroundings, credit: Sale, first: Verdict
) -> Reason | None:
    refusal = refuse(program, around, replace(credit, date=max(credit.date, program.start)))
    if refusal is not None:
        return refusal
    if not program.returns.take_back:
        return because(Why.RETURNS_OFF)
    return because(Why.RETURN_EARNED_NOTHING) if first.units == 0 else None


def _left_worth(
    program: Program, around: Surroundings, family: Family, left: tuple[SaleLine, ...]
) -> int:
    """Return what is left of the origin in units; nothing when its whole amount was returned."""
    if _is_all_returned(family.origin, left):
        return 0
    return _worth_in_family(program, around, family, left).units


def _is_all_returned(origin: Sale, left: tuple[SaleLine, ...]) -> bool:
    if _bought(origin.lines) > 0:
        return _bought(left) <= 0
    return all(quantity <= 0 for quantity in _quantities(left).values())


def _bought(lines: tuple[SaleLine, ...]) -> Decimal:
    """Add up what was bought: a deposit or used credit only paid for it."""
    return sum((line.total_incl for line in lines if line.discount not in _PAID_BEFORE), ZERO)


def _return_verdict(
    program: Program,
    origin: Sale,
    credit: Sale,
    left: tuple[SaleLine, ...],
    units: int,
    before: int,
) -> Verdict:
    amount = _shown(max(_bought(left), ZERO))
    reason = because(Why.RETURN_OF, ref=origin.ref, left=amount, points=program.points_of(units))
    day = earned_on(program, credit)
    return Verdict(credit.key, units - before, (reason,), day, origin=origin.key)


def _worth(
    program: Program,
    around: Surroundings,
    sale: Sale,
    lines: tuple[SaleLine, ...],
    *,
    full: bool,
    with_visit: bool,
) -> _Worth:
    """Count what lines earn under the conditions of ``sale``: how much of it was paid, and how.

    ``full`` counts every line as it stands, without regard to payments (a return by itself). Where
    nothing was paid, or all of it with points, products and the visit earn nothing either.
    """
    parts: list[_Worth] = []
    counted, notes = _counted_lines(program, around, lines)
    share, share_notes = (Decimal(1), ()) if full else _paid_share(program, around, sale)
    if share <= 0:
        return _Worth(0, (*notes, *share_notes))
    sold = counted if full else _counted_lines(program, around, sale.lines)[0]
    earning, out = earning_lines(program.earn, sold, counted)
    if program.earn.amount is not None:
        parts.append(_amount_worth(program, earning, share))
    if program.earn.band:
        first = earning_lines(program.earn, sold, sold)[0]
        parts.append(_bands_worth(program, first, earning, share))
    if program.earn.product is not None:
        parts.append(_product_worth(program, earning))
    if program.earn.visit is not None and with_visit and _is_visit(lines):
        units = program.units(program.earn.visit.points)
        points = program.points_of(units)
        parts.append(_Worth(units, (because(Why.VISIT, points=points),)))
    of_parts = (reason for part in parts for reason in part.reasons)
    reasons = (*notes, *share_notes, *out, *of_parts)
    return _Worth(max(sum(part.units for part in parts), 0), reasons)


def _is_visit(lines: tuple[SaleLine, ...]) -> bool:
    return any(line.total_incl > 0 or line.product_rowid is not None for line in lines)


def _counted_lines(
    program: Program, around: Surroundings, lines: tuple[SaleLine, ...]
) -> tuple[tuple[SaleLine, ...], tuple[Reason, ...]]:
    """Leave out lines that are means of payment, not goods: deposits, used credit, own rewards."""
    credit = [line for line in lines if line.discount in _PAID_BEFORE]
    rewards = [] if program.earn.leave_out_paid_with_points else _reward_lines(around, lines)
    notes = [
        because(why, amount=-sum((line.total_incl for line in group), ZERO))
        for why, group in ((Why.DEPOSIT_ADDED, credit), (Why.REWARD_ADDED, rewards))
        if group
    ]
    left_out = {line.rowid for line in (*credit, *rewards)}
    return tuple(line for line in lines if line.rowid not in left_out), tuple(notes)


_PAID_BEFORE = {DiscountKind.DEPOSIT, DiscountKind.CREDIT_NOTE}


def _reward_lines(around: Surroundings, lines: tuple[SaleLine, ...]) -> list[SaleLine]:
    return [
        line
        for line in lines
        if line.discount is DiscountKind.FIXED and around.reward_token_prefix in line.text
    ]


def _paid_share(
    program: Program, around: Surroundings, sale: Sale
) -> tuple[Decimal, tuple[Reason, ...]]:
    """Return the share of what was bought that earns, given how it was paid."""
    counted_lines, _ = _counted_lines(program, around, sale.lines)
    bought = sum((line.total_incl for line in counted_lines), ZERO)
    if bought <= 0:
        return _share_of_nothing(program, around, sale)
    notes: list[Reason] = []
    counted = bought
    if sale.status is SaleStatus.CLOSED and program.earn.moment is Moment.PAID:
        # What a deposit, used credit or an own reward took off the total was paid before.
        before = bought - sale.total_incl
        paid = before + sum((payment.amount for payment in sale.payments), ZERO)
        counted = min(paid, bought)
        notes.append(
            because(Why.PAID_SHARE, code=sale.close_code or "?", paid=counted, total=bought)
        )
    by_points = _paid_with_points(program, around, sale)
    if by_points > 0:
        counted = max(counted - by_points, ZERO)
        notes.append(because(Why.POINTS_PAID, amount=by_points, left=counted))
    return max(counted, ZERO) / bought, tuple(notes)


def _share_of_nothing(
    program: Program, around: Surroundings, sale: Sale
) -> tuple[Decimal, tuple[Reason, ...]]:
    """Tell goods that are free, which count, from goods that a reward paid for, which do not."""
    by_reward = -sum((line.total_incl for line in _reward_lines(around, sale.lines)), ZERO)
    if by_reward <= 0 or not program.earn.leave_out_paid_with_points:
        return Decimal(1), ()
    return ZERO, (because(Why.POINTS_PAID, amount=by_reward, left=ZERO),)


def _paid_with_points(program: Program, around: Surroundings, sale: Sale) -> Decimal:
    if not program.earn.leave_out_paid_with_points or not around.points_payment_mode:
        return ZERO
    return sum(
        (
            payment.amount
            for payment in sale.payments
            if payment.kind is PaymentKind.MONEY and payment.mode == around.points_payment_mode
        ),
        ZERO,
    )


def _amount_worth(program: Program, lines: tuple[SaleLine, ...], share: Decimal) -> _Worth:
    terms = program.earn.amount
    assert terms is not None
    including = terms.basis is Basis.INCLUDING_TAX
    amounts = [line.total_incl if including else line.total_excl for line in lines]
    if terms.scope is Scope.SALE:
        amounts = [sum(amounts, ZERO)]
    base = sum(amounts, ZERO) * share
    note = because(Why.BASE, basis=terms.basis.replace("_", " "), amount=_shown(base))
    if base <= 0:
        return _Worth(0, (note, because(Why.NEGATIVE)))
    # Line by line, a negative line may round to more than the others; other points stay whole.
    units = max(sum(_amount_units(program, amount * share) for amount in amounts), 0)
    return _Worth(
        units,
        (
            note,
            because(
                Why.AMOUNT,
                points=program.points_of(units),
                rate=terms.points,
                per=terms.per,
                each="each full" if terms.counting is Counting.STEPS else "each",
                how=_how(terms),
            ),
        ),
    )


def _bands_worth(
    program: Program, sold: tuple[SaleLine, ...], left: tuple[SaleLine, ...], share: Decimal
) -> _Worth:
    """Judge what is left by the band in which the whole sale lies."""
    basis = program.earn.band_basis
    totals = Totals(_total(basis, sold) * share, _total(basis, left) * share)
    units, reason = band_worth(program, totals)
    return _Worth(units, (reason,))


def _total(basis: Basis, lines: tuple[SaleLine, ...]) -> Decimal:
    including = basis is Basis.INCLUDING_TAX
    return sum((line.total_incl if including else line.total_excl for line in lines), ZERO)


def _how(terms: AmountTerms) -> str:
    """Say how parts are rounded, where there can be any, and on what."""
    whole = terms.counting is Counting.STEPS and terms.points == terms.points.to_integral_value()
    rounded = "" if whole else f", rounded {terms.rounding.value.replace('_', ' ')}"
    return rounded + (", line by line" if terms.scope is Scope.LINE else "")


def _amount_units(program: Program, amount: Decimal) -> int:
    terms = program.earn.amount
    assert terms is not None
    steps = amount / terms.per
    if terms.counting is Counting.STEPS:
        steps = Decimal(round_units(steps, Rounding.DOWN))
    return round_units(steps * terms.points * program.scale, terms.rounding)


def _product_worth(program: Program, lines: tuple[SaleLine, ...]) -> _Worth:
    terms = program.earn.product
    assert terms is not None
    points = {
        line.product_rowid: line.product_points
        for line in lines
        if line.product_points and line.product_rowid is not None
    }
    sold = _quantities(tuple(line for line in lines if line.product_points is not None))
    left = _quantities(lines)
    units = 0
    for product, value in points.items():
        # A credit note takes back what was sold of a product and no more. Goods returned on the
        # ticket itself (an exchange) count against the others, or exchanging would earn for ever.
        quantity = max(left[product], ZERO) if sold[product] > 0 else left[product]
        units += round_units(quantity * value * program.scale, terms.rounding)
    units = max(units, 0)
    if units == 0:
        return _Worth(0)
    return _Worth(units, (because(Why.PRODUCT, points=program.points_of(units)),))


def _quantities(lines: tuple[SaleLine, ...]) -> dict[int, Decimal]:
    """Add up quantities per product, returned ones negative."""
    quantities: dict[int, Decimal] = {}
    for line in lines:
        if line.product_rowid is not None:
            so_far = quantities.get(line.product_rowid, ZERO)
            quantities[line.product_rowid] = so_far + line.quantity
    return quantities


def _taken_off(credit: Sale) -> list[SaleLine]:
    """Return a credit note's lines as what they take off: amounts and quantities negative.

    Dolibarr writes a returned line either with a negative price or with a negative quantity. A line
    that adds (goods taken in exchange, a deduction) has a positive total and stays as it is.
    """
    return [
        line
        if line.total_incl > 0
        else replace(line, quantity=-abs(line.quantity), product_points=None)
        for line in credit.lines
    ]


def _mirrored(credit: Sale) -> tuple[SaleLine, ...]:
    """Return a credit note's lines as the goods they once were: amounts positive."""
    return tuple(
        replace(
            line,
            quantity=-abs(line.quantity) if line.total_incl > 0 else abs(line.quantity),
            total_excl=-line.total_excl,
            total_incl=-line.total_incl,
        )
        for line in credit.lines
    )


def _shown(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


def _nothing(program: Program, sale: Sale, *reasons: Reason) -> Verdict:
    return Verdict(sale.key, 0, reasons, earned_on(program, sale))
