"""The house network's weights and their card, from a finished run: python docs/make_house_weights.py RUN IMAGES.

RUN is what `convlens train` made of the unpacked tiny-imagenet-200.zip, IMAGES that folder. The weights are stored in
half precision. The card's accuracies are those of `convlens evaluate house IMAGES/val` with the stored weights;
its hours are those of the epochs, beside whatever else ran on the machine.
"""

import hashlib
import json
import shlex
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import convlens
from convlens.core.kinds.classification import ClassificationEvaluation
from convlens.core.run import METRICS_FILE, RUN_FILE, RunRecord

WEIGHTS = Path(convlens.__file__).parent / "zoo" / "weights"
DATA = "Tiny ImageNet: 200 classes of ImageNet, 100,000 training and 10,000 validation images of 64x64 pixels"
CURVE = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
MOST_BYTES = 6 * 2**20


def main() -> None:
    """Write house.safetensors and house.json."""
    run, images = Path(sys.argv[1]), Path(sys.argv[2]) / "val"
    record = RunRecord.from_json((run / RUN_FILE).read_bytes(), str(run))
    weights = WEIGHTS / "house.safetensors"
    state = load_file(run / "model.safetensors")
    save_file({name: halved(tensor) for name, tensor in state.items()}, weights)
    assert weights.stat().st_size <= MOST_BYTES
    judged = {size: convlens.evaluate("house", images, size=size) for size in (48, 64, 96)}
    whole = judged[64].evaluation
    assert isinstance(whole, ClassificationEvaluation)
    lines = [json.loads(line) for line in (run / METRICS_FILE).read_text().splitlines()]
    card = {
        "network": "house",
        "file": "house.safetensors: half precision, 2,872,188 parameters",
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "data": DATA,
        "command": command(record),
        "seed": record.recipe["seed"],
        "hours": round(sum(line["seconds"] for line in lines) / 3600, 1),
        "machine": record.versions.machine,
        "versions": {"convlens": record.versions.convlens, "torch": record.versions.torch},
        "top1_percent": {f"at {size} pixels": percent(one.accuracy) for size, one in judged.items()},
        "top5_percent": percent(whole.top5_accuracy),
        "curve": [{name: round(line[name], 4) for name in CURVE} for line in lines],
        "top1_percent_by_class": {one.name: percent(one.recall) for one in whole.per_class},
    }
    (WEIGHTS / "house.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    print(f"{weights.stat().st_size} bytes, {card['top1_percent']}")


def halved(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in half precision where it holds fractions."""
    return tensor.half() if tensor.is_floating_point() else tensor


def percent(part: float | None) -> float:
    """To a hundredth of a point."""
    assert part is not None, "images of 200 classes have it"
    return round(100 * part, 2)


def command(record: RunRecord) -> str:
    """The command line without the folders of the machine that it ran on."""
    words = shlex.split(record.command)
    words[words.index(record.folder)] = "tiny-imagenet-200"
    return shlex.join(words)


if __name__ == "__main__":
    main()
