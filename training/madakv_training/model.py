"""Qwen2.5-VL's mathematics as one trainable module: windows batched, many questions a page in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import tokens
from .bindings import LAST_PAGE
from .config import IMAGE_MEAN, IMAGE_STD, MERGE, PATCH, WINDOW_CELLS, ReaderConfig
from .glyphs import CLASSES, NAME_CHARS, SLOTS
from .layers import DecoderBlock, RMSNorm, VisionBlock, text_angles, vision_angles

PATCHES_A_CELL = MERGE * MERGE
PIXELS_A_PATCH = 3 * PATCH * PATCH
RECALL = {3: slice(0, 4), 4: slice(4, 8)}  # heads of blocks that look from where an answer begins to its question: those that do so by themselves where the question is near
JUDGED = (4, slice(0, 4))  # block and heads that look, from where an answer begins that follows from values, to these: two heads for each of two
BINDING = 2  # block in which values look at their labels, and after which they know them: late enough to find them, early enough to be found


@dataclass
class Pages:
    """Images of one size. pixels uint8 [images, cells * 4 patches, 588] in the order of Qwen's image processor; grid = (rows, columns) in cells;
    places [n]: flat indices in the batch's prefix [batch * prefix tokens] where visual tokens stand; sources [n]: which ones, of [images * cells], or None for each in turn."""

    pixels: Tensor
    grid: tuple[int, int]
    places: Tensor
    sources: Tensor | None = None
    glyphs: Tensor | None = None


@dataclass
class Bindings:
    """bindings.Bound as tensors."""

    values: Tensor
    names: Tensor
    wanted: Tensor
    part_of: Tensor
    start_of: Tensor
    placed: Tensor
    page: Tensor
    opens: Tensor


@dataclass
class Asked:
    """bindings.Asked as tensors, and the prefixes' lengths [batch]."""

    row: Tensor
    at: Tensor
    first: Tensor
    end: Tensor
    lengths: Tensor


@dataclass
class Judged:
    """bindings.Judged as tensors, and the prefixes' lengths [batch]."""

    row: Tensor
    at: Tensor
    begin: Tensor
    of: Tensor
    lengths: Tensor


@dataclass
class Bound:
    """What the model made of bindings: logits of the names [n, NAME_CHARS * CLASSES]; logarithms of the attention on what should be attended to, from values [m] to their
    names, opened [k] from placed tokens to the first mark of their page, recalled [a] from answers to early questions, judged [j] from answers to the values that they follow from; pages: logits of the placed tokens' pages [k, 1 + LAST_PAGE]."""

    names: Tensor
    attended: Tensor
    pages: Tensor
    opened: Tensor
    recalled: Tensor
    judged: Tensor


@lru_cache(maxsize=512)
def windows(rows: int, columns: int) -> tuple[Tensor, Tensor | None, Tensor, Tensor, Tensor]:
    """Order of the patches of one image of rows x columns cells, window after window.

    -> index [windows * 64] into the processor's order, absent [windows * 64] (0 or, where there is no patch, very negative) or None where there are none, row and column of each patch,
    back [cells]: place of each cell (raster order) among the windows' cells.
    """
    w = WINDOW_CELLS
    wr, wc = -(-rows // w), -(-columns // w)
    r = torch.arange(wr * w).view(wr, 1, w, 1).expand(wr, wc, w, w).reshape(-1)
    c = torch.arange(wc * w).view(1, wc, 1, w).expand(wr, wc, w, w).reshape(-1)
    cell_exists = (r < rows) & (c < columns)
    cell = torch.where(cell_exists, r * columns + c, torch.zeros_like(r))
    back = torch.empty(rows * columns, dtype=torch.long)
    back[cell[cell_exists]] = torch.arange(len(r))[cell_exists]
    sub = torch.arange(PATCHES_A_CELL)
    index = (cell.unsqueeze(1) * PATCHES_A_CELL + sub).reshape(-1)
    absent = None if bool(cell_exists.all()) else (~cell_exists).repeat_interleave(PATCHES_A_CELL) * -1e4
    row = (r.unsqueeze(1) * MERGE + sub // MERGE).reshape(-1)
    column = (c.unsqueeze(1) * MERGE + sub % MERGE).reshape(-1)
    return index, absent, row, column, back


def attended(block: DecoderBlock, x: Tensor, cos: Tensor, sin: Tensor, bindings: Bindings) -> Tensor:
    """How much some heads of a block attend, from the tokens of values, to what these are the values of: the first query heads of the first four KV heads
    to the first token of the label or row, to all of it, and the same for the header.

    x [batch, tokens, width]: the block's input. -> logarithms [m], one for each value token, head and name that is there.
    """
    attn = block.self_attn
    batch, width = bindings.part_of.shape
    h, cos, sin = block.input_layernorm(x[:, :width]), cos[:, :width], sin[:, :width]
    k = attn.turn(attn.k_proj, h, cos, sin).view(batch, width, -1, attn.dim)[:, :, :4]
    at = bindings.values
    q = attn.turn(attn.q_proj, *(t.reshape(-1, t.shape[-1])[at] for t in (h, cos, sin))).view(len(at), -1, attn.dim)[:, :: attn.groups][:, :4]
    out: list[Tensor] = []
    for b in range(batch):
        mine = (at // width == b).nonzero()[:, 0]
        if not len(mine):
            continue
        scores = torch.einsum("nhd,phd->nhp", q[mine], k[b]).float() * attn.dim**-0.5
        seen = (torch.arange(width, device=at.device) <= (at[mine] % width).unsqueeze(1)).unsqueeze(1)
        scores = scores.masked_fill(~seen, -1e9)
        wanted = bindings.wanted[mine].unsqueeze(2)
        start, part = (t[b].view(1, 1, width) == wanted for t in (bindings.start_of, bindings.part_of))
        right = torch.stack([start, part], 2).view(len(mine), 4, width) & (wanted > 0).repeat_interleave(2, 1) & seen
        share = torch.logsumexp(scores.masked_fill(~right, -1e9), 2) - torch.logsumexp(scores, 2)
        out.append(share[right.any(2)])
    return torch.cat(out)


def opened(block: DecoderBlock, x: Tensor, cos: Tensor, sin: Tensor, bindings: Bindings) -> Tensor:
    """How much the second query head of a block attends from the placed tokens to the first mark of their page. Arguments as for attended(). -> logarithms [k]."""
    attn = block.self_attn
    batch, width = bindings.part_of.shape
    at, out = bindings.placed, []
    rows = [((at // width == b).nonzero()[:, 0], b) for b in range(batch)] if len(at) else []
    for mine, b in rows:
        if not len(mine):
            continue
        h, c, s = block.input_layernorm(x[b : b + 1, :width]), cos[b : b + 1, :width], sin[b : b + 1, :width]
        here = at[mine] % width
        k = attn.turn(attn.k_proj, h, c, s)[0, :, : attn.dim]
        q = attn.turn(attn.q_proj, *(t[0, here] for t in (h, c, s)))[:, attn.dim : 2 * attn.dim]
        scores = (q @ k.T).float() * attn.dim**-0.5
        scores = scores.masked_fill(torch.arange(width, device=at.device) > here.unsqueeze(1), -1e9)
        out.append(scores.gather(1, (bindings.opens[mine] % width).unsqueeze(1))[:, 0] - torch.logsumexp(scores, 1))
    return torch.cat(out) if out else x.new_zeros(0)


def recalled(block: DecoderBlock, x: Tensor, cos: Tensor, sin: Tensor, asked: Asked, prefix: int, heads: slice) -> Tensor:
    """How much these query heads of a block attend to a question that came first from where its answer begins.

    x [batch, prefix + branch tokens, width]: the block's input; such a prompt has a single branch. -> logarithms [n * heads].
    """
    attn = block.self_attn
    h, cos, sin = (t[asked.row] for t in (block.input_layernorm(x), cos, sin))
    n, tokens = h.shape[:2]
    one = torch.arange(n, device=x.device)
    q = attn.turn(attn.q_proj, *(t[one, asked.at] for t in (h, cos, sin))).view(n, -1, attn.dim)[:, heads]
    k = attn.turn(attn.k_proj, h, cos, sin).view(n, tokens, -1, attn.dim).repeat_interleave(attn.groups, 2)[:, :, heads]
    scores = torch.einsum("nhd,nthd->nht", q, k).float() * attn.dim**-0.5
    key, at, lengths, first, end = torch.arange(tokens, device=x.device), *(t.unsqueeze(1) for t in (asked.at, asked.lengths[asked.row], asked.first, asked.end))
    seen = (key < lengths) | ((key >= prefix) & (key <= at))
    wanted = (key >= first) & (key < end)
    return (torch.logsumexp(scores.masked_fill(~wanted.unsqueeze(1), -1e9), 2) - torch.logsumexp(scores.masked_fill(~seen.unsqueeze(1), -1e9), 2)).flatten()


def judged(block: DecoderBlock, x: Tensor, cos: Tensor, sin: Tensor, questions: Judged, bindings: Bindings, heads: slice) -> Tensor:
    """How much these query heads of a block attend, from where an answer begins, to the values that it follows from: the first half of the heads to one, the others to the other.

    x [batch, prefix + branch tokens, width]: the block's input. -> logarithms [n * heads].
    """
    attn = block.self_attn
    batch, prefix = bindings.part_of.shape
    value_of = torch.zeros(batch * prefix, dtype=torch.long, device=x.device)
    value_of[bindings.values] = bindings.wanted[:, 0].long()
    key = torch.arange(x.shape[1], device=x.device)
    out: list[Tensor] = []
    for b in range(batch):
        mine = (questions.row == b).nonzero()[:, 0]
        if not len(mine):
            continue
        h, at = block.input_layernorm(x[b : b + 1]), questions.at[mine]
        k = attn.turn(attn.k_proj, h, cos[b : b + 1], sin[b : b + 1]).view(len(key), -1, attn.dim).repeat_interleave(attn.groups, 1)[:, heads]
        q = attn.turn(attn.q_proj, h[0, at], cos[b, at], sin[b, at]).view(len(mine), -1, attn.dim)[:, heads]
        scores = torch.einsum("nhd,thd->nht", q, k).float() * attn.dim**-0.5
        seen = (key < questions.lengths[b]) | ((key >= questions.begin[mine].unsqueeze(1)) & (key <= at.unsqueeze(1)))
        of = questions.of[mine].repeat_interleave(scores.shape[1] // 2, 1).unsqueeze(2)
        wanted = F.pad(value_of.view(batch, prefix)[b], (0, len(key) - prefix)) == of
        share = torch.logsumexp(scores.masked_fill(~wanted, -1e9), 2) - torch.logsumexp(scores.masked_fill(~seen.unsqueeze(1), -1e9), 2)
        out.append(share[wanted.any(2)])
    return torch.cat(out) if out else x.new_zeros(0)


class PatchEmbed(nn.Module):
    """Both temporal copies of a still image are the same, so training keeps the sum of the two kernels; export halves it again."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(PIXELS_A_PATCH, width, bias=False)


class Merger(nn.Module):
    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        wide = PATCHES_A_CELL * config.vision_width
        self.ln_q = RMSNorm(config.vision_width)
        self.mlp = nn.Sequential(nn.Linear(wide, wide), nn.GELU(), nn.Linear(wide, config.width))


class Vision(nn.Module):
    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = PatchEmbed(config.vision_width)
        self.blocks = nn.ModuleList(VisionBlock(config) for _ in range(config.vision_layers))
        self.merger = Merger(config)

    def forward(self, pixels: Tensor, grid: tuple[int, int]) -> Tensor:
        """pixels uint8 [images, patches, 588] -> [images, cells, width], raster order."""
        images, device = pixels.shape[0], pixels.device
        index, absent, row, column, back = (t if t is None else t.to(device) for t in windows(*grid))
        x = ((pixels.float() / 255 - IMAGE_MEAN) / IMAGE_STD)[:, index]
        x = self.patch_embed.proj(x)
        side = WINDOW_CELLS * WINDOW_CELLS * PATCHES_A_CELL
        count = index.numel() // side
        cos, sin = vision_angles(row, column, self.config.vision_width // self.config.vision_heads, 2 * self.config.vision_heads)
        cos, sin = cos.to(x.dtype), sin.to(x.dtype)
        there = None if absent is None else (absent == 0).nonzero()[:, 0]
        # Inside a window only differences of position matter, and all windows are laid out alike: one set of angles serves them all.
        local = (cos[:side], sin[:side], None if absent is None else absent.view(1, count, 1, 1, side).expand(images, -1, -1, -1, -1).reshape(-1, 1, 1, side))
        for i, block in enumerate(self.blocks):
            if i in self.config.vision_full:
                x = x.reshape(images, count * side, -1)
                x = block(x, cos, sin, None) if there is None else x.index_copy(1, there, block(x[:, there], cos[there], sin[there], None))
            else:
                x = block(x.reshape(images * count, side, -1), *local)
        x = self.merger.ln_q(x).reshape(images, count * side // PATCHES_A_CELL, -1)[:, back]
        return self.merger.mlp(x)


class Language(nn.Module):
    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(tokens.VOCAB, config.width)
        self.layers = nn.ModuleList(DecoderBlock(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width)


class Reader(nn.Module):
    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.config = config
        self.visual = Vision(config)
        self.model = Language(config)
        # Supervision only, dropped at export.
        self.glyph_head = nn.Linear(config.width, SLOTS * CLASSES)
        self.name_head = nn.Linear(config.width, NAME_CHARS * CLASSES)
        self.page_head = nn.Linear(config.width, 1 + LAST_PAGE)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)

    def embed(self, ids: Tensor, pages: list[Pages]) -> tuple[Tensor, list[Tensor]]:
        """ids [batch, prefix] with image pads -> embeddings [batch, prefix, width], and the visual tokens of each group of pages."""
        x = self.model.embed_tokens(ids)
        seen = [self.visual(p.pixels, p.grid) for p in pages]
        if seen:
            flat = x.reshape(-1, x.shape[-1])
            places = torch.cat([p.places for p in pages])
            values = torch.cat([v if p.sources is None else v[p.sources] for p, s in zip(pages, seen, strict=True) for v in [s.reshape(-1, s.shape[-1])]]).to(flat.dtype)
            x = flat.index_copy(0, places, values).view_as(x)
        return x, seen

    def forward(
        self,
        prefix: Tensor,
        pages: list[Pages],
        branches: Tensor,
        positions: Tensor,
        mask: Tensor,
        bindings: Bindings | None = None,
        asked: Asked | None = None,
        questions: Judged | None = None,
    ) -> tuple[Tensor, list[Tensor], Bound | None]:
        """prefix ids [batch, P], branch ids [batch, Q], positions [3, batch, P + Q], mask [batch, 1, Q, P + Q] (0 or very negative) or ranges [3, batch, P + Q] (kernels.attention).

        -> logits [batch, Q, vocabulary], glyph logits [cells, slots * classes] of each group of pages, and what became of the bindings, if there are any.
        """
        x, seen = self.embed(prefix, pages)
        x = torch.cat([x, self.model.embed_tokens(branches)], 1)
        cos, sin = (a.to(torch.get_autocast_dtype(x.device.type)) if torch.is_autocast_enabled(x.device.type) else a for a in text_angles(positions, self.config))
        last, known, recall, looks = len(self.model.layers) - 1, None, [], x.new_zeros(0)
        for i, block in enumerate(self.model.layers):
            before = x
            x = block(x, prefix.shape[1], cos, sin, mask, i == last)
            if i in RECALL and asked is not None and len(asked.row):
                recall.append(recalled(block, before, cos, sin, asked, prefix.shape[1], RECALL[i]))
            if i == JUDGED[0] and questions is not None and bindings is not None and len(questions.row):
                looks = judged(block, before, cos, sin, questions, bindings, JUDGED[1])
            if i == BINDING and bindings is not None and len(bindings.values):
                flat = x[:, : prefix.shape[1]].reshape(-1, x.shape[-1])
                values, placed = (F.rms_norm(flat[at].float(), flat.shape[-1:]) for at in (bindings.values, bindings.placed))
                known = Bound(self.name_head(values), attended(block, before, cos, sin, bindings), self.page_head(placed), opened(block, before, cos, sin, bindings), x.new_zeros(0), x.new_zeros(0))
        if recall and known is not None:
            known.recalled = torch.cat(recall)
        if known is not None:
            known.judged = looks
        logits = F.linear(self.model.norm(x), self.model.embed_tokens.weight)
        return logits, [self.glyph_head(s) for s in seen], known

    def read(self, pages: list[Pages]) -> list[Tensor]:
        """Glyph logits [images, cells, slots * classes] of each group of pages, without the language model."""
        return [self.glyph_head(self.visual(p.pixels, p.grid)) for p in pages]
