"""The ticket that TakePOS's browser posts: a small HTML page, laid out for paper as lines of text.

TakePOS takes the page of ``receipt.php`` and removes its line breaks before it posts it
(``ticket_mending`` says what goes with them). Kitchen orders come in the same form. Whatever the
page holds, lines come out no wider than the paper.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

from connectors.receipts import COLUMNS_BETWEEN, Paper, display_width, plain

# What stands in these is not to be read.
_UNSEEN = {"script", "style", "title", "head"}
_VOID = {"br", "img", "hr", "meta", "link", "input", "col"}
_BLOCKS = {"p", "div", "center", "table", "ul", "ol", "li", "h1", "h2", "h3", "h4", "body", "html"}
_BOLD = {"b", "strong", "th", "h1", "h2", "h3", "h4"}
_ALIGNMENTS = {"left", "center", "right"}
_TALL_FROM_EM = 1.2
_LARGE_FONTS = {"4", "5", "6", "7"}
# What nests deeper than that is no ticket, and would take long to read.
_DEPTH_MAX = 100


@dataclass(frozen=True, slots=True)
class TicketLine:
    """One line of paper. ``is_tall`` asks for letters of double height, ``is_qr`` for a QR code."""

    text: str
    is_bold: bool = False
    is_tall: bool = False
    is_qr: bool = False


@dataclass(frozen=True, slots=True)
class _Style:
    tag: str
    align: str = "left"
    is_bold: bool = False
    is_tall: bool = False
    is_unseen: bool = False


@dataclass(frozen=True, slots=True)
class _Words:
    """A line as the page has it: not yet fitted to any paper."""

    text: str
    style: _Style


@dataclass(slots=True)
class _Cell:
    words: str
    is_bold: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    """A line from edge to edge."""


@dataclass(slots=True)
class _Table:
    rows: list[list[_Cell]] = field(default_factory=list)


_Part = _Words | _Rule | _Table


def lay_out(page: str, columns: int) -> tuple[TicketLine, ...]:
    """Lay a posted page out for paper of so many columns; blank lines never follow each other."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    paper = Paper(columns)
    lines = (line for part in reader.finish() for line in _lines(part, paper))
    return tuple(_without_gaps(lines))


def visible_text(page: str) -> str:
    """Return all that can be read on a posted page."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return "\n".join(_text(part) for part in reader.finish())


def _text(part: _Part) -> str:
    if isinstance(part, _Table):
        return "\n".join(" ".join(cell.words for cell in row) for row in part.rows)
    return part.text if isinstance(part, _Words) else ""


class _Reader(HTMLParser):
    """Read a page into parts. Tags that are never closed, or closed twice, do no harm."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[_Part] = []
        self._styles = [_Style("")]
        self._line = ""
        self._has_bold = self._has_tall = False
        self._tables: list[_Table] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin what a tag begins."""
        given = {name: value or "" for name, value in attrs}
        if tag in _BLOCKS:
            self._end_line()
        if tag == "hr" or "border-top-style" in given.get("style", ""):
            self._parts.append(_Rule())
        if tag == "br":
            self._break()
        if tag not in _VOID and len(self._styles) < _DEPTH_MAX:
            self._styles.append(_styled(self._styles[-1], tag, given))
        self._begin_table_part(tag)

    def _begin_table_part(self, tag: str) -> None:
        if tag == "table":
            self._tables.append(_Table())
            self._parts.append(self._tables[-1])
        elif tag == "tr" and self._tables:
            self._tables[-1].rows.append([])
        elif tag in {"td", "th"} and self._tables:
            if not self._tables[-1].rows:
                self._tables[-1].rows.append([])
            self._tables[-1].rows[-1].append(_Cell("", tag == "th"))

    def handle_endtag(self, tag: str) -> None:
        """End what a tag began; an end without a beginning is passed over."""
        if tag in _BLOCKS:
            self._end_line()
        if any(style.tag == tag for style in self._styles):
            while self._styles.pop().tag != tag:
                pass
        if tag == "table" and self._tables:
            self._tables.pop()

    def handle_data(self, data: str) -> None:
        """Take words in."""
        if self._styles[-1].is_unseen:
            return
        words = " ".join(plain(data).split())
        if not words:
            return
        before, after = data[:1].isspace(), data[-1:].isspace()
        cell = self._cell()
        if cell is not None:
            cell.words = " ".join(f"{cell.words} {words}".split())
        else:
            gap = " " if before and self._line else ""
            self._line += f"{gap}{words}{' ' if after else ''}"
            self._has_bold |= self._styles[-1].is_bold
            self._has_tall |= self._styles[-1].is_tall

    def _cell(self) -> _Cell | None:
        row = self._tables[-1].rows[-1] if self._tables and self._tables[-1].rows else []
        return row[-1] if row else None

    def _break(self) -> None:
        if self._cell() is None:
            now = self._styles[-1]
            style = replace(now, is_bold=self._has_bold, is_tall=self._has_tall)
            self._parts.append(_Words(self._line.strip(), style))
            self._line, self._has_bold, self._has_tall = "", False, False

    def _end_line(self) -> None:
        if self._line.strip():
            self._break()

    def finish(self) -> list[_Part]:
        """Return all parts."""
        self._tables.clear()
        self._end_line()
        return self._parts


def _styled(before: _Style, tag: str, given: dict[str, str]) -> _Style:
    words = {*given.get("class", "").split(), given.get("align", "").lower()}
    align = "center" if tag == "center" else next(iter(words & _ALIGNMENTS), before.align)
    return _Style(
        tag,
        align,
        before.is_bold or tag in _BOLD,
        before.is_tall or tag in {"h1", "h2"} or _is_large(given),
        before.is_unseen or tag in _UNSEEN,
    )


def _is_large(given: dict[str, str]) -> bool:
    """Tell whether letters are larger than usual: by style, or by ``font size`` as 16 has it."""
    size = re.search(r"font-size:\s*(\d+(?:\.\d+)?)em", given.get("style", ""))
    if size is not None:
        return float(size[1]) >= _TALL_FROM_EM
    return given.get("size", "") in _LARGE_FONTS


def _lines(part: _Part, paper: Paper) -> Iterator[TicketLine]:
    if isinstance(part, _Rule):
        yield TicketLine(paper.line())
    elif isinstance(part, _Table):
        yield from _table_lines(part, paper)
    else:
        for line in _aligned(part, paper):
            yield TicketLine(line, part.style.is_bold, part.style.is_tall)


def _aligned(words: _Words, paper: Paper) -> list[str]:
    if words.style.align == "center":
        return paper.center(words.text).split("\n")
    if words.style.align == "right":
        return paper.row("", words.text).split("\n") if words.text else [""]
    return paper.fit(words.text).splitlines() or [""]


def _table_lines(table: _Table, paper: Paper) -> Iterator[TicketLine]:
    """Put the first cell of each row at the left, the others in columns at the right edge."""
    rows = [row for row in table.rows if any(cell.words for cell in row)]
    widths = _widths([[cell.words for cell in row] for row in rows])
    for row in rows:
        is_bold = all(cell.is_bold for cell in row)
        for line in _row_lines([cell.words for cell in row], widths, paper):
            yield TicketLine(line, is_bold)


def _widths(rows: Sequence[Sequence[str]]) -> dict[tuple[int, int], int]:
    """Return how wide each column must be, by how many cells its rows have and its place."""
    widths: dict[tuple[int, int], int] = {}
    for cells in rows:
        for place, cell in enumerate(cells[1:], start=1):
            column = (len(cells), place)
            widths[column] = max(widths.get(column, 0), display_width(cell))
    return widths


def _row_lines(cells: Sequence[str], widths: dict[tuple[int, int], int], paper: Paper) -> list[str]:
    label, numbers = cells[0], cells[1:]
    at_right = " ".join(
        " " * (widths[len(cells), place] - display_width(cell)) + cell
        for place, cell in enumerate(numbers, start=1)
    )
    room = paper.columns - display_width(at_right) - COLUMNS_BETWEEN
    if not at_right:
        return _fitted(label, paper)
    # Rather two lines than a label cut to pieces.
    if display_width(label) > room and room < paper.columns // 2:
        return [*_fitted(label, paper), *_fitted_right(at_right, paper)]
    return paper.row(label, at_right).split("\n")


def _fitted(words: str, paper: Paper) -> list[str]:
    return paper.fit(words).splitlines() if words else []


def _fitted_right(words: str, paper: Paper) -> list[str]:
    shortened = words if display_width(words) <= paper.columns else " ".join(words.split())
    return paper.row("", shortened).split("\n")


def _without_gaps(lines: Iterator[TicketLine]) -> Iterator[TicketLine]:
    """Leave out blank lines at the beginning, at the end and after one another."""
    blank: TicketLine | None = None
    begun = False
    for line in lines:
        if not line.text.strip():
            blank = line if begun else None
            continue
        if blank is not None:
            yield TicketLine("")
            blank = None
        begun = True
        yield line
