"""The page that a till posts becomes lines that fit the paper, whatever it holds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.receipts import display_width
from connectors.ticket_html import TicketLine, lay_out, visible_text
from connectors.ticket_mending import mended

TICKETS = Path(__file__).parent / "tickets"
# As receipt.php of these versions came from TakePOS's own script.
POSTED = {
    path.name: path.read_text(encoding="utf-8") for path in sorted(TICKETS.glob("posted.*.html"))
}
ORDER = (
    '<html><br><b>Place Table 5<br><table width="65%"><thead><tr><th class="left">Label</th>'
    '<th class="right">Qty</th></tr></thead><tbody><tr><td class="left">Pizza</td>'
    '<td class="right">2<br>(no olives)</td></tr></tbody></table>26/11/2026 19:30<br></html>'
)


def words(lines: tuple[TicketLine, ...]) -> list[str]:
    return [line.text for line in lines]


@pytest.mark.parametrize("name", POSTED)
def test_a_ticket_on_paper(name: str) -> None:
    lines = lay_out(mended(POSTED[name], "EUR"), 32)
    assert words(lines) == [
        "       Épicerie du Marché",
        "",
        "                 Date 26/11/2026",
        "                   TC1-2611-0011",
        "",
        "--------------------------------",
        "Libellé      Qté  Prix Total TTC",
        "Café en grains 250 g",
        "               1 12,00     12,00",
        "",
        "Total HT                 10,00 €",
        "Total TVA                 2,00 €",
        "Total TTC                12,00 €",
        "--------------------------------",
    ]
    assert lines[0] == TicketLine(lines[0].text, is_bold=True, is_tall=True)
    assert not any(line.is_tall for line in lines[1:])


@pytest.mark.parametrize("name", POSTED)
def test_the_number_of_the_sale_can_be_read_and_scripts_cannot(name: str) -> None:
    text = visible_text(POSTED[name])
    assert "TC1-2611-0011" in text.split()
    assert "window" not in text
    assert "text-align" not in text


def test_a_kitchen_order_on_paper() -> None:
    assert words(lay_out(ORDER, 32)) == [
        "Place Table 5",
        "Label                        Qty",
        "Pizza              2 (no olives)",
        "26/11/2026 19:30",
    ]


def test_letters_without_table_row_as_kitchen_printers_two_and_three_get_them() -> None:
    """TakePOS forgets a cell there; nothing of it may be lost."""
    page = '<table><tbody><tr>Pizza<td class="right">2</td></tr></tbody></table>'
    assert {word for line in words(lay_out(page, 32)) for word in line.split()} == {"Pizza", "2"}


FRAGMENTS = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from(
            ["<td>", "</td>", "<tr>", "</table>", "<table>", "<br>", "<b>", "</b>", "<center>"]
        ),
        st.sampled_from(["</p>", '<p class="right">', "<script>", "&euro;", "&#0;", "<!--", "<"]),
    ),
    max_size=30,
)


@given(FRAGMENTS, st.sampled_from([20, 32, 42, 48]))
def test_no_line_is_wider_than_the_paper_and_none_commands_the_printer(
    parts: list[str], columns: int
) -> None:
    for line in lay_out("".join(parts), columns):
        assert display_width(line.text) <= columns
        assert not any(ord(character) < 32 for character in line.text)


@pytest.mark.parametrize("tag", ["<b>", "<div><i>", "<table><tr><td>", "</b>", "<p"])
def test_a_page_that_nests_without_end_is_read_in_no_time(tag: str) -> None:
    begun = time.monotonic()
    lay_out(tag * (200_000 // len(tag)) + "</i>" * 50_000, 48)
    assert time.monotonic() - begun < 10
