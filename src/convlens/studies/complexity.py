"""Accuracy against complexity: the networks of ImageNet by published accuracy, counted cost, and what is measured.

After Canziani, Culurciello, Paszke: An Analysis of Deep Neural Network Models for Practical Applications,
arXiv:1605.07678: accuracy against operations and speed as in figures 1, 2 and 4, and memory and power besides.
"""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from convlens.backbones.graph_cache import cached_capture
from convlens.core.complexity import ComplexityPoint, ComplexityStudy
from convlens.core.energy import EnergyMeter, energy_meter
from convlens.core.errors import UsageError
from convlens.core.progress import Progress, silent
from convlens.core.records import now
from convlens.core.settings import setting
from convlens.graph.cost import cost
from convlens.report.complexity import write_complexity_pages
from convlens.studies.kept_points import KeptPoints, circumstances, machine
from convlens.studies.memory import materialized, peak_bytes, random_images
from convlens.zoo import blueprint, card, names, published_accuracy, weight_cards

_FAMILIES = {
    "alexnet": "AlexNet, ZFNet",
    "zfnet": "AlexNet, ZFNet",
    "vgg": "VGG",
    "googlenet": "Inception",
    "inception": "Inception",
    "resnet": "ResNet",
    "densenet": "DenseNet",
    "se": "SENet",
    "squeezenet": "small and fast",
    "mobilenet": "small and fast",
    "efficientnet": "small and fast",
}
"""How the names of a family begin."""
_LEAST_SECONDS = 0.5
_LEAST_PASSES = 3


def study_complexity(
    networks: Sequence[str] = (),
    *,
    batch: int = 8,
    measure: bool = True,
    kept: KeptPoints | None = None,
    progress: Progress = silent,
) -> ComplexityStudy:
    """The study of these networks; by default all whose accuracy on ImageNet was published.

    With `measure`, each runs on random images in float32, channels last, in batches of `batch`: the median over at
    least three passes and half a second, with the energy that the processors took meanwhile, where the system counts
    it; and once more in a process of its own, for the memory that it takes. Points that are `kept` are not made again,
    and others are kept as they come. Raises UsageError for a network without published accuracy on ImageNet, before
    anything is measured.
    """
    chosen = _chosen(networks, batch)
    points = []
    with progress("study", len(chosen)) as advance:
        for name in chosen:
            point = kept[name] if kept else None
            if point is None:
                point = _point(name, batch if measure else None)
                if kept:
                    kept.keep(point)
            points.append(point)
            advance(1)
    return ComplexityStudy(made=now(), machine=machine(), batch=batch, points=points)


def complexity_pages(
    folder: Path,
    networks: Sequence[str] = (),
    *,
    batch: int = 8,
    measure: bool = True,
    progress: Progress = silent,
) -> tuple[ComplexityStudy, Path]:
    """The study, and its page in the folder. Broken off, it goes on where it was when it is called again.

    Raises what `study_complexity` raises, and MachineError at once for a folder that cannot be written to.
    """
    networks = _chosen(networks, batch)
    kept = KeptPoints(folder, circumstances(batch if measure else None))
    study = study_complexity(networks, batch=batch, measure=measure, kept=kept, progress=progress)
    page = write_complexity_pages(study, folder)
    kept.forget()
    return study, page


def _chosen(networks: Sequence[str], batch: int) -> Sequence[str]:
    """The networks of the study; what cannot be studied is refused before anything is measured."""
    if batch < 1:
        raise UsageError(f"{setting('batch', batch)}: at least one image per pass is needed.")
    for name in networks:
        if _accuracy(name) is None:
            raise UsageError(
                f"{name}: its top-1 accuracy on ImageNet is unknown; see `convlens zoo` for networks that have one."
            )
    return networks or [name for name in names() if _accuracy(name) is not None]


def _accuracy(name: str) -> tuple[float, str | None] | None:
    """The published top-1 accuracy on ImageNet, and the note to it."""
    accuracy = published_accuracy(name)
    if accuracy is None or accuracy.data != "imagenet" or accuracy.top1 is None:
        return None
    return accuracy.top1, accuracy.note


def _point(name: str, batch: int | None) -> ComplexityPoint:
    known, accuracy = card(name), _accuracy(name)
    assert accuracy is not None, "checked before the study begins"
    module = blueprint(name).eval()
    example = torch.zeros(2, *known.input_shape, device="meta")
    total = cost(cached_capture(name, known.classes)(module, example)).total
    parameters = sum(parameter.numel() for parameter in module.parameters())
    speed = None if batch is None else _speed(module, (batch, *known.input_shape), energy_meter())
    return ComplexityPoint(
        name=name,
        family=_family(name),
        year=known.year,
        weights=next(iter(weight_cards(name)), "paper"),
        top1=accuracy[0],
        note=accuracy[1],
        parameters=parameters,
        multiply_adds=total.multiply_adds,
        activation_bytes=total.activation_bytes,
        size=known.input_shape[-1],
        images_per_second=speed and speed.images_per_second,
        peak_bytes=None if batch is None else peak_bytes(name, batch),
        joules_per_image=speed and speed.joules_per_image,
    )


def _family(name: str) -> str:
    return next((family for start, family in _FAMILIES.items() if name.startswith(start)), name)


class _Speed(NamedTuple):
    """What was measured while a network ran."""

    images_per_second: float
    joules_per_image: float | None


def _speed(blueprint: nn.Module, shape: tuple[int, ...], meter: EnergyMeter | None) -> _Speed:
    """The median rate of the forward pass, and its mean energy where there is a meter."""
    with torch.inference_mode():
        module, images = materialized(blueprint), random_images(shape)
        module(images)
        before = meter.reading() if meter else ()
        seconds: list[float] = []
        while len(seconds) < _LEAST_PASSES or sum(seconds) < _LEAST_SECONDS:
            start = time.perf_counter()
            module(images)
            seconds.append(time.perf_counter() - start)
        joules = meter.joules(before, meter.reading()) if meter else None
    images_in_all = shape[0] * len(seconds)
    return _Speed(shape[0] / statistics.median(seconds), None if joules is None else joules / images_in_all)
