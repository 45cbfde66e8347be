"""Whether what a run says of its own answers is true: coverage, false alarms, foreign images, calibration.

    python benchmarks/trust.py coverage TINY_IMAGENET/val --splits 100
    python benchmarks/trust.py unknown TINY_IMAGENET/val ../shared/data/hymenoptera
    python benchmarks/trust.py calibration TINY_IMAGENET/val ../shared/data/hymenoptera

Tiny ImageNet's images are those of its validation side: the backbone was trained on the others, and an image that the
backbone knows is no new one. Folders of classes are made of links, below a temporary folder.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import binom
from sklearn.datasets import load_digits

from convlens.core.run import RunRecord
from convlens.core.trust import Trust
from convlens.tasks.evaluate import evaluate
from convlens.tasks.train import train

SIZE = 128
"""Pixels a side, for images of 64: the default backbone's own 224 would take three times as long."""
DOGS = ("n02085620", "n02094433", "n02099601", "n02099712", "n02106662", "n02113799")
RATE = 0.05
COVERED = 0.9


def main() -> None:
    """Print the tables of one part."""
    parser = argparse.ArgumentParser()
    parts = parser.add_subparsers(dest="part", required=True)
    for name in ("coverage", "unknown", "calibration"):
        part = parts.add_parser(name)
        part.add_argument("tiny", type=Path)
        if name == "coverage":
            part.add_argument("--splits", type=int, default=100)
            part.add_argument("--classes", type=int, default=20)
        else:
            part.add_argument("photos", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if given.part == "coverage":
            coverage(given.tiny, Path(place), given.splits, given.classes)
        elif given.part == "unknown":
            unknown(given.tiny, given.photos, Path(place))
        else:
            calibration(given.tiny, given.photos, Path(place))


def coverage(tiny: Path, place: Path, splits: int, classes: int) -> None:
    """Every split by itself, and all of them."""
    folder = linked(tiny, place / "images", sorted(one.name for one in tiny.iterdir())[:classes])
    found = [trusted(train(folder, out=place / f"run{seed}", seed=seed, size=SIZE)) for seed in range(splits)]
    images = found[0].after.bins
    judged = sum(one.images for one in images)
    print(f"{splits} splits of {classes} classes: {found[0].images} images to fit on, {judged} to judge")
    print("| | asked for | mean over the splits | splits within the 95% binomial interval |")
    print("|---|---|---|---|")
    for name, asked, rates in rows(found):
        low, high = (bound / judged for bound in binom.interval(0.95, judged, asked))
        within = sum(low <= rate <= high for rate in rates)
        print(f"| {name} | {asked:.0%} | {statistics.fmean(rates):.2%} | {within} of {splits} |")


def rows(found: Sequence[Trust]) -> Iterator[tuple[str, float, list[float]]]:
    """What was asked for, and what each split reached."""
    for place, first in enumerate(found[0].coverage):
        yield "true class in the set", first.asked, [one.coverage[place].reached for one in found]
    for place, alarm in enumerate(found[0].false_alarms):
        yield "known images rejected", alarm.asked, [one.false_alarms[place].reached for one in found]


def unknown(tiny: Path, photos: Path, place: Path) -> None:
    """A line for each folder of known classes and each of foreign images."""
    names = sorted(one.name for one in tiny.iterdir())
    few = linked(tiny, place / "few", names[:20])
    runs = {
        "ants and bees": (train(photos, out=place / "photos"), photos),
        "20 classes of Tiny ImageNet": (train(few, out=place / "few-run", size=SIZE), few),
    }
    foreign = {
        "dogs": linked(tiny, place / "dogs", DOGS),
        "digits": digits(place / "digits"),
        "other classes of Tiny ImageNet": linked(tiny, place / "others", names[20:], most=10),
    }
    print(
        "| trained on | foreign images | AUROC by distance | by energy | by maximum softmax | rejected | false alarms |"
    )
    print("|---|---|---|---|---|---|---|")
    for known, (run, folder) in runs.items():
        for name, images in foreign.items():
            if found := evaluate(run.run, folder, unknown=images, reject=RATE, side=None).unknown:
                scores = " | ".join(f"{one.auroc:.3f}" for one in found.separation)
                alarms = found.false_alarms
                print(f"| {known} | {name}, {found.images} | {scores} | {found.detected:.1%} | {alarms.reached:.1%} |")


def calibration(tiny: Path, photos: Path, place: Path) -> None:
    """A line for each run."""
    names = sorted(one.name for one in tiny.iterdir())
    few = linked(tiny, place / "few", names[:10])
    runs = {
        "ants and bees": train(photos, out=place / "photos"),
        "10 classes of Tiny ImageNet": train(few, out=place / "few-run", size=SIZE),
        "200 classes of Tiny ImageNet": train(tiny, out=place / "all-run", size=SIZE, predefined_split=False),
    }
    print("| run | images | accuracy | calibration error before | after | Brier | log loss | seconds of training |")
    print("|---|---|---|---|---|---|---|---|")
    for name, run in runs.items():
        found = trusted(run)
        errors = " | ".join(
            f"{one.expected_calibration_error:.1%} ({one.interval[0]:.1%} to {one.interval[1]:.1%})"
            for one in (found.before, found.after)
        )
        others = " | ".join(
            f"{getattr(found.before, one):.3f}, {getattr(found.after, one):.3f}" for one in ("brier", "log_loss")
        )
        seconds = f"{run.seconds.fit:.1f} and {run.seconds.calibrate:.1f} of calibration"
        print(f"| {name} | {run.images.val} | {run.accuracy:.1%} | {errors} | {others} | {seconds} |")


def trusted(run: RunRecord) -> Trust:
    """What the run knows of its answers."""
    assert run.trust is not None, run.not_calibrated
    return run.trust


def linked(source: Path, folder: Path, names: Sequence[str], most: int | None = None) -> Path:
    """A folder with links to the images of some classes."""
    for name in names:
        (folder / name).mkdir(parents=True)
        for file in sorted((source / name).iterdir())[:most]:
            (folder / name / file.name).symlink_to(file.resolve())
    return folder


def digits(folder: Path) -> Path:
    """The handwritten digits that come with scikit-learn, enlarged."""
    folder.mkdir()
    for place, pixels in enumerate(load_digits().images[:300]):
        Image.fromarray((pixels * 15.9).astype(np.uint8)).resize((64, 64)).save(folder / f"{place:03d}.png")
    return folder


if __name__ == "__main__":
    main()
