"""Explanations of sales as people read them, at 80 columns, and as JSON: in the shop's language."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from commands import terminal
from commands.terminal import clean
from dolisync.ledger.rulesets import NOT_IN_FORCE
from dolisync.model import Sale, SaleKind
from dolisync.phrases import money, number
from dolisync.program.terms import Program
from dolisync.sentences import Tongue
from dolisync.sync.explain import Explanation, Held, Judgement

LONGEST_NAME = 40


def document_json(
    explained: Explanation, tongue: Tongue, program_name: str | None
) -> dict[str, object]:
    """Write an explanation with stable keys."""
    sale = explained.sale
    return {
        "source": sale.key.source,
        "id": sale.key.rowid,
        "ref": sale.ref,
        "kind": sale.kind,
        "status": sale.status,
        "date": sale.date,
        "customer": sale.customer.rowid,
        "customer_in_dolibarr": explained.named_customer or sale.customer.rowid,
        "total": sale.total_incl,
        "return_of": sale.origin.rowid if sale.origin else None,
        "in_ledger": explained.in_ledger,
        "read_live": explained.is_live,
        "differs_from_ledger": explained.differs,
        "first_seen_at": explained.first_seen_at,
        "vanished_at": explained.vanished_at,
        "parked": explained.parked or None,
        "revision": explained.revision,
        "fingerprint": explained.fingerprint,
        "programs": [
            _judgement_json(judged, tongue)
            for judged in explained.judgements
            if program_name in {None, judged.program.name}
        ],
        "rewards": [
            {"token": used.token, "title": used.title, **tongue.as_json(used.reason)}
            for used in explained.rewards
        ],
    }


def _judgement_json(judged: Judgement, tongue: Tongue) -> dict[str, object]:
    points = judged.program.points_of
    return {
        "program": judged.program.name,
        "rule_set": judged.rule_set.id,
        "rules_since": judged.rule_set.effective_from,
        "points": points(judged.verdict.units),
        "pending": points(judged.verdict.pending),
        "earned_on": judged.verdict.earned_on,
        "last_day": judged.verdict.expires_on,
        "held": [
            {
                "customer": held.customer.rowid,
                "points": points(held.units),
                "forgiven": points(held.forgiven),
            }
            for held in judged.held
        ],
        "reasons": [tongue.as_json(reason) for reason in judged.verdict.reasons],
        "without_effect": [tongue.as_json(reason) for reason in judged.without_effect],
    }


def show_document(
    explained: Explanation, tongue: Tongue, name: str, program_name: str | None
) -> None:
    """Print an explanation; ``name`` is the customer's, empty where it is not known."""
    sale = explained.sale
    rowid = str(sale.key.rowid)
    kind, status = tongue.tell(_kind(sale)), tongue.tell(sale.status.value)
    heading = {"kind": kind, "status": status, "id": rowid}
    click.echo(tongue.tell("heading", ref=clean(sale.ref), date=sale.date, **heading))
    short = textwrap.shorten(clean(name), LONGEST_NAME, placeholder="...")
    total = money(tongue.language, sale.total_incl, tongue.currency)
    click.echo(f"  {total}, {short or tongue.tell('customer')} ({sale.customer.rowid})")
    for line in _standing(explained, tongue):
        terminal.show_wrapped(line, indent=2)
    for judged in explained.judgements:
        if program_name in {None, judged.program.name}:
            _show_judgement(explained, judged, tongue)
    for used in explained.rewards:
        named = f"{clean(used.title)} {used.token}"
        terminal.show_item(f"{named}: {tongue.say(used.reason)}", indent=2)


def _kind(sale: Sale) -> str:
    """Say what a document is called; a standard one made at a till is a ticket."""
    return "ticket" if sale.is_pos and sale.kind is SaleKind.STANDARD else sale.kind.value


def _standing(explained: Explanation, tongue: Tongue) -> Iterator[str]:
    """Say where the ledger stands to this document."""
    if explained.named_customer is not None:
        owner, named = str(explained.sale.customer.rowid), str(explained.named_customer)
        yield tongue.tell("kept", customer=owner, named=named)
    if explained.parked:
        yield tongue.tell("parked", reason=clean(explained.parked))
    if explained.vanished_at:
        yield tongue.tell("vanished", moment=f"{explained.vanished_at:%Y-%m-%d %H:%M}")
    if not explained.in_ledger:
        yield tongue.tell("not_in_ledger")
    elif explained.differs:
        yield tongue.tell("changed")
    if explained.in_ledger:
        mark = explained.fingerprint[:12]
        if explained.revision == 1:
            yield tongue.tell("one_movement", mark=mark)
        else:
            yield tongue.tell("movements", count=explained.revision, mark=mark)


def _show_judgement(explained: Explanation, judged: Judgement, tongue: Tongue) -> None:
    program, rules = judged.program, judged.rule_set
    since = tongue.tell("rules", date=rules.effective_from.date(), id=str(rules.id))
    if rules.id == NOT_IN_FORCE:
        since = tongue.tell("rules_later")
    click.echo(f"\n  {program.title} ({since})")
    for reason in judged.verdict.reasons:
        terminal.show_item(tongue.say(reason), indent=4)
    units = _units(program, judged.verdict.units, tongue)
    held = _held_text(explained, judged, tongue)
    terminal.show_wrapped(tongue.tell("result", units=units, held=held), indent=4)
    if judged.without_effect:
        click.echo(f"    {tongue.tell('without_effect')}")
    for reason in judged.without_effect:
        terminal.show_item(tongue.say(reason), indent=4)


def _units(program: Program, units: int, tongue: Tongue, *, signed: bool = True) -> str:
    return number(tongue.language, program.points_of(units), signed=signed)


def _held_text(explained: Explanation, judged: Judgement, tongue: Tongue) -> str:
    if not explained.in_ledger:
        return tongue.tell("holds_nothing")
    owner = explained.sale.customer
    parts = [
        _one_held(judged.program, held, tongue, is_owner=held.customer == owner)
        for held in judged.held
        if held.units or held.customer == owner
    ]
    return tongue.tell("holds", units=tongue.tell("and").join(parts) or "0")


def _one_held(program: Program, held: Held, tongue: Tongue, *, is_owner: bool) -> str:
    text = _units(program, held.units, tongue)
    if not is_owner:
        text = tongue.tell("for_customer", units=text, customer=str(held.customer.rowid))
    if held.forgiven:
        forgiven = _units(program, held.forgiven, tongue, signed=False)
        text = tongue.tell("forgiven", units=text, forgiven=forgiven)
    return text
