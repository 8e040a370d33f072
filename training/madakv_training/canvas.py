"""A page being drawn: pixels, and for every character where its centre lies."""

from __future__ import annotations

import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .fonts import Face
from .glyphs import Glyph, Tag

Ink = tuple[int, int, int]


@dataclass
class Palette:
    paper: Ink
    ink: Ink
    accent: Ink
    rule: Ink
    shade: Ink

    @staticmethod
    def random(r: random.Random) -> Palette:
        white = r.random() < 0.55
        base = 255 if white else r.randint(225, 254)
        paper = (base, base, base) if white or r.random() < 0.5 else (base, max(0, base - r.randint(0, 8)), max(0, base - r.randint(0, 25)))
        dark = r.choice([0, 0, 0, r.randint(0, 60), r.randint(20, 95)])
        ink = (dark, dark, dark) if r.random() < 0.8 else (r.randint(0, 60), r.randint(0, 60), r.randint(0, 120))
        accent = r.choice([ink, ink, (r.randint(0, 150), r.randint(0, 110), r.randint(0, 160))])
        grey = r.randint(0, 200)
        shade = r.randint(218, 248)
        tint = (shade, shade, shade) if r.random() < 0.6 else (r.randint(205, 245), r.randint(215, 245), r.randint(220, 250))
        return Palette(paper, ink, accent, (grey, grey, grey), tint)


class Canvas:
    """width x height px."""

    def __init__(self, width: int, height: int, palette: Palette) -> None:
        self.width, self.height, self.palette = width, height, palette
        self.image = Image.new("RGB", (self.width, self.height), palette.paper)
        self.draw = ImageDraw.Draw(self.image)
        self.glyphs: list[Glyph] = []

    def text(self, x: float, baseline: float, text: str, face: Face, ink: Ink | None = None, tag: Tag = ()) -> None:
        self.draw.text((x, baseline), text, fill=ink or self.palette.ink, font=face.font, anchor="ls")
        middle = baseline - 0.34 * face.size
        self.glyphs.extend((x + c, middle, char, tag) for c, char in zip(face.centres(text), text, strict=True) if char != " ")

    def leader(self, x0: float, x1: float, baseline: float, face: Face) -> None:
        """A row of dots; they are no glyphs to read."""
        dots = "." * max(0, int((x1 - x0) / face.width(".")))
        self.draw.text((x0, baseline), dots, fill=self.palette.rule, font=face.font, anchor="ls")

    def line(self, x0: float, y0: float, x1: float, y1: float, width: int = 1) -> None:
        self.draw.line((x0, y0, x1, y1), fill=self.palette.rule, width=width)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Ink | None = None, width: int = 1) -> None:
        self.draw.rectangle((x0, y0, x1, y1), fill=fill, outline=None if fill else self.palette.rule, width=width)
