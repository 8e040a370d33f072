"""Questions about long texts whose answers are known: facts set into prose that was written for something else. Usage:
questions.py TOKENIZER.json FOLDER --documents 1000=16,2000=16 --split 0

`FOLDER/<set>.jsonl`, for each length in tokens:
- `needle N`: one sentence with a code, and the question for it
- `facts N`: sentences on five organisations, and a question on one of them: a city, a name, a year, an amount, an hour
- `summary N`: the text is to be summed up; its answer is filled in by the full cache (summaries.py)
"""

import argparse
import json
import random
import re
from pathlib import Path
from pydoc_data.topics import topics

from tokenizers import Tokenizer

ADJECTIVES = "amber azure bronze coral crimson emerald golden indigo ivory jade lilac maroon olive pearl scarlet silver teal violet".split()
ANIMALS = "badger bison falcon heron ibex kestrel lemur lynx marten newt osprey otter puma raven stoat tern viper walrus".split()
PLACES = "Alder Birch Cedar Elm Hazel Juniper Larch Linden Maple Rowan Spruce Willow".split()
KINDS = "Bank Choir College Foundation Hospital Library Museum Orchestra Railway Society".split()
CITIES = "Bergen Bologna Cardiff Dresden Galway Ghent Graz Leeds Lisbon Lyon Malaga Nantes Oslo Porto Riga Seville Turin Vilnius".split()
FIRST = "Agnes Boris Clara David Elena Felix Greta Henry Irene Jonas Karen Louis Maria Nora Oscar Paula Robert Sofia".split()
LAST = "Archer Bishop Carver Draper Fisher Gardner Hunter Mason Miller Parker Porter Sawyer Shepherd Tanner Turner Weaver".split()
# A sentence, the question for it, and what can stand in it.
FACTS = [
    ("The {who} was moved to {what} last spring.", "To which city was the {who} moved?", lambda r: r.choice(CITIES)),
    ("The new director of the {who} is {what}.", "Who is the new director of the {who}?", lambda r: f"{r.choice(FIRST)} {r.choice(LAST)}"),
    ("The {who} was founded in {what}.", "In which year was the {who} founded?", lambda r: str(r.randrange(1801, 1990))),
    ("The repair of the roof cost the {who} {what} dollars.", "How many dollars did the repair of the roof cost the {who}?", lambda r: str(r.randrange(1010, 9990))),
    ("The doors of the {who} open at {what} on Sundays.", "At what time do the doors of the {who} open on Sundays?", lambda r: f"{r.randrange(6, 12)}:{r.choice(['15', '20', '40', '45'])}"),
]
CODE = "The access code of the {who} is {what}."
ASK_CODE = "What is the access code of the {who}? Answer with the number only."
LONGEST = {"needle": 16, "facts": 24, "summary": 40}


def prose() -> list[str]:
    """Paragraphs of Python's own manual that are prose: whole sentences, hardly a sign of code."""
    paragraphs = []
    for name in sorted(topics):
        for paragraph in topics[name].split("\n\n"):
            text = re.sub(r"\s+", " ", paragraph).strip()
            words = re.findall(r"[A-Za-z]{2,}", text)
            signs = len(re.findall(r"[^A-Za-z0-9 ,.;:'()\"-]", text))
            if re.match(r"[A-Z].{120,}[.]$", text) and len(words) > len(text) / 7.5 and signs < len(text) / 60:
                paragraphs.append(text)
    return paragraphs


def document(rng: random.Random, tokenizer: Tokenizer, tokens: int, sentences: list[str]) -> str:
    """Prose of so many tokens with sentences set in between its own, anywhere."""
    paragraphs, text = prose(), []
    rng.shuffle(paragraphs)
    room = tokens - len(tokenizer.encode(" ".join(sentences)).ids)
    while paragraphs and room > 0:
        paragraph = paragraphs.pop()
        room -= len(tokenizer.encode(paragraph).ids) + 1
        text += re.split(r"(?<=[.]) (?=[A-Z])", paragraph)
    for sentence in sentences:
        text.insert(rng.randrange(1, len(text)), sentence)
    return " ".join(text)


def task(kind: str, rng: random.Random) -> tuple[list[str], str, str]:
    """-> sentences, question, answer"""
    if kind == "summary":
        return [], "Sum up the text in two sentences.", ""
    if kind == "needle":
        who, what = f"{rng.choice(ADJECTIVES)} {rng.choice(ANIMALS)}", str(rng.randrange(10_000, 100_000))
        return [CODE.format(who=who, what=what)], ASK_CODE.format(who=who), what
    names = rng.sample([f"{place} {kind}" for place in PLACES for kind in KINDS], len(FACTS))
    facts = rng.sample(FACTS, len(FACTS))
    said = [(sentence.format(who=who, what=(what := make(rng))), question.format(who=who), what)
            for (sentence, question, make), who in zip(facts, names)]
    _, question, answer = said[0]
    return [sentence for sentence, _, _ in said], f"{question} Answer in a few words.", answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", default="1000=24,2000=24,4000=12,7500=6", help="documents of a set, by length in tokens")
    parser.add_argument("--split", type=int, default=0, help="0: to report on; others: to choose options on")
    arguments = parser.parse_args()
    tokenizer = Tokenizer.from_file(arguments.tokenizer)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for length, count in (map(int, entry.split("=")) for entry in arguments.documents.split(",")):
        for kind, longest in LONGEST.items():
            name, lines = f"{kind} {length}", []
            for i in range(count):
                rng = random.Random(f"{arguments.split} {name} {i}")
                sentences, question, answer = task(kind, rng)
                text = document(rng, tokenizer, length - 80, sentences)
                content = [{"type": "text", "text": f"Read this text.\n\n{text}\n"},
                           {"type": "text", "text": f"Question: {question}" if answer else question}]
                body = {"model": "model", "max_tokens": longest, "temperature": 0, "messages": [{"role": "user", "content": content}]}
                lines.append({"id": f"{kind}-{length}-{i}", "set": name, "answer": answer, "body": body})
            path = arguments.folder / f"{kind}-{length}.jsonl"
            path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
