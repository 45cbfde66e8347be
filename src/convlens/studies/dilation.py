"""Dilated convolutions: how far stacks of them see, at what cost and resolution, and what they can learn from afar.

Legend: a stack of layers with dilations d_1, d_2, ... of 3x3 filters sees d_1 + d_2 + ... pixels to each side of its
place, its reach, and one of causal filters with 2 taps so many steps back. With dilations 1, 2, 4, ... that is 2^n - 1
for n layers; with dilation 1 it is n.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from torch import nn

from convlens.core.study import Axis, Case, Chart, Conclusion, Finding, Level, Series, Table, Value
from convlens.graph.capture import capture
from convlens.graph.cost import cost
from convlens.studies.bench import Bench
from convlens.studies.dilated_stacks import (
    CAUSAL,
    STACKS,
    AtCenter,
    AtLastStep,
    computed_field,
    measured_span,
    output_shape,
    profile_of,
    reach_of,
    spread_in_theory,
    spread_of,
    stack_of,
)
from convlens.studies.far_images import MARK_WIDTH, drawn_far
from convlens.studies.measurements import Measurements, curve, difference, interval
from convlens.studies.study import Study
from convlens.studies.training import minibatch, trained_from_scratch
from convlens.studies.verdicts import compared

_TASKS: Mapping[str, tuple[str, str]] = {"marks": ("plain", "dilated"), "signals": CAUSAL}
"""The stacks that learn each: one of dilations 1, then one of dilations 1, 2, 4, ..."""
_CHANCE = 0.5
_LEARNED = 0.75
"""Halfway from chance to all right."""
_LEAK = 0.05
"""So far above chance, what lies outside the field has been seen by some other way."""
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
        return max(16, 2 * (max(self.distances) + MARK_WIDTH))

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
            cases += [{"part": "fields", "stack": stack, "seed": seed} for stack in (*STACKS, *CAUSAL)]
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
        network = (AtCenter if task == "marks" else AtLastStep)(stack_of(stack, self.layers, self.channels))
        values: dict[str, Value] = {}
        pixels, _ = minibatch(images, self.pixels, _GRADIENT_BATCH)
        if task == "marks":
            values["profile before"] = profile_of(capture(network.features, pixels[:2], compare=False), pixels)
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
            values["profile after"] = profile_of(capture(features, pixels[:2], compare=False), pixels)
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
            features = stack_of(stack, layers, self.channels)
            shape = (_SPREAD_BATCH, 3, side) if stack in CAUSAL else (_SPREAD_BATCH, 3, side, side)
            random = torch.randn(shape)
            spreads.append(
                spread_of(profile_of(capture(features, random[:2], compare=False), random, last=stack in CAUSAL))
            )
            features.double()
            for parameter in features.parameters():
                nn.init.uniform_(parameter, 0.5 / self.channels, 1.5 / self.channels)
            inputs = torch.rand(2, *shape[1:], dtype=torch.float64) + 0.5
            graph = capture(features, inputs, compare=False)
            computed.append(float(computed_field(graph)))
            measured.append(float(measured_span(graph, inputs, last=stack in CAUSAL)))
            multiply_adds.append(float(cost(graph).total.multiply_adds))
            places.append(float(output_shape(graph)[-1]))
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
        counts = {"train": self.images, "val": self.validation}
        return drawn_far(folder, task, counts, pixels=self.pixels, distance=distance, seed=seed)

    def conclude(self, measured: Measurements) -> Conclusion:
        """Fields against theory, effective fields, and accuracy by distance."""
        return Conclusion(
            findings=[*self._on_fields(measured), *self._on_effective_fields(measured), *self._on_tasks(measured)],
            charts=[*self._charts(measured)],
            tables=[*self._tables(measured)],
        )

    def _on_fields(self, measured: Measurements) -> Iterator[Finding]:
        each = measured.each(part="fields")
        if len({one.case["stack"] for one in each}) < len((*STACKS, *CAUSAL)):
            return
        equal = [one.values["computed"] == one.values["measured"] for one in each]
        yield Finding(
            sentence=f"The inputs with a gradient span the computed field in {sum(equal)} of {len(each)} measurements "
            f"of {self.deepest} depths each.",
            verdict="agrees" if all(equal) else "disagrees",
        )
        plain, dilated, strided = (measured.lists("measured", part="fields", stack=stack)[0] for stack in STACKS)
        costs = [measured.lists("multiply-adds", part="fields", stack=stack)[0] for stack in STACKS]
        places = [measured.lists("places", part="fields", stack=stack)[0] for stack in STACKS]
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
                theory = spread_in_theory(stack, self.deepest)
                ratio = sum(spreads) / len(spreads) / theory
                yield Finding(
                    sentence=f"At random weights the squared gradient of {self.deepest} {stack} layers spreads over "
                    f"σ = {sum(spreads) / len(spreads):.2f} pixels ({low:.2f} to {high:.2f}) of a reach of "
                    f"{reach_of(stack, self.deepest)}; in theory {theory:.2f}, which grows {growth}.",
                    verdict="agrees"
                    if abs(ratio - 1) < _OF_THEORY
                    else "disagrees"
                    if abs(ratio - 1) > 3 * _OF_THEORY
                    else "not shown",
                )
        for stack in _TASKS["marks"]:
            distance = reach_of(stack, self.layers)
            before, after = (
                {
                    int(one.case["seed"]): spread_of(profile)
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
            near = reach_of(stacks[0], self.layers)
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
        reach = reach_of(stack, self.layers)
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
                Series(name=f"{stack}, {value}", points=curve(lists[0]), joined=value == "computed")
                for value, stack in itertools.product(("computed", "measured"), STACKS)
                if (lists := measured.lists(value, part="fields", stack=stack))
            ],
        )
        spreads = [
            Series(name=stack, points=curve(np.mean(lists, axis=0).tolist()), joined=False)
            for stack in STACKS
            if (lists := measured.lists("spread", part="fields", stack=stack))
        ]
        theory = [
            Series(
                name=f"{stack}, in theory",
                points=curve([spread_in_theory(stack, n) for n in range(1, self.deepest + 1)]),
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
        for distance in (reach_of(stack, self.layers) for stack in _TASKS["marks"]):
            yield Chart(
                name=f"effective-{distance}",
                title=f"Effective field before and after training on marks {distance} pixels away",
                x=Axis(label="pixels right of the center"),
                y=Axis(label="share of the squared gradient", form="percent"),
                series=[
                    Series(
                        name=f"{stack}, {moment} training",
                        points=curve(np.mean(lists, axis=0).tolist(), -(self.pixels // 2)),
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
                    Series(name=f"{stack}, reach {reach_of(stack, self.layers)}", points=points)
                    for stack in _TASKS[task]
                    if (points := measured.points("accuracy", "distance", part=task, stack=stack))
                ],
                levels=[Level(name="chance", y=_CHANCE)],
            )

    def _tables(self, measured: Measurements) -> Iterator[Table]:
        rows = []
        for stack in (*STACKS, *CAUSAL):
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


def _unit(task: str) -> str:
    return "pixels" if task == "marks" else "steps"


def _mean(by_seed: Mapping[int, float]) -> float:
    return sum(by_seed.values()) / len(by_seed)


def _listed(numbers: list[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
