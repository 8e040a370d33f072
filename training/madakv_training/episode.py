"""A training example: parts of a prompt (pages and passages) and the questions that are asked about them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from . import questions
from .content import Page
from .questions import QA


@dataclass
class Episode:
    """parts: pages and texts in the order of the prompt; every question is asked on its own about all of them."""

    parts: list[Page | str]
    asked: list[QA]
    system: str = ""
    bridge: str = ""
    gaps: list[int] = field(default_factory=list)  # positions that are left out before each part: distances as in a longer prompt, without its tokens
    dialogues: list[list[QA]] = field(default_factory=list)  # questions asked one after the other in one conversation
    question: int | None = None  # the part that is the question, where it comes before what it asks about
    taught: bool = True  # whether what belongs to what is among its lessons (bindings.py)

    @property
    def pages(self) -> list[Page]:
        return [p for p in self.parts if isinstance(p, Page)]


def spread(r: random.Random, episode: Episode, most: int) -> None:
    """Moves the parts of a prompt up to most positions apart in all."""
    cuts = sorted(r.randint(0, r.randint(0, most)) for _ in episode.parts)
    episode.gaps = [b - a for a, b in zip([0, *cuts], cuts, strict=False)]


@dataclass(frozen=True)
class Mix:
    """Shares of the kinds of questions about drawn pages."""

    transcribe: float = 0.0
    cells: float = 0.4
    absent: float = 0.1
    judge: float = 0.05
    literal: float = 0.0  # share of questions that name the label as printed
    schema: float = 0.0  # share of questions for fields that name them as schemas do


def about_page(r: random.Random, page: Page, count: int, mix: Mix, unseen: bool = False) -> list[QA]:
    """Up to count questions about one page; a page that is to be transcribed gets that question among them."""
    content = page.content
    asked: list[QA] = []
    if r.random() < mix.transcribe and (whole := questions.transcription(r, content)):
        asked.append(whole)
        count = min(count, 2)
    pool = [questions.fact_question(r, f, mix.literal, mix.schema) for f in content.facts]
    r.shuffle(pool)
    cells = questions.cell_questions(r, content)
    wanted = count if not pool else round(count * mix.cells)
    asked += cells[:wanted]
    asked += pool[: max(0, count - len(asked))]
    asked += cells[wanted : wanted + max(0, count - len(asked))]
    extra = sum(r.random() < mix.absent for _ in range(count))
    asked += [questions.absent_question(r, content.taken() | set(content.lines), unseen, mix.schema) for _ in range(extra)]
    if r.random() < mix.judge * count:
        asked += questions.judgements(r, content.facts, 2)
    return asked


def converse(r: random.Random, episode: Episode) -> None:
    """Turns some of the questions, two by two, into conversations."""
    while len(episode.asked) >= 3 and r.random() < 0.6:
        episode.dialogues.append([episode.asked.pop(), episode.asked.pop()])
