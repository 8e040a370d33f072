"""A column of a page that blocks are set into, from the top down."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from . import fonts, pdf
from .canvas import Canvas
from .content import Content
from .fonts import Face
from .glyphs import Tag


@dataclass
class Style:
    """Typography of a document: shared by its pages."""

    path: str
    size: int  # px
    leading: float  # line pitch / size
    colon: str
    bold_labels: bool
    label_scale: float = 1.0
    pdf: bool = False

    @staticmethod
    def random(r: random.Random, low: int = 16, high: int = 27, pdf_fonts: bool = False) -> Style:
        path = pdf.pick(r) if pdf_fonts else fonts.pick(r)
        return Style(path, r.randint(low, high), r.uniform(1.15, 1.75), r.choice([":", ":", ":", "", "", " :", ".", " -"]), r.random() < 0.3, r.choice([1.0, 1.0, 1.0, 0.85, 0.9]), pdf_fonts)

    def face(self, scale: float = 1.0, bold: bool = False) -> Face:
        source = pdf if self.pdf else fonts
        return source.face(source.bold_of(self.path) if bold else self.path, max(11, round(self.size * scale)))


@dataclass
class Flow:
    """x0..x1 horizontally, y the top of the next line, bottom the limit; all px."""

    r: random.Random
    canvas: Canvas | pdf.PdfCanvas
    style: Style
    content: Content
    x0: float
    x1: float
    y: float
    bottom: float
    unseen: bool = False
    wanted: list[str] = field(default_factory=list)  # labels to be used first

    @property
    def pitch(self) -> float:
        return self.style.size * self.style.leading

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    def room(self, lines: float = 1) -> bool:
        return self.y + lines * self.pitch <= self.bottom

    def put(self, x: float, text: str, scale: float = 1.0, bold: bool = False, ink=None, dy: float = 0.0, tag: Tag = ()) -> None:
        """Text at x on the line that starts at y + dy. tag: see glyphs.py."""
        face = self.style.face(scale, bold)
        self.canvas.text(x, self.y + dy + 0.82 * self.style.size * max(1.0, scale), text, face, ink, tag)

    def advance(self, lines: float = 1.0) -> None:
        self.y += lines * self.pitch

    def say(self, line: str) -> None:
        """Notes a line of text for transcription."""
        self.content.lines.append(line)

    def clip(self, text: str, width: float, face: Face) -> str:
        """Shortens a text to a width, at a word if it can."""
        while text and face.width(text) > width:
            text = text.rsplit(" ", 1)[0] if " " in text else text[:-1]
        return text.rstrip(" ,.-/:(+#&")
