"""What `convlens train DIR` gives without any option, beside other backbones: accuracy and seconds.

    python benchmarks/default_backbone.py ../shared/data/hymenoptera

The accuracies are means of five seeds, with the 95% interval (Wilson) of that mean for so many images; a solved head
depends on no seed. The house network's line is at 64 pixels; benchmarks/house_network.py has more of it, networks from
scratch and models of the pixels. Seconds are those of the whole command, in a process of its own: from an empty cache,
then again with another seed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convlens.core.intervals import wilson_interval
from convlens.data.scan import scan
from convlens.tasks.train import train

SEEDS = range(5)
CONTESTANTS: Mapping[str, dict[str, Any]] = {
    "no option: efficientnet_lite0": {},
    "efficientnet_lite0, head logistic": {"head": "logistic"},
    "efficientnet_lite1": {"backbone": "efficientnet_lite1"},
    "efficientnet_lite2": {"backbone": "efficientnet_lite2"},
    "house": {"backbone": "house"},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    judged = len(scan(folder).side("val"))
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}")
    first, second = seconds_of_commands(folder)
    print(f"`convlens train DIR`: {first:.1f} s from an empty cache, {second:.1f} s with another seed\n")
    print("| | accuracy, mean of the seeds | lowest to highest | 95% interval |\n|---|---|---|---|")
    for name, options in CONTESTANTS.items():
        accuracies = [accuracy(folder, seed, options) for seed in (SEEDS if "head" not in options else SEEDS[:1])]
        mean = statistics.mean(accuracies)
        low, high = wilson_interval(mean * judged, judged)
        spread = f"{min(accuracies):.1%} to {max(accuracies):.1%}"
        print(f"| {name} | {mean:.1%} | {spread} | {low:.1%} to {high:.1%} |", flush=True)


def accuracy(folder: Path, seed: int, options: Mapping[str, Any]) -> float:
    """On the validation images."""
    with tempfile.TemporaryDirectory() as place:
        found = train(folder, seed=seed, out=Path(place) / "run", **options).accuracy
    assert found is not None, "classes have one"
    return found


def seconds_of_commands(folder: Path) -> list[float]:
    """Of the first command on these images, and of one with another seed."""
    taken = []
    with tempfile.TemporaryDirectory() as place:
        for seed in ("0", "1"):
            words = [sys.executable, "-m", "convlens", "train", str(folder), "--seed", seed, "--quiet"]
            start = time.perf_counter()
            subprocess.run(
                [*words, "--out", f"{place}/run{seed}"],
                env={**os.environ, "CONVLENS_CACHE": f"{place}/cache"},
                stdout=subprocess.DEVNULL,
                check=True,
            )
            taken.append(time.perf_counter() - start)
    return taken


if __name__ == "__main__":
    main()
