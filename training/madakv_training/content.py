"""What stands on a page, as far as questions can ask about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from .bindings import Bindings


@dataclass
class Fact:
    label: str
    value: str


@dataclass
class Table:
    """headers[0] heads the column of row names."""

    headers: list[str]
    rows: list[list[str]]


@dataclass
class Content:
    facts: list[Fact] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # in reading order, for transcription
    title: str = ""
    reserved: set[str] = field(default_factory=set)  # labels of the other parts of the prompt

    def taken(self) -> set[str]:
        """Every label and header in use; a new label must not clash with them."""
        return self.reserved | {f.label for f in self.facts} | {h for t in self.tables for h in t.headers} | {row[0] for t in self.tables for row in t.rows}


@dataclass
class Page:
    """pixels uint8 [rows * 28, columns * 28, 3]; cells uint8 [rows * columns, slots], see glyphs.py."""

    pixels: np.ndarray
    grid: tuple[int, int]
    cells: np.ndarray
    content: Content
    bindings: Bindings = field(default_factory=Bindings)


class Passage(str):
    """A text of a prompt that knows the fields it states."""

    facts: list[Fact]

    def __new__(cls, text: str, facts: Iterable[Fact] = ()) -> Passage:
        self = super().__new__(cls, text)
        self.facts = list(facts)
        return self

    def bindings(self) -> Bindings:
        """Of values that stand soon after their label. A token is a byte."""
        out = Bindings()
        for fact in self.facts:
            at = max(self.find(fact.label), self.find(fact.label.lower()))
            start = self.find(fact.value, at + len(fact.label)) if at >= 0 else -1
            if 0 <= start - at - len(fact.label) < 40:
                first, begin = len(self[:start].encode()), len(self[:at].encode())
                out.names[fact.label] = list(range(begin, begin + len(fact.label.encode())))
                out.values |= {i: (fact.label, "") for i in range(first, first + len(fact.value.encode()))}
        return out
