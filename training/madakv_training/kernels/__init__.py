"""Attention for training on CPUs with AMX: several times as fast as PyTorch's there, and it skips what branches do not see. Built where it is used."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.utils import cpp_extension

DIM = 32
FLAGS = ["-O3", "-march=sapphirerapids", "-fno-math-errno", "-fopenmp"]

_ready = False


def ready() -> bool:
    """Whether use() has made attention() usable."""
    return _ready


def use() -> str | None:
    """Builds the kernel (needs g++ and ninja; half a minute, once). -> why it cannot be used, or None if it can."""
    global _ready
    if _ready:
        return None
    try:
        cpp_extension.load("madakv_attention", [str(Path(__file__).with_name("attention.cpp"))], extra_cflags=FLAGS, is_python_module=False)
    except (OSError, RuntimeError) as e:
        return f"not built: {str(e).splitlines()[0]}"
    if not torch.ops.madakv.attention_available():
        return "the processor has no AMX"
    torch.library.register_fake("madakv::attention")(_outputs)
    torch.library.register_fake("madakv::attention_backward")(_gradients)
    torch.library.register_autograd("madakv::attention", _backward, setup_context=_keep)
    _ready = True
    return None


def attention(q: Tensor, k: Tensor, v: Tensor, ranges: Tensor) -> Tensor:
    """q bf16 [batch, heads, Q, 32], k, v bf16 [batch, KV heads, K, 32], ranges int32 [3, batch, Q]: a query sees the keys below ranges[0] and those from ranges[1]
    to below ranges[2], at least one. -> softmax(q k^T / sqrt(32)) v, like q, the heads of a token side by side in memory."""
    return torch.ops.madakv.attention(q, k, v, ranges)[0]


def everything(q: Tensor, k: Tensor) -> Tensor:
    """Ranges of queries that see all keys."""
    out = torch.zeros(3, q.shape[0], q.shape[2], dtype=torch.int32, device=q.device)
    out[0] = k.shape[2]
    return out


def _like(t: Tensor) -> Tensor:
    return t.new_empty(t.shape[0], t.shape[2], t.shape[1], t.shape[3]).transpose(1, 2)


def _outputs(q: Tensor, k: Tensor, v: Tensor, ranges: Tensor) -> tuple[Tensor, Tensor]:
    return _like(q), q.new_empty(q.shape[:3], dtype=torch.float32)


def _gradients(dout: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, ranges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return _like(q), _like(k), _like(v)


def _keep(ctx, inputs, output) -> None:
    q, k, v, ranges = inputs
    ctx.save_for_backward(q, k, v, *output, ranges)


def _backward(ctx, dout: Tensor, _dlse: Tensor):
    return *torch.ops.madakv.attention_backward(dout, *ctx.saved_tensors), None
