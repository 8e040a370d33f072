"""python -m madakv_training.headroom MODEL: what budgets per head and recall could add to MadaKV's eviction, before anyone builds them.

A simulation: evicted rows are masked, not freed, so that heads of a layer may keep different numbers of rows and rows can come back. Importance, pooling, layer
profile and the replay of the last prompt token are those of the policy `madakv` (docs/adr/0004); MPA and floors are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from . import infer, sets, tokens
from .checkpoint import reader_from_folder, reader_of
from .evaluate import interval
from .layers import text_angles
from .model import Pages, Reader

LAYERS = (0.3, 0.3, 0.9, 1.5, 1.5, 1.5)
CELLS = (9, 5)  # pooling along the line: before, after
TEXT = (32, 8)
OTHERS = 0.15  # weight of the question's tokens beside the last one
QUESTION_CAP = 0.1
HEAD_FLOOR = 0.2  # of the mean, where heads share a layer's rows
SETS = ["fields", "cells", "2-8 pages", "mixed", "needle in text", "needle in image"]
TUNING = 2  # split of the seeds


@dataclass
class Prefill:
    """A prompt of N tokens. keys, values of each layer [KV heads, N, dim]; psi of each layer [KV heads, N], pooled; last: embedding of the last token."""

    keys: list[Tensor]
    values: list[Tensor]
    psi: list[Tensor]
    last: Tensor
    position: int
    pages: list[Pages]

    @property
    def tokens(self) -> int:
        return self.keys[0].shape[1]


# layer, attention of this step's query [KV heads, N - 1] -> which of the prompt's rows it may see [KV heads, N - 1]
Chooser = Callable[[int, Tensor], Tensor]


def pooled(psi: Tensor, pages: list[Pages]) -> Tensor:
    """psi [heads, N] -> each token takes the greatest of its window, which ends at the edges of a page's line and of a run of text."""

    def widest(x: Tensor, window: tuple[int, int]) -> Tensor:
        return F.max_pool1d(F.pad(x, window), sum(window) + 1, 1)

    out, at = psi.clone(), 0
    for page in sorted(pages, key=lambda p: int(p.places[0])):
        first, (rows, columns) = int(page.places[0]), page.grid
        end = first + rows * columns
        out[:, at:first] = widest(psi[:, at:first], TEXT)
        out[:, first:end] = widest(psi[:, first:end].reshape(-1, rows, columns).flatten(0, 1), CELLS).view(len(psi), -1)
        at = end
    out[:, at:] = widest(psi[:, at:], TEXT)
    return out


def prefill(model: Reader, episode, question: str) -> Prefill:
    ids, positions, pages = infer.prompt(episode, question)
    x, _ = model.embed(torch.tensor([ids]), pages)
    out = Prefill([], [], [], x[:, -1:], int(positions.max()), pages)
    asked = len(tokens.encode(question)) + len(tokens.answer_cue())
    weights = torch.full((asked, 1), OTHERS)
    weights[-1] = 1
    cos, sin = text_angles(torch.from_numpy(positions).unsqueeze(1), model.config)
    for block in model.model.layers:
        attn, h = block.self_attn, block.input_layernorm(x)
        (k, v), q = attn.keys_values(h, cos, sin), attn.queries(h, cos, sin)
        scores = q[0, :, -asked:] @ k[0].repeat_interleave(attn.groups, 0).transpose(1, 2) * attn.dim**-0.5
        hidden = torch.ones(asked, len(ids), dtype=torch.bool).triu(len(ids) - asked + 1)
        psi = (scores.masked_fill(hidden, -1e9).softmax(-1) * weights).sum(1).view(-1, attn.groups, len(ids)).sum(1)
        out.keys.append(k[0])
        out.values.append(v[0])
        psi[:, -1] = 0  # the last token is held back: it is no candidate and gives nothing to its neighbours
        out.psi.append(pooled(psi, pages))
        x = x + attn.o_proj(attn.attend(q, k, v, None, True))
        x = x + block.mlp(block.post_attention_layernorm(x))
    return out


def decode(model: Reader, filled: Prefill, choose: Chooser, limit: int = 60) -> str:
    """The greedy answer where the prompt's rows are seen through choose; the last prompt token is replayed, so the first answer token too."""
    past = filled.tokens - 1
    keys, values = [k[:, :past] for k in filled.keys], [v[:, :past] for v in filled.values]
    x, at, out = filled.last, filled.position, []
    while len(out) < limit:
        cos, sin = text_angles(torch.full((3, 1, 1), at), model.config)
        for i, block in enumerate(model.model.layers):
            attn, h = block.self_attn, block.input_layernorm(x)
            (k, v), q = attn.keys_values(h, cos, sin), attn.queries(h, cos, sin)
            keys[i], values[i] = torch.cat([keys[i], k[0]], 1), torch.cat([values[i], v[0]], 1)
            scores = (q.view(len(keys[i]), attn.groups, attn.dim) @ keys[i].transpose(1, 2)) * attn.dim**-0.5
            seen = torch.ones(len(keys[i]), 1, keys[i].shape[1], dtype=torch.bool)
            seen[:, 0, :past] = choose(i, scores.softmax(-1).sum(1)[:, :past])
            got = scores.masked_fill(~seen, -1e9).softmax(-1) @ values[i]
            x = x + attn.o_proj(got.view(1, 1, -1))
            x = x + block.mlp(block.post_attention_layernorm(x))
        token = int(F.linear(model.model.norm(x[0, -1]), model.model.embed_tokens.weight).argmax())
        if token in (tokens.IM_END, tokens.END_OF_TEXT):
            break
        out.append(token)
        x, at = model.model.embed_tokens(torch.tensor([[token]])), at + 1
    return tokens.decode(out)


def budgets(past: int, ratio: float) -> list[int]:
    mean = sum(LAYERS) / len(LAYERS)
    return [min(past, round(ratio * past * w / mean)) for w in LAYERS]


def top(scores: Tensor, rows: int) -> Tensor:
    """scores [heads, N] -> the best rows of each."""
    return torch.zeros_like(scores, dtype=torch.bool).scatter(1, scores.topk(rows).indices, True)


def shared(scores: Tensor, rows: int) -> Tensor:
    """The best heads * rows of a layer, whoever has them, but no fewer than a floor of each head's."""
    floor = top(scores, round(HEAD_FLOOR * rows))
    ranked = scores.masked_fill(floor, torch.inf).flatten().topk(len(scores) * rows).indices
    return torch.zeros(scores.numel(), dtype=torch.bool).index_fill(0, ranked, True).view_as(scores)


def ways(filled: Prefill, ratio: float) -> dict[str, Chooser]:
    past = filled.tokens - 1
    rows = budgets(past, ratio)
    tail = round(QUESTION_CAP * ratio * past)

    def pinned(scores: Tensor) -> Tensor:
        return torch.cat([scores[:, : past - tail], torch.full((len(scores), tail), 1e6)], 1)

    psi = [pinned(p) for p in filled.psi]
    alike, unlike = [[f(p, n) for p, n in zip(psi, rows, strict=True)] for f in (top, shared)]
    return {
        "heads alike": lambda layer, _: alike[layer],
        "rows shared among heads": lambda layer, _: unlike[layer],
        "recall": lambda layer, now: top(pinned(pooled(now, filled.pages)), rows[layer]),
        "recall, heads sharing rows": lambda layer, now: shared(pinned(pooled(now, filled.pages)), rows[layer]),
        "half kept, half recalled": lambda layer, now: top(torch.where(top(psi[layer], rows[layer] // 2), 1e6, pinned(pooled(now, filled.pages))), rows[layer]),
    }


@torch.inference_mode()
def main() -> None:
    p = argparse.ArgumentParser(prog="madakv_training.headroom", description=__doc__.splitlines()[0])
    p.add_argument("model", type=Path, help="exported folder, or a checkpoint file")
    p.add_argument("--questions", type=int, default=20, help="of each set, at least")
    p.add_argument("--ratios", type=float, nargs="+", default=[0.025, 0.05, 0.1])
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    model = reader_of(args.model) if args.model.is_file() else reader_from_folder(args.model)
    right: dict[tuple[str, float], list[bool]] = {}
    for name in SETS:
        asked = 0
        for episode in sets.episodes(name, TUNING):
            if asked >= args.questions:
                break
            for question, answer in episode.asked[:4]:
                asked += 1
                filled = prefill(model, episode, question)
                everything = torch.ones(filled.keys[0].shape[0], filled.tokens - 1, dtype=torch.bool)
                right.setdefault(("all rows", 1.0), []).append(decode(model, filled, lambda *_, all_=everything: all_) == answer)
                for ratio in args.ratios:
                    for way, choose in ways(filled, ratio).items():
                        right.setdefault((way, ratio), []).append(decode(model, filled, choose) == answer)
        print(f"{name}: {asked} questions", flush=True)
    full = right.pop(("all rows", 1.0))
    print(f"\n{len(full)} questions, all rows: {100 * sum(full) / len(full):.1f} % exact (95 % interval {'-'.join(f'{x:.1f}' for x in interval(full))})\n")
    print("| |", " | ".join(f"{r:.1%}" for r in args.ratios), "|\n|---|" + "---|" * len(args.ratios))
    for way in dict.fromkeys(w for w, _ in right):
        print(f"| {way} |", " | ".join(f"{100 * sum(right[way, r]) / len(full):.1f}" for r in args.ratios), "|")


if __name__ == "__main__":
    main()
