"""Whose sales are meant, and where they were made: customers, channels, tills, warehouses."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from dolisync.model import Buyer, Sale
from dolisync.program.campaign_terms import Channel, CustomerTerms
from dolisync.program.patterns import fits_any
from dolisync.program.reasons import Reason, Why, because
from dolisync.program.terms import Program

_UNKNOWN = Buyer()


@dataclass(frozen=True, slots=True)
class Misfit:
    """What of a customer does not fit, and what was wanted instead."""

    what: str
    wanted: tuple[str, ...]

    @property
    def words(self) -> str:
        """What was wanted, to be read."""
        return ", ".join(self.wanted)


_Texts = Callable[[Buyer], tuple[str, ...]]
_TESTS: tuple[tuple[str, str, _Texts], ...] = (
    ("type", "types", lambda buyer: (buyer.kind,)),
    ("tag", "tags", lambda buyer: buyer.tags),
    ("town", "towns", lambda buyer: (buyer.town,)),
    ("department", "departments", lambda buyer: (buyer.department, buyer.department_name)),
    ("region", "regions", lambda buyer: (buyer.region,)),
    ("country", "countries", lambda buyer: (buyer.country,)),
)
_TEXTS = {option: (what, texts) for what, option, texts in _TESTS}


def misfit_of(terms: CustomerTerms, buyer: Buyer | None) -> Misfit | None:
    """Return the first thing by which a customer is not one of these, ``None`` where he is.

    Of a customer of whom nothing is known no list holds.
    """
    for option in terms.asked:
        what, texts = _TEXTS[option]
        if not _fits(terms, option, texts(buyer or _UNKNOWN)):
            wanted: tuple[str, ...] = getattr(terms, option)
            return Misfit(what, wanted)
    return None


def _fits(terms: CustomerTerms, option: str, texts: tuple[str, ...]) -> bool:
    if option == "towns":
        return any(fits_any(terms.towns, text) for text in texts)
    return not terms.folded[option].isdisjoint([text.casefold() for text in texts])


def channel_of(sale: Sale) -> Channel:
    """Return where a sale was made."""
    return Channel.POS if sale.is_pos else Channel.OFFICE


def not_eligible(program: Program, sale: Sale) -> Reason | None:
    """Say why a program counts no sales like this one, ``None`` where it does."""
    if sale.buyer is not None and sale.buyer.opted_out:
        return because(Why.OPTED_OUT)
    return _wrong_place(program, sale) or _wrong_customer(program, sale)


def _wrong_place(program: Program, sale: Sale) -> Reason | None:
    earn = program.earn
    channel = channel_of(sale)
    if earn.channels and channel not in earn.channels:
        return because(Why.CHANNEL_OUT, channel=channel.value)
    is_out = sale.terminal in earn.leave_out_terminals
    if is_out or (earn.terminals and sale.terminal not in earn.terminals):
        return because(Why.TERMINAL_OUT, terminal=sale.terminal or "none")
    is_out = taken_from(earn.leave_out_warehouses, sale)
    if is_out or (earn.warehouses and not taken_from(earn.warehouses, sale)):
        return because(Why.WAREHOUSE_OUT, warehouses=warehouse_words(sale))
    return None


def taken_from(names: Collection[str], sale: Sale) -> bool:
    """Tell whether goods of a sale were taken from any of these warehouses."""
    wanted = {name.strip().casefold() for name in names}
    return any(warehouse.name.strip().casefold() in wanted for warehouse in sale.warehouses)


def warehouse_words(sale: Sale) -> str:
    """Name the warehouses of a sale, to be read."""
    return ", ".join(warehouse.name for warehouse in sale.warehouses) or "none"


def _wrong_customer(program: Program, sale: Sale) -> Reason | None:
    only = program.earn.only_customers
    misfit = None if only is None else misfit_of(only, sale.buyer)
    if misfit is not None:
        return because(Why.CUSTOMER_NOT_MEANT, what=misfit.what, wanted=misfit.words)
    for terms in program.earn.leave_out_customers:
        if not terms.is_empty and misfit_of(terms, sale.buyer) is None:
            return because(
                Why.CUSTOMER_LEFT_OUT, what=", ".join(named(terms)), wanted=wanted_words(terms)
            )
    return None


def named(terms: CustomerTerms) -> list[str]:
    """Name by what customers are chosen."""
    return [what for what, option, _ in _TESTS if getattr(terms, option)]


def wanted_words(terms: CustomerTerms) -> str:
    """Name which customers are chosen, to be read."""
    return ", ".join(text for _, option, _ in _TESTS for text in getattr(terms, option))
