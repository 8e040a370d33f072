"""The questions about the sample documents, answered by a model in the training module."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from . import infer, pdf, sets
from .checkpoint import reader_from_folder, reader_of
from .content import Content, Page
from .demo_documents import DOCUMENTS, QUESTIONS
from .episode import Episode


def pages_of(document: bytes) -> list[Page]:
    """A document's pages as the reader sees them."""
    return [sets.page_of(image, Content()) for image in pdf.rasterise(document)]


def score(path: Path, threads: int = 1) -> list[bool]:
    """Answers every question, prints right or wrong. -> which are right. path: exported folder or checkpoint file."""
    torch.set_num_threads(threads)
    model = reader_of(path) if path.is_file() else reader_from_folder(path)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    pages = {name: pages_of(make()) for name, make in DOCUMENTS.items()}
    right: list[bool] = []
    begun = time.time()
    for custom_id, file, question, expected in QUESTIONS:
        with torch.autocast(device, dtype=torch.bfloat16):
            answer = infer.answer(model, Episode(list(pages[file]), []), question).strip()
        right.append(answer == expected)
        print(f"{'right' if right[-1] else 'wrong'}  {custom_id:24} {answer!r}" + ("" if right[-1] else f", expected {expected!r}"), flush=True)
    print(f"{sum(right)} of {len(right)} right ({time.time() - begun:.0f} s)")
    return right
