"""What scanners, cameras and mail gateways do to a page."""

from __future__ import annotations

import io
import math
import random

import numpy as np
from PIL import Image, ImageFilter

from .glyphs import Glyph


def fit(image: Image.Image, glyphs: list[Glyph], width: int, height: int, r: random.Random) -> tuple[Image.Image, list[Glyph]]:
    """Brings the page to its final size; glyph centres move along."""
    if image.size == (width, height):
        return image, glyphs
    sx, sy = width / image.width, height / image.height
    how = r.choice([Image.Resampling.BICUBIC, Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
    return image.resize((width, height), how), [(x * sx, y * sy, *what) for x, y, *what in glyphs]


def skew(image: Image.Image, glyphs: list[Glyph], degrees: float) -> tuple[Image.Image, list[Glyph]]:
    """Turns the page counter-clockwise about its middle; the corners take the colour of the paper."""
    cx, cy = image.width / 2, image.height / 2
    a = math.radians(degrees)
    cos, sin = math.cos(a), math.sin(a)
    turned = image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=image.getpixel((0, 0)))
    return turned, [(cx + (x - cx) * cos + (y - cy) * sin, cy - (x - cx) * sin + (y - cy) * cos, *what) for x, y, *what in glyphs]


def scan(image: Image.Image, glyphs: list[Glyph], r: random.Random, strength: float) -> tuple[np.ndarray, list[Glyph]]:
    """strength 0 (clean) to 1. -> uint8 [height, width, 3] and the moved glyph centres."""
    if r.random() >= 0.65 * strength:
        return np.array(image), glyphs
    if r.random() < 0.35:
        image, glyphs = skew(image, glyphs, r.uniform(-0.7, 0.7) * strength)
    if r.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(r.uniform(0.2, 0.8) * strength))
    pixels = np.array(image)
    if r.random() < 0.5:
        rng = np.random.default_rng(r.getrandbits(32))
        noise = rng.normal(0, r.uniform(1, 9) * strength, pixels.shape[:2]).astype(np.int16)
        pixels = np.clip(pixels.astype(np.int16) + noise[..., None], 0, 255).astype(np.uint8)
    if r.random() < 0.4:
        low, high = r.uniform(0, 30) * strength, 255 - r.uniform(0, 25) * strength
        pixels = (low + pixels.astype(np.float32) * ((high - low) / 255)).astype(np.uint8)
    if r.random() < 0.45:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=r.randint(45, 92))
        pixels = np.array(Image.open(buffer))
    return pixels, glyphs
