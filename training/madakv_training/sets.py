"""Held-out evaluation sets. Seeds, and for one set the labels, are never those of training; two sets have layouts that training never sees."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from . import documents, foreign_layouts, foreign_programs, pdf, phrasing, questions, vocabulary
from .config import CELL
from .content import Content, Page
from .documents import Scene
from .episode import Episode, Mix
from .glyphs import SLOTS
from .pages import PageSpec, drawn_page, style_for

SEED = 900_000_000  # training seeds are drawn from 48 bits at random; these start with a fixed number and never meet them but by a chance of 1 in 10**8

A_PAGE = ((24, 41), (24, 30))  # rows, columns in cells: up to A5 at 140 dpi


def _grid(r: random.Random) -> tuple[int, int]:
    (low, high), (left, right) = A_PAGE
    return r.randint(low, high), r.randint(left, right)


def _page(r: random.Random, facts: int, tables: int, unseen: bool = False) -> Page:
    spec = PageSpec(*_grid(r), facts=facts, tables=tables, noise=0.5, extras=0.6, unseen=unseen, prose=0.15)
    return drawn_page(r, spec, style_for(r, r.random() < 0.4))


def fields(r: random.Random, unseen: bool = False) -> Episode:
    page = _page(r, r.randint(10, 24), int(r.random() < 0.5), unseen)
    return Episode([page], [questions.fact_question(r, f) for f in r.sample(page.content.facts, min(8, len(page.content.facts)))])


def slips(r: random.Random) -> Episode:
    """Small crops with a few fields: what a reader learns before it learns pages, and quick to run."""
    spec = PageSpec(8, r.randint(16, 20), facts=r.randint(4, 8), noise=0.2)
    page = drawn_page(r, spec, style_for(r))
    return Episode([page], [questions.fact_question(r, f) for f in page.content.facts])


def cells(r: random.Random) -> Episode:
    page = _page(r, r.randint(3, 10), r.randint(1, 2))
    return Episode([page], questions.cell_questions(r, page.content)[:8])


def absent(r: random.Random) -> Episode:
    """Half of the questions have an answer: those measure false alarms."""
    page = _page(r, r.randint(10, 24), int(r.random() < 0.5))
    taken = page.content.taken() | set(page.content.lines)
    asked = [questions.absent_question(r, taken, False) for _ in range(4)]
    return Episode([page], asked + [questions.fact_question(r, f) for f in r.sample(page.content.facts, min(4, len(page.content.facts)))])


def judged(r: random.Random) -> Episode:
    page = _page(r, r.randint(10, 20), 0)
    return Episode([page], questions.judgements(r, page.content.facts, 6))


PLAIN = Mix(cells=0.2, absent=0.0, judge=0.0)


def _scene(r: random.Random, small: bool = True) -> Scene:
    return Scene(r.choice([(12, 20), (16, 20), (20, 20), (24, 20)]) if small else (29, 24), 0.5, 0.4, mix=PLAIN)


def several(r: random.Random) -> Episode:
    return documents.pages(r, _scene(r), r.randint(2, 8), r.randint(4, 10), 8)


def long(r: random.Random, pages: int) -> Episode:
    """A document of many pages of 972 visual tokens."""
    scene = Scene((36, 27), 0.5, 0.4, mix=PLAIN)
    return documents.pages(r, scene, pages, 8, 25)


def mixed(r: random.Random) -> Episode:
    return documents.mixed(r, _scene(r), r.randint(1, 3), r.randint(1, 3), 12, r.randint(4, 10), 8)


def needle_text(r: random.Random) -> Episode:
    return documents.needle_in_text(r, _scene(r), r.randint(8, 45), 1, r.random() < 0.5)


def needle_image(r: random.Random) -> Episode:
    return documents.needle_in_pages(r, _scene(r), r.randint(2, 6))


def _one_first(r: random.Random, episode: Episode) -> Episode:
    """One of the questions, before all else."""
    question, answer = r.choice(episode.asked)
    gap = r.choice(["", "", "\n", "\n\n"]) if isinstance(episode.parts[0], Page) else r.choice(["\n", "\n\n"])
    return Episode([question + gap, *episode.parts], [("", answer)])


def passage(r: random.Random) -> Episode:
    """A passage and the question after it in one text."""
    text, found = documents.text_facts(r, r.randint(2, 16), r.randint(2, 6), set(), False)
    return Episode([text + r.choice(["\n", "\n\n", "\n\nQuestion: "])], [questions.fact_question(r, f) for f in found])


def schema_like(r: random.Random) -> Episode:
    """Fields named as schemas and forms name them. Pages hold more common labels than usual: those have descriptions."""
    spec = PageSpec(*_grid(r), facts=r.randint(10, 20), noise=0.5, extras=0.6)
    wanted = [label.title() for label in r.sample(list(phrasing.DESCRIPTIONS), 8)]
    page = drawn_page(r, spec, style_for(r, r.random() < 0.4), wanted=[w for i, w in enumerate(wanted) if not any(vocabulary.clash(w.lower(), o.lower()) for o in wanted[:i])])
    return Episode([page], [(phrasing.as_schema(r, f.label, f.value, held_out=True), f.value) for f in r.sample(page.content.facts, min(8, len(page.content.facts)))])


def instructed(r: random.Random) -> Episode:
    """One to three small documents under a system message, with texts before, between and after them."""
    episode = documents.mixed(r, _scene(r), r.randint(1, 2), r.randint(0, 1), 6, r.randint(4, 8), 6)
    name = r.choice(["Document {}:\n", "Attachment no. {}\n", "Doc {}: "])
    parts: list[Page | str] = [r.choice(["Please go through these documents carefully.\n", "You will find the answer below.\n\n", "My documents:\n"])]
    for n, part in enumerate(episode.parts, 1):
        parts += [name.format(n), part]
    system = r.choice(["You help an accountant with paperwork. Reply with the value alone.", "Answer questions about the user's documents in as few words as you can."])
    return Episode(parts, episode.asked, system, r.choice(["\nQuestion: ", "\n\n", "\nHere is what I want to know: "]))


def page_of(image: Image.Image, content: Content) -> Page:
    """A rasterised page as the image processor sees it: sides rounded to multiples of 28 px."""
    rows, columns = round(image.height / CELL), round(image.width / CELL)
    pixels = np.array(image.resize((columns * CELL, rows * CELL), Image.Resampling.BICUBIC))
    return Page(pixels, (rows, columns), np.zeros((rows * columns, SLOTS), np.uint8), content)


def _about(r: random.Random, page: Page) -> Episode:
    return Episode([page], [questions.fact_question(r, f) for f in r.sample(page.content.facts, 5)] + questions.cell_questions(r, page.content)[:3])


def foreign_reportlab(r: random.Random) -> Episode:
    content = foreign_layouts.matter(r, False, r.randint(6, 12))
    return _about(r, page_of(pdf.rasterise(foreign_layouts.platypus(r, content))[0], content))


def printed(r: random.Random, page: Callable[[random.Random, Content], str], program: Callable[[list[str]], bytes], batch: int = 12) -> Iterator[Episode]:
    """Without end; the program prints a batch of pages at a time."""
    while True:
        contents = [foreign_layouts.matter(r, False, r.randint(6, 12)) for _ in range(batch)]
        images = pdf.rasterise(program([page(r, c) for c in contents]))
        if len(images) == batch:  # else a page ran over: its questions would go to the wrong page
            for image, content in zip(images, contents, strict=True):
                yield _about(r, page_of(image, content))


def foreign_paper(r: random.Random) -> Episode:
    content = foreign_layouts.matter(r, False, r.randint(7, 12))
    content.facts = [f for f in content.facts if f.value.encode("latin-1", "ignore").decode("latin-1") == f.value]  # what a field of a PDF can hold
    return Episode([page_of(foreign_programs.paper(r, content), content)], [questions.fact_question(r, f) for f in r.sample(content.facts, min(5, len(content.facts)))])


MAKERS: dict[str, Callable[[random.Random], Episode]] = {
    "fields": fields,
    "cells": cells,
    "unseen labels": lambda r: fields(r, unseen=True),
    "2-8 pages": several,
    "mixed": mixed,
    "needle in text": needle_text,
    "needle in image": needle_image,
    "absent": absent,
    "judgements": judged,
    "PDF reportlab": foreign_reportlab,
    "slips": slips,
}
LONG = {f"{k}K tokens": k for k in (1, 2, 4, 8, 16, 32)}  # accuracy against length: about a page a thousand tokens
# The forms of a request; they came later, and keep the numbers of the sets before them.
FORMS: dict[str, Callable[[random.Random], Episode]] = {
    "question first": lambda r: _one_first(r, fields(r)),
    "question then passage": lambda r: _one_first(r, passage(r)),
    "passage then question": passage,
    "schema-like": schema_like,
    "instructions": instructed,
}
# Pages that other programs print, a batch at a time. They need the program: leave them out with --sets where it is not.
PRINTED: dict[str, tuple[Callable[[random.Random, Content], str], Callable[[list[str]], bytes]]] = {
    "PDF Chromium": (foreign_layouts.page_html, foreign_layouts.chromium),
    "PDF TeX": (foreign_programs.tex_page, foreign_programs.latex),
    "PDF LibreOffice": (foreign_programs.writer_page, foreign_programs.writer),
}
PAPER: dict[str, Callable[[random.Random], Episode]] = {"photos and forms": foreign_paper}
NAMES = [*MAKERS, "PDF Chromium", *FORMS, "PDF TeX", "PDF LibreOffice", *PAPER]
NUMBERED = [*MAKERS, "PDF Chromium", *LONG, *FORMS, "PDF TeX", "PDF LibreOffice", *PAPER]
GOALS = {
    "fields": 95, "unseen labels": 92, "cells": 90, "2-8 pages": 90, "mixed": 92, "needle in text": 92, "needle in image": 92, "absent": 95, "judgements": 85, "8K tokens": 80, "16K tokens": 50,
    "PDF reportlab": 95, "PDF Chromium": 95, "PDF TeX": 90, "PDF LibreOffice": 90, "photos and forms": 90,
}  # fmt: skip


def episodes(name: str, split: int = 0) -> Iterator[Episode]:
    """The set's episodes, without end. split: 0 to report on; others to tune on."""
    base = SEED + 1_000_000 * split + 100_000 * NUMBERED.index(name)
    if name in PRINTED:
        yield from printed(random.Random(base), *PRINTED[name])
    index = 0
    while True:
        r = random.Random(base + index)
        episode = long(r, LONG[name]) if name in LONG else {**MAKERS, **FORMS, **PAPER}[name](r)
        index += 1
        if episode.asked:
            yield episode
