"""How similar the images are that `similar` finds, and how long an exact search takes.

python benchmarks/embeddings.py TINY_IMAGENET/val
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from convlens.data.scan import labeled_images
from convlens.embeddings.nearest import nearest
from convlens.pipeline.embedding import embedder_of

FOUND = 10
SIZE = 128
ROWS, DIMENSIONS, ROUNDS = 100_000, 1280, 20


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tiny", type=Path)
    _precision(parser.parse_args().tiny)
    _search()


def _precision(tiny: Path) -> None:
    """Each image is asked for among all others."""
    images = labeled_images(tiny).images
    embedded = embedder_of("efficientnet_lite0", size=SIZE).of(images)
    names = sorted({one.labels for one in embedded.images})
    labels = torch.tensor([names.index(one.labels) for one in embedded.images])
    places, _ = nearest(embedded.vectors, F.normalize(embedded.vectors, dim=1), FOUND + 1)
    same = labels[places[:, 1:]] == labels[:, None]
    chance = (labels.bincount() / len(labels)).square().sum()
    print(
        f"{len(labels)} images of {len(names)} classes: {float(same.double().mean()):.1%} of the {FOUND} most similar "
        f"images are of the same class, {float(same[:, 0].double().mean()):.1%} of the first; by chance {chance:.1%}"
    )


def _search() -> None:
    known = F.normalize(torch.randn(ROWS, DIMENSIONS), dim=1)
    for asked in (1, 100):
        seconds = []
        for _ in range(ROUNDS):
            vectors = torch.randn(asked, DIMENSIONS)
            start = time.perf_counter()
            nearest(vectors, known, FOUND)
            seconds.append(time.perf_counter() - start)
        median = 1000 * statistics.median(seconds)
        print(f"{asked} of {ROWS} vectors of {DIMENSIONS} numbers, exact: {median:.0f} ms, median of {ROUNDS}")


if __name__ == "__main__":
    main()
