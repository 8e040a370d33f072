"""python -m madakv_training.evaluate MODEL: exact match on the held-out sets, as JSON and as a markdown table.

Exact match of greedy answers, found in one pass for all questions of an episode: the greedy answer is right if and only if every token of the right
answer is the likeliest one after the right tokens before it. Wrong answers are then decoded, to be looked at and to count false alarms.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import torch

from . import infer, kernels, sets
from .batches import collate
from .checkpoint import reader_from_folder, reader_of
from .feed import feed
from .losses import right_branches
from .model import Reader
from .questions import NOT_STATED


def interval(right: list[bool], rounds: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of a share, in percent."""
    r = random.Random(0)
    shares = sorted(sum(r.choices(right, k=len(right))) for _ in range(rounds))
    return tuple(100 * shares[int(rounds * q)] / len(right) for q in (0.025, 0.975))


@torch.inference_mode()
def run_set(model: Reader, name: str, count: int, split: int, decode: int) -> dict:
    """At least count questions of a set; of the set of absent fields that many of each kind. decode: how many wrong answers are decoded at most."""
    device = next(model.parameters()).device
    outcome: list[tuple[bool, str]] = []  # right, expected
    wrong: list[dict] = []
    tokens = 0
    for episode in sets.episodes(name, split):
        absent = sum(answer == NOT_STATED for _, answer in outcome)
        if (min(absent, len(outcome) - absent) if name == "absent" else len(outcome)) >= count:
            break
        fed = feed(collate([episode]), device, kernels.ready())
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits, *_ = model(fed.prefix, fed.pages, fed.branches, fed.positions, fed.mask)
        right = right_branches(logits, fed.targets, fed.weights, fed.owner)
        tokens = max(tokens, fed.prefix.shape[1])
        for (question, answer), ok in zip(episode.asked, right, strict=True):
            outcome.append((ok, answer))
            if not ok and len(wrong) < decode:
                with torch.autocast(device.type, dtype=torch.bfloat16):
                    wrong.append({"question": question, "expected": answer, "answer": infer.answer(model, episode, question)})
    rights = [ok for ok, _ in outcome]
    result = {"questions": len(rights), "exact": 100 * sum(rights) / len(rights), "interval": interval(rights), "longest_prompt": tokens, "wrong": wrong}
    if name == "absent":
        missing = [ok for ok, a in outcome if a == NOT_STATED]
        there = len(outcome) - len(missing)
        false = sum(w["answer"] == NOT_STATED and w["expected"] != NOT_STATED for w in wrong)
        result |= {"questions": len(missing), "exact": 100 * sum(missing) / len(missing), "interval": interval(missing), "present": there, "false_alarms": 100 * false / max(1, there)}
    return result


def markdown(results: dict[str, dict]) -> str:
    lines = ["| set | questions | exact match | 95 % interval | goal |", "|---|---|---|---|---|"]
    for name, x in results.items():
        low, high = x["interval"]
        goal = sets.GOALS.get(name)
        lines.append(f"| {name} | {x['questions']} | {x['exact']:.1f} | {low:.1f}-{high:.1f} | {goal if goal else ''} |")
        if "false_alarms" in x:
            lines.append(f"| absent: false alarms | {x['present']} | {x['false_alarms']:.1f} | | at most 2 |")
    return "\n".join(lines) + "\n"


def main() -> None:
    p = argparse.ArgumentParser(prog="madakv_training.evaluate", description=__doc__.splitlines()[0])
    p.add_argument("model", type=Path, help="exported folder, or a checkpoint file")
    p.add_argument("--questions", type=int, default=500, help="of each set, at least")
    p.add_argument("--sets", nargs="+", choices=[*sets.NAMES, *sets.LONG], default=sets.NAMES)
    p.add_argument("--split", type=int, default=0)
    p.add_argument("--out", type=Path, help="folder for accuracy.json and accuracy.md")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--decode", type=int, default=40, help="wrong answers of a set that are decoded (all, for the set of absent fields)")
    p.add_argument("--kernel", action="store_true", help="attention as in training on this CPU (needs g++ and ninja, half a minute to build): faster, and rounded a little differently")
    args = p.parse_args()
    if args.kernel and (obstacle := kernels.use()):
        p.error(f"no attention kernel: {obstacle}")
    torch.set_num_threads(args.threads)
    model = reader_of(args.model) if args.model.is_file() else reader_from_folder(args.model)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    results = {}
    for name in args.sets:
        begun = time.time()
        results[name] = run_set(model, name, args.questions, args.split, 10**6 if name == "absent" else args.decode)
        print(f"{name}: {results[name]['exact']:.1f} % of {results[name]['questions']} ({time.time() - begun:.0f} s)", flush=True)
        if args.out:  # after every set: a run that is cut short still leaves what it measured
            args.out.mkdir(parents=True, exist_ok=True)
            (args.out / "accuracy.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
            (args.out / "accuracy.md").write_text(markdown(results))
    print(markdown(results))


if __name__ == "__main__":
    main()
