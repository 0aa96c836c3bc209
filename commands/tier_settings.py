"""Tiers set by hand, as commands show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import click

from commands import terminal
from dolisync.ledger.courses import TierSetting


def setting_json(entry: TierSetting) -> dict[str, object]:
    """Say what somebody set, with stable keys."""
    until = entry.setting.until
    return {
        "day": date.fromordinal(entry.setting.day),
        "tier": entry.setting.tier or None,
        "locked": entry.setting.is_locked,
        "until": None if until is None else date.fromordinal(until),
        "made_by": entry.made_by,
        "reason": entry.reason,
    }


def show_settings(settings: Sequence[TierSetting]) -> None:
    """Show what was set by hand, the last first."""
    rows = []
    for entry in reversed(settings):
        setting, until = entry.setting, entry.setting.until
        last = "" if until is None else date.fromordinal(until).isoformat()
        what = (setting.tier + (", locked" if setting.is_locked else "")) or "released"
        rows.append((date.fromordinal(setting.day), what, last, entry.made_by, entry.reason))
    if rows:
        click.echo()
        terminal.show_table(("Since", "By hand", "Until", "Who", "Why"), rows)
