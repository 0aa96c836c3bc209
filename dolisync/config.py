"""config.toml: one set of models validates it, explains it and writes its example.

Secrets are named, not written: by systemd credential, file or environment variable. A literal
secret is accepted only in a file that nobody else can read.
"""

from __future__ import annotations

import enum
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from dolisync.errors import ConfigError, UserError
from dolisync.printing import ListenAddress, PrintServerSettings, PublicAddress
from dolisync.problems import describe
from dolisync.program.campaign_terms import Birthday
from dolisync.program.paying import pays, rewards
from dolisync.program.section import Name, Section, TimezoneName
from dolisync.program.terms import Program
from dolisync.vouchers import GiftCardSettings, VoucherSettings

_CREDENTIAL_NAME = re.compile(r"^[\w.-]+$")
# Before the host, where a password may hold a slash, or among the options after the database.
_PASSWORD_IN_URL = re.compile(r"://[^/@:]*:[^@]+@|[?&]passw(or)?d=")


class Secret(BaseModel):
    """A secret by reference: { credential = ".." }, { file = ".." } or { env = ".." }."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    credential: str | None = None
    file: Path | None = None
    env: str | None = None
    literal: SecretStr | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"literal": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [way for way in (self.credential, self.file, self.env, self.literal) if way]
        if len(ways) != 1:
            message = 'name one place: { credential = "x" }, { file = "/path" } or { env = "X" }'
            raise ValueError(message)
        if self.credential and not _CREDENTIAL_NAME.match(self.credential):
            message = "a credential's name has letters, digits, dot, dash and underscore only"
            raise ValueError(message)
        return self

    @property
    def is_bare(self) -> bool:
        """Tell whether the secret itself stands in the file; a URL without password is none."""
        if self.literal is None:
            return False
        text = self.literal.get_secret_value()
        return "://" not in text or bool(_PASSWORD_IN_URL.search(text))

    def reveal(self, environment: Mapping[str, str] | None = None) -> str:
        """Return the secret. Raises ``UserError`` naming the place where it was looked for."""
        environment = os.environ if environment is None else environment
        if self.literal is not None:
            return self.literal.get_secret_value()
        if self.env is not None:
            return _from_environment(self.env, environment)
        if self.file is not None:
            return _from_file(self.file, f"file {self.file}")
        return _from_credential(str(self.credential), environment)


def _from_environment(name: str, environment: Mapping[str, str]) -> str:
    if not environment.get(name):
        message = f"the environment variable {name} is not set"
        raise UserError(message, f"set {name}, or name another place in config.toml")
    return environment[name]


def _from_file(path: Path, what: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        message = f"the secret in {what} cannot be read: {reason}"
        raise UserError(message, "check the path and who may read it") from None
    if not text:
        message = f"the secret in {what} is empty"
        raise UserError(message, "write the secret into it, on one line")
    return text


def _from_credential(name: str, environment: Mapping[str, str]) -> str:
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if not folder:
        message = f"the systemd credential '{name}' exists only inside the service"
        raise UserError(
            message,
            "for commands by hand: CREDENTIALS_DIRECTORY=/etc/dolisync/credentials dolisync ...",
        )
    return _from_file(Path(folder) / name, f"credential '{name}'")


class Reading(enum.StrEnum):
    """Which door sales are read through."""

    AUTO = "auto"
    SQL = "sql"
    REST = "rest"
    BOTH = "both"


class Writing(enum.StrEnum):
    """Which door is written through."""

    AUTO = "auto"
    SQL = "sql"
    REST = "rest"
    NOTHING = "nothing"


class LedgerSettings(Section):
    """The ledger: where points are kept. It is the truth; Dolibarr shows copies of it."""

    url: Secret = Field(
        default_factory=lambda: Secret.model_validate("sqlite:////var/lib/dolisync/ledger.db"),
        description="Where the ledger is: sqlite:////absolute/path.db, or mariadb+pymysql:// "
        "with a database of its own (with a password in it, name a secret as below).",
    )


CardField = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Source(Section):
    """One Dolibarr. Either door is enough; the database is some forty times faster to read."""

    name: Name = Field("shop", description="A short name that never changes: the ledger's key.")
    url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] | None = Field(
        None, description="Address of Dolibarr, as in the browser, without index.php."
    )
    api_key: Secret | None = Field(
        None,
        description="API key of Dolibarr's user for dolisync: a systemd credential, a file or an "
        'environment variable: { env = "DOLIBARR_API_KEY" }.',
    )
    database_url: Secret | None = Field(
        None,
        description="Address of Dolibarr's database, with an account of its own: "
        "mariadb+pymysql://user:password@host/database, as a secret like the key.",
    )
    table_prefix: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_]{0,20}$")] = Field(
        "llx_", description="Prefix of Dolibarr's tables."
    )
    entity: Annotated[int, Field(ge=1)] = Field(
        1, description="Entity of the module Multicompany; 1 without it."
    )
    timezone: TimezoneName = Field(
        "Europe/Paris", description="PHP's time zone on the server (`dolisync check` compares it)."
    )
    database_timezone: TimezoneName | None = Field(
        None,
        description="Time zone of the database's sessions, where it is not PHP's; only reading by "
        "rest needs it.",
    )
    language: Annotated[str, Field(pattern=r"^(de|en|es|fr|it)$")] = Field(
        "en", description="Language of the texts on customer cards: de, en, es, fr or it."
    )
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(
        "EUR", description="The company's currency."
    )
    read: Reading = Field(
        Reading.AUTO,
        description="Read sales by sql, rest or both; auto takes sql where a database is named.",
    )
    write: Writing = Field(
        Writing.AUTO,
        description="Write by sql or rest; auto takes sql where a database is named; "
        "nothing shows what would happen without touching Dolibarr.",
    )
    write_user: Annotated[int, Field(ge=1)] = Field(
        1, description="Dolibarr's user (id) in whose name discounts are created."
    )
    pos_customers: tuple[int, ...] = Field(
        (),
        description="The default customers of TakePOS (ids): anonymous sales, they never earn. "
        "`dolisync check` finds them.",
    )
    points_payment_mode: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,6}$")] = Field(
        "LOY", description="Code of the payment mode that stands for points, made by setup."
    )
    birthday_field: CardField | None = Field(
        None,
        description="The extra field of the customer card with the birthday, of the type date; "
        "campaigns ask for it.",
    )
    opt_out_field: CardField | None = Field(
        None,
        description="The extra field of the customer card, a checkbox, of who wants no part: his "
        "sales earn nothing from then on.",
    )
    staff_requests: bool = Field(
        default=False,
        description="Staff ask on customer cards: points, a discount, a tier, to take part or not. "
        "`dolisync setup` makes the fields; see docs/staff.md.",
    )
    request_groups: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = Field(
        (),
        description="Only users in these groups of Dolibarr are obeyed, who they are is read from "
        "its agenda; left empty, all who may edit the card.",
    )
    events: bool = Field(
        default=False,
        description="Each movement of points also appears in the events of the customer, from the "
        "moment on in which this is switched on. Needs database_url.",
    )
    till_line: bool = Field(
        default=False,
        description="While a TakePOS ticket is open and its customer known, a line of text on it "
        "says what he has; needs both doors, and an api_key that may edit invoices.",
    )
    poll_interval_s: Annotated[float, Field(ge=0.2, le=3600)] | None = Field(
        None, description="Seconds between two looks; left out: 1 by sql, 15 by rest."
    )
    overlap_s: Annotated[int, Field(ge=60, le=86400)] = Field(
        300,
        description="Each look reads this many seconds again, so that transactions which end late "
        "are seen; more than the longest of them.",
    )
    page_size: Annotated[int, Field(ge=10, le=2000)] = Field(
        200, description="How many sales are read and booked at a time."
    )
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(
        5, description="Seconds to wait for a connection."
    )
    read_timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        30, description="Seconds to wait for an answer."
    )

    @field_validator("url")
    @classmethod
    def _bare_url(cls, url: str | None) -> str | None:
        return url and url.rstrip("/").removesuffix("/index.php").removesuffix("/api")

    @model_validator(mode="after")
    def _one_door(self) -> Self:
        if self.url is None and self.database_url is None:
            message = "give url and api_key, or database_url, or both"
            raise ValueError(message)
        if (self.url is None) != (self.api_key is None):
            message = "url and api_key belong together: one of them is missing"
            raise ValueError(message)
        self._needs("read", {Reading.SQL, Reading.BOTH}, {Reading.REST, Reading.BOTH})
        self._needs("write", {Writing.SQL}, {Writing.REST})
        if self.staff_requests and self.database_url is None:
            message = "staff_requests needs database_url: by REST no card is emptied safely"
            raise ValueError(message)
        if self.events and self.database_url is None:
            message = "events needs database_url"
            raise ValueError(message)
        if self.till_line and (self.database_url is None or self.url is None):
            message = (
                "till_line needs both doors: database_url to see tickets, url to write on them"
            )
            raise ValueError(message)
        return self

    def _needs(self, option: str, database: set[Any], api: set[Any]) -> None:
        value = getattr(self, option)
        if value in database and self.database_url is None:
            message = f'{option} = "{value}" needs database_url'
            raise ValueError(message)
        if value in api and self.url is None:
            message = f'{option} = "{value}" needs url and api_key'
            raise ValueError(message)

    @property
    def reads_by(self) -> tuple[str, ...]:
        """The doors to read through, in order: sql, rest."""
        if self.read is Reading.BOTH:
            return ("sql", "rest")
        if self.read is Reading.AUTO:
            return ("sql",) if self.database_url else ("rest",)
        return (str(self.read),)

    @property
    def writes_by(self) -> str | None:
        """The door to write through, or ``None`` when nothing is to be written."""
        if self.write is Writing.NOTHING:
            return None
        if self.write is Writing.AUTO:
            return "sql" if self.database_url else "rest"
        return str(self.write)

    @property
    def interval_s(self) -> float:
        """Seconds between two looks."""
        return self.poll_interval_s or (1.0 if self.reads_by[0] == "sql" else 15.0)


class ReceiptSettings(Section):
    """Receipts."""

    shop_name: str = Field("", description="Printed at the head of a receipt; may be empty.")
    width_mm: Annotated[int, Field(ge=58, le=80)] = Field(
        80, description="Width of the paper: 58 or 80."
    )
    templates: Path | None = Field(
        None,
        description="Folder with templates of your own; those not in it are taken from dolisync.",
    )

    @field_validator("width_mm")
    @classmethod
    def _known_width(cls, width_mm: int) -> int:
        if width_mm not in {58, 80}:
            message = "paper is 58 or 80 mm wide"
            raise ValueError(message)
        return width_mm


class ClaimSettings(Section):
    """Points for unknown customers: their receipts bear a code with which they claim them later."""

    days: Annotated[int, Field(ge=1, le=3650)] = Field(
        30, description="Days after the sale within which its points can be claimed, once."
    )


class PageSettings(Section):
    """The page that a customer opens with the QR code on his receipt: his points, nobody's name."""

    url: PublicAddress | None = Field(
        None,
        description="The address by which customers reach it, as your web server hands it on to "
        "`dolisync page-server`. Without it there is no page.",
    )
    listen: ListenAddress = Field(
        "127.0.0.1", description="Address on which the page server listens."
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(8112, description="Its port.")
    days: Annotated[int, Field(ge=1, le=3650)] = Field(
        400, description="Days for which the address on a receipt is good."
    )


class ReconcileSettings(Section):
    """The nightly comparison with Dolibarr's own documents."""

    at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = Field(
        "03:30", description="When, in the time zone of the first program."
    )
    max_vanished: Annotated[int, Field(ge=0)] = Field(
        5, description="Stop when more sales than this have vanished at once..."
    )
    max_vanished_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.02,
        description="...and more than this share of all known ones: a wrong or empty database.",
    )


class LogSettings(Section):
    """Logs go to standard error; systemd's journal adds the time."""

    format: Annotated[str, Field(pattern=r"^(text|json)$")] = Field(
        "text", description="text for people, json for machines."
    )
    level: Annotated[str, Field(pattern=r"^(debug|info|warning|error)$")] = Field(
        "info", description="debug, info, warning or error."
    )


class RulesSettings(Section):
    """From when on the programs in this file judge sales.

    Without a day, from the moment on in which the service reads them. What points buy, and how they
    are shown, follows the file at once.
    """

    since: date | None = Field(
        None,
        description="A day to come, or one that is past: sales of this day and later are judged by "
        "them. Those that were judged already stay as they are; see `dolisync recompute`.",
    )


class Settings(Section):
    """The whole configuration."""

    ledger: LedgerSettings = Field(default_factory=LedgerSettings, description="The ledger.")
    source: tuple[Source, ...] = Field(min_length=1, description="One section for each Dolibarr.")
    program: tuple[Program, ...] = Field(min_length=1, description="One section for each program.")
    rules: RulesSettings = Field(
        default_factory=RulesSettings, description="From when on the programs hold."
    )
    receipts: ReceiptSettings = Field(default_factory=ReceiptSettings, description="Receipts.")
    reconcile: ReconcileSettings = Field(
        default_factory=ReconcileSettings, description="The nightly comparison."
    )
    claims: ClaimSettings | None = Field(
        None, description="Points that unknown customers claim later."
    )
    page: PageSettings = Field(default_factory=PageSettings, description="The customer's own page.")
    voucher: VoucherSettings | None = Field(None, description="Vouchers.")
    gift_card: GiftCardSettings | None = Field(None, description="Gift cards.")
    print_server: PrintServerSettings | None = Field(
        None, description="The print server for TakePOS."
    )
    log: LogSettings = Field(default_factory=LogSettings, description="Logs.")

    @model_validator(mode="after")
    def _no_twins(self) -> Self:
        _unique("source", [source.name for source in self.source])
        _unique("program", [program.name for program in self.program])
        _unique("field_prefix", [program.field_prefix for program in self.program])
        fields = {p.earn.product.field for p in self.program if p.earn.product is not None}
        if len(fields) > 1:
            message = f"programs name different product fields: {', '.join(sorted(fields))}"
            raise ValueError(message)
        known = {source.name for source in self.source}
        for source in self.source:
            self._one_is_paid_from(source)
            self._tags_are_of_one(source)
            self._one_sets_discounts(source)
        self._vouchers_have_points()
        for program in self.program:
            self._knows_birthdays(program)
            self._gives_no_gift_cards(program)
            for name in program.sources:
                if name not in known:
                    message = (
                        f"program '{program.name}' names the source '{name}', which is not there"
                    )
                    raise ValueError(message)
        return self

    def _one_is_paid_from(self, source: Source) -> None:
        """Refuse two accounts from which one payment with points would be taken."""
        paying = [program.name for program in self.program if pays(program, source.name)]
        if len(paying) > 1:
            message = (
                f"payments with points at '{source.name}' would be taken from "
                f"'{paying[0]}' and '{paying[1]}': set redeem.payments = false in one of them"
            )
            raise ValueError(message)
        giving = [program.name for program in self.program if rewards(program, source.name)]
        if len(giving) > 1:
            message = (
                f"reward products at '{source.name}' would be paid from '{giving[0]}' and "
                f"'{giving[1]}': leave redeem.product_field out of one of them"
            )
            raise ValueError(message)

    def _tags_are_of_one(self, source: Source) -> None:
        """Refuse a customer tag that would stand for tiers of two programs."""
        owners: dict[str, str] = {}
        tagging = (p for p in self.program if p.tiers.tags and p.takes(source.name))
        for program, tier in ((p, tier) for p in tagging for tier in p.tier):
            owner = owners.setdefault(tier.label, program.name)
            if owner != program.name:
                message = (
                    f"the tag '{tier.label}' would be a tier of '{owner}' and of '{program.name}'"
                    f" at '{source.name}': give one of them another tag"
                )
                raise ValueError(message)

    def _vouchers_have_points(self) -> None:
        """Refuse vouchers that are made by themselves of points that are worth nothing."""
        wanted = self.voucher
        if wanted is None or wanted.automatic_points is None:
            return
        named = [p for p in self.program if wanted.program in {None, p.name}]
        if len(named) != 1:
            known = ", ".join(program.name for program in self.program)
            message = f"voucher.program: name the one whose points are taken: {known}"
            raise ValueError(message)
        if named[0].value_of_point is None:
            message = f"voucher.automatic_points needs point_value in program '{named[0].name}'"
            raise ValueError(message)

    def _one_sets_discounts(self, source: Source) -> None:
        """Refuse two programs that would set the same customer's standing discount."""
        mine = [p for p in self.program if p.takes(source.name) and p.gives_standing_discounts]
        if len(mine) > 1:
            message = (
                f"standing discounts at '{source.name}' would be set by '{mine[0].name}' and by "
                f"'{mine[1].name}': leave standing_discount out of one of them"
            )
            raise ValueError(message)

    def _gives_no_gift_cards(self, program: Program) -> None:
        """Refuse points that buy a gift card: that would be money with no last day."""
        sold = self.gift_card.product if self.gift_card is not None else None
        reward = program.given_articles.get(sold) if sold is not None else None
        if reward is not None:
            message = (
                f"reward '{reward.name}' gives '{sold}', which is sold as a gift card: points buy "
                "none; make a voucher of them"
            )
            raise ValueError(message)

    def _knows_birthdays(self, program: Program) -> None:
        asking = [c.name for c in program.campaign if c.birthday is not Birthday.NONE]
        taking = [source for source in self.source if program.takes(source.name)]
        if asking and taking and not any(source.birthday_field for source in taking):
            message = (
                f"campaign '{asking[0]}' asks for birthdays: name birthday_field under [[source]]"
            )
            raise ValueError(message)

    def secrets(self) -> Iterator[tuple[str, Secret]]:
        """Walk over every secret with its place in the file."""
        yield "ledger.url", self.ledger.url
        for index, source in enumerate(self.source, start=1):
            for key in ("api_key", "database_url"):
                secret = getattr(source, key)
                if secret is not None:
                    yield f"source[{index}].{key}", secret


def _unique(what: str, names: list[str]) -> None:
    doubles = {name for name in names if names.count(name) > 1}
    if doubles:
        message = f"{what}: '{min(doubles)}' stands twice; each needs its own"
        raise ValueError(message)


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """Valid settings and where they came from."""

    path: Path
    settings: Settings


def parse(text: str, name: str = "config.toml") -> Settings:
    """Read settings from TOML text. Raises ``ConfigError`` with every problem at once."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not TOML", [str(error)], "mend that line") from None
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        problems = describe(error, Settings, text, data)
        if len(problems) == 1:
            raise ConfigError(f"{name} has a problem", problems, "mend it and try again") from None
        message = f"{name} has {len(problems)} problems"
        raise ConfigError(message, problems, "mend them and try again") from None


def load(path: Path) -> LoadedConfig:
    """Read config.toml from a file.

    Raises ``UserError`` when it cannot be read, ``ConfigError`` when it does not hold or when it
    shows a secret to other users of the machine.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        message = f"there is no configuration at {path}"
        raise UserError(message, f"make one: dolisync --config {path} init") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        message = f"{path} cannot be read: {reason}"
        raise UserError(message, "check the path and who may read it") from None
    settings = parse(text, path.name)
    _refuse_open_secrets(path, settings)
    return LoadedConfig(path, settings)


def _refuse_open_secrets(path: Path, settings: Settings) -> None:
    bare = [place for place, secret in settings.secrets() if secret.is_bare]
    if not bare or not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return
    problems = [f"{place}: a secret stands in a file that others can read" for place in bare]
    raise ConfigError(
        f"{path.name} shows secrets to other users", problems, f"chmod 600 {path}, or name a file"
    )
