"""Labels that are known to be wrong: how many an audit finds, beside cleanlab on the same probabilities, and what for.

    python benchmarks/audit.py TINY_IMAGENET --learn train
    python benchmarks/audit.py TINY_IMAGENET --learn val
    python benchmarks/audit.py TINY_IMAGENET --learn val --step 10

TINY_IMAGENET holds train/ and val/ with a folder of images for each class. A part of the labels is flipped, at random
or to the class whose mean is nearest. With `--learn train` those of the training images are judged, 500 of each class,
and the validation images are the test; the backbone was trained on these training images. With `--learn val` it has
seen none: 35 validation images of each class are judged, and the other 15 are the test. Test labels stay as they are.
"""

import argparse
import csv
import dataclasses
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from cleanlab.filter import find_label_issues

from convlens.core.audit import Gain
from convlens.core.progress import unsaid
from convlens.data.layout import Layout
from convlens.data.manifest import one_of_each
from convlens.data.scan import labeled_images
from convlens.pipeline.embedding import Embedded, embedder_of
from convlens.pipeline.judged_labels import Judged, judged
from convlens.pipeline.label_audit import label_audit
from convlens.tasks.audit import CONFIDENCE, audit

SIZE = 128
"""Pixels a side, for images of 64."""
BACKBONE = "efficientnet_lite0"
LEARNED = 35
"""Images of each class that are judged, with `--learn val`."""
Labels = dict[str, str]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tiny", type=Path)
    parser.add_argument("--learn", choices=["train", "val"], default="train")
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--step", type=int, default=1, help="Take each N-th class; neighbors are much alike.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = linked(given.tiny, Path(place) / "images", given.learn, given.classes, given.step)
        true = {path.relative_to(folder).as_posix(): path.parent.name for path in sorted(folder.rglob("*.webp"))}
        embedded = embedder_of(BACKBONE, size=SIZE).of(one_of_each(labeled_images(folder).images))
        near = nearest_classes(embedded, true)
        print("| flipped | suspects | precision | recall | cleanlab, its default | by both | suggestion right |")
        print("|---|---|---|---|---|---|---|")
        gains = []
        for rate, kind in ((0.05, "random"), (0.05, "similar"), (0.1, "random"), (0.1, "similar")):
            labels = flipped(true, rate, near if kind == "similar" else {})
            name = f"{rate:.0%}, {'at random' if kind == 'random' else 'to the nearest class'}"
            found = judge(folder, labels, Path(place) / "labels.csv", embedded)
            print(f"| {name} | {' | '.join(found_cells(found, true, labels))} |", flush=True)
            gains += [(name, what, gain) for what, gain in gains_of(found, true, labels)]
        print_gains(gains)
        start, cpu = time.perf_counter(), time.process_time()
        record = audit(folder, backbone=BACKBONE, size=SIZE, labels=Path(place) / "labels.csv", out=Path(place) / "out")
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(
            f"\nThe whole command on {record.files} images, features stored: {seconds:.1f} s, {cpu:.1f} s of all cores"
        )


def linked(tiny: Path, folder: Path, learn: str, classes: int, step: int) -> Path:
    """The folder with links to images in train/ and test/."""
    for name in sorted(one.name for one in (tiny / "val").iterdir())[::step][:classes]:
        val = sorted((tiny / "val" / name).iterdir())
        train = sorted((tiny / "train" / name).iterdir()) if learn == "train" else val[:LEARNED]
        for side, files in (("train", train), ("test", val if learn == "train" else val[LEARNED:])):
            (folder / side / name).mkdir(parents=True)
            for file in files:
                (folder / side / name / file.name).symlink_to(file.resolve())
    return folder


def nearest_classes(embedded: Embedded, true: Mapping[str, str]) -> Labels:
    """For each class the one whose mean of unit vectors is nearest."""
    names = sorted({*true.values()})
    labels = torch.tensor([names.index(true[image.file]) for image in embedded.images])
    units = F.normalize(embedded.vectors, dim=1)
    means = torch.stack([units[labels == number].mean(0) for number in range(len(names))])
    distances = torch.cdist(means, means).fill_diagonal_(torch.inf)
    return {name: names[place] for name, place in zip(names, distances.argmin(1).tolist(), strict=True)}


def flipped(true: Mapping[str, str], rate: float, near: Mapping[str, str]) -> Labels:
    """The labels, of which that part of the training images has another one: the nearest class, or any."""
    draw = random.Random(0)
    names = sorted({*true.values()})
    train = [file for file in true if file.startswith("train/")]
    wrong = {
        file: near[true[file]] if near else draw.choice([name for name in names if name != true[file]])
        for file in draw.sample(train, round(rate * len(train)))
    }
    return {**true, **wrong}


def judge(folder: Path, labels: Labels, table: Path, embedded: Embedded) -> Judged:
    """What networks say of these labels."""
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label"), *labels.items()])
    manifest = labeled_images(folder, layout=Layout(labels=table))
    labeled = {image.file: image for image in manifest.images}
    images = tuple(labeled[image.file] for image in embedded.images)
    return judged(manifest, dataclasses.replace(embedded, images=images), 0, unsaid)


def found_cells(found: Judged, true: Labels, labels: Labels) -> Iterator[str]:
    """How many wrong labels are found among the training images; certain ones, of equal bytes, are not counted."""
    learned = found.labeled & ~found.sealed
    wrong = torch.tensor([labels[image.file] != true[image.file] for image in found.images])
    right = torch.tensor([found.name(n) == true[i.file] for n, i in zip(found.suggested, found.images, strict=True)])
    yield str(int(found.suspect[learned].sum()))
    yield from scores(found.suspect[learned], wrong[learned])
    given, probabilities = found.labels[learned].numpy(), found.probabilities[learned].numpy()
    for rule in ("prune_by_noise_rate", "both"):
        theirs = find_label_issues(given, probabilities, filter_by=rule, n_jobs=1)
        yield ", ".join(scores(torch.from_numpy(theirs), wrong[learned]))
    yield f"{float(right[found.suspect & learned & wrong].double().mean()):.1%}"


def scores(suspect: torch.Tensor, wrong: torch.Tensor) -> tuple[str, str]:
    """Precision and recall."""
    hits = float((suspect & wrong).sum())
    return f"{hits / int(suspect.sum()):.1%}", f"{hits / int(wrong.sum()):.1%}"


def gains_of(found: Judged, true: Labels, labels: Labels) -> Iterator[tuple[str, Gain]]:
    """What it is worth to take suggestions, unseen or after a review, and to have no wrong label at all."""
    suspects = label_audit(found).suspects
    sure = {one.file: one.suggested for one in suspects if one.suggested_probability >= CONFIDENCE}
    taken: dict[str, Labels] = {
        "all suggestions, unseen": {one.file: one.suggested for one in suspects},
        f"those of at least {CONFIDENCE:.0%}, unseen": sure,
        "suspects, reviewed without mistake": {one.file: true[one.file] for one in suspects},
        "every wrong label": true,
    }
    for what, changes in taken.items():
        gain = label_audit(found, {**labels, **changes}, what).gain
        assert gain is not None
        yield what, gain


def print_gains(gains: Sequence[tuple[str, str, Gain]]) -> None:
    """A line for each."""
    print(
        "\n| flipped | corrected | labels changed | test accuracy before | after | difference in points, 95% interval |"
    )
    print("|---|---|---|---|---|---|")
    for name, what, gain in gains:
        low, high = gain.interval
        interval = f"{100 * gain.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        print(f"| {name} | {what} | {gain.changed} | {gain.before:.1%} | {gain.after:.1%} | {interval} |")


if __name__ == "__main__":
    main()
