"""Challenges by tags: in which of a challenge's tags a sale bought something.

It is judged as campaigns are: on the sale as it was sold, by what the catalogue said then. What its
returns leave decides whether it still counts for the sales after it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from dolisync.model import SaleLine
from dolisync.program.article_terms import ArticleTerms
from dolisync.program.articles import lines_of
from dolisync.program.goods import total_incl
from dolisync.program.terms import Program

Lines = Sequence[SaleLine]
Kinds = Mapping[str, Collection[str]]
NO_KINDS: Kinds = {}
# No name of a campaign holds it: what a sale bought in a tag is kept beside what campaigns gave.
_MARK = "#"


class Kind(NamedTuple):
    """A tag of a campaign's challenge, in one case, in which a sale bought something.

    ``is_left`` tells whether anything of it is left after the returns.
    """

    campaign: str
    tag: str
    is_left: bool

    @property
    def key(self) -> str:
        """Under which name it is kept."""
        return key_of(self.campaign, self.tag)


def key_of(campaign: str, tag: str) -> str:
    """Say under which name it is kept that something was bought in a tag."""
    return f"{campaign}{_MARK}{tag}"


def kinds_of_sale(program: Program, sold: Lines, left: Lines) -> tuple[Kind, ...]:
    """Say in which tags of challenges a sale bought something, and whether it is left."""
    return tuple(
        Kind(campaign.name, tag, _is_bought(selection, sold, left))
        for campaign in program.tag_challenges
        for tag, selection in campaign.tags_asked
        if _is_bought(selection, sold, sold)
    )


def by_campaign(kinds: Collection[Kind]) -> Kinds:
    """Return the tags bought in, by campaign."""
    return _tags_by_campaign([(kind.campaign, kind.tag) for kind in kinds])


def by_campaign_of(keys: Collection[str]) -> Kinds:
    """Return the tags bought in, by campaign, from the names under which they are kept."""
    parted = [key.partition(_MARK) for key in keys if _MARK in key]
    return _tags_by_campaign([(name, tag) for name, _, tag in parted])


def _tags_by_campaign(bought: Collection[tuple[str, str]]) -> Kinds:
    return {
        name: frozenset(tag for campaign, tag in bought if campaign == name) for name, _ in bought
    }


def _is_bought(selection: ArticleTerms, sold: Lines, lines: Lines) -> bool:
    return total_incl(lines_of(selection, sold, lines)) > 0
