"""Lists of customers as people bring them: CSV files from an earlier system or a spreadsheet.

Opening balances name customers and points, lists for a bonus only customers.

Every mistake in it is found before anything is booked, and each names its line.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path

from dolisync.errors import UserError

COLUMNS = ("customer", "points", "expires_on", "reason")
NEEDED = ("customer", "points")
PEOPLE = ("customer",)
ROWS_MAX = 200_000
_ENCODINGS = ("utf-8-sig", "cp1252")
_HEADER = f"begin it with a line: {';'.join(COLUMNS)} (the last two may be left out)"
_PEOPLE_HEADER = "begin it with a line that says: customer"

_SPACES = re.compile(r"[\s\u00a0\u202f]+")
_PLAIN = re.compile(r"\d+(?:[.,]\d+)?")
# Groups of three, all parted by the same sign, and decimals after another sign.
_GROUPED = re.compile(r"[1-9]\d{0,2}(?P<by>[ .,'])\d{3}(?:(?P=by)\d{3})*(?:(?!(?P=by))[.,]\d+)?")
# 1.000 is a thousand here and one there: nobody must guess.
_AMBIGUOUS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_SHORTENED = re.compile(r"\d+(?:[.,]\d+)?[eE]\+?\d+")


@dataclass(frozen=True, slots=True)
class OpeningRow:
    """One line of the file. ``customer`` is an id, a card number, a code or an e-mail."""

    line: int
    customer: str
    points: Decimal
    expires_on: date | None
    reason: str


@dataclass(frozen=True, slots=True)
class PeopleFile:
    """A list of customers, by line: ids, card numbers, codes or e-mails."""

    name: str
    digest: str
    people: Mapping[int, str]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class OpeningFile:
    """A whole file; ``digest`` stands for its contents. ``rows`` are the lines that can be read."""

    name: str
    digest: str
    rows: tuple[OpeningRow, ...]
    problems: tuple[Problem, ...]


def read(path: Path) -> OpeningFile:
    """Read a file, with everything that is wrong in its lines.

    Raises ``UserError`` when it is no list of opening balances at all.
    """
    content = path.read_bytes()
    rows, problems = [], []
    for line, record in _records(path, _text(path, content), COLUMNS, NEEDED, _HEADER):
        try:
            rows.append(_row(line, record))
        except ValueError as error:
            problems.append(Problem(line, str(error)))
    if not rows and not problems:
        message = f"{path.name} has no lines below its header"
        raise UserError(message, "write one line for each member")
    digest = hashlib.sha256(content).hexdigest()
    return OpeningFile(path.name, digest, tuple(rows), tuple(problems))


def read_people(path: Path) -> PeopleFile:
    """Read a list of customers, with everything that is wrong in its lines.

    Raises ``UserError`` when it is no such list at all.
    """
    content = path.read_bytes()
    people, problems = {}, []
    for line, record in _records(path, _text(path, content), PEOPLE, PEOPLE, _PEOPLE_HEADER):
        try:
            people[line] = _customer(record)
        except ValueError as error:
            problems.append(Problem(line, str(error)))
    if not people and not problems:
        message = f"{path.name} has no lines below its header"
        raise UserError(message, "write one line for each customer")
    digest = hashlib.sha256(content).hexdigest()
    return PeopleFile(path.name, digest, people, tuple(problems))


def _text(path: Path, content: bytes) -> str:
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    message = f"{path.name} is no text"
    raise UserError(message, "save it as CSV in UTF-8")


def _records(
    path: Path, text: str, columns: Sequence[str], needed: Sequence[str], remedy: str
) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Walk over the lines below the header: their numbers, and pairs of column and cell."""
    first = text.split("\n", 1)[0]
    # Strict: a quote that nobody closes would swallow all that follows.
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=";" if ";" in first else ",", strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(path, header, columns, needed, remedy)
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                _check_length(path, reader.line_num)
                yield reader.line_num, list(zip_longest(header, stripped, fillvalue=""))
    except csv.Error as error:
        message = f"{path.name}, line {reader.line_num}: {error}"
        raise UserError(message, "look for a quotation mark that is not closed") from None


def _check_header(
    path: Path,
    header: Sequence[str],
    columns: Sequence[str],
    needed: Sequence[str],
    remedy: str,
) -> None:
    unknown = [name for name in header if name not in columns]
    what = ""
    if unknown:
        what = f"has an unknown column '{unknown[0]}'"
    elif any(header.count(name) != 1 for name in needed) or len(set(header)) < len(header):
        what = "has no proper header"
    if what:
        message = f"{path.name} {what}"
        raise UserError(message, remedy)


def _check_length(path: Path, line: int) -> None:
    if line > ROWS_MAX:
        message = f"{path.name} has more than {ROWS_MAX} lines"
        raise UserError(message, "cut it into several files")


def _customer(cells: list[tuple[str, str]]) -> str:
    if any(cell for column, cell in cells if not column):
        message = "it has more cells than the header: a number with a comma needs quotation marks"
        raise ValueError(message)
    customer = dict(cells).get("customer", "")
    if not customer:
        message = "it names no customer"
        raise ValueError(message)
    if _SHORTENED.fullmatch(customer):
        message = f"'{customer}' is a number that the spreadsheet has shortened: make it text there"
        raise ValueError(message)
    return customer


def _row(line: int, cells: list[tuple[str, str]]) -> OpeningRow:
    customer, record = _customer(cells), dict(cells)
    return OpeningRow(
        line,
        customer,
        read_points(record.get("points", "")),
        _day(record.get("expires_on", "")),
        record.get("reason", ""),
    )


def read_points(text: str) -> Decimal:
    """Read a number of points as spreadsheets write it. Raises ``ValueError`` with what is wrong.

    Spaces, points, commas and apostrophes may part the thousands, a point or a comma the decimals.
    """
    bare = _SPACES.sub(" ", text).strip()
    if _AMBIGUOUS.fullmatch(bare):
        whole = re.sub(r"[.,]", "", bare)
        message = f"'{text}' may mean {whole} or {bare.replace(',', '.')}: write {whole}, or fewer "
        raise ValueError(message + "decimals")
    if _SHORTENED.fullmatch(bare):
        message = f"'{text}' is a number that the spreadsheet has shortened: write all its digits"
        raise ValueError(message)
    points = _number(bare)
    if not points:
        message = f"'{text}' is not a number of points above zero"
        raise ValueError(message)
    return points


def _number(text: str) -> Decimal | None:
    """Read digits with or without groups; ``None`` for anything else."""
    grouped = _GROUPED.fullmatch(text)
    if grouped is not None:
        text = text.replace(grouped["by"], "")
    elif not _PLAIN.fullmatch(text):
        return None
    return Decimal(text.replace(",", "."))


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"'{text}' is not a day; write it as 2027-01-31"
        raise ValueError(message) from None
