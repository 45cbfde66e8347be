"""Labels where they count: images chosen by `suggest` against others, and a class added by `extend` against training.

    python benchmarks/labeling.py suggest TINY_IMAGENET/val --seeds 10
    python benchmarks/labeling.py extend TINY_IMAGENET/val --seeds 10

Tiny ImageNet's images are those of its validation side, which the backbone was not trained on. Each seed draws other
classes and other images; intervals are 95%.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import t as student
from torch import Tensor

from convlens.core.kinds.registry import KINDS
from convlens.core.run import RunRecord
from convlens.data.scan import scan
from convlens.data.split_file import SPLIT_FILE
from convlens.pipeline.embedding import embedder_of
from convlens.runs.validation_images import validation_answers, validation_truths
from convlens.tasks.extend import extend
from convlens.tasks.train import train
from convlens.training.significance import Difference, paired_difference
from convlens.transfer.ridge import ridge_classifier
from convlens.trust.suggestion import suggested

SIZE = 128
"""Pixels a side, for images of 64: the default backbone's own 224 would take three times as long."""
CLASSES = 20
LABELED = 2
"""Images of each class that have labels at first."""
HELD_OUT = 25
"""Images of each class to judge on."""
ROUNDS = 4
RARE = 4
"""Images of a rare class in the pool."""
COPIES = 4
"""Frames of a scene."""
NOISE = 0.05
"""Of a frame, in standard deviations of the features."""

Choose = Callable[[Tensor, Tensor, int, torch.Generator], Tensor]
"""Places in the pool, by probabilities and vectors."""


def main() -> None:
    """Print the tables of one part."""
    parser = argparse.ArgumentParser()
    parts = parser.add_subparsers(dest="part", required=True)
    for name in ("suggest", "extend"):
        part = parts.add_parser(name)
        part.add_argument("tiny", type=Path)
        part.add_argument("--seeds", type=int, default=10)
        if name == "suggest":
            part.add_argument("--count", type=int, default=50)
    given = parser.parse_args()
    if given.part == "suggest":
        suggest_table(given.tiny, given.seeds, given.count)
    else:
        with tempfile.TemporaryDirectory() as place:
            extend_table(given.tiny, Path(place), given.seeds)


class Pool(NamedTuple):
    """Features and class numbers: of images with labels, of those to choose among, and of those to judge on."""

    labeled: tuple[Tensor, Tensor]
    unlabeled: tuple[Tensor, Tensor]
    held_out: tuple[Tensor, Tensor]


def by_chance(probabilities: Tensor, vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Any images."""
    return torch.randperm(len(vectors), generator=generator)[:count]


def by_margin(probabilities: Tensor, vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Those whose two likeliest classes are the nearest to each other."""
    first, second = probabilities.topk(2, dim=1).values.unbind(1)
    return (first - second).argsort()[:count]


def by_suggest(probabilities: Tensor, vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """As `convlens suggest` does."""
    return suggested(probabilities, vectors, count)


CHOICES: dict[str, Choose] = {"by chance": by_chance, "least margin": by_margin, "suggest": by_suggest}
POOLS = {
    "as many images of each class": "even",
    f"half the classes with {RARE} images each": "rare",
    f"{COPIES} frames of each scene": "frames",
}


def suggest_table(tiny: Path, seeds: int, count: int) -> None:
    """For each pool a line for each choice: accuracy after each round, and how much better than by chance."""
    manifest = scan(tiny)
    found = embedder_of("efficientnet_lite0", size=SIZE).of(manifest.images)
    labels = torch.tensor([manifest.classes.index(image.labels[0]) for image in found.images])
    print(f"{CLASSES} classes, {LABELED} labeled images of each at first, {count} more a round, {seeds} seeds")
    columns = " | ".join(f"{LABELED * CLASSES + round_ * count} labels" for round_ in range(ROUNDS + 1))
    print(f"| pool | choice | {columns} | mean gain over chance, points |")
    print("|---|---|" + "---|" * (ROUNDS + 2))
    for told, kind in POOLS.items():
        chance = np.zeros(0)
        for name, choose in CHOICES.items():
            curves = np.array([curve(pool_of(found.vectors, labels, kind, s), choose, count, s) for s in range(seeds)])
            chance = chance if chance.size else curves
            cells = " | ".join(f"{accuracy:.1%}" for accuracy in curves.mean(0))
            gain = interval(100 * (curves - chance)[:, 1:].mean(1)) if curves is not chance else ""
            print(f"| {told} | {name} | {cells} | {gain} |", flush=True)


def pool_of(vectors: Tensor, labels: Tensor, kind: str, seed: int) -> Pool:
    """Some classes, with their images divided."""
    draw = torch.Generator().manual_seed(seed)
    places: tuple[list[Tensor], ...] = ([], [], [])
    classes = torch.randperm(int(labels.max()) + 1, generator=draw)[:CLASSES]
    for number, name in enumerate(classes):
        of_class = (labels == name).nonzero().flatten()
        of_class = of_class[torch.randperm(len(of_class), generator=draw)]
        most = LABELED + RARE if kind == "rare" and number < CLASSES // 2 else len(of_class) - HELD_OUT
        parts = of_class[HELD_OUT:][:LABELED], of_class[HELD_OUT:][LABELED:most], of_class[:HELD_OUT]
        for some, part in zip(places, parts, strict=True):
            some.append(part)
    numbers = torch.full((int(labels.max()) + 1,), -1)
    numbers[classes] = torch.arange(CLASSES)
    labeled, unlabeled, held_out = ((vectors[torch.cat(some)], numbers[labels[torch.cat(some)]]) for some in places)
    if kind == "frames":
        x, y = (one.repeat_interleave(COPIES, dim=0) for one in unlabeled)
        unlabeled = x + NOISE * x.std() * torch.randn(x.shape, generator=draw), y
    return Pool(labeled, unlabeled, held_out)


def curve(pool: Pool, choose: Choose, count: int, seed: int) -> list[float]:
    """The accuracy before the first round and after each, with the head that `extend` fits."""
    (x, y), (pool_x, pool_y), (judged_x, judged_y) = pool
    draw = torch.Generator().manual_seed(seed)
    reached = []
    for round_ in range(ROUNDS + 1):
        weight, bias = ridge_classifier(x, y, CLASSES)
        said = (judged_x.double() @ weight.T + bias).argmax(1)
        reached.append((said == judged_y).double().mean().item())
        if round_ < ROUNDS:
            probabilities = (pool_x.double() @ weight.T + bias).softmax(1).float()
            chosen = choose(probabilities, F.normalize(pool_x, dim=1), count, draw)
            x, y = torch.cat([x, pool_x[chosen]]), torch.cat([y, pool_y[chosen]])
            left = torch.ones(len(pool_x), dtype=torch.bool)
            left[chosen] = False
            pool_x, pool_y = pool_x[left], pool_y[left]
    return reached


def interval(values: Sequence[float] | np.ndarray) -> str:
    """The mean with its interval over seeds, by Student's t."""
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):+.1f} ({np.mean(values) - half:+.1f} to {np.mean(values) + half:+.1f})"


OLD = 5
"""Classes that are known at first; one more is added."""


def extend_table(tiny: Path, place: Path, seeds: int) -> None:
    """Five classes and a sixth: by `extend`, and by training on all six from the same split."""
    names = sorted(one.name for one in tiny.iterdir())
    rows: dict[str, list[dict[str, float]]] = {"before": [], "extend": [], "train": []}
    seconds: dict[str, list[float]] = {"before": [], "extend": [], "train": []}
    recalls: dict[str, list[float]] = {"extend": [], "train": []}
    for seed in range(seeds):
        chosen = [names[int(n)] for n in np.random.default_rng(seed).permutation(len(names))[: OLD + 1]]
        root = place / str(seed)
        old = linked(tiny, root / "old", chosen[:OLD])
        runs = {"before": train(old, out=root / "before", size=SIZE, seed=seed)}
        runs["extend"] = extend(root / "before", linked(tiny, root / "new", chosen[OLD:]), out=root / "extend")
        every = linked(tiny, root / "all", chosen)
        split = str(root / "extend" / SPLIT_FILE)
        runs["train"] = train(every, out=root / "train", size=SIZE, seed=seed, split=split)
        for name, run in runs.items():
            rows[name].append(right(run, chosen[:OLD]))
            seconds[name].append(run.seconds.total)
            if name != "before":
                recalls[name].extend(right(run, chosen[OLD:]).values())
    images = sum(len(one) for one in rows["before"])
    print(f"{seeds} draws of {OLD} classes and a sixth; {images} validation images of the five, in all")
    print("| run | seconds, median | the five | against before, points | the new one |")
    print("|---|---|---|---|---|")
    for name, found in rows.items():
        accuracy = statistics.fmean(value for one in found for value in one.values())
        gain = told(paired_difference(found, rows["before"])) if name != "before" else ""
        recall = f"{statistics.fmean(recalls[name]):.1%}" if name in recalls else ""
        print(f"| {name} | {statistics.median(seconds[name]):.1f} | {accuracy:.1%} | {gain} | {recall} |")
    print(f"extend against train, on the five: {told(paired_difference(rows['extend'], rows['train']))} points")


def right(run: RunRecord, names: Sequence[str]) -> dict[str, float]:
    """Of the validation images of these classes, by the name of the file alone, whether the run is right."""
    folder = Path(run.run)
    truths = validation_truths(folder, KINDS[run.task], run.classes)
    answers = validation_answers(folder, run.classes)
    return {
        Path(file).name: float(run.classes[int(np.argmax(answers[file]))] == true)
        for file, (true,) in truths.items()
        if true in names
    }


def told(difference: Difference) -> str:
    """In points."""
    low, high = (100 * bound for bound in difference.interval)
    return f"{100 * difference.value:+.1f} ({low:+.1f} to {high:+.1f})"


def linked(source: Path, folder: Path, names: Sequence[str]) -> Path:
    """A folder with links to the images of some classes."""
    for name in names:
        (folder / name).mkdir(parents=True)
        for file in sorted((source / name).iterdir()):
            (folder / name / file.name).symlink_to(file.resolve())
    return folder


if __name__ == "__main__":
    main()
