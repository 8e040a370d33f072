"""Greedy answers by the training module, with a plain KV cache. For evaluation and tests; the product has its own engine."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import tokens
from .batches import build_prefix, patches
from .episode import Episode
from .layers import text_angles
from .model import Pages, Reader


def prompt(episode: Episode, question: str) -> tuple[list[int], np.ndarray, list[Pages]]:
    """-> token ids up to the answer, M-RoPE positions [3, tokens], pages with places within this one prompt."""
    built = build_prefix(episode)
    built.text([*tokens.encode(question), *tokens.answer_cue()])
    pages = [Pages(torch.from_numpy(patches(p.pixels)).unsqueeze(0), p.grid, torch.arange(start, start + p.grid[0] * p.grid[1])) for p, start in built.images]
    return built.ids, np.concatenate(built.positions, 1), pages


def run(model: Reader, x: Tensor, positions: Tensor, caches: list | None) -> tuple[Tensor, list]:
    """x [1, tokens, width], positions [3, 1, tokens] -> logits of the last token [vocabulary], caches."""
    cos, sin = text_angles(positions, model.config)
    grown = []
    for i, block in enumerate(model.model.layers):
        x, cache = block.step(x, cos, sin, caches[i] if caches else None)
        grown.append(cache)
    return F.linear(model.model.norm(x[:, -1]), model.model.embed_tokens.weight)[0], grown


@torch.inference_mode()
def answer(model: Reader, episode: Episode, question: str, limit: int = 80) -> str:
    """The greedy answer to one question about an episode's parts."""
    device = next(model.parameters()).device
    ids, positions, pages = prompt(episode, question)
    for p in pages:
        p.pixels, p.places = p.pixels.to(device), p.places.to(device)
    x, _ = model.embed(torch.tensor([ids], device=device), pages)
    logits, caches = run(model, x, torch.from_numpy(positions).unsqueeze(1).to(device), None)
    out: list[int] = []
    at = int(positions.max()) + 1
    while len(out) < limit:
        token = int(logits.argmax())
        if token in (tokens.IM_END, tokens.END_OF_TEXT):
            break
        out.append(token)
        x = model.model.embed_tokens(torch.tensor([[token]], device=device))
        logits, caches = run(model, x, torch.full((3, 1, 1), at, device=device), caches)
        at += 1
    return tokens.decode(out)
