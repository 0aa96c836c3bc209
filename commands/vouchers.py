"""voucher: codes with money on them, made, printed, used and ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from commands import terminal
from commands.accounts import customer_json, customer_text
from commands.house import Doors, House
from commands.options import Day, json_option, pass_house, program_option, source_option
from commands.rewards import checked_reason
from connectors.cards import CardPainter, Form
from dolisync.card import CardFace, Look, card_face
from dolisync.codes import read_code, shown_code
from dolisync.errors import TransientError, UserError
from dolisync.ledger import batches as box
from dolisync.ledger import tables, vouchers
from dolisync.ledger.engine import reading
from dolisync.ledger.vouchers import Kind, State, Voucher
from dolisync.model import Customer
from dolisync.sync.issuing import Wish, last_day
from dolisync.sync.redeem import new_token
from dolisync.sync.vouchers import Vouchers, act_token, new_codes
from dolisync.vouchers import GiftCardSettings, VoucherSettings

AMOUNT_MAX = Decimal(1_000_000)
PROGRESS_FROM = 20
REASON_HELP = "Why; it stands in its movements."


class Amount(click.ParamType[Decimal]):
    """An amount of money above zero, in whole cents."""

    name = "amount"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Read the amount."""
        try:
            amount = Decimal(str(value).replace(",", "."))
        except ArithmeticError:
            self.fail(f"'{value}' is not an amount; write 20 or 12.50", param, ctx)
        if not amount.is_finite() or not 0 < amount <= AMOUNT_MAX:
            self.fail(f"'{value}' is not above zero and at most {AMOUNT_MAX}", param, ctx)
        if amount != amount.quantize(Decimal("0.01")):
            self.fail(f"'{value}' has parts of a cent", param, ctx)
        return amount


class Code(click.ParamType[str]):
    """A code as it stands on a card, in any case and with or without dashes."""

    name = "code"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read the code."""
        code = read_code(str(value))
        if code is None:
            self.fail(
                f"'{terminal.clean(str(value))}' is no code: one of its twelve characters is wrong",
                param,
                ctx,
            )
        return code


kind_option = click.option(
    "--gift-card", "is_gift_card", is_flag=True, help="Make a gift card, not a voucher."
)
until_option = click.option(
    "--valid-until", type=Day(), help="Last day; left out, as the configuration says."
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the card to this file: .pdf, .png, .svg or .html.",
)
reason_option = click.option("--reason", required=True, help=REASON_HELP)


@click.group()
def voucher() -> None:
    """Make, print, use and end vouchers and gift cards.

    \b
    Example:
      dolisync voucher issue --customer 42 --points 200 --out card.pdf
      dolisync voucher show 7KQ2-M9XW-4HTR
    """


@dataclass(frozen=True, slots=True)
class _Desk:
    """What the commands work with: one source, its codes, and how its cards look."""

    house: House
    doors: Doors

    @property
    def office(self) -> Vouchers:
        """The codes, with the days of the source."""
        return self.house.vouchers(self.doors)

    def settings(self, kind: Kind) -> VoucherSettings | GiftCardSettings:
        """What is configured for codes of a kind; what holds without it."""
        settings = self.house.settings
        if kind is Kind.GIFT_CARD:
            return settings.gift_card or GiftCardSettings()
        return settings.voucher or VoucherSettings()

    def wish(self, kind: Kind, amount: Decimal, until: date | None, owner: Customer | None) -> Wish:
        """Say what a code is to be. Raises ``UserError`` for a day that is past."""
        today = self.office.today
        if until is not None and until < today:
            raise UserError(f"{until} is past", "name a later day, or leave it out")
        day = until or last_day(today, self.settings(kind).months)
        source = self.doors.source
        place = (source.name, source.entity)
        return Wish(kind, amount, source.currency, place, day, owner.key if owner else None)

    def face(self, found: Voucher) -> CardFace:
        """Say what stands on the card of a code, in the language of whose it is."""
        settings, owner = self.settings(found.kind), self._owner(found)
        receipts = self.house.settings.receipts
        look = Look(receipts.shop_name, settings.title, settings.note, settings.color)
        return card_face(
            (owner and owner.language) or self.doors.source.language,
            look,
            kind=found.kind,
            code=found.code,
            amount=found.balance,
            currency=found.currency,
            last_day=found.valid_until,
            name=owner.name if owner else "",
        )

    def _owner(self, found: Voucher) -> Customer | None:
        if found.customer is None:
            return None
        try:
            read = self.doors.reader.customers([found.customer.rowid])
        except TransientError:
            # A card without the name is better than none.
            return None
        return read.get(found.customer.rowid)

    def painter(self) -> CardPainter:
        """What draws cards, with the shop's own template where it has one."""
        return CardPainter(self.house.settings.receipts.templates)


def _desk(house: House, source_name: str | None) -> _Desk:
    return _Desk(house, house.pick_source(source_name))


def _of(house: House, found: Voucher) -> _Desk:
    """Return the desk of the source where a code was made."""
    return _desk(house, found.place[0])


# --- making --------------------------------------------------------------------------------------


@voucher.command()
@click.option("--customer", help="Whose: an id, a card number, a customer code or an e-mail.")
@click.option("--points", type=Amount(), help="Make it of so many of the customer's points.")
@click.option("--amount", type=Amount(), help="Make it of nothing: what is on it, in money.")
@click.option("--reason", default="", help="Why; asked for where it costs no points.")
@kind_option
@until_option
@out_option
@program_option
@source_option
@json_option
@pass_house
def issue(
    house: House,
    customer: str | None,
    points: Decimal | None,
    amount: Decimal | None,
    reason: str,
    valid_until: date | None,
    out: Path | None,
    program_name: str | None,
    source_name: str | None,
    *,
    is_gift_card: bool,
    as_json: bool,
) -> None:
    """Make one of a customer's points, or of nothing.

    Points are worth what point_value says. Without --points the shop gives it: say why.

    \b
    Example:
      dolisync voucher issue --customer 42 --points 200 --out card.pdf
      dolisync voucher issue --amount 10 --reason "ticket TC1-2611-0042 was late"
    """
    if (points is None) == (amount is None):
        raise UserError("give --points or --amount, one of them", "dolisync voucher issue --help")
    writing = _writing(out)
    desk = _desk(house, source_name)
    owner = None if customer is None else house.find_customer(desk.doors, customer)
    kind = Kind.GIFT_CARD if is_gift_card else Kind.VOUCHER
    (code,) = new_codes(1)
    if points is not None:
        if owner is None or is_gift_card:
            message = "points make a voucher of a customer's own"
            raise UserError(message, "name him with --customer, and leave --gift-card out")
        wish = desk.wish(kind, Decimal(0), valid_until, owner)
        program = house.pick_program(program_name)
        made = desk.office.from_points(
            program, owner.key, points, wish, reason or "by command", code=code, token=new_token()
        )
    else:
        assert amount is not None
        wish = desk.wish(kind, amount, valid_until, owner)
        made = desk.office.give(wish, checked_reason(reason), code=code)
    if writing and out is not None:
        _write(desk, [made], out, writing)
    if as_json:
        shown = {"customer": customer_json(owner) if owner else None, **voucher_json(desk, made)}
        terminal.show_json(shown)
        return
    whose = f" for {customer_text(owner)}" if owner else ""
    click.echo(f"{shown_code(made.code)}: {_worth(made)}{whose}, {_until(made)}")
    if out:
        click.echo(f"the card is in {out}")


@voucher.command()
@click.option("--count", type=int, required=True, help="How many.")
@click.option("--amount", type=Amount(), required=True, help="What is on each, in money.")
@click.option("--title", default="", help="What they are for; it stands in dolisync batches.")
@kind_option
@until_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the sheets to this file: .pdf or .html, ten cards on each A4.",
)
@click.option("--yes", is_flag=True, help="Do not ask after the plan.")
@click.option("--plan", "plan_only", is_flag=True, help="Show the plan and stop.")
@source_option
@json_option
@pass_house
def batch(
    house: House,
    count: int,
    amount: Decimal,
    title: str,
    valid_until: date | None,
    out: Path | None,
    source_name: str | None,
    *,
    is_gift_card: bool,
    yes: bool,
    plan_only: bool,
    as_json: bool,
) -> None:
    """Make many at once, and their sheets.

    dolisync undo takes the whole batch back: what is left on its codes is taken off.

    \b
    Example:
      dolisync voucher batch --count 100 --amount 10 --out sheets.pdf
    """
    writing = _writing(out, {Form.PDF, Form.HTML})
    desk = _desk(house, source_name)
    kind = Kind.GIFT_CARD if is_gift_card else Kind.VOUCHER
    wish = desk.wish(kind, amount, valid_until, None)
    codes = new_codes(count)
    noun = "gift card" if is_gift_card else "voucher"
    title = terminal.clean(title) or f"{count} {noun}s of {amount:.2f} {wish.currency}"
    until = f"good until {wish.valid_until}" if wish.valid_until else "good for ever"
    if not as_json:
        total = f"{amount * count:.2f} {wish.currency}"
        click.echo(
            f"Plan: {count} {noun}s of {amount:.2f} {wish.currency}, {total} in all, {until}."
        )
    if plan_only:
        if as_json:
            terminal.show_json({"made": False, "count": count, "amount": amount, "title": title})
        return
    if not (yes or as_json):
        click.confirm("Go on?", abort=True)
    done, made = desk.office.batch(wish, title, codes, token=box.new_token())
    if writing and out is not None:
        _write(desk, made, out, writing, shown=not as_json)
    if as_json:
        shown = [voucher_json(desk, one) for one in made]
        terminal.show_json({"made": True, "batch": done.token, "title": title, "vouchers": shown})
        return
    click.echo(f"{done.token}: {len(made)} made" + (f", their sheets are in {out}" if out else ""))
    if not out:
        click.echo(f"  to print them: dolisync voucher print --batch {done.token} --out sheets.pdf")
    click.echo(f"  to take them back: dolisync undo {done.token}")


# --- looking -------------------------------------------------------------------------------------


@voucher.command()
@click.argument("code", type=Code())
@json_option
@pass_house
def show(house: House, code: str, *, as_json: bool) -> None:
    """Show what is on a code, and all that happened to it.

    \b
    Example:
      dolisync voucher show 7KQ2-M9XW-4HTR
    """
    with reading(house.engine) as connection:
        found = vouchers.by_code(connection, code)
        moved = vouchers.movements(connection, found.id)
    desk = _of(house, found)
    if as_json:
        shown = [
            {
                "kind": one.kind,
                "amount": one.amount,
                "balance_after": one.balance_after,
                "day": one.occurred_on,
                "at": one.recorded_at,
                "reason": one.reason,
                "document": one.ref or None,
            }
            for one in moved
        ]
        terminal.show_json({**voucher_json(desk, found), "movements": shown})
        return
    noun = "gift card" if found.kind is Kind.GIFT_CARD else "voucher"
    pairs: dict[str, object] = {
        noun: shown_code(found.code),
        "on it": f"{found.balance:.2f} {found.currency}",
        "stands": standing_of(found, desk.office.today),
        "last day": found.valid_until or "none",
    }
    if found.customer is not None:
        pairs["customer"] = found.customer.rowid
    terminal.show_pairs(pairs)
    click.echo()
    rows = [
        (
            one.occurred_on,
            one.kind,
            f"{one.amount:+.2f}" if one.amount else "",
            one.balance_after,
            one.ref,
            one.reason,
        )
        for one in moved
    ]
    terminal.show_table(("Day", "What", "Amount", "On it", "Document", "Why"), rows, right=(2, 3))


@voucher.command(name="list")
@click.option("--customer", help="Only a customer's: an id, card number, code or e-mail.")
@click.option("--batch", "batch_token", help="Only those of a batch.")
@click.option("--all", "is_all", is_flag=True, help="Those without anything on them too.")
@source_option
@json_option
@pass_house
def list_(
    house: House,
    customer: str | None,
    batch_token: str | None,
    source_name: str | None,
    *,
    is_all: bool,
    as_json: bool,
) -> None:
    """List codes, those that can be used or all.

    \b
    Example:
      dolisync voucher list
      dolisync voucher list --customer 42 --all
    """
    desk = _desk(house, source_name)
    owner = None if customer is None else house.find_customer(desk.doors, customer)
    found = _listed(house, desk, owner, batch_token)
    today = desk.office.today
    if not is_all:
        found = [one for one in found if one.usable(today)]
    if as_json:
        terminal.show_json({"vouchers": [voucher_json(desk, one) for one in found]})
        return
    if not found:
        click.echo("no vouchers or gift cards" if is_all else "none that can be used")
        return
    rows = [
        (
            shown_code(one.code),
            "gift card" if one.kind is Kind.GIFT_CARD else "voucher",
            f"{one.balance:.2f}",
            one.valid_until or "",
            one.customer.rowid if one.customer else "",
            standing_of(one, today),
        )
        for one in found
    ]
    headings = ("Code", "What", "On it", "Until", "Customer", "Stands")
    terminal.show_table(headings, rows, right=(2,))
    total = sum((one.usable(today) for one in found), Decimal(0))
    click.echo(f"{total:.2f} {desk.doors.source.currency} can be used")


def _listed(
    house: House, desk: _Desk, owner: Customer | None, batch_token: str | None
) -> list[Voucher]:
    with reading(house.engine) as connection:
        if batch_token is not None:
            named = box.by_token(connection, batch_token.strip().upper())
            return vouchers.of_batch(connection, named.id)
        if owner is not None:
            return vouchers.of_customer(connection, owner.key)
        return vouchers.read(connection, tables.voucher.c.source == desk.doors.source.name)


def standing_of(found: Voucher, today: date) -> str:
    """Say in a word whether a code can be used, and why not."""
    if found.state is not State.OPEN:
        return str(found.state)
    if not found.balance:
        return "nothing left"
    return "expired" if found.has_ended(today) else "good"


def voucher_json(desk: _Desk, found: Voucher) -> dict[str, object]:
    """Say what is on a code, with stable keys."""
    today = desk.office.today
    return {
        "code": shown_code(found.code),
        "kind": found.kind,
        "state": found.state,
        "balance": found.balance,
        "usable": found.usable(today),
        "currency": found.currency,
        "valid_until": found.valid_until,
        "source": found.place[0],
        "customer_id": found.customer.rowid if found.customer else None,
        "made_at": found.made_at,
    }


# --- using and ending ----------------------------------------------------------------------------


@voucher.command()
@click.argument("code", type=Code())
@click.argument("amount", type=Amount())
@reason_option
@json_option
@pass_house
def use(house: House, code: str, amount: Decimal, reason: str, *, as_json: bool) -> None:
    """Take an amount off a code, for a sale outside of Dolibarr.

    \b
    Example:
      dolisync voucher use 7KQ2-M9XW-4HTR 12.50 --reason "market stall"
    """
    desk = _of_code(house, code)
    why = checked_reason(reason)
    done = desk.office.use(code, amount, why, token=act_token())
    _tell(desk, done, f"{amount:.2f} {done.currency} taken", as_json=as_json)


@voucher.command()
@click.argument("code", type=Code())
@reason_option
@json_option
@pass_house
def block(house: House, code: str, reason: str, *, as_json: bool) -> None:
    """Let nobody use a code any more.

    \b
    Example:
      dolisync voucher block 7KQ2-M9XW-4HTR --reason "reported stolen"
    """
    desk = _of_code(house, code)
    done = desk.office.block(code, checked_reason(reason), token=act_token())
    _tell(desk, done, "blocked", as_json=as_json)


@voucher.command()
@click.argument("code", type=Code())
@reason_option
@json_option
@pass_house
def unblock(house: House, code: str, reason: str, *, as_json: bool) -> None:
    """Let a blocked code be used again.

    \b
    Example:
      dolisync voucher unblock 7KQ2-M9XW-4HTR --reason "found again"
    """
    desk = _of_code(house, code)
    done = desk.office.unblock(code, checked_reason(reason), token=act_token())
    _tell(desk, done, "unblocked", as_json=as_json)


@voucher.command()
@click.argument("code", type=Code())
@click.option("--until", type=Day(), required=True, help="The new last day.")
@reason_option
@json_option
@pass_house
def extend(house: House, code: str, until: date, reason: str, *, as_json: bool) -> None:
    """Give a code a later last day; what had expired comes back.

    \b
    Example:
      dolisync voucher extend 7KQ2-M9XW-4HTR --until 2027-12-31 --reason "was ill"
    """
    desk = _of_code(house, code)
    done = desk.office.extend(code, until, checked_reason(reason), token=act_token())
    _tell(desk, done, f"good until {done.valid_until}", as_json=as_json)


@voucher.command()
@click.argument("code", type=Code())
@reason_option
@out_option
@json_option
@pass_house
def replace(house: House, code: str, reason: str, out: Path | None, *, as_json: bool) -> None:
    """Move what is on a lost code to a new one.

    \b
    Example:
      dolisync voucher replace 7KQ2-M9XW-4HTR --reason "lost" --out card.pdf
    """
    writing = _writing(out)
    desk = _of_code(house, code)
    (fresh,) = new_codes(1)
    done = desk.office.replace(code, checked_reason(reason), new_code=fresh)
    if writing and out is not None:
        _write(desk, [done], out, writing)
    _tell(desk, done, f"takes the place of {shown_code(code)}", as_json=as_json)


@voucher.command()
@click.argument("code", type=Code())
@reason_option
@json_option
@pass_house
def revoke(house: House, code: str, reason: str, *, as_json: bool) -> None:
    """End a code: paid out, or its points given back.

    What was made of points and is untouched gives them back. Anything else is taken off: pay the
    customer what was on it, if he is to have it.

    \b
    Example:
      dolisync voucher revoke 7KQ2-M9XW-4HTR --reason "paid out in cash"
    """
    desk = _of_code(house, code)
    before = desk.office.get(code)
    done = desk.office.revoke(code, house.programs, checked_reason(reason), token=act_token())
    _tell(desk, done, f"ended, {before.balance:.2f} {done.currency} were on it", as_json=as_json)


def _of_code(house: House, code: str) -> _Desk:
    with reading(house.engine) as connection:
        return _of(house, vouchers.by_code(connection, code))


def _tell(desk: _Desk, done: Voucher, what: str, *, as_json: bool) -> None:
    if as_json:
        terminal.show_json(voucher_json(desk, done))
    else:
        click.echo(f"{shown_code(done.code)}: {what}; {_worth(done)} on it, {_until(done)}")


def _worth(found: Voucher) -> str:
    return f"{found.balance:.2f} {found.currency}"


def _until(found: Voucher) -> str:
    return f"good until {found.valid_until}" if found.valid_until else "good for ever"


# --- printing ------------------------------------------------------------------------------------


@voucher.command(name="print")
@click.argument("codes", type=Code(), nargs=-1)
@click.option("--batch", "batch_token", help="All of a batch that can still be used.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file: .pdf or .html for sheets of A4; .pdf, .png or .svg for one card.",
)
@json_option
@pass_house
def print_(
    house: House, codes: tuple[str, ...], batch_token: str | None, out: Path, *, as_json: bool
) -> None:
    """Write cards to a file, once more or for the first time.

    \b
    Example:
      dolisync voucher print 7KQ2-M9XW-4HTR --out card.png
      dolisync voucher print --batch B-7KQ2M9 --out sheets.pdf
    """
    if bool(codes) == (batch_token is not None):
        raise UserError("name codes or --batch, one of them", "dolisync voucher print --help")
    with reading(house.engine) as connection:
        found = [vouchers.by_code(connection, code) for code in codes]
        if batch_token is not None:
            named = box.by_token(connection, batch_token.strip().upper())
            found = vouchers.of_batch(connection, named.id)
    if batch_token is not None:
        found = [one for one in found if one.usable(_of(house, one).office.today)]
    if not found:
        raise UserError("nothing is left to print", "dolisync voucher list --all shows why")
    allowed = None if len(found) == 1 else {Form.PDF, Form.HTML}
    form = _writing(out, allowed)
    assert form is not None
    _write(_of(house, found[0]), found, out, form, shown=not as_json)
    if as_json:
        terminal.show_json({"file": str(out), "cards": len(found)})
    else:
        click.echo(f"{len(found)} card{'' if len(found) == 1 else 's'} in {out}")


def _writing(out: Path | None, allowed: set[Form] | None = None) -> Form | None:
    """Say how a file is to be written, by its name. Raises ``UserError``."""
    if out is None:
        return None
    forms = sorted(allowed or set(Form))
    ending = out.suffix.removeprefix(".").lower()
    if ending not in forms:
        known = ", ".join(f".{form}" for form in forms)
        raise UserError(f"{out.name} says no form that can be written", f"end it with {known}")
    if not out.absolute().parent.is_dir():
        raise UserError(f"the folder of {out} does not exist", "make it, or name another")
    return Form(ending)


def _write(
    desk: _Desk, found: Sequence[Voucher], out: Path, form: Form, *, shown: bool = True
) -> None:
    """Write cards to a file that nobody else can read: their codes are money."""
    painter, faces = desk.painter(), [desk.face(one) for one in found]
    count = len(faces)
    with terminal.progress("drawing", count, shown=shown and count >= PROGRESS_FROM) as tell:
        if form is Form.HTML:
            language = desk.doors.source.language
            content = painter.html(faces, faces[0].title, language, tell).encode()
        elif form is Form.PDF:
            content = painter.pdf(faces[0]) if count == 1 else painter.sheet(faces, tell)
        else:
            drawn = painter.svg(faces[0]).encode() if form is Form.SVG else None
            content = drawn or painter.png(faces[0])
    out.touch(mode=0o600)
    out.write_bytes(content)
