"""Pages for evaluation alone, by programs and of kinds that training never sees: TeX's articles, LibreOffice Writer's forms, and papers in front of a camera."""

from __future__ import annotations

import html
import io
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from reportlab.lib import colors
from reportlab.lib.pagesizes import A5
from reportlab.pdfgen import canvas

from . import prose
from .content import Content
from .degrade import coarse, shaded
from .fonts import faces
from .pdf import DPI, rasterise

TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "€": r"\euro{}", "£": r"\pounds{}", "°": r"\textdegree{}", **{c: "\\" + c for c in "&%$#_{}"}}
TEX_FONTS = ["lmr", "lmr", "lmss", "ptm", "ppl", "pbk", "pnc"]
WRITER_FONTS = ["Liberation Serif", "Liberation Sans", "DejaVu Sans", "Carlito", "Caladea", "Gentium"]


def tex(text: str) -> str:
    """Text as TeX's input sets it."""
    return "".join(TEX.get(c, c) for c in text)


def tex_page(r: random.Random, content: Content) -> str:
    """The body of one page: a title, the fields in one of four ways, a sentence or two, and the table."""
    pairs = [(tex(f.label), tex(f.value)) for f in content.facts]
    way = r.randrange(4)
    if way == 0:
        fields = r"\begin{description}\setlength{\itemsep}{0pt}" + "".join(rf"\item[{a}] {b}" for a, b in pairs) + r"\end{description}"
    elif way == 1:
        fields = r"\begin{tabular}{@{}ll@{}}" + "".join(rf"{a}{r.choice(['', ':'])} & {b} \\" for a, b in pairs) + r"\end{tabular}"
    elif way == 2:
        fields = "".join(rf"\noindent {a} \dotfill\ {b}\par " for a, b in pairs)
    else:
        fields = r"\begin{itemize}\setlength{\itemsep}{0pt}" + "".join(rf"\item \textit{{{a}:}} {b}" for a, b in pairs) + r"\end{itemize}"
    size = r.choice([r"\small", r"\normalsize", r"\normalsize"])
    title = r.choice(["Record of Agreement", "Minutes", "Statement", "Certificate of Service", "Order"])
    table = ""
    for t in content.tables:
        rules = r.choice(["", r"\hline"])
        columns = r.choice(["l" + "r" * (len(t.headers) - 1), "|" + "l|" * len(t.headers)])
        lines = [" & ".join(tex(c) for c in row) + rf" \\ {rules}" for row in t.rows]
        table = rf"\par\bigskip\noindent\begin{{tabular}}{{{columns}}}\hline " + " & ".join(r"\textbf{" + tex(h) + "}" for h in t.headers) + r" \\ \hline " + " ".join(lines) + r" \hline\end{tabular}"
    return rf"{{\fontfamily{{{r.choice(TEX_FONTS)}}}\selectfont {size} \section*{{{title}}} {tex(prose.filler(r))} \par\medskip {fields} \par\medskip {tex(prose.filler(r))} {table}}}"


def _program(name: str, *others: str) -> str:
    found = next((p for c in (name, *others) if (p := shutil.which(c))), None)
    if found is None:
        raise RuntimeError(f"no {name} here")
    return found


def latex(pages: list[str]) -> bytes:
    """Bodies of tex_page -> one PDF with a page each (more where one runs over). RuntimeError where there is no pdflatex."""
    program = _program("pdflatex")
    head = r"\documentclass[10pt]{article}\usepackage[paperwidth=148mm,paperheight=210mm,margin=12mm]{geometry}\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{textcomp}"
    head += r"\newcommand\euro{{\fontfamily{lmr}\selectfont\texteuro}}\pagestyle{empty}\raggedright\begin{document}"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pages.tex").write_text(head + r"\clearpage ".join(pages) + r"\end{document}")
        subprocess.run([program, "-interaction=batchmode", "-halt-on-error", "pages.tex"], cwd=folder, check=True, capture_output=True, timeout=120)
        return (Path(folder) / "pages.pdf").read_bytes()


def writer_page(r: random.Random, content: Content) -> str:
    """One page for LibreOffice Writer, as HTML with its own marks: boxed forms with the label above the value, tables of pairs, lists, and lines."""
    e = html.escape
    way = r.randrange(4)
    font = f'style="font-family:{r.choice(WRITER_FONTS)};font-size:{r.choice([9.5, 10, 10.5, 11])}pt"'

    def cell(inner: str) -> str:  # Writer's cells do not inherit
        return f"<td><p {font}>{inner}</p></td>"

    if way == 0:
        boxes = [cell(f'<font size="1">{e(f.label)}</font><br>{e(f.value)}') for f in content.facts]
        fields = '<table width="100%" border="1" cellspacing="0" cellpadding="2">' + "".join(f"<tr>{''.join(boxes[i : i + 2])}</tr>" for i in range(0, len(boxes), 2)) + "</table>"
    elif way == 1:
        fields = '<table width="100%" border="1" cellspacing="0" cellpadding="2">' + "".join(f"<tr>{cell(f'<b>{e(f.label)}</b>')}{cell(e(f.value))}</tr>" for f in content.facts) + "</table>"
    elif way == 2:
        fields = "<ol>" + "".join(f"<li>{e(f.label)}: <u>{e(f.value)}</u></li>" for f in content.facts) + "</ol>"
    else:
        fields = "".join(f"<p>{e(f.label)}<br><b>{e(f.value)}</b></p>" if r.random() < 0.3 else f"<p>{e(f.label)} = {e(f.value)}</p>" for f in content.facts)
    items = ""
    for t in content.tables:
        rows = [[f"<b>{e(h)}</b>" for h in t.headers], *[[e(c) for c in row] for row in t.rows]]
        items = f'<p></p><table width="100%" border="{r.choice([0, 1])}" cellspacing="0" cellpadding="2">' + "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows) + "</table>"
    title = r.choice(["Application", "Registration Sheet", "Order Form", "Inspection Report", "Notice"])
    return f"<div {font}><h3>{title}</h3>{fields}<p>{e(prose.filler(r))}</p>{items}</div>"


def writer(pages: list[str]) -> bytes:
    """Pages of writer_page -> one PDF with a page each (more where one runs over). RuntimeError where there is no LibreOffice."""
    program = _program("soffice", "libreoffice")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "pages.html"
        css = "@page{size:148mm 210mm;margin:12mm}p,li,td,th{margin:0;font-size:inherit;font-family:inherit}"
        source.write_text(f"<html><head><meta charset=utf-8><style>{css}</style></head><body>" + '<p style="page-break-before:always"></p>'.join(pages) + "</body></html>")
        command = [program, f"-env:UserInstallation=file://{folder}/profile", "--headless", "--infilter=HTML (StarWriter)", "--convert-to", "pdf:writer_pdf_Export", "--outdir", folder, str(source)]
        subprocess.run(command, check=True, capture_output=True, timeout=180)
        return (Path(folder) / "pages.pdf").read_bytes()


def form(r: random.Random, content: Content) -> bytes:
    """A form that was filled in: labels on the page, values in the fields of an interactive PDF, A5."""
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=A5)
    page.setFont("Helvetica-Bold", 15)
    page.drawString(34, A5[1] - 50, r.choice(["Claim Form", "Enrolment", "Change of Details", "Request"]))
    size, columns, above = r.choice([9.5, 10.5]), r.choice([1, 1, 2]), r.random() < 0.5
    width = (A5[0] - 68) / columns
    look = {"borderStyle": r.choice(["inset", "solid", "underlined"]), "borderWidth": 0.5, "fillColor": r.choice([colors.white, colors.Color(0.92, 0.94, 1)]), "forceBorder": True}
    for i, f in enumerate(content.facts):
        x, y = 34 + width * (i % columns), A5[1] - 90 - (i // columns) * (38 if above or columns == 2 else 25)
        page.setFont("Helvetica", size)
        beside = not above and columns == 1
        page.drawString(x, y if beside else y + 14, f.label)
        indent = 150 if beside else 0
        page.acroForm.textfield(name=f"f{i}", value=f.value, x=x + indent, y=y - 6, width=width - indent - 10, height=18, fontSize=size + 0.5, fontName=r.choice(["Helvetica", "Courier"]), **look)
    page.save()
    return out.getvalue()


def receipt(r: random.Random, content: Content) -> Image.Image:
    """What a till prints: one narrow column in a fixed pitch, amounts at the right edge."""
    columns = r.randint(36, 42)
    monospaced = sorted({p for p in faces()[0] if any(n in Path(p).name for n in ("Mono", "Courier", "Inconsolata", "Hack"))} or set(faces()[0]))
    font = ImageFont.truetype(r.choice(monospaced), r.choice([19, 20, 22]))
    lines = [r.choice(["CORNER MARKET", "CITY GARAGE", "STATION CAFE"]).center(columns), "".center(columns, r.choice("-=*"))]
    for f in content.facts:
        gap = columns - len(f.label) - len(f.value)
        lines += [f.label + " " * gap + f.value] if gap > 1 else [f.label, f.value.rjust(columns)]
    lines.append("-" * columns)
    for t in content.tables:
        wide = max(len(row[0]) for row in [t.headers, *t.rows]) + 1
        rest = max(len(c) for row in [t.headers, *t.rows] for c in row[1:]) + 1
        lines += [row[0].ljust(wide) + "".join(c.rjust(rest) for c in row[1:]) for row in [t.headers, *t.rows]]
    high, wide = round(font.size * r.uniform(1.2, 1.5)), round(max(font.getlength(line) for line in lines))
    image = Image.new("RGB", (wide + 60, high * (len(lines) + 3)), (r.randint(243, 255),) * 3)
    draw = ImageDraw.Draw(image)
    ink = (r.randint(20, 80),) * 3
    for i, line in enumerate(lines):
        draw.text((30, high * (i + 1)), line, ink, font)
    return image


def stamped(r: random.Random, image: Image.Image) -> Image.Image:
    """With a turned rubber stamp, see-through, in the lower half."""
    text = r.choice(["PAID", "RECEIVED", "COPY", "APPROVED", "URGENT"])
    font = ImageFont.truetype(r.choice(faces()[2] or faces()[0]), r.randint(34, 54))
    side = round(font.getlength(text)) + 40
    mark = Image.new("L", (side, side))
    draw = ImageDraw.Draw(mark)
    draw.text((side / 2, side / 2), text, 150, font, anchor="mm")
    draw.rectangle((4, side / 2 - font.size * 0.75, side - 5, side / 2 + font.size * 0.75), outline=150, width=4)
    mark = mark.rotate(r.uniform(-25, 25), Image.Resampling.BICUBIC)
    ink = Image.new("RGB", mark.size, r.choice([(190, 30, 40), (30, 60, 170), (60, 60, 60)]))
    image = image.copy()
    image.paste(ink, (r.randint(0, max(1, image.width - side)), r.randint(image.height // 2, max(image.height // 2 + 1, image.height - side))), mark)
    return image


def photographed(r: random.Random, image: Image.Image) -> Image.Image:
    """On a table, from not quite above, in the light of a room, by a phone."""
    margin = round(image.width * r.uniform(0.02, 0.06))
    around = Image.new("RGB", (image.width + 2 * margin, image.height + 2 * margin), tuple(r.randint(40, 190) for _ in range(3)))
    around.paste(image, (margin, margin))
    w, h, bend = around.width, around.height, r.uniform(0.005, 0.02)
    corners = [(0, 0), (0, h), (w, h), (w, 0)]
    seen = [(x + r.uniform(-bend, bend) * w, y + r.uniform(-bend, bend) * h) for x, y in corners]
    rows = [row for (x, y), (u, v) in zip(corners, seen, strict=True) for row in ([x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y])]
    turn = np.linalg.solve(np.array(rows, float), np.array([c for corner in seen for c in corner]))
    around = around.transform(around.size, Image.Transform.PERSPECTIVE, tuple(turn), Image.Resampling.BICUBIC, fillcolor=around.getpixel((0, 0)))
    around = around.filter(ImageFilter.GaussianBlur(r.uniform(0.3, 0.8)))
    buffer = io.BytesIO()
    Image.fromarray(shaded(np.array(around), r, 0.8)).save(buffer, "JPEG", quality=r.randint(55, 85))
    return Image.open(buffer).convert("RGB")


def paper(r: random.Random, content: Content) -> Image.Image:
    """A receipt or a filled form as it reaches an inbox: photographed, or scanned at 72 dpi, some with a stamp."""
    image = receipt(r, content) if r.random() < 0.5 else rasterise(form(r, Content(facts=content.facts)))[0]
    if r.random() < 0.3:
        image = stamped(r, image)
    return photographed(r, image) if r.random() < 0.6 else coarse(image, 72 / DPI)
