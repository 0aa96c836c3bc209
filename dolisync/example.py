"""config.example.toml and docs/configuration.md, written from the models that validate config.toml.

An option is set where the values given say so; all others stand commented out with their default,
so that the file is the whole reference and each line can be put into force by removing its mark.
"""

from __future__ import annotations

import enum
import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, get_args

from pydantic.fields import FieldInfo

from dolisync.config import Secret, Settings
from dolisync.program.section import Section

WIDTH = 79
NO_BREAK = "\u00a0"
Values = Mapping[str, Any]

_INTRODUCTION = """\
The configuration of dolisync.

A line such as "#key = value" is not in force. It shows the default, or an example where there is
no default; remove the # to change it. Secrets are not written here but named, as a credential of
systemd, a file or an environment variable: { credential = "name" }, { file = "/path" } or
{ env = "NAME" }.

After a change: dolisync check, then systemctl reload dolisync."""

# What is shown for options that have no default.
_EXAMPLES: Values = {
    "source.url": "https://erp.example.org",
    "source.api_key": {"credential": "dolibarr-api-key"},
    "source.database_url": {"credential": "dolibarr-database-url"},
    "source.database_timezone": "UTC",
    "source.birthday_field": "birthday",
    "program.redeem.minimum": 200,
    "program.redeem.step": 50,
    "program.redeem.max_share": 50,
    "program.redeem.product_field": "loyprice",
    "source.opt_out_field": "no_loyalty",
    "source.poll_interval_s": 1,
    "program.point_value": Decimal("0.05"),
    "program.earn.caps.per_sale": 500,
    "program.earn.caps.per_day": 500,
    "program.earn.caps.per_month": 2000,
    "program.earn.caps.per_member": 50_000,
    "program.campaign.first_day": date(2026, 12, 1),
    "program.campaign.last_day": date(2026, 12, 24),
    "program.campaign.budget.points": 10_000,
    "program.campaign.budget.money": 500,
    "program.campaign.per_member.points": 200,
    "program.campaign.per_member.times": 1,
    "program.campaign.challenge.visits": 5,
    "program.campaign.challenge.spent": 200,
    "program.campaign.challenge.different": 2,
    "program.campaign.challenge.days": 30,
    "program.campaign.challenge.badge": "Regular guest",
    "program.campaign.challenge.badge_days": 365,
    "rules.since": date(2027, 1, 1),
    "program.reward.percent": 10,
    "program.reward.at_most": 20,
    "program.reward.product": "MUG-BLUE",
    "program.reward.first_day": date(2026, 12, 1),
    "program.reward.last_day": date(2026, 12, 24),
    "program.reward.stock": 100,
    "program.reward.per_member": 1,
    "program.bonus.tag": "Newsletter",
    "program.bonus.first_day": date(2026, 12, 1),
    "program.bonus.last_day": date(2026, 12, 24),
    "program.bonus.valid_days": 90,
    "program.referral.max_a_year": 10,
    "program.referral.max_ever": 50,
    "program.referral.wait_days": 14,
    "program.referral.valid_days": 180,
    "program.validity.days": 90,
    "program.validity.inactive_months": 12,
    "program.validity.months": 24,
    "voucher.automatic_points": 200,
    "voucher.program": "loyalty",
    "gift_card.product": "GIFTCARD",
    "page.url": "https://points.example.org",
    "receipts.templates": "/etc/dolisync/templates",
    "print_server.printer.columns": 42,
}

# What the example sets: what every shop has to decide.
SHOWN: Values = {
    "source": [
        {
            "name": "shop",
            "url": "https://erp.example.org",
            "api_key": {"credential": "dolibarr-api-key"},
            "timezone": "Europe/Paris",
            "language": "en",
        }
    ],
    "program": [
        {
            "name": "loyalty",
            "title": "Loyalty points",
            "start": date(2026, 1, 1),
            "timezone": "Europe/Paris",
            "earn": {"moment": "paid", "amount": {"points": 1, "per": 1}},
            "reward": [
                {
                    "name": "discount",
                    "title": "Loyalty discount",
                    "points": 100,
                    "amount": 5,
                    "tax_rate": 20,
                }
            ],
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Option:
    """One key: what it is for, what holds without it, and what is shown where nothing does."""

    path: str
    key: str
    description: str
    default: Any

    @property
    def shown(self) -> Any:
        """The default, or an example."""
        return _EXAMPLES[self.path] if self.default is None else self.default


@dataclass(frozen=True, slots=True)
class Chapter:
    """One section: its header's name, its options, and the sections inside it."""

    path: str
    key: str
    description: str
    model: type[Section]
    is_list: bool
    is_optional: bool
    options: tuple[Option, ...]
    chapters: tuple[Chapter, ...]

    @property
    def header(self) -> str:
        """The section's header as it is written."""
        return f"[[{self.path}]]" if self.is_list else f"[{self.path}]"


def chapters(model: type[Section] = Settings, path: str = "") -> tuple[Chapter, ...]:
    """Return the sections of a model in the order in which an owner reads them."""
    return tuple(
        _chapter(key, info, f"{path}{key}", section)
        for key, info in model.model_fields.items()
        if (section := _section_in(info.annotation)) is not None
    )


def _chapter(key: str, info: FieldInfo, path: str, model: type[Section]) -> Chapter:
    return Chapter(
        path=path,
        key=key,
        description=" ".join((inspect.getdoc(model) or "").split()),
        model=model,
        is_list=tuple[model, ...] == info.annotation,  # type: ignore[valid-type]
        is_optional=info.default is None,
        options=tuple(_options(model, f"{path}.")),
        chapters=chapters(model, f"{path}."),
    )


def _options(model: type[Section], path: str) -> Iterator[Option]:
    for key, info in model.model_fields.items():
        if _section_in(info.annotation) is None:
            default = info.get_default(call_default_factory=True)
            yield Option(f"{path}{key}", key, info.description or "", default)


def _section_in(annotation: Any) -> type[Section] | None:
    """Return the section that an annotation holds: by itself, optional or as a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _section_in(inner))), None)


def walk(found: Sequence[Chapter]) -> Iterator[Chapter]:
    """Walk over sections and those inside them."""
    for chapter in found:
        yield chapter
        yield from walk(chapter.chapters)


# --- config.toml ---------------------------------------------------------------------------------


def example() -> str:
    """Return config.example.toml."""
    return render(SHOWN)


def render(values: Values) -> str:
    """Write a config.toml that sets these values and shows all other options commented out."""
    blocks = [_comment(_INTRODUCTION)]
    for chapter in chapters():
        blocks += _blocks(chapter, values.get(chapter.key), is_off=False)
    return "\n\n\n".join(blocks) + "\n"


def _blocks(chapter: Chapter, given: Any, *, is_off: bool) -> Iterator[str]:
    """Write a section as often as it is given; commented out where it is not and need not be."""
    is_off = is_off or (given is None and (chapter.is_optional or chapter.is_list))
    instances = given if chapter.is_list and given else [given or {}]
    for values in instances:
        yield _block(chapter, values, is_off=is_off)
        for inner in chapter.chapters:
            yield from _blocks(inner, values.get(inner.key), is_off=is_off)


def _block(chapter: Chapter, values: Values, *, is_off: bool) -> str:
    mark = "#" if is_off else ""
    head = f"{_comment(chapter.description)}\n{mark}{chapter.header}"
    return "\n\n".join([head, *(_option(option, values, is_off) for option in chapter.options)])


def _option(option: Option, values: Values, is_off: bool) -> str:  # noqa: FBT001
    is_set = option.key in values and not is_off
    value = values[option.key] if is_set else option.shown
    mark = "" if is_set else "#"
    words = option.description
    if option.default is None and not is_set:
        words += " (No default; this is an example.)"
    return f"{_comment(words)}\n{mark}{option.key} = {toml_value(value)}"


def _comment(text: str) -> str:
    # What stands in braces is to be copied: it stays on one line.
    kept = re.sub(r"\{[^}]*\}", lambda braces: braces[0].replace(" ", NO_BREAK), text)
    wrapped = (
        textwrap.wrap(paragraph, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
        for paragraph in kept.split("\n\n")
    )
    lines = "\n#\n".join("\n".join(f"# {line}" for line in lines) for lines in wrapped)
    return lines.replace(NO_BREAK, " ")


def toml_value(value: Any) -> str:
    """Write a value as TOML does; decimals as text, so that no digit is lost."""
    if isinstance(value, Secret):
        is_text = value.literal is not None
        return toml_value(value.reveal() if is_text else value.model_dump(exclude_none=True))
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(part)}" for key, part in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml_value(part) for part in value) + "]"
    return _toml_scalar(value)


def _toml_scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return f"{value:.0f}"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, date):
        return value.isoformat()
    text = value.value if isinstance(value, enum.Enum) else str(value)
    # What JSON writes of a text is TOML too, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


# --- docs/configuration.md -----------------------------------------------------------------------

_DOCUMENT = """\
# Configuration

Every section and option of `config.toml`. This page is written from the models that check the
file; `config.example.toml` holds the same in the form of a file, and `dolisync config example`
prints it. Secrets are named, not written: `{ credential = "name" }` (systemd), `{ file = "/path" }`
or `{ env = "NAME" }`. A secret written out is accepted only in a file that nobody else can read.
"""


def documentation() -> str:
    """Return docs/configuration.md."""
    return "\n".join([_DOCUMENT, *(_section_text(found) for found in walk(chapters()))])


def _section_text(chapter: Chapter) -> str:
    note = ""
    if chapter.is_list:
        note = " May stand several times."
    elif chapter.is_optional:
        note = " Left out, it does not apply."
    head = f"## {chapter.header}\n\n{chapter.description}{note}\n"
    schema = chapter.model.model_json_schema()
    rows = [
        f"| `{option.key}` | {_values(schema['properties'][option.key], schema)} "
        f"| {_default(option)} | {_cell(option.description)} |"
        for option in chapter.options
    ]
    table = ["| Option | Values | Default | Meaning |", "|---|---|---|---|", *rows]
    return head + "\n" + "\n".join(table) + "\n"


def _default(option: Option) -> str:
    return "" if option.default is None else f"`{_cell(toml_value(option.default))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _values(field: Values, schema: Values) -> str:
    """Say in words what may be written, from the field's JSON schema."""
    field = _resolved(field, schema)
    if "enum" in field:
        return ", ".join(str(value) for value in field["enum"])
    if field.get("title") == "Secret":
        return "secret"
    if "anyOf" in field:
        return _values(_widest(field["anyOf"], schema), schema)
    if field.get("type") == "array":
        inner = _resolved(field["items"], schema)
        named = _values(inner, schema)
        return f"list of {named}" if "enum" in inner else f"list of {named}s"
    return _plain_values(field)


def _resolved(field: Values, schema: Values) -> Values:
    reference = field.get("$ref")
    return schema["$defs"][reference.rsplit("/", 1)[-1]] if reference else field


def _widest(choices: Sequence[Values], schema: Values) -> Values:
    """Choose what says most: not null, and the number rather than the number as text."""
    some = [choice for choice in choices if choice.get("type") != "null"]
    return next((c for c in some if _resolved(c, schema).get("type") == "number"), some[0])


_TYPES = {"boolean": "true or false", "integer": "whole number", "number": "number"}
_FORMATS = {"date": "day", "path": "path"}


def _plain_values(field: Values) -> str:
    pattern = str(field.get("pattern", ""))
    if pattern.startswith("^(") and pattern.endswith(")$") and "\\" not in pattern:
        return pattern[2:-2].replace("|", ", ")
    kind = _FORMATS.get(field.get("format", ""), _TYPES.get(field.get("type", ""), "text"))
    bounds = _bounds(field)
    return f"{kind}, {bounds}" if bounds else kind


def _bounds(field: Values) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        below = field.get("exclusiveMaximum")
        return f"{low:g} or more" if below is None else f"{low:g} to below {below:g}"
    if "exclusiveMinimum" in field:
        upper = "" if high is None else f", at most {high:g}"
        return f"more than {field['exclusiveMinimum']:g}{upper}"
    return ""
