"""python -m madakv_training.soup OUT.pt CHECKPOINT[=WEIGHT]...: the weighted mean of the averaged weights of checkpoints of one descent, to export or to go on from.

A model soup (Wortsman et al., 2022, arXiv 2203.05482): where checkpoints lie in one basin, their mean is better than each of them, for no cost at inference.
Configuration and progress are those of the first; momenta are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .checkpoint import load


def mean(parts: list[tuple[dict, float]]) -> dict:
    """Checkpoints with their weights -> a checkpoint. ValueError where they are not of one architecture, or weights do not add up to more than nothing."""
    total = sum(w for _, w in parts)
    first = parts[0][0]
    if total <= 0 or any(w < 0 for _, w in parts):
        raise ValueError("weights are at least 0, and not all 0")
    if any(state["config"] != first["config"] for state, _ in parts):
        raise ValueError("these checkpoints are not of one architecture")
    average = {name: sum(state["average"][name].float() * (w / total) for state, w in parts) for name in first["average"]}
    return {**first, "model": None, "optimizers": None, "average": average}


def part(text: str) -> tuple[Path, float]:
    path, _, weight = text.partition("=")
    return Path(path), float(weight or 1)


def main() -> None:
    p = argparse.ArgumentParser(prog="madakv_training.soup", description=__doc__.splitlines()[0])
    p.add_argument("out", type=Path)
    p.add_argument("parts", type=part, nargs="+", metavar="CHECKPOINT[=WEIGHT]")
    args = p.parse_args()
    torch.save(mean([(load(path, torch.device("cpu")), weight) for path, weight in args.parts]), args.out)


if __name__ == "__main__":
    main()
