"""What belongs to what in a prompt: the tokens of each value, and those of the label, or of the row and column, that it is the value of; and the page that they are on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .glyphs import NAME_CHARS, Names, name_targets

LAST_PAGE = 16  # pages beyond it are not told apart


@dataclass
class Bindings:
    """Of one page or passage; tokens are counted from its first one."""

    values: dict[int, Names] = field(default_factory=dict)  # token -> what it is part of the value of
    names: dict[str, list[int]] = field(default_factory=dict)  # label, row or header -> its tokens, in reading order


@dataclass
class Bound:
    """Of a batch of prompts padded to P tokens. Token indices run over the flattened prefix [batch * P]; identities are above 0."""

    values: np.ndarray  # int64 [n]: tokens that are part of a value
    names: np.ndarray  # uint8 [n, NAME_CHARS]: first characters of what it is the value of
    wanted: np.ndarray  # int32 [n, 2]: identities of label or row, and of the header; 0 where there is none
    part_of: np.ndarray  # int32 [batch, P]: identity of the name that a token is part of
    start_of: np.ndarray  # int32 [batch, P]: identity of the name that a token begins
    placed: np.ndarray  # int64 [m]: where prompts have several pages, tokens whose page matters: each page's first mark, and what is part of values and names
    page: np.ndarray  # uint8 [m]: their page, counted from 1
    opens: np.ndarray  # int64 [m]: the first mark of that page
    labels: list[dict[str, int]]  # of each prompt: identities by name, 0 for one that several of its parts have


@dataclass
class Judged:
    """Of questions that are answered by what follows from values: where an answer begins, and the values that it follows from."""

    row: np.ndarray  # int64 [n]: which prompt of the batch
    at: np.ndarray  # int64 [n]: the token before the answer, of the P + Q
    begin: np.ndarray  # int64 [n]: the first token of its branch, of the P + Q
    of: np.ndarray  # int64 [n, 2]: identities of the labels whose values they are; the same one twice where there is one


@dataclass
class Asked:
    """Of prompts whose question comes first: where an answer begins, and where its question is."""

    row: np.ndarray  # int64 [n]: which prompt of the batch
    at: np.ndarray  # int64 [n]: the token before the answer, of the P + Q
    first: np.ndarray  # int64 [n]: the question's first token, of the P
    end: np.ndarray  # int64 [n]: the one after its last


def bound(parts: list[list[tuple[int, int, Bindings]]], width: int) -> Bound:
    """parts: for each prompt, where its pages and passages begin, the page's number (0 for a passage), and their bindings. width: P."""
    part_of = np.zeros((len(parts), width), np.int32)
    start_of = np.zeros((len(parts), width), np.int32)
    values: list[int] = []
    names: list[np.ndarray] = []
    wanted: list[tuple[int, int]] = []
    placed: list[int] = []
    pages: list[int] = []
    opens: list[int] = []
    labels: list[dict[str, int]] = []
    last = 0
    for b, found in enumerate(parts):
        known: dict[str, int] = {}
        labels.append(known)
        several = max((page for _, page, _ in found), default=0) > 1
        for first, page, bindings in found:
            if page and several:
                here = [first - 1, *(first + i for i in sorted({*bindings.values, *(i for at in bindings.names.values() for i in at)}))]
                placed += [b * width + i for i in here]
                pages += [min(page, LAST_PAGE)] * len(here)
                opens += [b * width + first - 1] * len(here)
            identity = {name: last + i for i, name in enumerate(bindings.names, 1)}
            last += len(identity)
            known |= {name: 0 if name in known else i for name, i in identity.items()}
            for name, at in bindings.names.items():
                part_of[b, [first + i for i in at]] = identity[name]
                start_of[b, first + at[0]] = identity[name]
            for at, of in bindings.values.items():
                values.append(b * width + first + at)
                names.append(name_targets(of))
                wanted.append((identity.get(of[0], 0), identity.get(of[1], 0)))
    return Bound(
        np.array(values, np.int64),
        np.array(names, np.uint8).reshape(-1, NAME_CHARS),
        np.array(wanted, np.int32).reshape(-1, 2),
        part_of,
        start_of,
        np.array(placed, np.int64),
        np.array(pages, np.uint8),
        np.array(opens, np.int64),
        labels,
    )
