"""The same blocks as a real PDF: drawn by reportlab, rasterised by pdfium as the product does it."""

from __future__ import annotations

import ctypes
import io
import random
from functools import lru_cache
from pathlib import Path

from PIL import Image

from . import fonts
from .canvas import Ink, Palette
from .glyphs import Glyph, Tag

try:
    import pypdfium2
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont
    from reportlab.pdfgen import canvas as reportlab_canvas

    AVAILABLE = True
except ImportError:  # a machine that only trains: its pages are all drawn directly
    AVAILABLE = False

DPI = 140
PT = 72 / DPI  # points a pixel
BASE = ["Helvetica", "Helvetica", "Helvetica", "Times-Roman", "Times-Roman", "Courier"]
BOLD = {"Helvetica": "Helvetica-Bold", "Times-Roman": "Times-Bold", "Courier": "Courier-Bold"}


def leave_system_fonts_out() -> None:
    """Starts PDFium anew without the machine's fonts: what a PDF does not embed is drawn with the built-in ones, as the product does."""
    nowhere = (ctypes.POINTER(ctypes.c_char) * 1)(None)
    raw = pypdfium2.raw
    raw.FPDF_DestroyLibrary()
    raw.FPDF_InitLibraryWithConfig(raw.FPDF_LIBRARY_CONFIG(version=2, m_pUserFontPaths=nowhere, m_pIsolate=None, m_v8EmbedderSlot=0))


if AVAILABLE:
    leave_system_fonts_out()


@lru_cache(maxsize=500)
def registered(path: str) -> str:
    """reportlab's name of a font: one of the standard fonts, or a TrueType file registered under its own name."""
    if "/" not in path:
        return path
    name = Path(path).stem
    try:
        pdfmetrics.registerFont(TTFont(name, path))
    except (TTFError, KeyError, ValueError):  # some files are TrueType in name only
        return "Helvetica"
    return name


class PdfFace(fonts.Face):
    """A font of a PDF at a size in px at 140 dpi."""

    def __init__(self, path: str, size: int) -> None:
        self.path, self.size, self.name = path, size, registered(path)
        self.advances: dict[str, float] = {}

    def width(self, text: str) -> float:
        return pdfmetrics.stringWidth(text, self.name, self.size)

    def centres(self, text: str) -> list[float]:
        out, x = [], 0.0
        for char in text:
            advance = self.advances.get(char)
            if advance is None:
                advance = self.advances[char] = self.width(char)
            out.append(x + advance / 2)
            x += advance
        return out


@lru_cache(maxsize=4000)
def face(path: str, size: int) -> PdfFace:
    return PdfFace(path, size)


def pick(r: random.Random) -> str:
    """Half of the PDFs use the standard fonts, as most programs' invoices do."""
    if r.random() < 0.5:
        return r.choice(BASE)
    while not (path := fonts.pick(r)).endswith(".ttf"):
        pass
    return path


def bold_of(path: str) -> str:
    return BOLD.get(path) or (b if (b := fonts.bold_of(path)).endswith(".ttf") else path)


class PdfCanvas:
    """Same drawing as canvas.Canvas; px at 140 dpi from the top left."""

    def __init__(self, width: int, height: int, palette: Palette) -> None:
        self.width, self.height, self.palette = width, height, palette
        self.buffer = io.BytesIO()
        self.out = reportlab_canvas.Canvas(self.buffer, pagesize=(width * PT, height * PT))
        self.glyphs: list[Glyph] = []
        if palette.paper != (255, 255, 255):
            self.box(0, 0, width, height, fill=palette.paper)

    def _ink(self, ink: Ink) -> None:
        colour = [c / 255 for c in ink]
        self.out.setFillColorRGB(*colour)
        self.out.setStrokeColorRGB(*colour)

    def text(self, x: float, baseline: float, text: str, face: PdfFace, ink: Ink | None = None, tag: Tag = ()) -> None:
        self._ink(ink or self.palette.ink)
        self.out.setFont(face.name, face.size * PT)
        self.out.drawString(x * PT, (self.height - baseline) * PT, text)
        middle = baseline - 0.34 * face.size
        self.glyphs.extend((x + c, middle, char, tag) for c, char in zip(face.centres(text), text, strict=True) if char != " ")

    def leader(self, x0: float, x1: float, baseline: float, face: PdfFace) -> None:
        dots = "." * max(0, int((x1 - x0) / face.width(".")))
        self._ink(self.palette.rule)
        self.out.setFont(face.name, face.size * PT)
        self.out.drawString(x0 * PT, (self.height - baseline) * PT, dots)

    def line(self, x0: float, y0: float, x1: float, y1: float, width: int = 1) -> None:
        self._ink(self.palette.rule)
        self.out.setLineWidth(width * PT)
        self.out.line(x0 * PT, (self.height - y0) * PT, x1 * PT, (self.height - y1) * PT)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Ink | None = None, width: int = 1) -> None:
        self._ink(fill or self.palette.rule)
        self.out.setLineWidth(width * PT)
        self.out.rect(x0 * PT, (self.height - y1) * PT, (x1 - x0) * PT, (y1 - y0) * PT, stroke=int(fill is None), fill=int(fill is not None))

    @property
    def image(self) -> Image.Image:
        self.out.showPage()
        self.out.save()
        return rasterise(self.buffer.getvalue())[0]


def rasterise(document: bytes, dpi: float = DPI) -> list[Image.Image]:
    """PDF -> its pages as RGB images."""
    pdf = pypdfium2.PdfDocument(document)
    pdf.init_forms()
    try:
        return [page.render(scale=dpi / 72).to_pil().convert("RGB") for page in pdf]
    finally:
        pdf.close()
