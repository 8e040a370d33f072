"""Running text: filler sentences, and sentences that state a fact."""

from __future__ import annotations

import random

from . import values, vocabulary
from .content import Fact

STATEMENTS = [
    "The {l} is {v}.", "Please note that the {l} is {v}.", "Our records show {v} as the {l}.", "{L}: {v}.", "The {l} was recorded as {v}.", "For this case the {l} is {v}.", "As agreed, the {l} will be {v}.",
    "We confirm that the {l} is {v}.", "The {l} has been set to {v}.", "It was noted that the {l} is {v}.",
]  # fmt: skip
OPENERS = ["", "", "", "However, ", "In addition, ", "Last year ", "At present ", "After that, ", "As usual, ", "For this reason ", "Meanwhile "]
VERBS = ["supports", "requires", "covers", "follows", "includes", "replaces", "improves", "delays", "reaches", "explains", "changes", "opens", "closes", "brings", "keeps", "moves", "shows", "needs"]
DETERMINERS = ["the", "the", "a", "each", "this", "every", "our", "their"]


def filler(r: random.Random) -> str:
    """A sentence that says nothing anyone will ask about."""

    def noun() -> str:
        words = [r.choice(DETERMINERS), r.choice(vocabulary.WORDS), r.choice(vocabulary.WORDS)]
        return " ".join(words if r.random() < 0.6 else words[:2])

    text = r.choice(OPENERS) + noun() + " " + r.choice(VERBS) + " " + noun()
    if r.random() < 0.4:
        text += r.choice([" in ", " near ", " before ", " after ", " for ", " with "]) + noun()
    return text[0].upper() + text[1:] + "."


def statement(r: random.Random, fact: Fact) -> str:
    label = fact.label if r.random() < 0.4 else fact.label.lower()
    return r.choice(STATEMENTS).format(l=label, L=fact.label, v=fact.value)


def passage(r: random.Random, sentences: int, facts: int, avoid: set[str], unseen: bool) -> tuple[str, list[Fact]]:
    """-> text of that many filler sentences with facts strewn in at any depth, and the facts."""
    found = [Fact(label, values.value(r, label)) for label in vocabulary.labels(r, facts, unseen, avoid)]
    parts = [filler(r) for _ in range(sentences)]
    for fact in found:
        parts.insert(r.randint(0, len(parts)), statement(r, fact))
    return " ".join(parts), found
