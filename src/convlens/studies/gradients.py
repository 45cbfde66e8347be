"""How gradients change from layer to layer, by activation, initialization and normalization; nothing is trained."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from convlens.core.study import Axis, Case, Chart, Conclusion, Finding, Point, Series, Table, Value, Verdict
from convlens.gradient.backpropagate import backpropagate
from convlens.graph.capture import capture
from convlens.graph.graph import Graph
from convlens.studies.bench import Bench
from convlens.studies.measurements import Measurements, curve
from convlens.studies.study import Study
from convlens.studies.training import rms

_ACTIVATIONS: Mapping[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
_INITIALIZATIONS = ("normal 0.01", "Glorot", "He")
_NORMALIZATIONS = ("none", "batch norm")
_OPERATOR = "aten.linear.default"
_OF_HE = 0.02
"""How far from 1 the factor of He's initialization may lie: sampled, and of finite width."""
_OF_BATCH_NORM = math.sqrt(math.pi / (math.pi - 1))
"""1.211, of rectifiers behind batch normalization in wide layers (Yang et al., arXiv:1902.08129, theorem 3.9)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gradients(Study):
    """Stacks of `layers` fully connected layers of `width` units, on `batch` random inputs."""

    name: ClassVar[str] = "gradients"
    seeds: int = 10
    layers: int = 50
    width: int = 256
    batch: int = 128

    @classmethod
    def full(cls) -> Self:
        """The size that was published."""
        return cls(seeds=50, width=1024)

    def cases(self) -> list[Case]:
        """Each activation with each initialization, with and without batch normalization."""
        return [
            {"activation": activation, "initialization": initialization, "normalization": normalization, "seed": seed}
            for seed in range(self.seeds)
            for activation, initialization, normalization in itertools.product(
                _ACTIVATIONS, _INITIALIZATIONS, _NORMALIZATIONS
            )
        ]

    def measure(self, case: Case, bench: Bench) -> Mapping[str, Value]:
        """Sizes of the gradient and of the values at each layer, from the first to the last, and the factor a layer."""
        module, graph = _stack(str(case["activation"]), str(case["normalization"]), self.layers, self.width)
        generator = torch.Generator().manual_seed(int(case["seed"]))
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                _initialize(layer.weight, str(case["initialization"]), generator)
        inputs, upstream = (
            torch.randn(self.batch, self.width, generator=generator, dtype=torch.float64) for _ in range(2)
        )
        found = backpropagate(graph, inputs, upstream=upstream, keep=True)
        nodes = [node for node in graph.operators if node.operator == _OPERATOR]
        gradients = [rms(found.upstream(node)) for node in nodes]
        return {
            "gradients": gradients,
            "values": [rms(found.value(node)) for node in nodes],
            "factor": _factor(gradients),
        }

    def conclude(self, measured: Measurements) -> Conclusion:
        """The factors against what theory says of them."""
        factors = {
            key: point
            for key in itertools.product(_ACTIVATIONS, _INITIALIZATIONS, _NORMALIZATIONS)
            if (point := measured.mean("factor", **_named(key))) and point.low is not None
        }
        findings = [] if len(factors) < len(_ACTIVATIONS) * 6 else [*_findings(factors, measured)]
        charts = [chart for activation in _ACTIVATIONS if (chart := _chart(activation, measured)).series]
        table = Table(
            title="Factor by which the gradient changes from one layer to the one before it",
            columns=["activation", "initialization", "normalization", "factor", "95% interval", "over all layers"],
            rows=[
                [*key, f"{point.y:.4f}", f"{point.low:.4f} to {point.high:.4f}", f"{point.y ** (self.layers - 1):.2g}"]
                for key, point in factors.items()
            ],
        )
        return Conclusion(findings=findings, charts=charts, tables=[table] if factors else [])


@functools.cache
def _stack(activation: str, normalization: str, layers: int, width: int) -> tuple[nn.Module, Graph]:
    """The network, in which batch normalization goes by the minibatch, and its graph on the same weights."""
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts.append(nn.Linear(width, width, bias=False))
        if normalization == "batch norm":
            parts.append(nn.BatchNorm1d(width))
        parts.append(_ACTIVATIONS[activation]())
    module = nn.Sequential(*parts).double().train()
    return module, capture(module, torch.zeros(4, width, dtype=torch.float64), compare=False)


@torch.no_grad()
def _initialize(weight: Tensor, initialization: str, generator: torch.Generator) -> None:
    if initialization == "Glorot":
        nn.init.xavier_normal_(weight, generator=generator)
    elif initialization == "He":
        nn.init.kaiming_normal_(weight, generator=generator)
    else:
        nn.init.normal_(weight, std=0.01, generator=generator)


def _factor(gradients: Sequence[float]) -> float:
    """By which the size changes with each layer on the way back: of the line that fits its logarithm best."""
    slope = np.polyfit(np.arange(len(gradients)), np.log(gradients), 1)[0]
    return float(np.exp(-slope))


def _named(key: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("activation", "initialization", "normalization"), key, strict=True))


def _findings(factors: Mapping[tuple[str, str, str], Point], measured: Measurements) -> list[Finding]:
    relu_he, relu_glorot = factors["relu", "He", "none"], factors["relu", "Glorot", "none"]
    sigmoids = {i: factors["sigmoid", i, "none"] for i in _INITIALIZATIONS}
    normalized = [factors["relu", i, "batch norm"] for i in _INITIALIZATIONS]
    plain_ends = [values[-1] for values in measured.lists("values", activation="relu", normalization="none")]
    largest = max(sigmoids.values(), key=lambda one: one.y)
    return [
        Finding(
            sentence="Sigmoids: the gradient shrinks with every layer, whatever the initialization, to at most "
            f"{_with_interval(largest)} of its size ("
            + ", ".join(f"{name}: {one.y:.3f}" for name, one in sigmoids.items())
            + ").",
            verdict=_verdict(
                all(_high(one) < 1 for one in sigmoids.values()), any(one.y > 1 for one in sigmoids.values())
            ),
        ),
        Finding(
            sentence="Rectifiers with He's initialization keep it: factor "
            f"{_with_interval(relu_he)} a layer; in theory 1.",
            verdict=_verdict(abs(relu_he.y - 1) < _OF_HE, abs(relu_he.y - 1) > 5 * _OF_HE),
        ),
        Finding(
            sentence=f"Rectifiers with Glorot's initialization lose half of its square with every layer: factor "
            f"{_with_interval(relu_glorot)}; in theory 1/√2 = 0.707.",
            verdict=_verdict(abs(relu_glorot.y - math.sqrt(0.5)) < _OF_HE, abs(relu_glorot.y - 1) < _OF_HE),
        ),
        Finding(
            sentence="Batch normalization makes the factor of rectifiers the same for all initializations: "
            + ", ".join(_with_interval(one) for one in normalized)
            + f"; in theory {_OF_BATCH_NORM:.3f} for wide layers. So it mends vanishing values (without it they end "
            f"between {min(plain_ends):.1g} and {max(plain_ends):.1g}), but before training the gradient grows "
            "with depth.",
            verdict=_verdict(
                max(one.y for one in normalized) - min(one.y for one in normalized) < _OF_HE,
                max(one.y for one in normalized) - min(one.y for one in normalized) > 5 * _OF_HE,
            ),
        ),
    ]


def _verdict(agrees: bool, disagrees: bool) -> Verdict:
    return "agrees" if agrees else "disagrees" if disagrees else "not shown"


def _with_interval(point: Point) -> str:
    return f"{point.y:.4f} ({point.low:.4f} to {point.high:.4f})"


def _high(point: Point) -> float:
    assert point.high is not None
    return point.high


def _chart(activation: str, measured: Measurements) -> Chart:
    """Geometric means over the draws of the weights, relative to the last layer."""
    series = []
    for initialization, normalization in itertools.product(_INITIALIZATIONS, _NORMALIZATIONS):
        lists = measured.lists("gradients", **_named((activation, initialization, normalization)))
        if lists:
            logarithms = np.log([[size / sizes[-1] for size in sizes] for sizes in lists]).mean(axis=0)
            series.append(
                Series(
                    name=initialization + (", batch norm" if normalization != "none" else ""),
                    points=curve(np.exp(logarithms).tolist()),
                )
            )
    return Chart(
        name=activation,
        title=f"Size of the gradient by layer: {activation}",
        x=Axis(label="layer, from the input"),
        y=Axis(label="root mean square, relative to the last layer", log=True),
        series=series,
    )
