"""Paragraphs, titles, addresses and other things between the fields."""

from __future__ import annotations

from . import prose, values, vocabulary
from .content import Fact
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
    text = flow.clip(r.choice(["Details", "Summary", "Particulars", "Terms", "Notes", "Section " + str(r.randint(1, 9)), values.phrase(r)]), flow.width, flow.style.face(1, True))
    if text and flow.room(2):
        if r.random() < 0.2:
            flow.canvas.box(flow.x0, flow.y, flow.x1, flow.y + flow.pitch, fill=flow.canvas.palette.shade)
        flow.put(flow.x0, text, 1.0, True)
        flow.say(text)
        flow.advance()


PARTIES = ["Bill To", "Ship To", "Sold To", "Customer", "From", "To", "Recipient", "Supplier", "Deliver To", "Sender"]


def address(flow: Flow) -> None:
    """A block of lines, name, street, city; often under a heading, which makes the name the heading's value."""
    r = flow.r
    right = r.random() < 0.25
    heading_text = r.choice(PARTIES)
    headed = r.random() < 0.5 and not any(vocabulary.clash(heading_text.lower(), t.lower()) for t in flow.content.taken()) and vocabulary.held_out(heading_text) == flow.unseen
    lines = [
        r.choice([values.company, values.person])(r),
        f"{r.randint(1, 200)} {r.choice(vocabulary.WORDS).capitalize()} {r.choice(vocabulary.STREETS)}",
        f"{values.digits(r, 5, 5)} {values.city(r)}",
    ]
    if not flow.room(len(lines) + headed):
        return
    clipped = [flow.clip(line, flow.width * 0.7, flow.style.face()) for line in lines]
    if headed and clipped[0]:
        flow.content.facts.append(Fact(heading_text, clipped[0]))
        clipped.insert(0, heading_text + r.choice([":", ""]))
    for i, text in enumerate(t for t in clipped if t):
        bold = headed and i == 0
        flow.put(flow.x1 - flow.style.face(1, bold).width(text) if right else flow.x0, text, bold=bold)
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


def footer(flow: Flow) -> None:
    """A page number or a line of small print at the bottom."""
    r = flow.r
    text = r.choice([f"Page {r.randint(1, 9)} of {r.randint(9, 12)}", f"- {r.randint(1, 20)} -", values.company(r), "Thank you for your business."])
    face = flow.style.face(0.85)
    if flow.bottom - flow.y > 2.5 * flow.pitch and face.width(text) < flow.width:
        flow.y = flow.bottom - flow.pitch
        flow.put(flow.x0 + (flow.width - face.width(text)) * r.choice([0, 0.5, 0.5, 1]), text, 0.85)
        flow.say(text)
        flow.bottom = flow.y
