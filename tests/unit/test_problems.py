"""What is wrong with config.toml, in words: place, line, remedy."""

from __future__ import annotations

import re

import pytest

from dolisync.config import parse
from dolisync.errors import ConfigError
from dolisync.example import example

SOURCE = '[[source]]\nurl = "https://erp.example"\napi_key = { env = "KEY" }\n'


def only_problem(text: str) -> str:
    (problem,) = problems(text)
    return problem


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value.problems


def of_program(option: str) -> str:
    return only_problem(f"{SOURCE}[[program]]\n{option}\n")


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("decimals = 3", "program[1].decimals (line 5): must be at most 2 (it is 3)"),
        ("decimals = 0.5", "program[1].decimals (line 5): must be a whole number (it is 0.5)"),
        ('decimals = "x"', "program[1].decimals (line 5): must be a whole number (it is 'x')"),
        ("point_value = 0", "program[1].point_value (line 5): must be more than 0 (it is 0)"),
        (
            'point_value = "one"',
            "program[1].point_value (line 5): must be a number such as 1 or 0.5 (it is 'one')",
        ),
        (
            'start = "soon"',
            "program[1].start (line 5): must be a day such as 2026-01-31 (it is 'soon')",
        ),
        ("title = 5", "program[1].title (line 5): must be text in quotes (it is 5)"),
        (
            'timezone = "Paris"',
            (
                "program[1].timezone (line 5): 'Paris' is not a time zone; "
                "write a name such as Europe/Rome"
            ),
        ),
        (
            'excluded_customers = [1, 2, "x"]',
            "program[1].excluded_customers[3] (line 5): must be a whole number (it is 'x')",
        ),
        (
            "excluded_customers = 5",
            "program[1].excluded_customers (line 5): must be a list, in square brackets (it is 5)",
        ),
        ("titel = 'x'", "program[1].titel (line 5): is not an option; did you mean title?"),
        (
            "[program.returns]\nshortfall = 'forgive'",
            (
                "program[1].returns.shortfall (line 6): must be one of 'debt' or 'clamp' "
                "(it is 'forgive')"
            ),
        ),
        (
            "[program.returns]\ntake_back = 'maybe'",
            "program[1].returns.take_back (line 6): must be true or false (it is 'maybe')",
        ),
        (
            "[program.reward]\nname = 'x'",
            (
                "program[1].reward (line 5): may stand there several times: "
                "write [[program.reward]], in double brackets"
            ),
        ),
    ],
)
def test_each_kind_of_mistake_in_words(option: str, problem: str) -> None:
    assert of_program(option) == problem


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        (
            'name = "thursdays"\nweekdays = ["monday", "thurday"]',
            (
                "program[1].campaign[1].weekdays[2] (line 7): campaign 'thursdays': "
                "'thurday' is not one; did you mean thursday?"
            ),
        ),
        (
            'name = "x"\nbirthday = "Dy"',
            (
                "program[1].campaign[1].birthday (line 7): campaign 'x': "
                "'Dy' is not one; did you mean day?"
            ),
        ),
        (
            'name = "x"\nhours = "14-17"',
            (
                "program[1].campaign[1].hours (line 7): campaign 'x': "
                "'14-17' are no hours; write them as in 14:00-17:00"
            ),
        ),
        (
            'name = "x"\nhours = "14:00-14:00"',
            (
                "program[1].campaign[1] (line 5): campaign 'x': hours begin and end at once; "
                "leave them out"
            ),
        ),
        (
            'name = "x"\nfirst_day = 2026-12-02\nlast_day = 2026-12-01',
            "program[1].campaign[1] (line 5): campaign 'x' ends before it begins: look at its days",
        ),
        (
            'name = "x"\nmultipy = 3',
            (
                "program[1].campaign[1].multipy (line 7): campaign 'x': is not an option; "
                "did you mean multiply?"
            ),
        ),
        (
            'name = "x"\n[program.campaign.customers]\ncountries = ["France"]',
            (
                "program[1].campaign[1].customers.countries[1] (line 8): campaign 'x': "
                "'France' is no code of a country; write two letters such as FR"
            ),
        ),
        (
            'name = "x"\n[program.campaign.customers]\ntiers = ["gold"]',
            (
                "program[1].campaign[1] (line 5): campaign 'x' names the tier 'gold', which is not "
                "there; tiers: none"
            ),
        ),
        (
            'name = "x"\nbonus = 0.5',
            (
                "program[1].campaign[1] (line 5): campaign 'x' gives parts of a point, which would "
                "be cut off; set decimals = 2"
            ),
        ),
        (
            'name = "x"\n[[program.campaign]]\nname = "x"',
            (
                "program[1].campaign[2] (line 7): two campaigns have the name 'x'; "
                "each needs its own"
            ),
        ),
        (
            'name = "x"\nbirthday = "day"',
            (
                "program[1].campaign[1] (line 5): campaign 'x' asks for birthdays: "
                "name birthday_field under [[source]]"
            ),
        ),
    ],
)
def test_mistakes_in_campaigns_name_them(option: str, problem: str) -> None:
    assert of_program(f"[[program.campaign]]\n{option}") == problem


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("[program.earn]\nmoment = 'payed'", "paid"),
        ("[program.campaigns]\ncombine = 'bst'", "best"),
        ("[program.earn.amount]\nrounding = 'halfup'", "half_up"),
        ("[program.tiers]\nbasis = 'visit'", "visits"),
        ("timezone = 'Europe/Pariss'", "Europe/Paris"),
        ("[log]\nformat = 'jsn'", "json"),
        ("[log]\nlevel = 'warn'", "warning"),
        ("[[source]]\nurl = 'http://x'\napi_key = 'k'\nname = 'b'\nread = 'sqll'", "sql"),
    ],
)
def test_a_word_that_is_nearly_right_is_told_the_right_one(option: str, meant: str) -> None:
    found = of_program(option)
    assert found.endswith(f"; did you mean {meant}?")
    assert "(line " in found


def test_an_option_like_no_other_lists_what_is_known() -> None:
    found = of_program("[program.validity]\nxyz = 1")
    assert (
        found == "program[1].validity.xyz (line 6): is not an option; known here: days, "
        "inactive_months, months, until"
    )


def test_an_unknown_section_is_named_too() -> None:
    found = only_problem(f"{SOURCE}[[program]]\n[recipts]\nshop_name = 'x'\n")
    assert found == "recipts (line 5): is not an option; did you mean receipts?"


def test_the_line_is_that_of_the_right_section_among_several() -> None:
    text = SOURCE + (
        "[[program]]\ntitle = 'a'\n[[program]]\nname = 'b'\nfield_prefix = 'bb'\ntitle = 5\n"
    )
    assert only_problem(text).startswith("program[2].title (line 9):")


def test_the_line_is_that_of_the_right_reward_among_several() -> None:
    text = SOURCE + (
        "[[program]]\n"
        "[[program.reward]]\nname = 'a'\npoints = 1\n"
        "[[program.reward]]\nname = 'b'\npoints = -1\n"
    )
    assert only_problem(text).startswith("program[1].reward[2].points (line 10):")


def test_the_rewards_of_each_program_are_counted_anew() -> None:
    text = SOURCE + (
        "[[program]]\n[[program.reward]]\npoints = 1\n"
        "[[program]]\nname = 'b'\nfield_prefix = 'bb'\n[[program.reward]]\npoints = -1\n"
    )
    assert only_problem(text).startswith("program[2].reward[1].points (line 11):")


@pytest.mark.parametrize(
    ("option", "place"),
    [
        ("earn.amount.per = 0", "program[1].earn.amount.per (line 5): must be more"),
        (
            "reward = [{ points = 1 },\n  # the dear one\n  { name = 'b', points = -1 }]",
            "program[1].reward[2].points (line 7): reward 'b': must be more",
        ),
        (
            'title = "a ] # b"\n[program.earn]\nchannels = [\n  "pos",\n  "shop",\n]',
            "program[1].earn.channels[2] (line 9):",
        ),
        ('"decimals"   =  9', "program[1].decimals (line 5):"),
        ("[ program . validity ]  # how long\nmonths = 0", "program[1].validity.months (line 6):"),
        (
            "[[program.earn.band]]\n[[program.earn.band]]",
            "program[1].earn (line 5): two bands begin at 0",
        ),
        (
            "[[program.tier]]\n[[program.tier]]\nname = 'silver'",
            "program[1].tier[2] (line 6): two tiers have the same name: 'silver'",
        ),
        (
            "[[program.tier]]\nname = 'a'\n[[program.tier]]\nname = 'a'",
            "program[1].tier[2] (line 7): two tiers have the same name: 'a'",
        ),
        (
            "[[program.reward]]\nname = 'a'\n[[program.reward]]\nname = 'a'",
            "program[1].reward[2] (line 7): two rewards have the name 'a'",
        ),
        (
            "[[program.reward]]\nname = 'a'\n[[program.reward]]\nname = 'b'\npoints = 0.5",
            "program[1].reward[2] (line 7): reward 'b' costs parts of a point",
        ),
        ("sources = ['x']", "program[1] (line 4): program 'loyalty' names the source 'x'"),
        (
            "[[source]]\nurl = 'http://x'\napi_key = 'k'\nname = 'shop'",
            "source[2] (line 5): source: 'shop' stands twice",
        ),
    ],
)
def test_the_line_is_found_however_it_is_written(option: str, place: str) -> None:
    assert of_program(option).startswith(place)


def test_every_option_that_is_wrong_is_told_its_line() -> None:
    """Each option of the example in turn, with everything in force, is given what none can hold."""
    lines = re.sub(r"^#(?=[\w\[])", "", example(), flags=re.MULTILINE).splitlines()
    options = [n for n, line in enumerate(lines) if re.match(r"\w+ = ", line)]
    assert len(options) > 100
    for number in options:
        key = lines[number].split(" = ")[0]
        text = "\n".join([*lines[:number], f"{key} = {{ nonsense = 1 }}", *lines[number + 1 :]])
        assert any(f"(line {number + 1})" in problem for problem in problems(text)), lines[number]
