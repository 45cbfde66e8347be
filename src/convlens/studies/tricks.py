"""What batch normalization, dropout and augmentation do for a small network from scratch, alone and together."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import ClassVar, Self

import torch
from torch import nn

from convlens.core.study import Axis, Case, Chart, Conclusion, Finding, Series, Table, Value
from convlens.studies.bench import Bench
from convlens.studies.image_study import ImageStudy
from convlens.studies.measurements import Measurements, curve
from convlens.studies.training import trained_from_scratch
from convlens.studies.verdicts import compared, in_percent
from convlens.zoo.small_convnet import SmallConvNet

_BASELINE, _BATCH_NORM, _DROPOUT, _AUGMENTATION = "baseline", "batch norm", "dropout", "augmentation"
_TOGETHER = "all three"
_TRICKS = (_BASELINE, _BATCH_NORM, _DROPOUT, _AUGMENTATION, _TOGETHER)
_PIXELS = 28


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tricks(ImageStudy):
    """`small_convnet` on color images, trained for `epochs` on `images` of each of `classes`."""

    name: ClassVar[str] = "tricks"
    seeds: int = 5
    images: int = 200
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 0.01
    dropout: float = 0.5

    @classmethod
    def full(cls) -> Self:
        """The size that was published."""
        return cls(seeds=10, images=1_000_000, validation=1_000_000, epochs=100)

    def cases(self) -> list[Case]:
        """Each trick with each seed."""
        return [{"trick": trick, "seed": seed} for seed in range(self.seeds) for trick in _TRICKS]

    def measure(self, case: Case, bench: Bench) -> Mapping[str, Value]:
        """Accuracies on both sides, and the learning curves."""
        trick, seed = case["trick"], int(case["seed"])
        torch.manual_seed(seed)
        run = trained_from_scratch(
            ColorConvNet(self.classes, batch_norm=trick in (_BATCH_NORM, _TOGETHER)),
            bench.images,
            bench,
            _PIXELS,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            dropout=self.dropout if trick in (_DROPOUT, _TOGETHER) else 0.0,
            augment=trick in (_AUGMENTATION, _TOGETHER),
            seed=seed,
        )
        return {
            "accuracy": 1 - run.validation_error,
            "training accuracy": 1 - run.error(bench.images),
            "training losses": [epoch.train_loss for epoch in run.epochs],
            "validation losses": [epoch.val_loss for epoch in run.epochs],
        }

    def conclude(self, measured: Measurements) -> Conclusion:
        """Each trick against the baseline, and all against each."""
        return Conclusion(
            findings=[*self._findings(measured)],
            charts=[*self._charts(measured)],
            tables=[self._table(measured)] if measured.each() else [],
        )

    def _findings(self, measured: Measurements) -> Iterator[Finding]:
        for trick in _TRICKS[1:]:
            name = "All three together" if trick == _TOGETHER else trick.capitalize()
            yield from compared(
                measured,
                "accuracy",
                {"trick": trick},
                {"trick": _BASELINE},
                f"{name}: the network is {{}} than the baseline",
                expected="more accurate",
            )
        single = {trick: mean.y for trick in _TRICKS[1:-1] if (mean := measured.mean("accuracy", trick=trick))}
        if single:
            best = max(single, key=single.__getitem__)
            yield from compared(
                measured,
                "accuracy",
                {"trick": _TOGETHER},
                {"trick": best},
                f"All three together are {{}} than the best one alone, {best}",
                expected="more accurate",
            )

    def _charts(self, measured: Measurements) -> Iterator[Chart]:
        for side in ("training", "validation"):
            yield Chart(
                name=f"{side}-losses",
                title=f"{side.capitalize()} loss, mean over seeds",
                x=Axis(label="epoch"),
                y=Axis(label="cross-entropy, nats"),
                series=[
                    Series(name=trick, points=curve(losses))
                    for trick in _TRICKS
                    if (losses := measured.mean_list(f"{side} losses", trick=trick))
                ],
            )

    def _table(self, measured: Measurements) -> Table:
        values = ("accuracy", "training accuracy")
        return Table(
            title="Accuracy at the end, mean over seeds with its 95% interval",
            columns=["trick", "validation", "training"],
            rows=[
                [trick, *(in_percent(measured.mean(value, trick=trick)) for value in values)]
                for trick in _TRICKS
                if measured.each(trick=trick)
            ],
        )


class ColorConvNet(SmallConvNet):
    """The zoo's `small_convnet` for color images (batch, 3, 28, 28), with batch normalization where it is wanted."""

    def __init__(self, classes: int, *, batch_norm: bool) -> None:
        super().__init__(classes)
        layers: list[nn.Module] = []
        for layer in self.features:
            if isinstance(layer, nn.Conv2d) and layer.in_channels == 1:
                layer = nn.Conv2d(3, layer.out_channels, kernel_size=5, padding=2)
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            layers.append(layer)
            if isinstance(layer, nn.Conv2d) and batch_norm:
                layers.append(nn.BatchNorm2d(layer.out_channels))
        self.features = nn.Sequential(*layers)
