"""The blocks of Qwen2.5-VL: RMSNorm, rotary positions, SwiGLU, vision and decoder layers. Names follow the published checkpoint."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import kernels
from .config import ReaderConfig


class RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        out = F.rms_norm(x.float(), self.weight.shape, self.weight, 1e-6)
        # Several products read it: under autocast each would convert it again.
        return out.to(torch.get_autocast_dtype(x.device.type)) if torch.is_autocast_enabled(x.device.type) else out


class SwiGLU(nn.Module):
    def __init__(self, width: int, ff: int, bias: bool) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, ff, bias=bias)
        self.up_proj = nn.Linear(width, ff, bias=bias)
        self.down_proj = nn.Linear(ff, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


def turned(weight: Tensor, heads: int) -> Tensor:
    """Rows of a projection [heads * dim, ...] such that it yields (-b, a) where the projection yields (a, b): the other half of a rotation."""
    w = weight.view(heads, 2, -1, *weight.shape[1:])
    return torch.stack([-w[:, 1], w[:, 0]], 1).view_as(weight)


def rotated(x: Tensor, weight: Tensor, bias: Tensor, heads: int, cos: Tensor, sin: Tensor) -> Tensor:
    """A projection of x [..., width] to heads * dim, turned by angles given as cos, sin [..., heads * dim or broadcastable, both halves alike].

    A second product with the turned weights is much cheaper than moving halves of heads about in memory.
    """
    a = F.linear(x, weight, bias)
    b = F.linear(x, turned(weight, heads), turned(bias, heads))
    return torch.addcmul(a * cos.to(a.dtype), b, sin.to(a.dtype))


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """softmax(q k^T / sqrt(dim) + mask) v over [..., heads, tokens, dim]; mask is added (0 or very negative).

    On CPUs the fused kernel's backward pass is several times slower than plain products for short sequences.
    """
    if kernels.ready() and mask is None and not causal and k.shape[-2] > 256 and q.dtype == torch.bfloat16 and q.shape[-1] == kernels.DIM:
        return kernels.attention(q, k, v, kernels.everything(q, k))
    if q.is_cuda or k.shape[-2] > 256:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=None if mask is None else mask.to(q.dtype), is_causal=causal)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if causal:
        mask = torch.full(scores.shape[-2:], -1e4, dtype=scores.dtype, device=q.device).triu(1 + k.shape[-2] - q.shape[-2])
    if mask is not None:
        scores = scores + mask.to(scores.dtype)
    return torch.softmax(scores, -1).to(v.dtype) @ v


def text_angles(positions: Tensor, config: ReaderConfig) -> tuple[Tensor, Tensor]:
    """M-RoPE. positions [3 (time, row, column), batch, tokens] -> cos, sin [batch, tokens, heads * head_dim]: both halves of a head alike."""
    half = config.head_dim // 2
    freq = config.rope_theta ** (-torch.arange(half, device=positions.device, dtype=torch.float32) / half)
    axis = torch.tensor([i % 3 for i, n in enumerate(config.mrope_section) for _ in range(n)], device=positions.device)
    angles = positions.float().permute(1, 2, 0)[:, :, axis] * freq
    angles = torch.cat([angles, angles], -1)
    return tuple(f.repeat(1, 1, config.heads) for f in (angles.cos(), angles.sin()))


def vision_angles(rows: Tensor, columns: Tensor, head_dim: int, heads: int) -> tuple[Tensor, Tensor]:
    """Patch rows and columns [patches] -> cos, sin [patches, heads * head_dim]: half of the frequencies for each axis, both halves of a head alike."""
    quarter = head_dim // 4
    freq = 10000.0 ** (-torch.arange(quarter, device=rows.device, dtype=torch.float32) / quarter)
    angles = torch.cat([rows.unsqueeze(-1).float() * freq, columns.unsqueeze(-1).float() * freq] * 2, -1)
    return angles.cos().repeat(1, heads), angles.sin().repeat(1, heads)


class VisionAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        """x [groups, tokens, width]; attention stays inside a group. mask [groups, 1, 1, tokens], 0 where a key exists, else very negative."""
        groups, tokens, width = x.shape
        w, b = self.qkv.weight, self.qkv.bias
        qk = rotated(x, w[: 2 * width], b[: 2 * width], 2 * self.heads, cos, sin)
        q, k = qk.view(groups, tokens, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        v = F.linear(x, w[2 * width :], b[2 * width :]).view(groups, tokens, self.heads, -1).transpose(1, 2)
        out = attention(q, k, v, mask)
        return self.proj(out.transpose(1, 2).reshape(groups, tokens, width))


class VisionBlock(nn.Module):
    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(config.vision_width), RMSNorm(config.vision_width)
        self.attn = VisionAttention(config.vision_width, config.vision_heads)
        self.mlp = SwiGLU(config.vision_width, config.vision_ff, bias=True)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.attn(self.norm1(x), cos, sin, mask)
        return x + self.mlp(self.norm2(x))


class Attention(nn.Module):
    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.dim, self.groups = config.head_dim, config.heads // config.kv_heads
        self.q_proj = nn.Linear(config.width, config.heads * self.dim)
        self.k_proj = nn.Linear(config.width, config.kv_heads * self.dim)
        self.v_proj = nn.Linear(config.width, config.kv_heads * self.dim)
        self.o_proj = nn.Linear(config.width, config.width, bias=False)

    def split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], -1, self.dim).transpose(1, 2)

    def keys_values(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """x [batch, tokens, width] -> k, v [batch, kv_heads, tokens, dim], k already rotated."""
        return self.split(self.turn(self.k_proj, x, cos, sin)), self.split(self.v_proj(x))

    def queries(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        return self.split(self.turn(self.q_proj, x, cos, sin))

    def turn(self, proj: nn.Linear, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        heads = proj.out_features // self.dim
        return rotated(x, proj.weight, proj.bias, heads, cos[..., : heads * self.dim], sin[..., : heads * self.dim])

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        k, v = (t.repeat_interleave(self.groups, 1) for t in (k, v))
        out = attention(q, k, v, mask, causal)
        return out.transpose(1, 2).flatten(2)


class DecoderBlock(nn.Module):
    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(config.width), RMSNorm(config.width)
        self.self_attn = Attention(config)
        self.mlp = SwiGLU(config.width, config.ff, bias=False)

    def forward(self, x: Tensor, prefix: int, cos: Tensor, sin: Tensor, mask: Tensor, only_branches: bool) -> Tensor:
        """x [batch, prefix + branch tokens, width].

        The shared prefix attends causally to itself, the packed branches to what mask [batch, 1, branch tokens, all tokens] (0 or very negative) allows;
        or all tokens to what ranges [3, batch, all tokens] (kernels.attention) in its place allow.
        With only_branches the prefix serves as keys and values alone and is not returned (the last layer needs no more).
        """
        attn = self.self_attn
        h = self.input_layernorm(x)
        k, v = attn.keys_values(h, cos, sin)
        if only_branches:
            x, h, cos, sin = x[:, prefix:], h[:, prefix:], cos[:, prefix:], sin[:, prefix:]
        q = attn.queries(h, cos, sin)
        first = 0 if only_branches else prefix
        if mask.dtype == torch.int32:
            out = kernels.attention(q, k, v, mask[:, :, prefix - first :]).transpose(1, 2).flatten(2)
            x = x + attn.o_proj(out)
            return x + self.mlp(self.post_attention_layernorm(x))
        out = attn.attend(q[:, :, first:], k, v, mask, False)
        if first:
            out = torch.cat([attn.attend(q[:, :, :first], k[:, :, :first], v[:, :, :first], None, True), out], 1)
        x = x + attn.o_proj(out)
        return x + self.mlp(self.post_attention_layernorm(x))

    def step(self, x: Tensor, cos: Tensor, sin: Tensor, cache: list[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        """Plain causal decoding: x [batch, new tokens, width], cache k, v [batch, kv_heads, past, dim] -> x and the longer cache."""
        attn = self.self_attn
        h = self.input_layernorm(x)
        k, v = attn.keys_values(h, cos, sin)
        if cache is not None:
            k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
        q = attn.queries(h, cos, sin)
        x = x + attn.o_proj(attn.attend(q, k, v, None, causal=cache is None))
        return x + self.mlp(self.post_attention_layernorm(x)), [k, v]
