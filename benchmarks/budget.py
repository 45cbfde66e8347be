"""What `train --budget` reaches beside the default recipe: digits, ants and bees, and classes of unequal size.

    python benchmarks/budget.py ../shared/data --budget 300

The unequal classes are ten of Tiny ImageNet with 200 training images, falling by a constant factor to 10, and the 50
validation images of each. The default recipe's accuracy is the mean of five seeds; a budget's is that of one command,
which is one result on all images where the head that it chooses is solved for. Intervals are Wilson's, 95%, for as
many images as there are to validate on.
"""

import argparse
import statistics
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from convlens.backbones.at_hand import at_hand
from convlens.comparison import search
from convlens.core.intervals import wilson_interval
from convlens.core.run import RunRecord
from convlens.tasks.demo import write_digits
from convlens.tasks.train import train

SEEDS = range(5)
UNTAINTED = {"unequal classes": ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]}
"""Backbones to choose from: the house network was trained on these very images, and would be chosen for it."""
MOST, LEAST, CLASSES = 200, 10, 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=float, default=300.0, help="seconds")
    given = parser.parse_args(arguments)
    print("| | default, mean of five seeds | with a budget | 95% interval | chosen | search | recipes tried |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        sets = {
            "ants and bees": given.data / "hymenoptera",
            "unequal classes": unequal_classes(given.data / "tiny-imagenet-200.zip", Path(place) / "unequal"),
            "digits": write_digits(Path(place) / "digits"),
        }
        for name, folder in sets.items():
            default = statistics.mean(accuracy(train(folder, seed=seed, out=unused(place))) for seed in SEEDS)
            with mock.patch.object(search, "at_hand", return_value=UNTAINTED.get(name) or at_hand()):
                found = train(folder, budget=given.budget, out=unused(place))
            print(line(name, default, found), flush=True)


def line(name: str, default: float, found: RunRecord) -> str:
    """A row of the table."""
    chosen_by = found.chosen_by
    assert chosen_by is not None, "a budget was given"
    low, high = wilson_interval(accuracy(found) * found.images.val, found.images.val)
    cells = (
        name,
        f"{default:.1%}",
        f"{accuracy(found):.1%}",
        f"{low:.1%} to {high:.1%}",
        chosen_by.tried[chosen_by.chosen].name,
        f"{chosen_by.seconds:.0f} s",
        f"{len(chosen_by.tried)} of {len(chosen_by.tried) + len(chosen_by.left_out)}",
    )
    return f"| {' | '.join(cells)} |"


def accuracy(record: RunRecord) -> float:
    """On the validation images."""
    assert record.accuracy is not None, "classes have one"
    return record.accuracy


def unused(place: str) -> Path:
    """A folder for a run."""
    return Path(tempfile.mkdtemp(dir=place)) / "run"


def unequal_classes(archive: Path, folder: Path) -> Path:
    """A folder with train/ and val/ of ten classes, from the archive of Tiny ImageNet."""
    with zipfile.ZipFile(archive) as source:
        by_class: dict[tuple[str, str], list[str]] = defaultdict(list)
        for file in sorted(source.namelist()):
            if file.endswith(".webp"):
                side, label, _ = Path(file).parts[-3:]
                by_class[side, label].append(file)
        labels = sorted({label for _, label in by_class})[:CLASSES]
        for number, label in enumerate(labels):
            count = round(MOST * (LEAST / MOST) ** (number / (CLASSES - 1)))
            for file in by_class["train", label][:count] + by_class["val", label]:
                target = folder.joinpath(*Path(file).parts[-3:])
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read(file))
    return folder


if __name__ == "__main__":
    main()
