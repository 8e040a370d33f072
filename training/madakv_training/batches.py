"""Episodes -> arrays for the model: one shared prefix, then every question as a branch of its own.

A branch attends to the prefix and to itself, and its positions go on from the prefix: exactly what a request with that one question computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from . import tokens
from .bindings import Asked, Bindings, Bound, Judged, bound
from .config import CELL, MERGE, PATCH
from .content import Page, Passage
from .episode import Episode
from .questions import QA, Judgement

QUESTION_WEIGHT = 0.3  # loss on the tokens of a question: to foresee a label is to find it on the page, most of what an answer needs


@dataclass
class PageArrays:
    pixels: np.ndarray  # uint8 [images, patches, 588]
    grid: tuple[int, int]
    places: np.ndarray  # int64 [n]: where in the prefixes visual tokens stand
    sources: np.ndarray  # int64 [n]: which ones, among [images * cells]: a page may stand in several prompts, and is looked at once
    glyphs: np.ndarray  # uint8 [images * cells, slots]


@dataclass
class Batch:
    prefix: np.ndarray  # int64 [batch, P]
    branches: np.ndarray  # int64 [batch, Q]
    owner: np.ndarray  # int16 [batch, Q]: number of the branch a token belongs to, -1 for padding
    prefix_lengths: np.ndarray  # int64 [batch]
    positions: np.ndarray  # int64 [3, batch, P + Q]
    targets: np.ndarray  # int64 [batch, Q]: the token to come
    weights: np.ndarray  # float32 [batch, Q]
    pages: list[PageArrays]
    bound: Bound
    asked: Asked
    judged: Judged
    stage: int = 0


def patches(pixels: np.ndarray) -> np.ndarray:
    """uint8 [height, width, 3] -> uint8 [patches, 588] in the order of Qwen2-VL's image processor (cell by cell, channel first), one temporal copy."""
    rows, columns = pixels.shape[0] // CELL, pixels.shape[1] // CELL
    x = pixels.reshape(rows, MERGE, PATCH, columns, MERGE, PATCH, 3)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 4, 6, 2, 5)).reshape(rows * columns * MERGE * MERGE, 3 * PATCH * PATCH)


class PrefixBuilder:
    """Token ids and M-RoPE positions of the shared part of a prompt."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.positions: list[np.ndarray] = []
        self.next = 0
        self.images: list[tuple[Page, int]] = []  # page and index of its first visual token
        self.question: tuple[int, int] | None = None  # its first token and the one after its last, if it is in the shared part
        self.bindings: list[tuple[int, int, Bindings]] = []  # of pages and passages: the index of their first token, and the page's number (0 for a passage)

    def text(self, ids: list[int]) -> None:
        self.ids += ids
        self.positions.append(np.broadcast_to(np.arange(self.next, self.next + len(ids)), (3, len(ids))))
        self.next += len(ids)

    def passage(self, text: str) -> None:
        if isinstance(text, Passage):
            self.bindings.append((len(self.ids), 0, text.bindings()))
        self.text(tokens.encode(text))

    def page(self, page: Page) -> None:
        rows, columns = page.grid
        self.text([tokens.VISION_START])
        self.images.append((page, len(self.ids)))
        self.bindings.append((len(self.ids), len(self.images), page.bindings))
        self.ids += [tokens.IMAGE_PAD] * (rows * columns)
        at = np.stack([np.zeros(rows * columns, np.int64), np.repeat(np.arange(rows), columns), np.tile(np.arange(columns), rows)])
        self.positions.append(at + self.next)
        self.next += max(rows, columns)
        self.text([tokens.VISION_END])


def build_prefix(episode: Episode) -> PrefixBuilder:
    out = PrefixBuilder()
    if episode.system:
        out.text([*tokens.turn_start("system"), *tokens.encode(episode.system), tokens.IM_END, *tokens.encode("\n")])
    out.text(tokens.turn_start("user"))
    for i, (part, gap) in enumerate(zip_longest(episode.parts, episode.gaps, fillvalue=0)):
        out.next += gap
        begun = len(out.ids)
        if isinstance(part, Page):
            out.page(part)
        else:
            out.passage(part)
        if i == episode.question:
            out.question = (begun, len(out.ids))
    if episode.bridge and not isinstance(episode.parts[-1], str):
        out.text(tokens.encode(episode.bridge))
    return out


def branch(turns: list[QA]) -> tuple[list[int], list[float]]:
    """-> ids of question, cue, answer and end of turn (of each turn), and the loss weight of predicting each of them."""
    ids: list[int] = []
    weights: list[float] = []
    for question, answer in turns:
        again = [*tokens.encode("\n"), *tokens.turn_start("user")] if ids else []
        asked, cue, said = tokens.encode(question), tokens.answer_cue(), [*tokens.encode(answer), tokens.IM_END]
        share = 1.0 if len(said) <= 40 else max(0.31, (40 / len(said)) ** 0.5)  # a transcription must not drown the short answers
        ids += again + asked + cue + said
        weights += [0.0] * (len(again) + min(1, len(asked))) + [QUESTION_WEIGHT] * (len(asked) - 1) + [0.0] * len(cue) + [share] * len(said)
    return ids, weights


def _looked_at(grid: tuple[int, int], found: list[tuple[Page, int]]) -> PageArrays:
    """found: pages of one size, and where in the prefixes each begins."""
    cells = grid[0] * grid[1]
    once = list({id(page): page for page, _ in found}.values())
    number = {id(page): i for i, page in enumerate(once)}
    return PageArrays(
        np.stack([patches(page.pixels) for page in once]),
        grid,
        np.concatenate([np.arange(start, start + cells) for _, start in found]),
        np.concatenate([np.arange(cells) + cells * number[id(page)] for page, _ in found]),
        np.concatenate([page.cells for page in once]),
    )


def collate(episodes: list[Episode], stage: int = 0, pad_to: int = 16) -> Batch:
    """Episodes may differ in everything; pages of one size are computed together."""
    prefixes = [build_prefix(e) for e in episodes]
    P = -(-max(len(p.ids) for p in prefixes) // pad_to) * pad_to
    packed = [[branch(turns) for turns in [*([qa] for qa in e.asked), *e.dialogues]] for e in episodes]
    Q = max(1, *(sum(len(ids) for ids, _ in item) for item in packed))
    Q = -(-Q // pad_to) * pad_to
    B = len(episodes)
    prefix = np.full((B, P), tokens.END_OF_TEXT, np.int64)
    positions = np.zeros((3, B, P + Q), np.int64)
    branches = np.full((B, Q), tokens.END_OF_TEXT, np.int64)
    owner = np.full((B, Q), -1, np.int16)
    targets = np.zeros((B, Q), np.int64)
    weights = np.zeros((B, Q), np.float32)
    groups: dict[tuple[int, int], list[tuple[Page, int]]] = {}
    known = bound([p.bindings if e.taught else [] for p, e in zip(prefixes, episodes, strict=True)], P)
    judged: list[tuple[int, int, int, int, int]] = []
    for b, (p, item) in enumerate(zip(prefixes, packed, strict=True)):
        prefix[b, : len(p.ids)] = p.ids
        positions[:, b, : len(p.ids)] = np.concatenate(p.positions, 1)
        for page, start in p.images:
            groups.setdefault(page.grid, []).append((page, b * P + start))
        at = 0
        for number, (ids, w) in enumerate(item):
            n = len(ids)
            branches[b, at : at + n] = ids
            owner[b, at : at + n] = number
            positions[:, b, P + at : P + at + n] = np.arange(p.next, p.next + n)
            targets[b, at : at + n - 1] = ids[1:]
            weights[b, at : at + n - 1] = w[1:]
            question = episodes[b].asked[number] if number < len(episodes[b].asked) else None
            if isinstance(question, Judgement) and all(of := [known.labels[b].get(label, 0) for label in question.labels]):
                judged.append((b, P + at + int(np.argmax(np.array(w[1:]) > QUESTION_WEIGHT)), P + at, of[0], of[-1]))
            at += n
    early = [(b, P + int(np.argmax(weights[b] > QUESTION_WEIGHT)), *p.question) for b, p in enumerate(prefixes) if p.question]
    pages = [_looked_at(grid, found) for grid, found in groups.items()]
    return Batch(
        prefix,
        branches,
        owner,
        np.array([len(p.ids) for p in prefixes]),
        positions,
        targets,
        weights,
        pages,
        known,
        Asked(*np.array(early, np.int64).reshape(-1, 4).T),
        Judged(*np.array([j[:3] for j in judged], np.int64).reshape(-1, 3).T, np.array([j[3:] for j in judged], np.int64).reshape(-1, 2)),
        stage,
    )
