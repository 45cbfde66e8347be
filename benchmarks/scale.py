"""A million rows of features: memory and time of an epoch of a linear head, and how the time grows with the rows.

    python benchmarks/scale.py --rows 10000 100000 1000000

Each number of rows is a process of its own: it writes synthetic features (512 values, half precision) as shards of a
feature store, a linear head for 10 classes is trained on them for one epoch in minibatches of 256, and judged on a
hundredth of them. Prints seconds of the epoch, the peak memory of the process (resident set, memory maps included) and
the exponent that is fitted to the times, time ~ rows^exponent.
"""

import argparse
import hashlib
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from convlens.core.progress import silent
from convlens.training.learner import Model
from convlens.training.loop import fit
from convlens.training.recipe import Recipe
from convlens.transfer.examples import FeatureExamples
from convlens.transfer.features import FeatureTable

WIDTH, CLASSES, SHARD_ROWS = 512, 10, 50_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each number of rows and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.one:
        print(json.dumps(measured(chosen.one)))
        return
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}")
    times = []
    for rows in chosen.rows:
        words = [sys.executable, __file__, "--one", str(rows)]
        found = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
        times.append((rows, found["seconds"]))
        print(f"{rows:10,} rows   {found['seconds']:8.2f} s   {found['peak_bytes'] / 1e9:5.2f} GB at most")
    if len(times) > 1:
        print(f"time ~ rows^{exponent(times):.3f}")
    print(f"load of the machine after: {os.getloadavg()[0]:.2f}")


def measured(rows: int) -> dict[str, float]:
    """Seconds of the epoch and the peak memory in bytes."""
    with tempfile.TemporaryDirectory() as place:
        images, labels = stored(Path(place), rows)
        table = FeatureTable(Path(place), "synthetic")
        judged = max(1, rows // 100)
        train = FeatureExamples(table.rows(images), labels, images)
        val = FeatureExamples(table.rows(images[:judged]), labels[:judged], images)
        history = fit(linear_head(), train, val, Recipe(epochs=1, batch_size=256), silent)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": history[0].seconds, "peak_bytes": peak}


def stored(root: Path, rows: int) -> tuple[list[str], Tensor]:
    """Names and class numbers of rows that were written to a feature table at `root`, shard by shard."""
    table = FeatureTable(root, "synthetic")
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(CLASSES, WIDTH, generator=generator)
    labels = torch.randint(CLASSES, (rows,), generator=generator)
    images = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(rows)]
    for start in range(0, rows, SHARD_ROWS):
        part = labels[start : start + SHARD_ROWS]
        values = centers[part] + torch.randn(len(part), WIDTH, generator=generator)
        table.add(images[start : start + SHARD_ROWS], [values.half()])
    return images, labels


def linear_head() -> Model:
    """A linear layer as the loop wants it."""
    torch.manual_seed(0)
    head = nn.Linear(WIDTH, CLASSES)
    return Model(
        train_forward=lambda x: (head(x),),
        eval_forward=lambda x: (head(x),),
        parameters=dict(head.named_parameters()),
    )


def exponent(times: Sequence[tuple[int, float]]) -> float:
    """The slope of log time over log rows, by least squares."""
    rows, seconds = ([math.log(one[k]) for one in times] for k in (0, 1))
    return statistics.linear_regression(rows, seconds).slope


if __name__ == "__main__":
    main()
