"""Tables: a header line, rows named by one column, and the totals under them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from . import values, vocabulary
from .content import Table
from .facts_blocks import columns
from .flow import Flow

NAMED = ["Item", "Description", "Product", "Article", "Position", "Region", "Project", "Employee", "Account"]
TOTALS = ["Subtotal", "Tax", "Total", "Discount", "Shipping", "Amount Due", "VAT", "Grand Total", "Balance Due", "Total Amount"]


def _column(r: random.Random, unseen: bool, known_share: float) -> tuple[str, object, bool]:
    """-> header (known_share: how often one that many tables have), maker of a cell, whether numbers (flush right)."""
    known = [
        ("Qty", lambda q: str(q.randint(1, 99)), True), ("Quantity", lambda q: str(q.randint(1, 999)), True), ("Price", lambda q: f"{q.uniform(1, 999):.2f}", True), ("Unit Price", lambda q: f"{q.uniform(1, 99):.2f}", True),
        ("Amount", values.amount, True), ("Total", lambda q: f"{q.uniform(1, 9999):.2f}", True), ("Tax", lambda q: f"{q.randint(0, 25)}%", True), ("Date", values.date, False), ("Code", values.code, False), ("Status", values.yes_no, False),
        ("City", values.city, False), ("Name", values.person, False), ("Hours", lambda q: str(q.randint(1, 60)), True), ("Weight", values.measure, True), ("Country", lambda q: q.choice(vocabulary.COUNTRIES), False), ("Rate", lambda q: f"{q.uniform(0, 40):.1f}%", True),
        ("January", None, True), ("March", None, True), ("Q1", None, True), ("Q2", None, True), ("Q3", None, True), ("Q4", None, True), ("2022", None, True), ("2023", None, True), ("2024", None, True), ("2025", None, True),
    ]  # fmt: skip
    if r.random() < known_share:
        header, make, number = r.choice(known)
    else:
        header, make, number = vocabulary.label(r, unseen), r.choice([None, values.code, values.place, values.phrase, values.amount, values.date]), False
    return (header, make, number) if make else (header, lambda q: f"{q.randint(1, 99999):,}" if q.random() < 0.7 else str(q.randint(1, 9999)), True)


@dataclass
class Grid:
    """Headers, rows and for each column whether it is flush right; key: which column names the rows."""

    headers: list[str]
    rows: list[list[str]]
    right: list[bool]
    key: int = 0


def _matter(flow: Flow, rows: int, cols: int) -> Grid | None:
    """Contents whose headers and row names clash with nothing on the page."""
    r, taken = flow.r, flow.content.taken()

    def clashes(text: str, others) -> bool:
        return any(vocabulary.clash(text.lower(), o.lower()) for o in others)

    name = vocabulary.label(r, flow.unseen) if r.random() < 0.4 else r.choice(NAMED)
    maker = r.choice([values.phrase, values.phrase, values.person, values.city, values.code, lambda q: vocabulary.label(q, flow.unseen)])
    known_share = r.choice([0.1, 0.6, 0.6, 0.8])  # in a table of made-up headers, all cells of a row may be alike
    specs = [_column(r, flow.unseen, known_share) for _ in range(cols - 1)]
    headers = [name, *[s[0] for s in specs]]
    if len({h.lower() for h in headers}) < len(headers) or any(clashes(h, taken) for h in headers):
        return None
    body: list[list[str]] = []
    for _ in range(rows * 2):
        key = maker(r)
        if len(body) < rows and not clashes(key, [b[0] for b in body]) and not clashes(key, taken | set(headers)):
            body.append([key, *[str(s[1](r)) for s in specs]])
    return Grid(headers, body, [False, *[s[2] and r.random() < 0.85 for s in specs]])


def _fit(flow: Flow, grid: Grid, pad: float) -> list[float] | None:
    """Widths of the columns in px; drops columns and rows that do not fit, None if too little is left."""
    head, cell, room = flow.style.face(1, True), flow.style.face(), flow.width
    widths = [max([head.width(h)] + [cell.width(b[i]) for b in grid.rows]) + 2 * pad for i, h in enumerate(grid.headers)]
    while sum(widths) > room and len(widths) > 2:
        widths.pop(), grid.headers.pop(), grid.right.pop()
        grid.rows = [b[:-1] for b in grid.rows]
    if sum(widths) > room:
        limit = room - widths[1] - 2 * pad
        grid.rows = [b for b in grid.rows if cell.width(b[0]) <= limit]
        if limit < head.width(grid.headers[0]):
            return None
        widths[0] = limit + 2 * pad
    return widths if grid.rows else None


def _number(flow: Flow, grid: Grid, widths: list[float], pad: float) -> None:
    """Puts a column of running numbers before the names, as invoices do."""
    header = flow.r.choice(["#", "No.", "Pos"])
    width = flow.style.face(1, True).width(header) + 2 * pad
    if sum(widths) + width <= flow.width:
        widths.insert(0, max(width, flow.style.face().width("00") + 2 * pad))
        grid.headers.insert(0, header)
        grid.right.insert(0, False)
        grid.rows = [[str(i + 1), *b] for i, b in enumerate(grid.rows)]
        grid.key = 1


def _draw(flow: Flow, grid: Grid, widths: list[float], height: float, pad: float) -> None:
    r, palette = flow.r, flow.canvas.palette
    boxes, lines, zebra, inverse, shaded = r.random() < 0.35, r.random() < 0.5, r.random() < 0.25, r.random() < 0.2, r.random() < 0.3
    dy, end = (height - flow.style.size * 1.15) / 2, flow.x0 + sum(widths)
    for n, row in enumerate([grid.headers, *grid.rows]):
        face = flow.style.face(1, n == 0)
        ink = palette.paper if n == 0 and inverse else None
        fill = palette.ink if ink else palette.shade if (n == 0 and shaded) or (zebra and n % 2 == 0 and n) else None
        if fill:
            flow.canvas.box(flow.x0, flow.y, end, flow.y + height, fill=fill)
        x = flow.x0
        for i, (text, width, right) in enumerate(zip(row, widths, grid.right, strict=True)):
            tag = (text,) if i == grid.key or n == 0 else (row[grid.key], grid.headers[i]) if i > grid.key else ()
            flow.put(x + width - pad - face.width(text) if right else x + pad, text, 1.0, n == 0, ink, dy, tag)
            if boxes:
                flow.canvas.box(x, flow.y, x + width, flow.y + height)
            x += width
        if lines or n == 0:
            flow.canvas.line(flow.x0, flow.y + height, end, flow.y + height)
        flow.say("  ".join(row))
        flow.y += height


def table(flow: Flow, rows: int, cols: int) -> None:
    """A table of up to rows x cols, sometimes with numbered rows and with totals under it."""
    r = flow.r
    pad = flow.style.size * r.uniform(0.25, 0.5)
    grid = _matter(flow, rows, cols)
    if grid is None or not grid.rows or (widths := _fit(flow, grid, pad)) is None:
        return
    if r.random() < 0.15:
        _number(flow, grid, widths, pad)
    stretch = (flow.width - sum(widths)) * r.choice([0, r.random(), 1]) / len(widths)
    widths = [w + stretch for w in widths]
    height = max(flow.pitch, flow.style.size * 1.4)
    grid.rows = grid.rows[: int((flow.bottom - flow.y) / height) - 1]
    if not grid.rows:
        return
    _draw(flow, grid, widths, height, pad)
    flow.content.tables.append(Table(grid.headers[grid.key :], [b[grid.key :] for b in grid.rows]))
    if r.random() < 0.25:
        totals(flow)


def totals(flow: Flow) -> None:
    """Sums in the right half of the page."""
    r = flow.r
    chosen = [t for t in r.sample(TOTALS, r.randint(1, 4)) if vocabulary.held_out(t) == flow.unseen]
    free: list[str] = []
    alike = r.random() < 0.4  # "Total" beside "Subtotal" and "Total Amount": which is asked for is said in full
    for t in chosen:
        if not any(vocabulary.clash(t.lower(), o.lower()) for o in [*(() if alike else free), *flow.content.taken()]):
            free.append(t)
    if free and flow.width > 16 * flow.style.size:
        x0, flow.x0, kept = flow.x0, flow.x0 + flow.width * r.uniform(0.4, 0.55), flow.wanted
        flow.wanted = free
        columns(flow, len(free))
        flow.x0, flow.wanted = x0, kept
