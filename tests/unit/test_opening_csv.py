"""Opening balances from spreadsheets: numbers are read rightly or not at all."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from connectors.opening_csv import OpeningFile, read, read_points
from dolisync.errors import UserError


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("1250", "1250"),
        ("1 250", "1250"),
        ("1\u202f250", "1250"),
        ("1'250", "1250"),
        ("1.234,50", "1234.50"),
        ("1,234.50", "1234.50"),
        ("1.234.567", "1234567"),
        ("1 234 567,5", "1234567.5"),
        ("12,5", "12.5"),
        ("0.125", "0.125"),
        ("1234.500", "1234.500"),
    ],
)
def test_numbers_of_spreadsheets_are_read(text: str, points: str) -> None:
    assert read_points(text) == Decimal(points)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1.000", "may mean 1000 or 1.000"),
        ("12,345", "may mean 12345 or 12.345"),
        ("1,25E+05", "the spreadsheet has shortened"),
        ("1 2 3", "not a number"),
        ("12.34,5", "not a number"),
        ("1.234.56", "not a number"),
        ("1_000", "not a number"),
        ("-3", "not a number of points above zero"),
        ("0", "not a number of points above zero"),
        ("NaN", "not a number"),
        ("", "not a number"),
    ],
)
def test_other_numbers_are_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_points(text)


def written(folder: Path, content: bytes) -> OpeningFile:
    path = folder / "old.csv"
    path.write_bytes(content)
    return read(path)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("sign", [b";", b","])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_all_that_spreadsheets_write_is_read(
    tmp_path: Path, mark: bytes, sign: bytes, end: bytes
) -> None:
    lines = [b"Customer,Points,expires_on", b'C-1,"12,5",2027-01-31', b",,", b"C-2,7,"]
    found = written(tmp_path, mark + end.join(lines).replace(b"2,5", b"2.5").replace(b",", sign))
    assert [(row.line, row.customer, row.points) for row in found.rows] == [
        (2, "C-1", Decimal("12.5")),
        (4, "C-2", Decimal(7)),
    ]
    assert found.problems == ()


def test_what_is_wrong_in_lines_is_kept_beside_what_is_right(tmp_path: Path) -> None:
    found = written(tmp_path, b"customer,points\n1,1,250\n4.00638E+12,5\n2,6\n,7\n")
    assert [row.customer for row in found.rows] == ["2"]
    assert [problem.line for problem in found.problems] == [2, 3, 5]
    assert "more cells than the header" in str(found.problems[0])
    assert "make it text there" in str(found.problems[1])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no proper header"),
        (b"1;5\n", "unknown column '1'"),
        (b"customer;points;points\n1;5;6\n", "no proper header"),
        (b"customer;points\n\n", "no lines below its header"),
        (b'customer;points\n1;5\n2;"6\n3;7\n', "line 4: unexpected end of data"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(UserError, match=why):
        written(tmp_path, content)
