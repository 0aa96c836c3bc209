"""Codes with money on them: not to be guessed, and a slip of the hand is seen."""

from __future__ import annotations

import math

from hypothesis import assume, given
from hypothesis import strategies as st

from dolisync.codes import (
    ALPHABET,
    LENGTH,
    RANDOM_LENGTH,
    check_character,
    masked_code,
    new_code,
    read_code,
    shown_code,
)

RANDOM = st.text(ALPHABET, min_size=RANDOM_LENGTH, max_size=RANDOM_LENGTH)
CODES = RANDOM.map(lambda random: random + check_character(random))


def test_more_than_fifty_bits_and_no_letters_that_look_alike() -> None:
    assert math.log2(len(ALPHABET) ** RANDOM_LENGTH) > 50
    assert not set("OILSU") & set(ALPHABET)
    assert len(ALPHABET) == len(set(ALPHABET)) == 31


def test_new_codes_are_all_different_and_hold() -> None:
    made = {new_code() for _ in range(500)}
    assert len(made) == 500
    assert all(read_code(code) == code for code in made)
    # Every character is used in every place: nothing of it is fixed.
    assert all(len({code[place] for code in made}) == 31 for place in range(LENGTH))


@given(CODES)
def test_a_code_is_read_as_it_stands_on_the_card(code: str) -> None:
    assert read_code(shown_code(code)) == code
    assert read_code(f"  {shown_code(code).lower()} ") == code
    assert read_code(code.replace("0", "o").replace("1", "l").replace("5", "s")) == code
    assert read_code(code.replace("0", "O").replace("1", "I").replace("V", "u")) == code
    assert read_code(" ".join(code)) == code


@given(CODES, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_found(code: str, place: int, wrong: str) -> None:
    assume(code[place] != wrong)
    assert read_code(code[:place] + wrong + code[place + 1 :]) is None


@given(CODES, st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_two_characters_that_changed_places_are_found(code: str, one: int, other: int) -> None:
    assume(code[one] != code[other])
    letters = list(code)
    letters[one], letters[other] = letters[other], letters[one]
    assert read_code("".join(letters)) is None


def test_what_is_no_code_is_none() -> None:
    for text in ("", "7KQ2", "7KQ2-M9XW-4HT!", "a card for my mother", "x" * 400, "É" * 12):
        assert read_code(text) is None


def test_the_mask_opens_nothing() -> None:
    code = new_code()
    assert masked_code(code) == f"...{code[-4:]}"
    assert read_code(masked_code(code)) is None
