"""Pages for evaluation alone, in layouts and by programs that training never sees: reportlab's Platypus and Chromium's HTML.

Both yield PDF bytes; pdf.rasterise turns them into pages as the product does.
"""

from __future__ import annotations

import html
import io
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

from reportlab.lib import colors
from reportlab.lib.pagesizes import A5
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import HRFlowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from . import prose, values, vocabulary
from .content import Content, Fact
from .content import Table as ContentTable

CHROMIUM = ["chromium", "chromium-browser", "google-chrome"]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-pdf-header-footer"]


def matter(r: random.Random, unseen: bool, fields: int) -> Content:
    """Facts and an item table to be set by a layout."""
    content = Content()
    content.facts = [Fact(label, values.value(r, label)) for label in vocabulary.labels(r, fields, unseen)]
    keys: list[str] = []
    while len(keys) < r.randint(3, 6):
        key = values.phrase(r)
        if not any(vocabulary.clash(key.lower(), k.lower()) for k in [*keys, *content.taken()]) and len(key) < 22:
            keys.append(key)
    headers = ["Item", *r.sample(["Qty", "Price", "Amount", "Tax", "Code", "Weight"], 3)]
    if not any(vocabulary.clash(h.lower(), f.label.lower()) for h in headers for f in content.facts):
        makers = {
            "Qty": lambda: str(r.randint(1, 99)),
            "Price": lambda: f"{r.uniform(1, 999):.2f}",
            "Amount": lambda: f"{r.uniform(1, 9999):,.2f}",
            "Tax": lambda: f"{r.randint(1, 25)}%",
            "Code": lambda: values.code(r),
            "Weight": lambda: f"{r.randint(1, 900)} kg",
        }
        content.tables.append(ContentTable(headers, [[k, *[makers[h]() for h in headers[1:]]] for k in keys]))
    return content


def platypus(r: random.Random, content: Content) -> bytes:
    """A statement or an order by reportlab's page layout engine, A5."""
    font, bold = r.choice([("Helvetica", "Helvetica-Bold"), ("Times-Roman", "Times-Bold"), ("Helvetica", "Helvetica-Bold")])
    size = r.choice([9.5, 10, 10.5, 11, 12])
    text = ParagraphStyle("text", fontName=font, fontSize=size, leading=size * r.uniform(1.2, 1.5))
    head = ParagraphStyle("head", parent=text, fontName=bold, fontSize=size * 1.5, leading=size * 2, alignment=r.choice([0, 1, 2]))
    story: list = [Paragraph(r.choice(["Account Statement", "Purchase Order", "Service Report", "Packing List", "Membership Form"]), head), Spacer(1, size)]
    rows = [[f.label + r.choice([":", ""]), f.value] for f in content.facts]
    layout = r.randrange(4)
    if layout == 0:  # pairs side by side
        half = (len(rows) + 1) // 2
        left, right = rows[:half], rows[half:] + [["", ""]] * (2 * half - len(rows))
        cell = ParagraphStyle("cell", parent=text, fontSize=size * 0.95)
        story.append(Table([[Paragraph(html.escape(t), cell) for t in [*a, *b]] for a, b in zip(left, right, strict=True)], colWidths=[85, 95, 85, 95]))
    elif layout == 1:  # banded
        table = Table(rows, colWidths=[160, 180], hAlign="LEFT")
        table.setStyle(
            TableStyle(
                [
                    ("FONT", (0, 0), (0, -1), bold, size),
                    ("FONT", (1, 0), (1, -1), font, size),
                    ("ROWBACKGROUNDS", (0, 0), (-1, -1), [colors.whitesmoke, colors.white]),
                    ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.grey),
                ]
            )
        )
        story.append(table)
    elif layout == 2:  # bold label and value in one paragraph
        story += [Paragraph(f"<b>{html.escape(f.label)}:</b> {html.escape(f.value)}", text) for f in content.facts]
    else:
        table = Table(rows, hAlign="CENTER")
        table.setStyle(TableStyle([("FONT", (0, 0), (-1, -1), font, size), ("ALIGN", (0, 0), (0, -1), "RIGHT"), ("TEXTCOLOR", (0, 0), (0, -1), colors.Color(0.3, 0.3, 0.35))]))
        story.append(table)
    story += [Spacer(1, size), Paragraph(prose.filler(r), text)]
    if content.tables:
        story.append(HRFlowable(width="100%", color=colors.grey))
        t = content.tables[0]
        table = Table([t.headers, *t.rows], hAlign="LEFT", repeatRows=1)
        style = [("FONT", (0, 0), (-1, 0), bold, size), ("FONT", (0, 1), (-1, -1), font, size), ("ALIGN", (1, 0), (-1, -1), "RIGHT")]
        style += r.choice([[("GRID", (0, 0), (-1, -1), 0.5, colors.black)], [("LINEBELOW", (0, 0), (-1, 0), 1, colors.black)], [("BACKGROUND", (0, 0), (-1, 0), colors.lightgrey)]])
        table.setStyle(TableStyle(style))
        story.append(table)
    out = io.BytesIO()
    SimpleDocTemplate(out, pagesize=A5, leftMargin=30, rightMargin=30, topMargin=30, bottomMargin=25).build(story)
    return out.getvalue()


def page_html(r: random.Random, content: Content) -> str:
    """One A5 page of HTML; several are printed by one run of the browser."""
    e = html.escape
    family, size = r.choice(["Arial", "Georgia, serif", "Verdana", "'Times New Roman'", "system-ui", "'Courier New'"]), r.choice([10, 10.5, 11, 12])
    style = r.randrange(4)
    if style == 0:
        fields = "<dl>" + "".join(f"<dt>{e(f.label)}</dt><dd>{e(f.value)}</dd>" for f in content.facts) + "</dl>"
        css = "dl{display:grid;grid-template-columns:max-content auto;gap:3px 18px}dt{font-weight:bold}dd{margin:0}"
    elif style == 1:
        fields = '<div class="g">' + "".join(f"<div><small>{e(f.label)}</small><br>{e(f.value)}</div>" for f in content.facts) + "</div>"
        css = ".g{display:grid;grid-template-columns:1fr 1fr;gap:8px 14px}small{color:#555;font-size:90%}"
    elif style == 2:
        fields = "<table>" + "".join(f"<tr><th>{e(f.label)}</th><td>{e(f.value)}</td></tr>" for f in content.facts) + "</table>"
        css = "th{text-align:left;padding-right:20px;font-weight:normal;color:#333}td{text-align:right}table{width:100%;border-collapse:collapse}tr{border-bottom:1px solid #ccc}"
    else:
        fields = "".join(f"<p><strong>{e(f.label)}:</strong> {e(f.value)}</p>" for f in content.facts)
        css = "p{margin:3px 0}"
    items = ""
    if content.tables:
        t = content.tables[0]
        items = '<table class="i"><tr>' + "".join(f"<th>{e(h)}</th>" for h in t.headers) + "</tr>" + "".join("<tr>" + "".join(f"<td>{e(c)}</td>" for c in row) + "</tr>" for row in t.rows) + "</table>"
        css += "table.i{margin-top:12px;border-collapse:collapse;width:100%}.i th{background:#eee;text-align:left;border-bottom:2px solid #444;padding:3px 6px;font-weight:bold}.i td{padding:3px 6px;text-align:left}.i tr{border:0}"
    title = r.choice(["Booking Confirmation", "Invoice", "Patient Record", "Delivery Receipt", "Monthly Summary"])
    # every page is its own shadow tree, so that their styles do not mix
    return f'<section><template shadowrootmode="open"><style>:host{{}} div.p{{font:{size}pt {family}}}{css}</style><div class="p"><h2>{title}</h2>{fields}{items}</div></template></section>'


def chromium(pages: list[str]) -> bytes:
    """HTML pages -> one PDF with a page each, by a headless browser. RuntimeError where there is none."""
    program = next((p for c in CHROMIUM if (p := shutil.which(c))), None)
    if program is None:
        raise RuntimeError("no Chromium here")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "pages.html", Path(folder) / "pages.pdf"
        source.write_text("<!doctype html><meta charset=utf-8><style>@page{size:A5;margin:12mm}section{break-after:page}</style>" + "".join(pages))
        subprocess.run([program, *FLAGS, f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}", source.as_uri()], check=True, capture_output=True, timeout=120)
        return target.read_bytes()
