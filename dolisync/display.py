"""What Dolibarr shows of the ledger: the extra fields, and the values for one customer or sale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal

from dolisync.codes_shown import codes_specs
from dolisync.config import Settings, Source
from dolisync.ledger.views import MemberView, SaleMovement
from dolisync.phrases import (
    day_text,
    money,
    months_text,
    number,
    phrase,
    points_text,
    visits_text,
)
from dolisync.ports import FieldSpec, FieldValue, PaymentModeSpec, Requirements, TagSpec
from dolisync.program.paying import pays
from dolisync.program.spending import minimum_of, next_spend, spend
from dolisync.program.terms import Program, TierBasis
from dolisync.program.tiers import TierToday
from dolisync.requests import request_specs
from dolisync.sentences import Tongue

# What a field of text in Dolibarr holds.
_FIELD_LENGTH = 255


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The extra fields of one program."""

    balance: str
    value: str
    next_reward: str
    expiring: str
    last: str
    earned: str
    used: str
    after: str
    tier: str
    badges: str


def field_names(program: Program) -> FieldNames:
    """Name a program's extra fields."""
    parts = (
        "balance",
        "value",
        "next",
        "expiring",
        "last",
        "earned",
        "used",
        "after",
        "tier",
        "badges",
    )
    return FieldNames(*(f"{program.field_prefix}{part}" for part in parts))


def requirements(settings: Settings, source: Source) -> Requirements:
    """Say what must exist in a source: the fields of its programs, and the mode to pay with points.

    The latter where a program takes such payments from its accounts.
    """
    language = source.language
    programs = [program for program in settings.program if program.takes(source.name)]
    fields = [spec for program in programs for spec in _fields(program, language)]
    if source.staff_requests:
        with_claims = settings.claims is not None
        fields += [
            spec
            for program in programs
            for spec in request_specs(program, source, with_claims=with_claims)
        ]
    fields += codes_specs(settings, source)
    label = phrase(language, "payment")
    mode = PaymentModeSpec(source.points_payment_mode, label, source.currency)
    # A button that nobody's points pay for would give goods away.
    modes = (mode,) if any(pays(program, source.name) for program in programs) else ()
    tags = [tag for program in programs if program.tiers.tags for tag in _tags(program)]
    given = {bonus.given_by for program in programs for bonus in program.bonus if bonus.given_by}
    tags += [TagSpec(label, _BONUS_COLOR) for label in sorted(given - {tag.label for tag in tags})]
    return Requirements(tuple(_without_twins(fields)), modes, tuple(tags))


_BONUS_COLOR = "2e8b57"
# Bronze, silver, gold, and what comes above; the last one for all others.
_COLORS = ("cd7f32", "a8a8b0", "d4af37", "5b6abf")


def _tags(program: Program) -> Iterable[TagSpec]:
    for place, tier in enumerate(program.ranks):
        yield TagSpec(tier.label, _COLORS[min(place, len(_COLORS) - 1)])


def _fields(program: Program, language: str) -> Iterable[FieldSpec]:
    names = field_names(program)
    points = "amount" if program.decimals else "integer"
    yield FieldSpec("customer", names.balance, phrase(language, "balance"), points)
    yield FieldSpec("customer", names.value, phrase(language, "value"), "money")
    yield FieldSpec("customer", names.next_reward, phrase(language, "next_label"), "text")
    yield FieldSpec("customer", names.expiring, phrase(language, "expiring_label"), "text")
    yield FieldSpec("customer", names.last, phrase(language, "last_label"), "text")
    if program.tier:
        yield FieldSpec("customer", names.tier, phrase(language, "tier_label"), "text")
    if program.badges:
        yield FieldSpec("customer", names.badges, phrase(language, "badges_label"), "text")
    yield FieldSpec("sale", names.earned, phrase(language, "earned"), points)
    yield FieldSpec("sale", names.used, phrase(language, "used"), points)
    yield FieldSpec("sale", names.after, phrase(language, "after"), points)
    if program.earn.product is not None:
        label = phrase(language, "product")
        yield FieldSpec("product", program.earn.product.field, label, "amount", editable=True)
    if program.redeem.product_field is not None:
        label = phrase(language, "product_price")
        yield FieldSpec("product", program.redeem.product_field, label, "amount", editable=True)


def _without_twins(fields: Sequence[FieldSpec]) -> list[FieldSpec]:
    return list({(spec.element, spec.name): spec for spec in fields}.values())


def customer_values(
    program: Program, view: MemberView, source: Source, today: date
) -> dict[str, FieldValue]:
    """Return what a customer card shows of one program."""
    names, language = field_names(program), source.language
    worth = program.value_of_point
    available = program.points_of(view.available)
    tier = {names.tier: tier_text(program, view.tier, source)} if program.tier else {}
    badges = {names.badges: ", ".join(view.badges) or None} if program.badges else {}
    return {
        **tier,
        **badges,
        names.balance: _shown(program, view.balance),
        names.value: None if worth is None else (available * worth).quantize(Decimal("0.01")),
        names.next_reward: _all_rewards(program, view, source, today),
        names.expiring: _expiring(program, view, language, today),
        names.last: _last(program, view, language),
    }


def tier_text(program: Program, held: TierToday | None, source: Source) -> str | None:
    """Say which tier a member holds, and what is missing to the next one."""
    if held is None:
        return None
    title = held.tier.title if held.tier else ""
    if held.next is None or held.is_locked:
        return title or None
    language = source.language
    missing = missing_text(program, held.missing, source)
    to_go = phrase(language, "next", points=missing, amount=held.next.title)
    return f"{title} ({to_go})" if title else to_go


def missing_text(program: Program, missing: Decimal, source: Source) -> str:
    """Write what is missing to a tier in the measure by which it is reached."""
    language = source.language
    match program.tiers.basis:
        case TierBasis.POINTS_EARNED:
            return points_text(language, missing)
        case TierBasis.AMOUNT_SPENT:
            return money(language, missing, source.currency)
        case TierBasis.VISITS:
            return visits_text(language, missing)
        case TierBasis.SENIORITY:
            return months_text(language, missing)


def till_text(program: Program, view: MemberView, source: Source, today: date) -> str:
    """Say on an open ticket what its customer has in a program, and what that is good for."""
    balance = number(source.language, program.points_of(view.available))
    reward = _next_reward(program, view, source, today)
    return " ".join(f"{program.title}: {balance}{f' - {reward}' if reward else ''}".split())


def _next_reward(program: Program, view: MemberView, source: Source, today: date) -> str | None:
    """Say what a member's points buy now at best, or how many are missing to the first thing."""
    if view.debt:
        return _debt(program, view, source)
    had, missing = _had_and_missing(program, view, today)
    if had:
        return _ready(had[-1], source)
    return _missing(program, view, missing[0], source) if missing else None


def _all_rewards(program: Program, view: MemberView, source: Source, today: date) -> str | None:
    """Say all that a member's points buy now, and how many are missing to what comes next."""
    if view.debt:
        return _debt(program, view, source)
    had, missing = _had_and_missing(program, view, today)
    parts = [_ready(had[-1], source)] if had else []
    others = [_named(price, source) for price in reversed(had[:-1]) if price.title]
    if others:
        parts.append(phrase(source.language, "also", names=", ".join(others)))
    # Without rewards the next thing would be another step of the same points.
    if program.reward or not had:
        parts += [_missing(program, view, price, source) for price in missing[:1]]
    return _cut("; ".join(parts)) or None


def _debt(program: Program, view: MemberView, source: Source) -> str:
    owed = points_text(source.language, program.points_of(view.debt))
    return phrase(source.language, "debt", points=owed)


@dataclass(frozen=True, slots=True)
class _Price:
    """What costs so many points, and how many one must have to get it.

    What has no ``amount`` of its own is told by its ``title``.
    """

    needed: Decimal
    points: Decimal
    amount: Decimal | None
    title: str = ""

    def what(self, source: Source) -> str:
        """Write what it is."""
        if self.amount is None:
            return self.title
        return money(source.language, self.amount, source.currency)


def _had_and_missing(
    program: Program, view: MemberView, today: date
) -> tuple[list[_Price], list[_Price]]:
    available = program.points_of(view.available)
    prices = _prices(program, view, available, today)
    had = [price for price in prices if price.needed <= available]
    return had, prices[len(had) :]


def _prices(program: Program, view: MemberView, available: Decimal, today: date) -> list[_Price]:
    """List what a member may buy now: the rewards of his tier, else what points are worth."""
    minimum = minimum_of(program)
    of_tier = (reward for reward in program.reward if reward.is_for(view.tier_name))
    mine = [r for r in of_tier if r.is_on(today) and r.name not in view.used_up]
    if program.reward:
        prices = [_Price(max(r.points, minimum), r.points, r.amount, r.title) for r in mine]
        return sorted(prices, key=lambda price: (price.needed, price.points))
    found, nexts = spend(program, available), next_spend(program, available)
    prices = [_Price(available, found.points, found.amount)] if found.bar is None else []
    value = program.value_of_point
    if value is not None and nexts is not None:
        prices.append(_Price(nexts, nexts, (nexts * value).quantize(Decimal("0.01"), ROUND_DOWN)))
    return prices


def _ready(price: _Price, source: Source) -> str:
    points = points_text(source.language, price.points)
    return phrase(source.language, "ready", points=points, amount=price.what(source))


def _missing(program: Program, view: MemberView, price: _Price, source: Source) -> str:
    lacking = price.needed - program.points_of(view.available)
    points = points_text(source.language, lacking)
    return phrase(source.language, "next", points=points, amount=price.what(source))


def _named(price: _Price, source: Source) -> str:
    return f"{price.title} ({points_text(source.language, price.points)})"


def _cut(text: str) -> str:
    return text if len(text) <= _FIELD_LENGTH else f"{text[: _FIELD_LENGTH - 3]}..."


def _expiring(program: Program, view: MemberView, language: str, today: date) -> str | None:
    if view.expires_on is None or view.expires_on < today:
        return None
    points = points_text(language, program.points_of(view.expiring))
    return phrase(language, "expiring", points=points, day=day_text(language, view.expires_on))


def _last(program: Program, view: MemberView, language: str) -> str | None:
    if view.last is None:
        return None
    tongue = Tongue(language, "")
    return phrase(
        language,
        "last",
        points=number(language, program.points_of(view.last.points), signed=True),
        day=day_text(language, view.last.occurred_on),
        reason=view.last.ref or tongue.text(view.last.reason),
    )[:_FIELD_LENGTH]


def sale_values(program: Program, movement: SaleMovement) -> dict[str, FieldValue]:
    """Return what an invoice earned in one program; nobody's balance once it was moved from him."""
    names = field_names(program)
    if not movement.is_owner:
        return {names.earned: 0, names.after: None}
    return {
        names.earned: _shown(program, movement.units),
        names.after: _shown(program, movement.balance_after),
    }


def used_values(program: Program, units: int) -> dict[str, FieldValue]:
    """Return what was paid on an invoice with points of one program."""
    return {field_names(program).used: _shown(program, units)}


def _shown(program: Program, units: int) -> FieldValue:
    points = program.points_of(units)
    return points if program.decimals else int(points)
