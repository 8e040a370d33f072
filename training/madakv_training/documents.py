"""Prompts of several parts: pages of one document, several documents, passages of text among pages, needles."""

from __future__ import annotations

import random
from dataclasses import dataclass

from . import prose, questions, values, vocabulary
from .canvas import Palette
from .content import Fact, Page, Passage
from .episode import Episode, Mix
from .pages import PageSpec, drawn_page, style_for
from .questions import QA


@dataclass(frozen=True)
class Scene:
    """What a prompt of several parts is made of. grid in cells; noise as for pages; pdf: share of prompts that came as a PDF."""

    grid: tuple[int, int]
    noise: float = 0.0
    pdf: float = 0.3
    unseen: bool = False
    mix: Mix = Mix()


def _page(r: random.Random, scene: Scene, style, palette, reserved: set[str], facts: int, tables: int = 0, wanted: list[str] | None = None, extras: float = 0.5) -> Page:
    spec = PageSpec(*scene.grid, facts=facts, tables=tables, noise=scene.noise, extras=extras, unseen=scene.unseen, prose=0.15)
    return drawn_page(r, spec, style, palette, reserved, wanted)


def pages(r: random.Random, scene: Scene, count: int, facts: int, asked: int) -> Episode:
    """Several pages: of one document, or of several that share the names of their fields."""
    same_form = r.random() < 0.35
    shared = vocabulary.labels(r, r.randint(2, 5), scene.unseen) if same_form else []
    style, palette = style_for(r, r.random() < scene.pdf), Palette.random(r)
    out: list[Page] = []
    reserved: set[str] = set()
    for _ in range(count):
        if r.random() < 0.3:
            style, palette = style_for(r, style.pdf), Palette.random(r)
        taken = reserved - set(shared)
        page = _page(r, scene, style, palette, taken, facts, int(r.random() < 0.3), r.sample(shared, r.randint(1, len(shared))) if shared else None)
        out.append(page)
        reserved |= page.content.taken()
    return Episode(list(out), about_pages(r, out, asked, scene, reserved))


def about_pages(r: random.Random, shown: list[Page], count: int, scene: Scene, reserved: set[str]) -> list[QA]:
    """A label that stands on several pages is asked for by page."""
    where: dict[str, list[tuple[int, Fact]]] = {}
    for i, page in enumerate(shown):
        for fact in page.content.facts:
            where.setdefault(fact.label.lower(), []).append((i, fact))
    pool: list[QA] = []
    for found in where.values():
        i, fact = r.choice(found)
        if len(found) > 1 or r.random() < 0.08:
            if sum(j == i for j, _ in found) == 1:
                pool.append(questions.on_page_question(r, fact, i + 1))
        elif len(shown) > 1 and r.random() < 0.15:
            pool.append(questions.page_question(r, fact, i + 1))
        else:
            pool.append(questions.fact_question(r, fact, schema=scene.mix.schema))
    cells = [q for page in shown for q in questions.cell_questions(r, page.content)]
    r.shuffle(pool)
    r.shuffle(cells)
    from_cells = round(count * scene.mix.cells * 0.5)
    asked = pool[: count - min(from_cells, len(cells))] + cells[:from_cells]
    asked += [questions.absent_question(r, reserved, scene.unseen, scene.mix.schema) for _ in range(count) if r.random() < scene.mix.absent]
    return asked


def text_facts(r: random.Random, sentences: int, facts: int, reserved: set[str], unseen: bool) -> tuple[str, list[Fact]]:
    """A passage of a prompt: running text, or lines as a text extractor yields them."""
    if r.random() < 0.65:
        text, found = prose.passage(r, sentences, facts, reserved, unseen)
        if sentences > 6:
            parts = text.split(". ")
            at = r.randint(1, len(parts) - 1)
            text = ". ".join(parts[:at]) + ".\n" + ". ".join(parts[at:])
        return text, found
    found = [Fact(label, values.value(r, label)) for label in vocabulary.labels(r, facts, unseen, reserved)]
    lines = [f"{f.label}{r.choice([': ', ': ', ' ', ' - '])}{f.value}" for f in found] + [prose.filler(r) for _ in range(sentences // 2)]
    r.shuffle(lines)
    return "\n".join(lines), found


def mixed(r: random.Random, scene: Scene, pages_count: int, passages: int, sentences: int, facts: int, asked: int) -> Episode:
    """Pages and passages in any order; the answer is in one of them."""
    reserved: set[str] = set()
    parts: list[Page | str] = []
    known: list[Fact] = []
    kinds = ["page"] * pages_count + ["text"] * passages
    r.shuffle(kinds)
    style, palette = style_for(r, r.random() < scene.pdf), Palette.random(r)
    cells: list[QA] = []
    for kind in kinds:
        if kind == "page":
            page = _page(r, scene, style, palette, reserved, facts, int(r.random() < 0.2))
            parts.append(page)
            known += page.content.facts
            cells += questions.cell_questions(r, page.content)
            reserved |= page.content.taken()
        else:
            text, found = text_facts(r, r.randint(1, sentences), r.randint(1, max(1, facts // 2)), reserved, scene.unseen)
            parts.append(Passage(r.choice(["", "", "Note:\n", "Email:\n", "Text: "]) + text + r.choice(["\n", "\n", "\n\n", " "]), found))
            known += found
            reserved |= {f.label for f in found}
    r.shuffle(known)
    from_text = [questions.fact_question(r, f, schema=scene.mix.schema) for f in known[:asked]]
    extra = [questions.absent_question(r, reserved, scene.unseen, scene.mix.schema) for _ in range(asked) if r.random() < scene.mix.absent]
    return Episode(parts, from_text + cells[: max(1, asked // 6)] + extra)


def needle_in_text(r: random.Random, scene: Scene, sentences: int, needles: int = 2, with_page: bool = False) -> Episode:
    """A long passage that says nothing but one or two facts; a page may stand before it."""
    text, found = prose.passage(r, sentences, needles, set(), scene.unseen)
    parts: list[Page | str] = [Passage(text + r.choice(["\n", "\n\n", " "]), found)]
    if with_page:
        page = _page(r, scene, style_for(r), Palette.random(r), {f.label for f in found}, 6)
        parts.insert(r.randint(0, 1), page)
    return Episode(parts, [questions.fact_question(r, f, schema=scene.mix.schema) for f in found])


def needle_in_pages(r: random.Random, scene: Scene, count: int, depth: int | None = None) -> Episode:
    """Pages of running text; one of them carries a field. depth: which page (any if None)."""
    at = r.randrange(count) if depth is None else depth
    style, palette = style_for(r, r.random() < scene.pdf), Palette.random(r)
    out: list[Page] = []
    facts: list[Fact] = []
    for i in range(count):
        spec = PageSpec(*scene.grid, facts=r.randint(1, 2) if i == at else 0, noise=scene.noise, extras=1.0, unseen=scene.unseen, prose=0.5)
        page = filler_page(r, spec, style, palette)
        out.append(page)
        facts += page.content.facts
    if not facts:
        return needle_in_pages(r, scene, count, depth)
    asked = [questions.fact_question(r, f, schema=scene.mix.schema) for f in facts]
    if r.random() < 0.3:
        asked.append(questions.page_question(r, facts[0], at + 1))
    return Episode(list(out), asked)


def filler_page(r: random.Random, spec: PageSpec, style, palette) -> Page:
    """A page of paragraphs with at most a field or two among them."""
    return drawn_page(r, spec, style, palette, None, None, filler=r.randint(2, 6))


def any_of(r: random.Random, scene: Scene, budget: int, asked: int) -> Episode:
    """One prompt of any kind of about so many tokens, images and text together."""
    a_page = scene.grid[0] * scene.grid[1]
    most = max(1, min(16, budget // a_page))
    t = r.random()
    if t < 0.4 and most > 1:
        return pages(r, scene, r.randint(max(2, most // 2), most), r.randint(3, 12), asked)
    if t < 0.75:
        count = r.randint(max(1, most // 3), max(1, most - 1))
        left = max(3, (budget - count * a_page) // 60)
        return mixed(r, scene, count, r.randint(1, 3), min(left // 2 + 1, 12), r.randint(3, 10), asked)
    if t < 0.88:
        return needle_in_text(r, scene, max(4, r.randint(budget // 3, budget) // 60), r.randint(1, 3), a_page < budget // 2 and r.random() < 0.5)
    return needle_in_pages(r, scene, r.randint(1, most))
