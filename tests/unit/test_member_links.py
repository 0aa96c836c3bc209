"""The address of a member's page: it names him and its day, and needs the key to be made."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolisync.ledger.tokens import ALPHABET
from dolisync.member_links import Link, make_token, read_token
from dolisync.member_page import _WORDS, LANGUAGES
from dolisync.phrases import LANGUAGES as SPOKEN

KEY = b"k" * 32
DAY = date(2026, 11, 27)
members = st.integers(1, 2**60)
days = st.integers(0, 30_000).map(lambda number: date(2020, 1, 1) + timedelta(days=number))


@given(members, days, st.binary(min_size=32, max_size=32))
def test_an_address_names_its_member_and_day(member: int, day: date, key: bytes) -> None:
    token = make_token(key, Link(member, day))
    assert read_token(key, token.lower()) == Link(member, day)
    assert read_token(key[::-1] + b"x", token) is None


@given(st.integers(1, 10_000), st.data())
def test_no_other_address_leads_anywhere(member: int, data: st.DataObject) -> None:
    token = make_token(KEY, Link(member, DAY))
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from([one for one in ALPHABET if one != token[place]]))
    changed = token[:place] + letter + token[place + 1 :]
    assert read_token(KEY, changed) is None


@pytest.mark.parametrize("text", ["", "2", "../../etc", "é" * 20, "2" * 200, "0" * 20])
def test_what_is_no_address(text: str) -> None:
    assert read_token(KEY, text) is None


def test_a_day_before_all_days() -> None:
    with pytest.raises(ValueError, match="no address can be of 2019-12-31"):
        make_token(KEY, Link(1, date(2019, 12, 31)))


def test_the_page_speaks_all_languages() -> None:
    assert set(SPOKEN) == set(LANGUAGES)
    for language in LANGUAGES:
        assert _WORDS[language].keys() == _WORDS["en"].keys()
