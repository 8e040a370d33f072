"""Attention for training on CPUs that multiply bfloat16 (AMX, or AVX-512 BF16): several times as fast as PyTorch's there, and it skips what branches do not see.
Built where it is used."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.utils import cpp_extension

DIM = 32
# What every CPU that either kind of kernel runs on can do; the tile instructions are in the file, but only CPUs that have them get there.
FLAGS = ["-O3", "-march=x86-64-v4", "-mavx512bf16", "-mamx-tile", "-mamx-bf16", "-fno-math-errno", "-fopenmp"]
KINDS = {"amx": "AMX tiles", "lanes": "AVX-512 BF16"}  # the fastest first

_built = False
_kind: str | None = None


def ready() -> bool:
    """Whether use() has made attention() usable."""
    return _kind is not None


def name() -> str:
    """What the kernel in use multiplies with."""
    return KINDS[_kind] if _kind else "none"


def _build() -> str | None:
    """Compiles both kinds and makes them known to PyTorch (needs g++ and ninja; half a minute, once). -> why that failed, or None."""
    global _built
    if _built:
        return None
    try:
        cpp_extension.load("madakv_attention", [str(Path(__file__).with_name("attention.cpp"))], extra_cflags=FLAGS, is_python_module=False)
    except (OSError, RuntimeError) as e:
        return f"not built: {str(e).splitlines()[0]}"
    for kind in KINDS:
        forward, backward = f"madakv::attention_{kind}", f"madakv::attention_{kind}_backward"
        torch.library.register_fake(forward)(_outputs)
        torch.library.register_fake(backward)(_gradients)
        torch.library.register_autograd(forward, _backward(f"attention_{kind}_backward"), setup_context=_keep)
    _built = True
    return None


def use(kind: str | None = None) -> str | None:
    """Makes attention() compute with this kind of kernel, or with the fastest that the processor has. -> why it cannot, or None if it can."""
    global _kind
    if failed := _build():
        return failed
    for k in KINDS if kind is None else [kind]:
        if getattr(torch.ops.madakv, f"has_{k}")():
            _kind = k
            return None
    return f"the processor has no {' and no '.join(KINDS.values() if kind is None else [KINDS[kind]])}"


def stop() -> None:
    """Back to PyTorch's attention."""
    global _kind
    _kind = None


def attention(q: Tensor, k: Tensor, v: Tensor, ranges: Tensor) -> Tensor:
    """q bf16 [batch, heads, Q, 32], k, v bf16 [batch, KV heads, K, 32], ranges int32 [3, batch, Q]: a query sees the keys below ranges[0] and those from ranges[1]
    to below ranges[2], at least one. -> softmax(q k^T / sqrt(32)) v, like q, the heads of a token side by side in memory."""
    op = torch.ops.madakv.attention_amx if _kind == "amx" else torch.ops.madakv.attention_lanes
    return op(q, k, v, ranges)[0]


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


def _backward(operator: str):
    def backward(ctx, dout: Tensor, _dlse: Tensor):
        return *getattr(torch.ops.madakv, operator)(dout, *ctx.saved_tensors), None

    return backward
