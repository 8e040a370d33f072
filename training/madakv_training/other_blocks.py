"""Tables, paragraphs, titles and other things between the fields."""

from __future__ import annotations

import random

from . import prose, values, vocabulary
from .content import Table
from .flow import Flow


def title(flow: Flow) -> None:
    r = flow.r
    scale = r.uniform(1.1, 1.7)
    face = flow.style.face(scale, True)
    words = r.choice(
        [
            "Invoice",
            "Receipt",
            "Statement",
            "Report",
            "Order Form",
            "Delivery Note",
            "Certificate",
            "Application",
            "Summary",
            "Contract",
            "Quotation",
            "Record",
            values.company(r),
            values.phrase(r).title(),
        ]
    )
    text = flow.clip(words.upper() if r.random() < 0.3 else words, flow.width, face)
    if not text or not flow.room(scale):
        return
    at = r.choice([0.0, 0.0, 0.5, 1.0])
    flow.put(flow.x0 + (flow.width - face.width(text)) * at, text, scale, True, flow.canvas.palette.accent)
    flow.say(text)
    flow.content.title = flow.content.title or text
    flow.advance(scale * r.uniform(1.0, 1.3))
    if r.random() < 0.2:
        flow.canvas.line(flow.x0, flow.y, flow.x1, flow.y, r.choice([1, 2]))
        flow.advance(0.3)


def heading(flow: Flow) -> None:
    r = flow.r
    text = flow.clip(r.choice(["Details", "Bill to", "Ship to", "Terms", "Notes", "Section " + str(r.randint(1, 9)), values.phrase(r)]), flow.width, flow.style.face(1, True))
    if text and flow.room(2):
        if r.random() < 0.2:
            flow.canvas.box(flow.x0, flow.y, flow.x1, flow.y + flow.pitch, fill=flow.canvas.palette.shade)
        flow.put(flow.x0, text, 1.0, True)
        flow.say(text)
        flow.advance()


def address(flow: Flow) -> None:
    """A block of lines without labels: name, street, city."""
    r = flow.r
    right = r.random() < 0.25
    for line in [
        r.choice([values.company, values.person])(r),
        f"{r.randint(1, 200)} {r.choice(vocabulary.WORDS).capitalize()} {r.choice(vocabulary.STREETS)}",
        f"{values.digits(r, 5, 5)} {values.city(r)}",
    ]:
        text = flow.clip(line, flow.width * 0.7, flow.style.face())
        if text and flow.room():
            flow.put(flow.x1 - flow.style.face().width(text) if right else flow.x0, text)
            flow.say(text)
            flow.advance()


def paragraph(flow: Flow, facts: int = 0, sentences: int = 3) -> None:
    """Running text; facts of its sentences are stated in prose."""
    pieces, found = prose.passage(flow.r, sentences, facts, flow.content.taken(), flow.unseen)
    face = flow.style.face()
    lines: list[str] = []
    line = ""
    for word in pieces.split(" "):
        if line and face.width(line + " " + word) > flow.width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    lines.append(line)
    if not flow.room(len(lines)) or max(face.width(x) for x in lines) > flow.width:
        return
    for text in lines:
        flow.put(flow.x0, text)
        flow.say(text)
        flow.advance()
    flow.content.facts.extend(found)


def _column(r: random.Random) -> tuple[str, object, bool]:
    """-> header, maker of a cell, whether numbers (flush right)."""
    known = [
        ("Qty", lambda q: str(q.randint(1, 99)), True), ("Quantity", lambda q: str(q.randint(1, 999)), True), ("Price", lambda q: f"{q.uniform(1, 999):.2f}", True), ("Unit Price", lambda q: f"{q.uniform(1, 99):.2f}", True),
        ("Amount", values.amount, True), ("Total", lambda q: f"{q.uniform(1, 9999):.2f}", True), ("Tax", lambda q: f"{q.randint(0, 25)}%", True), ("Date", values.date, False), ("Code", values.code, False), ("Status", values.yes_no, False),
        ("City", values.city, False), ("Name", values.person, False), ("Hours", lambda q: str(q.randint(1, 60)), True), ("Weight", values.measure, True), ("Country", lambda q: q.choice(vocabulary.COUNTRIES), False), ("Rate", lambda q: f"{q.uniform(0, 40):.1f}%", True),
        ("January", None, True), ("March", None, True), ("Q1", None, True), ("Q2", None, True), ("Q3", None, True), ("Q4", None, True), ("2022", None, True), ("2023", None, True), ("2024", None, True), ("2025", None, True),
    ]  # fmt: skip
    if r.random() < 0.6:
        header, make, number = r.choice(known)
    else:
        header, make, number = vocabulary.raw_label(r), r.choice([None, values.code, values.place, values.phrase, values.amount, values.date]), False
    return (header, make, number) if make else (header, lambda q: f"{q.randint(1, 99999):,}" if q.random() < 0.7 else str(q.randint(1, 9999)), True)


def table(flow: Flow, rows: int, cols: int) -> None:
    """A table with a header line; the first column names the rows."""
    r = flow.r
    pad = flow.style.size * r.uniform(0.25, 0.5)
    cell_face, head_face = flow.style.face(), flow.style.face(1, True)
    name = vocabulary.label(r, flow.unseen) if r.random() < 0.4 else r.choice(["Item", "Description", "Product", "Article", "Position", "Region", "Project", "Employee", "Account"])
    maker = r.choice([values.phrase, values.phrase, values.person, values.city, values.code, lambda q: vocabulary.label(q, flow.unseen)])
    specs = [_column(r) for _ in range(cols - 1)]
    headers = [name, *[s[0] for s in specs]]
    if len({h.lower() for h in headers}) < len(headers) or any(vocabulary.clash(h.lower(), t.lower()) for h in headers for t in flow.content.taken()):
        return
    body: list[list[str]] = []
    for _ in range(rows * 2):
        key = maker(r)
        if len(body) < rows and not any(vocabulary.clash(key.lower(), b[0].lower()) for b in body) and not any(vocabulary.clash(key.lower(), t.lower()) for t in flow.content.taken() | set(headers)):
            body.append([key, *[str(s[1](r)) for s in specs]])
    room = flow.width
    widths = [max([head_face.width(headers[i])] + [cell_face.width(b[i]) for b in body]) + 2 * pad for i in range(cols)]
    while sum(widths) > room and len(widths) > 2:  # drop columns that do not fit
        widths.pop(), headers.pop(), specs.pop()
        body = [b[:-1] for b in body]
    if sum(widths) > room:
        limit = room - widths[1] - 2 * pad
        body = [b for b in body if cell_face.width(b[0]) <= limit]
        if not body or limit < head_face.width(headers[0]):
            return
        widths[0] = limit + 2 * pad
    stretch = (room - sum(widths)) * r.choice([0, r.random(), 1]) / len(widths)
    widths = [w + stretch for w in widths]
    height = max(flow.pitch, flow.style.size * 1.4)
    body = body[: int((flow.bottom - flow.y) / height) - 1]
    if not body:
        return
    grid, lines, zebra, inverse = r.random() < 0.35, r.random() < 0.5, r.random() < 0.25, r.random() < 0.2
    dy = (height - flow.style.size * 1.15) / 2
    right = [False, *[s[2] and r.random() < 0.85 for s in specs]]
    total = sum(widths)
    for n, row in enumerate([headers, *body]):
        face = head_face if n == 0 else cell_face
        ink = None
        if n == 0 and inverse:
            flow.canvas.box(flow.x0, flow.y, flow.x0 + total, flow.y + height, fill=flow.canvas.palette.ink)
            ink = flow.canvas.palette.paper
        elif (zebra and n % 2 == 0 and n) or (n == 0 and r.random() < 0.3):
            flow.canvas.box(flow.x0, flow.y, flow.x0 + total, flow.y + height, fill=flow.canvas.palette.shade)
        x = flow.x0
        for i, text in enumerate(row):
            at = x + widths[i] - pad - face.width(text) if right[i] else x + pad
            flow.put(at, text, 1.0, n == 0, ink, dy)
            if grid:
                flow.canvas.box(x, flow.y, x + widths[i], flow.y + height)
            x += widths[i]
        if lines or n == 0:
            flow.canvas.line(flow.x0, flow.y + height, flow.x0 + total, flow.y + height)
        flow.say("  ".join(row))
        flow.y += height
    flow.content.tables.append(Table(headers, body))
