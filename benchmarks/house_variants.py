"""What earns its place in the house network: the network and variants of it, each trained from scratch alike.

    OMP_WAIT_POLICY=passive python benchmarks/house_variants.py tiny-imagenet-200

The images are those of every eighth class of DIR/train (of Tiny ImageNet: 25 classes of 500 images), 70% to learn
from and 30% to judge by, at 48 pixels. All variants have the recipe of the house network's weights, ten epochs, one
seed. First every variant's steps are timed, in turn, ten times. Prints a line for each: parameters, multiply-adds of
one image, time of a step against the house network's (median), accuracy, and its 95% interval (Wilson).
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convlens
from convlens.core.kinds.classification import ClassificationEvaluation
from convlens.core.run import RunRecord
from convlens.layers.dense import DenseBlock, Transition
from convlens.layers.residual import shortcut
from convlens.tasks.train import train
from convlens.zoo.house import House, SqueezeExciteBlock
from convlens.zoo.initialization import he_normal

SIZE, EPOCHS, EVERY, ROUNDS, BATCH = 48, 10, 8, 10, 64
Build = Callable[[int], nn.Module]
"""From the number of classes to a network with random weights."""


class Nothing(nn.Module):
    """A shortcut through which nothing goes."""

    def forward(self, x: Tensor) -> Tensor:
        """Zero, of a shape that adds to any."""
        return x.new_zeros(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Time, train, print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    variants: dict[str, Build] = {
        "the house network": House,
        "without squeeze-and-excitation": without_gates,
        "shortcuts by a strided 1x1 convolution": with_strided_shortcuts,
        "without shortcuts": without_shortcuts,
        "last stage dilated by 2, not strided": dilated,
        "dense blocks of as many multiply-adds": dense,
    }
    with tempfile.TemporaryDirectory() as place:
        some = Path(place) / "images"
        names = sorted(one.name for one in (folder / "train").iterdir())[::EVERY]
        for name in names:
            shutil.copytree(folder / "train" / name, some / name)
        times = step_times(variants, len(names))
        print("| | parameters | multiply-adds | time of a step | accuracy | 95% interval |\n|---|---|---|---|---|---|")
        for name, build in variants.items():
            torch.manual_seed(0)
            module = build(len(names))
            cost = convlens.cost(convlens.capture(module.eval(), torch.zeros(1, 3, SIZE, SIZE))).total
            record = trained(some, module, Path(place) / name.replace(" ", "-"))
            assert isinstance(record.validation, ClassificationEvaluation)
            low, high = record.validation.interval
            print(
                f"| {name} | {cost.parameters / 1e6:.2f} M | {cost.multiply_adds / 1e6:.0f} M | {times[name]:.2f} "
                f"| {record.validation.accuracy:.1%} | {low:.1%} to {high:.1%} |",
                flush=True,
            )


def trained(folder: Path, module: nn.Module, out: Path) -> RunRecord:
    """By the recipe of the house network's weights."""
    return train(
        folder,
        backbone=module,
        freeze="none",
        size=SIZE,
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=0.1,
        val_fraction=0.3,
        out=out,
        warm_up=1,
        nesterov=True,
        weight_decay=5e-4,
        backbone_lr=1.0,  # a module that is given counts as trained before
        label_smoothing=0.1,
        ema=0.99,
        progressive_resizing=0.5,
    )


def step_times(variants: Mapping[str, Build], classes: int) -> dict[str, float]:
    """Median times of a forward and a backward pass, as multiples of the first network's; the networks take turns."""
    modules = {name: build(classes) for name, build in variants.items()}
    x, y = torch.randn(BATCH, 3, SIZE, SIZE), torch.randint(classes, (BATCH,))
    times: dict[str, list[float]] = {name: [] for name in modules}
    for _ in range(ROUNDS):
        for name, module in modules.items():
            begun = time.perf_counter()
            torch.autograd.backward(F.cross_entropy(module(x), y))
            times[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(each) for name, each in times.items()}
    first = next(iter(medians.values()))
    return {name: median / first for name, median in medians.items()}


def blocks_of(network: House) -> list[SqueezeExciteBlock]:
    """The residual blocks, from the input on."""
    return [one for one in network.modules() if isinstance(one, SqueezeExciteBlock)]


def without_gates(classes: int) -> House:
    """Basic residual blocks."""
    network = House(classes)
    for block in blocks_of(network):
        block.add_module("se", nn.Identity())
    return network


def with_strided_shortcuts(classes: int) -> House:
    """Projections that look at one pixel in four, as in the first ResNets."""
    network = House(classes)
    for block in blocks_of(network):
        if block.downsample is not None:
            block.add_module("downsample", shortcut(block.conv1.in_channels, block.conv1.out_channels, 2))
    he_normal(network, "fan_out")
    return network


def without_shortcuts(classes: int) -> House:
    """A chain of layers."""
    network = House(classes)
    for block in blocks_of(network):
        del block.downsample  # which may be None, and then no module
        block.add_module("downsample", Nothing())
    return network


def dilated(classes: int) -> House:
    """The last stage keeps the places of the stage before it; its convolutions see as far as before."""
    network = House(classes)
    *_, first, second = blocks_of(network)
    first.conv1.stride = (1, 1)
    first.add_module("downsample", shortcut(first.conv1.in_channels, first.conv1.out_channels, 1))
    for convolution in (first.conv2, second.conv1, second.conv2):
        convolution.dilation = convolution.padding = (2, 2)
    he_normal(network, "fan_out")
    return network


def dense(classes: int) -> nn.Module:
    """Dense blocks, growth rate 20, behind the house network's first layers; transitions halve channels and places."""
    house = House(classes)
    stages: OrderedDict[str, nn.Module] = OrderedDict(conv1=house.conv1, bn1=house.bn1, relu=house.relu)
    channels = house.conv1.out_channels
    depths, growth_rate = (3, 6, 8, 8), 20
    for number, depth in enumerate(depths, start=1):
        stages[f"block{number}"] = DenseBlock(channels, growth_rate, depth)
        channels += depth * growth_rate
        if number < len(depths):
            stages[f"transition{number}"] = Transition(channels, channels // 2)
            channels //= 2
    stages |= {"norm": nn.BatchNorm2d(channels), "last_relu": nn.ReLU(), "pool": nn.AdaptiveAvgPool2d(1)}
    stages |= {"flat": nn.Flatten(), "fc": nn.Linear(channels, classes)}
    network = nn.Sequential(stages)
    he_normal(network, "fan_out")
    return network


if __name__ == "__main__":
    main()
