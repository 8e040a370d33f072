"""Means of checkpoints."""

import pytest
import torch

from madakv_training import checkpoint, soup
from madakv_training.checkpoint import Progress
from madakv_training.config import MODELS
from madakv_training.model import Reader
from madakv_training.optim import Average


def saved(folder, seed):
    torch.manual_seed(seed)
    model = Reader(MODELS["cpu"])
    checkpoint.save(folder, model, None, Average(model, 0.9), Progress(step=seed), f"{seed}.pt")
    checkpoint.settle()
    return folder / f"{seed}.pt"


def test_the_mean_is_weighted_and_can_be_read(tmp_path):
    paths = [saved(tmp_path, seed) for seed in (1, 2)]
    states = [checkpoint.load(p, torch.device("cpu")) for p in paths]
    torch.save(soup.mean([(states[0], 1.0), (states[1], 3.0)]), tmp_path / "mean.pt")
    a, b, c = (checkpoint.reader_of(p).state_dict() for p in (*paths, tmp_path / "mean.pt"))
    for name in a:
        torch.testing.assert_close(c[name], 0.25 * a[name] + 0.75 * b[name])
    assert checkpoint.load(tmp_path / "mean.pt", torch.device("cpu"))["progress"]["step"] == 1


def test_weights_and_architectures_are_checked():
    state = {"config": {"width": 1}, "average": {"w": torch.ones(1)}}
    assert soup.part("a.pt=0.5")[1] == 0.5 and soup.part("a.pt")[1] == 1
    with pytest.raises(ValueError, match="not all 0"):
        soup.mean([(state, 0.0)])
    with pytest.raises(ValueError, match="at least 0"):
        soup.mean([(state, 2.0), (state, -1.0)])
    with pytest.raises(ValueError, match="one architecture"):
        soup.mean([(state, 1.0), ({**state, "config": {"width": 2}}, 1.0)])
