"""The generator: the same seed gives the same page, questions have one answer, evaluation labels stay out of training."""

import random

import numpy as np

from madakv_training import arrangement, curriculum, documents, phrasing, questions, sets, tokens, vocabulary
from madakv_training.batches import collate
from madakv_training.content import Fact, Passage
from madakv_training.episode import Episode, spread
from madakv_training.glyphs import ALPHABET
from madakv_training.pages import PageSpec, drawn_page, style_for


def page(seed: int, pdf: bool = False, **more):
    r = random.Random(seed)
    return drawn_page(r, PageSpec(20, 20, facts=8, tables=1, noise=0.5, **more), style_for(r, pdf))


def test_same_seed_same_page():
    for pdf in (False, True):
        a, b = page(4, pdf), page(4, pdf)
        assert np.array_equal(a.pixels, b.pixels) and np.array_equal(a.cells, b.cells) and a.content == b.content
        assert not np.array_equal(a.pixels, page(5, pdf).pixels)


def test_every_stage_gives_batches_of_one_shape_language():
    for index, stage in enumerate(curriculum.STAGES):
        batch = collate(curriculum.episodes(random.Random(index), index), index)
        assert batch.prefix.shape[0] == batch.branches.shape[0] == len(batch.prefix_lengths)
        assert (batch.weights.sum() > 0) == (stage.questions > 0)
        for p in batch.pages:
            assert p.pixels.shape[1] == 4 * p.grid[0] * p.grid[1] and len(p.places) == len(p.glyphs) == len(p.pixels) * p.grid[0] * p.grid[1]


def test_labels_of_a_page_do_not_clash():
    for seed in range(20):
        labels = [f.label for f in page(seed).content.facts]
        assert not any(vocabulary.clash(a.lower(), b.lower()) for i, a in enumerate(labels) for b in labels[:i])


def test_held_out_labels():
    r = random.Random(1)
    seen = {vocabulary.label(r).lower() for _ in range(3000)}
    unseen = {vocabulary.label(r, unseen=True).lower() for _ in range(300)}
    assert not seen & unseen
    assert len(seen) > 2000
    assert all(vocabulary.held_out(f.label) for f in page(3, unseen=True).content.facts)


def test_the_glyphs_of_a_page_are_the_text_on_it():
    found = page(7, extras=0.0).content
    p = page(7, extras=0.0)
    read = sorted(ALPHABET[c - 1] for c in p.cells.flatten() if c)
    written = sorted(c for line in found.lines for c in line if c in ALPHABET)
    missing = len(written) - sum(min(read.count(c), written.count(c)) for c in set(written))
    assert missing <= 0.05 * len(written)  # a crowded cell may drop a character


def test_sets_answer_from_what_is_there():
    for name in ("fields", "2-8 pages", "mixed", "needle in text", "needle in image", "PDF reportlab", *sets.FORMS):
        episode = next(sets.episodes(name))
        text = " ".join(
            p if isinstance(p, str) else " ".join([*p.content.lines, *(f.value for f in p.content.facts), *(c for t in p.content.tables for row in t.rows for c in row)]) for p in episode.parts
        )
        for question, answer in episode.asked:
            assert answer in text or answer.isdigit() or answer == questions.NOT_STATED, (name, question, answer)


def test_values_on_a_page_know_their_label_or_their_row_and_column():
    facts = cells = 0
    for seed in range(8):
        p = page(seed, extras=0.0, prose=0.0)
        known = set(p.bindings.values.values())
        fields = {(f.label, "") for f in p.content.facts}
        table = {(b[0], h) for t in p.content.tables for b in t.rows for h in t.headers[1:]}
        assert known <= fields | table
        facts += len(known & fields)
        cells += len(known & table)
        read = {name: "".join(ALPHABET[c - 1] for cell in at for c in p.cells[cell] if c) for name, at in p.bindings.names.items()}
        assert all(name[:1] in text for name, text in read.items() if name[0] in ALPHABET)
        assert {name for of in known for name in of if name} <= read.keys()
    assert facts > 30 and cells > 30


def test_values_in_a_passage_know_their_label():
    text, found = documents.text_facts(random.Random(2), 4, 6, set(), False)
    passage = Passage("Größe: " + text, found)
    batch = collate([Episode(["Hello. ", passage], [("What?", "that")])])
    known, data = batch.bound, bytes(int(i) if i < 256 else 0 for i in batch.prefix[0])
    assert len(set(known.wanted[:, 0])) >= 3  # in some sentences the value comes first
    said = {}
    for at, (label, header) in zip(known.values, known.wanted, strict=True):
        name = bytes(data[i] for i in np.flatnonzero(known.part_of[0] == label)).decode()
        said[name.lower()] = said.get(name.lower(), b"") + data[at : at + 1]
        assert header == 0 and data[np.flatnonzero(known.start_of[0] == label)[0]] == name.encode()[0]
    facts = {f.label.lower(): f.value for f in found}
    assert all(facts[label] == value.decode() for label, value in said.items())
    assert known.names.any(1).all()


def test_what_is_on_several_pages_knows_its_page():
    r = random.Random(5)
    shown = documents.pages(r, documents.Scene((8, 12)), 3, 3, 2)
    shown.parts.insert(1, Passage("Due date: today ", [Fact("Due date", "today")]))
    known = collate([shown]).bound
    starts = np.flatnonzero(collate([shown]).prefix[0] == tokens.VISION_START)
    assert known.page[np.isin(known.placed, starts)].tolist() == [1, 2, 3]
    assert all(starts[page - 1] <= at <= starts[page - 1] + 8 * 12 for at, page in zip(known.placed, known.page, strict=True))
    assert set(known.values[: sum(len(p.bindings.values) for p in shown.pages[:1])]) <= set(known.placed)
    alone = collate([Episode(shown.pages[:1], shown.asked)]).bound
    assert len(alone.placed) == 0  # a page alone has no number


def test_drills_of_page_numbers_answer_with_the_page():
    episodes = curriculum.numbered(random.Random(6), curriculum.STAGES[9], 1.0)
    asked = [(e, q, a) for e in episodes for q, a in e.asked if a.isdigit() and any(q.startswith(start) for start in ("On which page", "Which page", "On what page", "Page of"))]
    assert len(asked) > 5 and all(1 <= int(a) <= len(e.pages) for e, _, a in asked) and len({a for *_, a in asked}) > 2


def test_parts_that_are_spread_keep_their_order_and_their_tokens():
    text = Episode(["one ", "two ", "three "], [("What?", "that")])
    near = collate([text])
    spread(random.Random(3), text, 500)
    far = collate([text])
    assert np.array_equal(near.prefix, far.prefix)
    count = far.prefix_lengths[0]
    steps = np.diff(far.positions[0, 0, :count])
    assert (steps > 0).all() and steps.max() > 1 and (np.diff(near.positions[0, 0, :count]) == 1).all()
    assert far.positions[0, 0, far.prefix.shape[1]] == far.positions[0, 0, count - 1] + 1


def test_questions_that_come_first_share_their_page():
    shown = page(3)
    asked = [questions.fact_question(random.Random(i), f) for i, f in enumerate(shown.content.facts[:4])]
    prompts = arrangement.questions_first(random.Random(1), Episode([shown], asked), 4)
    batch = collate(prompts)
    assert len(prompts) == len(asked) > 2 and len(batch.pages) == 1 and len(batch.pages[0].pixels) == 1
    assert len(batch.pages[0].places) == len(batch.pages[0].sources) == len(asked) * len(batch.pages[0].glyphs)
    assert np.array_equal(batch.pages[0].sources, np.tile(np.arange(len(batch.pages[0].glyphs)), len(asked)))
    for b, prompt in enumerate(prompts):
        ids, start = batch.prefix[b], batch.pages[0].places[b * len(batch.pages[0].glyphs)] - b * batch.prefix.shape[1]
        assert ids[start] == tokens.IMAGE_PAD and ids[start - 1] == tokens.VISION_START
        assert prompt.parts[0].encode() in bytes(int(i) if i < 256 else 0 for i in ids[:start])
    assert set(batch.bound.values // batch.prefix.shape[1]) == {0}  # what belongs to what is taught once


def test_where_an_answer_begins_and_its_question_is_are_known():
    prompts = curriculum.asked_first(random.Random(3), curriculum.STAGES[9], 1.0)
    batch = collate(prompts)
    assert len(batch.asked.row) >= len(prompts) // 2
    for row, at, start, end in zip(batch.asked.row, batch.asked.at, batch.asked.first, batch.asked.end, strict=True):
        prompt, width = prompts[row], batch.prefix.shape[1]
        assert bytes(batch.prefix[row, start:end].tolist()).decode() == prompt.parts[prompt.question]
        answer = prompt.asked[0][1].encode()
        assert bytes(batch.targets[row, at - width : at - width + len(answer)].tolist()) == answer


def test_judgements_know_the_values_that_they_follow_from():
    shown = page(7, True)
    found = [f for f in shown.content.facts if f.label in shown.bindings.names]  # what stands in running text is not taught
    asked = questions.judgements(random.Random(1), found, 12)
    batch = collate([Episode([shown], [questions.fact_question(random.Random(1), shown.content.facts[0]), *asked])])
    width = batch.prefix.shape[1]
    assert len(batch.judged.row) == len(asked) > 4
    for (_, answer), at, of in zip(asked, batch.judged.at, batch.judged.of, strict=True):
        assert bytes(batch.targets[0, at - width : at - width + len(answer.encode())].tolist()).decode() == answer
        assert set(of) <= set(batch.bound.wanted[:, 0])
    assert {len(set(qa.labels)) for qa in asked} == {1, 2}


def test_texts_around_documents_leave_the_documents_in_order():
    shown = [page(i) for i in range(3)]
    changed = 0
    for seed in range(30):
        episode = Episode(list(shown), [])
        arrangement.surround(random.Random(seed), episode)
        assert all(a is b for a, b in zip(episode.pages, shown, strict=True))
        changed += len(episode.parts) > 3
    assert 5 < changed < 25


def test_schemas_name_fields():
    r = random.Random(2)
    assert {phrasing.key_of(r, "Invoice No.") for _ in range(99)} >= {"invoice_no", "invoiceNo", "InvoiceNo", "invoice-no", "INVOICE_NO"}
    assert not any(vocabulary.held_out(label) for label in phrasing.DESCRIPTIONS)
    kept = {found[-1] for found in phrasing.DESCRIPTIONS.values()}
    said = {phrasing.description_of(r, label) for label in phrasing.DESCRIPTIONS for _ in range(9)}
    assert len(kept) == len(phrasing.DESCRIPTIONS) and not kept & said
