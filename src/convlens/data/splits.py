"""Which images are for training and which for judging, and which belong together and never stand on both sides.

A **unit** is what cannot be divided: images of one group (the frames of one video), with the same bytes, or that look
alike, and everything that is connected so. Units are ranked by a hash of the seed and of what they hold, so a split
depends on neither names nor order, and images that are added move only what stands at a border.

What is divided evenly are classes; where images have several labels each, labels; where they have numbers, images.
"""

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from convlens.core.errors import DataError, UsageError
from convlens.core.kinds.kind import Kind
from convlens.data.manifest import SIDES, ImageFile, Manifest, Side
from convlens.data.neighbors import connected

Pairs = Sequence[tuple[int, int]]
"""Images that belong together, by their places in the manifest."""


class _Unit(NamedTuple):
    """Images that stay together: their rank, their places, and how many different ones of each stratum they are."""

    rank: bytes
    places: list[int]
    numbers: Counter[str]
    """By class; by label; or all of them under "", as are those without any label."""


def split_images(manifest: Manifest, fraction: float, seed: int, alike: Pairs = ()) -> Manifest:
    """The manifest with a side for every image that had none: about `fraction` of each class for validation.

    `alike` are pairs of images that must stand on one side; so must those with the same `group` or the same bytes.
    An image that belongs to one that has a side takes that side. At least one image of a class is trained on, and
    one held out where the class can be divided at all.
    """
    given: list[Side | None] = [one.side for one in manifest.images]
    sides: list[Side] = [side or "train" for side in given]
    loose: list[_Unit] = []
    for unit in _units(manifest, seed, alike):
        if (side := _given_side(unit, given)) is None:
            loose.append(unit)
        for place in unit.places:
            sides[place] = given[place] or side or "train"
    for unit in _held_out(loose, fraction):
        for place in unit.places:
            sides[place] = "val"
    return _with_sides(manifest, sides)


def fold(manifest: Manifest, number: int, count: int, seed: int, alike: Pairs = ()) -> Manifest:
    """The manifest with fold `number` (from 1) of `count` for validation and the others for training.

    Over all folds every image is evaluated once; images for testing stay so, and what belongs to them joins them.
    Units are as in `split_images`. Those of one class are cut into even parts; those of several labels go to the
    folds in turn, the ones with equal labels after each other. Raises UsageError for a fold that there is not,
    DataError for a class that has fewer units than there are folds.
    """
    if not 1 <= number <= count or count < 2:
        raise UsageError(f"fold {number}/{count}: give a number from 1 to the number of folds, of at least two folds.")
    sides: list[Side | None] = ["train"] * len(manifest.images)
    units = []
    for unit in _units(manifest, seed, alike):
        if any(manifest.images[place].side == "test" for place in unit.places):
            for place in unit.places:
                sides[place] = "test"
        else:
            units.append(unit)
    chosen = _cut_by_class(units, number, count) if manifest.kind.exclusive else _dealt(units, number, count)
    for unit in chosen:
        for place in unit.places:
            sides[place] = "val"
    return _with_sides(manifest, sides)


def most_folds(manifest: Manifest, alike: Pairs = ()) -> int:
    """The largest number of folds that `fold` can make of these images: the units of the class that has fewest."""
    if not manifest.kind.exclusive:
        return len(_units_to_fold(manifest, alike))
    return min(units_by_class(manifest, alike).values(), default=0)


def units_by_class(manifest: Manifest, alike: Pairs = ()) -> Counter[str]:
    """Into how many units `fold` can divide each class; a unit counts for the class of most of its images."""
    return Counter(_main_class(unit) for unit in _units_to_fold(manifest, alike))


def _units_to_fold(manifest: Manifest, alike: Pairs) -> list[_Unit]:
    units = _units(manifest, 0, alike)
    return [one for one in units if all(manifest.images[place].side != "test" for place in one.places)]


def _main_class(unit: _Unit) -> str:
    """The class of most of its images."""
    return unit.numbers.most_common(1)[0][0]


def _cut_by_class(units: Sequence[_Unit], number: int, count: int) -> Iterator[_Unit]:
    """The part of each class's units that is this fold; a unit counts for the class of most of its images."""
    by_class: defaultdict[str, list[_Unit]] = defaultdict(list)
    for unit in units:
        by_class[_main_class(unit)].append(unit)
    for label, of_class in by_class.items():
        if len(of_class) < count:
            raise _too_few(f"class {label!r} has {len(of_class)}", count)
        for position, unit in enumerate(of_class):
            if position * count // len(of_class) == number - 1:
                yield unit


def _dealt(units: Sequence[_Unit], number: int, count: int) -> list[_Unit]:
    """Every `count`-th unit, in the order of their labels, and by rank where these are equal."""
    if len(units) < count:
        raise _too_few(f"there are {len(units)}", count)
    return sorted(units, key=lambda unit: sorted(unit.numbers))[number - 1 :: count]


def _too_few(found: str, count: int) -> DataError:
    return DataError(
        f"{found} images or groups that may part, fewer than {count} folds. Take fewer folds, or add images."
    )


def _with_sides(manifest: Manifest, sides: Sequence[Side | None]) -> Manifest:
    images = tuple(
        one if one.side is not None and one.side == side else dataclasses.replace(one, side=side)
        for one, side in zip(manifest.images, sides, strict=True)
    )
    return dataclasses.replace(manifest, images=images)


def _units(manifest: Manifest, seed: int, alike: Pairs) -> list[_Unit]:
    """All units, by rank: the least of the ranks of what they hold."""
    listed = list(manifest.images)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for place, root in enumerate(connected(len(listed), [*alike, *_together(listed)])):
        members[root].append(place)
    kind = manifest.kind
    return sorted(_unit([listed[place] for place in places], places, seed, kind) for places in members.values())


def _unit(images: Sequence[ImageFile], places: list[int], seed: int, kind: Kind) -> _Unit:
    rank = min(hashlib.sha256(f"{seed}:{one.group or one.sha256}".encode()).digest() for one in images)
    different = {(one.labels, one.sha256) for one in images}
    return _Unit(rank, places, Counter(name for labels, _ in different for name in kind.strata(labels) or ("",)))


def _together(images: Sequence[ImageFile]) -> Iterator[tuple[int, int]]:
    """Every image with the first one of its bytes and of its group."""
    first: dict[tuple[str, str], int] = {}
    for place, one in enumerate(images):
        yield place, first.setdefault(("bytes", one.sha256), place)
        if one.group:
            yield place, first.setdefault(("group", one.group), place)


def _given_side(unit: _Unit, given: Sequence[Side | None]) -> Side | None:
    """The side that a member has; of several the one for evaluation, so that nothing is learned that is evaluated."""
    found = {given[place] for place in unit.places}
    return next((side for side in reversed(SIDES) if side in found), None)


def _held_out(units: Sequence[_Unit], fraction: float) -> Iterator[_Unit]:
    """By rank, the units that bring the classes nearer to their quotas and leave each an image to train on."""
    totals: Counter[str] = Counter()
    for unit in units:
        totals.update(unit.numbers)
    quotas = {label: min(max(round(n * fraction), 1), n - 1) for label, n in totals.items()}
    taken: Counter[str] = Counter()
    left_over: list[_Unit] = []
    for unit in units:
        if _spared(unit, taken, totals) and _nearer(unit, taken, quotas):
            taken.update(unit.numbers)
            yield unit
        else:
            left_over.append(unit)
    for unit in sorted(left_over, key=lambda one: one.numbers.total()):
        # A class whose units are all larger than its quota is evaluated on the smallest of them.
        if any(not taken[label] for label in unit.numbers) and _spared(unit, taken, totals):
            taken.update(unit.numbers)
            yield unit


def _spared(unit: _Unit, taken: Counter[str], totals: Counter[str]) -> bool:
    return all(taken[label] + n < totals[label] for label, n in unit.numbers.items())


def _nearer(unit: _Unit, taken: Counter[str], quotas: dict[str, int]) -> bool:
    gaps = [(quotas[label] - taken[label], n) for label, n in unit.numbers.items()]
    return sum(abs(gap - n) - abs(gap) for gap, n in gaps) < 0
