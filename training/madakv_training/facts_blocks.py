"""Blocks of labelled fields, in the ways documents set them."""

from __future__ import annotations

from . import values, vocabulary
from .content import Fact
from .flow import Flow


def _draw_label(flow: Flow, x: float, label: str, colon: str, dy: float = 0.0) -> None:
    flow.put(x, label + colon, flow.style.label_scale, flow.style.bold_labels, flow.canvas.palette.accent if flow.style.bold_labels else None, dy, (label,))


def _label_width(flow: Flow, label: str) -> float:
    return flow.style.face(flow.style.label_scale, flow.style.bold_labels).width(label + flow.style.colon)


def _pairs(flow: Flow, count: int, label_room: float, value_room: float) -> list[Fact]:
    """Fresh facts whose label and value fit in the given widths (px)."""
    out: list[Fact] = []
    face = flow.style.face()
    for _ in range(count * 3):
        if len(out) == count:
            break
        label = flow.wanted.pop() if flow.wanted else vocabulary.labels(flow.r, 1, flow.unseen, flow.content.taken() | {f.label for f in out})[0]
        if _label_width(flow, label) > label_room:
            continue
        value = values.value(flow.r, label)
        if face.width(value) > value_room:
            value = values.digits(flow.r, 2, 4) if flow.r.random() < 0.3 else flow.clip(value, value_room, face)
        if value:
            out.append(Fact(label, value))
    return out


def _keep(flow: Flow, fact: Fact, line: str | None = None) -> None:
    flow.content.facts.append(fact)
    flow.say(line or f"{fact.label}{flow.style.colon} {fact.value}")


def colon_lines(flow: Flow, count: int) -> None:
    """Label: value, one after the other on a line."""
    wander = flow.r.random() < 0.25
    for fact in _pairs(flow, count, flow.width * 0.6, flow.width * 0.38):
        if not flow.room():
            return
        gap = flow.style.size * flow.r.uniform(0.3, 0.6)
        lw = _label_width(flow, fact.label)
        slack = flow.width - lw - gap - flow.style.face().width(fact.value)
        x = flow.x0 + (flow.r.uniform(0, max(0.0, slack)) if wander else 0)
        _draw_label(flow, x, fact.label, flow.style.colon or ":")
        flow.put(x + lw + gap, fact.value, tag=(fact.label, ""))
        _keep(flow, fact, f"{fact.label}{flow.style.colon or ':'} {fact.value}")
        flow.advance()


def columns(flow: Flow, count: int) -> None:
    """Labels in one column, values in another, flush left or right, with or without leaders or rules."""
    r = flow.r
    facts = _pairs(flow, count, flow.width * 0.55, flow.width * 0.42)
    if not facts:
        return
    widest = max(_label_width(flow, f.label) for f in facts)
    xv = min(flow.x0 + widest + r.uniform(0.6, 3) * flow.style.size, flow.x0 + flow.width * 0.57)
    right, leaders, rules = r.random() < 0.4, r.random() < 0.15, r.random() < 0.2
    face = flow.style.face()
    for fact in facts:
        if not flow.room():
            return
        vw = face.width(fact.value)
        x = flow.x1 - vw if right else xv
        _draw_label(flow, flow.x0, fact.label, flow.style.colon)
        if leaders and right:
            flow.canvas.leader(flow.x0 + _label_width(flow, fact.label) + flow.style.size * 0.5, x - flow.style.size * 0.4, flow.y + 0.82 * flow.style.size, face)
        flow.put(x, fact.value, tag=(fact.label, ""))
        if rules:
            flow.canvas.line(flow.x0, flow.y + flow.pitch - 3, flow.x1, flow.y + flow.pitch - 3)
        _keep(flow, fact)
        flow.advance()


def stacked(flow: Flow, count: int) -> None:
    """Label above its value, in one to three columns, boxed like a form or free."""
    r = flow.r
    across = r.choice([1, 2, 2, 3]) if flow.width > 26 * flow.style.size else r.choice([1, 2]) if flow.width > 15 * flow.style.size else 1
    boxed = r.random() < 0.5
    cell, small = flow.width / across, r.choice([0.75, 0.85, 1.0])
    pad = flow.style.size * r.uniform(0.25, 0.8) if boxed else 0
    over = pad * r.uniform(0.3, 1.0)  # above the label
    height = flow.pitch * (1 + small) * 0.95 + (over + flow.style.size * r.uniform(0.2, 0.6) if boxed else flow.style.size * r.uniform(0.3, 0.9))
    saved = flow.style.label_scale
    flow.style.label_scale = small
    facts = _pairs(flow, count, cell * 0.92 - 2 * pad, cell * 0.9 - 2 * pad)
    for start in range(0, len(facts), across):
        if flow.y + height > flow.bottom:
            break
        row = facts[start : start + across]
        for i, fact in enumerate(row):
            x = flow.x0 + i * cell
            if boxed:
                flow.canvas.box(x, flow.y - 2, x + cell, flow.y + height - 2)
            _draw_label(flow, x + pad, fact.label, flow.style.colon if r.random() < 0.5 else "", over)
            flow.put(x + pad, fact.value, dy=over + flow.pitch * small * 0.95, tag=(fact.label, ""))
            flow.content.facts.append(fact)
        flow.say("  ".join(f.label for f in row))
        flow.say("  ".join(f.value for f in row))
        flow.y += height
    flow.style.label_scale = saved


def ruled(flow: Flow, count: int) -> None:
    """A two-column table of label and value with borders."""
    r = flow.r
    split = flow.x0 + flow.width * r.uniform(0.4, 0.55)
    pad = flow.style.size * r.uniform(0.25, 0.6)
    shade = r.random() < 0.3
    height = max(flow.pitch, flow.style.size * 1.45)
    for fact in _pairs(flow, count, split - flow.x0 - 2 * pad, flow.x1 - split - 2 * pad):
        if flow.y + height > flow.bottom:
            return
        if shade:
            flow.canvas.box(flow.x0, flow.y, split, flow.y + height, fill=flow.canvas.palette.shade)
        flow.canvas.box(flow.x0, flow.y, split, flow.y + height)
        flow.canvas.box(split, flow.y, flow.x1, flow.y + height)
        dy = (height - flow.style.size * 1.15) / 2
        _draw_label(flow, flow.x0 + pad, fact.label, flow.style.colon if r.random() < 0.5 else "", dy)
        flow.put(split + pad, fact.value, dy=dy, tag=(fact.label, ""))
        _keep(flow, fact)
        flow.y += height


def side_by_side(flow: Flow, count: int) -> None:
    """Two columns of fields next to each other."""
    gap = flow.style.size * flow.r.uniform(1, 2.5)
    half = (flow.width - gap) / 2
    if half < 9 * flow.style.size:
        return columns(flow, count)
    block = flow.r.choice([colon_lines, columns])
    x0, x1, y = flow.x0, flow.x1, flow.y
    flow.x1 = x0 + half
    block(flow, (count + 1) // 2)
    low, flow.y, flow.x0, flow.x1 = flow.y, y, x0 + half + gap, x1
    block(flow, count // 2)
    flow.y, flow.x0 = max(low, flow.y), x0
    return None


FACT_BLOCKS = [(colon_lines, 3), (columns, 4), (stacked, 6), (ruled, 2), (side_by_side, 2)]
