"""Dense connections against residual ones: accuracy by parameters and by multiply-adds, and what each layer reads."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import nn

from convlens.core.study import Axis, Case, Chart, Conclusion, Finding, HeatMap, Point, Series, Table, Value
from convlens.graph.capture import capture
from convlens.graph.cost import cost
from convlens.layers.dense import DenseBlock, DenseLayer
from convlens.studies.bench import Bench
from convlens.studies.image_study import ScratchStudy
from convlens.studies.measurements import Measurements, difference, point
from convlens.studies.verdicts import in_percent, told_difference
from convlens.zoo.densenet_cifar import CifarDenseNet
from convlens.zoo.resnet_cifar import CifarResNet

_DENSE, _RESIDUAL = "DenseNet", "ResNet"
Cost = Literal["parameters", "multiply-adds"]
_COSTS: tuple[Cost, ...] = ("parameters", "multiply-adds")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dense(ScratchStudy):
    """DenseNets with bottlenecks and ResNets of these depths, trained for `epochs` on `images` of each class."""

    name: ClassVar[str] = "dense"
    dense_depths: tuple[int, ...] = (16, 22, 28, 40, 58)
    residual_depths: tuple[int, ...] = (8, 14, 20, 26, 38)
    growth_rate: int = 12

    @property
    def _depths(self) -> Mapping[str, tuple[int, ...]]:
        return {_DENSE: self.dense_depths, _RESIDUAL: self.residual_depths}

    def cases(self) -> list[Case]:
        """Both families at each size."""
        return [
            {"family": family, "depth": depth, "seed": seed}
            for seed in range(self.seeds)
            for family, depths in self._depths.items()
            for depth in depths
        ]

    def measure(self, case: Case, bench: Bench) -> Mapping[str, Value]:
        """Errors, costs, and for the largest DenseNet what its layers read."""
        seed, depth = int(case["seed"]), int(case["depth"])
        torch.manual_seed(seed)
        network: nn.Module
        if case["family"] == _DENSE:
            network = CifarDenseNet(depth, self.growth_rate, self.classes, bottleneck=True)
        else:
            network = CifarResNet(self.classes, depth=depth)
        total = cost(capture(network.eval(), torch.zeros(2, 3, self.size, self.size), compare=False)).total
        run = self.from_scratch(network.train(), bench, seed=seed)
        reads = read_strengths(run.module) if case["family"] == _DENSE and depth == max(self.dense_depths) else {}
        return {
            "validation error": run.validation_error,
            "training error": run.error(bench.images),
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "multiply-adds": total.multiply_adds,
            **reads,
        }

    def conclude(self, measured: Measurements) -> Conclusion:
        """Error at equal cost, and how much of early layers' output late ones use."""
        findings = [*self._findings(measured)]
        return Conclusion(
            findings=findings,
            charts=[self._chart(measured, value) for value in _COSTS],
            heat_maps=[*_heat_maps(measured)],
            tables=[self._table(measured)] if measured.each() else [],
            caveat=(
                "The paper trains 300 epochs of 50,000 images at 32 x 32 pixels with augmentation, the full form "
                "200: there parameters decide, here it is the few steps as well."
                if any(one.verdict != "agrees" for one in findings)
                else ""
            ),
        )

    def _findings(self, measured: Measurements) -> Iterator[Finding]:
        for value in _COSTS:
            dense, residual = self._at_equal(measured, value)
            if found := difference(dense, residual):
                yield told_difference(
                    found, f"At equal {value}, DenseNets have a {{}} validation error than ResNets", expected="lower"
                )
        if shares := _shares_of_early(measured):
            mean = point(0, shares)
            assert mean is not None
            low = mean.y if mean.low is None else mean.low
            yield Finding(
                sentence="In the largest DenseNet, the last layer of a block reads the first half of its sources with "
                f"{in_percent(mean)} of its mean weight; with none of it they would be of no use, with 50% they are "
                "read as much as the late ones.",
                verdict="agrees" if low > 0.25 else "not shown",
            )

    def _at_equal(self, measured: Measurements, value: Cost) -> tuple[dict[int, float], dict[int, float]]:
        """Mean errors by seed, of DenseNets and of ResNets of the same cost, between those that were measured."""
        dense, residual = {}, {}
        for seed in range(self.seeds):
            curves = {family: self._curve(measured, value, family, seed) for family in self._depths}
            if any(len(curves[family]) < len(depths) for family, depths in self._depths.items()):
                continue
            costs, errors = zip(*curves[_RESIDUAL], strict=True)
            within = [(at, error) for at, error in curves[_DENSE] if costs[0] <= at <= costs[-1]]
            if within:
                dense[seed] = float(np.mean([error for _, error in within]))
                residual[seed] = float(np.mean(np.interp(np.log([at for at, _ in within]), np.log(costs), errors)))
        return dense, residual

    def _curve(self, measured: Measurements, value: Cost, family: str, seed: int) -> list[tuple[float, float]]:
        """Costs with their errors, of those sizes that were measured, from the cheapest on."""
        pairs = []
        for depth in self._depths[family]:
            costs, errors = (
                measured.values(name, family=family, depth=depth, seed=seed) for name in (value, "validation error")
            )
            pairs += [(costs[seed], errors[seed])] if costs else []
        return sorted(pairs)

    def _chart(self, measured: Measurements, value: Cost) -> Chart:
        series = []
        for family, depths in self._depths.items():
            points: list[Point] = []
            for depth in depths:
                at = measured.mean(value, family=family, depth=depth)
                found = measured.mean("validation error", family=family, depth=depth)
                if at and found:
                    points.append(found.model_copy(update={"x": at.y, "label": str(depth)}))
            series.append(Series(name=family, points=points))
        return Chart(
            name=value,
            title=f"Validation error by {value}; each point says its depth",
            x=Axis(
                label=value + (" of one image's forward pass" if value == "multiply-adds" else ""),
                form="quantity",
                log=True,
            ),
            y=Axis(label="validation error", form="percent"),
            series=series,
        )

    def _table(self, measured: Measurements) -> Table:
        rows = []
        for family, depths in self._depths.items():
            for depth in depths:
                if measured.each(family=family, depth=depth):
                    costs = [measured.mean(value, family=family, depth=depth) for value in _COSTS]
                    errors = [
                        in_percent(measured.mean(value, family=family, depth=depth))
                        for value in ("validation error", "training error")
                    ]
                    rows.append([f"{family} {depth}", *(f"{round(one.y):,}" if one else "" for one in costs), *errors])
        return Table(
            title="All numbers, errors as means over seeds with their 95% intervals",
            columns=["network", *_COSTS, "validation error", "training error"],
            rows=rows,
        )


def read_strengths(network: nn.Module) -> dict[str, Value]:
    """For each dense block "block N": the mean absolute weight by which layer l reads source s, row after row.

    Layer l, from 1, has l sources: the block's input, and the layers before it (Huang et al., figure 5). Each row is
    divided by its largest number.
    """
    strengths: dict[str, Value] = {}
    blocks = [module for module in network.modules() if isinstance(module, DenseBlock)]
    for number, block in enumerate(blocks, start=1):
        layers = [layer for layer in block if isinstance(layer, DenseLayer)]
        row_by_row: list[float] = []
        for place, layer in enumerate(layers):
            weights = layer.conv1.weight.detach().abs().mean(dim=(0, 2, 3))
            growth = layer.conv2.out_channels
            first = len(weights) - place * growth
            ends = [0, *range(first, len(weights) + 1, growth)]
            means = [float(weights[start:end].mean()) for start, end in itertools.pairwise(ends)]
            row_by_row += [mean / max(means) for mean in means]
        strengths[f"block {number}"] = row_by_row
    return strengths


def _rows(strengths: list[float]) -> list[list[float]]:
    """The rows of 1, 2, 3, ... numbers that stand one behind the other."""
    rows: list[list[float]] = []
    start = 0
    while start < len(strengths):
        rows.append(strengths[start : start + len(rows) + 1])
        start += len(rows)
    return rows


def _blocks(measured: Measurements) -> list[str]:
    names = {name for one in measured.each(family=_DENSE) for name in one.values if name.startswith("block ")}
    return sorted(names)


def _with_reads(measured: Measurements) -> Measurements:
    return Measurements([one for one in measured.each(family=_DENSE) if "block 1" in one.values])


def _heat_maps(measured: Measurements) -> Iterator[HeatMap]:
    for name in _blocks(measured):
        rows = _rows(_with_reads(measured).mean_list(name))
        yield HeatMap(
            name=name.replace(" ", "-"),
            title=f"Dense {name}: which sources each layer reads",
            row="layer",
            column="source: the block's input, then its layers",
            value="mean absolute weight, relative to the layer's strongest source",
            cells=[[*row, *[None] * (len(rows) - len(row))] for row in rows],
        )


def _shares_of_early(measured: Measurements) -> dict[int, float]:
    """By seed, the part of the last layers' mean weights that falls on the first half of their sources."""
    shares = {}
    for one in _with_reads(measured).each():
        blocks = [value for name, value in one.values.items() if name.startswith("block ")]
        lasts = [_rows(value)[-1] for value in blocks if isinstance(value, list)]
        means = [(np.mean(last[: len(last) // 2]), np.mean(last[len(last) // 2 :])) for last in lasts if len(last) > 1]
        shares[int(one.case["seed"])] = float(np.mean([early / (early + late) for early, late in means]))
    return shares
