"""A frozen backbone: the usual loop and convlens side by side, whole commands from start to end.

    python benchmarks/frozen_backbone.py ../shared/data/hymenoptera --rounds 3

Per round, in turn, each as a process of its own: the usual loop (benchmarks/usual_loop.py, 10 epochs, ResNet-18, 224
pixels, batch 32); `convlens train` from an empty store; `convlens train` again with another learning rate, from the
store that the former filled; and one bare pass: all images, decoded beforehand, through the network without its
last layer, channels last, in inference mode, timed inside its process. Prints each figure's median, and the ratios'.
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

import torch
from torch import nn

from convlens.core.preprocessing import Preprocessing
from convlens.data.batches import decoded_batches, normalized
from convlens.data.scan import scan
from convlens.transfer.precision import computes_in_bfloat16
from convlens.zoo import network

EPOCHS = 10
HERE = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="train/ and val/ with two class folders each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bare-pass", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.bare_pass:
        print(json.dumps({"seconds": bare_pass(chosen.folder)}))
        return
    rounds = []
    for number in range(chosen.rounds):
        rounds.append(trial(chosen.folder.resolve()))
        print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr)
    print_table(rounds)


def trial(folder: Path) -> dict[str, float]:
    """Seconds and memory of each contestant, and the accuracies."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        train = [sys.executable, "-m", "convlens", "train", str(folder), "--backbone", "resnet18", "--json", "--quiet"]
        train += ["--weights", "random", "--epochs", str(EPOCHS)]
        bare = [sys.executable, __file__, str(folder), "--bare-pass"]
        loop = [sys.executable, str(HERE / "usual_loop.py"), str(folder), "--epochs", str(EPOCHS)]
        figures["usual loop"], figures["usual loop MiB"], record = timed(loop, place)
        figures["usual accuracy"] = record["accuracy"]
        _, _, record = timed(bare, place)
        figures["bare pass"] = record["seconds"]
        figures["first run"], figures["first run MiB"], record = timed(train, place)
        figures["first run, inside"] = record["seconds"]["total"]
        figures["accuracy"] = record["accuracy"]
        figures["second run"], _, record = timed([*train, "--learning-rate", "0.003"], place)
        figures["second run, inside"] = record["seconds"]["total"]
        assert record["features"]["computed"] == 0
    return figures


def timed(command: list[str], place: str) -> tuple[float, float, Any]:
    """Wall-clock seconds of the whole command, its peak memory in MiB, and the JSON that it printed."""
    environment = {**os.environ, "CONVLENS_CACHE": f"{place}/cache"}
    start = time.perf_counter()
    done = subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE)
    assert done.stdout is not None
    output = done.stdout.read()
    _, status, usage = os.wait4(done.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024, json.loads(output)


def bare_pass(folder: Path) -> float:
    """Seconds for all images, decoded beforehand, through ResNet-18 without its last layer, the fastest plain way."""
    preprocessing = Preprocessing()
    batches = [normalized(b.pixels, preprocessing) for b in decoded_batches(scan(folder).images, preprocessing, 32)]
    dtype = torch.bfloat16 if computes_in_bfloat16("cpu") else torch.float32
    net = network("resnet18")
    net.fc = nn.Identity()
    net = net.eval().to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode():
        net(batches[0].to(dtype))
        start = time.perf_counter()
        for batch in batches:
            net(batch.to(dtype))
        return time.perf_counter() - start


def print_table(rounds: list[dict[str, float]]) -> None:
    """Medians over the rounds, and medians of the ratios within rounds."""
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        print(f"{name:20} {statistics.median(values):10.3f}   ({min(values):.3f} to {max(values):.3f})")
    ratios = {
        "usual loop / first run": ("usual loop", "first run"),
        "usual loop / second run": ("usual loop", "second run"),
        "first run / bare pass": ("first run", "bare pass"),
        "first run, inside / bare pass": ("first run, inside", "bare pass"),
    }
    for name, (over, under) in ratios.items():
        print(f"{name:30} {statistics.median(one[over] / one[under] for one in rounds):8.2f}")


if __name__ == "__main__":
    main()
