"""python -m madakv_training.train --out DIR --minutes M: trains, checkpoints, resumes, and leaves the weights in DIR."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from . import checkpoint, kernels
from .checkpoint import Progress
from .config import MODELS, ReaderConfig
from .curriculum import STAGES
from .feed import feed
from .losses import Score, accuracy, answer_loss, binding_loss, glyph_accuracy, reading_loss
from .model import Reader
from .optim import Average, Optimizers
from .weights import SUPERVISION
from .workers import Supply

BINDING = 0.25  # weight of the loss on what values are the values of


@dataclass(frozen=True)
class Preset:
    model: str
    batch_scale: float  # times the visual tokens of a stage's batch
    workers: int
    threads: int
    minimum: int  # steps before a stage may be left


PRESETS = {"cpu": Preset("cpu", 1.0, 1, 1, 60), "gpu": Preset("gpu", 12.0, 14, 2, 60), "gpu-small": Preset("cpu", 12.0, 14, 2, 60)}


def processor() -> str:
    """What trains, in words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        model = next(line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model}, PyTorch's products use {torch.backends.cpu.get_cpu_capability()}"


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="madakv_training.train", description=__doc__)
    p.add_argument("--preset", choices=PRESETS, default="cpu")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--minutes", type=float, required=True)
    p.add_argument("--fresh", action="store_true", help="start anew even if there is a checkpoint")
    p.add_argument("--from", dest="start", type=Path, help="checkpoint, or exported folder, to start from if --out has none")
    p.add_argument("--lr", type=float, default=1.2e-3)
    p.add_argument("--muon-lr", type=float, default=1.6e-3)
    p.add_argument("--optimizer", choices=["muon", "adamw"], default="muon")
    p.add_argument("--anneal", type=float, default=0.0, help="share of the minutes at the end over which the rate falls")
    p.add_argument("--average", type=float, default=0.998, metavar="DECAY", help="of the running average of the weights: 0.99 for a run of a few hundred steps")
    p.add_argument("--stage", type=int, help="start in this stage")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--workers", type=int)
    p.add_argument("--threads", type=int)
    p.add_argument("--batch-scale", type=float)
    p.add_argument("--compact", action="store_true", help="also write compact.pt: averaged weights in bf16, no momenta")
    p.add_argument(
        "--compile", action="store_true", help="build what needs a C++ compiler: blocks fused by torch.compile, attention for CPUs with AMX or AVX-512 BF16; twice as fast and more, minutes to start"
    )
    return p.parse_args()


class Trainer:
    def __init__(self, args: argparse.Namespace) -> None:
        preset = PRESETS[args.preset]
        self.args, self.preset = args, preset
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.set_num_threads(args.threads or preset.threads)
        torch.manual_seed(args.seed)
        torch.set_float32_matmul_precision("high")
        path = args.out / checkpoint.NAME
        if args.fresh or not path.exists():
            path = args.start
        state = None if path is None else checkpoint.load_published(path) if path.is_dir() else checkpoint.load(path, self.device)
        config = ReaderConfig.from_dict(state["config"]) if state else MODELS[preset.model]
        self.model = Reader(config).to(self.device)
        self.optimizers = Optimizers(self.model, args.lr, args.optimizer == "muon", args.muon_lr)
        self.average = Average(self.model, args.average)
        self.progress = Progress(seed=args.seed)
        if state:
            checkpoint.adopt(self.model, state["model"] or state["average"])
            self.average.load({**self.model.state_dict(), **{k: v.float() for k, v in state["average"].items()}})
            if state["optimizers"] and state["average"].keys() == self.model.state_dict().keys():
                self.optimizers.load(state["optimizers"])
            self.progress = Progress(**state["progress"])
        if args.stage is not None and args.stage != self.progress.stage:
            self.progress.stage, self.progress.since = args.stage, 0
        self.obstacle = kernels.use() if args.compile and self.device.type == "cpu" and config.head_dim == kernels.DIM else "no other was asked for"
        if args.compile:
            torch._dynamo.config.cache_size_limit = 64
            for block in [*self.model.visual.blocks, *self.model.model.layers]:
                block.compile(dynamic=True)
        self.warm = self.progress.step + (50 if state else 150)
        self.first = self.progress.step
        self.log_file = (args.out / "train.log").open("a") if args.out.mkdir(parents=True, exist_ok=True) is None else None

    def log(self, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {text}"
        print(line, flush=True)
        print(line, file=self.log_file, flush=True)

    def rate(self, share: float) -> float:
        """Factor of the learning rate when share of this run's time is gone."""
        warm = min(1.0, (self.progress.step - self.first + 1) / max(1, self.warm - self.first))
        a = self.args.anneal
        return warm * (max(0.02, (1 - share) / a) if a and share > 1 - a else 1.0)

    def step(self, batch) -> Score:
        fed = feed(batch, self.device, kernels.ready())
        lesson = STAGES[batch.stage].questions == 0
        logits = known = None
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            if lesson:
                glyphs = self.model.read(fed.pages)
            else:
                logits, glyphs, known = self.model(fed.prefix, fed.pages, fed.branches, fed.positions, fed.mask, fed.bound, fed.asked, fed.judged)
        reading = reading_loss(glyphs, fed.pages) if glyphs else fed.weights.new_zeros(())
        answer = reading.new_zeros(()) if lesson else answer_loss(logits, fed.targets, fed.weights)
        binding = reading.new_zeros(()) if known is None else binding_loss(known, fed.bound.names, fed.bound.page)
        loss = answer + reading * STAGES[batch.stage].reading + binding * BINDING
        self.optimizers.zero()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizers.step()
        self.average.update(self.model)
        characters, exact, count = (glyph_accuracy(glyphs, fed.pages), 0.0, 0) if lesson else accuracy(logits.detach(), fed.targets, fed.weights, fed.owner)
        return Score(loss.detach(), answer.detach(), reading.detach(), binding.detach(), characters, exact, count)

    def note(self, score: Score) -> bool:
        """Updates the running means; true when the stage is learnt."""
        p = self.progress
        keep = min(0.98, p.since / (p.since + 1))
        p.characters = keep * p.characters + (1 - keep) * score.characters
        p.exact = keep * p.exact + (1 - keep) * score.exact
        p.since += 1
        stage = STAGES[p.stage]
        return p.since > self.preset.minimum and p.characters > stage.advance and p.exact >= stage.exact and p.stage + 1 < len(STAGES)

    def save(self) -> None:
        checkpoint.save(self.args.out, self.model, self.optimizers, self.average, self.progress)
        if self.args.compact:
            checkpoint.save(self.args.out, self.model, None, self.average, self.progress, "compact.pt")

    def run(self) -> None:
        args, p = self.args, self.progress
        # What was generated before must not come again after a resume: the step goes into the seed.
        supply = Supply(args.workers or self.preset.workers, args.seed * 7919 + p.step, p.stage, args.batch_scale or self.preset.batch_scale)
        count = sum(w.numel() for n, w in self.model.named_parameters() if n.split(".")[0] not in SUPERVISION)
        self.log(f"{count / 1e6:.2f} M parameters on {self.device}, step {p.step}, stage {p.stage} {STAGES[p.stage].name}, pid {os.getpid()}")
        self.log(f"attention: {f'PyTorch, since {self.obstacle}' if self.obstacle else f'own kernel, {kernels.name()}'}; {processor()}")
        begun = saved = mark = time.time()
        before, waited, logged = p.minutes, 0.0, p.step
        try:
            while (share := (time.time() - begun) / (60 * args.minutes)) < 1:
                t = time.time()
                batch = supply.next()
                waited += time.time() - t
                self.optimizers.scale(self.rate(share))
                score = self.step(batch)
                p.step += 1
                p.minutes = before + (time.time() - begun) / 60
                if batch.stage == p.stage and self.note(score):
                    self.log(f"stage {p.stage} learnt after {p.since} steps")
                    p.stage, p.since, p.characters, p.exact = p.stage + 1, 0, 0.0, 0.0
                    supply.stage = p.stage
                if p.step % 50 == 0:
                    now = time.time()
                    self.log(
                        f"min {p.minutes:.1f} step {p.step} stage {p.stage} answer {score.answer:.3f} reading {score.reading:.3f} binding {score.binding:.3f} characters {p.characters:.3f} exact {p.exact:.3f} "
                        f"s/step {(now - mark) / (p.step - logged):.2f} waited {waited / (now - mark):.0%}"
                    )
                    mark, waited, logged = now, 0.0, p.step
                if time.time() - saved > 170:
                    self.save()
                    saved = time.time()
        finally:
            supply.close()
            self.save()
            checkpoint.settle()


def stop(*_: object) -> None:
    """A request to end is an exit like any other: the checkpoint is written."""
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    Trainer(arguments()).run()
