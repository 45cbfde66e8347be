"""The last stage of ResNet-18 unfrozen: an epoch of convlens against plain PyTorch with the same layers frozen.

    python benchmarks/finetune_last_block.py ../shared/data/hymenoptera --epochs 3

Plain PyTorch is given what favors it: images that were decoded and normalized beforehand and lie in memory, frozen
layers without gradients and in evaluation mode, channels last, the same minibatches in the same order. It still runs
the frozen layers for every image of every epoch; convlens reads the features of the cut from its store. Both start
from the same weights (random ones, or `--weights FILE`), augmentation is off, everything is float32. Prints seconds of
an epoch, their ratio, and the largest difference between the two loss curves.
"""

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convlens.core.files import cache_folder
from convlens.core.progress import silent
from convlens.core.seeds import derived_seed
from convlens.data.batches import decoded_batches, normalized
from convlens.data.scan import scan
from convlens.data.splits import split_images
from convlens.pipeline.fit import Fitting, in_stages
from convlens.pipeline.prepare import Prepared, prepare
from convlens.training.classification import Classification
from convlens.training.recipe import Recipe
from convlens.transfer.prefix import extract_features


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="train/ and val/ with class folders")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--weights", default="random")
    chosen = parser.parse_args(arguments)
    recipe = Recipe(
        backbone="resnet18",
        weights=chosen.weights,
        freeze="layer3",
        size=224,
        epochs=chosen.epochs,
        learning_rate=0.001,
        backbone_lr=1.0,
        schedule="constant",
        weight_decay=0.0,
        augment=False,
    )
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}")
    ours, our_losses = with_convlens(chosen.folder, recipe)
    theirs, their_losses = with_plain_torch(chosen.folder, recipe)
    print(f"plain PyTorch, an epoch    {theirs:8.2f} s")
    print(f"convlens, an epoch         {ours:8.2f} s   {theirs / ours:.2f} times faster")
    apart = max(abs(a - b) for a, b in zip(our_losses, their_losses, strict=True))
    print(f"training losses            {', '.join(f'{loss:.5f}' for loss in our_losses)}; at most {apart:.1e} apart")
    print(f"load of the machine after: {os.getloadavg()[0]:.2f}")


def with_convlens(folder: Path, recipe: Recipe) -> tuple[float, list[float]]:
    """Median seconds of an epoch (training and validation), and the training losses."""
    manifest = split_images(scan(folder), recipe.val_fraction, recipe.seed)
    prepared = prepare(recipe, len(manifest.classes))
    features = extract_features(
        prepared.cut.prefix, manifest, prepared.preprocessing, recipe.precision, cache_folder() / "store", silent
    )
    _, history = in_stages(Fitting(prepared=prepared, features=features, manifest=manifest, recipe=recipe), silent)
    return statistics.median(one.seconds for one in history), [one.train_loss for one in history]


def with_plain_torch(folder: Path, recipe: Recipe) -> tuple[float, list[float]]:
    """The same in plain PyTorch, from the same weights, in the same order."""
    manifest = split_images(scan(folder), recipe.val_fraction, recipe.seed)
    prepared = prepare(recipe, len(manifest.classes))
    module = prepared.module
    sides = {}
    for side in ("train", "val"):
        images = manifest.side(side)
        batches = decoded_batches(images, prepared.preprocessing, 32)
        pixels = torch.cat([normalized(batch.pixels, prepared.preprocessing) for batch in batches])
        sides[side] = pixels, Classification(manifest.classes).encoded(one.labels for one in images)
    trained = [*module.get_submodule("layer4").parameters(), *module.get_submodule("fc").parameters()]
    optimizer = torch.optim.SGD(trained, lr=recipe.learning_rate, momentum=recipe.momentum)
    generator = torch.Generator().manual_seed(derived_seed(recipe.seed, "order"))
    seconds, losses = [], []
    for _ in range(recipe.epochs):
        start = time.perf_counter()
        losses.append(_epoch(prepared, sides["train"], optimizer, recipe.batch_size, generator))
        module.eval()
        with torch.inference_mode():
            for pixels, _ in zip(*(torch.split(one, 256) for one in sides["val"]), strict=True):
                module(pixels)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), losses


def _epoch(
    prepared: Prepared,
    examples: tuple[Tensor, Tensor],
    optimizer: torch.optim.Optimizer,
    batch_size: int,
    generator: torch.Generator,
) -> float:
    module: nn.Module = prepared.module
    prepared.cut.plan.apply(module)  # what is frozen runs in evaluation mode and has no gradients
    pixels, labels = examples
    total = 0.0
    for indices in torch.split(torch.randperm(len(labels), generator=generator), batch_size):
        loss: Tensor = F.cross_entropy(module(pixels[indices]), labels[indices])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        total += loss.item() * len(indices)
    return total / len(labels)


if __name__ == "__main__":
    main()
