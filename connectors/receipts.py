"""Receipts on paper: text for 58 and 80 mm printers, and a page that prints on either.

The renderer turns a receipt into words ready to print; a template only puts them in their places.
Templates and phrases are looked up in the shopkeeper's folder first, then in dolisync's own.
"""

from __future__ import annotations

import re
import tomllib
import traceback
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from pathlib import Path
from typing import Any, Literal

import segno
from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, get_currency_precision
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
)
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from dolisync.errors import UserError
from dolisync.receipt import COLUMNS, Receipt, ReceiptLine, ReceiptPayment, ReceiptPoints

PaperWidth = Literal[58, 80]

PRINTABLE_MM: Mapping[int, int] = {58: 48, 80: 72}
TEXT_TEMPLATE = "receipts/receipt.txt.j2"
HTML_TEMPLATE = "receipts/receipt.html.j2"
LOYALTY_TEMPLATE = "receipts/loyalty.txt.j2"
CODES_TEMPLATE = "receipts/codes.txt.j2"
CLAIM_TEMPLATE = "receipts/claim.txt.j2"
PAGE_TEMPLATE = "receipts/page.txt.j2"
FALLBACK_LANGUAGE = "en"
NAME_CHARACTERS_MAX = 160
COLUMNS_BETWEEN = 2
INDENT = "  "

_EXACT = Context(prec=100)  # babel fails on more digits than Python's usual 28
_KEPT_FORMATS = "\u200c\u200d"  # joiners: some scripts and emoji need them
_ASTRAL_SYMBOLS = "\U0001f000"
_EMOJI_SELECTOR = "\ufe0f"
_TEMPLATE_REMEDY = (
    "mend it (docs/receipts.md lists what a template may use), "
    "or remove the file to print with the one of dolisync"
)
_PHRASES_REMEDY = "mend it (docs/receipts.md lists the phrases; words of your own go under [own])"


@dataclass(frozen=True, slots=True)
class LineView:
    """One line of the sale, in words."""

    text: str
    quantity: str
    amount: str


@dataclass(frozen=True, slots=True)
class PaymentView:
    """One payment, in words."""

    name: str
    amount: str


@dataclass(frozen=True, slots=True)
class PointsView:
    """The loyalty block of one program, in words; what there is not to say is empty."""

    title: str
    earned: str
    taken_back: bool
    pending: str
    last_day: str
    balance: str
    in_debt: bool
    rule: str


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """A receipt in words: all that a template knows of it."""

    shop_name: str
    ref: str
    date: str
    is_return: bool
    customer_name: str
    language: str
    lines: tuple[LineView, ...]
    total: str
    payments: tuple[PaymentView, ...]
    points: tuple[PointsView, ...]
    claim_code: str
    claim_last_day: str
    codes: tuple[CodeView, ...]


@dataclass(frozen=True, slots=True)
class CodeView:
    """A code with money on it, in words: a gift card that was sold, or what is left on one."""

    code: str
    amount: str
    last_day: str
    is_sold: bool


class Phrases(dict[str, Any]):
    """The words of one language. Asking for one that is not there is an error that names it."""

    def __missing__(self, key: str) -> Any:
        """Raise what jinja reports with file and line."""
        raise UndefinedError(f"there is no phrase {key!r}")


class ReceiptRenderer:
    """Render receipts with the shopkeeper's templates, or with dolisync's where there are none."""

    def __init__(self, templates_folder: Path | None) -> None:
        packaged = PackageLoader("templates", ".")
        own = None if templates_folder is None else FolderLoader(templates_folder)
        self._phrasebook = _Phrasebook(own, packaged)
        self._environment = SandboxedEnvironment(
            loader=ChoiceLoader([loader for loader in (own, packaged) if loader]),
            undefined=StrictUndefined,
            autoescape=lambda name: name is None or not name.endswith(".txt.j2"),
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def text(self, receipt: Receipt, width_mm: PaperWidth) -> str:
        """Return lines no wider than the paper, without any character that commands a printer."""
        paper = Paper(COLUMNS[width_mm])
        return paper.fit(self._render(TEXT_TEMPLATE, receipt, paper=paper))

    def loyalty(self, receipt: Receipt, columns: int) -> str:
        """Return only the loyalty blocks, as the text receipt has them; empty without any."""
        paper = Paper(columns)
        blocks = [
            self._render(LOYALTY_TEMPLATE, replace(receipt, points=(points,)), paper=paper)
            for points in receipt.points
        ]
        if receipt.codes:
            blocks.append(self._render(CODES_TEMPLATE, receipt, paper=paper))
        if receipt.claim:
            blocks.append(self._render(CLAIM_TEMPLATE, receipt, paper=paper))
        if receipt.page_url:
            blocks.append(self._render(PAGE_TEMPLATE, receipt, paper=paper))
        return paper.fit("\n".join(blocks)) if blocks else ""

    def html(self, receipt: Receipt, width_mm: PaperWidth) -> str:
        """Return a complete page that needs nothing from elsewhere."""
        return self._render(
            HTML_TEMPLATE,
            receipt,
            width_mm=width_mm,
            printable_mm=PRINTABLE_MM[width_mm],
            claim_picture=_qr_picture(receipt.claim.code) if receipt.claim else "",
            page_picture=_qr_picture(receipt.page_url) if receipt.page_url else "",
            code_picture=lambda code: _qr_picture(code.replace("-", "")),
        )

    def _render(self, template: str, receipt: Receipt, **paper: Any) -> str:
        locale, phrases = self._phrasebook.open(receipt.language)
        with localcontext(_EXACT):
            view = _Wording(locale, phrases, receipt.currency).receipt(receipt)
        try:
            return self._environment.get_template(template).render(
                receipt=view, phrases=phrases, block=next(iter(view.points), None), **paper
            )
        # A template is a program of the shopkeeper's: it can fail in any way a program can.
        except Exception as error:
            raise _error(template, error, _TEMPLATE_REMEDY) from error


def _qr_picture(content: str) -> Markup:
    """Draw a QR code that needs nothing from elsewhere."""
    drawn = segno.make(content, micro=False)
    return Markup(drawn.svg_inline(scale=4, border=2, svgclass="code", omitsize=True))  # noqa: S704


class FolderLoader(FileSystemLoader):
    """Load from the shopkeeper's folder, and say where a file is not UTF-8."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            remedy = "create it, or take its name out of the configuration"
            raise UserError(f"the templates folder {folder} does not exist", remedy)
        # Windows editors begin a file with a mark that is no part of its text.
        super().__init__(folder, encoding="utf-8-sig")

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        """Return what jinja asks of a loader."""
        try:
            return super().get_source(environment, template)
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            problem = "the file is not saved as UTF-8"
            raise TemplateSyntaxError(problem, line, template) from error


class _Phrasebook:
    """Find the words of a language: dolisync's, changed by the shopkeeper's."""

    def __init__(self, own: BaseLoader | None, packaged: BaseLoader) -> None:
        self._own = own
        self._packaged = packaged

    def open(self, language: str) -> tuple[Locale, Phrases]:
        """Return the locale and the words of this language, or of English where it has none."""
        match = re.match(r"[a-z]{2,3}(?![a-z])", language.strip().lower())
        found = match and self._read(match[0])
        return found or self._fallback()

    def _fallback(self) -> tuple[Locale, Phrases]:
        found = self._read(FALLBACK_LANGUAGE)
        assert found, "English is in the package"
        return found

    def _read(self, language: str) -> tuple[Locale, Phrases] | None:
        locale = _locale(language)
        packaged = _source(self._packaged, language)
        own = self._own and _source(self._own, language)
        if not locale or not (packaged or own):
            return None
        base = packaged or _source(self._packaged, FALLBACK_LANGUAGE)
        assert base, "English is in the package"
        words = base.words()
        return locale, _merged(words, own.changes(words) if own else {})


@dataclass(frozen=True, slots=True)
class _PhrasesFile:
    file: str
    source: str

    def words(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.source)
        except tomllib.TOMLDecodeError as error:
            raise UserError(f"{self.file}: {error}", _PHRASES_REMEDY) from error

    def changes(self, known: Mapping[str, Any]) -> dict[str, Any]:
        words = self.words()
        for key, value in words.items():
            self._check(key, value, known)
        return words

    def _check(self, key: str, value: Any, known: Mapping[str, Any]) -> None:
        if key not in known:
            raise self._error(key, "is not a phrase of receipts")
        if isinstance(known[key], dict):
            self._check_table(key, value)
        elif not isinstance(value, str):
            raise self._error(key, "must be text in quotes")

    def _check_table(self, key: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise self._error(key, f"must be a section: [{key}]")
        for name, word in value.items():
            if not isinstance(word, str):
                raise self._error(name, "must be text in quotes")

    def _error(self, key: str, problem: str) -> UserError:
        place = re.search(rf"^\s*\[?\s*[\"']?{re.escape(key)}\b", self.source, re.MULTILINE)
        line = self.source.count("\n", 0, place.end()) + 1 if place else 1
        return UserError(f'{self.file}, line {line}: "{key}" {problem}', _PHRASES_REMEDY)


@dataclass(frozen=True, slots=True)
class _Wording:
    """Say things in one language and currency."""

    locale: Locale
    phrases: Phrases
    currency: str

    def receipt(self, receipt: Receipt) -> ReceiptView:
        return ReceiptView(
            shop_name=name(receipt.shop_name),
            ref=name(receipt.ref),
            date=self.day(receipt.date),
            is_return=receipt.is_return,
            customer_name=name(receipt.customer_name),
            language=self.locale.language,
            lines=tuple(self.line(line) for line in receipt.lines),
            total=self.money(receipt.total),
            payments=tuple(self.payment(payment) for payment in receipt.payments),
            points=tuple(
                self.points_block(points, is_return=receipt.is_return) for points in receipt.points
            ),
            claim_code=receipt.claim.code if receipt.claim else "",
            claim_last_day=self.day(receipt.claim.last_day) if receipt.claim else "",
            codes=tuple(
                CodeView(
                    code.code,
                    self.money(code.amount),
                    self.day(code.last_day) if code.last_day else "",
                    code.is_sold,
                )
                for code in receipt.codes
            ),
        )

    def line(self, line: ReceiptLine) -> LineView:
        quantity = self.number(_rounded(line.quantity, 3).normalize(), "#,##0.###")
        return LineView(name(line.text), quantity, self.money(line.amount))

    def payment(self, payment: ReceiptPayment) -> PaymentView:
        called = self.phrases["modes"].get(payment.mode) or payment.mode or self.phrases["payment"]
        return PaymentView(name(called), self.money(payment.amount))

    def points_block(self, block: ReceiptPoints, *, is_return: bool) -> PointsView:
        return PointsView(
            title=name(block.title),
            earned=self.earned(block),
            taken_back=block.earned < 0 or (is_return and not block.earned),
            pending=self.points(block.pending, block.decimals) if block.pending else "",
            last_day=self.day(block.last_day) if block.last_day else "",
            balance=self.points(block.balance, block.decimals),
            in_debt=block.balance < 0,
            rule=self.rule(block),
        )

    def earned(self, block: ReceiptPoints) -> str:
        """Say what this sale changed. Zero is said too, unless points are still to come."""
        if block.pending and not block.earned:
            return ""
        sign = "+" if block.earned > 0 else ""
        return sign + self.points(block.earned, block.decimals)

    def rule(self, block: ReceiptPoints) -> str:
        if block.rule_points is None or block.rule_amount is None:
            return ""
        decimals = 0 if _is_whole(block.rule_points) else block.decimals
        return f"{self.points(block.rule_points, decimals)} = {self.short_money(block.rule_amount)}"

    def points(self, number: Decimal, decimals: int) -> str:
        rounded = _rounded(number, decimals)
        forms = self.phrases["points"]
        # Categories differ by language; every language has "other".
        form = forms.get(self.locale.plural_form(rounded), forms["other"])
        return f"{self.number(rounded, '#,##0.' + '0' * decimals)} {form}"

    def number(self, number: Decimal, pattern: str) -> str:
        return _spaced(format_decimal(number, pattern, self.locale))

    def money(self, amount: Decimal) -> str:
        return self._money(_rounded(amount, get_currency_precision(self.currency)))

    def short_money(self, amount: Decimal) -> str:
        """Say 3 € instead of 3,00 €."""
        if not _is_whole(amount):
            return self.money(amount)
        pattern = self.locale.currency_formats["standard"].pattern.replace(".00", "")
        return self._money(_rounded(amount, 0), pattern, currency_digits=False)

    def _money(
        self, amount: Decimal, pattern: str | None = None, *, currency_digits: bool = True
    ) -> str:
        said = format_currency(
            amount, self.currency, pattern, self.locale, currency_digits=currency_digits
        )
        return _spaced(said).strip()

    def day(self, day: date) -> str:
        return format_date(day, "medium", self.locale)


@dataclass(frozen=True, slots=True)
class Paper:
    """The paper of a text receipt, so many columns wide."""

    columns: int

    def line(self) -> str:
        """Return a line from edge to edge."""
        return "-" * self.columns

    def center(self, words: str) -> str:
        """Return the words in the middle, on as many lines as they need."""
        lines = (line for part in words.split("\n") for line in _wrapped(part, self.columns))
        return "\n".join(" " * ((self.columns - display_width(line)) // 2) + line for line in lines)

    def row(self, left: str, right: str) -> str:
        """Return the left words at the left, wrapped, and the right ones at the right edge."""
        room = self.columns - display_width(right) - COLUMNS_BETWEEN
        # Rather a line more than a word cut in two, or a name one letter wide.
        if room < max(self.columns // 4, _room_needed(left)):
            return "\n".join([*_wrapped(left, self.columns), *self._right(right)])
        first, *others = _wrapped(left, room, indent=INDENT)
        gap = " " * (self.columns - display_width(first) - display_width(right))
        return "\n".join([first + gap + right, *others])

    def fit(self, printed: str) -> str:
        """Return what was printed without control characters, and no line wider than the paper."""
        lines = (plain(line).rstrip() for line in printed.rstrip().split("\n"))
        return "".join(f"{fitted}\n" for line in lines for fitted in self._fitted(line))

    def _fitted(self, line: str) -> list[str]:
        return [line] if display_width(line) <= self.columns else _wrapped(line, self.columns)

    def _right(self, words: str) -> list[str]:
        lines = _wrapped(words, self.columns)
        return [" " * (self.columns - display_width(line)) + line for line in lines]


def display_width(words: str) -> int:
    """Count the columns that these words take: wide characters two, combining ones none."""
    return sum(_cluster_width(cluster) for cluster in _clusters(words))


def plain(words: str) -> str:
    """Make every kind of space a plain one and drop all that is not to be seen."""
    return "".join(_plain_character(character) for character in words)


def name(words: str) -> str:
    """Make plain words of what people typed: on one line, and of a length fit for a receipt."""
    return " ".join(plain(unicodedata.normalize("NFC", words)).split())[:NAME_CHARACTERS_MAX]


def _plain_character(character: str) -> str:
    category = unicodedata.category(character)
    if category.startswith("Z") or character in "\t\n\r":
        return " "
    # C: controls, invisible formats (they can turn the writing around), halves of characters.
    dropped = category.startswith("C") and category not in {"Co", "Cn"}
    return "" if dropped and character not in _KEPT_FORMATS else character


def _clusters(words: str) -> list[str]:
    clusters: list[str] = []
    for character in words:
        if clusters and not _character_width(character):
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters


def _cluster_width(cluster: str) -> int:
    return 2 if _EMOJI_SELECTOR in cluster else _character_width(cluster[0])


def _character_width(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    wide = unicodedata.east_asian_width(character) in {"W", "F"}
    # Pictures that Unicode calls narrow print wide in most fonts: rather too much than too little.
    return 2 if wide or character >= _ASTRAL_SYMBOLS else 1


def _wrapped(words: str, columns: int, *, indent: str = "") -> list[str]:
    """Break into lines; those after the first begin with the indent."""
    lines = [""]
    for word in words.split(" "):
        for piece in _pieces(word, columns):
            joined = f"{lines[-1]} {piece}" if lines[-1] else piece
            if display_width(joined) <= columns:
                lines[-1] = joined
            else:
                lines.append(indent + piece)
    return lines


def _room_needed(words: str) -> int:
    """Count the columns of the widest word, those after the first with their indent."""
    first, *others = words.split(" ")
    return max([display_width(first), *(display_width(INDENT + word) for word in others)])


def _pieces(word: str, columns: int) -> Iterator[str]:
    """Cut a word that is wider than the paper."""
    piece = ""
    for cluster in _clusters(word):
        if display_width(piece + cluster) > columns:
            yield piece
            piece = ""
        piece += cluster
    yield piece


def _rounded(number: Decimal, decimals: int) -> Decimal:
    """Round half away from zero, so that a return shows what its sale showed; never to -0."""
    rounded = number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return rounded or rounded.copy_abs()


def _spaced(number: str) -> str:
    """Part thousands by a whole space: the narrow one is too narrow to see on thermal paper."""
    return number.replace("\u202f", "\u00a0")


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def _locale(language: str) -> Locale | None:
    try:
        return Locale.parse(language)
    except UnknownLocaleError:
        return None


def _source(loader: BaseLoader, language: str) -> _PhrasesFile | None:
    template = f"receipts/phrases.{language}.toml"
    try:
        source, file, _ = loader.get_source(SandboxedEnvironment(), template)
    except TemplateNotFound:
        return None
    except (TemplateSyntaxError, OSError) as error:
        raise _error(template, error, _PHRASES_REMEDY) from error
    return _PhrasesFile(file or template, source)


def _merged(words: Mapping[str, Any], changes: Mapping[str, Any]) -> Phrases:
    tables = {
        key: {**words[key], **value} for key, value in changes.items() if isinstance(value, dict)
    }
    return Phrases({**words, **changes, **tables})


def _error(template: str, error: Exception, remedy: str) -> UserError:
    file, line = _place(template, error)
    where = f"{file}, line {line}" if line else file
    return UserError(f"{where}: {_problem(error)}", remedy)


def _place(template: str, error: Exception) -> tuple[str, int | None]:
    if isinstance(error, TemplateSyntaxError):
        return error.filename or error.name or template, error.lineno
    # jinja puts a template's own lines into the traceback; the last one is where it failed.
    frames = traceback.extract_tb(error.__traceback__)
    places = [(frame.filename, frame.lineno) for frame in frames if _is_template(frame.filename)]
    return places[-1] if places else (template, None)


def _is_template(file: str) -> bool:
    return not file.endswith(".py") and not file.startswith("<")


def _problem(error: Exception) -> str:
    """Say in one line what went wrong."""
    if isinstance(error, TemplateNotFound):
        return f"there is no template {error}"
    said = error.message if isinstance(error, TemplateSyntaxError) else str(error)
    return " ".join((said or type(error).__name__).split())
