"""The losses of four small runs, to the last bit: a refactoring must leave them as they are.

`python -m tests.golden.losses > tests/golden/losses.txt` records them anew, which only a change of what is computed on
purpose may ask for.
"""

import json
import platform
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

import convlens
from convlens.core.run import METRICS_FILE
from tests.images import draw_images

FILE = Path(__file__).with_name("losses.txt")
_SMALL = {"size": 32, "precision": "fp32", "seed": 3}
_RUNS = {
    "frozen": {"backbone": "house", "epochs": 4, "dropout": 0.2, "mixup": 0.2, "label_smoothing": 0.1},
    "unfrozen": {"backbone": "house", "epochs": 3, "unfreeze": 1, "ema": 0.9, "head": "hidden", "head_width": 16},
    "scratch": {
        "backbone": "resnet20",
        "weights": "random",
        "freeze": "none",
        "epochs": 3,
        "erasing": 0.2,
        "cutmix": 0.5,
    },
}
_TRICKS = ["adam", "ema", "class-weights", "label-smoothing", "momentum"]


def machine() -> str:
    """What the last bits depend on."""
    found = (
        re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    )
    processor = found[1] if found else platform.processor()
    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {processor}"


def losses(folder: Path) -> Iterator[tuple[str, float, float]]:
    """Run and epoch, training loss and validation loss; on one thread."""
    for side, first in (("train", 0), ("val", 50)):
        draw_images(folder / "images" / side, 10, first=first, classes=3)
    for name, options in _RUNS.items():
        convlens.train(folder / "images", out=folder / name, **{**_SMALL, **options})
        for line in (folder / name / METRICS_FILE).read_text().splitlines():
            metrics = json.loads(line)
            yield f"{name} {metrics['epoch']}", metrics["train_loss"], metrics["val_loss"]
    options = {"backbone": "house", "epochs": 3, **_SMALL}
    for row in convlens.compare(folder / "images", tricks=_TRICKS, seeds=1, out=folder / "compared", **options).rows:
        for epoch in row.runs[0].epochs:
            yield f"stacked:{row.name} {epoch.epoch}", epoch.train_loss, epoch.val_loss


def table(folder: Path) -> str:
    """All of it as text; the digits are hexadecimal, so that none is lost."""
    lines = [f"{name} {train.hex()} {val.hex()}" for name, train, val in losses(folder)]
    return "\n".join([machine(), *lines]) + "\n"


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        print(table(Path(temporary)), end="")
