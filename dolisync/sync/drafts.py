"""Points taken off drafts: lines that staff ask for, put there by us, and followed.

The points leave the account in the transaction that wishes for the lines. Until the draft is
validated, its lines must be what was put there; whatever else becomes of it, they are taken off and
the points come back. Once validated, it is a sale like any other and the sales say what is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import structlog
from sqlalchemy import Connection, Engine

from dolisync.answers import sentence
from dolisync.config import Source
from dolisync.errors import RefusedError, TransientError
from dolisync.ledger import drafts, outbox, redemptions
from dolisync.ledger.engine import reading, write
from dolisync.ledger.redemptions import Redemption, State
from dolisync.ledger.requests import Request
from dolisync.ledger.requests import State as RequestState
from dolisync.ledger.store import Transaction
from dolisync.ledger.views import MemberView, member_view
from dolisync.model import CustomerKey, Sale, SaleKey, SaleKind, SaleLine, SaleStatus
from dolisync.phrases import money, points_text
from dolisync.ports import Clock, GoodsDoor, SaleSource
from dolisync.program.draft_bills import bill_of
from dolisync.program.draft_shares import Share, bought_by_rate, has_other_taxes, rooms
from dolisync.program.gift_cards import is_sold
from dolisync.program.spending import by_points, share_of
from dolisync.program.surroundings import Surroundings
from dolisync.program.terms import Program, RewardTerms
from dolisync.program.wishes import (
    DraftWish,
    Part,
    RefusedWish,
    draft_reward,
    wanted_use,
    wants_off,
)
from dolisync.sync import draft_articles, redeem
from dolisync.sync.draft_adoption import adopt
from dolisync.sync.draft_articles import (
    Gift,
    can_be_given,
    gift_added,
    gift_of_line,
    is_tampered,
    single_line,
    take_back,
)
from dolisync.sync.judge import Rules
from dolisync.sync.refusals import REFUSALS, why_not
from dolisync.sync.rests import Rests

log = structlog.get_logger()

ZERO = Decimal(0)
TAKEN = (State.WANTED, State.DRAFTED)
# Documents from which something can be taken off: not what is owed back or was paid before.
KINDS = {SaleKind.STANDARD, SaleKind.REPLACEMENT}

Outcome = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Drafts:
    """The drafts of one source: read through one door, their lines written through another."""

    engine: Engine
    clock: Clock
    source: Source
    programs: Mapping[str, Program]
    reader: SaleSource
    door: GoodsDoor
    rules: Rules
    rests: Rests = field(default_factory=Rests)

    # --- asking ----------------------------------------------------------------------------------

    def serve(self, program: Program, request: Request) -> Outcome | None:
        """Bring a request on a draft forward; ``None`` while its lines are under way."""
        key = SaleKey(request.customer.source, request.customer.entity, request.place.rowid)
        text = request.content[Part.USE]
        if wants_off(text):
            return self.take_all_off(key)
        with reading(self.engine) as connection:
            found = redemptions.by_tokens(connection, [request.token])
        if found:
            return self._outcome(program, found[0])
        if self._adopt(program, request, key):
            return None
        who = f"asked by {request.asked_by}" if request.asked_by else "asked on the draft"
        try:
            self.ask(program, key, text, request.token, who)
        except RefusedWish as refused:
            said = self._say(refused.why, named=refused.named, near=refused.near)
            return RequestState.REFUSED, said
        except RefusedError as refused:
            return RequestState.REFUSED, str(refused)
        return None

    def _adopt(self, program: Program, request: Request, key: SaleKey) -> bool:
        """Book what was done for a request already, before the ledger was restored."""
        sale = self._read(key)
        if sale is None or not ours(sale, request.token):
            return False
        return adopt(self.engine, self.clock, self.rules, program, sale, request.token)

    def _outcome(self, program: Program, redemption: Redemption) -> Outcome | None:
        if redemption.state == State.WANTED:
            return None
        if redemption.state in {State.REFUSED, State.REVOKED}:
            return RequestState.REFUSED, redemption.reason
        return RequestState.DONE, self._say(
            "used" if redemption.pieces is None else "given",
            title=redemption.title,
            amount=self._money(redemption.amount),
            points=self._points(program, redemption.points),
            balance=self._points(program, self._view(program, redemption.customer).balance),
        )

    def take_all_off(self, key: SaleKey) -> Outcome:
        """Take all that points do on a draft off again; say what came of it."""
        with reading(self.engine) as connection:
            found = drafts.on_draft(connection, key, State.DRAFTED)
        for redemption in found:
            self.take_off(redemption, self._say("taken_off"))
        if not found:
            return RequestState.REFUSED, self._say("ask_nothing")
        return RequestState.DONE, self._say("taken_off")

    def ask(self, program: Program, key: SaleKey, text: str, token: str, who: str) -> None:
        """Take the points for what is asked, and wish for its lines.

        Raises ``RefusedWish``, ``RefusedError``.
        """
        wish = wanted_use(program, text, self.source.currency)
        sale = self._draft(program, key)
        if wish.reward is not None and wish.reward.product is not None:
            gift = self._gift(wish.reward, sale)
            self._give(program, sale, gift, token, who)
        else:
            self._take_off_for(program, sale, wish, token, who)

    def _take_off_for(
        self, program: Program, sale: Sale, wish: DraftWish, token: str, who: str
    ) -> None:
        with reading(self.engine) as connection:
            before = drafts.on_draft(connection, sale.key, *TAKEN)
        for one in before:
            # Articles beside it are lines of their own.
            if one.pieces is None:
                raise RefusedError(self._say("use_again", amount=self._money(one.amount)))
        found = bill_of(self._around, sale)
        available = program.points_of(self._view(program, sale.customer).available)
        reward = draft_reward(program, wish, available, found.bill)
        shares = found.shares(reward.worth)
        # A list of redemptions shows one rate.
        chosen = reward.model_copy(update={"tax_rate": _main_rate(shares)})
        use = drafts.DraftUse(shares, reward.percent, reward.at_most)
        self._book(program, sale, Gift(chosen, use), token, who)

    def _gift(self, reward: RewardTerms, sale: Sale) -> Gift:
        assert reward.product is not None
        line = single_line(sale, reward.product)
        gift = gift_added(self.door, reward) if line is None else gift_of_line(reward, line)
        if gift is None:
            raise RefusedError(self._say("use_no_article", named=reward.product))
        return gift

    def _give(self, program: Program, sale: Sale, gift: Gift, token: str, who: str) -> None:
        bill = bill_of(self._around, sale).bill
        if bill.has_discounts and not program.redeem.with_discounts:
            raise RefusedError(self._say("ask_other_discount"))
        self._book(program, sale, gift, token, who)

    def offer(self, program: Program, sale: Sale, line: SaleLine) -> bool:
        """Give an article that was rung up, where its customer can have it; tell whether."""
        reward = program.given_articles.get(line.product_ref)
        if reward is None or not can_be_given(line, line.product_ref):
            return False
        gift = gift_of_line(reward, line)
        available = program.points_of(self._view(program, sale.customer).available)
        if available < gift.reward.points:
            return False
        try:
            self._give(program, sale, gift, redeem.new_token(), "rung up at the till")
        except RefusedError as refused:
            log.info("an article was not given", ticket=sale.key.rowid, reason=str(refused))
            return False
        return True

    def _book(self, program: Program, sale: Sale, gift: Gift, token: str, who: str) -> None:
        """Take the points and wish for the lines, once for a token. Raises ``RefusedError``."""
        key, reward, use = sale.key, gift.reward, gift.use

        def work(connection: Connection) -> None:
            if redemptions.by_tokens(connection, [token]):
                return
            transaction = Transaction(connection, self.clock.now())
            customer = sale.customer
            id_ = redeem.spend(transaction, program, customer, reward, token, who, use.pieces)
            drafts.add(connection, id_, key, use)
            target = outbox.Target("draft", key.source, key.entity, key.rowid, token)
            outbox.wish(connection, [target, outbox.customer_target(customer)], transaction.now)

        try:
            write(self.engine, work)
        except REFUSALS as error:
            available = program.points_of(self._view(program, sale.customer).available)
            said = why_not(self.source.language, program, reward, available, error)
            raise RefusedError(said) from None

    def _draft(self, program: Program, key: SaleKey) -> Sale:
        """Read a draft that points may be taken off. Raises ``RefusedError`` with the reason."""
        sale = self._read(key)
        if sale is None or sale.status is not SaleStatus.DRAFT or sale.kind not in KINDS:
            raise RefusedError(self._say("use_no_draft"))
        if sale.payments:
            raise RefusedError(self._say("use_no_draft"))
        if sale.customer.rowid in {*self.source.pos_customers, *program.excluded_customers}:
            raise RefusedError(self._say("no_member"))
        if sale.currency not in {"", self.source.currency}:
            raise RefusedError(self._say("use_currency"))
        total = sum((line.total_incl for line in sale.lines), ZERO)
        if has_other_taxes(sale.lines) or total != sale.total_incl:
            raise RefusedError(self._say("use_taxes"))
        return sale

    # --- placing ---------------------------------------------------------------------------------

    def place(self, wanted: Redemption) -> None:
        """Put a redemption's lines on its draft, those that are not there yet, and read them back.

        Raises ``RefusedError`` with the reason for staff, once nothing of it stands there.
        """
        assert wanted.draft is not None
        with reading(self.engine) as connection:
            use = drafts.use_of(connection, wanted.id)
        sale = self._read(wanted.draft)
        if sale is None:
            raise RefusedError(self._say("use_no_draft"))
        placed = ours(sale, wanted.token)
        if sale.status is not SaleStatus.DRAFT:
            if placed:
                # Validated since: what stands there is used, and the rest comes back by the sales.
                return
            raise RefusedError(self._say("use_no_draft"))
        if not placed and sale.customer != wanted.customer:
            raise RefusedError(self._say("use_meanwhile"))
        if use.product is not None:
            self._place_gift(wanted, use, sale, placed)
            return
        shares = self._counted_anew(wanted, use, sale)
        if not placed and not _fits(sale, shares):
            raise RefusedError(self._say("use_meanwhile"))
        try:
            self._make_lines(wanted, shares, placed)
        except RefusedError as error:
            self._clear(wanted)
            raise RefusedError(self._say("not_done", why=str(error))) from error
        self._read_back(wanted, replace(use, shares=shares))

    def _place_gift(
        self, wanted: Redemption, use: drafts.DraftUse, sale: Sale, placed: Sequence[SaleLine]
    ) -> None:
        if not placed:
            program = self.programs.get(wanted.program)
            told = self._points(program, wanted.points) if program else ""
            try:
                why = draft_articles.place(self.door, wanted, use, sale, told)
            except RefusedError as error:
                self._clear(wanted)
                raise RefusedError(self._say("not_done", why=str(error))) from error
            if why is not None:
                raise RefusedError(self._say(why, named=use.product))
        self._read_back(wanted, use)

    def _counted_anew(
        self, wanted: Redemption, use: drafts.DraftUse, sale: Sale
    ) -> tuple[Share, ...]:
        """Return what is to be taken off now: a percentage follows the goods until it is placed.

        Raises ``RefusedError`` where nothing is left to take it off.
        """
        if use.percent is None:
            return use.shares
        shares = self._percent_shares(wanted, use, sale)
        if not shares:
            self._clear(wanted)
            raise RefusedError(self._say("use_no_goods"))
        if shares != use.shares:
            self._note(wanted, shares, wanted.state)
        return shares

    def _percent_shares(
        self, wanted: Redemption, use: drafts.DraftUse, sale: Sale
    ) -> tuple[Share, ...]:
        assert use.percent is not None
        return bill_of(self._around, sale, wanted.token).percent_shares(use.percent, use.at_most)

    def _note(self, wanted: Redemption, shares: Sequence[Share], state: str) -> None:
        """Note what a percentage comes to by now, and have its lines put right where asked."""
        assert wanted.draft is not None
        draft, amount = wanted.draft, sum((share.amount for share in shares), ZERO)
        target = outbox.Target("draft", draft.source, draft.entity, draft.rowid, wanted.token)

        def work(connection: Connection) -> None:
            drafts.share_anew(connection, wanted.id, shares)
            redemptions.set_amount(connection, wanted, amount, _main_rate(shares))
            if state != wanted.state:
                redemptions.set_state(connection, wanted, state)
                outbox.wish(connection, [target], self.clock.now())

        write(self.engine, work)

    def _make_lines(
        self, wanted: Redemption, shares: Sequence[Share], placed: Sequence[SaleLine]
    ) -> None:
        """Put the lines there that are missing, in place of those that say something else."""
        assert wanted.draft is not None
        kept: set[Share] = set()
        for line in placed:
            share = Share(line.tax_rate, -line.total_incl)
            if share in shares and share not in kept:
                kept.add(share)
            else:
                self.door.remove_line(wanted.draft, line.rowid)
        text = f"{wanted.title} {wanted.token}"
        for share in shares:
            if share not in kept:
                self.door.add_line(wanted.draft, text, -share.amount, share.tax_rate)

    def _read_back(self, wanted: Redemption, use: drafts.DraftUse) -> None:
        assert wanted.draft is not None
        after = self._read(wanted.draft)
        if after is None:
            raise RefusedError(self._say("use_no_draft"))
        wrong = problem(after, wanted, use, self.programs.get(wanted.program))
        if wrong and after.status is SaleStatus.DRAFT:
            log.warning("lines on a draft taken off", token=wanted.token, reason=wrong)
            self._clear(wanted)
            name = "use_misread" if wrong == "use_changed" else wrong
            raise RefusedError(self._say(name))

    def take_off(self, redemption: Redemption, why: str) -> bool:
        """Take a redemption's lines off and give its points back, unless it is used by now."""
        if not self._clear(redemption):
            return False
        redeem.give_back(
            self.engine, self.clock, self.programs, redemption.token, State.REVOKED, why
        )
        return True

    def _clear(self, redemption: Redemption) -> bool:
        """Remove all lines of a redemption; tell whether none is left on anything but a draft."""
        assert redemption.draft is not None
        with reading(self.engine) as connection:
            use = drafts.use_of(connection, redemption.id)
        sale = self._read(redemption.draft)
        for line in ours(sale, redemption.token) if sale else ():
            if sale is None or sale.status is not SaleStatus.DRAFT:
                return False
            try:
                take_back(self.door, redemption, use, line)
            except RefusedError as error:
                log.info("a line was not removed", token=redemption.token, reason=str(error))
        left = self._read(redemption.draft)
        if left is None or not list(ours(left, redemption.token)):
            return True
        if left.status is not SaleStatus.DRAFT:
            return False
        message = f"lines of {redemption.token} are still on the draft {redemption.draft.rowid}"
        raise TransientError(message)

    # --- following -------------------------------------------------------------------------------

    def follow(self) -> list[tuple[Redemption, str]]:
        """See what became of drafts with points taken off; return whose points came back, and why.

        Documents that are validated with their lines belong to the sales from then on.
        """
        with reading(self.engine) as connection:
            found = redemptions.in_state(connection, self.source.name, State.DRAFTED)
            uses = {one.id: drafts.use_of(connection, one.id) for one in found}
        keys = sorted({one.draft.rowid for one in found if one.draft is not None})
        sales = {sale.key: sale for sale in self.reader.get(keys)} if keys else {}
        returned: list[tuple[Redemption, str]] = []
        now = self.clock.now()
        for one in found:
            sale = sales.get(one.draft) if one.draft else None
            wrong = "use_gone" if sale is None else self._wrong(sale, one, uses[one.id])
            is_used = sale is not None and sale.status is not SaleStatus.DRAFT
            if not wrong or (is_used and wrong != "use_gone"):
                continue
            if self.rests.is_resting(one.token, now):
                continue
            why = self._say(wrong)
            try:
                if self.take_off(one, why):
                    log.info("points of a draft came back", token=one.token, reason=why)
                    returned.append((one, why))
                self.rests.succeeded(one.token)
            except TransientError as error:
                self.rests.failed(one.token, now)
                log.warning("points stay on a draft", token=one.token, reason=str(error))
                # What failed here may be all of Dolibarr: the others have their turn at the next.
                break
        return returned

    def _wrong(self, sale: Sale, one: Redemption, use: drafts.DraftUse) -> str:
        """Name what is wrong with lines on a document; have those of a percentage follow it."""
        program = self.programs.get(one.program)
        if use.percent is None or sale.status is not SaleStatus.DRAFT:
            return problem(sale, one, use, program)
        wrong = _tampered(sale, one, use)
        if wrong:
            return wrong
        shares = self._percent_shares(one, use, sale)
        if not shares:
            return "use_no_goods"
        if shares == use.shares:
            return problem(sale, one, use, program)
        self._note(one, shares, State.WANTED)
        return ""

    @property
    def _around(self) -> Surroundings:
        return self.rules.around.get(self.source.name, Surroundings())

    # --- words and reads -------------------------------------------------------------------------

    def _read(self, key: SaleKey) -> Sale | None:
        return next(iter(self.reader.get([key.rowid])), None)

    def _view(self, program: Program, customer: CustomerKey) -> MemberView:
        today = self.clock.now().astimezone(program.zone).date()
        with reading(self.engine) as connection:
            return member_view(connection, program.name, customer, today)

    def _money(self, amount: Decimal) -> str:
        return money(self.source.language, amount, self.source.currency)

    def _points(self, program: Program, units: int) -> str:
        return points_text(self.source.language, program.points_of(units))

    def _say(self, name: str, **values: object) -> str:
        return sentence(self.source.language, name, **values)


def ours(sale: Sale, token: str) -> list[SaleLine]:
    """Return the lines of a document that bear a token."""
    return [line for line in sale.lines if token in line.text]


def problem(
    sale: Sale, wanted: Redemption, use: drafts.DraftUse, program: Program | None = None
) -> str:
    """Name what is wrong with the lines of a redemption on a document; empty when they hold."""
    wrong = _tampered(sale, wanted, use)
    if wrong or use.product is not None:
        return wrong
    if any(sums.is_below_zero for sums in bought_by_rate(sale.lines).values()):
        return "use_below_zero"
    return "use_share" if program is not None and _is_beyond_share(program, sale) else ""


def _tampered(sale: Sale, wanted: Redemption, use: drafts.DraftUse) -> str:
    """Name what others did to the lines of a redemption, or to whose document it is."""
    lines = ours(sale, wanted.token)
    if not lines:
        return "use_gone"
    if sale.customer != wanted.customer:
        return "use_customer"
    if use.product is not None:
        return "use_changed" if is_tampered(use, lines) else ""
    found = sorted((line.tax_rate, -line.total_incl) for line in lines)
    if found != sorted((share.tax_rate, share.amount) for share in use.shares):
        return "use_changed"
    return ""


def _main_rate(shares: Sequence[Share]) -> Decimal:
    """Return the rate of most of it."""
    return max(shares, key=lambda share: share.amount).tax_rate


def _is_beyond_share(program: Program, sale: Sale) -> bool:
    """Tell whether goods were taken off a draft on which points then pay too much."""
    taken = by_points(Surroundings(), sale.lines)
    return program.redeem.max_share is not None and taken > share_of(
        program, sale.total_incl + taken
    )


def _fits(sale: Sale, shares: Sequence[Share]) -> bool:
    """Tell whether a draft still has room for all shares."""
    room = rooms(line for line in sale.lines if not is_sold(line))
    return all(share.amount <= room.get(share.tax_rate, ZERO) for share in shares)
