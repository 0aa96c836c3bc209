"""Campaigns: which of them hold for a sale, and how many points they add to it.

All conditions are judged on the sale as it was sold. What a campaign gives is counted on what is
left of its articles: the factor on what these earn by themselves, the bonus in proportion to their
amount. So returns take back a campaign's part with the articles it was for, and none at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from dolisync.model import Sale
from dolisync.program.articles import campaigns_meant, lines_of
from dolisync.program.before import Before, Limit, Room
from dolisync.program.campaign_terms import (
    CampaignFacts,
    CampaignTerms,
    ChallengeTerms,
    Combine,
    Each,
)
from dolisync.program.criteria import channel_of, misfit_of, taken_from, warehouse_words
from dolisync.program.goods import ZERO, total_incl
from dolisync.program.limits import BADGE, Limited, limit_of
from dolisync.program.moments import can_hold_on, is_now, not_now
from dolisync.program.reasons import Reason, ReasonValue, Why, of_campaign
from dolisync.program.rounding import round_units
from dolisync.program.terms import Program
from dolisync.program.tiers import multiplied
from dolisync.program.worth import Basket, Lines, goods_units, plain_worth, shown

Campaigns = Sequence[CampaignFacts]


class Added(NamedTuple):
    """What campaigns add to a sale: ledger units by name, and why each of them does or not.

    ``limited`` says what those with limits would give, whether they are chosen or not.
    """

    units: int = 0
    parts: tuple[tuple[str, int], ...] = ()
    reasons: tuple[Reason, ...] = ()
    limited: tuple[Limited, ...] = ()


NOTHING_ADDED = Added()


def added(
    program: Program,
    sale: Sale,
    before: Before,
    basket: Basket,
    base_units: int,
    *,
    is_told: bool,
) -> Added:
    """Return what campaigns add to what is left of a sale.

    ``base_units`` is what that earns in its tier without them: with the visit, without the tier's
    bonus. ``is_told`` says whether anybody reads why.
    """
    if not program.campaign:
        return NOTHING_ADDED
    counting = _Counting(program, before, basket, base_units)
    as_sold = counting.as_sold()
    judged = _Judged.of(sale, before, as_sold)
    chosen = _chosen(as_sold, judged.held)
    parts = counting.parts_of(chosen)
    return Added(
        sum([part.units for part in parts]),
        tuple([(part.campaign.name, part.units) for part in parts]),
        tuple(judged.reasons(sale, as_sold, counting, parts)) if is_told else (),
        tuple(as_sold.limits_of(judged.meant, chosen)) if program.limited_campaigns else (),
    )


class _Judged(NamedTuple):
    """The campaigns that are meant for a sale; those of them that hold, and that give a badge."""

    meant: Campaigns
    held: Campaigns
    badges: Campaigns

    @classmethod
    def of(cls, sale: Sale, before: Before, as_sold: _Counting) -> _Judged:
        meant = _meant(sale, before, as_sold)
        if not before.rooms and not as_sold.program.badge_only:
            return cls(meant, meant, ())
        held = [campaign for campaign in meant if not before.has_no_room(campaign.name)]
        badges = [campaign for campaign in held if campaign.is_badge_only]
        return cls(meant, [one for one in held if one not in badges] if badges else held, badges)

    def reasons(
        self, sale: Sale, as_sold: _Counting, left: _Counting, parts: Sequence[_Part]
    ) -> Iterator[Reason]:
        """Say of each campaign what it gives, or why it gives nothing."""
        program, before = as_sold.program, as_sold.before
        names = {part.campaign.name for part in parts}
        for part in parts:
            yield from part.reasons(left)
        for campaign in self.held:
            if campaign.name not in names:
                other = parts[0].campaign.terms.title
                yield of_campaign(Why.CAMPAIGN_BEATEN, campaign.terms, other=other)
        for campaign in self.badges:
            yield _badge_reason(campaign.terms)
        for campaign in program.campaign_facts:
            reason = _not_held(campaign, sale, before, as_sold)
            if reason is not None:
                yield reason
        for campaign in self.meant:
            if before.has_no_room(campaign.name):
                yield _limited_by(program, campaign.terms, before)


# --- does it hold ---------------------------------------------------------------------------------


def _not_held(
    campaign: CampaignFacts, sale: Sale, before: Before, as_sold: _Counting
) -> Reason | None:
    """Say why a campaign does not hold for a sale, the cheapest question first."""
    program, terms = as_sold.program, campaign.terms
    return (
        not_now(program, terms, sale)
        or _not_here(terms, sale)
        or _not_for(terms, program, sale, before)
        or _not_enough(terms, as_sold.amount_of(campaign.article_key))
    )


def _possible(program: Program, sale: Sale) -> Campaigns:
    """Return the campaigns that can hold for sales of this day, till and warehouse, in their order.

    They have many sales: what depends on these alone is asked once.
    """
    place = (sale.date, sale.is_pos, sale.terminal, sale.warehouses)
    known = program.campaigns_by_place
    found = known.get(place)
    if found is None:
        found = known[place] = tuple(
            campaign
            for campaign in program.campaign_facts
            if can_hold_on(campaign.terms, sale.date) and _not_here(campaign.terms, sale) is None
        )
    return found


def _meant(sale: Sale, before: Before, as_sold: _Counting) -> Campaigns:
    """Return the campaigns of which ``_not_held`` would say nothing, asking less."""
    program = as_sold.program
    marks: set[str] | None = None
    meant: list[CampaignFacts] = []
    for campaign in _possible(program, sale):
        if campaign.asks_when and not is_now(program, campaign.terms, sale):
            continue
        if campaign.asks_whose and not _is_for(campaign.terms, sale, before):
            continue
        if campaign.by_article is not None:
            # Most sales have nothing of most campaigns: their articles are looked up once.
            if marks is None:
                marks = set().union(*[campaigns_meant(program, x) for x in as_sold.basket.sold])
            if campaign.name not in marks:
                continue
        amount = as_sold.amount_of(campaign.article_key)
        if amount > 0 and amount >= campaign.minimum:
            meant.append(campaign)
    return meant


def _is_for(campaign: CampaignTerms, sale: Sale, before: Before) -> bool:
    """Tell whether a campaign is for the customer of a sale, and for this one of his sales."""
    if campaign.first_purchase and before.sales:
        return False
    customers = campaign.customers
    if customers is None:
        return True
    in_tier = not customers.tiers or before.tier in customers.tiers
    return in_tier and misfit_of(customers, sale.buyer) is None


def _not_here(campaign: CampaignTerms, sale: Sale) -> Reason | None:
    channel = channel_of(sale)
    if campaign.channels and channel not in campaign.channels:
        return of_campaign(Why.CAMPAIGN_CHANNEL, campaign, channel=channel.value)
    if campaign.terminals and sale.terminal not in campaign.terminals:
        terminal = sale.terminal or "none"
        return of_campaign(Why.CAMPAIGN_TERMINAL, campaign, terminal=terminal)
    if campaign.warehouses and not taken_from(campaign.warehouses, sale):
        return of_campaign(Why.CAMPAIGN_WAREHOUSE, campaign, warehouses=warehouse_words(sale))
    return None


def _not_for(
    campaign: CampaignTerms, program: Program, sale: Sale, before: Before
) -> Reason | None:
    if _is_for(campaign, sale, before):
        return None
    customers = campaign.customers
    if customers is None or (campaign.first_purchase and before.sales):
        return of_campaign(Why.CAMPAIGN_NOT_FIRST, campaign)
    misfit = misfit_of(customers, sale.buyer)
    if misfit is not None:
        what, wanted = misfit.what, misfit.words
    else:
        titles = (tier.title for tier in program.ranks if tier.name in customers.tiers)
        what, wanted = "tier", ", ".join(titles)
    return of_campaign(Why.CAMPAIGN_CUSTOMER, campaign, what=what, wanted=wanted)


def _not_enough(campaign: CampaignTerms, amount: Decimal) -> Reason | None:
    if amount <= 0:
        return of_campaign(Why.CAMPAIGN_ARTICLES, campaign)
    if amount < campaign.minimum:
        of_it, minimum = shown(amount), shown(campaign.minimum)
        return of_campaign(Why.CAMPAIGN_MINIMUM, campaign, amount=of_it, minimum=minimum)
    return None


def _limited_by(
    program: Program, campaign: CampaignTerms, before: Before, part: _Part | None = None
) -> Reason:
    """Say which limit leaves nothing, or only some of what a campaign would give."""
    room = before.room_of(campaign.name)
    assert room is not None, "only a room that is known can be too small"
    if room.limit in _NOT_MET:
        return _not_met(campaign, room)
    allowed, each = limit_of(program, campaign, room.limit)
    values: dict[str, ReasonValue] = {"limit": allowed, "span": _SPANS[each]}
    if part is not None:
        values["given"] = program.points_of(part.units)
    whys = _CUT if part is not None else _USED_UP
    return of_campaign(whys[room.limit], campaign, **values)


def _badge_reason(campaign: CampaignTerms) -> Reason:
    return of_campaign(Why.CAMPAIGN_BADGE, campaign, badge=campaign.badge or "")


def _not_met(campaign: CampaignTerms, room: Room) -> Reason:
    """Say what is missing to a challenge."""
    asked, limit = campaign.asks, room.limit
    assert asked is not None, "what is missing is of a challenge"
    span = "in all" if asked.days is None else f"in {asked.days} days"
    if limit is Limit.KINDS:
        return _kinds_missing(campaign, asked, room.bought, span)
    if limit is Limit.VISITS:
        return of_campaign(Why.CAMPAIGN_VISITS, campaign, limit=asked.visits or 0, span=span)
    amount = shown(asked.spent or ZERO)
    return of_campaign(Why.CAMPAIGN_SPENT, campaign, amount=amount, span=span)


def _kinds_missing(
    campaign: CampaignTerms, asked: ChallengeTerms, bought: frozenset[str], span: str
) -> Reason:
    titles = {tag.casefold(): tag for tag in asked.tags}
    missing = ", ".join(title for tag, title in titles.items() if tag not in bought)
    values: dict[str, ReasonValue] = {"done": len(bought), "limit": asked.tags_needed, "span": span}
    return of_campaign(Why.CAMPAIGN_KINDS, campaign, missing=missing, **values)


_NOT_MET = (Limit.VISITS, Limit.SPENT, Limit.KINDS)
_SPANS = {
    Each.CAMPAIGN: "in all",
    Each.DAY: "a day",
    Each.WEEK: "a week",
    Each.MONTH: "a month",
    Each.YEAR: "a year",
}
_USED_UP = {
    Limit.BUDGET: Why.CAMPAIGN_BUDGET,
    Limit.MEMBER_POINTS: Why.CAMPAIGN_MEMBER_POINTS,
    Limit.MEMBER_TIMES: Why.CAMPAIGN_MEMBER_TIMES,
}
_CUT = {
    Limit.BUDGET: Why.CAMPAIGN_BUDGET_CUT,
    Limit.MEMBER_POINTS: Why.CAMPAIGN_MEMBER_CUT,
}


# --- what it gives --------------------------------------------------------------------------------


class _Part(NamedTuple):
    """What one campaign gives, and on how many ledger units of its articles.

    ``wanted`` is what it would give had it no limits. ``base`` is zero where it has no factor.
    """

    campaign: CampaignFacts
    units: int
    wanted: int
    base: Decimal

    def reasons(self, counting: _Counting) -> Iterator[Reason]:
        program, before, terms = counting.program, counting.before, self.campaign.terms
        yield self._reason(program, counting.amount_of(self.campaign.article_key))
        if self.units < self.wanted:
            yield _limited_by(program, terms, before, self)
        if self.units > 0 and terms.badge is not None:
            yield _badge_reason(terms)

    def _reason(self, program: Program, amount: Decimal) -> Reason:
        campaign = self.campaign.terms
        values: dict[str, Decimal] = {"points": program.points_of(max(self.wanted, self.units))}
        if campaign.multiply != 1:
            base = shown(self.base / program.scale)
            whole = base.to_integral_value()
            values["times"], values["amount"] = campaign.multiply, shown(amount)
            values["base"] = whole if whole == base else base
        if campaign.bonus or campaign.multiply == 1:
            values["bonus"] = campaign.bonus
        return of_campaign(_why(campaign), campaign, **values)


def _why(campaign: CampaignTerms) -> Why:
    if campaign.multiply == 1:
        return Why.CAMPAIGN_BONUS
    return Why.CAMPAIGN_BOTH if campaign.bonus else Why.CAMPAIGN


_Bases = dict[tuple[frozenset[str], int], Decimal]


@dataclass(slots=True)
class _Counting:
    """Count what campaigns give for what is left of a basket; articles are narrowed once."""

    program: Program
    before: Before
    basket: Basket
    base_units: int
    _units: dict[frozenset[str], int] = field(default_factory=dict)
    _narrow: dict[frozenset[str], tuple[Lines, Lines]] = field(default_factory=dict)
    _amounts: dict[frozenset[str], tuple[Decimal, Decimal]] = field(default_factory=dict)

    def parts_of(self, campaigns: Campaigns) -> list[_Part]:
        """Share out what these campaigns give together; the sum is rounded, not each of them.

        Limits cut what comes out, so that no other campaign gives more or less because of them.
        Together they take no more than the articles earn.
        """
        parts: list[_Part] = []
        terms = self.program.campaigns
        exact, rounded, given = ZERO, 0, 0
        before: list[CampaignFacts] = []
        known: _Bases = {}
        for campaign in campaigns:
            base = ZERO
            if campaign.raises_by:
                base = self._base(campaign.article_key, before, len(before), known)
                exact += campaign.raises_by * base
                if terms.combine is Combine.MULTIPLY:
                    before.append(campaign)
            if campaign.bonus_units:
                exact += self._bonus(campaign)
            total = round_units(exact, terms.rounding)
            wanted, rounded = total - rounded, total
            room = self.before.room_of(campaign.name) if self.before.rooms else None
            units = wanted if room is None else Limited.by(campaign.name, room, wanted).given
            units = max(units, -self.base_units - given)
            given += units
            parts.append(_Part(campaign, units, wanted, base))
        return parts

    def alone(self, campaign: CampaignFacts) -> int:
        """Return what a campaign gives where it counts alone."""
        return self.parts_of([campaign])[0].units

    def limits_of(self, meant: Campaigns, chosen: Campaigns) -> Iterator[Limited]:
        """Say what campaigns with limits would give, alone or beside those that are chosen."""
        beside = {part.campaign.name: part.wanted for part in self.parts_of(chosen)}
        for campaign in meant:
            if campaign.is_badge_only:
                yield Limited.by(campaign.name, self.before.room_of(campaign.name), BADGE)
            elif campaign.is_limited:
                wanted = max(self.parts_of([campaign])[0].wanted, beside.get(campaign.name, 0), 0)
                yield Limited.by(campaign.name, self.before.room_of(campaign.name), wanted)

    def amount_of(self, key: frozenset[str]) -> Decimal:
        """Return the amount of some articles that earns."""
        amount, share = self._totals(key)[1], self.basket.share
        return amount if share == 1 else amount * share

    def _totals(self, key: frozenset[str]) -> tuple[Decimal, Decimal]:
        """Return the amounts of some articles as they were sold, and as they are left."""
        found = self._amounts.get(key)
        if found is None:
            sold, left = self._lines(key)
            total = total_incl(left)
            found = self._amounts[key] = (total if sold is left else total_incl(sold)), total
        return found

    def as_sold(self) -> _Counting:
        """Return the same for the basket as it was sold: which campaigns count is judged on it."""
        if self.basket.left is self.basket.sold:
            return self
        basket = replace(self.basket, left=self.basket.sold)
        units = multiplied(self.program, self.before.tier, plain_worth(basket).units)
        return _Counting(self.program, self.before, basket, units)

    def _bonus(self, campaign: CampaignFacts) -> Decimal:
        units = campaign.bonus_units
        sold, left = self._totals(campaign.article_key)
        if left == sold:
            return Decimal(units)
        return units * min(max(left, ZERO) / sold, Decimal(1))

    def _base(
        self,
        key: frozenset[str],
        before: Campaigns,
        count: int,
        known: _Bases,
    ) -> Decimal:
        """Return what some articles earn, with what the first of these campaigns made of it.

        Each multiplies what the ones before it left of the articles that are its own too. ``known``
        are the answers that were given for the same campaigns.
        """
        if not count:
            return Decimal(self._units_of(key))
        found = known.get((key, count))
        if found is None:
            last = before[count - 1]
            base = self._base(key, before, count - 1, known)
            both = key | last.article_key
            also = base if both == key else self._base(both, before, count - 1, known)
            found = known[key, count] = base + last.raises_by * also
        return found

    def _units_of(self, key: frozenset[str]) -> int:
        """Return what the articles of all of these campaigns earn by themselves in the tier."""
        if not key:
            return self.base_units
        found = self._units.get(key)
        if found is None:
            units = goods_units(self.basket, self._lines(key)[1])
            found = self._units[key] = multiplied(self.program, self.before.tier, units)
        return found

    def _lines(self, key: frozenset[str]) -> tuple[Lines, Lines]:
        """Return the articles of all of these campaigns, as they were sold and as they are left."""
        sold, left = self.basket.sold, self.basket.left
        if not key:
            return sold, left
        found = self._narrow.get(key)
        if found is None:
            for selection in self.program.selections_of(key):
                kept = lines_of(selection, sold, sold)
                left = kept if left is sold else lines_of(selection, sold, left)
                sold = kept
            found = self._narrow[key] = sold, left
        return found


# --- which of them count --------------------------------------------------------------------------


def _chosen(as_sold: _Counting, held: Campaigns) -> Campaigns:
    """Choose among the campaigns that hold; they come in the order of priority and name."""
    exclusive = [campaign for campaign in held if campaign.is_exclusive]
    if exclusive:
        highest = exclusive[0].terms.priority
        return _best(as_sold, [one for one in exclusive if one.terms.priority == highest])
    if as_sold.program.campaigns.combine is Combine.BEST:
        return _best(as_sold, held)
    return held


def _best(as_sold: _Counting, held: Campaigns) -> Campaigns:
    return held if len(held) <= 1 else [max(held, key=as_sold.alone)]
