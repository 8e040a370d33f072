"""Questions about what stands on pages and in passages, and their only right answers."""

from __future__ import annotations

import random

from . import phrasing, values, vocabulary
from .content import Content, Fact
from .values import number_in

NOT_STATED = "not stated"

ASK = [
    "What is the {l}?", "What is the {l}?", "What is the {l}?", "{L}?", "{l}?", "Find the {l}.", "What's the {l}?", "Give the {l}.", "Tell me the {l}.", "Please give me the {l}.", "Which {l} is stated?", "What does the document give as {l}?",
    "Extract the {l}.", "{L}:", "{L}", "Read the {l}.", "What {l} is shown?", "Look up the {l}.", 'What is the value of "{L}"?', "Can you find the {l}?", "State the {l}.", "I need the {l}.", "What is stated for {l}?", "Return the value of {l}.",
]  # fmt: skip
# What people say instead of "what is", by the kind of value that a label's last word promises.
ASK_KIND = {
    values.date: ["When is the {l}?", "What date is the {l}?"],
    values.amount: ["How much is the {l}?", "What amount is the {l}?"],
    values.person: ["Who is the {l}?", "Whose name is given as {l}?"],
    values.place: ["Where is the {l}?"],
    values.city: ["Where is the {l}?", "Which place is the {l}?"],
}
ASK_CELL = [
    "What is the {h} of {k}?", "What is the {h} for {k}?", "{H} of {k}?", "What is the {h} in the row {k}?", "Find the {h} of {k}.", "{k}: {h}?", "What {h} does {k} have?", "In the table, what is the {h} for {k}?", "Give the {h} of {k}.", "{k}, {h}?",
    "Which {h} is listed for {k}?", "What is the {h} of the item {k}?",
]  # fmt: skip
ASK_PAGE = ["On which page is the {l}?", "Which page shows the {l}?", "Which page states the {l}?", "On what page can the {l} be found?", "Page of the {l}?"]
ASK_ON_PAGE = ["What is the {l} on page {p}?", "On page {p}, what is the {l}?", "Page {p}: {l}?", "Find the {l} on page {p}."]
ASK_EQUAL = ["Is the {l} {v}?", 'Is "{v}" the {l}?', "Does the document give {v} as the {l}?"]
ASK_LARGER = ["Which is {c}, the {a} or the {b}?", "Is the {a} or the {b} {c}?", "{c}: {a} or {b}?"]
ASK_ALL = ["Transcribe the page.", "Read out all text.", "What text is on this page?", "Transcribe the text."]
ENDINGS = [""] * 14 + [" Answer with the value only.", " Answer briefly.", " Reply with the value only."]

QA = tuple[str, str]


class Judgement(tuple[str, str]):
    """A question whose answer stands nowhere: it follows from the values of these labels."""

    labels: tuple[str, ...]

    def __new__(cls, question: str, answer: str, *labels: str) -> Judgement:
        self = super().__new__(cls, (question, answer))
        self.labels = labels
        return self


def spoken(r: random.Random, label: str) -> str:
    """A label as a question would name it: as printed, in lower case, or with a word written out."""
    t = r.random()
    text = label.lower() if t < 0.6 else label if t < 0.9 else label.title()
    if r.random() < 0.15:
        for short, long in vocabulary.SYNONYMS:
            words = text.split()
            if short.lower() in [w.lower() for w in words]:
                return " ".join(long.lower() if w.lower() == short.lower() else w for w in words)
    return text


def fact_question(r: random.Random, fact: Fact, literal: float = 0.0, schema: float = 0.0) -> QA:
    """A question for a field. literal: how often it names the label as printed and says little else, as the first lessons do; schema: how often it names it as schemas do."""
    if r.random() < literal:
        return r.choice(["{L}?", "{L}?", "What is the {L}?"]).format(L=fact.label), fact.value
    if r.random() < schema:
        return phrasing.as_schema(r, fact.label, fact.value), fact.value
    said = spoken(r, fact.label)
    kind = values.BY_WORD.get(fact.label.lower().split()[-1])
    if kind in ASK_KIND and r.random() < 0.15:
        return r.choice(ASK_KIND[kind]).format(l=said), fact.value
    return r.choice(ASK).format(l=said, L=said if r.random() < 0.5 else fact.label) + r.choice(ENDINGS), fact.value


def page_question(r: random.Random, fact: Fact, page: int) -> QA:
    """On which page, counted from 1, a field is."""
    return r.choice(ASK_PAGE).format(l=spoken(r, fact.label)), str(page)


def on_page_question(r: random.Random, fact: Fact, page: int) -> QA:
    """A question for a field of one page, as where several pages have it."""
    return r.choice(ASK_ON_PAGE).format(l=spoken(r, fact.label), p=page), fact.value


def absent_question(r: random.Random, taken: set[str], unseen: bool, schema: float = 0.0) -> QA:
    """A question for a label that is nowhere: the answer is that it is not stated."""
    label = vocabulary.labels(r, 1, unseen, taken)[0]
    return fact_question(r, Fact(label, NOT_STATED), schema=schema)


def cell_questions(r: random.Random, content: Content) -> list[QA]:
    """Every cell of the page's tables by row and column, shuffled."""
    out = []
    for table in content.tables:
        for row in table.rows:
            for header, cell in zip(table.headers[1:], row[1:], strict=True):
                h = spoken(r, header)
                out.append((r.choice(ASK_CELL).format(h=h, H=header, k=row[0]) + r.choice(ENDINGS), cell))
    r.shuffle(out)
    return out


def page_questions(r: random.Random, pages: list[Content]) -> list[QA]:
    """On which of the pages does a field stand?"""
    return [(r.choice(ASK_PAGE).format(l=spoken(r, f.label)), str(i + 1)) for i, page in enumerate(pages) for f in page.facts]


def judgements(r: random.Random, facts: list[Fact], count: int) -> list[QA]:
    """Yes or no, larger or smaller, about the fields of a page."""
    out: list[QA] = []
    numbers = [(f, n) for f in facts if (n := number_in(f.value)) is not None]
    for _ in range(count):
        if len(numbers) >= 2 and r.random() < 0.5:
            (a, na), (b, nb) = r.sample(numbers, 2)
            if na == nb:
                continue
            larger = r.random() < 0.5
            words = ["larger", "higher", "greater"] if larger else ["smaller", "lower"]
            answer = a if (na > nb) == larger else b
            out.append(Judgement(r.choice(ASK_LARGER).format(c=r.choice(words), a=a.label, b=b.label), answer.label, a.label, b.label))
        elif len(facts) >= 2:
            fact, other = r.sample(facts, 2)
            same = r.random() < 0.5
            if other.value == fact.value:
                continue
            out.append(Judgement(r.choice(ASK_EQUAL).format(l=spoken(r, fact.label), v=fact.value if same else other.value), "yes" if same else "no", fact.label))
    return out


def transcription(r: random.Random, content: Content, limit: int = 400) -> QA | None:
    text = "\n".join(content.lines)
    return (r.choice(ASK_ALL), text) if text and len(text) <= limit else None
