"""Complete programs for kinds of shop, as `dolisync init --program` writes them."""

from __future__ import annotations

from importlib import resources

from dolisync.example import toml_value

_FOLDER = resources.files("templates") / "programs"
_SOURCE = "[[source]]"


def shops() -> tuple[str, ...]:
    """Name the kinds of shop."""
    names = (file.name for file in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def program_of(shop: str, ledger_url: str) -> str:
    """Return the config.toml of a kind of shop, with its ledger where it is to be."""
    text = (_FOLDER / f"{shop}.toml").read_text(encoding="utf-8")
    ledger = f"[ledger]\nurl = {toml_value(ledger_url)}\n\n"
    return text.replace(_SOURCE, f"{ledger}{_SOURCE}", 1)
