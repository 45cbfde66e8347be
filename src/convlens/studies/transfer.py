"""When transfer helps: frozen, partly and wholly trained against scratch, by the number of images and by the cut."""

import dataclasses
import functools
import itertools
import math
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import nn

from convlens.backbones.graph_cache import cached_capture
from convlens.backbones.resolve import RANDOM, network, weights_named
from convlens.core.study import Axis, Case, Chart, Conclusion, Finding, Level, Series, Table, Value
from convlens.pipeline.changes import RecipeChanges
from convlens.studies.bench import Bench
from convlens.studies.chosen_images import ChosenImages
from convlens.studies.measurements import Measurements, difference
from convlens.studies.study import Study
from convlens.studies.training import Trained, adopted, changed, trained
from convlens.studies.verdicts import compared, in_percent, told_difference
from convlens.transfer.blocks import blocks
from convlens.transfer.freeze import freeze_plan
from convlens.zoo import card

_SCRATCH, _FROZEN, _LAST, _ALL = "scratch", "frozen", "last blocks", "all layers"
_CUT = "cut"
_MODES = (_FROZEN, _LAST, _ALL, _SCRATCH)
_ALL_IMAGES = 10**9
_UNFROZEN = 3
"""Blocks that are trained with `last blocks`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transfer(Study):
    """A network with its pretrained weights and from scratch, trained on `counts` images of each class.

    Each run takes `epochs`, or as many more as make `steps` minibatches; from scratch, `scratch_factor` times as many.
    By the cut it is trained on `cut_count` images of each class, with pretrained and frozen layers up to it and new
    ones above it.
    """

    name: ClassVar[str] = "transfer"
    backbone: str = "efficientnet_lite0"
    size: int = 64
    classes: int = 4
    validation: int = 50
    counts: tuple[int, ...] = (5, 10, 20, 50, 100, 200)
    cut_count: int = 50
    cuts: int = 5
    epochs: int = 6
    steps: int = 30
    batch_size: int = 32
    learning_rate: float = 0.02
    scratch_learning_rate: float = 0.05
    scratch_factor: int = 2
    augment: bool = False

    @classmethod
    def full(cls) -> Self:
        """The size that was published."""
        return cls(
            seeds=5,
            size=224,
            classes=1000,
            validation=1000,
            counts=(5, 10, 20, 50, 100, 200, 500, 1000),
            augment=True,
            epochs=60,
            steps=600,
            cut_count=200,
            cuts=8,
        )

    def prepare(self, bench: Bench) -> list[str]:
        """Read the folder: each case lays out its own images. Raises DataError where it has too few."""
        chosen = self._chosen(bench)
        chosen.refuse_fewer(self.name, classes=self.classes, each=max(*self.counts, self.cut_count))
        return [chosen.described()]

    def _chosen(self, bench: Bench) -> ChosenImages:
        """The classes, with all of their images to train on, of which each seed draws its own."""
        folder = next(iter(self.folders), None)
        return bench.chosen(folder, classes=self.classes, train=_ALL_IMAGES, val=self.validation)

    def cases(self) -> list[Case]:
        """Each way of training with each number of images, then each cut."""
        cases: list[Case] = []
        for seed in range(self.seeds):
            for count, mode in itertools.product(self.counts, _MODES):
                cases.append({"mode": mode, "images": count, "seed": seed})
            for cut in range(self.cuts):
                cases.append({"mode": _CUT, "images": self.cut_count, "cut": cut, "seed": seed})
        return cases

    def measure(self, case: Case, bench: Bench) -> Mapping[str, Value]:
        """The accuracy on validation images, and how many images of a class there really were."""
        seed = int(case["seed"])
        chosen = self._chosen(bench).drawn(seed, max(*self.counts, self.cut_count))
        images = chosen.laid_out(bench.folder / f"images-{seed}-{case['images']}", int(case["images"]))
        run = self._trained(case, images, bench)
        counts = [counted.train for counted in run.record.images_per_class.values()]
        return {
            "accuracy": 1 - run.validation_error,
            "images per class": sum(counts) / len(counts),
            "guessing": 1 / len(counts),
        }

    def _trained(self, case: Case, images: Path, bench: Bench) -> Trained:
        num_images = len([path for path in (images / "train").glob("*/*") if path.is_file()])
        steps_per_epoch = math.ceil(num_images / self.batch_size)
        common: RecipeChanges = {
            "backbone": self.backbone,
            "size": self.size,
            "epochs": max(self.epochs, math.ceil(self.steps / steps_per_epoch)),
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "augment": self.augment,
            "calibrate": "off",
            "seed": int(case["seed"]),
        }
        if case["mode"] == _FROZEN:
            return trained(images, bench, **common)
        if case["mode"] == _LAST:
            return trained(images, bench, **changed(common, unfreeze=_UNFROZEN))
        if case["mode"] == _ALL:
            return trained(images, bench, **changed(common, freeze="none"))
        anew = changed(common, learning_rate=self.scratch_learning_rate, backbone_lr=1.0)
        if case["mode"] == _SCRATCH:
            longer = self.scratch_factor * anew["epochs"]
            return trained(images, bench, **changed(anew, weights=RANDOM, freeze="none", epochs=longer))
        cut = cuts_of(self.backbone, self.size, self.cuts)[int(case["cut"])]
        module = _with_new_layers_above(self.backbone, self.size, cut, int(case["seed"]))
        name = adopted(module, card(self.backbone).preprocessing.at(self.size), head=card(self.backbone).head)
        return trained(images, bench, **changed(anew, backbone=name, freeze=cut))

    def conclude(self, measured: Measurements) -> Conclusion:
        """Transfer against scratch, where they cross, what is best for few and for many, and the cut."""
        findings = [*self._findings(measured)]
        return Conclusion(
            findings=findings,
            charts=[*self._charts(measured)] if measured.each() else [],
            tables=[self._table(measured)] if measured.each() else [],
            caveat=(
                "From scratch a network goes on learning for hundreds of epochs, and classes that the pretrained one "
                "has seen, such as those of ImageNet, flatter its last layers. With more epochs and images, as in the "
                "full form, the gap closes further."
                if any(one.verdict != "agrees" for one in findings)
                else ""
            ),
        )

    def _findings(self, measured: Measurements) -> Iterator[Finding]:
        few, many = min(self.counts), max(self.counts)
        for count in (few, many):
            yield from compared(
                measured,
                "accuracy",
                {"mode": _FROZEN, "images": count},
                {"mode": _SCRATCH, "images": count},
                f"With {count} images of each class the frozen network is {{}} than one from scratch",
                expected="more accurate",
            )
        yield from self._gap(measured)
        yield from compared(
            measured,
            "accuracy",
            {"mode": _ALL, "images": many},
            {"mode": _FROZEN, "images": many},
            f"With {many} images of each class, training all layers at a tenth of the rate is {{}} than the frozen "
            "network",
            expected="more accurate",
        )
        yield from compared(
            measured,
            "accuracy",
            {"mode": _FROZEN, "images": few},
            {"mode": _ALL, "images": few},
            f"With {few} images of each class the frozen network is {{}} than training all layers",
            expected="more accurate",
        )
        yield from compared(
            measured,
            "accuracy",
            {"mode": _CUT, "cut": self.cuts // 2},
            {"mode": _CUT, "cut": self.cuts - 1},
            f"With {self.cut_count} images of each class, keeping the layers up to cut {self.cuts // 2 + 1} of "
            f"{self.cuts} and training new ones above is {{}} than keeping all but the head",
            expected="more accurate",
        )

    def _gap(self, measured: Measurements) -> Iterator[Finding]:
        """Whether the gap between the better of frozen and wholly trained, and scratch, closes; and where they meet."""
        gaps = {count: self._gaps(measured, count) for count in self.counts}
        few, many = min(self.counts), max(self.counts)
        if closing := difference(gaps[few], gaps[many]):
            yield told_difference(
                closing,
                f"The gap between transfer and scratch is {{}} with {few} images of each class than with {many}",
                expected="higher",
            )
        if (last := difference(gaps[many], dict.fromkeys(gaps[many], 0.0))) is None:
            return
        met = [n for n in self.counts if gaps[n] and statistics.fmean(gaps[n].values()) <= 0]
        low, high = (100 * end for end in last.interval)
        yield Finding(
            sentence=f"They cross: scratch is as accurate with {min(met)} images of each class."
            if met
            else f"There is no crossing up to the {many} images of each class at hand: there transfer is still ahead "
            f"by {100 * last.value:.1f} points ({low:.1f} to {high:.1f}).",
            verdict="agrees" if met else "not shown",
        )

    def _gaps(self, measured: Measurements, count: int) -> dict[int, float]:
        """How far the better way of transfer is ahead of scratch, by seed."""
        frozen, everything, scratch = (
            measured.values("accuracy", mode=mode, images=count) for mode in (_FROZEN, _ALL, _SCRATCH)
        )
        return {seed: max(frozen[seed], everything[seed]) - scratch[seed] for seed in scratch if seed in everything}

    def _charts(self, measured: Measurements) -> Iterator[Chart]:
        accuracy = Axis(label="validation accuracy", form="percent")
        guessing = Level(name="guessing", y=max(measured.values("guessing").values()))
        yield Chart(
            name="accuracy",
            title=f"Accuracy by number of images, {self.backbone}",
            x=Axis(label="training images of each class", log=True),
            y=accuracy,
            series=[
                Series(name=mode, points=points)
                for mode in _MODES
                if (points := measured.points("accuracy", "images", mode=mode))
            ],
            levels=[guessing],
        )
        yield Chart(
            name="cuts",
            title=f"Pretrained layers up to a cut, new ones above it: {self.cut_count} images of each class",
            x=Axis(label="last pretrained layer", names=cuts_of(self.backbone, self.size, self.cuts)),
            y=accuracy,
            series=[Series(name="accuracy", points=measured.points("accuracy", "cut", mode=_CUT))],
            levels=[guessing],
        )

    def _table(self, measured: Measurements) -> Table:
        return Table(
            title="Validation accuracy, mean over seeds with its 95% interval",
            columns=["images of each class", *_MODES],
            rows=[
                [str(count), *(in_percent(measured.mean("accuracy", mode=mode, images=count)) for mode in _MODES)]
                for count in self.counts
            ],
        )


@functools.cache
def cuts_of(backbone: str, size: int, count: int) -> list[str]:
    """Paths of `count` of the network's blocks, evenly over its depth, the last one among them."""
    module = network(backbone).eval()
    example = torch.zeros(2, 3, size, size)
    all_blocks = blocks(module, cached_capture(backbone, card(backbone).classes)(module, example), card(backbone).head)
    count = min(count, len(all_blocks))
    return [all_blocks[round((place + 1) * len(all_blocks) / count) - 1] for place in range(count)]


def _with_new_layers_above(backbone: str, size: int, cut: str, seed: int) -> nn.Module:
    """The pretrained network with newly drawn layers behind the cut."""
    module = network(backbone, weights=weights_named(backbone, None)).eval()
    torch.manual_seed(seed)
    fresh = network(backbone, weights=RANDOM).state_dict()
    graph = cached_capture(backbone, card(backbone).classes)(module, torch.zeros(2, 3, size, size))
    frozen = freeze_plan(module, graph, cut, card(backbone).head).frozen
    kept = {name.rpartition(".")[0] for name in frozen}
    module.load_state_dict(
        {name: value if name.rpartition(".")[0] in kept else fresh[name] for name, value in module.state_dict().items()}
    )
    return module
