"""A training step's forward and backward pass: ours by rules over the graph, and autograd's `loss.backward()`.

    python benchmarks/backward.py --rounds 7 --networks vgg16 resnet50 densenet121

Batch 8, 224 pixels, categorical cross-entropy, training mode, channels last for both, no gradient for the images.
Per network: both must give the same gradients; then rounds in one process in which the two take turns at going first,
and the median of the rounds' ratios; then each three times in a process of its own, for the median peak of its memory
above what the process held before. (Single peaks vary by 5%, with what the allocator has handed back by then.)
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convlens.gradient import backpropagate
from convlens.graph.capture import capture
from convlens.graph.graph import Graph
from convlens.zoo import network

BATCH, PIXELS = 8, 224
CONTESTANTS = ("ours", "autograd")
Gradients = Mapping[str, Tensor]
ROUNDING = 1e-3


class Loss(nn.Module):
    """The loss of a classifier: categorical cross-entropy of its scores."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        """The mean over the batch."""
        return nn.functional.cross_entropy(self.classifier(images), classes)


class Task(NamedTuple):
    """What both contestants work on."""

    module: nn.Module
    graph: Graph
    batch: tuple[Tensor, Tensor]


def task(name: str) -> Task:
    torch.manual_seed(0)
    module = Loss(network(name)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.randn(BATCH, 3, PIXELS, PIXELS).contiguous(memory_format=torch.channels_last)
    batch = (images, torch.randint(1000, (BATCH,)))
    return Task(module, capture(module, *batch), batch)


def ours(work: Task) -> Gradients:
    return backpropagate(work.graph, *work.batch, input_gradients=False).parameters


def autograd(work: Task) -> Gradients:
    work.module.zero_grad(set_to_none=True)
    work.module(*work.batch).backward()
    return {n: p.grad for n, p in work.module.named_parameters() if p.grad is not None}


STEPS: Mapping[str, Callable[[Task], Gradients]] = {"ours": ours, "autograd": autograd}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one line for each network."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--networks", nargs="+", default=["vgg16", "resnet50", "densenet121"])
    parser.add_argument("--memory-of", choices=CONTESTANTS, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.memory_of:
        print(peak_bytes(task(chosen.networks[0]), STEPS[chosen.memory_of]))
        return
    print("network        ours s autograd s  ratio   ours MiB autograd MiB  ratio")
    for name in chosen.networks:
        report(name, chosen.rounds)


def report(name: str, rounds: int) -> None:
    seconds = timings(task(name), rounds)
    ratio = statistics.median(a / b for a, b in zip(seconds["ours"], seconds["autograd"], strict=True))
    mebibytes = {contestant: peak_of_processes(name, contestant) / 2**20 for contestant in CONTESTANTS}
    a, b = (statistics.median(seconds[contestant]) for contestant in CONTESTANTS)
    c, d = (mebibytes[contestant] for contestant in CONTESTANTS)
    print(f"{name:12} {a:8.2f} {b:10.2f} {ratio:6.3f}   {c:8.0f} {d:12.0f} {c / d:6.3f}", flush=True)


def timings(work: Task, rounds: int) -> dict[str, list[float]]:
    """Seconds of each contestant in each round, after a first step that is not counted."""
    refuse_unless_equal(work)
    seconds: dict[str, list[float]] = {contestant: [] for contestant in CONTESTANTS}
    for number in range(rounds):
        for contestant in CONTESTANTS if number % 2 else CONTESTANTS[::-1]:
            work.module.zero_grad(set_to_none=True)
            start = time.perf_counter()
            STEPS[contestant](work)
            seconds[contestant].append(time.perf_counter() - start)
    return seconds


def refuse_unless_equal(work: Task) -> None:
    """Stop when the two gradients, of all parameters together, differ by more than rounding in single precision."""
    torch.manual_seed(1)
    mine = flat(ours(work))
    torch.manual_seed(1)
    theirs = flat(autograd(work))
    difference = float((mine - theirs).norm() / theirs.norm())
    if difference > ROUNDING:
        raise SystemExit(f"the gradients differ by {difference:.1e}")


def flat(gradients: Gradients) -> Tensor:
    return torch.cat([gradients[name].reshape(-1) for name in sorted(gradients)])


def peak_of_processes(name: str, contestant: str) -> float:
    """The median of the contestant's peaks in three processes of its own."""
    command = [sys.executable, __file__, "--networks", name, "--memory-of", contestant]
    answers = [subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout for _ in range(3)]
    return statistics.median(int(answer) for answer in answers)


def peak_bytes(work: Task, step: Callable[[Task], Gradients]) -> int:
    """How far two steps raise the memory of this process.

    Not from ru_maxrss: on Linux that starts at what the parent process held.
    """
    held = memory("VmRSS")
    for _ in range(2):
        step(work)
    return memory("VmHWM") - held


def memory(field: str) -> int:
    """Bytes that Linux states of this process: VmRSS now, VmHWM at most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    main()
