"""init, check, setup, config: from nothing to a Dolibarr that is fit to be read and written."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import BaseModel, TypeAdapter, ValidationError

from commands import terminal
from commands.house import Doors, House, buyer_question, product_fields
from commands.options import Day, json_option, pass_house, source_option
from commands.pages import page_findings
from commands.printing import printing_findings
from commands.shops import program_of, shops
from connectors import dolibarr_setup
from connectors.dolibarr_check import check as check_dolibarr
from connectors.receipts import ReceiptRenderer
from dolisync.config import Secret, Settings, Source, parse
from dolisync.errors import ConfigError, DolisyncError, RefusedError, UserError
from dolisync.example import example, render
from dolisync.ledger import schema
from dolisync.ledger.engine import reading
from dolisync.ledger.outbox import counts as outbox_counts
from dolisync.ledger.views import count_rows
from dolisync.phrases import LANGUAGES, phrase
from dolisync.ports import FieldSpec, Finding, Requirements, SetupStep
from dolisync.program.terms import AmountTerms, Program, RewardTerms
from dolisync.sync.deliveries import are_followed
from dolisync.sync.turn import recognise

EXIT_ERROR = 1
SECRET_PLACES = ("env", "file", "credential")
ZONES = Path("/usr/share/zoneinfo")
SERVICE_FOLDER = Path("/var/lib/dolisync")
_REWARD_TITLES = {
    "en": "Loyalty discount",
    "fr": "Remise fidélité",
    "it": "Sconto fedeltà",
    "de": "Treuerabatt",
    "es": "Descuento de fidelidad",
}


# --- init ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """What is known before anything is asked: the options given on the command line."""

    given: dict[str, Any]
    interactive: bool

    def of(self, name: str, question: str, default: Any, kind: Any = None) -> Any:
        """Return what was given, or ask, or take the default where nobody can be asked."""
        value = self.given[name]
        if value is not None:
            return value
        if not self.interactive:
            return kind.convert(default, None, None) if kind is not None else default
        return click.prompt(question, default=default, type=kind, err=True)

    def secret(self, name: str, question: str, default: str) -> dict[str, str] | None:
        """Return where a secret is: given by option, or asked for as "env NAME", "file PATH"..."""
        named = {place: self.given[f"{name}_{place}"] for place in SECRET_PLACES}
        found = {place: value for place, value in named.items() if value is not None}
        if len(found) > 1:
            message = f"the place of the {name.replace('_', ' ')} is given twice"
            raise UserError(message, "name one place: env, file or credential")
        if not found and self.interactive:
            found = click.prompt(question, default=default, type=_SecretPlace(), err=True)
        # The service runs in another folder than the one where this was typed.
        return {p: str(Path(v).absolute()) if p == "file" else v for p, v in found.items()} or None


class _Field(click.ParamType[Any]):
    """What may be written for an option of config.toml, checked when it is typed."""

    def __init__(self, model: type[BaseModel], name: str, *, may_be_empty: bool = False) -> None:
        field = model.model_fields[name]
        self.name = name
        self.description = (field.description or "").rstrip(".")
        self.may_be_empty = may_be_empty
        checked: Any = field.annotation
        for check in field.metadata:
            checked = Annotated[checked, check]
        self.adapter = TypeAdapter(checked)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the value as the configuration does."""
        if value == "" and self.may_be_empty:
            return value
        is_decimal_comma = isinstance(value, str) and re.fullmatch(r"\d+,\d+", value)
        try:
            return self.adapter.validate_python(
                value.replace(",", ".") if is_decimal_comma else value
            )
        except ValidationError:
            self.fail(f"'{value}' does not hold. {self.description}", param, ctx)


class _SecretPlace(click.ParamType[dict[str, str]]):
    name = "place"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        """Read "env NAME", "file PATH", "credential NAME" or "none"."""
        if isinstance(value, dict):
            return value
        place, _, rest = value.strip().partition(" ")
        if place in {"", "none"}:
            return {}
        if place not in SECRET_PLACES or not rest.strip():
            self.fail("write: env NAME, file PATH or credential NAME", param, ctx)
        return {place: rest.strip()}


URL = _Field(Source, "url", may_be_empty=True)
ZONE = _Field(Source, "timezone")
CURRENCY = _Field(Source, "currency")
TITLE = _Field(Program, "title")
POINTS = _Field(AmountTerms, "points")
STEP = _Field(AmountTerms, "per")
MONTHS = click.IntRange(0, 1200)
COST = click.IntRange(0, 1_000_000)
AMOUNT = _Field(RewardTerms, "amount")
TAX_RATE = _Field(RewardTerms, "tax_rate")


def _secret_options(name: str, what: str) -> Callable[[Any], Any]:
    """Add --NAME-env, --NAME-file and --NAME-credential."""

    def add(command: Any) -> Any:
        for place, words in (
            ("credential", "Systemd credential"),
            ("file", "File"),
            ("env", "Environment variable"),
        ):
            help_text = f"{words} that holds {what}."
            command = click.option(f"--{name}-{place}", metavar="NAME", help=help_text)(command)
        return command

    return add


@click.command()
@click.option("--url", type=URL, help="Address of Dolibarr, as in the browser.")
@_secret_options("api-key", "the API key")
@_secret_options("database-url", "the address of Dolibarr's database")
@click.option(
    "--source-name",
    type=_Field(Source, "name"),
    default="shop",
    show_default=True,
    help="Short name of the source.",
)
@click.option("--timezone", type=ZONE, help="Time zone of shop and server, such as Europe/Rome.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Language on customer cards.")
@click.option("--currency", type=CURRENCY, help="The company's currency, such as EUR.")
@click.option("--ledger", help="File of the ledger, or address of a database for it.")
@click.option("--program-start", type=Day(), help="First day on which sales earn.")
@click.option("--title", type=TITLE, help="What customers read on receipts.")
@click.option("--points", type=POINTS, help="Points for each step of the amount.")
@click.option("--per", type=STEP, help="The step of the amount that earns, such as 1 or 10.")
@click.option("--months", type=MONTHS, help="Months that points live; 0: for ever.")
@click.option("--reward-points", type=COST, help="What a reward costs; 0: no reward yet.")
@click.option("--reward-amount", type=AMOUNT, help="What a reward is worth, such as 5 or 7.50.")
@click.option("--tax-rate", type=TAX_RATE, help="VAT rate of the reward in percent.")
@click.option(
    "--pos-customer",
    "pos_customers",
    type=int,
    multiple=True,
    metavar="ID",
    help="Default customer of a till; may be given several times.",
)
@click.option("--shop-name", help="Head of receipts.")
@click.option(
    "--program",
    "shop",
    type=click.Choice(shops()),
    metavar="SHOP",
    help=f"Write a complete program for a kind of shop instead: {', '.join(shops())}.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@json_option
@pass_house
def init(house: House, /, *, force: bool, as_json: bool, shop: str | None, **given: Any) -> None:
    """Write a first configuration.

    Asks for what is not given by options; without a terminal the defaults are taken. The file is
    commented, can be read by you alone, and holds no secret: it names where secrets are.

    \b
    Example:
      dolisync --config config.toml init
      dolisync --config config.toml init --url https://erp.example.org \\
        --api-key-env DOLIBARR_API_KEY --timezone Europe/Rome --language it
      dolisync --config config.toml init --program bakery
    """
    path = house.path
    if path.exists() and not force:
        message = f"{path} is there already"
        raise UserError(message, "edit it, or add --force to overwrite it")
    if not path.absolute().parent.is_dir():
        message = f"the folder {path.absolute().parent} does not exist"
        raise UserError(message, f"mkdir -p {path.absolute().parent}")
    if shop is None:
        answers = Answers(given, interactive=sys.stdin.isatty() and not as_json)
        text = render(_values(answers, path))
    else:
        text = _copied(shop, given, path)
    settings = parse(text, path.name)
    _write_private(path, text)
    steps = _next_steps(path, settings)
    if shop is not None:
        steps = [f"edit {path}: the address, time zone and start; then", *steps]
    if as_json:
        terminal.show_json({"path": str(path.absolute()), "next": steps})
        return
    zone, start = settings.source[0].timezone, settings.program[0].start
    click.echo(f"written: {path} (only you can read it); time zone {zone}, sales from {start} on.")
    click.echo("Next:")
    for step in steps:
        click.echo(f"  {step}")


def _copied(shop: str, given: dict[str, Any], path: Path) -> str:
    """Return a shop's whole program. Raises ``UserError`` where options ask for another one."""
    ledger = given.pop("ledger") or str(_default_ledger(path))
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    others = [name for name in given if context.get_parameter_source(name) is not default]
    if others:
        option = f"--{others[0].rstrip('s') if others[0] == 'pos_customers' else others[0]}"
        message = f"--program writes a whole file, in which {option.replace('_', '-')} has no place"
        raise UserError(message, "leave it out, and set it in the file afterwards")
    return program_of(shop, _ledger_url(ledger))


def _values(answers: Answers, path: Path) -> dict[str, Any]:
    source = _source_values(answers)
    language = source["language"]
    ledger = _ledger_url(answers.of("ledger", "File of the ledger", str(_default_ledger(path))))
    shop_name = answers.of("shop_name", "Name of the shop on receipts (may be empty)", "")
    return {
        "ledger": {"url": ledger},
        "source": [source],
        "program": [_program_values(answers, source["timezone"], language)],
        "receipts": {"shop_name": shop_name},
    }


def _source_values(answers: Answers) -> dict[str, Any]:
    url = answers.of("url", "Address of Dolibarr (empty: read its database only)", "", URL)
    api_key = None
    if url:
        question = "Where is the API key? env NAME, file PATH or credential NAME"
        api_key = answers.secret("api_key", question, "env DOLIBARR_API_KEY")
    question = "Where is the address of its database? env NAME, file PATH, credential NAME or none"
    database_url = answers.secret("database_url", question, "none" if url else "env DATABASE_URL")
    if not database_url and not (url and api_key):
        message = "it is not said how Dolibarr is reached"
        raise UserError(
            message,
            "add --url and --api-key-env, or --database-url-env, or both (-file, -credential)",
        )
    zone = answers.of("timezone", "Time zone of shop and server", _local_timezone(), ZONE)
    values = {
        "name": answers.given["source_name"],
        "url": url,
        "api_key": api_key,
        "database_url": database_url,
        "timezone": zone,
        "language": answers.of(
            "language", "Language on customer cards", "en", click.Choice(LANGUAGES)
        ),
        "currency": answers.of("currency", "Currency", "EUR", CURRENCY),
        "pos_customers": answers.given["pos_customers"],
    }
    return {key: value for key, value in values.items() if value}


def _program_values(answers: Answers, zone: str, language: str) -> dict[str, Any]:
    year = date.today().year  # noqa: DTZ011 - the day where the shopkeeper sits
    start = answers.of("program_start", "First day on which sales earn", date(year, 1, 1), Day())
    title = answers.of("title", "What customers read", phrase(language, "balance"), TITLE)
    points = answers.of("points", "Points for each step", 1, POINTS)
    per = answers.of("per", "The step, in currency", "1", STEP)
    months = answers.of("months", "Months that points live (0: for ever)", 12, MONTHS)
    values: dict[str, Any] = {
        "name": "loyalty",
        "title": title,
        "start": start,
        "timezone": zone,
        "earn": {"moment": "paid", "amount": {"points": points, "per": per}},
    }
    if months:
        values["validity"] = {"months": months}
    reward = _reward_values(answers, language)
    return {**values, "reward": [reward]} if reward else values


def _reward_values(answers: Answers, language: str) -> dict[str, Any] | None:
    points = answers.of("reward_points", "Points that a reward costs (0: none yet)", 100, COST)
    if not points:
        return None
    amount = answers.of("reward_amount", "What it is worth, in currency", "5", AMOUNT)
    rate = answers.of("tax_rate", "VAT rate of most of what you sell, in percent", "20", TAX_RATE)
    return {
        "name": "discount",
        "title": _REWARD_TITLES[language],
        "points": points,
        "amount": amount,
        "tax_rate": rate,
    }


def _local_timezone() -> str:
    """Return the machine's time zone by name; Paris where it has none."""
    try:
        return str(Path("/etc/localtime").resolve().relative_to(ZONES))
    except ValueError:
        return "Europe/Paris"


def _default_ledger(path: Path) -> Path:
    """Choose the service's folder where it exists, else the folder of the configuration."""
    folder = SERVICE_FOLDER if SERVICE_FOLDER.is_dir() else path.absolute().parent
    return folder / "ledger.db"


def _ledger_url(text: str) -> str:
    return text if "://" in text else f"sqlite:///{Path(text).absolute()}"


def _write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    partial.replace(path)


def _next_steps(path: Path, settings: Settings) -> list[str]:
    steps = [
        f"export {secret.env}=...   # {place}"
        for place, secret in settings.secrets()
        if secret.env is not None and secret.env not in os.environ
    ]
    call = f"dolisync --config {path}"
    return [*steps, f"{call} check", f"{call} setup", f"{call} db upgrade", f"{call} sync"]


# --- check ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Section:
    """What was found about one thing: the machine itself, or one Dolibarr."""

    name: str
    findings: Sequence[Finding]


@click.command()
@json_option
@pass_house
def check(house: House, *, as_json: bool) -> int:
    """Prove that everything is fit, or say what to mend.

    Configuration, ledger, and each Dolibarr: rights, clocks, time zones, fields, grants. Nothing
    is changed. The exit code is 1 when there is an error; warnings do not count.

    \b
    Example:
      dolisync check
    """
    sections = []
    for section in _sections(house):
        sections.append(section)
        if not as_json:
            _show_section(section)
    levels = [finding.level for section in sections for finding in section.findings]
    if as_json:
        terminal.show_json(
            {
                "fit": "error" not in levels,
                "findings": [
                    {
                        "about": section.name,
                        "level": finding.level,
                        "topic": finding.topic,
                        "message": finding.message,
                        "remedy": finding.remedy,
                    }
                    for section in sections
                    for finding in section.findings
                ],
            }
        )
    else:
        click.echo(_verdict(levels))
    return EXIT_ERROR if "error" in levels else 0


def _verdict(levels: Sequence[str]) -> str:
    errors, warnings = levels.count("error"), levels.count("warning")
    if not errors and not warnings:
        return f"all is well: {len(levels)} things looked at"
    plural = "" if warnings == 1 else "s"
    told = f"{warnings} warning{plural}"
    if errors:
        told = f"{errors} error{'' if errors == 1 else 's'}, {told}"
    return f"{told}; {levels.count('ok')} of {len(levels)} looks found all well"


def _sections(house: House) -> Iterator[Section]:
    try:
        settings = house.settings
    except UserError as error:
        yield Section("dolisync", _config_findings(error))
        return
    yield Section("dolisync", [*_settings_findings(house), *_ledger_findings(house)])
    for source in settings.source:
        yield Section(source.name, list(_source_findings(house, house.doors[source.name])))
    if settings.print_server is not None:
        yield Section("print server", list(printing_findings(house)))
    if settings.page.url is not None:
        yield Section("page", list(page_findings(house)))


def _config_findings(error: UserError) -> list[Finding]:
    problems = error.problems if isinstance(error, ConfigError) else (str(error),)
    return [Finding("error", "config", problem, error.remedy) for problem in problems]


def _settings_findings(house: House) -> Iterator[Finding]:
    settings = house.settings
    names = [*(source.name for source in settings.source), *house.programs]
    yield Finding("ok", "config", f"{house.path.name} holds: {', '.join(names)}")
    for place, secret in settings.secrets():
        yield from _secret_findings(place, secret)
    for program in settings.program:
        earn = program.earn
        parts = (earn.amount, earn.product, earn.visit, earn.band)
        if not any(parts):
            message = f"the program '{program.name}' earns nothing"
            remedy = "add [program.earn.amount], .product, .visit or [[program.earn.band]]"
            yield Finding("warning", "program", message, remedy)
    try:
        ReceiptRenderer(settings.receipts.templates)
    except UserError as error:
        yield Finding("error", "receipts", str(error), error.remedy)


def _secret_findings(place: str, secret: Secret) -> Iterator[Finding]:
    try:
        secret.reveal()
    except UserError as error:
        yield Finding("error", "secret", f"{place}: {error}", error.remedy)


def _ledger_findings(house: House) -> Iterator[Finding]:
    try:
        schema.require_current(house.raw_engine)
        with house.raw_engine.begin():
            # To begin writing is enough to know that it can be done.
            pass
    except UserError as error:
        yield Finding("error", "ledger", str(error), error.remedy)
        return
    except Exception as error:
        cause = " ".join(str(getattr(error, "orig", None) or error).split())
        remedy = "check [ledger] url, the disk and the account's rights"
        yield Finding("error", "ledger", f"the ledger does not work: {cause}", remedy)
        return
    with reading(house.raw_engine) as connection:
        rows, waiting = count_rows(connection), outbox_counts(connection)
    yield Finding("ok", "ledger", f"the ledger can be written; it knows {rows['sale']} sales")
    if rows["parked"]:
        message = f"{rows['parked']} sales could not be taken in; they are tried every night"
        yield Finding("warning", "parked", message, "dolisync explain says why, for each of them")
    if waiting.get("dead"):
        message = f"{waiting['dead']} rows were refused by Dolibarr and wait for a person"
        yield Finding("warning", "outbox", message, "dolisync outbox list --state dead")


def _source_findings(house: House, doors: Doors) -> Iterator[Finding]:
    source = doors.source
    try:
        found = check_dolibarr(
            doors.http,
            doors.database,
            needed(house, doors),
            house.clock.now(),
            entity=source.entity,
            timezone=source.timezone,
            database_timezone=source.database_timezone,
            table_prefix=source.table_prefix,
            pos_customers=source.pos_customers,
            fk_user=source.write_user if source.writes_by == "sql" else None,
            product_fields=product_fields(house.settings.program),
            buyers=buyer_question(doors),
            request_groups=source.request_groups if doors.desk else (),
            tags_by=source.writes_by if doors.tags else None,
            warehouses_by=doors.source.reads_by if _warehouses_named(doors) else (),
            deliveries_by=doors.source.reads_by if _waits_for_deliveries(doors) else (),
            notes_events=source.events and source.writes_by == "sql",
            sets_percentages=_gives_percentages(doors) and source.writes_by == "sql",
        )
        yield from map(_weighed, found)
        if not source.pos_customers and not any(one.topic == "pos customer" for one in found):
            message = "no default customer of a till is configured, and none can be seen from here"
            remedy = "where TakePOS is used: pos_customers = [id] (TakePOS > Setup > Terminal)"
            yield Finding("warning", "pos customer", message, remedy)
        yield from _tag_findings(doors)
        yield from _warehouse_findings(doors)
        yield from _gift_card_findings(doors)
        yield from _buyer_findings(doors)
        yield from _campaign_findings(doors)
        yield from _referral_findings(doors)
        yield from _standing_findings(doors)
        yield from _writing_findings(doors)
        yield from _request_findings(doors)
        yield from _till_findings(doors)
        yield from _draft_findings(house, doors)
        yield from _reward_findings(house, doors)
        yield from _code_findings(doors)
        yield from _identity_findings(house, doors)
    except UserError as error:
        yield Finding("error", "source", str(error), error.remedy)
    except DolisyncError:
        # What does not answer was reported above, by the look that met it first.
        return


def _warehouses_named(doors: Doors) -> set[str]:
    mine = (program for program in doors.programs if program.takes(doors.source.name))
    return {name for program in mine for name in program.warehouses_named}


def _warehouse_findings(doors: Doors) -> Iterator[Finding]:
    """Look whether the warehouses that the programs name are there: a wrong one fits nothing."""
    named = _warehouses_named(doors)
    if not named:
        return
    try:
        known = {name.casefold() for name in doors.reader.warehouse_names()}
    except RefusedError:
        # Which right is missing was said above.
        return
    missing = sorted(name for name in named if name.strip().casefold() not in known)
    if not missing:
        message = f"all {len(named)} warehouses that the programs name exist"
        yield Finding("ok", "warehouses", message)
    for name in missing:
        message = f"there is no warehouse '{name}' in Dolibarr: no sale is from there"
        remedy = "write its name (its reference) as in Dolibarr under Products > Warehouses"
        yield Finding("error", "warehouses", message, remedy)


def _waits_for_deliveries(doors: Doors) -> bool:
    return are_followed(doors.programs, doors.source.name)


def _gives_percentages(doors: Doors) -> bool:
    mine = (program for program in doors.programs if program.takes(doors.source.name))
    return any(program.gives_standing_discounts for program in mine)


def _standing_findings(doors: Doors) -> Iterator[Finding]:
    """Say where tiers' percentages cannot be set."""
    if _gives_percentages(doors) and doors.source.writes_by != "sql":
        message = "standing discounts of tiers cannot be set: REST answers, and changes nothing"
        yield Finding(
            "error", "tiers", message, "give the source a database_url, or leave them out"
        )


def _tag_findings(doors: Doors) -> Iterator[Finding]:
    """Look whether the tags that the programs name are there: a wrong one fits nothing."""
    mine = [program for program in doors.programs if program.takes(doors.source.name)]
    of_products = {tag for p in mine for chosen in p.article_selections for tag in chosen.tags}
    if of_products:
        yield from _missing_tags("product", of_products, doors.reader.product_tags)
    of_customers = {tag for p in mine for chosen in p.customer_selections for tag in chosen.tags}
    if of_customers:
        yield from _missing_tags("customer", of_customers, doors.reader.customer_tags)


def _gift_card_findings(doors: Doors) -> Iterator[Finding]:
    """Look whether the product that is sold as a gift card is there."""
    if doors.gift_card is None:
        return
    try:
        is_there = doors.reader.has_product(doors.gift_card)
    except RefusedError as error:
        remedy = "give the user of the key the right to read products (31)"
        yield Finding("error", "gift cards", str(error), remedy)
        return
    if is_there:
        message = f"the product '{doors.gift_card}' is sold as a gift card"
        yield Finding("ok", "gift cards", message)
    else:
        message = f"no product has the reference '{doors.gift_card}': no gift card can be sold"
        remedy = "make it in Dolibarr: a service without VAT, its price what is on the card"
        yield Finding("error", "gift cards", message, remedy)


def _reward_findings(house: House, doors: Doors) -> Iterator[Finding]:
    """Look whether rewards that are had on drafts can be, and whether their articles are there."""
    mine = [program for program in doors.programs if program.takes(doors.source.name)]
    on_drafts = [reward for p in mine for reward in p.reward if not reward.is_on_card]
    if on_drafts and house.drafts(doors) is None:
        titles = ", ".join(f"'{reward.title}'" for reward in on_drafts)
        remedy = "set staff_requests = true, and name url with api_key, and database_url"
        yield Finding("error", "rewards", f"nobody can have {titles}: not on the card", remedy)
    for reward in on_drafts:
        if reward.product is not None and not doors.reader.has_product(reward.product):
            message = f"no product has the reference '{reward.product}' of '{reward.title}'"
            remedy = "write it as on the product card in Dolibarr, or make it there"
            yield Finding("error", "rewards", message, remedy)


def _missing_tags(
    what: str, named: set[str], there: Callable[[], frozenset[str]]
) -> Iterator[Finding]:
    try:
        known = {label.casefold() for label in there()}
    except RefusedError as error:
        remedy = "give the user of the key the right to read tags/categories (241)"
        yield Finding("error", f"{what} tags", str(error), remedy)
        return
    missing = sorted(tag for tag in named if tag.casefold() not in known)
    if not missing:
        message = f"all {len(named)} tags that the programs name exist"
        yield Finding("ok", f"{what} tags", message)
    for tag in missing:
        message = f"no {what} has the tag '{tag}': there is none of that name in Dolibarr"
        remedy = f"write it as in Dolibarr under {_TAG_PAGES[what]} > Tags, or make it there"
        yield Finding("error", f"{what} tags", message, remedy)


_TAG_PAGES = {"product": "Products", "customer": "Third parties"}


def _buyer_findings(doors: Doors) -> Iterator[Finding]:
    """Look whether the customer cards can be read as far as the programs ask."""
    question = buyer_question(doors)
    for door, reader in doors.readers.items():
        for gap in reader.buyer_gaps(question):
            remedy = "make the field in Dolibarr, read by sql, or leave it out of the program"
            yield Finding("error", "customers", f"by {door}: {gap}", remedy)


def _campaign_findings(doors: Doors) -> Iterator[Finding]:
    """Look for campaigns that change nothing."""
    for program in doors.programs:
        for campaign in program.campaign:
            if not campaign.gives_anything and not campaign.is_badge_only:
                message = f"the campaign '{campaign.name}' of {program.name} gives nothing"
                remedy = "set multiply or bonus, or a challenge with a badge"
                yield Finding("warning", "campaigns", message, remedy)


def _referral_findings(doors: Doors) -> Iterator[Finding]:
    """Say how recommendations are noted where staff have no field for it."""
    if doors.desk is None and any(program.referral for program in doors.programs):
        message = "who recommended whom is noted by dolisync refer only: there is no field for it"
        yield Finding("ok", "recommendations", message)


def _weighed(finding: Finding) -> Finding:
    """Call a missing payment mode a warning: only paying with points waits for it."""
    if finding.topic == "payment mode" and finding.level == "error":
        remedy = "dolisync setup, or dolisync setup --sql for a person to run"
        return replace(finding, level="warning", remedy=remedy)
    return finding


def needed(house: House, doors: Doors) -> Requirements:
    """Say what must exist in a source, as far as it is written there."""
    everything = house.requirements(doors.source)

    def is_used(spec: FieldSpec) -> bool:
        if doors.source.writes_by is None:
            return spec.element == "product"
        return doors.source.writes_by == "sql" or spec.element != "sale"

    fields = tuple(spec for spec in everything.fields if is_used(spec))
    modes = everything.payment_modes if doors.source.writes_by else ()
    return replace(everything, fields=fields, payment_modes=modes)


def _writing_findings(doors: Doors) -> Iterator[Finding]:
    if doors.sink is None:
        message = 'nothing is written here (write = "nothing")'
        yield Finding("ok", "writing", message)
        return
    for reason in doors.sink.abilities().reasons:
        remedy = "name database_url as well, or do without"
        yield Finding("warning", "writing", reason, remedy)


def _request_findings(doors: Doors) -> Iterator[Finding]:
    if doors.source.staff_requests and doors.desk is None:
        message = (
            "staff may ask on cards, and nobody hears them: by REST a card is written back whole,"
            " and a request that is edited meanwhile would be lost"
        )
        yield Finding("warning", "staff", message, 'name database_url, and write = "sql"')


def _till_findings(doors: Doors) -> Iterator[Finding]:
    if doors.till is None:
        return
    if not doors.till.may_write():
        remedy = "give the user of api_key the right to create and modify invoices (12)"
        yield Finding("error", "till", "the line on open tickets cannot be written", remedy)
    elif not doors.source.pos_customers:
        message = "without pos_customers each ticket gets a line, also of nobody"
        yield Finding("warning", "till", message, "name TakePOS's default customers")
    else:
        yield Finding("ok", "till", "open tickets of known customers show what they have")


def _draft_findings(house: House, doors: Doors) -> Iterator[Finding]:
    """Look whether points can be taken off drafts, where staff may ask for it."""
    drafts = house.draft_door(doors)
    if drafts is None:
        return
    if drafts.may_write():
        yield Finding("ok", "drafts", "points can be taken off drafts")
        return
    message = "points cannot be taken off drafts: the key may not write invoices"
    remedy = "give the user of api_key the right to create and modify invoices (12)"
    yield Finding("warning", "drafts", message, remedy)


def _code_findings(doors: Doors) -> Iterator[Finding]:
    """Look whether codes that are typed on drafts can be answered there."""
    if not doors.with_codes or doors.sink is None:
        return
    if doors.codes is None:
        message = "codes on drafts are not seen: that needs url with api_key, and database_url"
        yield Finding("warning", "codes", message, "name both doors; dolisync voucher use works")
    elif not doors.codes.may_write():
        remedy = "give the user of api_key the right to create and modify invoices (12)"
        yield Finding("error", "codes", "codes on drafts cannot be answered", remedy)
    else:
        yield Finding("ok", "codes", "codes are used where they are typed: tickets and drafts")


def _identity_findings(house: House, doors: Doors) -> Iterator[Finding]:
    """Compare with the Dolibarr whose sales the ledger holds, where it holds any."""
    if schema.state_of(house.raw_engine) is schema.State.CURRENT:
        recognise(house.engine, doors.reader)
        yield Finding("ok", "identity", "it is the one that the ledger knows, or new to it")


_SYMBOLS = {"ok": ("✓", "+", "green"), "warning": ("!", "!", "yellow"), "error": ("✗", "x", "red")}


def _show_section(section: Section) -> None:
    click.echo(section.name)
    width = max((len(finding.topic) for finding in section.findings), default=0)
    for finding in section.findings:
        mark = f"{_symbol(finding.level)} {finding.topic:<{width}} "
        terminal.show_item(finding.message, indent=2, mark=mark)
        if finding.remedy:
            terminal.show_item(finding.remedy, indent=4 + width, mark="->")
    click.echo()


def _symbol(level: str) -> str:
    pretty, plain, color = _SYMBOLS[level]
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    return click.style(pretty if encoding.startswith("utf") else plain, fg=color)


# --- setup ---------------------------------------------------------------------------------------


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be done and stop.")
@click.option("--yes", is_flag=True, help="Do not ask after the plan.")
@click.option("--sql", "as_sql", is_flag=True, help="Print only the SQL that is left to a person.")
@click.option(
    "--terminal",
    "terminals",
    multiple=True,
    default=("1",),
    show_default=True,
    help="Number of a till of TakePOS; may be given several times.",
)
@click.option("--bank-account", type=int, help="Id of the bank account for payments with points.")
@source_option
@json_option
@pass_house
def setup(
    house: House,
    terminals: tuple[str, ...],
    bank_account: int | None,
    source_name: str | None,
    *,
    dry_run: bool,
    yes: bool,
    as_sql: bool,
    as_json: bool,
) -> int:
    """Make in Dolibarr what dolisync needs there.

    Extra fields and the payment mode for points. First the plan, then the acts; what exists is
    left alone, so it can be repeated. What neither key nor account may do is left to a person:
    --sql prints it.

    \b
    Example:
      dolisync setup --dry-run
      dolisync setup --sql | mariadb dolibarr
    """
    doors = house.pick_source(source_name)
    work = _SetupWork(house, doors, terminals, bank_account)
    steps = work.plan()
    if as_sql:
        for step in steps:
            if step.state == "manual" and step.statement:
                click.echo(step.statement)
        return 0
    if _is_planned(steps) and not dry_run:
        if not (yes or as_json):
            _show_steps(doors, steps)
            click.confirm("Go on?", abort=True)
        steps = work.apply()
    if as_json:
        terminal.show_json({"source": doors.source.name, "steps": [_step_json(s) for s in steps]})
    else:
        _show_steps(doors, steps)
    return EXIT_ERROR if any(step.state == "failed" for step in steps) else 0


@dataclass(frozen=True)
class _SetupWork:
    house: House
    doors: Doors
    terminals: tuple[str, ...]
    bank_account: int | None

    def plan(self) -> tuple[SetupStep, ...]:
        """Look at what is there."""
        return dolibarr_setup.plan(*self._where(), **self._how())

    def apply(self) -> tuple[SetupStep, ...]:
        """Make what is missing."""
        return dolibarr_setup.apply(*self._where(), **self._how())

    def _where(self) -> tuple[Any, ...]:
        return self.house.requirements(self.doors.source), self.doors.http, self.doors.database

    def _how(self) -> dict[str, Any]:
        return {
            "entity": self.doors.source.entity,
            "table_prefix": self.doors.source.table_prefix,
            "terminals": self.terminals,
            "bank_account": self.bank_account,
        }


def _is_planned(steps: Sequence[SetupStep]) -> bool:
    return any(step.state == "planned" for step in steps)


def _step_json(step: SetupStep) -> dict[str, object]:
    return {
        "what": step.what,
        "state": step.state,
        "statement": step.statement,
        "reason": step.reason,
    }


def _show_steps(doors: Doors, steps: Sequence[SetupStep]) -> None:
    click.echo(doors.source.name)
    for step in steps:
        terminal.show_item(step.what, indent=2, mark=f"{step.state:<8}")
        if step.reason:
            terminal.show_item(step.reason, indent=11, mark="->")
    states = [step.state for step in steps]
    told = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    click.echo(f"{', '.join(told)}\n")
    if "manual" in states:
        click.echo("What is left to a person: dolisync setup --sql prints the statements.\n")


# --- config --------------------------------------------------------------------------------------


@click.group()
def config() -> None:
    """Show what can stand in config.toml.

    \b
    Example:
      dolisync config example
    """


@config.command("example")
def show_example() -> None:
    """Print config.example.toml.

    \b
    Example:
      dolisync config example > config.toml
    """
    click.echo(example(), nl=False)
