"""Looking through a folder of images: images per second of a plain Pillow loop and of `convlens check`.

    python benchmarks/check.py --images 1000 --rounds 5
    python benchmarks/check.py --small 100000

The first makes JPEG files of 1000 x 750 pixels, smooth shapes with grain, quality 90, in two classes; or takes those of
`--folder`. In every round, in turn, over the same files: `PIL.Image.open(file).load()` one after another, and all that
`convlens check` does (hashes, damage, brightness, sharpness, images that look alike). Prints the median of each, and
the processor's time, which does not depend on what else runs: on two free cores a check takes half of its own.

The second makes that many PNG files of 32 pixels and prints the time and the memory that checking them took.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from convlens.data.walk import files_below
from convlens.tasks.check import check_images


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the images, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="of JPEG files, one folder per class, instead of made ones")
    parser.add_argument("--small", type=int, help="measure so many small files instead")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        if chosen.small:
            small_files(Path(place), chosen.small)
        else:
            side_by_side(chosen.folder or draw_photographs(Path(place), chosen.images), chosen.rounds)


def side_by_side(folder: Path, rounds: int) -> None:
    files = list(files_below(folder))
    contestants: dict[str, Callable[[], object]] = {
        "plain Pillow": lambda: plain(files),
        "convlens check": lambda: check_images(folder),
    }
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    work_ms: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, work in contestants.items():
            start, busy = time.perf_counter(), time.process_time()
            work()
            work_ms[name].append(1000 * (time.process_time() - busy) / len(files))
            rates[name].append(len(files) / (time.perf_counter() - start))
            print(f"round {number + 1}: {name} {rates[name][-1]:.0f} images/s", file=sys.stderr)
    usual = statistics.median(rates["plain Pillow"])
    for name, some in rates.items():
        rate, busy = statistics.median(some), statistics.median(work_ms[name])
        print(f"{name}: {rate:.0f} images/s, {rate / usual:.2f} times plain Pillow; {busy:.2f} ms of a core each")


def plain(files: Sequence[Path]) -> None:
    for file in files:
        with Image.open(file) as image:
            image.load()


def small_files(folder: Path, count: int) -> None:
    random = np.random.default_rng(0)
    for number in range(count):
        path = folder / "ab"[number % 2] / f"{number // 2 // 1000}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        cells.resize((32, 32), Image.Resampling.BICUBIC).save(path, compress_level=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    record = check_images(folder)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{record.files} files of 32 pixels: {seconds:.1f} s, {record.files / seconds:.0f} files/s")
    print(f"memory: {peak / 1024:.0f} MiB at most, {before / 1024:.0f} MiB before the check")


def draw_photographs(folder: Path, count: int) -> Path:
    random = np.random.default_rng(0)
    for number in range(count):
        image = random.normal(0, 6, (750, 1000, 3))
        for cells in (4, 12, 40):
            noise = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
            image += np.asarray(noise.resize((1000, 750), Image.Resampling.BICUBIC), dtype=np.float64) / 3
        path = folder / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return folder


if __name__ == "__main__":
    main()
