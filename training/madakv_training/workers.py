"""Processes that generate batches while the model trains."""

from __future__ import annotations

import contextlib
import os
import queue
import random
import threading

import torch.multiprocessing as mp

from .batches import Batch, collate
from .curriculum import episodes

REHEARSAL = 0.1  # share of batches from earlier stages


def _work(worker: int, seed: int, stage, scale: float, out, nice: int) -> None:
    os.nice(nice)
    if hasattr(os, "sched_setaffinity"):  # the training process may be pinned to its cores; its helpers need not be
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
    r = random.Random(seed * 1000 + worker)
    parent = os.getppid()
    while os.getppid() == parent:  # an orphan ends
        at = stage.value
        index = r.randrange(at) if at and r.random() < REHEARSAL else at
        episode_seed = r.getrandbits(48)
        batch = collate(episodes(random.Random(episode_seed), index, scale), index)
        while os.getppid() == parent:
            try:
                out.put(batch, timeout=10)
                break
            except queue.Full:
                pass


class Supply:
    """Batches of the current stage from n worker processes. Set stage to move on; batches under way still come from the old one."""

    def __init__(self, workers: int, seed: int, stage: int, scale: float, nice: int = 10, depth: int = 3) -> None:
        context = mp.get_context("spawn")
        self._stage = context.Value("i", stage)
        self._ready: queue.Queue[Batch] = queue.Queue(maxsize=3)
        self._queue = context.Queue(maxsize=max(depth, 2 * workers))
        self._processes = [context.Process(target=_work, args=(i, seed, self._stage, scale, self._queue, nice), daemon=True) for i in range(workers)]
        for p in self._processes:
            p.start()
        threading.Thread(target=self._fetch, daemon=True).start()

    def _fetch(self) -> None:
        """Takes batches out of the pipe while the model is busy."""
        while True:
            self._ready.put(self._queue.get())

    @property
    def stage(self) -> int:
        return self._stage.value

    @stage.setter
    def stage(self, value: int) -> None:
        self._stage.value = value

    def next(self) -> Batch:
        while True:
            try:
                return self._ready.get(timeout=30)
            except queue.Empty:
                if not all(p.is_alive() for p in self._processes):
                    raise RuntimeError("a generator process died") from None

    def close(self) -> None:
        for p in self._processes:
            p.terminate()
