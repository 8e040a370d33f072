"""python -m madakv_training.make_requests OUT: held-out questions as OpenAI chat-completion bodies with the answers expected.

OUT/<set>.jsonl holds {"id", "set", "answer", "body"} a line; images are PNG files under OUT/images, named in the bodies as file URLs relative to OUT.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from PIL import Image

from . import sets
from .content import Page
from .episode import Episode

MODEL = "madakv-reader"


def body(episode: Episode, question: str, files: list[str]) -> dict:
    """One request: images and passages in order, the question as the last text part if it is not among them."""
    names = iter(files)
    content = [{"type": "image_url", "image_url": {"url": next(names)}} if isinstance(p, Page) else {"type": "text", "text": p} for p in episode.parts]
    last = (episode.bridge if isinstance(episode.parts[-1], Page) else "") + question
    if last:
        content.append({"type": "text", "text": last})
    messages = [{"role": "user", "content": content}]
    if episode.system:
        messages.insert(0, {"role": "system", "content": episode.system})
    # Some sets ask first: nothing is put in another order.
    return {"model": MODEL, "temperature": 0, "max_tokens": 96, "messages": messages, "madakv": {"layout": "as_given"}}


def write_set(name: str, out: Path, count: int, split: int) -> int:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    (out / "images").mkdir(parents=True, exist_ok=True)
    written = 0
    with (out / f"{slug}.jsonl").open("w") as lines:
        for number, episode in enumerate(sets.episodes(name, split)):
            if written >= count:
                break
            files = []
            for i, page in enumerate(episode.pages):
                file = f"images/{slug}-{number:04d}-{i}.png"
                Image.fromarray(page.pixels).save(out / file)
                files.append(file)
            for k, (question, answer) in enumerate(episode.asked):
                row = {"id": f"{slug}-{number:04d}-{k}", "set": name, "answer": answer, "body": body(episode, question, files)}
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
                written += 1
    return written


def main() -> None:
    p = argparse.ArgumentParser(prog="madakv_training.make_requests", description=__doc__.splitlines()[0])
    p.add_argument("out", type=Path)
    p.add_argument("--questions", type=int, default=500, help="of each set, at least")
    p.add_argument("--sets", nargs="+", choices=[*sets.NAMES, *sets.LONG], default=sets.NAMES)
    p.add_argument("--split", type=int, default=0, help="0 to report on, others to tune on")
    args = p.parse_args()
    for name in args.sets:
        print(f"{name}: {write_set(name, args.out, args.questions, args.split)} questions", flush=True)


if __name__ == "__main__":
    main()
