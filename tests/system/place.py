"""A shop with dolisync beside it, worked through the command line as its owner does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from click.testing import CliRunner, Result

from cli import main
from connectors.standin import StandIn
from connectors.standin.week import Week

ROOT = Path(__file__).parents[2]
KEY_NAME = "DOLIBARR_API_KEY"
DATABASE_NAME = "DOLIBARR_DATABASE_URL"


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of complaint."""
        return self.err.splitlines()

    def json(self) -> Any:
        """What it said as JSON."""
        return json.loads(self.out)


@dataclass
class Place:
    """A folder with config.toml and ledger, and the stand-in that it belongs to."""

    folder: Path
    standin: StandIn
    week: Week
    environment: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    def call(self, *arguments: object, typed: str | None = None) -> Answer:
        """Run a command in this process; it may end in any way but a traceback."""
        words = ["--config", str(self.config), *(str(argument) for argument in arguments)]
        environment = {"COLUMNS": "80", "NO_COLOR": "1", **self.environment}
        try:
            result = CliRunner().invoke(
                main, words, input=typed, env=environment, prog_name="dolisync"
            )
        finally:
            # The logs went to this call's own standard error, which is gone now.
            structlog.reset_defaults()
        return self._judged(result)

    def _judged(self, result: Result) -> Answer:
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        answer = Answer(result.exit_code, result.stdout, result.stderr)
        self.look_for_secrets(answer)
        return answer

    def look_for_secrets(self, answer: Answer) -> None:
        """Make sure that nothing secret was said."""
        for secret in {*self.secrets, self.standin.api_key, self.standin.least_key}:
            assert secret not in answer.out + answer.err, "a secret was shown"

    def good(self, *arguments: object, typed: str | None = None) -> str:
        """Run a command that must work; return what it said."""
        answer = self.call(*arguments, typed=typed)
        assert answer.code == 0, answer.out + answer.err
        return answer.out

    def read(self, *arguments: object) -> Any:
        """Run a command that must work with --json; return what it said."""
        return json.loads(self.good(*arguments, "--json"))

    def bad(self, *arguments: object, code: int = 2, lines: int = 2) -> str:
        """Run a command that must fail with this code and so many lines; return these."""
        answer = self.call(*arguments)
        assert answer.code == code, answer.out + answer.err
        assert 1 <= len(answer.lines) <= lines, answer.err
        assert answer.lines[0].startswith("dolisync: ")
        assert "Traceback" not in answer.err
        return answer.err

    def process(self, *arguments: object, **streams: Any) -> Answer:
        """Run a command as a process of its own."""
        words = [sys.executable, "-m", "cli", "--config", str(self.config)]
        finished = subprocess.run(
            [*words, *(str(argument) for argument in arguments)],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "80", **self.environment},
            text=True,
            timeout=60,
            check=False,
            **(streams or {"capture_output": True}),
        )
        answer = Answer(finished.returncode, finished.stdout or "", finished.stderr)
        self.look_for_secrets(answer)
        return answer

    def configure(self, *arguments: object) -> None:
        """Write a configuration for this shop, with both doors."""
        doors = ("--url", self.standin.url, "--api-key-env", KEY_NAME)
        database = ("--database-url-env", DATABASE_NAME)
        self.good(
            "init",
            *doors,
            *database,
            *("--timezone", "Europe/Paris", "--language", "en", "--ledger", self.ledger),
            *("--program-start", "2020-01-01", "--tax-rate", "5.5", "--shop-name", "Le Fournil"),
            *("--pos-customer", self.standin.pos_customer),
            *arguments,
        )

    def change(self, before: str, after: str) -> None:
        """Edit the configuration by hand."""
        text = self.config.read_text(encoding="utf-8")
        assert before in text
        self.config.write_text(text.replace(before, after), encoding="utf-8")

    def new_invoice(self, customer: str, *products: str) -> tuple[int, str]:
        """Write and validate an invoice that is not paid; return its id and number."""
        invoice = self.standin.shop.new_invoice(self.customer(customer))
        for product in products:
            self.standin.shop.add_line(invoice, self.week.products[product])
        return invoice, self.standin.shop.validate(invoice)

    def customer(self, name: str) -> int:
        return self.week.customers[name]

    def sale(self, name: str) -> int:
        return self.week.sales[name]
