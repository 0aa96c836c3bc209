"""The courses of members as this process last wrote them, so that they need not be read each time.

A course is what all sales of a member come to: read anew for each page of a backfill it would be
read a hundred times. What is remembered holds for one version of the rows it was made from. Every
transaction that touches them gives them a new version, whoever does it; so what was rolled back, or
changed by another process, is never believed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from dolisync.model import CustomerKey
from dolisync.program.course import Course

# Enough for those who come often; the others are read.
KEPT_MEMBERS = 2000


@dataclass(slots=True)
class _OfProgram:
    version: int | None = None
    courses: dict[CustomerKey, Course] = field(default_factory=dict)


@dataclass(slots=True)
class KnownCourses:
    """What is remembered of members' courses, by program."""

    kept_members: int = KEPT_MEMBERS
    _programs: dict[str, _OfProgram] = field(default_factory=lambda: defaultdict(_OfProgram))

    def reached(
        self, program: str, version: int | None, starts: Mapping[CustomerKey, int]
    ) -> dict[CustomerKey, Course]:
        """Return copies of the courses that end before these days, where ``version`` is known."""
        mine = self._programs[program]
        if version is None or mine.version != version:
            mine.version = None
            mine.courses.clear()
            return {}
        found: dict[CustomerKey, Course] = {}
        for customer, start in starts.items():
            course = mine.courses.get(customer)
            if course is not None and (course.last_day is None or course.last_day < start):
                found[customer] = course.copy()
        return found

    def keep(
        self, program: str, version: int | None, courses: Mapping[CustomerKey, Course]
    ) -> None:
        """Remember courses as they are once the transaction is committed that wrote ``version``.

        ``None`` says that somebody else wrote meanwhile: nothing is remembered then.
        """
        mine = self._programs[program]
        if version is None or len(mine.courses) + len(courses) > self.kept_members:
            mine.courses.clear()
        mine.version = version
        if version is not None and len(courses) <= self.kept_members:
            mine.courses.update(courses)
