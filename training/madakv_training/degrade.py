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


def coarse(image: Image.Image, factor: float) -> Image.Image:
    """As scanned at factor times the resolution (72 dpi is half) and enlarged again."""
    small = image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))), Image.Resampling.BOX if factor < 0.65 else Image.Resampling.BICUBIC)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def shaded(pixels: np.ndarray, r: random.Random, strength: float) -> np.ndarray:
    """The light of a photo: one side darker than the other, in the colour of a lamp."""
    height, width = pixels.shape[:2]
    angle, fall = r.uniform(0, 2 * math.pi), r.uniform(0.1, 0.6) * strength
    across = np.linspace(-0.5, 0.5, width)[None, :] * math.cos(angle) + np.linspace(-0.5, 0.5, height)[:, None] * math.sin(angle)
    light = (1 - fall / 2) + fall * across
    lamp = np.array([1.0, r.uniform(0.93, 1.0), r.uniform(0.82, 1.0)])
    return np.clip(pixels * light[..., None] * lamp, 0, 255).astype(np.uint8)


def scan(image: Image.Image, glyphs: list[Glyph], r: random.Random, strength: float) -> tuple[np.ndarray, list[Glyph]]:
    """strength 0 (clean) to 1. -> uint8 [height, width, 3] and the moved glyph centres."""
    if r.random() >= 0.65 * strength:
        return np.array(image), glyphs
    if r.random() < 0.35:
        image, glyphs = skew(image, glyphs, r.uniform(-0.7, 0.7) * strength)
    if r.random() < 0.12:
        image = coarse(image, r.uniform(0.5, 0.8))
    elif r.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(r.uniform(0.2, 0.8) * strength))
    pixels = np.array(image)
    if r.random() < 0.5:
        rng = np.random.default_rng(r.getrandbits(32))
        noise = rng.normal(0, r.uniform(1, 9) * strength, pixels.shape[:2]).astype(np.int16)
        pixels = np.clip(pixels.astype(np.int16) + noise[..., None], 0, 255).astype(np.uint8)
    if r.random() < 0.4:
        low, high = r.uniform(0, 30) * strength, 255 - r.uniform(0, 25) * strength
        pixels = (low + pixels.astype(np.float32) * ((high - low) / 255)).astype(np.uint8)
    if r.random() < 0.15:
        pixels = shaded(pixels, r, strength)
    if r.random() < 0.45:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=r.randint(45, 92))
        pixels = np.array(Image.open(buffer))
    return pixels, glyphs
