"""What stands around and between the documents of a prompt, and prompts whose question comes before what it asks about.

A question that comes after its documents is one of many branches of a prompt (batches.py). One that comes first is seen by all that follows it, so each has a
prompt of its own; the pages that several such prompts share are still looked at once.
"""

from __future__ import annotations

import random
from dataclasses import replace

from .content import Page, Passage
from .episode import Episode
from .questions import QA

SYSTEMS = [
    "You are a helpful assistant.", "You are a helpful assistant.", "Answer from the documents.", "You answer questions about documents.", "Be brief.", "You extract fields from documents.", "Answer with the value only.",
    "You read business documents and answer questions about them.", "Answer with the value exactly as it is printed.", "You are an assistant that extracts data from invoices, receipts and forms.", "Give only the answer, without explanations.",
    "If something is not in the documents, answer: not stated", "You are a careful clerk.", "The user shows you documents and asks about them.", "Never guess.",
]  # fmt: skip
BRIDGES = ["", "", "", "\n", "\n", "\n\n"]
LEADS = [
    "Here is a document.", "Here is the document:", "Read the document.", "Look at the document.", "Document:", "Please read this.", "The documents are below.", "Below is a document. Answer the question about it.", "Use only what is written here.",
    "Answer the question with the value only.", "I have a question about this document.", "Context:", "You are given a document.", "See the attached document.", "Extract the field that is asked for.", "This is a scan.", "Attached:",
]  # fmt: skip
CLOSINGS = [
    "Question: ",
    "Question: ",
    "Q: ",
    "Now answer: ",
    "Answer the question.\n",
    "Answer with the value only.\n",
    "From the document above: ",
    "Based on the document, answer. ",
    "Field: ",
    "My question: ",
]
CAPTIONS = ["Document {n}:", "Document {n}", "Page {n}:", "Page {n} of {all}:", "File {n}", "Image {n}:", "Picture {n}: ", "[{n}]", "({n})", "Attachment {n}:", "--- {n} ---"]
GAPS = ["\n", "\n", "\n\n", " "]
AFTER = ["\n", "\n\n", "Answer:", "\nAnswer:", "Answer the question.", "Answer with the value only.", "What is the answer?", "Please answer.", "\n\nAnswer briefly."]


def system_message(r: random.Random) -> str:
    return " ".join(r.sample(SYSTEMS, r.choice([1, 1, 1, 2, 3])))


def packaging(r: random.Random) -> tuple[str, str]:
    """-> system message or "", and what stands between the last part and the question."""
    bridge = r.choice(BRIDGES)
    if r.random() < 0.12:
        bridge += r.choice(CLOSINGS)
    return (system_message(r) if r.random() < 0.2 else "", bridge)


def surround(r: random.Random, episode: Episode) -> None:
    """Texts before the documents, and names for each of several; in the few prompts that have them."""
    if r.random() < 0.2:
        caption, gap, every = r.choice(CAPTIONS), r.choice(["", *GAPS]), len(episode.parts) > 1 or r.random() < 0.3
        parts: list[Page | str] = []
        for n, part in enumerate(episode.parts, 1):
            parts += [caption.format(n=n, all=len(episode.parts)) + gap, part] if every else [part]
        episode.parts = parts
    if r.random() < 0.2:
        episode.parts.insert(0, r.choice(LEADS) + r.choice(["", *GAPS]))


def first(r: random.Random, episode: Episode, qa: QA) -> Episode:
    """A prompt of one question that stands before the documents, or before the last of them, with or without something after them."""
    question, answer = qa
    parts = list(episode.parts)
    at = r.randrange(len(parts)) if len(parts) > 1 and r.random() < 0.2 else 0
    glued = isinstance(parts[at], Page) and r.random() < 0.65  # parts of a request follow each other without anything between them
    if r.random() < 0.12:
        question = r.choice(CLOSINGS) + question
    t = r.random()
    after = "" if t < 0.7 else r.choice(AFTER) if t < 0.92 else qa[0]
    parts.insert(at, question + ("" if glued or r.random() < 0.1 else r.choice(GAPS)))
    return replace(episode, parts=parts, asked=[(after, answer)], bridge="", gaps=[], dialogues=[], question=None if after == qa[0] else at)


def questions_first(r: random.Random, episode: Episode, most: int) -> list[Episode]:
    """Up to most prompts of one question each; only the first is taught what belongs to what, which is the same in all."""
    chosen = r.sample(episode.asked, min(most, len(episode.asked)))
    return [replace(first(r, episode, qa), taught=i == 0) for i, qa in enumerate(chosen)]


def passage_end(r: random.Random) -> str:
    """What stands between a passage and what comes after it: text parts of a request are not kept apart, and who writes passage and question in one part breaks the line."""
    return r.choice(["\n", "\n", "\n\n", "\n\n", " ", ""])


def framed(r: random.Random, text: str, found: list) -> Passage:
    """A passage as people put it into a prompt: bare, or under a heading, or between marks."""
    head, tail = r.choice(
        [("", "")] * 5
        + [("Text:\n", ""), ("Context:\n", ""), ("Email:\n", ""), ("Note: ", ""), ('"', '"'), ('"""\n', '\n"""'), ("```\n", "\n```"), ("---\n", "\n---"), ("<document>\n", "\n</document>")]
    )
    return Passage(head + text + tail + passage_end(r), found)
