"""Capture, cost and receptive field of deep networks: seconds of each, medians over rounds, in one warm process.

    python benchmarks/capture.py --rounds 3

The first capture of a process also imports torch's compiler; that is done, and told, before the rounds.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from convlens.graph.capture import capture
from convlens.graph.cost import cost
from convlens.graph.receptive_field import receptive_field
from convlens.zoo import blueprint

GOALS = {"resnet152": 3.0, "densenet201": 6.0}
T = TypeVar("T")


def timed(step: Callable[[], T]) -> tuple[T, float]:
    """What the step gives, and the seconds that it took."""
    start = time.perf_counter()
    return step(), time.perf_counter() - start


def seconds_of_passes(name: str) -> tuple[float, float, float]:
    """Seconds of capture, cost and receptive field of a network at 224 pixels."""
    module = blueprint(name).eval()
    example = torch.zeros(2, 3, 224, 224, device="meta")
    graph, capturing = timed(lambda: capture(module, example))
    _, costing = timed(lambda: cost(graph))
    _, seeing = timed(lambda: receptive_field(graph))
    return capturing, costing, seeing


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per network."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args(arguments).rounds
    _, warming = timed(lambda: seconds_of_passes("alexnet"))
    print(f"first capture of the process, with the import of torch's compiler: {warming:.2f} s")
    for name, goal in GOALS.items():
        passes = [seconds_of_passes(name) for _ in range(rounds)]
        capturing, costing, seeing = (statistics.median(column) for column in zip(*passes, strict=True))
        total = statistics.median(sum(one) for one in passes)
        parts = f"capture {capturing:.2f}, cost {costing:.2f}, receptive field {seeing:.2f}"
        print(f"{name:12} {total:6.2f} s (goal {goal:.0f}): {parts}")


if __name__ == "__main__":
    main()
