"""Shortcuts: whether a fact about files alone tells their classes."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convlens.core.amounts import size_of
from convlens.core.leaks import Shortcut, Shortcuts
from convlens.core.many_tests import holm
from convlens.data.file_facts import FileFacts
from convlens.data.image_metadata import ImageMetadataStore
from convlens.data.looks import Look, look
from convlens.pipeline.judged_labels import UNLABELED, Judged

_BINS = 12
"""Quantiles into which a number is divided."""
_LEAST_IN_BIN = 5
_PERMUTATIONS = 2000
_LEVEL = 0.01
"""Corrected for the number of facts."""
_LEAST_GAIN = 0.25
"""Of the way from chance to always right: less is shown by many images, and harms little."""
_Values = NDArray[np.float64]


class _Fact(NamedTuple):
    """A number or name of each image; NaN where a file does not say."""

    name: str
    content: bool
    unit: str
    values: _Values
    names: tuple[str, ...] = ()
    """Of names, of which the values are the places."""


def shortcuts(found: Judged, store: ImageMetadataStore, facts: Mapping[str, FileFacts]) -> Shortcuts:
    """The facts that tell classes better than chance, by a classifier of each fact alone.

    The classifier knows how frequent each class is, per image of it, among a fact's quantiles, and names the most
    frequent one; it is tried on the folds of `found`, whose groups and look-alikes are together. `store` has the
    thumbnails, `facts` are by file. A balanced accuracy counts where permuted labels reach it too seldom (2000
    permutations; corrected for the number of facts by Holm's method), and where it is a quarter of the way from chance
    to always right.
    """
    chosen = np.flatnonzero(((found.labels != UNLABELED) & (found.folds > 0)).numpy())
    labels, folds = found.labels.numpy()[chosen], found.folds.numpy()[chosen]
    images = [found.images[place] for place in chosen]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looks = [*pool.map(lambda image: look(store.thumbnail(image.sha256)), images)]
    all_facts = [one for one in _facts([facts[image.file] for image in images], looks) if _varies(one.values)]
    chance = 1 / len(found.classes)
    tried = [_tried(one, labels, folds, len(found.classes)) for one in all_facts]
    corrected = holm([one.p_value for one in tried])
    told = [
        Shortcut(
            fact=fact.name,
            content=fact.content,
            accuracy=one.accuracy,
            interval=one.interval,
            p_value=p_value,
            name=found.classes[one.best],
            here=_typical(fact, labels == one.best),
            elsewhere=_typical(fact, labels != one.best),
        )
        for fact, one, p_value in zip(all_facts, tried, corrected, strict=True)
        if p_value < _LEVEL and one.accuracy >= chance + _LEAST_GAIN * (1 - chance)
    ]
    return Shortcuts(
        chance=chance,
        looked_at=[one.name for one in all_facts],
        found=sorted(told, key=lambda one: -one.accuracy),
    )


def _facts(files: Sequence[FileFacts], looks: Sequence[Look]) -> list[_Fact]:
    cameras = Counter(one.camera for one in files)
    names = tuple(sorted(cameras, key=lambda name: -cameras[name]))
    places = {name: place for place, name in enumerate(names)}
    return [
        _Fact("file size", True, "bytes", _numbers([one.bytes for one in files])),
        _Fact("image size", False, "megapixels", _numbers([one.megapixels for one in files])),
        _Fact("aspect ratio", False, "", _numbers([one.aspect_ratio for one in files])),
        _Fact("JPEG quality", False, "", _numbers([one.quality for one in files])),
        _Fact("camera", False, "", _numbers([places[one.camera] for one in files]), names),
        _Fact("border", True, "", _numbers([one.border for one in looks])),
        _Fact("brightness", True, "", _numbers([one.brightness for one in looks])),
        _Fact("contrast", True, "", _numbers([one.contrast for one in looks])),
        _Fact("red", True, "", _numbers([one.red for one in looks])),
        _Fact("blue", True, "", _numbers([one.blue for one in looks])),
    ]


def _numbers(values: Sequence[float | None]) -> _Values:
    return np.array([np.nan if one is None else one for one in values], dtype=np.float64)


def _varies(values: _Values) -> bool:
    return len(np.unique(np.nan_to_num(values, nan=-1.0))) > 1


class _Tried(NamedTuple):
    """How well a fact tells classes."""

    accuracy: float
    interval: tuple[float, float]
    p_value: float
    best: int
    """The class that it tells best."""


def _tried(fact: _Fact, labels: NDArray[np.int64], folds: NDArray[np.int64], classes: int) -> _Tried:
    predicted = np.zeros_like(labels)
    for number in np.unique(folds):
        within = folds == number
        binned = _binned(fact, ~within)
        counts = np.zeros((binned.max() + 1, classes))
        np.add.at(counts, (binned[~within], labels[~within]), 1)
        shares = counts / np.maximum(counts.sum(0), 1)
        predicted[within] = shares.argmax(1)[binned[within]]
    sizes = np.bincount(labels, minlength=classes)
    recalls = np.bincount(labels[predicted == labels], minlength=classes) / np.maximum(sizes, 1)
    there = sizes > 0
    accuracy = float(recalls[there].mean())
    variance = (recalls * (1 - recalls) / np.maximum(sizes, 1))[there].sum() / there.sum() ** 2
    half = 1.96 * float(variance) ** 0.5
    draw = np.random.default_rng(0)
    weights = 1 / (np.maximum(sizes, 1) * there.sum())
    reached = 0
    for _ in range(_PERMUTATIONS):
        permuted = draw.permutation(labels)
        reached += float(weights[permuted[predicted == permuted]].sum()) >= accuracy - 1e-12
    excess = np.where(there, recalls - np.bincount(predicted, minlength=classes) / len(predicted), -np.inf)
    return _Tried(
        accuracy,
        (max(0.0, accuracy - half), min(1.0, accuracy + half)),
        (reached + 1) / (_PERMUTATIONS + 1),
        int(excess.argmax()),
    )


def _binned(fact: _Fact, known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The bin of each value, by quantiles of the known ones; names and what files do not say have bins of their own."""
    if fact.names:
        return fact.values.astype(np.int64)
    values = fact.values[known & ~np.isnan(fact.values)]
    count = max(1, min(_BINS, len(values) // _LEAST_IN_BIN))
    edges = np.unique(np.quantile(values, np.arange(1, count) / count)) if len(values) else np.zeros(0)
    return np.where(np.isnan(fact.values), len(edges) + 1, np.searchsorted(edges, fact.values, side="right"))


def _typical(fact: _Fact, chosen: NDArray[np.bool_]) -> str:
    values = fact.values[chosen]
    if fact.names:
        return fact.names[Counter(values.astype(np.int64).tolist()).most_common(1)[0][0]] or "not told"
    if np.isnan(values).mean() > 0.5:
        return "not told"
    median = float(np.nanmedian(values))
    if fact.unit == "bytes":
        return size_of(median)
    return f"{median:.3g}{fact.unit and f' {fact.unit}'}"
