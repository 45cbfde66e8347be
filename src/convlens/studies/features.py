"""How good pretrained features are with a linear model alone: after every part of the network, on several sets."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor

from convlens.core.study import Axis, Case, Chart, Conclusion, Finding, Level, Series, Table, Value
from convlens.data.manifest import ImageFile
from convlens.data.scan import scan
from convlens.pipeline.embedding import embedder_of
from convlens.studies.bench import Bench
from convlens.studies.chosen_images import ChosenImages
from convlens.studies.measurements import Measurements, curve, difference
from convlens.studies.study import Study
from convlens.studies.training import inputs_of, trained_from_scratch
from convlens.studies.transfer import cuts_of
from convlens.studies.verdicts import told_difference
from convlens.transfer.logistic import logistic
from convlens.zoo.resnet_cifar import CifarResNet

_PIXELS = 16
"""Side of the images whose pixels a linear model sees."""
_SCRATCH_DEPTH = 20
_ALL_IMAGES = 10**9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features(Study):
    """`sets` of up to `classes` classes, drawn from the folders, with `images` of each to train on.

    From scratch, for comparison, a residual network of 20 layers is trained for `epochs` on images of `scratch_size`.
    """

    name: ClassVar[str] = "features"
    backbone: str = "efficientnet_lite0"
    size: int = 64
    sets: int = 5
    classes: int = 10
    images: int = 50
    validation: int = 50
    cuts: int = 9
    weight_decay: float = 0.01
    epochs: int = 30
    scratch_size: int = 32

    @classmethod
    def full(cls) -> Self:
        """The size that was published."""
        return cls(seeds=5, size=224, images=100, validation=1000, sets=10, epochs=100)

    def prepare(self, bench: Bench) -> list[str]:
        """Divide the folders' classes into sets: one line for each."""
        return [one.described() for one in self._sets(bench)]

    def _sets(self, bench: Bench) -> list[ChosenImages]:
        """Sets of classes that no other set has: one of each folder in turn, as long as there are any."""
        parts = [
            bench.chosen(folder, classes=None, train=_ALL_IMAGES, val=self.validation).parts(self.sets, self.classes)
            for folder in self.folders or (None,)
        ]
        in_turn = [part[place] for place in range(self.sets) for part in parts if place < len(part)]
        return in_turn[: self.sets]

    def cases(self) -> list[Case]:
        """Each set once for each draw of its training images."""
        sets = range(1, self.sets + 1)
        return [{"set": number, "seed": seed} for seed in range(self.seeds) for number in sets]

    def measure(self, case: Case, bench: Bench) -> Mapping[str, Value]:
        """Accuracies: of a linear model after each cut and on pixels, and of a network from scratch."""
        seed, number = int(case["seed"]), int(case["set"])
        sets = self._sets(bench)
        chosen = sets[(number - 1) % len(sets)].drawn(seed, self.images)
        images = chosen.laid_out(bench.folder / f"images-{number}-{seed}")
        manifest = scan(images)
        sides = [[one for one in manifest.images if one.side == side] for side in ("train", "val")]
        torch.manual_seed(seed)
        network = CifarResNet(len(manifest.classes), depth=_SCRATCH_DEPTH)
        scratch = trained_from_scratch(
            network, images, bench, self.scratch_size, epochs=self.epochs, learning_rate=0.05, seed=seed
        )
        accuracies = [
            self._accuracy(self._vectors(sides, layer), sides, manifest.classes)
            for layer in cuts_of(self.backbone, self.size, self.cuts)
        ]
        return {
            "accuracies": accuracies,
            "first features": accuracies[0],
            "last features": accuracies[-1],
            "pixels": self._accuracy(tuple(_pixels(side) for side in sides), sides, manifest.classes),
            "scratch": 1 - scratch.validation_error,
            "guessing": 1 / len(manifest.classes),
        }

    def _vectors(self, sides: list[list[ImageFile]], layer: str) -> tuple[Tensor, ...]:
        embedder = embedder_of(self.backbone, size=self.size, layer=layer)
        return tuple(embedder.of(side).vectors for side in sides)

    def _accuracy(self, vectors: tuple[Tensor, ...], sides: list[list[ImageFile]], classes: tuple[str, ...]) -> float:
        """Of logistic regression on features that are scaled to variance 1, with the same weight decay everywhere."""
        train, val = vectors
        mean, deviation = train.mean(0), train.std(0).clamp_min(1e-6)
        labels = [torch.tensor([classes.index(one.labels[0]) for one in side]) for side in sides]
        head = logistic((train - mean) / deviation, labels[0], len(classes), self.weight_decay)
        right = head.logits((val - mean) / deviation).argmax(1) == labels[1]
        return float(right.double().mean())

    def conclude(self, measured: Measurements) -> Conclusion:
        """Features against pixels and scratch, over sets; and how accuracy grows with the cut."""
        if not measured.each():
            return Conclusion(findings=[])
        return Conclusion(
            findings=[*self._findings(measured)], charts=[*self._charts(measured)], tables=[self._table(measured)]
        )

    def _findings(self, measured: Measurements) -> Iterator[Finding]:
        for value, what in (
            ("scratch", "a residual network from scratch"),
            ("pixels", "the same model on pixels"),
            ("first features", "one on the first features"),
        ):
            last, other = (measured.by(name, "set") for name in ("last features", value))
            if found := difference(last, other):
                sentence = f"Over {len(last)} sets, a linear model on the last features is {{}} than {what}"
                yield told_difference(found, sentence, expected="more accurate")
        peaks = {number: curve.index(max(curve)) for number, curve in measured.mean_lists("accuracies", "set").items()}
        layers = cuts_of(self.backbone, self.size, self.cuts)
        at = ", ".join(f"set {number:g} at {layers[peak]}" for number, peak in peaks.items())
        late = all(peak >= 2 * len(layers) // 3 for peak in peaks.values())
        yield Finding(
            sentence=f"The best cut lies in the last third of the network for all sets: {at}."
            if late
            else f"The best cut is not late for all sets: {at}.",
            verdict="agrees" if late else "disagrees",
        )

    def _charts(self, measured: Measurements) -> Iterator[Chart]:
        layers = cuts_of(self.backbone, self.size, self.cuts)
        yield Chart(
            name="cuts",
            title=f"Linear model on the features of {self.backbone}, by the last layer that runs",
            x=Axis(label="cut after", names=layers),
            y=Axis(label="validation accuracy", form="percent"),
            series=[
                Series(name=f"set {number:g}", points=curve(accuracies, 0))
                for number, accuracies in measured.mean_lists("accuracies", "set").items()
            ],
            levels=[Level(name="guessing", y=max(measured.by("guessing", "set").values()))],
        )

    def _table(self, measured: Measurements) -> Table:
        values = ("last features", "scratch", "pixels", "guessing")
        means = {value: measured.by(value, "set") for value in values}
        rows = [
            [f"set {number:g}", *(f"{means[value][number]:.1%}" for value in values)] for number in means["guessing"]
        ]
        return Table(
            title="Validation accuracy, mean over draws of the training images", columns=["set", *values], rows=rows
        )


def _pixels(images: Sequence[ImageFile]) -> Tensor:
    """The pixels of small images, of shape (N, values)."""
    return inputs_of(images, _PIXELS)[0].flatten(1)
