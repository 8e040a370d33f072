"""Batches of arrays -> tensors on the device, with the mask that keeps the questions apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .batches import Batch
from .model import Asked, Bindings, Judged, Pages


@dataclass
class Fed:
    prefix: Tensor
    branches: Tensor
    owner: Tensor
    positions: Tensor
    mask: Tensor  # or ranges
    targets: Tensor
    weights: Tensor
    pages: list[Pages]
    bound: Bindings
    asked: Asked
    judged: Judged


def branch_mask(owner: Tensor, prefix_lengths: Tensor, prefix: int) -> Tensor:
    """-> bf16 [batch, 1, Q, prefix + Q], 0 or very negative: a token sees its own prompt's prefix and what came before it in its own branch."""
    Q = owner.shape[1]
    same = owner.unsqueeze(2) == owner.unsqueeze(1)
    own = same & torch.ones(Q, Q, dtype=torch.bool, device=owner.device).tril()
    seen = torch.arange(prefix, device=owner.device) < prefix_lengths.unsqueeze(1)
    allowed = torch.cat([seen.unsqueeze(1).expand(-1, Q, -1), own], 2).unsqueeze(1)
    return torch.where(allowed, 0.0, -1e4).to(torch.bfloat16)


def branch_ranges(owner: Tensor, prefix_lengths: Tensor, prefix: int) -> Tensor:
    """The same, and that the prefix attends causally to itself -> int32 [3, batch, prefix + Q] as kernels.attention takes them."""
    batch, Q = owner.shape
    at = torch.arange(Q, device=owner.device)
    begins = torch.cat([owner.new_ones(batch, 1, dtype=torch.bool), owner[:, 1:] != owner[:, :-1]], 1)
    out = torch.zeros(3, batch, prefix + Q, dtype=torch.int32, device=owner.device)
    out[0, :, :prefix] = torch.arange(1, prefix + 1, device=owner.device)
    out[0, :, prefix:] = prefix_lengths.unsqueeze(1)
    out[1, :, prefix:] = prefix + torch.where(begins, at, 0).cummax(1).values
    out[2, :, prefix:] = prefix + 1 + at
    return out


def feed(batch: Batch, device: torch.device, ranges: bool = False) -> Fed:
    def t(a: np.ndarray) -> Tensor:
        return torch.from_numpy(a).to(device, non_blocking=True)

    owner = t(batch.owner)
    pages = [Pages(t(p.pixels), p.grid, t(p.places), t(p.sources), t(p.glyphs)) for p in batch.pages]
    b = batch.bound
    bindings = Bindings(t(b.values), t(b.names), t(b.wanted), t(b.part_of), t(b.start_of), t(b.placed), t(b.page), t(b.opens))
    a = batch.asked
    asked = Asked(t(a.row), t(a.at), t(a.first), t(a.end), t(batch.prefix_lengths))
    j = batch.judged
    judged = Judged(t(j.row), t(j.at), t(j.begin), t(j.of), asked.lengths)
    mask = (branch_ranges if ranges else branch_mask)(owner, t(batch.prefix_lengths), batch.prefix.shape[1])
    return Fed(t(batch.prefix), t(batch.branches), owner, t(batch.positions), mask, t(batch.targets), t(batch.weights), pages, bindings, asked, judged)
