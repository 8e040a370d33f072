"""Fills in what the full cache answered where a question has no answer of its own. Usage: summaries.py QUESTIONS RESULTS.jsonl FOLDER"""

import json
import sys
from pathlib import Path


def main(questions: Path, results: Path, folder: Path) -> None:
    rows = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    given = {(row["set"], row["id"]): row["answer"] for row in rows if row["policy"] == "full"}
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(questions.glob("*.jsonl")):
        lines = list(map(json.loads, path.read_text(encoding="utf-8").splitlines()))
        for line in lines:
            line["answer"] = line["answer"] or given[line["set"], line["id"]]
        (folder / path.name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
