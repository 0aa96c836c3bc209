"""On which line of a TOML text each of its keys, sections and list entries stands."""

from __future__ import annotations

from collections.abc import Mapping

Path = tuple[str | int, ...]

_QUOTES = "\"'"
_SPACE = " \t"
_BETWEEN = " \t\r\n,"
_AFTER_SCALAR = ",]}#\n"


def positions(text: str) -> Mapping[Path, int]:
    """Return lines, counted from 1, by path: keys by name, entries of lists by number from 0.

    The text must be valid TOML: nothing is checked.
    """
    walk = _Walk(text)
    walk.document()
    return walk.lines


class _Walk:
    """A walk through a text: where it is, what it has seen, and where that stood."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.entries: dict[Path, int] = {}

    def document(self) -> None:
        section: Path = ()
        self._skip(_BETWEEN)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                section = self._header()
            else:
                self._pair(section)
            self._skip(_BETWEEN)

    def _header(self) -> Path:
        is_list = self.text.startswith("[[", self.at)
        self.at += 2 if is_list else 1
        *outer, last = self._keys()
        self.at = self.text.index("]", self.at) + (2 if is_list else 1)
        path: Path = (*self._within(outer), last)
        if is_list:
            self._note(path)
            number = self.entries.get(path, 0)
            self.entries[path] = number + 1
            path = (*path, number)
        self._note(path)
        return path

    def _within(self, keys: list[str]) -> Path:
        """Return where the keys of a header lead: into the last entry of each list."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self.entries:
                path = (*path, self.entries[path] - 1)
            self._note(path)
        return path

    def _pair(self, section: Path) -> None:
        path = section
        for key in self._keys():
            path = (*path, key)
            self._note(path)
        self.at += 1
        self._skip(_SPACE)
        self._value(path)

    def _keys(self) -> list[str]:
        """Read a key with its dots, up to what follows it."""
        keys = [self._key()]
        while self.text[self.at] == ".":
            self.at += 1
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        self._skip(_SPACE)
        start = self.at
        if self.text[start] in _QUOTES:
            self._string()
            key = self.text[start + 1 : self.at - 1]
        else:
            while self.text[self.at] not in " \t.=]":
                self.at += 1
            key = self.text[start : self.at]
        self._skip(_SPACE)
        return key

    def _value(self, path: Path) -> None:
        first = self.text[self.at]
        if first in _QUOTES:
            self._string()
        elif first == "[":
            self._list(path)
        elif first == "{":
            self._table(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in _AFTER_SCALAR:
                self.at += 1

    def _list(self, path: Path) -> None:
        self.at += 1
        self._skip(_BETWEEN)
        number = 0
        while self.text[self.at] != "]":
            entry: Path = (*path, number)
            self._note(entry)
            self._value(entry)
            self._skip(_BETWEEN)
            number += 1
        self.at += 1

    def _table(self, path: Path) -> None:
        self.at += 1
        self._skip(_BETWEEN)
        while self.text[self.at] != "}":
            self._pair(path)
            self._skip(_BETWEEN)
        self.at += 1

    def _string(self) -> None:
        quote = self.text[self.at]
        mark = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        self.at += len(mark)
        while not self.text.startswith(mark, self.at):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += len(mark)
        # A text in three quotes may end with quotes of its own.
        while len(mark) == 3 and self.text.startswith(quote, self.at):
            self.at += 1

    def _skip(self, characters: str) -> None:
        """Go on past these characters, and past comments where a line may end."""
        while self.at < len(self.text):
            if self.text[self.at] == "#" and "\n" in characters:
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] in characters:
                self.at += 1
            else:
                return

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, self.text.count("\n", 0, self.at) + 1)
