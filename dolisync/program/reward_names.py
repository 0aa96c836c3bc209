"""Rewards by the names that people write: in full or as a beginning, whatever case and accents."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dolisync.program.terms import RewardTerms

# One letter is no beginning: it is written by mistake.
_SHORTEST_BEGINNING = 2
# So much of an answer may be a list of names.
_LONGEST_LIST = 110
_NEAR = 0.5


@dataclass(frozen=True, slots=True)
class Named:
    """The rewards that a text may mean: one, none, or several that begin like it."""

    rewards: tuple[RewardTerms, ...]

    @property
    def one(self) -> RewardTerms | None:
        """The one that is meant, if it is clear which."""
        return self.rewards[0] if len(self.rewards) == 1 else None


def folded(text: str) -> str:
    """Return a text without case, accents and more than one space between words."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def named_in_full(rewards: Iterable[RewardTerms], text: str) -> Named:
    """Find the rewards whose name, or else whose title, is this text."""
    known, wanted = list(rewards), folded(text)
    by_name = tuple(reward for reward in known if folded(reward.name) == wanted)
    return Named(by_name or tuple(r for r in known if folded(r.title) == wanted))


def named_by_beginning(rewards: Iterable[RewardTerms], text: str) -> Named:
    """Find the rewards whose name or title begins with this text, or else a word of the title."""
    known, wanted = list(rewards), folded(text)
    if len(wanted) < _SHORTEST_BEGINNING:
        return Named(())
    begun = tuple(r for r in known if any(w.startswith(wanted) for w in _words(r)))
    return Named(begun or tuple(r for r in known if f" {wanted}" in folded(r.title)))


def nearest(rewards: Iterable[RewardTerms], text: str) -> RewardTerms | None:
    """Return the reward that is written most like a text, if any is at all like it."""
    by_word = {word: reward for reward in rewards for word in _words(reward)}
    near = difflib.get_close_matches(folded(text), by_word, n=1, cutoff=_NEAR)
    return by_word[near[0]] if near else None


def listed(rewards: Sequence[RewardTerms]) -> str:
    """List rewards by the titles that staff may write, by names where titles are the same."""
    titles = [folded(reward.title) for reward in rewards]
    names = [r.name if titles.count(folded(r.title)) > 1 else r.title for r in rewards]
    shown: list[str] = []
    for name in names:
        if shown and len(", ".join([*shown, name])) > _LONGEST_LIST:
            return ", ".join([*shown, "..."])
        shown.append(name)
    return ", ".join(shown)


def _words(reward: RewardTerms) -> tuple[str, str]:
    return folded(reward.name), folded(reward.title)
