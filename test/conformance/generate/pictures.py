"""Pictures with structure at several scales, the same on every machine."""

import math
import random
from pathlib import Path

from PIL import Image, ImageDraw


def _scene(width: int, height: int, seed: int) -> Image.Image:
    """A gradient with shapes, thin lines and a patch of noise."""
    rng = random.Random(seed)
    image = Image.new("RGB", (width, height))
    pixels = image.load()
    for y in range(height):
        for x in range(width):
            pixels[x, y] = (
                255 * x // max(1, width - 1),
                255 * y // max(1, height - 1),
                int(127 + 120 * math.sin((x + 2 * y + seed) / 9)),
            )
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = rng.randrange(width), rng.randrange(height)
        w, h = rng.randrange(4, max(5, width // 3)), rng.randrange(4, max(5, height // 3))
        colour = tuple(rng.randrange(256) for _ in range(3))
        if rng.random() < 0.5:
            draw.rectangle((x, y, x + w, y + h), fill=colour)
        else:
            draw.ellipse((x, y, x + w, y + h), outline=colour, width=2)
    for _ in range(8):
        draw.line([(rng.randrange(width), rng.randrange(height)) for _ in range(2)], fill=(0, 0, 0), width=1)
    for y in range(height // 4, height // 2):
        for x in range(width // 4, width // 2):
            pixels[x, y] = tuple(rng.randrange(256) for _ in range(3))
    return image


def _page(width: int, height: int) -> Image.Image:
    """Black on white like a page of print: rows of short strokes, a frame and a few rules."""
    rng = random.Random(7)
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for y in range(80, height - 80, 22):
        x = 90
        while x < width - 90:
            stroke = rng.randrange(3, 12)
            draw.line((x, y, x + stroke, y + rng.randrange(-5, 6)), fill=(rng.randrange(90),) * 3, width=2)
            x += stroke + rng.randrange(3, 9)
    draw.rectangle((60, 60, width - 60, height - 60), outline=(30, 60, 160), width=3)
    return image


def write(folder: Path) -> None:
    """Writes every picture the cases refer to."""
    folder.mkdir(parents=True, exist_ok=True)
    _scene(112, 84, 1).save(folder / "exact.png")
    _scene(150, 97, 2).save(folder / "wide.png")
    _scene(61, 133, 3).save(folder / "tall.png")
    _scene(200, 170, 4).save(folder / "photo.jpg", quality=85)
    _scene(30, 20, 5).save(folder / "tiny.png")

    rotated = _scene(120, 70, 6)
    exif = rotated.getexif()
    exif[0x0112] = 6  # turn clockwise by a quarter to see it upright
    rotated.save(folder / "rotated.jpg", quality=90, exif=exif)

    clear = _scene(90, 100, 8).convert("RGBA")
    alpha = Image.linear_gradient("L").resize(clear.size)
    clear.putalpha(alpha)
    clear.save(folder / "rgba.png")
    _scene(90, 100, 9).convert("L").save(folder / "grey.png")
    _scene(90, 100, 9).convert("LA").save(folder / "grey-alpha.png")
    deep = Image.new("I;16", (70, 90))
    deep.putdata([(x * 523 + y * 317) % 65536 for y in range(90) for x in range(70)])
    deep.save(folder / "grey16.png")
    palette = _scene(90, 100, 10).quantize(32)
    palette.save(folder / "palette.png")
    palette.save(folder / "palette-clear.png", transparency=3)
    _scene(90, 100, 11).convert("1").save(folder / "bits.png")
    _scene(120, 90, 12).convert("CMYK").save(folder / "cmyk.jpg", quality=90)
    _scene(120, 90, 13).save(folder / "photo.webp", lossless=True)
    _page(1200, 1700).quantize(16).save(folder / "page.png", optimize=True)
