"""Exported models against predictions.csv: every validation image of a run, from decoded pixels of all sizes.

    python benchmarks/export_parity.py ../shared/data/hymenoptera

For each network a run in float32, exported as ONNX and as PT2; each file then gets the validation images one at a time
and in batches of up to 32 images of one size. Networks without packaged weights have random ones, which does not matter
here: the table asks whether a file answers as its run does.
"""

import argparse
import csv
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convlens.core.exported import ExportFormat
from convlens.core.run import PREDICTIONS_FILE, RunRecord
from convlens.data.decode import opened_for
from convlens.exports.file import Runner
from convlens.exports.formats import opened
from convlens.tasks.export import export
from convlens.tasks.train import train

RUNS: dict[str, dict[str, Any]] = {
    "house": {"backbone": "house"},
    "house, fine-tuned": {"backbone": "house", "unfreeze": 1, "epochs": 2},
    "efficientnet_lite0": {"backbone": "efficientnet_lite0"},
    "resnet18": {"backbone": "resnet18", "weights": "random", "size": 128},
    "densenet121": {"backbone": "densenet121", "weights": "random", "size": 64},
    "mobilenet_v2": {"backbone": "mobilenet_v2", "weights": "random", "size": 128},
    "vgg16": {"backbone": "vgg16", "weights": "random", "size": 64, "head": "linear"},
}
BATCH = 32
FORMATS: tuple[ExportFormat, ...] = ("onnx", "pt2")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, export, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("images", type=Path)
    parser.add_argument("--only", choices=RUNS)
    given = parser.parse_args(arguments)
    print("| run | format | MB | images | sizes | alone | in batches | predicted otherwise |")
    print("|---|---|---|---|---|---|---|---|")
    for name in [given.only] if given.only else RUNS:
        with tempfile.TemporaryDirectory() as place:
            options = {"epochs": 1, "precision": "fp32", **RUNS[name]}
            run = train(given.images, out=Path(place) / "run", **options)
            for kind in FORMATS:
                record = export(run.run, to=kind, out=Path(place) / f"model.{kind}")
                print(f"| {name} | {line(run, Path(record.file), kind)}", flush=True)


def line(run: RunRecord, file: Path, kind: ExportFormat) -> str:
    """The rest of a row of the table."""
    runner, expected = opened(file, trust=True), predictions(run)
    groups: defaultdict[tuple[int, ...], list[tuple[str, Tensor]]] = defaultdict(list)
    for name in expected:
        image = opened_for((Path(run.folder) / name).read_bytes(), runner.card.preprocessing.resize)
        pixels = torch.from_numpy(np.array(image.rgb))
        groups[pixels.shape].append((name, pixels))
    alone, batched, flips = 0.0, 0.0, 0
    for group in groups.values():
        for name, pixels in group:
            answer = runner(pixels.unsqueeze(0)).answers[0]
            alone = max(alone, float((answer - expected[name]).abs().max()))
            flips += int(answer.argmax() != expected[name].argmax())
        for difference in in_batches(runner, group, expected):
            batched = max(batched, difference)
    size = file.stat().st_size / 1e6
    return f"{kind} | {size:.1f} | {len(expected)} | {len(groups)} | {alone:.1e} | {batched:.1e} | {flips} |"


def in_batches(runner: Runner, group: Sequence[tuple[str, Tensor]], expected: dict[str, Tensor]) -> Iterator[float]:
    """The largest difference of each batch."""
    for start in range(0, len(group), BATCH):
        names, pixels = zip(*group[start : start + BATCH], strict=True)
        answers = runner(torch.stack(pixels)).answers
        yield float((answers - torch.stack([expected[name] for name in names])).abs().max())


def predictions(run: RunRecord) -> dict[str, Tensor]:
    """The probabilities of each validation image in predictions.csv, which have six digits."""
    with (Path(run.run) / PREDICTIONS_FILE).open(newline="", encoding="utf-8") as file:
        return {
            row["file"]: torch.tensor([float(row[f"p({name})"]) for name in run.classes])
            for row in csv.DictReader(file)
            if row["side"] == "val"
        }


if __name__ == "__main__":
    main()
