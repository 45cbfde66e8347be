"""Frozen layers in float32 and in bfloat16: how often predictions agree, how accurate they are, how long they take.

    python benchmarks/number_formats.py ../shared/data/hymenoptera
    OMP_NUM_THREADS=1 python benchmarks/number_formats.py ../shared/data/hymenoptera

For every network with packaged weights: the 1000 classes of ImageNet on all images; then two classes by a solved head
on features of the training images in each format, on the validation images in that format and in the other one.
Formats take turns, image by image of a batch; times are medians over batches, without decoding.
"""

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convlens.backbones.resolve import network, preprocessing_for
from convlens.data.batches import decoded_batches, normalized
from convlens.data.manifest import ImageFile
from convlens.data.scan import scan
from convlens.transfer.logistic import logistic
from convlens.zoo import card

NETWORKS = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16}
BATCH, WEIGHT_DECAY = 32, 1e-3


class Passed(NamedTuple):
    """What a format gives for all images, in their order."""

    scores: Tensor
    features: Tensor
    milliseconds: float
    """An image."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Pass all images through all networks in both formats and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    manifest = scan(folder)
    images = manifest.images
    classes = torch.tensor([manifest.classes.index(image.labels[0]) for image in images])
    train = torch.tensor([image.side == "train" for image in images])
    print(
        f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, load {os.getloadavg()[0]:.1f}"
    )
    print("| network | 1000 classes agree | two classes agree | right in fp32 | right in bf16 | ms fp32 | ms bf16 |")
    print("|---|---|---|---|---|---|---|")
    for name in NETWORKS:
        passed = both_formats(name, images)
        first, second = passed["fp32"], passed["bf16"]
        predicted = {}
        for key, one in passed.items():
            head = logistic(one.features[train], classes[train], len(manifest.classes), WEIGHT_DECAY)
            predicted[key] = (one.features[~train].double() @ head.weight.T + head.bias).argmax(1)
        cells = [
            share(first.scores.argmax(1) == second.scores.argmax(1)),
            share(predicted["fp32"] == predicted["bf16"]),
            *(share(one == classes[~train]) for one in predicted.values()),
        ]
        print(f"| {name} | {' | '.join(cells)} | {first.milliseconds:.1f} | {second.milliseconds:.1f} |", flush=True)


def both_formats(name: str, images: Sequence[ImageFile]) -> dict[str, Passed]:
    """Each batch in one format, then in the other."""
    preprocessing = preprocessing_for(name, "imagenet")
    modules: dict[str, nn.Module] = {
        key: network(name, weights="imagenet").eval().to(dtype=dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for key, dtype in FORMATS.items()
    }
    found: dict[str, tuple[list[Tensor], list[Tensor], list[float]]] = {key: ([], [], []) for key in FORMATS}
    for key, module in modules.items():
        keep = found[key][1].append
        head = module.get_submodule(card(name).head)
        head.register_forward_pre_hook(lambda _, inputs, keep=keep: keep(inputs[0].float()))
    with torch.inference_mode():
        for batch in decoded_batches(images, preprocessing, BATCH):
            pixels = normalized(batch.pixels, preprocessing)
            for key, module in modules.items():
                start = time.perf_counter()
                scores = module(pixels.to(FORMATS[key]))
                found[key][2].append((time.perf_counter() - start) * 1000 / len(scores))
                found[key][0].append(scores.float())
    return {
        key: Passed(torch.cat(scores), torch.cat(features), statistics.median(times))
        for key, (scores, features, times) in found.items()
    }


def share(right: Tensor) -> str:
    """Of so many."""
    return f"{right.double().mean():.1%} of {len(right)}"


if __name__ == "__main__":
    main()
