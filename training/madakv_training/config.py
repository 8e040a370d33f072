"""Sizes of the reader. Every field maps to a field of Qwen2.5-VL's config.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

PATCH = 14
MERGE = 2
CELL = PATCH * MERGE  # px: the side of the square that one merged visual token covers
WINDOW_CELLS = 4  # window_size 112 px
TEMPORAL = 2

IMAGE_MEAN = 0.5
IMAGE_STD = 0.5
MIN_PIXELS = 56 * 56
MAX_PIXELS = 4096 * CELL * CELL

# Qwen2.5-VL itself gives the lowest frequencies to columns. Heads of 32 dimensions cannot tell neighbouring cells apart there, so the axes
# take turns through the spectrum; the list is read as Qwen's three entries are (entry i follows axis i % 3).
INTERLEAVED = (1,) * 14 + (2,)


@dataclass(frozen=True)
class ReaderConfig:
    width: int = 256
    layers: int = 6
    heads: int = 8
    kv_heads: int = 4
    ff: int = 704
    rope_theta: float = 10000.0
    mrope_section: tuple[int, ...] = INTERLEAVED
    vision_width: int = 192
    vision_layers: int = 4
    vision_heads: int = 6
    vision_ff: int = 512
    vision_full: tuple[int, ...] = (2,)
    max_positions: int = 32768

    @property
    def head_dim(self) -> int:
        return self.width // self.heads

    def to_dict(self) -> dict:
        return asdict(self)

    @staticmethod
    def from_dict(values: dict) -> ReaderConfig:
        return ReaderConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


BASE = ReaderConfig()
MODELS = {
    "cpu": BASE,
    "gpu": replace(BASE, width=320, heads=10, kv_heads=5, layers=8, ff=832, vision_width=224, vision_heads=7, vision_layers=5, vision_ff=576, vision_full=(2, 4)),
    "tiny": replace(BASE, width=64, heads=2, kv_heads=1, layers=2, ff=96, vision_width=64, vision_heads=2, vision_layers=2, vision_ff=96, vision_full=(1,)),
}
