"""The commands of ``cli.py``: parse, call the core with the right connectors, render."""

from __future__ import annotations
