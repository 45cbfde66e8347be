"""Whether shortcuts over two layers are best: the curvature of linear networks at zero, and what training shows."""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from convlens.core.study import Axis, Case, Chart, Conclusion, Finding, Level, Point, Series, Table, Value
from convlens.report.formatting import counted
from convlens.studies.bench import Bench
from convlens.studies.image_study import ScratchStudy
from convlens.studies.linear_residual import (
    Curvature,
    LinearNetwork,
    Regression,
    Start,
    curvature,
    curvature_of_shortcuts_over_two,
    hessian_by_formula,
    hessian_of_gradients,
    linear_network,
    random_regression,
    start_at,
)
from convlens.studies.measurements import SEED, Measurements, curve
from convlens.studies.verdicts import compared, doubt, verdict_on
from convlens.zoo.resnet_cifar import CifarResNet

_CURVATURE, _NEAR_ZERO, _TRAINING = "curvature", "near zero", "training"


class _Linear(NamedTuple):
    """A linear network at its start."""

    span: int | None
    start: Start


_LINEAR: Mapping[str, _Linear] = {
    "shortcuts over 1": _Linear(1, "zero"),
    "shortcuts over 2": _Linear(2, "zero"),
    "plain, Xavier": _Linear(None, "Xavier"),
    "plain, orthogonal": _Linear(None, "orthogonal"),
}
_SPANS = (1, 2, 3)
_SIZES = (0.0, 0.001, 0.01, 0.1)
"""Standard deviations of the weights of linear networks near zero."""
_INPUTS_PER_UNIT = 8

_OVER_1, _OVER_2, _OVER_3 = (f"over {span}, A" for span in _SPANS)
_CONVOLUTIONAL: Mapping[str, Mapping[str, Any]] = {
    _OVER_1: {"span": 1},
    _OVER_2: {"span": 2},
    _OVER_3: {"span": 3},
    "over 2, B": {"shortcut": "B"},
    "over 2, C": {"shortcut": "C"},
    "pre-activation": {"pre_activation": True},
}
_OPTIONS = {
    "over 2, B": "projections where sizes differ (B)",
    "over 2, C": "projections everywhere (C)",
    "pre-activation": "pre-activation",
}

_OF_TWO_DIGITS = 0.005
_UNCHANGED = 0.01
_MOST_DIGITS = 15
_SLOPE = 0.1
"""How far a power law that was fitted may lie from the one that theory gives."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shortcuts(ScratchStudy):
    """Linear networks of `width` units and these `depths`, and convolutional ones of `layers`, trained for `epochs`.

    The depths are multiples of 6, so that shortcuts over 1, 2 and 3 layers divide them; `layers` is 2 more than a
    multiple of 18.
    """

    name: ClassVar[str] = "shortcuts"
    width: int = 4
    depths: tuple[int, ...] = (6, 12, 18, 24)
    draws: int = 10
    """Draws of data and weights, by formula, for each seed."""
    layers: int = 20
    images: int = 300
    batch_size: int = 128

    @classmethod
    def full(cls) -> Self:
        """The size that was published."""
        return cls(
            width=6,
            depths=(6, 12, 24, 48),
            layers=56,
            size=32,
            images=1_000_000,
            validation=1_000_000,
            epochs=200,
            augment=True,
        )

    def cases(self) -> list[Case]:
        """The curvature of linear networks by depth and near zero, and then each network that is trained."""
        return [case for seed in range(self.seeds) for case in self._of_one(seed)]

    def _of_one(self, seed: int) -> Iterator[Case]:
        for network, depth in itertools.product(_LINEAR, self.depths):
            yield {"experiment": _CURVATURE, "network": network, "depth": depth, SEED: seed}
        for span, size in itertools.product(_SPANS, _SIZES):
            yield {"experiment": _NEAR_ZERO, "span": span, "weights": size, SEED: seed}
        for network in _CONVOLUTIONAL:
            yield {"experiment": _TRAINING, "network": network, SEED: seed}

    def measure(self, case: Case, bench: Bench) -> Mapping[str, Value]:
        """Condition numbers as decimal logarithms; the sizes of Hessian and gradient; or losses and errors."""
        seed = int(case[SEED])
        if case["experiment"] == _TRAINING:
            return self._trained(str(case["network"]), seed, bench)
        generator = torch.Generator().manual_seed(seed)
        if case["experiment"] == _NEAR_ZERO:
            return self._near_zero(int(case["span"]), float(case["weights"]), generator)
        return self._curvature(_LINEAR[str(case["network"])], int(case["depth"]), generator)

    def _data(self, generator: torch.Generator) -> Regression:
        return random_regression(self.width, _INPUTS_PER_UNIT * self.width, generator)

    def _curvature(self, linear: _Linear, depth: int, generator: torch.Generator) -> dict[str, Value]:
        """The first draw both ways, and means over all draws by formula; decimal logarithms."""
        network, computed, measured = linear_network(self.width, depth, linear.span), [], None
        for _ in range(self.draws):
            data = self._data(generator)
            start_at(network, linear.start, generator)
            computed.append(_by_formula(network, data))
            measured = measured or curvature(hessian_of_gradients(network, data)[0])
        assert measured is not None, "there is a draw"
        return {
            "condition": math.log10(measured.condition),
            "condition by formula": math.log10(computed[0].condition),
            "tenth": math.log10(measured.condition_of_tenth),
            "tenth by formula": math.log10(computed[0].condition_of_tenth),
            "mean condition": statistics.fmean(math.log10(one.condition) for one in computed),
            "mean tenth": statistics.fmean(math.log10(one.condition_of_tenth) for one in computed),
        }

    def _near_zero(self, span: int, size: float, generator: torch.Generator) -> dict[str, Value]:
        data, network = self._data(generator), linear_network(self.width, min(self.depths), span)
        with torch.no_grad():
            for weight in network.weights:
                weight.copy_(size * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))
        hessian, gradient = hessian_of_gradients(network, data)
        sizes: dict[str, Value] = {"entry": float(hessian.abs().max()), "gradient": float(gradient.norm())}
        return sizes | ({"tenth": math.log10(curvature(hessian).condition_of_tenth)} if sizes["entry"] else {})

    def _trained(self, name: str, seed: int, bench: Bench) -> dict[str, Value]:
        torch.manual_seed(seed)
        network = CifarResNet(self.classes, depth=self.layers, **_CONVOLUTIONAL[name])
        run = self.from_scratch(network, bench, seed=seed, schedule="step")
        losses = [epoch.train_loss for epoch in run.epochs]
        return {"training losses": losses, "training loss": losses[-1], "validation error": run.validation_error}

    def conclude(self, measured: Measurements) -> Conclusion:
        """Depth against curvature, flatness at zero, and the trained networks against each other."""
        trained = [*_of_training(measured)]
        return Conclusion(
            findings=[*self._of_curvature(measured), *_of_flatness(measured), *trained],
            charts=[chart for chart in self._charts(measured) if any(series.points for series in chart.series)],
            tables=[*self._tables(measured)],
            caveat=(
                f"The condition numbers are exact; what training shows is that of {self.layers} layers, "
                f"{self.size} x {self.size} pixels and {self.epochs} epochs. What was published on options and on "
                "pre-activation are differences below one point, of 34 to 164 layers, on ImageNet and CIFAR-10; the "
                "full form trains 56 layers for 200 epochs."
                if any(one.verdict != "agrees" for one in trained)
                else ""
            ),
        )

    def _of_curvature(self, measured: Measurements) -> Iterator[Finding]:
        shallow, deep = min(self.depths), max(self.depths)
        yield from _of_formulas(measured)
        yield from _of_shortcuts_over_two(measured, shallow, deep)
        for network, value, what in (
            ("shortcuts over 1", "mean condition", "the condition number at zero"),
            ("shortcuts over 1", "mean tenth", "the condition number without the smallest tenth"),
            ("plain, Xavier", "mean tenth", "the condition number without the smallest tenth"),
            ("plain, orthogonal", "mean tenth", "the condition number without the smallest tenth"),
        ):
            case = {"experiment": _CURVATURE, "network": network}
            grown = measured.difference(value, {**case, "depth": deep}, {**case, "depth": shallow})
            if grown is not None:
                low, high = grown.interval
                yield Finding(
                    sentence=f"{network[0].upper()}{network[1:]}: with {deep} layers, {what} is "
                    f"{10**grown.value:.3g} times as large as with {shallow} ({10**low:.3g} to {10**high:.3g}); in "
                    f"proportion to depth it would be {deep / shallow:.3g} times"
                    f"{doubt(grown)}.",
                    verdict=verdict_on(grown, grown.value > 0),
                )

    def _charts(self, measured: Measurements) -> Iterator[Chart]:
        depths = Axis(label="layers")
        yield Chart(
            name="condition",
            title="Condition number of the Hessian at zero, linear networks, both ways on the same data",
            x=depths,
            y=Axis(label="largest over smallest absolute eigenvalue", log=True),
            series=[
                Series(
                    name=f"{network}, {way}",
                    points=_bare(_powers(measured, value, network)),
                    joined=value == "condition",
                )
                for network in ("shortcuts over 1", "shortcuts over 2")
                for way, value in (("by gradients", "condition"), ("by formula", "condition by formula"))
            ],
        )
        yield Chart(
            name="tenth",
            title="The same without the smallest tenth of the eigenvalues, plain networks at their start too",
            x=depths,
            y=Axis(label="largest eigenvalue over that of the lowest tenth", log=True),
            series=[Series(name=network, points=_powers(measured, "mean tenth", network)) for network in _LINEAR],
        )
        yield Chart(
            name="near-zero",
            title=f"Largest entry of the Hessian near zero, {min(self.depths)} layers",
            x=Axis(label="standard deviation of the weights", log=True),
            y=Axis(label="largest absolute entry", log=True),
            series=[
                Series(
                    name=f"shortcuts over {span}",
                    points=_bare(
                        one for one in measured.points("entry", "weights", experiment=_NEAR_ZERO, span=span) if one.x
                    ),
                )
                for span in _SPANS
            ],
        )
        yield Chart(
            name="losses",
            title=f"Training loss by epoch, convolutional networks of {self.layers} layers, means",
            x=Axis(label="epoch"),
            y=Axis(label="cross-entropy, nats"),
            series=[
                Series(name=name, points=curve(losses))
                for name in (_OVER_1, _OVER_2, _OVER_3)
                if (losses := measured.mean_list("training losses", experiment=_TRAINING, network=name))
            ],
        )
        for value, label in (("validation error", "validation error"), ("training loss", "cross-entropy, nats")):
            yield Chart(
                name=value.replace(" ", "-"),
                title=f"{value.capitalize()} by shortcut" + (", the last epoch" if value == "training loss" else ""),
                x=Axis(label="shortcut", names=[*_CONVOLUTIONAL]),
                y=Axis(label=label, form="percent" if value == "validation error" else "number"),
                series=[
                    Series(
                        name=value,
                        points=[
                            found.model_copy(update={"x": x})
                            for x, name in enumerate(_CONVOLUTIONAL)
                            if (found := measured.mean(value, experiment=_TRAINING, network=name))
                        ],
                        joined=False,
                    )
                ],
                levels=[Level(name="guessing", y=1 - 1 / self.classes)] if value == "validation error" else [],
            )

    def _tables(self, measured: Measurements) -> Iterator[Table]:
        rows = [
            [
                network,
                str(depth),
                *(_told(one.y) for one in points if one),
            ]
            for network, depth in itertools.product(_LINEAR, self.depths)
            if all(
                points := [
                    measured.mean(value, experiment=_CURVATURE, network=network, depth=depth)
                    for value in ("condition", "condition by formula", "tenth", "tenth by formula", "mean tenth")
                ]
            )
        ]
        if rows:
            yield Table(
                title="Condition numbers, geometric means over the seeds",
                columns=[
                    "network",
                    "layers",
                    "largest over smallest",
                    "by formula",
                    "without the smallest tenth",
                    "by formula",
                    "over all draws",
                ],
                rows=rows,
            )


def _told(logarithm: float) -> str:
    """A condition number; eigenvalues of double precision that lie further apart are lost in rounding."""
    return f"{10**logarithm:.3g}" if logarithm < _MOST_DIGITS else f"> 1e{_MOST_DIGITS}"


def _by_formula(network: LinearNetwork, data: Regression) -> Curvature:
    """Of shortcuts at zero by their span, and of plain networks at their weights."""
    if network.span == 2:
        return curvature_of_shortcuts_over_two(data)
    one = torch.eye(data.inputs.shape[1], dtype=torch.float64)
    weights: Sequence[Tensor] = [one if network.span == 1 else weight.detach() for weight in network.weights]
    return curvature(hessian_by_formula(weights, data))


def _of_formulas(measured: Measurements) -> Iterator[Finding]:
    """Whether both ways lead to the same. Of plain networks, the smallest eigenvalue is lost in rounding."""
    apart = [
        abs(10 ** (logarithm[seed] - others[seed]) - 1)
        for network, linear in _LINEAR.items()
        for value in (("condition", "tenth") if linear.span else ("tenth",))
        for depth in sorted({int(one.case["depth"]) for one in measured.each(experiment=_CURVATURE)})
        if (logarithm := measured.values(value, experiment=_CURVATURE, network=network, depth=depth))
        and (others := measured.values(f"{value} by formula", experiment=_CURVATURE, network=network, depth=depth))
        for seed in logarithm
    ]
    if apart:
        yield Finding(
            sentence=f"The Hessian of convlens's own gradients and the formulas give the same {len(apart)} condition "
            f"numbers: they differ by at most {max(apart):.1e} of their value.",
            verdict="agrees" if max(apart) < _OF_TWO_DIGITS else "disagrees",
        )


def _of_shortcuts_over_two(measured: Measurements, shallow: int, deep: int) -> Iterator[Finding]:
    case = {"experiment": _CURVATURE, "network": "shortcuts over 2"}
    ends = [measured.values("condition", **case, depth=depth) for depth in (shallow, deep)]
    factors = [10 ** (ends[1][seed] - ends[0][seed]) for seed in ends[0].keys() & ends[1].keys()]
    if factors and shallow < deep:
        furthest = max(factors, key=lambda factor: abs(factor - 1))
        yield Finding(
            sentence=f"Shortcuts over 2: from {shallow} to {deep} layers, the condition number at zero stays: in "
            f"{counted(len(factors), 'draw')} of the data it is, at furthest, {furthest:.4f} times as large. It is "
            "that of the difference of the covariances, whatever the depth.",
            verdict="agrees" if abs(furthest - 1) < _UNCHANGED else "disagrees",
        )


def _of_flatness(measured: Measurements) -> Iterator[Finding]:
    """Shortcuts over 3, at zero and near it."""
    at_zero = [*measured.values("entry", experiment=_NEAR_ZERO, span=3, weights=0.0).values()]
    entry, gradient = _slope(measured, "entry", 3), _slope(measured, "gradient", 3)
    if not at_zero or entry is None or gradient is None:
        return
    of_two = _slope(measured, "entry", 2)
    others = "" if of_two is None else f" (over 2 the entries keep their size: power {of_two:.2f})"
    flat = max(at_zero) == 0
    yield Finding(
        sentence=f"Shortcuts over 3: the largest entry of the Hessian at zero is {max(at_zero):g}. Near zero, entries "
        f"grow with the size of the weights to the power {entry:.2f}{others} and the gradient to the power "
        f"{gradient:.2f}; in theory 1 and 2. So the start is flat to a higher order.",
        verdict="agrees" if flat and abs(entry - 1) < _SLOPE and abs(gradient - 2) < _SLOPE else "disagrees",
    )
    least, most = (measured.mean("tenth", experiment=_NEAR_ZERO, span=3, weights=w) for w in (_SIZES[1], _SIZES[-1]))
    even = measured.mean("tenth", experiment=_NEAR_ZERO, span=2, weights=_SIZES[1])
    if least and most and even:
        yield Finding(
            sentence="Near zero the Hessian of shortcuts over 3 is worse conditioned too, at any distance: without the "
            f"smallest tenth, {10**least.y:.3g} at weights of {_SIZES[1]:g} and {10**most.y:.3g} at {_SIZES[-1]:g}; "
            f"over 2 it is {10**even.y:.3g}.",
            verdict="agrees" if min(least.y, most.y) > even.y else "disagrees",
        )


def _slope(measured: Measurements, value: str, span: int) -> float | None:
    """The power of the weights' size by which a value grows, fitted to its geometric means; None with too few."""
    found = {
        size: math.log(math.prod(numbers.values())) / len(numbers)
        for size in _SIZES[1:]
        if (numbers := measured.values(value, experiment=_NEAR_ZERO, span=span, weights=size))
    }
    if len(found) < 2:
        return None
    return float(np.polyfit(np.log([*found]), [*found.values()], 1)[0])


def _of_training(measured: Measurements) -> Iterator[Finding]:
    """Spans at option A, and options at span 2; each by the loss that training lowers and by the error that counts."""
    for other in (_OVER_1, _OVER_3):
        for value in ("training loss", "validation error"):
            yield from _compared(
                measured, value, other, f"Shortcuts over 2 layers have a {{}} {value} than those {other[:6]}", "lower"
            )
    for other, words in _OPTIONS.items():
        yield from _compared(
            measured,
            "validation error",
            other,
            f"Zeros for new channels (A) have a {{}} validation error than {words}",
            "higher",
        )


def _compared(
    measured: Measurements, value: str, other: str, sentence: str, expected: Literal["higher", "lower"]
) -> Iterator[Finding]:
    return compared(
        measured,
        value,
        {"experiment": _TRAINING, "network": _OVER_2},
        {"experiment": _TRAINING, "network": other},
        sentence,
        expected=expected,
        unit="points" if value == "validation error" else "none",
    )


def _powers(measured: Measurements, value: str, network: str) -> list[Point]:
    """Geometric means by depth, with their intervals, of a value that is kept as a logarithm."""
    return [
        Point(
            x=one.x,
            y=10**one.y,
            low=None if one.low is None else 10**one.low,
            high=None if one.high is None else 10**one.high,
        )
        for one in measured.points(value, "depth", experiment=_CURVATURE, network=network)
    ]


def _bare(points: Iterable[Point]) -> list[Point]:
    """Points without their intervals, where the draws of the data differ by more than what is shown."""
    return [Point(x=one.x, y=one.y) for one in points]
