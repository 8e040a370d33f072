"""The reader's weights under the published checkpoint's names and shapes, and back."""

from __future__ import annotations

import torch
from torch import Tensor

from .config import PATCH, TEMPORAL

PATCH_EMBED = "visual.patch_embed.proj.weight"
SUPERVISION = ("glyph_head", "name_head", "page_head")  # modules that only teach


def to_published(state: dict[str, Tensor], dtype: torch.dtype = torch.bfloat16) -> dict[str, Tensor]:
    """What only teaches is dropped; the output layer is tied to the embedding, so it is not stored either."""
    out = {}
    for name, w in state.items():
        if name.split(".")[0] in SUPERVISION:
            continue
        if name == PATCH_EMBED:  # [width, 588] -> Conv3d [width, 3, 2, 14, 14]: each of the two equal frames takes half
            w = w.view(-1, 3, 1, PATCH, PATCH).expand(-1, -1, TEMPORAL, -1, -1) / TEMPORAL
        out[name] = w.to(dtype).contiguous()
    return out


def from_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    out = {}
    for name, w in state.items():
        if name == PATCH_EMBED:
            w = w.float().sum(2).flatten(1)
        out[name] = w.float()
    return out
