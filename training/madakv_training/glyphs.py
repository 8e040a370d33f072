"""Dense supervision: which characters have their centre in each cell of a page, and what the value that stands there is the value of."""

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

Names = tuple[str, str]  # what something is the value of: its label, or the name of its row and the header of its column; "" where there is none
Glyph = tuple[float, float, str, Names | None]  # x, y of the centre in px, the character, what it is part of the value of


def name_targets(names: Names) -> np.ndarray:
    """-> uint8 [NAME_CHARS]: classes of the first characters of both names, spaces left out."""
    out = np.zeros(NAME_CHARS, np.uint8)
    for k, name in enumerate(names):
        for i, char in enumerate(name.replace(" ", "")[:NAME_SLOTS]):
            out[k * NAME_SLOTS + i] = CLASS_OF.get(char, 0)
    return out


def cell_targets(glyphs: Iterable[Glyph], rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """-> characters uint8 [rows * columns, SLOTS], line by line and left to right within a cell, those beyond SLOTS dropped; names uint8 [rows * columns, NAME_CHARS]."""
    cells: dict[int, list[tuple[int, float, int]]] = {}
    valued = np.zeros((rows * columns, NAME_CHARS), np.uint8)
    known: dict[Names, np.ndarray] = {}
    for x, y, char, names in glyphs:
        cls = CLASS_OF.get(char)
        c, r = int(x // CELL), int(y // CELL)
        if cls and 0 <= c < columns and 0 <= r < rows:
            cells.setdefault(r * columns + c, []).append((round(y / 10), x, cls))
            if names:
                valued[r * columns + c] = known[names] if names in known else known.setdefault(names, name_targets(names))
    out = np.zeros((rows * columns, SLOTS), dtype=np.uint8)
    for cell, found in cells.items():
        found.sort()
        for k, (_, _, cls) in enumerate(found[:SLOTS]):
            out[cell, k] = cls
    return out, valued
