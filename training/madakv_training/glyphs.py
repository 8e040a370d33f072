"""Dense supervision: which characters have their centre in each cell of a page, and what it is part of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .config import CELL

ALPHABET = "".join(chr(c) for c in range(33, 127)) + "€£¥§°±²³äöüÄÖÜßéèêëàâáíóúñçîôåøæãõćčšžłÉ–—’“”•…×·©®№½"
CLASSES = 160  # class 0: no character
SLOTS = 6  # characters supervised per cell
CLASS_OF = {c: i + 1 for i, c in enumerate(ALPHABET)}
assert len(ALPHABET) < CLASSES

NAME_SLOTS = 5  # first characters supervised of a label or header
NAME_CHARS = 2 * NAME_SLOTS

Names = tuple[str, str]  # what a value is the value of: its label, or the name of its row and the header of its column; "" where there is none
Tag = tuple[str, ...]  # of a text on a page: (name,) for a label, a row's name or a header; Names for a value; () for any other
Glyph = tuple[float, float, str, Tag]  # x, y of the centre in px, the character, the tag of its text


def name_targets(names: Names) -> np.ndarray:
    """-> uint8 [NAME_CHARS]: classes of the first characters of both names, spaces left out."""
    out = np.zeros(NAME_CHARS, np.uint8)
    for k, name in enumerate(names):
        for i, char in enumerate(name.replace(" ", "")[:NAME_SLOTS]):
            out[k * NAME_SLOTS + i] = CLASS_OF.get(char, 0)
    return out


def cell_of(x: float, y: float, rows: int, columns: int) -> int | None:
    """Index of the cell that holds a point in px; None beside the page."""
    c, r = int(x // CELL), int(y // CELL)
    return r * columns + c if 0 <= c < columns and 0 <= r < rows else None


def cell_targets(glyphs: Iterable[Glyph], rows: int, columns: int) -> np.ndarray:
    """-> uint8 [rows * columns, SLOTS], line by line and left to right within a cell; characters beyond SLOTS are dropped."""
    cells: dict[int, list[tuple[int, float, int]]] = {}
    for x, y, char, _ in glyphs:
        cls, cell = CLASS_OF.get(char), cell_of(x, y, rows, columns)
        if cls and cell is not None:
            cells.setdefault(cell, []).append((round(y / 10), x, cls))
    out = np.zeros((rows * columns, SLOTS), dtype=np.uint8)
    for cell, found in cells.items():
        found.sort()
        for k, (_, _, cls) in enumerate(found[:SLOTS]):
            out[cell, k] = cls
    return out
