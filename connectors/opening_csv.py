"""Opening balances as people bring them: a CSV file from an earlier system or a spreadsheet.

Every mistake in it is found before anything is booked, and each names its line.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from dolisync.errors import ConfigError, UserError

COLUMNS = ("customer", "points", "expires_on", "reason")
NEEDED = ("customer", "points")
ROWS_MAX = 200_000
_ENCODINGS = ("utf-8-sig", "cp1252")
_HEADER = f"begin it with a line: {';'.join(COLUMNS)} (the last two may be left out)"
# 1.000 is a thousand here and one there: nobody must guess.
_AMBIGUOUS = re.compile(r"^-?\d{1,3}[.,]\d{3}$")


@dataclass(frozen=True, slots=True)
class OpeningRow:
    """One line of the file. ``customer`` is an id, a card number, a code or an e-mail."""

    line: int
    customer: str
    points: Decimal
    expires_on: date | None
    reason: str


@dataclass(frozen=True, slots=True)
class OpeningFile:
    """A whole file; ``digest`` stands for its contents."""

    name: str
    digest: str
    rows: tuple[OpeningRow, ...]


def read(path: Path) -> OpeningFile:
    """Read a file. Raises ``UserError``, or ``ConfigError`` with everything wrong in its lines."""
    content = path.read_bytes()
    records = _records(path, _text(path, content))
    problems: list[str] = []
    rows = []
    for line, record in records:
        try:
            rows.append(_row(line, record))
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    problems += _doubles(rows)
    if problems:
        message = f"{path.name} cannot be booked as it is"
        raise ConfigError(message, problems, "mend these lines; nothing was booked")
    if not rows:
        message = f"{path.name} has no lines below its header"
        raise UserError(message, "write one line for each member")
    return OpeningFile(path.name, hashlib.sha256(content).hexdigest(), tuple(rows))


def _text(path: Path, content: bytes) -> str:
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    message = f"{path.name} is no text"
    raise UserError(message, "save it as CSV in UTF-8")


def _records(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if ";" in first else ",")
    header = [name.strip().lower() for name in next(reader, [])]
    _check_header(path, header)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            if reader.line_num > ROWS_MAX:
                message = f"{path.name} has more than {ROWS_MAX} lines"
                raise UserError(message, "cut it into several files")
            yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=False))


def _check_header(path: Path, header: Sequence[str]) -> None:
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or any(name not in header for name in NEEDED):
        what = f"has an unknown column '{unknown[0]}'" if unknown else "has no proper header"
        message = f"{path.name} {what}"
        raise UserError(message, _HEADER)


def _row(line: int, record: dict[str, str]) -> OpeningRow:
    customer = record.get("customer", "")
    if not customer:
        message = "it names no customer"
        raise ValueError(message)
    return OpeningRow(
        line,
        customer,
        _points(record.get("points", "")),
        _day(record.get("expires_on", "")),
        record.get("reason", ""),
    )


def _points(text: str) -> Decimal:
    bare = re.sub(r"[\s\u00a0\u202f']", "", text)
    if _AMBIGUOUS.match(bare):
        whole = re.sub(r"[.,]", "", bare)
        message = f"'{text}' may mean {whole} or {bare.replace(',', '.')}: write {whole}, or fewer "
        raise ValueError(message + "decimals")
    if "," in bare and "." in bare:
        thousands = "." if bare.rindex(",") > bare.rindex(".") else ","
        bare = bare.replace(thousands, "")
    try:
        points = Decimal(bare.replace(",", "."))
    except ArithmeticError:
        message = f"'{text}' is not a number of points"
        raise ValueError(message) from None
    if not points.is_finite() or points <= 0:
        message = f"'{text}' is not a number of points above zero"
        raise ValueError(message)
    return points


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"'{text}' is not a day; write it as 2027-01-31"
        raise ValueError(message) from None


def _doubles(rows: Sequence[OpeningRow]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for row in rows:
        if row.customer in seen:
            yield f"line {row.line}: '{row.customer}' stands in line {seen[row.customer]} already"
        seen.setdefault(row.customer, row.line)
