"""Muon for the matrices of the blocks, AdamW for embeddings, heads, norms and biases; a running average of the weights."""

from __future__ import annotations

import torch
from torch import nn

from .weights import SUPERVISION


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
    """-> matrices for Muon, other matrices, vectors."""
    matrices, tables, vectors = [], [], []
    for name, p in model.named_parameters():
        if p.dim() < 2:
            vectors.append(p)
        elif "embed" in name or name.split(".")[0] in SUPERVISION:
            tables.append(p)
        else:
            matrices.append(p)
    return matrices, tables, vectors


class Optimizers:
    """lr is AdamW's; Muon's steps are scaled to the same root mean square, so one rate serves both."""

    def __init__(self, model: nn.Module, lr: float, muon: bool, muon_lr: float) -> None:
        matrices, tables, vectors = split_parameters(model)
        adam = [{"params": tables, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
        if not muon:
            adam.append({"params": matrices, "weight_decay": 0.05})
        self.all: list[torch.optim.Optimizer] = [torch.optim.AdamW(adam, lr=lr, betas=(0.9, 0.98))]
        if muon:
            self.all.append(torch.optim.Muon(matrices, lr=muon_lr, momentum=0.95, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"))
        self.base = [[g["lr"] for g in o.param_groups] for o in self.all]

    def scale(self, factor: float) -> None:
        """Sets every learning rate to factor times its base."""
        for optimizer, rates in zip(self.all, self.base, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def zero(self) -> None:
        for o in self.all:
            o.zero_grad(set_to_none=True)

    def step(self) -> None:
        for o in self.all:
            o.step()

    def state(self) -> list[dict]:
        return [o.state_dict() for o in self.all]

    def load(self, states: list[dict]) -> None:
        for o, s in zip(self.all, states, strict=True):
            rates = [g["lr"] for g in o.param_groups]
            o.load_state_dict(s)
            for g, rate in zip(o.param_groups, rates, strict=True):  # the rates of this run hold, not those of the last
                g["lr"] = rate


class Average:
    """Exponential moving average of the weights: most of what annealing gives, at any moment."""

    def __init__(self, model: nn.Module, decay: float = 0.998) -> None:
        self.decay = decay
        self.names = [n for n, _ in model.named_parameters()]
        self.weights = [p.detach().clone() for p in model.parameters()]
        self.steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 20))
        torch._foreach_lerp_(self.weights, [p.detach() for p in model.parameters()], 1 - decay)

    def state(self) -> dict[str, torch.Tensor]:
        return dict(zip(self.names, self.weights, strict=True))

    def load(self, state: dict[str, torch.Tensor]) -> None:
        for n, w in zip(self.names, self.weights, strict=True):
            w.copy_(state[n])
        self.steps = 10000
