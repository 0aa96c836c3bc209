"""What a sale and its returns earn: pure rules, data in, decision with reasons out.

A sale is judged together with its returns: the origin earns what its lines are worth, and each
return, in the order of their rowids, takes back the difference between what was left before it and
what is left after it. So any row of partial returns ends exactly at zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from dolisync.model import Sale, SaleKey, SaleKind, SaleLine, SaleStatus
from dolisync.program.before import NOTHING_BEFORE, Before
from dolisync.program.calendar import add_days, last_day_of_use
from dolisync.program.campaigns import added
from dolisync.program.caps import in_one_sale, within
from dolisync.program.course import Counted
from dolisync.program.criteria import not_eligible
from dolisync.program.goods import ZERO, bought, is_visit, mirrored, quantities, taken_off
from dolisync.program.kinds import kinds_of_sale
from dolisync.program.limits import BADGE, Limited
from dolisync.program.paid import is_paid_without_earning, paid_share
from dolisync.program.reasons import Reason, Why, because
from dolisync.program.rounding import round_units
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Moment, Program, Rounding
from dolisync.program.tiers import in_tier, multiplied
from dolisync.program.worth import Worth, basket_of, plain_worth, shown


@dataclass(frozen=True, slots=True)
class Family:
    """A sale and its returns. ``other_visit`` tells that another sale holds the day's visit.

    ``before`` is what its member's sales before it came to. ``is_told`` says whether anybody reads
    why: otherwise tiers, caps and campaigns, of which there may be many, do not say it.
    """

    origin: Sale
    returns: tuple[Sale, ...] = ()
    other_visit: bool = False
    before: Before = NOTHING_BEFORE
    is_told: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one sale holds in one program, in ledger units, and why.

    ``pending`` is what it will earn once it is paid, or delivered. ``origin`` names the sale whose
    lots a negative verdict draws on first. ``wanted`` is what a sale would hold without the caps
    that look at its member's other sales; ``campaigns`` is what each campaign gives of that, before
    any cap; ``limited`` is what those with limits would give.
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
    campaigns: tuple[tuple[str, int], ...] = ()
    limited: tuple[Limited, ...] = ()


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
    worth = plain_worth(basket_of(program, around, sale, mirrored(sale), full=True))
    alone = because(Why.RETURN_ALONE, because=reason_alone)
    return Verdict(sale.key, -worth.units, (alone, *worth.reasons), earned_on(program, sale))


def refuse(program: Program, around: Surroundings, sale: Sale) -> Reason | None:
    """Say why a sale can never count as it stands, or ``None`` when it may."""
    return _refuse_document(program, around, sale) or not_eligible(program, sale)


def _refuse_document(program: Program, around: Surroundings, sale: Sale) -> Reason | None:
    """Say why a document cannot count; a return is refused by this alone.

    Where and to whom its goods were sold is judged on the sale that it returns.
    """
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
    """Return the shop's day on which a sale earned.

    Its date, or that of its last payment, or the day of its delivery where that was later.
    """
    moment = program.earn.moment
    if moment is Moment.VALIDATED or sale.kind is SaleKind.CREDIT_NOTE:
        return sale.date
    if moment is Moment.DELIVERED:
        done_at = sale.delivery.done_at if sale.delivery is not None else None
        return sale.date if done_at is None else max(sale.date, _shop_day(program, done_at))
    paid = [payment.paid_at for payment in sale.payments if payment.paid_at is not None]
    return _shop_day(program, max(paid)) if paid else sale.date


def _shop_day(program: Program, moment: datetime) -> date:
    return moment.astimezone(program.zone).date()


def _judge_origin(program: Program, around: Surroundings, family: Family) -> Verdict:
    sale = family.origin
    wanted = _wanted(program, around, family)
    kept, reasons = within(program, family.before, wanted.units, is_told=family.is_told)
    worth = _cut(wanted, kept, reasons)
    day = earned_on(program, sale)
    waits_for = _waits_for(program, sale)
    if waits_for is not None:
        pending = because(waits_for, points=program.points_of(worth.units))
        reasons = (*worth.reasons, pending)
        pending_units, campaigns = worth.units, worth.campaigns
        return Verdict(sale.key, 0, reasons, day, pending=pending_units, campaigns=campaigns)
    if worth.units == 0:
        reasons = (*worth.reasons, because(Why.NOTHING))
        return Verdict(
            sale.key,
            0,
            reasons,
            day,
            wanted=wanted.units,
            campaigns=worth.campaigns,
            limited=worth.limited,
        )
    expires_on = last_day_of_use(program.validity, day)
    reasons = worth.reasons
    usable_from = add_days(day, program.earn.wait_days)
    if usable_from > day:
        reasons += (because(Why.WAITS, date=usable_from.isoformat()),)
    if expires_on is not None:
        reasons += (because(Why.EXPIRES, date=expires_on.isoformat()),)
    if program.validity.inactive_months is not None:
        reasons += (because(Why.INACTIVE, months=program.validity.inactive_months),)
    return Verdict(
        sale.key,
        worth.units,
        reasons,
        day,
        expires_on,
        usable_from=usable_from,
        wanted=wanted.units,
        campaigns=worth.campaigns,
        limited=worth.limited,
    )


def _wanted(program: Program, around: Surroundings, family: Family) -> Worth:
    """Count what a sale earns before its member's other sales cut it."""
    worth = _worth_in_family(program, around, family, family.origin.lines)
    if program.earn.visit is not None and family.other_visit:
        taken = because(Why.VISIT_TAKEN, date=family.origin.date.isoformat())
        worth = worth._replace(reasons=(*worth.reasons, taken))
    return _cut(worth, *in_one_sale(program, worth.units))


def _cut(worth: Worth, units: int, reasons: tuple[Reason, ...]) -> Worth:
    """Return what is left of what was earned, which mostly is all of it."""
    if units == worth.units and not reasons:
        return worth
    return Worth(units, (*worth.reasons, *reasons), worth.campaigns, worth.limited)


def _worth_in_family(
    program: Program, around: Surroundings, family: Family, lines: tuple[SaleLine, ...]
) -> Worth:
    """Count what lines of a sale earn for its member, in his tier and by campaigns."""
    with_visit, tier = not family.other_visit, family.before.tier
    basket = basket_of(program, around, family.origin, lines, with_visit=with_visit)
    plain = plain_worth(basket)
    units, raised = in_tier(program, tier, plain.units, is_told=family.is_told)
    if basket.share <= 0:
        return Worth(units, (*plain.reasons, *raised))
    base = multiplied(program, tier, plain.units)
    more = added(program, family.origin, family.before, basket, base, is_told=family.is_told)
    reasons = (*plain.reasons, *raised, *more.reasons)
    return Worth(max(units + more.units, 0), reasons, more.parts, more.limited)


def what_counts(
    program: Program,
    around: Surroundings,
    sale: Sale,
    returns: Sequence[Sale],
    verdicts: Sequence[Verdict],
) -> Counted:
    """Return what a judged sale counts for those after it: what its returns left of it."""
    units = sum([verdict.units for verdict in verdicts])
    # What earned something counts: only of the others it must be asked.
    if not verdicts[0].units and not _is_purchase(program, around, sale):
        return Counted(0, units)
    left = _left_lines(sale, returns) if returns else sale.lines
    if returns and _is_all_returned(sale, left):
        return Counted(0, units)
    spent = max(bought(left), ZERO)
    if sale.status is not SaleStatus.PAID or is_paid_without_earning(program, around, sale):
        spent *= paid_share(program, around, sale)[0]
    return Counted(1, units, round_units(spent * 100, Rounding.HALF_UP))


@dataclass(frozen=True, slots=True)
class CampaignUse:
    """What a campaign with limits gives for a sale after its returns, and what it would give."""

    limited: Limited
    units: int


def campaign_uses_of(
    program: Program, around: Surroundings, family: Family, first: Verdict
) -> tuple[CampaignUse, ...]:
    """Return what a judged sale takes of the limits of campaigns, as its returns left it.

    With it, under names of their own, in which tags of challenges it bought something.
    """
    left = _left_after(program, family)
    kinds = _kinds_counted(program, around, family, first, left)
    if not first.limited:
        return kinds
    parts = dict(first.campaigns)
    if left is not family.origin.lines:
        parts = dict(_worth_in_family(program, around, family, left).campaigns) if left else {}
    uses = ((limited, _units_left(program, limited, parts, left)) for limited in first.limited)
    return *(CampaignUse(*use) for use in uses), *kinds


def _left_after(program: Program, family: Family) -> tuple[SaleLine, ...]:
    """Return the lines of a sale with those that its returns took off; none where all came back."""
    if not family.returns or not program.returns.take_back:
        return family.origin.lines
    left = _left_lines(family.origin, family.returns)
    return () if _is_all_returned(family.origin, left) else left


def _units_left(
    program: Program, limited: Limited, parts: Mapping[str, int], left: tuple[SaleLine, ...]
) -> int:
    if limited.campaign in program.badge_only:
        return limited.given if left else 0
    return max(parts.get(limited.campaign, 0), 0)


def _kinds_counted(
    program: Program,
    around: Surroundings,
    family: Family,
    first: Verdict,
    left: tuple[SaleLine, ...],
) -> tuple[CampaignUse, ...]:
    """Return in which tags of challenges a sale that counts bought something."""
    sale = family.origin
    if not program.tag_challenges or not (first.units or _is_purchase(program, around, sale)):
        return ()
    return tuple(
        CampaignUse(Limited.by(kind.key, None, BADGE), int(kind.is_left))
        for kind in kinds_of_sale(program, sale.lines, left)
    )


def _is_purchase(program: Program, around: Surroundings, sale: Sale) -> bool:
    is_open = _waits_for(program, sale) or refuse(program, around, sale) is not None
    return not is_open and is_visit(sale.lines)


def _waits_for(program: Program, sale: Sale) -> Why | None:
    """Say what a sale lacks to earn now, ``None`` where it lacks nothing."""
    moment = program.earn.moment
    if moment is Moment.PAID and sale.status is SaleStatus.VALIDATED:
        return Why.NOT_PAID
    if moment is Moment.DELIVERED and sale.is_undelivered:
        return Why.NOT_DELIVERED
    return None


def _left_lines(sale: Sale, returns: Sequence[Sale]) -> tuple[SaleLine, ...]:
    returned = (credit for credit in returns if uncounted(credit) is None)
    taken = (line for credit in returned for line in taken_off(credit))
    return (*sale.lines, *taken)


def what_counts_alone(credit: Sale, verdict: Verdict) -> Counted:
    """Return what a return judged by itself counts: what it takes back, and its amount."""
    if not any(reason.why is Why.RETURN_ALONE for reason in verdict.reasons):
        return Counted(0, verdict.units)
    spent = round_units(bought(mirrored(credit)) * 100, Rounding.HALF_UP)
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
        left += taken_off(credit)
        worth = _left_worth(program, around, family, tuple(left))
        # A credit note that adds (a correction upwards) gives nothing: origins earn, returns take.
        units = min(worth, left_units)
        yield _return_verdict(program, family.origin, credit, tuple(left), units, left_units)
        left_units = units


def _refuse_return(
    program: Program, around: Surroundings, credit: Sale, first: Verdict
) -> Reason | None:
    dated = replace(credit, date=max(credit.date, program.start))
    refusal = _refuse_document(program, around, dated)
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
    if bought(origin.lines) > 0:
        return bought(left) <= 0
    return all(quantity <= 0 for quantity in quantities(left).values())


def _return_verdict(
    program: Program,
    origin: Sale,
    credit: Sale,
    left: tuple[SaleLine, ...],
    units: int,
    before: int,
) -> Verdict:
    amount = shown(max(bought(left), ZERO))
    reason = because(Why.RETURN_OF, ref=origin.ref, left=amount, points=program.points_of(units))
    day = earned_on(program, credit)
    return Verdict(credit.key, units - before, (reason,), day, origin=origin.key)


def _nothing(program: Program, sale: Sale, *reasons: Reason) -> Verdict:
    return Verdict(sale.key, 0, reasons, earned_on(program, sale))
