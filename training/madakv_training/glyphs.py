"""Dense supervision: which characters have their centre in each cell of a page."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .config import CELL

ALPHABET = "".join(chr(c) for c in range(33, 127)) + "€£¥§°±²³äöüÄÖÜßéèêëàâáíóúñçîôåøæãõćčšžłÉ–—’“”•…×·©®№½"
CLASSES = 160  # class 0: no character
SLOTS = 6  # characters supervised per cell
CLASS_OF = {c: i + 1 for i, c in enumerate(ALPHABET)}
assert len(ALPHABET) < CLASSES

Glyph = tuple[float, float, str]  # x, y of the centre in px, the character


def cell_targets(glyphs: Iterable[Glyph], rows: int, columns: int) -> np.ndarray:
    """-> uint8 [rows * columns, SLOTS], line by line and left to right within a cell; characters beyond SLOTS are dropped."""
    cells: dict[int, list[tuple[int, float, int]]] = {}
    for x, y, char in glyphs:
        cls = CLASS_OF.get(char)
        c, r = int(x // CELL), int(y // CELL)
        if cls and 0 <= c < columns and 0 <= r < rows:
            cells.setdefault(r * columns + c, []).append((round(y / 10), x, cls))
    out = np.zeros((rows * columns, SLOTS), dtype=np.uint8)
    for cell, found in cells.items():
        found.sort()
        for k, (_, _, cls) in enumerate(found[:SLOTS]):
            out[cell, k] = cls
    return out
