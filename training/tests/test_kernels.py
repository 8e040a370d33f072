"""The attention kernel computes what PyTorch's attention computes, forward and backward."""

import random
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F

from madakv_training import kernels
from madakv_training.batches import collate
from madakv_training.config import BASE
from madakv_training.curriculum import STAGES, several
from madakv_training.feed import feed
from madakv_training.model import Reader


@pytest.fixture(params=kernels.KINDS)
def kind(request) -> Iterator[str]:
    """A kernel that this processor has: which one it is is no matter to what it computes."""
    if obstacle := kernels.use(request.param):
        pytest.skip(f"no such attention kernel here: {obstacle}")
    yield request.param
    kernels.stop()


def tensors(shape: tuple[int, ...]) -> torch.Tensor:
    batch, heads, n, dim = shape
    return torch.randn(batch, n, heads, dim).bfloat16().transpose(1, 2).requires_grad_()


def near(a: torch.Tensor, b: torch.Tensor, most: float = 0.006) -> bool:
    return bool((a.float() - b.float()).norm() <= most * b.float().norm())


@pytest.mark.parametrize(("prefix", "branch", "heads", "own"), [(77, 45, 8, 4), (128, 0, 6, 6), (300, 333, 4, 1), (1, 31, 2, 2)])
def test_it_is_attention_over_two_runs_of_keys(kind, prefix, branch, heads, own):
    torch.manual_seed(prefix)
    n = prefix + branch
    q, k, v = tensors((2, heads, n, 32)), tensors((2, own, n, 32)), tensors((2, own, n, 32))
    at = torch.arange(n, dtype=torch.int32)
    ranges = torch.zeros(3, 2, n, dtype=torch.int32)
    ranges[0] = torch.where(at < prefix, at + 1, prefix)
    ranges[0, 1, prefix:] = prefix // 2
    ranges[1] = torch.where(at < prefix, 0, prefix + (at - prefix) // 20 * 20)
    ranges[2] = torch.where(at < prefix, 0, at + 1)
    slopes = torch.randn(2, heads, n, 32).bfloat16()
    out = kernels.attention(q, k, v, ranges)
    found = torch.autograd.grad(out, (q, k, v), slopes)
    end, start2, end2 = ranges.unsqueeze(-1)
    seen = ((at < end) | ((at >= start2) & (at < end2))).unsqueeze(1)
    wide = [t.detach().float().requires_grad_() for t in (q, k, v)]
    expected = F.scaled_dot_product_attention(wide[0], *(t.repeat_interleave(heads // own, 1) for t in wide[1:]), attn_mask=seen)
    assert near(out, expected)
    for a, b in zip(found, torch.autograd.grad(expected, wide, slopes.float()), strict=True):
        assert near(a, b)


def test_operators_are_registered_as_pytorch_wants_them(kind):
    q, k, v = tensors((1, 4, 40, 32)), tensors((1, 2, 40, 32)), tensors((1, 2, 40, 32))
    torch.library.opcheck(getattr(torch.ops.madakv, f"attention_{kind}").default, (q, k, v, kernels.everything(q, k)), test_utils=("test_schema", "test_faketensor", "test_autograd_registration"))


def test_a_batch_means_the_same_by_ranges_as_by_a_mask(kind):
    torch.manual_seed(1)
    model = Reader(BASE)
    batch = collate(several(random.Random(4), STAGES[9], 0.3))
    answers, slopes = [], []
    for ranges in (True, False):
        if not ranges:
            kernels.stop()
        fed = feed(batch, torch.device("cpu"), ranges)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, *_ = model(fed.prefix, fed.pages, fed.branches, fed.positions, fed.mask)
        model.zero_grad()
        (logits.float().square().mean(-1) * fed.weights).sum().backward()
        answers.append(logits[fed.weights > 0].detach())
        slopes.append(torch.cat([p.grad.flatten() for n, p in model.named_parameters() if n.startswith(("visual", "model.layers"))]))
    assert near(answers[0], answers[1], 0.03)
    assert near(slopes[0], slopes[1], 0.05)
