"""Twelve recipes compared: one `convlens compare` from an empty store against the usual loop run twelve times.

    python benchmarks/compare_tricks.py ../shared/data/hymenoptera
    python benchmarks/compare_tricks.py ../shared/data/hymenoptera --backbone vgg16 --measured-epochs 1

The usual loop (benchmarks/usual_loop.py) is not run twelve times: `--measured-epochs` of its epochs are measured in the
same run, and their mean is multiplied by epochs and recipes. convlens is timed as whole commands, from the start of the
process to its end: with plain features, and with three augmented views of each training image. Both sides train on
the same random frozen network unless `--weights FILE` is given.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
EPOCHS = 10
TRICKS = "momentum,nesterov,adam,adamw,step,cosine,weight-decay,label-smoothing,mixup,ema"
RECIPES = 12
"""The base, the ten tricks, and all of them together."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="train/ and val/ with class folders")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--weights", default="random")
    parser.add_argument("--measured-epochs", type=int, default=2)
    chosen = parser.parse_args(arguments)
    folder = chosen.folder.resolve()
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}")
    seconds, record = timed_usual_loop(folder, chosen.backbone, chosen.weights, chosen.measured_epochs)
    usual = seconds * EPOCHS * RECIPES
    print(f"usual loop, an epoch              {seconds:10.1f} s   (mean of {chosen.measured_epochs})")
    print(f"usual loop, {RECIPES} recipes of {EPOCHS} epochs {usual:10.1f} s   (multiplied)")
    for name, views in (("plain features", 0), ("three augmented views", 3)):
        spent, comparison = timed_comparison(folder, chosen.backbone, chosen.weights, views)
        base = comparison["rows"][0]
        low, high = base["interval"]
        print(
            f"convlens compare, {name:22}{spent:10.1f} s   {usual / spent:6.1f} times faster; base "
            f"{base['accuracy']:.1%} ({low:.1%} to {high:.1%})"
        )
    print(f"usual loop, accuracy after {chosen.measured_epochs} epochs  {record['accuracy']:.1%}")
    print(f"load of the machine after: {os.getloadavg()[0]:.2f}")


def timed_usual_loop(folder: Path, backbone: str, weights: str, epochs: int) -> tuple[float, Any]:
    """Seconds of an epoch, and the loop's record."""
    words = [sys.executable, str(HERE / "usual_loop.py"), str(folder), "--epochs", str(epochs)]
    done = subprocess.run([*words, "--backbone", backbone, "--weights", weights], stdout=subprocess.PIPE, check=True)
    record = json.loads(done.stdout)
    return statistics.mean(record["seconds"]), record


def timed_comparison(folder: Path, backbone: str, weights: str, views: int) -> tuple[float, Any]:
    """Seconds of the whole command with nothing stored, and its record."""
    with tempfile.TemporaryDirectory() as place:
        words = [sys.executable, "-m", "convlens", "compare", str(folder), "--json", "--quiet", "--seeds", "1"]
        words += ["--backbone", backbone, "--weights", weights, "--epochs", str(EPOCHS), "--tricks", TRICKS]
        words += ["--set", f"augmented_copies={views}", "--out", f"{place}/compared"]
        environment = {**os.environ, "CONVLENS_CACHE": f"{place}/cache"}
        start = time.perf_counter()
        done = subprocess.run(words, cwd=place, env=environment, stdout=subprocess.PIPE, check=True)
        seconds = time.perf_counter() - start
    record = json.loads(done.stdout)
    assert len(record["rows"]) == RECIPES
    return seconds, record


if __name__ == "__main__":
    main()
