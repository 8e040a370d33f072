"""python -m madakv_training.curve RUN/train.log: the learning curve as a markdown table, one row for every few minutes of training."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from .curriculum import STAGES

LINE = re.compile(r"min (?P<minute>[\d.]+) step (?P<step>\d+) stage (?P<stage>\d+) answer [\d.]+ reading [\d.]+ (?:binding [\d.]+ )?characters (?P<characters>[\d.]+) exact (?P<exact>[\d.]+)")


def rows(log: str, every: float) -> list[dict[str, float]]:
    """The last line of every so many minutes, in the order of the log."""
    out: list[dict[str, float]] = []
    for match in LINE.finditer(log):
        row = {k: float(v) for k, v in match.groupdict().items()}
        if out and int(out[-1]["minute"] // every) == int(row["minute"] // every):
            out[-1] = row
        else:
            out.append(row)
    return out


def markdown(found: list[dict[str, float]]) -> str:
    lines = ["| minutes | step | stage | characters | answers exact |", "|---|---|---|---|---|"]
    for x in found:
        lines.append(f"| {x['minute']:.0f} | {x['step']:.0f} | {STAGES[int(x['stage'])].name} | {100 * x['characters']:.1f} | {100 * x['exact']:.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    p = argparse.ArgumentParser(prog="madakv_training.curve", description=__doc__)
    p.add_argument("log", type=Path)
    p.add_argument("--every", type=float, default=5.0, help="minutes")
    args = p.parse_args()
    print(markdown(rows(args.log.read_text(), args.every)), end="")
