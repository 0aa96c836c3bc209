"""Receipts: what they look like, that they fit the paper, and what a shopkeeper can change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.receipts import (
    COLUMNS,
    PRINTABLE_MM,
    Paper,
    PaperWidth,
    ReceiptRenderer,
    display_width,
)
from dolisync.errors import UserError
from dolisync.receipt import Receipt, ReceiptClaim, ReceiptLine, ReceiptPayment, ReceiptPoints

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "receipts"
LANGUAGES = ("de", "en", "es", "fr", "it")
WIDTHS: tuple[PaperWidth, ...] = (58, 80)

POINTS = ReceiptPoints(
    title="Club",
    decimals=0,
    earned=Decimal(127),
    pending=Decimal(15),
    balance=Decimal(1312),
    last_day=date(2027, 12, 31),
    rule_points=Decimal(300),
    rule_amount=Decimal(3),
)
SALE = Receipt(
    shop_name="Épicerie du Marché",
    ref="TC1-2603-0042",
    date=date(2026, 3, 7),
    is_return=False,
    customer_name="Élodie Martin-Dupont",
    language="fr",
    currency="EUR",
    lines=(
        ReceiptLine("Café en grains Éthiopie Yirgacheffe 250 g", Decimal(2), Decimal("13.00")),
        ReceiptLine("Thé vert Sencha 煎茶", Decimal(1), Decimal("8.90")),
        ReceiptLine("Fromage de chèvre", Decimal("0.325"), Decimal("7.15")),
        ReceiptLine("Grande théière en fonte émaillée", Decimal(1), Decimal(1249)),
    ),
    total=Decimal("1278.05"),
    payments=(ReceiptPayment("CB", Decimal(1200)), ReceiptPayment("LIQ", Decimal("78.05"))),
    points=(POINTS,),
)
RETURN = replace(
    SALE,
    ref="AV2603-0007",
    is_return=True,
    lines=(ReceiptLine("Café en grains", Decimal(1), Decimal("-6.50")),),
    total=Decimal("-6.50"),
    payments=(ReceiptPayment("LIQ", Decimal("-6.50")),),
    points=(
        replace(
            POINTS,
            decimals=2,
            earned=Decimal("-6.5"),
            pending=Decimal(0),
            balance=Decimal("-2.25"),
            last_day=None,
        ),
    ),
)


@pytest.fixture
def renderer() -> ReceiptRenderer:
    return ReceiptRenderer(None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "receipts").mkdir()
    return tmp_path


def write(folder: Path, name: str, words: str) -> ReceiptRenderer:
    (folder / "receipts" / name).write_text(words, encoding="utf-8")
    return ReceiptRenderer(folder)


def with_points(language: str = "fr", **changes: object) -> Receipt:
    return replace(SALE, language=language, points=(replace(POINTS, **changes),))  # type: ignore[arg-type]


CLAIMED = replace(
    SALE,
    customer_name="",
    points=(),
    claim=ReceiptClaim("2Y7K-Q2M9-X", date(2026, 4, 6)),
)


@pytest.mark.parametrize("width_mm", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_receipt_of_nobody_bears_its_code(
    renderer: ReceiptRenderer, language: str, width_mm: PaperWidth
) -> None:
    receipt = replace(CLAIMED, language=language)
    printed = renderer.text(receipt, width_mm)
    assert max(display_width(line) for line in printed.splitlines()) <= COLUMNS[width_mm]
    block = renderer.loyalty(receipt, COLUMNS[width_mm])
    assert block in printed
    code = next(line for line in block.splitlines() if "2Y7K" in line)
    assert code.strip() == "2Y7K-Q2M9-X"
    assert "2026" in block.splitlines()[-1]
    page = renderer.html(receipt, width_mm)
    assert page.count("<svg") == 1
    assert "2Y7K-Q2M9-X" in page
    assert "<svg" not in renderer.html(replace(SALE, language=language), width_mm)


# What it looks like


@pytest.mark.parametrize("width_mm", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["sale", "return"])
def test_text_is_the_golden_one(
    renderer: ReceiptRenderer, kind: str, language: str, width_mm: PaperWidth
) -> None:
    receipt = replace(SALE if kind == "sale" else RETURN, language=language)
    printed = renderer.text(receipt, width_mm)

    golden = GOLDEN / f"{kind}.{language}.{width_mm}.txt"
    if os.environ.get("UPDATE_RECEIPTS") == "1":
        golden.write_text(printed, encoding="utf-8")
    assert printed == golden.read_text(encoding="utf-8")


def test_every_golden_file_is_in_use() -> None:
    kinds = ("sale", "return")
    names = {f"{kind}.{lang}.{mm}.txt" for kind in kinds for lang in LANGUAGES for mm in WIDTHS}
    assert {path.name for path in GOLDEN.iterdir()} == names


def test_amounts_end_at_the_right_edge(renderer: ReceiptRenderer) -> None:
    lines = renderer.text(SALE, 80).splitlines()
    amounts = [line for line in lines if line.endswith("€") and "=" not in line]
    assert len(amounts) == 7
    assert {display_width(line) for line in amounts} == {48}


@pytest.mark.parametrize("width_mm", WIDTHS)
def test_html_is_a_whole_page_that_needs_nothing_from_elsewhere(
    renderer: ReceiptRenderer, width_mm: PaperWidth
) -> None:
    page = renderer.html(SALE, width_mm)
    assert page.startswith("<!DOCTYPE html>")
    assert '<html lang="fr">' in page
    assert f"width: {PRINTABLE_MM[width_mm]}mm" in page
    assert page.rstrip().endswith("</html>")
    for outside in ("http", "url(", "src=", "<link", "@import", "<script"):
        assert outside not in page


def test_html_says_what_the_text_says(renderer: ReceiptRenderer) -> None:
    page = renderer.html(SALE, 80)
    for words in ("2 × Café", "13,00\xa0€", "1\xa0312 points", "300 points = 3\xa0€", "Espèces"):
        assert words in page


# Points


def test_an_anonymous_sale_has_neither_name_nor_loyalty_block(renderer: ReceiptRenderer) -> None:
    anonymous = replace(SALE, customer_name="", points=())
    for printed in (renderer.text(anonymous, 80), renderer.html(anonymous, 80)):
        assert "Client" not in printed
        assert "points" not in printed.partition("<body>")[2].lower()
        assert "POINTS" not in printed


def test_a_return_says_so_and_takes_points_back(renderer: ReceiptRenderer) -> None:
    printed = renderer.text(replace(RETURN, language="en"), 80)
    assert "RETURN" in printed
    assert "Points taken back" in printed
    assert "-6.50 points" in printed
    assert "Points earned" not in printed


def test_a_debt_shows_as_such(renderer: ReceiptRenderer) -> None:
    printed = renderer.text(with_points("en", balance=Decimal(-5)), 80)
    assert "-5 points" in printed
    assert "make up for this first" in printed


def test_points_to_come_replace_a_zero(renderer: ReceiptRenderer) -> None:
    pending = renderer.text(with_points("en", earned=Decimal(0), last_day=None), 80)
    assert "Pending" in pending
    assert "Points earned" not in pending


def test_what_there_is_not_is_left_out(renderer: ReceiptRenderer) -> None:
    bare = with_points("en", pending=Decimal(0), last_day=None, rule_points=None, rule_amount=None)
    printed = renderer.text(bare, 80)
    for words in ("Pending", "Valid until", "=", "None"):
        assert words not in printed


def test_each_program_has_its_block(renderer: ReceiptRenderer) -> None:
    two = replace(SALE, points=(POINTS, replace(POINTS, title="Tea card")))
    printed = renderer.text(two, 58)
    assert "CLUB" in printed
    assert "TEA CARD" in printed


@pytest.mark.parametrize(
    ("language", "zero", "one", "two", "decimals", "million"),
    [
        ("fr", "0 point", "1 point", "2 points", "12,50 points", "1 000 000 de points"),
        ("it", "0 punti", "1 punto", "2 punti", "12,50 punti", "1.000.000 di punti"),
        ("de", "0 Punkte", "1 Punkt", "2 Punkte", "12,50 Punkte", "1.000.000 Punkte"),
        ("en", "0 points", "1 point", "2 points", "12.50 points", "1,000,000 points"),
        ("es", "0 puntos", "1 punto", "2 puntos", "12,50 puntos", "1.000.000 de puntos"),
    ],
)
def test_plural(
    renderer: ReceiptRenderer,
    language: str,
    zero: str,
    one: str,
    two: str,
    decimals: str,
    million: str,
) -> None:
    def balance(number: str, places: int = 0) -> str:
        receipt = with_points(language, balance=Decimal(number), decimals=places)
        lines = renderer.text(receipt, 80).splitlines()
        label = {"fr": "Nouveau", "it": "Nuovo", "de": "Neuer", "en": "New", "es": "Nuevo"}
        found = next(line for line in lines if line.startswith(label[language]))
        return found.split("  ")[-1].strip()

    assert balance("0") == zero
    assert balance("-0") == zero
    assert balance("1") == one
    assert balance("-1") == f"-{one}"
    assert balance("2") == two
    assert balance("12.5", 2) == decimals
    assert balance("1000000") == million


@pytest.mark.parametrize(
    ("points", "amount", "decimals", "rule"),
    [
        ("300", "3", 0, "300 points = €3"),
        ("300", "2.50", 2, "300 points = €2.50"),
        ("12.5", "1", 2, "12.50 points = €1"),
    ],
)
def test_rule_is_one_line(
    renderer: ReceiptRenderer, points: str, amount: str, decimals: int, rule: str
) -> None:
    receipt = with_points(
        "en", decimals=decimals, rule_points=Decimal(points), rule_amount=Decimal(amount)
    )
    assert rule in [line.strip() for line in renderer.text(receipt, 58).splitlines()]


# The columns


@pytest.mark.parametrize(
    ("left", "right", "printed"),
    [
        ("Tea", "1.00", "Tea             1.00"),
        ("Green tea of Uji", "1.00", "Green tea of    1.00\n  Uji"),
        ("Fourteen-wide.", "1.00", "Fourteen-wide.  1.00"),
        ("Fifteen-columns", "1.00", "Fifteen-columns\n                1.00"),
        ("A Fourteen-wide", "1.00", "A Fourteen-wide\n                1.00"),
        ("Tea", "a long word at right", "Tea\na long word at right"),
        ("Wider-than-the-paper-is", "1", "Wider-than-the-paper\n-is\n                   1"),
        ("煎茶煎茶 煎茶煎茶", "1.00", "煎茶煎茶        1.00\n  煎茶煎茶"),
        ("", "1.00", "                1.00"),
    ],
)
def test_a_row_keeps_its_columns_and_its_words_whole(left: str, right: str, printed: str) -> None:
    assert Paper(20).row(left, right) == printed


# Money, dates, languages


@pytest.mark.parametrize(("amount", "said"), [("0.005", "€0.01"), ("-0.005", "-€0.01")])
def test_half_a_cent_rounds_the_same_way_on_a_return(
    renderer: ReceiptRenderer, amount: str, said: str
) -> None:
    receipt = replace(SALE, language="en", total=Decimal(amount))
    total = next(li for li in renderer.text(receipt, 80).splitlines() if li.startswith("TOTAL"))
    assert total.split()[-1] == said


def test_nothing_is_minus_zero(renderer: ReceiptRenderer) -> None:
    receipt = replace(SALE, language="en", total=Decimal("-0.001"))
    assert "-€0.00" not in renderer.text(receipt, 80)


@pytest.mark.parametrize(
    ("currency", "said"), [("CHF", "13.00 CHF"), ("JPY", "13 JPY"), ("QQQ", "13.00 QQQ")]
)
def test_currency(renderer: ReceiptRenderer, currency: str, said: str) -> None:
    printed = renderer.text(replace(SALE, currency=currency), 80)
    assert said.replace(".", ",") in printed


@pytest.mark.parametrize("language", ["", "en", "pt_BR", "xx", "../fr", "english", "日本"])
def test_unknown_languages_read_english(renderer: ReceiptRenderer, language: str) -> None:
    assert "RECEIPT" in renderer.text(replace(SALE, language=language), 80)


@pytest.mark.parametrize("language", ["fr", "fr_CA", "fr-FR", "FR", " fr_FR.UTF-8"])
def test_regions_read_their_language(renderer: ReceiptRenderer, language: str) -> None:
    assert "TICKET" in renderer.text(replace(SALE, language=language), 80)


def test_an_unknown_mode_prints_as_it_is_and_none_has_a_word(renderer: ReceiptRenderer) -> None:
    payments = (ReceiptPayment("TWINT", Decimal(5)), ReceiptPayment("", Decimal(6)))
    printed = renderer.text(replace(SALE, payments=payments), 80)
    assert "TWINT" in printed
    assert "Paiement" in printed


# The paper's edge and the printer's commands

WORDS = st.text(max_size=300)
NUMBERS = st.decimals(
    min_value=Decimal("-1e30"), max_value=Decimal("1e30"), allow_nan=False, allow_infinity=False
)
BLOCKS = st.builds(
    ReceiptPoints,
    title=WORDS,
    decimals=st.integers(0, 2),
    earned=NUMBERS,
    pending=NUMBERS,
    balance=NUMBERS,
    last_day=st.none() | st.dates(),
    rule_points=st.none() | NUMBERS,
    rule_amount=st.none() | NUMBERS,
)
RECEIPTS = st.builds(
    Receipt,
    shop_name=WORDS,
    ref=WORDS,
    date=st.dates(),
    is_return=st.booleans(),
    customer_name=WORDS,
    language=st.sampled_from(LANGUAGES) | WORDS,
    currency=st.sampled_from(["EUR", "CHF", "JPY", ""]) | st.text(max_size=60),
    lines=st.lists(st.builds(ReceiptLine, WORDS, NUMBERS, NUMBERS), max_size=3).map(tuple),
    total=NUMBERS,
    payments=st.lists(st.builds(ReceiptPayment, WORDS, NUMBERS), max_size=2).map(tuple),
    points=st.lists(BLOCKS, max_size=2).map(tuple),
)
SHARED = ReceiptRenderer(None)


@settings(deadline=None)  # a busy machine is no bug
@given(RECEIPTS, st.sampled_from(WIDTHS))
def test_no_line_is_wider_than_the_paper(receipt: Receipt, width_mm: PaperWidth) -> None:
    printed = SHARED.text(receipt, width_mm)
    assert max(display_width(line) for line in printed.split("\n")) <= COLUMNS[width_mm]


@settings(deadline=None)  # a busy machine is no bug
@given(RECEIPTS, st.sampled_from(WIDTHS))
def test_nothing_in_it_commands_a_printer(receipt: Receipt, width_mm: PaperWidth) -> None:
    printed = SHARED.text(receipt, width_mm)
    assert not [char for char in printed if ord(char) < 0x20 and char != "\n"]
    assert not [char for char in printed if 0x7F <= ord(char) < 0xA0]
    assert len(printed.split("\n")) == len(printed.splitlines()) + 1
    printed.encode()


@settings(deadline=None)  # a busy machine is no bug
@given(RECEIPTS, st.sampled_from(WIDTHS))
def test_a_page_never_fails(receipt: Receipt, width_mm: PaperWidth) -> None:
    SHARED.html(receipt, width_mm).encode()


@pytest.mark.parametrize(
    ("words", "width"),
    [
        ("", 0),
        ("é", 1),
        ("e\u0301", 1),
        ("煎茶", 4),
        ("☕", 2),
        ("❤\ufe0f", 2),
        ("🫖", 2),
        ("🌶", 2),
    ],
)
def test_display_width(words: str, width: int) -> None:
    assert display_width(words) == width


def test_a_name_cannot_open_the_drawer(renderer: ReceiptRenderer) -> None:
    receipt = replace(SALE, customer_name="Eve\x1bp\x00\x19\xfa\n\x1d\x9bV\u202e")
    printed = renderer.text(receipt, 80)
    assert "Evepú V\n" in printed


def test_names_cannot_write_html(renderer: ReceiptRenderer) -> None:
    evil = '<script>alert("x")</script>&'
    receipt = replace(
        SALE,
        shop_name=evil,
        ref=evil,
        customer_name=evil,
        currency=evil,
        lines=(ReceiptLine(evil, Decimal(1), Decimal(1)),),
        payments=(ReceiptPayment(evil, Decimal(1)),),
        points=(replace(POINTS, title=evil),),
    )
    page = renderer.html(receipt, 80)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert evil in renderer.text(replace(SALE, shop_name=evil), 80)


# What a shopkeeper can change


def test_a_template_of_the_shopkeepers_own_wins(folder: Path) -> None:
    own = write(folder, "receipt.txt.j2", "{{ paper.center(receipt.shop_name) }}\n")
    assert own.text(SALE, 58) == " " * 7 + "Épicerie du Marché\n"
    assert "<!DOCTYPE html>" in own.html(SALE, 58)


def test_a_template_of_the_shopkeepers_own_fits_the_paper_too(folder: Path) -> None:
    own = write(folder, "receipt.txt.j2", "\x1b@{{ 'wide ' * 30 }}\n\tend\n\n\n")
    lines = own.text(SALE, 58).splitlines()
    assert lines[0].startswith("@wide wide")
    assert lines[-1] == " end"
    assert all(len(line) <= 32 for line in lines)


def test_one_changed_phrase_is_enough(folder: Path) -> None:
    own = write(folder, "phrases.fr.toml", '\ufefftotal = "À payer"\n[modes]\nCB = "Carte"\n')
    printed = own.text(SALE, 80)
    assert "À PAYER" in printed
    assert "Carte  " in printed
    assert "Espèces" in printed
    assert "À PAYER" not in own.text(replace(SALE, language="en"), 80)


def test_changes_show_without_a_restart(folder: Path) -> None:
    own = write(folder, "phrases.fr.toml", 'total = "Un"\n')
    assert "UN  " in own.text(SALE, 80)
    write(folder, "phrases.fr.toml", 'total = "Deux"\n')
    assert "DEUX  " in own.text(SALE, 80)


def test_own_phrases_in_an_own_template(folder: Path) -> None:
    write(folder, "phrases.fr.toml", '[own]\nhours = "Fermé le lundi"\n')
    own = write(folder, "receipt.txt.j2", "{{ phrases.own.hours }}")
    assert own.text(SALE, 80) == "Fermé le lundi\n"


def test_a_language_of_the_shopkeepers_own(folder: Path) -> None:
    words = 'title = "Recibo do cliente"\n[points]\none = "ponto"\nother = "pontos"\n'
    printed = write(folder, "phrases.pt.toml", words).text(replace(SALE, language="pt_BR"), 80)
    assert "RECIBO DO CLIENTE" in printed
    assert "+127 pontos" in printed
    assert "13,00" in printed
    assert "Points earned" in printed


def test_an_empty_thanks_prints_nothing(folder: Path) -> None:
    own = write(folder, "phrases.fr.toml", 'thanks = ""\n')
    assert own.text(SALE, 80).rstrip().endswith("300 points = 3 €")
    assert "<footer>" not in own.html(SALE, 80)


@pytest.mark.parametrize(
    ("template", "line", "problem"),
    [
        ("\n{% if receipt %}\n", 2, "endif"),
        ("\n\n{{ receipt.nonsense }}\n", 3, "nonsense"),
        ("{{ nonsense }}\n", 1, "'nonsense' is undefined"),
        ("\n{{ phrases.nonsense }}\n", 2, "there is no phrase 'nonsense'"),
        ("\n{{ phrases.own.nonsense }}\n", 2, "nonsense"),
        ("\n{{ 1 / 0 }}\n", 2, "division by zero"),
        ('\n{% include "nonsense.j2" %}\n', 2, "there is no template nonsense.j2"),
        ("\n{% for i in range(10 ** 9) %}{% endfor %}\n", 2, "Range too big"),
        ("\n{{ ''.__class__.__mro__ }}\n", 2, "unsafe"),
        ("{{ paper.center(1) }}", 1, "int"),
    ],
)
def test_a_broken_template_is_named_with_its_line(
    folder: Path, template: str, line: int, problem: str
) -> None:
    own = write(folder, "receipt.txt.j2", template)
    with pytest.raises(UserError) as caught:
        own.text(SALE, 80)
    said = str(caught.value)
    assert said.startswith(f"{folder / 'receipts' / 'receipt.txt.j2'}, line {line}: ")
    assert problem in said
    assert "\n" not in said
    assert "mend it" in caught.value.remedy


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('\ntotl = "x"\n', 'line 2: "totl" is not a phrase of receipts'),
        ('\n[mods]\nCB = "x"\n', 'line 2: "mods" is not a phrase of receipts'),
        ("\n\ntotal = 5\n", 'line 3: "total" must be text in quotes'),
        ("[modes]\nCB = 5\n", 'line 2: "CB" must be text in quotes'),
        ('points = "x"\n', 'line 1: "points" must be a section: [points]'),
        ("total = x\n", "line 1"),
    ],
)
def test_a_broken_phrase_is_named_with_its_line(folder: Path, words: str, said: str) -> None:
    own = write(folder, "phrases.fr.toml", words)
    with pytest.raises(UserError) as caught:
        own.html(SALE, 80)
    assert str(caught.value).startswith(f"{folder / 'receipts' / 'phrases.fr.toml'}")
    assert said in str(caught.value)
    assert "[own]" in caught.value.remedy


@pytest.mark.parametrize("name", ["receipt.txt.j2", "phrases.fr.toml"])
def test_a_file_that_is_not_utf_8_is_named(folder: Path, name: str) -> None:
    (folder / "receipts" / name).write_bytes('\ntotal = "Réglé"\n'.encode("latin-1"))
    with pytest.raises(UserError, match=rf"{name}, line 2: the file is not saved as UTF-8"):
        ReceiptRenderer(folder).text(SALE, 80)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        ReceiptRenderer(tmp_path / "nowhere")


# In the package


def phrase_keys(language: str) -> set[str]:
    file = ROOT / "templates" / "receipts" / f"phrases.{language}.toml"
    words = tomllib.loads(file.read_text(encoding="utf-8"))
    return set(words) | {f"modes.{mode}" for mode in words["modes"]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_languages_have_the_same_phrases(language: str) -> None:
    assert phrase_keys(language) == phrase_keys("en")


def test_it_works_from_an_installed_copy(tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    for package in ("connectors", "dolisync", "templates"):
        shutil.copytree(
            ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from datetime import date
from decimal import Decimal
from connectors.receipts import ReceiptRenderer
from dolisync.receipt import Receipt
receipt = Receipt("", "A1", date(2026, 3, 7), False, "", "it", "EUR", (), Decimal(1), (), ())
sys.stdout.buffer.write(ReceiptRenderer(None).html(receipt, 58).encode())
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(site)],
        cwd=elsewhere,
        capture_output=True,
        check=False,
    )
    assert b"Ricevuta" in done.stdout, done.stderr.decode()


def test_the_documentation_shows_the_golden_receipt_and_every_phrase() -> None:
    page = (ROOT / "docs" / "receipts.md").read_text(encoding="utf-8")
    assert (GOLDEN / "sale.fr.58.txt").read_text(encoding="utf-8") in page
    for phrase in phrase_keys("en"):
        assert f"`{phrase}`" in page or "." in phrase or f"`[{phrase}]`" in page
