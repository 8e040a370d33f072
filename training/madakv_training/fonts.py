"""Finds the document fonts installed here. The generator works with whichever subset there is.

python -m madakv_training.fonts FOLDER copies them, to be taken to a machine that has none (MADAKV_FONT_DIRS=FOLDER).
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

PLACES = ["/usr/share/fonts", "/usr/share/texmf/fonts", "/usr/local/share/fonts"]

# (beginning of the file name, how often): faces that office software and PDF writers use come first.
FAMILIES = [
    ("LiberationSans-", 6), ("LiberationSerif-", 4), ("LiberationMono-", 2), ("DejaVuSans", 4), ("DejaVuSerif", 2), ("DejaVuSansMono", 1), ("Arimo-", 2), ("Tinos-", 2), ("Cousine-", 1),
    ("Carlito-", 4), ("Caladea-", 2), ("Roboto-", 3), ("OpenSans-", 3), ("Lato-", 2), ("NotoSans-", 3), ("NotoSerif-", 2), ("NotoMono-", 1), ("FreeSans", 2), ("FreeSerif", 2), ("FreeMono", 1),
    ("NimbusSans-", 3), ("NimbusRoman-", 3), ("NimbusMonoPS-", 1), ("LiberationSansNarrow-", 1), ("Inter-", 1), ("Cantarell-", 1), ("Hack-", 1), ("FiraCode-", 1), ("LinLibertine_", 1), ("LinBiolinum_", 1),
    ("EBGaramond", 1), ("P052-", 1), ("C059-", 1), ("URWBookman-", 1), ("URWGothic-", 1), ("JetBrainsMono-", 1), ("Inconsolata", 1), ("Quicksand-", 1), ("CourierPrime", 1), ("GentiumPlus-", 1), ("Vollkorn-", 1), ("texgyreheros-", 1), ("texgyrepagella-", 1), ("Vera", 1),
]  # fmt: skip
STYLES = {"": 1.0, "regular": 1.0, "roman": 1.0, "book": 1.0, "r": 1.0, "medium": 0.4, "bold": 0.5, "semibold": 0.3, "italic": 0.2, "oblique": 0.2, "light": 0.2}


@lru_cache(maxsize=1)
def faces() -> tuple[list[str], list[float], list[str]]:
    """-> paths of regular faces (with italics and bolds, rarely), their weights, and the bold faces alone."""
    roots = [p for p in os.environ.get("MADAKV_FONT_DIRS", "").split(":") if p] or PLACES
    files = sorted({p for root in roots if Path(root).is_dir() for p in Path(root).rglob("*") if p.suffix.lower() in (".ttf", ".otf")}, key=lambda p: p.name)
    chosen: dict[str, tuple[str, float]] = {}
    for path in files:
        family = max((f for f in FAMILIES if path.name.startswith(f[0])), key=lambda f: len(f[0]), default=None)
        if family is None or path.name in chosen:
            continue
        style = path.stem[len(family[0]) :].strip("-_").lower()
        if style in STYLES:
            chosen[path.name] = (str(path), family[1] * STYLES[style])
    if not chosen:
        raise SystemExit("no document fonts found: install fonts-dejavu or fonts-liberation, or set MADAKV_FONT_DIRS")
    bold = [p for n, (p, _) in chosen.items() if "bold" in n.lower()]
    return [p for p, _ in chosen.values()], [w for _, w in chosen.values()], bold


class Face:
    """One font at one size with its advances measured once. size in px (em)."""

    def __init__(self, path: str, size: int) -> None:
        self.path, self.size = path, size
        self.font = ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
        self.advances: dict[str, float] = {}

    def width(self, text: str) -> float:
        return float(self.font.getlength(text))

    def centres(self, text: str) -> list[float]:
        """x of the middle of each character from the start of the text, in px."""
        out, x = [], 0.0
        for char in text:
            advance = self.advances.get(char)
            if advance is None:
                advance = self.advances[char] = float(self.font.getlength(char))
            out.append(x + advance / 2)
            x += advance
        scale = self.width(text) / x if x else 1.0  # kerning
        return [c * scale for c in out]


@lru_cache(maxsize=4000)
def face(path: str, size: int) -> Face:
    return Face(path, size)


def pick(r: random.Random) -> str:
    paths, weights, _ = faces()
    return r.choices(paths, weights)[0]


@lru_cache(maxsize=4000)
def bold_of(path: str) -> str:
    """The bold face of the same family, or the face itself."""
    stem = Path(path).name.replace("-Regular", "").replace("-Roman", "").split(".")[0].split("-")[0]
    return next((b for b in faces()[2] if Path(b).name.startswith((stem + "-Bold.", stem + "Bold.", stem + "-Bold"))), path)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for file in faces()[0]:
        shutil.copy(file, target)
    print(f"{len(faces()[0])} faces, {sum(f.stat().st_size for f in target.iterdir()) / 2**20:.1f} MiB")
