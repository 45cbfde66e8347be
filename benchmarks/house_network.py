"""What the house network is good for: two classes of photographs, with it, without it, and without any network.

    python benchmarks/house_network.py ../shared/data/hymenoptera

For inputs of 64, 96 and 128 pixels, and five seeds where there is something to draw:

- transfer: `convlens train DIR --backbone house --size N`, the house network's weights fixed and a new last layer;
- solved: the same with `--head logistic`, the minimum of the regularized loss; it depends on no seed;
- scratch: `convlens train DIR --backbone house --size N --weights random --freeze none`;
- pixels: logistic regression on the image's 8-bit values, scaled to 0..1, with the weight decay of `solved`; no seed.

DIR has train/ and val/. Prints a line for each with the mean accuracy of the seeds, the least and the highest, and the
95% interval (Wilson) of that mean for so many images: the interval of other images of the same kind.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convlens.core.intervals import wilson_interval
from convlens.core.preprocessing import Preprocessing
from convlens.data.batches import decoded_batches
from convlens.data.manifest import Manifest, Side
from convlens.data.scan import scan
from convlens.tasks.train import train
from convlens.training.classification import Classification
from convlens.transfer.logistic import logistic

SIZES, SEEDS = (64, 96, 128), range(5)
SEEDED = ("transfer", "scratch")
_WEIGHT_DECAY = 1e-2
Trial = Callable[[int, int], float]
"""From the input's side and a seed to the accuracy."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", help="one of transfer, solved, scratch, pixels")
    chosen = parser.parse_args(arguments)
    manifest = scan(chosen.folder)
    judged = len(manifest.side("val"))
    print("| | pixels | accuracy, mean of the seeds | lowest to highest | 95% interval |\n|---|---|---|---|---|")
    for name, trial in trials(chosen.folder, manifest).items():
        for size in SIZES if chosen.only in (None, name) else ():
            accuracies = [trial(size, seed) for seed in (SEEDS if name in SEEDED else SEEDS[:1])]
            mean = statistics.mean(accuracies)
            low, high = wilson_interval(mean * judged, judged)
            print(
                f"| {name} | {size} | {mean:.1%} | {min(accuracies):.1%} to {max(accuracies):.1%} "
                f"| {low:.1%} to {high:.1%} |",
                flush=True,
            )


def trials(folder: Path, manifest: Manifest) -> dict[str, Trial]:
    """By name."""

    def trained(**options: Any) -> Trial:
        def trial(size: int, seed: int) -> float:
            with tempfile.TemporaryDirectory() as place:
                accuracy = train(
                    folder, backbone="house", size=size, seed=seed, out=Path(place) / "run", **options
                ).accuracy
            assert accuracy is not None, "classes have one"
            return accuracy

        return trial

    return {
        "transfer": trained(),
        "solved": trained(head="logistic", weight_decay=_WEIGHT_DECAY),
        "scratch": trained(weights="random", freeze="none"),
        "pixels": lambda size, seed: raw_pixels(manifest, size),
    }


def raw_pixels(manifest: Manifest, size: int) -> float:
    """Accuracy of a linear model of the pixels; it follows from the images alone."""
    (known, numbers), (unknown, truth) = (pixels(manifest, side, size) for side in ("train", "val"))
    head = logistic(known, numbers, len(manifest.classes), _WEIGHT_DECAY)
    scores = unknown.double() @ head.weight.T + head.bias
    return (scores.argmax(1) == truth).double().mean().item()


def pixels(manifest: Manifest, side: Side, size: int) -> tuple[Tensor, Tensor]:
    """Values in 0..1 of shape (N, 3 size²), and class numbers."""
    batches = list(decoded_batches(manifest.side(side), Preprocessing(size=size, resize=size), 64))
    labels = Classification(manifest.classes).encoded(one.labels for batch in batches for one in batch.images)
    return torch.cat([batch.pixels for batch in batches]).flatten(1).float() / 255, labels


if __name__ == "__main__":
    main()
