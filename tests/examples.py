"""How many examples hypothesis tries: few by default, as many as a test is worth with -m long."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy

Test = Callable[..., None]


def by_default_and_long(
    few: int, many: int, **drawn: SearchStrategy[Any]
) -> Callable[[Test], Test]:
    """Run a test on a few examples of what is ``drawn``, and once more, marked long, on many.

    What else the test takes are fixtures, the same ones for all examples.
    """

    def decorated(test: Test) -> Test:
        @functools.wraps(test)
        def run(*, examples: int, **fixtures: Any) -> None:
            def holds(**values: Any) -> None:
                test(**fixtures, **values)

            # Hypothesis remembers failures by the name.
            holds.__name__ = test.__name__
            settings(max_examples=examples)(given(**drawn)(holds))()

        taken = inspect.signature(test).parameters.values()
        fixtures = [one for one in taken if one.name not in drawn]
        examples = inspect.Parameter("examples", inspect.Parameter.KEYWORD_ONLY)
        run.__signature__ = inspect.Signature([*fixtures, examples])  # type: ignore[attr-defined]
        numbers = [few, pytest.param(many, marks=pytest.mark.long)]
        marked: Test = pytest.mark.parametrize("examples", numbers)(run)
        return marked

    return decorated
