"""Whether forecasts of what more images are worth come true.

    python benchmarks/forecast.py TINY_IMAGENET/val --sets 10

Each set has 20 other classes of Tiny ImageNet's validation side, 20 images of each to validate on. From 15 training
images a class, `compare` forecasts what 15 more will be worth; then it is measured, on the same validation images.
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from convlens.core.comparison import Comparison
from convlens.tasks.compare import compare

CLASSES, VALIDATED, TRAINED = 20, 20, 15
FRACTIONS = (0.2, 0.35, 0.6, 1)


def main() -> None:
    """Print a line for each set, and how many intervals hold what came."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tiny", type=Path)
    parser.add_argument("--sets", type=int, default=10)
    given = parser.parse_args()
    names = sorted(one.name for one in given.tiny.iterdir())
    errors, held = [], 0
    print("| classes | now | forecast for twice the images | 95% interval | came |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for number in range(given.sets):
            chosen = names[number * CLASSES : (number + 1) * CLASSES]
            half = _compared(given.tiny, Path(place) / f"half{number}", chosen, TRAINED, FRACTIONS)
            full = _compared(given.tiny, Path(place) / f"full{number}", chosen, 2 * TRAINED, (1,))
            assert half.forecast is not None
            worth, now = half.forecast.all[-1], half.fractions[-1].transfer
            came = full.fractions[-1].transfer - now
            low, high = worth.interval
            held += low <= came <= high
            errors.append(abs(came - worth.gain))
            told = f"{100 * worth.gain:+.1f} | {100 * low:+.1f} to {100 * high:+.1f} | {100 * came:+.1f}"
            print(f"| {number * CLASSES + 1} to {(number + 1) * CLASSES} | {now:.1%} | {told} |", flush=True)
    print(
        f"\n{held} of {given.sets} intervals hold what came; median error {100 * statistics.median(errors):.1f} points"
    )


def _compared(tiny: Path, folder: Path, names: Sequence[str], count: int, fractions: Sequence[float]) -> Comparison:
    for name in names:
        files = sorted((tiny / name).iterdir())
        for side, chosen in (("val", files[:VALIDATED]), ("train", files[VALIDATED : VALIDATED + count])):
            (folder / side / name).mkdir(parents=True)
            for file in chosen:
                (folder / side / name / file.name).symlink_to(file.resolve())
    return compare(
        folder,
        fractions=fractions,
        scratch=False,
        seeds=3,
        out=folder / "comparison",
        size=128,
        learning_rate=0.1,
        momentum=0.9,
        epochs=20,
    )


if __name__ == "__main__":
    main()
