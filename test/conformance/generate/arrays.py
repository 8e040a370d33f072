"""Arrays beside a JSON file: raw little-endian values, with shape and type in the JSON."""

import json
from pathlib import Path

import numpy as np
import torch

NAMES = {"float32": "<f4", "int32": "<i4", "uint8": "|u1"}


class Arrays:
    """Collects arrays for one folder; `write` records them under the key `arrays`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: dict[str, dict] = {}

    def add(self, name: str, value: torch.Tensor | np.ndarray) -> None:
        array = np.ascontiguousarray(value.numpy() if isinstance(value, torch.Tensor) else value)
        kind = str(array.dtype)
        array.astype(NAMES[kind]).tofile(self._folder / f"{name}.bin")
        self._entries[name] = {"file": f"{name}.bin", "dtype": kind, "shape": list(array.shape)}

    def write(self, path: Path, values: dict) -> None:
        text = json.dumps({**values, "arrays": self._entries}, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
