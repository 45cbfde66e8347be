"""Dilated convolutions: how far stacks of them see, at what cost and resolution, and what they can learn from afar.

Legend: a stack of layers with dilations d_1, d_2, ... of 3x3 filters sees d_1 + d_2 + ... pixels to each side of its
place, its reach, and one of causal filters with 2 taps so many steps back. With dilations 1, 2, 4, ... that is 2^n - 1
for n layers; with dilation 1 it is n.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from convlens.core.files import disk_errors_named
from convlens.core.study import Axis, Case, Chart, Conclusion, Finding, Level, Point, Series, Table, Value
from convlens.gradient.backpropagate import backpropagate
from convlens.graph.capture import capture
from convlens.graph.cost import cost
from convlens.graph.graph import Graph
from convlens.graph.receptive_field import receptive_field
from convlens.layers.dilated import CausalConv1d
from convlens.studies.measurements import Measurements, difference, interval
from convlens.studies.study import Bench, Study
from convlens.studies.training import minibatch, trained_from_scratch
from convlens.studies.verdicts import compared
from convlens.zoo.initialization import zero_biases

_STACKS = ("plain", "dilated", "strided")
_CAUSAL = ("causal plain", "causal dilated")
_TASKS: Mapping[str, tuple[str, str]] = {"marks": ("plain", "dilated"), "signals": _CAUSAL}
"""The stacks that learn each: one of dilations 1, then one of dilations 1, 2, 4, ..."""
_CLASSES: Mapping[str, tuple[str, str]] = {"marks": ("different", "same"), "signals": ("dark", "bright")}
_CHANCE = 0.5
_LEARNED = 0.75
"""Halfway from chance to all right."""
_LEAK = 0.05
"""So far above chance, what lies outside the field has been seen by some other way."""
_WIDE, _HIGH = 3, 7
"""Pixels of a mark: high, so that its nearest column alone shows its color in the noise."""
_COLORS = ((220, 40, 40), (40, 40, 220))
_LEVELS = (64, 192)
"""Grays of the two values of a signal."""
_NOISE = 12
"""Standard deviation of each pixel, of 255."""
_GRADIENT_BATCH = 64
_SPREAD_BATCH = 8
_OF_THEORY = 0.1
"""How far from 1 a spread over that of theory may lie: of few channels and draws."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dilation(Study):
    """Fields of up to `deepest` layers; and networks of `layers` that learn for `epochs` from `images` of each class.

    All layers have so many `channels`.
    """

    name: ClassVar[str] = "dilation"
    deepest: int = 6
    layers: int = 4
    distances: tuple[int, ...] = (2, 4, 5, 10, 15, 16)
    """Some within the reach of both stacks, some within that of the dilated one alone, some beyond both."""
    channels: int = 8
    images: int = 200
    validation: int = 100
    epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 0.01

    @classmethod
    def full(cls) -> Self:
        """A size with less noise; nothing of this was published as a number."""
        return cls(
            seeds=10,
            deepest=8,
            layers=6,
            distances=(3, 6, 7, 15, 30, 45, 63, 64, 70),
            channels=16,
            images=1000,
            validation=500,
        )

    @property
    def pixels(self) -> int:
        """The side of the images: the farthest marks lie within."""
        return max(16, 2 * (max(self.distances) + _WIDE))

    def prepare(self, bench: Bench) -> list[str]:
        """What the images are, which are made for each seed and distance once they are needed."""
        size = f"{self.images} images of each of 2 classes to train on and {self.validation} to validate on"
        return [
            f"marks: {size}, {self.pixels} x {self.pixels} pixels: two marks, red or blue, left and right of the "
            "center, so many pixels from it; the class is whether they have the same color",
            f"signals: {size}, {self.pixels} random values, dark or bright, from left to right; the class is the value "
            "so many steps before the last",
        ]

    def cases(self) -> list[Case]:
        """The fields of all stacks, then each task at each distance by both of its stacks."""
        cases: list[Case] = []
        for seed in range(self.seeds):
            cases += [{"part": "fields", "stack": stack, "seed": seed} for stack in (*_STACKS, *_CAUSAL)]
            cases += [
                {"part": task, "stack": stack, "distance": distance, "seed": seed}
                for task, stacks in _TASKS.items()
                for distance, stack in itertools.product(self.distances, stacks)
            ]
        return cases

    def measure(self, case: Case, bench: Bench) -> Mapping[str, Value]:
        """Fields, cost and resolution by depth; or accuracy, and in two dimensions the effective field."""
        stack, seed = str(case["stack"]), int(case["seed"])
        torch.manual_seed(seed)
        if case["part"] == "fields":
            return self._fields(stack)
        task, distance = str(case["part"]), int(case["distance"])
        images = self._made(bench, task, distance, seed)
        network = (_AtCenter if task == "marks" else _AtLastStep)(_stack(stack, self.layers, self.channels))
        values: dict[str, Value] = {}
        pixels, _ = minibatch(images, self.pixels, _GRADIENT_BATCH)
        if task == "marks":
            values["profile before"] = _profile(capture(network.features, pixels[:2], compare=False), pixels)
        run = trained_from_scratch(
            network,
            images,
            bench,
            self.pixels,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            optimizer="adamw",
            augment=False,
            seed=seed,
        )
        if task == "marks":
            features = run.module.get_submodule("features")
            values["profile after"] = _profile(capture(features, pixels[:2], compare=False), pixels)
        return {"accuracy": 1 - run.validation_error, **values}

    def _fields(self, stack: str) -> Mapping[str, Value]:
        """By number of layers: the side of the field, computed and measured, spread, cost, and places per side.

        Measured is the span of the input whose gradient is not 0, of one place of the output. Weights and inputs are
        positive, so that no rectifier is closed and nothing cancels; in double precision nothing underflows. The spread
        is that of the squared gradient at He's random weights, on normal inputs.
        """
        side = 2 ** (self.deepest + 1)
        computed, measured, spreads, multiply_adds, places = [], [], [], [], []
        for layers in range(1, self.deepest + 1):
            features = _stack(stack, layers, self.channels)
            shape = (_SPREAD_BATCH, 3, side) if stack in _CAUSAL else (_SPREAD_BATCH, 3, side, side)
            random = torch.randn(shape)
            spreads.append(
                _spread(_profile(capture(features, random[:2], compare=False), random, last=stack in _CAUSAL))
            )
            features.double()
            for parameter in features.parameters():
                nn.init.uniform_(parameter, 0.5 / self.channels, 1.5 / self.channels)
            inputs = torch.rand(2, *shape[1:], dtype=torch.float64) + 0.5
            graph = capture(features, inputs, compare=False)
            computed.append(float(_computed_field(graph)))
            measured.append(float(_measured_span(graph, inputs, last=stack in _CAUSAL)))
            multiply_adds.append(float(cost(graph).total.multiply_adds))
            places.append(float(_output_shape(graph)[-1]))
        return {
            "computed": computed,
            "measured": measured,
            "spread": spreads,
            "multiply-adds": multiply_adds,
            "places": places,
        }

    def _made(self, bench: Bench, task: str, distance: int, seed: int) -> Path:
        """The folder with the images of a task at a distance, which differ from seed to seed."""
        folder = bench.folder / f"{task}-{distance}-{seed}"
        if folder.is_dir():
            return folder
        generator = np.random.default_rng([seed, distance, [*_TASKS].index(task)])
        draw = _marks if task == "marks" else _signal
        with disk_errors_named(folder):
            for side, count in (("train", self.images), ("val", self.validation)):
                for truth, name in enumerate(_CLASSES[task]):
                    (folder / side / name).mkdir(parents=True)
                    for number in range(count):
                        pixels = draw(self.pixels, distance, truth, generator).clip(0, 255).astype(np.uint8)
                        Image.fromarray(pixels).save(folder / side / name / f"{number:05d}.png")
        return folder

    def conclude(self, measured: Measurements) -> Conclusion:
        """Fields against theory, effective fields, and accuracy by distance."""
        return Conclusion(
            findings=[*self._on_fields(measured), *self._on_effective_fields(measured), *self._on_tasks(measured)],
            charts=[*self._charts(measured)],
            tables=[*self._tables(measured)],
        )

    def _on_fields(self, measured: Measurements) -> Iterator[Finding]:
        each = measured.each(part="fields")
        if len({one.case["stack"] for one in each}) < len((*_STACKS, *_CAUSAL)):
            return
        equal = [one.values["computed"] == one.values["measured"] for one in each]
        yield Finding(
            sentence=f"The inputs with a gradient span the computed field in {sum(equal)} of {len(each)} measurements "
            f"of {self.deepest} depths each.",
            verdict="agrees" if all(equal) else "disagrees",
        )
        plain, dilated, strided = (measured.lists("measured", part="fields", stack=stack)[0] for stack in _STACKS)
        costs = [measured.lists("multiply-adds", part="fields", stack=stack)[0] for stack in _STACKS]
        places = [measured.lists("places", part="fields", stack=stack)[0] for stack in _STACKS]
        depths = range(1, self.deepest + 1)
        yield Finding(
            sentence=f"With each layer the field of dilated convolutions doubles: {_listed(dilated)} pixels a side; "
            f"that of plain ones grows by 2: {_listed(plain)}.",
            verdict="agrees"
            if dilated == [2 ** (n + 1) - 1 for n in depths] and plain == [2 * n + 1 for n in depths]
            else "disagrees",
        )
        yield Finding(
            sentence=f"It costs {costs[1][-1] / costs[0][-1]:.2f} times the multiply-adds of {self.deepest} plain "
            f"layers, and the output keeps {places[1][-1]:g} of {places[0][-1]:g} places a side. Strides reach "
            f"{strided[-1]:g} pixels as well, at {costs[2][-1] / costs[0][-1]:.2g} of the cost, and keep "
            f"{places[2][-1]:g} places a side.",
            verdict="agrees" if costs[0] == costs[1] and places[0] == places[1] else "disagrees",
        )

    def _on_effective_fields(self, measured: Measurements) -> Iterator[Finding]:
        for stack, growth in (("plain", "with the root of their number"), ("dilated", "as the field does")):
            spreads = [spread[-1] for spread in measured.lists("spread", part="fields", stack=stack)]
            if len(spreads) > 1:
                low, high = interval(spreads)
                theory = _spread_in_theory(stack, self.deepest)
                ratio = sum(spreads) / len(spreads) / theory
                yield Finding(
                    sentence=f"At random weights the squared gradient of {self.deepest} {stack} layers spreads over "
                    f"σ = {sum(spreads) / len(spreads):.2f} pixels ({low:.2f} to {high:.2f}) of a reach of "
                    f"{_reach(stack, self.deepest)}; in theory {theory:.2f}, which grows {growth}.",
                    verdict="agrees"
                    if abs(ratio - 1) < _OF_THEORY
                    else "disagrees"
                    if abs(ratio - 1) > 3 * _OF_THEORY
                    else "not shown",
                )
        for stack in _TASKS["marks"]:
            distance = _reach(stack, self.layers)
            before, after = (
                {
                    int(one.case["seed"]): _spread(profile)
                    for one in measured.each(**self._case("marks", stack, distance))
                    if isinstance(profile := one.values[f"profile {moment}"], list)
                }
                for moment in ("before", "after")
            )
            found = difference(after, before)
            if found:
                low, high = found.interval
                yield Finding(
                    sentence=f"Training on marks {distance} pixels away changes the spread of {self.layers} {stack} "
                    f"layers from {_mean(before):.2f} to {_mean(after):.2f} pixels, {found.value:+.2f} ({low:+.2f} to "
                    f"{high:+.2f}).",
                    verdict="agrees" if low > 0 else "disagrees" if high < 0 else "not shown",
                )

    def _on_tasks(self, measured: Measurements) -> Iterator[Finding]:
        for task, stacks in _TASKS.items():
            for stack in stacks:
                yield from self._step(measured, task, stack)
            near = _reach(stacks[0], self.layers)
            one, other = (self._case(task, stack, near + 1) for stack in reversed(stacks))
            yield from compared(
                measured,
                "accuracy",
                one,
                other,
                f"{task.capitalize()} {near + 1} {_unit(task)} away, one beyond the reach of {self.layers} plain "
                "layers: dilated ones have a {} accuracy",
                expected="higher",
            )

    @staticmethod
    def _case(task: str, stack: str, distance: int) -> Case:
        """Of any seed."""
        return {"part": task, "stack": stack, "distance": distance}

    def _step(self, measured: Measurements, task: str, stack: str) -> Iterator[Finding]:
        """Accuracy within and beyond the reach of a stack, once two seeds are measured at all distances."""
        reach = _reach(stack, self.layers)
        by_distance = {
            distance: measured.values("accuracy", part=task, stack=stack, distance=distance)
            for distance in self.distances
        }
        within, beyond = ([d for d in self.distances if (d <= reach) == seen] for seen in (True, False))
        if not within or not beyond or any(len(values) < 2 for values in by_distance.values()):
            return
        seeds = sorted(set.intersection(*(set(values) for values in by_distance.values())))
        inside, outside = (
            [sum(by_distance[d][seed] for d in side) / len(side) for seed in seeds] for side in (within, beyond)
        )
        (low, high), (lowest, highest) = (
            (max(0.0, ends[0]), min(1.0, ends[1])) for ends in (interval(inside), interval(outside))
        )
        yield Finding(
            sentence=f"{task.capitalize()}, {stack} layers, whose reach is {reach}: up to there "
            f"{np.mean(inside):.1%} right ({low:.1%} to {high:.1%}), from {reach + 1} {_unit(task)} on "
            f"{np.mean(outside):.1%} ({lowest:.1%} to {highest:.1%}); {_CHANCE:.0%} is chance.",
            verdict="agrees"
            if low > _LEARNED and lowest <= _CHANCE <= highest
            else "disagrees"
            if high < _LEARNED or lowest > _CHANCE + _LEAK
            else "not shown",
        )

    def _charts(self, measured: Measurements) -> Iterator[Chart]:
        yield Chart(
            name="fields",
            title="Receptive field by depth",
            x=Axis(label="layers"),
            y=Axis(label="side, pixels", log=True),
            series=[
                Series(name=f"{stack}, {value}", points=_by_place(lists[0], 1), joined=value == "computed")
                for value, stack in itertools.product(("computed", "measured"), _STACKS)
                if (lists := measured.lists(value, part="fields", stack=stack))
            ],
        )
        spreads = [
            Series(name=stack, points=_by_place(np.mean(lists, axis=0).tolist(), 1), joined=False)
            for stack in _STACKS
            if (lists := measured.lists("spread", part="fields", stack=stack))
        ]
        theory = [
            Series(
                name=f"{stack}, in theory",
                points=_by_place([_spread_in_theory(stack, n) for n in range(1, self.deepest + 1)], 1),
            )
            for stack in _TASKS["marks"]
        ]
        yield Chart(
            name="spread",
            title="Spread of the squared gradient by depth, at random weights",
            x=Axis(label="layers"),
            y=Axis(label="σ, pixels", log=True),
            series=[*spreads, *theory] if spreads else [],
        )
        for distance in (_reach(stack, self.layers) for stack in _TASKS["marks"]):
            yield Chart(
                name=f"effective-{distance}",
                title=f"Effective field before and after training on marks {distance} pixels away",
                x=Axis(label="pixels right of the center"),
                y=Axis(label="share of the squared gradient", form="percent"),
                series=[
                    Series(
                        name=f"{stack}, {moment} training",
                        points=_by_place(np.mean(lists, axis=0).tolist(), -(self.pixels // 2)),
                    )
                    for stack, moment in itertools.product(_TASKS["marks"], ("before", "after"))
                    if (lists := measured.lists(f"profile {moment}", part="marks", stack=stack, distance=distance))
                ],
            )
        for task, title in (("marks", "two marks, left and right"), ("signals", "a value so many steps back")):
            yield Chart(
                name=task,
                title=f"Accuracy by distance: {title}",
                x=Axis(label=f"distance, {_unit(task)}"),
                y=Axis(label="validation accuracy", form="percent"),
                series=[
                    Series(name=f"{stack}, reach {_reach(stack, self.layers)}", points=points)
                    for stack in _TASKS[task]
                    if (points := measured.points("accuracy", "distance", part=task, stack=stack))
                ],
                levels=[Level(name="chance", y=_CHANCE)],
            )

    def _tables(self, measured: Measurements) -> Iterator[Table]:
        rows = []
        for stack in (*_STACKS, *_CAUSAL):
            for one in measured.each(part="fields", stack=stack)[:1]:
                ends = {name: numbers[-1] for name, numbers in one.values.items() if isinstance(numbers, list)}
                sides = f"{ends['computed']:g}", f"{ends['measured']:g}"
                rows.append([stack, *sides, f"{ends['multiply-adds'] / 1e6:.3g} million", f"{ends['places']:g}"])
        if rows:
            yield Table(
                title=f"Stacks of {self.deepest} layers on inputs of {2 ** (self.deepest + 1)} places a side",
                columns=["layers", "computed field", "measured span", "multiply-adds", "output places a side"],
                rows=rows,
            )


class _AtCenter(nn.Module):
    """Scores (N, 2) from the features at the center of images (N, 3, H, W)."""

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(_channels(features), 2)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores, which depend on what the center sees."""
        maps = self.features(images)
        scores: Tensor = self.head(maps[:, :, maps.shape[2] // 2, maps.shape[3] // 2])
        return scores


class _AtLastStep(nn.Module):
    """Scores (N, 2) from the features at the last step of a signal: images (N, 3, H, W), whose columns are steps."""

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(_channels(features), 2)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores, which depend on what the last step sees: of the mean of all rows, in three channels."""
        scores: Tensor = self.head(self.features(images.mean(2))[:, :, -1])
        return scores


def _stack(stack: str, layers: int, channels: int) -> nn.Sequential:
    """The layers, each with a rectifier, from three channels on; He's initialization."""
    parts: list[nn.Module] = []
    for layer, dilation in enumerate(_dilations(stack, layers)):
        before = channels if layer else 3
        if stack in _CAUSAL:
            convolution: nn.Module = CausalConv1d(before, channels, 2, dilation)
        elif stack == "strided":
            convolution = nn.Conv2d(before, channels, 3, stride=2, padding=1)
        else:
            convolution = nn.Conv2d(before, channels, 3, padding=dilation, dilation=dilation)
        parts += [convolution, nn.ReLU()]
    made = nn.Sequential(*parts)
    for part in made:
        if isinstance(part, nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    zero_biases(made)
    return made


def _dilations(stack: str, layers: int) -> list[int]:
    return [2**layer if stack.endswith("dilated") else 1 for layer in range(layers)]


def _reach(stack: str, layers: int) -> int:
    """How far a stack of stride 1 sees to each side, or back."""
    return sum(_dilations(stack, layers))


def _channels(features: nn.Sequential) -> int:
    first = features[0]
    assert isinstance(first, nn.Conv1d | nn.Conv2d), "stacks begin with one"
    return first.out_channels


def _output_shape(graph: Graph) -> tuple[int, ...]:
    """That of the only output, without the batch."""
    shape = graph.by_name[graph.outputs[0]].shape
    assert shape is not None, "stacks give a tensor"
    return tuple(int(size) for size in shape[1:])


def _computed_field(graph: Graph) -> int:
    """The side of the field of one place of the output, in places of the input."""
    field = receptive_field(graph).nodes[graph.outputs[0]]
    assert isinstance(field, tuple), "convolutions have one"
    return field[-1].size


def _of_place(upstream: Tensor, *, last: bool) -> Tensor:
    """The part (N, C) of a gradient (N, C, T) at its last step, or of one (N, C, H, W) at its center: a view."""
    return upstream[..., -1] if last else upstream[..., upstream.shape[2] // 2, upstream.shape[3] // 2]


def _measured_span(graph: Graph, inputs: Tensor, *, last: bool) -> int:
    """The span, along the last axis, of the inputs with a gradient of the output's center, or of its last step."""
    upstream = torch.zeros(len(inputs), *_output_shape(graph), dtype=inputs.dtype)
    _of_place(upstream, last=last).fill_(1)
    gradient = backpropagate(graph, inputs, upstream=upstream).inputs[0]
    assert gradient is not None, "the input leads to the output"
    seen = (gradient != 0).flatten(0, -2).any(0).nonzero()
    return int(seen.max() - seen.min()) + 1


def _profile(graph: Graph, inputs: Tensor, *, last: bool = False) -> list[float]:
    """The squared gradient of the output's center, or of its last step, by column of the input, as shares.

    Summed over inputs, channels and rows, for a random upstream gradient: in the mean that is the sum over all features
    of that place (Luo et al., arXiv:1701.04128, section 3, where the gradient is not squared).
    """
    upstream = torch.zeros(len(inputs), *_output_shape(graph))
    place = _of_place(upstream, last=last)
    place.copy_(torch.randn(place.shape))
    gradient = backpropagate(graph, inputs, upstream=upstream).inputs[0]
    assert gradient is not None, "the input leads to the output"
    squares = gradient.double().square().flatten(0, -2).sum(0)
    shares: list[float] = (squares / squares.sum()).tolist()
    return shares


def _spread(shares: Sequence[float]) -> float:
    """The standard deviation σ of the column, in pixels."""
    columns = np.arange(len(shares))
    mean = np.average(columns, weights=shares)
    return float(np.sqrt(np.average((columns - mean) ** 2, weights=shares)))


def _spread_in_theory(stack: str, layers: int) -> float:
    """σ at random weights of one variance: the columns of the taps are independent from layer to layer, so that their
    variances, d² (k² - 1) / 12 of k taps that stand d apart, add up; strides set taps apart as dilations do."""
    taps = 2 if stack in _CAUSAL else 3
    apart = [2**layer for layer in range(layers)] if stack == "strided" else _dilations(stack, layers)
    return math.sqrt(sum(d**2 for d in apart) * (taps**2 - 1) / 12)


def _marks(pixels: int, distance: int, same: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """An image (pixels, pixels, 3) with a mark on each side, whose nearest column is so far from the center's."""
    image = generator.normal(128, _NOISE, (pixels, pixels, 3))
    center, color = pixels // 2, int(generator.integers(2))
    rows = slice(center - _HIGH // 2, center + _HIGH // 2 + 1)
    image[rows, center - distance - _WIDE + 1 : center - distance + 1] = _COLORS[color]
    image[rows, center + distance : center + distance + _WIDE] = _COLORS[color if same else 1 - color]
    return image


def _signal(pixels: int, distance: int, bright: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """An image (pixels, pixels) of equal rows: random values, of which that so many steps before the last is given."""
    values = generator.integers(2, size=pixels)
    values[-1 - distance] = bright
    row = np.array(_LEVELS)[values] + generator.normal(0, _NOISE, pixels)
    return np.tile(row, (pixels, 1))


def _unit(task: str) -> str:
    return "pixels" if task == "marks" else "steps"


def _mean(by_seed: Mapping[int, float]) -> float:
    return sum(by_seed.values()) / len(by_seed)


def _listed(numbers: list[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _by_place(numbers: list[float], first: int) -> list[Point]:
    return [Point(x=place, y=number) for place, number in enumerate(numbers, start=first)]
