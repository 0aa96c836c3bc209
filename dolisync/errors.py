"""The exceptions of dolisync.

DolisyncError
├── UserError           the user can mend it: one line, a remedy, exit code 2
│   ├── ConfigError     config.toml does not hold; carries every problem at once
│   └── NotFound        the invoice, customer or row that was asked for is not there
├── TransientError      the outside system did not answer properly; trying again may work
│   └── UnknownOutcome  it may or may not have done what was asked: look before asking again
├── RefusedError        the outside system answered and said no; trying again will not help
└── LedgerError         the ledger's own rules were about to be broken: a bug, nothing was written
"""

from __future__ import annotations

from collections.abc import Sequence


class DolisyncError(Exception):
    """Be the root of everything that dolisync raises on purpose."""


class UserError(DolisyncError):
    """Say in one line what happened, and in ``remedy`` what to do about it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class ConfigError(UserError):
    """Hold every problem of a configuration; each names its place and its remedy."""

    def __init__(self, message: str, problems: Sequence[str], remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.problems = tuple(problems)


class NotFound(UserError):  # noqa: N818 - a condition, read as a sentence where it is raised
    """Say that what was asked for does not exist."""


class TransientError(DolisyncError):
    """Report a failure that may pass: no connection, time-out, 5xx, HTML instead of JSON."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnknownOutcome(TransientError):  # noqa: N818
    """Report that a request was sent and its answer lost: the effect may exist."""


class StopRequested(DolisyncError):  # noqa: N818
    """Leave the work at a point where nothing is half done."""


class RefusedError(DolisyncError):
    """Report a clear no of the outside system, with its reason."""


class LedgerError(DolisyncError):
    """Report that a ledger rule would be broken; nothing was written."""
