"""A history: one seed, a shop at work, the daemon in all its troubles, and what must hold after it.

Everything is drawn from the seed, so a failing history can be played again, and its steps read.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from unittest import mock

import tenacity.nap
from simulation import benches, checks, money_checks
from simulation.benches import SOURCE_SETTINGS, START, Bench
from simulation.money import Counter, MemoryDrafts, MemoryTill
from simulation.shop import ZONE, Shop
from simulation.trouble import Crash, Trouble
from simulation.world import MemorySink, MemorySource, Merge, Snapshot, World, customer_key
from sqlalchemy import select

from dolisync.config import ReconcileSettings
from dolisync.errors import TransientError, UserError
from dolisync.ledger import batches, outbox, redemptions, tables
from dolisync.ledger.batches import BatchKind
from dolisync.ledger.book import NotEnoughPoints
from dolisync.ledger.engine import reading, write
from dolisync.ledger.requests import Request
from dolisync.ports import SaleSource, Sink
from dolisync.program.terms import Program
from dolisync.sync import (
    discounts,
    draft_adoption,
    drafts,
    drift,
    expire,
    intake,
    merge,
    paying,
    publish,
    reconcile,
    redeem,
    till_line,
)
from dolisync.sync.discounts import follow_discounts
from dolisync.sync.draft_adoption import adopt_drafts
from dolisync.sync.drafts import Drafts
from dolisync.sync.drift import compare_cards
from dolisync.sync.intake import Intake
from dolisync.sync.publish import Publisher
from dolisync.sync.reconcile import MassVanishing, Reconciler
from dolisync.sync.till_line import TillLine

LONGEST_COMMIT_S = 120
DRAIN_ROUNDS = 60
# Longer than the overlap: nothing may depend on being started again soon.
LONG_OUTAGE_S = 900
# Where dying matters most; else it is drawn from all places.
CRASH_PLACES = ("during create_discount", "after create_discount", "during write", "commit")


class HistoryFailed(AssertionError):  # noqa: N818 - reads as a sentence where it is raised
    """Tell which seed failed, how, and after which steps."""


@dataclass(frozen=True)
class Design:
    """The parts of dolisync that a history is played with; mutants replace some."""

    intake: Callable[..., Intake] = Intake
    publisher: Callable[..., Publisher] = Publisher
    source: Callable[[SaleSource], SaleSource] = lambda source: source
    sink: Callable[[Sink], Sink] = lambda sink: sink
    overlap: timedelta = timedelta(seconds=300)
    page_sizes: tuple[int, ...] = (2, 5, 200, 200)
    reconciles: bool = True


@dataclass(frozen=True)
class Scene:
    """What a history is about. Nothing named means some of everything."""

    name: str
    acts: tuple[str, ...] = ()
    chores: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ("refuses", "loses", "fails", "meets", "crashes", "clock")
    # With which probability each trouble is there.
    share: float = 0.5
    usual: str = "turn"
    usual_share: float = 0.45
    # How often the next step comes within seconds.
    haste: float = 0.75


# Only reconcile sees these; or it hides what polling has missed.
UNTRACED = {"delete", "delete_payment", "reconcile", "backfill"}
EVERYTHING = Scene("everything")
READING = Scene(
    "reading",
    ("sell", "invoice", "invoice", "burst", "pay", "pay", "edit", "touch", "credit"),
    ("intake", "restart", "publish"),
    ("fails", "meets", "crashes"),
    0.6,
    "intake",
    0.7,
)
CLOCK = Scene(
    "clock",
    ("sell", "invoice", "edit", "touch"),
    ("intake", "restart"),
    ("clock", "crashes"),
    0.9,
    "intake",
    0.2,
)
SELDOM = Scene(
    "seldom",
    ("sell", "invoice", "invoice", "edit"),
    ("publish", "restart"),
    ("fails", "crashes"),
    0.9,
    "intake",
    0.5,
    0.3,
)
WRITING = Scene(
    "writing",
    ("sell", "sell", "sell", "use", "split", "drop", "move", "open_form"),
    ("redeem", "redeem", "revoke", "publish", "follow", "restart"),
    ("loses", "fails", "meets", "crashes"),
    0.8,
    "turn",
    0.5,
)
_SPENDING = ("sell", "sell", "use", "use", "credit_reward", "abandon_reward", "free", "drop")
MERGING = Scene(
    "merging",
    (*_SPENDING, "merge", "merge"),
    ("redeem", "redeem", "revoke", "publish", "follow", "expire", "restart"),
    usual="turn",
    usual_share=0.5,
)
RETURNING = Scene(
    "returning",
    (*_SPENDING, "credit_reward", "reopen", "set_draft", "validate", "replace_with_reward"),
    ("redeem", "redeem", "redeem", "expire", "follow", "publish", "reconcile"),
    usual="turn",
    usual_share=0.5,
)
RESTORING = Scene(
    "restoring",
    (*_SPENDING, "merge", "invoice", "pay", "edit", "move"),
    ("redeem", "redeem", "copy_ledger", "copy_ledger", "restore_ledger", "copy_dolibarr")
    + ("restore_dolibarr", "reconcile", "publish"),
    usual="turn",
    usual_share=0.4,
)
_COUNTER = ("sell", "sell", "bill", "bill", "ring", "ring", "ring_more", "checkout", "checkout")
_MONEY_CHORES = ("ask", "ask", "serve", "tills", "publish", "restart", "revoke", "retry")
AT_TILLS = Scene(
    "at tills",
    (*_COUNTER, "choose", "pay", "refund", "reopen", "edit", "delete_payment"),
    ("tills", "tills", "redeem", "expire", "publish", "reconcile", "restart"),
    usual="turn",
    usual_share=0.5,
)
ON_DRAFTS = Scene(
    "on drafts",
    (*_COUNTER, "cut_line", "drop_line", "delete_draft", "validate", "move", "edit"),
    _MONEY_CHORES,
    usual="turn",
    usual_share=0.4,
)
TWO_TILLS = replace(
    AT_TILLS, name="two tills", acts=("sell", "ring", "ring", "ring", "choose", "checkout")
)
CUTTING = replace(
    ON_DRAFTS,
    name="cutting",
    acts=("bill", "cut_line", "cut_line", "drop_line", "checkout", "validate"),
    chores=("ask", "ask", "serve", "publish"),
)
PLACING = replace(ON_DRAFTS, name="placing", troubles=("loses", "crashes"), share=0.9)
AT_ONCE = Scene(
    "at once",
    (*_COUNTER, "cut_line", "choose", "delete_draft", "validate", "set_draft", "refund", "use")
    + ("free", "abandon", "pay", "move"),
    (*_MONEY_CHORES, "redeem", "expire", "reconcile", "follow"),
    usual="turn",
    usual_share=0.4,
)
LOSING_LEDGERS = replace(
    AT_ONCE,
    name="losing ledgers",
    acts=("bill", "bill", "ring", "checkout", "validate", "cut_line", "refund"),
    chores=("ask", "ask", "ask", "ask", "copy_ledger", "restore_ledger", "redeem"),
    usual_share=0.5,
)
MONEY = (AT_TILLS, ON_DRAFTS, ON_DRAFTS, AT_ONCE, AT_ONCE, LOSING_LEDGERS, LOSING_LEDGERS)
UPHEAVALS = (EVERYTHING, MERGING, MERGING, RETURNING, RETURNING, RESTORING, RESTORING)
SCENES = (EVERYTHING, EVERYTHING, EVERYTHING, READING, WRITING, WRITING, CLOCK, SELDOM)


class _Quiet:
    """Take the place of the log."""

    def info(self, *_args: object, **_more: object) -> None:
        """Say nothing."""

    warning = error = info


@dataclass
class DaemonClock:
    """dolisync's own clock: it is never quite the database's."""

    world: World
    skew: timedelta

    def now(self) -> datetime:
        return self.world.moment + self.skew


@dataclass
class Machine:
    """Plays one history."""

    seed: int
    design: Design = field(default_factory=Design)
    longest: int = 24
    scene: Scene | None = None
    looks_back: bool = False
    upheavals: bool = False
    money: bool = False
    steps: list[str] = field(default_factory=list)
    was_restored: bool = False

    def __post_init__(self) -> None:
        rng = self.rng = random.Random(self.seed)
        scenes = MONEY if self.money else UPHEAVALS if self.upheavals else SCENES
        self.scene = self.scene or rng.choice(scenes)
        self.world = World(START)
        self.variant = rng.randrange(len(benches.PROGRAMS))
        if self.looks_back:
            self.variant = len(benches.PROGRAMS) + self.seed % len(benches.LOOKING_BACK)
        if self.upheavals:
            first = len(benches.PROGRAMS) + len(benches.LOOKING_BACK)
            self.variant = first + self.seed % len(benches.UPHEAVALS)
        if self.money:
            self.variant = len(benches._ALL) - 1 - self.seed % len(benches.MONEY)
        self.bench: Bench = benches.bench(self.variant)
        self.shop = Shop(self.world, rng, rng.choice([5, 40, LONGEST_COMMIT_S]))
        self.clock = DaemonClock(self.world, timedelta(seconds=rng.choice([0, 0, -30, 45])))
        troubles = {name for name in self.scene.troubles if rng.random() < self.scene.share}
        self.trouble = Trouble(rng, *(name in troubles for name in ("refuses", "loses", "fails")))
        self.trouble.notes = self.steps
        if "meets" in troubles:
            self.trouble.meanwhile = self._meet
        self.crashes = "crashes" in troubles
        self.clock_jumps = "clock" in troubles
        self.sleeps_days = rng.random() < 0.3
        self.page_size = rng.choice(self.design.page_sizes)
        self.counter = Counter(self.world, rng, self.shop)
        acts = self.shop.upheavals() if self.upheavals else self.shop.acts()
        if self.money:
            acts |= self.counter.acts()
        self.acts = self._some(acts, self.scene.acts)
        self.chores = self._some(self._all_chores(), self.scene.chores)
        self._tokens = 0
        self._asked_copy: list[Request] = []
        self._ledger_copy: sqlite3.Connection | None = None
        self._dolibarr_copy: Snapshot | None = None
        self.source = MemorySource(self.world, self.trouble)
        self.sink = MemorySink(self.world, self.trouble)
        self.door = MemoryDrafts(self.world, self.trouble)
        self.till = MemoryTill(self.world, self.trouble)
        self.start_daemon()
        if self.money:
            self._note("begin", self.counter.open_shop())

    def _some(
        self, things: dict[str, Callable[[], str]], named: tuple[str, ...]
    ) -> list[tuple[str, Callable[[], str]]]:
        """Take what the scene names; of everything some: so rare meetings become likely ones."""
        if named:
            return [(name, things[name]) for name in named]
        first = next(iter(things))
        bare = self.rng.random() < 0.5
        return [
            item
            for item in things.items()
            if item[0] == first or (not (bare and item[0] in UNTRACED) and self.rng.random() < 0.4)
        ]

    def start_daemon(self) -> None:
        """Start dolisync's objects anew on the ledger that is there."""
        engine, clock = self.bench.engine, self.clock
        self.intake = self.design.intake(
            engine,
            clock,
            self.bench.rules,
            self.design.source(self.source),
            "sql",
            self.design.overlap,
            self.page_size,
            customers=self.source,
        )
        self.publisher = self.new_publisher()
        engine, programs, till = self.bench.engine, self.bench.by_name, self.till
        self.tills = TillLine(engine, self.clock, SOURCE_SETTINGS, programs, till)

    @property
    def drafts(self) -> Drafts:
        """Who takes points off drafts."""
        engine, programs = self.bench.engine, self.bench.by_name
        source, rules = self.source, self.bench.rules
        return Drafts(engine, self.clock, SOURCE_SETTINGS, programs, source, self.door, rules)

    def new_publisher(self) -> Publisher:
        """Start a publisher; two may run at once."""
        made = self.design.publisher(
            self.bench.engine,
            self.clock,
            SOURCE_SETTINGS,
            self.design.sink(self.sink),
            self.bench.by_name,
            self.rng.random,
        )
        made.drafts = self.drafts if self.money else None
        return made

    # --- playing ---------------------------------------------------------------------------------

    def play(self) -> None:
        """Play the history to its end and check everything. Raises ``HistoryFailed``."""
        with surroundings(self):
            try:
                for _ in range(self.rng.randint(8, self.longest)):
                    self._step()
                self._drain_and_check()
            except checks.Broken as broken:
                raise HistoryFailed(self._story(str(broken))) from broken
            except Exception as error:
                raise HistoryFailed(self._story(repr(error))) from error

    def _story(self, what: str) -> str:
        again = f"SIMULATION_SEED={self.seed} SIMULATION_LONGEST={self.longest}"
        command = f"{again} python -m pytest tests/simulation -k history"
        return "\n".join([what, *self.steps, what, f"again: {command}"])

    def _step(self) -> None:
        self._pass_time()
        for _ in range(self.rng.choice([0, 1, 1, 2, 3])):
            self._act()
        if self.rng.random() < self.scene.usual_share:
            self._run(self.scene.usual, self._all_chores()[self.scene.usual])
        else:
            self._run(*self.rng.choice(self.chores))
        checks.no_violation(self.world)

    def _pass_time(self) -> None:
        draw = self.rng.random()
        if draw < self.scene.haste:
            seconds = self.rng.choice([0, 0, 0.4, 1, 2, 3])
        elif draw < 0.97 or not self.sleeps_days:
            seconds = self.rng.choice([10, 65, 130, 400])
        else:
            seconds = self.rng.choice([1, 9, 20]) * 86400
        self.world.advance(seconds)
        if self.clock_jumps and self.rng.random() < 0.2:
            back = self.world.clock_offset < timedelta(0)
            jump = self.rng.choice([3600, 30] if back else [-3600, -3600, -30, -2])
            self.world.clock_offset += timedelta(seconds=jump)
            self.world.has_hidden_changes = True
            self._note("clock", f"jumps by {jump} s")

    def _act(self) -> None:
        name, act = self.rng.choice(self.acts)
        merges = len(self.world.merges)
        done = act()
        if done:
            self._note(name, done)
        if merges < len(self.world.merges):
            self._note_trace(self.world.merges[-1])

    def _note_trace(self, seen: Merge) -> None:
        """Note whether the ledger can tell a merge: it must know sales that changed hands."""
        if not seen.rowids & self._known_sales(seen.old):
            self.world.untraceable.add(seen.old)

    def _known_sales(self, customer: int) -> set[int]:
        sale = tables.sale.c
        query = select(sale.rowid).where(
            sale.customer_rowid == customer, sale.vanished_at.is_(None)
        )
        with reading(self.bench.engine) as connection:
            return set(connection.execute(query).scalars())

    def _note(self, name: str, what: str) -> None:
        moment = self.world.clock().astimezone(ZONE)
        self.steps.append(f"{moment:%d %H:%M:%S} {name}: {what}")

    def _run(self, name: str, chore: Callable[[], str]) -> None:
        if self.crashes and self.rng.random() < 0.3:
            where = self.rng.choice(["", "", "", *CRASH_PLACES])
            points = self.rng.randint(1, 3 if where else self.rng.choice([12, 90]))
            self.trouble.plan_crash(points, where)
        place, self.trouble.calls = len(self.steps), 0
        try:
            result = chore()
        except Crash:
            self.start_daemon()
            result = "died; started again"
            if self.rng.random() < 0.3:
                self.world.advance(LONG_OUTAGE_S)
        except (MassVanishing, TransientError) as error:
            result = f"stopped: {error}"
        finally:
            self.trouble.plan_crash(None)
        moment = self.world.clock().astimezone(ZONE)
        self.steps.insert(place, f"{moment:%d %H:%M:%S} - {name}: {result}")

    def _meet(self) -> None:
        """Let somebody do something while a call is under way."""
        draw = self.rng.random()
        self.steps.append("  meanwhile:")
        if draw < 0.6:
            self._act()
        elif draw < 0.7:
            self.world.advance(self.rng.choice([1, 25]))
        else:
            beside = [self.redeem, self.revoke, self.publish_beside]
            chore = self.rng.choice([*beside, self.ask, self.serve] if self.money else beside)
            with contextlib.suppress(TransientError):
                self.steps.append(f"  {chore.__name__}: {chore()}")

    # --- what the daemon and the people at its command line do -----------------------------------

    def _all_chores(self) -> dict[str, Callable[[], str]]:
        return {
            "turn": self.turn,
            "intake": self.take_in,
            "publish": self.publish,
            "redeem": self.redeem,
            "revoke": self.revoke,
            "issue": self.issue,
            "expire": self.expire,
            "reconcile": self.reconcile,
            "follow": self.follow,
            "backfill": self.backfill,
            "restart": self.restart,
            "retry": self.retry_dead,
            **(self._copies() if self.upheavals or self.money else {}),
            **({"ask": self.ask, "serve": self.serve, "tills": self.look} if self.money else {}),
        }

    def _copies(self) -> dict[str, Callable[[], str]]:
        return {
            "copy_ledger": self.copy_ledger,
            "restore_ledger": self.restore_ledger,
            "copy_dolibarr": self.copy_dolibarr,
            "restore_dolibarr": self.restore_dolibarr,
        }

    def turn(self) -> str:
        if self.money:
            return f"{self.take_in()}; {self.serve()}; {self.look()}; {self.publish()}"
        return f"{self.take_in()}; {self.issue()}; {self.publish()}"

    def ask(self) -> str:
        return self.counter.ask(self.bench.programs[0].name, self.new_token())

    def serve(self) -> str:
        """Answer what was asked on drafts, and follow them, as the clerk does in each turn."""
        returned = [redemption.token for redemption, _ in self.drafts.follow()]
        answers = []
        for request in list(self.counter.asked):
            answer = self.drafts.serve(self.bench.programs[0], request)
            if answer is not None and request in self.counter.asked:
                self.counter.asked.remove(request)
                answers.append(f"{request.token} {answer}")
        return f"came back {returned}, answered {answers}"

    def look(self) -> str:
        return f"{self.tills.run_once()} changes on tickets"

    def take_in(self) -> str:
        tally = self.intake.run_once()
        return f"{tally.changed} changed, +{tally.given} -{tally.taken}"

    def publish(self) -> str:
        return self._publish_with(self.publisher)

    def publish_beside(self) -> str:
        return self._publish_with(self.new_publisher())

    def _publish_with(self, publisher: Publisher) -> str:
        report = publisher.run_once()
        checks.no_own_error(report.problem)
        return ", ".join(
            f"{name} {count}"
            for name in ("written", "confirmed", "repaired", "created", "revoked", "failed", "dead")
            if (count := getattr(report, name))
        )

    def redeem(self) -> str:
        program = self.bench.programs[0]
        customer = customer_key(self._rich_customer(program))
        try:
            made = redeem.redeem(
                self.bench.engine,
                self.clock,
                program,
                customer,
                program.reward[0],
                token=self.new_token(),
            )
        except (NotEnoughPoints, redeem.NotInTier):
            return ""
        return f"{made.token} for customer {customer.rowid}"

    def _rich_customer(self, program: Program) -> int:
        member = tables.member.c
        enough = member.balance >= program.units(program.reward[0].points)
        query = select(member.customer_rowid).where(member.program == program.name, enough)
        with reading(self.bench.engine) as connection:
            found = set(connection.execute(query).scalars()) & self.world.customers
        return self.rng.choice(sorted(found or self.world.customers))

    def new_token(self) -> str:
        self._tokens += 1
        return f"DS-{self._tokens:012d}"

    def revoke(self) -> str:
        with reading(self.bench.engine) as connection:
            states = (redemptions.State.WANTED, redemptions.State.OPEN)
            live = redemptions.in_state(connection, self.source.name, *states)
        if not live:
            return ""
        token = self.rng.choice(live).token
        with contextlib.suppress(UserError):
            redeem.wish_revoke(self.bench.engine, self.clock, token)
        return token

    def issue(self) -> str:
        issued = redeem.issue_automatic(
            self.bench.engine, self.clock, self.bench.by_name, self.bench.rules.showing
        )
        return f"issued {[redemption.token for redemption in issued]}"

    def expire(self) -> str:
        showing = self.bench.rules.showing
        return str(expire.run_once(self.bench.engine, self.clock, self.bench.by_name, showing))

    def reconcile(self) -> str:
        if not self.design.reconciles:
            return "left out"
        found = str(Reconciler(self.intake, ReconcileSettings()).run_once())
        return f"{found}, {len(compare_cards(self.publisher))} differences"

    def follow(self) -> str:
        return f"{follow_discounts(self.publisher, self.publisher.sink)} "

    def backfill(self) -> str:
        today = self.clock.now().date()
        tally = self.intake.backfill(today - timedelta(days=3), today + timedelta(days=1))
        return f"{tally.changed} changed"

    def restart(self) -> str:
        self.start_daemon()
        return "done"

    def retry_dead(self) -> str:
        now = self.clock.now()
        revived = write(self.bench.engine, lambda c: outbox.retry_dead(c, None, now))
        return f"{revived} rows"

    def copy_ledger(self) -> str:
        self._ledger_copy = sqlite3.connect(":memory:")
        benches.copy_played(self._ledger_copy)
        self._asked_copy = list(self.counter.asked)
        return "done"

    def restore_ledger(self) -> str:
        """Do what the guide says after the ledger was lost: an old copy, and what is newer."""
        if self._ledger_copy is None:
            return ""
        benches.restore_played(self._ledger_copy)
        self.was_restored = True
        # Requests are in the ledger: those it knows are open again.
        self.counter.asked[:] = self._asked_copy
        now = self.clock.now()
        write(self.bench.engine, lambda connection: outbox.hold_creations(connection, now))
        self.start_daemon()
        for seen in self.world.merges:
            if not seen.rowids & self._known_sales(seen.old) and not self._is_merged(seen):
                self.world.untraceable.add(seen.old)
        return f"and looked: {self.take_in()}, {self.adopt()}"

    def _is_merged(self, seen: Merge) -> bool:
        with reading(self.bench.engine) as connection:
            found = batches.listed(connection, BatchKind.MERGE)
        return any(one.details["from"] == seen.old for one in found)

    def adopt(self) -> str:
        found = follow_discounts(self.publisher, self.publisher.sink, self.bench.rules)
        if not self.money:
            return f"adopted {found.adopted}"
        engine, programs = self.bench.engine, self.bench.by_name
        lines = adopt_drafts(engine, self.clock, self.bench.rules, programs, self.source, self.door)
        return f"adopted {found.adopted} and {lines}"

    def copy_dolibarr(self) -> str:
        self._dolibarr_copy = self.world.snapshot()
        return "done"

    def restore_dolibarr(self) -> str:
        if self._dolibarr_copy is None:
            return ""
        self.world.restore(self._dolibarr_copy)
        self.shop.forms.clear()
        # Rowids come again, but not within the hour in which one document is taken for another.
        self.world.advance(2 * 3600)
        return f"back to sales {sorted(self.world.sales)}"

    # --- the end ---------------------------------------------------------------------------------

    def _drain_and_check(self) -> None:
        """Let all trouble end, bring everything up to date, and compare."""
        self.trouble.is_calm, self.crashes = True, False
        self._note("calm", "all commits land, everything answers")
        self._wait_for_morning()
        self.start_daemon()
        self._run("intake", self.take_in)
        if not self.world.has_hidden_changes:
            checks.holdings_match(self.bench, self.world, self.variant)
        if not self.world.has_overwritten_cards:
            self._publish_to_the_end()
            checks.balances_shown(self.bench, self.world)
        if self.design.reconciles:
            reconciler = Reconciler(self.intake, ReconcileSettings(), allow_mass_reversal=True)
            self._run("reconcile", lambda: str(reconciler.run_once()))
            self._run("compare", lambda: str(len(compare_cards(self.publisher))))
            if self.upheavals or self.money:
                self._run("adopt", self.adopt)
            self._publish_to_the_end()
        # What was paid with points at a till is debt, whatever a program says of returns.
        is_plain = not (self.was_restored or self.world.was_restored or self.money)
        checks.everything(self.bench, self.clock, self.world, self.variant, is_plain=is_plain)
        if self.money:
            money_checks.money_holds(self.bench, self.world, self.till)

    def _wait_for_morning(self) -> None:
        """Go on to the next morning, so that no midnight falls into the end."""
        moment = self.world.moment
        morning = moment.replace(hour=6, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self.world.advance((morning - moment).total_seconds())

    def _publish_to_the_end(self) -> None:
        for _ in range(DRAIN_ROUNDS):
            self._run("revive", self.retry_dead)
            self._run("publish", self.publish)
            self._run("follow", self.follow)
            if self.money:
                self._run("serve", self.serve)
                self._run("tills", self.look)
            with reading(self.bench.engine) as connection:
                counts = outbox.counts(connection)
            if not any(counts.get(state) for state in (*outbox.OPEN_STATES, "dead")):
                return
            self.world.advance(130)
        checks.fail(f"the outbox does not drain: {counts}")


@contextlib.contextmanager
def surroundings(machine: Machine) -> Iterator[None]:
    """Take chance, sleep and logs out of the core while a history is played."""
    benches.SWITCH.trouble = machine.trouble
    no_time = types.SimpleNamespace(sleep=lambda _seconds: None)
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(tenacity.nap, "time", no_time))
        stack.enter_context(mock.patch.object(redeem, "new_token", machine.new_token))
        loud = (intake, publish, reconcile, discounts, drift, merge)
        loud += (drafts, draft_adoption, till_line, paying)
        for module in loud:
            stack.enter_context(mock.patch.object(module, "log", _Quiet()))
        yield
