"""python -m madakv_training.export CHECKPOINT OUT_DIR: a Hugging Face folder with bf16 safetensors and a model card."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from . import hf_files
from .checkpoint import load, reader_of
from .model import Reader
from .weights import SUPERVISION, to_published

CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
tags: [document-question-answering, qwen2_5_vl, kv-cache]
---
# madakv-reader

A document reader of {millions:.1f} million parameters with exactly the Qwen2.5-VL architecture (`Qwen2_5_VLForConditionalGeneration`, no custom code).
It is the reference model of madakv: small enough to ship, good enough to show what cache eviction keeps and loses. It reads printed English-language
business pages (invoices, receipts, forms, letters, tables) and answers short questions about labelled fields and table cells. It is not a general model:
it knows nothing about the world, does not chat, and reads neither handwriting nor photographs.

- Trained from nothing on generated pages only (see `training/` of the project); {minutes:.0f} minutes of training, {steps} steps, curriculum stage {stage} ({name}).
- Pages: 10-12 pt text rendered at about 140 dpi (A5 is about 1,200 visual tokens, A4 2,400). Answers copy the page's text; what is not there is answered `not stated`.
- Tokens are bytes; special tokens and chat template are Qwen2.5-VL's, without its default system message.
- `mrope_section` has more than three entries: they are read as transformers reads them (entry i follows axis i % 3), so that rows and columns of a page get
  fine frequencies as well.

{table}
"""


def shards(weights: dict[str, Tensor], limit: int) -> list[dict[str, Tensor]]:
    """Consecutive groups of at most limit bytes (a single larger tensor stands alone)."""
    out: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, w in weights.items():
        n = w.numel() * w.element_size()
        if out[-1] and size + n > limit:
            out.append({})
            size = 0
        out[-1][name] = w
        size += n
    return out


def export_model(model: Reader, folder: Path, dtype: torch.dtype = torch.bfloat16, shard_bytes: int | None = None) -> None:
    """Writes weights and the files around them."""
    hf_files.write(folder, model.config)
    weights = to_published(model.state_dict(), dtype)
    parts = shards(weights, shard_bytes) if shard_bytes else [weights]
    for old in folder.glob("model*.safetensors*"):
        old.unlink()
    if len(parts) == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    where = {}
    for i, part in enumerate(parts):
        name = f"model-{i + 1:05d}-of-{len(parts):05d}.safetensors"
        save_file(part, folder / name, metadata={"format": "pt"})
        where.update(dict.fromkeys(part, name))
    total = sum(w.numel() * w.element_size() for w in weights.values())
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": where}, indent=2) + "\n")


def main() -> None:
    p = argparse.ArgumentParser(prog="madakv_training.export", description=__doc__)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("folder", type=Path)
    p.add_argument("--shard-mib", type=float, help="largest size of a weights file")
    p.add_argument("--accuracy", type=Path, help="markdown table of evaluate, put into the model card")
    args = p.parse_args()
    from .curriculum import STAGES

    model = reader_of(args.checkpoint)
    export_model(model, args.folder, shard_bytes=int(args.shard_mib * 2**20) if args.shard_mib else None)
    progress = load(args.checkpoint, torch.device("cpu"))["progress"]
    millions = sum(w.numel() for n, w in model.state_dict().items() if n.split(".")[0] not in SUPERVISION) / 1e6
    table = args.accuracy.read_text() if args.accuracy else ""
    card = CARD.format(millions=millions, minutes=progress["minutes"], steps=progress["step"], stage=progress["stage"], name=STAGES[progress["stage"]].name, table=table)
    (args.folder / "README.md").write_text(card.rstrip() + "\n")
    size = sum(f.stat().st_size for f in args.folder.glob("*.safetensors"))
    print(f"{args.folder}: {millions:.2f} M parameters, {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
