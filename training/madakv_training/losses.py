"""Losses and what the log reports."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .glyphs import CLASSES
from .model import Bound, Pages

ANSWER = 0.305  # weights above this belong to answers, the others to questions (batches.py)


@dataclass
class Score:
    loss: Tensor
    answer: Tensor
    reading: Tensor
    binding: Tensor
    characters: float  # share of answer tokens predicted right, given the right ones before
    exact: float  # share of questions all of whose answer tokens are right: what greedy decoding answers exactly
    questions: int


def answer_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return (loss * weights.flatten()).sum() / weights.sum()


def reading_loss(glyph_logits: list[Tensor], pages: list[Pages]) -> Tensor:
    """Every slot of every cell; empty slots count little, as most are empty."""
    logits = torch.cat([g.reshape(-1, CLASSES) for g in glyph_logits]).float()
    target = torch.cat([p.glyphs.flatten() for p in pages]).long()
    weight = torch.where(target > 0, 1.0, 0.05)
    return (F.cross_entropy(logits, target, reduction="none") * weight).sum() / weight.sum()


def naming_loss(logits: Tensor, names: Tensor) -> Tensor:
    """logits [n, NAME_CHARS * CLASSES], names [n, NAME_CHARS]. That there is no header, or that a name has ended, counts little."""
    target = names.flatten().long()
    weight = torch.where(target > 0, 1.0, 0.1)
    return (F.cross_entropy(logits.reshape(-1, CLASSES).float(), target, reduction="none") * weight).sum() / weight.sum()


def binding_loss(bound: Bound, names: Tensor, pages: Tensor) -> Tensor:
    """Values name what they are the values of, and look there; what is on one of several pages knows on which, and looks to its beginning; answers look back to
    questions that came first, and to the values that a judgement follows from. No name of a batch may be in sight, as where skew pushed labels off the page."""
    paged = F.cross_entropy(bound.pages.float(), pages.long(), reduction="sum") / max(1, len(pages))
    looks = sum(t.sum() / max(1, len(t)) for t in (bound.attended, bound.opened, bound.recalled, bound.judged))
    return naming_loss(bound.names, names) - looks + paged


def accuracy(logits: Tensor, targets: Tensor, weights: Tensor, owner: Tensor) -> tuple[float, float, int]:
    """-> characters, exact, number of questions. owner [batch, Q] numbers the branches of each example."""
    counted = weights > ANSWER
    wrong = (logits.argmax(-1) != targets) & counted
    characters = 1 - wrong.sum().item() / max(1, counted.sum().item())
    branch = owner.long() + torch.arange(len(owner), device=owner.device).unsqueeze(1) * 4096
    asked = torch.unique(branch[counted])
    failed = torch.unique(branch[wrong])
    return characters, 1 - len(failed) / max(1, len(asked)), len(asked)


def glyph_accuracy(glyph_logits: list[Tensor], pages: list[Pages]) -> float:
    """Share of the characters on the pages that the glyph head names right."""
    logits = torch.cat([g.reshape(-1, CLASSES) for g in glyph_logits])
    target = torch.cat([p.glyphs.flatten() for p in pages]).long()
    there = target > 0
    return ((logits.argmax(-1) == target) & there).sum().item() / max(1, there.sum().item())


def right_branches(logits: Tensor, targets: Tensor, weights: Tensor, owner: Tensor) -> list[bool]:
    """For a batch of one: whether every answer token of each branch is the likeliest."""
    wrong = (logits.argmax(-1) != targets) & (weights > ANSWER)
    count = int(owner.max()) + 1
    missed = set(owner[wrong].tolist())
    return [i not in missed for i in range(count)]
