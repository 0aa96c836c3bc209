"""What TakePOS cuts off a ticket comes back, or is shown as lacking; nothing else changes."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from connectors.ticket_mending import mended


def as_posted(cell: str) -> str:
    """Do what the till's script does: remove each line break with the character before it."""
    page = f"<tr><th>Total</th><td class='right'>{cell}\n</td></tr>"
    return re.sub(r"([^>\r\n]?)(\r\n|\n\r|\r|\n)", "", page)


def cell(page: str) -> str:
    return page.split("<td class='right'>")[1].split("</td>", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("currency", "shown"),
    [
        ("EUR", "7,50 €"),
        ("EUR", "-7,50 €"),
        ("EUR", "1 234,50 €"),
        ("EUR", "1.234,50 €"),
        ("CHF", "1'234.50 CHF"),
        ("PLN", "7,50 zł"),
        ("CZK", "7,50 Kč"),
        ("XOF", "1 000 XOF"),
    ],
)
def test_the_sign_comes_back(currency: str, shown: str) -> None:
    # Dolibarr writes one space more before a sign of letters that is the currency's code.
    written = shown.replace(currency, f" {currency}").replace(" ", "&nbsp;", shown.count(" ") - 1)
    assert cell(mended(as_posted(written), currency)) == shown


@pytest.mark.parametrize("amount", ["7.53", "0.03", "1234.53", "-7.53"])
def test_a_digit_comes_back_from_the_sale(amount: str) -> None:
    shown = f"£{Decimal(amount):,.2f}"
    amounts = [Decimal("6.28"), Decimal(amount), Decimal("1.26")]
    assert cell(mended(as_posted(shown), "GBP", amounts)) == shown


def test_a_digit_that_nobody_knows_is_shown_as_lacking() -> None:
    assert cell(mended(as_posted("£7.53"), "GBP")) == "£7.5..."
    # Two amounts that begin alike: neither is guessed.
    assert cell(mended(as_posted("£7.53"), "GBP", [Decimal("7.53"), Decimal("7.51")])) == "£7.5..."


@pytest.mark.parametrize(
    "whole", ["7,50", "12,00", "2", "Café 2 ", "1 kg", "7,50 €", "£7.53", "", "A 5 ", "24 &euro;"]
)
def test_what_was_not_cut_stays_as_it_is(whole: str) -> None:
    page = f"<td>{whole}</td>"
    assert mended(page, "EUR") == page
    assert mended(page, "GBP") == page
