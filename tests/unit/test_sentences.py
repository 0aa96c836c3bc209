"""Reasons and movements in five languages: nothing is missing, and what is said is right."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dolisync.phrases import LANGUAGES
from dolisync.program.campaign_terms import Birthday, Channel, Weekday
from dolisync.program.criteria import _TESTS
from dolisync.program.reasons import Reason, Why, because, of_campaign
from dolisync.program.terms import Basis, Rounding
from dolisync.sentences import DAYS, MONEY, TEXTS, Tongue, catalogue, missing_in, names_in

ROOT = Path(__file__).parents[2]
OTHERS = [language for language in LANGUAGES if language != "en"]
# What is written as it stands, or is a plain number.
AS_IT_STANDS = {"bonus", "cap", "code", "given", "hours", "mode", "modes", "months", "name"}
AS_IT_STANDS |= {"other", "percent", "points", "rate", "ref", "room", "share", "source", "time"}
AS_IT_STANDS |= {"times", "title", "wanted", "which", "back", "base", "limit", "badge"}
AS_IT_STANDS |= {"missing", "done"}


def tongue(language: str) -> Tongue:
    return Tongue(language, "EUR")


# --- nothing is missing --------------------------------------------------------------------------


@pytest.mark.parametrize("language", OTHERS)
def test_every_reason_has_a_sentence_with_the_same_values(language: str) -> None:
    assert missing_in(language) == []
    unknown = catalogue(language)["reasons"].keys() - {why.name.lower() for why in Why}
    assert not unknown


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("section", ["texts", "explain"])
def test_every_language_says_the_same(language: str, section: str) -> None:
    mine = catalogue(language)[section]
    model = catalogue("en" if section == "explain" else "de")[section]
    assert mine.keys() == model.keys()
    for key, sentence in mine.items():
        assert names_in(sentence) == names_in(key if section == "texts" else model[key]), key


def test_every_value_of_a_reason_is_of_a_known_kind() -> None:
    """A new name must be sorted in: an amount, a day, a word of ours, or as it stands."""
    used = {name for why in Why for name in names_in(why.value)}
    assert used <= MONEY | DAYS | TEXTS | AS_IT_STANDS
    assert not AS_IT_STANDS & (MONEY | DAYS | TEXTS)


@pytest.mark.parametrize("language", OTHERS)
def test_every_word_inside_reasons_is_translated(language: str) -> None:
    words = [*Basis, *(f"rounded {one}" for one in Rounding), *Channel, *Weekday]
    words += [one for one in Birthday if one is not Birthday.NONE]
    said = [str(word).replace("_", " ") for word in words]
    said += [what for what, _, _ in _TESTS]
    said += ["tier", "none", "a sale", "a day", "a month", "a member", "each", "each full"]
    assert [word for word in said if word not in catalogue(language)["texts"]] == []


@pytest.mark.parametrize("language", OTHERS)
def test_every_movement_that_the_code_writes_is_translated(language: str) -> None:
    """The texts are looked up where they are made, so that a new wording is missed here."""
    texts = catalogue(language)["texts"]
    for module, said in MOVEMENTS.items():
        code = (ROOT / "dolisync" / module).read_text(encoding="utf-8")
        code += (ROOT / "commands/batches.py").read_text(encoding="utf-8")
        for text in said:
            assert text in code, f"{module} does not say '{text}' any more"
            assert any(text in known for known in texts), text


MOVEMENTS = {
    "sync/judge.py": ["what was before it changed", "it names no sale", "is itself a credit note"],
    "sync/expire.py": ["expired after "],
    "sync/spent.py": ["came back with a return", "spent again: the return was corrected"],
    "sync/redeem.py": ["redeemed by command"],
    "sync/discounts.py": ["found in Dolibarr", "discount deleted in Dolibarr"],
    "sync/publish.py": ["discount removed unused"],
    "sync/paying.py": [" paid with points", "points paid came back"],
    "sync/transfer.py": ["to customer ", "from customer ", " undone: "],
    "sync/merge.py": [" merged into "],
    "sync/referrals.py": [": taken back"],
    "sync/opening.py": ["opening balances of ", "opening balance, "],
    "ledger/rebook.py": [": debt settled"],
    "ledger/book.py": [
        "forgiven: the points were already spent",
        "no longer forgiven: given back",
        "no longer forgiven: unspent",
        "expiry undone: taken back",
    ],
}


# --- reasons -------------------------------------------------------------------------------------

BASE = because(Why.BASE, basis="excluding tax", amount=Decimal("1234.50"))
AMOUNT = because(
    Why.AMOUNT,
    points=Decimal(1),
    rate=Decimal("1.5"),
    per=Decimal(10),
    each="each full",
    how=", rounded half up, line by line",
)
THURSDAYS: Any = type("Campaign", (), {"name": "thursdays", "title": "Day of the week"})()


@pytest.mark.parametrize(
    ("language", "reason", "said"),
    [
        ("en", BASE, "counted amount, excluding tax: €1,234.50"),
        ("de", BASE, "gezählter Betrag, ohne Steuer: 1.234,50\u00a0€"),
        ("fr", BASE, "montant compté, hors taxes : 1\u202f234,50\u00a0€"),
        (
            "en",
            AMOUNT,
            "1 point: 1.5 for each full €10.00, rounded half up, line by line",
        ),
        (
            "fr",
            AMOUNT,
            (
                "1 point : 1,5 par tranche entière de 10,00\u00a0€, arrondi au plus proche, "
                "ligne par ligne"
            ),
        ),
        ("it", because(Why.EXPIRES, date="2027-11-20"), "utilizzabili fino al 20/11/2027"),
        ("de", because(Why.EXPIRES, date="2027-11-20"), "einlösbar bis 20.11.2027"),
        (
            "es",
            of_campaign(Why.CAMPAIGN_WEEKDAY, THURSDAYS, weekday="friday"),
            "Day of the week: no en este día de la semana (viernes)",
        ),
        (
            "de",
            because(Why.TIER, points=Decimal(27), title="Gold", how="times 2 and 0.50 more"),
            "27 Punkte in der Treuestufe Gold: mal 2 und 0,5 dazu",
        ),
        (
            "it",
            because(
                Why.BAND,
                points=Decimal(12),
                gives="7 and 7.5 % of 1110.00",
                at_least=Decimal(50),
                how=", rounded down",
                left=Decimal(1),
                sold=Decimal(1),
            ),
            (
                "12 punti: 7 e 7,5 % di 1.110,00\u00a0€ nella fascia da 50,00\u00a0€, "
                "arrotondato per difetto"
            ),
        ),
        (
            "fr",
            because(Why.CUSTOMER_LEFT_OUT, what="tag, town", wanted="day, Lyon"),
            "le programme laisse de côté de tels clients, par catégorie, ville : day, Lyon",
        ),
        (
            "de",
            because(Why.RETURN_ALONE, because="it is larger than FA1"),
            "eine Rückgabe für sich beurteilt, denn sie ist größer als FA1",
        ),
    ],
)
def test_reasons_as_they_are_said(language: str, reason: Reason, said: str) -> None:
    assert tongue(language).say(reason) == said


def test_machines_read_the_same_values_in_every_language() -> None:
    english, german = tongue("en").as_json(AMOUNT), tongue("de").as_json(AMOUNT)
    assert english["code"] == german["code"] == "amount"
    assert english["values"] == german["values"]
    assert english["text"] != german["text"]


def test_numbers_stay_numbers_for_machines() -> None:
    assert because(Why.INACTIVE, months=6).as_json()["values"] == {"months": 6}
    assert because(Why.VISIT, points=Decimal("1.5")).as_json()["values"] == {"points": "1.5"}


def test_what_a_language_lacks_is_said_in_english() -> None:
    assert Tongue("pt", "EUR").say(because(Why.DRAFT)) == "it is a draft"
    assert Tongue("pt", "EUR").text("sale FA1") == "sale FA1"
    assert Tongue("pt", "EUR").tell("ticket") == "ticket"


def test_a_line_of_an_explanation_keeps_numbers_of_documents_as_they_stand() -> None:
    said = tongue("fr").tell(
        "heading", ref="FA1", kind="x", status="y", date=date(2026, 1, 2), id="1234"
    )
    assert said == "FA1 : x, y, 02/01/2026, id 1234"
    assert "1.234" in tongue("de").tell("movements", count=1234, mark="ab")


# --- movements -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("english", "said"),
    [
        ("sale FA2611-0001", "vente FA2611-0001"),
        ("sale FA2611-0001 corrected", "vente FA2611-0001 corrigée"),
        ("sale FA1: what was before it changed", "vente FA1 : ce qui la précède a changé"),
        ("expired after 2026-11-20", "expirés après le 20/11/2026"),
        (
            "Loyalty discount DS-7AB: came back with a return",
            "Loyalty discount DS-7AB : revenus avec un retour",
        ),
        ("customer 42 merged into 57: had no sales", "client 42 fusionné avec 57 : had no sales"),
        (
            "B-1 undone: 1200 points from customer 42 to 57",
            "B-1 annulé : 1\u202f200 points du client 42 à 57",
        ),
        ("customer 4 merged into 5: debt settled", "client 4 fusionné avec 5 : dette réglée"),
        ("to customer 57: none", "au client 57 : none"),
        # What staff wrote stays as they wrote it.
        ("spilled coffee on a thursday", "spilled coffee on a thursday"),
        ("sale of the century", "sale of the century"),
        ("", ""),
    ],
)
def test_movements_as_customers_read_them(english: str, said: str) -> None:
    assert tongue("fr").text(english) == said


@pytest.mark.parametrize("language", OTHERS)
def test_no_sentence_is_left_in_english(language: str) -> None:
    """A copied line would go unnoticed: short ones may look alike, long ones never do."""
    reasons = catalogue(language)["reasons"]
    same = [why.name for why in Why if reasons[why.name.lower()] == why.value]
    assert same == []
    assert not [text for text in reasons.values() if re.search(r"\b(the|this|nothing)\b", text)]
