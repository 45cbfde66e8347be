"""Whether deeper networks do better: plain ones and residual ones, on their training images too."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch

from convlens.core.study import Axis, Case, Chart, Conclusion, Finding, Level, Series, Value
from convlens.studies.bench import Bench
from convlens.studies.image_study import ScratchStudy
from convlens.studies.measurements import Measurements, curve
from convlens.studies.training import GradientProbe, minibatch
from convlens.studies.verdicts import compared
from convlens.zoo.resnet_cifar import CifarResNet

_FAMILIES = ("plain", "residual")
_SHALLOW = 20
"""The depth that the paper compares the deepest with: shallower ones are too small for the data."""
_GRADIENT_BATCH = 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class Depth(ScratchStudy):
    """Networks of these `depths`, trained for `epochs` on `images` of each of `classes`."""

    name: ClassVar[str] = "depth"
    depths: tuple[int, ...] = (8, 20, 32, 44, 56)
    epochs: int = 8
    batch_size: int = 32
    learning_rate: float = 0.05

    def cases(self) -> list[Case]:
        """Both families at each depth."""
        return [
            {"family": family, "depth": depth, "seed": seed}
            for seed in range(self.seeds)
            for depth, family in itertools.product(self.depths, _FAMILIES)
        ]

    def measure(self, case: Case, bench: Bench) -> Mapping[str, Value]:
        """Errors on both sides, the learning curve, and of the deepest networks gradients before and after training."""
        seed, depth = int(case["seed"]), int(case["depth"])
        torch.manual_seed(seed)
        network = CifarResNet(self.classes, depth=depth, shortcut="A" if case["family"] == "residual" else None)
        probe = None
        if depth == max(self.depths):
            probe = GradientProbe(network, minibatch(bench.images, self.size, _GRADIENT_BATCH))
        before = probe.sizes() if probe else []
        run = self.from_scratch(network, bench, seed=seed)
        return {
            "training error": run.error(bench.images),
            "validation error": run.validation_error,
            "training losses": [epoch.train_loss for epoch in run.epochs],
            **({"gradients before": before, "gradients after": probe.sizes(run.module)} if probe else {}),
        }

    def conclude(self, measured: Measurements) -> Conclusion:
        """Deeper against shallower, and residual against plain."""
        findings = [*self._findings(measured)]
        return Conclusion(
            findings=findings,
            charts=[*self._charts(measured)],
            caveat=(
                "Not all of the claim shows at this size. The paper trains 32 x 32 pixels for 164 epochs of 50,000 "
                "images; more epochs and images, as in the full form, bring the residual networks to where depth pays."
                if any(one.verdict != "agrees" for one in findings)
                else ""
            ),
        )

    def _findings(self, measured: Measurements) -> Iterator[Finding]:
        deep = max(self.depths)
        shallow = min((depth for depth in self.depths if _SHALLOW <= depth < deep), default=min(self.depths))
        for value in ("training error", "validation error"):
            yield from compared(
                measured,
                value,
                {"family": "plain", "depth": deep},
                {"family": "plain", "depth": shallow},
                f"The plain network of {deep} layers has a {{}} {value} than that of {shallow}",
                expected="higher",
            )
        yield from compared(
            measured,
            "training error",
            {"family": "residual", "depth": deep},
            {"family": "plain", "depth": deep},
            f"Of {deep} layers, the residual network has a {{}} training error than the plain one",
            expected="lower",
        )
        yield from compared(
            measured,
            "validation error",
            {"family": "residual", "depth": deep},
            {"family": "residual", "depth": shallow},
            f"The residual network of {deep} layers has a {{}} validation error than that of {shallow}",
            expected="lower",
        )

    def _charts(self, measured: Measurements) -> Iterator[Chart]:
        chance = [Level(name="guessing", y=1 - 1 / self.classes)]
        for value in ("training error", "validation error"):
            series = [
                Series(name=family, points=points)
                for family in _FAMILIES
                if (points := measured.points(value, "depth", family=family))
            ]
            yield Chart(
                name=value.replace(" ", "-"),
                title=f"{value.capitalize()} by depth",
                x=Axis(label="layers"),
                y=Axis(label=value, form="percent"),
                series=series,
                levels=chance,
            )
        deepest, depths = max(self.depths), sorted({min(self.depths), max(self.depths)})
        yield Chart(
            name="losses",
            title="Training loss, the first seed",
            x=Axis(label="epoch"),
            y=Axis(label="cross-entropy, nats"),
            series=[
                Series(name=f"{family}, {depth} layers", points=curve(losses[0]))
                for depth, family in itertools.product(depths, _FAMILIES)
                if (losses := measured.lists("training losses", family=family, depth=depth))
            ],
        )
        for moment, title in (("before", "before training"), ("after", "after training")):
            yield Chart(
                name=f"gradients-{moment}",
                title=f"Gradient of the loss at each convolution, {title}, {deepest} layers, the first seed",
                x=Axis(label="convolution, from the input"),
                y=Axis(label="root mean square", log=True),
                series=[
                    Series(name=family, points=curve(sizes[0]))
                    for family in _FAMILIES
                    if (sizes := measured.lists(f"gradients {moment}", family=family, depth=deepest))
                ],
            )
