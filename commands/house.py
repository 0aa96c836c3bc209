"""Joining core and connectors: the one place that knows both."""

from __future__ import annotations

import fcntl
import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import IO, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlalchemy.exc import ArgumentError

from connectors.dolibarr_codes import DolibarrCodes
from connectors.dolibarr_database import open_engine as open_dolibarr
from connectors.dolibarr_desk import SqlDesk
from connectors.dolibarr_drafts import RestDrafts, SqlDraftSearch
from connectors.dolibarr_events import SqlEvents
from connectors.dolibarr_http import DolibarrHttp
from connectors.dolibarr_rest import RestSaleSource
from connectors.dolibarr_rest_sink import RestSink
from connectors.dolibarr_sql import SqlSaleSource
from connectors.dolibarr_sql_sink import SqlSink
from connectors.dolibarr_standing import SqlStanding
from connectors.dolibarr_tag_door import RestTagDoor, SqlTagDoor
from connectors.dolibarr_till import DolibarrTill
from dolisync.codes_shown import codes_field
from dolisync.config import LoadedConfig, Settings, Source, load
from dolisync.display import requirements
from dolisync.errors import NotFound, UserError
from dolisync.ledger import schema, standing_marks
from dolisync.ledger.engine import open_engine, reading, write
from dolisync.ledger.rulesets import RuleBook, adopt, consult
from dolisync.ledger.signing import CLAIMS, PAGES, ensure_signing_key
from dolisync.ledger.vouchers import begin_to_sell, sold_since
from dolisync.model import Buyer, Customer, CustomerKey, Sale, SaleKey
from dolisync.ports import (
    ArticleSource,
    BuyerQuestion,
    BuyerSource,
    Clock,
    CustomerSource,
    DeliverySource,
    Pulse,
    RequestDesk,
    Requirements,
    SaleSource,
    Sink,
    TagDoor,
    WarehouseSource,
    no_pulse,
)
from dolisync.program.paying import rewards
from dolisync.program.surroundings import SoldCards, Surroundings
from dolisync.program.terms import Program
from dolisync.sync.bonuses import Bonuses
from dolisync.sync.buyers import Buyers, CardFields, buyer_question_of
from dolisync.sync.catalogue import Catalogue, question_of
from dolisync.sync.claims import Claiming
from dolisync.sync.code_lines import CodeLines
from dolisync.sync.deliveries import Deliveries, are_followed
from dolisync.sync.draft_adoption import adopt_drafts
from dolisync.sync.drafts import Drafts
from dolisync.sync.events import Events
from dolisync.sync.intake import Intake, is_provisional
from dolisync.sync.judge import Rules, Showing
from dolisync.sync.publish import Follower, Publisher
from dolisync.sync.recommend import People, Recommendations
from dolisync.sync.requests import Clerk
from dolisync.sync.standing import StandingDiscounts
from dolisync.sync.ticket_articles import TicketArticles
from dolisync.sync.ticket_wishes import TicketWishes
from dolisync.sync.tier_tags import TierTags, tagging
from dolisync.sync.till_line import TillLine
from dolisync.sync.turn import Turn
from dolisync.sync.vouchers import Automatic, Vouchers
from dolisync.sync.warehouses import Warehouses, are_asked

COLLECTED_EVERY = (100_000, 20, 20)


def collect_seldom() -> None:
    """Let the garbage collector look through what there is less often.

    A page of sales makes many objects that all live until it is booked: looking through them every
    seven hundred, as Python does by itself, finds nothing and takes long.
    """
    gc.set_threshold(*COLLECTED_EVERY)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)


class Reader(
    SaleSource,
    CustomerSource,
    ArticleSource,
    BuyerSource,
    DeliverySource,
    WarehouseSource,
    Protocol,
):
    """A door through which sales, customers and articles are read."""


@dataclass
class Doors:
    """The ways into one Dolibarr, opened when they are first used."""

    source: Source
    programs: tuple[Program, ...]
    gift_card: str | None = None
    with_codes: bool = False

    @cached_property
    def http(self) -> DolibarrHttp | None:
        """The REST door, where there is one."""
        if self.source.url is None or self.source.api_key is None:
            return None
        return DolibarrHttp(
            self.source.url,
            self.source.api_key.reveal(),
            entity=self.source.entity,
            connect_timeout_s=self.source.connect_timeout_s,
            read_timeout_s=self.source.read_timeout_s,
        )

    @cached_property
    def database(self) -> Engine | None:
        """The SQL door, where there is one."""
        if self.source.database_url is None:
            return None
        try:
            return open_dolibarr(self.source.database_url.reveal())
        except (ValueError, ImportError, ArgumentError) as error:
            message = f"source '{self.source.name}': database_url is not an address of a database"
            raise UserError(
                message, "write mariadb+pymysql://user:password@host/database"
            ) from error

    @cached_property
    def readers(self) -> dict[str, Reader]:
        """The doors to read through, by name, in order."""
        return {door: self._reader(door) for door in self.source.reads_by}

    @property
    def reader(self) -> Reader:
        """The first door to read through."""
        return next(iter(self.readers.values()))

    def _reader(self, door: str) -> Reader:
        field_name = product_field(self.programs)
        if door == "sql":
            assert self.database is not None
            return SqlSaleSource(
                self.database,
                self.source.name,
                self.source.entity,
                self.source.timezone,
                self.source.table_prefix,
                field_name,
                self.gift_card,
            )
        assert self.http is not None
        return RestSaleSource(
            self.http,
            self.source.name,
            self.source.entity,
            self.source.timezone,
            min(self.source.page_size, 100),
            field_name,
            self.source.database_timezone,
            self.gift_card,
        )

    @cached_property
    def sink(self) -> Sink | None:
        """The door to write through, ``None`` when nothing is to be written."""
        if self.source.writes_by == "sql":
            assert self.database is not None
            return SqlSink(
                self.database,
                self.source.entity,
                self.source.timezone,
                self.source.write_user,
                self.source.table_prefix,
            )
        if self.source.writes_by == "rest":
            assert self.http is not None
            return RestSink(self.http, self.source.entity)
        return None

    @cached_property
    def desk(self) -> RequestDesk | None:
        """Where staff ask for something, where they may: only a database account empties fields."""
        if not self.source.staff_requests or self.source.writes_by != "sql":
            return None
        assert self.database is not None
        return SqlDesk(self.database, self.source.entity, self.source.table_prefix)

    @cached_property
    def tags(self) -> TagDoor | None:
        """The tags of customers, where tiers are tags and anything is to be written."""
        programs = {program.name: program for program in self.programs}
        door = self.source.writes_by
        return self.tags_by(door) if door and tagging(programs, self.source.name) else None

    @cached_property
    def bonus_tags(self) -> TagDoor | None:
        """The tags of customers to look at, where a bonus is given by one."""
        mine = (program for program in self.programs if program.takes(self.source.name))
        if not any(bonus.given_by for program in mine for bonus in program.bonus):
            return None
        return self.tags_by("rest" if self.database is None else "sql")

    def tags_by(self, door: str) -> TagDoor:
        """Open a door to the tags of customers."""
        if door == "sql":
            assert self.database is not None
            return SqlTagDoor(self.database, self.source.entity, self.source.table_prefix)
        assert self.http is not None
        return RestTagDoor(self.http)

    @cached_property
    def till(self) -> DolibarrTill | None:
        """The open tickets, where a line is to stand on them."""
        if self.source.writes_by is None or self.database is None or self.http is None:
            return None
        source, mine = self.source, [p for p in self.programs if rewards(p, self.source.name)]
        articles = [ref for ref in given_articles(self) if source.staff_requests]
        if not (source.till_line or mine or articles):
            return None
        return DolibarrTill(
            source.name,
            self.database,
            self.http,
            source.entity,
            source.table_prefix,
            mine[0].redeem.product_field if mine else None,
            articles,
        )

    @cached_property
    def codes(self) -> DolibarrCodes | None:
        """Where codes are typed on drafts, where both doors are open and any are used."""
        if not self.with_codes or self.source.writes_by is None:
            return None
        if self.database is None or self.http is None:
            return None
        source = self.source
        return DolibarrCodes(
            source.name, self.database, self.http, source.entity, source.table_prefix
        )

    def showing(self) -> Showing:
        """Say what is shown in this Dolibarr."""
        if self.sink is None:
            return Showing(customers=False, sales=False, discounts=False)
        abilities = self.sink.abilities()
        customers = abilities.customer_fields or self.tags is not None
        return Showing(customers, abilities.sale_fields, abilities.discounts)

    def close(self) -> None:
        """Let go of connections."""
        if "database" in self.__dict__ and self.database is not None:
            self.database.dispose()


def given_articles(doors: Doors) -> list[str]:
    """Return the references of the articles that programs of a source give for points."""
    mine = [program for program in doors.programs if program.takes(doors.source.name)]
    return sorted({ref for program in mine for ref in program.given_articles})


def product_field(programs: tuple[Program, ...]) -> str | None:
    """Return the extra field with a product's points, where a program uses one."""
    fields = [p.earn.product.field for p in programs if p.earn.product is not None]
    return fields[0] if fields else None


def product_fields(programs: tuple[Program, ...]) -> tuple[str, ...]:
    """Return the extra fields of the product card that are read."""
    points = product_field(programs)
    prices = {p.redeem.product_field for p in programs if p.redeem.product_field is not None}
    return tuple(sorted({*question_of(programs).fields, *((points,) if points else ()), *prices}))


def card_fields(source: Source) -> CardFields:
    """Name the extra fields of a source's customer card that are read."""
    return CardFields(source.birthday_field, source.opt_out_field)


def buyer_question(doors: Doors) -> BuyerQuestion:
    """Return what the programs want to know of a source's customers."""
    mine = [program for program in doors.programs if program.takes(doors.source.name)]
    return buyer_question_of(mine, card_fields(doors.source))


@dataclass
class House:
    """Everything that a command may need, built from the configuration when it is first used."""

    path: Path
    clock: Clock = field(default_factory=SystemClock)
    pulse: Pulse = no_pulse

    @cached_property
    def config(self) -> LoadedConfig:
        """The configuration."""
        return load(self.path)

    @property
    def settings(self) -> Settings:
        """The settings in it."""
        return self.config.settings

    @cached_property
    def raw_engine(self) -> Engine:
        """The ledger, whatever state its tables are in."""
        return open_engine(self.settings.ledger.url.reveal())

    @cached_property
    def engine(self) -> Engine:
        """The ledger, with the schema that this version works with."""
        schema.require_current(self.raw_engine)
        return self.raw_engine

    @cached_property
    def book(self) -> RuleBook:
        """The rule sets; the configured programs come into force when this is first read."""
        if self.settings.claims is not None:
            ensure_signing_key(self.engine, CLAIMS, self.clock.now())
        if self.settings.page.url is not None:
            ensure_signing_key(self.engine, PAGES, self.clock.now())
        product = self.gift_card_product
        if product is not None:
            write(self.engine, lambda c: begin_to_sell(c, product, self.clock.now()))
        since = self.settings.rules.since
        return adopt(self.engine, self.settings.program, self.clock.now(), since)

    @property
    def programs(self) -> dict[str, Program]:
        """The programs in force, by name."""
        return {program.name: program for program in self.settings.program}

    @cached_property
    def doors(self) -> dict[str, Doors]:
        """The Dolibarr instances, by name."""
        return {
            source.name: Doors(
                source, self.settings.program, self.gift_card_product, self.has_codes
            )
            for source in self.settings.source
        }

    @property
    def has_codes(self) -> bool:
        """Tell whether vouchers or gift cards are used in Dolibarr."""
        return self.settings.voucher is not None or self.settings.gift_card is not None

    @property
    def gift_card_product(self) -> str | None:
        """The reference of the product that is sold as a gift card, where there is one."""
        return self.settings.gift_card.product if self.settings.gift_card else None

    @cached_property
    def showing(self) -> dict[str, Showing]:
        """What is shown where."""
        return {name: doors.showing() for name, doors in self.doors.items()}

    @cached_property
    def rules(self) -> Rules:
        """All that judging needs, and what is shown afterwards."""
        return self.rules_of(self.book)

    def rules_of(self, book: RuleBook) -> Rules:
        """All that judging by these rule sets needs, and what is shown afterwards."""
        return Rules(book, self._around(), self.showing)

    @property
    def rules_for_reading(self) -> Rules:
        """All that judging needs, to look on: no Dolibarr is asked, no rules come into force."""
        since = self.settings.rules.since
        book = consult(self.engine, self.settings.program, self.clock.now(), since)
        return Rules(book, self._around(), {})

    def _around(self) -> dict[str, Surroundings]:
        return {
            source.name: Surroundings(
                frozenset(source.pos_customers),
                source.points_payment_mode,
                gift_cards=self._sold_cards(source),
            )
            for source in self.settings.source
        }

    def _sold_cards(self, source: Source) -> SoldCards | None:
        settings = self.settings.gift_card
        if settings is None or settings.product is None:
            return None
        with reading(self.engine) as connection:
            since = sold_since(connection, settings.product)
        return None if since is None else SoldCards(since, settings.months, source.currency)

    def intakes(self, doors: Doors) -> list[Intake]:
        """Make the intakes of one source, one for each door."""
        collect_seldom()
        return [
            self.intake(doors, door, reader, self.rules) for door, reader in doors.readers.items()
        ]

    def intake(self, doors: Doors, door: str, reader: Reader, rules: Rules) -> Intake:
        """Make the intake through one door, judging by these rules."""
        return Intake(
            self.engine,
            self.clock,
            rules,
            reader,
            door,
            timedelta(seconds=doors.source.overlap_s),
            doors.source.page_size,
            self.pulse,
            self.catalogue(reader, rules.book),
            reader,
            self.buyers(doors, reader, rules.book),
            self.deliveries(doors, reader, rules.book),
            self.warehouses(doors, reader, rules.book),
        )

    def catalogue(self, reader: Reader, book: RuleBook) -> Catalogue:
        """Make what completes sales with what any program ever asked of their articles."""
        programs = (program for rules in book.sets for program in rules.programs)
        return Catalogue(reader, self.clock, question_of(programs))

    def buyers(self, doors: Doors, reader: Reader, book: RuleBook) -> Buyers:
        """Make what completes sales with what any program ever asked of their customers."""
        programs = (program for rules in book.sets for program in rules.programs)
        question = buyer_question_of(programs, card_fields(doors.source))
        return Buyers(reader, self.clock, question)

    def deliveries(self, doors: Doors, reader: Reader, book: RuleBook) -> Deliveries | None:
        """Make what follows deliveries, where any program ever waited for them."""
        programs = (program for rules in book.sets for program in rules.programs)
        if not are_followed(programs, doors.source.name):
            return None
        return Deliveries(reader, self.clock)

    def warehouses(self, doors: Doors, reader: Reader, book: RuleBook) -> Warehouses | None:
        """Make what completes sales with their warehouses, where any program ever asked."""
        programs = (program for rules in book.sets for program in rules.programs)
        if not are_asked(programs, doors.source.name):
            return None
        return Warehouses(reader, self.clock)

    def completed(self, doors: Doors, book: RuleBook, sales: Sequence[Sale]) -> list[Sale]:
        """Complete sales with what the rules want to know beyond their documents."""
        with_articles = self.catalogue(doors.reader, book).complete(sales)
        complete = self.buyers(doors, doors.reader, book).complete(with_articles)
        deliveries = self.deliveries(doors, doors.reader, book)
        if deliveries is not None:
            complete = deliveries.complete(complete)
        warehouses = self.warehouses(doors, doors.reader, book)
        return complete if warehouses is None else warehouses.complete(complete)

    def publisher(self, doors: Doors) -> Publisher | None:
        """Make the publisher of one source, where anything is to be written."""
        if doors.sink is None:
            return None
        return Publisher(
            self.engine,
            self.clock,
            doors.source,
            doors.sink,
            self.programs,
            pulse=self.pulse,
            drafts=self.drafts(doors),
            followers=self.followers(doors),
            shows_cards=doors.sink.abilities().customer_fields,
            codes_field=codes_field(self.settings, doors.source),
        )

    def followers(self, doors: Doors) -> dict[str, Follower]:
        """Make what else follows the ledger on customer cards."""
        made: dict[str, Follower | None] = {
            "tags": self.tier_tags(doors),
            "standing": self.standing(doors),
        }
        return {kind: follower for kind, follower in made.items() if follower is not None}

    def standing(self, doors: Doors) -> StandingDiscounts | None:
        """Make what sets standing discounts, where tiers have them, or had them."""
        source = doors.source
        if source.writes_by != "sql" or doors.database is None:
            return None
        mine = [program for program in self.settings.program if program.takes(source.name)]
        if not any(program.gives_standing_discounts for program in mine):
            with reading(self.engine) as connection:
                if not standing_marks.exist(connection, source.name):
                    return None
        door = SqlStanding(
            doors.database, source.write_user, source.entity, source.timezone, source.table_prefix
        )
        return StandingDiscounts(self.engine, self.clock, source, self.programs, door, self.pulse)

    def tier_tags(self, doors: Doors) -> TierTags | None:
        """Make what keeps tier tags, where tiers are tags."""
        if doors.tags is None:
            return None
        return TierTags(
            self.engine,
            self.clock,
            doors.source,
            self.programs,
            self.rules,
            doors.tags,
            doors.reader,
            self.pulse,
        )

    def drafts(self, doors: Doors) -> Drafts | None:
        """Make who takes points off drafts, where staff may ask and Dolibarr itself can add up."""
        door, engine = self.draft_door(doors), self.engine
        if door is None:
            return None
        source, programs = doors.source, self.programs
        return Drafts(engine, self.clock, source, programs, doors.reader, door, self.rules)

    def adopt_drafts(self, doors: Doors) -> tuple[str, ...]:
        """Book lines that took points off documents and are not known; return their tokens."""
        if doors.desk is None or doors.database is None:
            return ()
        source, programs = doors.source, self.programs
        search = SqlDraftSearch(doors.database, source.entity, source.table_prefix)
        return adopt_drafts(self.engine, self.clock, self.rules, programs, doors.reader, search)

    def draft_door(self, doors: Doors) -> RestDrafts | None:
        """Open the way to the lines of drafts, where staff may ask on them."""
        if doors.desk is None or doors.http is None or doors.database is None:
            return None
        source = doors.source
        return RestDrafts(doors.http, doors.database, source.entity, source.table_prefix)

    def turn(self, doors: Doors) -> Turn:
        """Make the turn of one source."""
        return Turn(
            self.engine,
            self.clock,
            self.programs,
            self.showing,
            self.intakes(doors),
            self.publisher(doors),
            self.clerk(doors),
            self.till_line(doors),
            self.tier_tags(doors),
            self.automatic_vouchers(doors),
            self.code_lines(doors),
            self.bonuses(doors),
            self.standing(doors),
            self.events(doors),
            self.ticket_wishes(doors),
            Recommendations(self.engine, self.clock, self.rules),
        )

    def events(self, doors: Doors) -> Events | None:
        """Make what notes movements on customers, where that is wanted."""
        source = doors.source
        if not source.events or source.writes_by != "sql" or doors.database is None:
            return None
        door = SqlEvents(
            doors.database, source.write_user, source.entity, source.timezone, source.table_prefix
        )
        return Events(self.engine, source, self.programs, door)

    def bonuses(self, doors: Doors) -> Bonuses | None:
        """Make what gives bonuses by itself, where a program has any."""
        if not any(program.bonus for program in self.programs.values()):
            return None
        return Bonuses(
            self.engine, self.clock, doors.source, self.programs, self.rules, doors.bonus_tags
        )

    def code_lines(self, doors: Doors) -> CodeLines | None:
        """Make what answers codes on drafts, where they can be seen and answered."""
        if doors.codes is None:
            return None
        return CodeLines(self.engine, self.clock, doors.source, doors.reader, doors.codes)

    def ticket_wishes(self, doors: Doors) -> TicketWishes | None:
        """Make what obeys cashiers on open tickets, where staff may ask on drafts."""
        drafts = self.drafts(doors)
        if drafts is None or doors.database is None or doors.http is None:
            return None
        source = doors.source
        door = DolibarrCodes(
            source.name, doors.database, doors.http, source.entity, source.table_prefix
        )
        return TicketWishes(drafts, self.programs, door)

    def vouchers(self, doors: Doors) -> Vouchers:
        """Make what keeps codes, with the days of a source."""
        zone = ZoneInfo(doors.source.timezone)
        return Vouchers(self.engine, self.clock, zone, shows=doors.sink is not None)

    def automatic_vouchers(self, doors: Doors) -> Automatic:
        """Make what ends codes past their last day, and makes new ones where that is wanted."""
        source, wanted = doors.source, self.settings.voucher
        place = (source.name, source.entity)
        if wanted is None or wanted.automatic_points is None:
            return Automatic(self.vouchers(doors), place, source.currency)
        return Automatic(
            self.vouchers(doors),
            place,
            source.currency,
            wanted.months,
            self.pick_program(wanted.program),
            wanted.automatic_points,
        )

    def till_line(self, doors: Doors) -> TillLine | None:
        """Make what keeps a line on open tickets, where that is wanted."""
        if doors.till is None:
            return None
        drafts = self.drafts(doors) if given_articles(doors) else None
        articles = TicketArticles(drafts, self.programs) if drafts is not None else None
        return TillLine(self.engine, self.clock, doors.source, self.programs, doors.till, articles)

    def claiming(self, places: Mapping[str, Doors]) -> Claiming | None:
        """Make where receipts of these sources are claimed, ``None`` where they bear no codes."""
        if self.settings.claims is None:
            return None
        return Claiming(
            self.engine,
            self.clock,
            self.rules,
            self.settings.claims,
            {name: doors.source.entity for name, doors in places.items()},
            self._book_now,
            self._buyer_of,
        )

    def _book_now(self, key: SaleKey) -> None:
        """Book one sale as it is now."""
        doors = self.doors[key.source]
        sales = [sale for sale in doors.reader.get([key.rowid]) if not is_provisional(sale)]
        self.intake(doors, next(iter(doors.readers)), doors.reader, self.rules).take(sales)

    def _buyer_of(self, customer: CustomerKey) -> Buyer | None:
        doors = self.doors[customer.source]
        return self.buyers(doors, doors.reader, self.book).of(customer)

    def clerk(self, doors: Doors) -> Clerk | None:
        """Make who obeys the requests of staff, where they may ask."""
        if doors.desk is None:
            return None
        return Clerk(
            self.engine,
            self.clock,
            doors.source,
            self.programs,
            self.rules,
            doors.desk,
            self.drafts(doors),
            self.claiming({doors.source.name: doors}),
            self.people(doors),
        )

    def people(self, doors: Doors) -> People:
        """Make who finds the customers that staff mean."""
        return People(doors.reader, self.buyers(doors, doors.reader, self.rules.book))

    def requirements(self, source: Source) -> Requirements:
        """Say what must exist in a source."""
        return requirements(self.settings, source)

    def pick_program(self, name: str | None) -> Program:
        """Return the program of this name, or the only one. Raises ``UserError``."""
        named = [program for program in self.settings.program if name in {None, program.name}]
        if len(named) == 1:
            return named[0]
        known = ", ".join(self.programs)
        message = f"no program is named '{name}'" if name else "there are several programs"
        raise UserError(message, f"add --program with one of: {known}")

    def pick_source(self, name: str | None) -> Doors:
        """Return the source of this name, or the only one. Raises ``UserError``."""
        named = [doors for key, doors in self.doors.items() if name in {None, key}]
        if len(named) == 1:
            return named[0]
        known = ", ".join(self.doors)
        message = f"no source is named '{name}'" if name else "there are several sources"
        raise UserError(message, f"add --source with one of: {known}")

    def find_customer(self, doors: Doors, text: str) -> Customer:
        """Find the one customer meant by an id, card number, code or e-mail.

        Raises ``NotFound`` for none, ``UserError`` when several bear it.
        """
        found = doors.reader.find_customer(text)
        if not found:
            message = f"no customer has the id, card number, code or e-mail '{text}'"
            raise NotFound(message, "look it up on the customer card in Dolibarr")
        if len(found) > 1:
            ids = ", ".join(str(customer.key.rowid) for customer in found)
            message = f"'{text}' fits several customers: {ids}"
            raise UserError(message, "give the id of the one you mean")
        return found[0]

    def customer_name(self, key: CustomerKey) -> str:
        """Return a customer's name, empty when the customer is gone."""
        found = self.doors[key.source].reader.customers([key.rowid]).get(key.rowid)
        return found.name if found else ""

    def close(self) -> None:
        """Let go of all connections."""
        if "doors" in self.__dict__:
            for doors in self.doors.values():
                doors.close()
        if "raw_engine" in self.__dict__:
            self.raw_engine.dispose()


@contextmanager
def alone(house: House, what: str) -> Iterator[None]:
    """Hold the ledger's lock file, so that daemon, cron and backfill do not fight over SQLite.

    Raises ``UserError`` when another dolisync holds it.
    """
    path = house.raw_engine.url.database
    if house.raw_engine.dialect.name != "sqlite" or not path or path == ":memory:":
        yield
        return
    with Path(f"{path}.lock").open("a+", encoding="ascii") as lock:
        _take(lock, what)
        yield


def _take(lock: IO[str], what: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "another dolisync"
        message = f"{holder} is at work on this ledger"
        raise UserError(
            message, "wait for it to end, or stop it: systemctl stop dolisync"
        ) from None
    lock.truncate(0)
    lock.write(what)
    lock.flush()
