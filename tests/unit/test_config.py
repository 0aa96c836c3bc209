"""config.toml: what is accepted, where secrets may stand, and that none is ever shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dolisync.config import Secret, Settings, load, parse
from dolisync.errors import ConfigError, UserError

GOOD = """
[[source]]
url = "https://erp.example"
api_key = { env = "KEY" }

[[program]]
[program.earn.amount]
"""
TOKEN = "s3cr3t-0f-the-sh0p"


def source(**options: Any) -> Any:
    base: dict[str, Any] = {"url": "https://erp.example", "api_key": {"env": "KEY"}}
    return Settings.model_validate({"source": [{**base, **options}], "program": [{}]}).source[0]


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value.problems


def test_a_short_file_is_enough_and_the_rest_has_defaults() -> None:
    settings = parse(GOOD)
    assert settings.source[0].name == "shop"
    assert settings.program[0].earn.amount is not None
    assert settings.reconcile.at == "03:30"
    assert settings.ledger.url.reveal() == "sqlite:////var/lib/dolisync/ledger.db"


def test_all_problems_are_told_at_once_with_line_and_remedy() -> None:
    text = GOOD.replace("[program.earn.amount]", 'timezone = "Paris"\n[program.earn.amount]')
    text += 'per = "-1"\nroundng = "up"\n[reconcile]\nat = "25:00"\n'
    found = problems(text)
    assert [problem.split(":")[0] for problem in found] == [
        "program[1].timezone (line 7)",
        "program[1].earn.amount.per (line 9)",
        "program[1].earn.amount.roundng (line 10)",
        "reconcile.at (line 12)",
    ]
    assert "did you mean rounding?" in found[2]


def test_a_file_that_is_no_toml_names_itself_and_the_line() -> None:
    with pytest.raises(ConfigError, match=r"^config\.toml is not TOML$") as caught:
        parse("[[source]\n")
    assert "line 1" in caught.value.problems[0]


@pytest.mark.parametrize("missing", ["source", "program"])
def test_a_file_without_a_source_or_a_program_says_so(missing: str) -> None:
    sections = {"source": '[[source]]\ndatabase_url = { env = "D" }\n', "program": "[[program]]\n"}
    del sections[missing]
    assert problems("".join(sections.values())) == (
        f"{missing}: is missing; every such section needs it",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[source]]\nname = "a"\n[[program]]\n', "give url and api_key, or database_url, or both"),
        (
            '[[source]]\nurl = "http://x"\n[[program]]\n',
            "url and api_key belong together: one of them is missing",
        ),
        (GOOD.replace("[[program]]", 'read = "sql"\n[[program]]'), "needs database_url"),
        (GOOD.replace("[[program]]", 'read = "both"\n[[program]]'), "needs database_url"),
        (GOOD.replace("[[program]]", 'write = "sql"\n[[program]]'), "needs database_url"),
        (
            '[[source]]\ndatabase_url = { env = "D" }\nread = "rest"\n[[program]]\n',
            "needs url and api_key",
        ),
        (
            '[[source]]\ndatabase_url = { env = "D" }\nwrite = "rest"\n[[program]]\n',
            "needs url and api_key",
        ),
        (GOOD + GOOD.replace("[[program]]\n", '[[program]]\nname = "b"\n'), "'shop' stands twice"),
        (GOOD + '[[program]]\nfield_prefix = "two"\n', "program: 'loyalty' stands twice"),
        (GOOD + '[[program]]\nname = "b"\n', "field_prefix: 'loy' stands twice"),
        (
            GOOD.replace("[program.earn", 'sources = ["nowhere"]\n[program.earn'),
            "names the source 'nowhere', which is not there",
        ),
        (GOOD + "[receipts]\nwidth_mm = 70\n", "paper is 58 or 80 mm wide"),
        (GOOD.replace("https://", "ftp://"), "is not written as it must be"),
    ],
)
def test_what_contradicts_itself_is_refused(text: str, words: str) -> None:
    assert any(words in problem for problem in problems(text))


@pytest.mark.parametrize(
    "url",
    ["https://erp.example/", "https://erp.example/index.php", "https://erp.example/api"],
)
def test_an_address_is_taken_as_people_copy_it(url: str) -> None:
    assert source(url=url).url == "https://erp.example"


@pytest.mark.parametrize(
    ("options", "reads", "writes", "seconds"),
    [
        ({}, ("rest",), "rest", 15),
        ({"database_url": {"env": "D"}}, ("sql",), "sql", 1),
        ({"database_url": {"env": "D"}, "read": "rest"}, ("rest",), "sql", 15),
        ({"database_url": {"env": "D"}, "read": "both"}, ("sql", "rest"), "sql", 1),
        ({"database_url": {"env": "D"}, "write": "rest"}, ("sql",), "rest", 1),
        ({"write": "nothing"}, ("rest",), None, 15),
        ({"poll_interval_s": 7}, ("rest",), "rest", 7),
    ],
)
def test_which_doors_are_used_and_how_often(
    options: dict[str, Any], reads: tuple[str, ...], writes: str | None, seconds: float
) -> None:
    found = source(**options)
    assert (found.reads_by, found.writes_by, found.interval_s) == (reads, writes, seconds)


# --- secrets -------------------------------------------------------------------------------------


def secret(value: Any) -> Secret:
    return Secret.model_validate(value)


def test_a_secret_comes_from_the_environment() -> None:
    assert secret({"env": "KEY"}).reveal({"KEY": TOKEN}) == TOKEN


@pytest.mark.parametrize("environment", [{}, {"KEY": ""}])
def test_a_variable_that_is_not_set_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(UserError, match="KEY is not set") as caught:
        secret({"env": "KEY"}).reveal(environment)
    assert "set KEY" in caught.value.remedy


def test_a_secret_comes_from_a_file_without_its_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{TOKEN} \n")
    assert secret({"file": str(path)}).reveal() == f"{TOKEN} "


def test_a_secret_comes_from_a_credential_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "dolibarr-key").write_text(TOKEN)
    found = secret({"credential": "dolibarr-key"})
    assert found.reveal({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == TOKEN


def test_outside_the_service_a_credential_says_how_to_give_it_by_hand() -> None:
    with pytest.raises(UserError, match="only inside the service") as caught:
        secret({"credential": "key"}).reveal({})
    assert "CREDENTIALS_DIRECTORY=" in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b"", "is empty"), (b"\xff\xfe", "not text")]
)
def test_a_secret_file_that_is_no_use_says_why(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        secret({"file": str(path)}).reveal()


@pytest.mark.parametrize(
    "value",
    [
        {},
        "",
        {"env": "A", "file": "/b"},
        {"credential": "../../etc/shadow"},
        {"credential": "a/b"},
        {"vault": "x"},
        7,
    ],
)
def test_a_secret_without_one_clear_place_is_refused(value: Any) -> None:
    text = GOOD.replace('{ env = "KEY" }', _toml(value))
    assert any(problem.startswith("source[1].api_key") for problem in problems(text))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f'{key} = "{text}"' for key, text in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("sqlite:////var/lib/ledger.db", False),
        ("mariadb+pymysql://dolisync@localhost/ledger", False),
        ("mariadb+pymysql://localhost:3306/ledger", False),
        ("mariadb+pymysql://u:p@localhost/ledger", True),
        ("mariadb+pymysql://u:pa/ss@localhost/ledger", True),
        ("mariadb+pymysql://:p@localhost/ledger", True),
        ("mariadb+pymysql://localhost/ledger?user=u&password=p", True),
        ("mariadb+pymysql://localhost/ledger?passwd=p", True),
        ("just-a-key", True),
    ],
)
def test_a_password_in_an_address_is_a_secret(url: str, bare: bool) -> None:
    assert secret(url).is_bare is bare


def write(path: Path, text: str, mode: int) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


LITERAL = GOOD.replace('{ env = "KEY" }', f'"{TOKEN}"')


def test_a_literal_secret_is_taken_from_a_file_that_nobody_else_can_read(tmp_path: Path) -> None:
    loaded = load(write(tmp_path / "config.toml", LITERAL, 0o600))
    assert loaded.settings.source[0].api_key is not None
    assert loaded.settings.source[0].api_key.reveal() == TOKEN


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_literal_secret_in_an_open_file_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path / "config.toml", LITERAL, mode))
    assert caught.value.problems == (
        "source[1].api_key: a secret stands in a file that others can read",
    )
    assert "chmod 600" in caught.value.remedy


def test_an_open_file_with_references_only_is_fine(tmp_path: Path) -> None:
    assert load(write(tmp_path / "config.toml", GOOD, 0o644)).settings.source[0].name == "shop"


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no configuration") as caught:
        load(tmp_path / "config.toml")
    assert "init" in caught.value.remedy


def test_a_file_that_is_no_text_or_no_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        load(tmp_path / "config.toml")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        load(tmp_path)


DATABASE = f"mariadb+pymysql://u:{TOKEN}@localhost/x"


@pytest.mark.parametrize(
    "text",
    [
        LITERAL + "nonsense = 1\n",
        LITERAL.replace("api_key", "apikey"),
        LITERAL.replace(f'"{TOKEN}"', f'["{TOKEN}"]'),
        LITERAL.replace(f'"{TOKEN}"', f'{{ literal = "{TOKEN}", env = "X" }}'),
        LITERAL.replace(f'"{TOKEN}"', f'{{ credential = "{TOKEN}/x" }}'),
        LITERAL.replace(f'"{TOKEN}"', f'{{ secret = "{TOKEN}" }}'),
        LITERAL.replace("api_key", "url", 1).replace("https://erp.example", TOKEN),
        GOOD.replace("https://erp.example", f"ftp://u:{TOKEN}@erp"),
        GOOD.replace("[[program]]", f'database_url = ["{DATABASE}"]\n[[program]]'),
        GOOD + f'[ledger]\nurl = {{ literal = "{DATABASE}", file = "x" }}\n',
        GOOD + f'[ledger]\nurls = "{DATABASE}"\n',
        f'[[source]]\napi_key = "{TOKEN}\n',
        f'api_key = "{TOKEN}"\n' + GOOD,
    ],
)
def test_no_message_ever_quotes_a_secret(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    told = [str(caught.value), repr(caught.value), caught.value.remedy, *caught.value.problems]
    assert TOKEN not in " ".join(told)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_settings_never_show_a_secret(tmp_path: Path) -> None:
    text = LITERAL + f'[ledger]\nurl = "{DATABASE}"\n'
    loaded = load(write(tmp_path / "config.toml", text, 0o600))
    shown = [repr(loaded), str(loaded.settings), loaded.settings.model_dump_json()]
    assert TOKEN not in " ".join([*shown, str(loaded.settings.model_dump())])


def test_every_secret_is_walked_over_with_its_place() -> None:
    text = GOOD.replace("[[program]]", f'database_url = "{DATABASE}"\n[[program]]')
    assert [place for place, _ in parse(text).secrets()] == [
        "ledger.url",
        "source[1].api_key",
        "source[1].database_url",
    ]


def test_staff_ask_only_where_a_database_is_named() -> None:
    text = """
[[source]]
url = "http://erp"
api_key = { env = "KEY" }
staff_requests = true
[[program]]
"""
    with pytest.raises(ConfigError) as refused:
        parse(text)
    assert "staff_requests needs database_url" in refused.value.problems[0]
