"""Training from scratch: images per second of a plain PyTorch loop and of convlens, and what each measure gains.

    OMP_WAIT_POLICY=passive python benchmarks/training.py --rounds 3

The images are made here: 500 x 375 pixels, discs and bars on smooth noise of several scales, with grain, as JPEG of
quality 90, which makes 110 kB, as much as photographs have. The network is the house network at 64 pixels, for all.
In turn, in every round, over the same images:

- plain loop: an image folder in a DataLoader with two workers; Pillow decodes, crops, mirrors and recolors image by
  image; contiguous tensors, float32, torch.optim.SGD;
- byte cache: images decoded once before, read as bytes, augmented as a batch (convlens.data.augment);
- channels last: the same with the network's and the images' channels last in memory;
- bfloat16: the same under autocast, where the processor computes in it;
- convlens: what `convlens train --freeze none` runs, with all that this machine has;
- growing images: the same with `--progressive-resizing 0.5`, a fifth of the images at each of its five sizes,
  which is what they take on average over a training.

Prints the median of each, and the gain over the line before it. The time to decode once is a line of its own.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from convlens.core.preprocessing import Preprocessing
from convlens.core.progress import silent
from convlens.data.augment import Augmentation
from convlens.data.batches import decoded_batches
from convlens.data.scan import scan
from convlens.graph.run import run
from convlens.pipeline.prepare import prepare
from convlens.training.learner import Learner, Model
from convlens.training.recipe import Recipe
from convlens.transfer.precision import computes_in_bfloat16
from convlens.zoo import card, network

BATCH = 64
CLASSES = ("bars", "discs")
Batches = Iterator[tuple[Tensor, Tensor]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the images, run the rounds, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=512, help="in each round")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        draw_photographs(folder, chosen.images)
        start = time.perf_counter()
        pixels, labels = decoded(folder)
        print(f"decoding all images once: {len(pixels) / (time.perf_counter() - start):.0f} images/s")
        contestants = _contestants(folder, pixels, labels)
        rates: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(chosen.rounds):
            for name, epoch in contestants.items():
                rates[name].append(len(pixels) / epoch())
                print(f"round {number + 1}: {name} {rates[name][-1]:.0f} images/s", file=sys.stderr)
    print_table(rates)


def _contestants(folder: Path, pixels: Tensor, labels: Tensor) -> dict[str, Callable[[], float]]:
    """Names, and functions that train for one epoch and give its seconds."""
    native = computes_in_bfloat16("cpu")
    contestants = {
        "plain loop": lambda: _plain_epoch(_plain_batches(folder), torch.contiguous_format),
        "byte cache": lambda: _plain_epoch(_cached_batches(pixels, labels), torch.contiguous_format),
        "channels last": lambda: _plain_epoch(_cached_batches(pixels, labels), torch.channels_last),
    }
    if native:
        contestants["bfloat16"] = lambda: _plain_epoch(
            _cached_batches(pixels, labels), torch.channels_last, torch.bfloat16
        )
    else:
        print("bfloat16: left out, this processor does not compute in it")
    learner, sides = _learner("bf16" if native else "fp32")
    return {
        **contestants,
        "convlens": lambda: _our_epoch(learner, pixels, labels, sides[-1:]),
        "growing images": lambda: _our_epoch(learner, pixels, labels, sides),
    }


def draw_photographs(folder: Path, count: int) -> None:
    """`count` JPEG files of two classes below the folder, drawn from a seed."""
    generator = np.random.default_rng(0)
    for number in range(count):
        name = CLASSES[number % 2]
        (folder / name).mkdir(exist_ok=True)
        _photograph(name, generator).save(folder / name / f"{number:05d}.jpg", quality=90)


def _photograph(name: str, generator: np.random.Generator) -> Image.Image:
    size = (500, 375)
    scales = [generator.integers(0, 256, (3 * 2**k, 4 * 2**k, 3), dtype=np.uint8) for k in range(5)]
    layers = [np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BICUBIC), np.float32) for one in scales]
    image = Image.fromarray(np.asarray(np.mean(layers, axis=0)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, length = (int(v) for v in generator.uniform((0, 0, 30), (450, 330, 90)))
        color = tuple(int(v) for v in generator.integers(0, 256, 3))
        if name == "discs":
            draw.ellipse((x, y, x + length, y + length), fill=color)
        else:
            draw.rectangle((x, y, x + length, y + length // 4), fill=color)
    grain = generator.normal(0, 20, (375, 500, 3))
    grained = np.asarray(image.filter(ImageFilter.GaussianBlur(1)), np.float32) + grain
    return Image.fromarray(grained.clip(0, 255).astype(np.uint8))


class Folder(Dataset[tuple[Tensor, int]]):
    """Images of class folders, decoded and changed at every access, as tutorials do it."""

    def __init__(self, folder: Path, size: int) -> None:
        self.items = [(path, k) for k, name in enumerate(CLASSES) for path in sorted((folder / name).iterdir())]
        self.size = size
        preprocessing = Preprocessing()
        self.mean, self.std = (torch.tensor(v).view(3, 1, 1) for v in (preprocessing.mean, preprocessing.std))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.items[index]
        image = self._changed(Image.open(path).convert("RGB"))
        return (torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 - self.mean) / self.std, label

    def _changed(self, image: Image.Image) -> Image.Image:
        area, ratio = random.uniform(0.35, 1), (4 / 3) ** random.uniform(-1, 1)
        width = min(image.width, int((area * ratio) ** 0.5 * image.width))
        height = min(image.height, int((area / ratio) ** 0.5 * image.height))
        left, top = random.randint(0, image.width - width), random.randint(0, image.height - height)
        box = (left, top, left + width, top + height)
        image = image.resize((self.size, self.size), Image.Resampling.BILINEAR, box)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = kind(image).enhance(random.uniform(0.8, 1.2))
        return image


def decoded(folder: Path) -> tuple[Tensor, Tensor]:
    """All images as bytes (N, size, size, 3), as the store holds them, and their class numbers."""
    batches = list(decoded_batches(scan(folder).images, card("house").preprocessing, BATCH))
    labels = [CLASSES.index(image.labels[0]) for batch in batches for image in batch.images]
    return torch.cat([batch.pixels for batch in batches]), torch.tensor(labels)


def _plain_batches(folder: Path) -> Batches:
    yield from DataLoader(Folder(folder, card("house").preprocessing.size), BATCH, shuffle=True, num_workers=2)


def _cached_batches(pixels: Tensor, labels: Tensor, sides: Sequence[int] = ()) -> Batches:
    """Batches of an epoch; an equal part of it at each of these sides."""
    augment, whole = Augmentation(), card("house").preprocessing
    for side, part in zip(sides or [whole.size], torch.randperm(len(pixels)).chunk(len(sides) or 1), strict=True):
        for indices in torch.split(part, BATCH):
            yield augment(pixels[indices], whole.model_copy(update={"size": side})), labels[indices]


def _plain_epoch(batches: Batches, layout: torch.memory_format, autocast: torch.dtype | None = None) -> float:
    """Seconds of an epoch of plain PyTorch, with images and network in this layout."""
    module = network("house", classes=len(CLASSES)).to(memory_format=layout)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    start = time.perf_counter()
    for images, labels in batches:
        optimizer.zero_grad()
        with torch.autocast("cpu", autocast, enabled=autocast is not None):
            logits = module(images.contiguous(memory_format=layout))
        F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return time.perf_counter() - start


def _learner(precision: str) -> tuple[Learner, tuple[int, ...]]:
    """The house network with `--freeze none --progressive-resizing 0.5`, and the sides of its images."""
    recipe = Recipe.of(weights="random", freeze="none", precision=precision, progressive_resizing=0.5, epochs=5)
    prepared = prepare(recipe, len(CLASSES), silent)
    cut = prepared.cut
    graphs = {**prepared.smaller, recipe.size: cut.training.suffix}
    model = Model(
        train_forward=lambda x: run(graphs[x.shape[-1]], x),
        eval_forward=lambda x: run(cut.evaluation.suffix, x),
        parameters=cut.trained_parameters,
        buffers=cut.changing_buffers,
        autocast=torch.bfloat16 if precision == "bf16" else None,
    )
    return Learner(model, recipe), prepared.sides


def _our_epoch(learner: Learner, pixels: Tensor, labels: Tensor, sides: Sequence[int]) -> float:
    """Seconds of an epoch of convlens's own steps."""
    start = time.perf_counter()
    for number, (images, numbers) in enumerate(_cached_batches(pixels, labels, sides), start=1):
        learner.step(number, 0.01, (images,), numbers)
    return time.perf_counter() - start


def print_table(rates: dict[str, list[float]]) -> None:
    """Medians over the rounds, each one's gain over the one before, and that of all together."""
    medians = {name: statistics.median(values) for name, values in rates.items()}
    before = None
    for name, median in medians.items():
        gain = f"   {median / before:5.2f} times the line before" if before else ""
        print(f"{name:16} {median:7.0f} images/s ({min(rates[name]):.0f} to {max(rates[name]):.0f}){gain}")
        before = median
    plain, ours = medians["plain loop"], medians["convlens"]
    print(f"all together     {medians['growing images'] / plain:7.2f} times the plain loop; {ours / plain:.2f} times")
    print("                         with images that do not grow")


if __name__ == "__main__":
    main()
