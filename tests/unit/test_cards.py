"""Cards as they are drawn: for the eye, for scanners, for printers."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import pypdfium2
import pytest
import segno
from barcode import get as barcode_of
from PIL import Image

from connectors.cards import CardPainter
from dolisync.card import CardFace, Look, card_face
from dolisync.codes import read_code, shown_code

CODE = "W078EA27VTY2"
LOOK = Look("Boulangerie <Marché> & Fils", note="Valable dans nos trois magasins")
RUN = re.compile(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z")


@pytest.fixture(scope="module")
def painter() -> CardPainter:
    return CardPainter(None)


def face(language: str = "fr", **more: Any) -> CardFace:
    wanted = {"kind": "voucher", "code": CODE, "amount": Decimal(10), "currency": "EUR"}
    look = more.pop("look", LOOK)
    return card_face(language, look, **{**wanted, "last_day": date(2027, 11, 27), **more})


def words_of(document: bytes) -> str:
    pdf = pypdfium2.PdfDocument(document)
    try:
        return "\n".join(page.get_textpage().get_text_bounded() for page in pdf)
    finally:
        pdf.close()


def pages_of(document: bytes) -> int:
    pdf = pypdfium2.PdfDocument(document)
    try:
        return len(pdf)
    finally:
        pdf.close()


@pytest.mark.parametrize(
    ("language", "title", "amount"),
    [
        ("en", "Voucher", "€10.00"),
        ("fr", "Bon d'achat", "10,00\u00a0€"),
        ("de", "Gutschein", "10,00\u00a0€"),
        ("it", "Buono acquisto", "10,00\u00a0€"),
        ("es", "Vale de compra", "10,00\u00a0€"),
    ],
)
def test_a_card_speaks_its_customer_s_language(
    painter: CardPainter, language: str, title: str, amount: str
) -> None:
    said = words_of(painter.pdf(face(language, name="Élodie Åström")))
    assert title in said
    assert amount.replace("\u00a0", " ") in said.replace("\u00a0", " ")
    for words in (shown_code(CODE), "Boulangerie <Marché> & Fils", "2027", "Élodie Åström"):
        assert words in said
    assert read_code(shown_code(CODE)) == CODE


def test_a_picture_is_fine_enough_to_print(painter: CardPainter) -> None:
    picture = Image.open(io.BytesIO(painter.png(face(kind="gift_card"))))
    # 85.6 by 54 mm at 300 dots an inch.
    assert (abs(picture.width - 1011) <= 1, abs(picture.height - 638) <= 1) == (True, True)
    colors = {color for _, color in picture.convert("RGB").getcolors(1 << 20) or ()}
    assert {(0x1F, 0x5F, 0x5B), (0x1A, 0x1A, 0x1A), (255, 255, 255)} <= colors


def runs(path: str) -> Iterator[tuple[float, float, float, float]]:
    for found in RUN.finditer(path):
        x, y, wide, high = (float(number) for number in found.groups())
        yield x, y, wide, high


def paths(picture: str) -> list[str]:
    root = ET.fromstring(picture)
    drawn = [node.get("d", "") for node in root.iter("{http://www.w3.org/2000/svg}path")]
    return [path for path in drawn if RUN.match(path)]


def test_the_squares_are_the_code_that_any_reader_reads(painter: CardPainter) -> None:
    qr, _ = paths(painter.svg(face()))
    matrix = [bytes(row) for row in segno.make(CODE, micro=False, error="q").matrix]
    unit = 208 / len(matrix)
    dark = {
        (round((y - 52) / unit), round((x - 596) / unit) + step)
        for x, y, wide, _ in runs(qr)
        for step in range(round(wide / unit))
    }
    assert dark == {(r, c) for r, row in enumerate(matrix) for c, dot in enumerate(row) if dot}


def test_the_bars_are_the_code_too(painter: CardPainter) -> None:
    _, bars = paths(painter.svg(face()))
    modules = barcode_of("code128", CODE).build()[0]
    unit = 520 / len(modules)
    dark = {
        round((x - 44) / unit) + step
        for x, _, wide, _ in runs(bars)
        for step in range(round(wide / unit))
    }
    assert dark == {place for place, module in enumerate(modules) if module == "1"}
    # 0.25 mm is the least that scanners of tills read well.
    assert unit / 10 > 0.25


def test_ten_cards_go_on_a_sheet_and_the_same_cards_make_the_same_file(
    painter: CardPainter,
) -> None:
    told: list[int] = []
    sheets = painter.sheet([face()] * 11, told.append)
    assert (pages_of(sheets), told[-1]) == (2, 11)
    assert painter.sheet([face()] * 11) == sheets
    assert words_of(sheets).count(shown_code(CODE)) == 11


def test_a_page_holds_every_card_and_escapes_names(painter: CardPainter) -> None:
    page = painter.html([face(name="<script>alert(1)</script>")] * 3, "Bons", "fr")
    assert page.count("<svg") == 3
    assert "<script" not in page
    assert "&lt;Marché&gt; &amp; Fils" in page


def test_without_last_day_and_with_long_words_it_still_holds(painter: CardPainter) -> None:
    long = Look("x" * 80, title="Chèque cadeau de Noël 26")
    drawn = face("de", look=long, last_day=None, amount=Decimal("1250.50"), currency="CHF")
    said = words_of(painter.pdf(drawn))
    assert "Unbegrenzt gültig" in said
    assert "x" * 29 + "..." in said
    assert "1.250,50 CHF" in said.replace("\u00a0", " ")
