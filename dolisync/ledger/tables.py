"""The ledger's tables. Postings, lots' points and allocations are written once and never changed.

Points are whole ledger units (see ``Program.scale``), money is minor units, moments are naive UTC,
days are the shop's days. ``member.balance``, ``member.debt`` and ``lot.remaining`` are sums kept at
hand; ``verify`` recomputes them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcMoment(TypeDecorator[datetime]):
    """An aware moment in Python, naive UTC with microseconds in the database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        """Ask MariaDB for microseconds, which its DATETIME leaves out by itself."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - the signature is given
    ) -> datetime | None:
        """Send naive UTC."""
        assert value is None or value.tzinfo is not None, "the ledger takes aware moments only"
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - the signature is given
    ) -> datetime | None:
        """Return aware UTC."""
        return value and value.replace(tzinfo=UTC)


# SQLite counts rows only in a column declared INTEGER; elsewhere the key is 64 bits wide.
Key = BigInteger().with_variant(Integer(), "sqlite")
LongText = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")

# Names of customers and keys compare byte by byte, whatever the server's defaults are. Each of the
# two dialects reads only the options that bear its own name.
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

stream = Table(
    "stream",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("changed_at", UtcMoment),
    Column("payment_rowid", Key, nullable=False),
    Column("backfill_rowid", Key, nullable=False),
    **_OPTIONS,
)

rule_set = Table(
    "rule_set",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("effective_from", UtcMoment, nullable=False),
    Column("content", LongText, nullable=False),
    **_OPTIONS,
)

sale = Table(
    "sale",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("source", String(40), nullable=False),
    Column("entity", Integer, nullable=False),
    Column("rowid", Key, nullable=False),
    Column("ref", String(60), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("customer_rowid", Key, nullable=False),
    Column("sale_date", Date, nullable=False),
    Column("origin_rowid", Key),
    Column("fingerprint", String(64), nullable=False),
    Column("fingerprint_version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("rule_set_id", Key, ForeignKey("rule_set.id"), nullable=False),
    Column("document", LongText, nullable=False),
    Column("first_seen_at", UtcMoment, nullable=False),
    Column("vanished_at", UtcMoment),
    # The backfill that took it in first, and since when that one is undone: it counts nothing.
    Column("batch_id", Key),
    Column("set_aside_at", UtcMoment),
    # The customer that the source names, where the ledger keeps another one (a merge undone).
    Column("seen_customer_rowid", Key),
    # Since when it holds nothing personal any more; it is never read again.
    Column("erased_at", UtcMoment),
    # 1: goods of it are still to be delivered. Nothing otherwise, or where no program asks.
    Column("undelivered", Integer),
    UniqueConstraint("source", "entity", "rowid"),
    Index(None, "source", "entity", "origin_rowid"),
    Index(None, "source", "entity", "customer_rowid", "sale_date"),
    Index(None, "ref"),
    **_OPTIONS,
)

member = Table(
    "member",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("program", String(40), nullable=False),
    Column("source", String(40), nullable=False),
    Column("entity", Integer, nullable=False),
    Column("customer_rowid", Key, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("debt", BigInteger, nullable=False),
    Column("head", String(64), nullable=False),
    Column("opened_at", UtcMoment, nullable=False),
    # Seals the texts in its chain; thrown away with them when the member is erased.
    Column("salt", String(32)),
    Column("erased_at", UtcMoment),
    UniqueConstraint("source", "entity", "customer_rowid", "program"),
    **_OPTIONS,
)

posting = Table(
    "posting",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("key", String(160), nullable=False, unique=True),
    Column("member_id", Key, ForeignKey("member.id"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("balance_after", BigInteger, nullable=False),
    Column("sale_id", Key, ForeignKey("sale.id")),
    Column("redemption_id", Key, ForeignKey("redemption.id")),
    Column("rule_set_id", Key, ForeignKey("rule_set.id")),
    Column("occurred_on", Date, nullable=False),
    Column("recorded_at", UtcMoment, nullable=False),
    Column("reason", String(255), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("batch_id", Key),
    # What stands in the chain for the reason, kept only where the reason itself was erased.
    Column("seal", String(64)),
    UniqueConstraint("member_id", "sequence"),
    Index(None, "sale_id"),
    Index(None, "batch_id"),
    Index(None, "redemption_id"),
    **_OPTIONS,
)

lot = Table(
    "lot",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("posting_id", Key, ForeignKey("posting.id"), nullable=False, unique=True),
    Column("member_id", Key, ForeignKey("member.id"), nullable=False),
    Column("sale_id", Key, ForeignKey("sale.id")),
    Column("points", BigInteger, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    Column("available_from", Date, nullable=False),
    Column("expires_on", Date),
    # Where inactivity ends points: the day that no activity puts off. Else it stays empty.
    Column("fixed_until", Date),
    Index(None, "member_id", "remaining"),
    Index(None, "sale_id"),
    Index(None, "expires_on"),
    **_OPTIONS,
)

allocation = Table(
    "allocation",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("posting_id", Key, ForeignKey("posting.id"), nullable=False),
    Column("member_id", Key, ForeignKey("member.id"), nullable=False),
    # Without a lot the allocation is debt: negative when it arises, positive when it is settled.
    Column("lot_id", Key, ForeignKey("lot.id")),
    Column("points", BigInteger, nullable=False),
    Index(None, "posting_id"),
    Index(None, "lot_id"),
    Index(None, "member_id"),
    **_OPTIONS,
)

redemption = Table(
    "redemption",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("token", String(40), nullable=False, unique=True),
    Column("member_id", Key, ForeignKey("member.id"), nullable=False),
    Column("reward", String(40), nullable=False),
    Column("title", String(190), nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("tax_rate", String(12), nullable=False),
    Column("state", String(12), nullable=False),
    Column("reason", String(255), nullable=False),
    Column("created_at", UtcMoment, nullable=False),
    Index(None, "state"),
    Index(None, "member_id"),
    **_OPTIONS,
)

# Which sales consume which reward, and how much of it: what their documents say now.
reward_use = Table(
    "reward_use",
    metadata,
    Column(
        "redemption_id", Key, ForeignKey("redemption.id"), primary_key=True, autoincrement=False
    ),
    Column("sale_id", Key, ForeignKey("sale.id"), primary_key=True, autoincrement=False),
    Column("amount_minor", BigInteger, nullable=False),
    Index(None, "sale_id"),
    **_OPTIONS,
)

# The draft on which a redemption's lines are put, and how much is taken off at which VAT rate.
draft_use = Table(
    "draft_use",
    metadata,
    Column(
        "redemption_id", Key, ForeignKey("redemption.id"), primary_key=True, autoincrement=False
    ),
    Column("source", String(40), nullable=False),
    Column("entity", Integer, nullable=False),
    Column("sale_rowid", Key, nullable=False),
    Column("shares", LongText, nullable=False),
    # A percentage follows the goods of its draft, up to an amount.
    Column("percent", String(12)),
    Column("at_most_minor", BigInteger),
    # An article that is given: how many pieces, on which line of staff's, if it is not ours.
    Column("product", String(128)),
    Column("pieces", Integer),
    Column("line_rowid", Key),
    Index(None, "source", "entity", "sale_rowid"),
    **_OPTIONS,
)

# Something done at once to many accounts or sales, which can be undone as a whole.
batch = Table(
    "batch",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("token", String(40), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("title", String(255), nullable=False),
    Column("state", String(12), nullable=False),
    Column("details", LongText, nullable=False),
    Column("created_at", UtcMoment, nullable=False),
    Column("undone_at", UtcMoment),
    **_OPTIONS,
)

# What each sale counts for its member's later ones, where rules look back: derived from the sales,
# so that sums need no documents. Days are ordinal numbers.
counted = Table(
    "counted",
    metadata,
    Column("sale_id", Key, ForeignKey("sale.id"), primary_key=True, autoincrement=False),
    Column("program", String(40), primary_key=True),
    Column("source", String(40), nullable=False),
    Column("entity", Integer, nullable=False),
    Column("customer_rowid", Key, nullable=False),
    Column("day", Integer, nullable=False),
    Column("rowid", Key, nullable=False),
    Column("rule_set_id", Key, nullable=False),
    Column("sales", Integer, nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("spent_minor", BigInteger, nullable=False),
    # What it was judged with: how many sales were known, the tier (empty where nothing of this
    # matters: a return by itself), what it wanted and what the caps gave.
    Column("known_sales", Integer, nullable=False),
    Column("tier", String(40)),
    Column("wanted", BigInteger, nullable=False),
    Column("given", BigInteger, nullable=False),
    Column("tier_after", String(40), nullable=False),
    Index(None, "source", "entity", "customer_rowid", "program", "day"),
    **_OPTIONS,
)

# What campaigns with limits gave for sales, after their returns, and what they would have given:
# without any limit, within those of the member, and within all.
campaign_use = Table(
    "campaign_use",
    metadata,
    Column("sale_id", Key, ForeignKey("sale.id"), primary_key=True, autoincrement=False),
    Column("program", String(40), primary_key=True),
    # Its name; with a tag of its challenge behind it, what was bought in that.
    Column("campaign", String(200), primary_key=True),
    Column("source", String(40), nullable=False),
    Column("entity", Integer, nullable=False),
    # 0 where the customer was erased: what was given stays given.
    Column("customer_rowid", Key, nullable=False),
    Column("day", Integer, nullable=False),
    Column("rowid", Key, nullable=False),
    Column("rule_set_id", Key, nullable=False),
    Column("wanted", BigInteger, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("given", BigInteger, nullable=False),
    Column("units", BigInteger, nullable=False),
    Index(None, "program", "campaign", "day"),
    Index(None, "source", "entity", "customer_rowid", "program"),
    **_OPTIONS,
)

# Which bonuses without a purchase members had: each once for an occasion. ``batch_id`` is of the
# list with which it was given, or of the merge with which it came.
bonus_given = Table(
    "bonus_given",
    metadata,
    Column("program", String(40), primary_key=True),
    Column("bonus", String(40), primary_key=True),
    Column("source", String(40), primary_key=True),
    Column("entity", Integer, primary_key=True, autoincrement=False),
    Column("customer_rowid", Key, primary_key=True, autoincrement=False),
    Column("occasion", String(40), primary_key=True),
    Column("batch_id", Key),
    Column("given_at", UtcMoment, nullable=False),
    **_OPTIONS,
)

# Who recommended whom, and what is booked for it on both accounts. ``sale_id`` is the purchase that
# it brought; each side holds so many units for such a sale, and knows the merge with which it came
# to the account where it is now. An erased customer is empty. ``is_due``: it is to be judged again.
referral = Table(
    "referral",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("token", String(40), nullable=False, unique=True),
    Column("program", String(40), nullable=False),
    Column("source", String(40), nullable=False),
    Column("entity", Integer, nullable=False),
    Column("customer_rowid", Key),
    Column("by_rowid", Key),
    Column("said_on", Date, nullable=False),
    Column("made_by", String(80), nullable=False),
    Column("void", String(12), nullable=False),
    Column("withdrawn_at", UtcMoment),
    Column("sale_id", Key, ForeignKey("sale.id")),
    Column("new_units", BigInteger, nullable=False),
    Column("new_sale_id", Key),
    Column("new_batch_id", Key),
    Column("by_units", BigInteger, nullable=False),
    Column("by_sale_id", Key),
    Column("by_batch_id", Key),
    Column("revision", Integer, nullable=False),
    Column("is_due", Integer, nullable=False),
    Column("recorded_at", UtcMoment, nullable=False),
    # When the one who recommended was seen to take no part any more, before he had anything of it.
    Column("by_left_at", UtcMoment),
    Index(None, "source", "entity", "customer_rowid"),
    Index(None, "source", "entity", "by_rowid"),
    Index(None, "sale_id"),
    Index(None, "is_due"),
    **_OPTIONS,
)

# Sales that a batch judged again by other rules, and the rules that had judged them before.
recomputed = Table(
    "recomputed",
    metadata,
    Column("batch_id", Key, ForeignKey("batch.id"), primary_key=True, autoincrement=False),
    Column("sale_id", Key, ForeignKey("sale.id"), primary_key=True, autoincrement=False),
    Column("rule_set_id", Key, nullable=False),
    Index(None, "sale_id"),
    **_OPTIONS,
)

# Tiers that staff set by hand. Without a tier, what they had set before ends.
tier_setting = Table(
    "tier_setting",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("token", String(40), nullable=False, unique=True),
    Column("program", String(40), nullable=False),
    Column("source", String(40), nullable=False),
    Column("entity", Integer, nullable=False),
    Column("customer_rowid", Key, nullable=False),
    Column("day", Integer, nullable=False),
    Column("tier", String(40), nullable=False),
    Column("is_locked", Integer, nullable=False),
    Column("until", Integer),
    Column("made_by", String(80), nullable=False),
    Column("reason", String(255), nullable=False),
    Column("recorded_at", UtcMoment, nullable=False),
    Index(None, "source", "entity", "customer_rowid"),
    **_OPTIONS,
)

# What dolisync last put on a customer's card for the tier held: ``tags`` are the labels known to
# stand there, ``sending`` is one under way, ``tier_before`` what an old form may bring back.
tier_mark = Table(
    "tier_mark",
    metadata,
    Column("program", String(40), primary_key=True),
    Column("source", String(40), primary_key=True),
    Column("entity", Integer, primary_key=True, autoincrement=False),
    Column("customer_rowid", Key, primary_key=True, autoincrement=False),
    Column("tier", String(40), nullable=False),
    Column("tags", LongText, nullable=False),
    Column("sending", String(60), nullable=False),
    Column("tier_before", String(40)),
    Column("marked_at", UtcMoment, nullable=False),
    Index(None, "source", "entity", "customer_rowid"),
    **_OPTIONS,
)

# What dolisync last wanted on a customer's card as the tier's standing discount, in hundredths of a
# percent; ``is_ours`` tells whether it is what stands there, ``sending`` is one under way.
standing_mark = Table(
    "standing_mark",
    metadata,
    Column("program", String(40), primary_key=True),
    Column("source", String(40), primary_key=True),
    Column("entity", Integer, primary_key=True, autoincrement=False),
    Column("customer_rowid", Key, primary_key=True, autoincrement=False),
    Column("percent", Integer, nullable=False),
    Column("is_ours", Integer, nullable=False),
    Column("sending", Integer),
    Index(None, "source", "entity", "customer_rowid"),
    **_OPTIONS,
)

# What staff asked for on a card in Dolibarr (element: customer), and what came of it. The open key
# is emptied when the answer stands there; until then the same words are the same request.
request = Table(
    "request",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("open_key", String(190), unique=True),
    Column("token", String(40), nullable=False, unique=True),
    Column("program", String(40), nullable=False),
    Column("source", String(40), nullable=False),
    Column("entity", Integer, nullable=False),
    Column("element", String(12), nullable=False),
    Column("object_rowid", Key, nullable=False),
    Column("customer_rowid", Key, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("content", LongText, nullable=False),
    Column("asked_by", String(190), nullable=False),
    Column("state", String(12), nullable=False),
    Column("answer", String(255), nullable=False),
    Column("asked_at", UtcMoment, nullable=False),
    Column("answered_at", UtcMoment),
    Index(None, "source", "entity", "customer_rowid"),
    **_OPTIONS,
)

# Which of Dolibarr's notes of who saved a card were seen before a request stood on it.
request_watch = Table(
    "request_watch",
    metadata,
    Column("source", String(40), primary_key=True),
    Column("content", LongText, nullable=False),
    **_OPTIONS,
)

# What the ledger signs codes with that are printed for customers.
signing_key = Table(
    "signing_key",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(64), nullable=False),
    Column("made_at", UtcMoment, nullable=False),
    **_OPTIONS,
)

# Codes with money on them. Balance, state, last day and owner are kept at hand: the movements say
# how they came to be. The code itself is kept: a shop prints a card again.
voucher = Table(
    "voucher",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("code", String(20), nullable=False, unique=True),
    Column("kind", String(12), nullable=False),
    Column("state", String(12), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("balance_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    # The rate at which a gift card was sold: it is redeemed at the same.
    Column("tax_rate", String(12), nullable=False),
    Column("valid_until", Date),
    Column("source", String(40), nullable=False),
    Column("entity", Integer, nullable=False),
    # Whose it is, where that is known; who holds the code may use it all the same.
    Column("customer_rowid", Key),
    # What it was made from: points, a batch, a sale, or another code that was lost.
    Column("redemption_id", Key, ForeignKey("redemption.id")),
    Column("batch_id", Key),
    Column("sale_id", Key, ForeignKey("sale.id")),
    Column("replaces_id", Key),
    Column("made_at", UtcMoment, nullable=False),
    Index(None, "source", "entity", "customer_rowid"),
    Index(None, "sale_id"),
    Index(None, "batch_id"),
    Index(None, "redemption_id"),
    Index(None, "valid_until"),
    **_OPTIONS,
)

# What a document takes from a code: its lines bear the token, never the code.
voucher_use = Table(
    "voucher_use",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("token", String(40), nullable=False, unique=True),
    Column("voucher_id", Key, ForeignKey("voucher.id"), nullable=False),
    Column("source", String(40), nullable=False),
    Column("entity", Integer, nullable=False),
    Column("sale_rowid", Key, nullable=False),
    Column("state", String(12), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("shares", LongText, nullable=False),
    Column("made_at", UtcMoment, nullable=False),
    Index(None, "voucher_id"),
    Index(None, "source", "entity", "sale_rowid"),
    Index(None, "state"),
    **_OPTIONS,
)

# Every change of a code, numbered, with what was on it afterwards. Never changed.
voucher_movement = Table(
    "voucher_movement",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("key", String(160), nullable=False, unique=True),
    Column("voucher_id", Key, ForeignKey("voucher.id"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("balance_after_minor", BigInteger, nullable=False),
    Column("use_id", Key, ForeignKey("voucher_use.id")),
    Column("sale_id", Key, ForeignKey("sale.id")),
    Column("occurred_on", Date, nullable=False),
    Column("recorded_at", UtcMoment, nullable=False),
    Column("reason", String(255), nullable=False),
    UniqueConstraint("voucher_id", "sequence"),
    Index(None, "use_id"),
    Index(None, "sale_id"),
    **_OPTIONS,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    # One open row per target: the key is emptied when the row is done or dead.
    Column("open_key", String(120), unique=True),
    Column("target", String(120), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("source", String(40), nullable=False),
    Column("entity", Integer, nullable=False),
    Column("object_rowid", Key, nullable=False),
    Column("token", String(40)),
    Column("state", String(12), nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", UtcMoment, nullable=False),
    Column("last_error", String(500), nullable=False),
    Column("created_at", UtcMoment, nullable=False),
    Column("updated_at", UtcMoment, nullable=False),
    Index(None, "state", "not_before"),
    Index(None, "target"),
    **_OPTIONS,
)

anchor = Table(
    "anchor",
    metadata,
    Column("day", Date, primary_key=True),
    Column("posting_id", Key, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("made_at", UtcMoment, nullable=False),
    **_OPTIONS,
)

parked = Table(
    "parked",
    metadata,
    Column("source", String(40), primary_key=True),
    Column("entity", Integer, primary_key=True, autoincrement=False),
    Column("rowid", Key, primary_key=True, autoincrement=False),
    Column("reason", String(500), nullable=False),
    Column("since", UtcMoment, nullable=False),
    Column("attempts", Integer, nullable=False),
    **_OPTIONS,
)
