"""Stochastic gradients: how far those of minibatches lie from the full one, and how far steps along each get.

Legend: g is the gradient of the mean loss over all N training images with respect to all parameters, g_B that of a
minibatch of B images drawn with replacement. In theory E[g_B] = g, and E‖g_B - g‖² = σ² / B with the variance σ² of the
gradients of single images (Bottou, Curtis, Nocedal, arXiv:1606.04838, section 4).
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from convlens.core.errors import DivergedError
from convlens.core.study import Axis, Case, Chart, Conclusion, Finding, Level, Point, Series, Table, Value
from convlens.gradient.backpropagate import backpropagate
from convlens.graph.capture import capture
from convlens.graph.graph import Graph
from convlens.studies.bench import Bench
from convlens.studies.image_study import ImageStudy
from convlens.studies.measurements import Measurements, curve, interval, point
from convlens.studies.training import Loss, minibatch, trained_from_scratch
from convlens.studies.verdicts import compared
from convlens.zoo.mlp import mlp
from convlens.zoo.small_convnet import small_convnet

_NETWORKS: Mapping[str, Callable[[int], nn.Module]] = {"mlp": mlp, "small_convnet": small_convnet}
_PIXELS = 28
"""What both networks take."""
_ALL = "all"
"""The batch of full-batch gradient descent."""
_SLOPE = -0.5
_NEAR = 0.05
"""Slopes that far from theory's count as equal to it: the noise then falls by 2^0.05 = 1.035 more or less per doubling.
"""
_AT_ONCE = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sgd(ImageStudy):
    """Gradients from `draws` minibatches of each of these `sizes`, and training for `epochs` at these rates.

    There are `images` of each of `classes`; `batch_sizes` are those of training, besides all images at once.
    """

    name: ClassVar[str] = "sgd"
    images: int = 60
    validation: int = 10
    sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    draws: int = 32
    batch_sizes: tuple[int, ...] = (16, 128)
    mlp_rates: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
    convnet_rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1)
    epochs: int = 8

    @classmethod
    def full(cls) -> Self:
        """A size with less noise; nothing of this was published as a number."""
        return cls(
            images=600,
            validation=100,
            sizes=tuple(2**k for k in range(13)),
            draws=100,
            batch_sizes=(1, 4, 16, 64, 256, 1024),
            mlp_rates=tuple(10 ** (k / 4) for k in range(-10, 6)),
            convnet_rates=tuple(10 ** (k / 4) for k in range(-16, -1)),
            epochs=30,
        )

    @property
    def _batches(self) -> tuple[int | str, ...]:
        return (*self.batch_sizes, _ALL)

    def _rates(self, network: str) -> tuple[float, ...]:
        """The sigmoids of the mlp bear larger ones than the convolutions."""
        return self.mlp_rates if network == "mlp" else self.convnet_rates

    def cases(self) -> list[Case]:
        """The gradients of each network, then each batch size at each rate."""
        cases: list[Case] = []
        for seed in range(self.seeds):
            cases += [{"part": "noise", "network": network, "seed": seed} for network in _NETWORKS]
            cases += [
                {"part": "training", "network": network, "batch": batch, "rate": rate, "seed": seed}
                for network, batch in itertools.product(_NETWORKS, self._batches)
                for rate in self._rates(network)
            ]
        return cases

    def measure(self, case: Case, bench: Bench) -> Mapping[str, Value]:
        """Of gradients: the noise by batch size. Of training: the loss on all training images at the end, and by epoch.

        A run that diverges counts as guessing: its loss is ln(classes).
        """
        images, labels = minibatch(bench.images, _PIXELS, self.classes * self.images)
        seed, classes = int(case["seed"]), int(labels.max()) + 1
        torch.manual_seed(seed)
        network = _OfGray(_NETWORKS[str(case["network"])](classes))
        if case["part"] == "noise":
            return self._noise(network, images, labels, seed)
        try:
            run = trained_from_scratch(
                network,
                bench.images,
                bench,
                _PIXELS,
                epochs=self.epochs,
                batch_size=len(labels) if case["batch"] == _ALL else int(case["batch"]),
                learning_rate=float(case["rate"]),
                schedule="constant",
                momentum=0.0,
                weight_decay=0.0,
                augment=False,
                seed=seed,
            )
        except DivergedError:
            return {"training loss": math.log(classes), "losses": [math.log(classes)] * self.epochs}
        return {
            "training loss": _mean_loss(run.module.eval(), images, labels),
            "losses": [epoch.train_loss for epoch in run.epochs],
        }

    def _noise(self, network: nn.Module, images: Tensor, labels: Tensor, seed: int) -> Mapping[str, Value]:
        """By batch size: the relative noise, that foretold from single images, and the share of bias in M means.

        `images` (N, 3, 28, 28), `labels` (N,). The share is M ‖mean of M g_B - g‖² over the mean ‖g_B - g‖²: in theory
        1, and with a bias b larger by M ‖b‖² B / σ².
        """
        graph = capture(Loss(network), images[:2], labels[:2], compare=False)
        full = _gradient(graph, images, labels)
        generator = torch.Generator().manual_seed(seed)
        singles = [_gradient(graph, images[place, None], labels[place, None]) for place in range(len(labels))]
        variance = math.fsum(_squared(single - full) for single in singles) / len(singles)
        noise, bias = [], []
        for size in self.sizes:
            drawn = torch.randint(len(labels), (self.draws, size), generator=generator)
            errors = torch.stack([_gradient(graph, images[places], labels[places]) - full for places in drawn])
            mean_square = _squared(errors) / self.draws
            noise.append(math.sqrt(mean_square / _squared(full)))
            bias.append(self.draws * _squared(errors.mean(0)) / mean_square)
        return {
            "noise": noise,
            "foretold": [math.sqrt(variance / size / _squared(full)) for size in self.sizes],
            "slope": float(np.polyfit(np.log(self.sizes), np.log(noise), 1)[0]),
            "bias": sum(bias) / len(bias),
        }

    def conclude(self, measured: Measurements) -> Conclusion:
        """The noise against theory, and minibatches against all images at once, each at its best learning rate."""
        edges = [*self._at_the_edge(measured)]
        return Conclusion(
            findings=[*self._on_noise(measured), *self._on_training(measured)],
            charts=[*self._charts(measured)],
            tables=[*self._tables(measured)],
            caveat=(
                f"The best learning rate of {', '.join(edges)} is the smallest or the largest that was tried: another "
                "one may do better."
                if edges
                else ""
            ),
        )

    def _on_noise(self, measured: Measurements) -> Iterator[Finding]:
        for network in _NETWORKS:
            slopes = [*measured.values("slope", part="noise", network=network).values()]
            biases = [*measured.values("bias", part="noise", network=network).values()]
            if len(slopes) < 2:
                continue
            low, high = interval(slopes)
            yield Finding(
                sentence=f"{network}: the logarithm of the noise over that of the batch size has the slope "
                f"{sum(slopes) / len(slopes):.3f} ({low:.3f} to {high:.3f}); in theory -1/2.",
                verdict="agrees"
                if abs(low - _SLOPE) < _NEAR and abs(high - _SLOPE) < _NEAR
                else "disagrees"
                if low > _SLOPE + _NEAR or high < _SLOPE - _NEAR
                else "not shown",
            )
            low, high = interval(biases)
            yield Finding(
                sentence=f"{network}: minibatch gradients have the full one as their mean: the squared distance of the "
                f"mean of {self.draws} from it is {sum(biases) / len(biases):.3f} ({low:.3f} to {high:.3f}) of what "
                "chance leaves; 1 without a bias, more with one.",
                verdict="agrees" if low <= 1 <= high else "disagrees",
            )

    def _on_training(self, measured: Measurements) -> Iterator[Finding]:
        for network, batch in itertools.product(_NETWORKS, self.batch_sizes):
            one, other = (self._best(measured, network, size) for size in (batch, _ALL))
            if one and other:
                yield from compared(
                    measured,
                    "training loss",
                    one,
                    other,
                    f"{network}: after {self.epochs} epochs, minibatches of {batch} (learning rate {one['rate']:g}) "
                    f"have a {{}} training loss than all images at once ({other['rate']:g})",
                    expected="lower",
                    unit="none",
                )

    def _best(self, measured: Measurements, network: str, batch: int | str) -> Case | None:
        """The case, of any seed, with the learning rate whose mean loss is lowest; None where nothing was measured."""
        tried: list[Case] = [
            {"part": "training", "network": network, "batch": batch, "rate": rate} for rate in self._rates(network)
        ]
        means = [(loss.y, case) for case in tried if (loss := point(0, measured.values("training loss", **case)))]
        return min(means, key=lambda pair: pair[0])[1] if means else None

    def _at_the_edge(self, measured: Measurements) -> Iterator[str]:
        for network, batch in itertools.product(_NETWORKS, self._batches):
            best = self._best(measured, network, batch)
            if best and best["rate"] in (min(self._rates(network)), max(self._rates(network))):
                yield f"{network} with batches of {batch}"

    def _charts(self, measured: Measurements) -> Iterator[Chart]:
        series = []
        for network, value in itertools.product(_NETWORKS, ("noise", "foretold")):
            if lists := measured.lists(value, part="noise", network=network):
                means = np.exp(np.log(lists).mean(axis=0))
                series.append(
                    Series(
                        name=network if value == "noise" else f"{network}, foretold: σ / √B",
                        points=[Point(x=x, y=float(y)) for x, y in zip(self.sizes, means, strict=True)],
                        joined=value != "noise",
                    )
                )
        yield Chart(
            name="noise",
            title="Distance of minibatch gradients from the full one",
            x=Axis(label="images in the minibatch, B", log=True),
            y=Axis(label="root mean square, in lengths of the full gradient", log=True),
            series=series,
            levels=[Level(name="as long as the full gradient", y=1)] if series else [],
        )
        for network in _NETWORKS:
            cases = [(batch, self._best(measured, network, batch)) for batch in self._batches]
            yield Chart(
                name=f"losses-{network}",
                title=f"Training loss at equal cost, each at its best learning rate: {network}",
                x=Axis(label="epoch: each passes all images once"),
                y=Axis(label="mean over the epoch's steps, nats", log=True),
                series=[
                    Series(
                        name=f"batches of {batch}, rate {case['rate']:g}",
                        points=curve(measured.mean_list("losses", **case)),
                    )
                    for batch, case in cases
                    if case
                ],
            )

    def _tables(self, measured: Measurements) -> Iterator[Table]:
        for network in _NETWORKS:
            rates = self._rates(network)
            rows = []
            for batch in self._batches:
                case: Case = {"part": "training", "network": network, "batch": batch}
                losses = [point(0, measured.values("training loss", **case, rate=rate)) for rate in rates]
                if any(losses):
                    rows.append([f"batches of {batch}", *(f"{loss.y:.3f}" if loss else "" for loss in losses)])
            if rows:
                yield Table(
                    title=f"Loss on all training images after {self.epochs} epochs, by learning rate: {network}",
                    columns=["batch", *(f"{rate:g}" for rate in rates)],
                    rows=rows,
                )


class _OfGray(nn.Module):
    """A network of gray images that takes those of three channels (N, 3, H, W), which it averages."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Class scores (N, classes)."""
        scores: Tensor = self.network(images.mean(1, keepdim=True))
        return scores


def _gradient(graph: Graph, images: Tensor, labels: Tensor) -> Tensor:
    """The gradient of the mean loss with respect to all parameters, one after the other, of shape (parameters,)."""
    found = backpropagate(graph, images, labels, input_gradients=False)
    return torch.cat([gradient.flatten() for gradient in found.parameters.values()])


def _squared(tensor: Tensor) -> float:
    """The sum of the squares, in double precision."""
    return float(tensor.double().square().sum())


@torch.no_grad()
def _mean_loss(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    scores = torch.cat([module(part) for part in torch.split(images, _AT_ONCE)])
    return float(nn.functional.cross_entropy(scores, labels))
