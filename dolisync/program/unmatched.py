"""The rules of a program that changed nothing on a sale, named for whoever asks why it earned that.

An assessment says what moved points, and why campaigns did not hold. What else an owner wrote and
had no effect on this sale is said here, and only when somebody asks: sales are booked without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dolisync.model import Sale, SaleKind
from dolisync.program.assess import refuse
from dolisync.program.before import Before
from dolisync.program.caps import SALE, rooms
from dolisync.program.criteria import channel_of, named, wanted_words, warehouse_words
from dolisync.program.reasons import Reason, Why, because
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Discounted, Program

_VOID = frozenset({Why.VANISHED, Why.ERASED, Why.SET_ASIDE})
_PAID_AWAY = frozenset({Why.DISCOUNT_PAID, Why.GIFT_CARD_PAID, Why.MODE_PAID, Why.POINTS_PAID})


def without_effect(
    program: Program, around: Surroundings, sale: Sale, before: Before, said: Collection[Reason]
) -> tuple[Reason, ...]:
    """Return the rules that had no effect on a sale, beside what its verdict ``said``.

    None for a document that cannot count: one reason decided about it. None for a return: what it
    takes back is a part of what its sale earned.
    """
    told = {reason.why for reason in said}
    is_return = sale.kind is SaleKind.CREDIT_NOTE
    if is_return or told & _VOID or refuse(program, around, sale) is not None:
        return ()
    return (
        *_eligible(program, sale),
        *_articles(program, told),
        *_earning(program, told),
        *_tier(program, before, told),
        *_caps(program, before, said),
    )


def _eligible(program: Program, sale: Sale) -> Iterator[Reason]:
    earn = program.earn
    if earn.channels:
        yield because(Why.CHANNEL_IN, channel=channel_of(sale).value)
    if earn.terminals or earn.leave_out_terminals:
        yield because(Why.TERMINAL_IN, terminal=sale.terminal or "none")
    if earn.warehouses or earn.leave_out_warehouses:
        yield because(Why.WAREHOUSE_IN, warehouses=warehouse_words(sale))
    only = earn.only_customers
    if only is not None and not only.is_empty:
        what = ", ".join(named(only))
        yield because(Why.CUSTOMER_MEANT, what=what, wanted=wanted_words(only))
    for terms in earn.leave_out_customers:
        if not terms.is_empty:
            what = ", ".join(named(terms))
            yield because(Why.CUSTOMER_KEPT, what=what, wanted=wanted_words(terms))


def _articles(program: Program, told: Collection[Why]) -> Iterator[Reason]:
    earn = program.earn
    chooses = earn.selections or earn.leave_out_discounted is not Discounted.NONE
    if chooses and Why.ARTICLES_OUT not in told and not _PAID_AWAY.intersection(told):
        yield because(Why.ARTICLES_IN)
    if earn.leave_out_paid_by and Why.MODE_PAID not in told:
        yield because(Why.MODES_UNUSED, modes=", ".join(earn.leave_out_paid_by))


def _earning(program: Program, told: Collection[Why]) -> Iterator[Reason]:
    earn = program.earn
    if earn.product is not None and Why.PRODUCT not in told:
        yield because(Why.PRODUCT_NONE)
    if earn.visit is not None and not {Why.VISIT, Why.VISIT_TAKEN}.intersection(told):
        yield because(Why.VISIT_NONE)
    # One that holds or does not is said by name; all are silent only where nothing can earn.
    if program.campaign and not any(why.name.startswith("CAMPAIGN") for why in told):
        yield because(Why.CAMPAIGNS_NONE)


def _tier(program: Program, before: Before, told: Collection[Why]) -> Iterator[Reason]:
    if not program.tier or Why.TIER in told:
        return
    tier = program.tier_named(before.tier)
    if tier is None:
        yield because(Why.TIER_NONE)
    elif tier.multiplier == 1 and not tier.bonus:
        yield because(Why.TIER_PLAIN, title=tier.title)
    else:
        yield because(Why.TIER_UNUSED, title=tier.title)


def _caps(program: Program, before: Before, said: Collection[Reason]) -> Iterator[Reason]:
    cut = {dict(reason.values)["span"] for reason in said if reason.why is Why.CAPPED}
    cap = program.earn.caps.per_sale
    if cap is not None and SALE not in cut:
        yield because(Why.CAP_FREE, cap=cap, span=SALE, room=cap)
    for cap, span, room in rooms(program, before):
        if span not in cut:
            yield because(Why.CAP_FREE, cap=cap, span=span, room=program.points_of(room))
