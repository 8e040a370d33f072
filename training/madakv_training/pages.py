"""Composes drawn pages: invoices, receipts, forms, letters and reports as sequences of blocks."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from PIL import Image

from . import degrade, pdf, values, vocabulary
from .bindings import Bindings
from .canvas import Canvas, Palette
from .config import CELL
from .content import Content, Page
from .facts_blocks import FACT_BLOCKS
from .flow import Flow, Style
from .glyphs import Glyph, cell_of, cell_targets
from .other_blocks import address, footer, heading, paragraph, title
from .tables import table


@dataclass(frozen=True)
class PageSpec:
    """What a page is to hold. rows, columns in cells; facts and tables are wishes, the page holds what fits."""

    rows: int
    columns: int
    facts: int
    tables: int = 0
    noise: float = 0.0
    extras: float = 0.5  # how much else stands on the page
    aligned: bool = False  # text on the cells' grid: the first lessons
    unseen: bool = False
    prose: float = 0.15


def style_for(r: random.Random, pdf_page: bool = False) -> Style:
    """Typography of a document. PDFs keep to the sizes of office documents: 9 to 13 pt at 140 dpi."""
    return Style.random(r, 17, 25, True) if pdf_page and pdf.AVAILABLE else Style.random(r, 16, 27)


def drawn_page(
    r: random.Random, spec: PageSpec, style: Style | None = None, palette: Palette | None = None, reserved: set[str] | None = None, wanted: list[str] | None = None, filler: int = 0
) -> Page:
    """One page, drawn with PIL or (style.pdf) by way of a PDF. reserved: labels that must not occur; wanted: labels to use first; filler: paragraphs that say nothing."""
    style = style or style_for(r)
    palette = palette or Palette.random(r)
    width, height = spec.columns * CELL, spec.rows * CELL
    if style.pdf:  # a page size that is no multiple of 28 px is resized, as the image processor does
        canvas = pdf.PdfCanvas(width + r.randint(-13, 13), height + r.randint(-13, 13), palette) if r.random() < 0.7 else pdf.PdfCanvas(width, height, palette)
    else:
        scale = 1.0 if spec.aligned or r.random() < 0.8 else r.uniform(0.85, 1.3)
        canvas = Canvas(round(width * scale), round(height * scale), palette)
        if scale != 1.0:
            style = replace(style, size=round(style.size * scale))
    content = Content(reserved=set(reserved or ()))
    margin = 0 if spec.aligned else min(r.choice([4, 10, 28, 56, 84]), canvas.width // 12)
    top = 4 if spec.aligned else min(r.randint(2, 70), canvas.height // 10)
    flow = Flow(r, canvas, replace(style), content, margin + r.random() * 3, canvas.width - margin - 2, top, canvas.height - 3 - top // 2, spec.unseen, list(wanted or ()))
    if spec.aligned:
        flow.style.leading = CELL / flow.style.size
    elif canvas.height < 5 * CELL:
        flow.y = r.uniform(0, max(1.0, flow.pitch * 0.5))
        flow.bottom = canvas.height
    fill(flow, spec, filler)
    image, glyphs = degrade.fit(canvas.image, canvas.glyphs, width, height, r)
    pixels, glyphs = degrade.scan(image, glyphs, r, spec.noise)
    return Page(pixels, (spec.rows, spec.columns), cell_targets(glyphs, spec.rows, spec.columns), content, bindings_of(glyphs, spec.rows, spec.columns))


def dense_page(r: random.Random, rows: int, columns: int, noise: float, whole: bool = False) -> Page:
    """A crop full of text at any offset: lessons in reading alone, many characters a cell. whole: no text is cut off at the edges, all of it is in content.lines."""
    style = style_for(r, r.random() < 0.2)
    style.leading = r.uniform(1.1, 1.4)
    palette = Palette.random(r)
    width, height = columns * CELL, rows * CELL
    canvas = pdf.PdfCanvas(width, height, palette) if style.pdf else Canvas(width, height, palette)
    flow = Flow(r, canvas, style, Content(), 0, width, (0.1 if whole else r.uniform(-0.3, 0.4)) * style.size, height if whole else height + 4)
    flow.style.bold_labels = r.random() < 0.15
    face = style.face(1.0, flow.style.bold_labels)
    while flow.room(1.0 if whole else 0.9):
        x = r.uniform(0.05 if whole else -0.2, 2.5) * style.size
        line = []
        while x < width - 2 * style.size:
            text = r.choice([lambda: values.value(r), lambda: vocabulary.label(r), lambda: values.value(r)])()
            if whole and x + face.width(text) > width - 2:
                break
            flow.put(x, text, bold=flow.style.bold_labels)
            line.append(text)
            x += face.width(text) + r.uniform(0.3, 1.5) * style.size
        if line:
            flow.say(" ".join(line))
        flow.advance()
    image, glyphs = degrade.fit(canvas.image, canvas.glyphs, width, height, r)
    pixels, glyphs = degrade.scan(image, glyphs, r, noise)
    return Page(pixels, (rows, columns), cell_targets(glyphs, rows, columns), flow.content)


def bindings_of(glyphs: list[Glyph], rows: int, columns: int) -> Bindings:
    """A cell that several texts share counts for the last of each kind."""
    out = Bindings()
    for x, y, _, tag in glyphs:
        if not tag or (cell := cell_of(x, y, rows, columns)) is None:
            continue
        if len(tag) == 2:
            out.values[cell] = tag
        elif cell not in (at := out.names.setdefault(tag[0], [])):
            at.append(cell)
    return out


def fill(flow: Flow, spec: PageSpec, filler: int = 0) -> None:
    """Sets blocks until the wishes are met or the page is full."""
    r = flow.r
    wanted, tables = spec.facts, spec.tables
    if r.random() < spec.extras:
        title(flow)
    if r.random() < spec.extras * 0.3:
        top = flow.y
        footer(flow)
        flow.y = top
    for _ in range(14 + filler):
        if not flow.room() or (wanted <= 0 and tables <= 0 and filler <= 0):
            break
        if filler > 0 and (wanted <= 0 or r.random() < 0.6):
            filler -= 1
            paragraph(flow, 0, r.randint(2, 5))
            flow.advance(r.uniform(0.2, 1.0))
            continue
        if r.random() < spec.extras * 0.5:
            flow.advance(r.uniform(0.2, 1.2))
            r.choice([heading, address, lambda f: paragraph(f, 0, r.randint(1, 3))])(flow)
        if tables > 0 and (wanted <= 0 or r.random() < 0.4):
            before = len(flow.content.tables)
            table(flow, r.randint(2, 8), r.randint(2, 5))
            tables -= len(flow.content.tables) - before
        elif wanted > 0:
            before = len(flow.content.facts)
            if r.random() < spec.prose and flow.width > 14 * flow.style.size:
                paragraph(flow, min(wanted, r.randint(1, 3)), r.randint(0, 3))
            else:
                blocks, weights = zip(*FACT_BLOCKS, strict=True)
                r.choices(blocks, weights)[0](flow, min(wanted, r.randint(1, 8) if wanted > 2 else wanted))
            wanted -= len(flow.content.facts) - before
        flow.advance(r.uniform(0.1, 0.9))


def show(page: Page) -> Image.Image:
    return Image.fromarray(page.pixels)
