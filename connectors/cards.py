"""Cards that customers are given: one template draws them for screens, printers and e-mails.

The template is SVG. PDF is drawn from it with the fonts that every reader has, and a picture is
made of that: nothing is asked of the fonts on the machine, which may have none.
"""

from __future__ import annotations

import enum
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import segno
from barcode import get as barcode_of
from jinja2 import ChoiceLoader, PackageLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from connectors.receipts import FolderLoader
from dolisync.card import CardFace
from dolisync.errors import UserError

CARD_TEMPLATE = "cards/card.svg.j2"
SHEET_TEMPLATE = "cards/sheet.html.j2"
PICTURE_DPI = 300
# Of a sheet of A4, in points of a printer (1/72 inch): two cards beside each other, five below.
_POINTS_PER_MM = 72 / 25.4
_PAGE = (210 * _POINTS_PER_MM, 297 * _POINTS_PER_MM)
_CARD = (85.6 * _POINTS_PER_MM, 54 * _POINTS_PER_MM)
_COLUMNS, _ROWS = 2, 5
_GAP = 2 * _POINTS_PER_MM
_REMEDY = "mend it (docs/vouchers.md lists what it may use), or remove it to use dolisync's own"


class Form(enum.StrEnum):
    """How a card can be written."""

    SVG = "svg"
    PNG = "png"
    PDF = "pdf"
    HTML = "html"


def no_telling(_done: int) -> None:
    """Tell nobody how far it is."""


class CardPainter:
    """Paints cards with the shopkeeper's template, or with dolisync's where there is none."""

    def __init__(self, templates_folder: Path | None) -> None:
        packaged = PackageLoader("templates", ".")
        own = None if templates_folder is None else FolderLoader(templates_folder)
        self._environment = SandboxedEnvironment(
            loader=ChoiceLoader([loader for loader in (own, packaged) if loader]),
            undefined=StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["fit"] = _fit

    def svg(self, face: CardFace) -> str:
        """Return one card as a picture of lines and letters. Raises ``UserError``."""
        return self._render(CARD_TEMPLATE, card=face, qr=_qr_path, bars=_bars_path)

    def html(
        self,
        faces: Sequence[CardFace],
        title: str,
        language: str,
        tell: Callable[[int], None] = no_telling,
    ) -> str:
        """Return a page that prints cards on sheets of A4, and needs nothing from elsewhere."""
        pictures = []
        for done, face in enumerate(faces, start=1):
            pictures.append(Markup(self.svg(face)))  # noqa: S704 - escaped by its own template
            tell(done)
        return self._render(SHEET_TEMPLATE, pictures=pictures, title=title, language=language)

    def pdf(self, face: CardFace) -> bytes:
        """Return one card as a document of its own size."""
        return self._document([face], _CARD, [(0.0, 0.0)], no_telling)

    def sheet(self, faces: Sequence[CardFace], tell: Callable[[int], None] = no_telling) -> bytes:
        """Return cards on sheets of A4, ten on each, to be cut."""
        return self._document(faces, _PAGE, list(_places()), tell)

    def png(self, face: CardFace) -> bytes:
        """Return one card as a picture of dots, fine enough to print."""
        import pypdfium2  # noqa: PLC0415 - dear to load, and seldom needed

        document = pypdfium2.PdfDocument(self.pdf(face))
        try:
            picture = document[0].render(scale=PICTURE_DPI / 72).to_pil()
        finally:
            document.close()
        written = io.BytesIO()
        picture.save(written, "PNG", optimize=True, dpi=(PICTURE_DPI, PICTURE_DPI))
        return written.getvalue()

    def _document(
        self,
        faces: Sequence[CardFace],
        page: tuple[float, float],
        places: Sequence[tuple[float, float]],
        tell: Callable[[int], None],
    ) -> bytes:
        from reportlab.graphics import renderPDF  # noqa: PLC0415 - dear to load, seldom needed
        from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415

        written = io.BytesIO()
        # The same cards give the same document: no moment of its making stands in it.
        canvas = Canvas(written, pagesize=page, invariant=1)
        for number, face in enumerate(faces):
            if number and number % len(places) == 0:
                canvas.showPage()
            x, y = places[number % len(places)]
            renderPDF.draw(self._drawing(face), canvas, x, y)
            tell(number + 1)
        canvas.save()
        return written.getvalue()

    def _drawing(self, face: CardFace) -> Any:
        from svglib.svglib import svg2rlg  # noqa: PLC0415 - dear to load, and seldom needed

        drawing = svg2rlg(io.BytesIO(self.svg(face).encode()))
        if drawing is None:
            raise UserError(f"{CARD_TEMPLATE} is no picture in SVG", _REMEDY)
        drawing.scale(_CARD[0] / drawing.width, _CARD[1] / drawing.height)
        return drawing

    def _render(self, template: str, **values: Any) -> str:
        try:
            return self._environment.get_template(template).render(**values)
        # A template is a program of the shopkeeper's: it can fail in any way a program can.
        except Exception as error:
            raise UserError(f"{template} does not work: {error}", _REMEDY) from error


def _places() -> Iterator[tuple[float, float]]:
    """Yield the lower left corners of the cards on a sheet, row by row from the top."""
    left = (_PAGE[0] - _COLUMNS * _CARD[0] - (_COLUMNS - 1) * _GAP) / 2
    top = _PAGE[1] - (_PAGE[1] - _ROWS * _CARD[1] - (_ROWS - 1) * _GAP) / 2
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            y = top - (row + 1) * _CARD[1] - row * _GAP
            yield left + column * (_CARD[0] + _GAP), y


def _fit(text: str, length: int) -> str:
    """Cut a text to so many characters."""
    return text if len(text) <= length else text[: length - 3].rstrip() + "..."


def _qr_path(content: str, x: float, y: float, size: float) -> str:
    """Draw a QR code as one path, ``size`` wide with its quiet zone outside."""
    rows = [bytes(row) for row in segno.make(content, micro=False, error="q").matrix]
    unit = size / len(rows)
    parts: list[str] = []
    for number, row in enumerate(rows):
        parts += _runs("".join(str(dot) for dot in row), x, y + number * unit, unit, unit)
    return "".join(parts)


def _bars_path(content: str, x: float, y: float, width: float, height: float) -> str:
    """Draw a Code 128 bar code as one path: what the scanners of tills read."""
    modules = barcode_of("code128", content).build()[0]
    return "".join(_runs(modules, x, y, width / len(modules), height))


def _runs(modules: str, x: float, y: float, unit: float, height: float) -> Iterator[str]:
    """Yield a rectangle for each run of dark modules."""
    start = modules.find("1")
    while start >= 0:
        end = modules.find("0", start)
        end = len(modules) if end < 0 else end
        left, wide = x + start * unit, (end - start) * unit
        yield f"M{left:.2f} {y:.2f}h{wide:.2f}v{height:.2f}h-{wide:.2f}z"
        start = modules.find("1", end)
