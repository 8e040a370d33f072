"""Questions about a document of eight pages with `transformers` (torch, float32), one after the other, as it runs a chat.

    python test/bench/documents/reference.py [--questions 5] [--threads 1]

Prints seconds a question, beside what `node test/bench/documents/questions.js --questions 20` says of the same machine. Needs torch, transformers,
pypdfium2 and pillow (test/conformance/generate/requirements.txt).
"""

import argparse
import csv
import json
import time
from pathlib import Path

import pypdfium2
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "examples" / "demo"
DPI = 140
CELL = 28
# What the reader takes of a page.
MOST_CELLS = 1_190


def cells(width: float, height: float) -> int:
    return -(-int(width) // CELL) * -(-int(height) // CELL)


def pages() -> list[Image.Image]:
    """As the workers draw them: at 140 dpi or what fits, on white paper whose sides are whole cells."""
    drawn = []
    for path in sorted(DEMO.glob("*.pdf")):
        for page in pypdfium2.PdfDocument(path):
            scale = DPI / 72
            while cells(*(side * scale + 1 for side in page.get_size())) > MOST_CELLS:
                scale *= 0.995
            bitmap = page.render(scale=scale).to_pil().convert("RGB")
            paper = Image.new("RGB", (-(-bitmap.width // CELL) * CELL, -(-bitmap.height // CELL) * CELL), "white")
            paper.paste(bitmap)
            drawn.append(paper)
    return drawn


@torch.no_grad()
def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("--questions", type=int, default=5)
    p.add_argument("--threads", type=int, default=1)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    weights = ROOT / "models" / "madakv-reader"
    processor = AutoProcessor.from_pretrained(weights)
    model = AutoModelForImageTextToText.from_pretrained(weights, dtype=torch.float32).eval()
    images = pages()
    with open(DEMO / "questions.csv", newline="") as sheet:
        questions = [row["question"] for row in csv.DictReader(sheet)]
    seconds, tokens, answers = [], 0, []
    for question in [questions[0], *questions[: args.questions]]:
        content = [*({"type": "image", "image": image} for image in images), {"type": "text", "text": question}]
        started = time.perf_counter()
        text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = processor(text=[text], images=images, return_tensors="pt")
        tokens = inputs["input_ids"].shape[1]
        out = model.generate(**inputs, max_new_tokens=16, do_sample=False)
        seconds.append(time.perf_counter() - started)
        answers.append(processor.tokenizer.decode(out[0, tokens:], skip_special_tokens=True))
    middle = sorted(seconds[1:])[len(seconds[1:]) // 2]
    print(json.dumps({"tokens": tokens, "questions": len(questions), "secondsAQuestion": middle, "answersAMinute": 60 / middle, "answers": answers[1:]}))


if __name__ == "__main__":
    main()
