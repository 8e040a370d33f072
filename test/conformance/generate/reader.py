"""Writes the fixtures of the shipped reader: three requests about the sample documents and what `transformers` answers; see README.md."""

import argparse
import hashlib
import shutil
import sys
from pathlib import Path

import pypdfium2
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from arrays import Arrays
from generate import LEAST_MARGIN, greedy_of, inputs_of, stops_of, write_request

ROOT = Path(__file__).resolve().parents[3]
DPI = 140
CELL = 28
STEPS = 24

# Image: document, page from 0, and mode.
PAGES = {"invoice.png": ("invoice.pdf", 0, "RGB"), "receipt.png": ("receipt.pdf", 0, "RGB"), "report-2.png": ("report.pdf", 1, "L")}

PASSAGE = (
    "Handover notes for the evening shift.\nThe keys are in the top drawer. Contact person: Elena Fischer. Please call "
    "the office before noon.\nLocker number: 4162\nThe window in the back room does not close."
)


def image(name: str) -> dict:
    return {"type": "image_url", "image_url": {"url": name}}


def text(content: str) -> dict:
    return {"type": "text", "text": content}


# Of each request, questions in order of preference: one whose answer hangs on a rounding error is passed over.
REQUESTS = {
    "a5-page": ([image("invoice.png")], ["What is the total amount?", "Due date?", "What is the invoice number?"]),
    "two-pages": ([image("receipt.png"), image("report-2.png")], ["Who is the cashier?", "What is the receipt number?", "Total?"]),
    "text-and-image": ([text(PASSAGE), image("receipt.png")], ["What is the locker number?", "Who is the contact person?", "Who is the cashier?"]),
}


def draw(folder: Path) -> None:
    """Pages at 140 dpi on white paper whose sides are whole cells; without loss."""
    folder.mkdir(parents=True)
    for name, (document, number, mode) in PAGES.items():
        page = pypdfium2.PdfDocument(ROOT / "examples" / "demo" / document)[number]
        bitmap = page.render(scale=DPI / 72).to_pil().convert(mode)
        paper = Image.new(mode, (-(-bitmap.width // CELL) * CELL, -(-bitmap.height // CELL) * CELL), "white")
        paper.paste(bitmap)
        paper.save(folder / name, optimize=True)


@torch.no_grad()
def expect(model, processor, weights: str, parts: list, questions: list[str], folder: Path, pictures: Path) -> None:
    folder.mkdir()
    for question in questions:
        messages = [{"role": "user", "content": [*parts, text(question)]}]
        images = write_request(messages, STEPS, "madakv-reader", folder, pictures)
        prompt, inputs = inputs_of(processor, messages, images)
        greedy = greedy_of(model, processor, inputs, STEPS, stops_of(model))
        print(f"{folder.name}: {question} {greedy['text']!r}, least margin {min(greedy['margins'])}", file=sys.stderr)
        if min(greedy["margins"]) >= LEAST_MARGIN:
            break
    else:
        sys.exit(f"{folder.name}: every answer hangs on a rounding error; other questions are needed")
    arrays = Arrays(folder)
    arrays.add("input_ids", inputs["input_ids"][0].int())
    arrays.add("last_logits", model(**inputs, logits_to_keep=1).logits[0, -1].float())
    grids = inputs["image_grid_thw"].tolist()
    expected = {"text": prompt, "prompt_tokens": inputs["input_ids"].shape[1], "greedy": greedy, "image_grids": grids, "weights": weights}
    arrays.write(folder / "expected.json", expected)


def weights_digest(folder: Path) -> str:
    """SHA-256 of the weights files, one after the other."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "madakv-reader")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "fixtures-reader")
    args = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    shutil.rmtree(args.out, ignore_errors=True)
    draw(args.out / "images")
    processor = AutoProcessor.from_pretrained(args.model)
    model = AutoModelForImageTextToText.from_pretrained(args.model, dtype=torch.float32, attn_implementation="eager").eval()
    for name, (parts, questions) in REQUESTS.items():
        expect(model, processor, weights_digest(args.model), parts, questions, args.out / name, args.out / "images")


if __name__ == "__main__":
    main()
