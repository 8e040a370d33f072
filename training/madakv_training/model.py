"""Qwen2.5-VL's mathematics as one trainable module: windows batched, many questions a page in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import tokens
from .config import IMAGE_MEAN, IMAGE_STD, MERGE, PATCH, WINDOW_CELLS, ReaderConfig
from .glyphs import CLASSES, NAME_CHARS, SLOTS
from .layers import DecoderBlock, RMSNorm, VisionBlock, text_angles, vision_angles

PATCHES_A_CELL = MERGE * MERGE
PIXELS_A_PATCH = 3 * PATCH * PATCH
NAMED_AFTER = 2  # block after which a value has to know its label: late enough to have found it, early enough to be found by it


@dataclass
class Pages:
    """Images of one size. pixels uint8 [images, cells * 4 patches, 588] in the order of Qwen's image processor; grid = (rows, columns) in cells;
    places [images * cells]: flat index of each visual token in the batch's prefix [batch * prefix tokens]."""

    pixels: Tensor
    grid: tuple[int, int]
    places: Tensor
    glyphs: Tensor | None = None


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
        whole = (cos, sin, None if absent is None else absent.view(1, 1, 1, -1))
        # Inside a window only differences of position matter, and all windows are laid out alike: one set of angles serves them all.
        local = (cos[:side], sin[:side], None if absent is None else absent.view(1, count, 1, 1, side).expand(images, -1, -1, -1, -1).reshape(-1, 1, 1, side))
        for i, block in enumerate(self.blocks):
            if i in self.config.vision_full:
                x = block(x.reshape(images, count * side, -1), *whole)
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
            values = torch.cat([s.reshape(-1, s.shape[-1]) for s in seen]).to(flat.dtype)
            x = flat.index_copy(0, places, values).view_as(x)
        return x, seen

    def forward(self, prefix: Tensor, pages: list[Pages], branches: Tensor, positions: Tensor, mask: Tensor, valued: Tensor | None = None) -> tuple[Tensor, list[Tensor], Tensor | None]:
        """prefix ids [batch, P], branch ids [batch, Q], positions [3, batch, P + Q], mask [batch, 1, Q, P + Q] (0 or very negative).

        -> logits [batch, Q, vocabulary], glyph logits [cells, slots * classes] of each group of pages, and the names of the values at valued [n]
        (indices into batch * P): logits [n, names * classes].
        """
        x, seen = self.embed(prefix, pages)
        x = torch.cat([x, self.model.embed_tokens(branches)], 1)
        cos, sin = (a.to(torch.get_autocast_dtype(x.device.type)) if torch.is_autocast_enabled(x.device.type) else a for a in text_angles(positions, self.config))
        last, names = len(self.model.layers) - 1, None
        for i, block in enumerate(self.model.layers):
            x = block(x, prefix.shape[1], cos, sin, mask, i == last)
            if i == NAMED_AFTER and valued is not None:
                known = x[:, : prefix.shape[1]].reshape(-1, x.shape[-1])[valued]
                names = self.name_head(F.rms_norm(known.float(), known.shape[-1:]))
        logits = F.linear(self.model.norm(x), self.model.embed_tokens.weight)
        return logits, [self.glyph_head(s) for s in seen], names

    def read(self, pages: list[Pages]) -> list[Tensor]:
        """Glyph logits [images, cells, slots * classes] of each group of pages, without the language model."""
        return [self.glyph_head(self.visual(p.pixels, p.grid)) for p in pages]
