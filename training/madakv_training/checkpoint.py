"""Saving and resuming a run. A file appears whole or not at all."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from .config import ReaderConfig
from .model import Reader
from .optim import Average, Optimizers
from .weights import SUPERVISION, from_published

NAME = "checkpoint.pt"


@dataclass
class Progress:
    step: int = 0
    stage: int = 0
    since: int = 0  # steps in this stage
    characters: float = 0.0  # running means of the current stage
    exact: float = 0.0
    minutes: float = 0.0  # of training, over all runs
    seed: int = 1


_writing: list[threading.Thread] = []


def write(path: Path, content: dict) -> None:
    """The bytes are made now and written by a thread: a busy disk must not hold up the training. settle() waits for them."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    settle()
    _writing.append(threading.Thread(target=_put, args=(path, buffer)))
    _writing[-1].start()


def _put(path: Path, buffer: io.BytesIO) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(buffer.getbuffer())
    os.replace(part, path)


def settle() -> None:
    while _writing:
        _writing.pop().join()


def save(out: Path, model: Reader, optimizers: Optimizers | None, average: Average, progress: Progress, name: str = NAME) -> None:
    """Without optimizers: weights only (a compact checkpoint that still resumes, with fresh momenta)."""
    half = optimizers is None
    average_state = {k: v.to(torch.bfloat16) if half else v for k, v in average.state().items()}
    content = {
        "config": model.config.to_dict(),
        "model": None if half else model.state_dict(),
        "average": average_state,
        "optimizers": None if half else optimizers.state(),
        "progress": vars(progress),
    }
    write(out / name, content)


def load(path: Path, device: torch.device) -> dict:
    return torch.load(path, map_location=device, weights_only=True)


def adopt(model: Reader, weights: dict[str, torch.Tensor]) -> None:
    """Takes over weights of any precision. Heads that only teach may be missing: they came later than some checkpoints."""
    missing, unexpected = model.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
    if unexpected or not all(m.split(".")[0] in SUPERVISION for m in missing):
        raise ValueError(f"these are not weights of this model: missing {missing}, unexpected {unexpected}")


def reader_of(path: Path, device: torch.device | None = None) -> Reader:
    """The averaged model of a checkpoint, ready to evaluate."""
    state = load(path, device or torch.device("cpu"))
    model = Reader(ReaderConfig.from_dict(state["config"]))
    adopt(model, state["average"])
    return model.to(device or "cpu").eval()


def reader_from_folder(folder: Path) -> Reader:
    """The model of an exported folder (one weights file or several)."""
    c = json.loads((folder / "config.json").read_text())
    t, v = c["text_config"], c["vision_config"]
    config = ReaderConfig(
        t["hidden_size"], t["num_hidden_layers"], t["num_attention_heads"], t["num_key_value_heads"], t["intermediate_size"], t["rope_parameters"]["rope_theta"], tuple(t["rope_parameters"]["mrope_section"]),
        v["hidden_size"], v["depth"], v["num_heads"], v["intermediate_size"], tuple(v["fullatt_block_indexes"]), t["max_position_embeddings"],
    )  # fmt: skip
    model = Reader(config)
    state: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("model*.safetensors")):
        state.update(load_file(file))
    adopt(model, from_published(state))
    return model.eval()


def load_published(folder: Path) -> dict:
    """An exported folder as a checkpoint without momenta. The heads that only teach were dropped at export: fresh ones take their place."""
    model = reader_from_folder(folder)
    return {"config": model.config.to_dict(), "model": None, "average": model.state_dict(), "optimizers": None, "progress": vars(Progress())}


def compact(source: Path, target: Path) -> None:
    """The averaged weights of a checkpoint in bf16: enough to go on from (train --from), a sixth of the size."""
    state = load(source, torch.device("cpu"))
    average = {k: v.to(torch.bfloat16) for k, v in state["average"].items()}
    torch.save({**state, "model": None, "optimizers": None, "average": average}, target)


if __name__ == "__main__":
    compact(Path(sys.argv[1]), Path(sys.argv[2]))
