"""The usual transfer-learning loop in plain PyTorch, as tutorials teach it: what convlens is compared with.

Every epoch decodes and augments every training image, runs the whole network on it, and trains the new last layer;
then it does the same, without augmentation, for the validation images. Nothing here is convlens's but the network.

    python benchmarks/usual_loop.py DIR --epochs 10
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from convlens.zoo import card, network

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


class Folder(Dataset[tuple[Tensor, int]]):
    """Images of class folders, decoded at every access: a random crop and flip, or the center."""

    def __init__(self, folder: Path, size: int, *, augment: bool) -> None:
        classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
        self.items = [(path, k) for k, name in enumerate(classes) for path in sorted((folder / name).iterdir())]
        self.size = size
        self.augment = augment

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.items[index]
        image = Image.open(path).convert("RGB")
        image = self._random_crop(image) if self.augment else self._center(image)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return (pixels - MEAN) / STD, label

    def _random_crop(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        side = int((random.uniform(0.08, 1.0) * width * height) ** 0.5)
        side = min(side, width, height)
        left, top = random.randint(0, width - side), random.randint(0, height - side)
        crop = image.resize((self.size, self.size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
        return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else crop

    def _center(self, image: Image.Image) -> Image.Image:
        scale = self.size * 256 / 224 / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
        left, top = (image.width - self.size) // 2, (image.height - self.size) // 2
        return image.crop((left, top, left + self.size, top + self.size))


def usual_loop(
    folder: Path,
    epochs: int,
    size: int = 224,
    batch_size: int = 32,
    backbone: str = "resnet18",
    weights: str = "random",
) -> tuple[list[float], float]:
    """Seconds of each epoch, and the last validation accuracy."""
    random.seed(0)
    torch.manual_seed(0)
    net = network(backbone, weights=None if weights == "random" else weights)
    net.requires_grad_(requires_grad=False)
    parent, _, name = card(backbone).head.rpartition(".")
    head = nn.Linear(net.get_submodule(card(backbone).head).in_features, 2)  # type: ignore[arg-type]
    setattr(net.get_submodule(parent), name, head)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.01, momentum=0.9)
    train = DataLoader(Folder(folder / "train", size, augment=True), batch_size, shuffle=True, num_workers=2)
    val = DataLoader(Folder(folder / "val", size, augment=False), batch_size, num_workers=2)
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        net.train()
        for images, labels in train:
            optimizer.zero_grad()
            loss: Tensor = F.cross_entropy(net(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        net.eval()
        with torch.no_grad():
            hits = sum(int((net(images).argmax(1) == labels).sum()) for images, labels in val)
        seconds.append(time.perf_counter() - start)
    return seconds, hits / len(val.dataset)  # type: ignore[arg-type]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print seconds of each epoch and the accuracy as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--weights", default="random")
    chosen = parser.parse_args(arguments)
    seconds, accuracy = usual_loop(chosen.folder, chosen.epochs, backbone=chosen.backbone, weights=chosen.weights)
    print(json.dumps({"seconds": seconds, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
