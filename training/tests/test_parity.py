"""The exported checkpoint is Qwen2.5-VL: transformers loads it without custom code and computes the same."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from madakv_training import infer, tokens
from madakv_training.batches import branch, collate, patches
from madakv_training.bindings import LAST_PAGE
from madakv_training.checkpoint import reader_from_folder
from madakv_training.config import MODELS
from madakv_training.content import Page
from madakv_training.curriculum import STAGES, single
from madakv_training.documents import Scene
from madakv_training.documents import pages as pages_of_a_document
from madakv_training.episode import Episode
from madakv_training.export import export_model
from madakv_training.feed import feed
from madakv_training.glyphs import CLASSES, NAME_CHARS, SLOTS
from madakv_training.layers import text_angles
from madakv_training.losses import binding_loss
from madakv_training.model import Bound, Reader, attended, judged, opened, recalled
from madakv_training.questions import judgements
from madakv_training.weights import SUPERVISION

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    model = Reader(MODELS["tiny"])
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.15) if p.dim() > 1 else torch.nn.init.normal_(p, mean=1.0, std=0.1)
    folder = tmp_path_factory.mktemp("tiny")
    export_model(model.eval(), folder, dtype=torch.float32)
    return model, folder


def page(seed: int, rows: int, columns: int) -> Page:
    pixels = np.random.default_rng(seed).integers(0, 255, (rows * 28, columns * 28, 3)).astype(np.uint8)
    return Page(pixels, (rows, columns), np.zeros((rows * columns, SLOTS), np.uint8), None)


def test_same_logits_for_two_pages_and_text(exported):
    model, folder = exported
    pages = [page(1, 5, 7), page(2, 9, 4)]
    theirs = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    content = [{"type": "image"}, {"type": "text", "text": "Note: größe 12 €. "}, {"type": "image"}, {"type": "text", "text": "What is the total?"}]
    text = processor.apply_chat_template([{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(text=[text], images=[Image.fromarray(p.pixels) for p in pages], return_tensors="pt")
    episode = Episode([pages[0], "Note: größe 12 €. ", pages[1]], [], system="Be brief.")
    ids, positions, ours = infer.prompt(episode, "What is the total?")
    assert inputs["input_ids"][0].tolist() == ids
    with torch.inference_mode():
        expected = theirs(**inputs).logits[0, -1]
        x, _ = model.embed(torch.tensor([ids]), ours)
        got, _ = infer.run(model, x, torch.from_numpy(positions).unsqueeze(1), None)
    assert torch.allclose(expected, got, atol=2e-3), (expected - got).abs().max()


def test_patches_are_the_image_processors(exported):
    _, folder = exported
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    p = page(3, 4, 6)
    theirs = processor(images=Image.fromarray(p.pixels), return_tensors="pt")["pixel_values"].view(-1, 3, 2, 14 * 14)
    ours = (torch.from_numpy(patches(p.pixels)).float() / 255 - 0.5) / 0.5
    assert torch.allclose(theirs[:, :, 0].flatten(1), ours, atol=1e-5)
    assert torch.equal(theirs[:, :, 0], theirs[:, :, 1])


def test_a_packed_question_computes_what_it_computes_alone(exported):
    model, _ = exported
    r = random.Random(5)
    episode = None
    while episode is None or len(episode.asked) < 3:
        episode = single(r, STAGES[4], (13, 18))
    with torch.inference_mode():
        f = feed(collate([episode]), torch.device("cpu"))
        packed, *_ = model(f.prefix, f.pages, f.branches, f.positions, f.mask.float())
        f = feed(collate([Episode(episode.parts, [episode.asked[2]], episode.system, episode.bridge)]), torch.device("cpu"))
        alone, *_ = model(f.prefix, f.pages, f.branches, f.positions, f.mask.float())
    start = sum(len(tokens.encode(q)) + len(tokens.answer_cue()) + len(tokens.encode(a)) + 1 for q, a in episode.asked[:2])
    length = sum(len(tokens.encode(t)) for t in episode.asked[2])
    assert torch.allclose(packed[0, start : start + length], alone[0, :length], atol=1e-3)


def test_a_conversation_has_the_templates_form(exported):
    _, folder = exported
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    turns = [("What is the total?", "12.50 €"), ("Due date?", "not stated")]
    messages = [m for q, a in turns for m in ({"role": "user", "content": q}, {"role": "assistant", "content": a})]
    theirs = tokenizer.apply_chat_template(messages, tokenize=False)
    ids = tokens.turn_start("user") + branch(turns)[0]
    assert tokenizer.decode(ids) + "\n" == theirs
    assert tokenizer(theirs)["input_ids"] == [*ids, *tokens.encode("\n")]


def test_shards_hold_every_weight_once(exported, tmp_path):
    model, _ = exported
    export_model(model, tmp_path, shard_bytes=100_000)
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    again = reader_from_folder(tmp_path)
    for name, w in model.state_dict().items():
        if name.split(".")[0] not in SUPERVISION:
            assert torch.allclose(w, again.state_dict()[name], rtol=1e-2, atol=1e-3), name


def test_attention_on_labels_is_what_the_block_computes():
    model, episode = Reader(MODELS["tiny"]).eval(), next(e for s in range(99) if (e := single(random.Random(s), STAGES[6], (12, 16))) and e.pages[0].bindings.values)
    f = feed(collate([episode]), torch.device("cpu"))
    block, seen = model.model.layers[0], {}
    with torch.no_grad():
        x, _ = model.embed(f.prefix, f.pages)
        cos, sin = text_angles(f.positions, model.config)
        cos, sin = cos[:, : x.shape[1]], sin[:, : x.shape[1]]
        found = attended(block, x, cos, sin, f.bound)
        h = block.input_layernorm(x)
        q, k = block.self_attn.queries(h, cos, sin), block.self_attn.keys_values(h, cos, sin)[0]
        scores = (q[0, 0] @ k[0, 0].T * block.self_attn.dim**-0.5).masked_fill(torch.ones(x.shape[1], x.shape[1]).triu(1) > 0, -torch.inf)
        seen = torch.softmax(scores, -1)
    at, label = int(f.bound.values[0]), int(f.bound.wanted[0, 0])
    share = seen[at][f.bound.start_of[0] == label].sum()
    assert torch.isclose(found[0].exp(), share, atol=1e-6)


def test_attention_to_an_early_question_is_what_the_block_computes():
    model, shown = Reader(MODELS["tiny"]).eval(), page(1, 4, 5)
    episodes = [Episode([q, shown], [("", a)], question=0) for q, a in (("Total?", "12"), ("What is the date? ", "May"))]
    f = feed(collate(episodes), torch.device("cpu"))
    block, width = model.model.layers[0], f.prefix.shape[1]
    with torch.no_grad():
        x, _ = model.embed(f.prefix, f.pages)
        x = torch.cat([x, model.model.embed_tokens(f.branches)], 1)
        cos, sin = text_angles(f.positions, model.config)
        found = recalled(block, x, cos, sin, f.asked, width, slice(0, 2)).view(2, 2)
        for b, episode in enumerate(episodes):
            ids, _, _ = infer.prompt(episode, "")
            own = [*range(int(f.asked.lengths[b])), *range(width, int(f.asked.at[b]) + 1)]
            assert torch.cat([f.prefix[b], f.branches[b]])[own].tolist() == ids
            h = block.input_layernorm(x[b : b + 1, own])
            q, k = block.self_attn.queries(h, cos[b : b + 1, own], sin[b : b + 1, own]), block.self_attn.keys_values(h, cos[b : b + 1, own], sin[b : b + 1, own])[0]
            for head in range(2):
                seen = torch.softmax(q[0, head, -1] @ k[0, 0].T * block.self_attn.dim**-0.5, -1)
                start, end = f.asked.first[b], f.asked.end[b]
                assert torch.isclose(found[b, head].exp(), seen[start:end].sum(), atol=1e-5)


def test_attention_to_values_that_a_judgement_follows_from_is_what_the_block_computes():
    model, episodes = Reader(MODELS["tiny"]).eval(), []
    for seed in range(99):
        if len(episodes) < 2 and (e := single(random.Random(seed), STAGES[6], (12, 16))) and (asked := judgements(random.Random(seed), e.pages[0].content.facts, 6)):
            episodes.append(Episode(e.parts, [("Total?", "12"), *asked]))
    f = feed(collate(episodes), torch.device("cpu"))
    block, width = model.model.layers[0], f.prefix.shape[1]
    with torch.no_grad():
        x, _ = model.embed(f.prefix, f.pages)
        x = torch.cat([x, model.model.embed_tokens(f.branches)], 1)
        cos, sin = text_angles(f.positions, model.config)
        found = judged(block, x, cos, sin, f.judged, f.bound, slice(0, 2)).view(-1, 2)
        assert len(found) == len(f.judged.row) > 4
        for i, (b, at) in enumerate(zip(f.judged.row.tolist(), f.judged.at.tolist(), strict=True)):
            ids, _, _ = infer.prompt(episodes[b], episodes[b].asked[int(f.owner[b, at - width])][0])
            own = [*range(int(f.judged.lengths[b])), *range(int(f.judged.begin[i]), at + 1)]
            assert torch.cat([f.prefix[b], f.branches[b]])[own].tolist() == ids
            h = block.input_layernorm(x[b : b + 1, own])
            q, k = block.self_attn.queries(h, cos[b : b + 1, own], sin[b : b + 1, own]), block.self_attn.keys_values(h, cos[b : b + 1, own], sin[b : b + 1, own])[0]
            for head in range(2):
                seen = torch.softmax(q[0, head, -1] @ k[0, 0].T * block.self_attn.dim**-0.5, -1)
                values = [int(v) - b * width for v, w in zip(f.bound.values, f.bound.wanted[:, 0], strict=True) if w == f.judged.of[i, head]]
                assert torch.isclose(found[i, head].exp(), seen[values].sum(), atol=1e-5)


def test_attention_to_the_beginning_of_a_page_is_what_the_block_computes():
    model = Reader(MODELS["tiny"]).eval()
    shown = pages_of_a_document(random.Random(5), Scene((8, 12)), 2, 3, 2)
    f = feed(collate([shown]), torch.device("cpu"))
    block, width = model.model.layers[0], f.prefix.shape[1]
    with torch.no_grad():
        x, _ = model.embed(f.prefix, f.pages)
        cos, sin = (t[:, :width] for t in text_angles(f.positions, model.config))
        found = opened(block, x, cos, sin, f.bound)
        h = block.input_layernorm(x)
        q, k = block.self_attn.queries(h, cos, sin), block.self_attn.keys_values(h, cos, sin)[0]
        scores = (q[0, 1] @ k[0, 0].T * block.self_attn.dim**-0.5).masked_fill(torch.ones(width, width).triu(1) > 0, -torch.inf)
    expected = torch.softmax(scores, -1)[f.bound.placed, f.bound.opens]
    assert len(found) == len(f.bound.placed) > 4 and torch.allclose(found.exp(), expected, atol=1e-6)


def test_values_without_a_name_in_sight_leave_the_loss_finite():
    bound = Bound(torch.zeros(2, NAME_CHARS * CLASSES), torch.zeros(0), torch.zeros(0, 1 + LAST_PAGE), torch.zeros(0), torch.zeros(0), torch.zeros(0))
    assert torch.isfinite(binding_loss(bound, torch.zeros(2, NAME_CHARS), torch.zeros(0)))
