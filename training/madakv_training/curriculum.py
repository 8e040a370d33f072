"""What the reader is taught, in which order, and how much of it makes a batch."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from .arrangement import framed, packaging, questions_first, surround
from .documents import Scene, any_of, mixed, needle_in_text, pages, text_facts
from .episode import Episode, Mix, about_page, converse, spread
from .pages import PageSpec, dense_page, drawn_page, style_for
from .questions import absent_question, fact_question, judgements, on_page_question, page_question, transcription


@dataclass(frozen=True)
class Stage:
    """Pages of rows x columns cells (ranges, inclusive) with so many facts and tables; cells: visual tokens that make a batch."""

    name: str
    rows: tuple[int, int]
    columns: tuple[int, int]
    facts: tuple[int, int]
    cells: int
    questions: int  # none: glyphs alone, without the language model
    tables: float = 0.0
    noise: float = 0.0
    extras: float = 0.0
    aligned: float = 0.0
    prose: float = 0.0
    mix: Mix = Mix(transcribe=0.25, cells=0.0, absent=0.0, judge=0.0)
    multi: float = 0.0  # share of batches of several pages and passages
    first: float = 0.0  # share of batches whose questions come before what they ask about
    drill: float = 0.0  # share of batches that drill one skill on small prompts: cells of a table, fields in text, a field in one of two parts, the number of a page
    pdf: float = 0.0  # share of pages that come out of a PDF
    large: float = 0.0  # share of single pages of about A4
    reading: float = 1.0  # weight of the glyph loss
    advance: float = 0.88  # character accuracy that opens the next stage, together with
    exact: float = 0.0  # the share of whole answers: given their first characters, a reader that found the wrong field still copies well


LESSON = Mix(transcribe=0.15, cells=0.0, absent=0.0, judge=0.0, literal=0.85)
PLAIN = Mix(transcribe=0.06, cells=0.25, absent=0.05, judge=0.0, literal=0.5)
CELLS = Mix(transcribe=0.0, cells=1.0, absent=0.03, judge=0.0)
FULL = Mix(transcribe=0.06, cells=0.4, absent=0.13, judge=0.08, literal=0.1, schema=0.22)

STAGES = [
    Stage("reading", (8, 8), (8, 16), (0, 0), 1600, 0, noise=0.3, advance=0.8),
    Stage("copying", (4, 4), (8, 12), (0, 0), 560, 1, noise=0.2, advance=0.75),
    Stage("line", (4, 4), (12, 12), (1, 1), 600, 1, aligned=0.7, mix=LESSON, advance=0.76),
    Stage("two lines", (4, 4), (12, 12), (2, 2), 640, 2, aligned=0.3, mix=LESSON, advance=0.76, exact=0.4),
    Stage("slip", (4, 4), (16, 20), (3, 4), 800, 4, mix=LESSON, advance=0.78, exact=0.4),
    Stage("card", (8, 8), (16, 20), (5, 8), 960, 8, extras=0.15, noise=0.2, tables=0.1, mix=PLAIN, advance=0.8, exact=0.4),
    Stage("receipt", (12, 20), (16, 20), (8, 14), 1300, 10, extras=0.3, noise=0.3, tables=0.25, prose=0.05, pdf=0.15, mix=PLAIN, advance=0.83, exact=0.45),
    Stage("half page", (20, 28), (20, 28), (10, 20), 1500, 11, extras=0.5, noise=0.4, tables=0.5, prose=0.12, pdf=0.25, mix=FULL, advance=0.86, exact=0.55),
    Stage("page", (24, 41), (24, 30), (10, 26), 2000, 11, extras=0.6, noise=0.5, tables=0.7, prose=0.15, pdf=0.5, large=0.12, mix=FULL, advance=0.9, exact=0.65, multi=0.25, drill=0.25, reading=0.5),
    Stage("documents", (12, 41), (20, 30), (6, 26), 2600, 12, extras=0.6, noise=0.5, tables=0.7, prose=0.15, pdf=0.5, large=0.15, mix=FULL, advance=2.0, multi=0.5, drill=0.3, first=0.2, reading=0.5),
]


def grid_of(r: random.Random, stage: Stage) -> tuple[int, int]:
    """Sizes of pages; multiples of four cells (whole windows) half of the time."""
    if r.random() < stage.large:
        return r.randint(50, 58), r.randint(38, 41)
    rows, columns = r.randint(*stage.rows), r.randint(*stage.columns)
    if r.random() < 0.5:
        rows, columns = max(4, rows // 4 * 4), max(4, columns // 4 * 4)
    return rows, columns


def single(r: random.Random, stage: Stage, grid: tuple[int, int], unseen: bool = False) -> Episode | None:
    """One page and questions about it; None if nothing fitted on it."""
    spec = PageSpec(
        *grid,
        facts=r.randint(*stage.facts),
        tables=int(r.random() < stage.tables) + int(r.random() < stage.tables * 0.2),
        noise=stage.noise,
        extras=stage.extras,
        aligned=r.random() < stage.aligned,
        unseen=unseen,
        prose=stage.prose,
    )
    page = drawn_page(r, spec, style_for(r, r.random() < stage.pdf))
    asked = about_page(r, page, stage.questions, stage.mix, unseen)
    return Episode([page], asked) if asked else None


LENGTHS = [0.4, 0.4, 0.6, 0.6, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0]  # of prompts of several parts, as a share of the visual tokens of a stage's batch


def several(r: random.Random, stage: Stage, scale: float) -> list[Episode]:
    """A batch of prompts of several parts, or one long one with more questions. Their pages are smaller than single ones, so that more of them fit."""
    rows, columns = r.choice([(8, 16), (12, 16), (12, 20), (16, 20), (20, 20), (24, 20), grid_of(r, stage)])
    scene = Scene((rows, columns), stage.noise, stage.pdf, mix=stage.mix)
    length = r.choice(LENGTHS)
    budget = max(round(stage.cells * length), rows * columns * 2)
    left = stage.cells * scale
    out: list[Episode] = []
    while not out or left > budget / 2:
        episode = any_of(r, scene, budget, round(stage.questions * max(1.0, length)))
        if episode.asked:
            episode.system, episode.bridge = packaging(r)
            surround(r, episode)
            if r.random() < 0.3:
                spread(r, episode, r.choice([500, 2000, 6000]))
            out.append(episode)
            left -= budget
    return out


def tables(r: random.Random, stage: Stage, scale: float) -> list[Episode]:
    """Small pages of little but a table, and all of its cells asked for: the row and the column both have to be found."""
    grid = r.choice([(6, 12), (8, 16), (8, 20), (12, 20), (16, 24)])
    lesson = replace(stage, facts=(0, 2), extras=0.3, tables=1.0, mix=CELLS, large=0.0, multi=0.0)
    out: list[Episode] = []
    left = stage.cells * scale * 0.4
    while left > 0:
        if (episode := single(r, lesson, grid)) and episode.pages[0].content.tables:
            out.append(episode)
            left -= grid[0] * grid[1]
    return out


def texts(r: random.Random, stage: Stage, scale: float) -> list[Episode]:
    """Passages without a page, from a line to a screenful, and all of their fields asked for."""
    sentences, facts = r.choice([(0, 1), (0, 3), (2, 3), (4, 6), (8, 6), (16, 8)])
    out: list[Episode] = []
    left = stage.cells * scale * 0.4
    while left > 0:
        text, found = text_facts(r, sentences, facts, set(), False)
        asked = [fact_question(r, f, stage.mix.literal, stage.mix.schema) for f in found]
        asked += [absent_question(r, {f.label for f in found}, False, stage.mix.schema) for _ in asked if r.random() < stage.mix.absent]
        system, bridge = packaging(r)
        out.append(Episode([framed(r, text, found)], asked, system, bridge))
        left -= len(text)
    return out


def long_text(r: random.Random, stage: Stage, scale: float) -> list[Episode]:
    """A passage of thousands of tokens with a dozen fields strewn in."""
    episode = needle_in_text(r, Scene((8, 16), mix=stage.mix), r.randint(20, round(110 * max(0.2, scale))), r.randint(6, 14))
    episode.system, episode.bridge = packaging(r)
    surround(r, episode)
    return [episode]


def judged(r: random.Random, stage: Stage, scale: float) -> list[Episode]:
    """Yes or no, and which of two, about small pages or lines of text."""
    out: list[Episode] = []
    left = stage.cells * scale * 0.5
    grid, on_page = r.choice([(6, 12), (8, 16), (12, 16)]), r.random() < 0.6
    while left > 0:
        if on_page:
            page = drawn_page(r, PageSpec(*grid, facts=r.randint(2, 8), noise=stage.noise, extras=0.2), style_for(r, r.random() < stage.pdf))
            episode = Episode([page], judgements(r, page.content.facts, 10))
            left -= grid[0] * grid[1]
        else:
            text, found = text_facts(r, r.randint(0, 3), r.randint(2, 6), set(), False)
            episode = Episode([framed(r, text, found)], judgements(r, found, 10))
            left -= len(text)
        if episode.asked:
            episode.system, episode.bridge = packaging(r)
            out.append(episode)
    return out


def pairs(r: random.Random, stage: Stage, scale: float) -> list[Episode]:
    """A small page and a short passage, in either order; the answer is in one of them."""
    scene = Scene(r.choice([(6, 12), (8, 16), (12, 16)]), stage.noise, stage.pdf, mix=stage.mix)
    out: list[Episode] = []
    left = stage.cells * scale * 0.4
    while left > 0:
        episode = mixed(r, scene, 1, 1, r.choice([0, 1, 3, 6]) + 1, r.randint(2, 6), stage.questions)
        left -= scene.grid[0] * scene.grid[1] + sum(len(p) for p in episode.parts if isinstance(p, str))
        if episode.asked:
            episode.system, episode.bridge = packaging(r)
            out.append(episode)
    return out


def numbered(r: random.Random, stage: Stage, scale: float) -> list[Episode]:
    """Small pages, and questions for the number of one and for what is on one."""
    scene = Scene(r.choice([(6, 12), (8, 12), (8, 16)]), stage.noise, stage.pdf, mix=stage.mix)
    out: list[Episode] = []
    left = stage.cells * scale * 0.5
    while left > 0:
        episode = pages(r, scene, r.randint(2, 10), r.randint(2, 4), 2)
        left -= scene.grid[0] * scene.grid[1] * len(episode.pages)
        known = [(f, i) for i, p in enumerate(episode.pages, 1) for f in p.content.facts]
        once = [(f, i) for f, i in known if sum(g.label.lower() == f.label.lower() for g, _ in known) == 1]
        episode.asked += [page_question(r, f, i) for f, i in r.sample(once, min(8, len(once)))]
        episode.asked += [on_page_question(r, f, i) for f, i in r.sample(known, min(6, len(known))) if sum(g.label.lower() == f.label.lower() for g in episode.pages[i - 1].content.facts) == 1]
        if episode.asked:
            episode.system, episode.bridge = packaging(r)
            out.append(episode)
    return out


def asked_first(r: random.Random, stage: Stage, scale: float) -> list[Episode]:
    """Prompts that begin with their question, several for each page or passage."""
    kind = r.choice(["page"] * 4 + ["table", "text", "text", "pair", "pages"])
    grid = r.choice([(6, 12), (8, 16), (8, 16), (8, 20), (12, 16), (12, 20), (16, 20), (24, 20)])
    plain = replace(stage, facts=(3, 12), mix=replace(stage.mix, transcribe=0.0), large=0.0)
    lesson = replace(stage, facts=(0, 2), extras=0.3, tables=1.0, mix=CELLS, large=0.0)
    sentences, facts = r.choice([(0, 3), (0, 6), (2, 3), (4, 5), (8, 6)])
    out: list[Episode] = []
    left = stage.cells * scale
    while left > 0:
        episode: Episode | None
        if kind == "text":
            text, found = text_facts(r, sentences, facts, set(), False)
            episode = Episode([framed(r, text, found)], [fact_question(r, f, stage.mix.literal, stage.mix.schema) for f in found])
        elif kind == "pair":
            episode = mixed(r, Scene(grid, stage.noise, stage.pdf, mix=stage.mix), 1, 1, 3, r.randint(2, 6), stage.questions)
        elif kind == "pages":
            episode = pages(r, Scene(grid if grid[0] < 16 else (8, 16), stage.noise, stage.pdf, mix=stage.mix), r.randint(2, 3), r.randint(2, 4), stage.questions)
        else:
            episode = single(r, lesson if kind == "table" else plain, grid)
        if episode is None or not episode.asked:
            continue
        if r.random() < 0.2:
            episode.system, _ = packaging(r)
        found_first = questions_first(r, episode, 6)
        out += found_first
        left -= len(found_first) * (60 + sum(len(p) if isinstance(p, str) else p.grid[0] * p.grid[1] for p in episode.parts))
    return out


def episodes(r: random.Random, index: int, scale: float = 1.0) -> list[Episode]:
    """A batch of stage index: pages of one size, about scale * stage.cells visual tokens in all."""
    stage = STAGES[index]
    if stage.first and r.random() < stage.first:
        return asked_first(r, stage, scale)
    if r.random() < stage.drill:
        return r.choice([tables, tables, texts, pairs, pairs, numbered, numbered, long_text, judged, judged])(r, stage, scale)
    if r.random() < stage.multi:
        return several(r, stage, scale)
    grid = grid_of(r, stage)
    if not stage.questions:
        return [Episode([dense_page(r, *grid, stage.noise)], []) for _ in range(round(stage.cells * scale / (grid[0] * grid[1])))]
    if stage.facts[1] == 0:
        pages = [dense_page(r, *grid, stage.noise, whole=True) for _ in range(round(stage.cells * scale / (grid[0] * grid[1])))]
        return [Episode([p], [whole]) for p in pages if (whole := transcription(r, p.content))] or episodes(r, index, scale)
    count = max(1, round(stage.cells * scale / (grid[0] * grid[1])))
    talk = index >= 5 and r.random() < 0.1
    system, bridge = packaging(r)  # the same for a batch: prefixes of one length need no padding
    out: list[Episode] = []
    while len(out) < count:
        if episode := single(r, stage, grid):
            episode.system, episode.bridge = system, bridge
            if index >= 8:
                surround(r, episode)
            if talk:
                converse(r, episode)
            out.append(episode)
    return out
