"""A PDF in the making for the sample documents: text, tables and rules, measured in points from the top left. The same calls give the same bytes."""

from __future__ import annotations

import io

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, Table, TableStyle

BLACK, GREY, LIGHT = HexColor("#1a1a1a"), HexColor("#555555"), HexColor("#c8c8c8")
WHITE = HexColor("#ffffff")


class Sheet:
    """Pages of one size; every y is the distance from the top edge, of text to its baseline."""

    def __init__(self, width: float, height: float, title: str, author: str) -> None:
        for name in ("Vera", "VeraBd"):  # comes with reportlab, so an embedded font needs none of the system's
            if name not in pdfmetrics.getRegisteredFontNames():
                pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
        self.width, self.height = width, height
        self._buffer = io.BytesIO()
        self.canvas = Canvas(self._buffer, pagesize=(width, height), invariant=1)
        self.canvas.setTitle(title)
        self.canvas.setAuthor(author)

    def text(self, x: float, y: float, text: str, font: str, size: float, ink: Color = BLACK, align: str = "left") -> None:
        """x is the left end, the middle or the right end of the text, as align says."""
        self.canvas.setFont(font, size)
        self.canvas.setFillColor(ink)
        draw = {"left": self.canvas.drawString, "center": self.canvas.drawCentredString, "right": self.canvas.drawRightString}[align]
        draw(x, self.height - y, text)

    def rule(self, x0: float, y: float, x1: float, ink: Color = LIGHT, width: float = 0.6, dash: tuple[float, float] | None = None) -> None:
        self.canvas.setStrokeColor(ink)
        self.canvas.setLineWidth(width)
        self.canvas.setDash(*(dash or ()))
        self.canvas.line(x0, self.height - y, x1, self.height - y)
        self.canvas.setDash()

    def box(self, x: float, y: float, width: float, height: float, fill: Color | None = None, edge: Color | None = None, radius: float = 0) -> None:
        """x, y: the upper left corner."""
        if fill:
            self.canvas.setFillColor(fill)
        if edge:
            self.canvas.setStrokeColor(edge)
            self.canvas.setLineWidth(0.6)
        self.canvas.roundRect(x, self.height - y - height, width, height, radius, stroke=int(edge is not None), fill=int(fill is not None))

    def curve(self, x: float, y: float, steps: list[tuple[float, float, float, float, float, float]], ink: Color, width: float) -> None:
        """A pen stroke from x, y on; each step is a Bezier curve: two control points and its end, relative to x, y."""
        path = self.canvas.beginPath()
        path.moveTo(x, self.height - y)
        for x1, y1, x2, y2, x3, y3 in steps:
            path.curveTo(x + x1, self.height - y - y1, x + x2, self.height - y - y2, x + x3, self.height - y - y3)
        self.canvas.setStrokeColor(ink)
        self.canvas.setLineWidth(width)
        self.canvas.setLineCap(1)
        self.canvas.drawPath(path)
        self.canvas.setLineCap(0)

    def paragraph(self, x: float, y: float, width: float, text: str, font: str, size: float, leading: float) -> float:
        """Running text from y (its upper edge) on. -> y of its lower edge."""
        block = Paragraph(text, ParagraphStyle("body", fontName=font, fontSize=size, leading=leading, textColor=BLACK))
        _, height = block.wrap(width, self.height)
        block.drawOn(self.canvas, x, self.height - y - height)
        return y + height

    def table(self, x: float, y: float, rows: list[list[str]], widths: list[float], row_height: float, style: list[tuple]) -> float:
        """A table from y (its upper edge) on. -> y of its lower edge."""
        block = Table(rows, colWidths=widths, rowHeights=row_height, style=TableStyle([("VALIGN", (0, 0), (-1, -1), "MIDDLE"), ("TEXTCOLOR", (0, 0), (-1, -1), BLACK), *style]))
        _, height = block.wrap(sum(widths), self.height)
        block.drawOn(self.canvas, x, self.height - y - height)
        return y + height

    def fields(self, x: float, y: float, value_x: float, fields: list[tuple[str, str]], label_font: str, font: str, size: float, pitch: float, right: bool = False) -> float:
        """Labels at x, values from value_x on (right: up to value_x), one under the other from the baseline y on. -> the next baseline."""
        for label, value in fields:
            self.text(x, y, label, label_font, size)
            self.text(value_x, y, value, font, size, align="right" if right else "left")
            y += pitch
        return y

    def next_page(self) -> None:
        self.canvas.showPage()

    def pdf(self) -> bytes:
        """The document; nothing can be drawn afterwards."""
        self.canvas.showPage()
        self.canvas.save()
        return self._buffer.getvalue()
